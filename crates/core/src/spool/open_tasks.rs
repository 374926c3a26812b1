//! The tasks that have begun and not ended, and what their ends are if the process never says another word.

use std::borrow::Cow;
use std::collections::HashMap;

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
    /// Tasks of whose begins nothing is known: another thread wrote them, and they may come with the next drain.
    early: HashMap<TaskKey, Early>,
    /// Those of the drain before.
    earlier: HashMap<TaskKey, Early>,
    /// When the process was last heard of.
    last_ns: i64,
}

#[derive(Debug)]
struct OpenTask {
    /// A record of it, which is all that is needed to write another one.
    record: Segment,
    last_seq: u64,
}

/// What was seen of a task whose begin was not.
#[derive(Clone, Copy, Debug)]
struct Early {
    has_ended: bool,
    last_seq: u64,
}

/// What one segment says of one task, by the position of its description.
#[derive(Clone, Copy, Default)]
struct Seen {
    begun_at: Option<usize>,
    has_ended: bool,
    last_seq: Option<u64>,
}

impl OpenTasks {
    /// Takes in what a segment says.
    pub fn read(&mut self, segment: &Decoded<'_>) {
        let mut seen = vec![Seen::default(); segment.task_count()];
        for (at, head) in segment.heads().enumerate() {
            self.last_ns = self.last_ns.max(head.ts_ns);
            let Some(task) = head.task.and_then(|task| seen.get_mut(task)) else {
                continue;
            };
            match head.kind {
                Kind::Begin => task.begun_at = Some(at),
                Kind::End => task.has_ended = true,
                Kind::Event | Kind::Loss => {}
            }
            task.last_seq = task.last_seq.max(Some(head.seq));
        }
        for (task, seen) in seen.iter().enumerate() {
            if seen.begun_at.is_some() && seen.has_ended {
                continue;
            }
            if let (Some(last_seq), Some(key)) = (seen.last_seq, segment.task_key(task)) {
                self.take_in(segment, key, seen, last_seq);
            }
        }
    }

    /// Segments come in no order: the one with the begin may be read after one in which another thread, or the same one
    /// later, used the task.
    fn take_in(&mut self, segment: &Decoded<'_>, key: &TaskKey, seen: &Seen, last_seq: u64) {
        if let Some(task) = self.tasks.get_mut(key) {
            task.last_seq = task.last_seq.max(last_seq);
            if seen.has_ended {
                self.tasks.remove(key);
            }
            return;
        }
        let mut early = Early { has_ended: seen.has_ended, last_seq };
        for before in [self.early.remove(key), self.earlier.remove(key)].into_iter().flatten() {
            early.add(&before);
        }
        match seen.begun_at.and_then(|at| segment.nth(at)) {
            Some(_) if early.has_ended => {}
            Some(record) => {
                let mut task = OpenTask::new(&record);
                task.last_seq = task.last_seq.max(early.last_seq);
                self.tasks.insert(key.clone(), task);
            }
            None => {
                self.early.insert(key.clone(), early);
            }
        }
    }

    /// Forgets tasks whose begins have not come with this drain or the one before: they were not kept.
    pub fn end_round(&mut self) {
        self.earlier = std::mem::take(&mut self.early);
    }

    /// Takes over what a ledger says was open.
    pub fn resume(&mut self, open: &Segment) {
        let Ok(decoded) = open.decode() else {
            return;
        };
        for record in decoded.records() {
            if let Some(task) = record.task.as_deref() {
                let mut open = OpenTask::new(&record);
                // What is there is the end itself, one number behind the last record.
                open.last_seq = record.seq.saturating_sub(1);
                self.last_ns = self.last_ns.max(record.ts_ns);
                self.tasks.insert(task.key.clone(), open);
            }
        }
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The ends of all that are open: interrupted when the process was last heard of, for they ran on as long as it did.
    pub fn interrupted(&self, source: &Source) -> Segment {
        let mut writer = SegmentWriter::new(&source.with_thread(""));
        let mut tasks: Vec<(&TaskKey, &OpenTask)> = self.tasks.iter().collect();
        tasks.sort_by_key(|(key, _)| *key);
        // All of them first: the writer knows tasks and places by their addresses, which must not be used twice.
        let decoded: Vec<_> = tasks.iter().filter_map(|(_, task)| Some((task.record.decode().ok()?, *task))).collect();
        for (segment, task) in &decoded {
            if let Some(record) = segment.nth(0) {
                writer.copy(&task.end(record, self.last_ns));
            }
        }
        writer.take()
    }
}

impl Early {
    fn add(&mut self, other: &Self) {
        self.has_ended |= other.has_ended;
        self.last_seq = self.last_seq.max(other.last_seq);
    }
}

impl OpenTask {
    fn new(record: &Record<'_>) -> Self {
        let mut writer = SegmentWriter::new(record.source);
        writer.copy(record);
        Self { record: writer.take(), last_seq: record.seq }
    }

    fn end<'a>(&self, record: Record<'a>, last_ns: i64) -> Record<'a> {
        let started_ns = record.task.as_deref().map_or(last_ns, |task| task.started_ns);
        let name = record.task.as_deref().map_or("", |task| task.name);
        let end = End {
            outcome: Outcome::Interrupted,
            duration_ns: u64::try_from(last_ns.saturating_sub(started_ns)).unwrap_or(0),
            busy_ns: 0,
            error: vec![Cow::Borrowed(INTERRUPTED)],
            quiet: false,
        };
        Record {
            ts_ns: last_ns,
            level: Level::ERROR,
            kind: Kind::End,
            seq: self.last_seq.saturating_add(1),
            message: Cow::Owned(format!("INTERRUPTED {name}")),
            fields: Fields::EMPTY,
            detail: Detail::End(end),
            ..record
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::segment::{CallsiteDefinition, EndHead, Message, RecordHead, TaskDefinition, TaskOrigin};

    /// A segment that describes one task, always the same, and has records of it.
    fn segment(begins: bool, events: &[u64], end: Option<u64>) -> Segment {
        let mut writer = SegmentWriter::new(&Source::this_process("orders"));
        let place =
            CallsiteDefinition { name: "load", target: "t", module: None, file: None, line: None, level: Level::INFO };
        let callsite = writer.define_callsite(1, &place, std::iter::empty());
        let definition = TaskDefinition {
            origin: TaskOrigin::Root(Uuid::from_u128(7)),
            callsite,
            started_ns: 100,
            own_context: false,
            foreign_parent: None,
            context: &[],
            begins,
        };
        let task = Some(writer.define_task(1, 0, 0, &definition));
        let head = |seq: u64| RecordHead { level: Level::INFO, callsite: None, task, seq, ts_ns: 100 + seq as i64 };
        events.iter().for_each(|seq| writer.event(&head(*seq), &Message::default(), &[]));
        if let Some(seq) = end {
            let end = EndHead { outcome: Outcome::Succeeded, duration_ns: 1, busy_ns: 1, error: &[], quiet: false };
            writer.end(&head(seq), &end, &Message::default(), &[]);
        }
        writer.take()
    }

    /// Number and time of the end that the task gets.
    fn end_after(segments: &[&Segment], drains: bool) -> Option<(u64, i64)> {
        let mut open = OpenTasks::default();
        for segment in segments {
            open.read(&segment.decode().unwrap());
            if drains {
                open.end_round();
            }
        }
        let ends = open.interrupted(&Source::default());
        ends.decode().ok().and_then(|decoded| decoded.nth(0).map(|end| (end.seq, end.ts_ns)))
    }

    #[test]
    fn an_end_comes_behind_all_that_was_seen_in_whatever_order() {
        let (begin, later) = (segment(true, &[1, 2], None), segment(false, &[3, 4], None));
        for drains in [false, true] {
            for segments in [[&begin, &later], [&later, &begin]] {
                assert_eq!(end_after(&segments, drains), Some((5, 104)));
            }
        }
    }

    #[test]
    fn a_task_that_ended_gets_no_other_end_in_whatever_order() {
        let (begin, middle, end) =
            (segment(true, &[1], None), segment(false, &[2], None), segment(false, &[3], Some(4)));
        for segments in
            [[&begin, &middle, &end], [&end, &middle, &begin], [&middle, &end, &begin], [&end, &begin, &middle]]
        {
            assert_eq!(end_after(&segments, false), None);
        }
        assert_eq!(end_after(&[&segment(true, &[1, 2], Some(3))], true), None);
    }
}
