//! What every transport promises, asked of each against a real other side.

mod collector;
mod nats;
mod subscriber;
mod tee;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use spanlake_core::{Kind, Outcome, OwnedRecord, RecordKey, Report, SinkState};
use spanlake_publish::{Guard, PublishLayer, Transport};
use tracing_subscriber::prelude::*;

use collector::Collecting;
use nats::Nats;
use tee::Tee;

/// Longer than anything takes.
pub(crate) const LONG: Duration = Duration::from_secs(180);

/// Events of each task, so that all are just over 100,000 records.
const EVENTS: i64 = 24_995;

/// What keeps records on the other side of a transport. It is away until it is started.
pub(crate) trait Side {
    /// A transport to what listens, or does not, at an address.
    fn transport(at: SocketAddr) -> Box<dyn Transport>;

    /// Where it is when it runs.
    fn address(&self) -> SocketAddr;

    fn start(&mut self);

    fn stop(&mut self);

    /// How many records it has.
    fn count(&mut self) -> usize {
        self.records().len()
    }

    /// What it has, in the order in which it came.
    fn records(&mut self) -> Vec<OwnedRecord>;

    /// The fields without what a record is given on its way.
    fn own_fields(received: &str) -> String {
        received.to_owned()
    }
}

/// An address where nobody listens.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    listener.local_addr().expect("an address")
}

/// Runs a program that publishes by this transport, to its end.
fn publish(transport: impl Transport + 'static, program: impl FnOnce(&Guard)) -> Report {
    let builder = PublishLayer::builder(transport).service("orders").send_every(Duration::from_millis(5));
    let (layer, guard) = builder.poll_every(Duration::from_millis(20)).build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || program(&guard));
    guard.shutdown(LONG).expect("an end in time")
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < until, "it did not come to be: {what}");
        std::thread::yield_now();
    }
}

/// What is on the other side, once there is as much as this.
fn arrived(side: &mut impl Side, count: usize) -> Vec<OwnedRecord> {
    wait("all is there", || side.count() >= count);
    side.records()
}

/// Two threads with tasks in tasks, in which everything happens that records can say, and so many events in each of the inner ones: 22
/// records besides.
fn program(events: i64) {
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let work = |name: &'static str| {
        let _job = tracing::info_span!("job", user = "ada", name).entered();
        for table in ["orders", "items"] {
            let load = tracing::info_span!("load", table, rows = tracing::field::Empty);
            let _load = load.enter();
            load.record("rows", 500_u64);
            (0..events).for_each(|row| tracing::info!(row, ok = row % 2 == 0, ratio = 0.1, "{table} {row}"));
            tracing::warn!(most = u64::MAX, least = i64::MIN, text = "\u{e9}\"\\", "at the edge");
        }
        fail().expect_err("as it was told");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| tracing::dispatcher::with_default(&dispatch, || work("one")));
        work("two");
    });
}

#[tracing::instrument(err)]
fn fail() -> Result<(), std::io::Error> {
    Err(std::io::Error::other("no such table"))
}

fn by_key(records: &[OwnedRecord]) -> BTreeMap<RecordKey, OwnedRecord> {
    records.iter().map(|record| (record.key.clone().expect("all is in tasks"), record.clone())).collect()
}

fn everything_arrives_once_as_it_was_and_in_the_order_of_its_task<S: Side>(mut side: S) {
    side.start();
    let tee = Tee::new(S::transport(side.address()));
    let sent = tee.sent();
    let report = publish(tee, |_| program(EVENTS));
    let all = 4 * EVENTS as u64 + 22;
    assert_eq!((report.recorded, report.written, report.lost), (all, all, 0), "{report:?}");

    let records = arrived(&mut side, all as usize);
    assert_eq!(records.len() as u64, all);
    let mut next = BTreeMap::new();
    for record in &records {
        let key = record.key.clone().expect("all is in tasks");
        let next: &mut u64 = next.entry(key.task.clone()).or_default();
        assert_eq!(key.seq, *next, "{key}");
        *next += 1;
    }
    let (sent, received) = (by_key(&sent.lock().expect("what was sent")), by_key(&records));
    assert_eq!(received.len() as u64, all, "no key is there twice");
    for (key, record) in &sent {
        let received = &received[key];
        assert_eq!(*record, OwnedRecord { fields: S::own_fields(&received.fields), ..received.clone() });
    }
    let count = |is: fn(&OwnedRecord) -> bool| records.iter().filter(|record| is(record)).count();
    assert_eq!(count(|record| record.kind == Kind::End), 8);
    assert_eq!(count(|record| record.outcome == Some(Outcome::Failed)), 2);
}

fn what_is_recorded_while_the_other_side_is_away_arrives_once_when_it_comes<S: Side>(mut side: S) {
    let report = publish(S::transport(side.address()), |guard| {
        let state = || guard.report().sinks[0].state;
        let mut said = 0..;
        for round in 0..3 {
            (0..10).zip(&mut said).for_each(|(_, number)| tracing::info!("away {number}"));
            wait("somebody is missed", || state() == SinkState::Retrying);
            side.start();
            let report = guard.flush(LONG);
            assert!(report.is_complete(), "{round}: {report:?}");
            (0..10).zip(&mut said).for_each(|(_, number)| tracing::info!("there {number}"));
            assert!(guard.flush(LONG).is_complete());
            arrived(&mut side, 20 * (round + 1));
            side.stop();
        }
        side.start();
    });
    assert_eq!((report.written, report.lost), (60, 0), "{report:?}");
    let messages: Vec<String> = side.records().into_iter().map(|record| record.message).collect();
    let expected: Vec<String> =
        (0..60).map(|n| format!("{} {n}", if n / 10 % 2 == 0 { "away" } else { "there" })).collect();
    assert_eq!(messages, expected);
}

fn a_peer_that_never_answers_takes_no_more_time_than_it_may<S: Side>(_: S) {
    // Who connects is never accepted, but for the system.
    let dead = TcpListener::bind("127.0.0.1:0").expect("an address");
    let tee = Tee::new(S::transport(dead.local_addr().expect("an address"))).within(Duration::from_millis(300));
    let longest = tee.longest();
    let (layer, guard) = PublishLayer::builder(tee).send_every(Duration::from_millis(5)).build().expect("a layer");
    let began = Instant::now();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || tracing::info!("never there"));
    wait("it is tried twice", || guard.report().sinks[0].errors > 1);
    let report = guard.report();
    assert_eq!((report.pending, report.written, report.lost), (1, 0, 0), "{report:?}");
    assert!(*longest.lock().expect("a time") < Duration::from_millis(1300), "{longest:?}");
    let _ = guard.shutdown(Duration::from_millis(100)).expect_err("not in time");
    assert!(began.elapsed() < LONG / 2);
}

/// The same questions to each transport.
macro_rules! ask {
    ($($name:ident: $side:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn everything_arrives_once_as_it_was_and_in_the_order_of_its_task() {
                $side.into_iter().for_each(super::everything_arrives_once_as_it_was_and_in_the_order_of_its_task);
            }

            #[test]
            fn what_is_recorded_while_the_other_side_is_away_arrives_once_when_it_comes() {
                $side.into_iter().for_each(super::what_is_recorded_while_the_other_side_is_away_arrives_once_when_it_comes);
            }

            #[test]
            fn a_peer_that_never_answers_takes_no_more_time_than_it_may() {
                $side.into_iter().for_each(super::a_peer_that_never_answers_takes_no_more_time_than_it_may);
            }
        }
    )*};
}

ask! {
    http: Some(Collecting::<collector::Http>::new());
    otlp: Some(Collecting::<collector::Otlp>::new());
    otlp_grpc: Some(Collecting::<collector::Grpc>::new());
    zeromq: Some(Collecting::<collector::Push>::new());
    zeromq_segments: Some(Collecting::<collector::PushSegments>::new());
    jetstream: Nats::new();
}

#[test]
fn a_record_that_is_too_long_to_be_pushed_is_skipped_and_counted() {
    let mut side = Collecting::<collector::Push>::new();
    side.start();
    let most = std::num::NonZeroUsize::new(4000).expect("not zero");
    let transport = spanlake_publish::ZmqTransport::push(side.address().to_string()).message_bytes(most);
    let report = publish(transport.build().expect("a transport"), |guard| {
        tracing::info!("before");
        tracing::warn!("{}", "long ".repeat(1000));
        tracing::info!("behind");
        let _ = guard.flush(LONG);
    });
    assert_eq!((report.recorded, report.written, report.lost), (3, 2, 1), "{report:?}");
    let records = arrived(&mut side, 3);
    let messages: Vec<&str> =
        records.iter().filter(|record| record.kind == Kind::Event).map(|it| &*it.message).collect();
    assert_eq!(messages, ["before", "behind"]);
    assert_eq!(records.iter().filter(|record| record.kind == Kind::Loss).count(), 1, "it is stated");
}

#[test]
fn a_segment_that_is_too_long_to_be_pushed_is_skipped_and_counted() {
    let mut side = Collecting::<collector::PushSegments>::new();
    side.start();
    let most = std::num::NonZeroUsize::new(4000).expect("not zero");
    let transport = spanlake_publish::ZmqTransport::push(side.address().to_string()).segments().message_bytes(most);
    let report = publish(transport.build().expect("a transport"), |guard| {
        tracing::info!("before");
        assert!(guard.flush(LONG).is_complete());
        // It could be compressed to less, which helps nobody who has to take it apart.
        (0..2).for_each(|_| tracing::warn!("{}", "long ".repeat(1000)));
        let _ = guard.flush(LONG);
        tracing::info!("behind");
        let _ = guard.flush(LONG);
    });
    assert_eq!((report.recorded, report.written, report.lost), (4, 2, 2), "{report:?}");
    let records = arrived(&mut side, 3);
    let of = |kind| records.iter().filter(move |record| record.kind == kind).map(|record| record.message.as_str());
    assert_eq!(of(Kind::Event).collect::<Vec<_>>(), ["before", "behind"]);
    assert_eq!(of(Kind::Loss).count(), 1, "it is stated");
}

#[test]
fn over_otlp_a_record_that_is_too_long_is_lost_alone_and_the_others_go_in_smaller_requests() {
    let mut side = Collecting::<collector::Otlp>::new();
    let at = side.address();
    let mut limits = spanlake_collector::Limits::default();
    limits.batch_bytes = 20 << 10;
    side.run(|builder| builder.listen(at).limits(limits));
    let report = publish(Collecting::<collector::Otlp>::transport(at), |guard| {
        (0..1000).for_each(|row| tracing::info!(row, "before"));
        tracing::warn!("{}", "long ".repeat(8000));
        (0..1000).for_each(|row| tracing::info!(row, "behind"));
        let _ = guard.flush(LONG);
    });
    assert_eq!((report.recorded, report.written, report.lost), (2001, 2000, 1), "{report:?}");
    let records = arrived(&mut side, 2001);
    let messages: Vec<&str> =
        records.iter().filter(|record| record.kind == Kind::Event).map(|it| &*it.message).collect();
    assert_eq!(messages, [["before"; 1000], ["behind"; 1000]].concat());
    assert_eq!(records.iter().filter(|record| record.kind == Kind::Loss).count(), 1, "it is stated");
}
