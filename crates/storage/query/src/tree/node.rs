//! Looking at the tree: tasks, records, and both in their order.

use spanlake_core::{Level, TaskKey};

use super::dump::{self, Dump};
use super::store::{Node, Origin, Records, Stored};
use super::{Status, Summary, TaskTree};

/// A task of a tree.
#[derive(Clone, Copy, Debug)]
pub struct TaskNode<'a> {
    pub(super) tree: &'a TaskTree,
    pub(super) node: &'a Node,
}

/// An event or a loss of a tree.
#[derive(Clone, Copy, Debug)]
pub struct TreeRecord<'a> {
    tree: &'a TaskTree,
    stored: &'a Stored,
}

/// The records outside any task.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'a> {
    pub(super) tree: &'a TaskTree,
    pub(super) records: &'a Records,
}

/// What stands in a task.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// An event or a loss.
    Record(TreeRecord<'a>),
    /// A subtask.
    Task(TaskNode<'a>),
}

// === impl TaskNode ===

impl<'a> TaskNode<'a> {
    /// Its key.
    pub fn key(self) -> &'a TaskKey {
        &self.node.key
    }

    /// Its name; `None` when no record of its own was seen.
    pub fn name(self) -> Option<&'a str> {
        self.node.name.as_deref()
    }

    /// How it stands.
    pub fn status(self) -> Status {
        self.node.status()
    }

    /// Whether any record of its own was seen. Without one it is made up, as tasks below it were seen.
    pub fn is_seen(self) -> bool {
        self.node.process.is_some()
    }

    /// Whether its begin was seen. Without it, the task is made up from its other records, or from those below it.
    pub fn begin_seen(self) -> bool {
        self.node.begin.is_some()
    }

    /// When it began, in UTC microseconds since the Unix epoch; the first moment known when its begin was not seen.
    pub fn began_us(self) -> i64 {
        self.node.began_us()
    }

    /// When it ended.
    pub fn ended_us(self) -> Option<i64> {
        self.node.end.as_ref().map(|end| end.ts_us)
    }

    /// The last moment known of it and of what lies below it.
    pub fn last_us(self) -> i64 {
        self.node.last_us
    }

    /// How long it took, on the monotonic clock.
    pub fn duration_us(self) -> Option<i64> {
        self.node.end.as_ref().and_then(|end| end.duration_us)
    }

    /// What its begin says.
    pub fn begin_message(self) -> Option<&'a str> {
        self.node.begin.as_ref().map(|begin| &*begin.message)
    }

    /// What its end says; empty when the task asked for a quiet end.
    pub fn end_message(self) -> Option<&'a str> {
        self.node.end.as_ref().map(|end| &*end.message)
    }

    /// Why it failed: the error and its causes, as `this: cause: cause`.
    pub fn error(self) -> Option<&'a str> {
        self.node.end.as_ref()?.error.as_deref()
    }

    /// Its merged context as JSON text.
    pub fn context(self) -> &'a str {
        if self.node.context.is_empty() { "{}" } else { &self.node.context }
    }

    /// The target of its span.
    pub fn target(self) -> Option<&'a str> {
        self.place().map(|place| place.target.as_str())
    }

    /// The source file of its span.
    pub fn file(self) -> Option<&'a str> {
        self.place().and_then(|place| place.file.as_deref())
    }

    /// The line in it.
    pub fn line(self) -> Option<u32> {
        self.place().and_then(|place| place.line)
    }

    /// The machine of its process.
    pub fn host(self) -> Option<&'a str> {
        self.process().map(|process| process.host.as_str()).filter(|host| !host.is_empty())
    }

    /// Its process id.
    pub fn pid(self) -> Option<u32> {
        self.process().map(|process| process.pid).filter(|pid| *pid > 0)
    }

    /// The service of its process.
    pub fn service(self) -> Option<&'a str> {
        self.process().and_then(|process| process.service.as_deref())
    }

    /// The most severe level of its begin and end, or when neither was seen, of its records.
    pub fn level(self) -> Level {
        self.node.level()
    }

    /// Its records and subtasks in order.
    pub fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let mut records = self.records().peekable();
        let mut tasks = self.tasks().peekable();
        std::iter::from_fn(move || {
            let task_is_next = match (records.peek(), tasks.peek()) {
                (Some(record), Some(task)) => task.began_us() < record.ts_us(),
                (None, _) => true,
                (_, None) => false,
            };
            if task_is_next { tasks.next().map(Entry::Task) } else { records.next().map(Entry::Record) }
        })
    }

    /// Its events and losses by number.
    pub fn records(self) -> impl ExactSizeIterator<Item = TreeRecord<'a>> {
        records(self.tree, &self.node.records)
    }

    /// The values of observed objects among its records, each with what it was before.
    pub fn dumps(self) -> Vec<Dump<'a>> {
        dump::dumps(self.records())
    }

    /// Its subtasks by begin.
    pub fn tasks(self) -> impl ExactSizeIterator<Item = TaskNode<'a>> {
        self.node.children.iter().map(move |id| self.tree.node(*id))
    }

    /// How many of its own events are below the level, from `TRACE` to `ERROR`.
    pub fn hidden(self) -> [u64; 5] {
        self.node.records.hidden
    }

    /// The task and all that lies below it in numbers. A task of which nothing was seen is not counted.
    pub fn summary(self) -> Summary {
        let mut summary = Summary::default();
        summary.tasks[self.status() as usize] = u64::from(self.is_seen());
        summary.add_records(&self.node.records);
        self.tasks().for_each(|task| summary.add(&task.summary()));
        summary
    }

    fn place(self) -> Option<&'a Origin> {
        let end = self.node.end.as_ref().map(|end| end.place);
        let place = self.node.begin.as_ref().map(|begin| begin.place).or(end)?;
        self.tree.origins.get(place as usize)
    }

    fn process(self) -> Option<&'a Origin> {
        self.tree.origins.get(self.node.process? as usize)
    }
}

// === impl TreeRecord ===

impl<'a> TreeRecord<'a> {
    /// Its number in its task.
    pub fn seq(self) -> u64 {
        self.stored.seq
    }

    /// UTC microseconds since the Unix epoch.
    pub fn ts_us(self) -> i64 {
        self.stored.ts_us
    }

    /// Severity.
    pub fn level(self) -> Level {
        self.stored.level()
    }

    /// Whether it states a loss.
    pub fn is_loss(self) -> bool {
        self.stored.is_loss
    }

    /// The text.
    pub fn message(self) -> &'a str {
        self.stored.message()
    }

    /// Its own fields as JSON text.
    pub fn fields(self) -> &'a str {
        self.stored.fields()
    }

    /// The target.
    pub fn target(self) -> &'a str {
        self.place().map_or("", |place| &place.target)
    }

    /// The source file.
    pub fn file(self) -> Option<&'a str> {
        self.place().and_then(|place| place.file.as_deref())
    }

    /// The line in it.
    pub fn line(self) -> Option<u32> {
        self.place().and_then(|place| place.line)
    }

    /// The machine it was made on.
    pub(super) fn host(self) -> &'a str {
        self.place().map_or("", |place| &place.host)
    }

    /// The process it was made in.
    pub(super) fn pid(self) -> u32 {
        self.place().map_or(0, |place| place.pid)
    }

    fn place(self) -> Option<&'a Origin> {
        self.tree.origins.get(self.stored.place as usize)
    }
}

// === impl Outside ===

impl<'a> Outside<'a> {
    /// By time.
    pub fn records(self) -> impl ExactSizeIterator<Item = TreeRecord<'a>> {
        records(self.tree, self.records)
    }

    /// The values of observed objects among them, each with what it was before.
    pub fn dumps(self) -> Vec<Dump<'a>> {
        dump::dumps(self.records())
    }

    /// How many events are below the level, from `TRACE` to `ERROR`.
    pub fn hidden(self) -> [u64; 5] {
        self.records.hidden
    }
}

fn records<'a>(tree: &'a TaskTree, records: &'a Records) -> impl ExactSizeIterator<Item = TreeRecord<'a>> + use<'a> {
    records.kept.iter().map(move |stored| TreeRecord { tree, stored })
}
