//! CBOR notifications: the bytes, the levels, and what is refused.

use spanlake_core::{Kind, Level, RecordKey, Value};
use spanlake_wire::level::{Severity, stays_here};
use spanlake_wire::notification::{Extent, encode, frame, read, subscriptions};
use spanlake_wire::{ForeignRecord, ForeignTask, Refusal};

use crate::script::{MOMENT_NS, event, field, key, owned, with_records};

const WARM: &[u8] = b"\x83\x02\x64info\x81\xa1\x65event\x64warm";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn read_body(method: &str, body: &[u8]) -> Result<ForeignRecord, Refusal> {
    read(&[method.as_bytes(), body], 1000, MOMENT_NS)
}

/// What an event's one field `v` is read as.
fn read_value(hex: &str) -> Result<Option<Value<'static>>, Refusal> {
    let body = [&bytes("83 02 64 696e666f 81 a1 61 76")[..], &bytes(hex)].concat();
    Ok(read_body("info", &body)?.fields.pop().map(|field| field.value))
}

#[test]
fn an_event_is_these_bytes() {
    assert_eq!(frame("info", &[field("event", "warm")]), WARM);
    let read = read_body("info", WARM).unwrap();
    assert_eq!((read.level, &*read.message, read.ts_ns), (Level::INFO, "warm", MOMENT_NS));
    assert!(read.fields.is_empty() && read.task.is_none());
}

#[test]
fn a_record_is_its_context_its_fields_and_what_all_have() {
    let mut record =
        event(Level::WARN, "wrote batch", vec![field("rows", 5u64), field("table", "x"), field("level", 1.5)]);
    record.task = Some(ForeignTask {
        key: key("e252a11f-d33d-483d-ba08-bc8f642b2f10/1"),
        name: "load".into(),
        started_ns: MOMENT_NS,
        foreign_parent: None,
        context: vec![field("table", "orders")],
    });
    record.seq = 3;
    let (topic, body) = with_records(&[record], |records| encode(&records[0], Extent::Event));
    let expected = frame(
        "warning",
        &[
            field("table", "x"),
            field("rows", 5u64),
            field("fields.level", 1.5),
            field("key", "3@e252a11f-d33d-483d-ba08-bc8f642b2f10/1"),
            field("event", "wrote batch"),
            field("level", "warning"),
            field("timestamp", "2026-11-20T13:14:10.123456Z"),
        ],
    );
    assert_eq!((topic, &body), ("warning", &expected));
    let again = read_body(topic, &body).unwrap();
    assert_eq!((again.kind, again.ts_ns, &*again.message), (Kind::Event, MOMENT_NS, "wrote batch"));
    let key: RecordKey = "3@e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse().unwrap();
    assert_eq!(owned(&[again])[0].key, Some(key));
}

#[test]
fn levels_have_names_and_numbers() {
    let named = ["debug", "INFO", "warn", "Warning", "error", "critical", "FATAL", "notice", ""].map(Severity::named);
    assert_eq!(named.map(Severity::number), [10, 20, 30, 30, 40, 50, 50, 10, 10]);
    let of = |level, fields| with_records(&[event(level, "", fields)], |records| Severity::of(&records[0]).name());
    let plain = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR].map(|level| of(level, vec![]));
    assert_eq!(plain, ["debug", "debug", "info", "warning", "error"]);
    assert_eq!(of(Level::ERROR, vec![field("critical", true)]), "critical");
    assert_eq!(of(Level::ERROR, vec![field("critical", "true")]), "error");
    assert_eq!(of(Level::WARN, vec![field("critical", true)]), "warning");
    assert_eq!(subscriptions(Severity::Warning).collect::<Vec<_>>(), ["warn", "error", "critical"]);
    assert!(
        Severity::ALL.into_iter().all(|severity| {
            subscriptions(severity).filter(|prefix| severity.name().starts_with(prefix)).count() == 1
        })
    );
}

#[test]
fn critical_comes_back_as_an_error_that_is_critical() {
    let read = read_body("critical", b"\x83\x02\x68critical\x81\xa0").unwrap();
    assert_eq!((read.level, read.fields), (Level::ERROR, vec![field("critical", true)]));
}

#[test]
fn a_record_that_is_not_to_be_sent_says_so_itself_or_by_its_task() {
    let stays = |own: Option<bool>, bound: Option<bool>| {
        let transmit = |value: Option<bool>| value.map(|value| field("transmit", value)).into_iter().collect();
        let mut record = event(Level::INFO, "", transmit(own));
        record.task = Some(ForeignTask {
            key: key("e252a11f-d33d-483d-ba08-bc8f642b2f10"),
            name: String::new(),
            started_ns: 0,
            foreign_parent: None,
            context: transmit(bound),
        });
        with_records(&[record], |records| stays_here(&records[0]))
    };
    assert!(stays(Some(false), None) && stays(None, Some(false)) && stays(Some(false), Some(true)));
    assert!(!stays(None, None) && !stays(Some(true), None) && !stays(Some(true), Some(false)));
}

#[test]
fn numbers_of_all_widths_are_read() {
    // Appendix A of RFC 8949, as far as records have a form for it.
    let ints = [("00", 0), ("18 64", 100), ("1a 000f4240", 1_000_000), ("20", -1), ("39 03e7", -1000)];
    for (hex, number) in ints {
        assert_eq!(read_value(hex), Ok(Some(Value::I64(number))), "{hex}");
    }
    assert_eq!(read_value("1b ffffffffffffffff"), Ok(Some(Value::U64(u64::MAX))));
    assert_eq!(read_value("3b ffffffffffffffff"), Ok(Some(Value::I128(-18_446_744_073_709_551_616))));
    assert_eq!(read_value("c2 49 010000000000000000"), Ok(Some(Value::U128(1 << 64))));
    assert_eq!(read_value("c3 49 010000000000000000"), Ok(Some(Value::I128(-(1 << 64) - 1))));
    let floats = [("f9 3c00", 1.0), ("f9 0001", 5.960464477539063e-8), ("f9 c400", -4.0), ("f9 7c00", f64::INFINITY)];
    for (hex, number) in floats.into_iter().chain([("fa 47c35000", 100_000.0), ("fb 3ff199999999999a", 1.1)]) {
        assert_eq!(read_value(hex), Ok(Some(Value::F64(number))), "{hex}");
    }
}

#[test]
fn lengths_that_are_not_told_tags_and_names_that_are_no_texts_are_read() {
    assert_eq!(read_value("7f 62 6162 61 63 ff"), Ok(Some(Value::from("abc"))));
    assert_eq!(read_value("9f 01 f6 ff"), Ok(Some(Value::List(vec![Value::I64(1), Value::from("null")]))));
    assert_eq!(read_value("bf 01 f5 ff"), Ok(Some(Value::Map(vec![field("1", true)]))));
    assert_eq!(read_value("c1 1a 514b67b0"), Ok(Some(Value::I64(1_363_896_240))));
    assert_eq!(read_value("f6"), Ok(None));
    assert_eq!(read_value("f7"), Ok(None));
}

#[test]
fn what_is_refused_has_a_reason() {
    let refused = |frames: &[&[u8]]| read(frames, 1000, 0).unwrap_err();
    assert_eq!(refused(&[WARM]), Refusal::Frames);
    assert_eq!(refused(&[b"error", WARM]), Refusal::Topic);
    assert_eq!(refused(&[b"info", &[0; 1001]]), Refusal::TooLong);
    assert_eq!(refused(&[b"info", &[0x81; 1000]]), Refusal::TooDeep);
    assert_eq!(refused(&[b"info", &[0xc1; 1000]]), Refusal::TooDeep);
    assert_eq!(refused(&[b"info", &WARM[..WARM.len() - 1]]), Refusal::Malformed);
    assert_eq!(refused(&[b"info", &[WARM, b"\0"].concat()]), Refusal::Malformed);
    assert_eq!(refused(&[b"info", b"\x83\x01\x64info\x81\xa0"]), Refusal::Shape);
    assert_eq!(refused(&[b"info", b"\x83\x02\x64info\x82\xa0\xa0"]), Refusal::Shape);
    assert_eq!(refused(&[b"info", b"\xf6"]), Refusal::Shape);
    // Lengths beyond what is there, a break where none may be, and a text that is none.
    for hex in ["5b ffffffffffffffff", "9b ffffffffffffffff", "ff", "82 01 ff", "1f", "fc", "62 c328", "7f 41 00 ff"] {
        assert_eq!(read_value(hex), Err(Refusal::Malformed), "{hex}");
    }
}
