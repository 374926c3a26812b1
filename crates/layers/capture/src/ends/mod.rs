//! Ends of the process that drop no guard: which captures are to be shut down at them, and how.
//!
//! A process has one list of captures, and each way to end is listened to once, whichever number of layers asks for it.
//! A capture whose guard was dropped is not on the list any more. What happens to records is in `docs/ends.md`.

mod exit;
mod panic;
mod signals;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use spanlake_core::sync::{Mutex, lock};
use spanlake_core::{Category, Error, Stage};

use crate::handle::Running;

/// A way to end that a capture may want to be shut down at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// `main` returned, or something called `exit`.
    Exit,
    /// A panic that will not unwind: the process aborts when the hook returns.
    FatalPanic,
    /// SIGTERM or SIGINT.
    Signal,
}

/// A capture, and the ends at which it is to be shut down.
struct Entry {
    running: Weak<Running>,
    ends: Vec<End>,
}

/// The captures of this process.
static CAPTURES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// The process that put a capture on the list last. In a forked child nothing ends well: the pump is the parent's, and
/// the list may have been locked by a thread that the child does not have.
static HOME: AtomicU32 = AtomicU32::new(0);

/// Begins to listen to each of these ends. Fails when the operating system refuses.
pub(crate) fn listen_to(ends: &[End]) -> Result<(), Error> {
    ends.iter().try_for_each(|end| match end {
        End::Exit => exit::listen(),
        End::FatalPanic => panic::listen(),
        End::Signal => signals::listen(),
    })
}

/// Lets a capture be shut down at these ends.
pub(crate) fn look_after(running: &Arc<Running>, ends: Vec<End>) {
    if ends.is_empty() || !running.has_sinks() {
        return;
    }
    let mut captures = lock(&CAPTURES);
    HOME.store(std::process::id(), Ordering::Relaxed);
    captures.retain(|entry| entry.running.strong_count() > 0);
    captures.push(Entry { running: Arc::downgrade(running), ends });
}

/// Shuts down every capture that wants it at this end, each within its own time counted from now. Comes back at once for
/// those that have ended already, on the pump's own thread, and in a forked child.
fn shut_down_at(end: End) {
    // Nothing of ours may turn the end of a process into another one.
    let _ = catch_unwind(AssertUnwindSafe(|| shut_down(&captures_that_want(end))));
}

fn captures_that_want(end: End) -> Vec<Arc<Running>> {
    if HOME.load(Ordering::Relaxed) != std::process::id() {
        return Vec::new();
    }
    let captures = lock(&CAPTURES);
    captures.iter().filter(|entry| entry.ends.contains(&end)).filter_map(|entry| entry.running.upgrade()).collect()
}

fn shut_down(captures: &[Arc<Running>]) {
    let start = Instant::now();
    if captures.len() > 1 {
        // All are told before one is waited for: a sink that is stuck takes its own time and nobody else's.
        captures.iter().for_each(|capture| drop(capture.end(Duration::ZERO)));
    }
    captures.iter().for_each(|capture| drop(capture.end(capture.timeout.saturating_sub(start.elapsed()))));
}

fn refused(why: &str) -> Error {
    Error::new(Stage::Factory, "CaptureLayer", Category::Io, why)
}
