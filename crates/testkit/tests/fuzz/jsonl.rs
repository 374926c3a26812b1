//! Any bytes as a file of JSON lines: what cannot be read costs its own line only, and a cut costs the last.

use std::path::PathBuf;
use std::sync::LazyLock;

use spanlake_core::OwnedRecord;
use spanlake_query::{Entry, Extent, Filter, Lake, TaskNode, TaskTree, fields};
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

const FIRST: &str = r#"{"ts":"2026-11-20T13:14:10Z","level":"INFO","message":"first"}"#;
const LAST: &str = r#"{"ts":"2026-11-20T13:14:11Z","level":"INFO","message":"last"}"#;

pub(crate) fn check(bytes: &[u8]) {
    let between = [FIRST.as_bytes(), b"\n", bytes, b"\n", LAST.as_bytes()].concat();
    let records = read(&between);
    let [first, inner @ .., last] = &records[..] else {
        panic!("the lines around are records: {records:?}");
    };
    assert_eq!((first.message.as_str(), last.message.as_str()), ("first", "last"));
    // Without what was around it, and without an end; only a mark of its byte order makes a first line another one.
    let alone = read(bytes);
    if !bytes.starts_with(b"\xef") {
        assert_eq!(alone, inner);
    }
    cut_costs_the_last_line(bytes, &alone);
    records.iter().for_each(assert_columns_are_json);
    build_a_tree(records);
}

/// A cut line may happen to be a record too, where what was behind it made it none.
fn cut_costs_the_last_line(bytes: &[u8], records: &[OwnedRecord]) {
    let cut = read(&bytes[..bytes.len() / 2]);
    let sure = cut.len().saturating_sub(1);
    assert!(records.starts_with(&cut[..sure]), "{cut:?}\n{records:?}");
}

fn assert_columns_are_json(record: &OwnedRecord) {
    for json in [&record.context, &record.fields] {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(json);
        assert!(parsed.is_ok(), "{parsed:?}: {json:?}");
        fields::find(json, "rows");
    }
}

fn read(bytes: &[u8]) -> Vec<OwnedRecord> {
    let path: PathBuf = FOLDER.path().join("a.jsonl");
    std::fs::write(&path, bytes).expect("a file");
    let lake = Lake::open(path).expect("it is there");
    let mut scan = lake.scan(&Filter::new()).expect("it can be read");
    let records: Vec<OwnedRecord> = scan.by_ref().collect();
    let damaged: u64 = scan.damages().iter().map(|damage| lines_of(damage.extent)).sum();
    let is_blank = |line: &&[u8]| line.trim_ascii().is_empty() || line.trim_ascii() == b"\xef\xbb\xbf";
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !is_blank(line)).count() as u64;
    assert!((lines..=lines + 1).contains(&(records.len() as u64 + damaged)), "a line is a record or a damage");
    records
}

fn lines_of(extent: Extent) -> u64 {
    match extent {
        Extent::Lines { count, .. } => count,
        other => panic!("only lines can be damaged: {other:?}"),
    }
}

fn build_a_tree(records: Vec<OwnedRecord>) {
    let mut builder = TaskTree::builder(Filter::new());
    records.into_iter().for_each(|record| builder.add(record));
    let tree = builder.finish();
    let seen: u64 = tree.roots().map(seen).sum();
    assert_eq!(tree.summary().all_tasks(), seen);
}

/// How many tasks that are not made up stand at and below this one.
fn seen(task: TaskNode<'_>) -> u64 {
    let below = task.entries().map(|entry| if let Entry::Task(task) = entry { seen(task) } else { 0 });
    u64::from(task.is_seen()) + below.sum::<u64>()
}
