//! Run logs: which sessions, read from which files, how they stand, and what differs between two.

use std::fs;
use std::path::Path;
use std::time::Duration;

use arrow_array::{ArrayRef, LargeStringArray, RecordBatch};
use parquet::arrow::ArrowWriter;
use spanlake_lake::Partition;
use spanlake_lake::runs::{
    JobRow, Row, RunRow, RunStatus, Session, SessionFile, SessionOptions, Stem, TableWriter, put_line,
};
use spanlake_lake::store::Store;
use spanlake_query::runs::{ChangeKind, RunDiff, RunFilter, RunLogs, SessionLog, SessionState};
use spanlake_query::{Damage, Extent};
use tempfile::TempDir;

use crate::lake::write;

/// 2026-11-20T13:14:10Z
const START_US: i64 = 1_795_180_450_000_000;

const STEM: &str = "20261120_131410_1_0_nightly";

const LOG: &str = "debug_json/job_run_log/run_date=2026-11-20/job_20261120_131410_1_0_nightly";

/// Puts the files of a session into a lake.
type Put<'a> = &'a dyn Fn(&Path);

fn run(dataflow: &str, status: RunStatus) -> RunRow {
    let mut run = RunRow::new(dataflow).status(status);
    run.dataflow_run_id = Some(format!("id of {dataflow}"));
    (run.source_rows_read, run.destination_rows_written) = (Some(500), Some(480));
    (run.start_time, run.duration_seconds) = (Some(START_US), Some(1.5));
    run
}

fn job(runs: i64) -> JobRow {
    let mut job = JobRow::default();
    (job.job_id, job.total_dataflows) = (Some("nightly".to_owned()), Some(runs));
    job
}

fn lines(runs: &[RunRow], job: Option<&JobRow>) -> Vec<u8> {
    let mut lines = Vec::new();
    runs.iter().for_each(|run| put_line(&mut lines, run));
    job.into_iter().for_each(|job| put_line(&mut lines, job));
    lines
}

fn table<R: Row>(rows: &[R]) -> Vec<u8> {
    let mut table = TableWriter::new::<R>().expect("a table");
    rows.iter().for_each(|row| table.add(row).expect("a row"));
    table.finish().expect("a file")
}

fn put_tables(lake: &Path, runs: &[RunRow]) {
    let path =
        |folder: &str, name: &str| lake.join(format!("analyst/{folder}/run_date=2026-11-20/{name}_{STEM}.parquet"));
    write(path("dataflow_run_log", "dataflow"), table(runs));
    write(path("job_run_log", "job_summary"), table(&[job(runs.len() as i64)]));
}

fn lake() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn logs(lake: &Path) -> RunLogs {
    RunLogs::open(Store::folder(lake)).expect("open the lake")
}

/// The one session of a lake.
fn only(lake: &Path) -> SessionLog {
    let mut sessions: Vec<_> = logs(lake).newest(&RunFilter::new()).collect();
    assert_eq!(sessions.len(), 1);
    sessions.remove(0)
}

fn names(session: &SessionLog) -> Vec<&str> {
    session.runs.iter().map(RunRow::label).collect()
}

fn begin(lake: &Path) -> Session {
    let mut job = job(0);
    job.start_time = Some(START_US);
    let options =
        SessionOptions { job, partition: Partition::default(), interval: Duration::from_secs(60), lineage: None };
    Session::begin(Store::folder(lake), options).expect("begin")
}

/// Makes the marker of a session that of a process that is gone.
fn kill(lake: &Path) {
    let marker = lake.join(format!(".sessions/{STEM}.json"));
    let text = fs::read_to_string(&marker).expect("a marker");
    let (before, after) = text.split_once("\"started\":").expect("when it started");
    let end = after.find('}').expect("an end");
    fs::write(&marker, format!("{before}\"started\":1{}", &after[end..])).expect("write");
}

#[test]
fn a_session_is_read_from_whatever_files_it_has() {
    let both = [run("a", RunStatus::Succeeded), run("b", RunStatus::Failed)];
    let whole = lines(&both, Some(&job(2)));
    let parts = [lines(&both[..1], None), lines(&both[1..], Some(&job(2)))];
    let put: [(&str, Put<'_>); 4] = [
        ("one log", &|lake| drop(write(lake.join(format!("{LOG}.jsonl")), &whole))),
        ("parts", &|lake| {
            write(lake.join(format!("{LOG}.0001.jsonl")), &parts[0]);
            write(lake.join(format!("{LOG}.0002.jsonl")), &parts[1]);
        }),
        ("Parquet", &|lake| put_tables(lake, &both)),
        ("both", &|lake| {
            write(lake.join(format!("{LOG}.jsonl")), &whole);
            put_tables(lake, &both);
        }),
    ];
    for (what, put) in put {
        let lake = lake();
        put(lake.path());
        let session = only(lake.path());
        assert_eq!((session.stem.as_str(), session.partition.as_str()), (STEM, "run_date=2026-11-20"), "{what}");
        assert_eq!((names(&session), session.state), (vec!["a", "b"], SessionState::Finished), "{what}");
        assert_eq!((session.job.total_dataflows, &session.damages[..]), (Some(2), &[][..]), "{what}");
    }
}

#[test]
fn a_log_that_lacks_something_is_completed_from_parquet() {
    let all = ["a", "b", "c"].map(|name| run(name, RunStatus::Succeeded));
    let mut damaged = lines(&all, Some(&job(3)));
    damaged[0] = b'!';
    let table = [
        ("a damaged line", format!("{LOG}.jsonl"), damaged),
        ("fewer runs than were counted", format!("{LOG}.jsonl"), lines(&all[1..], Some(&job(3)))),
        ("a missing part", format!("{LOG}.0002.jsonl"), lines(&all[2..], Some(&job(3)))),
        ("nothing at all", format!("{LOG}.jsonl"), Vec::new()),
    ];
    for (what, path, log) in table {
        let lake = lake();
        write(lake.path().join(&path), log);
        assert!(only(lake.path()).runs.len() < 3, "{what}");
        put_tables(lake.path(), &all);
        assert_eq!(names(&only(lake.path())), ["a", "b", "c"], "{what}");
    }
}

#[test]
fn what_cannot_be_read_is_told_and_stops_nothing() {
    let lake = lake();
    let mut log = b"\xef\xbb\xbf".to_vec();
    log.extend(lines(&[run("a", RunStatus::Succeeded)], None));
    log.extend(b"{\"_type\":\"other\"}\n\n\xff\xfe\n");
    log.extend(lines(&[run("b", RunStatus::Succeeded)], None));
    log.extend(b"{\"_type\":\"dataflow_run_");
    write(lake.path().join(format!("{LOG}.jsonl")), log);
    let analyst = lake.path().join("analyst/dataflow_run_log/run_date=2026-11-20");
    write(analyst.join("dataflow_20261119_131410_1_0_nightly.parquet"), b"PAR1 no table PAR1");
    for name in ["notes.txt", "dataflow_.parquet", "job_20261119_131410_1_0_nightly.jsonl", "dataflow_1_2_3.jsonl"] {
        write(analyst.join(name), "no run log");
    }
    let sessions: Vec<_> = logs(lake.path()).newest(&RunFilter::new()).collect();
    assert_eq!(sessions.iter().map(|session| session.state).collect::<Vec<_>>(), [SessionState::LeftBehind; 2]);
    assert_eq!(names(&sessions[0]), ["a", "b"]);
    let [Damage { path, extent, .. }] = &sessions[0].damages[..] else { panic!("{:?}", sessions[0].damages) };
    assert_eq!((extent, path), (&Extent::Lines { count: 3, first: 2 }, &lake.path().join(format!("{LOG}.jsonl"))));
    assert_eq!(sessions[1].damages[0].extent, Extent::File);
    assert_eq!((sessions[0].job.total_succeeded, sessions[0].job.start_time), (Some(2), Some(START_US)));
}

#[test]
fn texts_that_arrow_calls_large_are_texts() {
    let lake = lake();
    let column = |text: &str| -> ArrayRef { std::sync::Arc::new(LargeStringArray::from(vec![text])) };
    let columns = [("dataflow_name", column("a")), ("status", column("failed")), ("no_column", column("x"))];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    let path = format!("analyst/dataflow_run_log/dataflow_{STEM}.parquet");
    write(lake.path().join(path), writer.into_inner().expect("a file"));
    let session = only(lake.path());
    assert_eq!((session.runs[0].label(), session.runs[0].known_status()), ("a", Some(RunStatus::Failed)));
    assert_eq!(session.partition, "");
}

#[test]
fn a_session_that_is_not_closed_shows_what_is_open() {
    let lake = lake();
    let mut session = begin(lake.path());
    let session_now = only(lake.path());
    assert_eq!((session_now.state, session_now.runs.len()), (SessionState::Running, 0));
    assert_eq!(session_now.partition, "run_date=2026-11-20");

    session.add(&run("a", RunStatus::Succeeded)).expect("add");
    session.beat(vec![run("a", RunStatus::Running), run("b", RunStatus::Running)]).expect("beat");
    let mut journal = session.journal().expect("a journal").expect("in a folder");
    assert!(journal.keep(&lines(&[run("c", RunStatus::Failed)], None)));
    let running = only(lake.path());
    let open = running.open.as_ref().expect("known");
    assert!(running.state == SessionState::Running && open.is_alive && open.pid == std::process::id());
    assert_eq!((names(&running), &running.damages[..]), (vec!["a", "c", "b"], &[][..]), "a is in the log already");
    assert_eq!(running.runs[2].known_status(), Some(RunStatus::Running));
    assert_eq!((running.job.known_status(), running.job.end_time), (Some(RunStatus::Running), None));

    kill(lake.path());
    let dead = only(lake.path());
    assert_eq!((dead.state, names(&dead)), (SessionState::LeftBehind, vec!["a", "c", "b"]));
    assert_eq!(dead.runs[2].error_message.as_deref(), Some("interrupted"));
    assert_eq!((dead.job.known_status(), dead.job.total_failed), (Some(RunStatus::Failed), Some(2)));

    assert!(session.finish(&job(0)).is_whole());
    let finished = only(lake.path());
    assert_eq!((finished.state, names(&finished)), (SessionState::Finished, vec!["a"]));
}

#[test]
fn a_line_that_is_being_written_is_no_damage() {
    let lake = lake();
    let _session = begin(lake.path());
    write(lake.path().join(format!("{LOG}.jsonl")), b"{\"_type\":\"dataflow_run_");
    assert_eq!(only(lake.path()).damages, []);
    write(lake.path().join(format!(".sessions/{STEM}.json")), "no marker");
    let session = only(lake.path());
    assert_eq!((session.state, session.damages.len()), (SessionState::LeftBehind, 2));
}

#[test]
fn sessions_come_newest_first_and_are_read_when_they_are_taken() {
    let lake = lake();
    let stem = |number: i64| Stem::new(START_US + number * 86_400_000_000, 1, 0, "nightly");
    for number in 0..100 {
        let path =
            stem(number).path(&Partition::default().folder(START_US + number * 86_400_000_000), SessionFile::Log(0));
        let log = lines(&[run("a", RunStatus::Succeeded)], Some(&job(1)));
        write(lake.path().join(path), if number < 95 { b"damaged\n".to_vec() } else { log });
    }
    let mut logs = logs(lake.path());
    assert_eq!(logs.sessions().len(), 100);
    let filter = RunFilter::new();
    let newest: Vec<_> = logs.newest(&filter).take(5).collect();
    assert_eq!(
        newest.iter().map(|session| &session.stem).collect::<Vec<_>>(),
        [99, 98, 97, 96, 95].map(stem).iter().collect::<Vec<_>>()
    );
    assert!(newest.iter().all(|session| session.damages.is_empty()), "an older one was read");
    let old = RunFilter::new().until_us(START_US + 2 * 86_400_000_000);
    assert_eq!(logs.newest(&old).map(|session| session.stem).collect::<Vec<_>>(), [stem(1), stem(0)]);
    assert_eq!(logs.newest(&RunFilter::new().stage("x")).count(), 0);
}

#[test]
fn filters_look_at_runs_and_at_names_of_sessions() {
    let mut orders = run("orders_eu", RunStatus::Failed);
    (orders.stage, orders.dataflow_id) = (Some("bronze".to_owned()), Some("17".to_owned()));
    let new = RunFilter::new;
    let table = [
        (new(), true),
        (new().stage("bronze"), true),
        (new().stage("silver").stage("bronze"), true),
        (new().stage("silver"), false),
        (new().status(RunStatus::Failed), true),
        (new().status(RunStatus::Succeeded).status(RunStatus::Skipped), false),
        (new().status(RunStatus::Skipped).any_status(), true),
        (new().dataflow("orders_eu"), true),
        (new().dataflow("orders"), false),
        (new().dataflow("orders*"), true),
        (new().dataflow("17"), true),
        (new().dataflow("*"), true),
        (new().stage("bronze").dataflow("customers"), false),
    ];
    for (filter, expected) in table {
        assert_eq!(filter.admits(&orders), expected, "{filter:?}");
    }
    let stem = Stem::parse(STEM).expect("a stem");
    let table = [
        (new().job("nightly"), true),
        (new().job("night"), false),
        (new().job("20261120"), true),
        (new().job("hourly").job(STEM), true),
        (new().since_us(START_US + 999_999), true),
        (new().since_us(START_US + 1_000_000), false),
        (new().until_us(START_US), false),
        (new().until_us(START_US + 1), true),
    ];
    for (filter, expected) in table {
        assert_eq!(filter.admits_session(&stem), expected, "{filter:?}");
    }
}

#[test]
fn a_name_finds_one_session_or_an_error_lists_them() {
    let lake = lake();
    for stem in ["20261120_131410_1_0_nightly", "20261120_140000_1_0_nightly", "20261121_131410_1_0_hourly"] {
        write(lake.path().join(format!("debug_json/job_run_log/job_{stem}.jsonl")), lines(&[], Some(&job(0))));
    }
    let logs = logs(lake.path());
    let found = |name: &str| logs.find(name).map(|session| session.stem.to_string()).map_err(|error| error.to_string());
    let ok = |stem: &str| Ok(stem.to_owned());
    assert_eq!(found("20261120_131410_1_0_nightly"), ok("20261120_131410_1_0_nightly"));
    assert_eq!(found("nightly"), ok("20261120_140000_1_0_nightly"), "the newest of the job");
    assert_eq!(found("20261121"), ok("20261121_131410_1_0_hourly"));
    let ambiguous = found("20261120").expect_err("two");
    assert!(ambiguous.contains("sessions: 20261120_140000_1_0_nightly, 20261120_131410_1_0_nightly"), "{ambiguous}");
    assert!(found("2025").expect_err("none").contains("no session has this name"));
}

#[test]
fn two_sessions_are_compared_dataflow_by_dataflow() {
    let before = lake();
    let after = lake();
    let with = |name: &str, status, change: &dyn Fn(&mut RunRow)| {
        let mut run = run(name, status);
        change(&mut run);
        run
    };
    let (good, bad, skipped) = (RunStatus::Succeeded, RunStatus::Failed, RunStatus::Skipped);
    let same = |_: &mut RunRow| {};
    let took = |seconds: f64| move |run: &mut RunRow| run.duration_seconds = Some(seconds);
    let one = [
        with("same", good, &same),
        with("breaks", good, &same),
        with("broken", bad, &same),
        with("mended", bad, &same),
        with("gone", good, &same),
        with("slow", good, &took(10.0)),
        with("slower", good, &took(10.0)),
        with("fast", good, &took(10.0)),
        with("idle", good, &took(10.0)),
        with("near", good, &took(10.0)),
        with("skips", good, &same),
        with("more", good, &same),
        with("twice", good, &same),
        with("twice", good, &same),
    ];
    let other = [
        with("twice", good, &took(1.6)),
        with("near", good, &took(11.9)),
        with("same", good, &same),
        with("fast", good, &|run| (run.duration_seconds, run.source_rows_read) = (Some(8.0), Some(501))),
        with("idle", good, &|run| (run.duration_seconds, run.source_rows_read) = (Some(1.0), Some(0))),
        with("slow", good, &took(12.0)),
        with("slower", good, &took(30.0)),
        with("mended", good, &same),
        with("skips", skipped, &same),
        with("more", good, &|run| run.source_rows_read = Some(700)),
        with("broken", bad, &same),
        with("breaks", bad, &same),
        with("new", good, &same),
        with("same", good, &|run| run.operation_type = Some("maintenance".to_owned())),
    ];
    put_tables(before.path(), &one);
    put_tables(after.path(), &other);
    let (before, after) = (only(before.path()), only(after.path()));
    let diff = RunDiff::new(&before, &after);
    let found: Vec<_> = diff.changes.iter().map(|change| (change.kind(), change.run.label())).collect();
    let expected = [
        (ChangeKind::NewlyFailed, "breaks"),
        (ChangeKind::StillFailed, "broken"),
        (ChangeKind::OnlyBefore, "gone"),
        (ChangeKind::OnlyBefore, "twice"),
        (ChangeKind::OtherStatus, "skips"),
        (ChangeKind::Slower, "slower"),
        (ChangeKind::Slower, "slow"),
        (ChangeKind::OtherRows, "idle"),
        (ChangeKind::OtherRows, "more"),
        (ChangeKind::OnlyAfter, "new"),
        (ChangeKind::OnlyAfter, "same"),
        (ChangeKind::Recovered, "mended"),
        (ChangeKind::Faster, "fast"),
    ];
    assert_eq!(found, expected);
    assert_eq!((diff.unchanged, diff.count(ChangeKind::Slower)), (3, 2));
    let more = diff.changes.iter().find(|change| change.run.label() == "more").expect("more");
    assert_eq!((more.rows_read(), more.rows_written()), (Some((500, 700)), None));
}
