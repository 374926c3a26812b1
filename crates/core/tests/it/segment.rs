//! Segments: written, read, copied, cut and damaged.

use std::collections::HashSet;

use proptest::prelude::*;
use spanlake_core::loss::Loss;
use spanlake_core::segment::{
    Decoded, EndHead, MAGIC, Message, RecordHead, Segment, SegmentError, SegmentWriter, Tail, TaskDefinition,
    TaskOrigin, TaskRef, VERSION, merge,
};
use spanlake_core::value::{BodyWriter, MAX_TEXT_BYTES, Name};
use spanlake_core::{Cause, Kind, Level, Outcome, OwnedRecord, TaskKey, Value};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::support::{MOMENT_NS, callsite, message, owned, source};

const ROOT: Uuid = Uuid::from_u128(0xe252a11f_d33d_483d_ba08_bc8f642b2f10);

/// First bytes of a frame's payload, as `docs/format.md` has them.
mod frame {
    pub(super) const STRING: u8 = 0x01;
    pub(super) const CALLSITE: u8 = 0x02;
    pub(super) const TASK: u8 = 0x03;
    pub(super) const BEGINS: u8 = 0x10;
    pub(super) const RECORDS: std::ops::RangeInclusive<u8> = 0x10..=0x13;
}

// === a segment with one of everything ===

fn head(level: Level, at: i64, task: Option<TaskRef>, seq: u64) -> RecordHead {
    RecordHead { level, callsite: None, task, seq, ts_ns: MOMENT_NS + at }
}

fn body(write: impl FnOnce(&mut BodyWriter)) -> Vec<u8> {
    let mut body = BodyWriter::default();
    write(&mut body);
    body.finish();
    body.bytes().to_vec()
}

/// One of everything that a segment can hold.
pub(crate) fn sample() -> Segment {
    let mut writer = SegmentWriter::new(&source());
    let place = callsite(&mut writer, "load", &["table", "rows"]);
    let context = body(|body| body.text(Name::Index(0), "orders"));
    let define = |writer: &mut SegmentWriter, serial, origin, own_context, foreign_parent, begins| {
        let started_ns = MOMENT_NS + serial as i64;
        let context = &context;
        let callsite = place;
        writer.define_task(
            serial,
            0,
            0,
            &TaskDefinition { origin, callsite, started_ns, own_context, foreign_parent, context, begins },
        )
    };
    let root = define(&mut writer, 1, TaskOrigin::Root(ROOT), false, Some([7; 8]), false);
    let first = RecordHead { callsite: Some(place), ..head(Level::INFO, 1, Some(root), 0) };
    writer.begin(&first, &message("Loading orders"), &[]);
    let child = define(&mut writer, 2, TaskOrigin::Child { parent: root, number: 1 }, false, None, true);
    let elsewhere: TaskKey = "00000000-0000-4000-8000-000000000001/2/3".parse().expect("a key");
    let continued = define(&mut writer, 3, TaskOrigin::Continued(&elsewhere), true, None, false);
    let fields = body(|body| {
        body.bool(Name::Index(0), true);
        body.i64(Name::Index(1), -3);
        body.u64(Name::Text("u64"), u64::MAX);
        body.f64(Name::Text("f64"), 0.5);
        body.i128(Name::Text("i128"), i128::MIN);
        body.u128(Name::Text("u128"), u128::MAX);
        body.text(Name::Text("text"), "ä\n");
        body.raw(Name::Text("bytes"), &[0, 255]);
        body.value(Name::Text("error"), &Value::Error(vec!["outer".into(), "inner".into()]));
    });
    for (at, level) in crate::support::LEVELS.into_iter().enumerate() {
        let head = RecordHead { callsite: Some(place), ..head(level, 10 + at as i64, Some(child), 1 + at as u64) };
        writer.event(&head, &message("an event"), &fields);
    }
    writer.event(&head(Level::WARN, 20, None, 0), &message("nowhere"), &[]);
    writer.loss(&Loss::one(Cause::Evicted, Level::DEBUG, 77, MOMENT_NS + 15));
    let ends = [
        (continued, Outcome::Cancelled, vec![], false),
        (child, Outcome::Failed, vec!["outer".to_owned(), "inner".to_owned()], false),
        (root, Outcome::Succeeded, vec![], true),
    ];
    for (at, (task, outcome, error, quiet)) in ends.into_iter().enumerate() {
        let head = RecordHead { callsite: Some(place), ..head(Level::INFO, 30 + at as i64, Some(task), 9) };
        let end = EndHead { outcome, duration_ns: 1_500_000, busy_ns: 900_000, error: &error, quiet };
        // The first in words of its own, the others in those that their task's name gives.
        writer.end(&head, &end, &if at == 0 { message("Gave up") } else { Message::default() }, &[]);
    }
    writer.take()
}

// === frames, walked as the format says and not as the reader does ===

/// Offsets at which a frame ends, the header's included, and how many records lie before each.
fn frame_ends(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut at, mut records) = (8, 0);
    let mut ends = Vec::new();
    while at < bytes.len() {
        let payload = payload_at(bytes, at);
        let begins = payload[0] == frame::TASK && payload[1] & frame::BEGINS != 0;
        let is_record = at > 8 && (frame::RECORDS.contains(&payload[0]) || begins);
        records += usize::from(is_record);
        at += 8 + payload.len();
        ends.push((at, records));
    }
    ends
}

fn payload_at(bytes: &[u8], at: usize) -> &[u8] {
    let len = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    &bytes[at + 8..at + 8 + len as usize]
}

fn payloads(bytes: &[u8]) -> Vec<&[u8]> {
    let starts = frame_ends(bytes);
    starts.iter().map(|(end, _)| *end).filter(|end| *end < bytes.len()).map(|at| payload_at(bytes, at)).collect()
}

fn sealed(payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&(xxh3_64(payload) as u32).to_le_bytes());
    frame.extend_from_slice(payload);
    frame
}

// === reading what was written ===

#[test]
fn sample_reads_back_as_it_was_written() {
    let sample = sample();
    let decoded = sample.decode().expect("a segment");
    assert_eq!(decoded.tail(), Tail::Whole);
    let source = decoded.source();
    assert_eq!((&*source.host, &*source.service, &*source.thread), ("host", "service", "main"));
    assert_eq!((source.pid, source.started_us), (crate::support::source().pid, source.started_us));

    let kinds: Vec<Kind> = decoded.records().map(|record| record.kind).collect();
    let mut expected = vec![Kind::Begin, Kind::Begin];
    expected.extend([Kind::Event; 6]);
    expected.extend([Kind::Loss, Kind::End, Kind::End, Kind::End]);
    assert_eq!(kinds, expected);

    let records = owned(&decoded);
    let keys: Vec<Option<String>> = records.iter().map(|record| record.key.as_ref().map(ToString::to_string)).collect();
    assert_eq!(keys[0].as_deref(), Some(&*format!("0@{ROOT}")));
    assert_eq!(keys[1].as_deref(), Some(&*format!("0@{ROOT}/1")));
    assert_eq!(keys[2].as_deref(), Some(&*format!("1@{ROOT}/1")));
    assert_eq!(keys[7], None);
    assert_eq!(keys[9].as_deref(), Some("9@00000000-0000-4000-8000-000000000001/2/3"));
    assert_eq!(records[0].message, "Loading orders");
    assert_eq!(records[1].message, "load", "a begin without words says its task's name");
    assert_eq!(records[1].ts_us, (MOMENT_NS + 2).div_euclid(1000));
    assert_eq!(records[2].context, r#"{"table":"orders"}"#);
    assert_eq!([9, 10, 11].map(|at: usize| &*records[at].message), ["Gave up", "FAILED load", ""]);
    assert_eq!(records[10].error.as_deref(), Some("outer: inner"));
    assert_eq!((records[10].duration_us, records[10].outcome), (Some(1500), Some(Outcome::Failed)));
    assert_eq!(sample.records(), 11, "the statement of loss is not one that a caller made");
}

#[test]
fn every_kind_of_value_comes_back_with_its_type() {
    let sample = sample();
    let decoded = sample.decode().expect("a segment");
    let event = decoded.records().nth(2).expect("an event");
    let values: Vec<(String, Value<'static>)> =
        event.fields.to_vec().into_iter().map(|field| (field.name.into_owned(), field.value.into_owned())).collect();
    let expected = [
        ("table", Value::Bool(true)),
        ("rows", Value::I64(-3)),
        ("u64", Value::U64(u64::MAX)),
        ("f64", Value::F64(0.5)),
        ("i128", Value::I128(i128::MIN)),
        ("u128", Value::U128(u128::MAX)),
        ("text", Value::Text("ä\n".into())),
        ("bytes", Value::Bytes(vec![0, 255].into())),
        ("error", Value::Error(vec!["outer".into(), "inner".into()])),
    ];
    assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn task_comes_back_with_its_foreign_parent_and_contexts() {
    let sample = sample();
    let decoded = sample.decode().expect("a segment");
    let records: Vec<_> = decoded.records().collect();
    let (root, child) = (records[0].task.as_deref().expect("a task"), records[1].task.as_deref().expect("a task"));
    let continued = records[9].task.as_deref().expect("a task");
    assert_eq!(root.foreign_parent, Some([7; 8]));
    assert_eq!((child.foreign_parent, child.name), (None, "load"));
    assert_eq!(child.started_ns, MOMENT_NS + 2);
    assert_eq!(child.own, child.context, "the same name, the nearest task's value");
    assert_eq!(continued.key_text, "00000000-0000-4000-8000-000000000001/2/3");
}

#[test]
fn context_of_the_nearest_task_wins_in_the_place_of_the_first() {
    let mut writer = SegmentWriter::new(&source());
    let place = callsite(&mut writer, "work", &[]);
    let own = body(|body| {
        body.u64(Name::Text("a"), 1);
        body.u64(Name::Text("b"), 2);
    });
    let nearer = body(|body| {
        body.u64(Name::Text("c"), 3);
        body.u64(Name::Text("a"), 4);
    });
    let definition = TaskDefinition {
        origin: TaskOrigin::Root(ROOT),
        callsite: place,
        started_ns: 0,
        own_context: false,
        foreign_parent: None,
        context: &own,
        begins: false,
    };
    let parent = writer.define_task(1, 0, 0, &definition);
    let origin = TaskOrigin::Child { parent, number: 1 };
    let child = writer.define_task(2, 0, 0, &TaskDefinition { origin, context: &nearer, ..definition });
    let alone =
        writer.define_task(3, 0, 0, &TaskDefinition { origin, context: &nearer, own_context: true, ..definition });
    for task in [child, alone] {
        writer.event(&head(Level::INFO, 0, Some(task), 0), &message(""), &[]);
    }
    let segment = writer.take();
    let records = owned(&segment.decode().expect("a segment"));
    assert_eq!(records[0].context, r#"{"a":4,"b":2,"c":3}"#);
    assert_eq!(records[1].context, r#"{"c":3,"a":4}"#);
}

#[test]
fn segment_describes_what_it_uses_once_and_each_segment_anew() {
    let mut writer = SegmentWriter::new(&source());
    let mut write = || {
        for at in 0..100 {
            let callsite = Some(callsite(&mut writer, "load", &["table", "table", "load"]));
            writer.event(&RecordHead { callsite, ..head(Level::INFO, at, None, 0) }, &message("again"), &[]);
        }
        writer.take()
    };
    for segment in [write(), write()] {
        let payloads = payloads(segment.bytes());
        let strings: Vec<&[u8]> = payloads.iter().filter(|frame| frame[0] == frame::STRING).map(|p| &p[1..]).collect();
        assert_eq!(strings.iter().collect::<HashSet<_>>().len(), strings.len(), "each text once");
        assert!(strings.contains(&&b"load"[..]) && strings.contains(&&b"table"[..]));
        assert_eq!(payloads.iter().filter(|frame| frame[0] == frame::CALLSITE).count(), 1);
        assert_eq!(segment.decode().expect("a segment that is read alone").len(), 100);
    }
}

#[test]
fn layout_is_magic_version_header_frame_and_frames_with_sums() {
    let sample = sample();
    let bytes = sample.bytes();
    assert_eq!(bytes[..4], MAGIC);
    assert_eq!(bytes[4..8], [VERSION, 0, 0, 0]);
    let mut at = 8;
    for (end, _) in frame_ends(bytes) {
        let payload = &bytes[at + 8..end];
        assert_eq!(bytes[at..at + 4], (payload.len() as u32).to_le_bytes());
        assert_eq!(bytes[at + 4..at + 8], (xxh3_64(payload) as u32).to_le_bytes());
        at = end;
    }
    assert_eq!(at, bytes.len());
}

#[test]
fn bytes_from_elsewhere_know_their_records() {
    let sample = sample();
    assert_eq!(Segment::from_bytes(sample.bytes().to_vec()).records(), sample.records());
    assert_eq!(Segment::from_bytes(b"not a segment".to_vec()).records(), 0);
}

// === without sums ===

/// A segment as a buffer gives it: never summed, because it has not left its memory.
fn drained() -> Segment {
    let buffer = crate::support::buffer(spanlake_core::Policy::DropLowest);
    let mut hand = crate::support::Hand::new(&buffer);
    let mut task = hand.begin();
    (0..10).for_each(|at| assert!(hand.event_in(&mut task, Level::INFO, &format!("m{at}"))));
    hand.end(task, Outcome::Succeeded);
    buffer.drain().swap_remove(0)
}

#[test]
fn drained_segment_has_no_sums_until_it_is_told_to_and_says_the_same_with_them() {
    let mut segment = drained();
    let before = owned(&segment.decode().expect("a segment"));
    assert_eq!(segment.bytes()[5], 1, "the flag that says so");
    segment.sum();
    assert_eq!(segment.bytes()[5], 0);
    assert_eq!(owned(&segment.decode().expect("a segment")), before);
    assert_eq!(before.len(), 12);
    let once = segment.bytes().to_vec();
    segment.sum();
    assert_eq!(segment.bytes(), once, "twice does nothing");
}

#[test]
fn damage_to_a_segment_that_was_summed_late_is_found() {
    let mut segment = drained();
    segment.sum();
    let whole = owned(&segment.decode().expect("a segment"));
    let header_end = frame_ends(segment.bytes())[0].0;
    for at in header_end..segment.bytes().len() {
        let mut bytes = segment.bytes().to_vec();
        bytes[at] ^= 0x10;
        let decoded = Decoded::read(&bytes).expect("the header is whole");
        assert!(whole.starts_with(&owned(&decoded)) && matches!(decoded.tail(), Tail::Torn { .. }), "byte {at}");
    }
}

#[test]
fn segment_without_sums_is_read_without_a_panic_whatever_happened_to_it() {
    let segment = drained();
    for at in 0..segment.bytes().len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            let mut bytes = segment.bytes().to_vec();
            bytes[at] ^= flip;
            if let Ok(decoded) = Decoded::read(&bytes) {
                decoded.records().for_each(|record| drop(OwnedRecord::from(&record)));
            }
        }
    }
}

#[test]
fn bytes_without_a_header_have_nothing_to_sum() {
    for len in 0..drained().bytes().len() {
        let mut segment = Segment::from_bytes(drained().bytes()[..len].to_vec());
        segment.sum();
        assert_eq!(segment.bytes().len(), len);
    }
}

// === cut short ===

#[test]
fn cut_at_any_byte_everything_before_the_cut_is_read() {
    let sample = sample();
    let bytes = sample.bytes();
    let whole = owned(&sample.decode().expect("a segment"));
    let ends = frame_ends(bytes);
    let header_end = ends[0].0;
    for cut in 0..bytes.len() {
        let read = Decoded::read(&bytes[..cut]);
        if cut < header_end {
            let expected = if cut < 4 { SegmentError::Magic } else { SegmentError::Header };
            assert_eq!(read.expect_err("no header, no segment"), expected, "cut at {cut}");
            continue;
        }
        let decoded = read.expect("a segment");
        let (last_end, records) = *ends.iter().rfind(|(end, _)| *end <= cut).expect("the header ends before");
        assert_eq!(owned(&decoded), whole[..records], "cut at {cut}");
        let tail = if last_end == cut { Tail::Whole } else { Tail::Torn { at: last_end } };
        assert_eq!(decoded.tail(), tail, "cut at {cut}");
    }
}

#[test]
fn bytes_that_follow_a_torn_frame_are_not_guessed_at() {
    let sample = sample();
    let ends = frame_ends(sample.bytes());
    let (third_last, records) = ends[ends.len() - 3];
    let mut bytes = sample.bytes().to_vec();
    bytes.drain(third_last + 3..third_last + 5);
    let decoded = Decoded::read(&bytes).expect("a segment");
    assert_eq!((decoded.len(), decoded.tail()), (records, Tail::Torn { at: third_last }));
}

// === damaged ===

#[test]
fn flipped_bit_costs_what_follows_and_never_makes_a_record() {
    let sample = sample();
    let whole = owned(&sample.decode().expect("a segment"));
    for at in 0..sample.bytes().len() {
        for bit in 0..8 {
            let mut bytes = sample.bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let Ok(decoded) = Decoded::read(&bytes) else {
                assert!(at < frame_ends(sample.bytes())[0].0, "only a damaged header costs the whole segment");
                continue;
            };
            let records = owned(&decoded);
            assert!(whole.starts_with(&records), "bit {bit} of byte {at}: {records:#?}");
            if at >= 8 {
                assert!(matches!(decoded.tail(), Tail::Torn { .. }), "bit {bit} of byte {at} went unseen");
            }
        }
    }
}

#[test]
fn frame_of_unknown_type_is_passed_over() {
    let sample = sample();
    let whole = owned(&sample.decode().expect("a segment"));
    for (at, _) in frame_ends(sample.bytes()) {
        let mut bytes = sample.bytes().to_vec();
        bytes.splice(at..at, sealed(b"\x7f something of the future"));
        let decoded = Decoded::read(&bytes).expect("a segment");
        assert_eq!((owned(&decoded), decoded.tail()), (whole.clone(), Tail::Whole), "behind byte {at}");
    }
}

#[test]
fn newer_version_is_refused_by_name() {
    let mut bytes = sample().bytes().to_vec();
    bytes[4] = VERSION + 1;
    let error = Decoded::read(&bytes).expect_err("too new");
    assert_eq!(error, SegmentError::Version(VERSION + 1));
    assert_eq!(error.to_string(), "segment version 2 is newer than 1, which this program reads");
    bytes[4] = 0;
    assert_eq!(Decoded::read(&bytes).expect_err("never written"), SegmentError::Version(0));
}

#[test]
fn what_is_no_segment_is_refused() {
    for bytes in [&b""[..], b"PAR1", b"{\"ts\":\"2026\"}", b"SPL"] {
        assert_eq!(Decoded::read(bytes).expect_err("no segment"), SegmentError::Magic);
    }
}

proptest! {
    #[test]
    fn any_bytes_behind_a_header_are_read_without_a_panic(garbage: Vec<u8>) {
        let sample = sample();
        let mut bytes = sample.bytes()[..frame_ends(sample.bytes())[0].0].to_vec();
        bytes.extend_from_slice(&garbage);
        let decoded = Decoded::read(&bytes).expect("the header is whole");
        prop_assert_eq!(decoded.len(), 0);
    }

    /// Frames whose sums are right and whose content is not, as a hostile peer would send them.
    #[test]
    fn any_frames_with_right_sums_are_read_without_a_panic(
        frames in prop::collection::vec((prop_oneof![0u8..5, 0x10u8..0x15], prop::collection::vec(any::<u8>(), 0..40)), 0..20),
    ) {
        let mut bytes = sample().bytes().to_vec();
        for (kind, mut payload) in frames {
            payload.insert(0, kind);
            bytes.extend_from_slice(&sealed(&payload));
        }
        let decoded = Decoded::read(&bytes).expect("the header is whole");
        let mut lines = Vec::new();
        let mut json = spanlake_core::render::JsonLines::default();
        decoded.records().for_each(|record| json.put(&mut lines, &record));
        prop_assert!(std::str::from_utf8(&lines).is_ok());
    }

    #[test]
    fn any_damage_is_read_without_a_panic(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..10)) {
        let mut bytes = sample().bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(decoded) = Decoded::read(&bytes) {
            decoded.records().for_each(|record| drop(OwnedRecord::from(&record)));
        }
    }
}

// === copied ===

fn copied(segment: &Segment) -> Segment {
    let decoded = segment.decode().expect("a segment");
    let mut writer = SegmentWriter::new(decoded.source());
    decoded.records().for_each(|record| writer.copy(&record));
    writer.take()
}

#[test]
fn copy_says_the_same() {
    let sample = sample();
    let copy = copied(&sample);
    assert_eq!(copy.records(), sample.records());
    let (one, other) = (sample.decode().expect("a segment"), copy.decode().expect("a segment"));
    assert_eq!(owned(&other), owned(&one));
    for (one, other) in one.records().zip(other.records()) {
        assert_eq!((one.ts_ns, one.end(), one.loss()), (other.ts_ns, other.end(), other.loss()));
        assert_eq!(one.fields.to_vec(), other.fields.to_vec());
        let foreign_parent =
            |record: &spanlake_core::Record<'_>| record.task.as_deref().and_then(|task| task.foreign_parent);
        assert_eq!(foreign_parent(&one), foreign_parent(&other));
    }
}

#[test]
fn copy_of_an_eviction_stands_in_its_place() {
    let sample = sample();
    let decoded = sample.decode().expect("a segment");
    let mut statement = decoded.records().find(|record| record.loss().is_some()).expect("a loss");
    // As eviction writes it: timed as the first of what it took, in whose place it stands.
    statement.ts_ns = MOMENT_NS;
    let mut writer = SegmentWriter::new(decoded.source());
    writer.copy(&statement);
    let copy = writer.take();
    let copy = copy.decode().expect("a segment");
    let [copied] = &copy.records().collect::<Vec<_>>()[..] else { panic!("one record") };
    assert_eq!((copied.ts_ns, copied.loss()), (MOMENT_NS, statement.loss()));
}

#[test]
fn copy_of_what_was_cut_still_says_how_long_it_was() {
    let long = "x".repeat(MAX_TEXT_BYTES + 100);
    let mut writer = SegmentWriter::new(&source());
    let fields = body(|body| {
        body.text(Name::Text("text"), &long);
        body.raw(Name::Text("bytes"), long.as_bytes());
    });
    writer.event(&head(Level::INFO, 0, None, 0), &message(&long), &fields);
    let segment = copied(&copied(&writer.take()));
    let records = owned(&segment.decode().expect("a segment"));
    assert!(records[0].message.ends_with("… [truncated, 65635 bytes]"), "{:?}", &records[0].message[65_400..]);
    assert_eq!(records[0].fields.matches("… [truncated, 65635 bytes]").count(), 2);
}

proptest! {
    #[test]
    fn copy_of_any_events_says_the_same(
        events in prop::collection::vec((".{0,20}", prop::collection::vec((".{0,8}", any::<i64>()), 0..5)), 0..20),
    ) {
        let mut writer = SegmentWriter::new(&source());
        for (at, (text, fields)) in events.iter().enumerate() {
            let fields = body(|body| fields.iter().for_each(|(name, value)| body.i64(Name::Text(name), *value)));
            let callsite = Some(callsite(&mut writer, &format!("site{}", at % 3), &[]));
            writer.event(&RecordHead { callsite, ..head(Level::INFO, at as i64, None, 0) }, &message(text), &fields);
        }
        let segment = writer.take();
        if segment.records() > 0 {
            let copy = copied(&segment);
            prop_assert_eq!(owned(&segment.decode().unwrap()), owned(&copy.decode().unwrap()));
        }
    }
}

// === merged ===

/// A segment of events outside any task, at these times.
fn events_at(name: &str, times: &[i64]) -> Segment {
    let mut writer = SegmentWriter::new(&source());
    for at in times {
        writer.event(&head(Level::INFO, *at, None, 0), &message(&format!("{name}{at}")), &[]);
    }
    writer.take()
}

#[test]
fn merge_goes_by_time_and_keeps_each_segments_order() {
    let segments = [events_at("a", &[1, 5, 4, 9]), events_at("b", &[2, 3, 6]), events_at("c", &[5])];
    let decoded: Vec<_> = segments.iter().map(|segment| segment.decode().expect("a segment")).collect();
    let merged: Vec<String> = merge(&decoded).map(|record| record.message.into_owned()).collect();
    assert_eq!(merged, ["a1", "b2", "b3", "a5", "a4", "c5", "b6", "a9"]);
}
