//! JSON lines.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::Value as Json;
use spanlake_core::loss::Loss;
use spanlake_core::render::JsonLines;
use spanlake_core::{Cause, Detail, End, Field, Fields, Kind, Level, Outcome, Record, Source, Value};

use crate::segment::sample;
use crate::support::{HOSTILE, MOMENT_NS, hostile_segment, source};

/// The keys of every line, in the order of the lake's columns.
const KEYS: [&str; 22] = [
    "ts",
    "level",
    "kind",
    "key",
    "task",
    "message",
    "target",
    "module",
    "file",
    "line",
    "thread",
    "pid",
    "host",
    "service",
    "dataflow_id",
    "context",
    "fields",
    "duration_us",
    "outcome",
    "error",
    "trace_id",
    "span_id",
];

fn line(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    JsonLines::default().put(&mut out, record);
    String::from_utf8(out).expect("UTF-8")
}

fn event<'a>(source: &'a Source, message: &'a str, fields: Vec<Field<'a>>) -> Record<'a> {
    Record {
        ts_ns: MOMENT_NS,
        level: Level::INFO,
        kind: Kind::Event,
        seq: 0,
        callsite: None,
        task: None,
        source,
        message: Cow::Borrowed(message),
        fields: Fields::Edited(fields),
        detail: Detail::None,
        place: 0,
    }
}

fn field<'a>(name: &'a str, value: impl Into<Value<'a>>) -> Field<'a> {
    Field { name: name.into(), value: value.into() }
}

/// The keys of the outermost object of a line, in their order; a parser into a map would lose it.
fn keys_in_order(line: &str) -> Vec<String> {
    let (mut depth, mut keys) = (0, Vec::new());
    let mut rest = line;
    while let Some(at) = rest.find(['{', '}', '"']) {
        let (mark, behind) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = behind;
        match mark {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {
                let mut escaped = false;
                let end = behind.find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                let (text, behind) = behind.split_at(end.expect("the closing quote"));
                rest = &behind[1..];
                if depth == 1 && rest.starts_with(':') {
                    keys.push(text.to_owned());
                }
            }
        }
    }
    keys
}

#[test]
fn every_line_parses_and_has_every_key_in_the_order_of_the_columns() {
    let sample = sample();
    let decoded = sample.decode().expect("a segment");
    let (mut out, mut lines) = (Vec::new(), JsonLines::default());
    decoded.records().for_each(|record| lines.put(&mut out, &record));
    let text = String::from_utf8(out).expect("UTF-8");
    assert_eq!(text.lines().count(), decoded.len());
    for line in text.lines() {
        assert!(serde_json::from_str::<Json>(line).expect("JSON").is_object());
        assert_eq!(keys_in_order(line), KEYS, "{line}");
    }
}

#[test]
fn record_outside_any_task_has_null_where_there_is_nothing() {
    let json: Json = serde_json::from_str(&line(&event(&Source::default(), "", vec![]))).expect("JSON");
    for key in ["key", "task", "module", "file", "line", "thread", "service", "dataflow_id", "duration_us", "outcome"] {
        assert_eq!(json[key], Json::Null, "{key}");
    }
    assert_eq!((&json["context"], &json["fields"]), (&serde_json::json!({}), &serde_json::json!({})));
    assert_eq!(json["ts"], "2026-11-20T13:14:10.123456Z");
}

#[test]
fn values_keep_their_json_types() {
    let source = source();
    let fields = vec![
        field("bool", true),
        field("i64", i64::MIN),
        field("u64", u64::MAX),
        field("i128", i128::MIN),
        field("u128", u128::MAX),
        field("float", 0.1),
        field("whole", 1.0),
        field("large", 1e300),
        field("nan", f64::NAN),
        field("inf", f64::INFINITY),
        field("-inf", f64::NEG_INFINITY),
        field("text", "1"),
        Field { name: "bytes".into(), value: Value::Bytes(vec![1, 0xfe].into()) },
        Field { name: "error".into(), value: Value::Error(vec!["this".into(), "cause".into()]) },
        Field {
            name: "list".into(),
            value: Value::List(vec![1.5.into(), "a\"".into(), Value::List(vec![f64::NAN.into()])]),
        },
    ];
    let text = line(&event(&source, "", fields));
    let expected = concat!(
        r#""fields":{"bool":true,"i64":-9223372036854775808,"u64":18446744073709551615,"#,
        r#""i128":-170141183460469231731687303715884105728,"u128":340282366920938463463374607431768211455,"#,
        r#""float":0.1,"whole":1.0,"large":1e300,"nan":"NaN","inf":"inf","-inf":"-inf","text":"1","#,
        r#""bytes":"01fe","error":"this: cause","list":[1.5,"a\"",["NaN"]]},"#,
    );
    assert!(text.contains(expected), "{text}");
    serde_json::from_str::<Json>(&text).expect("JSON");
}

#[test]
fn of_a_name_that_stands_twice_the_last_value_is_kept_in_the_place_of_the_first() {
    let source = source();
    let fields = vec![field("a", 1u8), field("b", 2u8), field("a", 3u8), field("aa", 4u8)];
    assert!(line(&event(&source, "", fields)).contains(r#""fields":{"a":3,"b":2,"aa":4},"#));
}

#[test]
fn names_that_only_look_alike_are_all_kept() {
    // Same first and last letter, same length: what the quick look for a name seen twice goes by.
    let source = source();
    let text = line(&event(&source, "", vec![field("axb", 1u8), field("ayb", 2u8), field("azb", 3u8)]));
    assert!(text.contains(r#""fields":{"axb":1,"ayb":2,"azb":3},"#), "{text}");
}

#[test]
fn hostile_text_stays_inside_its_string_and_its_line() {
    let segment = hostile_segment();
    let decoded = segment.decode().expect("a segment");
    let record = decoded.records().next().expect("a record");
    let text = line(&record);
    assert_eq!(text.matches('\n').count(), 1, "one line");
    let harmful = |c: char| spanlake_core::render::escape::is_harmful(c) && c != '\n';
    assert!(!text.contains(harmful), "{text:?}");
    let json: Json = serde_json::from_str(&text).expect("JSON");
    for key in ["message", "task", "target", "module", "file", "host", "service", "thread", "dataflow_id"] {
        assert_eq!(json[key], HOSTILE, "{key} reads back as it was");
    }
    assert_eq!((&json["fields"][HOSTILE], &json["context"][HOSTILE]), (&HOSTILE.into(), &HOSTILE.into()));
    let context: Json = serde_json::from_str(record.task.as_deref().expect("a task").context_json()).expect("JSON");
    assert_eq!(context, json["context"]);
}

#[test]
fn statement_of_loss_has_its_numbers_as_fields() {
    let source = source();
    let mut loss = Loss::one(Cause::Full, Level::DEBUG, 100, MOMENT_NS);
    loss.add(&Loss::one(Cause::Full, Level::INFO, 20, MOMENT_NS + 1_000_000));
    let mut record = event(&source, "", vec![]);
    (record.kind, record.detail, record.message) = (Kind::Loss, Detail::Loss(loss), loss.to_string().into());
    let json: Json = serde_json::from_str(&line(&record)).expect("JSON");
    assert_eq!(json["message"], "2 records lost (full): 1 DEBUG, 1 INFO");
    assert_eq!((&json["kind"], &json["target"]), (&"loss".into(), &"spanlake".into()));
    let expected = serde_json::json!({
        "cause": "full", "count": 2, "bytes": 120, "debug": 1, "info": 1,
        "first_ts": "2026-11-20T13:14:10.123456Z", "last_ts": "2026-11-20T13:14:10.124456Z",
    });
    assert_eq!(json["fields"], expected);
}

#[test]
fn end_has_its_duration_outcome_error_and_busy_time() {
    let source = source();
    let end = End {
        outcome: Outcome::Failed,
        duration_ns: 2_500_999,
        busy_ns: 1_000_000,
        error: vec!["this".into(), "cause".into()],
        quiet: false,
    };
    let mut record = event(&source, "", vec![field("rows", 1u8)]);
    (record.kind, record.detail) = (Kind::End, Detail::End(end));
    let json: Json = serde_json::from_str(&line(&record)).expect("JSON");
    assert_eq!(json["duration_us"], 2500);
    assert_eq!((&json["outcome"], &json["error"]), (&"failed".into(), &"this: cause".into()));
    assert_eq!(json["fields"], serde_json::json!({"rows": 1, "busy_us": 1000}));
}

proptest! {
    #[test]
    fn any_text_reads_back_as_it_was(text: String, name: String) {
        let source = Source::default();
        let text_line = line(&event(&source, &text, vec![field(&name, text.as_str())]));
        prop_assert_eq!(text_line.matches('\n').count(), 1);
        let json: Json = serde_json::from_str(&text_line).expect("JSON");
        prop_assert_eq!(json["message"].as_str(), Some(&*text));
        prop_assert_eq!(json["fields"][&name].as_str(), Some(&*text));
    }

    #[test]
    fn any_float_reads_back_as_it_was(number: f64) {
        let source = Source::default();
        let text = line(&event(&source, "", vec![field("x", number)]));
        serde_json::from_str::<Json>(&text).expect("JSON");
        // Not by way of `serde_json`, which reads some numbers one bit off unless told to be exact.
        let (_, written) = text.split_once(r#""x":"#).expect("the field");
        let (written, _) = written.split_once('}').expect("the end of the fields");
        prop_assert_eq!(written.starts_with('"'), !number.is_finite());
        prop_assert!(!number.is_finite() || written.parse() == Ok(number));
    }
}
