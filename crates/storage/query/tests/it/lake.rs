//! Lakes for tests: records by hand, and the files they are kept in.

use std::fs;
use std::path::{Path, PathBuf};

use spanlake_core::{Kind, Level, Outcome, OwnedRecord};
use spanlake_query::{Damage, Filter, Lake};

pub(crate) const ROOT: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";
pub(crate) const OTHER: &str = "0b0c2f8e-6a51-4b1f-9a3c-1d2e3f405162";

/// 2026-11-20T13:14:10Z
pub(crate) const START_US: i64 = 1_795_180_450_000_000;

/// An event `ms` milliseconds after [`START_US`].
pub(crate) fn event(ms: i64, level: Level, key: &str, message: &str) -> OwnedRecord {
    OwnedRecord {
        ts_us: START_US + ms * 1_000,
        level,
        kind: Kind::Event,
        key: (!key.is_empty()).then(|| key.parse().expect("a record key")),
        task: (!key.is_empty()).then(|| "work".to_owned()),
        message: message.to_owned(),
        target: "flights::silver".to_owned(),
        module: Some("flights::silver".to_owned()),
        file: Some("src/silver.rs".to_owned()),
        line: Some(42),
        thread: Some("main".to_owned()),
        pid: 6156,
        host: "obelix".to_owned(),
        service: None,
        dataflow_id: None,
        context: "{}".to_owned(),
        fields: "{}".to_owned(),
        duration_us: None,
        outcome: None,
        error: None,
    }
}

pub(crate) fn begin(ms: i64, key: &str, task: &str) -> OwnedRecord {
    OwnedRecord { kind: Kind::Begin, task: Some(task.to_owned()), ..event(ms, Level::INFO, key, task) }
}

pub(crate) fn end(ms: i64, key: &str, task: &str, outcome: Outcome) -> OwnedRecord {
    let level = match outcome {
        Outcome::Failed => Level::ERROR,
        Outcome::Succeeded => Level::INFO,
        _ => Level::WARN,
    };
    OwnedRecord {
        kind: Kind::End,
        task: Some(task.to_owned()),
        fields: r#"{"busy_us":1000}"#.to_owned(),
        duration_us: Some(ms * 1_000),
        outcome: Some(outcome),
        error: (outcome == Outcome::Failed).then(|| "it broke: no such table".to_owned()),
        ..event(ms, level, key, task)
    }
}

/// The line of a record as the lake writes it.
pub(crate) fn line(record: &OwnedRecord) -> String {
    let json = serde_json::json!({
        "ts": spanlake_core::render::time::format_us(record.ts_us),
        "level": record.level.as_str(),
        "kind": record.kind.as_str(),
        "key": record.key.as_ref().map(ToString::to_string),
        "task": record.task,
        "message": record.message,
        "target": record.target,
        "module": record.module,
        "file": record.file,
        "line": record.line,
        "thread": record.thread,
        "pid": record.pid,
        "host": record.host,
        "service": record.service,
        "dataflow_id": record.dataflow_id,
        "context": serde_json::from_str::<serde_json::Value>(&record.context).expect("JSON"),
        "fields": serde_json::from_str::<serde_json::Value>(&record.fields).expect("JSON"),
        "duration_us": record.duration_us,
        "outcome": record.outcome.map(Outcome::as_str),
        "error": record.error,
        "trace_id": record.trace_id(),
        "span_id": record.span_id(),
    });
    format!("{json}\n")
}

pub(crate) fn lines(records: &[OwnedRecord]) -> String {
    records.iter().map(line).collect()
}

/// Writes a file with all folders above it.
pub(crate) fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().expect("a folder")).expect("create a folder");
    fs::write(path, bytes).expect("write a file");
    path.to_owned()
}

/// The name of a file of the process that the tests play.
pub(crate) fn file_name(number: u32, extension: &str) -> String {
    format!("20261120T131410.000000Z_obelix_6156_{number:04}.{extension}")
}

/// All wanted records, and what was damaged.
pub(crate) fn scan(path: impl AsRef<Path>, filter: &Filter) -> (Vec<OwnedRecord>, Vec<Damage>) {
    let lake = Lake::open(path.as_ref()).expect("open the lake");
    let mut scan = lake.scan(filter).expect("scan the lake");
    let records = scan.by_ref().collect();
    (records, scan.damages().to_vec())
}

pub(crate) fn messages(records: &[OwnedRecord]) -> Vec<&str> {
    records.iter().map(|record| record.message.as_str()).collect()
}
