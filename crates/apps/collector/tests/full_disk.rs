//! A collector on a disk that gets full, and has room again: it refuses in time, says so, and loses nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use spanlake_collector::intake::Reason;
use spanlake_collector::queue::Options;
use spanlake_collector::{CANARY_TARGET, Collector, LakePlugin, Match};
use spanlake_publish::{HttpTransport, PublishLayer};
use spanlake_query::{Filter, Lake};
use spanlake_testkit::apart::on_small_disks;
use spanlake_wire::batch::BatchWriter;
use tracing_subscriber::prelude::*;

const LONG: Duration = Duration::from_secs(60);

/// The disk's size.
const DISK_BYTES: usize = 8 << 20;

#[test]
fn at_90_percent_it_refuses_and_goes_on_when_there_is_room() {
    on_small_disks("at_90_percent_it_refuses_and_goes_on_when_there_is_room", &["small"], |folder| {
        fill(&folder.join("small"));
    });
}

fn fill(disk: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let lake = tempfile::tempdir().expect("a folder on another disk");
    let queue = Options::new(disk.join("queue"), (1 << 30).try_into().expect("not zero"));
    let builder = Collector::builder(queue)
        .listen("127.0.0.1:0".parse().expect("an address"))
        .flush_every(Duration::from_millis(20))
        .plugin("lake", Match::default(), LakePlugin::jsonl(lake.path()));
    let collector = runtime.block_on(builder.start()).expect("a collector");
    let transport = HttpTransport::new(format!("http://{}", collector.address())).build().expect("a transport");
    let (layer, guard) =
        PublishLayer::builder(transport).send_every(Duration::from_millis(5)).build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..100).for_each(|row| tracing::info!("before {row}"));
        assert!(guard.flush(LONG).is_complete());
        let ballast = disk.join("ballast");
        fs::write(&ballast, vec![1; DISK_BYTES * 91 / 100]).expect("there is room");
        wait(|| collector.queue().is_disk_full);
        (0..100).for_each(|row| tracing::info!("full {row}"));
        let report = guard.flush(Duration::from_millis(500));
        assert!(report.timed_out && report.pending == 100 && report.lost == 0, "{report:?}");
        let error = report.sinks[0].last_error.clone().unwrap_or_default();
        assert!(error.contains("503"), "{error}");
        assert!(collector.refused(Reason::Full) > 0);
        assert_says_so(collector.address());
        fs::remove_file(ballast).expect("it is there");
        assert!(guard.flush(LONG).is_complete());
        (0..100).for_each(|row| tracing::info!("after {row}"));
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_eq!((report.written, report.lost), (300, 0), "{report:?}");
    assert!(
        ask(collector.address(), b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").contains(" 200 ")
    );
    runtime.block_on(collector.stop()).expect("a good end");
    let counts = messages(lake.path());
    assert_eq!((counts.len(), counts.values().max()), (300, Some(&1)));
}

/// To who sends, to who asks how it is, and in the metrics.
fn assert_says_so(address: SocketAddr) {
    let mut batch = BatchWriter::new();
    batch.push(spanlake_wire::batch::Entry { number: 1, segment: &segment() });
    let body = batch.compress().expect("a body");
    let head = format!(
        "POST /v1/segments HTTP/1.1\r\nhost: x\r\ncontent-encoding: zstd\r\nspanlake-sender: a\r\nspanlake-epoch: 1\r\n\
         spanlake-sequence: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = ask(address, &[head.as_bytes(), &body].concat());
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 10"), "{answer}");
    let health = ask(address, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(health.starts_with("HTTP/1.1 503") && health.contains("the disk is too full"), "{health}");
    let metrics = ask(address, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(metrics.contains("spanlaked_queue_disk_full 1"), "{metrics}");
}

fn segment() -> Vec<u8> {
    use spanlake_core::segment::{Message, RecordHead, SegmentWriter};
    let mut writer = SegmentWriter::new(&spanlake_core::Source::this_process("raw"));
    let head = RecordHead { level: spanlake_core::Level::INFO, callsite: None, task: None, seq: 0, ts_ns: 1 };
    writer.event(&head, &Message::default(), &[]);
    writer.take().bytes().to_vec()
}

fn ask(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("a time");
    stream.write_all(bytes).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn wait(is_so: impl Fn() -> bool) {
    let until = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < until, "it did not come to be");
        std::thread::yield_now();
    }
}

fn messages(lake: &Path) -> BTreeMap<String, usize> {
    let records = Lake::open(lake).expect("a lake").read(&Filter::new()).expect("records");
    let told = records.filter(|record| record.target != CANARY_TARGET).map(|record| record.message);
    told.fold(BTreeMap::new(), |mut counts, message| {
        *counts.entry(message).or_default() += 1;
        counts
    })
}
