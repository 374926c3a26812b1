//! Which place a record goes to: the folder of its time, and the process it comes from.

use std::collections::VecDeque;

use spanlake_core::{Record, Source};

use crate::partition::Partition;

/// Places by partition and process, each with what a sink keeps for it.
#[derive(Debug)]
pub(crate) struct Places<T> {
    partition: Partition,
    /// Whose files these are, when they have the records of many processes.
    writer: Option<Source>,
    places: Vec<Place<T>>,
    /// Where the last record went; the next one nearly always goes there too.
    last: usize,
    left: VecDeque<Left>,
}

/// One place.
#[derive(Debug)]
pub(crate) struct Place<T> {
    /// The partition's folder, relative to that of the log type.
    pub(crate) folder: String,
    /// The process, as it stands in the names of files.
    pub(crate) process: String,
    /// The number of the last file that was begun here.
    pub(crate) last_number: u32,
    /// What the sink keeps for it.
    pub(crate) content: T,
    /// An hour whose records come here: whatever the pattern, no partition ends within one.
    hour: i64,
    source: Source,
}

/// A place that was forgotten, or that is known of from elsewhere, and the number of its last file.
///
/// No number is given twice, though its file be deleted: recovery takes what has a lower number than the last it knows of
/// for whole, and what has a higher one for begun later.
#[derive(Debug)]
struct Left {
    folder: String,
    process: String,
    last_number: u32,
}

/// Of more places the numbers are not remembered.
const MAX_LEFT: usize = 4096;

const HOUR_US: i64 = 3_600_000_000;

impl<T: Default> Places<T> {
    pub(crate) fn new(partition: Partition) -> Self {
        Self { partition, writer: None, places: Vec::new(), last: 0, left: VecDeque::new() }
    }

    /// Other folders than so far.
    pub(crate) fn set_partition(&mut self, partition: Partition) {
        self.partition = partition;
    }

    /// Whose files these are, in place of the process that each record comes from.
    pub(crate) fn set_writer(&mut self, writer: &Source) {
        self.writer = Some(writer.clone());
    }

    /// The place of a record, new if it is the first one there.
    #[inline]
    pub(crate) fn of(&mut self, record: &Record<'_>) -> &mut Place<T> {
        let ts_us = record.ts_us();
        let hour = ts_us.div_euclid(HOUR_US);
        let source = self.writer.as_ref().unwrap_or(record.source);
        let near = self.places.get(self.last).is_some_and(|place| place.hour == hour && place.is_of(source));
        if !near {
            self.last = self.find(hour, ts_us, &source.clone());
        }
        &mut self.places[self.last]
    }

    pub(crate) fn partition(&self) -> &Partition {
        &self.partition
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Place<T>> {
        self.places.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Place<T>> {
        self.places.iter_mut()
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Place<T>] {
        &mut self.places
    }

    /// Forgets places, all but the one that the next record most likely goes to.
    #[cfg(feature = "parquet")]
    pub(crate) fn keep_last(&mut self) {
        self.forget(|_| true);
    }

    /// Forgets the places that are done with, but never the one that the next record most likely goes to.
    pub(crate) fn forget(&mut self, is_done: impl Fn(&T) -> bool) {
        if self.last < self.places.len() {
            self.places.swap(0, self.last);
            self.last = 0;
        }
        let places = std::mem::take(&mut self.places);
        for (at, place) in places.into_iter().enumerate() {
            if at == 0 || !is_done(&place.content) {
                self.places.push(place);
            } else {
                self.resume(place.folder, place.process, place.last_number);
            }
        }
    }

    /// Files of the process in the folder go on behind this number, should there be any.
    pub(crate) fn resume(&mut self, folder: String, process: String, last_number: u32) {
        if self.left.len() == MAX_LEFT {
            self.left.pop_front();
        }
        self.left.push_back(Left { folder, process, last_number });
    }

    fn find(&mut self, hour: i64, ts_us: i64, source: &Source) -> usize {
        let folder = self.partition.folder(ts_us);
        let known = self.places.iter_mut().position(|place| place.folder == folder && place.is_of(source));
        let at = known.unwrap_or_else(|| self.add(folder, source));
        self.places[at].hour = hour;
        at
    }

    fn add(&mut self, folder: String, source: &Source) -> usize {
        let (process, source) = (source.process_name(), source.with_thread(""));
        let left = self.left.iter().position(|left| left.folder == folder && left.process == process);
        let last_number = left.and_then(|at| self.left.remove(at)).map_or(0, |left| left.last_number);
        self.places.push(Place { folder, process, last_number, content: T::default(), hour: 0, source });
        self.places.len() - 1
    }
}

impl<T> Place<T> {
    fn is_of(&self, source: &Source) -> bool {
        let own = &self.source;
        own.started_us == source.started_us && own.pid == source.pid && own.host == source.host
    }
}
