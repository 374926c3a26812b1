//! What is stored, and what is a repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Barrier, mpsc};

use proptest::prelude::*;
use spanlake_collector::queue::{Delivery, Queue, Refusal};
use spanlake_testkit::disk::{ENOSPC, Fault, Operation};

use super::stand::{LONG, Name, Stand, delivery, names, offer, once, read, store, stored};

#[test]
fn what_comes_again_is_stored_once() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    assert_eq!(store(&queue, "a", &[1, 2, 2, 3]), stored(3, 1));
    assert_eq!(store(&queue, "a", &[2, 4]), stored(1, 1));
    assert_eq!(store(&queue, "b", &[2]), stored(1, 0), "numbers of others are others");
    assert_eq!(offer(&queue, delivery("a", 9, &[8, 9])).unwrap(), stored(1, 1), "what is below the floor is settled");
    let expected = [names("a", [1, 2, 3, 4]), names("b", [2]), names("a", [9])].concat();
    assert_eq!(read(&queue, "lake"), expected);
    drop(queue);
    let (queue, opened) = stand.open(&["lake"]);
    assert_eq!(opened.waiting, [("lake".to_owned(), 6)]);
    assert_eq!(store(&queue, "a", &[1, 4, 9, 10]), stored(1, 3));
    let report = queue.report();
    assert_eq!((report.accepted, report.repeated, report.streams), (1, 3, 2));
}

#[test]
fn what_nobody_numbers_is_stored_as_often_as_it_comes() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    let bare = Delivery { entries: vec![(None, b"x".to_vec()), (Some(1), b"y".to_vec())], ..Delivery::default() };
    assert_eq!(offer(&queue, bare.clone()).unwrap(), stored(2, 0));
    assert_eq!(offer(&queue, bare).unwrap(), stored(2, 0));
    let unnumbered = Delivery { entries: vec![(None, vec![]); 2], ..delivery("a", 0, &[]) };
    assert_eq!(offer(&queue, unnumbered).unwrap(), stored(2, 0));
    assert_eq!(offer(&queue, Delivery::default()).unwrap(), stored(0, 0));
}

#[test]
fn many_who_offer_the_same_at_once_are_all_told_that_it_is_stored() {
    const THREADS: usize = 8;
    const NUMBERS: u64 = 300;
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    let start = Barrier::new(THREADS);
    let accepted: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS as u64)
            .map(|thread| {
                let (queue, start) = (&queue, &start);
                scope.spawn(move || {
                    start.wait();
                    let batch = |from: u64| (from..from + 5).map(|number| (number * 7 + thread) % NUMBERS);
                    let store = |from| store(queue, "a", &batch(from).collect::<Vec<_>>());
                    let results: Vec<_> = (0..NUMBERS).step_by(5).map(store).collect();
                    assert!(results.iter().all(|stored| stored.accepted + stored.repeated == 5));
                    results.iter().map(|stored| stored.accepted).sum::<u64>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(accepted, NUMBERS);
    assert_eq!(once(read(&queue, "lake")).len() as u64, NUMBERS);
}

#[test]
fn deliveries_that_come_together_are_synced_together() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    let syncs = || stand.disk.calls().iter().filter(|call| call.operation == Operation::Sync).count();
    let (before, (tell, told)) = (syncs(), mpsc::channel());
    for number in 0..200 {
        let tell = tell.clone();
        queue.offer(delivery("a", 0, &[number]), move |result| tell.send(result.is_ok()).unwrap());
    }
    assert!((0..200).all(|_| told.recv_timeout(LONG).unwrap()));
    assert!(syncs() - before <= 150, "{} syncs", syncs() - before);
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_the_next_file_begun() {
    for cannot_cut in [false, true] {
        let stand = Stand::new();
        let (queue, _) = stand.open(&["lake"]);
        store(&queue, "a", &[1]);
        stand.disk.fail(Fault::at(1).of(Operation::Sync));
        if cannot_cut {
            stand.disk.fail(Fault::at(1).of(Operation::SetLen).for_ever());
        }
        let refusal = offer(&queue, delivery("a", 0, &[2, 3])).unwrap_err();
        assert!(matches!(refusal, Refusal::Failed(_)) && refusal.is_retryable());
        assert_eq!(read(&queue, "lake"), names("a", [1]));
        assert_eq!(store(&queue, "a", &[3, 2, 4]), stored(3, 0));
        assert_eq!(stand.files().len(), 2);
        drop(queue);
        let (queue, opened) = stand.open(&["lake"]);
        assert_eq!(opened.mended.cut_bytes > 0, cannot_cut);
        assert_eq!(opened.mended.quarantined.len() as u64 + opened.mended.lost, 0);
        assert_eq!(read(&queue, "lake"), names("a", [1, 3, 2, 4]));
    }
}

#[test]
fn a_write_that_fails_leaves_the_file_in_use() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    store(&queue, "a", &[1]);
    stand.disk.fail(Fault::at(1).of(Operation::Write).error(ENOSPC).tearing());
    assert!(matches!(offer(&queue, delivery("a", 0, &[2])), Err(Refusal::Failed(_))));
    assert_eq!(store(&queue, "a", &[2]), stored(1, 0));
    assert_eq!(stand.files().len(), 1);
    let report = queue.report();
    assert_eq!((report.errors, report.refused.failed), (1, 1));
    drop(queue);
    assert_eq!(read(&stand.open(&["lake"]).0, "lake"), names("a", [1, 2]));
}

#[test]
fn who_panics_when_told_hurts_nobody_else() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    queue.offer(delivery("a", 0, &[1]), |_| panic!("on purpose"));
    assert_eq!(store(&queue, "a", &[1, 2]), stored(1, 1));
}

#[test]
fn closing_writes_what_was_offered_and_refuses_what_comes_later() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    let (tell, told) = mpsc::channel();
    for number in 0..50 {
        let tell = tell.clone();
        queue.offer(delivery("a", 0, &[number]), move |result| tell.send(result).unwrap());
    }
    queue.close(LONG).unwrap();
    assert!((0..50).all(|_| told.try_recv().unwrap().is_ok()));
    assert!(matches!(offer(&queue, delivery("a", 0, &[50])), Err(Refusal::Closed)));
    assert_eq!(read(&queue, "lake").len(), 50, "readers go on");
}

// === any order of everything ===

#[derive(Clone, Debug)]
enum Step {
    Offer {
        sender: usize,
        floor: u64,
        numbers: Vec<u64>,
    },
    Checkpoint,
    Confirm,
    /// The queue is closed and opened again, or dropped as by a kill.
    Reopen {
        is_closed: bool,
    },
}

const SENDERS: [&str; 3] = ["a", "b", "c"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let numbers = prop::collection::vec(0..40u64, 0..6);
    let floor = prop_oneof![4 => Just(0), 1 => 0..30u64];
    let offer = (0..SENDERS.len(), floor, numbers);
    let step = prop_oneof![
        8 => offer.prop_map(|(sender, floor, numbers)| Step::Offer { sender, floor, numbers }),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Confirm),
        1 => any::<bool>().prop_map(|is_closed| Step::Reopen { is_closed }),
    ];
    prop::collection::vec(step, 1..60)
}

/// What should be in the queue.
#[derive(Default)]
struct Model {
    stored: BTreeSet<Name>,
    order: Vec<Name>,
    floors: BTreeMap<&'static str, u64>,
    durable_floors: BTreeMap<&'static str, u64>,
}

impl Model {
    fn offer(&mut self, queue: &Queue, sender: &'static str, floor: u64, numbers: &[u64]) {
        let known = self.floors.entry(sender).or_default();
        *known = floor.max(*known);
        let before = self.order.len();
        for name in names(sender, numbers.iter().copied()) {
            if name.1 >= *known && self.stored.insert(name.clone()) {
                self.order.push(name);
            }
        }
        let accepted = self.order.len() - before;
        if self.stored.iter().all(|(stored, _)| stored != sender) {
            // Of whom nothing is stored, nothing is remembered.
            self.floors.remove(sender);
        }
        let expected = stored(accepted as u64, (numbers.len() - accepted) as u64);
        assert_eq!(offer(queue, delivery(sender, floor, numbers)).unwrap(), expected);
    }
}

const PLUGINS: [&str; 2] = ["archive", "lake"];

fn play(steps: Vec<Step>) {
    let stand = Stand::new();
    let (mut queue, _) = stand.open(&PLUGINS);
    let mut model = Model::default();
    for step in steps {
        match &step {
            Step::Offer { sender, floor, numbers } => model.offer(&queue, SENDERS[*sender], *floor, numbers),
            Step::Checkpoint => queue.checkpoint().unwrap(),
            Step::Confirm => super::stand::confirm_all(&queue, "lake", b""),
            Step::Reopen { is_closed: true } => queue.close(LONG).unwrap(),
            Step::Reopen { is_closed: false } => {}
        }
        if matches!(step, Step::Checkpoint | Step::Reopen { is_closed: true }) {
            model.durable_floors = model.floors.clone();
        }
        if matches!(step, Step::Reopen { .. }) {
            drop(queue);
            model.floors = model.durable_floors.clone();
            let (opened, found) = stand.open(&PLUGINS);
            assert_eq!(found.mended, Default::default());
            queue = opened;
        }
    }
    assert_eq!(read(&queue, "archive"), model.order);
    let confirmed = model.order.len() - read(&queue, "lake").len();
    assert_eq!(read(&queue, "lake"), model.order[confirmed..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn each_segment_is_stored_once_whatever_comes_when(steps in steps()) {
        play(steps);
    }
}
