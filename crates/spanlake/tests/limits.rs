//! Limits from one end to the other: what a program logs, what its report says, and what a reader finds.
//!
//! A binary of its own, because `init` sets the global subscriber.

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use spanlake::core::Level;
use spanlake::prelude::*;
use spanlake::{Cause, Kind, OwnedRecord};
use spanlake_query::{Filter, Lake, Status, TaskTree};

const LONG: Duration = Duration::from_secs(60);

fn records(lake: &Path) -> Vec<OwnedRecord> {
    Lake::open(lake).expect("a lake").read(&Filter::new()).expect("a lake that can be read").collect()
}

/// Tasks, each with an event of every level.
fn work(tasks: usize) {
    let _job = tracing::info_span!("job").entered();
    for number in 0..tasks {
        let _chunk = tracing::debug_span!("chunk", number).entered();
        tracing::trace!("seen");
        tracing::debug!("read");
        tracing::info!("written");
        tracing::warn!("late");
        tracing::error!("refused");
    }
}

fn hour() -> i64 {
    spanlake::core::clock::utc_now_ns() / 3_600_000_000_000
}

#[test]
fn what_an_hour_has_no_room_for_is_lost_by_level_and_said() {
    loop {
        let started = hour();
        let lake = tempfile::tempdir().expect("a temporary folder");
        let report = log_within_an_allowance(lake.path());
        // When the hour of the clock turned meanwhile there was more room than planned.
        if started == hour() {
            return assert_told(&report, &records(lake.path()));
        }
    }
}

fn log_within_an_allowance(lake: &Path) -> Report {
    let allowance = NonZeroU64::new(600_000).expect("not zero");
    let keeper = Keeper::new(lake, Limits::new().max_bytes_per_hour(allowance));
    // Drained by the flushes alone, so that no batch ends between a warning and the error behind it, wherever the thread was then.
    let sinks = CaptureLayer::builder().level(LevelFilter::TRACE).drain_every(LONG);
    let sinks = sinks.sink(JsonlSink::new(lake).keeper(&keeper)).sink(SystemLogSink::new(lake).keeper(&keeper));
    let (capture, guard) = sinks.policy(Policy::Block(LONG)).build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        for _ in 0..10 {
            work(50);
            guard.flush(LONG);
        }
    });
    let report = guard.shutdown(LONG).expect("in time");
    let bytes: u64 = Lake::open(lake).and_then(|lake| lake.files()).expect("files").iter().map(length).sum();
    assert!(bytes < allowance.get(), "the JSON lines alone are {bytes} bytes");
    report
}

fn length(file: &spanlake_query::RecordFile) -> u64 {
    fs::metadata(&file.path).map_or(0, |metadata| metadata.len())
}

fn assert_told(report: &Report, records: &[OwnedRecord]) {
    assert_eq!(report.recorded, 10 * (50 * 7 + 2));
    assert_eq!(report.recorded, report.written + report.filtered + report.lost + report.pending, "{report:#?}");
    let lost = report.losses;
    assert_eq!((lost.total(), report.lost), (lost.of(Cause::Budget), lost.of(Cause::Budget)), "{report:#?}");
    let by_level = [Level::TRACE, Level::INFO, Level::WARN, Level::ERROR].map(|level| lost.at(Cause::Budget, level));
    assert!(by_level.is_sorted_by(|less_severe, more| less_severe >= more) && by_level[2] > 0, "{by_level:?}");

    let (statements, kept): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.kind == Kind::Loss);
    assert_eq!(kept.len() as u64, report.written);
    let stated = statements.iter().map(|record| {
        let fields: serde_json::Value = serde_json::from_str(&record.fields).expect("JSON");
        assert_eq!(fields["cause"], "budget");
        fields["count"].as_u64().expect("a count")
    });
    assert_eq!(stated.sum::<u64>(), report.lost, "the stream says what the counters say");

    let mut tree = TaskTree::builder(Filter::new());
    kept.into_iter().for_each(|record| tree.add(record.clone()));
    let summary = tree.finish().summary();
    assert!(summary.all_tasks() < 10 * 51, "some tasks were left out");
    assert_eq!(summary.of(Status::Succeeded), summary.all_tasks(), "no task stays open");
}

#[test]
fn init_keeps_the_lake_within_limits() {
    let lake = tempfile::tempdir().expect("a temporary folder");
    let folder = lake.path().join("debug_json/records/run_date=2020-01-01");
    fs::create_dir_all(&folder).expect("a folder");
    for number in 1..=3 {
        let path = folder.join(format!("20200101T000000.000000Z_idefix_7_000{number}.jsonl"));
        fs::write(&path, "\n").expect("a file");
        let old = std::time::UNIX_EPOCH + Duration::from_secs(1_577_836_800 + number);
        fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(old)).expect("its owner");
    }
    let limits = Limits::new().max_files(NonZeroU64::new(3).expect("not zero"));
    let guard = spanlake::builder().lake(lake.path()).console(LevelFilter::OFF).limits(limits).init();
    let guard = guard.expect("nothing was set before");
    tracing::info!("room");
    let report = guard.shutdown(LONG).expect("in time");
    assert!(report.is_complete(), "{report:#?}");
    let parquet = usize::from(cfg!(feature = "parquet"));
    assert_eq!(report.sinks.iter().map(|sink| sink.deleted.files).sum::<u64>() as usize, 1 + parquet);
    assert_eq!(fs::read_dir(&folder).expect("the newest is there").count(), 2 - parquet);
}
