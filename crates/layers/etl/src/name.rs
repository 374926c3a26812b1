//! Where what is told goes: names behind `etl.` and the columns that they mean.
//!
//! A name means the first of these that there is:
//!
//! 1. a counter, such as `rows_read`;
//! 2. inside a phase, the phase's column: `table` in `source` is `source_table`;
//! 3. a column by its own name, or by one that is shorter: `operation` is `operation_type`;
//! 4. a key of the JSON column for what has none: the phase's, such as `source_configure`, or `configure`.
//!
//! Columns that are found out, such as times and states, are not to be told; such a name goes to the fourth.

use spanlake_lake::runs::{Column, Row, RunRow};

use crate::counter::Counter;
use crate::phase::Phase;

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Counter(Counter),
    Column(&'static Column),
    /// The JSON column of a phase, or of the run.
    Configure(Option<Phase>),
}

/// The field that makes a span a run, and its name that of the dataflow.
pub(crate) const DATAFLOW: &str = "dataflow";

/// The field that makes a span a phase.
pub(crate) const PHASE: &str = "phase";

/// The field that makes a span an attempt; on a run's own span, which attempt the whole run is.
pub(crate) const ATTEMPT: &str = "attempt";

/// The column for what has no other, of a phase or of the run.
pub(crate) const CONFIGURE: &str = "configure";

/// Shorter names of columns.
const SHORTER: [(&str, &str); 4] = [
    (DATAFLOW, "dataflow_name"),
    ("description", "dataflow_description"),
    ("operation", "operation_type"),
    ("run_id", "dataflow_run_id"),
];

/// Ends of columns that are found out and not told.
const FOUND_OUT: [&str; 7] =
    ["_time", "_seconds", "status", "error_message", "task_key", "retry_attempts", "bytes_saved"];

/// Where a value of this name goes, told inside `phase` or outside any.
pub(crate) fn place(name: &str, phase: Option<Phase>) -> Place {
    if let Some(counter) = Counter::named(name) {
        return Place::Counter(counter);
    }
    let short = SHORTER.iter().find(|(short, _)| *short == name).map_or(name, |(_, column)| column);
    let of_phase = phase.and_then(|phase| find(|column| is_of_phase(column, phase, name)));
    match of_phase.or_else(|| find(|column| column == short)) {
        Some(column) => configure(column.name).map_or(Place::Column(column), Place::Configure),
        None => Place::Configure(phase),
    }
}

/// The JSON columns, each with the phase that it is of.
fn configure(column: &str) -> Option<Option<Phase>> {
    let is_of = |phase: &&Phase| column.strip_prefix(phase.as_str()) == Some("_configure");
    match Phase::ALL.iter().find(is_of) {
        Some(phase) => Some(Some(*phase)),
        None => (column == CONFIGURE).then_some(None),
    }
}

fn find(is: impl Fn(&str) -> bool) -> Option<&'static Column> {
    RunRow::COLUMNS[1..].iter().find(|column| is(column.name) && !is_found_out(column.name))
}

fn is_of_phase(column: &str, phase: Phase, name: &str) -> bool {
    column.strip_prefix(phase.as_str()).and_then(|rest| rest.strip_prefix('_')) == Some(name)
}

fn is_found_out(column: &str) -> bool {
    FOUND_OUT.iter().any(|end| column.ends_with(end)) || column == "job_id"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Place {
        Place::Column(RunRow::COLUMNS.iter().find(|column| column.name == name).expect("a column"))
    }

    #[test]
    fn names_mean_counters_then_columns_then_keys_of_json() {
        let (source, destination) = (Some(Phase::Source), Some(Phase::Destination));
        let table = [
            ("rows_read", None, Place::Counter(Counter::RowsRead)),
            ("source_rows_read", destination, Place::Counter(Counter::RowsRead)),
            ("destination_bytes_added", None, Place::Counter(Counter::BytesAdded)),
            ("table", source, column("source_table")),
            ("table", destination, column("destination_table")),
            ("source_table", destination, column("source_table")),
            ("table", None, Place::Configure(None)),
            ("table", Some(Phase::Transform), Place::Configure(Some(Phase::Transform))),
            ("dataflow", None, column("dataflow_name")),
            ("operation", None, column("operation_type")),
            ("operation_type", destination, column("destination_operation_type")),
            ("stage", source, column("stage")),
            ("watermark_after", source, column("source_watermark_after")),
            ("configure", None, Place::Configure(None)),
            ("configure", source, Place::Configure(source)),
            ("source_configure", None, Place::Configure(source)),
            ("status", None, Place::Configure(None)),
            ("start_time", source, Place::Configure(source)),
            ("job_id", None, Place::Configure(None)),
            ("_type", None, Place::Configure(None)),
        ];
        for (name, phase, expected) in table {
            assert_eq!(place(name, phase), expected, "{name} in {phase:?}");
        }
    }
}
