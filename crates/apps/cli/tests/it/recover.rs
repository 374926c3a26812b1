//! `spanlake recover`, on spools that killed processes left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use spanlake_core::disk;
use spanlake_core::spool::{Ledger, Orphan};
use spanlake_core::{LevelFilter, Recipe};

use crate::killed::{Process, RECORDS};
use crate::lake::{Lake, stderr, stdout};
use crate::spool::{damage, name, objects, spool, written};

/// The records of a lake, each of which must be there once.
fn records(lake: &Lake, options: &str) -> Vec<Value> {
    let text = lake.prints(&format!("cat lake --json{options}"));
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let keys: BTreeSet<&str> = records.iter().map(|record| record["key"].as_str().expect("in a task")).collect();
    assert_eq!(keys.len(), records.len(), "a record is there twice");
    records
}

/// What a killed process and its open task leave in the lake.
const IN_LAKE: usize = RECORDS as usize + 1;

fn change_ledger(folder: &Path, change: impl FnOnce(&mut Ledger)) {
    let disk = disk::real();
    let mut ledger = Ledger::read(&*disk, folder).expect("a ledger");
    change(&mut ledger);
    ledger.write(&*disk, folder).expect("write");
}

#[test]
fn what_a_killed_process_left_comes_into_the_lake_once() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    let expected = format!(
        "✓ {}  {RECORDS} records, 1 task interrupted\n\
         recovered from 1 spool: {RECORDS} records, 1 task interrupted\n",
        name(&folder)
    );
    assert_eq!(lake.prints("recover lake"), expected);
    assert!(!folder.exists());
    let found = records(&lake, "");
    assert_eq!(found.len(), IN_LAKE);
    let end = found.iter().find(|record| record["kind"] == "end" && record["task"] == "load").expect("an end");
    assert_eq!((&end["outcome"], &end["level"]), (&"interrupted".into(), &"ERROR".into()));
    assert!(lake.prints("tree lake").contains("! load  "), "{}", lake.prints("tree lake"));

    assert_eq!(lake.prints("recover lake"), "nothing to recover\n");
    assert_eq!(records(&lake, "").len(), IN_LAKE);
}

#[test]
fn all_sinks_of_the_process_are_recovered_to() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    change_ledger(&folder, |ledger| {
        let more = ["parquet", "system_log"].map(|kind| Recipe { kind: kind.to_owned(), ..ledger.sinks[0].clone() });
        ledger.sinks.extend(more);
        ledger.sinks[1].level = LevelFilter::ERROR;
    });
    assert!(lake.run("recover lake").status.success());
    assert_eq!(records(&lake, " --format jsonl").len(), IN_LAKE);
    assert_eq!(records(&lake, " --format parquet").len(), 1, "only the end is an error");
    assert!(lake.path().join("debug_json/system_log").exists());
}

#[test]
fn a_live_spool_is_left_alone() {
    let lake = Lake::empty();
    let process = Process::start(&spool(&lake));
    assert_eq!(lake.prints("recover lake"), "nothing to recover · 1 spool live\n");
    assert_eq!(lake.prints("recover lake --json"), "");
    let dead = Process::start(&spool(&lake)).kill();
    let output = lake.prints("recover lake");
    assert!(output.starts_with(&format!("✓ {}  ", name(&dead))) && output.ends_with(" · 1 spool live\n"), "{output}");
    let folder = process.kill();
    let recovered = objects(&lake.run("recover lake --json"));
    assert_eq!(recovered.len(), 1);
    assert_eq!((&recovered[0]["process"], &recovered[0]["records"]), (&name(&folder).into(), &RECORDS.into()));
    assert_eq!(records(&lake, "").len(), 2 * IN_LAKE);
}

#[test]
fn two_that_recover_at_once_get_in_nobodys_way() {
    let lake = Lake::empty();
    (0..3).for_each(|_| drop(Process::start(&spool(&lake)).kill()));
    let start = || lake.command("recover lake --json").stdout(Stdio::piped()).spawn().expect("start");
    let both = [start(), start()].map(|child| child.wait_with_output().expect("the end"));
    assert!(both.iter().all(|output| output.status.success()), "{both:?}");
    let sum: u64 = both.iter().flat_map(objects).filter_map(|one| one["records"].as_u64()).sum();
    assert_eq!((sum, records(&lake, "").len()), (3 * RECORDS, 3 * IN_LAKE));
    assert_eq!(fs::read_dir(spool(&lake)).expect("a folder").count(), 0);
}

#[test]
fn what_stood_before_the_damage_is_recovered() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    let segment = written(&folder).remove(0);
    damage(&segment);
    let output = lake.run("recover lake");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""));
    let text = stdout(&output);
    let copy = spool(&lake).join("quarantine").join(name(&folder)).join(name(&segment));
    assert!(text.starts_with(&format!("! {}  ", name(&folder))), "{text}");
    assert!(text.contains(&format!("  damaged, a copy in {}\n", copy.display())), "{text}");
    assert!(text.ends_with(" · 1 segment damaged\n"), "{text}");
    assert!(copy.exists() && !folder.exists());
    let found = records(&lake, "").len();
    assert!(0 < found && found < IN_LAKE, "{found}");
    assert!(lake.prints("spool ls lake").starts_with(&format!("⊘ quarantine {}  1 file, ", name(&folder))));
    assert_eq!(lake.prints("recover lake"), "nothing to recover\n");
}

#[test]
fn a_spool_that_cannot_be_read_stops_no_other() {
    let lake = Lake::empty();
    let [without, other] = [(); 2].map(|()| Process::start(&spool(&lake)).kill());
    fs::remove_file(without.join("ledger")).expect("remove");
    let output = lake.run("recover lake");
    let aside = spool(&lake).join("quarantine").join(name(&without));
    let expected = format!(
        "✗ {}  not recovered  in quarantine: {}\n\
         ✓ {}  {RECORDS} records, 1 task interrupted\n\
         recovered from 1 spool: {RECORDS} records, 1 task interrupted · 1 spool not recovered\n",
        name(&without),
        aside.display(),
        name(&other)
    );
    assert_eq!((stdout(&output), output.status.code()), (expected, Some(1)));
    let told = stderr(&output);
    assert!(told.starts_with("spanlake: HANDLER::Recovery::IO::ERROR: cannot read the spool (folder: "), "{told}");
    assert!(written(&aside).len() >= 2 && !without.exists());
    assert_eq!(records(&lake, "").len(), IN_LAKE);
}

#[test]
fn a_spool_for_an_unknown_sink_stays_where_it_is() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    change_ledger(&folder, |ledger| ledger.sinks[0].kind = "\u{1b}[2J".to_owned());
    let output = lake.run("recover lake --json");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""));
    assert_eq!(objects(&output)[0]["code"], "FACTORY::Recovery::CONFIGURATION::ERROR");
    let error = "this program cannot write to the sink (sink: \u{1b}[2J)";
    assert_eq!(objects(&output)[0]["error"], error, "the JSON has it as it is");
    assert!(!stdout(&output).contains('\u{1b}'), "and escapes it");
    let output = lake.run("recover lake");
    assert!(stdout(&output).contains("  not recovered\nrecovered from 0 spools: 0 records · 1 spool not recovered\n"));
    assert!(stderr(&output).ends_with("cannot write to the sink (sink: \\u{1b}[2J)\n"), "{}", stderr(&output));
    assert!(written(&folder).len() >= 2);
}

#[test]
fn what_is_in_the_lake_already_is_not_written_again() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    change_ledger(&folder, |ledger| ledger.is_done = true);
    assert_eq!(
        lake.prints("recover lake"),
        format!("✓ {}  0 records\nrecovered from 1 spool: 0 records\n", name(&folder))
    );
    assert!(!folder.exists() && records(&lake, "").is_empty());
}

#[test]
fn spools_may_be_elsewhere() {
    let lake = Lake::empty();
    let elsewhere = lake.path().join("fast");
    drop(Process::start(&elsewhere).kill());
    assert_eq!(lake.prints("recover lake"), "nothing to recover\n");
    let command = format!("recover lake --spool {}", elsewhere.display());
    assert!(lake.prints(&command).ends_with("recovered from 1 spool: 154 records, 1 task interrupted\n"));
    assert_eq!(records(&lake, "").len(), IN_LAKE);
    assert_eq!(lake.prints(&command), "nothing to recover\n");
}

#[test]
fn a_lake_that_is_gone_has_been_moved_to_the_one_that_is_named() {
    let lake = Lake::empty();
    let (elsewhere, new) = (lake.path().join("fast"), lake.path().join("new"));
    let folder = Process::start(&elsewhere).kill();
    change_ledger(&folder, |ledger| ledger.sinks[0].lake = lake.path().join("gone"));
    let command = format!("recover {} --spool {}", new.display(), elsewhere.display());
    assert!(lake.prints(&command).starts_with("✓ "));
    assert_eq!(lake.prints(&format!("cat {} --json", new.display())).lines().count(), IN_LAKE);
}

#[test]
fn a_folder_that_a_process_left_empty_goes() {
    let lake = Lake::empty();
    let folder = spool(&lake).join("20261120T131410.000000Z_obelix_6156");
    fs::create_dir_all(&folder).expect("create");
    assert_eq!(lake.prints("recover lake"), "nothing to recover\n");
    assert!(!folder.exists());
    let disk = disk::real();
    assert!(Orphan::adopt(&*disk, &folder).expect("no error").is_none());
}

#[test]
fn what_is_not_there_is_told_with_code_and_cause() {
    let lake = Lake::empty();
    let lake_error = "spanlake: HANDLER::Lake::IO::ERROR: cannot read the lake (path: /nowhere/at/all)\n  caused by: ";
    let spool_error =
        "spanlake: HANDLER::Spool::IO::ERROR: cannot look for spools (path: /nowhere/at/all)\n  caused by: ";
    let table = [("recover /nowhere/at/all", lake_error), ("recover lake --spool /nowhere/at/all", spool_error)];
    for (command, expected) in table {
        let output = lake.run(command);
        assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    }
    assert_eq!(lake.prints("recover lake"), "nothing to recover\n", "a lake without a spool");
}
