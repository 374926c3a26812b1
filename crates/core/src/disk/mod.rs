//! The disk behind a small seam: every file operation that a record's safety depends on, so that tests can let any of
//! them fail and can forget what was not synced.
//!
//! [`real`] is the operating system's. Nothing here retries and nothing here knows what is in a file.

mod mapping;
mod lock;
mod owner;
mod real;

pub use lock::FileLock;
pub use mapping::{Mapping, Sentinel};
pub use owner::OwnerLock;

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// The file operations of sinks and spools.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a file that grows. Fails when there is one of this name.
    fn create(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to let it grow further. Never waits: a pipe, which would, is refused.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Makes a file of `bytes` zeros, for its owner only, that has all its room on the disk, and maps it. Fails when
    /// there is one of this name, or no room; nothing is left behind then.
    fn map(&self, path: &Path, bytes: usize) -> io::Result<Mapping>;

    /// Makes the content of a file durable, mapped or not.
    fn sync_file(&self, path: &Path) -> io::Result<()>;

    /// Gives back the room of a file behind its first `bytes`. It may not be mapped any more.
    fn shorten(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// The content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Opens a file to read it piece by piece, whatever becomes of its name meanwhile.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.read(path)?)))
    }

    /// At most `most` bytes of a file from `from` on; fewer where it ends.
    fn read_part(&self, path: &Path, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut part = Vec::new();
        let mut file = self.open(path)?;
        io::copy(&mut file.by_ref().take(from), &mut io::sink())?;
        file.take(most as u64).read_to_end(&mut part)?;
        Ok(part)
    }

    /// How much room the file system of a folder has.
    fn room(&self, folder: &Path) -> io::Result<Room> {
        real::room(folder)
    }

    /// How a file ends.
    fn tail(&self, path: &Path) -> io::Result<Tail>;

    /// Whether there is a file or folder of this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// What is in a folder, in no order; the folder's own entries only.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// Gives a file another name, replacing what has it. Atomic.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name. Fails when there is a file of that name. Atomic.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder and those above it, which are shared. One that is there is left as it is.
    fn create_folder(&self, folder: &Path, access: Access) -> io::Result<()>;

    /// Removes an empty folder.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable: files that were made, renamed or removed. Where the file system does not let
    /// folders be synced, or this process may not read the folder, nobody can, and this succeeds.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// A file that is written to, at its end.
pub trait DiskFile: Write + fmt::Debug + Send {
    /// Makes content and length durable. After a failure nobody knows what is: the file must not be trusted again.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts it back.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Holds the file for this handle alone, until it is closed; `false` while another one holds it, of whatever process.
    /// Where the file system has no locks nobody holds anything.
    fn hold(&mut self) -> io::Result<bool> {
        Ok(true)
    }
}

/// Who may read what is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever the process lets, by its umask.
    Shared,
    /// The owner only: 0600, folders 0700.
    Private,
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its last byte, unless it is empty.
    pub last: Option<u8>,
}

/// The room of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What is taken.
    pub used: u64,
    /// What this process may still take; what is kept for the administrator is in neither.
    pub free: u64,
}

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the folder.
    pub name: std::ffi::OsString,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Length in bytes, of a file.
    pub bytes: u64,
    /// When it was changed last, as far as the disk tells.
    pub modified: Option<std::time::SystemTime>,
}

/// The operating system's disk.
pub fn real() -> Arc<dyn Disk> {
    static REAL: LazyLock<Arc<dyn Disk>> = LazyLock::new(|| Arc::new(real::RealDisk));
    Arc::clone(&REAL)
}
