//! What differs, as one JSON document.
//!
//! `{"a": {…}, "b": {…}, "changes": [{"change", "dataflow_name", …, "before": {…}, "after": {…}}], "summary": {…}}`.
//! `before` and `after` have the columns that are compared, under their own names, and are null where there is no run.

use std::io::{self, Write};

use spanlake_core::render::time::format_us;
use spanlake_query::runs::{ChangeKind, RunChange, RunDiff, RunRow};

use super::Found;
use crate::json::Object;

pub(super) fn put(out: &mut dyn Write, [first, second]: [&Found; 2], diff: &RunDiff<'_>) -> io::Result<()> {
    let mut document = Object::begin(out)?;
    document.object("a", |object| put_session(object, first))?;
    document.object("b", |object| put_session(object, second))?;
    document.list("changes", diff.changes.iter(), put_change)?;
    document.object("summary", |object| {
        for (name, kind) in NAMES {
            object.number(name, Some(diff.count(kind) as i64))?;
        }
        object.number("unchanged", Some(diff.unchanged as i64))
    })?;
    document.end()?;
    out.write_all(b"\n")
}

/// What changes are called, in the order in which they matter.
const NAMES: [(&str, ChangeKind); 9] = [
    ("newly_failed", ChangeKind::NewlyFailed),
    ("still_failed", ChangeKind::StillFailed),
    ("only_in_a", ChangeKind::OnlyBefore),
    ("other_status", ChangeKind::OtherStatus),
    ("slower", ChangeKind::Slower),
    ("other_rows", ChangeKind::OtherRows),
    ("only_in_b", ChangeKind::OnlyAfter),
    ("recovered", ChangeKind::Recovered),
    ("faster", ChangeKind::Faster),
];

fn put_session(object: &mut Object<'_>, found: &Found) -> io::Result<()> {
    let (session, job) = (&found.session, &found.session.job);
    object.text("lake", Some(&found.lake.to_string_lossy()))?;
    object.text("session", Some(session.stem.as_str()))?;
    object.text("state", Some(session.state.as_str()))?;
    object.text("job_id", job.job_id.as_deref())?;
    object.text("start_time", job.start_time.map(format_us).as_deref())?;
    object.text("status", job.status.as_deref())?;
    object.text("error_message", job.error_message.as_deref())?;
    object.float("duration_seconds", job.duration_seconds)?;
    object.number("total_dataflows", job.total_dataflows)?;
    object.number("total_failed", job.total_failed)?;
    object.number("total_rows_read", job.total_rows_read)?;
    object.number("total_rows_written", job.total_rows_written)
}

fn put_change(object: &mut Object<'_>, change: &RunChange<'_>) -> io::Result<()> {
    let name = NAMES.iter().find(|(_, kind)| *kind == change.kind()).map(|(name, _)| *name);
    object.text("change", name)?;
    object.text("dataflow_name", change.run.dataflow_name.as_deref())?;
    object.text("dataflow_id", change.run.dataflow_id.as_deref())?;
    object.text("stage", change.run.stage.as_deref())?;
    object.text("operation_type", change.run.operation_type.as_deref())?;
    put_run(object, "before", change.before)?;
    put_run(object, "after", change.after)
}

fn put_run(object: &mut Object<'_>, name: &str, run: Option<&RunRow>) -> io::Result<()> {
    let Some(run) = run else { return object.text(name, None) };
    object.object(name, |object| {
        object.text("status", run.status.as_deref())?;
        object.text("error_message", run.error_message.as_deref())?;
        object.float("duration_seconds", run.duration_seconds)?;
        object.number("source_rows_read", run.source_rows_read)?;
        object.number("destination_rows_written", run.destination_rows_written)?;
        object.text("task_key", run.task_key.as_deref())
    })
}
