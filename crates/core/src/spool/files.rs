//! The files of a spool: made ahead, written, replaced, synced and removed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::disk::{Disk, Mapping};
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
    live: Mutex<BTreeMap<u64, Live>>,
    /// Segments that are done with, and whose files could not be removed yet.
    leftover: Mutex<BTreeSet<u64>>,
    /// Whether names have changed since their folder was synced.
    has_new: AtomicBool,
    /// Held by the one thread that syncs: whoever comes second waits for what the first has not made durable yet.
    syncing: Mutex<()>,
    is_closed: AtomicBool,
    is_wanted: Mutex<bool>,
    wanted: Condvar,
    trouble: Mutex<Trouble>,
}

/// What is known of a segment's file.
#[derive(Clone, Copy, Debug, Default)]
struct Live {
    sync: Sync,
    /// Whether a sync of it has ever begun. What it holds may be promised then, and stays until what replaces it is
    /// durable.
    is_promised: bool,
    /// The file that replaces its own as soon as it is durable.
    draft: Option<u64>,
}

/// How far a segment's file is synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sync {
    /// It is being written.
    #[default]
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
            self.count_unprotected();
            Page::heap(bytes)
        })
    }

    /// Replaces what a whole page holds by a part of it; `None` where the disk has no room for both. What is promised
    /// stays in the page's file until the next sync has made the part durable: a reader finds all or the part, never
    /// nothing.
    pub(super) fn replace(&self, page: &Page, bytes: &[u8]) -> Option<Page> {
        let path = page.path()?;
        let number = number(path)?;
        let replaced = self.write_draft(bytes).and_then(|(draft, mapping)| {
            self.put_draft(number, draft)?;
            Ok(Page::renamed(mapping, path, bytes.len()))
        });
        replaced.map_err(|error| self.failed(&error)).ok()
    }

    /// Unmaps a whole page and gives the room behind its end back.
    pub(super) fn shorten(&self, page: Page) -> Option<u64> {
        let (number, len) = (page.path().and_then(number)?, page.len());
        drop(page);
        let has_draft = {
            let mut live = lock(&self.live);
            let segment = live.entry(number).or_default();
            segment.sync = Sync::Whole;
            segment.draft.is_some()
        };
        // What is to be replaced is longer, and the draft as long as it should be.
        if !has_draft && let Err(error) = self.disk.shorten(&self.segment_path(number), len as u64) {
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
        if let Some(draft) = lock(&self.live).remove(&number).and_then(|segment| segment.draft) {
            self.remove_draft(draft);
        }
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

    /// The lowest number of a segment that is there, or of the next one.
    pub(super) fn lowest_number(&self) -> u64 {
        let live = lock(&self.live);
        live.keys().min().copied().unwrap_or_else(|| self.next.load(Ordering::Relaxed))
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

    /// Counts a page whose records a kill would take.
    pub(super) fn count_unprotected(&self) {
        lock(&self.trouble).unprotected_pages += 1;
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

    /// Makes pages until enough are ready.
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

    fn create(&self, bytes: usize) -> io::Result<Page> {
        let number = self.next_number();
        let mapped = self.disk.map(&self.segment_path(number), bytes);
        if mapped.is_err() {
            lock(&self.live).remove(&number);
        }
        let mapping = mapped?;
        self.has_new.store(true, Ordering::Relaxed);
        Ok(Page::mapped(mapping))
    }

    /// A number that is among the live ones from the moment on in which it is given.
    fn next_number(&self) -> u64 {
        let mut live = lock(&self.live);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        live.insert(number, Live::default());
        number
    }

    fn want(&self) {
        *lock(&self.is_wanted) = true;
        self.wanted.notify_one();
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
    }

    fn segment_path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:012}.{SEGMENT}"))
    }

    fn draft_path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:012}.{DRAFT}"))
    }
}

// === replacing ===

impl Files {
    fn write_draft(&self, bytes: &[u8]) -> io::Result<(u64, Mapping)> {
        let draft = self.next.fetch_add(1, Ordering::Relaxed);
        let mut mapping = self.disk.map(&self.draft_path(draft), bytes.len().max(1))?;
        mapping[..bytes.len()].copy_from_slice(bytes);
        Ok((draft, mapping))
    }

    /// Lets a draft replace a segment's file: at once where nothing is promised of that, otherwise at the next sync.
    fn put_draft(&self, number: u64, draft: u64) -> io::Result<()> {
        let mut live = lock(&self.live);
        let segment = live.entry(number).or_default();
        if !segment.is_promised {
            if let Err(error) = self.disk.rename(&self.draft_path(draft), &self.segment_path(number)) {
                self.remove_draft(draft);
                return Err(error);
            }
            self.has_new.store(true, Ordering::Relaxed);
        } else if let Some(before) = segment.draft.replace(draft) {
            self.remove_draft(before);
        }
        segment.sync = Sync::Whole;
        Ok(())
    }

    fn remove_draft(&self, draft: u64) {
        // What stays is passed over, and goes with the spool.
        let _ = self.disk.remove(&self.draft_path(draft));
    }
}

// === syncing ===

impl Files {
    /// Makes durable what was written so far, and lets drafts replace what they are to replace. A segment whose sync
    /// fails is tried again at the next time: it is the copy that is read only after a crash.
    pub(super) fn sync(&self) -> io::Result<()> {
        let _syncing = lock(&self.syncing);
        let mut result = Ok(());
        for (number, segment) in self.due() {
            result = result.and(self.noted(self.sync_segment(number, segment)));
        }
        // Last, for the names of drafts have changed.
        if self.has_new.swap(false, Ordering::Relaxed) {
            let synced = self.noted(self.disk.sync_folder(&self.folder));
            self.has_new.fetch_or(synced.is_err(), Ordering::Relaxed);
            result = result.and(synced);
        }
        result
    }

    /// The segments that are not durable.
    fn due(&self) -> Vec<(u64, Live)> {
        let mut live = lock(&self.live);
        let due = live.iter_mut().filter(|(_, segment)| segment.sync != Sync::Done);
        due.map(|(number, segment)| {
            segment.is_promised = true;
            (*number, *segment)
        })
        .collect()
    }

    fn sync_segment(&self, number: u64, before: Live) -> io::Result<()> {
        let path = self.segment_path(number);
        let Some(draft) = before.draft else {
            self.sync_file(&path)?;
            self.settle(number, before);
            return Ok(());
        };
        let draft_path = self.draft_path(draft);
        self.sync_file(&draft_path)?;
        let mut live = lock(&self.live);
        let segment = live.get_mut(&number).filter(|segment| segment.draft == before.draft);
        let Some(segment) = segment else {
            drop(live);
            // Another draft has come, which is not synced. What it leaves out is no loss: all of it is still here.
            return self.sync_file(&path);
        };
        self.disk.rename(&draft_path, &path)?;
        self.has_new.store(true, Ordering::Relaxed);
        (segment.sync, segment.draft) = (Sync::Done, None);
        Ok(())
    }

    /// Nothing changed since this was synced, if it is as it was before.
    fn settle(&self, number: u64, before: Live) {
        if let Some(segment) = lock(&self.live).get_mut(&number)
            && before.sync == Sync::Whole
            && segment.draft.is_none()
        {
            segment.sync = Sync::Done;
        }
    }

    /// Syncs a file, unless somebody has removed it.
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let synced = self.disk.sync_file(path);
        synced.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
    }

    fn noted(&self, result: io::Result<()>) -> io::Result<()> {
        result.inspect_err(|error| self.failed(error))
    }
}

/// The number in a segment's name.
pub(crate) fn number(path: &Path) -> Option<u64> {
    numbered_as(path, SEGMENT)
}

/// The number in the name of one of a spool's files, which nobody else's looks like.
pub(super) fn numbered_as(path: &Path, extension: &str) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    let is_ours = path.extension()? == extension && stem.len() >= 12 && stem.bytes().all(|byte| byte.is_ascii_digit());
    stem.parse().ok().filter(|_| is_ours)
}
