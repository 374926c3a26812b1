//! Trap 7: interest in a callsite is cached for the whole process. A binary of its own, so that no other test's
//! subscriber has touched the callsites.

use spanlake_capture::{CaptureLayer, DrainHandle};
use spanlake_core::{LevelFilter, OwnedRecord};
use tracing::{debug, info, info_span};
use tracing_subscriber::filter::LevelFilter as Filter;
use tracing_subscriber::layer::SubscriberExt;

fn say() {
    info_span!("task").in_scope(|| {
        info!("info");
        debug!("debug");
    });
}

fn capture(level: LevelFilter) -> (CaptureLayer, DrainHandle) {
    let (capture, _guard) = CaptureLayer::builder().level(level).build().expect("no thread to start");
    let drain = capture.drain_handle();
    (capture, drain)
}

fn count(records: &[OwnedRecord]) -> usize {
    records.len()
}

/// One test, because its steps depend on what the process has cached before.
#[test]
fn trap_07_callsites_first_met_without_a_listener_are_recorded_later() {
    // Nobody listens.
    say();

    // A subscriber that wants nothing meets them next, on another thread, and stays.
    let deaf = tracing::Dispatch::new(tracing_subscriber::registry().with(Filter::OFF));
    std::thread::scope(|scope| {
        scope.spawn(|| tracing::dispatcher::with_default(&deaf, say));
    });

    // A capture layer that keeps errors only must not switch them off for a later one.
    let (terse, of_terse) = capture(LevelFilter::ERROR);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(terse), say);
    assert_eq!(count(&of_terse.drain_records()), 0);

    let (verbose, of_verbose) = capture(LevelFilter::TRACE);
    let verbose = tracing::Dispatch::new(tracing_subscriber::registry().with(verbose));
    tracing::dispatcher::with_default(&verbose, say);
    assert_eq!(count(&of_verbose.drain_records()), 4);

    // A thread without a subscriber says the same at the same time.
    std::thread::scope(|scope| {
        scope.spawn(|| (0..100).for_each(|_| say()));
        scope.spawn(|| tracing::dispatcher::with_default(&verbose, || (0..100).for_each(|_| say())));
    });
    assert_eq!(count(&of_verbose.drain_records()), 400);

    // After the verbose one is gone, a new one is heard again.
    drop(verbose);
    say();
    let (again, of_again) = capture(LevelFilter::INFO);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(again), say);
    assert_eq!(count(&of_again.drain_records()), 3);
}
