//! What became of the records: the honest answer to a flush.

use std::fmt;

use crate::loss::Losses;
use crate::redact::Redacted;
use crate::sink::Deleted;
use crate::spool::SpoolReport;

/// What became of everything recorded so far. `recorded = written + filtered + lost + pending`, where `written`,
/// `filtered`, `lost` and `pending` are those of the sink that misses most; among equals, of the one that took most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Records that callers made: events, begins and ends within the layer's level.
    pub recorded: u64,
    /// Records that are where they belong.
    pub written: u64,
    /// Records that a processor dropped or that were below a sink's level.
    pub filtered: u64,
    /// Records that are gone.
    pub lost: u64,
    /// Records that are still on their way: in the buffer, held by a processor, or kept for a sink that fails.
    pub pending: u64,
    /// Of the filtered, those that a [`FlightRecorder`](crate::FlightRecorder) held and nobody came to want.
    pub held_back: u64,
    /// Of the filtered, those for which another record stands, see [`FoldRepeats`](crate::FoldRepeats).
    pub folded: u64,
    /// Whether the time limit passed before everything was done.
    pub timed_out: bool,
    /// Losses in front of the sinks, by cause and level.
    pub losses: Losses,
    /// Each sink's part.
    pub sinks: Vec<SinkReport>,
    /// How the crash-proof spool is doing, if there is one.
    pub spool: Option<SpoolReport>,
    /// What was replaced in records before they were stored, by rule.
    pub redacted: Vec<Redacted>,
}

/// One sink's part of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkReport {
    /// The sink's name.
    pub name: String,
    /// How it is.
    pub state: SinkState,
    /// Records it has, its fallback's included.
    pub written: u64,
    /// Records below its level.
    pub filtered: u64,
    /// Records it could not take and that were given up.
    pub lost: u64,
    /// Records kept for it until it works again.
    pub pending: u64,
    /// Files that its limits deleted. What was in them had been written, and counts so.
    pub deleted: Deleted,
    /// How often it failed.
    pub errors: u64,
    /// Its last failure, with code and causes.
    pub last_error: Option<String>,
}

/// How a sink is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SinkState {
    /// It took everything so far.
    #[default]
    Ok,
    /// It failed; what it missed is kept and written again.
    Retrying,
    /// It works, or is tried again, but something was given up or went to its fallback.
    Degraded,
}

impl Report {
    /// Whether nothing was lost and nothing is left.
    pub fn is_complete(&self) -> bool {
        self.lost == 0 && self.pending == 0 && !self.timed_out
    }

    /// The failures of all sinks: name and last error.
    pub fn sink_errors(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sinks.iter().filter_map(|sink| Some((sink.name.as_str(), sink.last_error.as_deref()?)))
    }
}

/// `1200 recorded, 1200 written, 0 lost`, with what else there is to say.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} recorded, {} written, {} lost", self.recorded, self.written, self.lost)?;
        if self.filtered > 0 {
            write!(f, ", {} filtered", self.filtered)?;
        }
        if self.held_back + self.folded > 0 {
            write!(f, " ({} held back, {} folded)", self.held_back, self.folded)?;
        }
        if self.pending > 0 {
            write!(f, ", {} pending", self.pending)?;
        }
        let redacted: u64 = self.redacted.iter().map(|rule| rule.count).sum();
        if redacted > 0 {
            write!(f, ", {redacted} values redacted")?;
        }
        if let Some(spool) = self.spool.as_ref().filter(|spool| spool.unprotected_pages > 0) {
            write!(f, ", {} pages of the spool were memory", spool.unprotected_pages)?;
        }
        if self.timed_out { f.write_str(", timed out") } else { Ok(()) }
    }
}
