//! Directives of verbosity as text, there and back, and what is refused.

use std::time::Duration;

use proptest::prelude::*;
use spanlake_core::{Directive, Directives, LevelFilter, Selector};

const KEY: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2";

fn parsed(text: &str) -> Vec<Directive> {
    text.parse::<Directives>().unwrap_or_else(|error| panic!("{text}: {error}")).into_iter().collect()
}

#[test]
fn text_says_level_and_what_for_and_how_long() {
    let target = |prefix, level| Directive::target(prefix, level).expect("a prefix");
    let task = |name, level| Directive::task(name, level).expect("a name");
    let ten_minutes = Duration::from_secs(600);
    let expected = [
        Directive::all(LevelFilter::INFO),
        target("orders::db", LevelFilter::DEBUG),
        task("load_orders", LevelFilter::TRACE).lasting(ten_minutes),
    ];
    assert_eq!(parsed("info,orders::db=debug,task=load_orders=trace/10m"), expected);
    assert_eq!(parsed(" INFO , orders::db = Debug ,task= load_orders =trace / 10m "), expected, "generous with space");
    assert_eq!(parsed("task=off"), [target("task", LevelFilter::OFF)], "a target may be called so");
    assert_eq!(parsed("\"task=a\"=off"), [target("task=a", LevelFilter::OFF)]);
    assert_eq!(parsed("task=\"a, \\\"b\\\"\"=warn"), [task("a, \"b\"", LevelFilter::WARN)]);
    assert_eq!(parsed(""), []);
}

#[test]
fn task_is_named_by_name_or_key() {
    let directives = parsed(&format!("task={KEY}=trace/1h30m,task=load=error"));
    assert_eq!(directives[0].selector(), &Selector::Key(KEY.parse().expect("a key")));
    assert_eq!(directives[0].lasts(), Some(Duration::from_secs(5_400)));
    assert_eq!(directives[1].selector(), &Selector::Task("load".to_owned()));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_place() {
    let refused = [
        ("loud", "not a level (directive: loud)"),
        ("info,", "not a level (directive: )"),
        ("info,orders=", "not a level (directive: orders=)"),
        ("orders=3", "not a level (directive: orders=3)"),
        ("=info", "not a prefix of a target (directive: )"),
        ("orders::=info", "not a prefix of a target (directive: orders::)"),
        ("task==info", "a task has a name (directive: )"),
        ("a=b=info", "expected a level, `target=level` or `task=name=level` (directive: a=b=info)"),
        ("info/", "not a duration (directive: info/)"),
        ("info/10", "not a duration (directive: info/10)"),
        ("info/0s", "not a duration (directive: info/0s)"),
        ("info/10y", "not a duration (directive: info/10y)"),
        ("info/-1s", "not a duration (directive: info/-1s)"),
        ("\"orders=info", "not a level (directive: \"orders=info)"),
        ("or\"ders=info", "not a level (directive: or\"ders=info)"),
        ("\"or\"ders=info", "quotes do not match (directive: \"or\"ders=info)"),
    ];
    for (text, message) in refused {
        let error = text.parse::<Directives>().map(|directives| directives.to_string()).expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
        assert!(error.is_validation());
    }
}

#[test]
fn time_is_whole_milliseconds_and_never_none() {
    let lasts = |time| Directive::all(LevelFilter::INFO).lasting(time).to_string();
    assert_eq!(lasts(Duration::ZERO), "info/1ms");
    assert_eq!(lasts(Duration::from_nanos(1_000_001)), "info/2ms");
    assert_eq!(lasts(Duration::from_millis(93_784_005)), "info/1d2h3m4s5ms");
    assert_eq!(lasts(Duration::MAX), "info/36500d");
    assert_eq!("info/18446744073709551615d".parse::<Directives>().expect("very long").to_string(), "info/36500d");
}

fn level() -> impl Strategy<Value = LevelFilter> {
    prop_oneof![
        Just(LevelFilter::OFF),
        Just(LevelFilter::ERROR),
        Just(LevelFilter::WARN),
        Just(LevelFilter::INFO),
        Just(LevelFilter::DEBUG),
        Just(LevelFilter::TRACE),
    ]
}

/// Names as programs have them, and such as are made of what has a meaning here.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,8}(::[a-z_]{1,8}){0,3}", "[a-z,=\"\\\\/ \n]{1,12}", "\\PC{1,12}", Just(KEY.to_owned())]
}

fn directive() -> impl Strategy<Value = Directive> {
    let selected = prop_oneof![
        level().prop_map(|level| Ok(Directive::all(level))),
        (name(), level()).prop_map(|(prefix, level)| Directive::target(prefix, level)),
        (name(), level()).prop_map(|(name, level)| Directive::task(name, level)),
    ];
    let made = selected.prop_filter_map("not everything is a prefix of a target", Result::ok);
    (made, proptest::option::of(1u64..1 << 40)).prop_map(|(directive, millis)| match millis {
        Some(millis) => directive.lasting(Duration::from_millis(millis)),
        None => directive,
    })
}

proptest! {
    #[test]
    fn directives_come_back_as_they_were_written(directives in proptest::collection::vec(directive(), 0..6)) {
        let directives: Directives = directives.into_iter().collect();
        let text = directives.to_string();
        prop_assert_eq!(text.parse::<Directives>().expect("what was written"), directives, "{}", text);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "[a-z:=,/\"\\\\0-9 ]{0,40}|\\PC{0,40}") {
        if let Ok(directives) = text.parse::<Directives>() {
            prop_assert_eq!(directives.to_string().parse::<Directives>().expect("what was written"), directives);
        }
    }
}
