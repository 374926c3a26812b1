//! `spanlake spool ls` and `spanlake spool verify`, on spools that killed processes left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use spanlake_core::disk;
use spanlake_core::spool::{Ledger, StoredSegment};

use crate::killed::{Process, RECORDS};
use crate::lake::{Lake, stderr, stdout};

pub(crate) fn spool(lake: &Lake) -> PathBuf {
    lake.path().join(".spool")
}

pub(crate) fn name(folder: &Path) -> String {
    folder.file_name().expect("a name").to_str().expect("text").to_owned()
}

/// What a command prints, an object a line.
pub(crate) fn objects(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What `ls` says of all spools, which must be readable.
fn listed(lake: &Lake) -> Vec<Value> {
    let output = lake.run("spool ls lake --json");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    objects(&output)
}

/// What `verify` says of the only spool, and its exit code.
fn verified(lake: &Lake) -> (Value, i32) {
    let output = lake.run("spool verify lake --json");
    assert_eq!(stderr(&output), "");
    let mut objects = objects(&output);
    assert_eq!(objects.len(), 1);
    (objects.remove(0), output.status.code().expect("it ended by itself"))
}

/// The segments in a folder that something was written into.
pub(crate) fn written(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_written = |path: &PathBuf| {
        let is_segment = path.extension().is_some_and(|extension| extension == "seg");
        is_segment && fs::read(path).expect("a file").iter().any(|byte| *byte != 0)
    };
    let mut written: Vec<PathBuf> = paths.filter(is_written).collect();
    written.sort();
    written
}

/// Changes one byte of a segment, in the middle of what was written into it.
pub(crate) fn damage(segment: &Path) {
    let mut bytes = fs::read(segment).expect("a file");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("something was written");
    bytes[end / 2] ^= 0x55;
    fs::write(segment, bytes).expect("write");
}

#[test]
fn a_killed_process_leaves_a_whole_spool() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    let listed = listed(&lake);
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["process"], &listed[0]["state"]), (&name(&folder).into(), &"orphaned".into()));
    assert_eq!((&listed[0]["service"], &listed[0]["done"]), (&"orders".into(), &false.into()));
    assert_eq!((&listed[0]["sinks"][0]["kind"], &listed[0]["sinks"][0]["level"]), (&"jsonl".into(), &"debug".into()));
    assert!(listed[0]["segments"].as_u64() >= Some(2), "{listed:?}");
    assert!(listed[0]["began"].as_str().expect("a time").ends_with('Z'));

    let (spool, code) = verified(&lake);
    assert_eq!((&spool["records"], &spool["damaged"], code), (&RECORDS.into(), &false.into(), 0), "{spool}");
    let segments = spool["segments"].as_array().expect("segments");
    let is_open = |segment: &&Value| segment["state"] == "open" && segment["end"].as_u64() > Some(0);
    assert_eq!(segments.iter().filter(is_open).count(), 2, "{segments:?}");
    assert!(segments.iter().filter(|segment| !is_open(segment)).all(|segment| segment["state"] == "blank"));
}

#[test]
fn people_get_a_line_for_each_spool_and_segment() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    let listed = lake.prints("spool ls lake");
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines[0].starts_with(&format!("! orphaned   {}  ", name(&folder))), "{listed}");
    assert!(lines[0].contains(" segments, ") && lines[0].contains("  began 2") && lines[0].ends_with("  jsonl debug"));
    assert!(lines[1].starts_with("1 spool: 1 orphaned · "), "{listed}");

    let verified = lake.prints("spool verify lake");
    let segments = fs::read_dir(&folder).expect("a folder").count() - 2;
    assert_eq!(verified.lines().count(), segments + 3, "{verified}");
    assert!(verified.contains("\n│ ledger  jsonl debug\n│ 000000000001.seg  "), "{verified}");
    assert!(verified.contains("  thread killed::plays_the_child  open, whole up to byte "), "{verified}");
    assert!(verified.ends_with(&format!(" segments, {RECORDS} records · nothing is damaged\n")), "{verified}");
}

#[test]
fn a_live_spool_is_looked_at_and_left_alone() {
    let lake = Lake::empty();
    let process = Process::start(&spool(&lake));
    for _ in 0..2 {
        assert_eq!(listed(&lake)[0]["state"], "live", "to look at it does not make it an orphan");
        let (spool, code) = verified(&lake);
        assert_eq!((&spool["state"], &spool["records"], code), (&"live".into(), &RECORDS.into(), 0), "{spool}");
    }
    assert!(lake.prints("spool ls lake").starts_with("▸ live "));
    process.kill();
    assert_eq!(listed(&lake)[0]["state"], "orphaned");
}

#[test]
fn damage_is_found_where_it_begins() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    let segment = written(&folder).remove(0);
    let whole = verified(&lake).0;
    damage(&segment);
    let (spool, code) = verified(&lake);
    assert_eq!((&spool["damaged"], code), (&true.into(), 1));
    assert!(spool["records"].as_u64() < whole["records"].as_u64() && spool["records"].as_u64() > Some(0), "{spool}");
    let segments = spool["segments"].as_array().expect("segments");
    let damaged: Vec<&Value> = segments.iter().filter(|segment| segment["state"] == "damaged").collect();
    assert_eq!((damaged.len(), &damaged[0]["file"]), (1, &name(&segment).into()));
    let bytes = fs::read(&segment).expect("a file");
    let stored = StoredSegment { path: segment, bytes };
    let (decoded, is_damaged) = stored.decode().expect("a segment");
    assert!(is_damaged);
    assert_eq!(damaged[0]["records"], decoded.len());

    let output = lake.run("spool verify lake");
    let end = damaged[0]["end"].as_u64().expect("a place");
    let digits = if end < 1_000 { end.to_string() } else { format!("{},{:03}", end / 1_000, end % 1_000) };
    let expected = format!("damaged from byte {digits} on: a frame does not match its checksum\n");
    assert!(stdout(&output).contains(&expected), "{}", stdout(&output));
    assert!(stdout(&output).ends_with(" · damaged: 1 segment\n"), "{}", stdout(&output));
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""));
    assert_eq!(lake.run("spool ls lake").status.code(), Some(0), "`ls` reads no segment");
}

#[test]
fn damage_in_a_live_spool_is_found_too() {
    let lake = Lake::empty();
    let process = Process::start(&spool(&lake));
    damage(&written(&process.folder())[0]);
    let (spool, code) = verified(&lake);
    assert_eq!((&spool["state"], &spool["damaged"], code), (&"live".into(), &true.into(), 1));
}

#[test]
fn a_segment_without_its_beginning_is_damaged_from_there() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    fs::write(folder.join("000000000099.seg"), "no segment").expect("write");
    let output = lake.run("spool verify lake");
    let expected = "│ 000000000099.seg  10 B  0 records  damaged from byte 0 on: not a segment: wrong first bytes\n";
    assert!(stdout(&output).contains(expected), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_spool_needs_its_ledger() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    let ledger = folder.join("ledger");
    fs::write(&ledger, "SPLL").expect("write");
    let table = [("the ledger is damaged", true), ("the ledger is missing", false)];
    for (problem, exists) in table {
        if !exists {
            fs::remove_file(&ledger).expect("remove");
        }
        let listed = listed(&lake);
        assert_eq!((&listed[0]["state"], &listed[0]["problem"]), (&"damaged".into(), &problem.into()));
        let line = lake.prints("spool ls lake");
        assert!(line.starts_with(&format!("✗ damaged    {}  ", name(&folder))) && line.contains(problem), "{line}");
        let (spool, code) = verified(&lake);
        assert_eq!((&spool["records"], &spool["damaged"], code), (&RECORDS.into(), &true.into(), 1));
        let text = stdout(&lake.run("spool verify lake"));
        assert!(text.contains(&format!("\n│ {problem}\n")), "{text}");
        assert!(text.ends_with(" · damaged: 1 ledger\n"), "{text}");
    }
}

#[test]
fn what_the_sinks_have_cannot_be_damaged_any_more() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    let disk = disk::real();
    let mut ledger = Ledger::read(&*disk, &folder).expect("a ledger");
    written(&folder).iter().for_each(|segment| damage(segment));
    ledger.released = (1..100).collect();
    ledger.write(&*disk, &folder).expect("write");
    let (spool, code) = verified(&lake);
    assert_eq!((&spool["damaged"], &spool["segments"][0]["released"], code), (&false.into(), &true.into(), 0));
    assert!(lake.prints("spool verify lake").contains("  in the lake\n"));

    (ledger.released, ledger.is_done) = (vec![], true);
    ledger.write(&*disk, &folder).expect("write");
    assert_eq!((&listed(&lake)[0]["done"], verified(&lake).1), (&true.into(), 0));
    assert!(lake.prints("spool ls lake").contains("  jsonl debug  all of it is in the lake\n"));
}

#[test]
fn the_newest_process_comes_first() {
    let lake = Lake::empty();
    let first = Process::start(&spool(&lake));
    let second = Process::start(&spool(&lake)).kill();
    let third = Process::start(&spool(&lake));
    let processes: Vec<Value> = listed(&lake).iter().map(|spool| spool["process"].clone()).collect();
    assert_eq!(processes, [name(&third.folder()), name(&second), name(&first.folder())]);
    assert!(lake.prints("spool ls lake").contains("\n3 spools: 2 live, 1 orphaned · "));
    // The folder itself can be named as well.
    let direct = lake.run(&format!("spool ls {} --json", spool(&lake).display()));
    assert_eq!(objects(&direct), listed(&lake));
}

#[test]
fn a_folder_without_spools_has_none() {
    let lake = Lake::empty();
    lake.write("");
    for command in ["spool ls lake", "spool verify lake"] {
        assert_eq!(lake.prints(command), format!("no spools in {}\n", lake.path().display()));
        assert_eq!(lake.prints(&format!("{command} --json")), "");
    }
    fs::create_dir(spool(&lake)).expect("create");
    assert_eq!(lake.prints("spool ls lake"), format!("no spools in {}\n", spool(&lake).display()));
}

#[test]
fn a_process_that_died_before_it_began_left_an_empty_folder() {
    let lake = Lake::empty();
    let folder = spool(&lake).join("20261120T131410.000000Z_obelix_6156");
    fs::create_dir_all(&folder).expect("create");
    let expected =
        "! orphaned   20261120T131410.000000Z_obelix_6156  0 segments, 0 B\n1 spool: 1 orphaned · 0 segments, 0 B\n";
    assert_eq!(lake.prints("spool ls lake"), expected);
    let (spool, code) = verified(&lake);
    assert_eq!((&spool["damaged"], code), (&false.into(), 0));
    assert_eq!(fs::read_dir(&folder).expect("it is still there").count(), 0, "nothing is changed");
}

#[test]
fn what_is_in_quarantine_is_listed() {
    let lake = Lake::empty();
    let folder = spool(&lake).join("quarantine/20261120T131410.000000Z_obelix_6156");
    fs::create_dir_all(&folder).expect("create");
    fs::write(folder.join("000000000001.seg"), "x".repeat(2_048)).expect("write");
    let listed = listed(&lake);
    assert_eq!((&listed[0]["state"], &listed[0]["files"]), (&"quarantined".into(), &1.into()));
    let place = folder.display();
    let expected = format!("⊘ quarantine 20261120T131410.000000Z_obelix_6156  1 file, 2 KiB  in {place}\n");
    assert_eq!(lake.prints("spool ls lake"), format!("{expected}no spools in {}\n", spool(&lake).display()));
}

#[test]
fn what_is_not_there_is_told_with_code_and_cause() {
    let lake = Lake::empty();
    lake.write("");
    let file = lake.file().display().to_string();
    for command in ["spool ls", "spool verify", "spool verify --json"] {
        for path in ["/nowhere/at/all", &file] {
            let output = lake.run(&format!("{command} {path}"));
            let expected =
                format!("spanlake: HANDLER::Spool::IO::ERROR: cannot look for spools (path: {path})\n  caused by: ");
            assert!(stderr(&output).starts_with(&expected), "{}", stderr(&output));
            assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
        }
    }
}

#[test]
fn names_and_ledgers_cannot_act() {
    const EVIL: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\r\n\u{202e}\u{9b}31m";
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    let disk = disk::real();
    let mut ledger = Ledger::read(&*disk, &folder).expect("a ledger");
    ledger.sinks[0].kind = EVIL.to_owned();
    ledger.write(&*disk, &folder).expect("write");
    fs::rename(&folder, spool(&lake).join(EVIL)).expect("rename");
    for command in ["spool ls lake", "spool verify lake", "spool ls lake --json", "spool verify lake --json"] {
        let text = lake.prints(command);
        assert!(!text.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}', '\u{9b}']), "{command}: {text:?}");
        assert!(text.contains("0;title"), "{command}: {text}");
    }
}
