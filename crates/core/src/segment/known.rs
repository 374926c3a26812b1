//! Which tasks a segment describes, by the caller's serial number.
//!
//! Most tasks are short: they begin and end among a handful of others. Those live in a few places that are looked
//! through; only what is pushed out of them goes into a map. A task that is forgotten too early costs a second
//! description, nothing else.

use crate::segment::hash::NumberMap;
use crate::segment::writer::KnownTask;

const PLACES: usize = 8;

/// Known tasks. Serial 0 stands for an empty place.
#[derive(Debug, Default)]
pub(super) struct KnownTasks {
    places: [(u64, Option<KnownTask>); PLACES],
    /// The place that gives way next.
    next: usize,
    others: NumberMap<KnownTask>,
}

impl KnownTasks {
    pub(super) fn clear(&mut self) {
        self.places = Default::default();
        self.others.clear();
    }

    #[inline]
    pub(super) fn get(&self, serial: u64) -> Option<KnownTask> {
        match self.places.iter().find(|(known, _)| *known == serial) {
            Some((_, task)) => *task,
            None if self.others.is_empty() => None,
            None => self.others.get(&serial).copied(),
        }
    }

    pub(super) fn insert(&mut self, serial: u64, task: KnownTask) {
        if let Some(place) = self.places.iter_mut().find(|(known, _)| *known == serial || *known == 0) {
            *place = (serial, Some(task));
            return;
        }
        let (serial_before, before) = std::mem::replace(&mut self.places[self.next], (serial, Some(task)));
        self.next = (self.next + 1) % PLACES;
        if let Some(before) = before {
            self.others.insert(serial_before, before);
        }
    }

    /// A task that has ended is not asked for again, unless a subtask outlives it.
    pub(super) fn forget(&mut self, serial: u64) {
        if let Some(place) = self.places.iter_mut().find(|(known, _)| *known == serial) {
            *place = (0, None);
        }
    }
}
