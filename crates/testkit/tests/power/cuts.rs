//! The power goes at any moment of a run.

use crate::oracle::recover_and_check;
use crate::process::{Moment, Process, scratch};
use crate::scripts::{Script, scripts};
use spanlake_testkit::disk::seed;

/// States that are looked at after each cut.
const STATES: usize = 3;

/// How many times as much is looked at as usual, by the environment variable `SPANLAKE_DEPTH`.
pub(crate) fn depth() -> usize {
    std::env::var("SPANLAKE_DEPTH").ok().map_or(1, |depth| depth.parse().expect("a number"))
}

/// Plays a script; gives every moment of it.
pub(crate) fn play(script: &Script) -> Vec<Moment> {
    let mut process = Process::watched(&script.settings);
    (script.play)(&mut process);
    process.moments()
}

#[test]
fn what_was_synced_or_flushed_outlives_a_power_cut_at_any_moment() {
    for script in scripts() {
        let moments = play(&script);
        let scratch = scratch();
        let mut states = 0;
        for (number, moment) in moments.iter().enumerate() {
            let seed = seed();
            let told = Told(script.name, number);
            states += moment.cut.each(STATES * depth(), seed, &scratch.path().join("left"), |left| {
                recover_and_check(left, &moment.promise);
            });
            std::mem::forget(told);
        }
        println!("{}: {} moments, {states} states", script.name, moments.len());
    }
}

/// Says, when a check panics, where.
pub(crate) struct Told(pub(crate) &'static str, pub(crate) usize);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("script `{}`, moment {}", self.0, self.1);
    }
}
