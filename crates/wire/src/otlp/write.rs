//! Records as logs, and tasks that ended as spans.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use spanlake_core::record::Task;
use spanlake_core::{End, Field, Level, Outcome, Record, Source};

use super::value::{attributes, text};
use super::{Beside, LOGGED};
use crate::marks;

/// The records of one process in a row, by target.
type Run<'r, 'a> = (&'a Source, Vec<(&'a str, Vec<&'r Record<'a>>)>);

/// Every record as a log, in their order. A resource is a process, a scope a target; either is begun anew where it changes.
pub fn logs<'r, 'a: 'r>(records: impl IntoIterator<Item = &'r Record<'a>>) -> ExportLogsServiceRequest {
    let of_target = |(target, records): (&str, Vec<&Record<'_>>)| ScopeLogs {
        scope: Some(scope(target)),
        log_records: records.into_iter().map(log).collect(),
        ..ScopeLogs::default()
    };
    let of_process = |(source, targets): Run<'_, '_>| ResourceLogs {
        resource: Some(resource(source)),
        scope_logs: targets.into_iter().map(of_target).collect(),
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest { resource_logs: runs(records).into_iter().map(of_process).collect() }
}

/// The tasks that end among the records, as spans; other records are passed over.
pub fn traces<'r, 'a: 'r>(
    records: impl IntoIterator<Item = &'r Record<'a>>,
    beside: Beside,
) -> ExportTraceServiceRequest {
    let ends = records.into_iter().filter(|record| record.task.as_deref().is_some() && record.end().is_some());
    let of_target = |(target, records): (&str, Vec<&Record<'_>>)| ScopeSpans {
        scope: Some(scope(target)),
        spans: records
            .into_iter()
            .filter_map(|record| Some(span(record, record.task.as_deref()?, record.end()?, beside)))
            .collect(),
        ..ScopeSpans::default()
    };
    let of_process = |(source, targets): Run<'_, '_>| ResourceSpans {
        resource: Some(resource(source)),
        scope_spans: targets.into_iter().map(of_target).collect(),
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest { resource_spans: runs(ends).into_iter().map(of_process).collect() }
}

fn runs<'r, 'a: 'r>(records: impl IntoIterator<Item = &'r Record<'a>>) -> Vec<Run<'r, 'a>> {
    let mut runs: Vec<Run<'r, 'a>> = Vec::new();
    for record in records {
        let target = record.target();
        match runs.last_mut() {
            Some((source, targets)) if is_process(source, record.source) => match targets.last_mut() {
                Some((known, records)) if *known == target => records.push(record),
                _ => targets.push((target, vec![record])),
            },
            _ => runs.push((record.source, vec![(target, vec![record])])),
        }
    }
    runs
}

fn is_process(one: &Source, other: &Source) -> bool {
    let parts = |source: &Source| (source.pid, source.started_us);
    parts(one) == parts(other) && one.host == other.host && one.service == other.service
}

fn resource(source: &Source) -> Resource {
    let mut fields = Vec::new();
    marks::put_process(&mut fields, source);
    Resource { attributes: attributes(&fields), ..Resource::default() }
}

fn scope(target: &str) -> InstrumentationScope {
    InstrumentationScope { name: target.to_owned(), ..InstrumentationScope::default() }
}

fn log(record: &Record<'_>) -> LogRecord {
    let time = unsigned(record.ts_ns);
    let (trace_id, span_id) = record.task.as_deref().map(ids).unwrap_or_default();
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time,
        severity_number: severity(record.level).into(),
        severity_text: record.level.as_str().to_owned(),
        body: Some(text(&*record.message)),
        attributes: attributes(&described(record)),
        trace_id,
        span_id,
        ..LogRecord::default()
    }
}

fn described<'a>(record: &Record<'a>) -> Vec<Field<'a>> {
    let mut fields = marks::flat(record, &[LOGGED]);
    if let Some(task) = record.task.as_deref() {
        fields.push(marks::field(marks::KEY, format!("{}@{}", record.seq, task.key_text)));
    }
    marks::put_nature(&mut fields, record);
    marks::put_place(&mut fields, record);
    marks::put_thread(&mut fields, record.source);
    fields
}

fn span(record: &Record<'_>, task: &Task<'_>, end: &End<'_>, beside: Beside) -> Span {
    let (trace_id, span_id) = ids(task);
    let parent = task.foreign_parent.or_else(|| task.key.parent().map(|parent| parent.span_id()));
    let duration_ns = i64::try_from(end.duration_ns).unwrap_or(i64::MAX);
    let mut fields = described(record);
    fields.push(marks::field(marks::LEVEL, record.level.as_str()));
    fields.push(marks::field(marks::MESSAGE, &*record.message));
    if beside == Beside::Logs {
        fields.push(marks::field(LOGGED, true));
    }
    Span {
        trace_id,
        span_id,
        parent_span_id: parent.map(Vec::from).unwrap_or_default(),
        name: task.name.to_owned(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: unsigned(record.ts_ns.saturating_sub(duration_ns)),
        end_time_unix_nano: unsigned(record.ts_ns),
        attributes: attributes(&fields),
        status: Some(status(end)),
        ..Span::default()
    }
}

/// A task that was cancelled is no error, and came to no end either.
fn status(end: &End<'_>) -> Status {
    let code = match end.outcome {
        Outcome::Succeeded => StatusCode::Ok,
        Outcome::Cancelled => StatusCode::Unset,
        Outcome::Failed | Outcome::Interrupted => StatusCode::Error,
    };
    let message = if code == StatusCode::Error { end.error_text() } else { None };
    Status { code: code.into(), message: message.unwrap_or_default() }
}

fn ids(task: &Task<'_>) -> (Vec<u8>, Vec<u8>) {
    (task.key.trace_id().to_vec(), task.span_id().to_vec())
}

fn severity(level: Level) -> SeverityNumber {
    match level {
        Level::TRACE => SeverityNumber::Trace,
        Level::DEBUG => SeverityNumber::Debug,
        Level::INFO => SeverityNumber::Info,
        Level::WARN => SeverityNumber::Warn,
        Level::ERROR => SeverityNumber::Error,
    }
}

/// There is no time before 1970 in this format.
fn unsigned(ns: i64) -> u64 {
    u64::try_from(ns).unwrap_or(0)
}
