//! Telling a spool whose process lives from one that was left behind.

use std::io;
use std::path::Path;

use crate::disk::{Access, Disk, OwnerLock};
use crate::error::Error;
use crate::spool::{LEDGER, LOCK, refused};

/// A spool's folder, held by this process.
#[derive(Debug)]
pub(crate) struct SpoolLock(OwnerLock);

/// How many spools of one name, which are those of one process and microsecond, are told apart.
const MOST_NAMES: u32 = 1000;

impl SpoolLock {
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
        OwnerLock::is_held(folder, LOCK)
    }

    fn take(folder: &Path) -> io::Result<Option<Self>> {
        Ok(OwnerLock::take(folder, LOCK)?.map(Self))
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.folder()
    }

    /// Removes the folder with what stands for it; what cannot be removed is found empty by the next recovery. The ledger
    /// goes when the segments are gone for good: one that came back without it would pass for damage.
    pub(super) fn remove_folder(&self, disk: &dyn Disk) {
        if disk.sync_folder(self.folder()).is_err() {
            return;
        }
        let _ = disk.remove(&self.folder().join(LEDGER));
        let _ = disk.remove(&self.folder().join(LOCK));
        let _ = disk.remove_folder(self.folder());
    }
}
