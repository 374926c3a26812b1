//! One who sends segments as a publisher numbers them, in batches of a test's choice.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use spanlake_core::OwnedRecord;
use spanlake_publish::{Delivered, Parcel, PublishLayer, Transport, Undelivered};
use spanlake_wire::batch::{BatchWriter, Entry};
use spanlake_wire::exchange::{EPOCH, PATH, Reply, SENDER, SEQUENCE, SERVICE};
use tracing_subscriber::prelude::*;

use crate::LONG;
use crate::oracle::text;
use crate::program::TOKEN;

/// A segment as a publisher sends it, and what is in it.
#[derive(Clone)]
pub(crate) struct Piece {
    number: u64,
    bytes: Vec<u8>,
    pub(crate) records: Vec<OwnedRecord>,
}

/// One who numbers segments; the numbers of all are the same.
pub(crate) struct Sender {
    name: String,
    pub(crate) pieces: Vec<Piece>,
}

/// Keeps what it is given, in place of sending it.
struct Keep(Arc<Mutex<Vec<Piece>>>);

impl Transport for Keep {
    fn name(&self) -> &str {
        "Keep"
    }

    fn send(&mut self, parcel: &Parcel<'_>, _until: Instant) -> Result<Delivered, Undelivered> {
        let mut kept = self.0.lock().expect("nobody panics");
        kept.extend(parcel.segments().map(|(number, segment)| Piece {
            number,
            bytes: segment.bytes().to_vec(),
            records: segment.decode().expect("a segment").records().map(|record| (&record).into()).collect(),
        }));
        Ok(Delivered::default())
    }
}

impl Sender {
    /// One whose tasks are spread over as many segments as asked for.
    pub(crate) fn new(name: &str, segments: u64) -> Self {
        let kept = Arc::default();
        let builder = PublishLayer::builder(Keep(Arc::clone(&kept))).service(name);
        let builder = builder.batch_bytes(NonZeroUsize::new(1).expect("not zero")).send_every(LONG);
        let (layer, guard) = builder.build().expect("a layer");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _job = tracing::info_span!("job").entered();
            for part in 0..segments {
                let _load = tracing::info_span!("load", part).entered();
                (0..part % 20).for_each(|number| tracing::info!(number, "{}", text(name, 0, number)));
                assert!(!guard.flush(LONG).timed_out);
            }
        });
        drop(guard);
        let pieces = kept.lock().expect("nobody panics").clone();
        Self { name: name.to_owned(), pieces }
    }

    /// How many it has, and the body.
    pub(crate) fn body(&self, pieces: &[&Piece]) -> (u64, Vec<u8>) {
        let mut batch = BatchWriter::new();
        pieces.iter().for_each(|piece| batch.push(Entry { number: piece.number, segment: &piece.bytes }));
        (pieces.len() as u64, batch.compress().expect("a body"))
    }

    /// Posts a body on a connection, and gives what a collector says that has it.
    pub(crate) fn post(&self, stream: &mut TcpStream, body: &[u8]) -> Reply {
        let (head, answer) = self.ask(stream, body);
        assert!(head.starts_with("http/1.1 200"), "{head} {answer}");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Posts a body on a connection, and gives the head and the body of the answer.
    pub(crate) fn ask(&self, stream: &mut TcpStream, body: &[u8]) -> (String, String) {
        let Self { name, .. } = self;
        let length = body.len();
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-encoding: zstd\r\n\
             {SENDER}: {name}/1\r\n{EPOCH}: 1\r\n{SEQUENCE}: 1\r\n{SERVICE}: {name}\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("it reads");
        read_answer(stream)
    }
}

fn read_answer(stream: &mut TcpStream) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("it answers");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    let mut body = vec![0; length.expect("a length")];
    stream.read_exact(&mut body).expect("it answers");
    (head, String::from_utf8(body).expect("text"))
}
