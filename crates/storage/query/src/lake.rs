//! A lake, or a single file, that is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spanlake_core::Error;

use crate::damage::Damage;
use crate::files::{self, Format, RecordFile};
use crate::filter::Filter;
use crate::follow::Follower;
use crate::reader::{Part, Scan};
use crate::timeline::Timeline;

/// A lake's root, any folder with records in it, or one file. Opening it reads nothing yet; it may grow.
#[derive(Clone, Debug)]
pub struct Lake {
    path: PathBuf,
    format: Option<Format>,
}

impl Lake {
    /// The lake or file at `path`. Fails when there is none, or it cannot be looked into.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let metadata = fs::metadata(&path).map_err(|error| unreadable(&path, error))?;
        if metadata.is_dir() {
            fs::read_dir(&path).map_err(|error| unreadable(&path, error))?;
        }
        Ok(Self { path, format: None })
    }

    /// Reads files of this format only, also where the same records are there in another one. A single file is taken
    /// to be of this format, whatever its name says.
    #[must_use]
    pub fn format(mut self, only: Format) -> Self {
        self.format = Some(only);
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that are read: of one process and one partition folder those of one format, JSONL where present.
    pub fn files(&self) -> Result<Vec<RecordFile>, Error> {
        Ok(files::choose(self.find()?.0, self.format))
    }

    /// The wanted records as the files lie. The name in the filter is left to the caller.
    pub fn scan(&self, filter: &Filter) -> Result<Scan, Error> {
        let (parts, damages) = self.parts()?;
        Ok(Scan::new(parts, Arc::new(filter.clone()), damages))
    }

    /// The wanted records in order of time.
    pub fn read(&self, filter: &Filter) -> Result<Timeline, Error> {
        let (parts, damages) = self.parts()?;
        Ok(Timeline::new(parts, Arc::new(filter.clone()), damages))
    }

    /// The wanted records, and again and again those that came since.
    pub fn follow(&self, filter: &Filter) -> Follower {
        Follower::new(self.clone(), filter.clone())
    }

    pub(crate) fn only(&self) -> Option<Format> {
        self.format
    }

    /// All files of all formats, and the folders that could not be looked into.
    pub(crate) fn find(&self) -> Result<(Vec<RecordFile>, Vec<Damage>), Error> {
        let found = if self.path.is_dir() { files::find(&self.path) } else { self.single() };
        found.map_err(|error| unreadable(&self.path, error))
    }

    fn single(&self) -> std::io::Result<(Vec<RecordFile>, Vec<Damage>)> {
        let mut file = RecordFile::single(&self.path)?;
        file.format = self.format.unwrap_or(file.format);
        Ok((vec![file], Vec::new()))
    }

    fn parts(&self) -> Result<(Vec<Part>, Vec<Damage>), Error> {
        let (found, damages) = self.find()?;
        Ok((files::choose(found, self.format).into_iter().map(Part::from).collect(), damages))
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::io("Lake", "cannot read the lake", error).with("path", path.display())
}
