//! A disk in memory, on which a recovery takes microseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spanlake_core::disk::{Access, Disk, DiskFile, Entry, Mapping, Room, Tail};

/// Files and folders by path; a folder is there when something is in it, or when it was made. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<Tree>>);

#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<PathBuf, Content>,
    folders: BTreeSet<PathBuf>,
}

type Content = Arc<Mutex<Vec<u8>>>;

#[derive(Debug)]
struct MemoryFile(Content);

// === impl MemoryDisk ===

impl MemoryDisk {
    /// Puts a file there, with all the folders above it.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut tree = self.tree();
        tree.make_folder(path.parent().expect("a folder"));
        tree.files.insert(path.to_owned(), Arc::new(Mutex::new(bytes.to_vec())));
    }

    /// All files and what is in them.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let bytes = |content: &Content| locked(content).clone();
        self.tree().files.iter().map(|(path, content)| (path.clone(), bytes(content))).collect()
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        locked(&self.0)
    }
}

impl Disk for MemoryDisk {
    fn create(&self, path: &Path, _access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut tree = self.tree();
        if tree.exists(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        tree.folder_of(path)?;
        let content = Content::default();
        tree.files.insert(path.to_owned(), Arc::clone(&content));
        Ok(Box::new(MemoryFile(content)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(MemoryFile(self.tree().file(path)?)))
    }

    fn map(&self, _path: &Path, _bytes: usize) -> io::Result<Mapping> {
        Err(ErrorKind::Unsupported.into())
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.tree().file(path).map(drop)
    }

    fn shorten(&self, path: &Path, bytes: u64) -> io::Result<()> {
        MemoryFile(self.tree().file(path)?).set_len(bytes)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let content = self.tree().file(path)?;
        Ok(locked(&content).clone())
    }

    fn room(&self, _folder: &Path) -> io::Result<Room> {
        Ok(Room { used: 0, free: u64::MAX })
    }

    fn tail(&self, path: &Path) -> io::Result<Tail> {
        let content = self.read(path)?;
        Ok(Tail { bytes: content.len() as u64, last: content.last().copied() })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.tree().exists(path))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let tree = self.tree();
        if !tree.folders.contains(folder) {
            return Err(ErrorKind::NotFound.into());
        }
        let entry = |path: &Path, is_folder, bytes| {
            let name = path.file_name().filter(|_| path.parent() == Some(folder))?.to_owned();
            Some(Entry { name, is_folder, bytes, modified: None })
        };
        let folders = tree.folders.iter().filter_map(|path| entry(path, true, 0));
        let files = tree.files.iter().filter_map(|(path, file)| entry(path, false, locked(file).len() as u64));
        Ok(folders.chain(files).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        tree.folder_of(to)?;
        let content = tree.files.remove(from).ok_or(ErrorKind::NotFound)?;
        tree.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        if tree.exists(to) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        tree.folder_of(to)?;
        let content = tree.file(from)?;
        tree.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.tree().files.remove(path).map(drop).ok_or(ErrorKind::NotFound.into())
    }

    fn create_folder(&self, folder: &Path, _access: Access) -> io::Result<()> {
        self.tree().make_folder(folder);
        Ok(())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        if !self.list(folder)?.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.tree().folders.remove(folder);
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if self.tree().folders.contains(folder) { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    }
}

// === impl Tree ===

impl Tree {
    fn exists(&self, path: &Path) -> bool {
        self.files.contains_key(path) || self.folders.contains(path)
    }

    fn file(&self, path: &Path) -> io::Result<Content> {
        self.files.get(path).cloned().ok_or(ErrorKind::NotFound.into())
    }

    fn folder_of(&self, path: &Path) -> io::Result<()> {
        assert_is_plain(path);
        let is_there = path.parent().is_some_and(|folder| self.folders.contains(folder));
        if is_there { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    }

    fn make_folder(&mut self, folder: &Path) {
        assert_is_plain(folder);
        self.folders.extend(folder.ancestors().map(Path::to_owned));
    }
}

/// Nothing that was read may lead out of the folder that it is put into.
fn assert_is_plain(path: &Path) {
    let is_plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    assert!(path.components().all(is_plain), "{path:?}");
}

// === impl MemoryFile ===

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        locked(&self.0).resize(len as usize, 0);
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
