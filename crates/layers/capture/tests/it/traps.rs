//! The known ways to break a layer, by their numbers in the list of traps. Those that need a process of their own have
//! binaries beside this one.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use spanlake_capture::CaptureLayer;
use spanlake_core::clock::Clock;
use spanlake_core::{Buffer, BufferOptions, Kind, LevelFilter, Source};
use spanlake_scope::{Recorder, Task};
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Event, Subscriber, info, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::support::{Memory, capture, count, in_time, messages, said, verbose};

// === 1: guards of extensions are locks ===

/// A layer that holds the extensions of the span while others of its stack are called, as a careless one does: it locks
/// in one callback and unlocks in a later one.
#[test]
fn trap_01_extension_locks_that_another_layer_poisoned() {
    /// Panics while it holds the extensions, which poisons them for everybody.
    struct Poisons;
    impl<S> Layer<S> for Poisons
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
            let poisoned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let span = ctx.span(id).expect("a span");
                let _held = span.extensions_mut();
                panic!("while holding the lock");
            }));
            assert!(poisoned.is_err());
        }
    }
    let capture = verbose();
    let drain = capture.drain_handle();
    let stack = tracing_subscriber::registry().with(Poisons).with(capture);
    tracing::subscriber::with_default(stack, || {
        let span = info_span!("poisoned");
        // Where the extensions are lost the task is too; the program and its records are not.
        span.in_scope(|| info!("inside"));
        span.in_scope(|| info!("again"));
        info!("outside");
    });
    let records = drain.drain_records();
    for message in ["inside", "again", "outside"] {
        assert!(messages(&records).contains(&message), "{:?}", said(&records));
    }
}

// === 3: ids are used again ===

#[test]
fn trap_03_reused_span_ids() {
    let capture = verbose();
    let drain = capture.drain_handle();
    let stack = Dispatch::new(tracing_subscriber::registry().with(capture));
    tracing::dispatcher::with_default(&stack, || {
        for round in 0..1_000u64 {
            let span = info_span!("task", round);
            span.in_scope(|| info!(round, "inside"));
            if round % 3 == 0 {
                // The last handle goes on another thread, which then makes a span in the place that became free.
                let stack = stack.clone();
                thread::spawn(move || {
                    drop(span);
                    tracing::dispatcher::with_default(&stack, || {
                        info_span!("other", round).in_scope(|| info!(round, "inside"));
                    });
                })
                .join()
                .expect("no panic");
            }
        }
    });
    let records = drain.drain_records();
    let mut events = 0;
    for record in records.iter().filter(|record| record.kind == Kind::Event) {
        assert_eq!(record.context, record.fields, "the event's round is that of its task");
        assert_eq!(record.key.as_ref().expect("a key").seq, 1);
        events += 1;
    }
    assert_eq!(events, 1_000 + 334);
    assert_eq!((count(&records, Kind::Begin), count(&records, Kind::End)), (events, events));
}

// === 4: spans that are not there ===

#[test]
fn trap_04_span_that_cannot_be_found() {
    let records = capture(|| {
        let closed = info_span!("closed").id();
        info!(parent: closed, "its parent is gone");
        info!("outside");
    })
    .drain_records();
    assert_eq!(said(&records)[2..], ["- event its parent is gone", "- event outside"]);
}

#[test]
fn trap_04_enter_held_across_await() {
    let capture = verbose();
    let drain = capture.drain_handle();
    let stack = Dispatch::new(tracing_subscriber::registry().with(capture));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    tracing::dispatcher::with_default(&stack, || {
        runtime.block_on(async {
            let careless = async {
                let span = info_span!("careless");
                let _entered = span.enter();
                for _ in 0..3 {
                    info!("careless");
                    tokio::task::yield_now().await;
                }
            };
            let other = async {
                for _ in 0..3 {
                    info_span!("other").in_scope(|| info!("other"));
                    tokio::task::yield_now().await;
                }
            };
            tokio::join!(careless, other);
        });
        info!("outside");
    });
    // Whom the events belong to is anybody's guess then, as `tracing` says; they are all there, and it is over at the end.
    let records = drain.drain_records();
    assert_eq!(count(&records, Kind::Event), 7);
    assert_eq!(count(&records, Kind::Begin), count(&records, Kind::End));
    assert_eq!(said(&records).last().map(String::as_str), Some("- event outside"));
}

#[test]
fn trap_04_guard_that_is_leaked_keeps_its_span_and_breaks_nothing() {
    let records = capture(|| {
        let span = info_span!("leaked");
        std::mem::forget(span.enter());
        info!("inside for ever");
        info_span!("below").in_scope(|| info!("inside"));
    })
    .drain_records();
    assert_eq!(said(&records)[1], "1@ event inside for ever");
    // The guard was this thread's, which goes on.
    assert_eq!(messages(&capture(|| info!("elsewhere")).drain_records()), ["elsewhere"]);
}

// === 5: two registries ===

#[test]
fn trap_05_two_registries_in_one_process() {
    let (one, other) = (verbose(), verbose());
    let (of_one, of_other) = (one.drain_handle(), other.drain_handle());
    let one = Dispatch::new(tracing_subscriber::registry().with(one));
    let other = Dispatch::new(tracing_subscriber::registry().with(other));
    use tracing::dispatcher::with_default as with;
    with(&one, || {
        let span = info_span!("of one");
        with(&other, || {
            // A span belongs to the stack that made it, whichever is the default; ids of both are the same numbers.
            span.in_scope(|| {
                info!("in the other");
                info_span!("of the other").in_scope(|| info!("in the other"));
                with(&one, || info!("in one"));
            });
        });
    });
    assert_eq!(said(&of_one.drain_records()), ["0@ begin of one", "1@ event in one", "2@ end of one"]);
    let expected = ["- event in the other", "0@ begin of the other", "1@ event in the other", "2@ end of the other"];
    assert_eq!(said(&of_other.drain_records()), expected);
}

#[test]
fn trap_05_registry_at_the_address_of_one_that_is_gone() {
    for _ in 0..200 {
        let records = capture(|| {
            info_span!("task").in_scope(|| info!("inside"));
            let _open = info_span!("left open by the thread").entered();
        })
        .drain_records();
        assert_eq!(said(&records)[..3], ["0@ begin task", "1@ event inside", "2@ end task"]);
        assert_eq!(records.len(), 5);
    }
}

// === 8: reload ===

#[test]
fn trap_08_reload() {
    let drain = in_time(|| {
        let first = verbose();
        let drain = first.drain_handle();
        let (layer, handle) = tracing_subscriber::reload::Layer::new(first);
        let stack = Dispatch::new(tracing_subscriber::registry().with(layer));
        let start = Barrier::new(5);
        let drains = thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    tracing::dispatcher::with_default(&stack, || {
                        start.wait();
                        for round in 0..2_000 {
                            info_span!("task", round).in_scope(|| info!(round, "inside"));
                        }
                    });
                });
            }
            start.wait();
            let mut drains = vec![drain];
            for _ in 0..20 {
                let next = verbose();
                drains.push(next.drain_handle());
                // From a thread without it, `tracing` would forget that anybody listens at all: trap 7.
                tracing::dispatcher::with_default(&stack, || handle.reload(next)).expect("the stack lives");
                thread::yield_now();
            }
            drains
        });
        drains.into_iter().flat_map(|drain| drain.drain_records()).collect::<Vec<_>>()
    });
    assert_eq!(count(&drain, Kind::Event), 8_000, "whichever layer was there took it");
}

// === 9: threads that end ===

#[test]
fn trap_09_threads_that_come_and_go_leave_nothing_behind() {
    let sink = Memory::default();
    let (capture, guard) = CaptureLayer::builder().sink(sink.clone()).build().expect("a thread");
    let stack = Dispatch::new(tracing_subscriber::registry().with(capture));
    for _ in 0..500 {
        let stack = stack.clone();
        thread::spawn(move || tracing::dispatcher::with_default(&stack, || info_span!("task").in_scope(|| info!("m"))))
            .join()
            .expect("no panic");
    }
    let report = guard.shutdown(crate::support::LONG).expect("in time");
    assert_eq!((report.recorded, report.written, report.lost), (1_500, 1_500, 0));
    assert_eq!(count(&sink.records(), Kind::Event), 500);
}

// === 11: spans that close late or never ===

#[test]
fn trap_11_span_that_never_closes() {
    let records = capture(|| {
        let leaked = info_span!("leaked");
        leaked.in_scope(|| info!("inside"));
        std::mem::forget(leaked);
        info!("outside");
    })
    .drain_records();
    assert_eq!(said(&records), ["0@ begin leaked", "1@ event inside", "- event outside"]);
}

/// What ended, in order, when a child outlives its parent and closes on a thread that knows the subscriber or not.
fn ended(thread_knows: bool) -> Vec<String> {
    let capture = verbose();
    let drain = capture.drain_handle();
    let stack = Dispatch::new(tracing_subscriber::registry().with(capture));
    tracing::dispatcher::with_default(&stack, || {
        let parent = info_span!("parent");
        let child = info_span!(parent: &parent, "child");
        let friend = info_span!("friend");
        friend.follows_from(&parent);
        drop(parent);
        info!("later");
        let default = if thread_knows { stack.clone() } else { Dispatch::none() };
        thread::spawn(move || tracing::dispatcher::with_default(&default, || drop(child))).join().expect("no panic");
        drop(friend);
    });
    let ends = drain.drain_records().into_iter().filter(|record| record.kind == Kind::End);
    ends.map(|record| record.message).collect()
}

#[test]
fn trap_11_span_that_closes_late_and_elsewhere() {
    assert_eq!(ended(true), ["child", "parent", "friend"]);
}

#[test]
fn trap_11_parent_whose_child_closes_where_nobody_listens_never_closes() {
    // `tracing` asks that thread's default subscriber to close the parent, and there is none. Nothing else is harmed.
    assert_eq!(ended(false), ["child", "friend"]);
}

// === 13: records in pieces ===

#[test]
fn trap_13_records_in_pieces() {
    let capture = verbose();
    let drain = capture.drain_handle();
    let stack = Dispatch::new(tracing_subscriber::registry().with(capture));
    let record = || {
        thread::scope(|scope| {
            for name in 0..8 {
                let stack = &stack;
                scope.spawn(move || {
                    tracing::dispatcher::with_default(stack, || {
                        (0..200).for_each(|at| info!(name, at, text = "a\nb\r\nc", "in\npieces"));
                    });
                });
            }
        });
    };
    record();
    let json = drain.drain_json();
    assert_eq!(json.lines().count(), 1_600);
    for line in json.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("whole");
        assert_eq!((&record["message"], &record["fields"]["text"]), (&"in\npieces".into(), &"a\nb\r\nc".into()));
    }
    record();
    let text = drain.drain_text();
    assert_eq!(text.lines().count(), 1_600);
    assert!(text.lines().all(|line| line.contains(r"in\npieces") && line.ends_with(r"text=a\nb\r\nc")), "{text:.200}");
}

// === 14: two clocks ===

/// A capture layer with a clock that is moved by hand.
struct WithClock(Recorder);

impl<S> Layer<S> for WithClock
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.0.on_register_dispatch(dispatch);
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.0.on_new_span(attrs, id, &ctx);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        self.0.on_event(event, &ctx);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.0.on_close(&id, &ctx);
    }
}

#[test]
fn trap_14_clocks() {
    let (clock, hand) = Clock::mock();
    let buffer = Buffer::new(&BufferOptions::default(), Source::this_process("test"));
    let layer = WithClock(Recorder::new(buffer.clone(), LevelFilter::TRACE, clock));
    let before_ns = spanlake_core::clock::utc_now_ns();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let _task = info_span!("task").entered();
        // An hour passes on one clock and next to nothing on the other, as when either of them is stepped.
        hand.increment(Duration::from_secs(3_600));
        info!("later");
    });
    let segments = buffer.drain();
    let decoded = segments[0].decode().expect("a segment");
    let records: Vec<_> = decoded.records().collect();
    let end = records[2].end().expect("an end");
    assert_eq!(end.duration_ns, 3_600_000_000_000, "durations are the monotonic clock's");
    let minute_ns = 60_000_000_000;
    assert!(records.iter().all(|record| (record.ts_ns - before_ns).abs() < minute_ns), "times are the wall's");
    assert_eq!(
        records[0].task.as_deref().expect("a task").started_ns,
        records[0].ts_ns,
        "both are stored at the start"
    );
}

// === what the traps are about, all at once ===

#[test]
fn current_task_is_found_while_everything_happens() {
    let stack = Arc::new(Dispatch::new(tracing_subscriber::registry().with(verbose())));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&stack, || {
                    for _ in 0..1_000 {
                        let span = info_span!("task");
                        let key = Task::of(&span).expect("a task").key();
                        span.in_scope(|| assert_eq!(Task::current().expect("a task").key(), key));
                    }
                });
            });
        }
    });
}
