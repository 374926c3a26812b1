//! The keeper: knows what is in a lake, and deletes what has to go.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use spanlake_core::clock::{deadline, utc_now_ns};
use spanlake_core::disk::{self, Disk};
use spanlake_core::sync::{Mutex, lock};
use spanlake_core::{Deleted, LevelFilter};

use super::Limits;
use super::book::Book;
use super::budget::Budget;
use super::hour::Hour;
use super::survey::{Shelf, Survey};
use crate::layout::LakeFile;

/// How long after its last change a log of another process is taken to be one that is being written. Sinks touch what
/// they hold open twice as often at least.
pub const LIVE_FOR: Duration = Duration::from_secs(300);

/// Of its time, the part that a keeper spends on looking: one in this many.
const LOOK_SHARE: u32 = 100;

/// A file gets so long that this many that are being written take half of the limit.
const MIN_WRITTEN: u64 = 4;

/// Keeps a lake within [`Limits`]: a cheap clone for each sink that writes to the lake.
///
/// One keeper serves the sinks of one capture layer. Further layers and further processes have their own, and all of them
/// may enforce limits on the same lake at once.
///
/// ```
/// use std::num::NonZeroU64;
/// use spanlake_lake::{JsonlSink, Keeper, Limits, SystemLogSink};
///
/// let limits = Limits::new().max_total_bytes(NonZeroU64::new(1 << 30).unwrap());
/// let keeper = Keeper::new("lake", limits);
/// let records = JsonlSink::new("lake").keeper(&keeper);
/// let lines = SystemLogSink::new("lake").keeper(&keeper);
/// ```
#[derive(Clone, Debug)]
pub struct Keeper {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limits: Limits,
    shelves: [Shelf; 3],
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    book: Book,
    /// When the lake is looked through again; `None` before the first time.
    next_look: Option<Instant>,
    hour: Hour,
    /// Whether somebody has the processor of the hour's limit.
    has_budget: bool,
}

/// What came of making room.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) deleted: Deleted,
    /// What could not be deleted or looked into, the last of it.
    pub(super) failed: Option<(PathBuf, io::Error)>,
}

/// A file that a sink writes to; it is sealed when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Writing(Option<(Keeper, PathBuf)>);

// === impl Keeper ===

impl Keeper {
    /// A keeper of the lake in the folder `lake`. It looks at nothing before a sink has something to write.
    pub fn new(lake: impl AsRef<Path>, limits: Limits) -> Self {
        Self::on(disk::real(), lake, limits)
    }

    /// A keeper that works on another disk.
    pub fn on(disk: Arc<dyn Disk>, lake: impl AsRef<Path>, limits: Limits) -> Self {
        let hour = Hour::new(limits.max_bytes_per_hour);
        let state = State { book: Book::default(), next_look: None, hour, has_budget: false };
        let inner = Inner { limits, shelves: Shelf::all(lake.as_ref()), disk, state: Mutex::new(state) };
        Self { inner: Arc::new(inner) }
    }

    /// Deletes what has to go before `bytes` more are written and `files` more are begun.
    pub(super) fn make_room(&self, bytes: u64, files: u64) -> Made {
        let mut made = Made::default();
        if !self.inner.limits.deletes() {
            return made;
        }
        let state = &mut *lock(&self.inner.state);
        self.look(state, &mut made);
        while self.is_over(&state.book, bytes, files)
            && let Some(path) = state.book.next()
        {
            self.delete(&mut state.book, &path, &mut made);
        }
        made
    }

    /// How long a log may get, so that what may not be deleted stays well below the limit.
    pub(super) fn most_file_bytes(&self) -> u64 {
        let Some(most) = self.inner.limits.max_total_bytes else {
            return u64::MAX;
        };
        let written = lock(&self.inner.state).book.writing() as u64 + 1;
        most.get() / 2 / written.max(MIN_WRITTEN)
    }

    /// A sink begins to write to the file `path`.
    pub(super) fn begin(&self, path: &Path, file: &LakeFile) -> Writing {
        let partition = self.inner.shelves.iter().find_map(|shelf| shelf.partition(path)).unwrap_or_default();
        lock(&self.inner.state).book.begin(path, partition, file.clone());
        Writing(Some((self.clone(), path.to_owned())))
    }

    /// A file has this length now.
    pub(super) fn set_bytes(&self, path: &Path, bytes: u64) {
        lock(&self.inner.state).book.set_bytes(path, bytes);
    }

    /// A file is gone.
    pub(super) fn forget(&self, path: &Path) {
        lock(&self.inner.state).book.forget(path);
    }

    /// So much was written, however it is laid down.
    pub(super) fn spend(&self, bytes: u64) {
        lock(&self.inner.state).hour.spend(now_s(), bytes);
    }

    /// The least severe level that this hour still has room for.
    pub(super) fn level(&self) -> LevelFilter {
        lock(&self.inner.state).hour.level(now_s())
    }

    /// What has to stand in front of the sinks, for the first of them that asks.
    pub(super) fn take_budget(&self) -> Option<Budget> {
        let is_wanted = self.inner.limits.max_bytes_per_hour.is_some();
        let is_first = is_wanted && !std::mem::replace(&mut lock(&self.inner.state).has_budget, true);
        is_first.then(|| Budget::new(self.clone()))
    }

    /// Looks through the lake if it is time, and deletes what is too old.
    fn look(&self, state: &mut State, made: &mut Made) {
        let started = Instant::now();
        if state.next_look.is_some_and(|at| started < at) {
            return;
        }
        let survey = Survey::of(&*self.inner.disk, &self.inner.shelves);
        let now = SystemTime::now();
        state.book.renew(survey.files, now, LIVE_FOR);
        made.failed = survey.failed;
        let too_old = self.inner.limits.max_age.and_then(|age| now.checked_sub(age));
        for path in too_old.map(|moment| state.book.older_than(moment)).unwrap_or_default() {
            self.delete(&mut state.book, &path, made);
        }
        state.next_look = Some(deadline(self.pause(started.elapsed())));
    }

    /// How long it does not look again, after a look that took so long.
    fn pause(&self, took: Duration) -> Duration {
        let wanted = self.inner.limits.look_every;
        if wanted.is_zero() { wanted } else { wanted.max(took.saturating_mul(LOOK_SHARE)) }
    }

    fn is_over(&self, book: &Book, bytes: u64, files: u64) -> bool {
        let Limits { max_total_bytes, max_files, .. } = &self.inner.limits;
        max_total_bytes.is_some_and(|most| book.bytes().saturating_add(bytes) > most.get())
            || max_files.is_some_and(|most| book.files() + files > most.get())
    }

    fn delete(&self, book: &mut Book, path: &Path, made: &mut Made) {
        match self.inner.disk.remove(path) {
            Ok(()) => {
                made.deleted = made.deleted + Deleted::one(book.forget(path));
                self.remove_folders(path);
            }
            // Another process came first.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                book.forget(path);
            }
            Err(error) => {
                book.stick(path);
                made.failed = Some((path.to_owned(), error));
            }
        }
    }

    /// Removes the folders of a partition from which the last file went.
    fn remove_folders(&self, path: &Path) {
        let is_partition = |folder: &&Path| self.inner.shelves.iter().any(|shelf| shelf.is_above(folder));
        let mut folders = path.ancestors().skip(1).take_while(is_partition);
        // The first that is not empty, or that cannot be removed, ends it: nothing depends on it.
        let _ = folders.try_for_each(|folder| self.inner.disk.remove_folder(folder));
    }
}

// === impl Writing ===

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some((keeper, path)) = &self.0 {
            lock(&keeper.inner.state).book.seal(path);
        }
    }
}

fn now_s() -> i64 {
    utc_now_ns().div_euclid(1_000_000_000)
}
