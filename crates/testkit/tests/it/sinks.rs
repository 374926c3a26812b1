//! The sinks of the lake pass the suite.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::{Array, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use spanlake_core::{LevelFilter, Sink};
use spanlake_lake::{JsonlSink, LakeFile, ParquetSink, SystemLogSink};
use spanlake_testkit::conformance::{Stand, check};
use tempfile::TempDir;

#[test]
fn json_lines_conform() {
    check(|| Lake::new("debug_json/records", |lake, level| Box::new(JsonlSink::new(lake).level(level)), json_messages));
}

#[test]
fn the_system_log_conforms() {
    check(|| Lake::new("debug_json/system_log", |lake, level| Box::new(SystemLogSink::new(lake).level(level)), lines));
}

#[test]
fn parquet_conforms() {
    check(|| {
        Lake::new("analyst/records", |lake, level| Box::new(ParquetSink::new(lake).level(level)), parquet_messages)
    });
}

/// A lake of its own for one sink.
struct Lake {
    folder: TempDir,
    log: &'static str,
    sink: fn(&Path, LevelFilter) -> Box<dyn Sink>,
    read: fn(&Path) -> Vec<String>,
}

impl Lake {
    fn new(log: &'static str, sink: fn(&Path, LevelFilter) -> Box<dyn Sink>, read: fn(&Path) -> Vec<String>) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), log, sink, read }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join(self.log)
    }

    /// Where the folder of the next day should be.
    fn next_day(&self) -> PathBuf {
        self.log().join("run_date=2026-11-21")
    }
}

impl Stand for Lake {
    fn sink(&self, level: LevelFilter) -> Box<dyn Sink> {
        (self.sink)(self.folder.path(), level)
    }

    fn read(&self) -> Vec<String> {
        files(&self.log()).iter().flat_map(|file| (self.read)(file)).collect()
    }

    fn obstruct(&self) -> bool {
        File::create_new(self.next_day()).is_ok()
    }

    fn clear(&self) {
        fs::remove_file(self.next_day()).expect("the obstacle is there");
    }
}

/// The files of all days, those of a process in the order they were begun.
fn files(log: &Path) -> Vec<PathBuf> {
    let in_order = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    };
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let is_file = |path: &PathBuf| name(path).is_some_and(|name| LakeFile::parse(&name).is_some());
    in_order(log).iter().flat_map(|day| in_order(day)).filter(is_file).collect()
}

fn json_messages(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("text");
    let message = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        record["message"].as_str().expect("a message").to_owned()
    };
    text.lines().map(message).collect()
}

/// Lines of records; those of errors below them are indented.
fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("text");
    text.lines().filter(|line| !line.starts_with("    ")).map(str::to_owned).collect()
}

fn parquet_messages(file: &Path) -> Vec<String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file).expect("a file")).expect("a whole file");
    let batches = builder.build().expect("a reader").map(|batch| batch.expect("a batch"));
    batches.flat_map(|batch| texts(batch.column_by_name("message").expect("a message"))).collect()
}

fn texts(column: &dyn Array) -> Vec<String> {
    let column = column.as_any().downcast_ref::<StringArray>().expect("text");
    column.iter().map(|text| text.expect("no message is null").to_owned()).collect()
}
