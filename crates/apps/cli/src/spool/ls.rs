//! `spanlake spool ls`: a line for each spool.

use std::io::{self, Write};

use spanlake_core::Recipe;
use spanlake_core::render::time::format_us;
use spanlake_core::spool::{self, Inspection, Quarantined, State};

use super::{Spools, head, ledger, problem, put_sinks, unreadable, word};
use crate::Failure;
use crate::args::SpoolArgs;
use crate::json::{Object, put_line};
use crate::line::{BAD, DIM, GOOD, Line, PLAIN, WARN};
use crate::screen::Screen;
use crate::words;

pub(super) fn run(args: &SpoolArgs, screen: &mut Screen) -> Result<(), Failure> {
    let spools = Spools::look(&args.path)?;
    let quarantined = spool::quarantined(&*spools.disk, &spools.folder);
    let quarantined = quarantined.map_err(|error| unreadable(&spools.folder, error))?;
    if args.json {
        put_json(screen.raw(), &spools, &quarantined)?;
    } else {
        put_text(screen, &spools, &quarantined)?;
    }
    screen.flush()?;
    spools.tell_errors()
}

fn put_text(screen: &mut Screen, spools: &Spools, quarantined: &[Quarantined]) -> io::Result<()> {
    spools.inspections.iter().try_for_each(|inspection| screen.line(&spool_line(inspection)))?;
    quarantined.iter().rev().try_for_each(|one| screen.line(&quarantine_line(one)))?;
    screen.line(&foot(spools))
}

fn spool_line(inspection: &Inspection) -> Line {
    let mut line = head(inspection);
    let segments = words::counted(inspection.segments.len() as u64, "segment");
    line.put(PLAIN, format_args!("  {segments}, {}", words::bytes(bytes(inspection))));
    if let Some(ledger) = ledger(inspection) {
        line.put(DIM, format_args!("  began {}", words::date_and_time(ledger.source.started_us))).put(DIM, "  ");
        put_sinks(&mut line, &ledger.sinks);
        if ledger.is_done {
            line.put(GOOD, "  all of it is in the lake");
        }
    }
    if let Some(problem) = problem(inspection) {
        line.put(PLAIN, "  ").put(BAD, problem);
    }
    line
}

fn quarantine_line(one: &Quarantined) -> Line {
    let mut line = Line::new();
    line.put(WARN, "⊘ quarantine ").data(PLAIN, &one.process);
    line.put(PLAIN, format_args!("  {}, {}", words::counted(one.files, "file"), words::bytes(one.bytes)));
    line.put(DIM, "  in ").data(DIM, &one.folder.to_string_lossy());
    line
}

/// All of it in numbers.
fn foot(spools: &Spools) -> Line {
    let mut line = Line::new();
    if spools.inspections.is_empty() {
        line.put(PLAIN, "no spools in ").data(PLAIN, &spools.folder.to_string_lossy());
        return line;
    }
    let segments = spools.inspections.iter().map(|inspection| inspection.segments.len() as u64).sum();
    let room = spools.inspections.iter().map(bytes).sum();
    line.put(PLAIN, words::counted(spools.inspections.len() as u64, "spool"));
    let mut before = ": ";
    for state in [State::Live, State::Orphaned, State::Damaged].into_iter().filter(|state| spools.count(*state) > 0) {
        line.put(PLAIN, format_args!("{before}{} {}", words::count(spools.count(state)), word(state)));
        before = ", ";
    }
    line.put(DIM, " · ").put(PLAIN, format_args!("{}, {}", words::counted(segments, "segment"), words::bytes(room)));
    line
}

fn put_json(out: &mut dyn Write, spools: &Spools, quarantined: &[Quarantined]) -> io::Result<()> {
    for inspection in &spools.inspections {
        put_line(out, |object| put_spool(object, inspection))?;
    }
    for one in quarantined.iter().rev() {
        put_line(out, |object| {
            object.text("process", Some(&one.process))?;
            object.text("state", Some("quarantined"))?;
            object.text("folder", Some(&one.folder.to_string_lossy()))?;
            object.number("files", Some(one.files as i64))?;
            object.number("bytes", Some(one.bytes as i64))
        })?;
    }
    Ok(())
}

fn put_spool(object: &mut Object<'_>, inspection: &Inspection) -> io::Result<()> {
    let ledger = ledger(inspection);
    object.text("process", Some(&inspection.process))?;
    object.text("state", Some(word(inspection.state)))?;
    object.text("folder", Some(&inspection.folder.to_string_lossy()))?;
    object.number("segments", Some(inspection.segments.len() as i64))?;
    object.number("bytes", Some(bytes(inspection) as i64))?;
    object.text("began", ledger.map(|ledger| format_us(ledger.source.started_us)).as_deref())?;
    object.text("service", ledger.map(|ledger| &*ledger.source.service))?;
    let sinks = ledger.map_or(&[][..], |ledger| &ledger.sinks);
    object.list("sinks", sinks.iter(), put_sink)?;
    object.bool("done", ledger.is_some_and(|ledger| ledger.is_done))?;
    object.text("problem", problem(inspection).as_deref())
}

fn put_sink(object: &mut Object<'_>, sink: &Recipe) -> io::Result<()> {
    object.text("kind", Some(&sink.kind))?;
    object.text("lake", Some(&sink.lake.to_string_lossy()))?;
    object.text("level", Some(&sink.level.to_string()))?;
    object.text("partition", Some(&sink.partition))
}

/// The room that the segments take.
fn bytes(inspection: &Inspection) -> u64 {
    inspection.segments.iter().map(|segment| segment.bytes).sum()
}
