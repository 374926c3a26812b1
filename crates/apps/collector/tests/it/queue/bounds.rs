//! How much is taken.

use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use spanlake_collector::queue::{Queue, Refusal};
use spanlake_core::disk::Room;

use super::stand::{LONG, Stand, bytes, confirm_all, delivery, offer, options, read, store, stored};

#[test]
fn a_full_queue_refuses_and_takes_again_when_plugins_have_read() {
    const MOST: u64 = 16 << 10;
    let stand = Stand::new();
    let (queue, _) = Queue::open(options(&stand.root, MOST), stand.handle(), &["lake"]).unwrap();
    let mut next = 0;
    for round in 0..5 {
        let refusal = loop {
            match offer(&queue, delivery("a", 0, &[next])) {
                Ok(_) => next += 1,
                Err(refusal) => break refusal,
            }
            let on_disk: u64 = stand.files().iter().map(|file| file.metadata().unwrap().len()).sum();
            assert!(on_disk <= MOST && queue.report().bytes == on_disk);
        };
        assert!(matches!(refusal, Refusal::Full) && refusal.is_retryable(), "{refusal}");
        assert_eq!(queue.report().refused.full, round + 1);
        confirm_all(&queue, "lake", b"");
        queue.checkpoint().unwrap();
    }
    assert!(next > 200, "{next}");
}

#[test]
fn also_the_last_file_makes_room_when_all_is_read() {
    let stand = Stand::new();
    let (queue, _) = Queue::open(options(&stand.root, 4 << 10), stand.handle(), &["lake"]).unwrap();
    let large = || {
        let mut delivery = delivery("a", 0, &[1]);
        delivery.entries[0].1 = vec![0; 4_000];
        delivery
    };
    store(&queue, "b", &[1]);
    assert!(matches!(offer(&queue, large()), Err(Refusal::Full)));
    confirm_all(&queue, "lake", b"");
    let until = Instant::now() + LONG;
    while offer(&queue, large()).is_err() {
        assert!(Instant::now() < until, "{:?}", queue.report());
        queue.checkpoint().unwrap();
    }
}

#[test]
fn what_can_never_be_taken_is_said_to_be_too_large() {
    let stand = Stand::new();
    let options = options(&stand.root, 1 << 20).intake_bytes(bytes(1 << 10));
    let (queue, _) = Queue::open(options, stand.handle(), &["lake"]).unwrap();
    let mut large = delivery("a", 0, &[1]);
    large.entries[0].1 = vec![0; 2 << 10];
    let refusal = offer(&queue, large).unwrap_err();
    assert!(matches!(refusal, Refusal::TooLarge { most: 1024, .. }) && !refusal.is_retryable());
}

#[test]
fn what_waits_for_a_slow_disk_is_bounded_and_nobody_waits_with_it() {
    let stand = Stand::new();
    let options = options(&stand.root, 1 << 20).intake_bytes(bytes(4 << 10));
    let (queue, _) = Queue::open(options, stand.handle(), &["lake"]).unwrap();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = Arc::clone(&gate);
    stand.disk.before_each_call(move |_| {
        let is_open = held.0.lock().unwrap();
        drop(held.1.wait_while(is_open, |is_open| !*is_open).unwrap());
    });
    let (tell, told) = mpsc::channel();
    let (mut next, mut refused) = (0, None);
    while refused.is_none() {
        let (tell, is_first) = (tell.clone(), next);
        queue.offer(delivery("a", 0, &[next]), move |result| tell.send((is_first, result)).unwrap());
        assert!(queue.report().intake_bytes <= 4 << 10);
        next += 1;
        refused = told.try_recv().ok();
    }
    let (number, refusal) = refused.unwrap();
    assert_eq!(number, next - 1);
    assert!(matches!(refusal, Err(Refusal::Busy)));
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    for _ in 0..next - 1 {
        assert!(told.recv_timeout(LONG).unwrap().1.is_ok());
    }
    assert_eq!(queue.report().intake_bytes, 0);
    assert_eq!(read(&queue, "lake").len() as u64, next - 1);
}

#[test]
fn a_disk_that_is_nearly_full_is_left_alone() {
    let stand = Stand::new();
    stand.disk.set_room(Room { used: 90, free: 10 });
    let options = options(&stand.root, 1 << 20).most_disk_percent(90);
    let (queue, _) = Queue::open(options, stand.handle(), &["lake"]).unwrap();
    let refusal = offer(&queue, delivery("a", 0, &[1])).unwrap_err();
    assert!(matches!(refusal, Refusal::DiskFull) && refusal.is_retryable() && queue.report().is_disk_full);
    stand.disk.set_room(Room { used: 89, free: 11 });
    let until = Instant::now() + LONG;
    while offer(&queue, delivery("a", 0, &[1])).is_err() {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
}

#[test]
fn streams_that_are_silent_are_forgotten() {
    let stand = Stand::new();
    let options = super::stand::small_files(&stand.root).remember_for(Duration::ZERO);
    let (queue, _) = Queue::open(options, stand.handle(), &["lake"]).unwrap();
    store(&queue, "a", &[1]);
    queue.checkpoint().unwrap();
    assert_eq!(queue.report().streams, 0);
    assert_eq!(store(&queue, "a", &[1]), stored(1, 0));
}
