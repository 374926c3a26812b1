//! The names under which records tell of observed objects: which object was asked, and inside which a record stands.
//!
//! A *dump* is a record with an object's values: its fields beside the names here are `<group>.<name>`.

use crate::record::{Kind, Record};
use crate::value::{Field, Value};

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

/// Of the line that an object enters or exits: how many observed objects are at work there, itself included.
pub const DEPTH: &str = "observed.depth";

/// The objects that a record stands in, as a list of their names, the outermost first. Records below `INFO` have it as a
/// field of their own, and tasks that begin in an object in their context.
pub const WITHIN: &str = "observed.within";

/// The time of the innermost of them that has a clock.
pub const TIME: &str = "observed.time";

/// The field by which values come through `tracing` whose names no callsite knows; no record has it, but them.
pub const VALUES: &str = "observed.values";

/// Whether the record is a dump: looked up among the names of its callsite, which costs less than reading its fields.
pub fn is_dump(record: &Record<'_>) -> bool {
    record.kind == Kind::Event && record.callsite.is_some_and(|callsite| callsite.fields.contains(&TYPE))
}

/// Whether the record, or its task by its context, stands in an object whose name `is_meant`.
pub fn is_within(record: &Record<'_>, mut is_meant: impl FnMut(&str) -> bool) -> bool {
    let mut found = false;
    let mut look = |name: &str, value: &Value<'_>| {
        if let (WITHIN, Value::List(names)) = (name, value) {
            found |= names.iter().any(|name| matches!(name, Value::Text(name) if is_meant(name)));
        }
    };
    record.fields.for_each(&mut look);
    context(record).iter().for_each(|field| look(&field.name, &field.value));
    found
}

/// The time of the innermost object that the record, or else its task, stands in.
pub fn time(record: &Record<'_>) -> Option<f64> {
    let mut time = None;
    let mut look = |name: &str, value: &Value<'_>| {
        if let (TIME, Value::F64(value)) = (name, value) {
            time = Some(*value);
        }
    };
    context(record).iter().for_each(|field| look(&field.name, &field.value));
    record.fields.for_each(look);
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

fn context<'a>(record: &'a Record<'_>) -> &'a [Field<'a>] {
    record.task.map_or(&[], |task| &task.context)
}
