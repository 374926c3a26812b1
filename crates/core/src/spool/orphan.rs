//! Spools that were left behind: finding them, reading them, and taking them over.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Access, Disk};
use crate::segment::{Decoded, SegmentError, Tail};
use crate::spool::keeper::number;
use crate::spool::ledger::Ledger;
use crate::spool::lock::OwnerLock;

/// Folder, in a spool, of what could not be read.
pub(super) const QUARANTINE: &str = "quarantine";

/// A spool that this process has taken over from one that is gone. Nobody else gets it meanwhile.
#[derive(Debug)]
pub struct Orphan {
    lock: OwnerLock,
    /// What its sinks had for good.
    pub ledger: Ledger,
    /// Its segments in the order they were begun, without those that the sinks had.
    pub segments: Vec<StoredSegment>,
}

/// A segment in a file.
#[derive(Debug)]
pub struct StoredSegment {
    /// Where it is.
    pub path: PathBuf,
    /// What is in the file.
    pub bytes: Vec<u8>,
}

/// The folders of the processes that have, or had, a spool below `spool`. None when there is no such folder.
pub fn orphans(disk: &dyn Disk, spool: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match disk.list(spool) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let is_process = |name: &std::ffi::OsStr| name != QUARANTINE;
    let mut folders: Vec<PathBuf> = entries
        .into_iter()
        .filter(|entry| entry.is_folder && is_process(&entry.name))
        .map(|entry| spool.join(entry.name))
        .collect();
    folders.sort();
    Ok(folders)
}

impl Orphan {
    /// Takes over the spool in `folder`; `None` when its process lives, or somebody else was faster. An error says that
    /// it cannot be read; see [`quarantine`].
    pub fn adopt(disk: &dyn Disk, folder: &Path) -> io::Result<Option<Self>> {
        let Some(lock) = OwnerLock::adopt(folder)? else {
            return Ok(None);
        };
        let ledger = match Ledger::read(disk, folder) {
            Ok(ledger) => ledger,
            Err(error) if error.kind() == io::ErrorKind::NotFound && numbered(disk, folder)?.is_empty() => {
                // It died before it began, or after it was done.
                let _ = disk.remove(&folder.join("ledger.new"));
                lock.remove_folder(disk);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut segments = Vec::new();
        if !ledger.is_done {
            for (_, path) in numbered(disk, folder)?.into_iter().filter(|(number, _)| !ledger.released.contains(number))
            {
                segments.push(StoredSegment { bytes: disk.read(&path)?, path });
            }
        }
        Ok(Some(Self { lock, ledger, segments }))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.lock.folder()
    }

    /// Keeps a copy of a segment that is damaged, for people to look at.
    pub fn set_aside(&self, disk: &dyn Disk, segment: &StoredSegment) -> io::Result<PathBuf> {
        let aside = aside(disk, self.folder())?;
        let kept = aside.join(segment.path.file_name().unwrap_or_default());
        let _ = disk.remove(&kept);
        let mut file = disk.create(&kept, Access::Private)?;
        file.write_all(&segment.bytes)?;
        file.sync()?;
        Ok(kept)
    }

    /// Notes that everything is in the lake for good, then removes the spool.
    pub fn finish(mut self, disk: &dyn Disk) -> io::Result<()> {
        self.ledger.is_done = true;
        self.ledger.write(disk, self.lock.folder())?;
        for (_, path) in numbered(disk, self.lock.folder())? {
            disk.remove(&path)?;
        }
        self.lock.remove_folder(disk);
        Ok(())
    }
}

/// Puts a spool that cannot be read out of the way, so that it stops nothing; gives where it is now. `None` when its
/// process lives.
pub fn quarantine(disk: &dyn Disk, folder: &Path) -> io::Result<Option<PathBuf>> {
    let Some(_lock) = OwnerLock::adopt(folder)? else {
        return Ok(None);
    };
    let aside = aside(disk, folder)?;
    for entry in disk.list(folder)? {
        disk.rename(&folder.join(&entry.name), &aside.join(&entry.name))?;
    }
    disk.remove_folder(folder)?;
    Ok(Some(aside))
}

impl StoredSegment {
    /// What it holds, and whether damage stands behind that. A frame whose length was not written yet is no damage: it
    /// is one whose call never returned.
    pub fn decode(&self) -> Result<(Decoded<'_>, bool), SegmentError> {
        let decoded = Decoded::read(&self.bytes)?;
        let is_damaged = match decoded.tail() {
            Tail::Whole => false,
            Tail::Torn { at } => !begins_with_zeros(self.bytes.get(at..).unwrap_or_default()),
        };
        Ok((decoded, is_damaged))
    }

    /// Whether no record was ever written into it.
    pub fn is_blank(&self) -> bool {
        begins_with_zeros(&self.bytes)
    }
}

/// Whether the four bytes that are written last are not there.
fn begins_with_zeros(bytes: &[u8]) -> bool {
    bytes.iter().take(4).all(|byte| *byte == 0)
}

/// The segments in a folder by number.
fn numbered(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let paths = disk.list(folder)?.into_iter().map(|entry| folder.join(entry.name));
    let mut numbered: Vec<(u64, PathBuf)> = paths.filter_map(|path| Some((number(&path)?, path))).collect();
    numbered.sort();
    Ok(numbered)
}

fn aside(disk: &dyn Disk, folder: &Path) -> io::Result<PathBuf> {
    let spool = folder.parent().unwrap_or(folder);
    let aside = spool.join(QUARANTINE).join(folder.file_name().unwrap_or_default());
    disk.create_folder(&aside, Access::Private)?;
    Ok(aside)
}
