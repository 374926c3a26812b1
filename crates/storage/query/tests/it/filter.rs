//! Filters: each part, on records of both formats' common form.

use spanlake_core::{Kind, Level, Outcome, OwnedRecord, TaskKey};
use spanlake_query::{FieldFilter, Filter, NamedTasks, moment};

use crate::lake::{OTHER, ROOT, START_US, begin, end, event};

fn field(text: &str) -> FieldFilter {
    text.parse().expect("a field")
}

fn task(text: &str) -> TaskKey {
    text.parse().expect("a key")
}

/// What the table below asks about.
fn sample() -> OwnedRecord {
    let mut record = event(0, Level::INFO, &format!("3@{ROOT}/1/2"), "wrote 500 rows");
    record.fields = r#"{"rows":500,"ok":true,"ratio":0.5,"file":"a \"b\".csv","rows2":"500","gone":null}"#.to_owned();
    record.context = r#"{"file":"from the context","run":"nightly","etl.dataflow":"orders"}"#.to_owned();
    record
}

#[test]
fn each_part_lets_pass_what_it_says() {
    let new = Filter::new;
    let table = [
        ("nothing asked", new(), true),
        ("same level", new().level(Level::INFO), true),
        ("less severe than asked", new().level(Level::WARN), false),
        ("more severe than asked", new().level(Level::TRACE), true),
        ("target prefix", new().target("flights"), true),
        ("whole target", new().target("flights::silver"), true),
        ("other target", new().target("silver"), false),
        ("one of two targets", new().target("h2").target("flights"), true),
        ("text inside", new().text("500 r"), true),
        ("both texts", new().text("wrote").text("rows"), true),
        ("one text is missing", new().text("wrote").text("columns"), false),
        ("text in another case", new().text("Wrote"), false),
        ("number", new().field(field("rows=500")), true),
        ("text that looks like a number", new().field(field("rows2=500")), true),
        ("truth value", new().field(field("ok=true")), true),
        ("fraction", new().field(field("ratio=0.5")), true),
        ("null", new().field(field("gone=null")), true),
        ("text with escapes", new().field(field("file=a \"b\".csv")), true),
        ("own field before context", new().field(field("file=from the context")), false),
        ("from the context", new().field(field("run=nightly")), true),
        ("name with a dot", new().field(field("etl.dataflow=orders")), true),
        ("part of a value", new().field(field("run=night")), false),
        ("unknown field", new().field(field("nobody=1")), false),
        ("two fields", new().field(field("rows=500")).field(field("run=nightly")), true),
        ("two fields, one wrong", new().field(field("rows=500")).field(field("run=daily")), false),
        ("since its moment", new().since_us(START_US), true),
        ("since later", new().since_us(START_US + 1), false),
        ("until its moment", new().until_us(START_US), false),
        ("until later", new().until_us(START_US + 1), true),
        ("its task", new().task(task(&format!("{ROOT}/1/2"))), true),
        ("a task above", new().task(task(ROOT)), true),
        ("a task below", new().task(task(&format!("{ROOT}/1/2/1"))), false),
        ("a sibling whose number starts alike", new().task(task(&format!("{ROOT}/1/22"))), false),
        ("another root", new().task(task(OTHER)), false),
    ];
    for (what, filter, expected) in table {
        assert_eq!(filter.admits(&sample()), expected, "{what}");
    }
}

#[test]
fn a_record_outside_any_task_is_below_none() {
    let outside = event(0, Level::INFO, "", "alone");
    assert!(Filter::new().admits(&outside));
    assert!(!Filter::new().task(task(ROOT)).admits(&outside));
}

#[test]
fn text_is_looked_for_in_the_error_of_an_end_too() {
    let failed = end(0, &format!("9@{ROOT}"), "load", Outcome::Failed);
    assert!(Filter::new().text("no such table").admits(&failed));
}

#[test]
fn fields_that_are_no_object_match_nothing() {
    for fields in ["", "null", "[1]", "\"rows\"", "{\"rows\":", "{\"rows\":500}x"] {
        let record = OwnedRecord { fields: fields.to_owned(), context: fields.to_owned(), ..sample() };
        let admitted = Filter::new().field(field("rows=501")).admits(&record);
        assert!(!admitted, "{fields}");
    }
}

#[test]
fn a_field_filter_needs_a_name_and_keeps_later_equal_signs() {
    assert_eq!(field("a=b=c"), FieldFilter { name: "a".to_owned(), value: "b=c".to_owned() });
    assert_eq!(field("a="), FieldFilter { name: "a".to_owned(), value: String::new() });
    for wrong in ["", "a", "=a"] {
        let error = wrong.parse::<FieldFilter>().expect_err("not a field");
        assert!(error.is_validation(), "{error}");
    }
}

#[test]
fn moments_are_absolute_or_before_now() {
    let now_us = START_US;
    let table = [
        ("2026-11-20T13:14:10Z", now_us),
        ("2026-11-20T15:14:10+02:00", now_us),
        ("2026-11-20T13:14:10.000001Z", now_us + 1),
        ("2026-11-20T13:14:10", now_us),
        ("2026-11-20 13:14", now_us - 10_000_000),
        ("2026-11-20", now_us - ((13 * 60 + 14) * 60 + 10) * 1_000_000),
        ("10m", now_us - 600_000_000),
        ("2h", now_us - 7_200_000_000),
        ("1h 30m", now_us - 5_400_000_000),
        ("1d", now_us - 86_400_000_000),
        ("500ms", now_us - 500_000),
        ("0s", now_us),
        ("999999999h", i64::MIN),
    ];
    for (text, expected) in table {
        match moment::parse(text, now_us) {
            Ok(us) => assert_eq!(us, expected, "{text}"),
            Err(error) => assert_eq!(expected, i64::MIN, "{text}: {error}"),
        }
    }
    for wrong in ["", "soon", "10", "-10m", "2026-13-01", "2 months"] {
        let error = moment::parse(wrong, now_us).expect_err(wrong);
        assert_eq!(error.code().to_string(), "CONFIGURATION::Moment::VALIDATION::ERROR", "{wrong}");
    }
}

#[test]
fn tasks_below_a_named_one_belong_to_it() {
    let mut named = NamedTasks::new("load");
    assert!(!named.admits(&begin(0, &format!("0@{ROOT}"), "nightly")));
    assert!(named.admits(&begin(1, &format!("0@{ROOT}/1"), "load")));
    assert!(named.admits(&begin(2, &format!("0@{ROOT}/1/5"), "parse")));
    assert!(!named.admits(&begin(3, &format!("0@{ROOT}/10"), "other")));
    assert!(!named.admits(&event(4, Level::INFO, &format!("1@{ROOT}"), "above")));
    assert!(!named.admits(&OwnedRecord { kind: Kind::Event, ..event(5, Level::INFO, "", "outside") }));
}
