//! Telling that a process has a place to itself.
//!
//! The lock is the kernel's record lock on a file: it goes with the process, however that ends, is not inherited by
//! forked children, and works over NFS. It belongs to the process as a whole, and closing any handle of the file drops it,
//! so that this process must never open a lock file twice: the names of those it holds are kept in a list.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::sync::{Mutex, lock};

/// The lock file of a folder, held by this process until this is dropped. The file itself stays.
#[derive(Debug)]
pub struct OwnerLock {
    folder: PathBuf,
    path: PathBuf,
    file: Option<File>,
    home: u32,
}

/// The lock files that this process holds.
static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

impl OwnerLock {
    /// Takes the lock `name` in a folder that is there; `None` while a process holds it, this one included.
    pub fn take(folder: &Path, name: &str) -> io::Result<Option<Self>> {
        let folder = folder.canonicalize()?;
        let path = folder.join(name);
        let mut held = lock(&HELD);
        if held.contains(&path) {
            return Ok(None);
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                held.insert(path.clone());
                Ok(Some(Self { folder, path, file: Some(file), home: std::process::id() }))
            }
            Err(Errno::AGAIN | Errno::ACCESS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a process holds the lock `name` in a folder. Changes nothing; but whoever tries to take it in the very moment
    /// finds it held.
    pub fn is_held(folder: &Path, name: &str) -> io::Result<bool> {
        let path = folder.canonicalize()?.join(name);
        // Kept until our handle of the file is closed: that would drop a lock which this process took meanwhile.
        let held = lock(&HELD);
        if held.contains(&path) {
            return Ok(true);
        }
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::AGAIN | Errno::ACCESS) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The folder, as it is named from the root.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        // A forked child closes its own handle of the file; the lock is its parent's.
        let mut held = lock(&HELD);
        drop(self.file.take());
        if self.home == std::process::id() {
            held.remove(&self.path);
        }
    }
}
