//! Logs as records.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use spanlake_core::{Field, Level, RecordKey, TaskKey, Value};
use uuid::Uuid;

use super::bounds::{LOGS, check};
use super::{Limits, value};
use crate::foreign::{ForeignRecord, child_number};
use crate::level::Severity;
use crate::marks::{self, Draft};
use crate::refusal::Refusal;

/// The target of what has no scope.
pub(super) const TARGET: &str = "otlp";

/// What the SDK says of itself.
const TELEMETRY: &str = "telemetry.";

/// The process that a resource describes.
pub(super) struct Process {
    /// Host, service and the like.
    known: Vec<Field<'static>>,
    /// The rest, as one field of each foreign record.
    rest: Option<Field<'static>>,
}

/// Reads the body of a request that came at `received_ns`, which is the time of records that have none.
pub fn read_logs(body: &[u8], limits: &Limits, received_ns: i64) -> Result<Vec<ForeignRecord>, Refusal> {
    check(body, &LOGS, limits)?;
    let request = ExportLogsServiceRequest::decode(body).map_err(|_| Refusal::Malformed)?;
    Ok(from_logs(request, received_ns))
}

/// The records of a request, in their order.
pub fn from_logs(request: ExportLogsServiceRequest, received_ns: i64) -> Vec<ForeignRecord> {
    let mut records = Vec::new();
    for resource in request.resource_logs {
        let process = Process::new(resource.resource);
        for logs in resource.scope_logs {
            let scope = logs.scope.map(|scope| scope.name).unwrap_or_default();
            records.extend(logs.log_records.into_iter().map(|log| record(log, &process, &scope, received_ns)));
        }
    }
    records
}

fn record(log: LogRecord, process: &Process, scope: &str, received_ns: i64) -> ForeignRecord {
    let ts_ns = time(log.time_unix_nano).or_else(|| time(log.observed_time_unix_nano)).unwrap_or(received_ns);
    let mut draft = process.draft(ts_ns, level(log.severity_number, &log.severity_text), scope);
    take_all(&mut draft, log.attributes);
    match log.body.and_then(value::value) {
        Some(Value::Text(text)) => draft.record.message = text.into_owned(),
        Some(other) => {
            draft.record.message = other.to_string();
            draft.record.fields.push(Field { name: "body".into(), value: other });
        }
        None => {}
    }
    if !draft.is_ours() {
        if !log.event_name.is_empty() {
            draft.record.fields.push(marks::field("event_name", log.event_name));
        }
        process.put_rest(&mut draft);
        task_key(&log.trace_id, &log.span_id)
            .into_iter()
            .for_each(|task| draft.set_key(RecordKey { task, seq: sequence(ts_ns) }));
    }
    draft.finish(TARGET)
}

// === impl Process ===

impl Process {
    pub(super) fn new(resource: Option<Resource>) -> Self {
        let attributes = resource.map(|resource| resource.attributes).unwrap_or_default();
        let fields = attributes.into_iter().filter_map(value::field);
        let (known, rest): (Vec<_>, Vec<_>) = fields.partition(|field| marks::is_of_process(&field.name));
        let rest: Vec<_> = rest.into_iter().filter(|field| !field.name.starts_with(TELEMETRY)).collect();
        let rest = (!rest.is_empty()).then(|| Field { name: "resource".into(), value: Value::Map(rest) });
        Self { known, rest }
    }

    /// A draft that knows its process and its target.
    pub(super) fn draft(&self, ts_ns: i64, level: Level, scope: &str) -> Draft {
        let mut draft = Draft::new(ts_ns, level);
        self.known.iter().for_each(|field| draft.take(field.clone()));
        scope.clone_into(&mut draft.place.target);
        draft
    }

    pub(super) fn put_rest(&self, draft: &mut Draft) {
        draft.record.fields.extend(self.rest.clone());
    }
}

// === helpers ===

pub(super) fn take_all(draft: &mut Draft, attributes: Vec<KeyValue>) {
    attributes.into_iter().filter_map(value::field).for_each(|field| draft.take(field));
}

/// The task of a span: the root that its trace is, and a child of it that the span is.
pub(super) fn task_key(trace_id: &[u8], span_id: &[u8]) -> Option<TaskKey> {
    let trace_id: [u8; 16] = trace_id.try_into().ok().filter(|id| *id != [0; 16])?;
    let root = TaskKey::root(Uuid::from_bytes(trace_id));
    match known_span(span_id) {
        Some(span_id) => root.child(child_number(&span_id)),
        None => Some(root),
    }
}

pub(super) fn known_span(span_id: &[u8]) -> Option<[u8; 8]> {
    span_id.try_into().ok().filter(|id| *id != [0; 8])
}

/// A time that was told and can be.
pub(super) fn time(ns: u64) -> Option<i64> {
    i64::try_from(ns).ok().filter(|ns| *ns > 0)
}

/// The number of a record that has none: its time, which orders as well.
pub(super) fn sequence(ts_ns: i64) -> u64 {
    u64::try_from(ts_ns).unwrap_or(0)
}

fn level(number: i32, text: &str) -> Level {
    match number {
        1..=4 => Level::TRACE,
        5..=8 => Level::DEBUG,
        9..=12 => Level::INFO,
        13..=16 => Level::WARN,
        17.. => Level::ERROR,
        _ if text.is_empty() => Level::INFO,
        _ => Severity::named(text).level(),
    }
}
