//! `spanlake spool verify`: every segment of every spool against its checksums.

use std::io::{self, ErrorKind, Write};

use spanlake_core::disk::Disk;
use spanlake_core::segment::Tail;
use spanlake_core::spool::{Inspection, SegmentFile, State};

use super::{Spools, head, ledger, problem, put_sinks, word};
use crate::Failure;
use crate::args::SpoolArgs;
use crate::json::{Object, put_line};
use crate::line::{BAD, BUSY, DIM, GOOD, Line, PLAIN};
use crate::screen::Screen;
use crate::words;

/// How often a segment is read that seems damaged while its process writes to it.
const LOOKS: usize = 3;

/// A segment that was read.
struct Checked<'a> {
    file: &'a SegmentFile,
    thread: String,
    records: u64,
    finding: Finding,
    /// Whether the sinks have its records.
    is_released: bool,
}

/// What was found.
enum Finding {
    Whole,
    /// Whole up to here, and nothing behind it that was ever finished.
    Open(usize),
    Blank,
    /// Its process has removed it since: its records are elsewhere.
    Gone,
    Damaged {
        /// The first byte that is not part of a whole frame.
        at: usize,
        why: String,
    },
}

/// What was read so far.
#[derive(Default)]
struct Sum {
    spools: u64,
    segments: u64,
    records: u64,
    damaged_segments: u64,
    damaged_ledgers: u64,
}

pub(super) fn run(args: &SpoolArgs, screen: &mut Screen) -> Result<(), Failure> {
    let spools = Spools::look(&args.path)?;
    let mut sum = Sum::default();
    for inspection in &spools.inspections {
        let checked = check_all(&*spools.disk, inspection);
        sum.add(inspection, &checked);
        if args.json {
            put_json(screen.raw(), inspection, &checked)?;
        } else {
            put_text(screen, inspection, &checked)?;
        }
    }
    if !args.json {
        screen.line(&foot(&spools, &sum))?;
    }
    screen.flush()?;
    spools.tell_errors()?;
    if sum.is_damaged() { Err(Failure::Told) } else { Ok(()) }
}

// === reading ===

fn check_all<'a>(disk: &dyn Disk, inspection: &'a Inspection) -> Vec<Checked<'a>> {
    let ledger = ledger(inspection);
    let is_released =
        |file: &SegmentFile| ledger.is_some_and(|ledger| ledger.is_done || ledger.released.contains(&file.number));
    let check = |file: &'a SegmentFile| {
        let checked = check(disk, file, inspection.state == State::Live);
        Checked { is_released: is_released(file), ..checked }
    };
    inspection.segments.iter().map(check).collect()
}

/// Reads a segment; again if it seems damaged and may have been in the middle of a write.
fn check<'a>(disk: &dyn Disk, file: &'a SegmentFile, is_live: bool) -> Checked<'a> {
    let mut checked = check_once(disk, file);
    for _ in 1..LOOKS {
        if !(is_live && checked.is_damaged()) {
            break;
        }
        checked = check_once(disk, file);
    }
    checked
}

fn check_once<'a>(disk: &dyn Disk, file: &'a SegmentFile) -> Checked<'a> {
    let mut checked = Checked { file, thread: String::new(), records: 0, finding: Finding::Blank, is_released: false };
    let segment = match file.read(disk) {
        Ok(segment) => segment,
        Err(error) if error.kind() == ErrorKind::NotFound => return Checked { finding: Finding::Gone, ..checked },
        Err(error) => return Checked { finding: Finding::damaged(0, error), ..checked },
    };
    checked.finding = match segment.decode() {
        Err(_) if segment.is_blank() => Finding::Blank,
        Err(error) => Finding::damaged(0, error),
        Ok((decoded, is_damaged)) => {
            (checked.thread, checked.records) = (decoded.source().thread.clone(), decoded.len() as u64);
            match decoded.tail() {
                Tail::Whole => Finding::Whole,
                Tail::Torn { at } if is_damaged => Finding::damaged(at, "a frame does not match its checksum"),
                Tail::Torn { at } => Finding::Open(at),
            }
        }
    };
    checked
}

impl Finding {
    fn damaged(at: usize, why: impl ToString) -> Self {
        Self::Damaged { at, why: why.to_string() }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Open(_) => "open",
            Self::Blank => "blank",
            Self::Gone => "gone",
            Self::Damaged { .. } => "damaged",
        }
    }
}

impl Checked<'_> {
    fn is_damaged(&self) -> bool {
        matches!(self.finding, Finding::Damaged { .. })
    }

    fn name(&self) -> String {
        self.file.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Sum {
    fn add(&mut self, inspection: &Inspection, checked: &[Checked<'_>]) {
        self.spools += 1;
        self.segments += checked.len() as u64;
        self.records += checked.iter().map(|segment| segment.records).sum::<u64>();
        self.damaged_segments += checked.iter().filter(|segment| harms(segment)).count() as u64;
        self.damaged_ledgers += u64::from(problem(inspection).is_some());
    }

    fn is_damaged(&self) -> bool {
        self.damaged_segments + self.damaged_ledgers > 0
    }
}

/// Whether a segment is damaged that somebody may need.
fn harms(segment: &Checked<'_>) -> bool {
    segment.is_damaged() && !segment.is_released
}

// === lines ===

fn put_text(screen: &mut Screen, inspection: &Inspection, checked: &[Checked<'_>]) -> io::Result<()> {
    screen.line(&head(inspection))?;
    screen.line(&ledger_line(inspection))?;
    checked.iter().try_for_each(|segment| screen.line(&segment_line(segment)))
}

fn ledger_line(inspection: &Inspection) -> Line {
    let mut line = Line::new();
    line.put(DIM, "│ ");
    if let Some(problem) = problem(inspection) {
        line.put(BAD, problem);
        return line;
    }
    line.put(DIM, "ledger  ");
    let Some(ledger) = ledger(inspection) else {
        line.put(DIM, "none");
        return line;
    };
    put_sinks(&mut line, &ledger.sinks);
    if ledger.open.records() > 0 {
        let tasks = words::counted(ledger.open.records(), "task");
        line.put(DIM, format_args!("  {tasks} open when it was written"));
    }
    if ledger.is_done {
        line.put(GOOD, "  all of it is in the lake");
    }
    line
}

fn segment_line(segment: &Checked<'_>) -> Line {
    let mut line = Line::new();
    line.put(DIM, "│ ").data(PLAIN, &segment.name()).put(DIM, format_args!("  {}", words::bytes(segment.file.bytes)));
    line.put(PLAIN, format_args!("  {}", words::counted(segment.records, "record")));
    if !segment.thread.is_empty() {
        line.put(DIM, "  thread ").data(DIM, &segment.thread);
    }
    line.put(PLAIN, "  ");
    match &segment.finding {
        Finding::Whole => line.put(GOOD, "whole"),
        Finding::Open(at) => {
            line.put(BUSY, "open").put(DIM, format_args!(", whole up to byte {}", words::count(*at as u64)))
        }
        Finding::Blank | Finding::Gone => line.put(DIM, segment.finding.word()),
        Finding::Damaged { at, why } => line
            .put(BAD, format_args!("damaged from byte {} on", words::count(*at as u64)))
            .put(PLAIN, ": ")
            .data(PLAIN, why),
    };
    if segment.is_released {
        line.put(DIM, "  in the lake");
    }
    line
}

fn foot(spools: &Spools, sum: &Sum) -> Line {
    let mut line = Line::new();
    if sum.spools == 0 {
        line.put(PLAIN, "no spools in ").data(PLAIN, &spools.folder.to_string_lossy());
        return line;
    }
    let counts = [(sum.spools, "spool"), (sum.segments, "segment"), (sum.records, "record")];
    line.put(PLAIN, counts.map(|(count, noun)| words::counted(count, noun)).join(", ")).put(DIM, " · ");
    let damaged = [(sum.damaged_segments, "segment"), (sum.damaged_ledgers, "ledger")];
    let damaged: Vec<String> =
        damaged.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| words::counted(*count, noun)).collect();
    if damaged.is_empty() {
        line.put(GOOD, "nothing is damaged");
    } else {
        line.put(BAD, format_args!("damaged: {}", damaged.join(", ")));
    }
    line
}

// === JSON ===

fn put_json(out: &mut dyn Write, inspection: &Inspection, checked: &[Checked<'_>]) -> io::Result<()> {
    let problem = problem(inspection);
    put_line(out, |object| {
        object.text("process", Some(&inspection.process))?;
        object.text("state", Some(word(inspection.state)))?;
        object.text("folder", Some(&inspection.folder.to_string_lossy()))?;
        object.bool("damaged", problem.is_some() || checked.iter().any(harms))?;
        object.number("records", Some(checked.iter().map(|segment| segment.records as i64).sum()))?;
        object.bool("done", ledger(inspection).is_some_and(|ledger| ledger.is_done))?;
        object.number("open_tasks", ledger(inspection).map(|ledger| ledger.open.records() as i64))?;
        object.text("problem", problem.as_deref())?;
        object.list("segments", checked.iter(), put_segment)
    })
}

fn put_segment(object: &mut Object<'_>, segment: &Checked<'_>) -> io::Result<()> {
    let (end, problem) = match &segment.finding {
        Finding::Whole | Finding::Blank | Finding::Gone => (None, None),
        Finding::Open(at) => (Some(*at as i64), None),
        Finding::Damaged { at, why } => (Some(*at as i64), Some(why.as_str())),
    };
    object.text("file", Some(&segment.name()))?;
    object.text("state", Some(segment.finding.word()))?;
    object.bool("released", segment.is_released)?;
    object.number("bytes", Some(segment.file.bytes as i64))?;
    object.number("records", Some(segment.records as i64))?;
    object.text("thread", Some(segment.thread.as_str()).filter(|thread| !thread.is_empty()))?;
    object.number("end", end)?;
    object.text("problem", problem)
}
