//! Each call to the disk fails, once or for ever.

use spanlake_collector::queue::Queue;
use spanlake_testkit::disk::{EIO, ENOSPC, Fault, Operation, seed};

use super::cuts::{Promise, Work, check};
use super::stand::{Stand, delivery, names, offer, read, small_files, store, stored};

/// States that are looked at after a power cut.
const STATES: usize = 3;

/// A full disk, which takes a part of a write, and one that is broken.
fn once(number: u64) -> [Fault; 2] {
    [Fault::at(number).error(ENOSPC).tearing(), Fault::at(number).error(EIO)]
}

fn for_ever(number: u64) -> [Fault; 2] {
    once(number).map(Fault::for_ever)
}

/// Lets each call of the work fail; `play` is shown what came of it until no call fails any more.
fn each_call(faults: fn(u64) -> [Fault; 2], tries: usize, play: impl Fn(&Stand, &Promise)) {
    for number in 1.. {
        for fault in faults(number) {
            let stand = Stand::new();
            stand.disk.fail(fault);
            let told = Told(number);
            let promise = Work::on(&stand, tries).play();
            let has_failed = stand.disk.calls().iter().any(|call| call.failed);
            play(&stand, &promise);
            std::mem::forget(told);
            if !has_failed {
                assert!(number > 50, "{number} calls");
                return;
            }
        }
    }
}

#[test]
fn after_any_call_failed_once_everything_is_stored_once() {
    each_call(once, 4, |stand, promise| {
        stand.disk.heal();
        assert!(promise.is_done, "each step can be done at the second try: {promise:?}");
        check(&stand.root, promise);
    });
}

#[test]
fn on_a_disk_that_stays_broken_nothing_is_acknowledged_that_is_not_there() {
    each_call(for_ever, 1, |stand, promise| {
        stand.disk.heal();
        check(&stand.root, promise);
    });
}

#[test]
fn a_power_cut_after_a_fault_takes_nothing_that_was_acknowledged() {
    let scratch = tempfile::tempdir().unwrap();
    each_call(once, 4, |stand, promise| {
        stand.disk.cut_power().each(STATES, seed(), &scratch.path().join("left"), |left| check(left, promise));
    });
}

#[test]
fn a_queue_that_cannot_be_opened_can_be_opened_later() {
    for number in 1.. {
        let stand = Stand::new();
        drop(stand.open(&["lake"]));
        let before = stand.disk.calls().len();
        stand.disk.fail(Fault::at(number));
        let opened = Queue::open(small_files(&stand.root), stand.handle(), &["lake"]);
        let calls = stand.disk.calls().split_off(before);
        let failed = calls.iter().find(|call| call.failed).map(|call| call.operation);
        assert!(opened.is_ok() == failed.is_none() || failed == Some(Operation::Remove), "{failed:?}");
        drop(opened);
        stand.disk.heal();
        stand.open(&["lake"]);
        if failed.is_none() {
            break;
        }
    }
}

#[test]
fn a_queue_on_a_full_disk_is_opened_with_the_checkpoint_that_it_has() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    store(&queue, "a", &[1, 2, 3]);
    drop(queue);
    stand.disk.fail(Fault::at(1).of(Operation::Write).error(ENOSPC).for_ever());
    let (queue, _) = stand.open(&["lake"]);
    assert!(queue.report().last_error.is_some(), "that it is full is told");
    assert_eq!(read(&queue, "lake"), names("a", 1..=3));
    assert!(offer(&queue, delivery("a", 0, &[4])).is_err_and(|refusal| refusal.is_retryable()));
    stand.disk.heal();
    assert_eq!(offer(&queue, delivery("a", 0, &[3, 4])).expect("room"), stored(1, 1));
    drop(queue);
    assert_eq!(read(&stand.open(&["lake"]).0, "lake"), names("a", 1..=4));
}

/// Says, when a check panics, where.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("call {} failed", self.0);
    }
}
