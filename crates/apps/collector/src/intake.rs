//! The intake: what every receiver hands deliveries to, and where they are looked at before they are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use spanlake_core::segment::{Decoded, SegmentError, Tail};
use spanlake_wire::batch::BatchError;
use spanlake_wire::exchange::Stream;
use tokio::sync::oneshot;

use crate::queue::{Delivery, Queue, QueueReport, Refusal};

/// Hands deliveries to the queue, and counts what came.
#[derive(Clone, Debug)]
pub struct Intake {
    queue: Arc<Queue>,
    counts: Arc<Counts>,
}

/// What somebody sent at once.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Who numbers the segments; nobody where the format has no numbers.
    pub stream: Option<Stream>,
    /// Every segment with a lower number was acknowledged, or will never come.
    pub sequence: u64,
    /// The name of the service.
    pub service: String,
    /// Segments with their numbers.
    pub segments: Vec<(u64, Vec<u8>)>,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Segments that are stored now.
    pub accepted: u64,
    /// Segments that were stored before.
    pub repeated: u64,
    /// The numbers of those that nobody can make anything of.
    pub refused: Vec<u64>,
}

/// Why something is not taken in, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A token or a client's certificate that is none of ours, or none at all.
    Unauthorized,
    /// A token, or a client's certificate, whose time is over.
    Expired,
    /// A token that opens something else.
    Forbidden,
    /// TLS that did not come about for another reason, such as a client that does not trust the collector, or speaks none.
    Handshake,
    /// A header or a frame that says nothing understandable.
    Malformed,
    /// More bytes than are allowed, before or after decompression.
    TooLarge,
    /// More than the sender's quota.
    Quota,
    /// More connections than are allowed.
    Connections,
    /// It took too long to come.
    Slow,
    /// A segment that does not match its checksums, or is none.
    Damaged,
    /// A segment or a format of a newer version.
    Version,
    /// An encoding that is not read.
    Encoding,
    /// A pickle: it is code, and nothing of it is looked at.
    Pickle,
    /// The queue is full, or its disk.
    Full,
    /// The disk failed.
    Disk,
}

/// How much came, was kept and was refused.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) records: AtomicU64,
    pub(crate) segments: AtomicU64,
    pub(crate) repeated: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
}

// === impl Intake ===

impl Intake {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, counts: Arc::default() }
    }

    /// Keeps what came; comes back when it is synced to the disk.
    pub async fn accept(&self, incoming: Incoming) -> Result<Kept, Refusal> {
        let Incoming { stream, sequence, service, segments } = incoming;
        let (mut whole, mut refused, mut records) = (Vec::new(), Vec::new(), 0);
        for (number, bytes) in segments {
            match look_at(&bytes) {
                Ok(count) => {
                    records += count;
                    whole.push((stream.is_some().then_some(number), bytes));
                }
                Err(reason) => {
                    self.refuse(reason);
                    refused.push(number);
                }
            }
        }
        let (tell, told) = oneshot::channel();
        let delivery = Delivery { stream, floor: sequence, service, entries: whole };
        self.queue.offer(delivery, move |stored| drop(tell.send(stored)));
        // The queue always tells; where its thread is gone it was closed.
        let stored =
            told.await.unwrap_or(Err(Refusal::Closed)).inspect_err(|refusal| self.refuse(Reason::of(refusal)))?;
        self.counts.records.fetch_add(records, Ordering::Relaxed);
        self.counts.segments.fetch_add(stored.accepted, Ordering::Relaxed);
        self.counts.repeated.fetch_add(stored.repeated, Ordering::Relaxed);
        Ok(Kept { accepted: stored.accepted, repeated: stored.repeated, refused })
    }

    /// Why a delivery of so many bytes would not be taken at this moment.
    #[cfg(feature = "nats")]
    pub(crate) fn refusal_of(&self, bytes: u64) -> Option<Refusal> {
        self.queue.refusal_of(bytes)
    }

    /// How many bytes a delivery may have.
    pub(crate) fn most_at_a_time(&self) -> u64 {
        self.queue.most_at_a_time()
    }

    /// Counts something that was not taken in.
    pub fn refuse(&self, reason: Reason) {
        if let Some(count) = self.counts.refused.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often something was not taken in for this reason.
    pub fn refused(&self, reason: Reason) -> u64 {
        self.counts.refused.get(reason as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(crate) fn queue_report(&self) -> QueueReport {
        self.queue.report()
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }
}

/// How many records a segment has, if it is whole.
pub(crate) fn look_at(bytes: &[u8]) -> Result<u64, Reason> {
    let decoded = Decoded::read(bytes).map_err(|error| match error {
        SegmentError::Version(_) => Reason::Version,
        _ => Reason::Damaged,
    })?;
    if decoded.tail() != Tail::Whole {
        return Err(Reason::Damaged);
    }
    Ok(decoded.len() as u64)
}

// === impl Reason ===

impl Reason {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 15] = [
        Self::Unauthorized,
        Self::Expired,
        Self::Forbidden,
        Self::Handshake,
        Self::Malformed,
        Self::TooLarge,
        Self::Quota,
        Self::Connections,
        Self::Slow,
        Self::Damaged,
        Self::Version,
        Self::Encoding,
        Self::Pickle,
        Self::Full,
        Self::Disk,
    ];

    /// Why the queue refused.
    pub(crate) fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::TooLarge { .. } => Self::TooLarge,
            Refusal::TooManyGaps => Self::Quota,
            Refusal::Failed(_) => Self::Disk,
            _ => Self::Full,
        }
    }

    /// Why a batch cannot be read.
    pub(crate) fn of_batch(error: &BatchError) -> Self {
        match error {
            BatchError::TooLong { .. } => Self::TooLarge,
            BatchError::Version(_) => Self::Version,
            _ => Self::Malformed,
        }
    }

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Expired => "expired",
            Self::Forbidden => "forbidden",
            Self::Handshake => "handshake",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Quota => "quota",
            Self::Connections => "connections",
            Self::Slow => "slow",
            Self::Damaged => "damaged",
            Self::Version => "version",
            Self::Encoding => "encoding",
            Self::Pickle => "pickle",
            Self::Full => "full",
            Self::Disk => "disk",
        }
    }
}
