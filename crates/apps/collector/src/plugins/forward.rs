//! Another collector as a plugin: records go on to its own endpoint.

use std::collections::BTreeMap;
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use spanlake_core::clock::utc_now_ns;
use spanlake_core::segment::{Segment, SegmentWriter};
use spanlake_core::{Batch, Error, Secret, Source};
use spanlake_wire::batch::{BatchWriter, Entry};
use spanlake_wire::exchange::{self, Reply, Stream};

use super::Plugin;
use super::client::Client;

/// How long a segment gets.
const SEGMENT_BYTES: usize = 1 << 20;

/// What is sent at once, before compression: well below what a collector takes.
const BATCH_BYTES: usize = 4 << 20;

const NAME: &str = "ForwardPlugin";

/// Sends records to another collector, which has them once, but for those after a crash of this one.
///
/// The collector numbers what it forwards as a sender of its own, anew with each start. A batch that is tried again has the numbers
/// that it had, by which the other one knows it. What is given to it again after a crash has new ones, and is there twice.
#[derive(Debug)]
pub struct ForwardPlugin {
    client: Client,
    stream: Stream,
    service: String,
    /// The first number that was not settled.
    next: u64,
    /// What was numbered last and may not have arrived.
    pending: Vec<Segment>,
}

impl ForwardPlugin {
    /// To the collector at this URL, with a token that opens it, trusting certificates of a file or else the machine's. Fails when
    /// the URL is none, and when certificates cannot be read. It connects when there is something to send.
    pub fn new(url: &str, token: Option<&Secret<String>>, roots: Option<&Path>) -> Result<Self, Error> {
        let client = Client::new(NAME, url, token, roots)?;
        let source = Source::this_process("spanlaked");
        let stream = Stream { epoch: epoch(), ..Stream::of(&source) };
        Ok(Self { client, stream, service: source.service, next: 0, pending: Vec::new() })
    }

    /// Numbers what is to be sent; what was there before keeps its numbers. Gives the first one.
    fn number(&mut self, segments: Vec<Segment>) -> u64 {
        let is_repeated = self.pending.iter().map(Segment::bytes).eq(segments.iter().map(Segment::bytes));
        if !is_repeated {
            self.settle();
            self.pending = segments;
        }
        self.next
    }

    /// No number of these is sent again: they arrived, or will never come.
    fn settle(&mut self) {
        self.next += self.pending.len() as u64;
        self.pending.clear();
    }

    fn send(&mut self, first: u64) -> Result<(), Error> {
        let pending = mem::take(&mut self.pending);
        let mut batch = BatchWriter::new();
        let sent = (first..).zip(&pending).try_for_each(|(number, segment)| {
            if !batch.is_empty() && batch.len() + segment.bytes().len() > BATCH_BYTES {
                self.post(first, &mem::take(&mut batch))?;
            }
            batch.push(Entry { number, segment: segment.bytes() });
            Ok(())
        });
        let sent = sent.and_then(|()| self.post(first, &batch));
        self.pending = pending;
        sent
    }

    /// Everything before the first of these arrived, or will never come.
    fn post(&mut self, first: u64, batch: &BatchWriter) -> Result<(), Error> {
        let uncompressed = |error| self.client.failed("cannot compress a batch").caused_by(error).recoverable();
        let body = batch.compress().map_err(uncompressed)?;
        let headers = [
            ("content-type", exchange::CONTENT_TYPE),
            ("content-encoding", "zstd"),
            (exchange::SENDER, &self.stream.sender),
            (exchange::EPOCH, &self.stream.epoch.to_string()),
            (exchange::SEQUENCE, &first.to_string()),
            (exchange::SERVICE, &self.service),
        ];
        let answer = self.client.post(exchange::PATH, &headers, &body)?;
        let unknown = |error| self.client.failed("the answer makes no sense").caused_by(error).recoverable();
        let Reply { refused, .. } = serde_json::from_slice(&answer).map_err(unknown)?;
        if refused.is_empty() {
            return Ok(());
        }
        Err(self.client.failed("the other collector can make nothing of some segments").with("count", refused.len()))
    }
}

/// When a stream begins. No two of a process are the same, also where it forwards to several collectors, or to one by two ways.
fn epoch() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now_us = u64::try_from(utc_now_ns() / 1000).unwrap_or(0);
    let next = |last: u64| Some(now_us.max(last + 1));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
    now_us.max(last + 1)
}

/// The records as segments, one after the other of each source. Of the same records they are the same.
fn segments(batch: &Batch<'_>) -> Vec<Segment> {
    let mut writers = BTreeMap::new();
    let mut segments = Vec::new();
    for record in batch.records() {
        let Source { host, service, pid, started_us, thread, .. } = record.source;
        let source = (host, pid, started_us, service, thread);
        let writer = writers.entry(source).or_insert_with(|| SegmentWriter::new(record.source));
        writer.copy(record);
        if writer.len() >= SEGMENT_BYTES {
            segments.push(writer.take());
        }
    }
    segments.extend(writers.into_values().filter(|writer| !writer.is_empty()).map(|mut writer| writer.take()));
    segments
}

impl Plugin for ForwardPlugin {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let first = self.number(segments(batch));
        self.send(first)?;
        self.settle();
        Ok(())
    }

    /// The other collector acknowledges what is synced.
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
