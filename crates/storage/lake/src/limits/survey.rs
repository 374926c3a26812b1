//! Looking through a lake: which files of its logs are there.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use spanlake_core::disk::{Disk, Entry};

use super::book::Item;
use crate::layout::{JSONL, LOG, LakeFile, LogType, PARQUET, Purpose, folder};

/// Deepest folder that is looked into, so that one that leads to itself ends.
const MAX_FOLDER_DEPTH: usize = 32;

/// Where the files of one log type lie.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) folder: PathBuf,
    extension: &'static str,
}

/// What a look has found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) files: HashMap<PathBuf, Item>,
    /// A folder that could not be looked into.
    pub(super) failed: Option<(PathBuf, io::Error)>,
}

impl Shelf {
    /// All shelves whose files the limits are about.
    pub(super) fn all(lake: &Path) -> [Self; 3] {
        let shelf = |purpose, log_type, extension| Self { folder: folder(lake, purpose, log_type), extension };
        [
            shelf(Purpose::DebugJson, LogType::Records, JSONL),
            shelf(Purpose::DebugJson, LogType::SystemLog, LOG),
            shelf(Purpose::Analyst, LogType::Records, PARQUET),
        ]
    }

    /// Whether `folder` is one of its partitions or a part of one.
    pub(super) fn is_above(&self, folder: &Path) -> bool {
        folder != self.folder && folder.starts_with(&self.folder)
    }

    /// The partition that a file lies in.
    pub(super) fn partition(&self, path: &Path) -> Option<PathBuf> {
        path.parent()?.strip_prefix(&self.folder).ok().map(Path::to_owned)
    }
}

impl Survey {
    pub(super) fn of(disk: &dyn Disk, shelves: &[Shelf]) -> Self {
        let mut survey = Self::default();
        shelves.iter().for_each(|shelf| survey.enter(disk, shelf, &shelf.folder, 0));
        survey
    }

    fn enter(&mut self, disk: &dyn Disk, shelf: &Shelf, folder: &Path, depth: usize) {
        match disk.list(folder) {
            Ok(entries) => entries.into_iter().for_each(|entry| self.take(disk, shelf, folder, entry, depth)),
            // Not made yet, or somebody emptied and removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.failed = Some((folder.to_owned(), error)),
        }
    }

    fn take(&mut self, disk: &dyn Disk, shelf: &Shelf, folder: &Path, entry: Entry, depth: usize) {
        let path = folder.join(&entry.name);
        if entry.is_folder {
            if depth < MAX_FOLDER_DEPTH {
                self.enter(disk, shelf, &path, depth + 1);
            }
            return;
        }
        let file = entry.name.to_str().and_then(LakeFile::parse).filter(|file| file.extension == shelf.extension);
        if let (Some(file), Some(partition)) = (file, shelf.partition(&path)) {
            self.files.insert(path, Item::found(partition, file, &entry));
        }
    }
}
