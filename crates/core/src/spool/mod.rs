//! The crash-proof spool: the pages of a buffer as mapped files, so that a record whose call has returned is in the
//! operating system's hands, whatever becomes of the process.
//!
//! ```text
//! <spool>/<process>/            mode 0700, files 0600
//!     lock                      held by the process as long as it lives
//!     ledger                    what the sinks have for good
//!     000000000001.seg …        segments that they may not have yet
//! ```
//!
//! Segments stay until every sink has made durable what was in them. That is a checkpoint: the sinks are flushed, the
//! ledger is replaced, and only then the files are removed. Whoever finds a spool whose process is gone takes back what
//! the sinks wrote behind the ledger and writes what is in the segments: everything is in the lake exactly once.
//!
//! A kill loses nothing. A power cut loses what was recorded since the last sync, see [`SpoolOptions::sync_every`].

mod files;
mod keeper;
mod ledger;
mod lock;
mod open_tasks;
mod orphan;
mod inspect;

pub use inspect::{Inspection, Quarantined, SegmentFile, State, inspect, quarantined};
pub use ledger::Ledger;
pub use open_tasks::OpenTasks;
pub use orphan::{Orphan, StoredSegment, orphans, quarantine};

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::{self, Access, Disk, Sentinel};
use crate::error::{Category, Error, Stage};
use crate::record::Source;
use crate::segment::page::Page;
use crate::segment::{Segment, SegmentWriter};
use crate::sink::{FileState, Recipe};
use crate::spool::files::Files;
pub(crate) use crate::spool::files::number;
use crate::spool::keeper::Keeper;
use crate::spool::lock::SpoolLock;
use crate::sync::{Arc, Mutex, lock};

/// Default of [`SpoolOptions::sync_every`].
pub const DEFAULT_SYNC_EVERY: Duration = Duration::from_secs(1);

/// The folder of a lake in which its spools are looked for.
pub const FOLDER: &str = ".spool";

/// Name of the ledger's file.
pub(crate) const LEDGER: &str = "ledger";

/// Name of the file that shows whether the owner lives.
pub(crate) const LOCK: &str = "lock";

/// Extension of segments.
pub(crate) const SEGMENT: &str = "seg";

/// Extension of files that are to replace others.
pub(crate) const DRAFT: &str = "new";

/// Name of a ledger that is to replace another one.
pub(crate) const LEDGER_DRAFT: &str = "ledger.new";

/// The unit in which file systems give room.
const BLOCK: usize = 4096;

/// Where a spool is, and how often it is synced.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    folder: PathBuf,
    sync_every: Option<Duration>,
    disk: Arc<dyn Disk>,
}

/// The spool of this process.
#[derive(Debug)]
pub(crate) struct Spool {
    files: Arc<Files>,
    keeper: Keeper,
    lock: Arc<SpoolLock>,
    book: Mutex<Book>,
    retained: Mutex<Vec<Retained>>,
    sentinel: Arc<Sentinel>,
}

/// What the ledger says now.
#[derive(Debug)]
struct Book {
    ledger: Ledger,
    /// Segments that the ledger before this one released: their removal may have failed, or may not be durable before the
    /// next one is.
    released_before: Vec<u64>,
    /// Whether something is held in it.
    has_held: bool,
    is_clean: bool,
}

/// A segment that was drained and is kept until the sinks have it for good.
#[derive(Debug)]
struct Retained {
    number: u64,
    /// Bytes of the buffer's room that it takes.
    bytes: usize,
    records: u64,
}

/// How a spool is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolReport {
    /// The process's own folder.
    pub folder: PathBuf,
    /// Bytes of drained segments that wait for the next checkpoint.
    pub retained_bytes: u64,
    /// Pages that were memory because no file could be made: what was recorded into them a kill would have taken.
    pub unprotected_pages: u64,
    /// How often the disk refused something.
    pub errors: u64,
    /// The last time it did.
    pub last_error: Option<String>,
}

// === impl SpoolOptions ===

impl SpoolOptions {
    /// A spool below `folder`, which is made if need be, for its owner only. Processes share it: each has a folder of its
    /// own in it. It should be on a local disk.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), sync_every: Some(DEFAULT_SYNC_EVERY), disk: disk::real() }
    }

    /// How often segments are synced to the disk, which is what a power cut can take: [`DEFAULT_SYNC_EVERY`]. `None` for
    /// never, where only the end of the process is feared.
    pub fn sync_every(mut self, interval: Option<Duration>) -> Self {
        self.sync_every = interval;
        self
    }

    /// Another disk than the operating system's, for tests.
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = disk;
        self
    }
}

// === impl Spool ===

impl Spool {
    /// Makes this process's folder, takes its lock, and notes how the sinks are set up. All that is durable before the
    /// first record comes.
    pub(crate) fn open(
        options: &SpoolOptions,
        source: &Source,
        page_bytes: usize,
        sinks: Vec<Recipe>,
    ) -> Result<Self, Error> {
        let SpoolOptions { folder, sync_every, disk } = options;
        make_folder(&**disk, folder).map_err(|error| refused("cannot make the folder", folder, error))?;
        let own = Arc::new(SpoolLock::claim(&**disk, folder, &source.process_name())?);
        let ledger = Ledger::new(source, own.folder(), sinks);
        let durable = ledger.write(&**disk, own.folder()).and_then(|()| sync_names_above(&**disk, own.folder()));
        durable.map_err(|error| refused("cannot write the ledger", own.folder(), error))?;
        let files = Arc::new(Files::new(Arc::clone(disk), own.folder().to_owned(), page_bytes));
        let sentinel = Arc::new(Sentinel::new());
        let keeper = Keeper::spawn(Arc::clone(&files), Arc::clone(&own), *sync_every, Arc::clone(&sentinel))?;
        let book = Book { ledger, released_before: Vec::new(), has_held: false, is_clean: true };
        Ok(Self { files, keeper, lock: own, book: Mutex::new(book), retained: Mutex::default(), sentinel })
    }

    /// Whether this process was forked from the one whose files these are.
    #[inline]
    pub(crate) fn is_parents(&self) -> bool {
        self.sentinel.is_forked()
    }

    /// A page with at least this much room: a file, or memory where none can be made.
    pub(crate) fn page(&self, least: usize) -> Page {
        self.files.page(least)
    }

    /// Replaces what a whole page holds by a part of it. Where the disk has no room for both, the part is kept in memory,
    /// and the file goes, which makes room.
    pub(crate) fn replace(&self, page: Page, bytes: &[u8]) -> Page {
        self.files.replace(&page, bytes).unwrap_or_else(|| {
            self.files.remove(page);
            self.files.count_unprotected();
            bytes.to_vec().into()
        })
    }

    /// Removes a segment whose records are somebody else's now.
    pub(crate) fn remove(&self, page: Page) {
        self.files.remove(page);
    }

    /// Keeps a drained segment until the next checkpoint; gives how much room it takes beyond its own length.
    pub(crate) fn retain(&self, segment: Segment) -> usize {
        let (records, len) = (segment.records(), segment.page.len());
        let Some(number) = self.files.shorten(segment.page) else {
            return 0;
        };
        let bytes = len.next_multiple_of(BLOCK);
        lock(&self.retained).push(Retained { number, bytes, records });
        bytes - len
    }

    /// Bytes of room that wait for the next checkpoint.
    pub(crate) fn retained_bytes(&self) -> usize {
        lock(&self.retained).iter().map(|retained| retained.bytes).sum()
    }

    /// Notes that the sinks have everything drained so far for good but for what is `held`, in these files, and which tasks
    /// are open; then removes the segments. Gives the room that is free again, in bytes and records. With `recipes`, what
    /// comes from now on is recovered by those.
    pub(crate) fn checkpoint(
        &self,
        files: Vec<FileState>,
        open: &OpenTasks,
        held: &[&Segment],
        recipes: Option<Vec<Recipe>>,
    ) -> Result<(usize, u64), Error> {
        let mut book = lock(&self.book);
        let retained = std::mem::take(&mut *lock(&self.retained));
        let has_held = !held.is_empty();
        let recipes = recipes.filter(|recipes| *recipes != book.ledger.sinks);
        if recipes.is_none() && retained.is_empty() && files.is_empty() && book.is_clean && has_held == book.has_held {
            return Ok((0, 0));
        }
        let mut released = self.files.leftover();
        released.extend(retained.iter().map(|retained| retained.number));
        files.into_iter().for_each(|file| book.ledger.note(file));
        book.ledger.released = [&book.released_before[..], &released].concat();
        book.ledger.open = open.interrupted(&book.ledger.source);
        // In the ledger itself, so that it replaces the segments in which it was drained in the same moment.
        book.ledger.held = gathered(held);
        let recipes = recipes.map(|recipes| std::mem::replace(&mut book.ledger.sinks, recipes));
        let written = book.ledger.write(&*self.files.disk, self.lock.folder());
        book.ledger.held = Vec::new();
        if let Err(error) = written {
            recipes.into_iter().for_each(|before| book.ledger.sinks = before);
            self.files.failed(&error);
            book.is_clean = false;
            lock(&self.retained).splice(0..0, retained);
            return Err(refused("cannot write the ledger", self.lock.folder(), error));
        }
        book.released_before = released;
        (book.is_clean, book.has_held) = (true, has_held);
        drop(book);
        self.files.tidy();
        retained.iter().for_each(|retained| self.files.remove_drained(retained.number));
        Ok(retained.iter().fold((0, 0), |(bytes, records), one| (bytes + one.bytes, records + one.records)))
    }

    /// The lowest number of a segment that is there, or of the next one.
    pub(crate) fn lowest_number(&self) -> u64 {
        self.files.lowest_number()
    }

    /// Makes durable what was recorded before this was called.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.files.sync().map_err(|error| refused("cannot make the segments durable", self.lock.folder(), error))
    }

    /// Leaves nothing behind, if every record is elsewhere; else leaves all for recovery.
    pub(crate) fn close(&self) {
        self.keeper.close();
        self.files.tidy();
        if lock(&self.retained).is_empty() && self.files.is_empty() {
            self.lock.remove_folder(&*self.files.disk);
        }
    }

    pub(crate) fn report(&self) -> SpoolReport {
        let mut report = self.files.report();
        report.folder = self.lock.folder().to_owned();
        report.retained_bytes = self.retained_bytes() as u64;
        report
    }
}

/// Small segments as a few large ones, one for each thread they come from.
fn gathered(segments: &[&Segment]) -> Vec<Segment> {
    let decoded: Vec<_> = segments.iter().filter_map(|segment| segment.decode().ok()).collect();
    let mut writers: Vec<(&Source, SegmentWriter)> = Vec::new();
    for segment in &decoded {
        let source = segment.source();
        let at = writers.iter().position(|(known, _)| known.is(source)).unwrap_or_else(|| {
            writers.push((source, SegmentWriter::new(source)));
            writers.len() - 1
        });
        segment.records().for_each(|record| writers[at].1.copy(&record));
    }
    writers.into_iter().map(|(_, mut writer)| writer.take()).collect()
}

/// For its owner only; those above it, such as the lake, are for whoever the process lets.
fn make_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), |above| disk.create_folder(above, Access::Shared))?;
    disk.create_folder(folder, Access::Private)
}

/// Makes the name of a folder durable, and those of the folders above it, any of which may have been made just now, be
/// it by a process that has not got as far as this.
fn sync_names_above(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    folder.ancestors().skip(1).try_for_each(|above| disk.sync_folder(above))
}

fn refused(message: &str, folder: &Path, error: io::Error) -> Error {
    Error::new(Stage::Factory, "Spool", Category::Io, message).caused_by(error).with("folder", folder.display())
}
