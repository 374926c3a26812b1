//! What receivers of OTLP answer, and what comes of it. The receiver is one of HTTP that says what it is told.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use prost::Message;
use spanlake_core::{Cause, Report, SinkState};
use spanlake_publish::{Delivered, OtlpTransport, Parcel, PublishLayer, Transport, Undelivered};
use spanlake_wire::otlp::proto::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use tracing_subscriber::prelude::*;

pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Answers in turn, the last one for ever; gives the paths that were posted to.
fn receiver(answers: Vec<(&'static str, Vec<u8>)>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = listener.local_addr().expect("an address");
    let paths = Arc::new(Mutex::new(Vec::new()));
    let (mut answers, seen) = (VecDeque::from(answers), Arc::clone(&paths));
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let (head, body) =
                if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.expect("one");
            let path = hear(&stream);
            // Before it is answered: who sent it may look at once.
            seen.lock().expect("no test panics here").push(path);
            answer(stream, head, &body);
        }
    });
    (address, paths)
}

/// Reads a request; gives its path.
fn hear(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let line = line.to_lowercase();
        if let Some(rest) = line.strip_prefix("post ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        }
        if let Some(rest) = line.strip_prefix("content-length: ") {
            length = rest.parse().expect("a number");
        }
    }
    reader.read_exact(&mut vec![0; length]).expect("a body");
    path
}

fn answer(mut stream: TcpStream, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    // One that is too long is not read to its end.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// Holds a publisher at its first question, so that what is recorded in the meantime is sent at once.
struct Held {
    transport: OtlpTransport,
    gate: Arc<Barrier>,
    was_asked: bool,
}

impl Transport for Held {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        if self.was_asked {
            return self.transport.send(parcel, until);
        }
        self.was_asked = true;
        self.gate.wait();
        self.gate.wait();
        Ok(Delivered::default())
    }

    fn polls(&self) -> bool {
        !self.was_asked
    }
}

pub(crate) fn publish_at_once(transport: OtlpTransport, record: impl FnOnce()) -> Report {
    let gate = Arc::new(Barrier::new(2));
    let held = Held { transport, gate: Arc::clone(&gate), was_asked: false };
    let (layer, guard) = PublishLayer::builder(held).poll_every(Duration::ZERO).build().expect("a layer");
    gate.wait();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), record);
    gate.wait();
    guard.shutdown(LONG).expect("an end in time")
}

/// A task with an event in it: three logs, and a span.
pub(crate) fn publish(transport: OtlpTransport) -> Report {
    publish_at_once(transport, || tracing::info_span!("load").in_scope(|| tracing::info!("wrote")))
}

fn publish_to(at: SocketAddr) -> Report {
    publish(OtlpTransport::new(format!("http://{at}")).build().expect("a transport"))
}

fn paths(seen: &Mutex<Vec<String>>) -> Vec<String> {
    seen.lock().expect("no test panics here").clone()
}

#[test]
fn what_may_be_tried_again_is_and_logs_that_are_there_are_not_sent_twice() {
    for busy in ["429 Too Many", "502 Bad", "503 Busy\r\nretry-after: 0", "504 Late"] {
        let ok = ("200 OK", Vec::new());
        let (at, seen) = receiver(vec![(busy, b"later".to_vec()), ok.clone(), (busy, Vec::new()), ok]);
        let report = publish_to(at);
        assert_eq!((report.recorded, report.written, report.lost), (3, 3, 0), "{busy}: {report:?}");
        assert_eq!(report.sinks[0].errors, 2);
        assert_eq!(paths(&seen), ["/v1/logs", "/v1/logs", "/v1/traces", "/v1/traces"], "{busy}");
    }
}

#[test]
fn what_a_receiver_rejects_is_counted() {
    let partial = ExportLogsPartialSuccess { rejected_log_records: 2, error_message: "too old".to_owned() };
    let partial = ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    // It is not forgotten over spans that have to be sent again.
    let (at, _) = receiver(vec![("200 OK", partial), ("503 Busy", Vec::new()), ("200 OK", Vec::new())]);
    let report = publish_to(at);
    assert_eq!((report.recorded, report.written, report.losses.of(Cause::Sink)), (3, 1, 2), "{report:?}");
    assert_eq!(report.sinks[0].state, SinkState::Degraded);
    let said = report.sinks[0].last_error.clone().unwrap_or_default();
    assert!(said.contains("too old"), "{said}");
    assert_eq!(report.sinks[0].errors, 2);
}

#[test]
fn spans_that_are_refused_for_good_cost_no_record() {
    let (at, _) =
        receiver(vec![("200 OK", Vec::new()), ("400 Bad", b"no spans here".to_vec()), ("200 OK", Vec::new())]);
    let report = publish_to(at);
    assert_eq!((report.recorded, report.written, report.lost), (3, 3, 0), "{report:?}");
    assert!(report.sinks[0].last_error.clone().unwrap_or_default().contains("no spans here"));
}

#[test]
fn a_reply_that_is_too_long_or_makes_no_sense_is_tried_again() {
    for body in [vec![b'x'; 2 << 20], b"\xff\xff\xff".to_vec()] {
        let ok = ("200 OK", Vec::new());
        let (at, _) = receiver(vec![("200 OK", body), ok]);
        let report = publish_to(at);
        assert_eq!((report.written, report.lost, report.sinks[0].errors), (3, 0, 1), "{report:?}");
    }
}

#[test]
fn after_one_record_that_was_too_much_requests_grow_again() {
    // 64 records are too much, and half of them, and at last one alone; from then on everything is taken.
    let mut answers = vec![("413 Too Large", Vec::new()); 7];
    answers.push(("200 OK", Vec::new()));
    let (at, seen) = receiver(answers);
    let transport = OtlpTransport::new(format!("http://{at}")).build().expect("a transport");
    let report = publish_at_once(transport, || (0..64).for_each(|row| tracing::info!("{row}")));
    assert_eq!((report.recorded, report.written, report.lost), (64, 63, 1), "{report:?}");
    // By an eighth and one each time: 1, 2, 3 and so on, 11 requests for what is left.
    assert_eq!(paths(&seen).len(), 7 + 11);
}
