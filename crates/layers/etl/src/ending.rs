//! How a run ends: the rules for its status, and the columns that follow from others.

use spanlake_core::Outcome;
use spanlake_lake::runs::{Cell, ETL, REPLAY, Row, RunRow, RunStatus};

use crate::chunks::Chunks;
use crate::told::{MAX_TEXT_BYTES, cut};

/// How the task of a run, or of a phase, ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) outcome: Option<Outcome>,
    /// The error and its causes, outermost first.
    pub(crate) error: Vec<String>,
}

/// What stands for an error that nobody gave.
const FAILED: &str = "failed";

impl Ended {
    /// The error's chain, when it ended in any way but well.
    pub(crate) fn failure(&self) -> Option<String> {
        match self.outcome? {
            Outcome::Succeeded => None,
            outcome if self.error.is_empty() => {
                Some(if outcome == Outcome::Failed { FAILED.to_owned() } else { outcome.as_str().to_owned() })
            }
            _ => Some(self.error.join(": ")),
        }
    }
}

/// Settles status and error. The first of these that holds: its task, a phase, or a chunk of a replay failed; it was told
/// to be skipped, or there was nothing to do; else it succeeded.
pub(crate) fn settle(row: &mut RunRow, task: Ended, phase: Option<&str>, chunks: &Chunks, is_skipped: bool) {
    let is_replay = row.operation_type.as_deref() == Some(REPLAY);
    let of_chunks = || if is_replay { chunks.failure() } else { None };
    let failure = task.failure().or_else(|| phase.map(str::to_owned)).or_else(of_chunks);
    let all_skipped = is_replay && chunks.all_skipped();
    let status = match &failure {
        Some(_) => RunStatus::Failed,
        None if is_skipped || all_skipped || has_read_nothing(row) => RunStatus::Skipped,
        None => RunStatus::Succeeded,
    };
    row.error_message = failure;
    row.status = Some(status.as_str().to_owned());
}

/// Fills in what follows from other columns: whole names of tables, and bytes saved.
pub(crate) fn complete(row: &mut RunRow) {
    let source = [&row.source_catalog, &row.source_database, &row.source_schema, &row.source_table];
    let source = full_table(source);
    let destination =
        [&row.destination_catalog, &row.destination_database, &row.destination_schema, &row.destination_table];
    let destination = full_table(destination);
    row.source_full_table = row.source_full_table.take().or(source);
    row.destination_full_table = row.destination_full_table.take().or(destination);
    if row.destination_bytes_added.is_some() || row.destination_bytes_removed.is_some() {
        let (added, removed) = (row.destination_bytes_added.unwrap_or(0), row.destination_bytes_removed.unwrap_or(0));
        row.destination_bytes_saved = Some(removed.saturating_sub(added).max(0));
    }
}

/// A row that was made by hand, with what it lacks.
pub(crate) fn complete_by_hand(row: &mut RunRow) {
    cut_texts(row);
    row.status = row.known_status().map(|status| status.as_str().to_owned());
    row.operation_type.get_or_insert_with(|| ETL.to_owned());
    row.retry_attempts.get_or_insert(0);
    complete(row);
    if row.duration_seconds.is_none()
        && let (Some(start_us), Some(end_us)) = (row.start_time, row.end_time)
    {
        row.duration_seconds = Some(end_us.saturating_sub(start_us).max(0) as f64 / 1e6);
    }
    if row.status.is_none() {
        let status = match &row.error_message {
            Some(_) => RunStatus::Failed,
            None if has_read_nothing(row) => RunStatus::Skipped,
            None => RunStatus::Succeeded,
        };
        row.status = Some(status.as_str().to_owned());
    }
}

fn cut_texts(row: &mut RunRow) {
    let (mut at, mut long) = (0, Vec::new());
    row.each(|cell| {
        if let Some(Cell::Text(text)) = cell
            && text.len() > MAX_TEXT_BYTES
        {
            long.push((RunRow::COLUMNS[at].name, cut(text)));
        }
        at += 1;
    });
    for (column, text) in long {
        row.set(column, Cell::Text(&text));
    }
}

fn has_read_nothing(row: &RunRow) -> bool {
    row.operation_type.as_deref() == Some(ETL) && row.source_rows_read == Some(0)
}

/// The parts that there are, each in back-ticks, with dots between them.
fn full_table(parts: [&Option<String>; 4]) -> Option<String> {
    let quoted = |part: &String| format!("`{}`", part.replace('`', "``"));
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).map(quoted).collect();
    if parts.is_empty() { None } else { Some(parts.join(".")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_quoted_with_dots_between_their_parts() {
        let some = |text: &str| Some(text.to_owned());
        let table = [
            ([some("main"), None, some("sales"), some("orders")], some("`main`.`sales`.`orders`")),
            ([None, None, None, some("a`b")], some("`a``b`")),
            ([some(""), None, None, None], None),
        ];
        for (parts, expected) in table {
            assert_eq!(full_table([&parts[0], &parts[1], &parts[2], &parts[3]]), expected);
        }
    }
}
