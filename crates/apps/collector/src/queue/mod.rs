//! The durable queue between those who receive segments and the plugins that put them where they belong.
//!
//! # Flow
//!
//! [`Queue::offer`] takes a [`Delivery`] and returns at once. One thread writes what has come together to an append-only
//! file, makes it durable with one sync, and then tells each that its delivery is stored. A segment that its stream has
//! sent before is not stored again. Every plugin has a [`Reader`], which hands out all entries in order, and confirms what it
//! has for good. A [`Queue::checkpoint`] makes durable how far all are, and removes the files that all are past.
//!
//! # What can be lost
//!
//! Nothing that was acknowledged, unless the disk loses what it had synced; that is found by checksums, kept aside and counted.
//! What is refused was not acknowledged. Plugins get each entry at least once: after a crash again what came since the last
//! checkpoint, for which they may keep a note in it.
//!
//! # Bounds
//!
//! The files and what waits in memory take [`Options::new`]'s `max_bytes` together. In memory, what waits for the disk takes
//! [`Options::intake_bytes`], the group that is being written 8 MiB beside that, and what is known of streams some 16 MiB at most.
//!
//! ```
//! use std::num::NonZeroU64;
//! use std::time::{Duration, Instant};
//! use spanlake_collector::queue::{Delivery, Options, Queue};
//!
//! # let scratch = std::env::temp_dir().join(format!("spanlake-queue-{}", std::process::id()));
//! let options = Options::new(&scratch, NonZeroU64::new(1 << 30).unwrap()).most_disk_percent(100);
//! let (queue, opened) = Queue::open(options, spanlake_core::disk::real(), &["print"])?;
//! assert_eq!(opened.waiting, [("print".to_owned(), 0)]);
//!
//! let (tell, told) = std::sync::mpsc::channel();
//! let entries = vec![(Some(0), b"a segment".to_vec())];
//! queue.offer(Delivery { entries, ..Delivery::default() }, move |result| drop(tell.send(result)));
//! assert_eq!(told.recv()??.accepted, 1); // it is on the disk
//!
//! let mut reader = queue.reader("print").expect("it was named");
//! let items = reader.next(Instant::now() + Duration::from_secs(5))?.expect("an entry");
//! assert_eq!(items.iter().next().unwrap().segment, b"a segment");
//! reader.confirm(items.last(), Vec::new());
//! queue.checkpoint()?;
//! queue.close(Duration::from_secs(5))?;
//! # std::fs::remove_dir_all(scratch)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod options;
mod delivery;
mod entry;
mod numbers;
mod streams;
mod checkpoint;
mod survey;
mod mend;
mod log;
mod shared;
mod writer;
mod reader;
mod inspect;

pub use delivery::{Delivery, Refusal, Refused, Stored};
pub use entry::Entry;
pub use inspect::{ListedFile, Listing, Verification, list, repair, verify};
pub use mend::{Mended, QUARANTINE};
pub use options::{
    FILE_BYTES, GROUP_FOR, INTAKE_BYTES, MAX_STREAMS, MOST_DISK_PERCENT, Options, REMEMBER_FOR, REMEMBER_SETTLED_FOR,
};
pub use reader::{Items, Reader};
pub use streams::{MAX_RANGES, MAX_RANGES_IN_ALL};
pub use survey::{FileState, QueueFile};

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use spanlake_core::clock::deadline;
use spanlake_core::disk::{Access, Disk, OwnerLock};
use spanlake_core::sync::{Arc, Mutex, lock, thread};
use spanlake_core::{Category, Error, Severity, Stage};

use checkpoint::Progress;
use shared::{Shared, State, Stretch, now_us};
use streams::Streams;
use survey::Survey;
use writer::Writer;

/// The file by which a process says that the queue is its own.
const LOCK: &str = "lock";

/// A durable queue. Its methods may be called from everywhere; [`Queue::offer`] does not wait for the disk.
///
/// When it is dropped, it waits until what was offered is written.
#[derive(Debug)]
pub struct Queue {
    shared: Arc<Shared>,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
    _lock: Arc<OwnerLock>,
}

/// What was found when a queue was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// What was wrong and is put right.
    pub mended: Mended,
    /// For each plugin, how many entries wait for it.
    pub waiting: Vec<(String, u64)>,
    /// Plugins that had confirmed something and are not set up any more: they do not keep files from being removed.
    pub gone: Vec<String>,
}

/// How a queue is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueReport {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Bytes that wait for the disk.
    pub intake_bytes: u64,
    /// Files.
    pub files: u64,
    /// Streams that are remembered.
    pub streams: u64,
    /// Streams that were forgotten for want of room since the queue was opened. What they repeat is stored again.
    pub streams_forgotten: u64,
    /// Whether streams were forgotten within the last minute that had sent something in the minute before.
    pub is_crowded: bool,
    /// For each plugin, how many entries it has not confirmed.
    pub waiting: Vec<(String, u64)>,
    /// Segments stored since the queue was opened.
    pub accepted: u64,
    /// Segments that were stored before.
    pub repeated: u64,
    /// Deliveries that were refused.
    pub refused: Refused,
    /// Entries that could not be read any more, when the queue was opened or since.
    pub damaged: u64,
    /// Whether the disk is too full to take more.
    pub is_disk_full: bool,
    /// How often the disk failed.
    pub errors: u64,
    /// How it failed last.
    pub last_error: Option<String>,
}

// === impl Queue ===

impl Queue {
    /// Opens the queue of a folder, which is made if need be, for plugins of these names. What a crash left is put right.
    ///
    /// A plugin that was not there before gets everything that is still kept.
    pub fn open(options: Options, disk: Arc<dyn Disk>, plugins: &[&str]) -> Result<(Self, Opened), Error> {
        let folder = options.folder.clone();
        let unopened = |error| failed("cannot open the queue", &folder, error);
        disk.create_folder(&folder, Access::Private).map_err(unopened)?;
        let lock = Arc::new(take_lock(&folder)?);
        let mut found = Streams::default();
        let mut survey =
            Survey::of(&*disk, &folder, |entry| found.found(entry, options.max_streams)).map_err(unopened)?;
        let mended = mend::mend(&*disk, &folder, &mut survey).map_err(unopened)?;
        found.join(std::mem::take(&mut survey.streams));
        found.make_room(options.max_streams, now_us());
        let seed = survey.seed().unwrap_or_else(random);
        let has_checkpoint = survey.checkpoint.is_some();
        let mut state = state_of(survey, plugins);
        state.counts.damaged = mended.lost;
        let opened = Opened { mended, waiting: state.waiting(), gone: state.gone.keys().cloned().collect() };
        let shared = Arc::new(Shared::new(disk, options, seed, state, found));
        // Before any file is begun: the seed is in it. Where the disk is full, the one that is there does for it, as after a crash.
        match shared.checkpoint() {
            Err(error) if has_checkpoint && error.kind() == ErrorKind::StorageFull => {}
            written => written.map_err(unopened)?,
        }
        sync_names_above(&*shared.disk, &folder).map_err(unopened)?;
        let writer = Writer::spawn(Arc::clone(&shared), Arc::clone(&lock)).map_err(unopened)?;
        Ok((Self { shared, writer: Mutex::new(Some(writer)), _lock: lock }, opened))
    }

    /// Offers a delivery. `done` hears once what became of it: from the queue's thread when it is durable, or could not be
    /// made so; from this one, before this returns, when there is no room for it. It should be quick, for others wait behind it.
    pub fn offer(&self, delivery: Delivery, done: impl FnOnce(Result<Stored, Refusal>) + Send + 'static) {
        self.shared.offer(delivery, Box::new(done));
    }

    /// Why a delivery of so many bytes would be refused at this moment; `None` when it would not.
    pub fn refusal_of(&self, bytes: u64) -> Option<Refusal> {
        self.shared.refuse(&self.shared.state(), bytes)
    }

    /// How many bytes a delivery may have; some are counted beside those of its segments.
    pub fn most_at_a_time(&self) -> u64 {
        self.shared.options.most_at_a_time()
    }

    /// The way of a plugin through the queue; `None` for one that was not named when the queue was opened.
    pub fn reader(&self, plugin: &str) -> Option<Reader> {
        Reader::new(Arc::clone(&self.shared), plugin)
    }

    /// Adds a plugin, which goes on where it was, or begins at the oldest entry that is kept.
    pub fn add_plugin(&self, plugin: &str) {
        let mut state = self.shared.state();
        if state.plugins.contains_key(plugin) {
            return;
        }
        let oldest = state.files.front().map_or(state.next, |file| file.first);
        let known = state.gone.remove(plugin).unwrap_or_default();
        let next = known.next.max(oldest).min(state.next);
        state.plugins.insert(plugin.to_owned(), Progress { next, ..known });
    }

    /// Removes a plugin, which keeps no file from then on; should it come back, it goes on where it was. Its readers are to be gone.
    pub fn remove_plugin(&self, plugin: &str) {
        let mut state = self.shared.state();
        if let Some(progress) = state.plugins.remove(plugin) {
            state.gone.insert(plugin.to_owned(), progress);
        }
    }

    /// What tells this queue from all others, as long as its folder is kept. It says nothing about the secret of its checksums.
    pub fn identity(&self) -> u64 {
        let mut hasher = siphasher::sip::SipHasher13::new_with_keys(self.shared.seed, 0);
        hasher.write(b"identity");
        hasher.finish()
    }

    /// Makes durable what plugins have confirmed, with their notes, and what is known of streams; then removes files that all
    /// plugins are past. Nothing is written when nothing has changed.
    pub fn checkpoint(&self) -> Result<(), Error> {
        let written = self.shared.checkpoint();
        written.map_err(|error| failed("cannot write the checkpoint", &self.shared.options.folder, error))
    }

    /// How the queue is.
    pub fn report(&self) -> QueueReport {
        let streams = lock(&self.shared.streams);
        let (remembered, forgotten, is_crowded) =
            (streams.len() as u64, streams.forgotten, streams.is_crowded(now_us()));
        drop(streams);
        let state = self.shared.state();
        let counts = state.counts.clone();
        QueueReport {
            bytes: state.file_bytes(),
            intake_bytes: state.intake_bytes,
            files: state.files.len() as u64,
            streams: remembered,
            streams_forgotten: forgotten,
            is_crowded,
            waiting: state.waiting(),
            accepted: counts.accepted,
            repeated: counts.repeated,
            refused: counts.refused,
            damaged: counts.damaged,
            is_disk_full: state.is_disk_full,
            errors: counts.errors,
            last_error: counts.last_error,
        }
    }

    /// Takes nothing more, and waits until what was offered is durable or refused; then makes a checkpoint. Readers go on, and
    /// a later checkpoint has what they confirm.
    pub fn close(&self, timeout: Duration) -> Result<(), Error> {
        self.shared.close();
        let ended = self.shared.wait_for(deadline(timeout), |state| state.has_ended.then_some(()));
        if ended.is_none() {
            let late = Error::new(Stage::Handler, "Queue", Category::Io, "what was offered is not written in time");
            return Err(late.with("timeout_ms", timeout.as_millis()));
        }
        self.checkpoint()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.close();
        // After a panic there is nothing to wait for, and nothing to say.
        let _ = lock(&self.writer).take().map(thread::JoinHandle::join);
    }
}

// === impl State ===

impl State {
    fn waiting(&self) -> Vec<(String, u64)> {
        let waiting = |(name, at): (&String, &Progress)| (name.clone(), self.next.saturating_sub(at.next));
        self.plugins.iter().map(waiting).collect()
    }
}

fn state_of(survey: Survey, plugins: &[&str]) -> State {
    let (next, next_file) = (survey.next(), survey.next_file());
    let oldest = survey.files.first().map_or(next, |file| file.first);
    let mut known = survey.checkpoint.map(|checkpoint| checkpoint.plugins).unwrap_or_default();
    let progress = |name: &&str| {
        let progress = known.remove(*name).unwrap_or_default();
        ((*name).to_owned(), Progress { next: progress.next.max(oldest).min(next), ..progress })
    };
    let plugins: BTreeMap<_, _> = plugins.iter().map(progress).collect();
    let stretch = |file: QueueFile| {
        let QueueFile { number, path, seed, first, end, bytes, .. } = file;
        Stretch { number, path, seed, first, end, bytes }
    };
    let files = survey.files.into_iter().map(stretch).collect();
    State { files, next, next_file, plugins, gone: known, ..State::default() }
}

fn take_lock(folder: &Path) -> Result<OwnerLock, Error> {
    let taken = OwnerLock::take(folder, LOCK).map_err(|error| failed("cannot take the queue's lock", folder, error))?;
    taken.ok_or_else(|| {
        let held = Error::new(Stage::Factory, "Queue", Category::Io, "another process has the queue open");
        held.with("folder", folder.display()).severity(Severity::Critical)
    })
}

/// Makes the names of folders durable, any of which may have been made just now.
fn sync_names_above(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    folder.ancestors().skip(1).try_for_each(|above| disk.sync_folder(above))
}

fn failed(message: &str, folder: &Path, error: io::Error) -> Error {
    Error::io("Queue", message, error).with("folder", folder.display())
}

/// A number that nobody can guess.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
