//! The tasks that have begun and not ended, and what their ends are if the process never says another word.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use tracing_core::Level;

use crate::key::TaskKey;
use crate::record::{Detail, End, Kind, Outcome, Record, Source};
use crate::segment::{Decoded, Segment, SegmentWriter};
use crate::value::Fields;

/// What an interrupted task's end gives as its error.
const INTERRUPTED: &str = "the process went away before the task ended";

/// Follows the tasks of one process through its segments.
#[derive(Debug, Default)]
pub struct OpenTasks {
    tasks: HashMap<TaskKey, OpenTask>,
    /// Ends whose begins another thread wrote, which may come with the next drain.
    early: HashSet<TaskKey>,
    /// Those of the drain before.
    earlier: HashSet<TaskKey>,
}

#[derive(Debug)]
struct OpenTask {
    /// A record of it, which is all that is needed to write another one.
    record: Segment,
    last_seq: u64,
    last_ns: i64,
}

/// What one segment says of one task, by the position of its description.
#[derive(Clone, Copy, Default)]
struct Seen {
    begun_at: Option<usize>,
    has_ended: bool,
    last: Option<(u64, i64)>,
}

impl OpenTasks {
    /// Takes in what a segment says.
    pub fn read(&mut self, segment: &Decoded<'_>) {
        let mut seen = vec![Seen::default(); segment.task_count()];
        for (at, head) in segment.heads().enumerate() {
            let Some(task) = head.task.and_then(|task| seen.get_mut(task)) else {
                continue;
            };
            match head.kind {
                Kind::Begin => task.begun_at = Some(at),
                Kind::End => task.has_ended = true,
                Kind::Event | Kind::Loss => {}
            }
            if task.last.is_none_or(|(seq, _)| seq <= head.seq) {
                task.last = Some((head.seq, head.ts_ns));
            }
        }
        for (task, seen) in seen.iter().enumerate() {
            if seen.begun_at.is_some() && seen.has_ended {
                continue;
            }
            if let (Some(last), Some(key)) = (seen.last, segment.task_key(task)) {
                self.take_in(segment, key, seen, last);
            }
        }
    }

    fn take_in(&mut self, segment: &Decoded<'_>, key: &TaskKey, seen: &Seen, (seq, ns): (u64, i64)) {
        if seen.has_ended {
            if self.tasks.remove(key).is_none() {
                self.early.insert(key.clone());
            }
            return;
        }
        if let Some(record) = seen.begun_at.and_then(|at| segment.nth(at)) {
            if !self.early.remove(key) && !self.earlier.remove(key) {
                self.tasks.insert(key.clone(), OpenTask::new(&record));
            }
        }
        if let Some(task) = self.tasks.get_mut(key) {
            (task.last_seq, task.last_ns) = (task.last_seq.max(seq), task.last_ns.max(ns));
        }
    }

    /// Forgets ends whose begins have not come with this drain or the one before: they were not kept.
    pub fn end_round(&mut self) {
        self.earlier = std::mem::take(&mut self.early);
    }

    /// Takes over what a ledger says was open.
    pub fn resume(&mut self, open: &Segment) {
        let Ok(decoded) = open.decode() else {
            return;
        };
        for record in decoded.records() {
            if let Some(task) = record.task {
                let mut open = OpenTask::new(&record);
                // What is there is the end itself, one number behind the last record.
                open.last_seq = record.seq.saturating_sub(1);
                self.tasks.insert(task.key.clone(), open);
            }
        }
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The ends of all that are open: interrupted when their last record was written.
    pub fn interrupted(&self, source: &Source) -> Segment {
        let mut writer = SegmentWriter::new(&source.with_thread(""));
        let mut tasks: Vec<(&TaskKey, &OpenTask)> = self.tasks.iter().collect();
        tasks.sort_by_key(|(key, _)| *key);
        // All of them first: the writer knows tasks and places by their addresses, which must not be used twice.
        let decoded: Vec<_> = tasks.iter().filter_map(|(_, task)| Some((task.record.decode().ok()?, *task))).collect();
        for (segment, task) in &decoded {
            if let Some(record) = segment.nth(0) {
                writer.copy(&task.end(record));
            }
        }
        writer.take()
    }
}

impl OpenTask {
    fn new(record: &Record<'_>) -> Self {
        let mut writer = SegmentWriter::new(record.source);
        writer.copy(record);
        Self { record: writer.take(), last_seq: record.seq, last_ns: record.ts_ns }
    }

    fn end<'a>(&self, record: Record<'a>) -> Record<'a> {
        let started_ns = record.task.map_or(self.last_ns, |task| task.started_ns);
        let name = record.task.map_or("", |task| task.name);
        let end = End {
            outcome: Outcome::Interrupted,
            duration_ns: u64::try_from(self.last_ns - started_ns).unwrap_or(0),
            busy_ns: 0,
            error: vec![Cow::Borrowed(INTERRUPTED)],
            quiet: false,
        };
        Record {
            ts_ns: self.last_ns,
            level: Level::ERROR,
            kind: Kind::End,
            seq: self.last_seq + 1,
            message: Cow::Owned(format!("INTERRUPTED {name}")),
            fields: Fields::EMPTY,
            detail: Detail::End(end),
            ..record
        }
    }
}
