//! A collector that subscribes to a program's notifications.

use spanlake_collector::receive::Subscribe;
use spanlake_core::OwnedRecord;
use spanlake_publish::{PublishLayer, ZmqPublisher};
use spanlake_wire::level::Severity;
use spanlake_wire::notification::Extent;
use tracing_subscriber::prelude::*;

use super::collector::{Collecting, Push};
use super::tee::Tee;
use super::{EVENTS, LONG, Side, by_key, program, wait};

#[test]
fn who_subscribes_gets_what_is_said_from_then_on_at_the_levels_it_asked_for() {
    // Two warnings and an error of each thread, and the end of the task that failed.
    assert_eq!(heard_at(Severity::Warning, 500), 8);
}

#[test]
fn who_subscribes_to_all_levels_gets_everything() {
    assert_eq!(heard_at(Severity::Debug, EVENTS), 4 * EVENTS as usize + 22);
}

/// Subscribes from a level on to a program with so many events in each inner task; gives how many records came, which are those that were
/// sent.
fn heard_at(level: Severity, events: i64) -> usize {
    let transport =
        ZmqPublisher::bind("127.0.0.1:0".parse().expect("an address")).extent(Extent::Record).patience(LONG);
    let transport = transport.build().expect("a transport");
    let (address, subscribers) = (transport.address(), transport.subscribers());
    assert_eq!(subscribers(), 0);
    let mut heard = 0;
    let tee = Tee::new(Box::new(transport));
    let sent = tee.sent();
    let (layer, guard) = PublishLayer::builder(tee).service("orders").build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::warn!("nobody listens");
        assert!(guard.flush(LONG).is_complete());
        let mut side = Collecting::<Push>::new();
        let mut subscription = Subscribe::new(address.to_string());
        subscription.level = level;
        let own = side.address();
        side.run(|builder| builder.listen(own).subscribe(subscription));
        // Topics are asked for one by one, and this is the last of them.
        let is_probe = |record: &OwnedRecord| record.message == "probe";
        wait("all is subscribed to", || {
            tracing::error!(critical = true, "probe");
            guard.flush(LONG).is_complete() && side.records().iter().any(is_probe)
        });
        sent.lock().expect("what was sent").clear();
        program(events);
        assert!(guard.flush(LONG).is_complete());
        let severe: Vec<_> =
            sent.lock().expect("what was sent").drain(..).filter(|it| it.level <= level.level()).collect();
        let known =
            |side: &mut Collecting<Push>| -> Vec<_> { side.records().into_iter().filter(|it| !is_probe(it)).collect() };
        wait("all is there", || side.count() >= severe.len() && known(&mut side).len() >= severe.len());
        let known = known(&mut side);
        assert!(by_key(&known) == by_key(&severe), "it is what was sent");
        heard = known.len();
        side.stop();
        wait("it is missed", || {
            tracing::warn!("is somebody there?");
            guard.flush(LONG).is_complete() && subscribers() == 0
        });
    });
    guard.shutdown(LONG).expect("an end in time");
    heard
}
