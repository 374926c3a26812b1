//! What a test recorded as text that is the same each time: no times, no durations, no random keys.

use std::fmt::Write;

use serde_json::{Map, Value};
use spanlake_core::{Kind, OwnedRecord, TaskKey};

/// The records below `root`, task by task: `> message` at a begin, `LEVEL message {fields}` for an event, `< name outcome` at
/// an end. A task stands where it began in the one above.
pub(crate) fn render(records: &[OwnedRecord], root: &TaskKey) -> String {
    let mut text = String::new();
    put_task(&mut text, records, root, 0);
    text
}

fn put_task(text: &mut String, records: &[OwnedRecord], task: &TaskKey, depth: usize) {
    let of = |record: &&OwnedRecord| record.key.as_ref().is_some_and(|key| key.task == *task);
    let mut own: Vec<&OwnedRecord> = records.iter().filter(of).collect();
    own.sort_by_key(|record| record.key.as_ref().map(|key| key.seq));
    let mut below = begins_below(records, task).into_iter().peekable();
    let is_root = depth == 0;
    for record in own {
        while let Some((_, child)) = below.next_if(|(began, _)| record.kind == Kind::End || *began < record.ts_us) {
            put_task(text, records, child, depth + 1);
        }
        if !is_root || record.kind == Kind::Event {
            put_record(text, records, record, depth);
        }
    }
    below.for_each(|(_, child)| put_task(text, records, child, depth + 1));
}

/// The tasks right below, as they are numbered, and when they began.
fn begins_below<'a>(records: &'a [OwnedRecord], task: &TaskKey) -> Vec<(i64, &'a TaskKey)> {
    let begins = records.iter().filter(|record| record.kind == Kind::Begin);
    let mut below: Vec<_> = begins
        .filter_map(|record| Some((record.ts_us, &record.key.as_ref()?.task)))
        .filter(|(_, key)| key.depth() == task.depth() + 1 && task.contains(key))
        .collect();
    below.sort_by_key(|(_, key)| *key);
    below
}

fn put_record(text: &mut String, records: &[OwnedRecord], record: &OwnedRecord, depth: usize) {
    let inside = usize::from(record.kind == Kind::Event);
    let indent = "  ".repeat((depth + inside).saturating_sub(1));
    let task = record.task.as_deref().unwrap_or_default();
    // Writing to a `String` cannot fail, here and below.
    let _ = match record.kind {
        Kind::Begin => writeln!(text, "{indent}> {}{}", record.message, shown(own_context(records, record))),
        Kind::End => {
            let outcome = record.outcome.map_or("", |outcome| outcome.as_str());
            let error = record.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            writeln!(text, "{indent}< {task} {outcome}{error}")
        }
        Kind::Event | Kind::Loss => {
            writeln!(text, "{indent}{} {}{}", record.level, record.message, shown(object(&record.fields)))
        }
    };
}

/// What a task's context has at its begin that the one above has not.
fn own_context(records: &[OwnedRecord], begin: &OwnedRecord) -> Map<String, Value> {
    let above = begin.key.as_ref().and_then(|key| key.task.parent());
    let of = |record: &&OwnedRecord| record.key.as_ref().map(|key| &key.task) == above.as_ref();
    let inherited = records.iter().find(of).map(|record| object(&record.context)).unwrap_or_default();
    let mut own = object(&begin.context);
    own.retain(|name, value| inherited.get(name) != Some(value));
    own
}

fn shown(fields: Map<String, Value>) -> String {
    if fields.is_empty() { String::new() } else { format!(" {}", Value::Object(fields)) }
}

/// An object of fields, as a record has it.
pub(crate) fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}
