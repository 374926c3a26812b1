//! Locks, threads and atomic numbers, in one place so that a model checker can put its own there.
//!
//! Locks are such that a panic elsewhere cannot poison them for us: whatever panicked, the host program goes on. With
//! `--cfg shuttle` everything here is [shuttle](https://docs.rs/shuttle)'s, which plays the threads of a model in one
//! order after the other; see `tests/models`.

#[cfg(not(shuttle))]
pub use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, atomic},
    thread,
};

#[cfg(shuttle)]
pub use shuttle::{
    sync::{Arc, Condvar, Mutex, MutexGuard, atomic},
    thread,
};

use std::sync::{PoisonError, TryLockError};
use std::time::Instant;

/// How often a lock that is held is looked at again, before it is asked once more whether the process was forked. It is
/// asked before the first of them too: a child that logs in a loop must not give its time away at each record.
const LOOKS_BEFORE_FORK_CHECK: u32 = 1_000;

/// Locks, taking over a poisoned lock.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks what other threads hold for moments only. Gives `None` in a process that is not `home`, when the lock is not
/// free: a forked child has none of its parent's other threads, and what one of them held is held for ever.
#[inline]
pub fn lock_at_home<T: ?Sized>(mutex: &Mutex<T>, home: u32) -> Option<MutexGuard<'_, T>> {
    try_lock(mutex).or_else(|| lock_contended(mutex, home))
}

#[cold]
fn lock_contended<T: ?Sized>(mutex: &Mutex<T>, home: u32) -> Option<MutexGuard<'_, T>> {
    for look in 0u32.. {
        if look.is_multiple_of(LOOKS_BEFORE_FORK_CHECK) && std::process::id() != home {
            return None;
        }
        thread::yield_now();
        if let Some(guard) = try_lock(mutex) {
            return Some(guard);
        }
    }
    None
}

/// Locks if nobody holds it, taking over a poisoned lock.
pub fn try_lock<T: ?Sized>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Waits for a thread that is as good as over, at most until `deadline`.
#[cfg(not(shuttle))]
pub fn join_until(thread: &mut Option<thread::JoinHandle<()>>, deadline: Instant) {
    while thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < deadline {
        thread::yield_now();
    }
    if let Some(thread) = thread.take_if(|thread| thread.is_finished()) {
        // Its panic is none of the caller's.
        let _ = thread.join();
    }
}

/// In a model no time passes.
#[cfg(shuttle)]
pub fn join_until(thread: &mut Option<thread::JoinHandle<()>>, _deadline: Instant) {
    thread.take().map(thread::JoinHandle::join);
}
