//! A growing lake: each record once, whatever grows and however it is cut.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use spanlake_core::Level;
use spanlake_query::{Filter, Follower, Lake};

use crate::lake::{ROOT, event, file_name, line, write};

fn one(number: u64) -> String {
    line(&event(number as i64, Level::INFO, &format!("{number}@{ROOT}"), &number.to_string()))
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("open");
    file.write_all(bytes).expect("append");
}

fn follow(path: &Path) -> Follower {
    Lake::open(path).expect("open").follow(&Filter::new())
}

fn poll(follower: &mut Follower) -> Vec<String> {
    follower.poll().expect("poll").map(|record| record.message).collect()
}

#[test]
fn what_came_since_the_last_look_comes_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(folder.path().join(file_name(1, "jsonl")), one(0));
    let mut follower = follow(folder.path());
    assert_eq!(poll(&mut follower), ["0"]);
    assert!(poll(&mut follower).is_empty());
    append(&path, format!("{}{}", one(1), one(2)).as_bytes());
    assert_eq!(poll(&mut follower), ["1", "2"]);
    assert!(poll(&mut follower).is_empty());
}

#[test]
fn a_line_without_its_end_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = one(1);
    let path = write(folder.path().join("a.jsonl"), one(0));
    let mut follower = follow(&path);
    assert_eq!(poll(&mut follower), ["0"]);
    for byte in text.trim_end().as_bytes() {
        append(&path, &[*byte]);
        let mut timeline = follower.poll().expect("poll");
        assert!(timeline.next().is_none());
        assert!(timeline.damages().is_empty());
    }
    append(&path, b"\n");
    assert_eq!(poll(&mut follower), ["1"]);
}

#[test]
fn new_files_and_folders_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("debug_json/records");
    let mut follower = follow(folder.path());
    assert!(poll(&mut follower).is_empty());
    write(records.join("run_date=2026-11-20").join(file_name(1, "jsonl")), one(0));
    assert_eq!(poll(&mut follower), ["0"]);
    write(records.join("run_date=2026-11-21").join(file_name(2, "jsonl")), one(1));
    assert_eq!(poll(&mut follower), ["1"]);
}

#[test]
fn a_file_that_was_written_anew_is_read_from_its_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(folder.path().join("a.jsonl"), format!("{}{}", one(0), one(1)));
    let mut follower = follow(&path);
    assert_eq!(poll(&mut follower), ["0", "1"]);
    write(&path, one(2));
    assert_eq!(poll(&mut follower), ["2"]);
}

#[test]
fn a_file_that_went_away_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(folder.path().join("a.jsonl"), one(0));
    let mut follower = follow(&path);
    fs::remove_file(&path).expect("remove");
    assert!(poll(&mut follower).is_empty());
}

#[test]
fn a_line_longer_than_the_search_step_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = one(0).replace("\"message\":\"0\"", &format!("\"message\":\"{}\"", "x".repeat(300_000)));
    let path = write(folder.path().join("a.jsonl"), format!("{}{}", one(1), long.trim_end()));
    let mut follower = follow(&path);
    assert_eq!(poll(&mut follower), ["1"]);
    append(&path, b"\n");
    assert_eq!(poll(&mut follower)[0].len(), 300_000);
}

#[test]
fn a_writer_at_full_speed_loses_nothing() {
    const RECORDS: u64 = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.jsonl");
    write(&path, "");
    let mut follower = follow(&path);
    let writer = thread::spawn(move || {
        // Pieces that have nothing to do with lines, as a writer's buffer has.
        let text: String = (0..RECORDS).map(one).collect();
        text.as_bytes().chunks(4_099).for_each(|piece| append(&path, piece));
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut seen = Vec::new();
    while seen.len() < RECORDS as usize && Instant::now() < deadline {
        seen.extend(poll(&mut follower));
        thread::yield_now();
    }
    writer.join().expect("the writer");
    let expected: Vec<String> = (0..RECORDS).map(|number| number.to_string()).collect();
    assert!(seen == expected, "saw {} records", seen.len());
}
