//! Processes that are killed leave nothing out and nothing twice.

use std::io::{Read, Write};
use std::thread;

use serde_json::Value as Json;
use spanlake_etl::EtlLayer;

use super::stand::{Stand, kind, pause};

const KILLS: u64 = 12;

#[test]
fn every_event_is_there_once_whenever_the_process_is_killed() {
    let mut aborted = 0;
    for kill in 0..KILLS {
        let stand = Stand::new();
        stand.kill_after(pause(kill, 120_000));
        // By the next start with lineage or without, or by a recovery alone.
        match kill % 3 {
            0 => drop(stand.builder().job_id("next").build().expect("a lake").1.finish().expect("a lake")),
            1 => drop(
                EtlLayer::builder(stand.lake()).job_id("next").build().expect("a lake").1.finish().expect("a lake"),
            ),
            _ => drop(stand.recover()),
        }
        aborted += stand.check_after_kill();
    }
    assert!(aborted > 0, "no run was open at any of {KILLS} kills");
}

#[test]
fn processes_that_share_a_file_survive_the_kill_of_one() {
    for kill in 0..KILLS / 3 {
        let stand = Stand::new();
        let (mut other, mut out) = stand.start("record another", None);
        stand.kill_after(pause(kill, 120_000));
        // While the other one may still write.
        stand.recover();
        let _ = out.read_to_end(&mut Vec::new());
        assert!(other.wait().expect("it ended").success());
        stand.check_after_kill();
    }
}

#[test]
fn recoverers_that_race_add_each_event_once() {
    for kill in 0..KILLS / 3 {
        let stand = Stand::new();
        stand.kill_after(pause(kill, 120_000));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| stand.recover());
            }
        });
        stand.check_after_kill();
    }
}

#[test]
fn a_line_that_was_cut_is_ended_and_its_event_is_there_again() {
    let stand = Stand::new();
    stand.kill_at_work();
    let whole = std::fs::read(stand.file()).expect("the file");
    // As if it had been killed in the middle of its last line.
    std::fs::write(stand.file(), &whole[..whole.len() - 40]).expect("written");
    let added = stand.recover();
    assert!(added > 0);
    let text = std::fs::read_to_string(stand.file()).expect("text");
    let cut = text.lines().filter(|line| serde_json::from_str::<Json>(line).is_err()).count();
    assert_eq!(cut, 1, "one line is none");
    stand.events().assert_once();
}

#[test]
fn a_file_that_was_moved_away_is_left_alone() {
    let stand = Stand::new();
    stand.kill_at_work();
    std::fs::remove_file(stand.file()).expect("removed");
    assert_eq!(stand.recover(), 0);
    assert!(!stand.file().exists());
}

#[test]
fn runs_of_a_start_whose_row_was_lost_are_aborted() {
    let stand = Stand::new();
    stand.kill_at_work();
    // A run that the lake knows nothing of.
    let mut lost = stand.events().0.into_iter().find(|event| kind(event) == "START").expect("a start");
    lost["run"]["runId"] = uuid::Uuid::nil().to_string().into();
    let mut file = std::fs::OpenOptions::new().append(true).open(stand.file()).expect("the file");
    writeln!(file, "\n{lost}").expect("written");
    stand.recover();
    let events = stand.events();
    events.assert_once();
    let of_lost = events.0.iter().filter(|event| event["run"]["runId"] == lost["run"]["runId"]);
    assert_eq!(of_lost.map(kind).collect::<Vec<_>>(), ["START", "ABORT"]);
}
