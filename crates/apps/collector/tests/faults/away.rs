//! A collector that is away again and again, and for long: within the bound nothing is lost, beyond it what is missing is what was counted.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::LONG;
use crate::daemon::Place;
use crate::dice::Dice;
use crate::oracle::{Found, Said, assert_whole, await_whole};
use crate::program::{Program, Settings, Told};
use spanlake_query::Format;

const OUTAGES: u64 = 10;

/// A publisher that nobody waits for would try seven times, one that somebody waits for tries four times a second.
const LONG_OUTAGE: Duration = Duration::from_secs(8);

#[test]
fn a_collector_that_comes_and_goes_misses_nothing() {
    let mut dice = Dice::of_this_run("away::often");
    let scratch = tempfile::tempdir().expect("a folder");
    let place = Place::new(scratch.path(), "1 GiB", "");
    let spooled = Settings::new("spooled", &place.url(), scratch.path()).spooled().start();
    let running = [spooled, Settings::new("memory", &place.url(), scratch.path()).start()];
    for outage in 0..OUTAGES {
        let daemon = place.start();
        thread::sleep(dice.millis(10, 400));
        if outage % 3 == 0 {
            daemon.kill()
        } else {
            daemon.end()
        }
        thread::sleep(dice.millis(10, 400));
    }
    let daemon = place.start();
    let said = running.map(|program| end_in_time(program).0);
    await_whole(&place.lake(), &said, LONG);
    daemon.end();
    println!("{OUTAGES} outages, {} events", assert_whole(&place.lake(), &said).events());
}

#[test]
fn a_long_outage_within_the_bound_loses_nothing() {
    let scratch = tempfile::tempdir().expect("a folder");
    let place = Place::new(scratch.path(), "1 GiB", "");
    let mut running = Settings::new("p", &place.url(), scratch.path()).spooled().start();
    running.await_events(1_000);
    let told = running.flush(LONG_OUTAGE);
    assert!(!told.is_in_time && told.lost == 0 && told.written == 0 && told.errors > 15, "{told:?}");
    let daemon = place.start();
    let (said, told) = end_in_time(running);
    assert_eq!((told.written, told.lost), (said.records(), 0), "{told:?}");
    daemon.end();
    println!("{} tries, {} events", told.errors, assert_whole(&place.lake(), &[said]).events());
}

#[test]
fn beyond_the_bound_what_is_missing_is_what_was_counted() {
    for is_spooled in [false, true] {
        let scratch = tempfile::tempdir().expect("a folder");
        let place = Place::new(scratch.path(), "1 GiB", "");
        let (said, told) = overflow(&place, scratch.path(), is_spooled);
        for format in [Format::Jsonl, Format::Parquet] {
            Found::read(&place.lake(), format).assert_adds_up(std::slice::from_ref(&said), told.lost);
        }
        println!("{} of {} records lost, spool: {is_spooled}", told.lost, told.recorded);
    }
}

/// A program that says more than it may hold while nobody listens, and then is heard.
fn overflow(place: &Place, folder: &Path, is_spooled: bool) -> (Said, Told) {
    let settings =
        Settings { rest_us: 0, most: 10_000, capacity_bytes: 512 << 10, ..Settings::new("p", &place.url(), folder) };
    let mut running = if is_spooled { settings.spooled() } else { settings }.start();
    running.await_events(20_000);
    let told = running.flush(Duration::from_secs(1));
    assert!(!told.is_in_time && told.written == 0 && told.lost > 100, "{told:?}");
    let spool = fs::read_dir(folder.join("spool")).into_iter().flatten().flatten();
    let most: u64 = spool.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum();
    assert!(most < 4 << 20, "a spool has a bound: {most} bytes");
    let daemon = place.start();
    assert!(running.flush(LONG).is_in_time);
    let (said, told) = end_in_time(running);
    assert_eq!((told.recorded, told.written + told.lost), (said.records(), said.records()), "{told:?}");
    daemon.end();
    (said, told)
}

fn end_in_time(program: Program) -> (Said, Told) {
    let (said, told) = program.end(LONG);
    assert!(told.is_in_time && told.pending == 0, "{told:?}");
    (said, told)
}
