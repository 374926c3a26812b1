//! Transports: how segments get to the other side.

#[cfg(feature = "http")]
mod http;

#[cfg(feature = "http")]
pub use http::{HttpTransport, HttpTransportBuilder};

use std::time::{Duration, Instant};

use spanlake_core::Error;
use spanlake_core::segment::Segment;
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
    /// to time.
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
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    /// The numbers of segments that it can make nothing of; they are counted as lost.
    pub refused: Vec<u64>,
    /// The levels that somebody wants the program to record at.
    pub verbosity: Option<Verbosity>,
}

/// Why segments are not there.
#[derive(Debug)]
pub enum Undelivered {
    /// Another time they may be taken: after a pause of this length, if the other side named one.
    NotNow(Error, Option<Duration>),
    /// Fewer of them at once may be taken.
    TooMany(Error),
    /// They will never be taken. They are counted as lost.
    Never(Error),
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
