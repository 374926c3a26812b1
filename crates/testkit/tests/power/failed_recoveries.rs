//! Any call of a recovery fails, once or for ever; the next recovery puts everything in exactly once.

use std::fs;
use std::path::Path;

use spanlake_lake::Recovery;
use spanlake_testkit::disk::{EIO, ENOSPC, FakeDisk, Fault, Operation, seed};

use crate::cuts::{Told, play};
use crate::lake::{files, in_jsonl, in_parquet};
use crate::oracle::{check, recover, recover_and_check};
use crate::process::{Promise, lake, scratch};
use crate::scripts::{Script, scripts};

/// States that are looked at after each run.
const STATES: usize = 2;

/// What a process leaves behind when it is killed at the end of its script, in `left`; and what it owes.
pub(crate) fn left_by(script: &Script, left: &Path) -> Promise {
    let last = play(script).pop().expect("a moment");
    // The last state is that in which all is there: nothing of it was lost, for the machine goes on.
    last.cut.each(2, seed(), left, |_| ());
    // Where nobody drains, some of it has given way; and what has not is owed because it was synced.
    let owed = if script.settings.is_pumped { last.promise.given.clone() } else { last.promise.owed };
    Promise { owed, given: last.promise.given }
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("removed");
    }
    for file in files(from, "") {
        let to = to.join(file.strip_prefix(from).expect("below"));
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        fs::copy(file, to).expect("copied");
    }
}

/// A full disk that takes a part of a write, and one that breaks.
fn faults(number: u64) -> [Fault; 2] {
    [Fault::at(number).error(ENOSPC).tearing(), Fault::at(number).error(EIO).for_ever()]
}

#[test]
fn whatever_fails_in_a_recovery_the_next_one_makes_good() {
    let names = ["syncs and flushes", "full files", "partitions", "the oldest give way"];
    for script in scripts().into_iter().filter(|script| names.contains(&script.name)) {
        let scratch = scratch();
        let [left, work, after] = ["left", "work", "after"].map(|name| scratch.path().join(name));
        let promise = left_by(&script, &left);
        let mut number = 0;
        let mut has_failed = true;
        while has_failed {
            number += 1;
            for fault in faults(number) {
                let told = Told(script.name, number as usize);
                copy(&left, &work);
                let disk = FakeDisk::new(&work);
                disk.fail(fault);
                // Whatever it says: the next one is to make it good.
                let _ = Recovery::new(lake(&work)).disk(disk.handle()).run();
                disk.heal();
                let failed: Vec<Operation> =
                    disk.calls().into_iter().filter(|call| call.failed).map(|call| call.operation).collect();
                recover(&work, disk.handle());
                check(&work, &promise);
                // After a failed sync nobody knows what the disk has, whatever later ones say.
                if !failed.iter().any(|operation| matches!(operation, Operation::SyncFolder | Operation::SyncFile)) {
                    disk.cut_power().each(STATES, seed(), &after, |left| recover_and_check(left, &promise));
                }
                has_failed = !failed.is_empty();
                std::mem::forget(told);
            }
        }
        println!("{}: {number} calls", script.name);
    }
}

/// Recovery must not begin a file under the name of one that was deleted: the next recovery would take it for an older
/// one that is whole, and write its records again.
#[test]
fn files_that_limits_deleted_do_not_come_back_under_their_names() {
    let script = scripts().into_iter().find(|script| script.name == "full files").expect("the script");
    let scratch = scratch();
    let [left, work] = ["left", "work"].map(|name| scratch.path().join(name));
    left_by(&script, &left);
    let oldest = [".jsonl", ".parquet"].map(|end| files(&lake(&left), end).remove(0));
    oldest.iter().for_each(|path| fs::remove_file(path).expect("removed"));
    let mut number = 0;
    let mut has_failed = true;
    while has_failed {
        number += 1;
        copy(&left, &work);
        let disk = FakeDisk::new(&work);
        disk.fail(Fault::at(number).for_ever());
        let _ = Recovery::new(lake(&work)).disk(disk.handle()).run();
        has_failed = disk.calls().iter().any(|call| call.failed);
        disk.heal();
        recover(&work, disk.handle());
        for found in [in_jsonl(&lake(&work)), in_parquet(&lake(&work))] {
            let twice: Vec<_> = found.iter().filter(|(_, times)| **times > 1).collect();
            assert!(twice.is_empty(), "call {number}: {twice:?}");
        }
    }
}
