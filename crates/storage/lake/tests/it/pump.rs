//! The whole way, from the buffer through the pump into all sinks at once.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use parquet::file::reader::{FileReader, SerializedFileReader};
use spanlake_core::buffer::{Admission, Offer, Shard};
use spanlake_core::segment::{CallsiteDefinition, Message, RecordHead, SegmentWriter};
use spanlake_core::{Buffer, BufferOptions, Level, Policy, Pump, PumpBuilder, SinkState, Source};
use spanlake_lake::{JsonlSink, ParquetSink, SystemLogSink};

use crate::support::{files, lines};

const LONG: Duration = Duration::from_secs(30);

fn buffer() -> Buffer {
    let options = BufferOptions { policy: Policy::Block(LONG), ..BufferOptions::default() };
    Buffer::new(&options, Source::this_process("test"))
}

/// All three sinks on one lake.
fn pump(lake: &Path, buffer: &Buffer) -> Pump {
    let sinks = PumpBuilder::new()
        .drain_every(Duration::from_millis(1))
        .sink(JsonlSink::new(lake))
        .sink(SystemLogSink::new(lake))
        .sink(ParquetSink::new(lake));
    sinks.spawn(buffer.clone()).unwrap()
}

fn record(shard: &Shard, count: u64) {
    let mut message = Message::default();
    for number in 0..count {
        message.format(format_args!("event {number}"));
        let ts_ns = spanlake_core::clock::utc_now_ns();
        let offer = Offer { level: Level::INFO, ts_ns, need: 64, admission: Admission::Event };
        assert!(shard.offer(&offer, |writer, _| write(writer, ts_ns, &message)));
    }
}

fn write(writer: &mut SegmentWriter, ts_ns: i64, message: &Message) {
    let place =
        CallsiteDefinition { name: "event", target: "test", module: None, file: None, line: None, level: Level::INFO };
    let callsite = match writer.callsite(1) {
        Some(known) => known,
        None => writer.define_callsite(1, &place, std::iter::empty()),
    };
    let head = RecordHead { level: Level::INFO, callsite: Some(callsite), task: None, seq: 0, ts_ns };
    writer.event(&head, message, &[]);
}

fn parquet_rows(lake: &Path) -> i64 {
    let rows = |path: &std::path::PathBuf| {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        reader.metadata().file_metadata().num_rows()
    };
    files(&lake.join("analyst")).iter().map(rows).sum()
}

#[test]
fn every_sink_gets_every_record_of_every_thread() {
    let lake = tempfile::tempdir().unwrap();
    let buffer = buffer();
    let pump = pump(lake.path(), &buffer);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| record(&buffer.shard(), 5_000));
        }
    });
    let report = pump.shutdown(LONG);
    assert!(report.is_complete(), "{report}");
    assert_eq!((report.recorded, report.written), (20_000, 20_000));
    assert_eq!(lines(&lake.path().join("debug_json/records")).len(), 20_000);
    assert_eq!(lines(&lake.path().join("debug_json/system_log")).len(), 20_000);
    assert_eq!(parquet_rows(lake.path()), 20_000);
}

#[test]
fn a_flush_makes_everything_visible() {
    let lake = tempfile::tempdir().unwrap();
    let buffer = buffer();
    let pump = pump(lake.path(), &buffer);
    let shard = buffer.shard();
    for round in 1..=3 {
        record(&shard, 100);
        assert!(pump.flush(LONG).is_complete());
        assert_eq!(lines(&lake.path().join("debug_json/records")).len(), 100 * round);
        assert_eq!(parquet_rows(lake.path()), 100 * round as i64);
    }
}

/// One sink has no place to write to for a while: the pump keeps its batches, and nothing is lost or doubled.
#[test]
fn a_sink_that_failed_catches_up() {
    let lake = tempfile::tempdir().unwrap();
    let in_the_way = lake.path().join("debug_json");
    fs::write(&in_the_way, "").unwrap();
    let buffer = buffer();
    let pump = pump(lake.path(), &buffer);
    let shard = buffer.shard();
    record(&shard, 100);
    let report = pump.flush(LONG);
    assert_eq!(report.sinks[0].state, SinkState::Retrying);
    assert!(report.sinks[0].last_error.as_deref().unwrap().starts_with("HANDLER::JsonlSink::IO::ERROR"));
    assert_eq!((report.sinks[0].pending, report.sinks[2].written), (100, 100));

    fs::remove_file(&in_the_way).unwrap();
    record(&shard, 100);
    let report = pump.shutdown(LONG);
    assert!(report.is_complete(), "{report}");
    assert_eq!(lines(&lake.path().join("debug_json/records")).len(), 200);
    assert_eq!(parquet_rows(lake.path()), 200);
}

/// Parquet takes records long before it publishes them: the report must not take the one for the other.
#[test]
fn what_cannot_be_published_is_pending_and_in_the_end_lost() {
    let lake = tempfile::tempdir().unwrap();
    fs::write(lake.path().join("analyst"), "in the way").unwrap();
    let buffer = buffer();
    let pump = pump(lake.path(), &buffer);
    record(&buffer.shard(), 100);
    let report = pump.flush(LONG);
    assert_eq!((report.written, report.pending, report.lost), (0, 100, 0), "{report}");
    let report = pump.shutdown(LONG);
    assert_eq!((report.written, report.pending, report.lost), (0, 0, 100), "{report}");
    assert_eq!((report.sinks[0].written, report.sinks[2].lost), (100, 100));
    assert!(!report.is_complete());
}

#[test]
fn what_is_published_late_was_not_lost() {
    let lake = tempfile::tempdir().unwrap();
    let in_the_way = lake.path().join("analyst");
    fs::write(&in_the_way, "").unwrap();
    let buffer = buffer();
    let pump = pump(lake.path(), &buffer);
    record(&buffer.shard(), 100);
    assert_eq!(pump.flush(LONG).sinks[2].pending, 100);
    fs::remove_file(&in_the_way).unwrap();
    record(&buffer.shard(), 10);
    let report = pump.shutdown(LONG);
    assert!(report.is_complete(), "{report}");
    assert_eq!((report.sinks[2].written, parquet_rows(lake.path())), (110, 110));
}
