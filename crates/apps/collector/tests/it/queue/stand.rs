//! A queue under test, and those who offer and read.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use spanlake_collector::queue::{Delivery, Opened, Options, Queue, Refusal, Stored};
use spanlake_core::disk::Disk;
use spanlake_testkit::disk::FakeDisk;
use spanlake_wire::exchange::Stream;

/// Longer than anything takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A sender and a number of its.
pub(crate) type Name = (String, u64);

/// A folder for a queue on a fake disk.
pub(crate) struct Stand {
    _scratch: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) disk: FakeDisk,
}

impl Stand {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a folder");
        let root = scratch.path().join("disk");
        std::fs::create_dir(&root).expect("a folder");
        let disk = FakeDisk::new(&root);
        Self { _scratch: scratch, root, disk }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        folder(&self.root)
    }

    pub(crate) fn handle(&self) -> Arc<dyn Disk> {
        self.disk.handle()
    }

    pub(crate) fn open(&self, plugins: &[&str]) -> (Queue, Opened) {
        Queue::open(small_files(&self.root), self.handle(), plugins).expect("a queue")
    }

    /// The queue's files, the oldest first.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        files(&self.folder())
    }
}

/// The queue's files in a folder, the oldest first.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "queue")).collect();
    files.sort();
    files
}

pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join("queue")
}

/// Options with which a few deliveries fill a file, on whatever disk.
pub(crate) fn small_files(root: &Path) -> Options {
    options(root, 1 << 20).file_bytes(bytes(600))
}

pub(crate) fn options(root: &Path, max_bytes: u64) -> Options {
    Options::new(folder(root), bytes(max_bytes)).most_disk_percent(100)
}

pub(crate) fn bytes(count: u64) -> NonZeroU64 {
    NonZeroU64::new(count).expect("more than none")
}

/// A delivery of these numbers; each segment says which it is.
pub(crate) fn delivery(sender: &str, floor: u64, numbers: &[u64]) -> Delivery {
    let entries = numbers.iter().map(|number| (Some(*number), segment(sender, *number))).collect();
    Delivery { stream: Some(stream(sender)), floor, service: "orders".to_owned(), entries }
}

pub(crate) fn stream(sender: &str) -> Stream {
    Stream { sender: sender.to_owned(), epoch: 7 }
}

fn segment(sender: &str, number: u64) -> Vec<u8> {
    format!("{sender}/{number}/{}", "x".repeat(20 + number as usize % 40)).into_bytes()
}

/// Offers a delivery and waits for what becomes of it.
pub(crate) fn offer(queue: &Queue, delivery: Delivery) -> Result<Stored, Refusal> {
    let (tell, told) = mpsc::channel();
    queue.offer(delivery, move |result| tell.send(result).expect("somebody waits"));
    told.recv_timeout(LONG).expect("an answer in time")
}

pub(crate) fn store(queue: &Queue, sender: &str, numbers: &[u64]) -> Stored {
    offer(queue, delivery(sender, 0, numbers)).expect("room")
}

pub(crate) fn stored(accepted: u64, repeated: u64) -> Stored {
    Stored { accepted, repeated }
}

/// Everything that a plugin has not confirmed, in order; what it holds is what was sent.
pub(crate) fn read(queue: &Queue, plugin: &str) -> Vec<Name> {
    let mut reader = queue.reader(plugin).expect("a plugin");
    let mut names = Vec::new();
    while let Some(items) = reader.next(Instant::now()).expect("a disk that works") {
        for entry in items.iter() {
            let (sender, number) = (entry.stream.expect("a stream").0, entry.number.expect("a number"));
            assert_eq!(entry.segment, segment(sender, number));
            assert_eq!(entry.service, "orders");
            names.push((sender.to_owned(), number));
        }
    }
    names
}

/// Confirms all that there is.
pub(crate) fn confirm_all(queue: &Queue, plugin: &str, note: &[u8]) {
    let mut reader = queue.reader(plugin).expect("a plugin");
    while let Some(items) = reader.next(Instant::now()).expect("a disk that works") {
        reader.confirm(items.last(), note.to_vec());
    }
}

pub(crate) fn names(sender: &str, numbers: impl IntoIterator<Item = u64>) -> Vec<Name> {
    numbers.into_iter().map(|number| (sender.to_owned(), number)).collect()
}

/// The names, none of which may be there twice.
pub(crate) fn once(names: Vec<Name>) -> BTreeSet<Name> {
    let count = names.len();
    let set: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(set.len(), count, "twice: {names:?}");
    set
}
