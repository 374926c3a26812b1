//! The names under which records tell of observed objects: which object was asked, and inside which a record stands.
//!
//! A *dump* is a record with an object's values: its fields beside the names here are `<group>.<name>`.

use crate::record::{Kind, Record};
use crate::value::Value;

/// What all the names here begin with. Text renderings leave such fields out, as the message says the same.
pub const PREFIX: &str = "observed.";

/// The object's name.
pub const OBJECT: &str = "observed.object";

/// The object's type; only a dump has it.
pub const TYPE: &str = "observed.type";

/// What the object was doing.
pub const METHOD: &str = "observed.method";

/// [`ENTER`] or [`EXIT`].
pub const PHASE: &str = "observed.phase";

/// The value of [`PHASE`] before the object's work.
pub const ENTER: &str = "enter";

/// The value of [`PHASE`] behind it.
pub const EXIT: &str = "exit";

/// Which piece of work it was: a number that no other one of the process has. All records of the piece have it, so that the two
/// dumps of an object find each other, also where it is at work within its own work, or on two threads.
pub const CALL: &str = "observed.call";

/// Of the line that an object enters or exits: how many observed objects are at work there, itself included.
pub const DEPTH: &str = "observed.depth";

/// The objects that a record stands in, as a list of their names, the outermost first. Events below `INFO` have it as a
/// field of their own, and tasks below `INFO` in their context, which their begin and end go by.
pub const WITHIN: &str = "observed.within";

/// The time of the innermost of them that has a clock.
pub const TIME: &str = "observed.time";

/// The field by which values come through `tracing` whose names no callsite knows; no record has it, but them.
pub const VALUES: &str = "observed.values";

/// Whether the record is a dump: looked up among the names of its callsite, which costs less than reading its fields.
pub fn is_dump(record: &Record<'_>) -> bool {
    record.kind == Kind::Event && record.callsite.is_some_and(|callsite| callsite.fields.contains(&TYPE))
}

/// Whether the record stands in an object whose name `is_meant`.
pub fn is_within(record: &Record<'_>, mut is_meant: impl FnMut(&str) -> bool) -> bool {
    let mut found = false;
    let mut look = |name: &str, value: &Value<'_>| {
        if let (WITHIN, Value::List(names)) = (name, value) {
            found |= names.iter().any(|name| matches!(name, Value::Text(name) if is_meant(name)));
        }
    };
    each_field(record, &mut look);
    found
}

/// The time of the innermost object that the record stands in.
pub fn time(record: &Record<'_>) -> Option<f64> {
    let mut time = None;
    let mut look = |name: &str, value: &Value<'_>| {
        if let (TIME, Value::F64(value)) = (name, value) {
            time = Some(*value);
        }
    };
    each_field(record, &mut look);
    time
}

/// Whether an outermost observed object begins its work with this record, the line that it enters.
pub fn starts_run(record: &Record<'_>) -> bool {
    if record.kind != Kind::Event || !record.callsite.is_some_and(|callsite| callsite.fields.contains(&DEPTH)) {
        return false;
    }
    let (mut is_outermost, mut enters) = (false, false);
    record.fields.for_each(|name, value| match (name, value) {
        (DEPTH, Value::U64(depth)) => is_outermost = *depth == 1,
        (PHASE, Value::Text(phase)) => enters = phase == ENTER,
        _ => {}
    });
    is_outermost && enters
}

/// The fields that say where a record stands: its own, or of a begin and an end, those of the task. An event does not go by
/// its task, which may have begun in an object that has exited since.
fn each_field(record: &Record<'_>, each: &mut dyn FnMut(&str, &Value<'_>)) {
    match (record.kind, record.task.as_deref()) {
        (Kind::Begin | Kind::End, Some(task)) => task.context.iter().for_each(|field| each(&field.name, &field.value)),
        _ => record.fields.for_each(each),
    }
}
