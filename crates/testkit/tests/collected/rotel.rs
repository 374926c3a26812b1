//! Rotel, a collector of OpenTelemetry that is none of ours, takes what the OTLP transport sends and passes it on: nothing is lost of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use spanlake_core::segment::merge;
use spanlake_core::{Kind, Outcome, OwnedRecord, RecordKey};
use spanlake_publish::{Delivered, OtlpTransport, Parcel, PublishLayer, Transport, Undelivered};
use tracing_subscriber::prelude::*;

use super::installed;
use super::stand::{LONG, Stand, here};

/// Takes OTLP by both protocols, prints spans, and passes everything on by one of them.
struct Rotel {
    process: Child,
    scratch: tempfile::TempDir,
    grpc: SocketAddr,
    http: SocketAddr,
}

impl Rotel {
    fn start(protocol: &str, to: SocketAddr) -> Self {
        let scratch = tempfile::tempdir().expect("a folder");
        let (grpc, http) = (free_address(), free_address());
        let program = PathBuf::from(site_packages()).join("rotel/rotel-agent");
        let said = File::create(scratch.path().join("said")).expect("a file");
        let process = Command::new(program)
            .args(["start", "--batch-timeout", "50ms", "--exporter", "otlp", "--otlp-exporter-protocol", protocol])
            .args(["--otlp-exporter-endpoint", &format!("http://{to}"), "--debug-log", "traces"])
            .args(["--debug-log-verbosity", "detailed", "--otlp-grpc-endpoint", &grpc.to_string()])
            .args(["--otlp-http-endpoint", &http.to_string(), "--pid-file"])
            .arg(scratch.path().join("pid"))
            .arg("--log-file")
            .arg(scratch.path().join("log"))
            .stdout(said)
            .stderr(Stdio::null())
            .spawn()
            .expect("rotel starts");
        let rotel = Self { process, scratch, grpc, http };
        let until = Instant::now() + LONG;
        while [grpc, http].iter().any(|address| TcpStream::connect(address).is_err()) {
            assert!(Instant::now() < until, "rotel does not listen: {}", rotel.said());
            std::thread::yield_now();
        }
        rotel
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("said")).expect("a text")
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn site_packages() -> String {
    let asked = Command::new(installed("bin/python"))
        .args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        .output()
        .expect("python");
    String::from_utf8(asked.stdout).expect("a path").trim().to_owned()
}

fn free_address() -> SocketAddr {
    TcpListener::bind(here()).and_then(|listener| listener.local_addr()).expect("an address")
}

/// A transport that remembers what was delivered.
struct Remembering {
    inner: OtlpTransport,
    sent: Arc<Mutex<Vec<OwnedRecord>>>,
}

impl Transport for Remembering {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let delivered = self.inner.send(parcel, until)?;
        let (decoded, _) = parcel.decode();
        let records = merge(&decoded).map(|record| OwnedRecord::from(&record));
        self.sent.lock().expect("no test panics here").extend(records);
        Ok(delivered)
    }
}

/// Tasks in tasks, fields of every type, and an end that failed.
fn program() {
    let _job = tracing::info_span!("job", user = "ada").entered();
    for table in ["orders", "items"] {
        let load = tracing::info_span!("load", table, rows = tracing::field::Empty);
        let _load = load.enter();
        load.record("rows", 500_u64);
        (0..200_i64).for_each(|row| tracing::debug!(row, ok = row % 2 == 0, ratio = 0.1, "{table} {row}"));
        tracing::warn!(most = u64::MAX, least = i64::MIN, large = u128::MAX, text = "\u{e9}\"\\", "at the edge");
        let error: &dyn std::error::Error = &std::io::Error::other("no room");
        tracing::error!(error, bytes = b"\x00\xff".as_slice(), "it did not fit");
    }
    fail().expect_err("as it was told");
}

#[tracing::instrument(err)]
fn fail() -> Result<(), std::io::Error> {
    Err(std::io::Error::other("no such table"))
}

fn by_key(records: &[OwnedRecord]) -> BTreeMap<RecordKey, OwnedRecord> {
    records.iter().map(|record| (record.key.clone().expect("all is in tasks"), record.clone())).collect()
}

/// A line such as `    Name           : load`.
fn has(span: &str, name: &str, value: &str) -> bool {
    span.lines().any(|line| line.trim().split_once(':').is_some_and(|(n, v)| (n.trim(), v.trim()) == (name, value)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn goes_through(protocol: &str, transport: impl FnOnce(&Rotel) -> OtlpTransport) {
    let stand = Stand::new();
    let collector = stand.start(|builder| builder);
    let rotel = Rotel::start(protocol, collector.address());
    let sent = Arc::default();
    let remembering = Remembering { inner: transport(&rotel), sent: Arc::clone(&sent) };
    let builder =
        PublishLayer::builder(remembering).service("orders").level(tracing::level_filters::LevelFilter::DEBUG);
    let (layer, guard) = builder.build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), program);
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_eq!((report.recorded, report.written, report.sinks[0].errors), (413, 413, 0), "{report:?}");
    let received = stand.stop_with(collector, 413);
    let sent = sent.lock().expect("no test panics here").clone();
    assert_eq!(received.len(), 413, "nothing is there twice");
    let (sent, received) = (by_key(&sent), by_key(&received));
    for (key, record) in &sent {
        assert_eq!(received.get(key), Some(record), "{protocol}");
    }
    has_spans(&rotel.said(), sent.values().filter(|record| record.kind == Kind::End));
}

/// Rotel has read of each end what others look at.
fn has_spans<'a>(said: &str, ends: impl Iterator<Item = &'a OwnedRecord>) {
    let spans: Vec<&str> = said.split("\nSpan #").skip(1).collect();
    let mut count = 0;
    for end in ends {
        let task = &end.key.as_ref().expect("a key").task;
        let span_id = hex(&task.span_id());
        let span = spans.iter().find(|span| has(span, "ID", &span_id)).unwrap_or_else(|| panic!("{end:?}: {said}"));
        let parent = task.parent().map(|parent| hex(&parent.span_id())).unwrap_or_default();
        let (code, message) = match end.outcome {
            Some(Outcome::Failed) => ("STATUS_CODE_ERROR", "no such table"),
            _ => ("STATUS_CODE_OK", ""),
        };
        for (name, value) in [
            ("Trace ID", hex(&task.trace_id()).as_str()),
            ("Parent ID", &parent),
            ("Name", &end.task.clone().unwrap_or_default()),
            ("Status code", code),
            ("Status message", message),
            ("-> spanlake.key", &format!("Str({})", end.key.as_ref().expect("a key"))),
        ] {
            assert!(has(span, name, value), "{name}: {value}, not in:\n{span}");
        }
        count += 1;
    }
    assert_eq!((count, spans.len()), (4, 4));
}

#[test]
fn it_takes_logs_and_spans_by_grpc_and_passes_them_on_by_grpc() {
    goes_through("grpc", |rotel| OtlpTransport::grpc(format!("http://{}", rotel.grpc)).build().expect("a transport"));
}

#[test]
fn it_takes_logs_and_spans_by_http_and_passes_them_on_by_http() {
    goes_through("http", |rotel| OtlpTransport::new(format!("http://{}", rotel.http)).build().expect("a transport"));
}

#[test]
fn it_takes_what_is_compressed() {
    goes_through("http", |rotel| {
        OtlpTransport::grpc(format!("http://{}", rotel.grpc)).gzip().build().expect("a transport")
    });
    goes_through("grpc", |rotel| {
        OtlpTransport::new(format!("http://{}", rotel.http)).gzip().build().expect("a transport")
    });
}
