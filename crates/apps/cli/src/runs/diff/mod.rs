//! `spanlake runs diff`: what differs between two sessions.

mod find;
mod print;
mod json;

use spanlake_query::runs::RunDiff;

use crate::Failure;
use crate::args::DiffArgs;
use crate::notes::Notes;
use crate::screen::Screen;
use find::Found;

pub(super) fn run(args: &DiffArgs, screen: &mut Screen, notes: &mut Notes) -> Result<(), Failure> {
    let [first, second] = find::both(args)?;
    let diff = RunDiff::new(&first.session, &second.session);
    if args.json {
        json::put(screen.raw(), [&first, &second], &diff)?;
    } else {
        print::put(screen, [&first, &second], &diff)?;
    }
    screen.flush()?;
    [first, second].iter().for_each(|found: &Found| notes.tell(&found.session.damages));
    Ok(())
}
