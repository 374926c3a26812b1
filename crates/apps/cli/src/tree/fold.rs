//! What of a tree is unfolded, what is one line, and what is only counted.

use spanlake_core::Level;
use spanlake_query::{Status, Summary, TaskNode};

use super::least_level;
use crate::args::TreeArgs;
use crate::words;

/// The statuses that `--failed` stands for.
const WENT_WRONG: [Status; 3] = [Status::Failed, Status::Cancelled, Status::Interrupted];

/// Decides what is unfolded.
pub(crate) struct Folds {
    level: Level,
    depth: Option<usize>,
    /// Unfolded is only what leads to one of these; empty for everything.
    statuses: Vec<Status>,
    selective: bool,
}

impl Folds {
    pub(crate) fn new(args: &TreeArgs) -> Self {
        let statuses = if args.failed { WENT_WRONG.to_vec() } else { args.status.clone() };
        let filter = &args.filter;
        let says = filter.target.len() + filter.text.len() + filter.field.len();
        let selective = says > 0 || filter.name.is_some();
        Self { level: least_level(args), depth: args.depth, statuses, selective }
    }

    /// Whether records and subtasks of a task are shown, at this depth below what is shown on top.
    pub(crate) fn unfolds(&self, task: TaskNode<'_>, depth: usize) -> bool {
        self.depth.is_none_or(|most| depth < most) && self.leads(task)
    }

    /// Whether a record outside any task is shown: where only some tasks are, then only what may explain them.
    pub(crate) fn shows_outside(&self, level: Level) -> bool {
        self.depth != Some(0) && (self.statuses.is_empty() || words::is_grave(level))
    }

    /// Whether only some tasks are unfolded for their status.
    pub(crate) fn by_status(&self) -> bool {
        !self.statuses.is_empty()
    }

    /// Whether the task, or one below it, has a status that is asked for.
    pub(crate) fn leads(&self, task: TaskNode<'_>) -> bool {
        self.statuses.is_empty()
            || (task.is_seen() && self.statuses.contains(&task.status()))
            || task.tasks().any(|task| self.leads(task))
    }

    /// Whether a task has a line at all. A task whose span is below the level has none, unless something in it is
    /// shown or was asked for: else the spans of libraries would bury the tasks of the program.
    pub(crate) fn has_line(&self, task: TaskNode<'_>) -> bool {
        self.selective
            || task.level() <= self.level
            || task.records().len() > 0
            || task.tasks().any(|task| self.has_line(task))
    }

    /// What of a task is only counted: its own events below the level, and subtasks that have no line.
    pub(crate) fn counted(&self, task: TaskNode<'_>) -> Summary {
        let mut counted = Summary { hidden: task.hidden(), ..Summary::default() };
        task.tasks().filter(|task| !self.has_line(*task)).for_each(|task| counted.add(&task.summary()));
        counted
    }
}
