//! Shards, the drain, room and its end.

use spanlake_core::sync::atomic::{AtomicBool, Ordering};
use spanlake_core::sync::{Arc, thread};
use spanlake_core::{Buffer, Cause, Level, Policy};

use crate::explore;
use crate::hand::{Drained, LONG, buffer, offer, offer_one};

/// Two threads offer while a third drains; then all is drained. Whatever the policy: nothing is lost that is not
/// counted and stated, nothing comes twice, and all room comes back.
fn hand_over(policy: Policy, records: u64) {
    let buffer = buffer(policy, records);
    let writers: Vec<_> = ["a", "b"].into_iter().map(|name| spawn_writer(&buffer, name)).collect();
    let mut drained = Drained::default();
    drained.drain(&buffer);
    drained.drain(&buffer);
    let kept: u64 = writers.into_iter().map(|writer| writer.join().expect("a writer")).sum();
    drained.drain(&buffer);
    // What the last drain stated as lost, it stated in a segment of its own.
    drained.drain(&buffer);
    let (came, lost) = (drained.events.len() as u64, buffer.losses().total());
    drained.assert_in_order();
    assert_eq!((buffer.recorded(), drained.stated), (6, lost));
    assert_eq!(came + lost, 6);
    assert!(came <= kept, "what was refused does not come");
    assert_eq!(buffer.used_bytes(), 0);
}

fn spawn_writer(buffer: &Buffer, name: &'static str) -> thread::JoinHandle<u64> {
    let buffer = buffer.clone();
    // The shard goes with its thread, as a thread's local does.
    thread::spawn(move || offer(&buffer.shard(), name, 3))
}

#[test]
fn a_full_buffer_that_drops_the_newest_accounts_for_all() {
    explore(|| hand_over(Policy::DropNewest, 2));
}

#[test]
fn a_full_buffer_that_drops_the_oldest_accounts_for_all() {
    explore(|| hand_over(Policy::DropOldest, 2));
}

#[test]
fn a_full_buffer_that_drops_the_lowest_accounts_for_all() {
    explore(|| hand_over(Policy::DropLowest, 2));
}

#[test]
fn a_buffer_with_room_loses_nothing() {
    explore(|| hand_over(Policy::Block(LONG), 6));
}

#[test]
fn an_error_is_kept_where_something_less_severe_can_go() {
    explore(|| {
        let buffer = buffer(Policy::DropLowest, 2);
        let other = spawn_writer(&buffer, "low");
        let shard = buffer.shard();
        let kept = (0..2).filter(|number| offer_one(&shard, Level::ERROR, "high", *number)).count();
        other.join().expect("a writer");
        let mut drained = Drained::default();
        drained.drain(&buffer);
        let errors = drained.events.iter().filter(|(name, _)| name == "high").count();
        assert_eq!((kept, errors), (2, 2), "{drained:?}, {:?}", buffer.losses());
    });
}

/// The drain sleeps until a caller needs it: each caller that waits for room gets it.
#[test]
fn callers_that_wait_for_room_wake_the_drain_and_get_it() {
    explore(|| {
        let (buffer, is_over) = (buffer(Policy::Block(LONG), 1), Arc::new(AtomicBool::new(false)));
        let drain = spawn_drain(&buffer, &is_over);
        let writers: Vec<_> = ["a", "b"].into_iter().map(|name| spawn_writer(&buffer, name)).collect();
        let kept: u64 = writers.into_iter().map(|writer| writer.join().expect("a writer")).sum();
        is_over.store(true, Ordering::SeqCst);
        drain.thread().unpark();
        let drained = drain.join().expect("the drain");
        drained.assert_in_order();
        assert_eq!((kept, drained.events.len(), buffer.losses().total()), (6, 6, 0));
    });
}

/// Drains whenever it is woken, and once more at the end.
fn spawn_drain(buffer: &Buffer, is_over: &Arc<AtomicBool>) -> thread::JoinHandle<Drained> {
    let drain = thread::spawn({
        let (buffer, is_over) = (buffer.clone(), Arc::clone(is_over));
        move || {
            let mut drained = Drained::default();
            while !is_over.load(Ordering::SeqCst) {
                drained.drain(&buffer);
                thread::park();
            }
            drained.drain(&buffer);
            drained
        }
    });
    buffer.wake_on_pressure(drain.thread().clone());
    drain
}

#[test]
fn a_caller_that_waits_for_room_is_let_go_when_the_buffer_closes() {
    explore(|| {
        let buffer = buffer(Policy::Block(LONG), 1);
        let writer = spawn_writer(&buffer, "a");
        buffer.close();
        let kept = writer.join().expect("a writer");
        assert!(kept <= 1);
        assert_eq!(buffer.losses().of(Cause::Closed), 3 - kept);
        let mut drained = Drained::default();
        drained.drain(&buffer);
        assert_eq!(drained.events.len() as u64, kept);
    });
}

#[test]
fn what_is_recorded_is_counted_while_threads_come_and_go() {
    explore(|| {
        let buffer = buffer(Policy::DropNewest, 4);
        let writers: Vec<_> = ["a", "b"].into_iter().map(|name| spawn_writer(&buffer, name)).collect();
        let drain = thread::spawn({
            let buffer = buffer.clone();
            move || (0..2).for_each(|_| Drained::default().drain(&buffer))
        });
        let first = buffer.recorded();
        let second = buffer.recorded();
        assert!(first <= second && second <= 6, "{first}, then {second}");
        writers.into_iter().for_each(|writer| drop(writer.join()));
        assert_eq!(buffer.recorded(), 6);
        drain.join().expect("the drain");
        assert_eq!(buffer.recorded(), 6);
    });
}
