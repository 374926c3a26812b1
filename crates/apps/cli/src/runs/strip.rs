//! The last runs of each dataflow, a mark for each, and how long the last one took.

use std::collections::{HashMap, VecDeque};
use std::io;

use spanlake_query::runs::{MIN_PACE_PERCENT, MIN_PACE_US, RunFilter, RunRow, SessionLog, duration_us};

use super::mark::Mark;
use super::table::{MAX_NAME, MAX_PLACE, name, place};
use crate::line::{BOLD, DIM, GOOD, Line, PLAIN, WARN, data_columns};
use crate::screen::Screen;
use crate::words;

/// Most runs in a strip.
pub(crate) const STRIP_RUNS: usize = 30;

/// What stands on top of the strips.
const TITLE: &str = "last runs";
const SUBTITLE: &str = ", oldest to newest";

/// The strips of all dataflows, in the order in which they were met.
#[derive(Default)]
pub(super) struct Strips {
    strips: Vec<Strip>,
    numbers: HashMap<(String, String), usize>,
    sessions: usize,
}

/// The last runs of a dataflow, the oldest first.
struct Strip {
    name: String,
    place: String,
    runs: VecDeque<(Mark, Option<i64>)>,
}

// === impl Strips ===

impl Strips {
    /// Takes the wanted runs of a session that began before those that were added before it.
    pub(super) fn add(&mut self, session: &SessionLog, filter: &RunFilter) {
        self.sessions += 1;
        let wanted: Vec<&RunRow> = session.runs.iter().filter(|run| filter.admits(run)).collect();
        // Met in their order, and added from the last one back.
        let numbers: Vec<usize> = wanted.iter().map(|run| self.number(run)).collect();
        numbers.into_iter().zip(wanted).rev().for_each(|(number, run)| self.strips[number].add(run));
    }

    /// Which strip a run belongs to.
    fn number(&mut self, run: &RunRow) -> usize {
        let (name, place) = (name(run).to_owned(), place(run));
        let next = self.strips.len();
        let number = *self.numbers.entry((name.clone(), place.clone())).or_insert(next);
        if number == next {
            self.strips.push(Strip { name, place, runs: VecDeque::new() });
        }
        number
    }

    pub(super) fn is_empty(&self) -> bool {
        self.strips.is_empty()
    }

    /// How many sessions were added.
    pub(super) fn sessions(&self) -> usize {
        self.sessions
    }

    pub(super) fn put(&self, screen: &mut Screen) -> io::Result<()> {
        let widest = |text: fn(&Strip) -> &str, most: usize| {
            self.strips.iter().map(|strip| data_columns(text(strip)).min(most)).max().unwrap_or(0)
        };
        let (name, place) = (widest(|strip| &strip.name, MAX_NAME), widest(|strip| &strip.place, MAX_PLACE));
        let before = name + 2 + if place > 0 { place + 2 } else { 0 };
        let runs = self.strips.iter().map(|strip| strip.runs.len()).max().unwrap_or(0);
        // The times stand below their heads, also where strips are short.
        let runs = runs.max((TITLE.len() + SUBTITLE.len()).saturating_sub(before));
        let mut head = Line::new();
        let width = before + runs - TITLE.len();
        head.put(BOLD, TITLE).put(DIM, format_args!("{SUBTITLE:<width$}  {:>7}  {:>7}", "last", "median"));
        screen.line(&head)?;
        self.strips.iter().try_for_each(|strip| screen.line(&strip.line(name, place, runs)))
    }
}

// === impl Strip ===

impl Strip {
    fn add(&mut self, run: &RunRow) {
        if self.runs.len() < STRIP_RUNS {
            self.runs.push_front((Mark::of(run), duration_us(run.duration_seconds)));
        }
    }

    fn line(&self, name: usize, place: usize, runs: usize) -> Line {
        let mut line = Line::new();
        line.column(PLAIN, &self.name, name);
        if place > 0 {
            line.put(PLAIN, "  ").column(DIM, &self.place, place);
        }
        // The newest ones stand below each other.
        line.put(PLAIN, " ".repeat(2 + runs - self.runs.len()));
        for (mark, _) in &self.runs {
            line.put(mark.style(), mark.as_char());
        }
        self.put_times(&mut line);
        line
    }

    fn put_times(&self, line: &mut Line) {
        let Some((last_us, median_us)) = self.times_us() else { return };
        line.put(PLAIN, format_args!("  {:>7}", words::duration(last_us)));
        let Some(median_us) = median_us else { return };
        line.put(DIM, format_args!("  {:>7}", words::duration(median_us)));
        let style = if last_us > median_us { WARN } else { GOOD };
        let percent = words::percent(median_us, last_us).filter(|_| is_far(last_us, median_us));
        if let Some(percent) = percent {
            line.put(PLAIN, "  ").put(style, percent);
        }
    }

    /// How long the last run took, and in the middle those that did something, if there are several.
    fn times_us(&self) -> Option<(i64, Option<i64>)> {
        let worked = |mark: &Mark| matches!(mark, Mark::Succeeded | Mark::Failed);
        let times = self.runs.iter().filter(|(mark, _)| worked(mark)).filter_map(|(_, time)| *time);
        let mut times: Vec<i64> = times.collect();
        let last_us = *times.last()?;
        times.sort_unstable();
        Some((last_us, times.get(times.len() / 2).copied().filter(|_| times.len() > 1)))
    }
}

/// Whether one time is far enough from another to be told, as between two sessions.
fn is_far(one_us: i64, other_us: i64) -> bool {
    let (less, more) = (one_us.min(other_us).max(0), one_us.max(other_us));
    let by = more.saturating_sub(less);
    by >= MIN_PACE_US && by >= less.saturating_mul(MIN_PACE_PERCENT) / 100
}
