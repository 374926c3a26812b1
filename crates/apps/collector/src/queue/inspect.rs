//! Looking at a queue without disturbing it, and putting right one that nobody has open.

use std::path::{Path, PathBuf};

use spanlake_core::Error;
use spanlake_core::disk::{Disk, OwnerLock};

use crate::queue::checkpoint::Checkpoint;
use crate::queue::entry::{HEADER_BYTES, Header};
use crate::queue::mend::{Mended, mend};
use crate::queue::survey::{FileState, QueueFile, Survey, files};
use crate::queue::{LOCK, failed, take_lock};

/// What a queue looks like, its files not read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// Whether a process has it open.
    pub is_open: bool,
    /// Its files, the oldest first.
    pub files: Vec<ListedFile>,
    /// Plugins, and how many entries they had not confirmed at the last checkpoint; those that are not set up any more too.
    pub waiting: Vec<(String, u64)>,
    /// Streams that are remembered.
    pub streams: usize,
}

/// A file that was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedFile {
    /// Its number.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The index of its first entry; `None` where its header cannot be read.
    pub first: Option<u64>,
}

/// What a queue looks like, with every byte read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// Whether a process has it open. What it is just writing looks unfinished.
    pub is_open: bool,
    /// Its files, the oldest first.
    pub files: Vec<QueueFile>,
    /// Entries that should be there, and whose files are not.
    pub missing: u64,
    /// Whether the checkpoint cannot be read.
    pub is_checkpoint_damaged: bool,
}

impl Verification {
    /// Whether something that was acknowledged cannot be read, or would be delivered again.
    pub fn is_damaged(&self) -> bool {
        let is_bad = |file: &QueueFile| matches!(file.state, FileState::Damaged { .. } | FileState::Newer { .. });
        self.missing > 0 || self.is_checkpoint_damaged || self.files.iter().any(is_bad)
    }
}

/// Looks at a queue's folder, as far as that is quick. Takes no lock and changes nothing.
pub fn list(disk: &dyn Disk, folder: &Path) -> Result<Listing, Error> {
    let unlisted = |error| failed("cannot look at the queue", folder, error);
    let checkpoint = Checkpoint::read(disk, folder).map_err(unlisted)?;
    let mut listed = Vec::new();
    for (number, path) in files(disk, folder).map_err(unlisted)? {
        // Unless the collector has removed it since.
        let (Ok(tail), Ok(head)) = (disk.tail(&path), disk.read_part(&path, 0, HEADER_BYTES)) else {
            continue;
        };
        listed.push(ListedFile {
            number,
            path,
            bytes: tail.bytes,
            first: Header::read(&head).ok().map(|head| head.first),
        });
    }
    let (checkpoint, streams) = checkpoint.unwrap_or_default();
    let waiting = checkpoint.plugins.into_iter().map(|(name, at)| (name, checkpoint.next.saturating_sub(at.next)));
    let is_open = OwnerLock::is_held(folder, LOCK).map_err(unlisted)?;
    Ok(Listing { is_open, files: listed, waiting: waiting.collect(), streams: streams.len() })
}

/// Reads all of a queue. Takes no lock and changes nothing.
pub fn verify(disk: &dyn Disk, folder: &Path) -> Result<Verification, Error> {
    let unread = |error| failed("cannot read the queue", folder, error);
    let is_open = OwnerLock::is_held(folder, LOCK).map_err(unread)?;
    let Survey { files, missing, is_checkpoint_damaged, .. } = Survey::of(disk, folder, |_| ()).map_err(unread)?;
    Ok(Verification { is_open, files, missing, is_checkpoint_damaged })
}

/// Puts a queue right that nobody has open, as opening it does: what was never acknowledged is cut off; a file that is damaged
/// goes to quarantine, and one with what can be read takes its place.
pub fn repair(disk: &dyn Disk, folder: &Path) -> Result<Mended, Error> {
    let _lock = take_lock(folder)?;
    let unmended = |error| failed("cannot repair the queue", folder, error);
    let mut survey = Survey::of(disk, folder, |_| ()).map_err(unmended)?;
    mend(disk, folder, &mut survey).map_err(unmended)
}
