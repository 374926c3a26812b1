//! Finding the files that hold records, and choosing among them so that each record is read once.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use spanlake_core::{Category, Error, Stage};
use spanlake_lake::{LakeFile, LogType, Purpose};

use crate::damage::{Damage, Extent};

/// Deepest folder that is looked into, so that a folder that leads to itself ends.
const MAX_FOLDER_DEPTH: usize = 32;

/// A format that records are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Parquet.
    Parquet,
}

/// A file that holds records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
    /// Its folder below the log type's, such as `run_date=2026-11-20`.
    pub partition: PathBuf,
    /// Start, host and pid of the process that wrote it; the whole stem when a lake's
    /// sink would not have named it so.
    pub process: String,
    /// Its number among the files of its process.
    pub number: u32,
}

// === impl Format ===

impl Format {
    /// All formats, the preferred one first.
    pub const ALL: [Format; 2] = [Format::Jsonl, Format::Parquet];

    /// The word, which is also the extension of its files.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
        }
    }

    /// By extension, else by what the file starts with.
    fn of(path: &Path) -> io::Result<Self> {
        if let Some(format) = Self::of_extension(path) {
            return Ok(format);
        }
        let regular = fs::metadata(path)?.is_file();
        Ok(if regular && starts_as_parquet(path)? { Self::Parquet } else { Self::Jsonl })
    }

    fn of_extension(path: &Path) -> Option<Self> {
        path.extension()?.to_str()?.parse().ok()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        found.ok_or_else(|| {
            Error::new(Stage::Configuration, "Format", Category::Validation, "format is neither jsonl nor parquet")
                .with("format", text)
        })
    }
}

// === impl RecordFile ===

impl RecordFile {
    /// A file that was named by hand; its format is that of its extension or its first bytes.
    pub(crate) fn single(path: &Path) -> io::Result<Self> {
        Ok(Self::new(path.to_owned(), Format::of(path)?, PathBuf::new()))
    }

    fn new(path: PathBuf, format: Format, partition: PathBuf) -> Self {
        let name = |part: Option<&OsStr>| part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
        let (process, number) = match LakeFile::parse(&name(path.file_name())) {
            Some(file) => (file.process, file.number),
            None => (name(path.file_stem()), 0),
        };
        Self { format, partition, process, number, path }
    }

    /// Where it stands among the files of a lake.
    fn place(&self) -> (&Path, &str, Format, u32, &Path) {
        (&self.partition, &self.process, self.format, self.number, &self.path)
    }

    /// What is read from one format only.
    pub(crate) fn writer(&self) -> (PathBuf, String) {
        (self.partition.clone(), self.process.clone())
    }
}

// === finding and choosing ===

/// All files with records below `root`, by partition, process, format and number, and the folders that could not be looked into. Fails
/// when `root` itself cannot be.
pub(crate) fn find(root: &Path) -> io::Result<(Vec<RecordFile>, Vec<Damage>)> {
    let mut found = Found::default();
    match purpose_records(root) {
        Some(records) if records.is_dir() => found.enter(&records, Path::new(""), 0)?,
        Some(_) => {}
        None => found.enter(root, Path::new(""), 0)?,
    }
    found.files.sort_by(|a, b| a.place().cmp(&b.place()));
    Ok((found.files, found.damages))
}

/// Leaves, of each process and partition, the files of one format: `only`, else JSONL where it is present.
pub(crate) fn choose(files: Vec<RecordFile>, only: Option<Format>) -> Vec<RecordFile> {
    if let Some(only) = only {
        return files.into_iter().filter(|file| file.format == only).collect();
    }
    let jsonl: HashSet<_> = files.iter().filter(|file| file.format == Format::Jsonl).map(RecordFile::writer).collect();
    files.into_iter().filter(|file| file.format == Format::Jsonl || !jsonl.contains(&file.writer())).collect()
}

#[derive(Default)]
struct Found {
    files: Vec<RecordFile>,
    damages: Vec<Damage>,
}

impl Found {
    fn enter(&mut self, folder: &Path, partition: &Path, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_temporary(&name.to_string_lossy()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.enter_below(&entry.path(), &partition.join(&name), depth + 1);
            } else if let Some(format) = Format::of_extension(&entry.path()) {
                self.files.push(RecordFile::new(entry.path(), format, partition.to_owned()));
            }
        }
        Ok(())
    }

    /// A folder of a purpose holds other logs besides the records, and is no part of the partition's name, so that the
    /// partition is the same for both purposes. A folder that cannot be read is a damage and not the end.
    fn enter_below(&mut self, folder: &Path, partition: &Path, depth: usize) {
        if depth > MAX_FOLDER_DEPTH {
            return;
        }
        let entered = match purpose_records(folder) {
            Some(records) if !records.is_dir() => Ok(()),
            Some(records) => self.enter(&records, partition.parent().unwrap_or(Path::new("")), depth + 1),
            None => self.enter(folder, partition, depth),
        };
        if let Err(error) = entered {
            let damage = Damage { path: folder.to_owned(), extent: Extent::File, reason: error.to_string() };
            self.damages.push(damage);
        }
    }
}

/// The folder of the records, when `folder` is that of a purpose.
fn purpose_records(folder: &Path) -> Option<PathBuf> {
    let name = folder.file_name()?.to_str()?;
    let purpose = [Purpose::DebugJson, Purpose::Analyst].into_iter().find(|purpose| purpose.as_str() == name);
    purpose.map(|_| folder.join(LogType::Records.as_str()))
}

/// Whether a writer is still at work on it, or it is nobody's business.
fn is_temporary(name: &str) -> bool {
    name.starts_with('.') || name.starts_with("_tmp")
}

fn starts_as_parquet(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(start == b"PAR1")
}
