//! The columns of a batch as the values of records.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, UInt32Type,
};
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, TimeUnit};

use crate::row::{Row, parse_kind, parse_level};

/// The columns that are read. The others follow from these.
pub(super) const READ: [&str; 20] = [
    "ts",
    "level",
    "kind",
    "key",
    "task",
    "message",
    "target",
    "module",
    "file",
    "line",
    "thread",
    "pid",
    "host",
    "service",
    "dataflow_id",
    "context",
    "fields",
    "duration_us",
    "outcome",
    "error",
];

/// A decoded batch, and how many of its rows were taken.
#[derive(Default)]
pub(super) struct Batch {
    rows: usize,
    taken: usize,
    ts_us: Numbers,
    level: Texts,
    kind: Texts,
    key: Texts,
    task: Texts,
    message: Texts,
    target: Texts,
    module: Texts,
    file: Texts,
    line: Numbers,
    thread: Texts,
    pid: Numbers,
    host: Texts,
    service: Texts,
    dataflow_id: Texts,
    context: Texts,
    fields: Texts,
    duration_us: Numbers,
    outcome: Texts,
    error: Texts,
}

/// A column of texts; one that is missing or of another type has no values.
#[derive(Default)]
pub(super) enum Texts {
    #[default]
    None,
    Utf8(StringArray),
    Bytes(BinaryArray),
}

/// A column of whole numbers; one that is missing or of another type has no values.
#[derive(Default)]
pub(super) struct Numbers(Option<Int64Array>);

// === impl Batch ===

impl Batch {
    pub(super) fn new(batch: &RecordBatch) -> Self {
        let texts = |name: &str| Texts::new(batch.column_by_name(name));
        let numbers = |name: &str| Numbers::new(batch.column_by_name(name));
        Self {
            rows: batch.num_rows(),
            taken: 0,
            ts_us: Numbers::times_us(batch.column_by_name("ts")),
            level: texts("level"),
            kind: texts("kind"),
            key: texts("key"),
            task: texts("task"),
            message: texts("message"),
            target: texts("target"),
            module: texts("module"),
            file: texts("file"),
            line: numbers("line"),
            thread: texts("thread"),
            pid: numbers("pid"),
            host: texts("host"),
            service: texts("service"),
            dataflow_id: texts("dataflow_id"),
            context: texts("context"),
            fields: texts("fields"),
            duration_us: numbers("duration_us"),
            outcome: texts("outcome"),
            error: texts("error"),
        }
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.taken == self.rows
    }

    /// The next row, or why it is none.
    pub(super) fn next_row(&mut self) -> Option<Result<Row<'_>, String>> {
        if self.is_used_up() {
            return None;
        }
        let row = self.taken;
        self.taken += 1;
        Some(self.row(row))
    }

    fn row(&self, row: usize) -> Result<Row<'_>, String> {
        let key = self.key.at(row).map(str::parse).transpose().map_err(|error| format!("key: {error}"))?;
        Ok(Row {
            ts_us: self.ts_us.at(row).ok_or("no ts")?,
            level: self.level.at(row).and_then(parse_level).ok_or("no level, or one that is not known")?,
            kind: parse_kind(self.kind.at(row)),
            key,
            task: self.task.cow(row),
            message: self.message.cow(row),
            target: self.target.cow(row),
            module: self.module.cow(row),
            file: self.file.cow(row),
            line: self.line.at(row),
            thread: self.thread.cow(row),
            pid: self.pid.at(row),
            host: self.host.cow(row),
            service: self.service.cow(row),
            dataflow_id: self.dataflow_id.cow(row),
            context: self.context.at(row),
            fields: self.fields.at(row),
            duration_us: self.duration_us.at(row),
            outcome: self.outcome.at(row).and_then(|outcome| outcome.parse().ok()),
            error: self.error.cow(row),
        })
    }
}

// === impl Texts ===

impl Texts {
    pub(super) fn new(column: Option<&ArrayRef>) -> Self {
        let Some(column) = column else { return Self::None };
        match column.data_type() {
            DataType::Utf8 => Self::Utf8(column.as_string().clone()),
            DataType::Binary => Self::Bytes(column.as_binary().clone()),
            _ => Self::None,
        }
    }

    pub(super) fn at(&self, row: usize) -> Option<&str> {
        match self {
            Self::Utf8(texts) if texts.is_valid(row) => Some(texts.value(row)),
            Self::Bytes(bytes) if bytes.is_valid(row) => std::str::from_utf8(bytes.value(row)).ok(),
            _ => None,
        }
    }

    fn cow(&self, row: usize) -> Option<Cow<'_, str>> {
        self.at(row).map(Cow::Borrowed)
    }
}

// === impl Numbers ===

impl Numbers {
    fn new(column: Option<&ArrayRef>) -> Self {
        Self(column.and_then(|column| match column.data_type() {
            DataType::Int64 => Some(column.as_primitive::<Int64Type>().clone()),
            DataType::Int32 => Some(column.as_primitive::<Int32Type>().unary(i64::from)),
            DataType::UInt32 => Some(column.as_primitive::<UInt32Type>().unary(i64::from)),
            _ => None,
        }))
    }

    /// Moments of any unit as microseconds.
    pub(super) fn times_us(column: Option<&ArrayRef>) -> Self {
        Self(column.and_then(|column| match column.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Some(column.as_primitive::<TimestampMicrosecondType>().reinterpret_cast())
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Some(column.as_primitive::<TimestampMillisecondType>().unary(|ms| ms.saturating_mul(1_000)))
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Some(column.as_primitive::<TimestampNanosecondType>().unary(|ns| ns.div_euclid(1_000)))
            }
            _ => None,
        }))
    }

    pub(super) fn at(&self, row: usize) -> Option<i64> {
        let numbers = self.0.as_ref()?;
        numbers.is_valid(row).then(|| numbers.value(row))
    }
}
