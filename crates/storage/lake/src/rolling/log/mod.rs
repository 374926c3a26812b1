//! A file that grows and perhaps rolls, a batch written whole or not at all.
//!
//! The text that is not durable yet is kept. After a failed sync nobody knows which part of it reached the disk: the file is
//! cut back to what is known to be durable, and the text written again.
//!
//! A batch that fills files rolls them before it is written as a whole. When it fails, its part of each file is cut off
//! again; the names stay as they are.

mod batch;
mod packing;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use spanlake_core::disk::{Disk, DiskFile, FileLock, real};
use spanlake_core::render::Renderer;
use spanlake_core::{Batch, Deleted, Error};

use self::batch::{BatchPart, Mark, Touched};
use super::backups::{Attempt, Backups};
use super::limits::Limits;
use super::open_file::{Existing, OpenFile, ends_within_a_line};
#[cfg(any(feature = "gzip", feature = "zstd"))]
use super::pack::{Compression, Packer};
use crate::append::DEFAULT_MAX_UNSYNCED_BYTES;

/// What is written to one name.
#[derive(Debug)]
pub(super) struct FileLog {
    pub(super) service: &'static str,
    pub(super) path: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) existing: Existing,
    /// `None` for a file that never rolls.
    pub(super) limits: Option<Limits>,
    pub(super) max_unsynced_bytes: usize,
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    pub(super) compression: Option<Compression>,
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    packer: Option<Packer>,
    /// Says to others that the name is taken; `None` before it was first opened.
    lock: Option<FileLock>,
    backups: Backups,
    current: Option<OpenFile>,
    /// What is not durable yet: the end of the current file and what is owed to it. Behind it the batch that is under way.
    text: Vec<u8>,
    /// How many records the text has; statements of loss are not counted.
    records: u64,
    /// Where in the text begins what is not durable; elsewhere than at its start only within a batch that fills files.
    base: Mark,
    batch: BatchPart,
    /// Parts of batches that could not be cut off yet.
    debts: Vec<Touched>,
    /// Whether the files were looked after without a record.
    has_looked: bool,
    is_closed: bool,
    shortened: u64,
}

/// Room for text that is kept after a flush.
const TEXT_KEPT_BYTES: usize = 4 << 20;

// === impl FileLog ===

impl FileLog {
    pub(super) fn new(service: &'static str, path: &Path, limits: Option<Limits>) -> Self {
        Self {
            service,
            path: path.to_owned(),
            disk: real(),
            existing: Existing::default(),
            limits,
            max_unsynced_bytes: DEFAULT_MAX_UNSYNCED_BYTES.get(),
            #[cfg(any(feature = "gzip", feature = "zstd"))]
            compression: None,
            #[cfg(any(feature = "gzip", feature = "zstd"))]
            packer: None,
            lock: None,
            backups: Backups::new(real(), path),
            current: None,
            text: Vec::new(),
            records: 0,
            base: Mark::default(),
            batch: BatchPart::default(),
            debts: Vec::new(),
            has_looked: false,
            is_closed: false,
            shortened: 0,
        }
    }

    pub(super) fn set_disk(&mut self, disk: Arc<dyn Disk>) {
        self.backups = Backups::new(Arc::clone(&disk), &self.path);
        self.disk = disk;
    }

    /// Writes a batch as a renderer makes it. After an error no file has any of it, or none that is not to be cut off as
    /// soon as the disk lets it.
    pub(super) fn write(&mut self, batch: &Batch<'_>, renderer: &mut dyn Renderer) -> Result<(), Error> {
        if batch.records().next().is_none() {
            return Ok(());
        }
        let prepared = self.prepare();
        prepared.map_err(|failed| self.error("cannot write to the file", failed))?;
        self.start_batch();
        batch.records().for_each(|record| self.put(record, renderer));
        if let Err(failed) = self.append_batch() {
            self.take_batch_back();
            return Err(self.error("cannot write to the file", failed));
        }
        self.keep_batch();
        self.pack();
        Ok(())
    }

    /// Makes everything written durable.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.take_batch_back();
        self.settle_debts();
        self.publish_packed();
        let mut synced = self.leave_removed().and_then(|()| self.sync());
        if synced.is_err() {
            // At once, for it may be the last flush. The error is told all the same: somebody should look at this disk.
            synced = synced.and(self.sync());
        }
        self.text.shrink_to(TEXT_KEPT_BYTES);
        self.pack();
        synced.map_err(|failed| self.error("cannot make the file durable", failed))
    }

    /// Keeps the files within their limits, also where nothing is written.
    pub(super) fn tick(&mut self) -> Result<(), Error> {
        let looks = self.limits.is_some() && !std::mem::replace(&mut self.has_looked, true);
        if looks && self.disk.exists(self.backups.folder()).unwrap_or(false) {
            let claimed = self.claim();
            claimed.map_err(|failed| self.error("cannot look after the files", failed))?;
        }
        self.publish_packed();
        self.enforce(0);
        self.pack();
        match self.backups.take_failure() {
            Some(failed) => Err(self.error("cannot keep the files within their limits", failed)),
            None => Ok(()),
        }
    }

    /// Makes the current file a backup, if there is anything in it.
    pub(super) fn rollover(&mut self) -> Result<(), Error> {
        let rolled = self.prepare_and_roll();
        rolled.map_err(|failed| self.error("cannot roll the file", failed))?;
        self.pack();
        Ok(())
    }

    /// Gives the name back; nothing is written from now on.
    pub(super) fn close(&mut self) {
        self.take_batch_back();
        self.is_closed = true;
        (self.current, self.lock) = (None, None);
        self.stop_packing();
    }

    /// Records that were written to a file which was cut back, and to none since.
    pub(super) fn unpublished(&self) -> u64 {
        let in_file = self.current.as_ref().map_or(0, OpenFile::unsynced_len);
        if self.text.len() > in_file { self.records } else { 0 }
    }

    pub(super) fn deleted(&self) -> Deleted {
        self.backups.deleted()
    }

    /// How many records did not fit into a file.
    pub(super) fn shortened(&self) -> u64 {
        self.shortened
    }

    fn error(&self, message: &str, (path, error): (PathBuf, io::Error)) -> Error {
        Error::io(self.service, message, error).with("path", path.display())
    }
}

// === files ===

impl FileLog {
    /// Sees to what earlier failures left to do, and that what is kept stays within its bound.
    fn prepare(&mut self) -> Attempt {
        self.take_batch_back();
        self.settle_debts();
        self.publish_packed();
        self.mend()?;
        self.open()?;
        self.append_up_to(self.text.len())?;
        if self.text.len() > self.max_unsynced_bytes { self.sync() } else { Ok(()) }
    }

    fn prepare_and_roll(&mut self) -> Attempt {
        let is_there = || self.disk.exists(&self.path).map_err(|error| (self.path.clone(), error));
        if self.current.is_none() && self.text.is_empty() && !is_there()? {
            return Ok(());
        }
        self.prepare()?;
        if self.current.as_ref().is_some_and(|file| file.len > 0) {
            self.roll()?;
            self.clear_text();
        }
        Ok(())
    }

    /// Takes the name, once.
    fn claim(&mut self) -> Attempt {
        if self.is_closed {
            return Err((self.path.clone(), io::Error::other("the sink is gone")));
        }
        if self.lock.is_some() || self.existing == Existing::Keep {
            return Ok(());
        }
        let path = self.lock_path();
        let lock = FileLock::take(&path).map_err(|error| (path, error))?;
        let taken = || io::Error::new(io::ErrorKind::WouldBlock, "another sink writes to this file");
        self.lock = Some(lock.ok_or_else(|| (self.path.clone(), taken()))?);
        if self.limits.is_some() {
            self.backups.tidy();
            self.backups.look()?;
            self.enforce(0);
        }
        Ok(())
    }

    fn lock_path(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{name}.lock"))
    }

    /// Opens the current file, unless it is open.
    fn open(&mut self) -> Attempt {
        self.backups.settle()?;
        if self.current.is_some() {
            return Ok(());
        }
        let folder = self.backups.folder().to_owned();
        let made = self.disk.create_folder(&folder, spanlake_core::disk::Access::Shared);
        made.map_err(|error| (folder, error))?;
        self.claim()?;
        let mut file = OpenFile::open(&*self.disk, &self.path, self.existing)?;
        if ends_within_a_line(&*self.disk, &file)? {
            self.text.insert(self.base.at, b'\n');
        }
        file.interval = self.interval_of(&file);
        self.current = Some(file);
        Ok(())
    }

    /// The interval of a file that was there, by when it was changed last.
    fn interval_of(&self, file: &OpenFile) -> Option<i64> {
        let limits = self.limits.as_ref().filter(|limits| limits.every.is_some() && file.len > 0)?;
        let entries = self.disk.list(self.backups.folder()).ok()?;
        let entry = entries.into_iter().find(|entry| Some(&*entry.name) == self.path.file_name())?;
        let since = entry.modified?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(limits.interval(i64::try_from(since.as_micros()).ok()?))
    }

    /// Makes the current file the newest backup; gives its handle and its id.
    fn roll(&mut self) -> Attempt<Option<(Box<dyn DiskFile>, u64)>> {
        let Some(current) = &mut self.current else { return Ok(None) };
        current.sync(&*self.disk)?;
        let id = self.backups.roll(current.len)?;
        self.enforce(0);
        Ok(self.current.take().map(|file| (file.file, id)))
    }

    fn enforce(&mut self, bytes: u64) {
        if let Some(limits) = self.limits.as_ref().filter(|_| self.lock.is_some()) {
            let len = self.current.as_ref().map_or(0, |file| file.len);
            self.backups.enforce(limits, len + bytes);
        }
    }

    /// Sees to what a failed call left of the current file.
    fn mend(&mut self) -> Attempt {
        let Some(current) = self.current.take() else { return Ok(()) };
        match current.mend(&*self.disk) {
            Ok(mended) => self.current = mended,
            Err((current, error)) => {
                let path = current.path.clone();
                self.current = Some(current);
                return Err((path, error));
            }
        }
        Ok(())
    }

    /// Writes what is owed, and makes it durable.
    fn sync(&mut self) -> Attempt {
        self.mend()?;
        self.append_up_to(self.text.len())?;
        if let Some(current) = &mut self.current {
            current.sync(&*self.disk)?;
        }
        self.clear_text();
        Ok(())
    }

    /// All of the text is durable, or not wanted.
    fn clear_text(&mut self) {
        self.text.clear();
        self.records = 0;
    }

    /// Where somebody removed the file, what is written from now on shall not vanish with it.
    fn leave_removed(&mut self) -> Attempt {
        self.backups.settle()?;
        let is_gone = |file: &mut OpenFile| matches!(self.disk.exists(&file.path), Ok(false));
        self.current.take_if(is_gone);
        Ok(())
    }
}
