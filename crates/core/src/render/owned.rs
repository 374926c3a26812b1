//! A record as owned columns, as readers of a lake and tests hold it.

use tracing_core::Level;

use crate::key::RecordKey;
use crate::record::{Kind, Outcome, Record};
use crate::render::json::{hex, put_record_fields};

/// A record with the columns of the lake, borrowing nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    /// UTC microseconds since the Unix epoch.
    pub ts_us: i64,
    /// Severity.
    pub level: Level,
    /// What the record says.
    pub kind: Kind,
    /// Its key; `None` outside any task.
    pub key: Option<RecordKey>,
    /// The task's name.
    pub task: Option<String>,
    /// The text.
    pub message: String,
    /// The target.
    pub target: String,
    /// The module path.
    pub module: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// The thread's name.
    pub thread: Option<String>,
    /// The process id.
    pub pid: u32,
    /// The machine's name.
    pub host: String,
    /// The service's name.
    pub service: Option<String>,
    /// The dataflow of the nearest task that names one.
    pub dataflow_id: Option<String>,
    /// The task's merged context as JSON text.
    pub context: String,
    /// The record's own fields as JSON text.
    pub fields: String,
    /// How long the task took, on its end.
    pub duration_us: Option<i64>,
    /// How the task ended, on its end.
    pub outcome: Option<Outcome>,
    /// Why it failed, on its end.
    pub error: Option<String>,
}

impl OwnedRecord {
    /// The W3C trace id of its task, in hexadecimal.
    pub fn trace_id(&self) -> Option<String> {
        Some(hex(&self.key.as_ref()?.task.trace_id()))
    }

    /// The W3C span id of its task, in hexadecimal.
    pub fn span_id(&self) -> Option<String> {
        Some(hex(&self.key.as_ref()?.task.span_id()))
    }
}

impl From<&Record<'_>> for OwnedRecord {
    fn from(record: &Record<'_>) -> Self {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let mut fields = Vec::new();
        put_record_fields(&mut fields, record);
        Self {
            ts_us: record.ts_us(),
            level: record.level,
            kind: record.kind,
            key: record.key(),
            task: record.task.as_deref().map(|task| task.name.to_owned()),
            message: record.message.clone().into_owned(),
            target: record.target().to_owned(),
            module: record.callsite.and_then(|callsite| callsite.module).map(str::to_owned),
            file: record.callsite.and_then(|callsite| callsite.file).map(str::to_owned),
            line: record.callsite.and_then(|callsite| callsite.line),
            thread: text(&record.source.thread),
            pid: record.source.pid,
            host: record.source.host.clone(),
            service: text(&record.source.service),
            dataflow_id: record.task.as_deref().and_then(|task| task.dataflow_id()),
            context: record.task.as_deref().map_or_else(|| "{}".to_owned(), |task| task.context_json().to_owned()),
            fields: String::from_utf8(fields).unwrap_or_default(),
            duration_us: record.end().map(|end| end.duration_us()),
            outcome: record.end().map(|end| end.outcome),
            error: record.end().and_then(|end| end.error_text()),
        }
    }
}
