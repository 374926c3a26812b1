//! The processors that come with spanlake.

use std::borrow::Cow;

use proptest::prelude::*;
use spanlake_core::processors::{
    AddCallsite, AddDefaults, CallsiteParameter, FilterByLevel, FilterByTarget, FilterKeys, Redact, Rename,
    StripMarkup, StructuredErrors,
};
use spanlake_core::render::JsonLines;
use spanlake_core::segment::{EndHead, RecordHead, Segment, SegmentWriter, TaskDefinition, TaskOrigin};
use spanlake_core::value::{BodyWriter, Name};
use spanlake_core::{
    Cause, Field, Fields, Kind, Level, LevelFilter, Loss, Outcome, OwnedRecord, Processor, Record, Redaction, Source,
    Value,
};
use uuid::Uuid;

use crate::support::{HOSTILE, LEVELS, MOMENT_NS, callsite, message, source};

/// A task with an event of each level, its end, and a statement of loss.
fn segment(fields: &[(&str, Value<'_>)]) -> Segment {
    let mut writer = SegmentWriter::new(&source());
    let place = callsite(&mut writer, "load", &[]);
    let mut context = BodyWriter::default();
    context.text(Name::Text("table"), "orders");
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
    let mut body = BodyWriter::default();
    fields.iter().for_each(|(name, value)| body.value(Name::Text(name), value));
    let head = |level, seq| RecordHead { level, callsite: Some(place), task, seq, ts_ns: MOMENT_NS };
    for (seq, level) in (0..).zip(LEVELS) {
        writer.event(&head(level, seq), &message(&format!("an event at {level}")), body.bytes());
    }
    let error = ["cannot load".to_owned(), "disk full".to_owned()];
    let end = EndHead { outcome: Outcome::Failed, duration_ns: 1_000, busy_ns: 500, error: &error, quiet: false };
    writer.end(&head(Level::ERROR, 5), &end, &message("FAILED load"), &[]);
    writer.loss(&Loss::one(Cause::Full, Level::TRACE, 100, MOMENT_NS));
    writer.take()
}

/// What comes out of a processor.
fn processed(mut processor: impl Processor, fields: &[(&str, Value<'_>)]) -> Vec<OwnedRecord> {
    let segment = segment(fields);
    let decoded = segment.decode().expect("a segment");
    let mut records: Vec<Record<'_>> = decoded.records().collect();
    processor.process(&mut records);
    records.iter().map(OwnedRecord::from).collect()
}

/// The own fields of the first event.
fn fields_of(processor: impl Processor, fields: &[(&str, Value<'_>)]) -> String {
    processed(processor, fields)[0].fields.clone()
}

fn kinds(records: &[OwnedRecord]) -> Vec<(Kind, Level)> {
    records.iter().map(|record| (record.kind, record.level)).collect()
}

#[test]
fn a_filter_by_level_keeps_what_is_severe_and_statements_of_loss() {
    let kept = kinds(&processed(FilterByLevel::new(LevelFilter::WARN), &[]));
    let (event, end, loss) = (Kind::Event, Kind::End, Kind::Loss);
    assert_eq!(kept[..3], [(event, Level::WARN), (event, Level::ERROR), (end, Level::ERROR)]);
    assert_eq!((kept.len(), kept[3].0), (4, loss));
    assert_eq!(processed(FilterByLevel::new(LevelFilter::OFF), &[]).len(), 1);
}

#[test]
fn a_filter_by_target_goes_by_whole_parts_of_paths() {
    let all = processed(FilterByLevel::new(LevelFilter::TRACE), &[]).len();
    // The target is `core::it`.
    for (prefix, belongs) in
        [("core::it", true), ("core", true), ("", true), ("core::i", false), ("core::it::x", false)]
    {
        let left = [all, 1];
        assert_eq!(processed(FilterByTarget::keep([prefix]), &[]).len(), left[usize::from(!belongs)], "{prefix}");
        assert_eq!(processed(FilterByTarget::drop([prefix]), &[]).len(), left[usize::from(belongs)], "{prefix}");
    }
    assert_eq!(processed(FilterByTarget::keep(["other", "core"]), &[]).len(), all);
    assert_eq!(processed(FilterByTarget::keep([""; 0]), &[]).len(), 1, "none is kept");
}

#[test]
fn keys_are_filtered_by_their_whole_name() {
    let fields = [("a", Value::U64(1)), ("ab", Value::U64(2)), ("a", Value::U64(3))];
    assert_eq!(fields_of(FilterKeys::new(["a", "x"]), &fields), r#"{"ab":2}"#);
}

#[test]
fn names_are_changed_all_at_once() {
    let fields = [("a", Value::U64(1)), ("b", Value::U64(2)), ("c", Value::U64(3))];
    assert_eq!(fields_of(Rename::new([("a", "b"), ("b", "a")]), &fields), r#"{"b":1,"a":2,"c":3}"#);
    assert_eq!(fields_of(Rename::new([("a", "c")]), &fields), r#"{"c":1,"b":2}"#, "the renamed one wins");
    assert_eq!(fields_of(Rename::new([("x", "b"), ("c", "c")]), &fields), r#"{"a":1,"b":2,"c":3}"#);
}

#[test]
fn a_place_is_added_as_far_as_it_is_known() {
    use CallsiteParameter::{File, Function, Line, Module};
    let processor = AddCallsite::new([Module, File, Line, Function]);
    let expected = r#"{"line":"own","module":"core::it::support","file":"support.rs","function":"load"}"#;
    assert_eq!(fields_of(processor.clone(), &[("line", Value::from("own"))]), expected);

    let source = source();
    let mut nowhere = vec![record(&source, "nowhere", Fields::EMPTY)];
    processor.clone().process(&mut nowhere);
    assert!(nowhere[0].fields.is_empty());
}

#[test]
fn defaults_are_added_where_neither_record_nor_task_has_them() {
    let defaults = [("table", Value::from("none")), ("region", Value::from("eu")), ("shard", Value::U64(7))];
    assert_eq!(fields_of(AddDefaults::new(defaults), &[("shard", Value::U64(1))]), r#"{"shard":1,"region":"eu"}"#);
}

#[test]
fn an_error_becomes_a_map_of_what_is_known() {
    let chain = Value::Error(vec!["outer".into(), "inner".into(), "root".into()]);
    let records = processed(StructuredErrors::new(), &[("why", chain), ("n", Value::U64(1))]);
    assert_eq!(records[0].fields, r#"{"why":{"message":"outer","sources":["inner","root"]},"n":1}"#);
    let end = records.iter().find(|record| record.kind == Kind::End).expect("an end");
    assert_eq!(end.fields, r#"{"error":{"message":"cannot load","sources":["disk full"]},"busy_us":0}"#);
    assert_eq!(end.error.as_deref(), Some("cannot load: disk full"));
}

#[test]
fn type_and_backtrace_of_an_error_stand_in_its_map_where_they_are_known() {
    let backtrace = "   0: <orders::Loader as core::fmt::Debug>::fmt\n             at ./src/orders.rs:7:13\n   1: orders::main\n\
        \n   at nowhere\n  12: std::rt::start: inner\n             at C:\\rust\\rt.rs:8\n  13: main\n";
    let chain = |text: &'static str| Value::Error(vec![text.into(), "inner".into()]);
    let fields = [
        ("error", chain("outer")),
        ("error.type", Value::from("orders::Refused")),
        ("error.backtrace", Value::from(backtrace)),
        ("why", chain("other")),
        ("why.type", Value::U64(1)),
        ("why.backtrace", Value::from("disabled backtrace")),
        ("else.type", Value::from("mine")),
    ];
    let fields: serde_json::Value = serde_json::from_str(&fields_of(StructuredErrors::new(), &fields)).expect("JSON");
    let frames = serde_json::json!([
        {"file": "./src/orders.rs", "line": 7, "function": "<orders::Loader as core::fmt::Debug>::fmt"},
        {"file": "nowhere", "function": "orders::main"},
        {"file": "C:\\rust\\rt.rs", "line": 8, "function": "std::rt::start: inner"},
        {"function": "main"},
    ]);
    let expected = serde_json::json!({
        "error": {"type": "orders::Refused", "message": "outer", "sources": ["inner"], "backtrace": frames},
        "why": {"message": "other", "sources": ["inner"]},
        "why.type": 1, "why.backtrace": "disabled backtrace", "else.type": "mine",
    });
    assert_eq!(fields, expected);
}

#[test]
fn a_backtrace_of_today_is_understood() {
    let text = std::backtrace::Backtrace::force_capture().to_string();
    let fields = [("error", Value::Error(vec!["it".into()])), ("error.backtrace", Value::from(&text))];
    let fields: serde_json::Value = serde_json::from_str(&fields_of(StructuredErrors::new(), &fields)).expect("JSON");
    let frames = fields["error"]["backtrace"].as_array().expect("frames");
    let here = |frame: &&serde_json::Value| frame["function"].as_str().is_some_and(|name| name.contains("of_today"));
    let frame = frames.iter().find(here).expect("this function is among them");
    assert!(frame["file"].as_str().is_some_and(|file| file.ends_with("processors.rs")), "{frame}");
    assert!(frame["line"].as_u64().is_some_and(|line| line > 100), "{frame}");
}

#[test]
fn markup_goes_and_text_between_brackets_stays() {
    let gone = [
        ("[bold]x[/bold]", "x"),
        ("[bold red on bright_white]x[/]", "x"),
        ("[#ff8800]x[/#ff8800] [link=https://a.b]y[/link]", "x y"),
        ("[color(9)]x[/color(9)] [rgb(1,2,3)]y", "x y"),
        ("[not bold]x[/not bold] [grey37]y", "x y"),
        ("\\[bold]x", "[bold]x"),
        ("[[bold]x]", "[x]"),
    ];
    for (text, stripped) in gone {
        assert_eq!(StripMarkup::strip(text), stripped, "{text}");
    }
    let stays = ["[1]", "[main]", "[a-z]", "[]", "[ ]", "[bold", "bold]", "[bold 1]", "[on]", "[ERROR]", "C:\\[1]"];
    for text in stays {
        assert!(matches!(StripMarkup::strip(text), Cow::Borrowed(_)), "{text}");
    }
    assert_eq!(processed(StripMarkup::new(), &[("f", Value::from("[bold]x"))])[0].fields, r#"{"f":"[bold]x"}"#);
}

#[test]
fn values_are_hidden_by_name() {
    let inner = Value::Map(vec![Field { name: "token".into(), value: Value::U64(2) }]);
    let fields = [
        ("password", Value::from("secret")),
        ("user.Password", Value::U64(1)),
        ("password_age", Value::U64(3)),
        ("nested", inner),
    ];
    let expected = r#"{"password":"***","user.Password":"***","password_age":3,"nested":{"token":"***"}}"#;
    assert_eq!(fields_of(Redact::keys(["password", "token"]), &fields), expected);
}

#[test]
fn a_redaction_does_in_front_of_a_sink_what_it_does_in_front_of_the_buffer() {
    let redaction = Redaction::new().deny("*token*").hash("user").truncate("body", 4).allow("csrf_token").deny("error");
    let redact = Redact::new(redaction.clone().hash_key([7; 16])).expect("rules");
    let body =
        [("token", Value::U64(1)), ("csrf_token", 2.into()), ("user", "ada".into()), ("body", "abcdefgh".into())];
    let records = processed(redact, &body);
    let fields: serde_json::Value = serde_json::from_str(&records[0].fields).expect("JSON");
    assert_eq!((&fields["token"], &fields["csrf_token"]), (&"***".into(), &2.into()));
    assert_eq!(fields["body"], "abcd… [truncated, 8 bytes]");
    assert!(fields["user"].as_str().is_some_and(|user| user.starts_with("hash:")), "{fields}");
    let end = records.iter().find(|record| record.kind == Kind::End).expect("an end");
    assert_eq!(end.error.as_deref(), Some("***: ***"));
    assert!(Redact::new(Redaction::new().deny("")).is_err());
}

#[test]
fn the_context_of_tasks_is_redacted_for_the_records_that_came_by_and_no_others() {
    let segment = segment(&[]);
    let decoded = segment.decode().expect("a segment");
    let before: Vec<Record<'_>> = decoded.records().collect();
    // Rendered before, so that a text which is kept with the task would be found out.
    let lines: Vec<String> = before.iter().map(json).collect();
    let mut redacted = before.clone();
    Redact::keys(["table"]).process(&mut redacted);
    let in_tasks = redacted.iter().filter_map(|record| record.task.as_deref());
    assert!(in_tasks.clone().count() > 0);
    for task in in_tasks {
        assert_eq!(task.context_json(), r#"{"table":"***"}"#);
        assert!(task.own.iter().all(|field| field.value == Value::from("***")));
    }
    assert!(redacted.iter().map(json).all(|line| !line.contains("orders")), "{:?}", redacted[0]);
    assert_eq!(before.iter().map(json).collect::<Vec<_>>(), lines);
    let keys = |records: &[Record<'_>]| records.iter().map(Record::key).collect::<Vec<_>>();
    assert_eq!(keys(&redacted), keys(&before));
}

#[cfg(feature = "patterns")]
mod patterns {
    use super::*;

    #[test]
    fn what_matches_is_hidden_wherever_it_stands() {
        let chain = Value::Error(vec!["key AKIA1234".into(), "fine".into()]);
        let fields = [("text", Value::from("my AKIA1234 and AKIA5678")), ("why", chain), ("n", Value::U64(1))];
        let redact = Redact::patterns(["AKIA[0-9]{4}", "disk|an event"]).expect("patterns");
        let records = processed(redact, &fields);
        assert_eq!(records[0].message, "*** at TRACE");
        assert_eq!(records[0].fields, r#"{"text":"my *** and ***","why":"key ***: fine","n":1}"#);
        let end = records.iter().find(|record| record.kind == Kind::End).expect("an end");
        assert_eq!(end.error.as_deref(), Some("cannot load: *** full"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["(", "x*"] {
            let error = Redact::patterns([pattern]).expect_err("no pattern");
            assert_eq!(error.code().to_string(), "CONFIGURATION::Redaction::VALIDATION::ERROR");
            assert_eq!(error.context().next(), Some(("pattern", pattern)));
        }
    }

    proptest! {
        #[test]
        fn nothing_that_matches_is_left(text in "[a-c*]{0,20}", other in ".*") {
            let mut redact = Redact::patterns(["ab+", "c"]).expect("patterns");
            let source = source();
            let body = body(&[("f", Value::from(&text)), ("g", Value::from(&other))]);
            let mut records = vec![record(&source, &text, Fields::Encoded { names: &[], body: body.bytes() })];
            redact.process(&mut records);
            let line = json(&records[0]);
            let told = line.split("\"message\":").nth(1).expect("a message");
            prop_assert!(!records[0].message.contains("ab") && !records[0].message.contains('c'), "{told}");
            prop_assert!(!records[0].fields.get("f").expect("f").to_string().contains(['c']), "{told}");
        }
    }
}

fn body(fields: &[(&str, Value<'_>)]) -> BodyWriter {
    let mut body = BodyWriter::default();
    fields.iter().for_each(|(name, value)| body.value(Name::Text(name), value));
    body.finish();
    body
}

fn record<'a>(source: &'a Source, text: &'a str, fields: Fields<'a>) -> Record<'a> {
    Record {
        ts_ns: MOMENT_NS,
        level: Level::INFO,
        kind: Kind::Event,
        seq: 0,
        callsite: None,
        task: None,
        source,
        message: text.into(),
        fields,
        detail: Default::default(),
        place: 0,
    }
}

fn json(record: &Record<'_>) -> String {
    let mut line = Vec::new();
    JsonLines::default().put(&mut line, record);
    String::from_utf8(line).expect("text")
}

/// Every processor, none of which has anything to do with the records of [`segment`].
fn idle() -> Vec<Box<dyn Processor>> {
    vec![
        Box::new(FilterByLevel::new(LevelFilter::TRACE)),
        Box::new(FilterByTarget::keep(["core", "spanlake"])),
        Box::new(FilterByTarget::drop(["other"])),
        Box::new(FilterKeys::new(["x"])),
        Box::new(Rename::new([("x", "y")])),
        Box::new(AddCallsite::new([])),
        Box::new(AddDefaults::new([("table", Value::from("none"))])),
        Box::new(StripMarkup::new()),
        Box::new(Redact::keys(["x"])),
        #[cfg(feature = "patterns")]
        Box::new(Redact::patterns(["nowhere"]).expect("a pattern")),
    ]
}

#[test]
fn what_has_nothing_to_do_leaves_records_in_the_segment() {
    let segment = segment(&[("a", Value::from("text")), ("b", Value::U64(1))]);
    let decoded = segment.decode().expect("a segment");
    let mut records: Vec<Record<'_>> = decoded.records().collect();
    let before: Vec<String> = records.iter().map(json).collect();
    idle().iter_mut().for_each(|processor| processor.process(&mut records));
    assert_eq!(records.iter().map(json).collect::<Vec<_>>(), before);
    for record in records.iter().filter(|record| record.kind == Kind::Event) {
        assert!(matches!(record.fields, Fields::Encoded { .. }), "the fields were taken out");
        assert!(matches!(record.message, Cow::Borrowed(_)), "the message was taken out");
    }
}

proptest! {
    #[test]
    fn stripping_markup_takes_out_and_never_puts_in(text in "(\\[|\\]|/|\\\\|bold|red|1| |x|é){0,24}") {
        let stripped = StripMarkup::strip(&text);
        prop_assert!(stripped.len() <= text.len());
        prop_assert_eq!(matches!(stripped, Cow::Borrowed(_)), stripped == text);
        let mut rest = text.chars();
        prop_assert!(stripped.chars().all(|c| rest.any(|other| other == c)), "{} of {}", stripped, text);
    }

    #[test]
    fn text_without_brackets_is_never_touched(text in "[^\\[]*") {
        prop_assert!(matches!(StripMarkup::strip(&text), Cow::Borrowed(_)));
    }

    #[test]
    fn hostile_fields_come_through_every_processor(name in ".{0,8}", value in ".{0,30}") {
        let body = body(&[(&name, Value::from(&value)), (HOSTILE, Value::from(HOSTILE))]);
        let source = source();
        let mut records = vec![record(&source, &value, Fields::Encoded { names: &[], body: body.bytes() })];
        idle().iter_mut().for_each(|processor| processor.process(&mut records));
        FilterKeys::new([name.as_str()]).process(&mut records);
        prop_assert_eq!(records.len(), 1);
        prop_assert!(!records[0].fields.any_name(|other| other == name));
    }
}
