//! `spanlake spool`: the crash-proof spools of a lake, looked at without changing them.

mod ls;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use spanlake_core::disk::{self, Disk};
use spanlake_core::spool::{self, FOLDER, Inspection, Ledger, State};
use spanlake_core::sync::Arc;
use spanlake_core::{Error, Recipe};

use crate::Failure;
use crate::args::SpoolCommand;
use crate::line::{BAD, BUSY, DIM, LOST, Line, PLAIN};
use crate::notes;
use crate::screen::Screen;

pub(crate) fn run(command: &SpoolCommand, screen: &mut Screen) -> Result<(), Failure> {
    match command {
        SpoolCommand::Ls(args) => ls::run(args, screen),
        SpoolCommand::Verify(args) => verify::run(args, screen),
    }
}

/// How many spools in a folder belong to live processes, as far as can be told.
pub(crate) fn count_live(folder: &Path) -> u64 {
    Spools::look_in(folder).map_or(0, |spools| spools.count(State::Live))
}

/// Fails when there is no folder here that can be read.
pub(crate) fn must_be_folder(folder: &Path) -> Result<(), Error> {
    fs::read_dir(folder).map(|_| ()).map_err(|error| unreadable(folder, error))
}

/// The spools in a folder.
struct Spools {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// The newest process first.
    inspections: Vec<Inspection>,
    /// Why others could not be looked at.
    errors: Vec<Error>,
}

impl Spools {
    /// Those of a lake, in the folder that is made for them, or those in this very folder.
    fn look(path: &Path) -> Result<Self, Error> {
        let of_lake = path.join(FOLDER);
        let folder = if of_lake.is_dir() { &of_lake } else { path };
        must_be_folder(folder)?;
        Self::look_in(folder)
    }

    fn look_in(folder: &Path) -> Result<Self, Error> {
        let (disk, folder) = (disk::real(), folder.to_owned());
        let mut spools = Self { folder, inspections: vec![], errors: vec![], disk };
        let folders =
            spool::orphans(&*spools.disk, &spools.folder).map_err(|error| unreadable(&spools.folder, error))?;
        for folder in folders.iter().rev() {
            match spool::inspect(&*spools.disk, folder) {
                Ok(inspection) => spools.inspections.extend(inspection),
                Err(error) => spools.errors.push(unreadable(folder, error)),
            }
        }
        Ok(spools)
    }

    fn count(&self, state: State) -> u64 {
        self.inspections.iter().filter(|inspection| inspection.state == state).count() as u64
    }

    /// Tells what could not be looked at; that is a failure.
    fn tell_errors(&self) -> Result<(), Failure> {
        self.errors.iter().for_each(notes::print_error);
        if self.errors.is_empty() { Ok(()) } else { Err(Failure::Told) }
    }
}

fn unreadable(folder: &Path, error: std::io::Error) -> Error {
    Error::io("Spool", "cannot look for spools", error).with("path", folder.display())
}

/// Mark, state and process, with which the line of a spool starts. States are as wide as the longest word that stands
/// in their place.
fn head(inspection: &Inspection) -> Line {
    let (mark, style) = match inspection.state {
        State::Live => ("▸", BUSY),
        State::Orphaned => ("!", LOST),
        State::Damaged => ("✗", BAD),
    };
    let mut line = Line::new();
    line.put(style, format_args!("{mark} {:<10} ", word(inspection.state))).data(PLAIN, &inspection.process);
    line
}

fn word(state: State) -> &'static str {
    match state {
        State::Live => "live",
        State::Orphaned => "orphaned",
        State::Damaged => "damaged",
    }
}

/// The ledger, if it can be read.
fn ledger(inspection: &Inspection) -> Option<&Ledger> {
    inspection.ledger.as_ref()?.as_ref().ok()
}

/// What is wrong with the ledger.
fn problem(inspection: &Inspection) -> Option<String> {
    match &inspection.ledger {
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(error.to_string()),
        None => (inspection.state == State::Damaged).then(|| "the ledger is missing".to_owned()),
    }
}

/// ` jsonl debug, parquet info`
fn put_sinks(line: &mut Line, sinks: &[Recipe]) {
    if sinks.is_empty() {
        line.put(DIM, "no sink that can be recovered to");
    }
    for (at, sink) in sinks.iter().enumerate() {
        line.put(DIM, if at == 0 { "" } else { ", " })
            .data(PLAIN, &sink.kind)
            .put(DIM, format_args!(" {}", sink.level));
    }
}
