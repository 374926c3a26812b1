//! A disk that four threads fill to the last byte, and that has room again.
//!
//! A binary of its own: it starts itself again with a small file system in memory, which only that process sees.

use std::fs::{self, File};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use spanlake::core::SinkState;
use spanlake::prelude::*;
use spanlake_query::{Filter, Format, Lake};
use spanlake_testkit::apart::{Ballast, on_small_disks};

/// Long enough that only a defect reaches it.
const LONG: Duration = Duration::from_secs(60);

/// No call of a policy that does not wait takes that long, on whatever machine.
const LONGEST_CALL: Duration = Duration::from_secs(5);

const BUFFER_BYTES: usize = 512 << 10;

const BACKLOG_BYTES: usize = 256 << 10;

/// What a record takes at least, in a backlog or on a disk.
const RECORD_BYTES: usize = 100;

// === the small disk ===

/// Runs the test `name` of this binary on a small disk.
fn on_small_disk(name: &str, work: impl FnOnce(&Path)) {
    on_small_disks(name, &["disk"], |folder| work(&folder.join("disk")));
}

// === logging ===

/// The lake's three sinks behind buffers that are small beside the disk.
fn capture(lake: &Path, keeper: &Keeper, spool: bool) -> (CaptureLayer, Guard) {
    let rows = ParquetSink::new(lake).max_age(Duration::from_millis(100)).keeper(keeper);
    let builder = CaptureLayer::builder();
    let builder = if spool { builder.spool(lake.join(".spool")) } else { builder };
    builder
        .capacity_bytes(NonZeroUsize::new(BUFFER_BYTES).expect("not zero"))
        .backlog_bytes(NonZeroUsize::new(BACKLOG_BYTES).expect("not zero"))
        .policy(Policy::DropLowest)
        .drain_every(Duration::from_millis(5))
        .sink(JsonlSink::new(lake).keeper(keeper))
        .sink(SystemLogSink::new(lake).level(LevelFilter::WARN).keeper(keeper))
        .sink(rows.max_buffered_bytes(NonZeroUsize::new(64 << 10).expect("not zero")))
        .build()
        .expect("a thread")
}

/// Logs from four threads until `is_enough`; gives how many records they made, and how long the longest call took.
fn log_until(is_enough: impl FnOnce()) -> (u64, Duration) {
    let stop = AtomicBool::new(false);
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    std::thread::scope(|scope| {
        let log = || tracing::dispatcher::with_default(&dispatch, || log(|_| stop.load(Ordering::Relaxed)));
        let threads = [(); 4].map(|()| scope.spawn(log));
        is_enough();
        stop.store(true, Ordering::Relaxed);
        let results = threads.map(|thread| thread.join().expect("no call panics"));
        let longest = results.iter().map(|(_, longest)| *longest).max().unwrap_or_default();
        (results.iter().map(|(records, _)| records).sum(), longest)
    })
}

/// Tasks of ten events each, a little apart so that the pump has its share of the machine.
fn log(stop: impl Fn(u64) -> bool) -> (u64, Duration) {
    let (mut records, mut longest) = (0, Duration::ZERO);
    while !stop(records) {
        let started = Instant::now();
        tracing::info_span!("chunk").in_scope(|| {
            (0..8).for_each(|row| tracing::debug!(row, text = "0123456789 0123456789 0123456789", "read"));
            tracing::info!("written");
            tracing::warn!("done");
        });
        longest = longest.max(started.elapsed());
        records += 12;
        std::thread::sleep(Duration::from_micros(500));
    }
    (records, longest)
}

/// Waits until the report is as wanted.
fn wait_for(guard: &Guard, what: &str, is_so: impl Fn(&Report) -> bool) -> Report {
    let started = Instant::now();
    loop {
        let report = guard.report();
        if is_so(&report) {
            return report;
        }
        assert!(started.elapsed() < LONG, "not {what}: {report:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn assert_adds_up(report: &Report) {
    assert_eq!(report.recorded, report.written + report.filtered + report.lost + report.pending, "{report:#?}");
    for sink in &report.sinks {
        let all = sink.written + sink.filtered + sink.lost + sink.pending;
        assert_eq!(report.recorded, report.losses.total() + all, "{}: {report:#?}", sink.name);
    }
}

/// What was lost on the way in, and by each sink.
fn lost(report: &Report) -> Vec<u64> {
    std::iter::once(report.losses.total()).chain(report.sinks.iter().map(|sink| sink.lost)).collect()
}

/// The records in the lake's files of one format, and how many others they say were lost.
fn count(lake: &Path, format: Format) -> (u64, u64) {
    let lake = Lake::open(lake).expect("a lake").format(format);
    let mut timeline = lake.read(&Filter::new()).expect("a lake that can be read");
    let (mut records, mut lost) = (0, 0);
    for record in &mut timeline {
        match record.kind {
            spanlake::Kind::Loss => {
                let fields: serde_json::Value = serde_json::from_str(&record.fields).expect("JSON");
                lost += fields["count"].as_u64().expect("a count");
            }
            _ => records += 1,
        }
    }
    assert!(timeline.damages().is_empty(), "{:?}", timeline.damages());
    (records, lost)
}

// === tests ===

#[test]
fn a_full_disk_holds_nobody_up_and_is_written_to_again_when_it_has_room() {
    fill_and_free("a_full_disk_holds_nobody_up_and_is_written_to_again_when_it_has_room", false);
}

#[test]
fn a_full_disk_with_the_spool_on_it_holds_nobody_up_either() {
    fill_and_free("a_full_disk_with_the_spool_on_it_holds_nobody_up_either", true);
}

fn fill_and_free(test: &str, spool: bool) {
    on_small_disk(test, |disk| {
        let lake = disk.join("lake");
        let (layer, guard) = capture(&lake, &Keeper::new(&lake, Limits::new()), spool);
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

        let half = Ballast::new(disk, 4 << 20);
        let mut rest = None;
        let (recorded, longest) = log_until(|| {
            wait_for(&guard, "full", |report| report.sinks[0].errors > 0 && report.sinks[2].errors > 0);
            rest = Some(Ballast::all(disk));
            wait_for(&guard, "over its bounds", |report| report.sinks[0].lost > 1_000 && report.sinks[2].lost > 0);
        });
        assert!(longest < LONGEST_CALL, "{longest:?}");
        let full = guard.flush(LONG);
        assert!(!full.timed_out && !full.is_complete(), "{full}");
        assert_eq!(full.recorded, recorded);
        assert_adds_up(&full);
        for sink in &full.sinks {
            assert!(sink.pending as usize * RECORD_BYTES < BACKLOG_BYTES + BUFFER_BYTES, "{sink:?}");
        }
        let error = full.sinks[0].last_error.as_deref().expect("a failure");
        assert!(error.contains("HANDLER::JsonlSink::IO::ERROR"), "{error}");
        assert_eq!(count(&lake, Format::Jsonl).0, full.sinks[0].written, "whole batches or nothing");

        drop((half, rest));
        // Nobody asks for it: the sinks try again by themselves.
        wait_for(&guard, "written again", |report| report.sinks[0].pending == 0);
        assert_eq!(guard.flush(LONG).pending, 0);

        // So few that the buffer holds them all, however busy the machine is.
        let (more, _) = log(|records| records >= 1_000);
        let report = guard.flush(LONG);
        assert_eq!((report.recorded, report.pending), (recorded + more, 0), "{report:#?}");
        assert_eq!(lost(&report), lost(&full), "nothing more was lost");
        assert_adds_up(&report);
        assert!(report.sinks.iter().all(|sink| sink.state != SinkState::Retrying), "{report:#?}");
        // What the last round lost is stated in the one after it.
        let report = guard.shutdown(LONG).expect("in time");
        assert_eq!(lost(&report), lost(&full));
        for (sink, format) in [(&report.sinks[0], Format::Jsonl), (&report.sinks[2], Format::Parquet)] {
            let stated = sink.lost + report.losses.total();
            assert_eq!(count(&lake, format), (sink.written, stated), "{report:#?}");
        }
        if report.spool.is_some() {
            assert_eq!(fs::read_dir(lake.join(".spool")).expect("the spool").count(), 0, "all of it is in the lake");
        }
    });
}

/// The bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { bytes_below(&entry.path()) } else { length(&entry.path()) }).sum()
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// As if the files were written an hour ago: nobody can still be at work on them.
fn make_old(folder: &Path) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            make_old(&path);
        } else {
            let file = File::options().write(true).open(&path).expect("a file");
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3_600)).expect("its owner");
        }
    }
}

#[test]
fn limits_make_room_where_no_byte_is_free() {
    on_small_disk("limits_make_room_where_no_byte_is_free", |disk| {
        let lake = disk.join("lake");
        let mebibytes = |count: u64| Limits::new().max_total_bytes(NonZeroU64::new(count << 20).expect("not zero"));
        {
            let (layer, guard) = capture(&lake, &Keeper::new(&lake, mebibytes(4)), false);
            let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
            log_until(|| {
                let started = Instant::now();
                while bytes_below(&lake) < 3 << 20 && started.elapsed() < LONG {
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            assert_eq!(guard.shutdown(LONG).expect("in time").pending, 0);
        }
        make_old(&lake);
        let before = bytes_below(&lake);
        assert!(before > 2 << 20, "{before} bytes");

        let _rest = Ballast::all(disk);
        let (layer, guard) = capture(&lake, &Keeper::new(&lake, mebibytes(1)), false);
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        tracing::info!("room");
        let report = guard.shutdown(LONG).expect("in time");
        assert!(report.is_complete(), "{report:#?}");
        let deleted: u64 = report.sinks.iter().map(|sink| sink.deleted.bytes).sum();
        assert!(deleted > 1 << 20 && bytes_below(&lake) <= 1 << 20, "{deleted} of {before} bytes: {report:#?}");
        assert!(report.sinks.iter().all(|sink| sink.errors == 0), "{report:#?}");
    });
}
