//! What went wrong while objects were asked, and the mark that one is.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// How often objects of this process could not say what they had to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// An object panicked while it was asked. What it had said by then is kept, and a WARN record tells of it.
    pub panicked: u64,
    /// An object was observed by one that was being asked, and was not asked itself, lest that had no end.
    pub nested: u64,
}

static PANICKED: AtomicU64 = AtomicU64::new(0);
static NESTED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

/// How often objects could not say what they had to, in this process so far.
pub fn faults() -> Faults {
    Faults { panicked: PANICKED.load(Ordering::Relaxed), nested: NESTED.load(Ordering::Relaxed) }
}

/// Whether this thread is asking an object; the observation that finds it so is counted.
pub(super) fn is_nested() -> bool {
    let is_nested = ASKING.get();
    if is_nested {
        NESTED.fetch_add(1, Ordering::Relaxed);
    }
    is_nested
}

/// Runs an object's code; `None` when it panicked.
pub(super) fn asking<T>(ask: impl FnOnce() -> T) -> Option<T> {
    let before = ASKING.replace(true);
    let answer = catch_unwind(AssertUnwindSafe(ask));
    ASKING.set(before);
    if answer.is_err() {
        PANICKED.fetch_add(1, Ordering::Relaxed);
    }
    answer.ok()
}
