//! A hand on a rolling file, from outside its pump.

use std::io;
use std::path::{Path, PathBuf};

use spanlake_core::Error;
use spanlake_core::sync::{Arc, Mutex, MutexGuard, lock_at_home};

use super::log::FileLog;

/// Rolls the file of a [`RollingFileSink`](super::RollingFileSink) when it is told to; cheap to clone.
///
/// ```
/// use spanlake_lake::RollingFileSink;
///
/// # let folder = std::env::temp_dir().join(format!("spanlake-rollover-{}", std::process::id()));
/// let sink = RollingFileSink::new(folder.join("debug.log"));
/// let file = sink.handle();
/// // … the sink goes to a pump; before each run:
/// file.rollover()?;
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RollingHandle {
    pub(super) log: Arc<Mutex<FileLog>>,
    pub(super) path: PathBuf,
    pub(super) home: u32,
}

impl RollingHandle {
    /// Makes the file `name.0001`, whatever its length, and the next record begins a new one. Where there is no file, or
    /// nothing in it, nothing happens.
    ///
    /// It works on the caller's thread and waits while the sink writes. Records on their way through the pump come to the new
    /// file: flush the pump first where they belong to the old one. A rolled file is durable. When the sink is gone, this
    /// fails.
    pub fn rollover(&self) -> Result<(), Error> {
        self.log()?.rollover()
    }

    /// How many records were longer than a whole file and were written in fewer words.
    pub fn shortened(&self) -> u64 {
        self.log().map_or(0, |log| log.shortened())
    }

    /// The file that is written to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn log(&self) -> Result<MutexGuard<'_, FileLog>, Error> {
        lock_at_home(&self.log, self.home).ok_or_else(|| {
            let forked = io::Error::new(io::ErrorKind::Unsupported, "a forked child has no pump");
            Error::io("RollingFileSink", "cannot reach the file", forked).with("path", self.path.display())
        })
    }
}
