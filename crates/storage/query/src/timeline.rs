//! Records of many files in order of time.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use spanlake_core::OwnedRecord;

use crate::damage::Damage;
use crate::files::Format;
use crate::filter::Filter;
use crate::named::NamedTasks;
use crate::reader::{Part, Reader};

/// The records of a lake in order of time; those of one task by their number.
///
/// Made by [`Lake::read`](crate::Lake::read). A file is opened when its first record is due. A JSONL file is taken to be
/// in order of time, as its pump wrote it, and is streamed; of a Parquet file, which is in order of keys, the wanted
/// records are held in memory until it is used up. A collector's JSONL file is in the order in which records came to it: where some
/// came late, and their task is in several files, as after a restart, those of one file may precede earlier ones of another.
/// Their numbers tell.
pub struct Timeline {
    /// Not opened yet, the earliest last.
    waiting: Vec<(i64, Part)>,
    open: Vec<Box<dyn Source>>,
    heads: BinaryHeap<Reverse<Head>>,
    filter: Arc<Filter>,
    named: Option<NamedTasks>,
    damages: Vec<Damage>,
}

/// The next record of an open file.
struct Head {
    ts_us: i64,
    source: usize,
    record: OwnedRecord,
}

/// An open file that gives its records in order.
trait Source: Iterator<Item = (i64, OwnedRecord)> {
    fn take_damages(&mut self) -> Vec<Damage>;
}

struct Streamed(Reader);

struct Sorted {
    records: std::vec::IntoIter<(i64, OwnedRecord)>,
    damages: Vec<Damage>,
}

// === impl Timeline ===

impl Timeline {
    pub(crate) fn new(parts: Vec<Part>, filter: Arc<Filter>, damages: Vec<Damage>) -> Self {
        let mut waiting: Vec<_> = parts.into_iter().map(|part| (part.first_us(), part)).collect();
        // Of equal moments the first part stays the first: the sort is stable, and the last is taken first.
        waiting.reverse();
        waiting.sort_by_key(|(first_us, _)| Reverse(*first_us));
        let named = filter.task_name().filter(|_| !filter.keeps_structure()).map(NamedTasks::new);
        Self { waiting, open: Vec::new(), heads: BinaryHeap::new(), filter, named, damages }
    }

    /// What could not be read so far; all of it once the records are at their end.
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }

    fn next_head(&mut self) -> Option<OwnedRecord> {
        self.open_due();
        let Reverse(head) = self.heads.pop()?;
        self.advance(head.source);
        Some(head.record)
    }

    /// Opens every file that may hold a record before the earliest one at hand.
    fn open_due(&mut self) {
        while let Some((first_us, _)) = self.waiting.last() {
            if self.heads.peek().is_some_and(|Reverse(head)| head.ts_us < *first_us) {
                return;
            }
            if let Some((_, part)) = self.waiting.pop() {
                self.open.push(open(&part, &self.filter));
                self.advance(self.open.len() - 1);
            }
        }
    }

    fn advance(&mut self, source: usize) {
        let next = self.open[source].next();
        if let Some((ts_us, record)) = next {
            self.heads.push(Reverse(Head { ts_us, source, record }));
            return;
        }
        self.damages.extend(self.open[source].take_damages());
        // The place stays, so that the numbers of the others do; the file and its memory go.
        self.open[source] = Box::new(Sorted { records: Vec::new().into_iter(), damages: Vec::new() });
    }
}

impl Iterator for Timeline {
    type Item = OwnedRecord;

    fn next(&mut self) -> Option<OwnedRecord> {
        loop {
            let record = self.next_head()?;
            if self.named.as_mut().is_none_or(|named| named.admits(&record)) {
                return Some(record);
            }
        }
    }
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeline").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

// === impl Source ===

fn open(part: &Part, filter: &Arc<Filter>) -> Box<dyn Source> {
    let reader = Reader::open(part, filter);
    match part.file.format {
        Format::Jsonl => Box::new(Streamed(reader)),
        Format::Parquet => Box::new(Sorted::new(reader)),
    }
}

impl Iterator for Streamed {
    type Item = (i64, OwnedRecord);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|record| (record.ts_us, record))
    }
}

impl Source for Streamed {
    fn take_damages(&mut self) -> Vec<Damage> {
        self.0.take_damages().collect()
    }
}

impl Sorted {
    /// Sorts by time, but never a record before one of its task that has a lower number: a clock that was set back
    /// must not turn cause and effect around. Rows come in order of keys, so the moments of a task are made to rise.
    fn new(mut reader: Reader) -> Self {
        let mut reached = HashMap::new();
        let mut records: Vec<_> = reader.by_ref().map(|record| (risen(&mut reached, &record), record)).collect();
        records.sort_by_key(|(ts_us, _)| *ts_us);
        Self { records: records.into_iter(), damages: reader.take_damages().collect() }
    }
}

fn risen(reached: &mut HashMap<Vec<u8>, i64>, record: &OwnedRecord) -> i64 {
    let Some(key) = &record.key else { return record.ts_us };
    let last = reached.entry(key.task.path_key()).or_insert(i64::MIN);
    *last = record.ts_us.max(*last);
    *last
}

impl Iterator for Sorted {
    type Item = (i64, OwnedRecord);

    fn next(&mut self) -> Option<Self::Item> {
        self.records.next()
    }
}

impl Source for Sorted {
    fn take_damages(&mut self) -> Vec<Damage> {
        std::mem::take(&mut self.damages)
    }
}

// === impl Head ===

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.ts_us, self.source).cmp(&(other.ts_us, other.source))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}
