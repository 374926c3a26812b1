//! The tree as one JSON document.
//!
//! `{"tasks": […], "outside": {…}, "summary": {…}}`, and a task is `{"key", "name", "status", …, "records": […],
//! "tasks": […]}`. What is folded has `"folded"` in place of records and tasks.

use std::borrow::Cow;
use std::io::{self, Write};

use spanlake_core::render::time::format_us;
use spanlake_query::{Dump, Status, Summary, TaskNode, TaskTree, TreeRecord};

use super::fold::Folds;
use super::values::Dumps;
use crate::json::Object;

pub(super) fn put(out: &mut dyn Write, tree: &TaskTree, folds: &Folds, values: bool) -> io::Result<()> {
    let mut document = Object::begin(out)?;
    let roots = tree.roots().filter(|root| folds.has_line(*root));
    document.list("tasks", roots, |object, root| put_task(object, root, folds, values, 0))?;
    document.object("outside", |outside| {
        put_hidden(outside, tree.outside().hidden())?;
        let mut dumps = Dumps::new(if values { tree.outside().dumps() } else { Vec::new() });
        let records = tree.outside().records();
        outside.list("records", records, |object, record| put_record(object, record, dumps.next(), None))
    })?;
    document.object("summary", |summary| {
        summary.number("losses", Some(number(tree.losses())))?;
        put_summary(summary, &tree.summary())
    })?;
    document.end()?;
    out.write_all(b"\n")
}

fn put_task(object: &mut Object<'_>, task: TaskNode<'_>, folds: &Folds, values: bool, depth: usize) -> io::Result<()> {
    object.text("key", Some(&task.key().to_string()))?;
    object.text("name", task.name())?;
    object.text("status", Some(task.status().as_str()))?;
    object.text("error", task.error())?;
    object.bool("begin_seen", task.begin_seen())?;
    object.text("began", Some(&format_us(task.began_us())))?;
    object.text("ended", task.ended_us().map(format_us).as_deref())?;
    object.text("last_seen", Some(&format_us(task.last_us())))?;
    object.number("duration_us", task.duration_us())?;
    object.text("begin_message", task.begin_message())?;
    object.text("end_message", task.end_message())?;
    object.raw("context", task.context())?;
    object.text("target", task.target())?;
    object.text("file", task.file())?;
    object.number("line", task.line().map(i64::from))?;
    object.text("host", task.host())?;
    object.number("pid", task.pid().map(i64::from))?;
    object.text("service", task.service())?;
    if folds.unfolds(task, depth) { put_inside(object, task, folds, values, depth) } else { put_folded(object, task) }
}

fn put_inside(
    object: &mut Object<'_>,
    task: TaskNode<'_>,
    folds: &Folds,
    values: bool,
    depth: usize,
) -> io::Result<()> {
    let counted = folds.counted(task);
    object.number("hidden_tasks", Some(number(counted.all_tasks())))?;
    put_hidden(object, counted.hidden)?;
    let mut dumps = Dumps::new(if values { task.dumps() } else { Vec::new() });
    object.list("records", task.records(), |object, record| put_record(object, record, dumps.next(), Some(task)))?;
    let tasks = task.tasks().filter(|task| folds.has_line(*task));
    object.list("tasks", tasks, |object, task| put_task(object, task, folds, values, depth + 1))
}

fn put_folded(object: &mut Object<'_>, task: TaskNode<'_>) -> io::Result<()> {
    object.object("folded", |folded| put_summary(folded, &task.summary()))
}

/// Of a dump, where values are asked for, also the names of those that the work has changed.
fn put_record(
    object: &mut Object<'_>,
    record: TreeRecord<'_>,
    dump: Option<Dump<'_>>,
    task: Option<TaskNode<'_>>,
) -> io::Result<()> {
    let key = task.map(|task| format!("{}@{}", record.seq(), task.key()));
    object.text("key", key.as_deref())?;
    object.text("ts", Some(&format_us(record.ts_us())))?;
    object.text("level", Some(record.level().as_str()))?;
    object.text("kind", Some(if record.is_loss() { "loss" } else { "event" }))?;
    object.text("message", Some(record.message()))?;
    object.text("target", Some(record.target()))?;
    object.text("file", record.file())?;
    object.number("line", record.line().map(i64::from))?;
    object.raw("fields", record.fields())?;
    let changed = |dump: Dump<'_>| {
        let changed = dump.values.iter().filter(|value| value.is_changed()).map(|value| Cow::Borrowed(&*value.name));
        object.texts("changed", changed)
    };
    dump.map_or(Ok(()), changed)
}

fn put_summary(object: &mut Object<'_>, summary: &Summary) -> io::Result<()> {
    object.object("tasks", |tasks| {
        Status::ALL.into_iter().try_for_each(|status| tasks.number(status.as_str(), Some(number(summary.of(status)))))
    })?;
    object.number("records", Some(number(summary.records)))?;
    put_hidden(object, summary.hidden)
}

fn put_hidden(object: &mut Object<'_>, hidden: [u64; 5]) -> io::Result<()> {
    object.object("hidden", |object| {
        let names = ["trace", "debug", "info", "warn", "error"];
        names.into_iter().zip(hidden).try_for_each(|(name, count)| object.number(name, Some(number(count))))
    })
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
