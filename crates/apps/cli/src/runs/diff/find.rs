//! Finding the sessions that are compared, by what was typed.

use std::path::{Path, PathBuf};

use spanlake_core::{Category, Error, Stage};
use spanlake_query::runs::{RunLogs, SessionFiles, SessionLog};

use crate::args::DiffArgs;
use crate::place;

/// What stands for the newest session of the lake.
const LATEST: &str = "latest";

/// What stands for the session before the other one, of the same job.
const PREVIOUS: &str = "previous";

/// A session that was found.
pub(super) struct Found {
    /// The lake that it is in, as it was typed.
    pub(super) lake: PathBuf,
    pub(super) session: SessionLog,
}

/// Both sessions, in the order in which they were named.
pub(super) fn both(args: &DiffArgs) -> Result<[Found; 2], Error> {
    match [args.first.as_str(), args.second.as_str()] {
        [PREVIOUS, PREVIOUS] => {
            let latest = find(LATEST, args)?;
            Ok([before(&latest)?, before(&latest)?])
        }
        [PREVIOUS, second] => {
            let second = find(second, args)?;
            Ok([before(&second)?, second])
        }
        [first, PREVIOUS] => {
            let first = find(first, args)?;
            let previous = before(&first)?;
            Ok([first, previous])
        }
        [first, second] => Ok([find(first, args)?, find(second, args)?]),
    }
}

/// The session that a name means. One that cannot be a session's is that of a lake.
fn find(name: &str, args: &DiffArgs) -> Result<Found, Error> {
    if name.contains(['/', '\\', '.', ':']) {
        return newest(Path::new(name));
    }
    if name == LATEST {
        return newest(&args.lake);
    }
    let found = open(&args.lake).and_then(|mut logs| {
        let session = logs.find(name)?.clone();
        Ok(read(&mut logs, &args.lake, &session))
    });
    found.or_else(|error| if Path::new(name).is_dir() { newest(Path::new(name)) } else { Err(error) })
}

fn newest(lake: &Path) -> Result<Found, Error> {
    let mut logs = open(lake)?;
    match logs.sessions().first().cloned() {
        Some(session) => Ok(read(&mut logs, lake, &session)),
        None => Err(missing("the lake has no run logs", &logs.location())),
    }
}

/// The session before another one, of the same job.
fn before(other: &Found) -> Result<Found, Error> {
    let mut logs = open(&other.lake)?;
    let stem = &other.session.stem;
    let is_before = |one: &&SessionFiles| one.stem < *stem && one.stem.job_id() == stem.job_id();
    match logs.sessions().iter().find(is_before).cloned() {
        Some(session) => Ok(read(&mut logs, &other.lake, &session)),
        None => Err(missing("the job has no session before this one", &logs.location()).with("session", stem)),
    }
}

fn open(lake: &Path) -> Result<RunLogs, Error> {
    RunLogs::open(place::open(lake)?)
}

fn read(logs: &mut RunLogs, lake: &Path, session: &SessionFiles) -> Found {
    Found { lake: lake.to_owned(), session: logs.read(session) }
}

fn missing(message: &str, lake: &str) -> Error {
    Error::new(Stage::Configuration, "RunLogs", Category::Validation, message).with("lake", lake)
}
