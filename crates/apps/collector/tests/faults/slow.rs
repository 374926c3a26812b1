//! Receivers that take a byte at a time, or nothing, without saying so: memory stays within its bound, and others go on.

use std::fs;
use std::thread;
use std::time::Duration;

use spanlake_query::Format;

use crate::LONG;
use crate::daemon::Place;
use crate::oracle::{Found, assert_whole, await_records, await_whole};
use crate::program::{Settings, most_memory};
use crate::valve::{DRIPS, OPEN, SHUT, Valve};

/// What a program here may hold.
const CAPACITY_BYTES: usize = 512 << 10;

/// What a program or a collector takes beside what it may hold: itself, threads, and what is on its way, unoptimized.
const BESIDE_BYTES: u64 = 64 << 20;

/// What the queue of a collector here may take, but for its checkpoint.
const QUEUE_BYTES: u64 = 1 << 20;

#[test]
fn a_collector_that_takes_little_or_nothing_costs_what_is_set_and_is_one_programs_trouble() {
    let scratch = tempfile::tempdir().expect("a folder");
    let place = Place::new(scratch.path(), "1 GiB", "");
    let (daemon, valve) = (place.start(), Valve::to(place.address));
    let unlucky = Settings::new("unlucky", &valve.url(), scratch.path());
    let mut unlucky = Settings { rest_us: 5_000, capacity_bytes: CAPACITY_BYTES, ..unlucky }.start();
    let lucky = Settings::new("lucky", &place.url(), scratch.path()).start();
    for mode in [OPEN, DRIPS, SHUT] {
        valve.set(mode);
        thread::sleep(Duration::from_millis(2_000));
    }
    let (said, told) = lucky.end(LONG);
    assert_eq!((told.written, told.lost), (said.records(), 0), "others go on: {told:?}");
    let memory = most_memory(unlucky.id());
    assert!(memory < CAPACITY_BYTES as u64 + BESIDE_BYTES, "{memory} bytes");
    valve.set(OPEN);
    assert!(unlucky.flush(LONG).is_in_time);
    let (other, told) = unlucky.end(LONG);
    assert!(told.is_in_time && told.lost > 0, "it said more than it may hold: {told:?}");
    daemon.end();
    for format in [Format::Jsonl, Format::Parquet] {
        Found::read(&place.lake(), format).assert_adds_up(&[said.clone(), other.clone()], told.lost);
    }
    println!("{} of {} records lost, {} MiB", told.lost, told.recorded, memory >> 20);
}

#[test]
fn a_plugin_that_takes_nothing_stops_at_the_queues_bound_and_then_catches_up() {
    let scratch = tempfile::tempdir().expect("a folder");
    let far = Place::new(&scratch.path().join("far"), "1 GiB", "");
    let (far_daemon, valve) = (far.start(), Valve::to(far.address));
    let near = scratch.path().join("near");
    fs::create_dir(&near).and_then(|()| fs::write(near.join("token"), crate::program::TOKEN)).expect("a file");
    let forward = format!("  far: {{ kind: forward, url: '{}', client: {{ token_file: token }} }}\n", valve.url());
    let near = Place::new(&near, &format!("{QUEUE_BYTES} B"), &forward);
    let daemon = near.start();
    valve.set(SHUT);
    let mut running = Settings { rest_us: 200, most: 6_000, ..Settings::new("p", &near.url(), scratch.path()) }.start();
    let full = wait_until_full(&mut running);
    let memory = most_memory(daemon.id());
    assert!(memory < QUEUE_BYTES + BESIDE_BYTES, "{memory} bytes");
    let files = fs::read_dir(near.folder.join("queue")).expect("a queue").flatten();
    let bytes: u64 = files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
    assert!(bytes < (QUEUE_BYTES + (64 << 10)), "the queue has a bound: {bytes} bytes");
    // The other plugin goes on: whatever was acknowledged gets to the lake.
    await_records(&near.lake(), full.written, LONG);

    valve.set(OPEN);
    let (said, told) = running.end(LONG);
    assert_eq!((told.written, told.lost), (said.records(), 0), "{told:?}");
    for (place, daemon) in [(&near, daemon), (&far, far_daemon)] {
        await_whole(&place.lake(), std::slice::from_ref(&said), LONG);
        daemon.end();
        assert_whole(&place.lake(), std::slice::from_ref(&said));
    }
    println!("{} acknowledged until it was full, {} in all, {} MiB", full.written, told.written, memory >> 20);
}

/// Waits until the collector takes no more.
fn wait_until_full(program: &mut crate::program::Program) -> crate::program::Told {
    let until = std::time::Instant::now() + LONG;
    loop {
        let told = program.flush(Duration::from_millis(300));
        if told.last_error.as_deref().is_some_and(|error| error.contains("503")) && !told.is_in_time {
            return told;
        }
        assert!(std::time::Instant::now() < until, "it is never full: {told:?}");
    }
}
