//! OTLP by gRPC: what a client of tonic sends is kept, and what is no call is refused by reason and stops nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use spanlake_collector::{LakePlugin, Limits, Right, Token, Tokens};
use spanlake_core::{Kind, Secret};
use spanlake_wire::otlp::grpc::{LOGS, TRACES, pause};
use spanlake_wire::otlp::proto::collector::logs::v1::ExportLogsServiceRequest;
use spanlake_wire::otlp::proto::collector::logs::v1::logs_service_client::LogsServiceClient;
use spanlake_wire::otlp::proto::collector::trace::v1::ExportTraceServiceRequest;
use spanlake_wire::otlp::proto::collector::trace::v1::trace_service_client::TraceServiceClient;
use spanlake_wire::otlp::proto::common::v1::AnyValue;
use spanlake_wire::otlp::proto::common::v1::any_value::Value;
use spanlake_wire::otlp::proto::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use spanlake_wire::otlp::proto::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::runtime::Runtime;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};

use super::stand::{LONG, Running, Stand, publish};

fn logs(message: &str) -> ExportLogsServiceRequest {
    let body = Some(AnyValue { value: Some(Value::StringValue(message.to_owned())) });
    let log_records = vec![LogRecord { body, ..LogRecord::default() }];
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
}

fn spans(name: &str) -> ExportTraceServiceRequest {
    let span = Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: name.to_owned(), ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

/// Runs a collector with these limits and a lake.
fn run(stand: &Stand, limits: Limits) -> Running<'_> {
    stand.run(stand.builder().limits(limits).plugin("lake", Default::default(), LakePlugin::jsonl(stand.lake())))
}

/// A message behind what says that it is compressed, or is not.
fn framed(is_compressed: bool, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a length").to_be_bytes();
    [&[u8::from(is_compressed)], length.as_slice(), message].concat()
}

/// What comes back over HTTP/2: the status of HTTP, and that of gRPC.
async fn call(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (u16, Option<Status>) {
    let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::post(format!("http://{address}{path}")).version(Version::HTTP_2);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = client.send_request(request.body(body.into()).expect("a request")).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let mut body = Body::new(body);
    let trailers = loop {
        match http_body_util::BodyExt::frame(&mut body).await {
            None => break None,
            Some(frame) => match frame.expect("a frame").into_trailers() {
                Ok(trailers) => break Some(trailers),
                Err(_) => continue,
            },
        }
    };
    let status = Status::from_header_map(&parts.headers).or_else(|| Status::from_header_map(&trailers?));
    (parts.status.as_u16(), status)
}

/// A body that never comes.
struct Never;

impl HttpBody for Never {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// How often something was refused for this reason.
fn refused(address: SocketAddr, reason: &str) -> u64 {
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let line = format!("spanlaked_refused_total{{reason=\"{reason}\"}} ");
    answer.lines().find_map(|told| told.strip_prefix(&line)?.parse().ok()).expect("it is counted")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A frame whose reader is to remember 64 MiB.
fn far_back() -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory");
    encoder.window_log(26).expect("a window");
    encoder.write_all(&logs("far").encode_to_vec()).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn logs_and_spans_of_a_client_of_tonic_are_kept_however_they_are_compressed() {
    let stand = Stand::new();
    let running = stand.start();
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut plain = LogsServiceClient::connect(running.url()).await.expect("a connection");
        let answer = plain.export(logs("plain")).await.expect("it is kept").into_inner();
        assert_eq!(answer.partial_success, None);
        for (encoding, name) in [(CompressionEncoding::Gzip, "gzip"), (CompressionEncoding::Zstd, "zstd")] {
            let mut client = LogsServiceClient::connect(running.url()).await.expect("a connection");
            client = client.send_compressed(encoding).accept_compressed(encoding);
            client.export(logs(name)).await.expect("it is kept");
        }
        let mut client = TraceServiceClient::connect(running.url()).await.expect("a connection");
        client.export(spans("load")).await.expect("it is kept");
        // Many at once on one connection.
        let calls: Vec<_> = (0..100).map(|_| tokio::spawn(exported(plain.clone(), "at once"))).collect();
        for call in calls {
            call.await.expect("no panic");
        }
    });
    running.wait(|collector| collector.plugins()[0].written >= 105);
    running.stop();
    let messages = stand.messages();
    for (message, count) in [("plain", 1), ("gzip", 1), ("zstd", 1), ("load", 2), ("at once", 100)] {
        assert_eq!(messages.get(message), Some(&count), "{message}: {messages:?}");
    }
    let kinds: Vec<Kind> =
        stand.records().into_iter().filter(|record| record.message == "load").map(|record| record.kind).collect();
    assert!(kinds.contains(&Kind::Begin) && kinds.contains(&Kind::End));
}

async fn exported(mut client: LogsServiceClient<tonic::transport::Channel>, message: &str) {
    client.export(logs(message)).await.expect("it is kept");
}

#[test]
fn what_is_no_call_is_refused_by_reason_and_stops_nothing() {
    let stand = Stand::new();
    let mut limits = Limits::default();
    (limits.body_bytes, limits.batch_bytes) = (1 << 20, 4 << 20);
    let running = run(&stand, limits);
    let message = logs("kept").encode_to_vec();
    let whole = framed(false, &message);
    let (zeros, zipped) = (vec![0; 32 << 20], ("grpc-encoding", "gzip"));
    let zstd = ("grpc-encoding", "zstd");
    let (twice, bomb) = ([&*whole, &*whole].concat(), framed(true, &gzip(&zeros)));
    let zstd_bomb = framed(true, &zstd::encode_all(&*zeros, 1).expect("memory"));
    assert!(bomb.len() < 1 << 20 && zstd_bomb.len() < 1 << 20, "bombs are small");
    let table: [(&str, Headers<'_>, Vec<u8>, Code); 15] = [
        ("malformed", vec![], vec![], Code::InvalidArgument),
        ("malformed", vec![], whole[..3].to_vec(), Code::InvalidArgument),
        ("malformed", vec![], whole[..whole.len() - 1].to_vec(), Code::InvalidArgument),
        ("malformed", vec![], twice, Code::InvalidArgument),
        ("malformed", vec![], [&[2], &whole[1..]].concat(), Code::InvalidArgument),
        ("malformed", vec![], framed(false, b"\xff\xff\xff"), Code::InvalidArgument),
        ("malformed", vec![], framed(true, &gzip(&message)), Code::InvalidArgument),
        ("malformed", vec![zipped], framed(true, b"no gzip"), Code::InvalidArgument),
        ("malformed", vec![zstd], framed(true, &far_back()), Code::InvalidArgument),
        ("encoding", vec![("grpc-encoding", "br")], framed(true, &message), Code::Unimplemented),
        ("too_large", vec![], vec![0, 0xff, 0xff, 0xff, 0xff], Code::ResourceExhausted),
        ("too_large", vec![], framed(false, &vec![0; 2 << 20]), Code::ResourceExhausted),
        ("too_large", vec![], framed(false, &b"\x0a\0".repeat(300_000)), Code::ResourceExhausted),
        ("too_large", vec![zipped], bomb, Code::ResourceExhausted),
        ("too_large", vec![zstd], zstd_bomb, Code::ResourceExhausted),
    ];
    let runtime = Runtime::new().expect("a runtime");
    for (reason, headers, body, code) in table {
        let before = refused(running.address, reason);
        let headers: Vec<_> = [GRPC].into_iter().chain(headers).collect();
        let (http, status) = runtime.block_on(call(running.address, LOGS, &headers, body));
        let status = status.expect("it has a status");
        assert_eq!((http, status.code()), (200, code), "{reason}: {status:?}");
        assert_eq!(pause(status.details()), None, "it does not help to come back: {status:?}");
        assert_eq!(refused(running.address, reason), before + 1, "{status:?}");
    }
    for path in [LOGS, TRACES] {
        for kind in ["application/grpc-web", "application/grpc+json", "application/x-protobuf", ""] {
            let (http, _) = runtime.block_on(call(running.address, path, &[("content-type", kind)], whole.clone()));
            assert_eq!(http, 415, "{kind}");
        }
    }
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc; x=y"] {
        let (_, status) = runtime.block_on(call(running.address, LOGS, &[("content-type", kind)], whole.clone()));
        assert_eq!(status.expect("it has one").code(), Code::Ok, "{kind}");
    }
    assert_eq!(publish(running.publisher(), |_| tracing::info!("still here")).written, 1);
    running.stop();
    assert_eq!(
        stand.messages().into_iter().collect::<Vec<_>>(),
        [("kept".to_owned(), 3), ("still here".to_owned(), 1)]
    );
}

#[test]
fn where_otlp_is_not_taken_there_is_nothing() {
    let stand = Stand::new();
    let running = stand.run(stand.builder().otlp(false));
    let runtime = Runtime::new().expect("a runtime");
    for (path, kind) in
        [(LOGS, "application/grpc"), (TRACES, "application/grpc"), ("/v1/logs", "application/x-protobuf")]
    {
        let (http, _) = runtime.block_on(call(running.address, path, &[("content-type", kind)], framed(false, b"")));
        assert_eq!(http, 404, "{path}");
    }
}

#[test]
fn who_has_no_token_no_right_no_quota_or_no_room_is_told_and_when_to_come_back() {
    let token = |name: &str, right| Token::new(name, Secret::new(name.to_owned()), [right]);
    let tokens = Tokens::new(vec![token("orders", Right::Publish), token("operator", Right::Control)]);
    let stand = Stand::new();
    let mut limits = Limits::default();
    limits.held_bytes = 4 << 10;
    limits.sender_bytes_per_second = NonZeroU64::new(100);
    let lake = LakePlugin::jsonl(stand.lake());
    let running = stand.run(stand.builder().limits(limits).tokens(tokens).plugin("lake", Default::default(), lake));
    let runtime = Runtime::new().expect("a runtime");
    let ask = |token: &str, message: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [GRPC, ("authorization", authorization.as_str())];
        let body = framed(false, &logs(message).encode_to_vec());
        runtime.block_on(call(running.address, LOGS, &headers, body)).1.expect("it has a status")
    };
    assert_eq!(ask("nobody", "kept out").code(), Code::Unauthenticated);
    assert_eq!(ask("operator", "kept out").code(), Code::PermissionDenied);
    let crowded = ask("orders", &"long ".repeat(2000));
    assert_eq!((crowded.code(), pause(crowded.details()).is_some()), (Code::Unavailable, true), "{crowded:?}");
    let answers: Vec<Status> = (0..20).map(|_| ask("orders", &"often ".repeat(20))).collect();
    assert_eq!(answers[0].code(), Code::Ok);
    let over = answers.iter().find(|status| status.code() != Code::Ok).expect("it is too much");
    assert_eq!(over.code(), Code::ResourceExhausted, "{over:?}");
    assert!(pause(over.details()).is_some_and(|pause| !pause.is_zero()), "{over:?}");
    for reason in ["unauthorized", "forbidden", "full", "quota"] {
        assert!(refused(running.address, reason) > 0, "{reason}");
    }
    running.stop();
    assert!(!stand.messages().contains_key("kept out"));
}

#[test]
fn who_says_nothing_over_http_2_keeps_nobody_out() {
    let stand = Stand::new();
    let mut limits = Limits::default();
    (limits.patience, limits.connections) = (Duration::from_secs(2), 100);
    let running = run(&stand, limits);
    // Half of them say hello, and nothing after that.
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let idle: Vec<TcpStream> = (0..98)
        .map(|number| {
            let mut stream = TcpStream::connect(running.address).expect("a connection");
            stream.write_all(&hello[..if number % 2 == 0 { hello.len() } else { 4 }]).expect("it is taken");
            stream
        })
        .collect();
    assert_eq!(publish(running.publisher(), |_| tracing::info!("among them")).written, 1);
    // A call that begins and does not come is given up.
    let runtime = Runtime::new().expect("a runtime");
    let (_, status) = runtime.block_on(call(running.address, LOGS, &[GRPC], Body::new(Never)));
    assert_eq!(status.expect("it has one").code(), Code::DeadlineExceeded);
    for mut stream in idle {
        stream.set_read_timeout(Some(LONG)).expect("a time");
        while stream.read(&mut [0; 512]).is_ok_and(|count| count > 0) {}
    }
    assert_eq!(refused(running.address, "slow"), 98 + 1, "who never asked for anything, and the call");
    running.stop();
}

#[test]
fn a_connection_that_is_idle_does_not_delay_the_end() {
    let stand = Stand::new();
    let running = stand.start();
    let transport = spanlake_publish::OtlpTransport::grpc(running.url()).build().expect("a transport");
    let (layer, guard) = super::stand::publisher(transport).build().expect("a layer");
    tracing::subscriber::with_default(
        tracing_subscriber::layer::SubscriberExt::with(tracing_subscriber::registry(), layer),
        || tracing::info!("kept"),
    );
    assert!(guard.flush(LONG).is_complete());
    running.wait(|collector| collector.plugins()[0].written >= 1);
    let began = Instant::now();
    running.stop();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(stand.messages().contains_key("kept"));
}
