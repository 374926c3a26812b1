//! Sessions of run logs on disks that fail and lose power, and what is left of them in odd states.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spanlake_lake::Partition;
use spanlake_lake::runs::{
    ClosedSession, INTERRUPTED, JobRow, Line, Row, RunRow, RunStatus, SESSIONS, Session, SessionOptions,
    SessionRecovery, Stem, parse_line, read_table,
};
use spanlake_lake::store::Store;
use spanlake_testkit::disk::{EIO, ENOSPC, FakeDisk, Fault, seed};

use crate::support::files;

/// Runs before a beat, and behind it.
const RUNS: usize = 3;

/// States of the disk that are looked at for each power cut.
const STATES: usize = 12;

fn options() -> SessionOptions {
    let mut job = JobRow::default();
    (job.job_id, job.start_time) = (Some("nightly".to_owned()), Some(1_763_644_450_123_456));
    SessionOptions { job, partition: Partition::default(), interval: Duration::from_secs(60), lineage: None }
}

fn row(number: usize, status: RunStatus) -> RunRow {
    let mut row = RunRow::new(number.to_string()).status(status);
    row.dataflow_run_id = Some(format!("run-{number}"));
    (row.start_time, row.source_rows_read) = (Some(1_763_644_451_000_000), Some(1));
    row
}

/// A session from begin to end, in which what fails is tried again a few times, and no more. Says when the first runs are
/// durable.
fn job(store: Store, is_durable: &AtomicBool) -> bool {
    let Ok(mut session) = Session::begin(store, options()) else {
        return false;
    };
    for number in 0..RUNS {
        session.add(&row(number, RunStatus::Succeeded)).expect("a table");
        let _ = again(|| session.write().ok());
    }
    let beat = again(|| session.beat(vec![row(RUNS, RunStatus::Running)]).ok());
    is_durable.store(beat.is_some(), Ordering::Relaxed);
    for number in RUNS..2 * RUNS {
        session.add(&row(number, RunStatus::Succeeded)).expect("a table");
    }
    let _ = again(|| session.write().ok());
    again(|| Some(session.finish(&options().job)).filter(|written| written.is_whole())).is_some()
}

/// The first of three tries that succeeds.
fn again<T>(mut work: impl FnMut() -> Option<T>) -> Option<T> {
    (0..3).find_map(|_| work())
}

/// Lets the sessions of a lake pass for those of a process that is gone.
fn kill(lake: &Path) {
    for path in files(&lake.join(SESSIONS)).into_iter().filter(|path| path.extension().is_some_and(|end| end == "json"))
    {
        let marker = fs::read_to_string(&path).expect("a marker");
        let (before, after) = marker.split_once("\"started\":").expect("a process");
        let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        fs::write(&path, format!("{before}\"started\":1{rest}")).expect("a marker");
    }
}

fn recover(lake: &Path) -> Vec<ClosedSession> {
    SessionRecovery::new(&mut Store::folder(lake)).run(|_| Ok(())).expect("a lake")
}

/// What is in a lake: names of the runs in the log and in the table, the job in both.
#[derive(Debug, Default, PartialEq)]
struct Left {
    logged: Vec<String>,
    runs: Vec<String>,
    summaries: Vec<JobRow>,
    jobs: Vec<JobRow>,
    damaged: u64,
}

fn left(lake: &Path) -> Left {
    let mut left = Left::default();
    for path in files(lake) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.starts_with('.') || Stem::of_path(&name).is_none() {
            continue;
        }
        let content = fs::read(&path).expect("a file");
        if name.starts_with("dataflow_") {
            left.runs.extend(
                read_table::<RunRow>(content).expect("a whole table").into_iter().filter_map(|row| row.dataflow_name),
            );
        } else if name.starts_with("job_summary_") {
            left.jobs.extend(read_table::<JobRow>(content).expect("a whole table"));
        } else {
            for line in content.split_inclusive(|byte| *byte == b'\n') {
                match parse_line(line) {
                    Ok(Line::Run(row)) => left.logged.extend(row.dataflow_name),
                    Ok(Line::Job(job)) => left.summaries.push(*job),
                    // A power cut leaves zeros where a page was not written.
                    Err(_) => left.damaged += 1,
                }
            }
        }
    }
    left
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[test]
fn whichever_call_fails_once_all_runs_are_in_the_lake_once() {
    for error in [EIO, ENOSPC] {
        for tearing in [false, true] {
            let mut number = 1;
            loop {
                let folder = folder_in_memory();
                let disk = FakeDisk::new(folder.path());
                let fault = Fault::at(number).error(error);
                disk.fail(if tearing { fault.tearing() } else { fault });
                let lake = folder.path().join("lake");
                let is_whole = job(Store::folder_on(disk.handle(), &lake), &AtomicBool::new(false));
                let Some(failed) = disk.calls().into_iter().find(|call| call.failed) else { break };
                let what = format!("call {number}, {:?} of {:?}", failed.operation, failed.path);
                disk.heal();
                number += 1;
                if !lake.join("debug_json").exists() {
                    // It could not be begun, and whoever wanted it was told.
                    assert!(!is_whole, "{what}");
                    continue;
                }
                kill(&lake);
                let closed = recover(&lake);
                assert!(closed.iter().all(|closed| closed.error.is_none()), "{what}: {closed:?}");
                assert!(is_whole || !closed.is_empty(), "{what}: what was not written is seen to later");
                let left = left(&lake);
                assert_eq!((&left.logged, &left.runs, left.damaged), (&names(2 * RUNS), &names(2 * RUNS), 0), "{what}");
                assert_eq!((left.summaries.len(), &left.summaries), (1, &left.jobs), "{what}");
                assert_eq!(left.jobs[0].status.as_deref(), Some("succeeded"), "{what}");
            }
            assert!(number > 20, "{number} calls");
        }
    }
}

/// A folder in memory, where a sync costs nothing.
fn folder_in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

#[test]
fn after_a_power_cut_at_any_call_a_session_is_closed_with_what_was_durable() {
    let folder = folder_in_memory();
    let root = folder.path().join("disk");
    fs::create_dir(&root).expect("a folder");
    let disk = FakeDisk::new(&root);
    let (cuts, is_durable) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let (kept, durable) = (Arc::clone(&cuts), Arc::clone(&is_durable));
    disk.before_each_call(move |cut| kept.lock().expect("no panic").push((cut, durable.load(Ordering::Relaxed))));
    assert!(job(Store::folder_on(disk.handle(), root.join("lake")), &is_durable));
    let cuts = std::mem::take(&mut *cuts.lock().expect("no panic"));
    assert!(cuts.len() > 20, "{} calls", cuts.len());
    let (mut closed_sessions, mut interrupted) = (0, 0);
    for (cut, is_durable) in cuts {
        cut.each(STATES, seed(), &folder.path().join("after"), |after| {
            let lake = after.join("lake");
            if !lake.join(SESSIONS).exists() {
                return;
            }
            kill(&lake);
            let closed = recover(&lake);
            assert!(closed.iter().all(|closed| closed.error.is_none()), "{closed:?}");
            closed_sessions += closed.len();
            let left = left(&lake);
            assert_eq!(left.summaries, left.jobs, "log and table have the same job");
            assert_eq!(left.logged, left.runs, "log and table have the same runs");
            let Some(job) = left.jobs.first() else { return };
            interrupted += usize::from(job.error_message.as_deref() == Some(INTERRUPTED));
            let once: BTreeSet<_> = left.runs.iter().collect();
            assert_eq!(left.runs.len(), once.len(), "none twice: {:?}", left.runs);
            assert!(!is_durable || left.runs.starts_with(&names(RUNS)), "what was durable is there: {:?}", left.runs);
        });
    }
    assert!(closed_sessions > 0 && interrupted > 0, "{closed_sessions} closed, {interrupted} interrupted");
}

#[test]
fn a_log_with_lines_that_are_none_is_closed_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path();
    let mut session = Session::begin(Store::folder(lake), options()).expect("a lake");
    session.add(&row(0, RunStatus::Succeeded)).expect("a table");
    session.write().expect("a log");
    let log = files(lake).into_iter().find(|path| path.extension().is_some_and(|end| end == "jsonl")).expect("a log");
    let mut text = fs::read(&log).expect("a log");
    text.extend_from_slice(b"no json\n{\"_type\":\"dataflow_run_log\",\"dataflow_name\":\"cut");
    fs::write(&log, text).expect("a log");
    kill(lake);
    let closed = recover(lake);
    assert_eq!((closed.len(), closed[0].damaged, closed[0].runs.len()), (1, 1, 1), "{closed:?}");
    let text = fs::read_to_string(&log).expect("a log");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[1]), (3, "no json"), "what cannot be read stays, what was being written goes");
    assert!(lines[2].starts_with("{\"_type\":\"job_run_log\""), "{text}");
}

#[test]
fn a_marker_that_cannot_be_read_is_told_and_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let sessions = folder.path().join(SESSIONS);
    fs::create_dir(&sessions).expect("a folder");
    let table = [("20261120_131410_1_0_a.json", "no json"), ("20261120_131411_1_0_b.json", "{\"version\":2}")];
    for (name, text) in table {
        fs::write(sessions.join(name), text).expect("a marker");
    }
    fs::write(sessions.join("no marker.json"), "x").expect("a file");
    let closed = recover(folder.path());
    let errors: Vec<_> = closed.iter().map(|one| one.error.as_ref().expect("an error").chain()).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[1].contains("its version is 2, and this program knows 1"), "{errors:?}");
    assert_eq!(files(&sessions).len(), 3, "nothing was removed");
}

#[test]
fn a_session_that_owes_something_is_looked_at_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path();
    let mut session = Session::begin(Store::folder(lake), options()).expect("a lake");
    session.add(&row(0, RunStatus::Succeeded)).expect("a table");
    session.write().expect("a log");
    kill(lake);
    let owed = |_: &ClosedSession| Err(spanlake_core::Error::io("Test", "nobody listens", std::io::Error::other("x")));
    let closed = SessionRecovery::new(&mut Store::folder(lake)).run(owed).expect("a lake");
    assert!(closed[0].error.is_some());
    let first = left(lake);
    let closed = recover(lake);
    assert_eq!((closed.len(), closed[0].runs.len()), (1, 1));
    assert_eq!(left(lake), first, "the second time writes the same");
    assert!(recover(lake).is_empty());
}

#[test]
fn stems_never_build_a_path_and_are_read_back() {
    let table = [
        ("nightly", "20251120_131410_1_0_nightly"),
        ("", "20251120_131410_1_0_default"),
        ("../../etc/passwd", "20251120_131410_1_0_------etc-passwd"),
        ("a.b_c-d", "20251120_131410_1_0_a-b_c-d"),
        ("é\0\n", "20251120_131410_1_0_---"),
    ];
    for (id, expected) in table {
        let stem = Stem::new(1_763_644_450_123_456, 1, 0, id);
        assert_eq!(stem.as_str(), expected);
        assert_eq!(Stem::parse(stem.as_str()), Some(stem));
    }
    assert_eq!(Stem::new(0, 1, 0, &"x".repeat(100)).as_str().len(), "19700101_000000_1_0_".len() + 64);
    let wrong = [
        "",
        "20251120_131410",
        "20251120_131410_1_0_",
        "20251120-131410_1_0_a",
        "20251120_131410_x_0_a",
        "20251120_131410_1_0_a/b",
    ];
    for text in wrong {
        assert_eq!(Stem::parse(text), None, "{text}");
    }
}

#[test]
fn rows_come_back_from_lines_and_tables_as_they_were() {
    let mut row = RunRow::new("orders \"\u{1b}\u{202e}\n").status(RunStatus::Failed);
    (row.group_number, row.is_active, row.duration_seconds) = (Some(i64::MIN), Some(false), Some(1e-9));
    (row.start_time, row.configure) = (Some(-1), Some("{\"a\":[1,null]}".to_owned()));
    let mut line = Vec::new();
    spanlake_lake::runs::put_line(&mut line, &row);
    spanlake_lake::runs::put_short_line(&mut line, &row);
    for line in line.split_inclusive(|byte| *byte == b'\n') {
        assert_eq!(parse_line(line), Ok(Line::Run(Box::new(row.clone()))));
    }
    let mut table = spanlake_lake::runs::TableWriter::new::<RunRow>().expect("a table");
    let rows: Vec<_> = (0..3_000).map(|at| if at % 2 == 0 { row.clone() } else { RunRow::default() }).collect();
    rows.iter().for_each(|row| table.add(row).expect("a table"));
    assert_eq!(read_table::<RunRow>(table.finish().expect("a table")).expect("a table"), rows);
    assert_eq!(RunRow::COLUMNS.len(), 80);
}
