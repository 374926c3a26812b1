//! The book that is kept of a lake's files: how long they are, and in which order they may go.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use spanlake_core::disk::Entry;

use crate::layout::{JSONL, LakeFile, PARQUET};

/// All files of a lake's logs, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Book {
    files: HashMap<PathBuf, Item>,
    bytes: u64,
    /// How many are being written, by this process or another.
    writing: usize,
    /// Those that may go, the next one first. `None` when that has to be found out anew.
    order: Option<VecDeque<PathBuf>>,
}

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Item {
    partition: PathBuf,
    file: LakeFile,
    bytes: u64,
    /// When it was changed last; `None` where the disk does not tell.
    changed: Option<SystemTime>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody writes to it any more.
    Sealed,
    /// A sink of this process writes to it.
    Written,
    /// Another process may be writing to it.
    Foreign,
    /// It could not be deleted.
    Stuck,
}

// === impl Book ===

impl Book {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn files(&self) -> u64 {
        self.files.len() as u64
    }

    pub(super) fn writing(&self) -> usize {
        self.writing
    }

    /// Takes over what a look has found. What this process writes is known better here. Of other processes, what was
    /// changed within `live_for` may still be written to.
    pub(super) fn renew(&mut self, mut found: HashMap<PathBuf, Item>, now: SystemTime, live_for: Duration) {
        mark_foreign(&mut found, now, live_for);
        for (path, item) in self.files.drain().filter(|(_, item)| item.state == State::Written) {
            // What somebody removed stays away.
            if let Some(place) = found.get_mut(&path) {
                *place = item;
            }
        }
        self.bytes = found.values().map(|item| item.bytes).sum();
        self.writing = found.values().filter(|item| item.is_being_written()).count();
        self.files = found;
        self.order = None;
    }

    /// A file that a sink of this process has begun.
    pub(super) fn begin(&mut self, path: &Path, partition: PathBuf, file: LakeFile) {
        self.forget(path);
        self.writing += 1;
        let item = Item { partition, file, bytes: 0, changed: None, state: State::Written };
        self.files.insert(path.to_owned(), item);
    }

    /// It is this long now.
    pub(super) fn set_bytes(&mut self, path: &Path, bytes: u64) {
        if let Some(item) = self.files.get_mut(path) {
            self.bytes = self.bytes - item.bytes + bytes;
            item.bytes = bytes;
        }
    }

    /// A sink of this process is done with it.
    pub(super) fn seal(&mut self, path: &Path) {
        let Some(item) = self.files.get_mut(path).filter(|item| item.state == State::Written) else {
            return;
        };
        (item.state, item.changed) = (State::Sealed, Some(SystemTime::now()));
        self.writing -= 1;
        match &mut self.order {
            // Nothing else comes after the JSON lines of its process and partition, but their Parquet does.
            Some(order) if item.file.extension != JSONL => order.push_back(path.to_owned()),
            order => *order = None,
        }
    }

    /// It is gone; gives how long it was.
    pub(super) fn forget(&mut self, path: &Path) -> u64 {
        let Some(item) = self.files.remove(path) else {
            return 0;
        };
        self.writing -= usize::from(item.is_being_written());
        self.bytes -= item.bytes;
        item.bytes
    }

    /// It cannot be deleted, and is left alone until the next look.
    pub(super) fn stick(&mut self, path: &Path) {
        if let Some(item) = self.files.get_mut(path) {
            item.state = State::Stuck;
        }
    }

    /// Takes out the file that goes next, if any may go.
    pub(super) fn next(&mut self) -> Option<PathBuf> {
        let order = match &mut self.order {
            Some(order) => order,
            none => none.insert(order_of(&self.files)),
        };
        // Files went, or could not go, since the order was made.
        std::iter::from_fn(|| order.pop_front())
            .find(|path| self.files.get(path).is_some_and(|item| item.state == State::Sealed))
    }

    /// The files that may go and were changed last before `moment`.
    pub(super) fn older_than(&self, moment: SystemTime) -> Vec<PathBuf> {
        let is_older =
            |item: &Item| item.state == State::Sealed && item.changed.is_some_and(|changed| changed < moment);
        self.files.iter().filter(|(_, item)| is_older(item)).map(|(path, _)| path.clone()).collect()
    }
}

// === impl Item ===

impl Item {
    /// One that a look has found.
    pub(super) fn found(partition: PathBuf, file: LakeFile, entry: &Entry) -> Self {
        Self { partition, file, bytes: entry.bytes, changed: entry.modified, state: State::Sealed }
    }

    fn is_being_written(&self) -> bool {
        matches!(self.state, State::Written | State::Foreign)
    }

    /// What its process keeps in one folder.
    fn chain(&self) -> (&Path, &str, &str) {
        (&self.partition, &self.file.process, &self.file.extension)
    }

    fn is_recent(&self, now: SystemTime, live_for: Duration) -> bool {
        // A change that lies in the future is one of a clock that is ahead of this one.
        self.changed.is_none_or(|changed| now.duration_since(changed).is_ok_and(|age| age < live_for) || changed > now)
    }
}

/// Logs grow at their last file only, and Parquet not at all.
fn mark_foreign(found: &mut HashMap<PathBuf, Item>, now: SystemTime, live_for: Duration) {
    let mut last: HashMap<_, u32> = HashMap::new();
    for item in found.values() {
        let number = last.entry(item.chain()).or_default();
        *number = item.file.number.max(*number);
    }
    let may_grow = |item: &Item| item.file.extension != PARQUET && last.get(&item.chain()) == Some(&item.file.number);
    let foreign = found.iter().filter(|(_, item)| may_grow(item) && item.is_recent(now, live_for));
    let foreign: Vec<PathBuf> = foreign.map(|(path, _)| path.clone()).collect();
    for path in foreign {
        if let Some(item) = found.get_mut(&path) {
            item.state = State::Foreign;
        }
    }
}

/// The files that may go, by when they were changed; Parquet behind the last JSON lines of its process and partition that
/// may go as well.
fn order_of(files: &HashMap<PathBuf, Item>) -> VecDeque<PathBuf> {
    let may_go = || files.iter().filter(|(_, item)| item.state == State::Sealed);
    let mut last_lines: HashMap<_, Option<SystemTime>> = HashMap::new();
    for (_, item) in may_go().filter(|(_, item)| item.file.extension == JSONL) {
        let changed = last_lines.entry((&item.partition, &item.file.process)).or_default();
        *changed = item.changed.max(*changed);
    }
    let turn = |item: &Item| {
        let is_parquet = item.file.extension == PARQUET;
        let lines = last_lines.get(&(&item.partition, &item.file.process)).filter(|_| is_parquet);
        (item.changed.max(lines.copied().flatten()), is_parquet)
    };
    let mut order: Vec<_> = may_go().map(|(path, item)| (turn(item), path)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, path)| path.clone()).collect()
}
