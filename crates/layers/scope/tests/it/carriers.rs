//! Export and continuation, through every carrier.

use std::sync::Barrier;
use std::thread;

use spanlake_core::TaskKey;
use spanlake_scope::{CONTINUE, Carrier, MAX_DEPTH, REFUSED, ScopeLayer, Task};
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{Tape, context_of, record, record_under, say, tape};

const KEY: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1";
const FOREIGN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn key() -> TaskKey {
    KEY.parse().expect("a key")
}

/// The keys of the records, as they are.
fn keys(tape: &Tape) -> Vec<String> {
    tape.records().iter().map(|record| record.key.as_ref().map_or("-".to_owned(), ToString::to_string)).collect()
}

fn continuing(carrier: impl Into<Carrier>, work: impl FnOnce()) -> Tape {
    record_under(ScopeLayer::builder().continue_from(carrier).build(), work)
}

// === export ===

#[test]
fn exported_child_and_local_subtasks_share_the_parents_counter() {
    let tape = record(|| {
        info_span!("root").in_scope(|| {
            let export = || Task::current().expect("a task").export().expect("not too deep").to_string();
            let root = Task::current().expect("a task").key().to_string();
            assert_eq!(export(), format!("{root}/1"));
            info_span!("local").in_scope(|| assert_eq!(export(), format!("{root}/2/1")));
            assert_eq!(export(), format!("{root}/3"));
            info_span!("another").in_scope(|| ());
        });
    });
    let said = tape.said();
    assert!(said.contains(&"0@U/2 begin local".to_owned()) && said.contains(&"0@U/4 begin another".to_owned()));
}

#[test]
fn exporting_writes_no_record() {
    let tape = record(|| {
        info_span!("root").in_scope(|| drop(Task::current().expect("a task").export()));
    });
    assert_eq!(tape.said(), ["0@U begin root", "1@U end root"]);
}

#[test]
fn task_that_is_too_deep_exports_nothing() {
    let deepest: TaskKey = format!("{KEY}{}", "/1".repeat(MAX_DEPTH - 1)).parse().expect("a key");
    continuing(deepest, || {
        info_span!("deepest").in_scope(|| assert_eq!(Task::current().expect("a task").export(), None));
    });
}

// === continuation ===

#[test]
fn continued_task_has_exactly_the_key_and_numbers_from_zero() {
    let tape = continuing(key(), || {
        info_span!("here").in_scope(|| {
            info!("inside");
            info_span!("below").in_scope(|| ());
        });
    });
    let expected =
        [format!("0@{KEY}"), format!("1@{KEY}"), format!("0@{KEY}/1"), format!("1@{KEY}/1"), format!("2@{KEY}")];
    assert_eq!(keys(&tape), expected);
}

#[test]
fn later_roots_of_a_continuing_process_are_subtasks_of_what_it_continues() {
    let tape = continuing(key(), || {
        info_span!("first").in_scope(|| info_span!("inner").in_scope(|| ()));
        info_span!("second").in_scope(|| ());
        info_span!("third").in_scope(|| ());
        info_span!(parent: None, "apart").in_scope(|| ());
    });
    let begins: Vec<String> = keys(&tape).into_iter().filter(|key| key.starts_with("0@")).collect();
    assert_eq!(begins[..4], ["", "/1", "/2", "/3"].map(|path| format!("0@{KEY}{path}")));
    assert!(!begins[4].contains(KEY), "a root asked for is a root");
}

#[test]
fn threads_of_a_continuing_process_all_stay_in_its_tree() {
    for _ in 0..200 {
        let (recording, tape) = tape();
        let scope = ScopeLayer::builder().continue_from(key()).build();
        let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(scope).with(recording));
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    tracing::dispatcher::with_default(&dispatch, || {
                        start.wait();
                        info_span!("root").in_scope(|| ());
                    });
                });
            }
        });
        let mut begins: Vec<String> = keys(&tape).into_iter().filter(|key| key.starts_with("0@")).collect();
        begins.sort();
        assert_eq!(begins, ["", "/1", "/2", "/3"].map(|path| format!("0@{KEY}{path}")));
    }
}

#[test]
fn span_can_continue_a_task_by_its_field() {
    let tape = record(|| {
        info_span!("outer").in_scope(|| {
            info_span!("here", spanlake.continue = KEY, a = 1).in_scope(|| info!("inside"));
        });
    });
    assert_eq!(CONTINUE, "spanlake.continue");
    let records = tape.records();
    assert_eq!(records[2].key.as_ref().expect("a key").to_string(), format!("1@{KEY}"));
    assert_eq!(context_of(&records, "inside"), r#"{"a":1}"#, "the field steers the task and is not context");
}

#[test]
fn field_may_be_displayed_or_debugged() {
    let carrier: Carrier = KEY.parse().expect("a carrier");
    let tape = record(|| {
        info_span!("here", spanlake.continue = %carrier).in_scope(|| ());
    });
    assert_eq!(keys(&tape), [format!("0@{KEY}"), format!("1@{KEY}")]);
}

// === foreign traces ===

#[test]
fn foreign_trace_starts_a_root_that_is_its_trace_id_and_keeps_the_parent() {
    let tape = continuing(FOREIGN.parse::<Carrier>().expect("a carrier"), || info_span!("here").in_scope(|| ()));
    let mut seen = Vec::new();
    tape.each(|record| {
        let task = record.task.as_deref().expect("a task");
        seen.push((task.key_text.clone(), task.foreign_parent));
    });
    let parent = Some(0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(seen, vec![("4bf92f35-77b3-4da6-a3ce-929d0e0e4736".to_owned(), parent); 2]);
}

#[test]
fn root_of_a_foreign_trace_has_its_trace_id() {
    let tape = continuing(FOREIGN.parse::<Carrier>().expect("a carrier"), || info_span!("here").in_scope(|| ()));
    assert_eq!(tape.records()[0].trace_id().as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
}

// === headers ===

#[test]
fn headers_carry_the_key_and_a_traceparent_whose_parent_is_the_exporting_task() {
    let carrier = Carrier::from(key());
    let root = key().parent().expect("a root");
    let parent = u64::from_be_bytes(root.span_id());
    let expected = [
        ("traceparent", format!("00-e252a11fd33d483dba08bc8f642b2f10-{parent:016x}-01")),
        ("tracestate", format!("spanlake={KEY}")),
    ];
    assert_eq!(carrier.headers(), expected);
    let get = |name: &str| expected.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str());
    assert_eq!(Carrier::from_headers(get).expect("well-formed"), Some(carrier));
}

#[test]
fn headers_table() {
    let key = Some(Carrier::from(key()));
    let foreign = Some(FOREIGN.parse::<Carrier>().expect("a carrier"));
    let own = format!("spanlake={KEY}");
    let among_others = format!("rojo=00f067aa0ba902b7, spanlake={KEY} ,congo=t61rcWkgMzE");
    let table = [
        (None, None, None),
        (Some(FOREIGN), None, foreign.clone()),
        (Some(" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 "), None, foreign.clone()),
        (Some(FOREIGN), Some(own.as_str()), key.clone()),
        (Some(FOREIGN), Some(among_others.as_str()), key.clone()),
        (Some(FOREIGN), Some("rojo=1"), foreign),
        (None, Some(own.as_str()), key),
    ];
    for (traceparent, tracestate, expected) in table {
        let get = |name: &str| match name {
            "traceparent" => traceparent,
            "tracestate" => tracestate,
            _ => None,
        };
        assert_eq!(Carrier::from_headers(get).expect("well-formed"), expected, "{traceparent:?} {tracestate:?}");
    }
}

#[test]
fn malformed_headers_are_refused_by_name() {
    for (name, value) in [("traceparent", "00-0-0-01"), ("tracestate", "spanlake=orders"), ("tracestate", "spanlake=")]
    {
        let error = Carrier::from_headers(|header| (header == name).then_some(value)).expect_err("malformed");
        assert_eq!(error.code().to_string(), "DISPATCH::Carrier::VALIDATION::ERROR");
        assert!(error.context().any(|context| context == ("header", name)), "{error}");
    }
}

#[test]
fn key_too_long_for_a_tracestate_travels_as_a_trace_alone() {
    let long: TaskKey = format!("{KEY}{}", "/4294967295".repeat(30)).parse().expect("a key");
    let headers = Carrier::from(long).headers();
    assert_eq!(headers.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["traceparent"]);
}

#[test]
fn text_of_a_carrier_parses_to_the_same() {
    for text in [KEY, FOREIGN] {
        assert_eq!(text.parse::<Carrier>().expect("a carrier").to_string(), text);
    }
}

// === malformed ===

#[test]
fn malformed_carriers_are_refused_with_a_reason() {
    let too_deep = format!("{KEY}{}", "/1".repeat(MAX_DEPTH));
    let endless = "1".repeat(10 << 20);
    let table = [
        ("orders", "start with a UUID"),
        ("", "start with a UUID"),
        ("1@e252a11f-d33d-483d-ba08-bc8f642b2f10/1", "start with a UUID"),
        ("e252a11f-d33d-483d-ba08-bc8f642b2f10/0", "child number"),
        ("e252a11f-d33d-483d-ba08-bc8f642b2f10/4294967296", "child number"),
        (too_deep.as_str(), "deeper than 64"),
        (endless.as_str(), "longer than"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", "UUID"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "UUID"),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "UUID"),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "UUID"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", "UUID"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", "UUID"),
        ("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", "UUID"),
    ];
    for (text, why) in table {
        let error = text.parse::<Carrier>().expect_err("malformed");
        assert!(error.chain().contains(why), "{}: {}", &text[..text.len().min(80)], error.chain());
        assert!(error.chain().len() < 300, "the text itself is not in the error");
    }
}

#[test]
fn traceparent_of_a_later_version_may_have_more_behind_it() {
    let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
    assert_eq!(later.parse::<Carrier>().expect("a carrier"), FOREIGN.parse().expect("a carrier"));
}

#[test]
fn span_told_to_continue_nonsense_is_a_fresh_root_that_says_why() {
    let endless = "x".repeat(64 << 20);
    for nonsense in ["orders", "ä", endless.as_str()] {
        let tape = record(|| {
            info_span!("outer").in_scope(|| {
                info_span!("here", spanlake.continue = nonsense).in_scope(|| info!("inside"));
                info_span!("here", spanlake.continue = ?nonsense).in_scope(|| info!("inside"));
            });
        });
        let records = tape.records();
        assert_eq!(say(&records)[1], "0@V begin here");
        let context: serde_json::Value = serde_json::from_str(&context_of(&records, "inside")).expect("JSON");
        let why = context[REFUSED].as_str().expect("a reason");
        assert!(why.starts_with("task from elsewhere refused: neither a task key nor a traceparent"), "{why}");
    }
}
