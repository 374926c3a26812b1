//! What stands in a Parquet file: types, order, encodings, statistics.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;
use parquet::file::statistics::Statistics;
use spanlake_core::segment::Segment;
use spanlake_core::{Outcome, OwnedRecord, Sink, Value};
use spanlake_lake::{ParquetSink, record_schema};

use crate::support::{DAY_US, NOON_US, Script, feed, files, only_file};

const WORDS: [&str; 10] =
    ["level", "kind", "task", "target", "module", "file", "thread", "host", "service", "dataflow_id"];

/// Publishes a segment's records in a lake of their own.
fn publish(segment: &Segment) -> tempfile::TempDir {
    publish_with(segment, |sink| sink)
}

fn publish_with(segment: &Segment, set: impl FnOnce(ParquetSink) -> ParquetSink) -> tempfile::TempDir {
    let lake = tempfile::tempdir().unwrap();
    let mut sink = set(ParquetSink::new(lake.path()));
    feed(&mut sink, segment).unwrap();
    sink.flush().unwrap();
    lake
}

/// The rows of the one file in a lake.
fn read(lake: &Path) -> RecordBatch {
    let file = File::open(only_file(lake)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().with_batch_size(1 << 20).build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    batches[0].clone()
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"))
}

/// A text column, dictionary or not.
fn texts(rows: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = column(rows, name);
    match column.as_dictionary_opt::<Int32Type>() {
        Some(dictionary) => {
            let values = dictionary.values().as_string::<i32>();
            dictionary.keys().iter().map(|key| key.map(|key| values.value(key as usize).to_owned())).collect()
        }
        None => column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect(),
    }
}

fn numbers(rows: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    column(rows, name).as_primitive::<Int64Type>().iter().collect()
}

/// Three tasks of two roots, their records mixed up, and records outside any task.
fn script() -> Script {
    let mut script = Script::new();
    let second = script.root(2, "second");
    let first = script.root(1, "first");
    let context = [("etl.dataflow", Value::from("orders")), ("attempt", Value::U64(2))];
    let sub = script.child(first, 10, "sub", &context);
    let earlier_sub = script.child(first, 9, "earlier sub", &[]);
    script.event(None, 0, "before", &[]);
    script.event(Some(sub), 0, "sub begins", &[("rows", Value::U64(500)), ("ok", Value::Bool(true))]);
    script.event(Some(second), 0, "second begins", &[]);
    script.event(Some(first), 1, "late", &[]);
    script.event(Some(first), 0, "early", &[]);
    script.event(Some(earlier_sub), 0, "earlier sub begins", &[]);
    script.end(sub, 1, Outcome::Failed, &["cannot load", "disk full"]);
    script.loss();
    script.event(None, 0, "after", &[]);
    script
}

#[test]
fn types_are_those_of_the_design() {
    let lake = publish(&script().segment());
    let rows = read(lake.path());
    assert_eq!(rows.schema().fields(), record_schema().fields());
    let of = |name: &str| column(&rows, name).data_type().clone();
    assert_eq!(of("ts"), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(of("root"), DataType::FixedSizeBinary(16));
    assert_eq!(of("path_key"), DataType::Binary);
    assert_eq!([of("seq"), of("duration_us"), of("pid")], [DataType::Int64, DataType::Int64, DataType::Int64]);
    assert_eq!(of("line"), DataType::Int32);
    let word = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    WORDS.iter().chain(&["outcome"]).for_each(|name| assert_eq!(of(name), word, "{name}"));
    for name in ["key", "message", "context", "fields", "error", "trace_id", "span_id"] {
        assert_eq!(of(name), DataType::Utf8, "{name}");
    }
}

#[test]
fn rows_are_in_tree_order_and_those_outside_any_task_last() {
    let lake = publish(&script().segment());
    let rows = read(lake.path());
    let messages: Vec<String> = texts(&rows, "message").into_iter().flatten().collect();
    let expected = [
        "early",
        "late",
        "earlier sub begins",
        "sub begins",
        "it ended",
        "second begins",
        "before",
        "1 record lost (full): 1 INFO",
        "after",
    ];
    assert_eq!(messages, expected);

    let paths: Vec<Option<&[u8]>> = column(&rows, "path_key").as_binary::<i32>().iter().collect();
    let of_tasks: Vec<&[u8]> = paths.iter().copied().flatten().collect();
    assert_eq!((paths.len(), of_tasks.len()), (9, 6));
    assert!(of_tasks.is_sorted());
    let root = &uuid::Uuid::from_u128(1).into_bytes()[..];
    assert_eq!(of_tasks[3], [root, &[0, 0, 0, 10]].concat());
}

/// Every column of every row, against core's own idea of the columns.
#[test]
fn rows_hold_what_the_records_held() {
    let segment = script().segment();
    let lake = publish(&segment);
    let rows = read(lake.path());

    let decoded = segment.decode().unwrap();
    let mut records: Vec<OwnedRecord> = decoded.records().map(|record| OwnedRecord::from(&record)).collect();
    records.sort_by_key(|record| (record.key.is_none(), record.key.clone(), record.ts_us));
    let expect = |name: &str, of: &dyn Fn(&OwnedRecord) -> Option<String>| {
        assert_eq!(texts(&rows, name), records.iter().map(of).collect::<Vec<_>>(), "{name}");
    };
    expect("level", &|record| Some(record.level.to_string()));
    expect("kind", &|record| Some(record.kind.to_string()));
    expect("key", &|record| record.key.as_ref().map(ToString::to_string));
    expect("task", &|record| record.task.clone());
    expect("message", &|record| Some(record.message.clone()));
    expect("target", &|record| Some(record.target.clone()));
    expect("module", &|record| record.module.clone());
    expect("file", &|record| record.file.clone());
    expect("thread", &|record| record.thread.clone());
    expect("host", &|record| Some(record.host.clone()));
    expect("service", &|record| record.service.clone());
    expect("dataflow_id", &|record| record.dataflow_id.clone());
    expect("context", &|record| Some(record.context.clone()));
    expect("fields", &|record| Some(record.fields.clone()));
    expect("outcome", &|record| record.outcome.map(|outcome| outcome.to_string()));
    expect("error", &|record| record.error.clone());
    expect("trace_id", &|record| record.trace_id());
    expect("span_id", &|record| record.span_id());

    let times: Vec<i64> = column(&rows, "ts").as_primitive::<TimestampMicrosecondType>().values().to_vec();
    assert_eq!(times, records.iter().map(|record| record.ts_us).collect::<Vec<_>>());
    let lines: Vec<Option<i32>> = column(&rows, "line").as_primitive::<Int32Type>().iter().collect();
    assert_eq!(lines, records.iter().map(|record| record.line.map(|line| line as i32)).collect::<Vec<_>>());
    let expect = |name: &str, of: &dyn Fn(&OwnedRecord) -> Option<i64>| {
        assert_eq!(numbers(&rows, name), records.iter().map(of).collect::<Vec<_>>(), "{name}");
    };
    expect("seq", &|record| record.key.as_ref().map(|key| key.seq as i64));
    expect("pid", &|record| Some(i64::from(record.pid)));
    expect("duration_us", &|record| record.duration_us);
    let root = |record: &OwnedRecord| record.key.as_ref().map(|key| key.task.uuid().into_bytes().to_vec());
    let roots = column(&rows, "root").as_fixed_size_binary();
    let roots: Vec<_> = roots.iter().map(|root| root.map(<[u8]>::to_vec)).collect();
    assert_eq!(roots, records.iter().map(root).collect::<Vec<_>>());
}

#[test]
fn a_batch_that_spans_midnight_goes_to_two_days() {
    let mut script = Script::new();
    for days in [0, 1, 0] {
        script.now_us = NOON_US + days * DAY_US;
        script.event(None, 0, "here", &[]);
    }
    let lake = publish(&script.segment());
    let records = lake.path().join("analyst/records");
    assert_eq!(read(&records.join("run_date=2026-11-20")).num_rows(), 2);
    assert_eq!(read(&records.join("run_date=2026-11-21")).num_rows(), 1);
}

/// The first row group of a file, bloom filters read.
fn inspect<T>(lake: &Path, look: impl FnOnce(&SerializedFileReader<File>, &RowGroupMetaData) -> T) -> T {
    let properties = ReaderProperties::builder().set_read_bloom_filter(true).build();
    let options = ReadOptionsBuilder::new().with_reader_properties(properties).build();
    let reader = SerializedFileReader::new_with_options(File::open(only_file(lake)).unwrap(), options).unwrap();
    let group = reader.metadata().row_group(0).clone();
    look(&reader, &group)
}

fn column_at(name: &str) -> usize {
    record_schema().index_of(name).unwrap()
}

#[test]
fn a_bloom_filter_knows_the_roots_and_is_no_larger_than_they_need() {
    let lake = publish(&script().segment());
    inspect(lake.path(), |reader, group| {
        let at = column_at("root");
        let group_reader = reader.get_row_group(0).unwrap();
        let filter = group_reader.get_column_bloom_filter(at).expect("there is one");
        for root in [1, 2] {
            assert!(filter.check(&uuid::Uuid::from_u128(root).into_bytes()[..]));
        }
        let misses = (3..1003).filter(|root| !filter.check(&uuid::Uuid::from_u128(*root).into_bytes()[..])).count();
        assert!(misses > 900, "{misses}");
        assert!(group.column(at).bloom_filter_length().unwrap() < 100);
        assert_eq!(group.columns().iter().filter(|column| column.bloom_filter_offset().is_some()).count(), 1);
    });
}

#[test]
fn encodings_are_chosen_by_what_pays() {
    let mut script = Script::new();
    let task = script.root(1, "task");
    for seq in 0..1000 {
        script.event(Some(task), seq, "always the same", &[("rows", Value::U64(seq))]);
    }
    let lake = publish(&script.segment());
    inspect(lake.path(), |_, group| {
        let has = |name: &str, encoding| group.column(column_at(name)).encodings().any(|one| one == encoding);
        for name in WORDS.iter().filter(|name| **name != "dataflow_id").chain(&["root", "path_key", "line", "pid"]) {
            assert!(has(name, Encoding::RLE_DICTIONARY), "{name}");
        }
        assert!(has("message", Encoding::RLE_DICTIONARY), "the message is always the same");
        assert!(!has("fields", Encoding::RLE_DICTIONARY), "the fields never are");
        for name in ["ts", "seq", "duration_us"] {
            assert!(has(name, Encoding::DELTA_BINARY_PACKED), "{name}");
        }
        for name in ["key", "fields"] {
            assert!(matches!(group.column(column_at(name)).compression(), Compression::ZSTD(_)), "{name}");
        }
        let bytes = |name: &str| group.column(column_at(name)).compressed_size();
        assert!(WORDS.iter().all(|name| bytes(name) < 100), "a constant takes no room");
    });
}

#[test]
fn statistics_let_a_reader_pass_over_what_it_does_not_seek() {
    let lake = publish(&script().segment());
    inspect(lake.path(), |_, group| {
        let statistics = |name: &str| group.column(column_at(name)).statistics().cloned().unwrap();
        let bounds = |name: &str| {
            let statistics = statistics(name);
            let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            (text(statistics.min_bytes_opt()), text(statistics.max_bytes_opt()))
        };
        assert_eq!(bounds("level"), ("INFO".to_owned(), "WARN".to_owned()));
        assert_eq!(bounds("task"), ("earlier sub".to_owned(), "sub".to_owned()));
        let Statistics::Int64(ts) = statistics("ts") else { panic!("not of 64 bits") };
        assert_eq!((ts.min_opt(), ts.max_opt()), (Some(&(NOON_US + 1)), Some(&(NOON_US + 9))));
        let first = uuid::Uuid::from_u128(1).into_bytes();
        assert_eq!(statistics("root").min_bytes_opt(), Some(&first[..]));
        assert_eq!(statistics("path_key").min_bytes_opt(), Some(&first[..]));
        assert_eq!(statistics("path_key").null_count_opt(), Some(3));
        assert_eq!(statistics("outcome").null_count_opt(), Some(8));
        let sorting = group.sorting_columns().unwrap();
        let by: Vec<usize> = sorting.iter().map(|column| column.column_idx as usize).collect();
        assert_eq!(by, [column_at("path_key"), column_at("seq")]);
        assert!(sorting.iter().all(|column| !column.nulls_first && !column.descending));
    });
}

#[test]
fn row_groups_are_as_long_as_set() {
    let rows = NonZeroUsize::new(10).unwrap();
    let lake = publish_with(&Script::events("event", 25), |sink| sink.row_group_rows(rows));
    inspect(lake.path(), |reader, _| {
        let rows: Vec<i64> = reader.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
        assert_eq!(rows, [10, 10, 5]);
    });
    let file = File::open(only_file(lake.path())).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let messages: Vec<_> = reader.flat_map(|rows| texts(&rows.unwrap(), "message")).flatten().collect();
    assert_eq!(messages, (0..25).map(|at| format!("event {at}")).collect::<Vec<_>>());
}

/// Runs and groups of every length, in a column whose values repeat and in one that is often null.
#[test]
fn runs_of_any_length_come_back() {
    let mut script = Script::new();
    let root = script.root(1, "root");
    let tasks: Vec<_> = (1..=40).map(|number| script.child(root, number, &format!("task {number}"), &[])).collect();
    let mut expected = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        for seq in 0..at as u64 {
            let message = format!("message {}", seq * seq % 7);
            match seq % 3 {
                0 => script.end(*task, seq, Outcome::ALL[at % 4], &[]),
                _ => script.event(Some(*task), seq, &message, &[]),
            }
            let is_end = seq % 3 == 0;
            let outcome = is_end.then(|| Outcome::ALL[at % 4].to_string());
            let message = if is_end { "it ended".to_owned() } else { message };
            expected.push((Some(format!("task {}", at + 1)), Some(message), outcome));
        }
    }
    let lake = publish(&script.segment());
    let rows = read(lake.path());
    let (tasks, messages, outcomes) = (texts(&rows, "task"), texts(&rows, "message"), texts(&rows, "outcome"));
    let found: Vec<_> = tasks
        .into_iter()
        .zip(messages)
        .zip(outcomes)
        .map(|((task, message), outcome)| (task, message, outcome))
        .collect();
    assert_eq!(found, expected);
}

/// A task's context may change while it runs: each of its records keeps the one it had.
#[test]
fn records_keep_the_context_they_were_made_under() {
    let lake = tempfile::tempdir().unwrap();
    let mut sink = ParquetSink::new(lake.path());
    for attempt in 1..=3u64 {
        let mut script = Script::new();
        let root = script.root(1, "root");
        let task = script.child(root, 1, "task", &[("attempt", Value::U64(attempt))]);
        script.event(Some(task), attempt, "tried", &[]);
        feed(&mut sink, &script.segment()).unwrap();
    }
    sink.flush().unwrap();
    let contexts: Vec<_> = texts(&read(lake.path()), "context").into_iter().flatten().collect();
    assert_eq!(contexts, [r#"{"attempt":1}"#, r#"{"attempt":2}"#, r#"{"attempt":3}"#]);
}

#[test]
fn a_long_text_is_kept_whole_and_stays_out_of_the_statistics() {
    let long = "x".repeat(60_000);
    let mut script = Script::new();
    let root = script.root(1, &long);
    (0..200).for_each(|seq| script.event(Some(root), seq, &format!("{seq} {long}"), &[]));
    let lake = publish(&script.segment());
    let rows = read(lake.path());
    assert_eq!(texts(&rows, "task")[0].as_deref(), Some(&*long));
    assert_eq!(texts(&rows, "message")[199], Some(format!("199 {long}")));
    inspect(lake.path(), |_, group| {
        let statistics = group.column(column_at("task")).statistics().unwrap();
        assert_eq!((statistics.min_bytes_opt(), statistics.null_count_opt()), (None, Some(0)));
    });
}

#[test]
fn a_small_file_is_small() {
    let lake = publish(&script().segment());
    let len = std::fs::metadata(&files(lake.path())[0]).unwrap().len();
    assert!(len < 16 << 10, "{len} bytes for nine records");
}
