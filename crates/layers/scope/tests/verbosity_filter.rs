//! The filter in front of a stack follows its verbosity, whatever `tracing` has cached. A binary of its own: callsites and
//! the most verbose level are the whole process's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use spanlake_core::clock::Clock;
use spanlake_core::{Directives, LevelFilter};
use spanlake_scope::Verbosity;
use tracing::{Event, Subscriber, debug, info, trace};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter as Filter;
use tracing_subscriber::layer::{Context, SubscriberExt};

fn directives(text: &str) -> Directives {
    text.parse().expect("directives")
}

/// Counts events, and changes the verbosity when it is told to by one.
#[derive(Clone)]
struct Counting {
    count: Arc<AtomicUsize>,
    verbosity: Verbosity,
}

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if event.metadata().target() == "trigger" {
            self.verbosity.set(directives("trace"));
        }
    }
}

impl Counting {
    /// How many events of `work` got through.
    fn count(&self, work: impl FnOnce()) -> usize {
        self.count.store(0, Ordering::Relaxed);
        work();
        self.count.load(Ordering::Relaxed)
    }
}

fn say() {
    info!(target: "orders::db", "info");
    debug!(target: "orders::db", "debug");
    trace!(target: "orders::db", "trace");
    debug!(target: "other", "debug");
}

/// One test, because its steps depend on what the process has cached before.
#[test]
fn filter_follows_and_callsites_are_asked_again() {
    let (clock, hand) = Clock::mock();
    let verbosity = Verbosity::with_clock(LevelFilter::INFO, clock);
    let counting = Counting { count: Arc::default(), verbosity: verbosity.clone() };
    let stack = || tracing_subscriber::registry().with(counting.clone()).with(verbosity.filter());

    // Trap 7: the callsites are met first without any subscriber.
    say();
    tracing::subscriber::with_default(stack(), || {
        assert_eq!((counting.count(say), Filter::current()), (1, Filter::INFO));
        verbosity.set(directives("orders=trace"));
        assert_eq!((counting.count(say), Filter::current()), (3, Filter::TRACE), "and other targets stay out");
        verbosity.set(directives("orders=off"));
        assert_eq!(counting.count(say), 1, "what was open from the start is open for the other layers");
        verbosity.set(directives("task=load=debug"));
        assert_eq!(counting.count(say), 3, "which task a callsite is in shows only behind the filter");
        verbosity.clear();
        assert_eq!((counting.count(say), Filter::current()), (1, Filter::INFO));
    });

    // From a thread that has no subscriber, while there is only this one in the process.
    tracing::subscriber::with_default(stack(), || {
        assert_eq!(counting.count(say), 1);
        std::thread::scope(|scope| {
            scope.spawn(|| verbosity.set(directives("debug")));
        });
        assert_eq!(counting.count(say), 3);
        verbosity.clear();
    });

    // In the middle of an event, when this thread seems to have no subscriber.
    tracing::subscriber::with_default(stack(), || {
        assert_eq!(counting.count(|| info!(target: "trigger", "now")), 1);
        assert_eq!((counting.count(say), Filter::current()), (4, Filter::TRACE));
        verbosity.clear();
    });

    // What ends by itself needs nobody to ask again.
    tracing::subscriber::with_default(stack(), || {
        verbosity.set(directives("orders=trace/10m"));
        assert_eq!(counting.count(say), 3);
        hand.increment(Duration::from_secs(600));
        // Somebody behind the filter meets a record that the end matters to; here it is asked for.
        assert!(verbosity.get().directives.is_empty());
        assert_eq!(counting.count(say), 1);
        verbosity.set(directives("off/10m"));
        assert_eq!(counting.count(say), 1, "the filter does not hide what will be wanted without anybody's doing");
    });

    // Trap 7 again: a deaf subscriber on another thread has the last word on nothing.
    let deaf = tracing::Dispatch::new(tracing_subscriber::registry().with(Filter::OFF));
    verbosity.clear();
    tracing::subscriber::with_default(stack(), || {
        std::thread::scope(|scope| {
            scope.spawn(|| tracing::dispatcher::with_default(&deaf, say));
        });
        verbosity.set(directives("debug"));
        assert_eq!(counting.count(say), 3);
    });
}
