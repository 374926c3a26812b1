//! Huge, many, deep and hostile values: nothing breaks, each record is one line, what was cut says so.

use std::fmt;

use serde_json::Value as Json;
use spanlake_capture::DrainHandle;
use spanlake_core::value::{MAX_BODY_BYTES, MAX_TEXT_BYTES};
use spanlake_scope::{MAX_DEPTH, Task};
use tracing::{info, info_span};

use crate::support::capture;

/// The records as JSON, each of which must be a line of its own.
fn json(drain: &DrainHandle) -> Vec<Json> {
    let text = drain.drain_json();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

#[test]
fn field_and_message_of_64_mib_are_cut_and_say_so() {
    let huge = "x".repeat(64 << 20);
    let records = json(&capture(|| {
        info!(text = huge.as_str(), display = %huge, debug = ?huge, "{huge}");
        info!(small = 1, "after");
    }));
    assert_eq!(records.len(), 2);
    for (text, len) in [
        (&records[0]["message"], 64 << 20),
        (&records[0]["fields"]["text"], 64 << 20),
        (&records[0]["fields"]["display"], 64 << 20),
        (&records[0]["fields"]["debug"], (64 << 20) + 2),
    ] {
        let text = text.as_str().expect("a text");
        assert!(text.len() <= MAX_TEXT_BYTES, "{} bytes", text.len());
        assert!(text.ends_with(&format!("x… [truncated, {len} bytes]")), "{:?}", &text[text.len() - 40..]);
    }
    assert_eq!(records[1]["message"], "after");
}

#[test]
fn huge_values_of_a_span_are_cut_and_say_so() {
    let huge = "x".repeat(64 << 20);
    let records = json(&capture(|| {
        let span = info_span!("task", huge = huge.as_str(), late = tracing::field::Empty);
        span.record("late", huge.as_str());
        span.in_scope(|| Task::current().expect("a task").bind("bound", huge.as_str()).expect("bound"));
    }));
    for name in ["huge", "late", "bound"] {
        let text = records[1]["context"][name].as_str().expect("a text");
        assert!(text.ends_with("x… [truncated, 67108864 bytes]"), "{name}");
    }
}

#[test]
fn ten_thousand_bound_fields_are_kept() {
    /// Ten tasks below each other, each with a thousand of the fields: binding looks through those of its own task.
    fn nested(tasks: usize) {
        let Some(below) = tasks.checked_sub(1) else {
            info!("one");
            return info!("two");
        };
        info_span!("task").in_scope(|| {
            let task = Task::current().expect("a task");
            (0..1_000).for_each(|at| task.bind(&format!("field{}", 1_000 * below + at), at).expect("bound"));
            nested(below);
        });
    }
    let records = json(&capture(|| nested(10)));
    let events: Vec<_> = records.iter().filter(|record| record["kind"] == "event").collect();
    assert_eq!(events.len(), 2);
    for event in events {
        let context = event["context"].as_object().expect("an object");
        assert_eq!(context.len(), 10_000);
        assert_eq!((&context["field0"], &context["field9999"]), (&0.into(), &999.into()));
    }
}

#[test]
fn context_that_outgrows_its_bound_says_how_much_is_missing() {
    let records = json(&capture(|| {
        info_span!("task").in_scope(|| {
            let (task, text) = (Task::current().expect("a task"), "x".repeat(10_000));
            (0..300).for_each(|at| task.bind(&format!("field{at}"), text.as_str()).expect("bound"));
            info!("now");
        });
    }));
    let context = records[1]["context"].as_object().expect("an object");
    let kept = context.keys().filter(|name| name.starts_with("field")).count();
    assert!(kept * 10_000 <= MAX_BODY_BYTES && kept > 90);
    assert_eq!(context["spanlake.omitted_fields"], 300 - kept);
}

#[test]
fn event_that_outgrows_its_bound_says_how_much_is_missing() {
    let huge = "x".repeat(MAX_TEXT_BYTES);
    let huge = huge.as_str();
    let records = json(&capture(|| {
        info!(
            a = huge,
            b = huge,
            c = huge,
            d = huge,
            e = huge,
            f = huge,
            g = huge,
            h = huge,
            i = huge,
            j = huge,
            k = huge,
            l = huge,
            m = huge,
            n = huge,
            o = huge,
            p = huge,
            q = huge,
            r = huge,
            s = huge,
            t = huge,
            "many"
        );
    }));
    let fields = records[0]["fields"].as_object().expect("an object");
    assert_eq!(fields["spanlake.omitted_fields"], 20 - (fields.len() - 1));
    assert!(fields.len() > 10 && fields.len() < 20);
}

#[test]
fn seventy_levels_are_recorded_and_a_thousand_too() {
    fn nested(depth: usize) {
        match depth {
            0 => info!("deep down"),
            depth => info_span!("level", depth).in_scope(|| nested(depth - 1)),
        }
    }
    for depth in [MAX_DEPTH, MAX_DEPTH + 1, 70, 1_000] {
        let records = json(&capture(|| nested(depth)));
        let deep = records.iter().find(|record| record["message"] == "deep down").expect("it is there");
        let key = deep["key"].as_str().expect("a key");
        assert_eq!(key.matches('/').count(), MAX_DEPTH.min(depth - 1), "{depth}");
    }
}

#[test]
fn hostile_text_does_not_act_wherever_it_stands() {
    const HOSTILE: &str =
        "a\"b\\c\nd\re\tf\u{0}g\u{1b}]0;title\u{7}h\u{7f}i\u{9b}31mj\u{202e}k\u{2066}l\u{2028}m\u{2029}n\u{feff}o";
    struct Hostile;
    impl fmt::Debug for Hostile {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(HOSTILE)
        }
    }
    let hostile = || {
        capture(|| {
            info_span!("task", "odd name\n\u{1b}" = HOSTILE, etl.dataflow = HOSTILE).in_scope(|| {
                let task = Task::current().expect("a task");
                task.bind(HOSTILE, HOSTILE).expect("bound");
                info!(target: "tar\nget\u{1b}", text = HOSTILE, debug = ?Hostile, "fie\nld" = 1, "{HOSTILE}");
                task.success(HOSTILE);
            });
            info_span!("bad", message = HOSTILE).in_scope(|| {
                Task::current().expect("a task").fail(&std::io::Error::other(HOSTILE));
            });
        })
    };
    let records = json(&hostile());
    assert_eq!(records.len(), 5);
    let event = &records[1];
    assert_eq!((event["message"].as_str(), event["target"].as_str()), (Some(HOSTILE), Some("tar\nget\u{1b}")));
    assert_eq!(event["fields"], serde_json::json!({"text": HOSTILE, "debug": HOSTILE, "fie\nld": 1}));
    assert_eq!(event["context"][HOSTILE], HOSTILE);
    assert_eq!(event["context"]["odd name\n\u{1b}"], HOSTILE);
    assert_eq!(event["dataflow_id"], HOSTILE);
    assert_eq!(records[4]["error"], HOSTILE);

    let (text, raw) = (hostile().drain_text(), hostile().drain_json());
    let harmful = |c: char| spanlake_core::render::escape::is_harmful(c) && c != '\n';
    assert!(!text.contains(harmful) && !raw.contains(harmful));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "one a record, and the error: {lines:#?}");
    assert!(lines[5].starts_with("    error: a\"b"), "{}", lines[5]);
}

#[test]
fn names_that_columns_have_are_the_users_own_inside_fields_and_context() {
    let records = json(&capture(|| {
        info_span!("task", key = "mine", level = "mine", fields = "mine").in_scope(|| {
            info!(key = 1, ts = 2, message.text = 3, kind = "mine", "words");
        });
    }));
    assert_eq!(records[1]["kind"], "event");
    assert_eq!(records[1]["fields"], serde_json::json!({"key": 1, "ts": 2, "message.text": 3, "kind": "mine"}));
    assert_eq!(records[1]["context"], serde_json::json!({"key": "mine", "level": "mine", "fields": "mine"}));
}
