//! Panics after which the process aborts. One that unwinds drops the guard, or is caught and ends nothing.

use std::panic::PanicHookInfo;
use std::sync::Once;

use spanlake_core::Error;

use crate::ends::{End, shut_down_at};

/// Sets a panic hook that runs the one before it first: what that one prints is not held up, and what it logs is kept.
pub(super) fn listen() -> Result<(), Error> {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            before(info);
            if is_fatal(info) {
                shut_down_at(End::FatalPanic);
            }
        }));
    });
    Ok(())
}

/// Whether the process aborts when the hook returns. A panic out of a destructor that runs because of another panic, or
/// out of a function that cannot unwind, says so to the hook; stable Rust lets it be read from `Debug` only. Should that
/// ever change its words, such a panic is one that loses what is in memory, and a test fails.
fn is_fatal(info: &PanicHookInfo<'_>) -> bool {
    cfg!(panic = "abort") || format!("{info:?}").contains("can_unwind: false")
}
