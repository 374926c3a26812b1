//! Records to write, and looking at what was written.

use std::fs;
use std::path::{Path, PathBuf};

use spanlake_core::segment::{
    CallsiteDefinition, EndHead, Message, RecordHead, Segment, SegmentWriter, TaskDefinition, TaskOrigin, TaskRef,
};
use spanlake_core::value::{BodyWriter, Name, Value};
use spanlake_core::{Batch, Cause, Error, Level, LevelFilter, Loss, Outcome, Record, Sink, Source};

/// 2026-11-20T12:00:00Z in microseconds.
pub(crate) const NOON_US: i64 = 1_795_176_000_000_000;

pub(crate) const DAY_US: i64 = 86_400_000_000;

/// Records of one thread, a microsecond apart, written as a layer would write them.
pub(crate) struct Script {
    pub(crate) now_us: i64,
    writer: SegmentWriter,
    message: Message,
    tasks: u64,
}

/// A process with everything known about it.
pub(crate) fn source() -> Source {
    let mut source = Source::default();
    source.host = "obelix".to_owned();
    source.service = "orders".to_owned();
    source.pid = 6156;
    source.started_us = NOON_US;
    source.thread = "main".to_owned();
    source
}

/// The same with something changed.
pub(crate) fn source_with(change: impl FnOnce(&mut Source)) -> Source {
    let mut source = source();
    change(&mut source);
    source
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::of(&source())
    }

    pub(crate) fn of(source: &Source) -> Self {
        Self { now_us: NOON_US, writer: SegmentWriter::new(source), message: Message::default(), tasks: 0 }
    }

    /// A root task.
    pub(crate) fn root(&mut self, root: u128, name: &str) -> TaskRef {
        self.task(TaskOrigin::Root(uuid::Uuid::from_u128(root)), name, &[])
    }

    /// A subtask with a context of its own.
    pub(crate) fn child(&mut self, parent: TaskRef, number: u32, name: &str, context: &[(&str, Value<'_>)]) -> TaskRef {
        self.task(TaskOrigin::Child { parent, number }, name, context)
    }

    /// An event, or one outside any task.
    pub(crate) fn event(&mut self, task: Option<TaskRef>, seq: u64, message: &str, fields: &[(&str, Value<'_>)]) {
        let head = self.head("event", 33, task, seq);
        self.message.set(message);
        self.writer.event(&head, &self.message, body(fields).bytes());
    }

    /// A task's end after half a second.
    pub(crate) fn end(&mut self, task: TaskRef, seq: u64, outcome: Outcome, error: &[&str]) {
        let head = self.head("task", 17, Some(task), seq);
        let error: Vec<String> = error.iter().map(|link| (*link).to_owned()).collect();
        let end = EndHead { outcome, duration_ns: 500_000_000, busy_ns: 400_000_000, error: &error, quiet: false };
        self.message.set("it ended");
        self.writer.end(&head, &end, &self.message, &[]);
    }

    /// A statement that one record was lost.
    pub(crate) fn loss(&mut self) {
        self.now_us += 1;
        self.writer.loss(&Loss::one(Cause::Full, Level::INFO, 100, self.now_us * 1000));
    }

    /// What was written since the last time.
    pub(crate) fn segment(&mut self) -> Segment {
        self.tasks = 0;
        self.writer.take()
    }

    /// `count` events without a task, their messages `word 0`, `word 1` and so on.
    pub(crate) fn events(word: &str, count: usize) -> Segment {
        let mut script = Self::new();
        (0..count).for_each(|at| script.event(None, 0, &format!("{word} {at}"), &[]));
        script.segment()
    }

    fn head(&mut self, name: &str, line: u32, task: Option<TaskRef>, seq: u64) -> RecordHead {
        self.now_us += 1;
        let callsite = Some(self.callsite(name, line));
        RecordHead { level: Level::INFO, callsite, task, seq, ts_ns: self.now_us * 1000 + 999 }
    }

    fn callsite(&mut self, name: &str, line: u32) -> spanlake_core::segment::CallsiteRef {
        let definition = CallsiteDefinition {
            name,
            target: "flights::silver",
            module: Some("flights"),
            file: Some("flights/silver.rs"),
            line: Some(line),
            level: Level::INFO,
        };
        let id = u64::from(line);
        match self.writer.callsite(id) {
            Some(known) => known,
            None => self.writer.define_callsite(id, &definition, std::iter::empty()),
        }
    }

    fn task(&mut self, origin: TaskOrigin<'_>, name: &str, context: &[(&str, Value<'_>)]) -> TaskRef {
        self.tasks += 1;
        // Each span has a place of its own, because the place carries the task's name.
        let callsite = self.callsite(name, 1000 + self.tasks as u32);
        let context = body(context);
        let definition = TaskDefinition {
            origin,
            callsite,
            started_ns: self.now_us * 1000,
            own_context: false,
            foreign_parent: None,
            context: context.bytes(),
            begins: false,
        };
        self.writer.define_task(self.tasks, 0, 0, &definition)
    }
}

fn body(fields: &[(&str, Value<'_>)]) -> BodyWriter {
    let mut body = BodyWriter::default();
    fields.iter().for_each(|(name, value)| body.value(Name::Text(name), value));
    body.finish();
    body
}

/// Gives a segment's records to a sink, as one batch.
pub(crate) fn feed(sink: &mut impl Sink, segment: &Segment) -> Result<(), Error> {
    let decoded = segment.decode().unwrap();
    let records: Vec<Record<'_>> = decoded.records().collect();
    sink.write(&Batch::new(&records, LevelFilter::TRACE))
}

/// All files below a folder, in the order of their paths.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The one file below a folder.
pub(crate) fn only_file(folder: &Path) -> PathBuf {
    let files = files(folder);
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// The lines of all files below a folder.
pub(crate) fn lines(folder: &Path) -> Vec<String> {
    let text: Vec<String> = files(folder).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    text.concat().lines().map(str::to_owned).collect()
}

/// The messages of the JSON lines below a folder.
pub(crate) fn messages(folder: &Path) -> Vec<String> {
    json_messages(&lines(folder).join("\n"))
}

/// The messages of JSON lines.
pub(crate) fn json_messages(text: &str) -> Vec<String> {
    let message = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        json["message"].as_str().unwrap().to_owned()
    };
    text.lines().map(message).collect()
}

/// The files below a folder that engines see.
#[cfg(feature = "parquet")]
pub(crate) fn visible(folder: &Path) -> Vec<PathBuf> {
    let is_visible = |path: &PathBuf| !path.file_name().unwrap().to_str().unwrap().starts_with('.');
    files(folder).into_iter().filter(is_visible).collect()
}

/// The keys of a Parquet file's records; it must be whole.
#[cfg(feature = "parquet")]
pub(crate) fn parquet_keys(file: &Path) -> Vec<String> {
    use arrow_array::{Array, StringArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let builder = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(file).unwrap()).unwrap();
    let column = |batch: arrow_array::RecordBatch| {
        let keys = batch.column_by_name("key").unwrap().as_any().downcast_ref::<StringArray>().unwrap().clone();
        keys.iter().map(|key| key.unwrap().to_owned()).collect::<Vec<_>>()
    };
    builder.build().unwrap().flat_map(|batch| column(batch.unwrap())).collect()
}
