//! How much is taken.

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use spanlake_collector::queue::{Options, Queue, Refusal};
use spanlake_core::disk::Room;

use super::stand::{LONG, Stand, bytes, confirm_all, delivery, names, offer, once, options, read, store, stored};

/// How many streams are remembered here.
const FEW: usize = 16;

fn few_streams(stand: &Stand) -> Options {
    super::stand::small_files(&stand.root).max_streams(NonZeroUsize::new(FEW).unwrap())
}

/// A process that sends two segments, and says at its end that all is acknowledged.
fn short_job(queue: &Queue, sender: &str) {
    assert_eq!(offer(queue, delivery(sender, 1, &[1, 2])).unwrap(), stored(2, 0));
    assert_eq!(offer(queue, delivery(sender, 3, &[])).unwrap(), stored(0, 0));
}

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

#[test]
fn any_number_of_jobs_that_end_well_cost_nobody_its_memory() {
    let stand = Stand::new();
    let (queue, _) = Queue::open(few_streams(&stand), stand.handle(), &["lake"]).unwrap();
    store(&queue, "killed", &[1, 2]);
    for job in 0..10 * FEW {
        short_job(&queue, &format!("job {job}"));
    }
    let report = queue.report();
    assert!(report.streams <= FEW as u64 && report.streams_forgotten == 0 && !report.is_crowded, "{report:?}");
    assert_eq!(store(&queue, "killed", &[1, 2, 3]), stored(1, 2), "what its spool has is known");
    assert_eq!(once(read(&queue, "lake")).len(), 20 * FEW + 3);
}

#[test]
fn a_job_that_ended_well_is_forgotten_soon_and_one_that_was_killed_is_not() {
    let stand = Stand::new();
    let options = few_streams(&stand).remember_settled_for(Duration::ZERO);
    let (queue, _) = Queue::open(options, stand.handle(), &["lake"]).unwrap();
    short_job(&queue, "well");
    store(&queue, "killed", &[1]);
    queue.checkpoint().unwrap();
    assert_eq!(queue.report().streams, 1);
    assert_eq!(store(&queue, "killed", &[1]), stored(0, 1));
    assert_eq!(offer(&queue, delivery("well", 3, &[3])).unwrap(), stored(1, 0), "it was alive after all");
    assert_eq!(offer(&queue, delivery("well", 3, &[3])).unwrap(), stored(0, 1));
}

#[test]
fn a_repeat_that_comes_late_after_a_good_end_is_known_for_a_while() {
    let stand = Stand::new();
    let (queue, _) = Queue::open(few_streams(&stand), stand.handle(), &["lake"]).unwrap();
    short_job(&queue, "well");
    queue.checkpoint().unwrap();
    assert_eq!(offer(&queue, delivery("well", 1, &[1, 2])).unwrap(), stored(0, 2));
}

#[test]
fn who_sends_nothing_is_not_remembered() {
    let stand = Stand::new();
    let (queue, _) = Queue::open(few_streams(&stand), stand.handle(), &["lake"]).unwrap();
    store(&queue, "a", &[1]);
    for sender in 0..10 * FEW as u64 {
        offer(&queue, delivery(&format!("empty {sender}"), sender, &[])).unwrap();
        offer(&queue, delivery(&format!("below {sender}"), 9, &[1, 8])).unwrap();
    }
    assert_eq!((queue.report().streams, queue.report().streams_forgotten), (1, 0));
    assert_eq!(store(&queue, "a", &[1]), stored(0, 1));
}

#[test]
fn whoever_fills_the_memory_shuts_nobody_out_and_those_who_go_on_are_known() {
    const MANY: usize = 10 * FEW;
    let stand = Stand::new();
    let (queue, _) = Queue::open(few_streams(&stand), stand.handle(), &["lake"]).unwrap();
    store(&queue, "silent", &[1]);
    for sender in 0..MANY {
        assert_eq!(store(&queue, &format!("hostile {sender}"), &[1]), stored(1, 0));
        let number = sender as u64;
        assert_eq!(store(&queue, "busy", &[number.saturating_sub(1), number]), stored(1, 1));
    }
    let report = queue.report();
    assert!(report.streams <= FEW as u64 && report.is_crowded, "{report:?}");
    assert_eq!(report.streams + report.streams_forgotten, MANY as u64 + 2);
    assert_eq!(store(&queue, &format!("hostile {}", MANY - 1), &[1]), stored(0, 1), "the last ones are known");
    assert_eq!(store(&queue, "new", &[1]), stored(1, 0));
    assert_eq!(store(&queue, "silent", &[1]), stored(1, 0), "it was silent for the longest time");
    assert_eq!(read(&queue, "lake").iter().filter(|(sender, _)| sender == "busy").count(), MANY);
}

#[test]
fn after_a_restart_as_many_are_known_as_there_is_room_for() {
    let stand = Stand::new();
    let open = || Queue::open(few_streams(&stand), stand.handle(), &["lake"]).unwrap().0;
    let senders: Vec<String> = (0..10 * FEW).map(|sender| format!("job {sender}")).collect();
    let queue = open();
    for sender in &senders {
        store(&queue, sender, &[1]);
    }
    drop(queue);
    let all: Vec<_> = senders.iter().flat_map(|sender| names(sender, [1])).collect();
    for known_from in ["files", "files and a checkpoint"] {
        let queue = open();
        assert!(queue.report().streams <= FEW as u64, "{:?}", queue.report());
        let mut last = senders.iter().rev().take(FEW / 2);
        assert!(last.all(|sender| store(&queue, sender, &[1]) == stored(0, 1)), "from {known_from}");
        assert_eq!(read(&queue, "lake"), all, "nothing that was acknowledged is lost");
        queue.close(LONG).unwrap();
    }
}

#[test]
fn who_was_forgotten_is_not_found_again_at_a_restart() {
    let stand = Stand::new();
    let options = || few_streams(&stand).remember_settled_for(Duration::ZERO);
    let open = || Queue::open(options(), stand.handle(), &["lake"]).unwrap().0;
    let queue = open();
    store(&queue, "killed", &[1]);
    (0..10 * FEW).for_each(|job| short_job(&queue, &format!("job {job}")));
    queue.checkpoint().unwrap();
    store(&queue, "new", &[1]);
    drop(queue);
    let queue = open();
    let report = queue.report();
    assert_eq!((report.streams, report.streams_forgotten, report.is_crowded), (2, 0, false));
    assert_eq!((store(&queue, "killed", &[1]), store(&queue, "new", &[1])), (stored(0, 1), stored(0, 1)));
    assert_eq!(read(&queue, "lake").len(), 20 * FEW + 2);
}
