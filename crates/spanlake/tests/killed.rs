//! A job that is killed: its last words are in the lake when the next one starts.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The lake's folder; set for the children.
const LAKE: &str = "SPANLAKE_TEST_LAKE";

fn this_program(lake: &Path, test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]).env(LAKE, lake).stdout(Stdio::piped());
    command
}

fn lines(lake: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    for day in std::fs::read_dir(lake.join("debug_json/records")).expect("records") {
        for file in std::fs::read_dir(day.expect("a folder").path()).expect("a folder") {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
            lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON")));
        }
    }
    lines
}

/// Plays a job that says something and then waits to be killed; nothing without the variable.
#[test]
fn job_that_is_killed() {
    let Ok(lake) = std::env::var(LAKE) else { return };
    let _guard = spanlake::builder().lake(lake).spool().init().expect("a lake");
    let _task = tracing::info_span!("load_orders", table = "orders").entered();
    tracing::error!(rows = 7, "last words");
    println!("said");
    std::thread::park();
}

/// Plays the next job.
#[test]
fn job_after_it() {
    let Ok(lake) = std::env::var(LAKE) else { return };
    let _guard = spanlake::builder().lake(lake).init().expect("a lake");
}

#[test]
fn what_a_killed_job_said_is_in_the_lake_when_the_next_one_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    let mut killed = this_program(&lake, "job_that_is_killed").spawn().expect("a child");
    let mut out = BufReader::new(killed.stdout.take().expect("its output")).lines();
    assert!(out.any(|line| line.expect("text").contains("said")));
    killed.kill().expect("our child");
    killed.wait().expect("our child");
    assert!(this_program(&lake, "job_after_it").status().expect("a child").success());

    let lines = lines(&lake);
    let said = |message: &str| lines.iter().filter(|line| line["message"] == message).collect::<Vec<_>>();
    assert_eq!(said("last words").len(), 1, "{lines:#?}");
    assert_eq!((said("last words")[0]["fields"]["rows"].as_u64(), said("load_orders").len()), (Some(7), 1));
    let end = said("INTERRUPTED load_orders");
    assert_eq!((end.len(), &end[0]["outcome"], &end[0]["level"]), (1, &"interrupted".into(), &"ERROR".into()));
    let told = said("recovered what a dead process left");
    assert_eq!((told.len(), told[0]["fields"]["records"].as_u64()), (1, Some(2)));
    assert_eq!(std::fs::read_dir(lake.join(".spool")).expect("the spool").count(), 0);
}
