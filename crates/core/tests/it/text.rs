//! Lines for people.

use std::borrow::Cow;

use spanlake_core::loss::Loss;
use spanlake_core::render::dump::{each_line, put_number};
use spanlake_core::render::{Lifecycle, TextLines};
use spanlake_core::segment::{EndHead, RecordHead, SegmentWriter, TaskDefinition, TaskOrigin};
use spanlake_core::value::{BodyWriter, Name};
use spanlake_core::{Cause, Detail, End, Field, Fields, Kind, Level, Outcome, Record, Source, Value};
use uuid::Uuid;

use crate::support::{MOMENT_NS, callsite, hostile_segment, message, source};

fn lines_of(lifecycle: Lifecycle, record: &Record<'_>) -> String {
    let mut out = String::new();
    TextLines { lifecycle }.put(&mut out, record);
    out
}

fn record<'a>(source: &'a Source, message: &'a str, fields: Vec<Field<'a>>) -> Record<'a> {
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

fn end(outcome: Outcome, error: &[&'static str]) -> End<'static> {
    let error = error.iter().map(|link| Cow::Borrowed(*link)).collect();
    End { outcome, duration_ns: 504_000_000, busy_ns: 0, error, quiet: false }
}

#[test]
fn line_has_time_level_place_dataflow_message_and_fields() {
    let mut writer = SegmentWriter::new(&source());
    let place = callsite(&mut writer, "load", &["etl.dataflow"]);
    let mut context = BodyWriter::default();
    context.text(Name::Index(0), "orders");
    let task = TaskDefinition {
        origin: TaskOrigin::Root(Uuid::from_u128(1)),
        callsite: place,
        started_ns: MOMENT_NS,
        own_context: false,
        foreign_parent: None,
        context: context.bytes(),
        begins: false,
    };
    let task = Some(writer.define_task(1, 0, 0, &task));
    let mut fields = BodyWriter::default();
    fields.u64(Name::Text("rows"), 500);
    fields.bool(Name::Text("ok"), true);
    let head = RecordHead { level: Level::WARN, callsite: Some(place), task, seq: 1, ts_ns: MOMENT_NS };
    writer.event(&head, &message("wrote batch"), fields.bytes());
    let segment = writer.take();
    let decoded = segment.decode().expect("a segment");
    let line = lines_of(Lifecycle::Plain, &decoded.records().next().expect("a record"));
    let expected =
        "2026-11-20T13:14:10.123456Z - WARN - core::it:core::it::support:7 - [orders] - wrote batch rows=500 ok=true\n";
    assert_eq!(line, expected);
}

#[test]
fn what_is_not_known_is_a_dash() {
    let source = source();
    let line = lines_of(Lifecycle::Plain, &record(&source, "hello", vec![]));
    assert_eq!(line, "2026-11-20T13:14:10.123456Z - INFO - spanlake:-:0 - [-] - hello\n");
}

#[test]
fn texts_with_spaces_quotes_and_equals_signs_are_quoted() {
    let source = source();
    let fields = vec![
        field("plain", "word"),
        field("empty", ""),
        field("spaces", "two words"),
        field("quotes", "a \"b\""),
        field("equals", "a=b"),
        field("number", 1u8),
    ];
    let line = lines_of(Lifecycle::Plain, &record(&source, "m", fields));
    let expected = r#" - m plain=word empty="" spaces="two words" quotes="a \"b\"" equals="a=b" number=1"#;
    assert!(line.trim_end().ends_with(expected), "{line}");
}

#[test]
fn hostile_text_is_one_harmless_line() {
    let segment = hostile_segment();
    let decoded = segment.decode().expect("a segment");
    for lifecycle in [Lifecycle::Plain, Lifecycle::Timed] {
        let line = lines_of(lifecycle, &decoded.records().next().expect("a record"));
        assert_eq!(line.lines().count(), 1, "{line:?}");
        let harmful = |c: char| spanlake_core::render::escape::is_harmful(c) && c != '\n';
        assert!(!line.contains(harmful), "{line:?}");
        for escape in ["\\n", "\\r", "\\t", "\\u{0}", "\\u{1b}", "\\u{7f}", "\\u{9b}", "\\u{202e}", "\\u{2028}"] {
            assert!(line.contains(escape), "{escape} in {line}");
        }
        assert!(line.contains('🦀'), "harmless text is left alone");
    }
}

#[test]
fn causes_of_an_error_follow_as_indented_lines() {
    let source = source();
    let error = Value::Error(vec!["cannot load".into(), "no\nfile".into(), "not found".into()]);
    let lines = lines_of(Lifecycle::Plain, &record(&source, "failed", vec![field("error", error)]));
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].ends_with(" - failed error=\"cannot load\""), "{}", lines[0]);
    assert_eq!(lines[1..], ["    caused by: no\\nfile", "    caused by: not found"]);
}

#[test]
fn failed_end_is_followed_by_its_error_and_causes() {
    let source = source();
    let mut failed = record(&source, "FAILED load", vec![]);
    (failed.level, failed.kind) = (Level::ERROR, Kind::End);
    failed.detail = Detail::End(end(Outcome::Failed, &["this", "cause"]));
    let lines = lines_of(Lifecycle::Plain, &failed);
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].ends_with(" - ERROR - spanlake:-:0 - [-] - FAILED load"), "{}", lines[0]);
    assert_eq!(lines[1..], ["    error: this", "    caused by: cause"]);
}

/// What the lines say behind place and dataflow.
fn words(lifecycle: Lifecycle, kind: Kind, text: &str, detail: Detail<'static>) -> Vec<String> {
    let source = source();
    let mut record = record(&source, text, vec![]);
    (record.kind, record.detail) = (kind, detail);
    let lines = lines_of(lifecycle, &record);
    lines.lines().map(|line| line.rsplit(" - ").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn lifecycle_in_plain_words_is_the_message_twice() {
    let said = |kind, text, detail| words(Lifecycle::Plain, kind, text, detail);
    assert_eq!(said(Kind::Begin, "Loading", Detail::None), ["Loading"]);
    assert_eq!(said(Kind::End, "Loading", Detail::End(end(Outcome::Succeeded, &[]))), ["Loading"]);
    assert_eq!(said(Kind::End, "FAILED Loading", Detail::End(end(Outcome::Failed, &[]))), ["FAILED Loading"]);
}

#[test]
fn lifecycle_in_timed_words_says_begin_error_and_seconds() {
    let said = |kind, text, detail| words(Lifecycle::Timed, kind, text, detail);
    assert_eq!(said(Kind::Begin, "X", Detail::None), ["Begin: X"]);
    assert_eq!(said(Kind::End, "X", Detail::End(end(Outcome::Succeeded, &[]))), ["End (0.50): X"]);
    assert_eq!(said(Kind::End, "X", Detail::End(end(Outcome::Cancelled, &[]))), ["End (0.50): X"]);
    assert_eq!(said(Kind::End, "FAILED X", Detail::End(end(Outcome::Failed, &[]))), ["Error in X", "End (0.50): X"]);
    assert_eq!(said(Kind::Event, "X", Detail::None), ["X"], "events are left alone");
    let long = End { duration_ns: 61_999_000_000, ..end(Outcome::Succeeded, &[]) };
    assert_eq!(said(Kind::End, "X", Detail::End(long)), ["End (62.00): X"]);
}

#[test]
fn timed_words_leave_a_message_alone_that_only_looks_failed() {
    let detail = Detail::End(end(Outcome::Succeeded, &[]));
    assert_eq!(words(Lifecycle::Timed, Kind::End, "FAILED X", detail), ["End (0.50): FAILED X"]);
}

#[test]
fn quiet_end_has_no_line() {
    for lifecycle in [Lifecycle::Plain, Lifecycle::Timed] {
        let quiet = End { quiet: true, ..end(Outcome::Succeeded, &[]) };
        assert_eq!(words(lifecycle, Kind::End, "", Detail::End(quiet)), [""; 0]);
    }
}

#[test]
fn end_without_words_of_its_own_says_its_tasks_name() {
    let mut writer = SegmentWriter::new(&source());
    let place = callsite(&mut writer, "load", &[]);
    for outcome in [Outcome::Succeeded, Outcome::Failed] {
        let head = RecordHead { level: Level::INFO, callsite: Some(place), task: None, seq: 1, ts_ns: MOMENT_NS };
        let end = EndHead { outcome, duration_ns: 0, busy_ns: 0, error: &[], quiet: false };
        writer.end(&head, &end, &Default::default(), &[]);
    }
    let segment = writer.take();
    let decoded = segment.decode().expect("a segment");
    let said: Vec<String> = decoded.records().map(|record| record.message.into_owned()).collect();
    assert_eq!(said, ["load", "FAILED load"]);
}

#[test]
fn statement_of_loss_says_count_cause_and_levels() {
    let mut loss = Loss::one(Cause::Evicted, Level::DEBUG, 10, MOMENT_NS);
    assert_eq!(
        words(Lifecycle::Plain, Kind::Loss, &loss.to_string(), Detail::Loss(loss)),
        ["1 record lost (evicted): 1 DEBUG"]
    );
    loss.add(&Loss::one(Cause::Evicted, Level::ERROR, 10, MOMENT_NS));
    assert_eq!(loss.to_string(), "2 records lost (evicted): 1 DEBUG, 1 ERROR");
    assert_eq!((loss.count(), loss.worst()), (2, Level::ERROR));
}

#[test]
fn numbers_of_a_dump_have_five_significant_digits() {
    let table = [
        (0.0, "0"),
        (-0.5, "-0.5"),
        (1.0, "1"),
        (1.0 / 3.0, "0.33333"),
        (2.0 / 3.0 * 1e-4, "6.6667e-05"),
        (0.000_1, "0.0001"),
        (12_345.678, "12346"),
        (99_999.4, "99999"),
        (99_999.6, "1e+05"),
        (-123_456.0, "-1.2346e+05"),
        (1e100, "1e+100"),
        (5e-324, "4.9407e-324"),
        (f64::INFINITY, "inf"),
        (f64::NAN, "NaN"),
    ];
    for (number, expected) in table {
        let mut text = String::new();
        put_number(&mut text, number);
        assert_eq!(text, expected, "{number:?}");
    }
}

#[test]
fn values_of_a_dump_stand_in_groups_and_cannot_break_out_of_them() {
    let long = Value::List((0..100_u64).map(Value::U64).collect());
    let fields = vec![
        field("observed.object", "pump"),
        field("flow.rate", 0.1 + 0.2),
        field("flow.count", 123_456_u64),
        field("flow.\nname", "a\nb"),
        field("shaft.of.speeds", Value::List(vec![Value::F64(1.0 / 3.0), Value::List(vec![Value::Bool(true)])])),
        field("shaft.long", long),
        field("alone", 1_i64),
    ];
    let mut lines = Vec::new();
    each_line(&Fields::Edited(fields), |line| lines.push(line.to_owned()));
    let expected = "\
- flow:
  - rate = 0.3
  - count = 123456
  - \\nname = a\\nb
- shaft:
  - of.speeds = [0.33333, [true]]
  - long = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … 100 in all]
- alone = 1";
    assert_eq!(lines.join("\n"), expected);
}
