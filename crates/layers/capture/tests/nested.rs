//! Traps 1, 2, 6 and 9 where they need the global subscriber: under a scoped one `tracing` itself cuts off what is
//! logged while something is being logged, and a thread's destructors no longer find it.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use spanlake_capture::{CaptureLayer, DrainHandle};
use spanlake_core::{Cause, Kind, LevelFilter, OwnedRecord};
use spanlake_scope::Verbosity;
use tracing::{Span, debug, error, info, info_span, instrument, warn};
use tracing_error::{ErrorLayer, SpanTrace};
use tracing_subscriber::filter::LevelFilter as Filter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

/// A layer that does nothing, so that its filter does all it does. It formats nothing either: what is logged while capture
/// records confuses the filters of the layers behind it, and they would hear, and format, what they should not.
struct Deaf;

impl<S: tracing::Subscriber> Layer<S> for Deaf {}

/// The global stack, for one test at a time.
struct Stack {
    drain: DrainHandle,
    verbosity: Verbosity,
    reentrant_before: u64,
    recorded_before: u64,
    _alone: MutexGuard<'static, ()>,
}

impl Stack {
    fn take() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        static KEPT: OnceLock<(DrainHandle, Verbosity)> = OnceLock::new();
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (drain, verbosity) = KEPT.get_or_init(|| {
            let (capture, _guard) = CaptureLayer::builder().level(LevelFilter::TRACE).build().expect("no thread");
            let kept = (capture.drain_handle(), capture.verbosity().clone());
            let subscriber = tracing_subscriber::registry()
                .with(ErrorLayer::default())
                .with(capture)
                .with(Deaf.with_filter(Filter::OFF))
                .with(Deaf.with_filter(Filter::ERROR));
            tracing::subscriber::set_global_default(subscriber).expect("the only one");
            kept
        });
        verbosity.clear();
        drain.drain_records();
        let (reentrant_before, recorded_before) = (drain.losses().of(Cause::Reentrant), drain.recorded());
        Self { drain: drain.clone(), verbosity: verbosity.clone(), reentrant_before, recorded_before, _alone: alone }
    }

    fn reentrant(&self) -> u64 {
        self.drain.losses().of(Cause::Reentrant) - self.reentrant_before
    }

    /// What was recorded since the start of the test; checks that nothing is missing uncounted.
    fn records(&self) -> Vec<OwnedRecord> {
        let (stated, kept): (Vec<_>, Vec<_>) =
            self.drain.drain_records().into_iter().partition(|record| record.kind == Kind::Loss);
        assert_eq!(self.drain.recorded() - self.recorded_before, kept.len() as u64 + self.reentrant());
        assert_eq!(stated.is_empty(), self.reentrant() == 0, "losses stand in the stream");
        kept
    }
}

fn messages(records: &[OwnedRecord]) -> Vec<&str> {
    let events = records.iter().filter(|record| record.kind == Kind::Event);
    events.map(|record| record.message.as_str()).collect()
}

/// A value whose `Debug` does what a test says.
struct Does<F>(F);

impl<F: Fn()> fmt::Debug for Does<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)();
        f.write_str("done")
    }
}

/// Logs and opens spans in every way.
fn chatter() {
    info!("event inside");
    let span = info_span!("span inside", value = 1);
    let _entered = span.enter();
    debug!("event inside the span inside");
    error!(error = "alone");
    instrumented().expect_err("it fails");
}

#[instrument(err)]
fn instrumented() -> Result<(), String> {
    Err("as told".to_owned())
}

// === 1: extensions ===

#[test]
fn trap_01_debug_that_logs_and_opens_spans_is_counted_and_harms_nothing() {
    let stack = Stack::take();
    info_span!("task").in_scope(|| {
        info!(value = ?Does(chatter), "outer");
        info!("{:?}", Does(chatter));
        warn!("after");
    });
    let records = stack.records();
    assert_eq!(messages(&records), ["outer", "done", "after"]);
    assert_eq!(stack.reentrant(), 2 * 6, "two times two spans and four events");
    let keys: Vec<String> = records.iter().map(|record| record.key.as_ref().expect("in a task").to_string()).collect();
    let numbers: Vec<&str> = keys.iter().map(|key| key.split_once('@').expect("a key").0).collect();
    assert_eq!(numbers, ["0", "1", "2", "3", "4"], "what is inside uses no number");
}

#[test]
fn trap_01_debug_that_captures_a_span_trace_or_touches_extensions() {
    struct Mine;
    let stack = Stack::take();
    let touch = || {
        assert!(SpanTrace::capture().to_string().contains("task"));
        Span::current().with_subscriber(|(id, dispatch)| {
            let registry = dispatch.downcast_ref::<Registry>().expect("a registry");
            registry.span(id).expect("an open span").extensions_mut().replace(Mine);
        });
    };
    use tracing_subscriber::registry::LookupSpan as _;
    info_span!("task", later = tracing::field::Empty).in_scope(|| {
        info!(value = ?Does(touch), "outer");
        info_span!("sub", value = ?Does(touch)).in_scope(|| info!("in sub"));
        Span::current().record("later", tracing::field::debug(Does(touch)));
    });
    assert_eq!(messages(&stack.records()), ["outer", "in sub"]);
    assert_eq!(stack.reentrant(), 0);
}

#[test]
fn trap_01_task_handle_works_while_its_event_is_recorded() {
    let stack = Stack::take();
    info_span!("task").in_scope(|| {
        info!(value = ?Does(|| {
            if let Some(task) = spanlake_scope::Task::of(&Span::current()) {
                task.bind("bound", "inside").expect("a good name");
            }
        }), "outer");
        info!("after");
    });
    let records = stack.records();
    assert_eq!(messages(&records), ["outer", "after"]);
    assert_eq!(records[2].context, r#"{"bound":"inside"}"#);
}

// === 2: `Debug` is foreign code ===

#[test]
fn trap_02_debug_that_logs_and_panics_and_blocks_on_a_thread_that_logs() {
    let stack = Stack::take();
    info_span!("task").in_scope(|| {
        info!(value = ?Does(|| { chatter(); panic!("as told") }), "outer");
        info!(value = ?Does(|| {
            std::thread::spawn(|| info!("on another thread")).join().expect("no panic");
        }), "waits");
        info!("after");
    });
    let mut said = stack.records().into_iter().filter(|record| record.kind == Kind::Event).collect::<Vec<_>>();
    said.sort_by_key(|record| record.message.clone());
    assert_eq!(messages(&said), ["after", "on another thread", "outer", "waits"]);
    assert!(said[2].fields.contains(spanlake_core::value::PANICKED));
    assert_eq!(stack.reentrant(), 6);
}

// === 6: nested events and filters ===

#[test]
fn trap_06_events_inside_field_expressions_beside_filtered_layers() {
    let stack = Stack::take();
    info_span!(
        "task",
        value = {
            info!("before the task");
            1
        }
    )
    .in_scope(|| {
        for _ in 0..10 {
            let _ = tracing::enabled!(tracing::Level::TRACE);
            warn!(
                value = {
                    info!("nested");
                    error!("nested error");
                    1
                },
                "outer"
            );
        }
    });
    let records = stack.records();
    let count = |message: &str| records.iter().filter(|record| record.message == message).count();
    assert_eq!([count("nested"), count("nested error"), count("outer")], [10; 3]);
    assert_eq!((count("before the task"), count("task")), (1, 2));
    let mut numbers: Vec<u64> = records.iter().filter_map(|record| record.key.as_ref()).map(|key| key.seq).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..32).collect::<Vec<u64>>(), "no number twice, none left out");
}

// === 9: threads that end ===

/// Logs when its thread is torn down.
struct Farewell(&'static str);

impl Drop for Farewell {
    fn drop(&mut self) {
        // No span: the registry itself cannot open one on a thread whose locals are gone.
        info!("{}", self.0);
    }
}

thread_local! {
    static EARLY: RefCell<Option<Farewell>> = const { RefCell::new(None) };
    static LATE: RefCell<Option<Farewell>> = const { RefCell::new(None) };
}

#[test]
fn trap_09_events_of_thread_local_destructors_arrive() {
    const THREADS: usize = 50;
    let stack = Stack::take();
    for _ in 0..THREADS {
        let thread = std::thread::spawn(|| {
            EARLY.set(Some(Farewell("early")));
            info_span!("task").in_scope(|| info!("alive"));
            LATE.set(Some(Farewell("late")));
        });
        thread.join().expect("no panic");
    }
    let records = stack.records();
    let count = |message: &str| records.iter().filter(|record| record.message == message).count();
    for message in ["alive", "early", "late"] {
        assert_eq!(count(message), THREADS, "{message}");
    }
    assert_eq!(stack.reentrant(), 0);
}

#[test]
fn what_nobody_wants_is_not_lost_inside_a_value() {
    let stack = Stack::take();
    stack.verbosity.set("talks=info".parse().expect("a directive"));
    let talks = Does(|| {
        debug!(target: "talks", "unwanted");
        info!(target: "talks", "wanted");
    });
    info!(value = ?talks, "m");
    assert_eq!((messages(&stack.records()), stack.reentrant()), (vec!["m"], 1));
}
