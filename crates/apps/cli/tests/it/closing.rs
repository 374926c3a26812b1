//! `spanlake recover`, on sessions of jobs that killed processes left open.

use std::fs;

use serde_json::Value;
use spanlake_lake::runs::{RunRow, RunStatus};
use spanlake_lake::store::Store;

use crate::jobs::{Job, START_US, week};
use crate::killed::{Process, RECORDS};
use crate::lake::{Lake, stderr, stdout};
use crate::spool::{name, objects, spool};

/// A job with one run that has ended and one that is open.
fn job() -> (Job, Vec<RunRow>) {
    let job = Job::new("nightly", 0).run("orders", "bronze", RunStatus::Succeeded, 1.0, [5, 5]);
    let mut open = RunRow::new("customers").status(RunStatus::Running);
    (open.start_time, open.dataflow_run_id) = (Some(START_US), Some("open".to_owned()));
    (job, vec![open])
}

#[test]
fn a_session_that_was_left_behind_is_closed_once() {
    let lake = week();
    assert!(
        lake.prints("runs lake")
            .ends_with(&format!("\n1 job left behind, closed by  spanlake recover {}\n", lake.path().display()))
    );
    let expected = "✓ 20261125_131410_1_0_hourly  2 runs, 1 interrupted\nclosed 1 session: 2 runs, 1 interrupted\n";
    assert_eq!(lake.prints("recover lake"), expected);
    assert_eq!(lake.prints("recover lake"), "nothing to recover\n");
    let text = lake.prints("runs lake --limit 1");
    assert!(
        text.starts_with("! hourly  10m 00s  interrupted  20261125_131410_1_0_hourly  2026-11-25 13:14:10\n"),
        "{text}"
    );
    assert!(text.contains("└─! forecast") && !text.contains("left behind"), "{text}");
}

#[test]
fn spools_and_sessions_are_told_apart() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    let (dead, open) = job();
    dead.kill(&lake, open, None);
    let _alive = Job::new("hourly", 0).begin(&lake, Vec::new(), None);
    let output = lake.run("recover lake --json");
    let told = objects(&output);
    assert_eq!(told.iter().map(|one| &one["kind"]).collect::<Vec<_>>(), ["spool", "session"]);
    assert_eq!((&told[0]["process"], &told[0]["records"]), (&name(&folder).into(), &RECORDS.into()));
    assert_eq!((&told[1]["session"], &told[1]["runs"]), (&dead.stem().as_str().into(), &2.into()));
    assert_eq!((&told[1]["interrupted"], &told[1]["error"]), (&1.into(), &Value::Null));
    assert_eq!(lake.prints("recover lake"), "nothing to recover · 1 session running\n");
}

#[test]
fn what_cannot_be_closed_is_told_and_stays() {
    let lake = Lake::empty();
    let (job, open) = job();
    job.kill(&lake, open, None);
    let other = Job::new("other\u{202e}", 0);
    other.kill(&lake, Vec::new(), None);
    fs::write(lake.path().join(format!(".sessions/{}.json", other.stem())), "no marker").expect("write");
    let output = lake.run("recover lake");
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("✗ 20261120_131410_1_0_other-  not closed\n"), "{text}");
    assert!(text.ends_with("closed 1 session: 2 runs, 1 interrupted · 1 session not closed\n"), "{text}");
    assert!(
        stderr(&output).starts_with("spanlake: HANDLER::SessionRecovery::VALIDATION::ERROR: "),
        "{}",
        stderr(&output)
    );
    assert_eq!(lake.run("recover lake").status.code(), Some(1));
}

#[test]
fn lines_that_are_none_are_told() {
    let lake = Lake::empty();
    let (job, _) = job();
    job.kill(&lake, Vec::new(), None);
    job.put_bytes(&lake, b"no line\n");
    let output = lake.run("recover lake");
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(1), "! 20261120_131410_1_0_nightly  0 runs  1 line damaged\nclosed 1 session: 0 runs · 1 line damaged\n")
    );
}

#[test]
fn a_session_that_owes_its_lineage_waits_for_its_program() {
    let lake = Lake::empty();
    let (job, open) = job();
    job.kill(&lake, open, Some("https://marquez.example\u{1b}[2J"));
    let output = lake.run("recover lake");
    assert_eq!(output.status.code(), Some(1));
    let expected = "\
! 20261120_131410_1_0_nightly  2 runs, 1 interrupted  not closed, for it owes its lineage
closed 0 sessions: 0 runs · 1 session not closed
";
    assert_eq!(stdout(&output), expected);
    assert!(stderr(&output).contains("lineage: https://marquez.example\\u{1b}[2J)\n"), "{}", stderr(&output));
    assert!(lake.prints("runs lake").contains("└─! customers"), "its files are written all the same");
    job.change_marker(&mut Store::folder(lake.path()), |marker| marker["lineage"] = Value::Null);
    assert!(lake.prints("recover lake").starts_with("✓ 20261120_131410_1_0_nightly  2 runs\n"));
}

#[test]
fn a_file_of_lineage_gets_the_events_that_it_lacks() {
    let lake = Lake::empty();
    let (job, open) = job();
    let file = lake.path().join("lineage.jsonl");
    std::fs::write(&file, "").expect("write");
    job.kill(&lake, open, Some(&file.to_string_lossy()));
    assert!(lake.prints("recover lake").starts_with("✓ 20261120_131410_1_0_nightly  2 runs, 1 interrupted\n"));
    let events = std::fs::read_to_string(&file).expect("read");
    let count =
        |kind: &str| events.lines().filter(|event| event.contains(&format!("\"eventType\":\"{kind}\""))).count();
    assert_eq!([count("START"), count("COMPLETE"), count("ABORT")], [2, 1, 1], "{events}");
}

#[test]
fn a_place_that_is_none_is_told() {
    let lake = Lake::empty();
    let table = [
        ("recover ftp://host/lake", "spanlake: CONFIGURATION::Store::CONFIGURATION::ERROR: a lake is a folder"),
        ("recover s3://bucket/lake --spool lake", "spanlake: CONFIGURATION::"),
    ];
    for (command, expected) in table {
        let output = lake.run(command);
        assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    }
}

#[test]
fn sessions_that_cannot_be_looked_for_hold_up_no_spool() {
    let lake = Lake::empty();
    let folder = Process::start(&spool(&lake)).kill();
    // A folder that leads to itself cannot be listed to its end.
    std::os::unix::fs::symlink(lake.path().join(".sessions"), lake.path().join(".sessions")).expect("a link");
    let output = lake.run("recover lake");
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.starts_with(&format!("✓ {}  ", name(&folder))) && text.ends_with(" · sessions not looked at\n"),
        "{text}"
    );
    assert_eq!(stdout(&lake.run("recover lake")), "nothing recovered · sessions not looked at\n");
    assert!(stderr(&output).starts_with("spanlake: HANDLER::Store::IO::ERROR: cannot list"), "{}", stderr(&output));
}
