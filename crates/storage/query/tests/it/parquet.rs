//! Parquet: the columns of the lake, what is left out unread, and files that are damaged.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, FixedSizeBinaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use spanlake_core::{Level, Outcome, OwnedRecord, TaskKey};
use spanlake_query::{Extent, Filter, Format, Lake, TaskTree};

use crate::lake::{OTHER, ROOT, START_US, begin, end, event, file_name, lines, messages, scan, write};

/// Writes records with the columns of the lake, in order of keys.
pub(crate) fn write_parquet(path: &Path, records: &[OwnedRecord], rows_per_group: usize) -> PathBuf {
    let mut records = records.to_vec();
    records.sort_by(|a, b| a.key.cmp(&b.key));
    let batch = RecordBatch::try_from_iter_with_nullable(columns(&records)).expect("a batch");
    write_batch(path, &batch, rows_per_group)
}

fn write_batch(path: &Path, batch: &RecordBatch, rows_per_group: usize) -> PathBuf {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(rows_per_group))
        .set_column_bloom_filter_enabled(ColumnPath::from("root"), true)
        .build();
    fs::create_dir_all(path.parent().expect("a folder")).expect("create a folder");
    let file = File::create(path).expect("create a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("write");
    writer.close().expect("close");
    path.to_owned()
}

fn columns(records: &[OwnedRecord]) -> Vec<(&'static str, ArrayRef, bool)> {
    let keys: Vec<_> = records.iter().map(|record| record.key.as_ref()).collect();
    let times = TimestampMicrosecondArray::from_iter_values(records.iter().map(|record| record.ts_us));
    let roots = keys.iter().map(|key| key.map(|key| key.task.trace_id()));
    let roots = FixedSizeBinaryArray::try_from_sparse_iter_with_size(roots, 16).expect("16 bytes");
    let path_keys: BinaryArray = keys.iter().map(|key| key.map(|key| key.task.path_key())).collect();
    let seqs: Int64Array = keys.iter().map(|key| key.map(|key| key.seq as i64)).collect();
    let lines: Int32Array = records.iter().map(|record| record.line.map(|line| line as i32)).collect();
    let pids: Int32Array = records.iter().map(|record| Some(record.pid as i32)).collect();
    let durations: Int64Array = records.iter().map(|record| record.duration_us).collect();
    vec![
        ("ts", Arc::new(times.with_timezone("UTC")) as ArrayRef, true),
        ("level", words(records, |record| Some(record.level.as_str())), true),
        ("kind", words(records, |record| Some(record.kind.as_str())), true),
        ("key", Arc::new(keys.iter().map(|key| key.map(ToString::to_string)).collect::<StringArray>()), true),
        ("root", Arc::new(roots), true),
        ("path_key", Arc::new(path_keys), true),
        ("seq", Arc::new(seqs), true),
        ("task", words(records, |record| record.task.as_deref()), true),
        ("message", texts(records, |record| Some(&record.message)), true),
        ("target", words(records, |record| Some(&record.target)), true),
        ("module", words(records, |record| record.module.as_deref()), true),
        ("file", words(records, |record| record.file.as_deref()), true),
        ("line", Arc::new(lines), true),
        ("thread", words(records, |record| record.thread.as_deref()), true),
        ("pid", Arc::new(pids), true),
        ("host", words(records, |record| Some(&record.host)), true),
        ("service", words(records, |record| record.service.as_deref()), true),
        ("dataflow_id", words(records, |record| record.dataflow_id.as_deref()), true),
        ("context", texts(records, |record| Some(&record.context)), true),
        ("fields", texts(records, |record| Some(&record.fields)), true),
        ("duration_us", Arc::new(durations), true),
        ("outcome", words(records, |record| record.outcome.map(Outcome::as_str)), true),
        ("error", texts(records, |record| record.error.as_deref()), true),
        ("trace_id", Arc::new(records.iter().map(OwnedRecord::trace_id).collect::<StringArray>()), true),
        ("span_id", Arc::new(records.iter().map(OwnedRecord::span_id).collect::<StringArray>()), true),
    ]
}

fn words(records: &[OwnedRecord], of: impl Fn(&OwnedRecord) -> Option<&str>) -> ArrayRef {
    Arc::new(records.iter().map(of).collect::<DictionaryArray<Int32Type>>())
}

fn texts(records: &[OwnedRecord], of: impl Fn(&OwnedRecord) -> Option<&str>) -> ArrayRef {
    Arc::new(records.iter().map(of).collect::<StringArray>())
}

fn sample() -> Vec<OwnedRecord> {
    let mut detail = event(2, Level::DEBUG, &format!("1@{ROOT}/1"), "detail");
    detail.fields = r#"{"rows":500}"#.to_owned();
    detail.service = Some("etl".to_owned());
    vec![
        event(9, Level::WARN, "", "outside"),
        begin(0, &format!("0@{ROOT}"), "nightly"),
        event(5, Level::INFO, &format!("1@{ROOT}"), "half way"),
        end(9, &format!("2@{ROOT}"), "nightly", Outcome::Failed),
        begin(1, &format!("0@{ROOT}/1"), "load"),
        detail,
        end(4, &format!("2@{ROOT}/1"), "load", Outcome::Succeeded),
        begin(3, &format!("0@{OTHER}"), "another"),
    ]
}

fn task(text: &str) -> TaskKey {
    text.parse().expect("a key")
}

#[test]
fn all_columns_come_back_as_they_were_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write_parquet(&folder.path().join("a.parquet"), &sample(), 1_000);
    let (mut records, damages) = scan(path, &Filter::new());
    let mut expected = sample();
    expected.sort_by_key(|record| (record.ts_us, record.key.clone()));
    records.sort_by_key(|record| (record.ts_us, record.key.clone()));
    assert_eq!(records, expected);
    assert!(damages.is_empty(), "{damages:?}");
}

#[test]
fn both_formats_give_the_same_records_under_every_filter() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = sample();
    let jsonl = write(folder.path().join("a.jsonl"), lines(&records));
    let new = Filter::new;
    let filters = [
        new(),
        new().level(Level::WARN),
        new().since_us(START_US + 3_000),
        new().until_us(START_US + 3_000),
        new().since_us(START_US + 2_000).until_us(START_US + 5_001).level(Level::INFO),
        new().task(task(ROOT)),
        new().task(task(&format!("{ROOT}/1"))),
        new().task(task(&format!("{OTHER}/1"))),
        new().text("a"),
        new().field("rows=500".parse().expect("a field")),
    ];
    for rows_per_group in [1, 2, 1_000] {
        let parquet = write_parquet(&folder.path().join("a.parquet"), &records, rows_per_group);
        for filter in &filters {
            let sorted = |path| {
                let mut found = scan(path, filter).0;
                found.sort_by_key(|record| (record.ts_us, record.key.clone()));
                found
            };
            assert_eq!(sorted(&parquet), sorted(&jsonl), "{rows_per_group} rows in a group, {filter:?}");
        }
    }
}

#[test]
fn row_groups_that_cannot_hold_a_wanted_record_are_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut records: Vec<_> = (0..64).map(|n| event(n, Level::INFO, &format!("{n}@{ROOT}"), "early")).collect();
    records.extend((64..128).map(|n| event(n, Level::INFO, &format!("{n}@{ROOT}/1"), "late")));
    let path = write_parquet(&folder.path().join("a.parquet"), &records, 64);

    // With the first row group's bytes destroyed, only a reader that leaves it alone meets no damage.
    let mut bytes = fs::read(&path).expect("read");
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new();
    let metadata = metadata.parse_and_finish(&File::open(&path).expect("open")).expect("metadata");
    for chunk in metadata.row_group(0).columns() {
        let (start, len) = chunk.byte_range();
        bytes[start as usize..(start + len) as usize].fill(0xff);
    }
    write(&path, bytes);

    let below = scan(&path, &Filter::new().task(task(&format!("{ROOT}/1"))));
    let since = scan(&path, &Filter::new().since_us(START_US + 64_000));
    for (records, damages) in [below, since] {
        assert_eq!((records.len(), damages.len()), (64, 0), "{damages:?}");
    }
    let (records, damages) = scan(&path, &Filter::new());
    assert_eq!((records.len(), damages[0].extent), (0, Extent::File));
}

#[test]
fn the_bloom_filter_of_the_roots_leaves_a_file_of_other_tasks_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let low = "00000000-0000-4000-8000-000000000000";
    let high = "ffffffff-ffff-4fff-bfff-ffffffffffff";
    let records = [begin(0, &format!("0@{low}"), "low"), begin(1, &format!("0@{high}"), "high")];
    let path = write_parquet(&folder.path().join("a.parquet"), &records, 1_000);
    let mut bytes = fs::read(&path).expect("read");
    bytes[4..400].fill(0xff);
    write(&path, bytes);

    let (records, damages) = scan(&path, &Filter::new().task(task(ROOT)));
    assert_eq!((records.len(), damages.len()), (0, 0), "{damages:?}");
    assert_eq!(scan(&path, &Filter::new().task(task(low))).1.len(), 1);
}

#[test]
fn in_order_of_time_a_task_still_goes_by_its_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = [
        event(8, Level::INFO, &format!("0@{ROOT}"), "cause"),
        event(2, Level::INFO, &format!("1@{ROOT}"), "effect, by a clock set back"),
        event(5, Level::INFO, &format!("0@{OTHER}"), "meanwhile"),
        event(1, Level::INFO, "", "outside"),
    ];
    write_parquet(&folder.path().join("a.parquet"), &records, 1_000);
    let timeline = Lake::open(folder.path()).expect("open").read(&Filter::new()).expect("read");
    let records: Vec<_> = timeline.collect();
    assert_eq!(messages(&records), ["outside", "meanwhile", "cause", "effect, by a clock set back"]);
}

#[test]
fn files_of_other_writers_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let nanoseconds = TimestampNanosecondArray::from(vec![Some(START_US * 1_000 + 999), None]);
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("ts", Arc::new(nanoseconds) as ArrayRef, true),
        ("level", Arc::new(BinaryArray::from_vec(vec![b"warn", b"info"])) as ArrayRef, true),
        ("message", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef, true),
        ("pid", Arc::new(arrow_array::UInt32Array::from(vec![7, 8])) as ArrayRef, true),
    ])
    .expect("a batch");
    let path = write_batch(&folder.path().join("a.parquet"), &batch, 1_000);
    let (records, damages) = scan(path, &Filter::new());
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].ts_us, records[0].level, records[0].pid), (START_US, Level::WARN, 7));
    assert_eq!(records[0].message, "");
    assert_eq!((damages[0].extent, damages[0].reason.as_str()), (Extent::Rows { count: 1 }, "no ts"));
}

#[test]
fn a_damaged_file_costs_that_file_only() {
    let folder = tempfile::tempdir().expect("a folder");
    write_parquet(&folder.path().join("good_1.parquet"), &sample(), 1_000);
    write(folder.path().join("bad_1.parquet"), "PAR1 this is no Parquet file PAR1");
    write(folder.path().join("empty_1.parquet"), "");
    let (records, damages) = scan(folder.path(), &Filter::new());
    assert_eq!(records.len(), sample().len());
    assert_eq!(damages.iter().filter(|damage| damage.extent == Extent::File).count(), 2, "{damages:?}");
}

#[test]
fn no_flipped_byte_and_no_cut_makes_the_reader_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write_parquet(&folder.path().join("a.parquet"), &sample(), 3);
    let bytes = fs::read(&path).expect("read");
    let filter = Filter::new().task(task(ROOT)).since_us(START_US).level(Level::INFO);
    for at in (0..bytes.len()).step_by(31) {
        let mut broken = bytes.clone();
        broken[at] ^= 0x55;
        write(&path, &broken);
        scan(&path, &Filter::new());
        scan(&path, &filter);
        write(&path, &bytes[..at]);
        assert!(!scan(&path, &Filter::new()).1.is_empty(), "cut at {at}");
    }
}

#[test]
fn a_growing_lake_gives_each_parquet_file_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("analyst/records/run_date=2026-11-20");
    let mut follower = Lake::open(folder.path()).expect("open").follow(&Filter::new().level(Level::WARN));
    assert_eq!(follower.poll().expect("poll").count(), 0);
    write_parquet(&records.join(file_name(1, "parquet")), &sample()[..2], 1_000);
    assert_eq!(follower.poll().expect("poll").count(), 1);
    assert_eq!(follower.poll().expect("poll").count(), 0);
    write_parquet(&records.join(file_name(2, "parquet")), &sample()[2..], 1_000);
    assert_eq!(follower.poll().expect("poll").count(), 1);
    // The same records as JSONL, when the process was already read as Parquet.
    write(folder.path().join("debug_json/records/run_date=2026-11-20").join(file_name(1, "jsonl")), lines(&sample()));
    assert_eq!(follower.poll().expect("poll").count(), 0);
}

#[test]
fn a_tree_is_the_same_from_both_formats() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path().join("debug_json/records").join(file_name(1, "jsonl")), lines(&sample()));
    write_parquet(&folder.path().join("analyst/records").join(file_name(1, "parquet")), &sample(), 2);
    let shape = |format| {
        let lake = Lake::open(folder.path()).expect("open").format(format);
        let mut tree = TaskTree::builder(Filter::new().level(Level::INFO));
        lake.scan(&tree.filter_to_scan()).expect("scan").for_each(|record| tree.add(record));
        let tree = tree.finish();
        let roots: Vec<_> = tree.roots().map(|root| (root.key().clone(), root.status(), root.duration_us())).collect();
        (roots, tree.summary())
    };
    assert_eq!(shape(Format::Jsonl), shape(Format::Parquet));
}
