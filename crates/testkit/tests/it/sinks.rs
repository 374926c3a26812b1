//! The sinks pass the suite.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow_array::{Array, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use spanlake_core::render::{JsonLines, Logfmt};
use spanlake_core::{LevelFilter, Sink};
use spanlake_lake::{
    Every, FileSink, JsonlSink, LakeFile, ParquetSink, RollingFileSink, StreamSink, SystemLogSink, TestHandle, TestSink,
};
use spanlake_testkit::conformance::{Stand, check};
use spanlake_testkit::disk::{ENOSPC, FakeDisk, Fault, Operation};
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

#[test]
fn one_file_conforms() {
    check(|| {
        Named::new(|named, level| {
            let sink = FileSink::new(named.path()).renderer(JsonLines::default());
            Box::new(sink.level(level).disk(named.disk.handle()))
        })
    });
}

#[test]
fn rolling_files_conform() {
    check(|| {
        Named::new(|named, level| {
            let files = NonZeroU64::new(1_000).expect("more than a run has");
            let sink = RollingFileSink::new(named.path()).renderer(JsonLines::default()).disk(named.disk.handle());
            Box::new(sink.level(level).max_bytes(NonZeroU64::new(1 << 20).expect("a mebibyte")).max_files(files))
        })
    });
    check(|| {
        Named::new(|named, level| {
            let files = NonZeroU64::new(1_000).expect("more than a run has");
            let sink = RollingFileSink::new(named.path()).renderer(JsonLines::default()).disk(named.disk.handle());
            Box::new(sink.level(level).every(Every::Seconds(NonZeroU64::MIN)).max_files(files))
        })
    });
}

#[test]
fn streams_conform() {
    check(Stream::default);
}

#[test]
fn memory_conforms() {
    check(Memory::default);
}

/// A folder with a file and what was rolled, on a disk that fails when told.
struct Named {
    folder: TempDir,
    disk: FakeDisk,
    sink: fn(&Self, LevelFilter) -> Box<dyn Sink>,
}

impl Named {
    fn new(sink: fn(&Self, LevelFilter) -> Box<dyn Sink>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { disk: FakeDisk::new(folder.path()), folder, sink }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("logs/log")
    }
}

impl Stand for Named {
    fn sink(&self, level: LevelFilter) -> Box<dyn Sink> {
        (self.sink)(self, level)
    }

    fn read(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("logs")).into_iter().flatten();
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut paths: Vec<_> = paths.filter(|path| !path.ends_with(".log.lock")).collect();
        // The newest has no number, and the oldest the highest.
        paths.sort_by(|one, other| other.cmp(one));
        paths.iter().flat_map(|path| json_messages(path)).collect()
    }

    fn obstruct(&self) -> bool {
        self.disk.fail(Fault::at(1).of(Operation::Write).error(ENOSPC).tearing().for_ever());
        true
    }

    fn clear(&self) {
        self.disk.heal();
    }
}

/// A stream that everything can be read from again.
#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Vec<u8>>>);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics here").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stand for Stream {
    fn sink(&self, level: LevelFilter) -> Box<dyn Sink> {
        Box::new(StreamSink::to("stream", self.clone()).level(level).renderer(Logfmt::new()))
    }

    fn read(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().expect("no test panics here").clone()).expect("text");
        text.lines().map(str::to_owned).collect()
    }
}

/// The memory of one sink after the other.
#[derive(Default)]
struct Memory(RefCell<Vec<TestHandle>>);

impl Stand for Memory {
    fn sink(&self, level: LevelFilter) -> Box<dyn Sink> {
        let sink = TestSink::new().level(level).renderer(JsonLines::default());
        self.0.borrow_mut().push(sink.handle());
        Box::new(sink)
    }

    fn read(&self) -> Vec<String> {
        let handles = self.0.borrow();
        handles.iter().flat_map(TestHandle::records).map(|record| record.message).collect()
    }
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
