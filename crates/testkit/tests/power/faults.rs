//! The n-th call to the disk fails, once or for ever, for every n of a run with the spool on.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use spanlake_core::{Level, Report};
use spanlake_testkit::disk::{EIO, ENOSPC, Fault, Operation, seed};

use crate::cuts::Told;
use crate::lake::files;
use crate::oracle::{check, recover, recover_and_check};
use crate::process::{LONG, Process, Promise, Settings, Stand, lake, scratch};

/// Flushes while the fault is there.
const ROUNDS: usize = 2;

/// States that are looked at after a power cut.
const STATES: usize = 5;

/// A process on a disk that fails.
struct Run {
    process: Process,
    rounds: usize,
}

impl Run {
    /// `None` where it could not begin, which is said at once and leaves nothing that would be in the way.
    fn new(fault: Fault) -> Option<Self> {
        let stand = Stand::new();
        stand.disk.fail(fault);
        let settings = Settings { capacity_bytes: 512 << 10, ..Settings::default() };
        let Ok(process) = Process::on(&stand, &settings) else {
            stand.disk.heal();
            recover(&stand.root(), stand.disk.handle());
            assert!(files(&stand.root(), "").is_empty());
            return None;
        };
        Some(Self { process, rounds: 0 })
    }

    /// Some rounds of records, a sync of the spool and a flush.
    fn rounds(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let (process, first) = (&mut self.process, 10 * self.rounds);
            self.rounds += 1;
            for number in first..first + 3 {
                assert!(process.event(number % 2, Level::INFO, number, 4_000));
            }
            process.begin(0, &format!("task {first}"));
            assert!(process.event(0, Level::INFO, first + 3, 100));
            process.end(0);
            // Whether it can or not: it is tried again with the next round.
            if process.buffer.sync_spool().is_ok() {
                process.owe();
            }
            let report = process.pump.as_ref().expect("a pump").flush(LONG);
            if report.is_complete() {
                process.owe();
            }
            self.check(&report);
        }
    }

    fn shutdown(&self) -> Report {
        let report = self.process.pump.as_ref().expect("a pump").shutdown(LONG);
        self.check(&report);
        report
    }

    fn check(&self, report: &Report) {
        assert!(!report.timed_out, "{report}");
        assert_eq!(report.recorded, self.process.promise().given.len() as u64, "{report}");
        assert_eq!(report.recorded, report.written + report.filtered + report.lost + report.pending, "{report}");
        for sink in &report.sinks {
            assert_eq!(sink.written + sink.filtered + sink.lost + sink.pending, report.recorded, "{sink:?}");
            assert!(!sink.last_error.as_deref().unwrap_or("").contains("panicked"), "{sink:?}");
        }
    }

    fn failed(&self) -> Vec<Operation> {
        self.process.stand.disk.calls().into_iter().filter(|call| call.failed).map(|call| call.operation).collect()
    }

    fn has_failed(&self) -> bool {
        !self.failed().is_empty()
    }

    /// Whether all that was recorded is in files.
    fn is_spooled(&self) -> bool {
        self.process.buffer.spool_report().is_some_and(|report| report.unprotected_pages == 0)
    }

    /// What must be in the lake when nothing more goes wrong: everything, unless some of it was never in a file.
    fn owed(&self) -> Promise {
        let given = self.process.promise().given;
        Promise { owed: if self.is_spooled() { given.clone() } else { BTreeSet::new() }, given }
    }

    /// What must be in the lake after a power cut.
    fn owed_after_cut(&self) -> Promise {
        let promise = self.process.promise();
        Promise { owed: if self.is_spooled() { promise.owed } else { BTreeSet::new() }, ..promise }
    }

    /// Ends the process; what it leaves is recovered on a disk that works.
    fn end_and_recover(self, promise: &Promise) {
        let stand = Arc::clone(&self.process.stand);
        drop(self);
        stand.disk.heal();
        recover(&stand.root(), stand.disk.handle());
        check(&stand.root(), promise);
        let spool = lake(&stand.root()).join(spanlake_core::spool::FOLDER);
        assert!(files(&spool, "").is_empty(), "{:?}", files(&spool, ""));
    }
}

/// Lets each call of a run fail in several ways; `play` plays it, and gives whether the call came.
fn each_call(faults: fn(u64) -> [Fault; 2], play: impl Fn(Run) -> bool) {
    let mut number = 0;
    let mut has_failed = true;
    while has_failed {
        number += 1;
        for fault in faults(number) {
            let told = Told("faults", number as usize);
            has_failed = Run::new(fault).is_none_or(&play);
            std::mem::forget(told);
        }
    }
    println!("{number} calls");
    assert!(number > 50);
}

/// A full disk, which takes a part of a write, and one that is broken.
fn once(number: u64) -> [Fault; 2] {
    [Fault::at(number).error(ENOSPC).tearing(), Fault::at(number).error(EIO)]
}

fn for_ever(number: u64) -> [Fault; 2] {
    once(number).map(Fault::for_ever)
}

#[test]
fn after_any_call_failed_once_everything_is_there_once() {
    each_call(once, |mut run| {
        run.rounds(ROUNDS + 1);
        let report = run.shutdown();
        assert!(report.is_complete(), "{report} {:?}", report.sinks);
        let (given, has_failed) = (run.process.promise().given, run.has_failed());
        run.end_and_recover(&Promise { owed: given.clone(), given });
        has_failed
    });
}

#[test]
fn when_a_disk_works_again_everything_flows_again() {
    each_call(for_ever, |mut run| {
        run.rounds(ROUNDS);
        run.process.stand.disk.heal();
        run.rounds(1);
        let report = run.shutdown();
        assert!(report.is_complete(), "{report} {:?}", report.sinks);
        let (given, has_failed) = (run.process.promise().given, run.has_failed());
        run.end_and_recover(&Promise { owed: given.clone(), given });
        has_failed
    });
}

#[test]
fn a_process_that_ends_on_a_broken_disk_leaves_all_to_recovery() {
    each_call(for_ever, |mut run| {
        run.rounds(ROUNDS);
        run.shutdown();
        let (promise, has_failed) = (run.owed(), run.has_failed());
        run.end_and_recover(&promise);
        has_failed
    });
}

/// The last state after a power cut is that in which all is there: that is a kill, for then the machine goes on.
fn cut_and_recover(run: &Run, scratch: &Path) {
    // After a failed sync nobody knows what the disk has, whatever later ones say.
    let states = if run.failed().into_iter().any(Operation::is_sync) { 2 } else { STATES };
    let (killed, cut) = (run.owed(), run.owed_after_cut());
    let mut number = 0;
    run.process.stand.disk.cut_power().each(states, seed(), scratch, |left| {
        number += 1;
        match number {
            2 => recover_and_check(left, &killed),
            _ if states == STATES => recover_and_check(left, &cut),
            _ => {}
        }
    });
}

#[test]
fn a_kill_or_a_power_cut_after_a_fault_leaves_all_to_recovery() {
    let scratch = scratch();
    for faults in [once, for_ever] {
        each_call(faults, |mut run| {
            run.rounds(ROUNDS);
            cut_and_recover(&run, &scratch.path().join("left"));
            run.has_failed()
        });
    }
}
