//! SIGTERM and SIGINT: a thread waits for them, ends what is to be ended, and lets the signal have its default effect.

use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, exit};
use spanlake_core::Error;
use spanlake_core::sync::{Mutex, lock};

use crate::ends::{End, refused, shut_down_at};

/// Starts the thread. What handled a signal before still does, when the signal comes. A signal that this process was
/// told to ignore, such as SIGINT by a shell that put it into the background, stays ignored.
pub(super) fn listen() -> Result<(), Error> {
    // The process whose thread it is: a forked child that sets up a layer of its own needs its own.
    static LISTENING: Mutex<Option<u32>> = Mutex::new(None);
    let mut listening = lock(&LISTENING);
    if *listening == Some(std::process::id()) {
        return Ok(());
    }
    let failed = |error: std::io::Error| refused("cannot wait for signals").caused_by(error);
    let mut signals = Signals::new(&[] as &[i32]).map_err(failed)?;
    let handle = signals.handle();
    let wait = move || signals.forever().for_each(die_well);
    thread::Builder::new().name("spanlake-signals".to_owned()).spawn(wait).map_err(failed)?;
    // Only now that somebody waits: a signal that is caught has no other effect.
    let ignored = ignored_signals();
    let mut heeded = [SIGTERM, SIGINT].into_iter().filter(|signal| !is_in(ignored, *signal));
    heeded.try_for_each(|signal| handle.add_signal(signal)).map_err(failed)?;
    *listening = Some(std::process::id());
    Ok(())
}

/// Whoever started this process sees it die of the signal.
fn die_well(signal: i32) {
    shut_down_at(End::Signal);
    if std::process::id() == 1 {
        // The kernel spares the first process of a container the default effect; shells write it so.
        exit(128 + signal);
    }
    let _ = emulate_default_handler(signal);
}

/// The signals that this process ignores, a bit each; none where the kernel does not say.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(mask: u64, signal: i32) -> bool {
    mask & (1 << (signal - 1)) != 0
}
