//! Looking through a queue's folder without changing anything.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use spanlake_core::disk::Disk;

use crate::queue::checkpoint::Checkpoint;
use crate::queue::entry::{END, Entry, HEADER_BYTES, Header, NoHeader, Scan};
use crate::queue::streams::Streams;

/// What the names of files end with.
pub(super) const EXTENSION: &str = "queue";

/// A file of a queue, read from first to last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueFile {
    /// Its number; later files have higher ones.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The index of its first entry.
    pub first: u64,
    /// One more than the index of its last entry.
    pub end: u64,
    /// Entries that can be read and count.
    pub entries: u64,
    /// How it is.
    pub state: FileState,
    /// Entries from this index on are the next file's.
    pub(super) limit: u64,
    pub(super) seed: u64,
    /// Whether its header says that entries are missing.
    pub(super) is_mended: bool,
}

/// How a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// All of it can be read.
    Whole,
    /// Every plugin is past it; it is about to be removed.
    Done,
    /// What stands from this byte on was never acknowledged.
    Unfinished {
        /// Where it begins.
        from: u64,
        /// Whether it looks like a write that was cut short. Otherwise it is kept when the file is mended.
        is_torn: bool,
    },
    /// Entries that were acknowledged cannot be read.
    Damaged {
        /// How many.
        lost: u64,
        /// Bytes that are no entries.
        unreadable: Vec<Range<u64>>,
    },
    /// A newer version wrote it.
    Newer {
        /// Its version.
        version: u8,
    },
}

/// Everything that stands in a folder.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) is_checkpoint_damaged: bool,
    pub(super) streams: Streams,
    /// The oldest first.
    pub(super) files: Vec<QueueFile>,
    /// Entries whose files are not there.
    pub(super) missing: u64,
}

impl QueueFile {
    /// Whether something is left of it to keep: entries, or that they are missing, which would else be found again.
    pub(super) fn is_needed(&self) -> bool {
        self.state != FileState::Done && (self.entries > 0 || self.is_mended)
    }
}

impl Survey {
    /// Reads every file; `with` is shown each entry that counts and that the checkpoint, with its streams, does not know of,
    /// those of later files first.
    pub(super) fn of(disk: &dyn Disk, folder: &Path, mut with: impl FnMut(&Entry<'_>)) -> io::Result<Self> {
        let mut survey = Self::default();
        match Checkpoint::read(disk, folder) {
            Err(error) if error.kind() == ErrorKind::InvalidData => survey.is_checkpoint_damaged = true,
            read => (survey.checkpoint, survey.streams) = read?.map_or_else(Default::default, |(c, s)| (Some(c), s)),
        }
        let mut later = Later::new(survey.checkpoint.as_ref());
        for (number, path) in files(disk, folder)?.into_iter().rev() {
            let bytes = match disk.read(&path) {
                // The collector is at work, and has removed it since.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                bytes => bytes?,
            };
            survey.files.push(later.examine(number, path, &bytes, &mut with));
        }
        survey.files.reverse();
        survey.missing = survey.missing_from(survey.checkpoint.as_ref());
        if survey.missing > 0 {
            // Unless files went while we were reading, in which case a later checkpoint says so.
            let now = Checkpoint::read(disk, folder)?.map(|(checkpoint, _)| checkpoint);
            survey.missing = survey.missing_from(now.as_ref());
        }
        Ok(survey)
    }

    /// The seed of all checksums, if any file tells.
    pub(super) fn seed(&self) -> Option<u64> {
        let in_files = self.files.last().map(|file| file.seed);
        self.checkpoint.as_ref().map(|checkpoint| checkpoint.seed).or(in_files)
    }

    /// The index of the next entry.
    pub(super) fn next(&self) -> u64 {
        let in_files = self.files.iter().map(|file| file.end).max().unwrap_or(0);
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.next).max(in_files)
    }

    /// The number of the next file.
    pub(super) fn next_file(&self) -> u64 {
        let in_folder = self.files.last().map_or(1, |file| file.number + 1);
        self.checkpoint.as_ref().map_or(1, |checkpoint| checkpoint.next_file).max(in_folder)
    }

    /// How many entries before the oldest file should be there.
    fn missing_from(&self, checkpoint: Option<&Checkpoint>) -> u64 {
        let Some(checkpoint) = checkpoint else {
            return 0;
        };
        let needed = self.files.iter().find(|file| file.state != FileState::Done);
        needed.map_or(checkpoint.next, |file| file.first).saturating_sub(checkpoint.kept_from)
    }
}

/// The files of a folder, the oldest first.
pub(super) fn files(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files: Vec<_> = disk.list(folder)?.into_iter().filter(|entry| !entry.is_folder).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let numbered = files.into_iter().filter_map(|entry| {
        let path = folder.join(entry.name);
        let is_ours = path.extension().is_some_and(|extension| extension == EXTENSION);
        let number: u64 = path.file_stem()?.to_str()?.parse().ok()?;
        (is_ours && number < END).then_some((number, path))
    });
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort_unstable();
    Ok(numbered)
}

/// The path of the file with this number.
pub(super) fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.{EXTENSION}"))
}

/// What is known of the files behind the one that is looked at.
struct Later {
    /// The index of the first of their entries; the highest there is where there are none.
    limit: u64,
    seed: u64,
    kept_from: u64,
    /// One more than the last index that was ever durable, as far as the checkpoint knows.
    next: u64,
}

/// What stands in one file.
struct Content {
    entries: u64,
    first: Option<u64>,
    end: Option<u64>,
    /// Behind the last entry that counts.
    end_at: usize,
    /// What cannot be read.
    damage: Vec<Range<usize>>,
    is_torn: bool,
}

impl Later {
    fn new(checkpoint: Option<&Checkpoint>) -> Self {
        let (seed, kept_from, next) = checkpoint.map_or((0, 0, 0), |one| (one.seed, one.kept_from, one.next));
        Self { limit: u64::MAX, seed, kept_from, next }
    }

    /// Whether no file behind it says where it begins.
    fn is_last(&self) -> bool {
        self.limit == u64::MAX
    }

    fn examine(&mut self, number: u64, path: PathBuf, bytes: &[u8], with: &mut impl FnMut(&Entry<'_>)) -> QueueFile {
        let header = Header::read(bytes);
        self.seed = header.map_or(self.seed, |header| header.seed);
        let content = self.content(bytes, header.map_or(0, |header| header.first), with);
        let first = header.ok().map(|header| header.first).or(content.first);
        let state = match header {
            Err(NoHeader::Newer(version)) => FileState::Newer { version },
            _ if first.is_some_and(|first| first < self.kept_from) || self.limit <= self.kept_from => FileState::Done,
            _ => self.judge(header.ok(), &content, bytes.len()),
        };
        let limit = self.limit;
        self.limit = first.map_or(self.limit, |first| first.min(self.limit));
        // Of one that says nothing it is where the next one begins.
        let first = if self.limit == u64::MAX { self.next } else { self.limit };
        let (entries, end) = (content.entries, content.end.unwrap_or(first));
        let is_mended = header.is_ok_and(|header| header.is_mended);
        QueueFile {
            number,
            path,
            bytes: bytes.len() as u64,
            first,
            end,
            entries,
            state,
            limit,
            seed: self.seed,
            is_mended,
        }
    }

    fn content(&self, bytes: &[u8], first: u64, with: &mut impl FnMut(&Entry<'_>)) -> Content {
        let mut scan = Scan::new(bytes, self.seed, first);
        let end_at = HEADER_BYTES.min(bytes.len());
        let mut content = Content { entries: 0, first: None, end: None, end_at, damage: vec![], is_torn: false };
        for (place, entry) in scan.by_ref().filter(|(_, entry)| entry.index < self.limit) {
            content.entries += 1;
            content.first.get_or_insert(entry.index);
            content.end = Some(entry.index + 1);
            content.end_at = place.end;
            // Of those before, the checkpoint has in its streams what is to be remembered.
            if entry.index >= self.next {
                with(&entry);
            }
        }
        // Where all that should be there is there, what follows was given up by its writer.
        content.is_torn = !self.is_last() || scan.is_torn(content.end_at);
        content.damage = scan.damage;
        content
    }

    fn judge(&self, header: Option<Header>, content: &Content, len: usize) -> FileState {
        let should_end = if self.is_last() { self.next } else { self.limit };
        let first = header.map(|header| header.first).or(content.first);
        let end = content.end.or(first).unwrap_or(should_end);
        let is_known = header.is_some_and(|header| header.is_mended);
        let gap = if is_known { 0 } else { should_end.saturating_sub(end) };
        let is_inside = content.damage.iter().any(|damage| damage.start < content.end_at);
        let has_no_header = header.is_none() && (content.entries > 0 || !self.is_last());
        if is_inside || gap > 0 || has_no_header {
            let should_be = should_end.max(end) - first.unwrap_or(end);
            let unreadable = content.damage.iter().map(|damage| damage.start as u64..damage.end as u64).collect();
            return FileState::Damaged { lost: should_be.saturating_sub(content.entries), unreadable };
        }
        match len > content.end_at || header.is_none() {
            true => FileState::Unfinished { from: content.end_at as u64, is_torn: content.is_torn },
            false => FileState::Whole,
        }
    }
}
