//! `spanlake runs`: jobs and their runs, newest first, and what differs between two of them.

mod mark;
mod table;
mod strip;
mod print;
mod json;
mod diff;

pub(crate) use strip::STRIP_RUNS;

use spanlake_query::runs::{RunFilter, RunLogs, SessionLog};

use crate::Failure;
use crate::args::{RunsArgs, RunsCommand, ShowRunsArgs};
use crate::notes::Notes;
use crate::place;
use crate::screen::Screen;
use print::Printer;
use strip::Strips;

/// Jobs whose columns have one width.
const BATCH_JOBS: usize = 20;

pub(crate) fn run(args: &RunsArgs, screen: &mut Screen, notes: &mut Notes) -> Result<(), Failure> {
    match (&args.command, &args.show) {
        (Some(RunsCommand::Diff(args)), _) => diff::run(args, screen, notes),
        (None, Some(args)) if args.json => put_json(args, screen, notes),
        (None, Some(args)) => put_text(args, screen, notes),
        // The command line asks for one of them.
        (None, None) => Ok(()),
    }
}

fn put_json(args: &ShowRunsArgs, screen: &mut Screen, notes: &mut Notes) -> Result<(), Failure> {
    let mut logs = RunLogs::open(place::open(&args.lake)?)?;
    let filter = args.filter();
    for session in logs.newest(&filter).take(args.limit()) {
        json::put(screen.raw(), &session, &filter)?;
        notes.tell(&session.damages);
    }
    Ok(screen.flush()?)
}

fn put_text(args: &ShowRunsArgs, screen: &mut Screen, notes: &mut Notes) -> Result<(), Failure> {
    let mut logs = RunLogs::open(place::open(&args.lake)?)?;
    // A strip has what came between the runs that are asked for.
    let (filter, any_status) = (args.filter(), args.filter().any_status());
    let (mut strips, mut damages) = (Strips::default(), Vec::new());
    let mut newest = logs.newest(&any_status);
    let mut printer = Printer::new(screen, &filter, &args.lake);
    let mut sessions = newest
        .by_ref()
        .inspect(|session| strips.add(session, &any_status))
        .inspect(|session| damages.extend_from_slice(&session.damages))
        .filter(|session| is_wanted(session, &filter))
        .take(args.limit());
    loop {
        let batch: Vec<SessionLog> = sessions.by_ref().take(BATCH_JOBS).collect();
        if batch.is_empty() {
            break;
        }
        if !args.strip {
            printer.put(&batch)?;
        }
    }
    drop(sessions);
    printer.end(&strips, args.strip, newest.rest())?;
    screen.flush()?;
    notes.tell(&damages);
    Ok(())
}

fn is_wanted(session: &SessionLog, filter: &RunFilter) -> bool {
    !filter.selects_runs() || session.runs.iter().any(|run| filter.admits(run))
}
