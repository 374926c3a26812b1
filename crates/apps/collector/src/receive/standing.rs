//! How somebody is doing whom a receiver connects to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use spanlake_core::sync::{Mutex, lock};

use crate::collector::Part;

/// Whether somebody is there, and what went wrong.
#[derive(Debug)]
pub(crate) struct Standing {
    name: String,
    is_there: AtomicBool,
    errors: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Standing {
    pub(super) fn of(name: String) -> Self {
        Self { name, is_there: AtomicBool::new(false), errors: AtomicU64::new(0), last_error: Mutex::default() }
    }

    pub(super) fn arrive(&self) {
        self.is_there.store(true, Ordering::Relaxed);
    }

    pub(super) fn fail(&self, error: &std::io::Error) {
        self.is_there.store(false, Ordering::Relaxed);
        *lock(&self.last_error) = Some(error.to_string());
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// What the log says of it.
    pub(crate) fn part(&self) -> Part {
        Part {
            name: self.name.clone(),
            errors: self.errors.load(Ordering::Relaxed),
            dead: 0,
            lost: 0,
            is_failing: !self.is_there.load(Ordering::Relaxed),
            last_error: lock(&self.last_error).clone(),
        }
    }
}
