//! Kills at random moments, of either side: every record whose call had returned is in the lake once.

use std::fs;
use std::thread;

use crate::LONG;
use crate::daemon::Place;
use crate::dice::Dice;
use crate::oracle::{assert_whole, await_whole};
use crate::program::Settings;

const KILLS: u64 = 12;

#[test]
fn a_publisher_that_is_killed_loses_nothing_and_doubles_nothing() {
    let mut dice = Dice::of_this_run("kills::publisher");
    let scratch = tempfile::tempdir().expect("a folder");
    let place = Place::new(scratch.path(), "1 GiB", "");
    let daemon = place.start();
    let program = |kill| Settings::new(&format!("p{kill}"), &place.url(), scratch.path()).spooled();
    let mut said = Vec::new();
    for kill in 0..KILLS {
        let running = Settings { rest_us: 500, ..program(kill) }.start();
        thread::sleep(dice.millis(20, 320));
        said.push(running.kill());
    }
    // What the last ones left is sent by one that says nothing itself.
    let (_, told) = Settings { threads: 0, ..program(KILLS) }.start().end(LONG);
    assert!(told.is_in_time && told.lost == 0, "{told:?}");
    daemon.end();
    let found = assert_whole(&place.lake(), &said);
    println!("{KILLS} kills, {} events, {} tasks interrupted", found.events(), found.interrupted);
    assert!(found.interrupted > 0, "no task was open at any of {KILLS} kills");
    let left = fs::read_dir(scratch.path().join("spool")).expect("a spool").count();
    assert_eq!(left, 0, "nothing is left to be sent");
}

#[test]
fn a_collector_that_is_killed_loses_nothing_and_doubles_nothing() {
    let mut dice = Dice::of_this_run("kills::collector");
    let scratch = tempfile::tempdir().expect("a folder");
    let place = Place::new(scratch.path(), "1 GiB", "").making_checkpoints_often();
    let mut running = Settings::new("p", &place.url(), scratch.path()).start();
    for _ in 0..KILLS {
        let daemon = place.start();
        thread::sleep(dice.millis(20, 520));
        daemon.kill();
    }
    let last = Place::at(scratch.path(), place.address, "1 GiB", "");
    let daemon = last.start();
    assert!(running.flush(LONG).is_in_time);
    let (said, told) = running.end(LONG);
    assert_eq!((told.written, told.lost), (said.records(), 0), "{told:?}");
    await_whole(&last.lake(), std::slice::from_ref(&said), LONG);
    daemon.end();
    let found = assert_whole(&last.lake(), &[said]);
    println!("{KILLS} kills, {} events", found.events());
}
