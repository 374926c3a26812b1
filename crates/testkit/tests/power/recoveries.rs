//! The power goes while a recovery is under way, or when it is just done.

use std::path::Path;

use spanlake_testkit::disk::{FakeDisk, PowerCut, seed};

use crate::cuts::{Told, depth, play};
use crate::oracle::{moments_of, recover, recover_and_check};
use crate::process::{Promise, scratch};
use crate::scripts::scripts;

/// Moments of each run that are looked at, evenly spread.
const MOMENTS: usize = 2;

/// States of each of them that are recovered.
const STATES: usize = 2;

/// States that are looked at after each cut during a recovery.
const STATES_AFTER: usize = 3;

/// Cuts the power at each moment of a recovery and recovers again; gives how many states were looked at.
fn cut_recovery(left: &Path, promise: &Promise, after: &Path) -> usize {
    let disk = FakeDisk::new(left);
    let cuts = moments_of(&disk, || recover(left, disk.handle()));
    let check = |cut: PowerCut| cut.each(STATES_AFTER, seed(), after, |left| recover_and_check(left, promise));
    cuts.into_iter().map(check).sum()
}

#[test]
fn a_recovery_that_a_power_cut_ends_is_done_again() {
    for script in scripts() {
        let moments = play(&script);
        let scratch = scratch();
        let [left, after] = ["left", "after"].map(|name| scratch.path().join(name));
        let mut states = 0;
        let step = moments.len().div_ceil(MOMENTS * depth());
        for (number, moment) in moments.iter().enumerate().skip(step / 2).step_by(step) {
            let told = Told(script.name, number);
            moment.cut.each(STATES, seed(), &left, |left| {
                states += cut_recovery(left, &moment.promise, &after);
            });
            std::mem::forget(told);
        }
        println!("{}: {states} states", script.name);
    }
}
