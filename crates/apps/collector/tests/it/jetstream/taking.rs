//! What comes: also where there is no room for it, nothing to be made of it, or nobody for a while.

use std::num::NonZeroU64;

use spanlake_collector::Collector;
use spanlake_collector::queue::Options;
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
    receiver.batch = std::num::NonZeroU32::MIN;
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
