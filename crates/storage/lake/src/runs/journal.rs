//! The journal: runs that have begun or ended without the session's files knowing it yet, in memory that is a file.
//!
//! A run's line is copied here by the thread that began or ended it, which takes no call of the operating system, and is the
//! operating system's from then on. The session's thread moves it to the log or, as long as it is open, to the marker. There are two halves, so that one is
//! filled while the other one's lines are written.
//!
//! ```text
//! journal = half half
//! half    = entry* 0:u32
//! entry   = len:u32 sum:u32 line[len]
//! ```
//!
//! Integers are little-endian; `sum` is the low half of the line's xxh3-64. A process can be killed between any two
//! bytes: an entry whose sum does not match is one that was being copied.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use spanlake_core::disk::{Disk, Mapping, Sentinel};
use xxhash_rust::xxh3::xxh3_64;

use super::line::{Line, parse_line, put_short_line};
use super::run::RunRow;
use super::word::RunStatus;

/// Bytes of a half: some 2,000 lines without their nulls.
const HALF_BYTES: usize = 1 << 20;

/// Bytes in front of a line.
const HEAD_BYTES: usize = 8;

/// A journal that is written to.
#[derive(Debug)]
pub struct Journal {
    memory: Mapping,
    /// Which half is filled.
    active: usize,
    used: [usize; 2],
    /// A forked child shares the memory, and must not write to it.
    sentinel: Sentinel,
}

impl Journal {
    pub(super) fn create(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let memory = disk.map(path, 2 * HALF_BYTES)?;
        Ok(Self { memory, active: 0, used: [0, 0], sentinel: Sentinel::new() })
    }

    /// Keeps a line. `false` when there is no room, or this process is a fork of the one whose journal it is.
    pub fn keep(&mut self, line: &[u8]) -> bool {
        let (at, need) = (self.used[self.active], HEAD_BYTES + line.len());
        // Behind the last entry stands a length of 0.
        if at + need + 4 > HALF_BYTES || self.sentinel.is_forked() {
            return false;
        }
        let start = self.active * HALF_BYTES + at;
        let Some(room) = self.memory.get_mut(start..start + need + 4) else {
            return false;
        };
        room[need..].fill(0);
        room[HEAD_BYTES..need].copy_from_slice(line);
        room[4..HEAD_BYTES].copy_from_slice(&sum(line).to_le_bytes());
        room[..4].copy_from_slice(&(line.len() as u32).to_le_bytes());
        self.used[self.active] = at + need;
        true
    }

    /// Whether so much is in the half being filled that its lines should be written soon, and the other one is free.
    pub fn is_filling(&self) -> bool {
        self.used[self.active] > HALF_BYTES / 4 && self.used[1 - self.active] == 0
    }

    /// Lets the other half be filled from now on, if nothing is in it any more.
    pub fn turn(&mut self) {
        let other = 1 - self.active;
        if self.used[other] == 0 {
            self.active = other;
        }
    }

    /// Forgets the half that is not being filled: its lines are in the log.
    pub fn forget(&mut self) {
        let other = 1 - self.active;
        if self.used[other] == 0 || self.sentinel.is_forked() {
            return;
        }
        if let Some(length) = self.memory.get_mut(other * HALF_BYTES..other * HALF_BYTES + 4) {
            length.fill(0);
        }
        self.used[other] = 0;
    }
}

/// The runs of a journal, as they began and as they ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) begun: Vec<RunRow>,
    pub(super) ended: Vec<RunRow>,
}

impl Kept {
    /// Reads a journal, which may be written to.
    pub(super) fn read(journal: &[u8]) -> Self {
        let lines = lines(journal).filter_map(|line| parse_line(line).ok());
        let runs = lines.filter_map(|line| if let Line::Run(run) = line { Some(*run) } else { None });
        let (begun, ended) = runs.partition(|run| run.known_status() == Some(RunStatus::Running));
        Self { begun, ended }
    }

    /// What a log with the runs `logged` lacks: the runs that have ended, and those that are open, here or in `noted`.
    ///
    /// A run that ended is told by its whole row. Of one that was open only what does not change is known: its task and
    /// when it began. Its id is the program's to say, also late or for several runs.
    pub(super) fn beyond(&self, logged: &[RunRow], noted: &[RunRow]) -> (Vec<RunRow>, Vec<RunRow>) {
        let mut written: HashSet<Vec<u8>> = logged.iter().map(short_line).collect();
        let ended: Vec<_> = self.ended.iter().filter(|run| written.insert(short_line(run))).cloned().collect();
        let mut known: HashSet<_> = logged.iter().chain(&ended).map(beginning).collect();
        let open = noted.iter().chain(&self.begun).filter(|run| known.insert(beginning(run))).cloned().collect();
        (ended, open)
    }
}

fn short_line(run: &RunRow) -> Vec<u8> {
    let mut line = Vec::new();
    put_short_line(&mut line, run);
    line
}

/// Where a run has no task, its id has to do.
fn beginning(run: &RunRow) -> (Option<String>, Option<i64>) {
    (run.task_key.clone().or_else(|| run.dataflow_run_id.clone()), run.start_time)
}

fn lines(journal: &[u8]) -> impl Iterator<Item = &[u8]> {
    journal.chunks(HALF_BYTES).flat_map(|half| Entries { rest: half })
}

struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let (expected, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (line, rest) = rest.split_at_checked(length)?;
        if length == 0 || sum(line) != u32::from_le_bytes(*expected) {
            return None;
        }
        self.rest = rest;
        Some(line)
    }
}

fn sum(line: &[u8]) -> u32 {
    xxh3_64(line) as u32
}
