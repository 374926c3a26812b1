//! The real disk, which asks a test before it maps a file.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

use spanlake_core::disk::{self, Access, Disk, DiskFile, Entry, Mapping, Tail};

/// Asks the closure before it maps a file; an error is what the mapping fails with.
pub(crate) struct AskingDisk(Arc<dyn Disk>, Box<dyn Fn() -> io::Result<()> + Send + Sync>);

impl AskingDisk {
    pub(crate) fn new(before_map: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self(disk::real(), Box::new(before_map)))
    }
}

impl fmt::Debug for AskingDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("AskingDisk").finish_non_exhaustive()
    }
}

impl Disk for AskingDisk {
    fn map(&self, path: &Path, bytes: usize) -> io::Result<Mapping> {
        (self.1)()?;
        self.0.map(path, bytes)
    }

    fn create(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        self.0.create(path, access)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.append(path)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.0.sync_file(path)
    }

    fn shorten(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.0.shorten(path, bytes)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn tail(&self, path: &Path) -> io::Result<Tail> {
        self.0.tail(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.0.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn create_folder(&self, folder: &Path, access: Access) -> io::Result<()> {
        self.0.create_folder(folder, access)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.remove_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.sync_folder(folder)
    }
}
