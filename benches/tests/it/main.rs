//! Every peer runs once, on little work, in a process of its own.

use std::{path::Path, process::Command};

use clap::ValueEnum;
use serde_json::{Value, json};
use spanlake_benches::{Result, peers, setting, trial::Measured, work::Work};

const COUNT: &str = "1000";

#[test]
fn every_peer_keeps_every_record() -> Result<()> {
    for &work in Work::value_variants() {
        for peer in peers::for_work(work) {
            let measured = run(peer.name, work, "2", COUNT, setting::scratch_folder(None)?.path())?;
            match peer.records_per_operation(work) {
                Some(0) | None => assert_eq!(measured.found, 0, "{} wrote records of {work}", peer.name),
                Some(_) => assert_eq!(measured.kept, Some(1.0), "{} lost records of {work}", peer.name),
            }
        }
    }
    Ok(())
}

#[test]
fn every_yardstick_takes_its_work() -> Result<()> {
    for &work in Work::value_variants() {
        peers::find(work.yardstick(), work)?;
    }
    Ok(())
}

#[test]
fn the_json_floor_writes_what_the_yardstick_writes() -> Result<()> {
    let (floor, yardstick) = (records("floor-tracing-json")?, records("tracing-json-nb")?);
    assert_eq!(floor.len(), 20);
    assert_eq!(floor, yardstick);
    Ok(())
}

#[test]
fn compare_prints_a_line_for_each_peer() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_compare"))
        .args(["--threads", "1,2", "--rounds", "1", "--count", COUNT, "--peers", "floor-noop,spdlog-sync"])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    for peer in ["floor-noop", "spdlog-sync", "tracing-json-nb"] {
        assert_eq!(text.matches(&format!("| {peer} |")).count(), 2, "{text}");
    }
    Ok(())
}

/// The lines a peer writes for twenty events, without their time.
fn records(peer: &str) -> Result<Vec<Value>> {
    let folder = setting::scratch_folder(None)?;
    run(peer, Work::Events, "1", "20", folder.path())?;
    let text = std::fs::read_to_string(folder.path().join("records.jsonl"))?;
    text.lines().map(without_time).collect()
}

fn without_time(line: &str) -> Result<Value> {
    let mut record: Value = serde_json::from_str(line)?;
    record["timestamp"] = json!(null);
    Ok(record)
}

fn run(peer: &str, work: Work, threads: &str, count: &str, out: &Path) -> Result<Measured> {
    let output = Command::new(env!("CARGO_BIN_EXE_peer"))
        .args([peer, "--work", &work.to_string(), "--threads", threads, "--count", count, "--out"])
        .arg(out)
        .output()?;
    assert!(output.status.success(), "{peer}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
