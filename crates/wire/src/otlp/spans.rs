//! Spans as begins, ends and events of tasks.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use spanlake_core::{Detail, End, Field, Kind, Level, Outcome, Value};

use super::bounds::{TRACES, check};
use super::read::{Process, TARGET, known_span, sequence, take_all, task_key, time};
use super::{LOGGED, Limits};
use crate::foreign::{ForeignRecord, ForeignTask};
use crate::marks;
use crate::refusal::Refusal;

const EXCEPTION: &str = "exception";
const EXCEPTION_MESSAGE: &str = "exception.message";
const EXCEPTION_TYPE: &str = "exception.type";

/// Reads the body of a request that came at `received_ns`, which is the time of spans that have none.
pub fn read_traces(body: &[u8], limits: &Limits, received_ns: i64) -> Result<Vec<ForeignRecord>, Refusal> {
    check(body, &TRACES, limits)?;
    let request = ExportTraceServiceRequest::decode(body).map_err(|_| Refusal::Malformed)?;
    Ok(from_traces(request, received_ns))
}

/// The records of a request: of each span its begin, its events and its end. Spans of spanlake whose records come as logs
/// have none.
pub fn from_traces(request: ExportTraceServiceRequest, received_ns: i64) -> Vec<ForeignRecord> {
    let mut records = Vec::new();
    for resource in request.resource_spans {
        let process = Process::new(resource.resource);
        for spans in resource.scope_spans {
            let scope = spans.scope.map(|scope| scope.name).unwrap_or_default();
            spans.spans.into_iter().for_each(|span| read(span, &process, &scope, received_ns, &mut records));
        }
    }
    records
}

fn read(mut span: Span, process: &Process, scope: &str, received_ns: i64, records: &mut Vec<ForeignRecord>) {
    let end_ns = time(span.end_time_unix_nano).unwrap_or(received_ns);
    let start_ns = time(span.start_time_unix_nano).unwrap_or(end_ns);
    let mut draft = process.draft(end_ns, Level::INFO, scope);
    take_all(&mut draft, std::mem::take(&mut span.attributes));
    if draft.is_ours() {
        let is_logged = |field: &Field<'_>| field.name == LOGGED && field.value == Value::Bool(true);
        if !draft.record.fields.iter().any(is_logged) {
            records.extend(ours(draft.finish(TARGET), start_ns));
        }
        return;
    }
    // Attributes are what is bound to the task.
    let context = std::mem::take(&mut draft.record.fields);
    process.put_rest(&mut draft);
    draft.place.name = if draft.place.name.is_empty() { span.name.clone() } else { draft.place.name };
    let mut base = draft.finish(TARGET);
    base.task = task_key(&span.trace_id, &span.span_id).map(|key| ForeignTask {
        key,
        name: span.name.clone(),
        started_ns: start_ns,
        foreign_parent: known_span(&span.parent_span_id),
        context,
    });
    let resource = std::mem::take(&mut base.fields);
    records.push(begin(&base, &span, start_ns, resource));
    records.extend(span.events.iter().map(|event| of_event(&base, event, start_ns)));
    records.push(end(base, &span, start_ns, end_ns));
}

/// Begin and end of a task of ours whose records do not come as logs.
fn ours(end: ForeignRecord, start_ns: i64) -> Vec<ForeignRecord> {
    let Some(task) = end.task.clone().filter(|_| end.kind == Kind::End) else {
        return Vec::new();
    };
    let begin = ForeignRecord {
        ts_ns: start_ns,
        level: Level::INFO,
        kind: Kind::Begin,
        seq: 0,
        message: task.name,
        fields: Vec::new(),
        detail: Detail::None,
        ..end.clone()
    };
    vec![begin, end]
}

fn begin(base: &ForeignRecord, span: &Span, start_ns: i64, resource: Vec<Field<'static>>) -> ForeignRecord {
    let mut fields = resource;
    if let Ok(kind) = SpanKind::try_from(span.kind)
        && !matches!(kind, SpanKind::Unspecified | SpanKind::Internal)
    {
        let word = kind.as_str_name().trim_start_matches("SPAN_KIND_").to_ascii_lowercase();
        fields.push(marks::field("span_kind", word));
    }
    if !span.trace_state.is_empty() {
        fields.push(marks::field("trace_state", &span.trace_state).into_owned());
    }
    if !span.links.is_empty() {
        let links = span.links.iter().map(|link| Value::from(link_text(link))).collect();
        fields.push(Field { name: "links".into(), value: Value::List(links) });
    }
    let (seq, message) = (sequence(start_ns), span.name.clone());
    ForeignRecord { ts_ns: start_ns, kind: Kind::Begin, seq, message, fields, ..base.clone() }
}

fn of_event(base: &ForeignRecord, event: &Event, start_ns: i64) -> ForeignRecord {
    let ts_ns = time(event.time_unix_nano).unwrap_or(start_ns);
    let mut fields: Vec<_> = event.attributes.iter().cloned().filter_map(super::value::field).collect();
    let is_exception = event.name == EXCEPTION;
    let at = fields.iter().position(|field| is_exception && field.name == EXCEPTION_MESSAGE);
    let message = at.map_or_else(|| event.name.clone(), |at| fields.remove(at).value.to_string());
    let level = if is_exception { Level::ERROR } else { Level::INFO };
    ForeignRecord { ts_ns, level, seq: sequence(ts_ns), message, fields, ..base.clone() }
}

fn end(base: ForeignRecord, span: &Span, start_ns: i64, end_ns: i64) -> ForeignRecord {
    let failed = span.status.as_ref().filter(|status| status.code == i32::from(StatusCode::Error));
    let outcome = if failed.is_some() { Outcome::Failed } else { Outcome::Succeeded };
    let told = failed.map(|status| status.message.clone()).filter(|message| !message.is_empty());
    let error = told.or_else(|| failed.and_then(|_| exception(span)));
    let duration_ns = u64::try_from(end_ns.saturating_sub(start_ns)).unwrap_or(0);
    let detail = End {
        outcome,
        duration_ns,
        busy_ns: duration_ns,
        error: error.map(Into::into).into_iter().collect(),
        quiet: false,
    };
    let (level, message) = match failed {
        Some(_) => (Level::ERROR, format!("FAILED {}", span.name)),
        None => (Level::INFO, span.name.clone()),
    };
    let (kind, seq, detail) = (Kind::End, sequence(end_ns), Detail::End(detail));
    ForeignRecord { ts_ns: end_ns, level, kind, seq, message, detail, ..base }
}

/// The last exception that was recorded.
fn exception(span: &Span) -> Option<String> {
    let event = span.events.iter().rfind(|event| event.name == EXCEPTION)?;
    let text = |name: &str| {
        let attribute = event.attributes.iter().find(|attribute| attribute.key == name)?;
        super::value::value(attribute.value.clone()?).map(|value| value.to_string())
    };
    match (text(EXCEPTION_TYPE), text(EXCEPTION_MESSAGE)) {
        (Some(of), Some(message)) => Some(format!("{of}: {message}")),
        (of, message) => message.or(of),
    }
}

/// `<trace id>-<span id>`
fn link_text(link: &Link) -> String {
    let hex = |bytes: &[u8]| Value::Bytes(bytes.to_vec().into()).to_string();
    format!("{}-{}", hex(&link.trace_id), hex(&link.span_id))
}
