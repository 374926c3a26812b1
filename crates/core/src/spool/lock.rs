//! Telling a spool whose process lives from one that was left behind.
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

use crate::disk::{Access, Disk};
use crate::error::Error;
use crate::spool::{LEDGER, LOCK, refused};
use crate::sync::{Mutex, lock};

/// A spool's folder, held by this process.
#[derive(Debug)]
pub(crate) struct OwnerLock {
    folder: PathBuf,
    file: Option<File>,
    home: u32,
}

/// The folders that this process holds.
static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// How many spools of one name, which are those of one process and microsecond, are told apart.
const MOST_NAMES: u32 = 1000;

impl OwnerLock {
    /// Makes a folder of its own for this process below `spool` and holds it.
    pub(super) fn claim(disk: &dyn Disk, spool: &Path, process: &str) -> Result<Self, Error> {
        for attempt in 1..=MOST_NAMES {
            let name = if attempt == 1 { process.to_owned() } else { format!("{process}.{attempt}") };
            let folder = spool.join(name);
            if folder.exists() {
                continue;
            }
            let made = disk.create_folder(&folder, Access::Private);
            made.map_err(|error| refused("cannot make the process's folder", &folder, error))?;
            match Self::take(&folder) {
                Ok(Some(held)) => return Ok(held),
                // Somebody looked at the empty folder first, and may have removed it.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(refused("cannot take the lock", &folder, error)),
            }
        }
        Err(refused("every name is taken", spool, io::ErrorKind::AlreadyExists.into()))
    }

    /// Holds a folder that a process left behind; `None` when it lives, or somebody else has taken it over.
    pub(super) fn adopt(folder: &Path) -> io::Result<Option<Self>> {
        match Self::take(folder) {
            // Somebody else was done with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            taken => taken,
        }
    }

    /// Whether the process lives whose folder this is, or somebody is taking it over. Changes nothing; but whoever tries
    /// to take it over in the very moment finds it held.
    pub(super) fn is_held(folder: &Path) -> io::Result<bool> {
        let folder = folder.canonicalize()?;
        // Kept until our handle of the file is closed: that would drop a lock which this process took meanwhile.
        let held = lock(&HELD);
        if held.contains(&folder) {
            return Ok(true);
        }
        let file = match File::open(folder.join(LOCK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::AGAIN | Errno::ACCESS) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn take(folder: &Path) -> io::Result<Option<Self>> {
        let folder = folder.canonicalize()?;
        let mut held = lock(&HELD);
        if held.contains(&folder) {
            return Ok(None);
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join(LOCK))?;
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                held.insert(folder.clone());
                Ok(Some(Self { folder, file: Some(file), home: std::process::id() }))
            }
            Err(Errno::AGAIN | Errno::ACCESS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes the folder with what stands for it; what cannot be removed is found empty by the next recovery. The ledger
    /// goes when the segments are gone for good: one that came back without it would pass for damage.
    pub(super) fn remove_folder(&self, disk: &dyn Disk) {
        if disk.sync_folder(&self.folder).is_err() {
            return;
        }
        let _ = disk.remove(&self.folder.join(LEDGER));
        let _ = disk.remove(&self.folder.join(LOCK));
        let _ = disk.remove_folder(&self.folder);
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        // A forked child closes its own handle of the file; the lock is its parent's.
        let mut held = lock(&HELD);
        drop(self.file.take());
        if self.home == std::process::id() {
            held.remove(&self.folder);
        }
    }
}
