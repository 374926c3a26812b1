//! Taking records out of a segment that is still in memory, to make room, and saying so in their place.
//!
//! Only events give way. Begins and ends stay, so that no task seems to run for ever, and the dictionary stays, so
//! that what is left can be decoded. All that a segment lost is stated once, in the place of the first: a statement for
//! each gap could take more room than the gaps gave.

use tracing_core::Level;

use crate::loss::{Cause, Loss};
use crate::record::level_from_code;
use crate::segment::cursor::Cursor;
use crate::segment::writer::loss_frame;
use crate::segment::{FRAME_HEAD, HEADER_START, Segment, Stats, frame};

/// What eviction did to one segment.
#[derive(Debug, Default)]
pub(crate) struct Evicted {
    /// How many bytes shorter the segment is; negative where the statement of loss takes more than was freed.
    pub(crate) bytes: isize,
    /// What was taken out.
    pub(crate) loss: Option<Loss>,
}

/// How much has to go; reaches zero as records do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) bytes: usize,
    pub(crate) records: u64,
}

struct Rewrite {
    kept: Vec<u8>,
    stats: Stats,
    /// Where in `kept` the statement of loss goes, and what it says so far.
    stated: Option<(usize, Loss)>,
    evicted: Evicted,
}

impl Wanted {
    pub(crate) fn is_met(&self) -> bool {
        self.bytes == 0 && self.records == 0
    }
}

/// Takes the oldest events whose level is a `victim` out of `segment`, until `wanted` is met.
pub(crate) fn evict(segment: &mut Segment, wanted: &mut Wanted, victim: impl Fn(Level) -> bool) -> Evicted {
    let page = std::mem::take(&mut segment.page);
    let bytes = page.bytes();
    let mut cursor = Cursor::new(bytes);
    let header = cursor
        .take(HEADER_START)
        .and_then(|_| next_frame(&mut cursor))
        .map_or(0, |(_, _)| bytes.len() - cursor.rest().len());
    let mut rewrite = Rewrite {
        kept: Vec::with_capacity(bytes.len()),
        stats: Stats::default(),
        stated: None,
        evicted: Evicted::default(),
    };
    rewrite.kept.extend_from_slice(&bytes[..header]);
    while let Some((whole, payload)) = next_frame(&mut cursor) {
        rewrite.frame(whole, payload, wanted, &victim);
    }
    rewrite.close();
    rewrite.evicted.bytes = bytes.len() as isize - rewrite.kept.len() as isize;
    segment.page = rewrite.kept.into();
    segment.stats = rewrite.stats;
    rewrite.evicted
}

impl Rewrite {
    fn frame(&mut self, whole: &[u8], payload: &[u8], wanted: &mut Wanted, victim: &impl Fn(Level) -> bool) {
        let Some(head) = Head::read(payload) else {
            return self.keep(whole);
        };
        if head.kind == frame::LOSS {
            return match evicted_before(payload) {
                Some(loss) => self.state(loss),
                None => self.keep(whole),
            };
        }
        if head.kind == frame::EVENT && !wanted.is_met() && victim(head.level) {
            let loss = Loss::one(Cause::Evicted, head.level, whole.len(), head.ts_ns);
            if wanted.bytes > 0 {
                let statement = if self.stated.is_none() { statement(&loss).len() } else { 0 };
                wanted.bytes = (wanted.bytes + statement).saturating_sub(whole.len());
            }
            wanted.records = wanted.records.saturating_sub(1);
            match &mut self.evicted.loss {
                Some(total) => total.add(&loss),
                none => *none = Some(loss),
            }
            return self.state(loss);
        }
        self.keep(whole);
        self.stats.add_record(head.ts_ns);
        if head.kind == frame::EVENT {
            self.stats.add_event_bytes(head.level, whole.len());
        }
    }

    fn state(&mut self, loss: Loss) {
        match &mut self.stated {
            Some((_, stated)) => stated.add(&loss),
            none => *none = Some((self.kept.len(), loss)),
        }
    }

    fn keep(&mut self, whole: &[u8]) {
        self.kept.extend_from_slice(whole);
    }

    /// Puts the statement of loss into its place.
    fn close(&mut self) {
        if let Some((at, loss)) = self.stated.take() {
            self.kept.splice(at..at, statement(&loss));
        }
    }
}

/// A statement of loss as a frame, timed as the first of what was lost, in whose place it stands.
fn statement(loss: &Loss) -> Vec<u8> {
    loss_frame(loss, loss.first_ns)
}

/// The part of a record frame that eviction looks at.
struct Head {
    kind: u8,
    level: Level,
    ts_ns: i64,
}

impl Head {
    fn read(payload: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(payload);
        let (kind, flags) = (cursor.u8()?, cursor.u8()?);
        // The description of a task that is its begin as well has its time in the same place.
        let begins = kind == frame::TASK && flags & frame::BEGINS != 0;
        if !begins && !matches!(kind, frame::EVENT | frame::BEGIN | frame::END | frame::LOSS) {
            return None;
        }
        Some(Self { kind, level: level_from_code(flags & frame::LEVEL_MASK), ts_ns: cursor.i64()? })
    }
}

/// An earlier statement of eviction, for the new one to grow from.
fn evicted_before(payload: &[u8]) -> Option<Loss> {
    let mut cursor = Cursor::new(payload);
    cursor.take(10)?;
    for _ in 0..3 {
        cursor.varint()?;
    }
    super::reader::read_loss(&mut cursor).filter(|loss| loss.cause == Cause::Evicted)
}

/// The next frame, whole, and its payload. The bytes never left this process, so sums are not checked.
fn next_frame<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let all = cursor.rest();
    let len = usize::try_from(cursor.u32()?).ok()?;
    cursor.u32()?;
    let payload = cursor.take(len)?;
    Some((&all[..FRAME_HEAD + len], payload))
}
