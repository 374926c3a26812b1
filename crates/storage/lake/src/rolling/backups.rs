//! The files that were rolled: `name.0001` is the newest, `name.0002` the one before, and so on.
//!
//! Each change of a name is made durable before the next one: should the power go, no file stands where another one does.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use spanlake_core::Deleted;
use spanlake_core::disk::{Disk, Entry};

use super::limits::Limits;
use crate::layout::HIDDEN_PREFIX;

/// The rolled files of one name.
#[derive(Debug)]
pub(super) struct Backups {
    disk: Arc<dyn Disk>,
    /// The file that is written to.
    path: PathBuf,
    folder: PathBuf,
    name: String,
    /// The newest first.
    items: Vec<Backup>,
    next_id: u64,
    /// Names that were given and are not known to last, and those before: to be taken back first of all.
    in_doubt: Vec<(PathBuf, PathBuf)>,
    deleted: Deleted,
    /// What went wrong with the limits since somebody asked.
    failed: Option<(PathBuf, io::Error)>,
}

/// A rolled file.
#[derive(Clone, Debug)]
pub(super) struct Backup {
    /// What stays the same while its number changes.
    pub(super) id: u64,
    number: u32,
    /// What its name ends in when it is compressed.
    pub(super) suffix: &'static str,
    pub(super) bytes: u64,
    changed: Option<SystemTime>,
}

/// What came of an operation on a file; of a failed one also which file it was.
pub(super) type Attempt<T = ()> = Result<T, (PathBuf, io::Error)>;

/// What names of compressed files end in.
pub(super) const SUFFIXES: [&str; 2] = [".gz", ".zst"];

/// A longer run of numbers without a file ends the row: what lies behind it is somebody else's.
const MAX_GAP: u32 = 100;

// === impl Backups ===

impl Backups {
    /// Those of the file `path`. Looks at nothing yet.
    pub(super) fn new(disk: Arc<dyn Disk>, path: &Path) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self {
            disk,
            path: path.to_owned(),
            folder: folder.to_owned(),
            name,
            items: Vec::new(),
            next_id: 0,
            in_doubt: Vec::new(),
            deleted: Deleted::default(),
            failed: None,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path_of(&self, backup: &Backup) -> PathBuf {
        self.numbered(backup.number, backup.suffix)
    }

    pub(super) fn deleted(&self) -> Deleted {
        self.deleted
    }

    pub(super) fn take_failure(&mut self) -> Option<(PathBuf, io::Error)> {
        self.failed.take()
    }

    /// Finds out what is there. Files that it knew keep their ids.
    pub(super) fn look(&mut self) -> Attempt {
        let entries = match self.disk.list(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            entries => entries.map_err(|error| (self.folder.clone(), error))?,
        };
        let mut found: Vec<Backup> = entries.iter().filter_map(|entry| self.parse(entry)).collect();
        found.sort_by_key(|backup| backup.number);
        let mut last = 0;
        found.retain(|backup| {
            let is_near = backup.number - last <= MAX_GAP;
            last = if is_near { backup.number } else { last };
            is_near
        });
        for backup in &mut found {
            backup.id = self.id_of(backup);
        }
        self.items = found;
        self.drop_doubles();
        Ok(())
    }

    /// Removes what a process that was killed while it compressed a file has left.
    pub(super) fn tidy(&self) {
        let is_ours = |name: &str| {
            let rest = name.strip_prefix(HIDDEN_PREFIX).and_then(|rest| rest.strip_prefix(&self.name));
            rest.is_some_and(|rest| SUFFIXES.iter().any(|suffix| rest.ends_with(suffix)))
        };
        for entry in self.disk.list(&self.folder).unwrap_or_default() {
            if entry.name.to_str().is_some_and(is_ours) {
                // Nothing depends on it.
                let _ = self.disk.remove(&self.folder.join(&entry.name));
            }
        }
    }

    /// Takes back names that are not known to last.
    pub(super) fn settle(&mut self) -> Attempt {
        while let Some((from, to)) = self.in_doubt.last() {
            match self.disk.rename(to, from) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err((to.clone(), error)),
                _ => self.disk.sync_folder(&self.folder).map_err(|error| (from.clone(), error))?,
            }
            self.in_doubt.pop();
        }
        Ok(())
    }

    /// Makes the file that was written to the newest backup; gives its id.
    pub(super) fn roll(&mut self, bytes: u64) -> Attempt<u64> {
        self.settle()?;
        self.look()?;
        self.make_first_free()?;
        self.rename(&self.path.clone(), &self.numbered(1, ""))?;
        let backup = Backup { id: self.new_id(), number: 1, suffix: "", bytes, changed: Some(SystemTime::now()) };
        let id = backup.id;
        self.items.insert(0, backup);
        Ok(id)
    }

    /// A file was cut to this length; with none it goes.
    pub(super) fn cut(&mut self, id: u64, bytes: u64) -> io::Result<()> {
        let Some(at) = self.position(id) else {
            return Ok(());
        };
        self.items[at].bytes = bytes;
        if bytes > 0 {
            return Ok(());
        }
        let removed = self.disk.remove(&self.path_of(&self.items[at]));
        if removed.as_ref().is_err_and(|error| error.kind() != ErrorKind::NotFound) {
            return removed;
        }
        self.items.remove(at);
        Ok(())
    }

    /// Deletes what has to go so that `bytes` of the current file fit in; the oldest first.
    pub(super) fn enforce(&mut self, limits: &Limits, bytes: u64) {
        self.remove_old(limits);
        let mut left = self.items.len();
        while left > 0 && self.is_over(limits, left, bytes) {
            left -= 1;
            self.delete(left);
        }
    }

    /// Whether the first `left` files, and the current one of so many bytes, are too much.
    fn is_over(&self, limits: &Limits, left: usize, bytes: u64) -> bool {
        let all = self.items[..left].iter().map(|backup| backup.bytes).sum::<u64>().saturating_add(bytes);
        left as u64 + 1 > limits.max_files.get() || limits.max_total_bytes.is_some_and(|most| all > most.get())
    }

    fn remove_old(&mut self, limits: &Limits) {
        let Some(oldest) = limits.max_age.and_then(|age| SystemTime::now().checked_sub(age)) else {
            return;
        };
        for at in (0..self.items.len()).rev() {
            if self.items[at].changed.is_some_and(|changed| changed < oldest) {
                self.delete(at);
            }
        }
    }

    fn delete(&mut self, at: usize) {
        let path = self.path_of(&self.items[at]);
        match self.disk.remove(&path) {
            Ok(()) => self.deleted = self.deleted + Deleted::one(self.items.remove(at).bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => drop(self.items.remove(at)),
            Err(error) => self.failed = Some((path, error)),
        }
    }

    /// Moves the files before the first number that is free, the oldest of them first.
    fn make_first_free(&mut self) -> Attempt {
        let run = self.items.iter().zip(1..).take_while(|(backup, number)| backup.number == *number).count();
        for at in (0..run).rev() {
            let Backup { number, suffix, .. } = self.items[at];
            self.rename(&self.numbered(number, suffix), &self.numbered(number + 1, suffix))?;
            self.items[at].number += 1;
        }
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Attempt {
        self.disk.rename(from, to).map_err(|error| (from.to_owned(), error))?;
        if let Err(error) = self.disk.sync_folder(&self.folder) {
            // Whether the new name lasts nobody knows, and no later sync says: the old one is given again.
            self.in_doubt.push((from.to_owned(), to.to_owned()));
            let _ = self.settle();
            return Err((to.to_owned(), error));
        }
        Ok(())
    }

    /// Of a file and its compressed form, which is whole when it has its name, the former goes.
    fn drop_doubles(&mut self) {
        for at in (1..self.items.len()).rev() {
            if self.items[at].number == self.items[at - 1].number {
                let plain = if self.items[at].suffix.is_empty() { at } else { at - 1 };
                if self.items[plain].suffix.is_empty() {
                    // If it stays, the next file of its number takes its place.
                    let _ = self.disk.remove(&self.path_of(&self.items[plain]));
                    self.items.remove(plain);
                }
            }
        }
    }

    fn parse(&self, entry: &Entry) -> Option<Backup> {
        let rest = entry.name.to_str()?.strip_prefix(&self.name)?.strip_prefix('.')?;
        let suffix = SUFFIXES.into_iter().find(|suffix| rest.ends_with(suffix)).unwrap_or("");
        let digits = rest.strip_suffix(suffix)?;
        let is_number = digits.len() >= 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) && !entry.is_folder;
        let number = digits.parse().ok().filter(|number| is_number && *number > 0)?;
        Some(Backup { id: 0, number, suffix, bytes: entry.bytes, changed: entry.modified })
    }

    fn id_of(&mut self, found: &Backup) -> u64 {
        let is_same = |known: &&Backup| (known.number, known.suffix) == (found.number, found.suffix);
        let known = self.items.iter().find(is_same).map(|known| known.id);
        known.unwrap_or_else(|| self.new_id())
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn position(&self, id: u64) -> Option<usize> {
        self.items.iter().position(|backup| backup.id == id)
    }

    fn numbered(&self, number: u32, suffix: &str) -> PathBuf {
        self.folder.join(format!("{}{suffix}", numbered(&self.name, number)))
    }
}

// === for those who compress ===

#[cfg(any(feature = "gzip", feature = "zstd"))]
impl Backups {
    pub(super) fn items(&self) -> &[Backup] {
        &self.items
    }

    /// A hidden file of this name.
    pub(super) fn hidden(&self, end: &str) -> PathBuf {
        self.folder.join(format!("{HIDDEN_PREFIX}{}{end}", self.name))
    }

    /// Gives a file its compressed form, which stands under a hidden name.
    pub(super) fn replace(&mut self, id: u64, hidden: &Path, suffix: &'static str, bytes: u64) -> Attempt {
        self.settle()?;
        let Some(at) = self.position(id).filter(|at| self.items[*at].suffix.is_empty()) else {
            // Its file went meanwhile.
            return self.disk.remove(hidden).map_err(|error| (hidden.to_owned(), error));
        };
        let plain = self.path_of(&self.items[at]);
        self.rename(hidden, &self.numbered(self.items[at].number, suffix))?;
        (self.items[at].suffix, self.items[at].bytes) = (suffix, bytes);
        self.disk.remove(&plain).map_err(|error| (plain, error))
    }

    /// Keeps a failure that nobody waits for.
    pub(super) fn note(&mut self, failed: (PathBuf, io::Error)) {
        self.failed = Some(failed);
    }
}

/// The name of a file with a number.
pub(super) fn numbered(name: &str, number: u32) -> String {
    format!("{name}.{number:04}")
}
