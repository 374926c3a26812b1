//! Looking at spools without changing anything, those of live processes too.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, Entry};
use crate::spool::files::number;
use crate::spool::ledger::Ledger;
use crate::spool::lock::SpoolLock;
use crate::spool::orphan::QUARANTINE;
use crate::spool::{LEDGER, LOCK, StoredSegment};

/// How a spool in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its process lives, or somebody is taking it over.
    Live,
    /// Its process is gone.
    Orphaned,
    /// Its process is gone, and it has segments without a ledger, or a ledger that cannot be read.
    Damaged,
}

/// What a spool looks like.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The folder's name: the process, as the names of its files have it.
    pub process: String,
    /// The folder.
    pub folder: PathBuf,
    /// How it is.
    pub state: State,
    /// What its sinks have for good; `None` where there is no ledger, which is how a process begins and ends.
    pub ledger: Option<io::Result<Ledger>>,
    /// Its segments in the order they were begun, with those that the sinks have.
    pub segments: Vec<SegmentFile>,
}

/// A segment's file, not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its number, from 1, as the ledger knows it.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
    /// How much room it takes. One that is being written takes more than is in it.
    pub bytes: u64,
}

/// What recovery could not read, put out of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The process that it comes from.
    pub process: String,
    /// Where it is.
    pub folder: PathBuf,
    /// How many files.
    pub files: u64,
    /// Their length together.
    pub bytes: u64,
}

/// Looks at the folder of a process; `None` when there is no spool in it, or no such folder any more.
pub fn inspect(disk: &dyn Disk, folder: &Path) -> io::Result<Option<Inspection>> {
    match look_at(disk, folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        looked => looked,
    }
}

/// What recovery has put out of the way below `spool`, by process.
pub fn quarantined(disk: &dyn Disk, spool: &Path) -> io::Result<Vec<Quarantined>> {
    let quarantine = spool.join(QUARANTINE);
    let mut found = Vec::new();
    for entry in list(disk, &quarantine)?.into_iter().filter(|entry| entry.is_folder) {
        let folder = quarantine.join(&entry.name);
        let files: Vec<Entry> = list(disk, &folder)?.into_iter().filter(|entry| !entry.is_folder).collect();
        let (number, bytes) = (files.len() as u64, files.iter().map(|file| file.bytes).sum());
        found.push(Quarantined { process: name(&folder), folder, files: number, bytes });
    }
    found.sort_by(|a, b| a.process.cmp(&b.process));
    Ok(found)
}

impl SegmentFile {
    /// Reads it. That it is not found any more says that its records are elsewhere.
    pub fn read(&self, disk: &dyn Disk) -> io::Result<StoredSegment> {
        Ok(StoredSegment { path: self.path.clone(), bytes: disk.read(&self.path)? })
    }
}

/// In this order, because whoever ends a spool well lets go of it last and of the ledger last but one.
fn look_at(disk: &dyn Disk, folder: &Path) -> io::Result<Option<Inspection>> {
    let is_held = SpoolLock::is_held(folder)?;
    let ledger = match Ledger::read(disk, folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::Unsupported) => return Err(error),
        read => Some(read),
    };
    let entries = disk.list(folder)?;
    let segments = segments(folder, &entries);
    let is_spool = |entry: &Entry| entry.name == LOCK || entry.name == LEDGER;
    if segments.is_empty() && !entries.is_empty() && !entries.iter().any(is_spool) {
        return Ok(None);
    }
    let state = match &ledger {
        _ if is_held => State::Live,
        Some(Ok(_)) => State::Orphaned,
        Some(Err(error)) if error.kind() == ErrorKind::Unsupported => State::Orphaned,
        None if segments.is_empty() => State::Orphaned,
        Some(Err(_)) | None => State::Damaged,
    };
    Ok(Some(Inspection { process: name(folder), folder: folder.to_owned(), state, ledger, segments }))
}

fn segments(folder: &Path, entries: &[Entry]) -> Vec<SegmentFile> {
    let file = |entry: &Entry| {
        let path = folder.join(&entry.name);
        Some(SegmentFile { number: number(&path)?, path, bytes: entry.bytes })
    };
    let mut segments: Vec<SegmentFile> = entries.iter().filter_map(file).collect();
    segments.sort_by_key(|segment| segment.number);
    segments
}

/// What is in a folder that need not be there.
fn list(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<Entry>> {
    match disk.list(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed,
    }
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk;
    use crate::record::Source;

    /// The states of everything below a folder, by name.
    fn states(spool: &Path) -> Vec<(String, State, usize)> {
        let disk = disk::real();
        let folders = crate::spool::orphans(&*disk, spool).unwrap();
        let inspections = folders.iter().filter_map(|folder| inspect(&*disk, folder).unwrap());
        inspections.map(|one| (one.process, one.state, one.segments.len())).collect()
    }

    fn folder(spool: &Path, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let folder = spool.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        files.iter().for_each(|(file, bytes)| std::fs::write(folder.join(file), bytes).unwrap());
        folder
    }

    #[test]
    fn a_spool_is_told_by_its_lock_and_its_ledger() {
        let spool = tempfile::tempdir().unwrap();
        let disk = disk::real();
        folder(spool.path(), "1-empty", &[]);
        folder(spool.path(), "2-begun", &[("lock", b"")]);
        let left = folder(spool.path(), "3-left", &[("lock", b""), ("000000000002.seg", b"ab"), ("9.txt", b"x")]);
        Ledger::new(&Source::default(), &left, vec![]).write(&*disk, &left).unwrap();
        folder(spool.path(), "4-without", &[("000000000001.seg", b"abc")]);
        folder(spool.path(), "5-unreadable", &[("ledger", b"SPLL, but no more")]);
        folder(spool.path(), "6-of-others", &[("readme", b"")]);
        folder(spool.path(), "quarantine", &[]);
        let held = SpoolLock::claim(&*disk, spool.path(), "7-held").unwrap();
        let expected = [
            ("1-empty", State::Orphaned, 0),
            ("2-begun", State::Orphaned, 0),
            ("3-left", State::Orphaned, 1),
            ("4-without", State::Damaged, 1),
            ("5-unreadable", State::Damaged, 0),
            ("7-held", State::Live, 0),
        ];
        assert_eq!(states(spool.path()), expected.map(|(name, state, segments)| (name.to_owned(), state, segments)));
        assert!(!spool.path().join("1-empty/lock").exists(), "nothing is changed");
        drop(held);
        assert_eq!(states(spool.path())[5].1, State::Orphaned);
    }

    #[test]
    fn segments_have_number_and_length() {
        let spool = tempfile::tempdir().unwrap();
        let files: [(&str, &[u8]); 3] = [("000000000010.seg", b"ab"), ("000000000009.seg", b"a"), ("lock", b"")];
        let folder = folder(spool.path(), "left", &files);
        let inspection = inspect(&*disk::real(), &folder).unwrap().unwrap();
        let segments: Vec<_> = inspection.segments.iter().map(|segment| (segment.number, segment.bytes)).collect();
        assert_eq!(segments, [(9, 1), (10, 2)]);
        assert_eq!(inspection.segments[1].read(&*disk::real()).unwrap().bytes, b"ab");
        assert!(inspect(&*disk::real(), &spool.path().join("gone")).unwrap().is_none());
    }

    #[test]
    fn what_is_in_quarantine_is_counted() {
        let spool = tempfile::tempdir().unwrap();
        assert_eq!(quarantined(&*disk::real(), spool.path()).unwrap(), []);
        let aside = folder(&spool.path().join(QUARANTINE), "a", &[("ledger", b"abc"), ("000000000001.seg", b"abcd")]);
        let expected = Quarantined { process: "a".to_owned(), folder: aside, files: 2, bytes: 7 };
        assert_eq!(quarantined(&*disk::real(), spool.path()).unwrap(), [expected]);
    }
}
