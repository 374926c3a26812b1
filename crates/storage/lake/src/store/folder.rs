//! A folder: whole files by a hidden draft that is renamed or linked, logs by appending.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use spanlake_core::disk::{Access, Disk, DiskFile, Entry};
use spanlake_core::{Category, Error, Stage};

use super::{Backend, Made, SERVICE, Stored};
use crate::debts::Debts;
use crate::file::sync_folders;
use crate::layout::HIDDEN_PREFIX;

/// A lake on a disk.
#[derive(Debug)]
pub(super) struct Folder {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    /// Drafts that could not be removed.
    debts: Debts,
    /// The file that a failed write has left too long, if it could not be cut back.
    torn: Option<Torn>,
    /// Paths of files whose sync failed.
    sealed: BTreeSet<String>,
}

/// A file whose end is half a write. It is held open, so that what is cut is this file, whatever its name means by then.
#[derive(Debug)]
struct Torn {
    file: Box<dyn DiskFile>,
    len: u64,
}

// === impl Folder ===

impl Folder {
    pub(super) fn new(disk: Arc<dyn Disk>, root: PathBuf) -> Self {
        Self { disk, root, debts: Debts::default(), torn: None, sealed: BTreeSet::new() }
    }

    /// Adds the files below `inside`, a path in the lake that is empty or ends in `/`.
    fn walk(&self, inside: &str, files: &mut Vec<Stored>) -> io::Result<()> {
        let entries = self.disk.list(&self.root.join(inside)).or_else(|error| none_if_absent(error, Vec::new()))?;
        for entry in entries {
            // A name that is no text cannot be told in a path either.
            let Some(name) = entry.name.to_str() else { continue };
            let path = format!("{inside}{name}");
            match entry.is_folder {
                true => self.walk(&format!("{path}/"), files)?,
                false => files.push(stored(path, &entry)),
            }
        }
        Ok(())
    }

    fn replace(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let visible = self.root.join(path);
        let hidden = self.draft(&visible, content)?;
        if let Err(error) = self.disk.rename(&hidden, &visible) {
            self.debts.owe(&*self.disk, hidden, 0);
            return Err(error);
        }
        sync_folders(&*self.disk, parent(&visible))?;
        self.sealed.remove(path);
        Ok(())
    }

    fn publish_new(&mut self, path: &str, content: &[u8]) -> io::Result<Made> {
        let visible = self.root.join(path);
        let hidden = self.draft(&visible, content)?;
        let linked = self.disk.link(&hidden, &visible);
        self.debts.owe(&*self.disk, hidden, 0);
        match linked {
            Ok(()) => sync_folders(&*self.disk, parent(&visible)).map(|()| Made::Yes),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Made::No),
            Err(error) => Err(error),
        }
    }

    /// Writes a file that is durable but for its name, which is hidden.
    fn draft(&mut self, visible: &Path, content: &[u8]) -> io::Result<PathBuf> {
        self.debts.pay(&*self.disk);
        self.disk.create_folder(parent(visible), Access::Shared)?;
        let (hidden, mut file) = self.create_hidden(visible)?;
        match file.write_all(content).and_then(|()| file.sync()) {
            Ok(()) => Ok(hidden),
            Err(error) => {
                self.debts.owe(&*self.disk, hidden, 0);
                Err(error)
            }
        }
    }

    /// Makes a file under the first hidden name that nobody has: another process may be writing the same file, or have
    /// died while it did.
    fn create_hidden(&self, visible: &Path) -> io::Result<(PathBuf, Box<dyn DiskFile>)> {
        let name = visible.file_name().unwrap_or_default().to_string_lossy();
        let mut number: u32 = 1;
        loop {
            let hidden = visible.with_file_name(format!("{HIDDEN_PREFIX}{name}.{number}"));
            match self.disk.create(&hidden, Access::Shared) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists && number < u32::MAX => number += 1,
                created => return created.map(|file| (hidden, file)),
            }
        }
    }

    fn append_lines(&mut self, path: &str, lines: &[u8]) -> io::Result<()> {
        self.mend()?;
        if lines.is_empty() {
            return Ok(());
        }
        let path = self.root.join(path);
        let mut file = self.open(&path)?;
        let tail = self.disk.tail(&path)?;
        let is_within_line = tail.last.is_some_and(|last| last != b'\n');
        let written = match is_within_line {
            true => file.write_all(&[b"\n", lines].concat()),
            false => file.write_all(lines),
        };
        if written.is_err() {
            self.torn = Some(Torn { file, len: tail.bytes });
            // If not now, then before the next write.
            let _ = self.mend();
        }
        written
    }

    /// Cuts back what a failed write has left.
    fn mend(&mut self) -> io::Result<()> {
        if let Some(torn) = &mut self.torn {
            torn.file.set_len(torn.len)?;
            self.torn = None;
        }
        Ok(())
    }

    /// Opens a file by its name, which another process may have given to another file since.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        match self.disk.append(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        self.disk.create_folder(parent(path), Access::Shared)?;
        match self.disk.create(path, Access::Shared) {
            // Somebody was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.disk.append(path),
            created => created,
        }
    }

    fn sync_all(&self, path: &str) -> io::Result<()> {
        let path = self.root.join(path);
        self.disk.sync_file(&path)?;
        sync_folders(&*self.disk, parent(&path))
    }

    fn remove_file(&mut self, path: &str) -> io::Result<()> {
        let visible = self.root.join(path);
        self.disk.remove(&visible).or_else(|error| none_if_absent(error, ()))?;
        self.sealed.remove(path);
        self.disk.sync_folder(parent(&visible)).or_else(|error| none_if_absent(error, ()))
    }
}

impl Backend for Folder {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn local(&self) -> Option<(&Arc<dyn Disk>, &Path)> {
        Some((&self.disk, &self.root))
    }

    fn list(&mut self, folder: &str) -> Result<Vec<Stored>, Error> {
        let inside = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut files = Vec::new();
        self.walk(&inside, &mut files).map_err(|error| Error::io(SERVICE, "cannot list the folder", error))?;
        Ok(files)
    }

    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let content = self.disk.read(&self.root.join(path)).map(Some).or_else(|error| none_if_absent(error, None));
        content.map_err(|error| Error::io(SERVICE, "cannot read the file", error))
    }

    fn put(&mut self, path: &str, content: &[u8]) -> Result<(), Error> {
        self.replace(path, content).map_err(|error| Error::io(SERVICE, "cannot put the file", error))
    }

    fn put_new(&mut self, path: &str, content: &[u8]) -> Result<Made, Error> {
        self.publish_new(path, content).map_err(|error| Error::io(SERVICE, "cannot put the new file", error))
    }

    fn appends(&self) -> bool {
        true
    }

    fn append(&mut self, path: &str, lines: &[u8]) -> Result<(), Error> {
        self.append_lines(path, lines).map_err(|error| Error::io(SERVICE, "cannot append to the file", error))
    }

    fn sync(&mut self, path: &str) -> Result<(), Error> {
        if self.sealed.contains(path) {
            return Err(not_durable("cannot make the file durable, because an earlier sync has failed"));
        }
        self.sync_all(path).map_err(|error| {
            if error.kind() != ErrorKind::NotFound {
                self.sealed.insert(path.to_owned());
            }
            not_durable("cannot make the file durable").caused_by(error)
        })
    }

    fn remove(&mut self, path: &str) -> Result<(), Error> {
        self.remove_file(path).map_err(|error| Error::io(SERVICE, "cannot remove the file", error))
    }
}

// === helpers ===

/// Whatever kind of error it was, another sync of the file would not help.
fn not_durable(message: &str) -> Error {
    Error::new(Stage::Handler, SERVICE, Category::Io, message)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn stored(path: String, entry: &Entry) -> Stored {
    Stored { path, bytes: entry.bytes, modified_us: entry.modified.map_or(0, since_epoch_us) }
}

fn since_epoch_us(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |before| -before),
    }
}

/// `nothing` where the error says that there is no file of the name: a folder that has it, or a file that is taken for
/// a folder, is none either.
fn none_if_absent<T>(error: io::Error, nothing: T) -> io::Result<T> {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => Ok(nothing),
        _ => Err(error),
    }
}
