//! `spanlake recover`: what dead processes left in their spools goes into the lake.

use std::io;

use spanlake_core::Error;
use spanlake_core::spool::FOLDER;
use spanlake_lake::{Recovered, Recovery};
use spanlake_query::Lake;

use crate::Failure;
use crate::args::RecoverArgs;
use crate::json::{Object, put_line};
use crate::line::{BAD, DIM, GOOD, LOST, Line, PLAIN};
use crate::screen::Screen;
use crate::{notes, spool, words};

pub(crate) fn run(args: &RecoverArgs, screen: &mut Screen) -> Result<(), Failure> {
    let all = recovery(args)?.run()?;
    if args.json {
        all.iter().try_for_each(|one| put_line(screen.raw(), |object| put_json(object, one)))?;
    } else {
        all.iter().try_for_each(|one| screen.line(&line(one)))?;
        screen.line(&foot(args, &all))?;
    }
    screen.flush()?;
    if !args.json {
        all.iter().filter_map(|one| one.error.as_ref()).for_each(notes::print_error);
    }
    if all.iter().all(is_whole) { Ok(()) } else { Err(Failure::Told) }
}

/// A lake that is nowhere yet is made if the spools are elsewhere.
fn recovery(args: &RecoverArgs) -> Result<Recovery, Error> {
    match &args.spool {
        Some(folder) => {
            spool::must_be_folder(folder)?;
            Ok(Recovery::new(&args.lake).spool(folder))
        }
        None => {
            Lake::open(&args.lake)?;
            Ok(Recovery::new(&args.lake))
        }
    }
}

/// Whether everything that was in the spool is in the lake.
fn is_whole(one: &Recovered) -> bool {
    one.error.is_none() && one.quarantined.is_none() && one.damaged.is_empty()
}

// === lines ===

fn line(one: &Recovered) -> Line {
    let (mark, style) = match one {
        one if one.error.is_some() => ("✗", BAD),
        one if !one.damaged.is_empty() => ("!", LOST),
        _ => ("✓", GOOD),
    };
    let mut line = Line::new();
    line.put(style, format_args!("{mark} ")).data(PLAIN, &one.process).put(PLAIN, "  ");
    if one.error.is_some() {
        line.put(style, "not recovered");
    } else {
        line.put(PLAIN, kept(one.records, one.interrupted));
    }
    for copy in &one.damaged {
        line.put(PLAIN, "  ").put(LOST, "damaged").put(DIM, ", a copy in ").data(DIM, &copy.to_string_lossy());
    }
    if let Some(folder) = &one.quarantined {
        line.put(DIM, "  in quarantine: ").data(DIM, &folder.to_string_lossy());
    }
    line
}

/// `1,204 records`, `1,204 records, 2 tasks interrupted`
fn kept(records: u64, interrupted: u64) -> String {
    let records = words::counted(records, "record");
    if interrupted == 0 { records } else { format!("{records}, {} interrupted", words::counted(interrupted, "task")) }
}

/// All of it in numbers.
fn foot(args: &RecoverArgs, all: &[Recovered]) -> Line {
    let mut line = Line::new();
    if all.is_empty() {
        line.put(PLAIN, "nothing to recover");
    } else {
        let recovered = || all.iter().filter(|one| one.error.is_none());
        let records = recovered().map(|one| one.records).sum();
        let interrupted = recovered().map(|one| one.interrupted).sum();
        line.put(PLAIN, format_args!("recovered from {}: ", words::counted(recovered().count() as u64, "spool")));
        line.put(PLAIN, kept(records, interrupted));
    }
    put_some(&mut line, all.iter().map(|one| one.damaged.len() as u64).sum(), "segment", "damaged");
    put_some(&mut line, all.iter().filter(|one| one.error.is_some()).count() as u64, "spool", "not recovered");
    let folder = args.spool.clone().unwrap_or_else(|| args.lake.join(FOLDER));
    put_some(&mut line, spool::count_live(&folder), "spool", "live");
    line
}

/// ` · 2 segments damaged`, unless there is none.
fn put_some(line: &mut Line, number: u64, noun: &str, word: &str) {
    if number > 0 {
        line.put(DIM, " · ").put(PLAIN, format_args!("{} {word}", words::counted(number, noun)));
    }
}

// === JSON ===

fn put_json(object: &mut Object<'_>, one: &Recovered) -> io::Result<()> {
    object.text("process", Some(&one.process))?;
    object.number("records", Some(one.records as i64))?;
    object.number("interrupted", Some(one.interrupted as i64))?;
    object.texts("damaged", one.damaged.iter().map(|path| path.to_string_lossy()))?;
    object.text("quarantined", one.quarantined.as_ref().map(|path| path.to_string_lossy()).as_deref())?;
    object.text("code", one.error.as_ref().map(|error| error.code().to_string()).as_deref())?;
    object.text("error", one.error.as_ref().map(Error::chain).as_deref())
}
