//! `spanlaked` under siege: bombs, floods and a thousand idle connections at once. It goes on, serves who is honest, counts each by
//! reason, and its memory stays within bounds.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use spanlake_publish::{HttpTransport, PublishLayer};
use spanlake_wire::batch::{BatchWriter, Entry};
use tracing_subscriber::prelude::*;

const LONG: Duration = Duration::from_secs(60);

const CONFIG: &str = "\
listen: 127.0.0.1:0
queue: { folder: queue, max: 64 MiB }
limits: { body: 4 MiB, batch: 16 MiB, held: 32 MiB, connections: 1500, patience: 20 s }
plugins:
  log: { kind: file, path: records.jsonl, renderer: json }
";

/// What it may take: what bodies are held, what two batches are at once when they are decompressed and cut into segments, 64 KiB of
/// each connection, what the queue holds, and what it takes when it has nothing to do.
const MOST_MIB: u64 = 32 + 2 * 2 * 16 + 1500 / 16 + 64 + 64;

/// Senders of bombs at once.
const SENDERS: usize = 8;

struct Daemon {
    process: Child,
    address: String,
}

impl Daemon {
    fn start(folder: &std::path::Path) -> Self {
        fs::write(folder.join("spanlaked.yaml"), CONFIG).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanlaked"));
        command.current_dir(folder).args(["run", "--config", "spanlaked.yaml"]).stderr(Stdio::piped());
        let mut process = command.spawn().expect("it runs");
        let mut lines = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        let line = lines.find_map(|line| line.ok()?.strip_prefix("spanlaked: listening on ").map(str::to_owned));
        thread::spawn(move || lines.for_each(drop));
        Self { process, address: line.expect("it says where") }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(LONG)).expect("a time");
        stream.set_write_timeout(Some(LONG)).expect("a time");
        stream
    }

    /// Posts a body, and gives the answer.
    fn post(&self, path: &str, headers: &str, body: &[u8]) -> String {
        let mut stream = self.connect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Posts a body until it is looked at: where much comes at once, some are asked to come back.
    fn insist(&self, path: &str, headers: &str, body: &[u8]) -> String {
        let until = Instant::now() + LONG;
        loop {
            let answer = self.post(path, headers, body);
            if !answer.starts_with("HTTP/1.1 503") || Instant::now() > until {
                return answer;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The most memory it ever had, in MiB.
    fn peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it has memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    fn refused(&self, reason: &str) -> u64 {
        let mut stream = self.connect();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("asked");
        let mut metrics = String::new();
        stream.read_to_string(&mut metrics).expect("an answer");
        let head = format!("spanlaked_refused_total{{reason=\"{reason}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&head)?.parse().ok()).expect("it is counted")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const SEGMENTS: &str =
    "content-encoding: zstd\r\nspanlake-sender: bomber\r\nspanlake-epoch: 1\r\nspanlake-sequence: 1\r\n";

const OTLP: &str = "content-type: application/x-protobuf\r\ncontent-encoding: gzip\r\n";

/// A batch of zeros that has so many MiB.
fn zeros(mib: usize) -> Vec<u8> {
    let mut batch = BatchWriter::new();
    batch.push(Entry { number: 1, segment: &vec![0; mib << 20] });
    batch.compress().expect("a body")
}

fn gzip(mut bytes: impl Read) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::copy(&mut bytes, &mut writer).expect("memory");
    writer.finish().expect("memory")
}

#[test]
fn bombs_floods_and_idle_connections_take_no_more_memory_than_is_allowed() {
    let scratch = tempfile::tempdir().expect("a folder");
    let daemon = Daemon::start(scratch.path());
    let huge = gzip(std::io::repeat(0).take(64 << 20));
    // What a window of 128 MiB would be reserved for, and of 2 GiB.
    let (wide, wider) = (b"\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00", b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00");
    let bombs: [(&str, &str, Vec<u8>, &str); 8] = [
        ("/v1/segments", SEGMENTS, zeros(64), "413"),
        ("/v1/segments", SEGMENTS, zeros(15), "200"),
        ("/v1/segments", SEGMENTS, wide.to_vec(), "400"),
        ("/v1/segments", SEGMENTS, wider.to_vec(), "400"),
        ("/v1/logs", OTLP, huge.clone(), "413"),
        ("/v1/traces", OTLP, gzip(&huge[..]), "400"),
        (
            "/v1/logs",
            "content-type: application/x-protobuf\r\ncontent-encoding: gzip, gzip\r\n",
            gzip(&huge[..]),
            "415",
        ),
        ("/v1/logs", "content-type: application/x-protobuf\r\ncontent-encoding: zstd\r\n", zeros(64), "413"),
    ];
    let idle: Vec<_> = (0..1000).map(|_| daemon.connect()).collect();
    // Heads and bodies that stop short of their end, as much of them as is taken.
    let head = [b"GET / HTTP/1.1\r\na: ".to_vec(), vec![b'b'; 60 << 10]].concat();
    let body = format!("POST /v1/segments HTTP/1.1\r\nhost: x\r\n{SEGMENTS}content-length: 4000000\r\n\r\n");
    let body = [body.as_bytes(), &[0; 1 << 20]].concat();
    let stuck: Vec<_> = (0..200)
        .map(|number| {
            let mut stream = daemon.connect();
            let _ = stream.write_all(if number % 4 == 0 { &body } else { &head });
            stream
        })
        .collect();
    let url = format!("http://{}", daemon.address);
    let transport = HttpTransport::new(url).build().expect("a transport");
    let (layer, guard) =
        PublishLayer::builder(transport).send_every(Duration::from_millis(5)).build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        thread::scope(|scope| {
            let throw = || {
                bombs.iter().for_each(|(path, headers, body, status)| {
                    let answer = daemon.insist(path, headers, body);
                    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {headers}: {answer}");
                })
            };
            let throwing: Vec<_> = (0..SENDERS).map(|_| scope.spawn(throw)).collect();
            for row in 0.. {
                tracing::info!("honest {row}");
                let report = guard.flush(LONG);
                assert!(report.is_complete(), "{report:?}");
                if throwing.iter().all(thread::ScopedJoinHandle::is_finished) {
                    break;
                }
            }
            throwing.into_iter().for_each(|one| one.join().expect("each is answered"));
        });
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert!(report.is_complete() && report.lost == 0, "{report:?}");
    let peak = daemon.peak_mib();
    println!("at most {peak} MiB");
    assert!(peak <= MOST_MIB, "{peak} MiB of {MOST_MIB}");
    for reason in ["too_large", "malformed", "encoding", "damaged"] {
        assert!(daemon.refused(reason) > 0, "{reason}");
    }
    drop((idle, stuck));
}
