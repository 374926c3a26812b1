//! `spanlake cat`: the lines of a system log, and those of the lake itself.

use std::fs::{self, File};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;

use crate::lake::{Lake, ROOT, sample};

/// Lines as the lake writes them: all columns, in order.
const WHOLE: &str = concat!(
    r#"{"ts":"2026-11-20T13:14:10.123456Z","level":"WARN","kind":"event","key":"3@e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2","task":"silver","message":"a \"quoted\"\u001b line\n","target":"flights::silver","module":"flights::silver","file":"src/silver.rs","line":42,"thread":"main","pid":6156,"host":"obelix","service":"etl","dataflow_id":"orders","context":{"run":"nightly","big":123456789012345678901234567890},"fields":{"x":1.50,"y":[1, {"z":null}]},"duration_us":null,"outcome":null,"error":null,"trace_id":"e252a11fd33d483dba08bc8f642b2f10","span_id":"SPAN"}"#,
    "\n",
    r#"{"ts":"2026-11-20T13:14:11.000000Z","level":"ERROR","kind":"end","key":null,"task":null,"message":"FAILED x","target":"spanlake","module":null,"file":null,"line":null,"thread":null,"pid":1,"host":"h","service":null,"dataflow_id":null,"context":{},"fields":{"busy_us":1},"duration_us":17,"outcome":"failed","error":"a: b","trace_id":null,"span_id":null}"#,
    "\n",
);

fn whole() -> String {
    let key: spanlake_core::TaskKey = format!("{ROOT}/1/2").parse().expect("a key");
    let span_id: String = key.span_id().iter().map(|byte| format!("{byte:02x}")).collect();
    WHOLE.replace("SPAN", &span_id)
}

#[test]
fn records_are_lines_of_a_system_log() {
    assert_eq!(sample().lake().prints("cat lake"), include_str!("expected/cat.txt"));
}

#[test]
fn lines_of_the_lake_come_out_as_they_went_in() {
    let lake = Lake::empty();
    lake.write(whole());
    assert_eq!(lake.prints("cat lake --json"), whole());
}

#[test]
fn what_another_program_left_out_is_null() {
    let lake = Lake::empty();
    lake.write("{\"level\":\"info\",\"ts\":\"2026-11-20T13:14:10Z\"}\n");
    let line: serde_json::Value = serde_json::from_str(&lake.prints("cat lake --json")).expect("JSON");
    let columns = line.as_object().expect("an object");
    assert_eq!(columns.len(), 22);
    let given = ["ts", "level", "kind", "message", "context", "fields"];
    for (column, value) in columns.iter().filter(|(column, _)| !given.contains(&column.as_str())) {
        assert!(value.is_null(), "{column}");
    }
}

#[test]
fn filters_choose_lines() {
    let lake = sample().lake();
    let count = |command: &str| lake.prints(command).lines().filter(|line| line.starts_with("2026")).count();
    let table = [
        ("cat lake --level error", 4),
        ("cat lake --text collector", 1),
        ("cat lake --field count=4", 1),
        // The second of them asked for a quiet end.
        ("cat lake --name join", 5),
        (&format!("cat lake --task {ROOT}/2/1"), 4),
        ("cat lake --since 2026-11-20T13:14:10.07Z", 3),
        ("cat lake --target flights::gold", 0),
    ];
    for (command, expected) in table {
        assert_eq!(count(command), expected, "{command}");
    }
}

#[test]
fn parquet_is_read_where_there_is_no_jsonl_or_when_asked_for() {
    let lake = Lake::empty();
    let folder = lake.path().join("analyst/records/run_date=2026-11-20");
    fs::create_dir_all(&folder).expect("create a folder");
    let texts = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let key = format!("0@{ROOT}");
    let batch = RecordBatch::try_from_iter([
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC")) as ArrayRef),
        ("level", texts("INFO")),
        ("key", texts(&key)),
        ("message", texts("from Parquet")),
        ("context", texts("{\"a\":\n1}")),
    ])
    .expect("a batch");
    let file = File::create(folder.join("20261120T131410.000000Z_obelix_6156_1.parquet")).expect("create a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).and_then(|()| writer.close()).expect("write");

    assert!(lake.prints("cat lake").ends_with(&format!(" - [-] - {key} - from Parquet\n")));
    assert!(lake.prints("tree lake").contains("from Parquet"));
    lake.write("{\"level\":\"info\",\"ts\":\"2026-11-20T13:14:10Z\",\"message\":\"from JSONL\"}\n");
    assert!(lake.prints("cat lake").contains("from JSONL"));
    assert!(lake.prints("cat lake --format parquet --json").contains(r#""context":{"a": 1},"#));
}
