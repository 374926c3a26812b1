//! The queue from the thread that records to the sink: what arrives of six records where there is room for two, and that
//! no end hangs after drops.

use std::time::{Duration, Instant};

use spanlake_core::{Buffer, Cause, Level, Policy, Pump, PumpBuilder};

use crate::support::{Hand, LONG, Memory, NEVER, assert_adds_up, buffer_of_records};

const POLICIES: [Policy; 4] =
    [Policy::Block(Duration::from_millis(5)), Policy::DropNewest, Policy::DropOldest, Policy::DropLowest];

/// A pump whose sink is in the middle of a write, so that what is recorded waits in a buffer with room for two.
struct Held {
    buffer: Buffer,
    hand: Hand,
    pump: Pump,
    sink: Memory,
}

impl Held {
    fn new(policy: Policy) -> Self {
        let (buffer, sink) = (buffer_of_records(policy, 2), Memory::new("memory"));
        let pump = PumpBuilder::new().drain_every(NEVER).sink(sink.clone()).spawn(buffer.clone()).expect("a thread");
        let mut hand = Hand::new(&buffer);
        sink.change(|state| state.blocked = true);
        assert!(hand.event(Level::ERROR, "in the sink"));
        // Whoever asks for a flush at once with no time for it wakes the pump and does not wait.
        assert!(pump.flush(Duration::ZERO).timed_out);
        sink.wait(|state| state.waiting);
        Self { buffer, hand, pump, sink }
    }

    fn let_go(&self) {
        self.sink.change(|state| state.blocked = false);
    }

    /// What has arrived behind the first, statements of loss left out.
    fn arrived(&self) -> Vec<String> {
        let messages = self.sink.messages().into_iter().skip(1);
        messages.filter(|text| !text.contains(" lost (")).collect()
    }
}

/// The record in the sink still takes room: one place is left of two.
fn offer_six(held: &mut Held, levels: [Level; 6]) -> usize {
    (0..6).zip(levels).filter(|(at, level)| held.hand.event(*level, &format!("m{at}"))).count()
}

#[test]
fn what_is_recorded_while_a_sink_is_stuck_is_dropped_by_the_policy_and_counted() {
    let same = [Level::INFO; 6];
    let mixed = [Level::INFO, Level::WARN, Level::DEBUG, Level::ERROR, Level::INFO, Level::WARN];
    let table = [
        (Policy::DropNewest, same, "m0", Cause::Full),
        (Policy::DropOldest, same, "m5", Cause::Evicted),
        (Policy::DropLowest, same, "m0", Cause::Full),
        (Policy::DropNewest, mixed, "m0", Cause::Full),
        (Policy::DropOldest, mixed, "m5", Cause::Evicted),
        (Policy::DropLowest, mixed, "m3", Cause::Evicted),
    ];
    for (policy, levels, survivor, cause) in table {
        let mut held = Held::new(policy);
        offer_six(&mut held, levels);
        held.let_go();
        let report = held.pump.flush(LONG);
        assert_adds_up(&report);
        assert_eq!((report.recorded, report.written, report.lost, report.pending), (7, 2, 5, 0), "{policy:?}");
        assert_eq!(held.arrived(), [survivor], "{policy:?} {levels:?}");
        assert!(report.losses.of(cause) > 0, "{policy:?}: {report:#?}");
    }
}

#[test]
fn block_lets_the_caller_wait_and_delivers_all_six_in_order() {
    let buffer = buffer_of_records(Policy::Block(LONG), 2);
    let sink = Memory::new("memory");
    let pump = PumpBuilder::new().drain_every(NEVER).sink(sink.clone()).spawn(buffer.clone()).expect("a thread");
    let mut hand = Hand::new(&buffer);
    (0..6).for_each(|at| assert!(hand.event(Level::INFO, &format!("m{at}"))));
    assert!(pump.shutdown(LONG).is_complete());
    assert_eq!(sink.messages(), ["m0", "m1", "m2", "m3", "m4", "m5"]);
}

#[test]
fn flush_and_shutdown_do_not_hang_after_drops() {
    for policy in POLICIES {
        let mut held = Held::new(policy);
        offer_six(&mut held, [Level::INFO; 6]);
        held.let_go();
        let start = Instant::now();
        let flushed = held.pump.flush(LONG);
        offer_six(&mut held, [Level::INFO; 6]);
        let last = held.pump.shutdown(LONG);
        assert!(!flushed.timed_out && !last.timed_out && start.elapsed() < LONG / 2, "{policy:?}");
        assert!(flushed.lost > 0 && last.pending == 0, "{policy:?}: {last:?}");
        assert_adds_up(&last);
    }
}

#[test]
fn shutdown_that_runs_out_of_time_says_how_many_records_are_left() {
    let mut held = Held::new(Policy::DropNewest);
    let kept = offer_six(&mut held, [Level::INFO; 6]) as u64;
    let report = held.pump.shutdown(Duration::from_millis(5));
    assert!(report.timed_out);
    assert_eq!((report.written, report.pending, report.lost), (0, 1 + kept, 6 - kept));
    assert_eq!(
        report.to_string(),
        format!("7 recorded, 0 written, {} lost, {} pending, timed out", 6 - kept, 1 + kept)
    );
    assert!(!held.hand.event(Level::ERROR, "late"));
    assert_eq!(held.buffer.losses().at(Cause::Closed, Level::ERROR), 1, "refused, and not ignored");
    held.let_go();
    assert_eq!(held.pump.shutdown(LONG).pending, 0);
}
