//! What is put into the queue, and what the queue says to it.

use std::io;

use spanlake_wire::exchange::Stream;

/// Segments that came together.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// Who numbers them; without one, nothing is known to be a repeat.
    pub stream: Option<Stream>,
    /// Every segment of the stream with a lower number was acknowledged, or will never come.
    pub floor: u64,
    /// The service that recorded them.
    pub service: String,
    /// The segments' bytes, in the order in which plugins get them; those without a number are stored as often as they come.
    pub entries: Vec<(Option<u64>, Vec<u8>)>,
}

/// What became of a delivery: all of it is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Segments that are stored now.
    pub accepted: u64,
    /// Segments that were stored before, or are settled, and are not stored twice.
    pub repeated: u64,
}

/// Why a delivery was not taken. Nothing of it is acknowledged; some of it may be stored all the same, and is a repeat then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Too much waits for the disk at this moment.
    #[error("too much waits to be written")]
    Busy,
    /// The queue has as many bytes on the disk as it may, because a plugin is behind.
    #[error("the queue is full")]
    Full,
    /// The disk has less room left than it should.
    #[error("the disk is nearly full")]
    DiskFull,
    /// The queue is closed, or being closed.
    #[error("the queue is closed")]
    Closed,
    /// It could not be made durable.
    #[error("the segments could not be written")]
    Failed(#[source] io::Error),
    /// It is larger than all that may wait at a time, so that it would never be taken.
    #[error("the delivery has {bytes} bytes, of which the queue takes at most {most} at a time")]
    TooLarge {
        /// What it has.
        bytes: u64,
        /// What there is room for.
        most: u64,
    },
    /// The stream left out too many numbers, or all streams together did.
    #[error("too many numbers were left out to remember them")]
    TooManyGaps,
}

/// How many deliveries were refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the refusal of its name")]
#[non_exhaustive]
pub struct Refused {
    pub busy: u64,
    pub full: u64,
    pub disk_full: u64,
    pub closed: u64,
    pub failed: u64,
    pub too_large: u64,
    pub too_many_gaps: u64,
}

/// What hears of a delivery's end.
pub(super) type Done = Box<dyn FnOnce(Result<Stored, Refusal>) + Send>;

impl Refusal {
    /// Whether the same delivery may be taken later.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Refusal::TooLarge { .. })
    }
}

impl Refused {
    /// Each reason, as metrics name it, and how often it was given.
    pub fn by_reason(&self) -> [(&'static str, u64); 7] {
        [
            ("busy", self.busy),
            ("full", self.full),
            ("disk_full", self.disk_full),
            ("closed", self.closed),
            ("failed", self.failed),
            ("too_large", self.too_large),
            ("too_many_gaps", self.too_many_gaps),
        ]
    }

    pub(super) fn count(&mut self, refusal: &Refusal) {
        let counter = match refusal {
            Refusal::Busy => &mut self.busy,
            Refusal::Full => &mut self.full,
            Refusal::DiskFull => &mut self.disk_full,
            Refusal::Closed => &mut self.closed,
            Refusal::Failed(_) => &mut self.failed,
            Refusal::TooLarge { .. } => &mut self.too_large,
            Refusal::TooManyGaps => &mut self.too_many_gaps,
        };
        *counter += 1;
    }
}
