//! The tree as lines for people.

use std::io;

use spanlake_query::{Dump, Entry, Outside, Status, Summary, TaskNode, TaskTree, TreeRecord};

use super::fold::Folds;
use super::record::{Said, error_lines, put_said};
use super::task::{Place, put_folded, put_more, put_task};
use super::values::{Dumps, value_lines};
use crate::args::TreeArgs;
use crate::line::{BOLD, DIM, LOST, Line, PLAIN, status_mark, status_style};
use crate::screen::Screen;
use crate::words;

/// From how many folded siblings in a row on they share one line.
const MIN_RUN: usize = 3;

/// How many names of such a run are told.
const RUN_NAMES: usize = 3;

/// Prints a tree.
pub(crate) struct Printer<'a> {
    screen: &'a mut Screen,
    folds: &'a Folds,
    whole_keys: bool,
    values: bool,
    /// The date that stands on top of what is being printed.
    date: String,
    gap: Gap,
}

/// The space before the next block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// It is the first one.
    Top,
    /// Behind a block of one line.
    Line,
    /// Behind a block of several.
    Block,
}

/// One line or block below a task.
enum Item<'a> {
    Record(TreeRecord<'a>),
    Task(TaskNode<'a>),
    /// Siblings that are folded for their status.
    Run(Vec<TaskNode<'a>>),
}

/// The strokes that join a line to the task above.
#[derive(Clone)]
struct Strokes(String);

impl<'a> Printer<'a> {
    pub(crate) fn new(screen: &'a mut Screen, folds: &'a Folds, args: &TreeArgs) -> Self {
        Self { screen, folds, whole_keys: args.keys, values: args.values, date: String::new(), gap: Gap::Top }
    }

    pub(crate) fn tree(&mut self, tree: &TaskTree) -> io::Result<()> {
        let roots = tree.roots().filter(|root| self.folds.has_line(*root)).map(Entry::Task);
        for item in self.items(roots) {
            match item {
                Item::Task(root) => self.root(root)?,
                Item::Run(run) => {
                    self.gap(Gap::Line)?;
                    self.run(&run, "")?;
                }
                Item::Record(_) => {}
            }
        }
        self.outside(tree.outside())?;
        self.foot(tree)
    }

    fn root(&mut self, root: TaskNode<'_>) -> io::Result<()> {
        self.date = words::date(root.began_us());
        self.gap(if self.folds.unfolds(root, 0) { Gap::Block } else { Gap::Line })?;
        self.task(root, None, "", &Strokes::top(), 0)
    }

    /// An empty line, unless the blocks before and after it are one line each.
    fn gap(&mut self, next: Gap) -> io::Result<()> {
        let last = std::mem::replace(&mut self.gap, next);
        let apart = last != Gap::Top && (last == Gap::Block || next == Gap::Block);
        if apart { self.screen.line(&Line::new()) } else { Ok(()) }
    }

    fn task(
        &mut self,
        task: TaskNode<'_>,
        parent: Option<TaskNode<'_>>,
        joint: &str,
        strokes: &Strokes,
        depth: usize,
    ) -> io::Result<()> {
        let unfolded = self.folds.unfolds(task, depth);
        let place = Place {
            parent,
            counted: self.folds.counted(task),
            folded: (!unfolded).then(|| below(task)),
            whole_key: self.whole_keys,
            strokes: &strokes.0,
        };
        let mut line = Line::new();
        line.put(DIM, joint);
        put_task(&mut line, task, &place);
        self.screen.line(&line)?;
        if unfolded { self.inside(task, strokes, depth) } else { Ok(()) }
    }

    /// The error, then records and subtasks in their order.
    fn inside(&mut self, task: TaskNode<'_>, strokes: &Strokes, depth: usize) -> io::Result<()> {
        if let Some(error) = task.error() {
            let mut lines = error_lines(&strokes.0, error, task.file(), task.line()).into_iter();
            lines.try_for_each(|line| self.screen.line(&line))?;
        }
        let shown = task.entries().filter(|entry| match entry {
            Entry::Task(task) => self.folds.has_line(*task),
            Entry::Record(_) => true,
        });
        let items = self.items(shown);
        let mut dumps = Dumps::new(if self.values { task.dumps() } else { Vec::new() });
        let last = items.len().saturating_sub(1);
        for (at, item) in items.into_iter().enumerate() {
            let (joint, below) = strokes.branch(at == last);
            match item {
                Item::Record(record) => self.record(record, dumps.next().as_ref(), strokes)?,
                Item::Task(subtask) => self.task(subtask, Some(task), &joint, &below, depth + 1)?,
                Item::Run(run) => self.run(&run, &joint)?,
            }
        }
        Ok(())
    }

    fn record(&mut self, record: TreeRecord<'_>, dump: Option<&Dump<'_>>, strokes: &Strokes) -> io::Result<()> {
        let mut line = Line::new();
        line.put(DIM, &strokes.0);
        let date = words::date(record.ts_us());
        if date != self.date {
            line.put(DIM, date).put(DIM, " ");
        }
        let said = Said::from(record);
        put_said(&mut line, &if dump.is_some() { said.without_fields() } else { said }, &strokes.0);
        self.screen.line(&line)?;
        let mut values = dump.into_iter().flat_map(|dump| value_lines(&strokes.0, dump));
        values.try_for_each(|line| self.screen.line(&line))
    }

    /// Several tasks in one line.
    fn run(&mut self, run: &[TaskNode<'_>], joint: &str) -> io::Result<()> {
        let mut all = Summary::default();
        run.iter().for_each(|task| all.add(&task.summary()));
        let mut line = Line::new();
        line.put(DIM, joint);
        put_run_mark(&mut line, run);
        line.put(PLAIN, words::counted(run.len() as u64, "task"));
        put_names(&mut line, run);
        put_folded(&mut line, all.all_tasks().saturating_sub(run.len() as u64), &all);
        self.screen.line(&line)
    }

    fn outside(&mut self, outside: Outside<'_>) -> io::Result<()> {
        let mut dumps = Dumps::new(if self.values { outside.dumps() } else { Vec::new() });
        let with_dumps = outside.records().map(|record| (record, dumps.next()));
        let shows = |(record, _): &(TreeRecord<'_>, _)| self.folds.shows_outside(record.level());
        let (shown, folded): (Vec<_>, Vec<_>) = with_dumps.partition(shows);
        let mut counts = words::levels(outside.hidden());
        if !folded.is_empty() {
            counts.insert(0, words::counted(folded.len() as u64, "record"));
        }
        if shown.is_empty() && counts.is_empty() {
            return Ok(());
        }
        self.gap(Gap::Block)?;
        let mut line = Line::new();
        line.put(BOLD, "outside any task");
        put_more(&mut line, &counts);
        self.screen.line(&line)?;
        self.date.clear();
        shown.into_iter().try_for_each(|(record, dump)| self.record(record, dump.as_ref(), &Strokes::top()))
    }

    /// The whole tree in numbers, what was lost first of all.
    fn foot(&mut self, tree: &TaskTree) -> io::Result<()> {
        self.gap(Gap::Block)?;
        let summary = tree.summary();
        let mut line = Line::new();
        line.hang("  ");
        if tree.losses() > 0 {
            line.put(LOST, format_args!("{} lost", words::counted(tree.losses(), "record"))).put(DIM, " · ");
        }
        line.put(PLAIN, words::counted(summary.all_tasks(), "task"));
        put_statuses(&mut line, &summary);
        line.put(DIM, " · ").put(PLAIN, words::counted(summary.records + summary.all_hidden(), "record"));
        let hidden = words::levels(summary.hidden);
        if !hidden.is_empty() {
            line.put(DIM, format_args!(" ({} below the level)", hidden.join(", ")));
        }
        self.screen.line(&line)
    }

    /// Puts siblings that are folded for their status together.
    fn items<'t>(&self, entries: impl Iterator<Item = Entry<'t>>) -> Vec<Item<'t>> {
        let mut items = Vec::new();
        let mut run = Vec::new();
        for entry in entries {
            match entry {
                Entry::Task(task) if self.folds.by_status() && !self.folds.leads(task) => run.push(task),
                Entry::Task(task) => {
                    end_run(&mut items, &mut run);
                    items.push(Item::Task(task));
                }
                Entry::Record(record) => {
                    end_run(&mut items, &mut run);
                    items.push(Item::Record(record));
                }
            }
        }
        end_run(&mut items, &mut run);
        items
    }
}

fn end_run<'t>(items: &mut Vec<Item<'t>>, run: &mut Vec<TaskNode<'t>>) {
    let run = std::mem::take(run);
    if run.len() < MIN_RUN {
        items.extend(run.into_iter().map(Item::Task));
    } else {
        items.push(Item::Run(run));
    }
}

/// How many tasks stand how.
fn put_statuses(line: &mut Line, summary: &Summary) {
    let mut before = ": ";
    for status in Status::ALL.into_iter().filter(|status| summary.of(*status) > 0) {
        line.put(DIM, before).put(status_style(status), format_args!("{} {status}", words::count(summary.of(status))));
        before = ", ";
    }
}

/// The mark of a run: that of its tasks if they all stand alike.
fn put_run_mark(line: &mut Line, run: &[TaskNode<'_>]) {
    let mut statuses = run.iter().map(|task| task.status());
    let first = statuses.next().unwrap_or(Status::Open);
    let alike = statuses.all(|status| status == first);
    let (style, mark) = if alike { (status_style(first), status_mark(first)) } else { (DIM, "·") };
    line.put(style, mark).put(PLAIN, " ");
}

/// The first names of a run, each once.
fn put_names(line: &mut Line, run: &[TaskNode<'_>]) {
    let mut names: Vec<&str> = Vec::new();
    for name in run.iter().filter_map(|task| task.name()) {
        if names.contains(&name) {
            continue;
        }
        if names.len() == RUN_NAMES {
            line.put(DIM, ", …");
            return;
        }
        line.put(DIM, if names.is_empty() { "  " } else { ", " }).data(DIM, name);
        names.push(name);
    }
}

/// What lies in a task, without the task itself.
fn below(task: TaskNode<'_>) -> Summary {
    let mut below = task.summary();
    below.tasks[task.status() as usize] -= u64::from(task.is_seen());
    below
}

// === impl Strokes ===

impl Strokes {
    fn top() -> Self {
        Self("│ ".to_owned())
    }

    /// What stands before a subtask's line, and before what is in it.
    fn branch(&self, is_last: bool) -> (String, Self) {
        // The bar of the task itself becomes the joint.
        let above = self.0.strip_suffix("│ ").unwrap_or(&self.0);
        let (joint, bar) = if is_last { ("└─", "  ") } else { ("├─", "│ ") };
        (format!("{above}{joint}"), Self(format!("{above}{bar}│ ")))
    }
}
