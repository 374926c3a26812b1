//! The mark that a thread is inside spanlake, so that nothing recorded there is recorded in turn.

use std::cell::Cell;

/// Where in spanlake a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Recording: fields are being visited, which may run foreign `Debug` code.
    Recording,
    /// On the pump's thread: processors and sinks run here, and what they log is their own affair.
    Pump,
}

thread_local! {
    // Without a destructor, so that it can be read at any time, also while the thread's other locals are torn down.
    static INSIDE: Cell<Option<Place>> = const { Cell::new(None) };
}

/// Holds the mark; the thread is outside again when it is dropped.
#[derive(Debug)]
#[must_use = "the thread counts as outside again when this is dropped"]
pub struct Inside(());

/// Marks this thread as inside, or says where it is already.
#[inline]
pub fn enter(place: Place) -> Result<Inside, Place> {
    INSIDE.with(|inside| match inside.get() {
        Some(already) => Err(already),
        None => {
            inside.set(Some(place));
            Ok(Inside(()))
        }
    })
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with(|inside| inside.set(None));
    }
}
