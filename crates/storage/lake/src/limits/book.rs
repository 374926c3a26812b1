//! The book that is kept of a lake's files: how long they are, and in which order they may go.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use spanlake_core::disk::Entry;

use crate::layout::{JSONL, LakeFile, PARQUET};

/// All files of a lake's logs, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Book {
    files: HashMap<PathBuf, Item>,
    bytes: u64,
    /// How many this process writes to.
    written: usize,
    /// How many other processes write to, about.
    foreign: usize,
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
    /// Whether a sink of this process made it.
    is_own: bool,
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

    /// How many files are being written, by this process or another.
    pub(super) fn writing(&self) -> usize {
        self.written + self.foreign
    }

    /// Takes over what a look has found. Of its own files this process knows better; of other processes, logs that were
    /// changed within `live_for` may still be written to.
    pub(super) fn renew(&mut self, mut found: HashMap<PathBuf, Item>, now: SystemTime, live_for: Duration) {
        found.values_mut().filter(|item| item.may_grow(now, live_for)).for_each(|item| item.state = State::Foreign);
        for (path, item) in self.files.drain().filter(|(_, item)| item.is_own) {
            // What somebody removed stays away.
            if let Some(place) = found.get_mut(&path) {
                *place = Item { state: if item.state == State::Written { item.state } else { State::Sealed }, ..item };
            }
        }
        let in_state = |state| found.values().filter(move |item| item.state == state);
        self.bytes = found.values().map(|item| item.bytes).sum();
        self.written = in_state(State::Written).count();
        self.foreign = in_state(State::Foreign).map(Item::chain).collect::<HashSet<_>>().len();
        (self.files, self.order) = (found, None);
    }

    /// A file that a sink of this process has begun.
    pub(super) fn begin(&mut self, path: &Path, partition: PathBuf, file: LakeFile) {
        self.forget(path);
        self.written += 1;
        let item = Item { partition, file, bytes: 0, changed: None, is_own: true, state: State::Written };
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
        self.written -= 1;
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
        self.written -= usize::from(item.state == State::Written);
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
        Self { partition, file, bytes: entry.bytes, changed: entry.modified, is_own: false, state: State::Sealed }
    }

    /// What its process keeps in one folder.
    fn chain(&self) -> (&Path, &str, &str) {
        (&self.partition, &self.file.process, &self.file.extension)
    }

    /// Whether another process may be writing to it: Parquet is whole from the start, logs grow.
    fn may_grow(&self, now: SystemTime, live_for: Duration) -> bool {
        // A change that lies in the future is one of a clock that is ahead of this one.
        let is_recent = |changed| now.duration_since(changed).map_or(true, |age| age < live_for);
        self.file.extension != PARQUET && self.changed.is_none_or(is_recent)
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
