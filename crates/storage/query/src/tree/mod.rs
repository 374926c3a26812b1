//! The tree of tasks, and the records in their order.
//!
//! # Order
//!
//! - The records of a task stand in order of their number (`seq`), never of a clock.
//! - A subtask has no number among the records of its parent. It stands before the first record, in that order, that is
//!   later than its begin; at equal moments behind the record. Subtasks come by begin, at equal moments by key.
//! - Root tasks come by begin, then by key. Records outside any task come by time.
//! - The begin of a task that was not seen is taken to be the first moment known of it or of what lies below it.

mod builder;
mod dump;
mod node;
mod store;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use spanlake_core::record::UnknownWord;
use spanlake_core::{Outcome, TaskKey};

pub use builder::TaskTreeBuilder;
pub use dump::{Dump, DumpValue};
pub use node::{Entry, Outside, TaskNode, TreeRecord};
use store::{Node, Origin, Records};

use crate::filter::Filter;

/// The tasks of a lake with their records.
///
/// ```
/// use spanlake_query::{Filter, TaskTree};
///
/// let tree = TaskTree::builder(Filter::new()).finish();
/// assert_eq!(tree.roots().count(), 0);
/// ```
#[derive(Debug)]
pub struct TaskTree {
    nodes: Vec<Node>,
    roots: Vec<u32>,
    by_key: HashMap<TaskKey, u32>,
    outside: Records,
    origins: Vec<Origin>,
    losses: u64,
}

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It came to its end.
    Succeeded,
    /// It failed.
    Failed,
    /// It was dropped before it came to its end.
    Cancelled,
    /// Its process went away.
    Interrupted,
    /// Its end was not seen.
    Open,
}

/// What a tree holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tasks by status, in the order of [`Status::ALL`].
    pub tasks: [u64; 5],
    /// Events and losses that are kept in the tree.
    pub records: u64,
    /// Events below the level, by level from `TRACE` to `ERROR`.
    pub hidden: [u64; 5],
    /// The most severe level of all records, the hidden ones included, as a code from `TRACE` 0 to `ERROR` 4.
    pub worst: u8,
}

// === impl TaskTree ===

impl TaskTree {
    /// Takes records that `filter` lets pass. Its level folds instead: records below it are counted, not kept.
    pub fn builder(filter: Filter) -> TaskTreeBuilder {
        TaskTreeBuilder::new(filter)
    }

    /// The tasks that no task of the tree is above.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = TaskNode<'_>> {
        self.roots.iter().map(|id| self.node(*id))
    }

    /// The task with this key.
    pub fn get(&self, key: &TaskKey) -> Option<TaskNode<'_>> {
        self.by_key.get(key).map(|id| self.node(*id))
    }

    /// The records outside any task.
    pub fn outside(&self) -> Outside<'_> {
        Outside { tree: self, records: &self.outside }
    }

    /// How many records were lost, as the losses that were read tell.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// All tasks and records of the tree in numbers, those outside any task included.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        summary.add_records(&self.outside);
        self.roots().for_each(|root| summary.add(&root.summary()));
        summary
    }

    fn node(&self, id: u32) -> TaskNode<'_> {
        TaskNode { tree: self, node: &self.nodes[id as usize] }
    }
}

// === impl Summary ===

impl Summary {
    /// How many tasks.
    pub fn all_tasks(&self) -> u64 {
        self.tasks.iter().sum()
    }

    /// How many tasks stand like this.
    pub fn of(&self, status: Status) -> u64 {
        self.tasks[status as usize]
    }

    /// How many events are below the level.
    pub fn all_hidden(&self) -> u64 {
        self.hidden.iter().sum()
    }

    /// Adds the numbers of another part of the tree.
    pub fn add(&mut self, other: &Self) {
        let sum = |mine: &mut [u64; 5], theirs: [u64; 5]| mine.iter_mut().zip(theirs).for_each(|(mine, n)| *mine += n);
        sum(&mut self.tasks, other.tasks);
        sum(&mut self.hidden, other.hidden);
        self.records += other.records;
        self.worst = self.worst.max(other.worst);
    }

    fn add_records(&mut self, records: &Records) {
        let hidden = Self { hidden: records.hidden, records: records.kept.len() as u64, ..Self::default() };
        self.add(&hidden);
        self.worst = self.worst.max(records.worst());
    }
}

// === impl Status ===

impl Status {
    /// All of them, the best first.
    pub const ALL: [Status; 5] =
        [Status::Succeeded, Status::Failed, Status::Cancelled, Status::Interrupted, Status::Open];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Succeeded => Outcome::Succeeded.as_str(),
            Status::Failed => Outcome::Failed.as_str(),
            Status::Cancelled => Outcome::Cancelled.as_str(),
            Status::Interrupted => Outcome::Interrupted.as_str(),
        }
    }
}

impl From<Outcome> for Status {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Status::Succeeded,
            Outcome::Failed => Status::Failed,
            Outcome::Cancelled => Status::Cancelled,
            Outcome::Interrupted => Status::Interrupted,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownWord)
    }
}
