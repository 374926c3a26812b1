//! The files of a spool: made ahead, written, replaced, synced and removed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::disk::Disk;
use crate::segment::page::Page;
use crate::spool::{DRAFT, SEGMENT, SpoolReport};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Condvar, Mutex, lock};

/// Pages that wait for a thread that has filled its own.
const READY: usize = 4;

/// The segments of a spool that are there.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) disk: Arc<dyn Disk>,
    folder: PathBuf,
    page_bytes: usize,
    next: AtomicU64,
    ready: Mutex<VecDeque<Page>>,
    live: Mutex<BTreeMap<u64, Sync>>,
    /// Segments that are done with, and whose files could not be removed yet.
    leftover: Mutex<BTreeSet<u64>>,
    /// Whether files were made since their folder was synced.
    has_new: AtomicBool,
    /// Held by the one thread that syncs: whoever comes second waits for what the first has not made durable yet.
    syncing: Mutex<()>,
    is_closed: AtomicBool,
    is_wanted: Mutex<bool>,
    wanted: Condvar,
    trouble: Mutex<Trouble>,
}

/// How far a segment's file is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sync {
    /// It is being written.
    Open,
    /// It is whole, and not synced since.
    Whole,
    /// It is whole and synced.
    Done,
}

#[derive(Debug, Default)]
struct Trouble {
    unprotected_pages: u64,
    errors: u64,
    last_error: Option<String>,
}

// === impl Files ===

impl Files {
    pub(super) fn new(disk: Arc<dyn Disk>, folder: PathBuf, page_bytes: usize) -> Self {
        Self {
            disk,
            folder,
            page_bytes,
            next: AtomicU64::new(1),
            ready: Mutex::default(),
            live: Mutex::default(),
            leftover: Mutex::default(),
            has_new: AtomicBool::new(true),
            syncing: Mutex::default(),
            is_closed: AtomicBool::new(false),
            is_wanted: Mutex::new(true),
            wanted: Condvar::new(),
            trouble: Mutex::default(),
        }
    }

    /// A page with at least this much room, of memory if it must be.
    pub(super) fn page(&self, least: usize) -> Page {
        if least <= self.page_bytes {
            let ready = lock(&self.ready).pop_front();
            self.want();
            if let Some(page) = ready {
                return page;
            }
        }
        let bytes = least.max(self.page_bytes);
        self.create(bytes).unwrap_or_else(|error| {
            self.failed(&error);
            lock(&self.trouble).unprotected_pages += 1;
            Page::heap(bytes)
        })
    }

    /// Replaces a page's file by one with this content, in one step.
    pub(super) fn replace(&self, page: &Page, bytes: &[u8]) -> Option<Page> {
        let path = page.path()?;
        let work = || {
            let hidden = path.with_extension(DRAFT);
            let mut mapping = self.disk.map(&hidden, bytes.len().max(1))?;
            mapping[..bytes.len()].copy_from_slice(bytes);
            if let Err(error) = self.disk.rename(&hidden, path) {
                let _ = self.disk.remove(&hidden);
                return Err(error);
            }
            Ok(Page::renamed(mapping, path, bytes.len()))
        };
        let replaced: io::Result<Page> = work();
        if let Some(number) = number(path) {
            lock(&self.live).insert(number, Sync::Whole);
        }
        self.has_new.store(true, Ordering::Relaxed);
        replaced.map_err(|error| self.failed(&error)).ok()
    }

    /// Unmaps a whole page and gives the room behind its end back.
    pub(super) fn shorten(&self, page: Page) -> Option<u64> {
        let (number, len) = (page.path().and_then(number)?, page.len());
        drop(page);
        lock(&self.live).insert(number, Sync::Whole);
        if let Err(error) = self.disk.shorten(&self.segment_path(number), len as u64) {
            self.failed(&error);
        }
        Some(number)
    }

    pub(super) fn remove(&self, page: Page) {
        if let Some(number) = page.path().and_then(number) {
            drop(page);
            self.remove_drained(number);
        }
    }

    /// Removes the file of a segment that nobody needs any more; if that cannot be now, then later.
    pub(super) fn remove_drained(&self, number: u64) {
        lock(&self.live).remove(&number);
        if let Err(error) = self.unlink(&self.segment_path(number)) {
            self.failed(&error);
            lock(&self.leftover).insert(number);
        }
    }

    /// Segments whose files could not be removed yet.
    pub(super) fn leftover(&self) -> Vec<u64> {
        lock(&self.leftover).iter().copied().collect()
    }

    /// Tries again what could not be removed.
    pub(super) fn tidy(&self) {
        lock(&self.leftover).retain(|number| self.unlink(&self.segment_path(*number)).is_err());
    }

    /// Whether no segment is left.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.live).is_empty() && lock(&self.leftover).is_empty()
    }

    /// Lets the thread end and removes the pages that were ready.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.want();
        let ready = std::mem::take(&mut *lock(&self.ready));
        ready.into_iter().for_each(|page| self.remove(page));
    }

    pub(super) fn failed(&self, error: &io::Error) {
        let mut trouble = lock(&self.trouble);
        trouble.errors += 1;
        trouble.last_error = Some(error.to_string());
    }

    pub(super) fn report(&self) -> SpoolReport {
        let trouble = lock(&self.trouble);
        SpoolReport {
            unprotected_pages: trouble.unprotected_pages,
            errors: trouble.errors,
            last_error: trouble.last_error.clone(),
            ..SpoolReport::default()
        }
    }

    fn create(&self, bytes: usize) -> io::Result<Page> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mapping = self.disk.map(&self.segment_path(number), bytes)?;
        lock(&self.live).insert(number, Sync::Open);
        self.has_new.store(true, Ordering::Relaxed);
        Ok(Page::mapped(mapping))
    }

    fn want(&self) {
        *lock(&self.is_wanted) = true;
        self.wanted.notify_one();
    }

    pub(super) fn make_ready(&self) {
        while lock(&self.ready).len() < READY && !self.is_closed.load(Ordering::Acquire) {
            match self.create(self.page_bytes) {
                Ok(page) => lock(&self.ready).push_back(page),
                // The next thread that needs one tries for itself.
                Err(error) => return self.failed(&error),
            }
        }
        if self.is_closed.load(Ordering::Acquire) {
            let ready = std::mem::take(&mut *lock(&self.ready));
            ready.into_iter().for_each(|page| self.remove(page));
        }
    }

    /// Makes durable what was written so far. A segment whose sync fails is tried again at the next time: it is the copy
    /// that is read only after a crash.
    pub(super) fn sync(&self) -> io::Result<()> {
        let _syncing = lock(&self.syncing);
        let mut result = Ok(());
        if self.has_new.swap(false, Ordering::Relaxed)
            && let Err(error) = self.disk.sync_folder(&self.folder)
        {
            self.has_new.store(true, Ordering::Relaxed);
            self.failed(&error);
            result = Err(error);
        }
        let due: Vec<(u64, Sync)> = lock(&self.live)
            .iter()
            .filter(|(_, sync)| **sync != Sync::Done)
            .map(|(number, sync)| (*number, *sync))
            .collect();
        for (number, before) in due {
            match self.disk.sync_file(&self.segment_path(number)) {
                Ok(()) if before == Sync::Whole => {
                    if let Some(sync) = lock(&self.live).get_mut(&number) {
                        *sync = Sync::Done;
                    }
                }
                Ok(()) => {}
                // It was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    self.failed(&error);
                    result = result.and(Err(error));
                }
            }
        }
        result
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
    }

    fn segment_path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:012}.{SEGMENT}"))
    }

    /// Waits until pages are wanted or `until`; `false` when it is over.
    pub(super) fn rest(&self, until: Instant) -> bool {
        let mut wanted = lock(&self.is_wanted);
        while !*wanted && !self.is_closed.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            wanted = match self.wanted.wait_timeout(wanted, left) {
                Ok((wanted, _)) => wanted,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        *wanted = false;
        !self.is_closed.load(Ordering::Acquire)
    }
}

/// The number in a segment's name.
pub(super) fn number(path: &Path) -> Option<u64> {
    let is_segment = path.extension().is_some_and(|extension| extension == SEGMENT);
    path.file_stem()?.to_str()?.parse().ok().filter(|_| is_segment)
}
