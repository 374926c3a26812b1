//! Where the small files of a lake lie: whole ones and line logs that grow, in a folder or a bucket.
//!
//! # Who waits
//!
//! A [`Store`] blocks until its disk or its server has answered. A server has a deadline,
//! [`StoreOptions::timeout`]; a disk has none. So a store belongs on a thread of its own and never on one of the
//! application. It may be used and dropped inside an asynchronous runtime, but blocks there as well.
//!
//! # What can be lost
//!
//! Nothing that was put there: it is durable when the call returns, and no reader ever sees half of it. Of what was
//! appended, all since the last [`Store::sync`] if the machine goes down, and nothing if the process is killed. What
//! `memory://` has ends with the process.
//!
//! A process that is killed while it puts a file into a folder leaves a hidden one, which begins with
//! [`HIDDEN_PREFIX`](crate::layout::HIDDEN_PREFIX). It is in no list, and may be removed by hand.
//!
//! # Secrets
//!
//! Values of options, users and queries in addresses, and what servers say of keys are in no error, no `Debug` and no
//! [`Store::location`].
//!
//! # Example
//!
//! ```
//! use spanlake_lake::store::{Store, StoreOptions};
//!
//! let lake = std::env::temp_dir().join(format!("spanlake-store-{}", std::process::id()));
//! let mut store = Store::open(&lake.to_string_lossy(), &StoreOptions::new())?;
//! store.put("job_run_log/part-1.json", b"{}\n")?;
//! assert!(!store.put_new("job_run_log/part-1.json", b"{}\n")?, "the name is taken");
//! store.append("job_run_log/live.jsonl", b"{}\n")?;
//! store.sync("job_run_log/live.jsonl")?;
//! let paths: Vec<String> = store.list("job_run_log")?.into_iter().map(|stored| stored.path).collect();
//! assert_eq!(paths, ["job_run_log/live.jsonl", "job_run_log/part-1.json"]);
//! # std::fs::remove_dir_all(lake).unwrap();
//! # Ok::<(), spanlake_core::Error>(())
//! ```

mod address;
mod options;
mod path;
mod folder;
#[cfg(feature = "object-store")]
mod bucket;

pub use options::{DEFAULT_RETRY_TIMEOUT, DEFAULT_TIMEOUT, StoreOptions};

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spanlake_core::Error;
use spanlake_core::disk::{Disk, real};

use address::Address;
use folder::Folder;

/// A lake's files by their paths: relative to the lake, with `/` between the parts. A path that is empty, absolute or
/// has a part `..` is refused with a validation error.
///
/// An error of the disk or the server is [recoverable](Error::is_recoverable) when another try can help. What was to be
/// written may be there all the same after an error, whole or not at all; another try puts it there once.
#[derive(Debug)]
pub struct Store {
    backend: Box<dyn Backend>,
    /// Paths of which nobody knows whether [`Store::put_new`] made them, because it failed.
    in_doubt: BTreeSet<String>,
}

/// A file that a store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its path, relative to the lake.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// When it was changed last, in microseconds since the Unix epoch; 0 where nobody knows.
    pub modified_us: i64,
}

/// Whether a new file was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Yes,
    /// The name is taken.
    No,
    /// The name is taken, perhaps by an earlier try within the same call.
    Unclear,
}

/// What a folder and a bucket do each in its own way, with paths that were looked at.
trait Backend: fmt::Debug + Send {
    fn location(&self) -> String;

    fn local(&self) -> Option<(&Arc<dyn Disk>, &Path)> {
        None
    }

    /// In any order, with names that are hidden.
    fn list(&mut self, folder: &str) -> Result<Vec<Stored>, Error>;

    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, Error>;

    fn put(&mut self, path: &str, content: &[u8]) -> Result<(), Error>;

    fn put_new(&mut self, path: &str, content: &[u8]) -> Result<Made, Error>;

    fn appends(&self) -> bool;

    fn append(&mut self, path: &str, lines: &[u8]) -> Result<(), Error>;

    fn sync(&mut self, path: &str) -> Result<(), Error>;

    fn remove(&mut self, path: &str) -> Result<(), Error>;
}

/// The service of errors.
const SERVICE: &str = "Store";

// === impl Store ===

impl Store {
    /// A folder of the operating system's disk. It is made with the first file.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self::folder_on(real(), path)
    }

    /// A folder of another disk, for tests.
    pub fn folder_on(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self::new(Folder::new(disk, path.into()))
    }

    /// What an address leads to: the path of a folder or its `file://`, a bucket `s3://name/prefix`, `gs://` or `az://`
    /// (`abfss://` too), or `memory://name`, which is the same for everybody in this process.
    ///
    /// Nothing is asked of a server yet. Each kind of bucket has a feature of its own; without it the error names it.
    pub fn open(lake: &str, options: &StoreOptions) -> Result<Self, Error> {
        match Address::parse(lake)? {
            Address::Folder(path) => Ok(Self::folder(path)),
            Address::Bucket(bucket) => bucket.open(options),
        }
    }

    /// Where it is, for messages: without credentials.
    pub fn location(&self) -> String {
        self.backend.location()
    }

    /// The disk and the folder on it, when it is one.
    pub fn local(&self) -> Option<(&Arc<dyn Disk>, &Path)> {
        self.backend.local()
    }

    /// All files below a folder, at any depth, sorted by path; none when there is no such folder. The empty text stands
    /// for the lake itself. Hidden files, which are not whole yet, are left out.
    pub fn list(&mut self, folder: &str) -> Result<Vec<Stored>, Error> {
        path::check_folder(folder)?;
        let listed = self.backend.list(folder);
        let mut files = listed.map_err(|error| self.at(folder, error))?;
        files.retain(|stored| !path::is_hidden(&stored.path));
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    /// The content of a file; `None` when there is none.
    pub fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        self.with(path, |backend| backend.read(path))
    }

    /// Puts a file there, in place of the one that has the name. A reader sees the old one or all of the new one. It is
    /// durable when this returns.
    pub fn put(&mut self, path: &str, content: &[u8]) -> Result<(), Error> {
        self.with(path, |backend| backend.put(path, content))
    }

    /// Puts a file there unless the name is taken; says whether it did. Of several that try at once one is told so. A
    /// reader sees nothing or all of it, and it is durable when this returns.
    ///
    /// After an error the file may be there. If it is, the next try with the same content says that it did.
    pub fn put_new(&mut self, path: &str, content: &[u8]) -> Result<bool, Error> {
        let made = self.with(path, |backend| backend.put_new(path, content));
        let is_doubtful = match &made {
            Ok(made) => *made == Made::Unclear,
            Err(error) => error.is_io(),
        };
        self.in_doubt.extend(is_doubtful.then(|| path.to_owned()));
        match made? {
            Made::Yes => {
                self.in_doubt.remove(path);
                Ok(true)
            }
            Made::No if !self.in_doubt.contains(path) => Ok(false),
            Made::No | Made::Unclear => self.settle(path, content),
        }
    }

    /// Whether [`Store::append`] works: in a folder. A bucket has whole files only, so that what grows is written in
    /// parts there, each with [`Store::put_new`].
    pub fn appends(&self) -> bool {
        self.backend.appends()
    }

    /// Writes whole lines to the end of a file with one call, and makes the file and its folders if need be. The file
    /// belongs to one writer.
    ///
    /// A write that fails is cut back to where the file was; if that cannot be, before anything else is appended. If
    /// the file ends within a line, because its writer was killed, the line is ended first. Nothing is durable before
    /// [`Store::sync`].
    pub fn append(&mut self, path: &str, lines: &[u8]) -> Result<(), Error> {
        self.with(path, |backend| backend.append(path, lines))
    }

    /// Makes the content and the name of a file durable.
    ///
    /// After a failure nobody knows what of the file is on the disk, and a later success would not say. So it fails for
    /// good, until the file is [put](Store::put) there anew or removed; what grows should go on in the next file.
    pub fn sync(&mut self, path: &str) -> Result<(), Error> {
        self.with(path, |backend| backend.sync(path))
    }

    /// Removes a file; it is gone for good when this returns. One that is not there is as good.
    pub fn remove(&mut self, path: &str) -> Result<(), Error> {
        self.with(path, |backend| backend.remove(path))
    }

    fn new(backend: impl Backend + 'static) -> Self {
        Self { backend: Box::new(backend), in_doubt: BTreeSet::new() }
    }

    /// The name is taken, perhaps by an earlier try of this store. What is there then is put there once more, because
    /// its name may not be durable.
    fn settle(&mut self, path: &str, content: &[u8]) -> Result<bool, Error> {
        let is_own = self.read(path)?.is_some_and(|found| found == content);
        if is_own {
            self.put(path, content)?;
        }
        self.in_doubt.remove(path);
        Ok(is_own)
    }

    fn with<T>(&mut self, path: &str, work: impl FnOnce(&mut dyn Backend) -> Result<T, Error>) -> Result<T, Error> {
        path::check(path)?;
        work(&mut *self.backend).map_err(|error| self.at(path, error))
    }

    fn at(&self, path: &str, error: Error) -> Error {
        error.with("lake", self.location()).with("path", path)
    }
}
