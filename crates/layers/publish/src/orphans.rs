//! Spools that dead processes left: what is in them is sent under the numbers that it had.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use spanlake_core::disk::{self, Disk};
use spanlake_core::segment::{Segment, Tail};
use spanlake_core::spool::{self, OpenTasks, Orphan, StoredSegment};
use spanlake_core::sync::Arc;
use spanlake_core::{Error, LevelFilter, Recipe};
use spanlake_wire::exchange::Stream;

use crate::outbox::{Numbered, Outbox};
use crate::publisher::TRY_FOR;
use crate::transport::{self, Parcel, Transport, Undelivered};

/// What a ledger calls a publisher, so that nobody recovers its spool to a lake.
const KIND: &str = "publish";

/// The number of what comes behind everything that a process recorded: the ends of tasks that were open.
const LAST: u64 = 1 << 63;

/// The spools of dead publishers in one folder.
#[derive(Debug)]
pub(crate) struct Orphans {
    disk: Arc<dyn Disk>,
    folders: VecDeque<PathBuf>,
    begun: Option<Adopted>,
}

/// One of them, taken over.
#[derive(Debug)]
struct Adopted {
    orphan: Orphan,
    stream: Stream,
    outbox: Outbox,
}

/// How a publisher calls itself in its ledger.
pub(crate) fn recipe(level: LevelFilter) -> Recipe {
    Recipe { kind: KIND.to_owned(), lake: PathBuf::new(), level, partition: String::new() }
}

// === impl Orphans ===

impl Orphans {
    /// None.
    pub(crate) fn none() -> Self {
        Self { disk: disk::real(), folders: VecDeque::new(), begun: None }
    }

    /// Those in this folder. Where it cannot be read there are none: the next start finds them.
    pub(crate) fn of(folder: &std::path::Path) -> Self {
        let disk = disk::real();
        let folders = spool::orphans(&*disk, folder).unwrap_or_default().into();
        Self { disk, folders, begun: None }
    }

    /// The next one that nobody else has taken over and that is a publisher's.
    fn next(&mut self) -> Option<Adopted> {
        if let Some(begun) = self.begun.take() {
            return Some(begun);
        }
        while let Some(folder) = self.folders.pop_front() {
            match Orphan::adopt(&*self.disk, &folder) {
                Ok(Some(orphan)) if is_publishers(&orphan) => return Some(Adopted::new(orphan, &*self.disk)),
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::NotFound) =>
                {
                    // What cannot be read is put aside; where even that fails it is found again at the next start.
                    let _ = spool::quarantine(&*self.disk, &folder);
                }
                Err(_) => {}
            }
        }
        None
    }

    /// Sends the next of them, at least a parcel, and no more from then on; gives whether all are there. An error is that it may be
    /// tried again.
    pub(crate) fn send(
        &mut self,
        transport: &mut dyn Transport,
        batch_bytes: usize,
        until: Instant,
        mut note: impl FnMut(&Error),
    ) -> Result<bool, (Error, Option<Duration>)> {
        while let Some(mut orphan) = self.next() {
            let sent = orphan.send(transport, batch_bytes, &*self.disk, until, &mut note);
            if !matches!(sent, Ok(true)) {
                self.begun = Some(orphan);
                return sent;
            }
            self.finish(orphan);
        }
        Ok(true)
    }

    /// Everything of it is there. Where its files cannot be removed it is sent again at the next start, and stored once.
    fn finish(&self, adopted: Adopted) {
        let _ = adopted.orphan.finish(&*self.disk);
    }
}

fn is_publishers(orphan: &Orphan) -> bool {
    orphan.ledger.sinks.iter().any(|sink| sink.kind == KIND)
}

// === impl Adopted ===

impl Adopted {
    fn new(orphan: Orphan, disk: &dyn Disk) -> Self {
        let mut outbox = Outbox::new(true);
        let mut open = OpenTasks::default();
        open.resume(&orphan.ledger.open);
        for stored in &orphan.segments {
            let whole = whole(&orphan, stored, disk);
            if let Some(decoded) = whole.as_ref().and_then(|segment| segment.decode().ok()) {
                open.read(&decoded);
            }
            if let (Some(segment), Some(number)) = (whole, stored.number()) {
                outbox.push_as(number, segment);
            }
        }
        let ends = open.interrupted(&orphan.ledger.source);
        if ends.records() > 0 {
            outbox.push_as(LAST, ends);
        }
        Self { stream: Stream::of(&orphan.ledger.source), orphan, outbox }
    }

    /// Sends what is left of it. What is never taken is put aside, for people to look at, and told to `note`; what is behind it
    /// is sent.
    fn send(
        &mut self,
        transport: &mut dyn Transport,
        batch_bytes: usize,
        disk: &dyn Disk,
        until: Instant,
        mut note: impl FnMut(&Error),
    ) -> Result<bool, (Error, Option<Duration>)> {
        let mut most_bytes = batch_bytes;
        while !self.outbox.is_empty() {
            let sequence = self.outbox.lowest_number();
            let segments = self.outbox.first(most_bytes);
            let service = &self.orphan.ledger.source.service;
            let count = segments.len();
            let parcel = Parcel { stream: &self.stream, sequence, service, segments };
            match transport::send(transport, &parcel, Instant::now() + TRY_FOR) {
                Ok(delivered) => {
                    most_bytes = batch_bytes;
                    delivered.complaint.iter().for_each(&mut note);
                    self.settle(count, &delivered.refused, disk);
                    if until <= Instant::now() {
                        break;
                    }
                }
                Err(Undelivered::TooMany(_) | Undelivered::Never(_)) if count > 1 => most_bytes = 0,
                Err(Undelivered::TooMany(error) | Undelivered::Never(error)) => {
                    note(&error);
                    let refused: Vec<u64> = segments.iter().map(|numbered| numbered.number).collect();
                    self.settle(count, &refused, disk);
                }
                Err(Undelivered::NotNow(error, after)) => return Err((error, after)),
            }
        }
        Ok(self.outbox.is_empty())
    }

    /// Forgets the first segments, and keeps a copy of those that were refused.
    fn settle(&mut self, count: usize, refused: &[u64], disk: &dyn Disk) {
        let settled: Vec<Numbered> = self.outbox.take(count).collect();
        for numbered in settled.iter().filter(|numbered| refused.contains(&numbered.number)) {
            let stored = self.orphan.segments.iter().find(|stored| stored.number() == Some(numbered.number));
            // Where no copy can be made there is none: the segment would be refused at every start.
            stored.iter().for_each(|stored| drop(self.orphan.set_aside(disk, stored)));
        }
    }
}

/// What stands in a file before any damage, of which a copy is kept; `None` where nothing was written.
fn whole(orphan: &Orphan, stored: &StoredSegment, disk: &dyn Disk) -> Option<Segment> {
    let decoded = stored.decode();
    let is_damaged = decoded.as_ref().map_or_else(|_| !stored.is_blank(), |(_, is_damaged)| *is_damaged);
    if is_damaged {
        // The copy is for people; the records before the damage are sent in any case.
        let _ = orphan.set_aside(disk, stored);
    }
    let (decoded, _) = decoded.ok()?;
    let end = if let Tail::Torn { at } = decoded.tail() { at } else { stored.bytes.len() };
    let is_empty = decoded.is_empty();
    let segment = Segment::from_bytes(stored.bytes.get(..end)?.to_vec());
    (!is_empty).then_some(segment)
}
