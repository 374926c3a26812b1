//! Foreign records become segments, and say the same there.

use spanlake_core::segment::{Decoded, Tail};
use spanlake_core::{Kind, Level};
use spanlake_wire::foreign::{SEGMENT_BYTES, child_number};
use spanlake_wire::{ForeignTask, segments};

use crate::script::{MOMENT_NS, event, field, key, owned, source};

#[test]
fn records_are_grouped_by_process_and_thread_in_their_order() {
    let mut records: Vec<_> = (0..6).map(|n| event(Level::INFO, &format!("{n}"), vec![])).collect();
    for (at, record) in records.iter_mut().enumerate() {
        record.source = source(if at % 2 == 0 { "a" } else { "b" }, "", "main");
    }
    let segments = segments(&records);
    let read: Vec<Vec<String>> = segments
        .iter()
        .map(|segment| Decoded::read(segment.bytes()).unwrap())
        .map(|decoded| decoded.records().map(|record| format!("{} {}", record.source.host, record.message)).collect())
        .collect();
    assert_eq!(read, [["a 0", "a 2", "a 4"], ["b 1", "b 3", "b 5"]]);
}

#[test]
fn a_long_run_is_cut_into_segments_that_each_stand_alone() {
    let task = ForeignTask {
        key: key("e252a11f-d33d-483d-ba08-bc8f642b2f10/1"),
        name: "load".into(),
        started_ns: MOMENT_NS,
        foreign_parent: None,
        context: vec![field("table", "orders")],
    };
    let mut records: Vec<_> = (0..100).map(|_| event(Level::INFO, &"x".repeat(10_000), vec![])).collect();
    records.iter_mut().for_each(|record| record.task = Some(task.clone()));
    let segments = segments(&records);
    assert!(segments.len() > 3);
    for segment in &segments {
        assert!(segment.bytes().len() < SEGMENT_BYTES + 20_000);
        let decoded = Decoded::read(segment.bytes()).unwrap();
        assert_eq!(decoded.tail(), Tail::Whole);
        assert!(decoded.records().all(|record| record.task.unwrap().context_json() == r#"{"table":"orders"}"#));
    }
    assert_eq!(owned(&records).len(), 100);
}

#[test]
fn a_task_is_described_anew_when_its_name_or_context_changes() {
    let key = key("e252a11f-d33d-483d-ba08-bc8f642b2f10");
    let task = |name: &str, rows: i64| ForeignTask {
        key: key.clone(),
        name: name.into(),
        started_ns: MOMENT_NS,
        foreign_parent: None,
        context: vec![field("rows", rows)],
    };
    let mut records = vec![event(Level::INFO, "", vec![]); 3];
    for (record, task) in records.iter_mut().zip([task("", 1), task("load", 1), task("load", 2)]) {
        record.task = Some(task);
    }
    let read = owned(&records);
    let told: Vec<_> = read.iter().map(|record| (record.task.as_deref().unwrap(), &*record.context)).collect();
    assert_eq!(told, [("", r#"{"rows":1}"#), ("load", r#"{"rows":1}"#), ("load", r#"{"rows":2}"#)]);
}

#[test]
fn an_end_without_its_detail_is_an_event() {
    let mut record = event(Level::INFO, "done", vec![]);
    record.kind = Kind::End;
    assert_eq!(owned(&[record])[0].kind, Kind::Event);
}

#[test]
fn numbers_of_foreign_tasks_are_above_those_that_are_counted() {
    assert!([&[1u8; 8][..], &[2; 8], &[], &[0; 16]].into_iter().all(|id| child_number(id) >= 1 << 31));
    assert_eq!(child_number(&[1; 8]), child_number(&[1; 8]));
    assert_ne!(child_number(&[1; 8]), child_number(&[2; 8]));
}
