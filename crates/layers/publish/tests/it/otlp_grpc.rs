//! What receivers of OTLP answer by gRPC, and what comes of it. The receiver is a server of tonic that says what it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spanlake_core::{Cause, Report, Secret, SinkState};
use spanlake_publish::transport::OtlpTransportBuilder;
use spanlake_publish::{OtlpTransport, PublishLayer};
use spanlake_wire::otlp::grpc::come_back;
use spanlake_wire::otlp::proto::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use spanlake_wire::otlp::proto::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use spanlake_wire::otlp::proto::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use spanlake_wire::otlp::proto::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tokio::runtime::Runtime;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tracing_subscriber::prelude::*;

use crate::otlp::{LONG, publish, publish_at_once};

/// How many logs are rejected, and why; or no success.
type Answer = Result<(i64, String), Status>;

/// Answers in turn, the last answer for ever.
#[derive(Clone)]
struct Told {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

/// A server that runs as long as this is held.
struct Receiver {
    told: Told,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Told {
    fn answer<T>(&self, call: &str, request: &Request<T>) -> Answer {
        let authorization = request.metadata().get("authorization").map(|value| value.to_str().expect("a text"));
        let seen = [call, authorization.unwrap_or_default()].join(" ");
        self.seen.lock().expect("no test panics here").push(seen.trim().to_owned());
        let mut answers = self.answers.lock().expect("no test panics here");
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.expect("one")
    }
}

#[tonic::async_trait]
impl LogsService for Told {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let (rejected_log_records, error_message) = self.answer("logs", &request)?;
        let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records, error_message });
        Ok(Response::new(ExportLogsServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl TraceService for Told {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.answer("traces", &request)?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Receiver {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), answers)
    }

    fn at(address: SocketAddr, answers: impl IntoIterator<Item = Answer>) -> Self {
        let told = Told { answers: Arc::new(Mutex::new(answers.into_iter().collect())), seen: Arc::default() };
        let runtime = Runtime::new().expect("a runtime");
        let _entered = runtime.enter();
        let incoming = TcpIncoming::bind(address).expect("it listens");
        let address = incoming.local_addr().expect("an address");
        let logs = LogsServiceServer::new(told.clone()).accept_compressed(CompressionEncoding::Gzip);
        let traces = TraceServiceServer::new(told.clone()).accept_compressed(CompressionEncoding::Gzip);
        let server = Server::builder().add_service(logs).add_service(traces);
        runtime.spawn(server.serve_with_incoming(incoming));
        drop(_entered);
        Self { told, address, _runtime: runtime }
    }

    fn builder(&self) -> OtlpTransportBuilder {
        OtlpTransport::grpc(format!("http://{}", self.address))
    }

    fn publish(&self) -> Report {
        publish(self.builder().build().expect("a transport"))
    }

    fn seen(&self) -> Vec<String> {
        self.told.seen.lock().expect("no test panics here").clone()
    }
}

fn ok() -> Answer {
    Ok((0, String::new()))
}

fn no(code: Code) -> Answer {
    Err(Status::new(code, "as it was told"))
}

fn later(code: Code) -> Answer {
    let details = come_back(code as i32, "later", Duration::from_millis(1));
    Err(Status::with_details(code, "later", details.into()))
}

#[test]
fn what_may_be_tried_again_is_and_logs_that_are_there_are_not_sent_twice() {
    use Code::{Aborted, Cancelled, DataLoss, DeadlineExceeded, OutOfRange, ResourceExhausted, Unavailable};
    let bare = [Aborted, Cancelled, DataLoss, DeadlineExceeded, OutOfRange, Unavailable].map(no);
    for busy in bare.into_iter().chain([ResourceExhausted, Unavailable].map(later)) {
        let receiver = Receiver::new([busy.clone(), ok(), busy.clone(), ok()]);
        let report = receiver.publish();
        assert_eq!((report.recorded, report.written, report.lost), (3, 3, 0), "{busy:?}: {report:?}");
        assert_eq!(report.sinks[0].errors, 2);
        assert_eq!(receiver.seen(), ["logs", "logs", "traces", "traces"], "{busy:?}");
    }
}

#[test]
fn a_pause_that_is_asked_for_is_kept() {
    let details = come_back(Code::Unavailable as i32, "later", Duration::from_millis(1500));
    let receiver = Receiver::new([Err(Status::with_details(Code::Unavailable, "later", details.into())), ok()]);
    let began = std::time::Instant::now();
    assert_eq!(receiver.publish().written, 3);
    assert!(began.elapsed() >= Duration::from_millis(1500), "{:?}", began.elapsed());
}

#[test]
fn what_makes_no_sense_is_lost_and_counted() {
    let receiver = Receiver::new([no(Code::InvalidArgument), ok()]);
    let report = receiver.publish();
    assert_eq!((report.recorded, report.written, report.losses.of(Cause::Sink)), (3, 0, 3), "{report:?}");
    let said = report.sinks[0].last_error.clone().unwrap_or_default();
    assert!(said.contains("InvalidArgument") && said.contains("as it was told"), "{said}");
}

#[test]
fn what_a_receiver_rejects_is_counted() {
    let receiver = Receiver::new([Ok((2, "too old".to_owned())), no(Code::Unavailable), ok()]);
    let report = receiver.publish();
    assert_eq!((report.recorded, report.written, report.losses.of(Cause::Sink)), (3, 1, 2), "{report:?}");
    assert_eq!((report.sinks[0].state, report.sinks[0].errors), (SinkState::Degraded, 2));
    let said = report.sinks[0].last_error.clone().unwrap_or_default();
    assert!(said.contains("too old"), "{said}");
}

#[test]
fn spans_that_are_refused_for_good_cost_no_record() {
    let receiver = Receiver::new([ok(), no(Code::InvalidArgument), ok()]);
    let report = receiver.publish();
    assert_eq!((report.recorded, report.written, report.lost), (3, 3, 0), "{report:?}");
}

#[test]
fn what_is_too_much_at_once_is_sent_in_smaller_parts() {
    let receiver = Receiver::new([no(Code::ResourceExhausted), ok(), no(Code::OutOfRange), ok()]);
    let transport = receiver.builder().build().expect("a transport");
    let report = publish_at_once(transport, || (0..6).for_each(|row| tracing::info!("{row}")));
    assert_eq!((report.recorded, report.written, report.lost), (6, 6, 0), "{report:?}");
    // All six, three of them, and the others twice.
    assert_eq!((receiver.seen().len(), report.sinks[0].errors), (4, 1), "{report:?}");
}

#[test]
fn a_wrong_token_keeps_records_waiting_and_is_shown_nowhere() {
    let receiver = Receiver::new([no(Code::Unauthenticated), no(Code::PermissionDenied), ok()]);
    let transport = receiver.builder().token(Secret::new("open sesame".to_owned())).gzip();
    let report = publish(transport.build().expect("a transport"));
    assert_eq!((report.written, report.lost, report.sinks[0].errors), (3, 0, 2), "{report:?}");
    assert_eq!(receiver.seen().first().map(String::as_str), Some("logs Bearer open sesame"));
    assert!(!format!("{:?}", receiver.builder().token(Secret::new("sesame".to_owned()))).contains("sesame"));
    assert!(!report.sinks[0].last_error.clone().unwrap_or_default().contains("sesame"));
}

#[test]
fn a_reply_that_is_too_long_is_tried_again() {
    let receiver = Receiver::new([Ok((0, "x".repeat(2 << 20))), ok()]);
    let report = receiver.publish();
    assert_eq!((report.written, report.lost, report.sinks[0].errors), (3, 0, 1), "{report:?}");
}

#[test]
fn a_connection_that_was_closed_in_the_meantime_costs_no_try() {
    let receiver = Receiver::new([ok()]);
    let address = receiver.address;
    let transport = receiver.builder().build().expect("a transport");
    let (layer, guard) = PublishLayer::builder(transport).build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!("to one");
        assert!(guard.flush(LONG).is_complete());
        // With its runtime its connections are gone.
        drop(receiver);
        let _other = Receiver::at(address, [ok()]);
        tracing::info!("to the other");
        assert!(guard.flush(LONG).is_complete());
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_eq!((report.written, report.sinks[0].errors), (2, 0), "{report:?}");
}

#[test]
fn an_address_that_is_none_is_told_without_repeating_it() {
    for url in ["ftp://a", "http://user:secret@a", "http://a/path", "http://a?query", "a:4317", ""] {
        let error = OtlpTransport::grpc(url).build().expect_err(url);
        let said = error.chain().to_string();
        assert!(said.contains("http://") && !said.contains("secret"), "{said}");
    }
    for url in ["http://localhost:4317", "http://localhost:4317/"] {
        OtlpTransport::grpc(url).build().expect(url);
    }
}
