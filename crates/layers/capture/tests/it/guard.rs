//! The guard and its reports.

use std::thread;
use std::time::{Duration, Instant};

use spanlake_capture::{CaptureLayer, Guard};
use spanlake_core::{Cause, LevelFilter, SinkState};
use tracing::{Dispatch, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, Memory, messages};

const NEVER: Duration = Duration::from_secs(3_600);

/// A stack that gives the sink nothing unless it is told to.
fn stack(sink: &Memory) -> (Dispatch, Guard) {
    let (capture, guard) = CaptureLayer::builder().drain_every(NEVER).sink(sink.clone()).build().expect("a thread");
    (Dispatch::new(tracing_subscriber::registry().with(capture)), guard)
}

fn under(stack: &Dispatch, work: impl FnOnce()) {
    tracing::dispatcher::with_default(stack, work);
}

#[test]
fn flush_brings_everything_to_the_sinks() {
    let sink = Memory::default();
    let (stack, guard) = stack(&sink);
    under(&stack, || {
        let _task = info_span!("task").entered();
        info!("one");
        let report = guard.flush(LONG);
        assert_eq!((report.recorded, report.written, report.timed_out), (2, 2, false));
        assert_eq!(sink.said(), ["0@ begin task", "1@ event one"]);
        info!("two");
        guard.flush(LONG);
    });
    assert_eq!(sink.said().len(), 3);
    assert_eq!(sink.change(|state| state.flushes), 2);
}

#[test]
fn dropping_the_guard_writes_everything_once() {
    let sink = Memory::default();
    let (stack, guard) = stack(&sink);
    under(&stack, || info_span!("task").in_scope(|| info!("inside")));
    guard.flush(LONG);
    under(&stack, || info!("later"));
    drop(guard);
    assert_eq!(sink.said(), ["0@ begin task", "1@ event inside", "2@ end task", "- event later"]);
    assert!(sink.change(|state| state.flushes) >= 2);
}

#[test]
fn shutdown_reports_what_became_of_the_records() {
    let (all, some) = (Memory::default(), Memory::at_level(LevelFilter::WARN));
    let builder = CaptureLayer::builder().drain_every(NEVER).sink(all.clone()).sink(some.clone());
    let (capture, guard) = builder.build().expect("a thread");
    let stack = Dispatch::new(tracing_subscriber::registry().with(capture));
    under(&stack, || {
        info!("info");
        tracing::warn!("warn");
    });
    let report = guard.shutdown(LONG).expect("in time");
    assert!(report.is_complete());
    assert_eq!((report.recorded, report.written + report.filtered), (2, 2));
    assert_eq!((report.sinks[1].written, report.sinks[1].filtered), (1, 1));
    assert_eq!(report.sink_errors().count(), 0);
}

#[test]
fn records_after_the_end_are_counted_and_kept_from_the_sinks() {
    let sink = Memory::default();
    let (capture, guard) = CaptureLayer::builder().sink(sink.clone()).build().expect("a thread");
    let drain = capture.drain_handle();
    let stack = Dispatch::new(tracing_subscriber::registry().with(capture));
    under(&stack, || {
        let _task = info_span!("task").entered();
        drop(guard);
        info!("late");
    });
    assert_eq!(sink.said(), ["0@ begin task"]);
    assert_eq!(drain.losses().of(Cause::Closed), 2, "the event and the end");
}

#[test]
fn after_the_end_every_further_one_answers_at_once_with_the_final_report() {
    let sink = Memory::default();
    let (stack, guard) = stack(&sink);
    under(&stack, || info!("one"));
    let (handle, another) = (guard.handle(), guard.handle());
    let last = handle.shutdown(NEVER).expect("in time");
    assert_eq!((last.recorded, last.written, last.timed_out), (1, 1, false));
    assert_eq!(another.shutdown(NEVER).expect("long done"), last);
    assert_eq!((another.flush(NEVER), guard.flush(Duration::ZERO), guard.report()), (last.clone(), last.clone(), last));
    let flushes = sink.change(|state| state.flushes);
    drop(guard);
    assert_eq!((sink.said().len(), sink.change(|state| state.flushes)), (1, flushes), "nothing is done twice");
}

#[test]
fn a_handle_flushes_and_ends_what_its_guard_would_and_ends_nothing_by_itself() {
    let sink = Memory::default();
    let (stack, guard) = stack(&sink);
    drop(guard.handle());
    under(&stack, || info!("one"));
    assert!(guard.handle().flush(LONG).is_complete());
    let handle = guard.handle();
    thread::scope(|scope| {
        scope.spawn(|| under(&stack, || info!("two")));
    });
    drop(guard);
    assert_eq!(messages(&sink.records()), ["one", "two"]);
    assert!(handle.report().is_complete());
}

#[test]
fn a_guard_dropped_by_a_panic_ends_capture_and_does_not_panic_itself() {
    let (good, stuck) = (Memory::default(), Memory::default());
    stuck.change(|state| state.blocked = true);
    let both = || {
        let (stack, _guard) = stack(&good);
        let builder = CaptureLayer::builder().shutdown_timeout(Duration::from_millis(20)).sink(stuck.clone());
        let (capture, _stuck) = builder.build().expect("a thread");
        under(&Dispatch::new(tracing_subscriber::registry().with(capture)), || info!("stuck"));
        under(&stack, || info!("one"));
        panic!("as told");
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(both)).expect_err("it panics, once");
    assert_eq!(messages(&good.records()), ["one"]);
    stuck.change(|state| state.blocked = false);
}

#[test]
fn shutdown_with_a_stuck_sink_is_an_error_that_says_how_far_it_came() {
    let sink = Memory::default();
    let (stack, guard) = stack(&sink);
    sink.change(|state| state.blocked = true);
    under(&stack, || info!("one"));
    let start = Instant::now();
    let error = guard.shutdown(Duration::from_millis(20)).expect_err("the sink is stuck");
    assert!(start.elapsed() < LONG / 2);
    assert_eq!(error.code().to_string(), "DISPATCH::Guard::IO::ERROR");
    let context: Vec<_> = error.context().collect();
    assert_eq!(context[0], ("timeout", "20ms"));
    assert!(context[1].1.contains("1 recorded, 0 written") && context[1].1.contains("timed out"), "{}", context[1].1);
    sink.change(|state| state.blocked = false);
    sink.wait(|state| state.records.len() == 1);
}

#[test]
fn dropping_the_guard_of_a_stuck_sink_takes_no_longer_than_its_timeout() {
    let sink = Memory::default();
    let builder = CaptureLayer::builder().shutdown_timeout(Duration::from_millis(20)).sink(sink.clone());
    let (capture, guard) = builder.build().expect("a thread");
    sink.change(|state| state.blocked = true);
    under(&Dispatch::new(tracing_subscriber::registry().with(capture)), || info!("one"));
    let start = Instant::now();
    drop(guard);
    assert!(start.elapsed() < LONG / 2);
    sink.change(|state| state.blocked = false);
}

#[test]
fn flush_and_drop_work_on_a_tokio_thread() {
    let sink = Memory::default();
    let (stack, guard) = stack(&sink);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        under(&stack, || info!("one"));
        assert!(guard.flush(LONG).is_complete());
        under(&stack, || info!("two"));
        drop(guard);
    });
    assert_eq!(messages(&sink.records()), ["one", "two"]);
}

#[test]
fn a_runtime_that_is_gone_takes_nothing_with_it() {
    let sink = Memory::default();
    let (stack, guard) = stack(&sink);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let in_task = stack.clone();
    let task = runtime.spawn(async move { under(&in_task, || info!("in a task")) });
    runtime.block_on(task).expect("no panic");
    drop(runtime);
    under(&stack, || info!("afterwards"));
    drop(guard);
    assert_eq!(messages(&sink.records()), ["in a task", "afterwards"]);
}

#[test]
fn failure_of_a_sink_is_on_the_guard_and_not_in_the_program() {
    let sink = Memory::default();
    let (stack, guard) = stack(&sink);
    sink.change(|state| state.fails = true);
    under(&stack, || info!("one"));
    let report = guard.flush(LONG);
    assert_eq!((report.pending, report.sinks[0].state), (1, SinkState::Retrying));
    let (name, error) = report.sink_errors().next().expect("an error");
    assert_eq!(name, "memory");
    assert!(error.starts_with("HANDLER::Memory::IO::ERROR::RECOVERABLE: "), "{error}");
    sink.change(|state| state.fails = false);
    assert!(guard.flush(LONG).is_complete());
    assert_eq!(messages(&sink.records()), ["one"]);
}

#[test]
fn what_sinks_record_themselves_stays_out() {
    // The pump's thread records under the subscriber it finds as its default; here it is told to.
    struct Talks(Memory, Option<Dispatch>);
    impl spanlake_core::Sink for Talks {
        fn name(&self) -> &str {
            "talks"
        }
        fn write(&mut self, batch: &spanlake_core::Batch<'_>) -> Result<(), spanlake_core::Error> {
            if let Some(stack) = STACK.get() {
                self.1.get_or_insert_with(|| stack.clone());
            }
            if let Some(stack) = &self.1 {
                tracing::dispatcher::with_default(stack, || info_span!("sink").in_scope(|| info!("in the sink")));
            }
            self.0.write(batch)
        }
        fn flush(&mut self) -> Result<(), spanlake_core::Error> {
            self.0.flush()
        }
    }
    static STACK: std::sync::OnceLock<Dispatch> = std::sync::OnceLock::new();

    let sink = Memory::default();
    let (capture, guard) = CaptureLayer::builder().sink(Talks(sink.clone(), None)).build().expect("a thread");
    let drain = capture.drain_handle();
    let stack = STACK.get_or_init(|| Dispatch::new(tracing_subscriber::registry().with(capture)));
    for _ in 0..3 {
        under(stack, || info!("from the program"));
        guard.flush(LONG);
    }
    assert_eq!(messages(&sink.records()), ["from the program"; 3]);
    assert_eq!((drain.recorded(), drain.losses().total()), (3, 0), "not even counted: it would never end");
}

#[test]
fn guard_in_memory_counts_what_nobody_drained() {
    let (capture, guard) = CaptureLayer::builder().build().expect("nothing to start");
    under(&Dispatch::new(tracing_subscriber::registry().with(capture)), || info!("one"));
    assert_eq!((guard.flush(LONG).pending, guard.report().recorded), (1, 1));
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!((report.recorded, report.written, report.lost, report.pending), (1, 0, 0, 1));
}

#[test]
fn threads_that_still_record_do_not_hold_up_the_end() {
    let sink = Memory::default();
    let (stack, guard) = stack(&sink);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let report = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                under(&stack, || {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        info!("on and on")
                    }
                })
            });
        }
        under(&stack, || info!("from here"));
        let report = guard.shutdown(LONG).expect("in time");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        report
    });
    assert_eq!(report.pending, 0);
    assert!(report.recorded >= report.written && messages(&sink.records()).contains(&"from here"));
}
