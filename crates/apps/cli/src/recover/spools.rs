//! The records that dead processes left in their spools.

use std::io;

use spanlake_core::{Category, Error, Stage};
use spanlake_lake::{Recovered, Recovery};
use spanlake_query::Lake;

use crate::args::RecoverArgs;
use crate::json::Object;
use crate::line::{BAD, DIM, GOOD, LOST, Line, PLAIN};
use crate::{place, spool, words};

/// What became of the spools.
pub(super) struct Spools {
    pub(super) all: Vec<Recovered>,
}

impl Spools {
    /// Recovers them. A bucket has none.
    pub(super) fn recover(args: &RecoverArgs) -> Result<Self, Error> {
        if !place::is_url(&args.lake) {
            return Ok(Self { all: recovery(args)?.run()? });
        }
        match &args.spool {
            None => Ok(Self { all: Vec::new() }),
            Some(_) => Err(Error::new(
                Stage::Configuration,
                "Recovery",
                Category::Validation,
                "what is in a spool goes into a folder, and not into a bucket",
            )),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.all.iter().all(|one| one.error.is_none() && one.quarantined.is_none() && one.damaged.is_empty())
    }

    pub(super) fn errors(&self) -> impl Iterator<Item = &Error> {
        self.all.iter().filter_map(|one| one.error.as_ref())
    }

    /// Segments of which a copy was kept.
    pub(super) fn damaged(&self) -> u64 {
        self.all.iter().map(|one| one.damaged.len() as u64).sum()
    }

    /// `recovered from 1 spool: 1,204 records`; `None` where there was none.
    pub(super) fn told(&self) -> Option<String> {
        let recovered = || self.all.iter().filter(|one| one.error.is_none());
        let kept = kept(recovered().map(|one| one.records).sum(), recovered().map(|one| one.interrupted).sum());
        let spools = words::counted(recovered().count() as u64, "spool");
        (!self.all.is_empty()).then(|| format!("recovered from {spools}: {kept}"))
    }
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

pub(super) fn line(one: &Recovered) -> Line {
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

pub(super) fn put_json(object: &mut Object<'_>, one: &Recovered) -> io::Result<()> {
    object.text("kind", Some("spool"))?;
    object.text("process", Some(&one.process))?;
    object.number("records", Some(one.records as i64))?;
    object.number("interrupted", Some(one.interrupted as i64))?;
    object.texts("damaged", one.damaged.iter().map(|path| path.to_string_lossy()))?;
    object.text("quarantined", one.quarantined.as_ref().map(|path| path.to_string_lossy()).as_deref())?;
    object.text("code", one.error.as_ref().map(|error| error.code().to_string()).as_deref())?;
    object.text("error", one.error.as_ref().map(Error::chain).as_deref())
}
