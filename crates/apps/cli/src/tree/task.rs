//! The line of a task.

use anstyle::Style;
use spanlake_core::Level;
use spanlake_core::record::level_from_code;
use spanlake_query::{Status, Summary, TaskNode};

use super::record::{put_apart, put_path};
use crate::line::{BAD, BOLD, DIM, Line, PLAIN, WARN, status_mark, status_style};
use crate::pairs::put_own;
use crate::words;

/// What stands in front of the message of a task that failed.
const FAILED: &str = "FAILED ";

/// Where a task stands, and how it is shown.
pub(crate) struct Place<'a> {
    /// The task above, where it is shown.
    pub(crate) parent: Option<TaskNode<'a>>,
    /// What in it is only counted.
    pub(crate) counted: Summary,
    /// What lies in it, where it is folded.
    pub(crate) folded: Option<Summary>,
    /// Whether keys are shown whole.
    pub(crate) whole_key: bool,
    /// What stands before the lines of what is in it.
    pub(crate) strokes: &'a str,
}

/// Puts all that is known of a task, the most telling first.
pub(crate) fn put_task(line: &mut Line, task: TaskNode<'_>, place: &Place<'_>) {
    put_mark(line, task);
    put_name(line, task.name());
    if place.parent.is_some() {
        put_key(line, task, place);
        put_state(line, task);
    } else {
        put_state(line, task);
        put_top(line, task);
    }
    if place.folded.is_some() {
        put_error(line, task, place.strokes);
    }
    put_messages(line, task);
    put_counts(line, place);
    put_apart(line, |line| put_own(line, task.context(), place.parent.map(TaskNode::context)));
    put_process(line, task, place.parent);
}

/// A name, or what stands for a task whose own records were not seen.
pub(crate) fn put_name(line: &mut Line, name: Option<&str>) {
    match name {
        Some(name) => line.data(BOLD, name),
        None => line.put(DIM, "(not seen)"),
    };
}

fn put_mark(line: &mut Line, task: TaskNode<'_>) {
    let known = task.name().is_some() && !is_only_passed_through(task);
    let (style, mark) = if known { (status_style(task.status()), status_mark(task.status())) } else { (DIM, "?") };
    line.put(style, mark).put(PLAIN, " ");
}

/// The numbers below the root tell a task from its siblings.
fn put_key(line: &mut Line, task: TaskNode<'_>, place: &Place<'_>) {
    if place.whole_key {
        line.put(DIM, format_args!("  {}", task.key()));
    } else {
        put_path(line, task.key());
    }
}

/// What only a task on top has: its whole key, for every line below to be found by, and its date.
fn put_top(line: &mut Line, task: TaskNode<'_>) {
    let (date, time) = (words::date(task.began_us()), words::time_of_day(task.began_us()));
    line.put(DIM, format_args!("  {}  {date} {}", task.key(), &time[..8]));
}

fn put_state(line: &mut Line, task: TaskNode<'_>) {
    if task.name().is_none() {
        return;
    }
    if let Some(duration_us) = task.duration_us() {
        line.put(PLAIN, format_args!("  {}", words::duration(duration_us)));
    }
    let status = task.status();
    if is_only_passed_through(task) {
        let last = words::time_of_day(task.last_us());
        line.put(DIM, format_args!("  last seen {last} (begin and end not seen)"));
        return;
    }
    if status != Status::Succeeded {
        line.put(PLAIN, "  ").put(status_style(status), status);
    }
    if status == Status::Open {
        line.put(DIM, format_args!(", last seen {}", words::time_of_day(task.last_us())));
    }
    if !task.begin_seen() {
        line.put(DIM, " (begin not seen)");
    }
}

/// Whether neither its begin nor its end was seen. Most likely they were not kept, being details to a filter or a level, so
/// that nothing says that it is open.
fn is_only_passed_through(task: TaskNode<'_>) -> bool {
    task.status() == Status::Open && !task.begin_seen()
}

fn put_error(line: &mut Line, task: TaskNode<'_>, strokes: &str) {
    if let Some(error) = task.error() {
        line.put(BAD, ": ").hang(strokes).data(PLAIN, error);
    }
}

/// What begin and end say beyond the name.
fn put_messages(line: &mut Line, task: TaskNode<'_>) {
    let name = task.name().unwrap_or_default();
    let begin = task.begin_message().unwrap_or(name);
    if begin != name {
        line.put(PLAIN, "  ").data(PLAIN, begin);
    }
    let end = task.end_message().map(|end| end.strip_prefix(FAILED).unwrap_or(end)).unwrap_or_default();
    if !end.is_empty() && end != begin && end != name {
        line.put(DIM, "  → ").data(PLAIN, end);
    }
}

fn put_counts(line: &mut Line, place: &Place<'_>) {
    if let Some(folded) = &place.folded {
        return put_folded(line, folded.all_tasks(), folded);
    }
    let mut parts = words::levels(place.counted.hidden);
    if place.counted.all_tasks() > 0 {
        parts.insert(0, words::counted(place.counted.all_tasks(), "task"));
    }
    put_more(line, &parts);
}

/// What there is more than is shown.
pub(super) fn put_more(line: &mut Line, parts: &[String]) {
    if !parts.is_empty() {
        line.put(DIM, format_args!("  (+{})", parts.join(", ")));
    }
}

/// What is folded away: how many `tasks` and records, and whether one should look into it.
pub(super) fn put_folded(line: &mut Line, tasks: u64, folded: &Summary) {
    let counts = [(tasks, "task"), (folded.records + folded.all_hidden(), "record")];
    let mut before = "  (+";
    for (number, noun) in counts.into_iter().filter(|(number, _)| *number > 0) {
        line.put(DIM, before).put(DIM, words::counted(number, noun));
        before = ", ";
    }
    let mut before = if before == "  (+" { "  (" } else { before };
    let wrong = [Status::Failed, Status::Cancelled, Status::Interrupted, Status::Open];
    for status in wrong.into_iter().filter(|status| folded.of(*status) > 0) {
        line.put(DIM, before).put(status_style(status), format_args!("{} {status}", words::count(folded.of(status))));
        before = ", ";
    }
    if let Some((style, word)) = worst(folded) {
        line.put(DIM, before).put(style, word);
        before = ", ";
    }
    if before == ", " {
        line.put(DIM, ")");
    }
}

fn worst(folded: &Summary) -> Option<(Style, &'static str)> {
    match level_from_code(folded.worst) {
        Level::ERROR => Some((BAD, "errors")),
        Level::WARN => Some((WARN, "warnings")),
        _ => None,
    }
}

/// The process, where it is not that of the task above.
fn put_process(line: &mut Line, task: TaskNode<'_>, parent: Option<TaskNode<'_>>) {
    let host = task.host().filter(|host| parent.and_then(TaskNode::host) != Some(host));
    let pid = task.pid().filter(|pid| host.is_some() || parent.and_then(TaskNode::pid) != Some(*pid));
    if let Some(host) = host {
        line.put(DIM, "  on ").data(DIM, host);
    }
    if let Some(pid) = pid {
        line.put(DIM, format_args!("  pid {pid}"));
    }
}
