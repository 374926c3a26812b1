//! Any bytes as a segment: reading stops where they make no sense, and what stands before that can be told again.

use spanlake_core::render::{
    JsonLines, Lifecycle, Logfmt, OwnedRecord, Pretty, Renderer, StructlogLines, TextLines, Tree, escape,
};
use spanlake_core::segment::{Decoded, Segment, SegmentError, SegmentWriter, Tail, merge};
use spanlake_core::spool::OpenTasks;
use spanlake_core::{Kind, Loss, Record};

/// What a record says in all its forms; a statement of loss stands for itself only, outside of tasks.
#[derive(Debug, PartialEq)]
enum Told {
    Record(Box<OwnedRecord>, String, String),
    Loss(i64, Loss),
}

pub(crate) fn check(bytes: &[u8]) {
    let mut segment = Segment::from_bytes(bytes.to_vec());
    if matches!(Decoded::read(bytes), Err(SegmentError::Unsummed)) {
        // As a segment leaves its process. Whoever makes up bytes need not know of checksums then.
        segment.sum();
        segment = Segment::from_bytes(segment.bytes().to_vec());
    }
    let Ok(decoded) = Decoded::read(segment.bytes()) else {
        return;
    };
    let told = tell(decoded.records());
    assert!(decoded.records().count() <= decoded.len());
    let counted = decoded.records().filter(|record| record.kind != Kind::Loss).count() as u64;
    assert_eq!(segment.records(), counted);
    reads_the_same_without_its_tail(segment.bytes(), &decoded, &told);
    reads_the_same_when_copied(&decoded, &told);
    ends_what_is_open(&decoded);
    assert_eq!(merge(&[decoded]).count(), told.len());
}

fn reads_the_same_without_its_tail(bytes: &[u8], decoded: &Decoded<'_>, told: &[Told]) {
    let Tail::Torn { at } = decoded.tail() else {
        return;
    };
    let whole = Decoded::read(&bytes[..at]).expect("it begins as before");
    assert_eq!(whole.tail(), Tail::Whole);
    assert_eq!(tell(whole.records()), told);
}

fn reads_the_same_when_copied(decoded: &Decoded<'_>, told: &[Told]) {
    let mut writer = SegmentWriter::new(decoded.source());
    decoded.records().for_each(|record| writer.copy(&record));
    let copy = writer.take();
    if !told.is_empty() {
        let again = Decoded::read(copy.bytes()).expect("a segment that was just written");
        assert_eq!(again.tail(), Tail::Whole);
        let again = tell(again.records());
        assert_eq!(again.len(), told.len());
        again.iter().zip(told).for_each(|(again, told)| assert_eq!(again, told));
    }
}

fn ends_what_is_open(decoded: &Decoded<'_>) {
    let mut open = OpenTasks::default();
    open.read(decoded);
    open.end_round();
    let ends = open.interrupted(decoded.source());
    if let Ok(ends) = ends.decode() {
        assert_eq!(ends.tail(), Tail::Whole);
        assert_eq!(tell(ends.records()).len(), ends.len());
    }
    open.resume(&ends);
    let again = open.interrupted(decoded.source());
    assert_eq!(again.records(), ends.records());
}

fn tell<'a>(records: impl Iterator<Item = Record<'a>>) -> Vec<Told> {
    let mut json = JsonLines::default();
    records.map(|record| tell_one(&record, &mut json)).collect()
}

fn tell_one(record: &Record<'_>, json: &mut JsonLines) -> Told {
    let mut line = Vec::new();
    json.put(&mut line, record);
    assert_is_one_line(&line);
    let mut text = String::new();
    for lifecycle in [Lifecycle::Plain, Lifecycle::Timed] {
        TextLines { lifecycle }.put(&mut text, record);
    }
    assert!(text.chars().all(|c| c == '\n' || !escape::is_harmful(c)), "{text:?}");
    tell_otherwise(record);
    match record.loss() {
        Some(loss) => Told::Loss(record.ts_ns, *loss),
        None => Told::Record(Box::new(record.into()), String::from_utf8(line).expect("UTF-8"), text),
    }
}

/// As the other renderers tell it, each as if it had seen nothing before.
fn tell_otherwise(record: &Record<'_>) {
    let mut line = Vec::new();
    StructlogLines::new().render(&mut line, record);
    assert_is_one_line(&line);
    let mut text = Vec::new();
    Logfmt::new().render(&mut text, record);
    Pretty::new().render(&mut text, record);
    Tree::new().render(&mut text, record);
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.chars().all(|c| c == '\n' || !escape::is_harmful(c)), "{text:?}");
}

/// Whether it is an object and the line's end, and nothing acts where it is shown.
pub(crate) fn assert_is_one_line(line: &[u8]) {
    let text = std::str::from_utf8(line).expect("UTF-8");
    let object = text.strip_suffix('\n').expect("a line's end");
    assert!(!object.contains(escape::is_harmful), "{object:?}");
    let parsed: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(object);
    assert!(parsed.is_ok(), "{parsed:?}: {object:?}");
}
