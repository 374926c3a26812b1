//! Jobs and their runs as lines for people.

use std::io;
use std::path::Path;

use spanlake_lake::runs::{INTERRUPTED, Tally};
use spanlake_query::runs::{RunFilter, RunRow, SessionLog, SessionState, duration_us};

use super::mark::Mark;
use super::strip::Strips;
use super::table::{Widths, some_bytes, stage};
use crate::line::{BOLD, DIM, LOST, Line, PLAIN};
use crate::place;
use crate::screen::Screen;
use crate::tree::record::error_lines;
use crate::words;

/// Prints jobs.
pub(super) struct Printer<'a> {
    screen: &'a mut Screen,
    filter: &'a RunFilter,
    lake: &'a Path,
    widths: Widths,
    counts: Counts,
    jobs: u64,
    left_behind: u64,
}

/// How many runs stand how.
#[derive(Default)]
struct Counts([u64; Mark::ALL.len()]);

// === impl Printer ===

impl<'a> Printer<'a> {
    pub(super) fn new(screen: &'a mut Screen, filter: &'a RunFilter, lake: &'a Path) -> Self {
        let (widths, counts) = (Widths::new(stage), Counts::default());
        Self { screen, filter, lake, widths, counts, jobs: 0, left_behind: 0 }
    }

    /// Prints jobs whose columns are to be of one width. Columns of those before are never wider.
    pub(super) fn put(&mut self, sessions: &[SessionLog]) -> io::Result<()> {
        let filter = self.filter;
        let shown = sessions.iter().flat_map(|session| &session.runs).filter(|run| filter.admits(run));
        shown.for_each(|run| self.widths.fit(run));
        sessions.iter().try_for_each(|session| self.session(session))
    }

    fn session(&mut self, session: &SessionLog) -> io::Result<()> {
        if self.jobs > 0 {
            self.screen.line(&Line::new())?;
        }
        self.jobs += 1;
        self.left_behind += u64::from(session.state == SessionState::LeftBehind);
        self.screen.line(&head(session))?;
        error_of(session).into_iter().try_for_each(|line| self.screen.line(&line))?;
        let shown: Vec<&RunRow> = session.runs.iter().filter(|run| self.filter.admits(run)).collect();
        self.screen.line(&totals(session, shown.len()))?;
        let last = shown.len().saturating_sub(1);
        for (at, run) in shown.into_iter().enumerate() {
            self.counts.add(run);
            self.run(run, at == last)?;
        }
        Ok(())
    }

    fn run(&mut self, run: &RunRow, is_last: bool) -> io::Result<()> {
        let (joint, below) = if is_last { ("└─", "  │ ") } else { ("├─", "│ │ ") };
        let mut line = Line::new();
        line.put(DIM, joint);
        self.widths.put(&mut line, run);
        self.screen.line(&line)?;
        why(run, self.lake, below).into_iter().try_for_each(|line| self.screen.line(&line))
    }

    /// The strips, unless there is but one session, and all of it in numbers; `older` jobs were not looked at.
    pub(super) fn end(&mut self, strips: &Strips, strips_only: bool, older: usize) -> io::Result<()> {
        if strips_only && !strips.is_empty() {
            return strips.put(self.screen);
        }
        if self.jobs > 0 && strips.sessions() > 1 {
            self.screen.line(&Line::new())?;
            strips.put(self.screen)?;
        }
        if self.jobs > 0 {
            self.screen.line(&Line::new())?;
        }
        self.screen.line(&self.foot(older))?;
        if self.left_behind > 0 { self.screen.line(&self.left_behind()) } else { Ok(()) }
    }

    fn foot(&self, older: usize) -> Line {
        let mut line = Line::new();
        line.hang("  ");
        if self.jobs == 0 {
            line.put(PLAIN, "no runs");
        } else {
            line.put(PLAIN, words::counted(self.jobs, "job")).put(DIM, " · ");
            self.counts.put(&mut line);
        }
        if older > 0 {
            line.put(DIM, format_args!(" · {} with --all", words::counted(older as u64, "older job")));
        }
        line
    }

    /// How what was left behind is closed.
    fn left_behind(&self) -> Line {
        let mut line = Line::new();
        line.put(LOST, format_args!("{} left behind", words::counted(self.left_behind, "job")));
        line.put(DIM, ", closed by  ").data(PLAIN, &place::recover_command(self.lake)).keep();
        line
    }
}

// === the lines of a job ===

/// Mark, job, time and state, and the name that it is found by.
pub(super) fn head(session: &SessionLog) -> Line {
    let (mark, job) = (Mark::of_job(session), &session.job);
    let mut line = Line::new();
    let id = job.job_id.as_deref().unwrap_or(session.stem.job_id());
    line.put(mark.style(), mark.as_char()).put(PLAIN, " ").data(BOLD, id);
    if session.state == SessionState::Finished
        && let Some(took_us) = duration_us(job.duration_seconds)
    {
        line.put(PLAIN, format_args!("  {}", words::duration(took_us)));
    }
    if mark != Mark::Succeeded {
        let is_left = session.state == SessionState::LeftBehind;
        line.put(PLAIN, "  ").put(mark.style(), if is_left { session.state.as_str() } else { mark.word() });
    }
    line.put(DIM, format_args!("  {}", session.stem));
    if let Some(start_us) = job.start_time.or(session.stem.start_us()) {
        line.put(DIM, format_args!("  {} {}", words::date(start_us), &words::time_of_day(start_us)[..8]));
    }
    if let Some(open) = &session.open {
        line.put(DIM, format_args!("  last heard of {}", &words::time_of_day(open.heard_us)[..8]));
        line.put(DIM, "  on ").data(DIM, &open.host).put(DIM, format_args!("  pid {}", open.pid));
    }
    line
}

/// The error of a job, where it says more than its runs and its mark do.
fn error_of(session: &SessionLog) -> Vec<Line> {
    let mut tally = Tally::default();
    session.runs.iter().for_each(|run| tally.add(run));
    let of_runs = tally.error_text();
    let error = session.job.error_message.as_deref();
    let says_more = |error: &&str| *error != INTERRUPTED && Some(*error) != of_runs.as_deref();
    error.filter(says_more).map(|error| error_lines("│ ", error, None, None)).unwrap_or_default()
}

/// `│ 4 runs: 3 succeeded, 1 failed · 1,209,000 → 1,203,992 rows`, and how many runs are not shown.
fn totals(session: &SessionLog, shown: usize) -> Line {
    let (job, mut counts) = (&session.job, Counts::default());
    session.runs.iter().for_each(|run| counts.add(run));
    let mut line = Line::new();
    line.put(DIM, if shown > 0 { "│ " } else { "  " });
    counts.put(&mut line);
    let number = |number: Option<i64>| number.unwrap_or(0);
    let (read, written) = (number(job.total_rows_read), number(job.total_rows_written));
    if (read, written) != (0, 0) {
        line.put(DIM, " · ").put(PLAIN, words::signed(read)).put(DIM, " → ");
        line.put(PLAIN, format_args!("{} rows", words::signed(written)));
    }
    for (bytes, sign) in [(job.total_bytes_added, '+'), (job.total_bytes_removed, '-')] {
        if let Some(bytes) = some_bytes(bytes) {
            line.put(DIM, " · ").put(PLAIN, format_args!("{sign}{}", words::bytes(bytes)));
        }
    }
    let more = (session.runs.len() - shown) as u64;
    if more > 0 {
        line.put(DIM, format_args!("  (+{})", words::counted(more, "run")));
    }
    line
}

/// Why a run failed, and where to look next.
pub(super) fn why(run: &RunRow, lake: &Path, strokes: &str) -> Vec<Line> {
    if Mark::of(run) != Mark::Failed && Mark::of(run) != Mark::Interrupted {
        return Vec::new();
    }
    let error = run.error_message.as_deref().filter(|error| *error != INTERRUPTED);
    let mut lines = error.map(|error| error_lines(strokes, error, None, None)).unwrap_or_default();
    if let Some(command) = run.task_key.as_deref().and_then(|key| place::tree_command(lake, key)) {
        let mut line = Line::new();
        line.put(DIM, strokes).data(DIM, &command).keep();
        lines.push(line);
    }
    lines
}

// === impl Counts ===

impl Counts {
    fn add(&mut self, run: &RunRow) {
        self.0[Mark::of(run) as usize] += 1;
    }

    /// `4 runs: 3 succeeded, 1 failed`
    fn put(&self, line: &mut Line) {
        line.put(PLAIN, words::counted(self.0.iter().sum(), "run"));
        let mut before = ": ";
        for mark in Mark::ALL {
            let count = self.0[mark as usize];
            if count > 0 {
                line.put(DIM, before).put(mark.style(), format_args!("{} {}", words::count(count), mark.word()));
                before = ", ";
            }
        }
    }
}
