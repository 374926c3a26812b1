//! What differs, as lines for people.

use std::io;
use std::path::Path;

use spanlake_query::runs::{ChangeKind, RunChange, RunDiff, RunRow, duration_us};

use super::Found;
use crate::line::{BAD, BOLD, BUSY, DIM, GOOD, Line, PLAIN, WARN};
use crate::runs::mark::Mark;
use crate::runs::print::{head, why};
use crate::runs::table::{Widths, place};
use crate::screen::Screen;
use crate::words;

/// The kinds that are told, in their order.
const KINDS: [ChangeKind; 9] = [
    ChangeKind::NewlyFailed,
    ChangeKind::StillFailed,
    ChangeKind::OnlyBefore,
    ChangeKind::OtherStatus,
    ChangeKind::Slower,
    ChangeKind::OtherRows,
    ChangeKind::OnlyAfter,
    ChangeKind::Recovered,
    ChangeKind::Faster,
];

pub(super) fn put(screen: &mut Screen, [first, second]: [&Found; 2], diff: &RunDiff<'_>) -> io::Result<()> {
    let is_one_lake = first.lake == second.lake;
    for (letter, found) in [("A", first), ("B", second)] {
        let mut line = Line::new();
        line.put(BOLD, letter).put(PLAIN, "  ").append(head(&found.session));
        if !is_one_lake {
            line.put(DIM, "  in ").data(DIM, &found.lake.to_string_lossy());
        }
        screen.line(&line)?;
    }
    screen.line(&Line::new())?;
    let mut widths = Widths::new(place);
    diff.changes.iter().for_each(|change| widths.fit(change.run));
    for change in &diff.changes {
        put_change(screen, change, &widths, &second.lake)?;
    }
    if !diff.changes.is_empty() {
        screen.line(&Line::new())?;
    }
    screen.line(&counts(diff))?;
    screen.line(&totals(first, second))
}

fn put_change(screen: &mut Screen, change: &RunChange<'_>, widths: &Widths, lake: &Path) -> io::Result<()> {
    let kind = change.kind();
    let mut line = Line::new();
    widths.put_name(&mut line, change.run);
    line.put(PLAIN, "  ").put(style(kind), word(kind)).hang("    ");
    put_own(&mut line, change);
    screen.line(&line)?;
    let mut more = Line::new();
    put_more(&mut more, change);
    if !more.is_empty() {
        let mut line = Line::new();
        line.put(DIM, "│ ").hang("│   ").append(more);
        screen.line(&line)?;
    }
    if matches!(kind, ChangeKind::NewlyFailed | ChangeKind::StillFailed) {
        why(change.run, lake, "│ ").into_iter().try_for_each(|line| screen.line(&line))?;
    }
    Ok(())
}

/// What the kind is named after: what it was, and what it is.
fn put_own(line: &mut Line, change: &RunChange<'_>) {
    match (change.kind(), change.before, change.after) {
        (ChangeKind::OtherStatus, Some(before), Some(after)) => put_marks(line, Mark::of(before), Mark::of(after)),
        (ChangeKind::Slower | ChangeKind::Faster, ..) => put_numbers(line, "", change.pace_us(), words::duration),
        (ChangeKind::OtherRows, ..) => {
            put_numbers(line, "read ", change.rows_read(), words::signed);
            put_numbers(line, "written ", change.rows_written(), words::signed);
        }
        (ChangeKind::OnlyBefore | ChangeKind::OnlyAfter, ..) => put_alone(line, change.run),
        _ => {}
    }
}

/// What differs besides.
fn put_more(line: &mut Line, change: &RunChange<'_>) {
    let kind = change.kind();
    if !matches!(kind, ChangeKind::Slower | ChangeKind::Faster) {
        put_numbers(line, "time ", change.pace_us(), words::duration);
    }
    if kind != ChangeKind::OtherRows {
        put_change_of(line, "read ", change.rows_read(), words::signed);
        put_change_of(line, "written ", change.rows_written(), words::signed);
    }
}

/// ` succeeded → failed`
fn put_marks(line: &mut Line, before: Mark, after: Mark) {
    line.put(PLAIN, "  ").put(before.style(), before.word()).put(DIM, " → ").put(after.style(), after.word());
}

/// `  read 500 → 700 (+200, +40 %)`
fn put_numbers(line: &mut Line, what: &str, numbers: Option<(i64, i64)>, text: fn(i64) -> String) {
    let Some((before, after)) = numbers else { return };
    put_apart(line, what);
    if before == after {
        line.put(PLAIN, text(after)).put(DIM, " as before");
        return;
    }
    line.put(PLAIN, text(before)).put(DIM, " → ").put(PLAIN, text(after));
    line.put(DIM, format_args!(" ({})", words::change(before, after, text)));
}

/// `  read +200, +40 %`
fn put_change_of(line: &mut Line, what: &str, numbers: Option<(i64, i64)>, text: fn(i64) -> String) {
    if let Some((before, after)) = numbers {
        put_apart(line, what);
        line.put(PLAIN, words::change(before, after, text));
    }
}

/// Puts what a number is of, with space before it where something stands there.
fn put_apart(line: &mut Line, what: &str) {
    let before = if line.is_empty() { "" } else { "  " };
    line.put(PLAIN, before).put(DIM, what);
}

/// What is to say of a run that has no other.
fn put_alone(line: &mut Line, run: &RunRow) {
    let mark = Mark::of(run);
    line.put(PLAIN, "  ").put(mark.style(), mark.word());
    if let Some(took_us) = duration_us(run.duration_seconds) {
        line.put(PLAIN, format_args!("  {}", words::duration(took_us)));
    }
    for (what, rows) in [("read", run.source_rows_read), ("written", run.destination_rows_written)] {
        if let Some(rows) = rows {
            line.put(PLAIN, "  ").put(DIM, format_args!("{what} ")).put(PLAIN, words::signed(rows));
        }
    }
}

/// `5 changes: 1 newly failed, 1 slower · 9 unchanged`
fn counts(diff: &RunDiff<'_>) -> Line {
    let mut line = Line::new();
    line.hang("  ");
    line.put(PLAIN, words::counted(diff.changes.len() as u64, "change"));
    let mut before = ": ";
    for kind in KINDS.into_iter().filter(|kind| diff.count(*kind) > 0) {
        line.put(DIM, before).put(style(kind), format_args!("{} {}", words::count(diff.count(kind)), word(kind)));
        before = ", ";
    }
    line.put(DIM, " · ").put(PLAIN, format_args!("{} unchanged", words::count(diff.unchanged)));
    line
}

/// What both jobs come to.
fn totals(first: &Found, second: &Found) -> Line {
    let (first, second) = (&first.session.job, &second.session.job);
    let mut line = Line::new();
    line.hang("  ").put(DIM, "total");
    let times = duration_us(first.duration_seconds).zip(duration_us(second.duration_seconds));
    put_numbers(&mut line, "time ", times, words::duration);
    put_numbers(&mut line, "read ", first.total_rows_read.zip(second.total_rows_read), words::signed);
    put_numbers(&mut line, "written ", first.total_rows_written.zip(second.total_rows_written), words::signed);
    line
}

pub(super) fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::NewlyFailed => "newly failed",
        ChangeKind::StillFailed => "still failed",
        ChangeKind::OnlyBefore => "only in A",
        ChangeKind::OtherStatus => "other status",
        ChangeKind::Slower => "slower",
        ChangeKind::OtherRows => "other rows",
        ChangeKind::OnlyAfter => "only in B",
        ChangeKind::Recovered => "recovered",
        ChangeKind::Faster => "faster",
        ChangeKind::Nothing => "unchanged",
    }
}

fn style(kind: ChangeKind) -> anstyle::Style {
    match kind {
        ChangeKind::NewlyFailed | ChangeKind::StillFailed => BAD,
        ChangeKind::OnlyBefore | ChangeKind::OtherStatus | ChangeKind::Slower | ChangeKind::OtherRows => WARN,
        ChangeKind::OnlyAfter => BUSY,
        ChangeKind::Recovered | ChangeKind::Faster => GOOD,
        ChangeKind::Nothing => PLAIN,
    }
}
