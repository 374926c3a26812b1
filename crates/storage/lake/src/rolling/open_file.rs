//! The file that is appended to, and what is to be done about it before it may be appended to again.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use spanlake_core::disk::{Access, Disk, DiskFile};

use super::backups::{Attempt, numbered};
use crate::file::sync_folders;

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It is appended to.
    #[default]
    Append,
    /// It is left alone: the first of `name`, `name.0001`, `name.0002` and so on that is not there is made.
    Keep,
}

/// A file that is open.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: Box<dyn DiskFile>,
    pub(super) path: PathBuf,
    /// How long it is meant to be.
    pub(super) len: u64,
    /// How much of it is durable.
    pub(super) synced_len: u64,
    /// Whether its entry in the folder is durable as well.
    is_entry_synced: bool,
    /// Whether it was made by whoever has it open.
    is_own: bool,
    /// The interval that it belongs to; `None` while it is empty.
    pub(super) interval: Option<i64>,
    fault: Option<Fault>,
}

/// What a failed call left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It may be longer than it is meant to be.
    Long,
    /// Its name is not known to last: it has to be made anew.
    Name,
}

// === impl OpenFile ===

impl OpenFile {
    /// Opens a file or makes it, in a folder that is there.
    pub(super) fn open(disk: &dyn Disk, path: &Path, existing: Existing) -> Attempt<Self> {
        let failed = |error| (path.to_owned(), error);
        match existing {
            Existing::Keep => create_first_free(disk, path).map_err(failed),
            Existing::Append => match disk.create(path, Access::Shared) {
                Ok(file) => Ok(Self::new(file, path.to_owned(), 0, true)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => append(disk, path).map_err(failed),
                Err(error) => Err(failed(error)),
            },
        }
    }

    fn new(file: Box<dyn DiskFile>, path: PathBuf, len: u64, is_own: bool) -> Self {
        Self { file, path, len, synced_len: len, is_entry_synced: false, is_own, interval: None, fault: None }
    }

    /// How much of it is not durable.
    pub(super) fn unsynced_len(&self) -> usize {
        usize::try_from(self.len - self.synced_len).unwrap_or(usize::MAX)
    }

    pub(super) fn append(&mut self, text: &[u8]) -> Attempt {
        if text.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(text) {
            // A part of it may be there.
            self.fault = self.fault.or(Some(Fault::Long));
            return Err((self.path.clone(), error));
        }
        self.len += text.len() as u64;
        Ok(())
    }

    /// Makes content and entry durable. After a failure nothing behind `synced_len` is trusted.
    pub(super) fn sync(&mut self, disk: &dyn Disk) -> Attempt {
        if self.is_entry_synced && self.synced_len == self.len {
            return Ok(());
        }
        let synced = self.file.sync();
        let named = synced.and_then(|()| self.sync_entry(disk).inspect_err(|_| self.doubt_name()));
        if let Err(error) = named {
            self.len = self.synced_len;
            self.fault = self.fault.or(Some(Fault::Long));
            return Err((self.path.clone(), error));
        }
        self.synced_len = self.len;
        self.is_entry_synced = true;
        Ok(())
    }

    fn sync_entry(&self, disk: &dyn Disk) -> io::Result<()> {
        if self.is_entry_synced {
            return Ok(());
        }
        sync_folders(disk, self.path.parent().unwrap_or(Path::new("")))
    }

    /// A name that was there before can only be synced again.
    fn doubt_name(&mut self) {
        if self.is_own {
            self.fault = Some(Fault::Name);
        }
    }

    /// It is meant to be this long from now on.
    pub(super) fn shorten(&mut self, len: u64) {
        if len < self.len {
            self.len = len;
            self.fault = self.fault.or(Some(Fault::Long));
        }
        self.synced_len = self.synced_len.min(len);
        self.interval = self.interval.filter(|_| len > 0);
    }

    /// Sees to what a failed call left; `None` when the file went, to be made anew.
    pub(super) fn mend(mut self, disk: &dyn Disk) -> Result<Option<Self>, (Self, io::Error)> {
        let mended = match self.fault {
            None => return Ok(Some(self)),
            Some(Fault::Long) => self.file.set_len(self.len),
            Some(Fault::Name) => disk.remove(&self.path),
        };
        match (mended, self.fault.take()) {
            (Err(error), Some(Fault::Name)) if error.kind() == ErrorKind::NotFound => Ok(None),
            (Err(error), fault) => Err((Self { fault, ..self }, error)),
            (Ok(()), Some(Fault::Name)) => Ok(None),
            (Ok(()), _) => Ok(Some(self)),
        }
    }
}

fn append(disk: &dyn Disk, path: &Path) -> io::Result<OpenFile> {
    let tail = disk.tail(path)?;
    Ok(OpenFile::new(disk.append(path)?, path.to_owned(), tail.bytes, false))
}

/// Whether a file ends within a line, as one does whose process was killed.
pub(super) fn ends_within_a_line(disk: &dyn Disk, file: &OpenFile) -> Attempt<bool> {
    if file.len == 0 {
        return Ok(false);
    }
    let tail = disk.tail(&file.path).map_err(|error| (file.path.clone(), error))?;
    Ok(tail.last.is_some_and(|last| last != b'\n'))
}

fn create_first_free(disk: &dyn Disk, path: &Path) -> io::Result<OpenFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for number in 0..=u32::MAX {
        let path = if number == 0 { path.to_owned() } else { path.with_file_name(numbered(&name, number)) };
        match disk.create(&path, Access::Shared) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => return created.map(|file| OpenFile::new(file, path, 0, true)),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
