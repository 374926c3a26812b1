//! Numbers that no program of ours has ever written: they are told as far as they can be, and nothing overflows.

use spanlake_core::segment::SegmentWriter;
use spanlake_core::spool::OpenTasks;
use spanlake_core::{Cause, Level, Loss, OwnedRecord};

use crate::support::{MOMENT_NS, source};

#[test]
fn a_loss_of_more_than_can_be_counted_counts_as_many_as_can_be() {
    let mut loss = Loss { levels: [u64::MAX; 5], bytes: u64::MAX, ..Loss::one(Cause::Sink, Level::INFO, 0, MOMENT_NS) };
    assert_eq!(loss.count(), u64::MAX);
    assert_eq!(loss.worst(), Level::ERROR);
    loss.add(&Loss::one(Cause::Sink, Level::WARN, 1, MOMENT_NS));
    assert_eq!((loss.levels, loss.bytes), ([u64::MAX; 5], u64::MAX));
    assert!(loss.to_string().starts_with("18446744073709551615 records lost (sink)"));
}

#[test]
fn an_open_task_of_all_times_and_with_the_last_number_is_ended() {
    let sample = crate::segment::sample();
    let decoded = sample.decode().expect("a segment");
    let mut begin = decoded.records().find(|record| record.task.is_some()).expect("a task");
    (begin.ts_ns, begin.seq) = (i64::MIN, u64::MAX);
    let mut writer = SegmentWriter::new(&source());
    writer.copy(&begin);
    let begun = writer.take();
    let mut open = OpenTasks::default();
    open.read(&begun.decode().expect("a segment"));
    let ends = open.interrupted(&source());
    let ends: Vec<OwnedRecord> =
        ends.decode().expect("a segment").records().map(|record| OwnedRecord::from(&record)).collect();
    let [end] = &ends[..] else { panic!("one end: {ends:?}") };
    assert_eq!((end.duration_us, end.key.as_ref().map(|key| key.seq)), (Some(0), Some(u64::MAX)));
}
