//! How a task ended: what was said about it before, and what its end record says.

use spanlake_core::{Level, Outcome};

/// How a task ended, as its end record says it.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) level: Level,
    /// The text, when it is not just what its name gives.
    pub(crate) message: Option<String>,
    pub(crate) quiet: bool,
    pub(crate) error: Vec<String>,
    pub(crate) duration_ns: u64,
    pub(crate) busy_ns: u64,
}

/// Values of `mark`: what was said about the end, the greater winning.
pub(crate) const UNMARKED: u8 = 0;
pub(crate) const SUCCEEDED: u8 = 1;
pub(crate) const CANCELLED: u8 = 2;
pub(crate) const FAILED: u8 = 3;

pub(crate) fn outcome_of(mark: u8) -> Outcome {
    match mark {
        UNMARKED | SUCCEEDED => Outcome::Succeeded,
        CANCELLED => Outcome::Cancelled,
        _ => Outcome::Failed,
    }
}
