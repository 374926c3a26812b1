//! OTLP: what other SDKs send becomes tasks, what spanlake sends is what others understand, and requests have bounds.

use std::time::Duration;

use prost::Message as _;
use spanlake_core::{Detail, End, Kind, Level, Outcome, OwnedRecord};
use spanlake_wire::foreign::child_number;
use spanlake_wire::otlp::proto::collector::logs::v1::ExportLogsServiceRequest;
use spanlake_wire::otlp::proto::collector::trace::v1::ExportTraceServiceRequest;
use spanlake_wire::otlp::proto::common::v1::any_value::Value as Any;
use spanlake_wire::otlp::proto::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use spanlake_wire::otlp::proto::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use spanlake_wire::otlp::proto::resource::v1::Resource;
use spanlake_wire::otlp::proto::trace::v1::span::Event;
use spanlake_wire::otlp::proto::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use spanlake_wire::otlp::{Beside, Limits, from_logs, from_traces, grpc, logs, read_logs, read_traces, traces};
use spanlake_wire::{ForeignRecord, ForeignTask, Refusal};

use crate::script::{MOMENT_NS, event, field, key, owned, with_records};

const TRACE: [u8; 16] = [0x11; 16];
const SPAN: [u8; 8] = [0x22; 8];
const PARENT: [u8; 8] = [0x33; 8];

fn attribute(name: &str, value: Any) -> KeyValue {
    KeyValue { key: name.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(name: &str, value: &str) -> KeyValue {
    attribute(name, Any::StringValue(value.into()))
}

fn resource() -> Option<Resource> {
    let attributes = vec![
        text("service.name", "billing"),
        text("host.name", "obelix"),
        attribute("process.pid", Any::IntValue(77)),
        text("telemetry.sdk.language", "python"),
        text("deployment.environment.name", "staging"),
    ];
    Some(Resource { attributes, ..Resource::default() })
}

fn scope(name: &str) -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: name.into(), ..InstrumentationScope::default() })
}

fn sent_logs(log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs { scope: scope("billing.db"), log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { resource: resource(), scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }
}

fn sent_spans(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { scope: scope("billing.db"), spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource: resource(), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }
}

fn log(severity_number: i32, body: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: MOMENT_NS as u64,
        severity_number,
        body: Some(AnyValue { value: Some(Any::StringValue(body.into())) }),
        ..LogRecord::default()
    }
}

fn span(name: &str) -> Span {
    Span {
        trace_id: TRACE.to_vec(),
        span_id: SPAN.to_vec(),
        parent_span_id: PARENT.to_vec(),
        name: name.into(),
        start_time_unix_nano: MOMENT_NS as u64,
        end_time_unix_nano: MOMENT_NS as u64 + 25_000_000,
        ..Span::default()
    }
}

/// A task that failed, of ours.
fn failed() -> ForeignRecord {
    let mut end = event(Level::ERROR, "FAILED load", vec![field("rows", 5u64)]);
    end.kind = Kind::End;
    end.seq = 9;
    end.task = Some(ForeignTask {
        key: key("e252a11f-d33d-483d-ba08-bc8f642b2f10/1"),
        name: "load".into(),
        started_ns: MOMENT_NS - 25_000_000,
        foreign_parent: None,
        context: vec![field("table", "orders")],
    });
    let error = vec!["cannot load".into(), "disk full".into()];
    end.detail =
        Detail::End(End { outcome: Outcome::Failed, duration_ns: 25_000_000, busy_ns: 7_000, error, quiet: false });
    end
}

#[test]
fn a_log_of_another_sdk_is_an_event_of_the_task_that_its_span_is() {
    let mut sent = log(17, "lost connection");
    sent.trace_id = TRACE.to_vec();
    sent.span_id = SPAN.to_vec();
    sent.attributes =
        vec![text("table", "orders"), text("code.file.path", "db.py"), attribute("code.line.number", Any::IntValue(7))];
    let read = owned(&from_logs(sent_logs(vec![sent]), 0)).remove(0);
    let task = format!("11111111-1111-1111-1111-111111111111/{}", child_number(&SPAN));
    assert_eq!(read.key.unwrap().to_string(), format!("{MOMENT_NS}@{task}"));
    assert_eq!((read.level, &*read.message, &*read.target), (Level::ERROR, "lost connection", "billing.db"));
    assert_eq!((read.service.as_deref(), &*read.host, read.pid), (Some("billing"), "obelix", 77));
    assert_eq!((read.file.as_deref(), read.line), (Some("db.py"), Some(7)));
    assert_eq!(read.fields, r#"{"table":"orders","resource":{"deployment.environment.name":"staging"}}"#);
}

#[test]
fn a_log_of_a_trace_alone_is_of_its_root_and_one_without_is_of_no_task() {
    let with = |trace_id: &[u8], span_id: &[u8]| {
        let log = LogRecord { trace_id: trace_id.to_vec(), span_id: span_id.to_vec(), ..log(9, "") };
        let task = from_logs(sent_logs(vec![log]), 0).remove(0).task;
        task.map(|task| task.key.to_string())
    };
    assert_eq!(with(&TRACE, &[]).unwrap(), "11111111-1111-1111-1111-111111111111");
    assert_eq!(with(&TRACE, &[0; 8]).unwrap(), "11111111-1111-1111-1111-111111111111");
    assert_eq!([with(&[], &SPAN), with(&[0; 16], &SPAN), with(&TRACE[..15], &SPAN)], [None, None, None]);
}

#[test]
fn severities_times_and_bodies_of_others_are_understood() {
    let level = |number, text: &str| {
        let log = LogRecord { severity_text: text.into(), ..log(number, "") };
        from_logs(sent_logs(vec![log]), 0).remove(0).level
    };
    let numbered = [1, 4, 5, 8, 9, 12, 13, 16, 17, 24].map(|number| level(number, ""));
    let all = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
    assert!(numbered.chunks(2).zip(all).all(|(pair, level)| pair == [level, level]));
    assert_eq!([level(0, ""), level(0, "WARNING"), level(-1, "fatal")], [Level::INFO, Level::WARN, Level::ERROR]);

    let read = |log| from_logs(sent_logs(vec![log]), MOMENT_NS).remove(0);
    let times = |time_unix_nano, observed_time_unix_nano| {
        read(LogRecord { time_unix_nano, observed_time_unix_nano, ..LogRecord::default() }).ts_ns
    };
    assert_eq!([times(5, 7), times(0, 7), times(0, 0), times(u64::MAX, 0)], [5, 7, MOMENT_NS, MOMENT_NS]);

    let array = Any::ArrayValue(ArrayValue {
        values: vec![AnyValue { value: None }, AnyValue { value: Some(Any::BoolValue(true)) }],
    });
    let structured = read(LogRecord { body: Some(AnyValue { value: Some(array) }), ..LogRecord::default() });
    assert_eq!(structured.message, "[null, true]");
    assert_eq!(structured.fields[0].name, "body");
}

#[test]
fn a_span_of_another_sdk_is_a_task_with_begin_events_and_end() {
    let mut sent = span("GET /orders");
    sent.attributes = vec![text("table", "orders")];
    sent.kind = 2;
    sent.status = Some(Status { code: 2, message: String::new() });
    let attributes = vec![text("exception.type", "ValueError"), text("exception.message", "boom")];
    let name = String::from("exception");
    sent.events = vec![Event { time_unix_nano: MOMENT_NS as u64 + 1000, name, attributes, ..Event::default() }];
    let records = from_traces(sent_spans(vec![sent]), 0);
    assert_eq!(records[0].task.as_ref().unwrap().foreign_parent, Some(PARENT));
    let records = owned(&records);
    let kinds: Vec<_> = records.iter().map(|record| (record.kind, record.level, &*record.message)).collect();
    let expected = [
        (Kind::Begin, Level::INFO, "GET /orders"),
        (Kind::Event, Level::ERROR, "boom"),
        (Kind::End, Level::ERROR, "FAILED GET /orders"),
    ];
    assert_eq!(kinds, expected);
    let number = child_number(&SPAN);
    assert!(records.iter().all(|record| {
        let task = &record.key.as_ref().unwrap().task;
        task.path() == [number]
            && record.task.as_deref() == Some("GET /orders")
            && record.context == r#"{"table":"orders"}"#
    }));
    let seqs: Vec<_> = records.iter().map(|record| record.key.as_ref().unwrap().seq).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    let end = &records[2];
    assert_eq!((end.outcome, end.duration_us), (Some(Outcome::Failed), Some(25_000)));
    assert_eq!(end.error.as_deref(), Some("ValueError: boom"));
    assert_eq!(records[0].fields, r#"{"resource":{"deployment.environment.name":"staging"},"span_kind":"server"}"#);
}

#[test]
fn a_span_that_ended_well_is_a_task_that_succeeded() {
    for code in [0, 1] {
        let sent = Span { status: Some(Status { code, message: "ignored".into() }), ..span("load") };
        let end = owned(&from_traces(sent_spans(vec![sent]), 0)).remove(1);
        assert_eq!((end.outcome, end.error, &*end.message), (Some(Outcome::Succeeded), None, "load"));
    }
}

#[test]
fn ours_is_a_log_and_a_span_that_others_understand() {
    let (logs, spans) = with_records(&[failed()], |records| (logs(records), traces(records, Beside::Logs)));
    let log = &logs.resource_logs[0].scope_logs[0].log_records[0];
    let span = &spans.resource_spans[0].scope_spans[0].spans[0];
    let key = key("e252a11f-d33d-483d-ba08-bc8f642b2f10/1");
    assert_eq!((&log.trace_id[..], &log.span_id[..]), (&key.trace_id()[..], &key.span_id()[..]));
    assert_eq!((&span.trace_id[..], &span.span_id[..]), (&key.trace_id()[..], &key.span_id()[..]));
    assert_eq!(span.parent_span_id, key.parent().unwrap().span_id());
    assert_eq!((span.name.as_str(), log.severity_number, log.severity_text.as_str()), ("load", 17, "ERROR"));
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 25_000_000);
    let status = span.status.as_ref().unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "cannot load: disk full"));
    let names: Vec<_> = log.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    let expected = [
        "table",
        "rows",
        "spanlake.context",
        "spanlake.key",
        "spanlake.kind",
        "spanlake.task",
        "spanlake.started_ns",
        "spanlake.outcome",
        "spanlake.duration_ns",
        "spanlake.busy_ns",
        "spanlake.error",
        "spanlake.callsite",
        "thread.name",
    ];
    assert_eq!(names, expected);
    let resource = logs.resource_logs[0].resource.as_ref().unwrap();
    let names: Vec<_> = resource.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(names, ["service.name", "host.name", "process.pid", "spanlake.process_started_us"]);
}

#[test]
fn a_process_and_a_target_stand_once_for_records_in_a_row() {
    let mut records = vec![event(Level::INFO, "", vec![]); 4];
    records[3].place.as_mut().unwrap().target = "app::web".into();
    let request = with_records(&records, |records| logs(records));
    let scopes = &request.resource_logs[0].scope_logs;
    let counts: Vec<_> = scopes.iter().map(|scope| scope.log_records.len()).collect();
    assert_eq!((request.resource_logs.len(), counts), (1, vec![3, 1]));
}

#[test]
fn logs_and_spans_together_say_everything_once() {
    let (log_body, span_body) = with_records(&[failed()], |records| {
        (logs(records).encode_to_vec(), traces(records, Beside::Logs).encode_to_vec())
    });
    let limits = Limits::default();
    let mut read = read_logs(&log_body, &limits, 0).unwrap();
    read.extend(read_traces(&span_body, &limits, 0).unwrap());
    assert_eq!(owned(&read), owned(&[failed()]));

    let alone = with_records(&[failed()], |records| traces(records, Beside::Nothing).encode_to_vec());
    let alone: Vec<OwnedRecord> = owned(&read_traces(&alone, &limits, 0).unwrap());
    assert_eq!(alone.iter().map(|record| record.kind).collect::<Vec<_>>(), [Kind::Begin, Kind::End]);
    assert_eq!((alone[0].ts_us, &*alone[0].message), (MOMENT_NS / 1000 - 25_000, "load"));
}

#[test]
fn requests_have_bounds() {
    let limits = Limits { bytes: 10_000, parts: 100 };
    let read = |body: &[u8]| read_logs(body, &limits, 0).unwrap_err();
    let many = sent_logs(vec![LogRecord::default(); 200]).encode_to_vec();
    assert_eq!(read(&many), Refusal::TooMany);
    assert_eq!(read(&[0; 10_001]), Refusal::TooLong);
    let mut deep = AnyValue { value: Some(Any::BoolValue(true)) };
    for _ in 0..40 {
        deep = AnyValue { value: Some(Any::ArrayValue(ArrayValue { values: vec![deep] })) };
    }
    let deep = LogRecord { body: Some(deep), ..LogRecord::default() };
    assert_eq!(read(&sent_logs(vec![deep]).encode_to_vec()), Refusal::TooDeep);
    let whole = sent_logs(vec![log(9, "x")]).encode_to_vec();
    assert_eq!(read(&whole[..whole.len() - 1]), Refusal::Malformed);
    assert_eq!(read(b"\x0b"), Refusal::Malformed);
    assert!(read_logs(&whole, &limits, 0).is_ok());

    let many = sent_spans(vec![Span { events: vec![Event::default(); 200], ..Span::default() }]).encode_to_vec();
    assert_eq!(read_traces(&many, &limits, 0).unwrap_err(), Refusal::TooMany);
}

#[test]
fn a_status_asks_to_come_back_as_other_libraries_write_and_read_it() {
    // From `googleapis-common-protos`.
    let retry_info = b"\x1a6\n(type.googleapis.com/google.rpc.RetryInfo\x12\n\n\x08\x08\x02\x10\x80\xca\xb5\xee\x01";
    let status = [b"\x08\x08\x12\x05later".as_slice(), retry_info].concat();
    let pause = Duration::from_millis(2500);
    assert_eq!(grpc::come_back(8, "later", pause), status);
    let others = b"\x1a+\n)type.googleapis.com/google.rpc.BadRequest";
    assert_eq!(grpc::pause(&[others, retry_info.as_slice()].concat()), Some(pause));
    for nothing in [b"".as_slice(), others, b"\xff", &status[..20]] {
        assert_eq!(grpc::pause(nothing), None);
    }
    assert_eq!(
        grpc::pause(&grpc::come_back(8, "", Duration::MAX)).map(|pause| pause > Duration::from_secs(1)),
        Some(true)
    );
}
