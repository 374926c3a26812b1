//! The checkpoint: how far every plugin is, and which numbers of every stream are stored.
//!
//! It is one small file, always replaced as a whole. The layout is in `docs/format.md`.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use spanlake_core::disk::{Access, Disk};
use spanlake_core::segment::cursor::{Cursor, put_varint};
use xxhash_rust::xxh3::xxh3_64;

use crate::queue::entry::{END, put_text, text};
use crate::queue::streams::Streams;

/// The file's name.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// The name under which the next one is written.
pub(super) const DRAFT: &str = "checkpoint.tmp";

const MAGIC: &[u8; 4] = b"SPLC";
const VERSION: u8 = 1;

/// How far a plugin is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The index of the first entry that it has not confirmed.
    pub(super) next: u64,
    /// What it wants to know after a restart.
    pub(super) note: Vec<u8>,
}

/// What is in the file, but for the streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// That of all checksums of the queue.
    pub(super) seed: u64,
    /// The number of the next file.
    pub(super) next_file: u64,
    /// The index of the next entry.
    pub(super) next: u64,
    /// The index of the first entry of the oldest file that is still needed.
    pub(super) kept_from: u64,
    /// Plugins, also those that are not set up any more.
    pub(super) plugins: BTreeMap<String, Progress>,
}

impl Checkpoint {
    /// The bytes of a file.
    pub(super) fn encode(&self, streams: &Streams) -> Vec<u8> {
        let mut payload = Vec::new();
        payload.extend_from_slice(&self.seed.to_le_bytes());
        for number in [self.next_file, self.next, self.kept_from, self.plugins.len() as u64] {
            put_varint(&mut payload, number);
        }
        for (name, progress) in &self.plugins {
            put_text(&mut payload, name);
            put_varint(&mut payload, progress.next);
            put_varint(&mut payload, progress.note.len() as u64);
            payload.extend_from_slice(&progress.note);
        }
        streams.put(&mut payload);
        let mut bytes = Vec::with_capacity(payload.len() + 24);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&xxh3_64(&payload).to_le_bytes());
        bytes.extend_from_slice(&payload);
        bytes
    }

    /// Replaces the file in `folder` by these bytes, durably.
    pub(super) fn write(disk: &dyn Disk, folder: &Path, bytes: &[u8]) -> io::Result<()> {
        let draft = folder.join(DRAFT);
        remove_if_there(disk, &draft)?;
        let mut file = disk.create(&draft, Access::Private)?;
        file.write_all(bytes)?;
        file.sync()?;
        drop(file);
        disk.rename(&draft, &folder.join(CHECKPOINT))?;
        disk.sync_folder(folder)
    }

    /// What the file in `folder` says; `None` where there is none. One that a newer version wrote is `Unsupported`, one that is
    /// damaged `InvalidData`.
    pub(super) fn read(disk: &dyn Disk, folder: &Path) -> io::Result<Option<(Self, Streams)>> {
        let path = folder.join(CHECKPOINT);
        if !disk.exists(&path)? {
            return Ok(None);
        }
        let bytes = disk.read(&path)?;
        match payload(&bytes) {
            Some((version, _)) if version > VERSION => {
                Err(io::Error::new(ErrorKind::Unsupported, "a newer version wrote the checkpoint"))
            }
            payload => payload
                .and_then(|(_, payload)| decode(payload))
                .map(Some)
                .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "the checkpoint is damaged")),
        }
    }
}

/// Removes a file, unless somebody else did.
pub(super) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.remove(path).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn payload(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    let magic: [u8; 4] = cursor.array()?;
    let [version, ..]: [u8; 4] = cursor.array()?;
    let (len, sum) = (cursor.u64()?, cursor.u64()?);
    let payload = cursor.take(usize::try_from(len).ok()?)?;
    (&magic == MAGIC && version > 0 && xxh3_64(payload) == sum).then_some((version, payload))
}

fn decode(payload: &[u8]) -> Option<(Checkpoint, Streams)> {
    let mut cursor = Cursor::new(payload);
    let seed = cursor.u64()?;
    let (next_file, next, kept_from) = (cursor.varint()?, cursor.varint()?, cursor.varint()?);
    [next_file, next, kept_from].into_iter().all(|number| number < END).then_some(())?;
    let mut plugins = BTreeMap::new();
    for _ in 0..cursor.varint()? {
        let (name, next) = (text(&mut cursor)?.to_owned(), cursor.varint()?);
        let len = usize::try_from(cursor.varint()?).ok()?;
        plugins.insert(name, Progress { next, note: cursor.take(len)?.to_vec() });
    }
    let streams = Streams::read(&mut cursor)?;
    Some((Checkpoint { seed, next_file, next, kept_from, plugins }, streams))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let progress = Progress { next: 300, note: vec![7; 200] };
        let plugins = BTreeMap::from([("lake".to_owned(), progress), ("print".to_owned(), Progress::default())]);
        Checkpoint { seed: u64::MAX, next_file: 3, next: 400, kept_from: 200, plugins }
    }

    #[test]
    fn it_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let disk = &*spanlake_core::disk::real();
        assert!(Checkpoint::read(disk, folder.path()).unwrap().is_none());
        for seed in [1, 2] {
            let written = Checkpoint { seed, ..checkpoint() };
            Checkpoint::write(disk, folder.path(), &written.encode(&Streams::default())).unwrap();
            assert_eq!(Checkpoint::read(disk, folder.path()).unwrap().unwrap().0, written);
        }
    }

    #[test]
    fn damage_is_noticed_and_a_newer_one_is_not_taken_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let disk = &*spanlake_core::disk::real();
        let bytes = checkpoint().encode(&Streams::default());
        let read = |bytes: &[u8]| {
            std::fs::write(folder.path().join(CHECKPOINT), bytes).unwrap();
            Checkpoint::read(disk, folder.path()).unwrap_err().kind()
        };
        for at in (0..bytes.len()).filter(|at| !(4..8).contains(at)) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(read(&damaged), ErrorKind::InvalidData, "byte {at}");
            assert_eq!(read(&bytes[..at]), ErrorKind::InvalidData, "cut at {at}");
        }
        let mut newer = bytes;
        newer[4] = VERSION + 1;
        assert_eq!(read(&newer), ErrorKind::Unsupported);
    }
}
