//! Which task a record belongs to where spans overlap, are entered twice, hidden or too verbose.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::mpsc::channel;

use spanlake_capture::CaptureLayer;
use spanlake_core::{Kind, LevelFilter, Outcome, OwnedRecord};
use tracing::{Dispatch, Span, debug_span, dispatcher, info, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, Memory, capture, said, verbose};

fn assert_said(records: &[OwnedRecord], expected: &[&str]) {
    let said = said(records);
    expected.iter().for_each(|line| assert!(said.iter().any(|said| said == line), "{line}: {said:#?}"));
}

/// A value whose `Debug` does what a test says.
struct Does<F>(F);

impl<F: Fn()> fmt::Debug for Does<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)();
        f.write_str("done")
    }
}

// === entered twice ===

#[test]
fn span_entered_again_inside_itself_does_not_become_the_innermost() {
    // As `tracing` has it, and as h2 does it.
    let drain = capture(|| {
        let connection = info_span!("connection");
        let _entered = connection.enter();
        info_span!("poll").in_scope(|| {
            let _again = connection.enter();
            info!("in poll");
            info_span!("ready").in_scope(|| info!("in ready"));
        });
        info!("in connection");
    });
    let records = drain.drain_records();
    assert_said(&records, &["1@1 event in poll", "1@1/1 event in ready", "1@ event in connection"]);
    for end in records.iter().filter(|record| record.kind == Kind::End) {
        let fields: serde_json::Value = serde_json::from_str(&end.fields).expect("JSON");
        assert!(fields["busy_us"].as_i64() <= end.duration_us, "busy once, not twice: {end:?}");
    }
}

// === hidden ===

#[test]
fn span_below_the_own_level_leaves_its_subtasks_and_events_to_the_task_above() {
    let (layer, _guard) = CaptureLayer::builder().level(LevelFilter::INFO).build().expect("nothing to start");
    let drain = layer.drain_handle();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let outer = info_span!("outer");
        let between = outer.in_scope(|| debug_span!("between"));
        // As a future that was spawned inside such a span is polled: only that span is entered.
        between.in_scope(|| {
            info!("inside");
            info_span!("one").in_scope(|| info!("in one"));
        });
        info_span!(parent: &between, "two").in_scope(|| info!("in two"));
        info!(parent: &between, "by name");
    });
    let expected = ["1@ event inside", "1@1 event in one", "1@2 event in two", "2@ event by name", "3@ end outer"];
    assert_said(&drain.drain_records(), &expected);
}

#[test]
fn panic_in_a_span_below_the_own_level_fails_only_the_tasks_it_goes_through() {
    let (layer, _guard) = CaptureLayer::builder().level(LevelFilter::INFO).build().expect("nothing to start");
    let drain = layer.drain_handle();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("careful").in_scope(|| {
            let careless = || debug_span!("between").in_scope(|| panic!("as told"));
            std::panic::catch_unwind(careless).expect_err("it panics");
        });
    });
    let records = drain.drain_records();
    assert_eq!(records.last().and_then(|end| end.outcome), Some(Outcome::Succeeded), "it caught the panic");
}

#[test]
fn span_that_a_filter_hides_leaves_its_events_to_the_task_around_it() {
    let layer = verbose();
    let drain = layer.drain_handle();
    let layer = layer.with_filter(filter_fn(|metadata| metadata.name() != "hidden"));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("outer").in_scope(|| {
            info_span!("hidden").in_scope(|| {
                info!("inside");
                info_span!("below").in_scope(|| info!("deeper"));
            });
        });
    });
    assert_said(&drain.drain_records(), &["1@ event inside", "0@1 begin below", "1@1 event deeper"]);
}

// === closed elsewhere ===

#[test]
fn spans_of_registries_whose_layers_were_never_told_which_close_as_themselves() {
    // `Option` does not pass `on_register_dispatch` on.
    let (one, other) = (verbose(), verbose());
    let drains = [one.drain_handle(), other.drain_handle()];
    let one = Dispatch::new(tracing_subscriber::registry().with(Some(one)));
    let other = Dispatch::new(tracing_subscriber::registry().with(Some(other)));
    let of_one = dispatcher::with_default(&one, || info_span!("one"));
    let of_other = dispatcher::with_default(&other, || info_span!("other"));
    assert_eq!(of_one.id(), of_other.id(), "the same id, or this shows nothing");
    drop(of_one);
    dispatcher::with_default(&other, || of_other.in_scope(|| info!("lives on")));
    drop(of_other);
    let [one, other] = drains.map(|drain| said(&drain.drain_records()));
    assert_eq!(one, ["0@ begin one", "1@ end one"]);
    assert_eq!(other, ["0@ begin other", "1@ event lives on", "2@ end other"]);
}

#[test]
fn span_closed_by_another_thread_is_not_taken_for_one_that_reuses_its_id() {
    let layer = verbose();
    let drain = layer.drain_handle();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let (to_other, spans) = channel::<Span>();
    let (give_back, reused) = channel::<Span>();
    std::thread::scope(|scope| {
        let other = &dispatch;
        scope.spawn(move || {
            dispatcher::with_default(other, || {
                drop(spans.recv().expect("a span"));
                // The registry may give the very id again.
                (0..100).for_each(|_| drop(info_span!("between")));
                give_back.send(info_span!("second")).expect("somebody listens");
            });
        });
        dispatcher::with_default(&dispatch, || {
            let span = info_span!("first");
            span.in_scope(|| info!("in first"));
            to_other.send(span).expect("somebody listens");
            reused.recv().expect("a span").in_scope(|| info!("in second"));
        });
    });
    let records = drain.drain_records();
    let task_of =
        |message: &str| records.iter().find(|record| record.message == message).and_then(|it| it.task.clone());
    assert_eq!(task_of("in first").as_deref(), Some("first"));
    assert_eq!(task_of("in second").as_deref(), Some("second"));
}

#[test]
fn ids_that_the_registry_reuses_never_make_a_key_twice() {
    const SPANS: usize = 20_000;
    let mut ids = BTreeSet::new();
    let drain = capture(|| {
        for _ in 0..SPANS {
            ids.insert(info_span!("task").id().expect("an enabled span").into_u64());
        }
    });
    assert!(ids.len() < SPANS, "the registry reuses ids, or this shows nothing");
    let keys: BTreeSet<String> =
        drain.drain_records().iter().map(|record| record.key.as_ref().expect("in a task").to_string()).collect();
    assert_eq!(keys.len(), 2 * SPANS);
}

// === while a value is formatted ===

#[test]
fn debug_may_flush_wait_for_a_thread_that_flushes_and_drain() {
    let sink = Memory::default();
    let (layer, guard) = CaptureLayer::builder().sink(sink.clone()).build().expect("a thread");
    let drain = layer.drain_handle();
    let flush = || {
        let elsewhere = std::thread::scope(|scope| scope.spawn(|| guard.flush(LONG)).join().expect("no panic"));
        assert!(!elsewhere.timed_out, "it waits for nothing that this thread holds");
        assert!(!guard.flush(LONG).timed_out, "nor on this thread");
        drain.drain_records();
    };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("task", value = ?Does(flush)).in_scope(|| info!(value = ?Does(flush), "outer"));
    });
    assert!(guard.shutdown(LONG).expect("in time").is_complete());
    assert_eq!(sink.said(), ["0@ begin task", "1@ event outer", "2@ end task"]);
}
