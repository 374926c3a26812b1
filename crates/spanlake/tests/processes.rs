//! Two processes and one tree: a parent exports a task, its child continues it, and their lake holds both.
//!
//! A binary of its own, because `init` sets the global subscriber. The test starts itself again for each process.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use spanlake::prelude::*;

const ROLE: &str = "SPANLAKE_TEST_ROLE";
const LAKE: &str = "SPANLAKE_TEST_LAKE";

#[test]
fn a_child_process_continues_the_task_its_parent_exported() {
    match std::env::var(ROLE).as_deref() {
        Ok("parent") => parent(),
        Ok(_) => child(),
        Err(_) => both_stand_in_one_tree(),
    }
}

fn both_stand_in_one_tree() {
    let lake = tempfile::tempdir().expect("a temporary folder");
    let status = this_test("parent", lake.path()).status().expect("the parent starts");
    assert!(status.success());

    let records = read_records(lake.path());
    let of = |task: &str| -> Vec<String> {
        let of_task = records.iter().filter(|record| record["task"] == task);
        of_task.map(|record| record["key"].as_str().expect("every record has a key").to_owned()).collect()
    };
    let load = of("load");
    let root = load[0].strip_prefix("0@").expect("the first record of a task has number 0");
    assert_eq!(load, [format!("0@{root}"), format!("1@{root}"), format!("2@{root}"), format!("3@{root}")]);
    assert_eq!(of("before"), [format!("0@{root}/1"), format!("1@{root}/1")]);
    assert_eq!(of("index"), [format!("0@{root}/2"), format!("1@{root}/2"), format!("2@{root}/2")]);
    assert_eq!(of("sort"), [format!("0@{root}/2/1"), format!("1@{root}/2/1")], "a subtask of the child's task");
    assert_eq!(of("tidy"), [format!("0@{root}/2/2"), format!("1@{root}/2/2")], "a later root span of the child");
    assert_eq!(of("after"), [format!("0@{root}/3"), format!("1@{root}/3")], "the child's number is not given twice");
    let pids: std::collections::BTreeSet<i64> = records.iter().filter_map(|record| record["pid"].as_i64()).collect();
    assert_eq!(pids.len(), 2);
}

fn parent() {
    let guard = init();
    {
        let _load = tracing::info_span!("load").entered();
        tracing::info_span!("before").in_scope(|| ());
        tracing::info!("starting the child");
        let status = this_test("child", &lake()).continue_task().status().expect("the child starts");
        tracing::info!(code = status.code(), "the child is done");
        tracing::info_span!("after").in_scope(|| ());
    }
    assert!(guard.shutdown(Duration::from_secs(10)).expect("in time").is_complete());
}

fn child() {
    let guard = init();
    {
        let _index = tracing::info_span!("index").entered();
        tracing::info_span!("sort").in_scope(|| ());
        tracing::info!("indexed");
    }
    tracing::info_span!("tidy").in_scope(|| ());
    assert!(guard.shutdown(Duration::from_secs(10)).expect("in time").is_complete());
}

fn init() -> Guard {
    spanlake::builder().lake(lake()).console(LevelFilter::OFF).init().expect("nothing was set before")
}

fn lake() -> std::path::PathBuf {
    std::env::var_os(LAKE).expect("set by the test").into()
}

fn this_test(role: &str, lake: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
    command.arg("--exact").arg("a_child_process_continues_the_task_its_parent_exported");
    command.env(ROLE, role).env(LAKE, lake).stdout(std::process::Stdio::null());
    command
}

fn read_records(lake: &Path) -> Vec<Value> {
    let mut records = Vec::new();
    for file in files(&lake.join("debug_json/records")) {
        let text = std::fs::read_to_string(file).expect("a readable file");
        records.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON")));
    }
    records
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let partitions = std::fs::read_dir(folder).expect("a lake with records");
    let in_partition = |partition: std::path::PathBuf| std::fs::read_dir(partition).expect("a partition");
    let partitions = partitions.map(|entry| entry.expect("an entry").path());
    partitions.flat_map(in_partition).map(|entry| entry.expect("an entry").path()).collect()
}
