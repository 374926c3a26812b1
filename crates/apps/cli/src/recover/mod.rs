//! `spanlake recover`: what dead processes left goes into the lake, from their spools and from sessions that nobody closed.

mod spools;
mod sessions;

use spanlake_core::spool::FOLDER;

use crate::Failure;
use crate::args::RecoverArgs;
use crate::json::put_line;
use crate::line::{DIM, Line, PLAIN};
use crate::screen::Screen;
use crate::{notes, place, spool, words};
use sessions::Sessions;
use spools::Spools;

pub(crate) fn run(args: &RecoverArgs, screen: &mut Screen) -> Result<(), Failure> {
    let mut store = place::open_or_new(&args.lake)?;
    let spools = Spools::recover(args)?;
    let sessions = Sessions::close(&mut store);
    if args.json {
        spools.all.iter().try_for_each(|one| put_line(screen.raw(), |object| spools::put_json(object, one)))?;
        sessions.all.iter().try_for_each(|one| put_line(screen.raw(), |object| sessions::put_json(object, one)))?;
    } else {
        spools.all.iter().try_for_each(|one| screen.line(&spools::line(one)))?;
        sessions.all.iter().try_for_each(|one| screen.line(&sessions::line(one)))?;
        screen.line(&foot(args, &spools, &sessions))?;
    }
    screen.flush()?;
    if !args.json {
        spools.errors().chain(sessions.errors()).for_each(notes::print_error);
    }
    // That they could not be looked for stands in no object.
    sessions.unseen.iter().for_each(notes::print_error);
    if spools.is_whole() && sessions.is_whole() { Ok(()) } else { Err(Failure::Told) }
}

/// All of it in numbers.
fn foot(args: &RecoverArgs, spools: &Spools, sessions: &Sessions) -> Line {
    let (mut line, mut before) = (Line::new(), "");
    for told in [spools.told(), sessions.told()].into_iter().flatten() {
        line.put(DIM, before).put(PLAIN, told);
        before = " · ";
    }
    if before.is_empty() {
        line.put(PLAIN, if sessions.unseen.is_some() { "nothing recovered" } else { "nothing to recover" });
    }
    put_some(&mut line, spools.damaged(), "segment", "damaged");
    put_some(&mut line, spools.errors().count() as u64, "spool", "not recovered");
    put_some(&mut line, sessions.damaged(), "line", "damaged");
    put_some(&mut line, sessions.not_closed(), "session", "not closed");
    if !place::is_url(&args.lake) {
        let folder = args.spool.clone().unwrap_or_else(|| args.lake.join(FOLDER));
        put_some(&mut line, spool::count_live(&folder), "spool", "live");
    }
    put_some(&mut line, sessions.running, "session", "running");
    if sessions.unseen.is_some() {
        line.put(DIM, " · ").put(PLAIN, "sessions not looked at");
    }
    line
}

/// ` · 2 segments damaged`, unless there is none.
fn put_some(line: &mut Line, number: u64, noun: &str, word: &str) {
    if number > 0 {
        line.put(DIM, " · ").put(PLAIN, format_args!("{} {word}", words::counted(number, noun)));
    }
}
