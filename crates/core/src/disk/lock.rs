//! Telling that somebody writes to a place, to other processes and within this one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// A file whose holder says by it that a place is taken. The kernel lets go of it when the process ends, however that is;
/// the file itself goes when this is dropped.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    /// The process that took it; a forked child has no say.
    home: u32,
    /// Closed last, so that the name goes while the lock is held.
    _file: File,
}

impl FileLock {
    /// Takes the lock, whose file is made if need be; `None` when somebody else has it. A file system that knows no locks
    /// gives it to everybody.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::NOSYS) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // Who had it before may have removed the file behind our back; somebody else may hold the next one.
            if is_named(&file, path)? {
                return Ok(Some(Self { path: path.to_owned(), home: std::process::id(), _file: file }));
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.home == std::process::id() {
            // What stays is an empty file that nobody holds.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((held.dev(), held.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
