//! Locks that a panic elsewhere cannot poison for us: whatever panicked, the host program goes on.

pub use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use std::sync::{PoisonError, TryLockError};

/// Locks, taking over a poisoned lock.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks if nobody holds it, taking over a poisoned lock.
pub fn try_lock<T: ?Sized>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
