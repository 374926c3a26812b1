//! The mark that a thread is inside spanlake, so that nothing recorded there is recorded in turn.

use std::cell::Cell;

thread_local! {
    // Without a destructor, so that it can be read at any time, also while the thread's other locals are torn down.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Holds the mark; the thread is outside again when it is dropped.
#[derive(Debug)]
#[must_use = "the thread counts as outside again when this is dropped"]
pub struct Inside(());

/// Marks this thread as inside; `None` when it is already.
#[inline]
pub fn enter() -> Option<Inside> {
    INSIDE.with(|inside| if inside.replace(true) { None } else { Some(Inside(())) })
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with(|inside| inside.set(false));
    }
}
