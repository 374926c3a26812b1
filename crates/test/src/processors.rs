//! The suite that every processor passes, ours and yours.
//!
//! Tell it how a processor is made, and call [`check`]. It panics at the first promise that is broken and says which.
//!
//! ```
//! use spanlake_core::Record;
//! use spanlake_test::processors::check;
//!
//! check(|| |record: &mut Record<'_>| record.kind == spanlake_core::Kind::Loss || record.target() != "noisy");
//! ```

use spanlake_core::render::{JsonLines, Renderer};
use spanlake_core::segment::{Segment, SegmentWriter};
use spanlake_core::{Cause, Kind, Level, Loss, OwnedRecord, Processor, Record, Source, Value};

use crate::conformance::{HOSTILE, MIDNIGHT_US};
use crate::script::{NO_TASK, Script};

/// Runs every case.
pub fn check<P: Processor>(processor: impl Fn() -> P) {
    an_empty_batch_is_fine(&mut processor());
    statements_of_loss_stay(&mut processor());
    records_stay_who_they_are_and_in_order(&mut processor());
    what_comes_out_can_be_written_and_kept(&mut processor());
    a_batch_may_come_again(&mut processor());
}

/// Nothing goes in, nothing comes out.
pub fn an_empty_batch_is_fine(processor: &mut dyn Processor) {
    let mut records = Vec::new();
    processor.process(&mut records);
    assert!(records.is_empty(), "records were invented");
    processor.take_losses();
}

/// What a pump states about losses comes through as it is: nobody else tells of them.
pub fn statements_of_loss_stay(processor: &mut dyn Processor) {
    let stated = |records: &[Record<'_>]| -> Vec<OwnedRecord> {
        records.iter().filter(|record| record.kind == Kind::Loss).map(OwnedRecord::from).collect()
    };
    each_story(|mut records| {
        let before = stated(&records);
        processor.process(&mut records);
        assert_eq!(stated(&records), before, "the statements of loss");
    });
}

/// Records may go and change, but none comes, none is doubled, and those that stay are in the order in which they came,
/// with the key, the time and the kind that they had.
pub fn records_stay_who_they_are_and_in_order(processor: &mut dyn Processor) {
    let who = |record: &Record<'_>| (record.key(), record.ts_ns, record.kind);
    each_story(|mut records| {
        let before: Vec<_> = records.iter().map(who).collect();
        processor.process(&mut records);
        let mut rest = before.iter();
        for record in &records {
            assert!(
                rest.any(|other| *other == who(record)),
                "it was not there, or not behind the one before: {record:?}"
            );
        }
        let dropped = before.len() - records.len();
        let lost: u64 = processor.take_losses().iter().map(Loss::count).sum();
        assert!(lost <= dropped as u64, "{lost} records are said to be lost, {dropped} were dropped");
    });
}

/// What comes out can be rendered, and kept by a pump whose sink fails.
pub fn what_comes_out_can_be_written_and_kept(processor: &mut dyn Processor) {
    each_story(|mut records| {
        processor.process(&mut records);
        let mut lines = JsonLines::default();
        let (mut direct, mut kept) = (Vec::new(), Vec::new());
        records.iter().for_each(|record| lines.render(&mut direct, record));
        for record in &records {
            let mut writer = SegmentWriter::new(record.source);
            writer.copy(record);
            let copy = writer.take();
            let copy = copy.decode().expect("a segment that was just written");
            copy.records().for_each(|record| lines.render(&mut kept, &record));
        }
        assert_eq!(text(direct), text(kept), "a record that was kept reads differently");
    });
}

/// A batch that another processor's panic has lost, or that is a second one like the first.
pub fn a_batch_may_come_again(processor: &mut dyn Processor) {
    for _ in 0..2 {
        each_story(|mut records| {
            let most = records.len();
            processor.process(&mut records);
            assert!(records.len() <= most, "records were invented");
        });
    }
}

// === the suite's own records ===

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("JSON is text")
}

/// Calls `look` with every kind of record, once in plain words and once for each hostile text.
fn each_story(mut look: impl FnMut(Vec<Record<'_>>)) {
    for text in ["plain words"].into_iter().chain(HOSTILE) {
        let segment = story(text);
        let decoded = segment.decode().expect("a segment that was just written");
        look(decoded.records().collect());
    }
}

fn story(text: &str) -> Segment {
    let source = Source::this_process("testkit").with_thread("processors");
    let mut script = Script::new(source, MIDNIGHT_US);
    let outer = script.begin("outer", text);
    let inner = script.begin_in(outer, text, text);
    let values = [
        (text, Value::from(text)),
        ("error", Value::Error(vec![text.into(), text.into()])),
        ("password", Value::from(text)),
        ("number", Value::I64(-1)),
        ("number", Value::U64(2)),
        ("bytes", Value::Bytes(text.as_bytes().into())),
    ];
    for level in [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR] {
        script.event(inner, level, text, &values);
        script.loss(&Loss::one(Cause::Full, level, 100, MIDNIGHT_US * 1_000));
        script.event(NO_TASK, level, text, &values);
    }
    script.end(inner, text, &[text.to_owned(), text.to_owned()]);
    script.end(outer, text, &[]);
    script.into_segment()
}
