//! What comes: also where there is no room for it, nothing to be made of it, or nobody for a while.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use spanlake_collector::queue::Options;
use spanlake_collector::{Collector, JetStream, LakePlugin, Match};
use spanlake_core::segment::{Message, RecordHead, SegmentWriter};
use spanlake_core::{Level, Source};
use spanlake_wire::batch::{BatchWriter, Entry};

use super::server::{Nats, counted, until};
use crate::collecting::stand::{LONG, Stand, publish, publisher};

const STORED: &str = r#"jetstream_messages_total{receiver="all",outcome="stored"}"#;
const GIVEN_BACK: &str = r#"jetstream_messages_total{receiver="all",outcome="given_back"}"#;
const TERMINATED: &str = r#"jetstream_messages_total{receiver="all",outcome="terminated"}"#;

#[test]
fn what_there_is_no_room_for_is_given_back_and_comes_when_there_is() {
    let (nats, stand) = (Nats::start(), Stand::new());
    let long = "x".repeat(20_000);
    nats.publish(&[&*"y".repeat(100_000)]);
    nats.publish(&[&*long; 8]);
    // Without a plugin nothing leaves the queue.
    let most = NonZeroU64::new(64 << 10).expect("not zero");
    let options = Options::new(stand.scratch.path().join("queue"), most).most_disk_percent(100);
    let small = Collector::builder(options).listen("127.0.0.1:0".parse().expect("an address"));
    let mut receiver = nats.receiver();
    receiver.batch = NonZeroU32::MIN;
    let running = stand.run(small.jetstream("all", receiver));
    until("some are given back", || counted(&running, GIVEN_BACK) > 0);
    assert!(counted(&running, r#"refused_total{reason="full"}"#) > 0);
    assert_eq!(counted(&running, TERMINATED), 1, "what is longer than the whole queue");
    let stored = counted(&running, STORED);
    assert!((1..8).contains(&stored), "{stored}");
    assert_eq!(nats.state("SPANLAKE").state.messages, 8 - stored, "the others are there, for whoever has room");
    running.stop();

    let running = nats.collect(&stand);
    nats.wait_until_empty();
    running.wait(|collector| collector.plugins()[0].written >= 8);
    running.stop();
    assert_eq!(stand.messages().into_values().collect::<Vec<_>>(), [8]);
}

#[test]
fn what_nobody_can_read_is_ended_and_counted_and_stops_nothing() {
    let (nats, stand) = (Nats::start(), Stand::new());
    nats.publish(&["before"]);
    let batch = |segments: &[&[u8]]| {
        let mut batch = BatchWriter::new();
        segments.iter().for_each(|segment| batch.push(Entry { number: 0, segment }));
        batch.compress().expect("memory")
    };
    let bomb = batch(&[&vec![0; 100 << 20]]);
    for junk in [b"nothing".to_vec(), Vec::new(), batch(&[]), batch(&[b"no segment"]), batch(&[b"one", b"two"]), bomb] {
        nats.send("spanlake.segments.junk".to_owned(), Default::default(), junk);
    }
    nats.publish(&["after"]);
    let running = nats.collect(&stand);
    nats.wait_until_empty();
    running.wait(|collector| collector.plugins()[0].written >= 2);
    assert_eq!(counted(&running, TERMINATED), 6);
    assert_eq!(counted(&running, r#"refused_total{reason="malformed"}"#), 4);
    assert_eq!(counted(&running, r#"refused_total{reason="damaged"}"#), 1);
    assert_eq!(counted(&running, r#"refused_total{reason="too_large"}"#), 1);
    running.stop();
    assert_eq!(stand.messages().into_iter().collect::<Vec<_>>(), [("after".to_owned(), 1), ("before".to_owned(), 1)]);
}

#[test]
fn a_server_that_is_not_there_yet_or_goes_is_come_back_to_and_holds_up_no_other_receiver() {
    let (mut nats, stand) = (Nats::start(), Stand::new());
    nats.server.stop();
    let running = nats.collect(&stand);
    publish(running.publisher(), |_| tracing::info!("over HTTP"));
    running.wait(|collector| collector.plugins()[0].written >= 1);
    for (round, text) in ["first", "second", "third"].into_iter().enumerate() {
        nats.server.start();
        nats.publish(&[text]);
        running.wait(|collector| collector.plugins()[0].written >= round as u64 + 2);
        nats.wait_until_empty();
        nats.server.stop();
    }
    running.stop();
    assert_eq!(stand.messages().into_values().collect::<Vec<_>>(), [1; 4]);
}

#[test]
fn what_a_publisher_keeps_while_the_server_is_away_is_there_once() {
    let (mut nats, stand) = (Nats::start(), Stand::new());
    let running = nats.collect(&stand);
    let report = publish(publisher(nats.transport()), |guard| {
        for round in 0..2 {
            tracing::info!("{round}");
            assert!(guard.flush(LONG).is_complete());
            nats.server.stop();
            tracing::info!("{round}, while it is away");
            nats.server.start();
        }
    });
    assert!(report.is_complete(), "{report:?}");
    running.wait(|collector| collector.plugins()[0].written >= 4);
    nats.wait_until_empty();
    running.stop();
    assert_eq!(stand.messages().into_values().collect::<Vec<_>>(), [1; 4]);
}

/// Something before a server that ends a connection, once it is told to, in place of handing on that it is asked for what there is.
struct Gate {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
}

impl Gate {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
        let (address, ends) = (listener.local_addr().expect("an address"), Arc::new(AtomicBool::new(false)));
        let gate = Self { address, ends: Arc::clone(&ends) };
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                let far = TcpStream::connect(server).expect("the server is there");
                let back = (far.try_clone().expect("a handle"), near.try_clone().expect("a handle"));
                let ends = Arc::clone(&ends);
                let is_asked = |bytes: &[u8]| bytes.windows(14).any(|part| part == b"\"no_wait\":true");
                thread::spawn(move || carry(near, far, |bytes| is_asked(bytes) && ends.swap(false, Ordering::Relaxed)));
                thread::spawn(move || carry(back.0, back.1, |_| false));
            }
        });
        gate
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, ends: impl Fn(&[u8]) -> bool) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes)
        && !ends(&bytes[..count])
        && to.write_all(&bytes[..count]).is_ok()
    {}
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn a_connection_that_ends_while_messages_are_asked_for_is_come_back_to() {
    let (nats, stand) = (Nats::start(), Stand::new());
    nats.publish(&["before"]);
    let gate = Gate::to(nats.server.address);
    let receiver = JetStream::new(format!("nats://{}", gate.address), "SPANLAKE", "spanlaked");
    let mut wanted = Match::default();
    wanted.services = vec!["orders".to_owned()];
    let builder = stand.builder().plugin("lake", wanted, LakePlugin::jsonl(stand.lake()));
    let running = stand.run(builder.jetstream("all", receiver));
    running.wait(|collector| collector.plugins()[0].written >= 1);
    gate.ends.store(true, Ordering::Relaxed);
    until("it has ended one", || !gate.ends.load(Ordering::Relaxed));
    nats.publish(&["after"]);
    running.wait(|collector| collector.plugins()[0].written >= 2);
    running.stop();
    assert_eq!(stand.messages().into_values().collect::<Vec<_>>(), [1; 2]);
}

/// More than the library lets wait for an answer at a time.
const MANY: u64 = 6000;

#[test]
fn thousands_of_small_messages_that_come_at_once_are_claimed_by_and_by() {
    let (nats, stand) = (Nats::start(), Stand::new());
    nats.publish(&["the stream is there"]);
    let mut writer = SegmentWriter::new(&Source::default());
    let head = RecordHead { level: Level::INFO, callsite: None, task: None, seq: 0, ts_ns: 1 };
    writer.event(&head, &Message::default(), &[0]);
    let segment = writer.take();
    let mut batch = BatchWriter::new();
    batch.push(Entry { number: 0, segment: segment.bytes() });
    let body = batch.compress().expect("memory");
    assert!(segment.bytes().len() < 100, "{} bytes", segment.bytes().len());
    nats.with(async |context| {
        for _ in 0..MANY {
            context.client().publish("spanlake.segments.small", body.clone().into()).await?;
        }
        Ok(())
    });
    until("they are there", || nats.state("SPANLAKE").state.messages == MANY + 1);
    let mut receiver = nats.receiver();
    receiver.ack_wait = LONG;
    receiver.batch = NonZeroU32::new(10_000).expect("not zero");
    receiver.in_flight = receiver.batch;
    let lake = LakePlugin::jsonl(stand.lake());
    let running = stand.run(stand.builder().plugin("lake", Match::default(), lake).jetstream("all", receiver));
    nats.wait_until_empty();
    assert_eq!(counted(&running, STORED), MANY + 1);
    running.stop();
}
