//! The exit of the process: `main` returned, or something called `exit`.

use spanlake_core::Error;
use spanlake_core::sync::{Mutex, lock};

use crate::ends::{End, refused, shut_down_at};

/// Has the C library call back at exit, which it does for `main` and for `std::process::exit` alike.
pub(super) fn listen() -> Result<(), Error> {
    static LISTENING: Mutex<bool> = Mutex::new(false);
    let mut listening = lock(&LISTENING);
    if !*listening && !shutdown_hooks::add_shutdown_hook(at_exit) {
        return Err(refused("the operating system calls nothing more at exit"));
    }
    *listening = true;
    Ok(())
}

extern "C" fn at_exit() {
    shut_down_at(End::Exit);
}
