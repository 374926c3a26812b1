//! What is held of each task, within its bounds.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::key::TaskKey;
use crate::record::Record;
use crate::segment::{Segment, SegmentWriter};

/// How many tasks that are over are remembered, for records of theirs that another thread has made before the end and the
/// pump meets after it.
const REMEMBERED: usize = 1024;

/// Tasks that are open, or have ended under one that is, and what is held of them.
#[derive(Debug)]
pub(super) struct Store {
    task_bytes: usize,
    total_bytes: usize,
    tasks: BTreeMap<TaskKey, Held>,
    /// Which have segments, by the age of the first: those that have ended, and those that are open.
    ended_by_age: BTreeMap<u64, TaskKey>,
    open_by_age: BTreeMap<u64, TaskKey>,
    next_age: u64,
    bytes: usize,
    /// Records that are held, and that were dropped.
    pub(super) holding: u64,
    pub(super) held_back: u64,
    over: Over,
}

/// What is held of one task.
#[derive(Debug)]
struct Held {
    segments: VecDeque<Segment>,
    bytes: usize,
    /// Records, those of a batch that is being worked on included.
    records: u64,
    /// Records of it and of the tasks below it that were dropped, and that no end states yet.
    unstated: u64,
    is_open: bool,
    age: Option<u64>,
}

/// Tasks that are over, the last ones, and whether their records were wanted.
#[derive(Debug, Default)]
struct Over {
    wanted: HashMap<TaskKey, bool>,
    order: VecDeque<TaskKey>,
}

impl Store {
    pub(super) fn new(task_bytes: usize, total_bytes: usize) -> Self {
        Self {
            task_bytes,
            total_bytes,
            tasks: BTreeMap::new(),
            ended_by_age: BTreeMap::new(),
            open_by_age: BTreeMap::new(),
            next_age: 0,
            bytes: 0,
            holding: 0,
            held_back: 0,
            over: Over::default(),
        }
    }

    pub(super) fn set_bounds(&mut self, task_bytes: Option<usize>, total_bytes: Option<usize>) {
        self.task_bytes = task_bytes.unwrap_or(self.task_bytes);
        self.total_bytes = total_bytes.unwrap_or(self.total_bytes);
    }

    pub(super) fn begin(&mut self, key: &TaskKey) {
        self.tasks.entry(key.clone()).or_insert_with(Held::new);
    }

    /// Whether the records of a task that is over were wanted; `None` for one that is not, as far as is known.
    pub(super) fn was_wanted(&self, key: &TaskKey) -> Option<bool> {
        if self.tasks.contains_key(key) { None } else { self.over.wanted.get(key).copied() }
    }

    /// Counts a record that will be part of a segment, see [`Store::add`].
    pub(super) fn hold(&mut self, key: &TaskKey) {
        self.holding += 1;
        self.tasks.entry(key.clone()).or_insert_with(Held::new).records += 1;
    }

    /// Counts a record that comes too late to be held.
    pub(super) fn drop_late(&mut self) {
        self.held_back += 1;
    }

    /// Keeps a segment with records that were counted, unless the task is over since.
    pub(super) fn add(&mut self, key: &TaskKey, segment: Segment) {
        let Some(task) = self.tasks.get_mut(key) else {
            return;
        };
        let bytes = segment.bytes().len();
        task.bytes += bytes;
        self.bytes += bytes;
        task.segments.push_back(segment);
        if task.age.is_none() {
            task.age = Some(self.next_age);
            let by_age = if task.is_open { &mut self.open_by_age } else { &mut self.ended_by_age };
            by_age.insert(self.next_age, key.clone());
            self.next_age += 1;
        }
        while self.tasks.get(key).is_some_and(|task| task.bytes > self.task_bytes) {
            self.evict_first(key);
        }
        while self.bytes > self.total_bytes {
            let oldest = self.ended_by_age.first_key_value().or_else(|| self.open_by_age.first_key_value());
            let Some(key) = oldest.map(|(_, key)| key.clone()) else {
                return;
            };
            self.evict_first(&key);
        }
    }

    /// A task ended and nothing came to want it. What is held of it stays as long as a task above it is open; else it goes,
    /// with all below it. Gives how many dropped records its end has to state.
    pub(super) fn end(&mut self, key: &TaskKey) -> u64 {
        if self.open_above(key).is_none() {
            return self.remove(key, false);
        }
        let Some(task) = self.tasks.get_mut(key) else {
            return 0;
        };
        task.is_open = false;
        let unstated = std::mem::take(&mut task.unstated);
        match task.age.and_then(|age| self.open_by_age.remove_entry(&age)) {
            Some((age, key)) => drop(self.ended_by_age.insert(age, key)),
            None if task.records == 0 => drop(self.tasks.remove(key)),
            None => {}
        }
        unstated
    }

    /// Takes out what is held of the open tasks above this one, of it, and of all that ended below it, in this order.
    pub(super) fn release(&mut self, key: &TaskKey, released: &mut Vec<Segment>) {
        let mut above: Vec<TaskKey> = std::iter::successors(key.parent(), TaskKey::parent).collect();
        above.reverse();
        above.iter().for_each(|key| self.take(key, released));
        for key in self.below(key) {
            self.take(&key, released);
            if let Some(ended) = self.tasks.get(&key).filter(|task| !task.is_open) {
                let unstated = ended.unstated;
                self.tasks.remove(&key);
                self.state_above(&key, unstated);
                self.over.remember(key, true);
            }
        }
    }

    /// Forgets a task that ended and whose records were released, with all below it; gives what its end has to state.
    pub(super) fn end_released(&mut self, key: &TaskKey) -> u64 {
        self.remove(key, true)
    }

    /// Takes out everything.
    pub(super) fn release_all(&mut self, released: &mut Vec<Segment>) {
        let all: Vec<TaskKey> = self.tasks.keys().cloned().collect();
        all.iter().for_each(|key| self.take(key, released));
        self.tasks.clear();
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.tasks.values().flat_map(|task| &task.segments)
    }

    fn take(&mut self, key: &TaskKey, released: &mut Vec<Segment>) {
        let Some(task) = self.tasks.get_mut(key) else {
            return;
        };
        let segments = std::mem::take(&mut task.segments);
        let records: u64 = segments.iter().map(Segment::records).sum();
        (task.bytes, task.records, self.bytes) = (0, task.records - records, self.bytes - task.bytes);
        self.holding -= records;
        self.forget_age(key);
        in_order(segments, released);
    }

    /// Removes a task and all below it; what is still held of them is dropped. Gives how many no end has stated.
    fn remove(&mut self, key: &TaskKey, wanted: bool) -> u64 {
        let mut unstated = 0;
        for key in self.below(key) {
            self.forget_age(&key);
            if let Some(task) = self.tasks.remove(&key) {
                self.bytes -= task.bytes;
                self.holding -= task.records;
                self.held_back += task.records;
                unstated += task.records + task.unstated;
            }
            self.over.remember(key, wanted);
        }
        unstated
    }

    fn evict_first(&mut self, key: &TaskKey) {
        let Some((task, segment)) = self.tasks.get_mut(key).and_then(|task| {
            let segment = task.segments.pop_front()?;
            Some((task, segment))
        }) else {
            return self.forget_age(key);
        };
        let (bytes, records) = (segment.bytes().len(), segment.records());
        task.bytes -= bytes;
        task.records -= records;
        let (is_open, is_empty) = (task.is_open, task.segments.is_empty());
        self.bytes -= bytes;
        self.holding -= records;
        self.held_back += records;
        if is_empty {
            self.forget_age(key);
        }
        if is_open {
            self.tasks.entry(key.clone()).and_modify(|task| task.unstated += records);
        } else {
            // Its own end is written.
            self.state_above(key, records);
        }
    }

    fn state_above(&mut self, key: &TaskKey, records: u64) {
        if let Some(above) = self.open_above(key).and_then(|above| self.tasks.get_mut(&above)) {
            above.unstated += records;
        }
    }

    fn open_above(&self, key: &TaskKey) -> Option<TaskKey> {
        let is_open = |key: &TaskKey| self.tasks.get(key).is_some_and(|task| task.is_open);
        std::iter::successors(key.parent(), TaskKey::parent).find(is_open)
    }

    /// The task, if it is known, and those below it.
    fn below(&self, key: &TaskKey) -> Vec<TaskKey> {
        let tasks = self.tasks.range(key.clone()..).map(|(key, _)| key);
        tasks.take_while(|other| key.contains(other)).cloned().collect()
    }

    fn forget_age(&mut self, key: &TaskKey) {
        if let Some(age) = self.tasks.get_mut(key).and_then(|task| task.age.take()) {
            self.open_by_age.remove(&age);
            self.ended_by_age.remove(&age);
        }
    }
}

impl Held {
    fn new() -> Self {
        Self { segments: VecDeque::new(), bytes: 0, records: 0, unstated: 0, is_open: true, age: None }
    }
}

impl Over {
    fn remember(&mut self, key: TaskKey, wanted: bool) {
        if self.wanted.insert(key.clone(), wanted).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.wanted.remove(&oldest);
        }
    }
}

/// Puts a task's segments behind `released`, its records in the order of their numbers, whichever threads made them.
fn in_order(segments: VecDeque<Segment>, released: &mut Vec<Segment>) {
    if segments.len() < 2 {
        return released.extend(segments);
    }
    let decoded: Vec<_> = segments.iter().filter_map(|segment| segment.decode().ok()).collect();
    let mut records: Vec<Record<'_>> = decoded.iter().flat_map(|segment| segment.records()).collect();
    records.sort_by_key(|record| record.seq);
    for run in records.chunk_by(|one, next| one.source.is(next.source)) {
        let mut writer = SegmentWriter::new(run[0].source);
        run.iter().for_each(|record| writer.copy(record));
        released.push(writer.take());
    }
}
