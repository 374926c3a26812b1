//! Scoped-task JSON: what is sent, what is read of Python's senders, and what is refused.

use spanlake_core::{Kind, Level, Outcome, OwnedRecord};
use spanlake_wire::scoped::{Reader, System, Writer};
use spanlake_wire::{ForeignRecord, ForeignTask, Refusal};

use crate::script::{MOMENT_NS, event, field, key, owned, with_records};

const ROOT: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";

/// A message as Python's logging makes it, with what a test is about.
fn message(parts: serde_json::Value) -> Vec<u8> {
    let mut message = serde_json::json!({
        "args": null, "asctime": "2018-04-18 22:47:35,585", "context": null, "created": 1524085655.5859096, "exc_info": null,
        "exc_text": null, "filename": "example.py", "funcName": "main", "hostname": "obelix", "levelname": "INFO",
        "levelno": 20, "lineno": 18, "message": "into task", "module": "example", "msecs": 585.9, "msg": "into task",
        "name": "root", "pathname": "/src/example.py", "process": 6156, "processName": "MainProcess",
        "relativeCreated": 20.6, "stack_info": null, "thread": 139753641113344u64, "threadName": "MainThread"
    });
    let all = message.as_object_mut().unwrap();
    parts.as_object().unwrap().iter().for_each(|(name, value)| drop(all.insert(name.clone(), value.clone())));
    serde_json::to_vec(&message).unwrap()
}

/// What a task of `distlog` says of itself, so many milliseconds after the first.
fn lifecycle(function: &str, key: &str, text: &str, after_ms: u32, more: serde_json::Value) -> Vec<u8> {
    let mut parts = serde_json::json!({
        "module": "context", "funcName": function, "message": text, "msg": text,
        "created": 1524085655.5 + f64::from(after_ms) / 1e3, "context": {"key": key, "arg": 42}
    });
    let all = parts.as_object_mut().unwrap();
    more.as_object().unwrap().iter().for_each(|(name, value)| drop(all.insert(name.clone(), value.clone())));
    message(parts)
}

fn read(reader: &mut Reader, json: &[u8]) -> ForeignRecord {
    reader.read(&[b"PLJ", json], 0).unwrap()
}

fn read_one(json: &[u8]) -> OwnedRecord {
    owned(&[read(&mut Reader::new(), json)]).remove(0)
}

#[test]
fn what_is_sent_has_the_shape_of_a_python_record() {
    let mut record =
        event(Level::ERROR, "two\nlines", vec![field("rows", 5u64), field("critical", true), field("msg", "x")]);
    record.task = Some(ForeignTask {
        key: key(&format!("{ROOT}/1")),
        name: "load".into(),
        started_ns: MOMENT_NS,
        foreign_parent: None,
        context: vec![field("table", "orders")],
    });
    record.seq = 7;
    record.place.as_mut().unwrap().file = Some("src/db/load.rs".into());
    let json = with_records(&[record], |records| {
        let mut writer = Writer::new(System::Staging);
        let (topic, json) = writer.write(&records[0]);
        assert_eq!(topic, b"SLJ");
        json.to_vec()
    });
    let expected = concat!(
        r#"{"args":null,"exc_info":null,"stack_info":null,"#,
        r#""name":"app::db","pathname":"src/db/load.rs","filename":"load.rs","module":null,"lineno":null,"funcName":"event","#,
        r#""thread":3386804683,"threadName":"main","processName":"orders","process":4711,"hostname":"host","#,
        r#""service.name":"orders","spanlake.process_started_us":1795180445123456,"levelname":"CRITICAL","levelno":50,"#,
        r#""created":1795180450.123456,"msecs":123.456,"relativeCreated":5000.000,"asctime":"2026-11-20 13:14:10,123","#,
        r#""msg":"two\nlines","message":"two\\nlines","exc_text":null,"#,
        r#""context":{"key":"7@e252a11f-d33d-483d-ba08-bc8f642b2f10/1","table":"orders"},"spanlake.task":"load","#,
        r#""spanlake.started_ns":1795180450123456000,"rows":5,"critical":true,"fields.msg":"x","spanlake.kind":"event"}"#,
    );
    assert_eq!(String::from_utf8(json).unwrap(), expected);
}

#[test]
fn of_a_name_that_stands_twice_the_last_value_is_sent() {
    let record = event(Level::INFO, "x", vec![field("rows", 1u64), field("table", "orders"), field("rows", 2u64)]);
    let json = with_records(&[record], |records| Writer::new(System::Test).write(&records[0]).1.to_vec());
    let json = String::from_utf8(json).unwrap();
    assert!(json.contains(r#""context":null,"rows":2,"table":"orders","spanlake.kind":"event"}"#), "{json}");
}

#[test]
fn a_python_record_keeps_where_it_comes_from_and_what_was_added() {
    let read = read_one(&message(serde_json::json!({
        "context": {"key": format!("1@{ROOT}/1"), "arg": 42}, "rows": 5, "ratio": 0.1, "none": null
    })));
    assert_eq!(read.ts_us, 1_524_085_655_585_910);
    assert_eq!(read.key.unwrap().to_string(), format!("1@{ROOT}/1"));
    assert_eq!((read.level, read.kind, &*read.message), (Level::INFO, Kind::Event, "into task"));
    assert_eq!((&*read.target, read.module.as_deref(), read.line), ("root", Some("example"), Some(18)));
    assert_eq!((&*read.host, read.pid, read.thread.as_deref()), ("obelix", 6156, Some("MainThread")));
    assert_eq!(read.file.as_deref(), Some("/src/example.py"));
    assert_eq!(read.context, r#"{"arg":42}"#);
    assert_eq!(read.fields, r#"{"ratio":0.1,"rows":5,"system":"production"}"#);
}

#[test]
fn a_task_that_tells_its_begin_and_end_has_both_with_name_outcome_and_duration() {
    let mut reader = Reader::new();
    let none = serde_json::json!({});
    let failed = serde_json::json!({
        "levelno": 40, "exc_text": "Traceback (most recent call last):\\n  File \"x.py\", line 1\\nValueError: boom"
    });
    let (task, sub) = (format!("0@{ROOT}"), format!("0@{ROOT}/1"));
    let records = [
        lifecycle("__enter__", &task, "counting up to 10", 0, none.clone()),
        lifecycle("__enter__", &sub, "print int", 10, none.clone()),
        message(serde_json::json!({"context": {"key": format!("1@{ROOT}/1")}})),
        lifecycle("__exit__", &format!("2@{ROOT}/1"), "FAILED print int", 35, failed),
        lifecycle("__exit__", &format!("1@{ROOT}"), "done", 50, none),
    ]
    .map(|json| read(&mut reader, &json));
    let records = owned(&records);
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.kind, record.task.as_deref().unwrap(), record.outcome, record.duration_us))
        .collect();
    assert_eq!(
        told,
        [
            (Kind::Begin, "counting up to 10", None, None),
            (Kind::Begin, "print int", None, None),
            (Kind::Event, "print int", None, None),
            (Kind::End, "print int", Some(Outcome::Failed), Some(25_000)),
            (Kind::End, "counting up to 10", Some(Outcome::Succeeded), Some(50_000)),
        ]
    );
    assert_eq!(records[3].error.as_deref(), Some("ValueError: boom"));
    assert!(records[3].fields.contains(r#"Traceback (most recent call last):\n  File"#), "{}", records[3].fields);
}

#[test]
fn a_function_of_the_same_name_elsewhere_begins_no_task() {
    let json = lifecycle("__enter__", &format!("0@{ROOT}"), "x", 0, serde_json::json!({"module": "contexts"}));
    assert_eq!(read_one(&json).kind, Kind::Event);
    let json = lifecycle("__enter__", "no key", "x", 0, serde_json::json!({}));
    assert_eq!(read_one(&json).kind, Kind::Event);
}

#[test]
fn only_so_many_open_tasks_are_remembered() {
    let mut reader = Reader::with_limits(1 << 20, 2);
    let key = |n: u32| format!("0@{ROOT}/{n}");
    for n in 1..=3 {
        read(&mut reader, &lifecycle("__enter__", &key(n), "task", n, serde_json::json!({})));
    }
    let mut end = |n| read(&mut reader, &lifecycle("__exit__", &key(n), "done", 10, serde_json::json!({})));
    let ends = [end(1), end(2), end(3)];
    let names: Vec<_> = ends.iter().map(|end| &*end.task.as_ref().unwrap().name).collect();
    assert_eq!(names, ["", "task", "task"]);
    let durations: Vec<_> = owned(&ends).iter().map(|end| end.duration_us.unwrap()).collect();
    assert_eq!(durations, [0, 8_000, 7_000]);
}

#[test]
fn a_part_of_a_key_that_is_no_number_names_a_child_all_the_same() {
    let with = |key: &str| read_one(&message(serde_json::json!({"context": {"key": key, "a": 1}})));
    let nested = with(&format!("0@{ROOT}/c3915882-b0f0-4af5-ae86-68ab2d58990e/1")).key.unwrap().task;
    assert_eq!((nested.depth(), nested.path()[1]), (2, 1));
    assert!(nested.path()[0] >= 1 << 31);
    assert_eq!(with(&format!("0@{ROOT}/<built-in function id>")).key.unwrap().task.depth(), 1);
    let outside = with("0@None/1");
    assert_eq!(outside.key, None);
    assert_eq!(outside.fields, r#"{"context":{"a":1,"key":"0@None/1"},"system":"production"}"#);
}

#[test]
fn line_ends_come_back_and_a_backslash_stays_where_the_text_shows_it() {
    let text =
        |message_: &str, msg: &str| read_one(&message(serde_json::json!({"message": message_, "msg": msg}))).message;
    assert_eq!(text("two\\nlines", "two\nlines"), "two\nlines");
    assert_eq!(text("C:\\new", "C:\\new"), "C:\\new");
    assert_eq!(text("two\\nlines of 3", "two\nlines of %d"), "two\nlines of 3");
}

#[test]
fn context_and_extras_keep_their_order() {
    let json =
        format!(r#"{{"z":1,"msg":"x","context":{{"y":1,"key":"0@{ROOT}","b":[null,1e2]}},"a":{{"q":1,"c":2}}}}"#);
    let read = read_one(json.as_bytes());
    assert_eq!(read.context, r#"{"y":1,"b":["null",100.0]}"#);
    assert_eq!(read.fields, r#"{"z":1,"a":{"q":1,"c":2},"system":"production"}"#);
}

#[test]
fn levels_are_those_of_the_numbers() {
    let level = |number: i64| {
        let read = read_one(&message(serde_json::json!({"levelno": number})));
        (read.level, read.fields.contains("critical"))
    };
    let all = [5, 10, 19, 20, 25, 30, 40, 49, 50, 60].map(level);
    let (trace, debug, info) = ((Level::TRACE, false), (Level::DEBUG, false), (Level::INFO, false));
    let (warn, error, critical) = ((Level::WARN, false), (Level::ERROR, false), (Level::ERROR, true));
    assert_eq!(all, [trace, debug, debug, info, info, warn, error, error, critical, critical]);
}

#[test]
fn what_is_refused_has_a_reason() {
    let refused = |frames: &[&[u8]]| Reader::with_limits(1000, 10).read(frames, 0).unwrap_err();
    let good = br#"{"message":"x"}"#;
    assert_eq!(refused(&[b"PLJ"]), Refusal::Frames);
    assert_eq!(refused(&[b"PLJ", good, good]), Refusal::Frames);
    assert_eq!(refused(&[b"PLX", good]), Refusal::Topic);
    assert_eq!(refused(&[b"XLJ", good]), Refusal::Topic);
    assert_eq!(refused(&[b"", good]), Refusal::Topic);
    assert_eq!(refused(&[b"PLP", b"\x80\x03}q\x00."]), Refusal::Pickle);
    assert_eq!(refused(&[b"PLP", &[0; 2000]]), Refusal::Pickle);
    assert_eq!(refused(&[b"PLJ", &[b' '; 1001]]), Refusal::TooLong);
    assert_eq!(refused(&[b"PLJ", &[b'['; 900]]), Refusal::TooDeep);
    assert_eq!(refused(&[b"PLJ", br#"{"message":"x""#]), Refusal::Malformed);
    assert_eq!(refused(&[b"PLJ", b"[]"]), Refusal::Shape);
    assert_eq!(refused(&[b"PLJ", br#"{"rows":5}"#]), Refusal::Shape);
    assert!(Reader::new().read(&[&b"TPJ"[..], good], 0).is_ok());
}

#[test]
fn what_has_no_time_gets_that_of_its_arrival() {
    for created in ["null", "1e300", "\"now\"", "-1e18"] {
        let json = format!(r#"{{"message":"x","created":{created}}}"#);
        assert_eq!(Reader::new().read(&[b"PLJ", json.as_bytes()], MOMENT_NS).unwrap().ts_ns, MOMENT_NS, "{created}");
    }
}

#[test]
fn a_time_is_the_same_microsecond_when_it_is_sent_on() {
    for created in [0.000_001, 1_524_085_655.585_91, 4_501_285_655.600_002, 9_000_000_000.123_457] {
        let json = message(serde_json::json!({ "created": created }));
        let record = read(&mut Reader::new(), &json);
        let ts_ns = record.ts_ns;
        let json = with_records(&[record], |records| Writer::new(System::Production).write(&records[0]).1.to_vec());
        assert_eq!(read(&mut Reader::new(), &json).ts_ns, ts_ns, "{created}");
    }
}

#[test]
fn times_beyond_all_measure_are_none() {
    for since_ms in [1e300, -1e300, 1e19, 9e18] {
        let json = message(serde_json::json!({ "relativeCreated": since_ms }));
        let record = read(&mut Reader::new(), &json);
        assert_eq!((record.source.started_us, record.ts_ns), (0, 1_524_085_655_585_910_000), "{since_ms}");
    }
}
