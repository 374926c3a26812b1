//! What could not be read: a line, rows, or a whole file.

use std::fmt;
use std::path::PathBuf;

/// A part of the lake that was left out because it could not be read.
///
/// The path and the reason come from the lake: escape them before they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file or folder.
    pub path: PathBuf,
    /// How much of it.
    pub extent: Extent,
    /// Why; of several, the first reason.
    pub reason: String,
}

/// How much of a file was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it, or all from some place on.
    File,
    /// Lines of a JSONL file.
    Lines {
        /// How many.
        count: u64,
        /// The number of the first one, counted from 1 where reading began.
        first: u64,
    },
    /// Rows of a Parquet file.
    Rows {
        /// How many.
        count: u64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, extent, reason } = self;
        write!(f, "{}: ", path.display())?;
        match extent {
            Extent::File => write!(f, "cannot be read: {reason}"),
            Extent::Lines { count: 1, first } => write!(f, "line {first} is damaged: {reason}"),
            Extent::Lines { count, first } => write!(f, "{count} lines are damaged, first line {first}: {reason}"),
            Extent::Rows { count: 1 } => write!(f, "1 row is damaged: {reason}"),
            Extent::Rows { count } => write!(f, "{count} rows are damaged: {reason}"),
        }
    }
}

/// The damages of one file, as its reader meets them.
#[derive(Debug)]
pub(crate) struct Damages {
    path: PathBuf,
    parts: Option<(Extent, String)>,
    file: Option<String>,
}

impl Damages {
    pub(crate) fn of(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), parts: None, file: None }
    }

    /// The rest of the file cannot be read.
    pub(crate) fn file(&mut self, reason: impl Into<String>) {
        self.file.get_or_insert_with(|| reason.into());
    }

    /// One line is damaged.
    pub(crate) fn line(&mut self, number: u64, reason: impl FnOnce() -> String) {
        match &mut self.parts {
            Some((Extent::Lines { count, .. }, _)) => *count += 1,
            _ => self.parts = Some((Extent::Lines { count: 1, first: number }, reason())),
        }
    }

    /// One row is damaged.
    #[cfg(feature = "parquet")]
    pub(crate) fn row(&mut self, reason: impl FnOnce() -> String) {
        match &mut self.parts {
            Some((Extent::Rows { count }, _)) => *count += 1,
            _ => self.parts = Some((Extent::Rows { count: 1 }, reason())),
        }
    }

    /// Hands over what was met so far.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Damage> + use<> {
        let path = self.path.clone();
        let file = self.file.take().map(|reason| (Extent::File, reason));
        let damage = move |(extent, reason)| Damage { path: path.clone(), extent, reason };
        self.parts.take().into_iter().chain(file).map(damage)
    }
}
