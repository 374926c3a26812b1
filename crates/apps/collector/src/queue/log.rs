//! The file that is appended to.
//!
//! After a failed sync nobody knows which part of what was written reached the disk, and a later sync that succeeds does
//! not say. The file is therefore cut back to what is known to be durable, and never written to again.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use spanlake_core::disk::{Access, Disk, DiskFile};

use crate::queue::entry::{HEADER_BYTES, Header};
use crate::queue::survey::path_of;

/// Where the writer's groups go.
#[derive(Debug)]
pub(super) struct Log {
    current: Option<Current>,
    next_file: u64,
    seed: u64,
    file_limit: u64,
}

#[derive(Debug)]
struct Current {
    file: Box<dyn DiskFile>,
    number: u64,
    path: PathBuf,
    /// All of it is durable.
    len: u64,
}

/// A group that is durable now.
#[derive(Clone, Debug)]
pub(super) struct Appended {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// The file's length.
    pub(super) len: u64,
}

impl Log {
    pub(super) fn new(next_file: u64, seed: u64, file_limit: u64) -> Self {
        Self { current: None, next_file, seed, file_limit }
    }

    /// Writes a group of entries, of which `first` is the first, and makes it durable: all of it, or nothing.
    pub(super) fn append(&mut self, disk: &dyn Disk, folder: &Path, group: &[u8], first: u64) -> io::Result<Appended> {
        let room = self.file_limit.saturating_sub(group.len() as u64);
        let mut current = match self.current.take().filter(|current| current.len <= room) {
            Some(current) => current,
            None => self.begin(disk, folder)?,
        };
        if let Err(error) = current.write(group, Header { seed: self.seed, first, is_mended: false }) {
            self.current = current.cut_back(disk);
            return Err(error);
        }
        if let Err(error) = current.sync(disk, folder) {
            // It is let go of, whether it can be cut or not: the next file says what of it counts.
            current.cut_back(disk);
            return Err(error);
        }
        let Current { number, path, len, .. } = &mut current;
        *len += group.len() as u64 + if *len == 0 { HEADER_BYTES as u64 } else { 0 };
        let appended = Appended { number: *number, path: path.clone(), len: *len };
        self.current = Some(current);
        Ok(appended)
    }

    /// Nothing more goes to the current file.
    pub(super) fn seal(&mut self) {
        self.current = None;
    }

    fn begin(&mut self, disk: &dyn Disk, folder: &Path) -> io::Result<Current> {
        let number = self.next_file;
        // Never again, whatever becomes of this one.
        self.next_file += 1;
        let path = path_of(folder, number);
        let file = disk.create(&path, Access::Private)?;
        Ok(Current { file, number, path, len: 0 })
    }
}

impl Current {
    fn write(&mut self, group: &[u8], header: Header) -> io::Result<()> {
        if self.len == 0 {
            let mut bytes = Vec::with_capacity(HEADER_BYTES);
            header.put(&mut bytes);
            self.file.write_all(&bytes)?;
        }
        self.file.write_all(group)
    }

    fn sync(&mut self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        self.file.sync()?;
        if self.len == 0 { disk.sync_folder(folder) } else { Ok(()) }
    }

    /// Takes back what is not durable; the file, if it can be used further.
    fn cut_back(mut self, disk: &dyn Disk) -> Option<Self> {
        if self.len == 0 {
            // What stays has no entry that counts as soon as there is a next file.
            let _ = disk.remove(&self.path);
            return None;
        }
        self.file.set_len(self.len).is_ok().then_some(self)
    }
}
