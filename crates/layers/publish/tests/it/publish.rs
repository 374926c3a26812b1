//! What the layer records arrives once, whatever the other side does, or is counted.

use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use spanlake_core::{Cause, Kind, LevelFilter, Policy, Report, SinkState};
use spanlake_publish::{Delivered, Guard, Parcel, PublishLayer, PublishLayerBuilder, Transport, Undelivered};
use spanlake_wire::exchange::{Stream, Verbosity};
use tracing_subscriber::prelude::*;

use crate::receiver::{Behaviour, Receiver};

const LONG: Duration = Duration::from_secs(20);

fn builder(receiver: &Receiver) -> PublishLayerBuilder {
    PublishLayer::builder(receiver.clone()).send_every(Duration::from_millis(5)).poll_every(Duration::from_millis(5))
}

/// Runs a program under the layer, and gives the guard.
fn publish(builder: PublishLayerBuilder, program: impl FnOnce(&Guard)) -> Guard {
    let (layer, guard) = builder.build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || program(&guard));
    guard
}

fn assert_balanced(report: &Report) {
    assert_eq!(report.recorded, report.written + report.lost + report.pending, "{report:?}");
}

#[test]
fn what_is_recorded_arrives_in_order_and_with_its_key() {
    let receiver = Receiver::default();
    let guard = publish(builder(&receiver).service("orders"), |_| {
        let _load = tracing::info_span!("load", table = "orders").entered();
        (0..1000).for_each(|row| tracing::info!(row, "wrote"));
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_eq!((report.recorded, report.written, report.lost), (1002, 1002, 0));
    let records = receiver.records();
    let numbers: Vec<u64> = records.iter().filter_map(|record| Some(record.key.as_ref()?.seq)).collect();
    assert_eq!(numbers, (0..1002).collect::<Vec<_>>());
    assert_eq!(receiver.state(|state| state.service.clone()), "orders");
    assert!(records.iter().all(|record| record.service.as_deref() == Some("orders")));
}

#[test]
fn while_the_other_side_is_away_records_wait_and_then_arrive_once() {
    let receiver = Receiver::default();
    receiver.set(Behaviour::Away);
    let guard = publish(builder(&receiver), |guard| {
        tracing::info!("first");
        receiver.wait(|state| state.parcels > 3);
        let report = guard.flush(Duration::from_millis(20));
        assert!(report.timed_out && report.pending == 1 && report.written == 0, "{report:?}");
        assert_eq!(report.sinks[0].state, SinkState::Retrying);
        assert!(report.sinks[0].last_error.as_ref().is_some_and(|error| error.contains("as it was told")));
        tracing::info!("second");
        receiver.set(Behaviour::Keep);
        let report = guard.flush(LONG);
        assert!(report.is_complete() && report.sinks[0].state == SinkState::Ok, "{report:?}");
    });
    assert_eq!(receiver.messages(), ["first", "second"]);
    assert_balanced(&guard.shutdown(LONG).expect("an end in time"));
}

#[test]
fn a_segment_whose_reply_was_lost_is_sent_again_under_its_number() {
    let receiver = Receiver::default();
    receiver.set(Behaviour::Forgetful);
    let guard = publish(builder(&receiver), |_| {
        tracing::info!("once");
        receiver.wait(|state| state.sent.len() > 2);
        receiver.set(Behaviour::Keep);
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_eq!((report.written, report.lost), (1, 0));
    assert_eq!(receiver.messages(), ["once"]);
    receiver.state(|state| {
        let first = state.sent[0];
        assert!(state.sent.iter().all(|number| *number == first), "{:?}", state.sent);
        assert!(state.sequence <= first);
    });
}

#[test]
fn a_light_layer_holds_512_records_and_drops_the_newest() {
    let receiver = Receiver::default();
    receiver.set(Behaviour::Silent);
    let guard = publish(builder(&receiver).light(), |_| {
        receiver.wait(|state| state.parcels > 0);
        (0..1000).for_each(|row| tracing::info!(row, "{row}"));
        receiver.set(Behaviour::Keep);
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_balanced(&report);
    assert_eq!((report.recorded, report.lost, report.losses.of(Cause::Full)), (1000, 488, 488));
    let records = receiver.records();
    let events: Vec<&str> =
        records.iter().filter(|record| record.kind == Kind::Event).map(|record| &*record.message).collect();
    assert_eq!(events, (0..512).map(|row| row.to_string()).collect::<Vec<_>>());
    assert_eq!(records.iter().filter(|record| record.kind == Kind::Loss).count(), 1);
}

#[test]
fn a_full_buffer_does_what_its_policy_says_while_the_other_side_is_away() {
    let receiver = Receiver::default();
    receiver.set(Behaviour::Away);
    let small = NonZeroUsize::new(64 << 10).expect("not zero");
    let guard = publish(builder(&receiver).capacity_bytes(small).policy(Policy::DropLowest), |_| {
        receiver.wait(|state| state.parcels > 0);
        tracing::error!("the one that matters");
        (0..5000).for_each(|row| tracing::info!(row, "one of many"));
        receiver.set(Behaviour::Keep);
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_balanced(&report);
    assert!(report.lost > 1000, "{report:?}");
    assert!(receiver.messages().contains(&"the one that matters".to_owned()));
}

#[test]
fn what_is_too_much_at_once_is_sent_piece_by_piece() {
    let receiver = Receiver::default();
    receiver.set(Behaviour::Away);
    let guard = publish(builder(&receiver), |_| {
        tracing::info!("by the first thread");
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let thread = std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || tracing::info!("by the second"))
        });
        thread.join().expect("a thread");
        receiver.set(Behaviour::Small);
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_eq!((report.written, report.lost), (2, 0));
    assert_eq!(receiver.records().len(), 2);
}

#[test]
fn what_will_never_be_taken_is_counted_and_stated() {
    for behaviour in [Behaviour::Refuse, Behaviour::Puzzled] {
        let receiver = Receiver::default();
        receiver.set(behaviour);
        let guard = publish(builder(&receiver), |guard| {
            tracing::warn!("gone");
            receiver.wait(|state| state.parcels > 0);
            let _ = guard.flush(LONG);
            receiver.set(Behaviour::Keep);
            tracing::info!("kept");
        });
        let report = guard.shutdown(LONG).expect("an end in time");
        assert_balanced(&report);
        assert_eq!((report.written, report.losses.of(Cause::Sink)), (1, 1), "{report:?}");
        assert_eq!(report.sinks[0].state, SinkState::Degraded);
        let records = receiver.records();
        assert!(records.iter().any(|record| record.message == "kept"));
        assert!(records.iter().any(|record| record.kind == Kind::Loss), "{records:?}");
    }
}

#[test]
fn levels_that_the_other_side_asks_for_are_followed_and_taken_back() {
    let receiver = Receiver::default();
    let ask = |version, directives: &str| {
        receiver.state(|state| {
            state.verbosity = Some(Verbosity::new(version, directives));
            state.parcels = 0;
        });
        // The second parcel is sent when the reply to the first has been followed.
        receiver.wait(|state| state.parcels > 1);
    };
    let guard = publish(builder(&receiver).level(LevelFilter::INFO), |_| {
        tracing::debug!("before");
        ask(1, "task=load=debug/10m");
        tracing::info_span!("load").in_scope(|| tracing::debug!("while"));
        tracing::debug!("elsewhere");
        ask(2, "");
        tracing::info_span!("load").in_scope(|| tracing::debug!("after"));
        ask(3, "not a directive=");
        tracing::info!("still here");
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    let debug: Vec<String> = receiver
        .records()
        .into_iter()
        .filter(|record| record.level == spanlake_core::Level::DEBUG)
        .map(|record| record.message)
        .collect();
    assert_eq!(debug, ["while"]);
    assert!(receiver.messages().contains(&"still here".to_owned()));
    assert_eq!(report.sinks[0].errors, 1, "directives that make no sense are told once: {report:?}");
}

#[test]
fn an_event_that_asks_to_stay_is_not_sent_and_takes_no_number() {
    let receiver = Receiver::default();
    let guard = publish(builder(&receiver), |_| {
        let _task = tracing::info_span!("load").entered();
        tracing::info!(transmit = false, "local");
        tracing::info!(transmit = true, "sent");
        tracing::info!(transmit = "false", "a text is no answer");
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_eq!(report.recorded, 4);
    assert_eq!(receiver.messages(), ["load", "sent", "a text is no answer", "load"]);
    let last = receiver.records().last().and_then(|record| record.key.as_ref().map(|key| key.seq));
    assert_eq!(last, Some(3));
}

#[test]
fn who_ends_well_says_that_nothing_of_it_comes_again() {
    let folder = tempfile::tempdir().expect("a folder");
    for spool in [None, Some(folder.path())] {
        let receiver = Receiver::default();
        // Nothing is asked meanwhile.
        let builder = builder(&receiver).poll_every(LONG);
        let builder = spool.into_iter().fold(builder, |builder, folder| builder.spool(folder));
        let guard = publish(builder, |_| (0..1000).for_each(|row| tracing::info!(row, "one of many")));
        let report = guard.shutdown(LONG).expect("an end in time");
        assert_eq!((report.written, report.pending), (1000, 0));
        receiver.state(|state| {
            let last = *state.sent.iter().max().expect("segments");
            assert!(state.last_sequence > last && state.sequence <= last, "{} and {last}", state.last_sequence);
        });
    }
}

#[test]
fn who_sent_nothing_says_nothing_at_the_end() {
    let receiver = Receiver::default();
    let guard = publish(builder(&receiver).poll_every(LONG), |_| ());
    guard.shutdown(LONG).expect("an end in time");
    assert_eq!(receiver.state(|state| state.parcels), 0);
}

#[test]
fn an_end_with_a_dead_peer_takes_no_longer_than_it_may() {
    let receiver = Receiver::default();
    receiver.set(Behaviour::Away);
    let guard = publish(builder(&receiver), |_| tracing::info!("never there"));
    let began = Instant::now();
    let error = guard.shutdown(Duration::from_millis(200)).expect_err("not in time");
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(error.to_string().contains("1 pending") && error.to_string().contains("failed: "), "{error}");
}

#[test]
fn who_waits_for_room_gets_it_when_the_other_side_comes_back() {
    let receiver = Receiver::default();
    receiver.set(Behaviour::Away);
    let small = NonZeroUsize::new(64 << 10).expect("not zero");
    let policy = Policy::Block(LONG);
    let guard = publish(builder(&receiver).capacity_bytes(small).policy(policy), |guard| {
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let thread = std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                (0..5000).for_each(|row| tracing::info!(row, "one of many"))
            });
        });
        // Until the buffer is full and the thread waits.
        let recorded = std::cell::Cell::new(0);
        receiver.wait(|state| {
            let before = recorded.replace(guard.report().recorded);
            state.parcels > 10 && before > 0 && before == recorded.get()
        });
        assert!(!thread.is_finished());
        receiver.set(Behaviour::Keep);
        thread.join().expect("all was recorded");
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_eq!((report.recorded, report.written, report.lost), (5000, 5000, 0), "{report:?}");
    assert_eq!(receiver.records().len(), 5000);
}

/// What a program leaves that is killed: its spool, which nobody gave back.
fn leave(folder: &std::path::Path, program: impl FnOnce()) {
    let receiver = Receiver::default();
    receiver.set(Behaviour::Away);
    let (layer, guard) = builder(&receiver).spool(folder).build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), program);
    let _ = guard.shutdown(Duration::from_millis(50)).expect_err("nobody is there");
    receiver.wait_alone();
}

#[test]
fn what_is_never_taken_of_a_dead_process_does_not_hold_up_the_rest() {
    for behaviour in [Behaviour::Small, Behaviour::Picky] {
        let folder = tempfile::tempdir().expect("a folder");
        leave(folder.path(), || {
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            for text in ["bad", "good", "better"] {
                let dispatch = dispatch.clone();
                let work = move || tracing::dispatcher::with_default(&dispatch, || tracing::info!("{text}"));
                std::thread::spawn(work).join().expect("a thread");
            }
        });
        let receiver = Receiver::default();
        receiver.set(behaviour);
        let guard = publish(builder(&receiver).spool(folder.path()), |guard| {
            receiver.wait(|state| state.stored.len() >= 2);
            assert!(guard.flush(LONG).is_complete());
        });
        guard.shutdown(LONG).expect("an end in time");
        let picky = matches!(behaviour, Behaviour::Picky);
        assert_eq!(receiver.messages().contains(&"bad".to_owned()), !picky);
        assert!(receiver.messages().contains(&"better".to_owned()), "{:?}", receiver.messages());
        let parcels = receiver.state(|state| state.parcels);
        assert!(parcels < 100, "{parcels}");
    }
}

/// Asks before each parcel.
struct Asking {
    receiver: Receiver,
    asks: mpsc::Sender<Stream>,
    may: mpsc::Receiver<()>,
}

impl Transport for Asking {
    fn name(&self) -> &str {
        "asking"
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        self.asks.send(parcel.stream().clone()).expect("somebody is asked");
        self.may.recv().expect("an answer");
        self.receiver.send(parcel, until)
    }
}

#[test]
fn what_dead_processes_left_does_not_hold_up_the_living() {
    const LEFT: usize = 20;
    let folder = tempfile::tempdir().expect("a folder");
    leave(folder.path(), || {
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        for row in 0..LEFT {
            let dispatch = dispatch.clone();
            let work = move || tracing::dispatcher::with_default(&dispatch, || tracing::info!(row, "left"));
            std::thread::spawn(work).join().expect("a thread");
        }
    });
    let ((asks, asked), (let_go, may)) = (mpsc::channel(), mpsc::channel());
    let receiver = Receiver::default();
    let transport = Asking { receiver: receiver.clone(), asks, may };
    let builder = PublishLayer::builder(transport).spool(folder.path()).send_every(Duration::ZERO);
    let builder = builder.batch_bytes(NonZeroUsize::MIN);
    let mut streams = Vec::new();
    let guard = publish(builder, |_| {
        while streams.len() <= LEFT {
            streams.push(asked.recv_timeout(LONG).expect("a parcel"));
            if streams.len() == 1 {
                tracing::info!("living");
            }
            let_go.send(()).expect("it waits");
        }
    });
    let living = streams.iter().position(|stream| *stream != streams[0]);
    assert!(living.is_some_and(|at| at < LEFT / 2), "{living:?} of {LEFT}");
    guard.shutdown(LONG).expect("an end in time");
    assert_eq!(receiver.records().len(), LEFT + 1);
}

#[test]
fn a_transport_that_panics_costs_no_record() {
    let receiver = Receiver::default();
    receiver.set(Behaviour::Panic);
    let guard = publish(builder(&receiver), |guard| {
        tracing::info!("once");
        receiver.wait(|state| state.parcels > 1);
        assert!(guard.report().sinks[0].last_error.as_ref().is_some_and(|error| error.contains("panicked")));
        receiver.set(Behaviour::Keep);
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert_eq!((report.written, report.lost), (1, 0), "{report:?}");
    assert_eq!(receiver.messages(), ["once"]);
}
