//! Which place a record goes to: the folder of its time, and the process it comes from.

use spanlake_core::{Record, Source};

use crate::partition::Partition;

/// Places by partition and process, each with what a sink keeps for it.
#[derive(Debug)]
pub(crate) struct Places<T> {
    partition: Partition,
    places: Vec<Place<T>>,
    /// Where the last record went; the next one nearly always goes there too.
    last: usize,
}

/// One place.
#[derive(Debug)]
pub(crate) struct Place<T> {
    /// The partition's folder, relative to that of the log type.
    pub(crate) folder: String,
    /// The process, as it stands in the names of files.
    pub(crate) process: String,
    /// What the sink keeps for it.
    pub(crate) content: T,
    /// An hour whose records come here: whatever the pattern, no partition ends within one.
    hour: i64,
    source: Source,
}

const HOUR_US: i64 = 3_600_000_000;

impl<T: Default> Places<T> {
    pub(crate) fn new(partition: Partition) -> Self {
        Self { partition, places: Vec::new(), last: 0 }
    }

    /// The place of a record, new if it is the first one there.
    #[inline]
    pub(crate) fn of(&mut self, record: &Record<'_>) -> &mut Place<T> {
        let ts_us = record.ts_us();
        let hour = ts_us.div_euclid(HOUR_US);
        let near = self.places.get(self.last).is_some_and(|place| place.hour == hour && place.is_of(record.source));
        if !near {
            self.last = self.find(hour, ts_us, record.source);
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

    /// Forgets places, all but the one that the next record most likely goes to.
    pub(crate) fn keep_last(&mut self) {
        self.forget(|_| true);
    }

    /// Forgets the places that are done with, but never the one that the next record most likely goes to.
    pub(crate) fn forget(&mut self, is_done: impl Fn(&T) -> bool) {
        if self.last < self.places.len() {
            self.places.swap(0, self.last);
            self.last = 0;
        }
        let mut at = 0..;
        self.places.retain(|place| at.next() == Some(0) || !is_done(&place.content));
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
        self.places.push(Place { folder, process, content: T::default(), hour: 0, source });
        self.places.len() - 1
    }
}

impl<T> Place<T> {
    fn is_of(&self, source: &Source) -> bool {
        let own = &self.source;
        own.started_us == source.started_us && own.pid == source.pid && own.host == source.host
    }
}
