//! Losses: records that were not kept, counted by cause and level, and stated in the stream.

use std::fmt;
use std::str::FromStr;

use tracing_core::{Level, LevelFilter};

use crate::record::{Kind, Record, UnknownWord, level_code, level_from_code};
use crate::render::time::format_us;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::value::{Field, Value};

/// Why records were not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// The buffer was full and the new record gave way.
    Full,
    /// The buffer was full and an older or less severe record gave way.
    Evicted,
    /// The buffer was full and the time limit of `Block` passed.
    Blocked,
    /// Recorded after the pump was shut down.
    Closed,
    /// Recorded by code that was itself being recorded: a `Debug` or `Error` of a field that logs.
    Reentrant,
    /// A processor panicked while it worked on the batch.
    Panicked,
    /// Recorded in a forked child, which has no pump.
    Forked,
    /// A sink failed for so long that its own backlog was full.
    Sink,
    /// A frame did not match its checksum.
    Corrupt,
    /// What may be written in an hour was used up, for records of its level.
    Budget,
}

/// A statement of loss: how many records, of which levels, why, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Why.
    pub cause: Cause,
    /// How many by level, from `TRACE` to `ERROR`.
    pub levels: [u64; 5],
    /// How many bytes they took or would have taken.
    pub bytes: u64,
    /// The first of them, UTC nanoseconds since the Unix epoch.
    pub first_ns: i64,
    /// The last of them.
    pub last_ns: i64,
}

/// Counters of what was lost, by cause and level. Reading them does not stop anything.
#[derive(Debug, Default)]
pub struct LossCounters {
    counts: [[AtomicU64; 5]; Cause::ALL.len()],
}

/// What was lost since the start, by cause and level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    counts: [[u64; 5]; Cause::ALL.len()],
}

// === impl Loss ===

impl Loss {
    /// One lost record.
    pub fn one(cause: Cause, level: Level, bytes: usize, ts_ns: i64) -> Self {
        let mut levels = [0; 5];
        levels[usize::from(level_code(level))] = 1;
        Self { cause, levels, bytes: bytes as u64, first_ns: ts_ns, last_ns: ts_ns }
    }

    /// All of `records` lost for one cause; statements of loss among them are not counted.
    pub(crate) fn of<'a>(cause: Cause, records: impl Iterator<Item = impl std::borrow::Borrow<Record<'a>>>) -> Self {
        let mut loss = Self { cause, levels: [0; 5], bytes: 0, first_ns: i64::MAX, last_ns: i64::MIN };
        for record in records {
            let record = record.borrow();
            if record.kind != Kind::Loss {
                loss.levels[usize::from(level_code(record.level))] += 1;
                loss.first_ns = loss.first_ns.min(record.ts_ns);
                loss.last_ns = loss.last_ns.max(record.ts_ns);
            }
        }
        loss
    }

    /// What of it somebody misses who takes nothing more verbose than `level`.
    pub(crate) fn within(&self, level: LevelFilter) -> Self {
        let mut within = *self;
        for (code, count) in (0..).zip(&mut within.levels) {
            if level_from_code(code) > level {
                *count = 0;
            }
        }
        within
    }

    /// How many records.
    pub fn count(&self) -> u64 {
        // A statement that was read may say anything.
        self.levels.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The most severe level among them.
    pub fn worst(&self) -> Level {
        let code = self.levels.iter().rposition(|count| *count > 0).unwrap_or(0);
        level_from_code(code as u8)
    }

    /// The numbers as fields: `cause`, `count`, `bytes`, one count for each level, `first_ts` and `last_ts`.
    pub fn fields(&self) -> Vec<Field<'static>> {
        let field = |name: &'static str, value| Field { name: name.into(), value };
        let time = |ns: i64| Value::Text(format_us(ns.div_euclid(1000)).into());
        let mut fields = vec![
            field("cause", Value::Text(self.cause.as_str().into())),
            field("count", Value::U64(self.count())),
            field("bytes", Value::U64(self.bytes)),
        ];
        for (name, count) in ["trace", "debug", "info", "warn", "error"].into_iter().zip(self.levels) {
            if count > 0 {
                fields.push(field(name, Value::U64(count)));
            }
        }
        fields.push(field("first_ts", time(self.first_ns)));
        fields.push(field("last_ts", time(self.last_ns)));
        fields
    }

    /// Adds another loss of the same cause.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.levels.iter_mut().zip(other.levels) {
            *mine = mine.saturating_add(theirs);
        }
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.first_ns = self.first_ns.min(other.first_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
    }
}

/// `12 records lost (full): 2 DEBUG, 10 INFO`
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count();
        let noun = if count == 1 { "record" } else { "records" };
        write!(f, "{count} {noun} lost ({})", self.cause)?;
        let mut before = ": ";
        for (code, count) in self.levels.iter().enumerate().filter(|(_, count)| **count > 0) {
            write!(f, "{before}{count} {}", level_from_code(code as u8))?;
            before = ", ";
        }
        Ok(())
    }
}

// === impl LossCounters ===

impl LossCounters {
    /// Counts a loss. Whoever reads it sees all that its thread counted before: a record is lost after it was recorded.
    pub fn add(&self, loss: &Loss) {
        for (counter, count) in self.counts[loss.cause as usize].iter().zip(loss.levels) {
            if count > 0 {
                counter.fetch_add(count, Ordering::Release);
            }
        }
    }

    /// The counts so far.
    pub fn read(&self) -> Losses {
        Losses { counts: std::array::from_fn(|cause| self.counts[cause].each_ref().map(|n| n.load(Ordering::Acquire))) }
    }
}

// === impl Losses ===

impl Losses {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Those of one cause.
    pub fn of(&self, cause: Cause) -> u64 {
        self.counts[cause as usize].iter().sum()
    }

    /// Those of one cause and level.
    pub fn at(&self, cause: Cause, level: Level) -> u64 {
        self.counts[cause as usize][usize::from(level_code(level))]
    }
}

// === impl Cause ===

impl Cause {
    /// All causes, in the order of their codes.
    pub const ALL: [Cause; 10] = [
        Cause::Full,
        Cause::Evicted,
        Cause::Blocked,
        Cause::Closed,
        Cause::Reentrant,
        Cause::Panicked,
        Cause::Forked,
        Cause::Sink,
        Cause::Corrupt,
        Cause::Budget,
    ];

    /// The word in the lake.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Full => "full",
            Cause::Evicted => "evicted",
            Cause::Blocked => "blocked",
            Cause::Closed => "closed",
            Cause::Reentrant => "reentrant",
            Cause::Panicked => "panicked",
            Cause::Forked => "forked",
            Cause::Sink => "sink",
            Cause::Corrupt => "corrupt",
            Cause::Budget => "budget",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Cause {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text).ok_or(UnknownWord)
    }
}
