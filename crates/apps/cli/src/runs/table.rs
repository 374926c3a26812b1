//! The line of a run, in columns that fit all runs that are shown together.

use spanlake_lake::runs::ETL;
use spanlake_query::runs::{RunRow, duration_us};

use super::mark::Mark;
use crate::line::{BOLD, DIM, Line, PLAIN, WARN, data_columns};
use crate::words;

/// Widest columns; what is wider moves the rest of its own line only.
pub(super) const MAX_NAME: usize = 32;
pub(super) const MAX_PLACE: usize = 24;

/// How wide the columns are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Widths {
    /// What stands in the column behind the name.
    place_of: fn(&RunRow) -> String,
    name: usize,
    place: usize,
    read: usize,
    written: usize,
    bytes: usize,
    duration: usize,
}

/// What stands in the columns of a run.
struct Cells {
    name: String,
    place: String,
    read: String,
    written: String,
    bytes: String,
    duration: String,
}

// === impl Widths ===

impl Widths {
    /// No columns yet. Behind the name stands what `place_of` says of a run.
    pub(super) fn new(place_of: fn(&RunRow) -> String) -> Self {
        Self { place_of, name: 0, place: 0, read: 0, written: 0, bytes: 0, duration: 0 }
    }

    /// Makes room for a run.
    pub(super) fn fit(&mut self, run: &RunRow) {
        let cells = self.cells(run);
        let fit = |width: &mut usize, text: &str, most: usize| *width = (*width).max(data_columns(text).min(most));
        fit(&mut self.name, &cells.name, MAX_NAME);
        fit(&mut self.place, &cells.place, MAX_PLACE);
        fit(&mut self.read, &cells.read, usize::MAX);
        fit(&mut self.written, &cells.written, usize::MAX);
        fit(&mut self.bytes, &cells.bytes, usize::MAX);
        fit(&mut self.duration, &cells.duration, usize::MAX);
    }

    /// Puts mark, name and place of a run.
    pub(super) fn put_name(&self, line: &mut Line, run: &RunRow) {
        let mark = Mark::of(run);
        line.put(mark.style(), mark.as_char()).put(PLAIN, " ").column(BOLD, name(run), self.name);
        if self.place > 0 {
            line.put(PLAIN, "  ").column(DIM, &(self.place_of)(run), self.place);
        }
    }

    /// Puts all columns of a run, and behind them what only some runs have.
    pub(super) fn put(&self, line: &mut Line, run: &RunRow) {
        let cells = self.cells(run);
        self.put_name(line, run);
        self.put_rows(line, &cells);
        put_right(line, &cells.bytes, self.bytes);
        put_right(line, &cells.duration, self.duration);
        put_more(line, run);
    }

    fn cells(&self, run: &RunRow) -> Cells {
        let number = |number: Option<i64>| number.map(words::signed).unwrap_or_default();
        Cells {
            name: name(run).to_owned(),
            place: (self.place_of)(run),
            read: number(run.source_rows_read),
            written: number(run.destination_rows_written),
            bytes: some_bytes(run.destination_bytes_added)
                .map(|bytes| format!("+{}", words::bytes(bytes)))
                .unwrap_or_default(),
            duration: duration_us(run.duration_seconds).map(words::duration).unwrap_or_default(),
        }
    }

    /// `1,204,000 → 1,203,992`
    fn put_rows(&self, line: &mut Line, cells: &Cells) {
        if self.read + self.written == 0 {
            return;
        }
        let arrow = if cells.read.is_empty() && cells.written.is_empty() { "   " } else { " → " };
        line.put(PLAIN, format_args!("  {:>width$}", cells.read, width = self.read)).put(DIM, arrow);
        line.put(PLAIN, format_args!("{:>width$}", cells.written, width = self.written));
    }
}

fn put_right(line: &mut Line, text: &str, width: usize) {
    if width > 0 {
        line.put(PLAIN, format_args!("  {text:>width$}"));
    }
}

/// Puts what only some runs have.
fn put_more(line: &mut Line, run: &RunRow) {
    let mark = Mark::of(run);
    if mark != Mark::Succeeded {
        line.put(PLAIN, "  ").put(mark.style(), mark.word());
    }
    if let Some(operation) = operation(run) {
        line.put(PLAIN, "  ").data(DIM, operation);
    }
    let retries = run.retry_attempts.unwrap_or(0);
    if retries > 0 {
        let noun = if retries == 1 { "retry" } else { "retries" };
        line.put(PLAIN, "  ").put(WARN, format_args!("{} {noun}", words::signed(retries)));
    }
    if let Some(removed) = some_bytes(run.destination_bytes_removed) {
        line.put(DIM, format_args!("  -{}", words::bytes(removed)));
    }
}

/// Bytes, if there are any.
pub(super) fn some_bytes(bytes: Option<i64>) -> Option<u64> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0)
}

/// What the dataflow is called.
pub(super) fn name(run: &RunRow) -> &str {
    let names = [&run.dataflow_name, &run.dataflow_id];
    names.into_iter().flatten().find(|name| !name.is_empty()).map_or("(no name)", String::as_str)
}

/// The stage.
pub(super) fn stage(run: &RunRow) -> String {
    run.stage.clone().unwrap_or_default()
}

/// `bronze`, `maintenance`, `silver, replay`: the stage and the operation, which with the name tell a run from others.
pub(super) fn place(run: &RunRow) -> String {
    let parts = [run.stage.as_deref().filter(|stage| !stage.is_empty()), operation(run)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The operation, where it is not the usual one.
fn operation(run: &RunRow) -> Option<&str> {
    run.operation_type.as_deref().filter(|operation| !operation.is_empty() && *operation != ETL)
}
