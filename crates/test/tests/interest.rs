//! Callsites that were hit first where nobody listened are not off for the tests that do.

use tracing::dispatcher::with_default;
use tracing::{Dispatch, info};

fn early() {
    info!("hit before there was a subscriber");
}

fn aside() {
    info!("hit first on a thread without a subscriber");
}

/// In a process of its own, because it is about what happened before the first capture.
#[test]
fn a_callsite_is_heard_whoever_hit_it_first() {
    early();
    let capture = spanlake_test::capture();
    early();
    std::thread::spawn(|| with_default(&Dispatch::none(), aside)).join().expect("no panic");
    aside();
    capture.assert_contains("hit before there was");
    capture.assert_contains("hit first on a thread");
    assert_eq!(capture.records().len(), 2);
}
