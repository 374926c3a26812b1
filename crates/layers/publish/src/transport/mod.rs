//! Transports: how segments get to the other side.

#[cfg(feature = "http")]
mod http;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "zeromq")]
mod zmtp;
#[cfg(feature = "zeromq")]
mod zeromq;
#[cfg(feature = "nats")]
mod nats;

#[cfg(feature = "http")]
pub use http::{HttpTransport, HttpTransportBuilder};
#[cfg(feature = "nats")]
pub use nats::{DEFAULT_STREAM, NatsTransport, NatsTransportBuilder};
#[cfg(feature = "otlp")]
pub use otlp::{OtlpTransport, OtlpTransportBuilder, Signals};
pub use spanlake_wire::exchange::Undelivered;
#[cfg(feature = "zeromq")]
pub use zeromq::{ZmqPublisher, ZmqPublisherBuilder, ZmqTransport, ZmqTransportBuilder};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use spanlake_core::segment::{Decoded, Segment};
use spanlake_core::{Category, Cause, Error, Kind, Loss, Record, Stage};
use spanlake_wire::exchange::{Stream, Verbosity};

use crate::outbox::Numbered;

/// A way to somebody who keeps records. It lives on the publisher's thread and may block there until the time that it is given; a
/// runtime that it needs is its own.
///
/// What it logs through `tracing` on that thread is not recorded, so that it never feeds itself.
pub trait Transport: Send {
    /// A name for reports, such as `http 127.0.0.1:4600`.
    fn name(&self) -> &str;

    /// Sends segments, and comes back when the other side has them for good. A segment that is sent again has the number that
    /// it had before.
    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered>;

    /// Whether there is something to hear when nothing is to be sent. It is then given a parcel without segments from time
    /// to time, and at the end.
    fn polls(&self) -> bool {
        false
    }
}

/// Segments on their way, and whose they are.
#[derive(Debug)]
pub struct Parcel<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) sequence: u64,
    pub(crate) service: &'a str,
    pub(crate) segments: &'a [Numbered],
}

/// What the other side says that has them.
#[derive(Debug, Default)]
pub struct Delivered {
    /// The numbers of segments that it can make nothing of; they are counted as lost.
    pub refused: Vec<u64>,
    /// Records of the other segments that it does not have and never will; they are counted as lost.
    pub lost: Option<Loss>,
    /// What went wrong although the segments are there; it is counted as an error.
    pub complaint: Option<Error>,
    /// The levels that somebody wants the program to record at.
    pub verbosity: Option<Verbosity>,
}

impl<'a> Parcel<'a> {
    /// Who numbers the segments.
    pub fn stream(&self) -> &Stream {
        self.stream
    }

    /// Every segment with a lower number than this was acknowledged, or will never come.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The name of the service whose records these are.
    pub fn service(&self) -> &str {
        self.service
    }

    /// The segments with their numbers, checksums included.
    pub fn segments(&self) -> impl Iterator<Item = (u64, &'a Segment)> + use<'a> {
        self.segments.iter().map(|numbered| (numbered.number, &numbered.segment))
    }

    /// The segments that can be read, for [`merge`](spanlake_core::segment::merge), and the numbers of those that cannot.
    pub fn decode(&self) -> (Vec<Decoded<'a>>, Vec<u64>) {
        let (mut decoded, mut unread) = (Vec::new(), Vec::new());
        for (number, segment) in self.segments() {
            match segment.decode() {
                Ok(segment) => decoded.push(segment),
                Err(_) => unread.push(number),
            }
        }
        (decoded, unread)
    }
}

/// Sends by a transport of other people's making: a panic of it is a failure, and the publisher goes on.
pub(crate) fn send(
    transport: &mut dyn Transport,
    parcel: &Parcel<'_>,
    until: Instant,
) -> Result<Delivered, Undelivered> {
    catch_unwind(AssertUnwindSafe(|| transport.send(parcel, until))).unwrap_or_else(|_| {
        let error = Error::new(Stage::Handler, "Transport", Category::Unexpected, "the transport panicked");
        Err(Undelivered::NotNow(error, None))
    })
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        (**self).send(parcel, until)
    }

    fn polls(&self) -> bool {
        (**self).polls()
    }
}

/// Counts a record as lost on its way. A statement of loss is no record of the program's.
pub(crate) fn lose(lost: &mut Option<Loss>, record: &Record<'_>) {
    if record.kind == Kind::Loss {
        return;
    }
    let one = Loss::one(Cause::Sink, record.level, 0, record.ts_ns);
    match lost {
        Some(lost) => lost.add(&one),
        None => *lost = Some(one),
    }
}
