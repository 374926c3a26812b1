//! What a file and an endpoint do each in its own way.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use spanlake_core::Error;

/// The way of events to where they go, one after the other.
pub(crate) trait Route: fmt::Debug + Send {
    /// Takes an event, and keeps it until it is there or has to be given up.
    fn push(&mut self, event: String);

    /// Sees to those that wait.
    fn flush(&mut self);

    /// Waits until all are there, and durable, at most until then. Says whether they are.
    fn drain(&mut self, until: Instant) -> bool;

    /// How it stands.
    fn standing(&self) -> Standing;
}

/// How a way stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// Events that are no longer waited for, from the first one on.
    pub(crate) settled: u64,
    /// Those of them that were given up.
    pub(crate) lost: u64,
    /// What those that wait take of the memory.
    pub(crate) bytes: usize,
    /// What failed last, and has not succeeded since.
    pub(crate) error: Option<Arc<Error>>,
}
