//! Tasks as they run, drawn as a tree.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use super::color::{BOLD, Color, DIM, style_of};
use super::escape::Escaped;
use super::line::{Bytes, Line};
use super::look::Look;
use super::pairs::{Bound, Wrap, fields_of, for_people, put_causes, put_pairs, put_values};
use super::renderer::Renderer;
use super::time::format_us;
use super::words::{Lifecycle, is_quiet};
use crate::key::TaskKey;
use crate::record::{End, Kind, Outcome, Record, merge_context};
use crate::value::Field;

/// Renders records in the order in which they come, indented by the depth of their task.
///
/// ```text
/// 2026-11-20
/// 13:14:10.100 INFO  ┌ load orders table=orders
/// 13:14:10.200 INFO  │ ┌ read
/// 13:14:10.300 DEBUG │ │ read batch rows=500
/// 13:14:10.400 INFO  ┌ load customers
///                    ┈ load orders › read
/// 13:14:10.500 INFO  │ └ read (300.00 ms)
/// 13:14:10.600 INFO  └ load orders (500.00 ms)
///                    ┈ load customers
/// 13:14:10.700 INFO  └ load customers (300.00 ms)
/// ```
///
/// A task's own values stand at its begin, a record's own fields behind its message. Where the next record belongs to
/// another task than one would think, a line with `┈` says to which. A new date has a line of its own; all times are UTC.
/// The error chain follows as indented lines.
///
/// It knows the 1,024 tasks that began last and have not ended. Of a task that it does not know, which began before
/// or has no begin at this level, records are drawn below the nearest task above that it knows.
///
/// | setting | default |
/// |---|---|
/// | [`color`](Self::color) | [`Color::Auto`] |
/// | [`width`](Self::width) | that of the terminal; elsewhere none: a record is one line however long |
/// | [`lifecycle`](Self::lifecycle) | [`Lifecycle::Plain`]; the timed form says durations in words and not in parentheses |
#[derive(Debug, Default)]
#[must_use = "a renderer does nothing until a sink has it"]
pub struct Tree {
    look: Look,
    lifecycle: Lifecycle,
    open: Open,
    /// The task that a reader thinks is going on.
    at: Option<TaskKey>,
    /// The date of the last line.
    date: String,
}

/// The tasks that began and have not ended.
#[derive(Debug, Default)]
struct Open {
    tasks: HashMap<TaskKey, OpenTask>,
    begun: u64,
}

#[derive(Debug)]
struct OpenTask {
    message: String,
    depth: usize,
    /// Which of all it is.
    number: u64,
}

/// Most tasks that a tree remembers.
const MAX_OPEN: usize = 1_024;

/// What stands before the tree: time and level.
const HEAD_WIDTH: usize = 19;

impl Tree {
    /// With the defaults above.
    pub fn new() -> Self {
        Self::default()
    }

    /// When there are colours.
    pub fn color(mut self, color: Color) -> Self {
        self.look.set_color(color);
        self
    }

    /// Fields that would take a line beyond so many columns go on further lines, indented. A message or a field that is longer
    /// by itself is left as it is. [`NonZeroUsize::MAX`] keeps a record in one line however long.
    pub fn width(mut self, columns: NonZeroUsize) -> Self {
        self.look.set_width(columns);
        self
    }

    /// How begins and ends of tasks are put into words.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }
}

impl Renderer for Tree {
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let is_begin = record.kind == Kind::Begin;
        let depth = record.task.as_deref().map(|task| self.open.depth(&task.key));
        if let Some((task, depth)) = record.task.as_deref().zip(depth).filter(|_| is_begin) {
            self.open.begin(&task.key, &record.message, depth);
        }
        if !is_quiet(record) {
            self.draw(&mut Bytes(out), record, depth);
        }
        if let Some(task) = record.task.as_deref().filter(|_| record.kind == Kind::End) {
            self.open.tasks.remove(&task.key);
        }
        self.move_on(record);
    }

    fn set_terminal(&mut self) {
        self.look.set_terminal();
    }

    fn set_columns(&mut self, columns: NonZeroUsize) {
        self.look.set_columns(columns);
    }
}

// === drawing ===

impl Tree {
    fn draw(&mut self, out: &mut Bytes<'_>, record: &Record<'_>, depth: Option<usize>) {
        let mut line = Line::new(out, self.look.has_color());
        let ts = format_us(record.ts_us());
        // `<date>T<time to the microsecond>Z`; years beyond four digits have longer dates.
        let (date, time) = ts.split_once('T').unwrap_or((&ts, ""));
        if date != self.date {
            date.clone_into(&mut self.date);
            line.styled(DIM, date);
            line.end();
        }
        self.draw_way(&mut line, record);
        let (guides, inner) = guides(record.kind, depth);
        let indent = format!("{:HEAD_WIDTH$}{inner}  ", "");
        let time = time.get(..12).unwrap_or(time);
        let mut fields = fields_at(record);
        self.lifecycle.each(record, |words| {
            line.styled(DIM, time);
            line.put(' ');
            line.styled(style_of(record.level), format_args!("{:5}", record.level.as_str()));
            line.put(' ');
            line.styled(DIM, &guides);
            match record.kind {
                Kind::Begin | Kind::End => line.styled(BOLD, Escaped(words)),
                Kind::Event | Kind::Loss => line.put(Escaped(words)),
            }
            self.draw_duration(&mut line, record);
            let wrap = self.look.width().map(|width| Wrap { width, indent: &indent });
            put_pairs(&mut line, &std::mem::take(&mut fields), 0, wrap.as_ref());
            line.end();
        });
        put_values(&mut line, record, &indent);
        put_causes(&mut line, record, &indent);
    }

    /// The names from the root to the task, where a reader would think that another one goes on.
    fn draw_way(&self, line: &mut Line<'_, Bytes<'_>>, record: &Record<'_>) {
        let Some(task) = record.task.as_deref() else { return };
        let goes_on = if record.kind == Kind::Begin { task.key.parent() } else { Some(task.key.clone()) };
        // A new root is seen to be one.
        let Some(goes_on) = goes_on.filter(|task| self.at.as_ref() != Some(task)) else { return };
        let way = self.open.way(&goes_on);
        if !way.is_empty() {
            line.styled(DIM, format_args!("{:HEAD_WIDTH$}┈ {way}", ""));
            line.end();
        }
    }

    fn draw_duration(&self, line: &mut Line<'_, Bytes<'_>>, record: &Record<'_>) {
        let Some(end) = record.end().filter(|_| self.lifecycle.of(record) == Lifecycle::Plain) else { return };
        line.styled(DIM, format_args!(" ({}{})", duration(end), remark(end.outcome)));
    }

    fn move_on(&mut self, record: &Record<'_>) {
        if let Some(task) = record.task.as_deref() {
            self.at = if record.kind == Kind::End { task.key.parent() } else { Some(task.key.clone()) };
        }
    }
}

/// What leads to the words of a record, and what stands before further lines of it.
fn guides(kind: Kind, depth: Option<usize>) -> (String, String) {
    let Some(depth) = depth else {
        return (String::new(), String::new());
    };
    let (outer, inner) = ("│ ".repeat(depth), "│ ".repeat(depth + 1));
    match kind {
        Kind::Begin => (format!("{outer}┌ "), inner),
        Kind::End => (format!("{outer}└ "), format!("{outer}  ")),
        Kind::Event | Kind::Loss => (inner.clone(), inner),
    }
}

/// A record's own fields, at a begin behind its task's own values.
fn fields_at<'a>(record: &Record<'a>) -> Vec<Field<'a>> {
    let own = fields_of(record, Bound::Hidden);
    match record.task.as_deref().filter(|_| record.kind == Kind::Begin) {
        Some(task) => for_people(record, merge_context(&task.own, &own)),
        None => for_people(record, own),
    }
}

fn duration(end: &End<'_>) -> String {
    match end.duration_ns as f64 {
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// What the words of a task's end do not say.
fn remark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded | Outcome::Failed => "",
        Outcome::Cancelled => ", cancelled",
        Outcome::Interrupted => ", interrupted",
    }
}

// === impl Open ===

impl Open {
    fn begin(&mut self, key: &TaskKey, message: &str, depth: usize) {
        if self.tasks.len() >= MAX_OPEN && !self.tasks.contains_key(key) {
            self.forget_oldest();
        }
        self.begun += 1;
        let task = OpenTask { message: message.to_owned(), depth, number: self.begun };
        self.tasks.insert(key.clone(), task);
    }

    fn forget_oldest(&mut self) {
        let oldest = self.tasks.iter().min_by_key(|(_, task)| task.number).map(|(key, _)| key.clone());
        oldest.and_then(|key| self.tasks.remove(&key));
    }

    /// How many tasks that are known lie around this one.
    fn depth(&self, key: &TaskKey) -> usize {
        let above = || ancestors(key.parent()).find_map(|key| self.tasks.get(&key)).map_or(0, |task| task.depth + 1);
        self.tasks.get(key).map_or_else(above, |task| task.depth)
    }

    /// The messages from the root to a task, as far as they are known.
    fn way(&self, key: &TaskKey) -> String {
        let known = ancestors(Some(key.clone())).filter_map(|key| self.tasks.get(&key));
        let mut messages: Vec<String> = known.map(|task| Escaped(&task.message).to_string()).collect();
        messages.reverse();
        messages.join(" › ")
    }
}

/// A task and those above it.
fn ancestors(key: Option<TaskKey>) -> impl Iterator<Item = TaskKey> {
    std::iter::successors(key, TaskKey::parent)
}
