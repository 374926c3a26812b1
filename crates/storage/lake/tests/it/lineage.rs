//! The file of events: whole lines from everybody who writes to it, whatever fails.

use std::fs;
use std::thread;

use spanlake_core::disk::{Access, real};
use spanlake_lake::runs::lineage::EventFile;
use spanlake_testkit::disk::{ENOSPC, FakeDisk, Fault, Operation};

#[test]
fn a_write_that_fails_in_the_middle_is_cut_back_and_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(folder.path());
    let file = EventFile::on(disk.handle(), folder.path().join("events/lineage.jsonl"));
    file.append(b"one\n").unwrap();
    disk.fail(Fault::at(1).of(Operation::Write).tearing().error(ENOSPC));
    let error = file.append(b"two\nthree\n").unwrap_err();
    assert!(error.is_recoverable() && error.to_string().contains("lineage.jsonl"), "{error:?}");
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "one\n");
    file.append(b"two\nthree\n").unwrap();
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "one\ntwo\nthree\n");
}

#[test]
fn a_line_without_an_end_is_ended_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lineage.jsonl");
    fs::write(&path, "{\"cut").unwrap();
    let file = EventFile::new(&path);
    file.append(b"whole\n").unwrap();
    file.append(b"").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"cut\nwhole\n");
}

#[test]
fn whoever_writes_waits_for_the_one_who_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lineage.jsonl");
    let mut held = real().create(&path, Access::Shared).unwrap();
    assert!(held.hold().unwrap());
    let file = EventFile::new(&path);
    let error = file.append(b"too soon\n").unwrap_err();
    assert!(error.is_recoverable(), "{error:?}");
    drop(held);
    file.append(b"in time\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "in time\n");
}

#[test]
fn lines_of_many_stay_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lineage.jsonl");
    thread::scope(|scope| {
        for writer in b'a'..b'i' {
            let path = &path;
            scope.spawn(move || {
                // More than one page, so that a write is not one by nature.
                let line = [vec![writer; 10_000], vec![b'\n']].concat();
                (0..50).for_each(|_| EventFile::new(path).append(&line).unwrap());
            });
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    let is_whole = |line: &str| line.len() == 10_000 && line.bytes().all(|byte| byte == line.as_bytes()[0]);
    assert_eq!(text.lines().filter(|line| is_whole(line)).count(), 8 * 50);
    assert_eq!(text.lines().count(), 8 * 50);
}
