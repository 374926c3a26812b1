//! The power goes at any call.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use spanlake_collector::queue::{Delivery, Queue, Refusal};
use spanlake_testkit::disk::{FakeDisk, PowerCut, seed};

use super::stand::{Name, Stand, delivery, offer, once, read, small_files, stored};

/// States that are looked at after each cut.
const STATES: usize = 4;

const PLUGINS: [&str; 2] = ["fast", "slow"];

/// What a queue owes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promise {
    /// What was acknowledged.
    acked: BTreeSet<Name>,
    /// What was offered.
    given: BTreeSet<Name>,
    /// What each plugin has confirmed.
    confirmed: [BTreeSet<Name>; PLUGINS.len()],
    /// Whether all of the work was done.
    pub(crate) is_done: bool,
}

/// Deliveries, plugins and checkpoints, each step tried until it can be done.
pub(crate) struct Work<'a> {
    stand: &'a Stand,
    tries: usize,
    promise: Arc<Mutex<Promise>>,
}

impl<'a> Work<'a> {
    pub(crate) fn on(stand: &'a Stand, tries: usize) -> Self {
        Self { stand, tries, promise: Arc::default() }
    }

    /// Does it all, as far as the disk lets it.
    pub(crate) fn play(&self) -> Promise {
        let open = || Queue::open(small_files(&self.stand.root), self.stand.handle(), &PLUGINS);
        let is_done = self.again(open).is_some_and(|(queue, _)| self.first_part(&queue))
            && self.again(open).is_some_and(|(queue, _)| self.second_part(&queue));
        let mut promise = self.promise.lock().unwrap().clone();
        promise.is_done = is_done;
        promise
    }

    fn first_part(&self, queue: &Queue) -> bool {
        let stored = [
            self.store(queue, "a", &[1, 2, 3]),
            self.store(queue, "a", &[3, 4]),
            self.store(queue, "b", &[10, 12, 11]),
            self.store(queue, "a", &[5, 6, 7, 8, 9]),
            self.confirm(queue, 0, 100),
            self.confirm(queue, 1, 4),
            self.checkpoint(queue),
            self.store(queue, "b", &[12, 13, 14]),
            self.confirm(queue, 1, 9),
            self.checkpoint(queue),
            self.store(queue, "a", &[2, 10]),
        ];
        stored.iter().all(|is_done| *is_done)
    }

    fn second_part(&self, queue: &Queue) -> bool {
        let stored = [
            self.store(queue, "b", &[10, 15]),
            self.store(queue, "c", &[0, 1, 2, 3, 4, 5, 6]),
            self.confirm(queue, 0, 100),
            self.confirm(queue, 1, 100),
            self.checkpoint(queue),
            self.store(queue, "c", &[6, 7]),
            self.again(|| queue.close(super::stand::LONG)).is_some(),
        ];
        stored.iter().all(|is_done| *is_done)
    }

    fn again<T, E>(&self, mut step: impl FnMut() -> Result<T, E>) -> Option<T> {
        (0..self.tries).find_map(|_| step().ok())
    }

    fn store(&self, queue: &Queue, sender: &str, numbers: &[u64]) -> bool {
        let names = || numbers.iter().map(|number| (sender.to_owned(), *number));
        self.promise.lock().unwrap().given.extend(names());
        let is_stored = self.again(|| offer(queue, delivery(sender, 0, numbers))).is_some();
        if is_stored {
            self.promise.lock().unwrap().acked.extend(names());
        }
        is_stored
    }

    /// Lets a plugin read and confirm, up to an index.
    fn confirm(&self, queue: &Queue, plugin: usize, most: u64) -> bool {
        let mut reader = queue.reader(PLUGINS[plugin]).expect("a plugin");
        loop {
            match self.again(|| reader.next(Instant::now()).map_err(drop)) {
                None => return false,
                Some(None) => return true,
                Some(Some(items)) => {
                    for entry in items.iter().filter(|entry| entry.index <= most) {
                        let name = (entry.stream.unwrap().0.to_owned(), entry.number.unwrap());
                        // First of all: the queue may act on it at once.
                        self.promise.lock().unwrap().confirmed[plugin].insert(name);
                        reader.confirm(entry.index, vec![]);
                    }
                }
            }
        }
    }

    fn checkpoint(&self, queue: &Queue) -> bool {
        self.again(|| queue.checkpoint()).is_some()
    }
}

/// Opens what is left and looks whether all that was acknowledged is there, once.
pub(crate) fn check(left: &Path, promise: &Promise) {
    let disk = FakeDisk::new(left);
    let (queue, opened) = Queue::open(small_files(left), disk.handle(), &PLUGINS).expect("it can be opened");
    assert_eq!(opened.mended.lost, 0, "{opened:?}");
    assert!(!opened.mended.is_checkpoint_lost);
    for (plugin, confirmed) in PLUGINS.iter().zip(&promise.confirmed) {
        let found = once(read(&queue, plugin));
        let lost: Vec<_> =
            promise.acked.iter().filter(|name| !found.contains(name) && !confirmed.contains(name)).collect();
        assert!(lost.is_empty(), "{plugin} lacks {lost:?}");
        assert!(found.is_subset(&promise.given), "{plugin} has {found:?}");
    }
    for (sender, number) in &promise.acked {
        let again = offer(&queue, delivery(sender, 0, &[*number]));
        assert_eq!(again.expect("room"), stored(0, 1), "{sender}/{number} is known");
    }
    let report = queue.report();
    assert_eq!((report.damaged, report.errors), (0, 0));
    assert_eq!(offer(&queue, delivery("z", 0, &[1])).expect("room"), stored(1, 0));
    drop(queue);
    let (queue, opened) = Queue::open(small_files(left), disk.handle(), &PLUGINS).expect("it can be opened again");
    assert_eq!(opened.mended, Default::default(), "a second time there is nothing to mend");
    assert_eq!(read(&queue, "slow").last().map(|(sender, _)| sender.as_str()), Some("z"));
}

#[test]
fn what_was_acknowledged_outlives_a_power_cut_at_any_call() {
    let stand = Stand::new();
    let moments: Arc<Mutex<Vec<(PowerCut, Promise)>>> = Arc::default();
    let work = Work::on(&stand, 1);
    let (watcher, promise) = (Arc::clone(&moments), Arc::clone(&work.promise));
    stand.disk.before_each_call(move |cut| {
        // What is confirmed from here on may be in the next checkpoint; what was is.
        let promise = promise.lock().unwrap().clone();
        watcher.lock().unwrap().push((cut, promise));
    });
    assert!(work.play().is_done);
    stand.disk.before_each_call(|_| ());
    let mut moments = std::mem::take(&mut *moments.lock().unwrap());
    moments.push((stand.disk.cut_power(), work.promise.lock().unwrap().clone()));
    let scratch = tempfile::tempdir().unwrap();
    let mut states = 0;
    for (cut, promise) in &moments {
        states += cut.each(STATES, seed(), &scratch.path().join("left"), |left| check(left, promise));
    }
    println!("{} moments, {states} states", moments.len());
    assert!(moments.len() > 100);
}

#[test]
fn a_repeat_is_not_acknowledged_before_the_first_is_durable() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    let both: Delivery = delivery("a", 0, &[1, 1]);
    stand.disk.fail(spanlake_testkit::disk::Fault::at(1).of(spanlake_testkit::disk::Operation::Sync));
    assert!(matches!(offer(&queue, both), Err(Refusal::Failed(_))));
    assert_eq!(offer(&queue, delivery("a", 0, &[1])).unwrap(), stored(1, 0));
}
