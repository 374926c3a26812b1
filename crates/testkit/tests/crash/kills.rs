//! `kill -9` at random instants.

use std::time::Duration;

use crate::child::{Role, Stand};
use crate::lake::Found;

/// Kills of a child that records; `SPANLAKE_KILLS` sets another number.
const KILLS: u64 = 100;

/// Kills of a child that recovers, each behind a kill of one that recorded.
const RECOVERY_KILLS: u64 = 10;

/// Kills of a child with a flight recorder.
const HELD_KILLS: u64 = 20;

fn kills(default: u64) -> u64 {
    std::env::var("SPANLAKE_KILLS").ok().map_or(default, |kills| kills.parse().expect("a number"))
}

/// A pause of up to `most` microseconds that differs from run to run.
fn pause(run: u64, most: u64) -> Duration {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").subsec_nanos();
    Duration::from_micros((run * 7_919 + u64::from(nanos / 100)) % most)
}

fn assert_all_is_there(stand: &Stand, context: &str) {
    let returned = stand.returned();
    Found::in_jsonl(&stand.lake()).assert_exact(returned, &format!("{context}, JSON lines"));
    Found::in_parquet(&stand.lake()).assert_exact(returned, &format!("{context}, Parquet"));
    let left: Vec<_> = std::fs::read_dir(stand.lake().join(".spool")).expect("the spool").collect();
    assert!(left.is_empty(), "{context}: {left:?}");
}

#[test]
fn whatever_returned_before_a_kill_is_in_the_lake_once() {
    let mut recorded = 0;
    for run in 0..kills(KILLS) {
        let folder = tempfile::tempdir().expect("a folder");
        let stand = Stand { folder: folder.path().to_owned() };
        let pause = pause(run, 4_000);
        assert!(stand.kill_after(Role::Record, pause), "it ran until it was killed");
        let recovered = stand.recovery().run().expect("the spools can be looked for");
        assert!(recovered.iter().all(|one| one.error.is_none() && one.damaged.is_empty()), "{recovered:?}");
        assert_all_is_there(&stand, &format!("run {run}, killed after {pause:?}"));
        recorded += stand.returned().iter().sum::<u64>();
    }
    println!("{recorded} records");
    assert!(recorded > 0);
}

#[test]
fn details_that_a_flight_recorder_held_of_tasks_that_fail_survive_a_kill() {
    let (mut recorded, mut left_out) = (0, 0);
    for run in 0..kills(HELD_KILLS) {
        let folder = tempfile::tempdir().expect("a folder");
        let stand = Stand { folder: folder.path().to_owned() };
        let pause = pause(run, 100_000);
        assert!(stand.kill_after(Role::Hold, pause), "it ran until it was killed");
        let recovered = stand.recovery().run().expect("the spools can be looked for");
        assert!(recovered.iter().all(|one| one.error.is_none() && one.damaged.is_empty()), "{recovered:?}");
        let (context, returned) = (format!("run {run}, killed after {pause:?}"), stand.returned());
        let found = [Found::in_jsonl(&stand.lake()), Found::in_parquet(&stand.lake())];
        found.iter().for_each(|found| found.assert_wanted(returned, &context));
        recorded += returned.iter().sum::<u64>();
        left_out +=
            returned.iter().sum::<u64>().saturating_sub(found[0].numbers.iter().map(|it| it.len() as u64).sum());
    }
    println!("{recorded} details, {left_out} of them held back");
    assert!(recorded > 0);
}

#[test]
fn a_recovery_that_is_killed_is_done_again() {
    for run in 0..kills(RECOVERY_KILLS) {
        let folder = tempfile::tempdir().expect("a folder");
        let stand = Stand { folder: folder.path().to_owned() };
        stand.kill_after(Role::Record, Duration::from_millis(2) + pause(run, 4_000));
        let mut killed = 0;
        while killed < 5 && stand.kill_after(Role::Recover, pause(run + killed, 6_000)) {
            killed += 1;
        }
        stand.recovery().run().expect("the spools can be looked for");
        assert_all_is_there(&stand, &format!("run {run}, recovery killed {killed} times"));
    }
}

#[test]
fn recoverers_that_race_put_everything_in_once() {
    for run in 0..RECOVERY_KILLS {
        let folder = tempfile::tempdir().expect("a folder");
        let stand = Stand { folder: folder.path().to_owned() };
        stand.kill_after(Role::Record, Duration::from_millis(2) + pause(run, 4_000));
        let others: Vec<_> = (0..3).map(|_| stand.start(Role::Recover)).collect();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| stand.recovery().run().expect("the spools can be looked for"));
            }
        });
        for (mut child, _out) in others {
            assert!(child.wait().expect("it ended").success());
        }
        assert_all_is_there(&stand, &format!("run {run}"));
    }
}
