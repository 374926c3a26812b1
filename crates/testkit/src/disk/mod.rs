//! A disk that fails when it is told to, and knows what a power cut would leave of it.
//!
//! [`FakeDisk`] hands everything on to the real disk, below one folder, and keeps a book of it. By the book it lets the
//! n-th call fail ([`Fault`]), and lays down in another folder what would be found there after a power cut
//! ([`FakeDisk::cut_power`]). Nothing is really synced: that only the book knows of syncs makes thousands of runs cheap.
//!
//! A sync that fails leaves what it was asked for in doubt for good, as real disks do: the next sync that succeeds says
//! nothing about it. The exception are names of folders, which one can only sync again.
//!
//! ```
//! use std::io::Write;
//! use spanlake_core::disk::{Access, Disk};
//! use spanlake_testkit::disk::{ENOSPC, FakeDisk, Fault, seed};
//!
//! let scratch = std::env::temp_dir().join(format!("spanlake-fake-disk-{}", std::process::id()));
//! std::fs::create_dir_all(scratch.join("disk"))?;
//! let disk = FakeDisk::new(scratch.join("disk"));
//! let mut file = disk.create(&scratch.join("disk/a"), Access::Shared)?;
//! file.write_all(b"one")?;
//! file.sync()?;
//! disk.sync_folder(&scratch.join("disk"))?;
//! disk.fail(Fault::at(1).error(ENOSPC));
//! assert!(file.write_all(b"two").is_err());
//! file.write_all(b"two")?;
//!
//! let cut = disk.cut_power();
//! assert_eq!(cut.unsure(), 2, "the new length, and the page");
//! cut.each(100, seed(), &scratch.join("after"), |folder| {
//!     let text = std::fs::read(folder.join("a")).unwrap();
//!     assert!([&b"one"[..], b"one\0\0\0", b"onetwo"].contains(&&*text));
//! });
//! # std::fs::remove_dir_all(scratch)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod fault;
mod history;
mod content;
mod names;
mod power_cut;

pub use fault::{Call, EIO, ENOSPC, Fault, Operation};
pub use power_cut::{PowerCut, seed};

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spanlake_core::disk::{Access, Disk, DiskFile, Entry, Mapping, Room, Tail, real};

use content::{Mapped, Written};
use fault::{Failure, Faults};
use names::{Entries, Name, Names, NodeId, ROOT};

/// The real disk below a folder, with faults and a memory. Clones are the same disk.
#[derive(Clone)]
pub struct FakeDisk(Arc<Mutex<Book>>);

/// All that is known of the disk.
struct Book {
    folder: PathBuf,
    faults: Faults,
    names: Names,
    nodes: Vec<Node>,
    watch: Option<Box<dyn FnMut(PowerCut) + Send>>,
    stall: Option<(String, Receiver<()>)>,
    room: Room,
}

/// Longest time that a call waits, see [`FakeDisk::stall_create`].
const PATIENCE: Duration = Duration::from_secs(30);

enum Node {
    Folder,
    Written(Written),
    Mapped(Mapped),
}

/// A file of the fake disk that is open.
struct FakeFile {
    disk: FakeDisk,
    real: Box<dyn DiskFile>,
    path: PathBuf,
    /// `None` for one outside the folder, which is in no book.
    node: Option<NodeId>,
}

// === impl FakeDisk ===

impl FakeDisk {
    /// A disk that is the folder `folder`. What is in it is durable.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        let mut book = Book {
            folder: folder.as_ref().to_owned(),
            faults: Faults::default(),
            names: Names::new(Entries::new()),
            nodes: vec![Node::Folder],
            watch: None,
            stall: None,
            room: Room { used: 1 << 40, free: 1 << 40 },
        };
        let mut entries = Entries::new();
        book.read(ROOT, folder.as_ref(), &mut entries);
        book.names = Names::new(entries);
        Self(Arc::new(Mutex::new(book)))
    }

    /// It, as sinks and spools take it.
    pub fn handle(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Lets calls fail from now on, beside those that were told to before.
    pub fn fail(&self, fault: Fault) {
        self.book().faults.set(fault);
    }

    /// No call fails any more.
    pub fn heal(&self) {
        self.book().faults.clear();
    }

    /// How much room the disk has from now on, whatever is written to it; a half of it is free at first.
    pub fn set_room(&self, room: Room) {
        self.book().room = room;
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.book().faults.calls().to_vec()
    }

    /// What would be found if the power went now. The disk itself goes on.
    pub fn cut_power(&self) -> PowerCut {
        self.book().cut_power()
    }

    /// Shows `watch` what would be found if the power went, before each call from now on. It may not use this disk.
    pub fn before_each_call(&self, watch: impl FnMut(PowerCut) + Send + 'static) {
        self.book().watch = Some(Box::new(watch));
    }

    /// Lets the next call that makes a file whose name begins so wait until the sender is dropped, while others go on.
    pub fn stall_create(&self, name: impl Into<String>) -> Sender<()> {
        let (release, released) = channel();
        self.book().stall = Some((name.into(), released));
        release
    }

    fn wait_to_create(&self, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stall = self.book().stall.take_if(|(start, _)| name.starts_with(&**start));
        if let Some((_, released)) = stall {
            assert_eq!(released.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "nobody let {name} go on");
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // A test that panics elsewhere shall not hide its reason behind this.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, path: &Path, real: Box<dyn DiskFile>, node: Option<NodeId>) -> Box<dyn DiskFile> {
        Box::new(FakeFile { disk: self.clone(), real, path: path.to_owned(), node })
    }
}

impl fmt::Debug for FakeDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeDisk").field("folder", &self.book().folder).finish_non_exhaustive()
    }
}

impl Disk for FakeDisk {
    fn create(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        self.wait_to_create(path);
        let mut book = self.book();
        book.call(Operation::Create, path)?;
        let file = real().create(path, access)?;
        let node = book.add(path, Node::Written(Written::new(Vec::new())));
        Ok(self.file(path, file, node))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut book = self.book();
        book.call(Operation::Append, path)?;
        let file = real().append(path)?;
        Ok(self.file(path, file, book.node(path)))
    }

    fn map(&self, path: &Path, bytes: usize) -> io::Result<Mapping> {
        let mut book = self.book();
        book.call(Operation::Map, path)?;
        let mapping = real().map(path, bytes)?;
        book.add(path, Node::Mapped(Mapped::default()));
        Ok(mapping)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut book = self.book();
        let called = book.call(Operation::SyncFile, path);
        let now = fs::read(path)?;
        match book.node(path).and_then(|node| book.nodes.get_mut(node)) {
            Some(Node::Mapped(file)) if called.is_ok() => file.sync(&now),
            Some(Node::Mapped(file)) => file.fail(&now),
            Some(Node::Written(file)) if called.is_ok() => file.history.sync(|_| true),
            Some(Node::Written(file)) => file.history.fail(|_| true),
            Some(Node::Folder) | None => {}
        }
        Ok(called?)
    }

    fn shorten(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut book = self.book();
        book.call(Operation::Shorten, path)?;
        real().shorten(path, bytes)?;
        // What a mapped file holds is looked at when somebody asks.
        if let Some(Node::Written(file)) = book.node(path).and_then(|node| book.nodes.get_mut(node)) {
            file.set_len(bytes as usize);
        }
        Ok(())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.book().call(Operation::Read, path)?;
        real().read(path)
    }

    fn read_part(&self, path: &Path, from: u64, most: usize) -> io::Result<Vec<u8>> {
        self.book().call(Operation::Read, path)?;
        real().read_part(path, from, most)
    }

    fn room(&self, folder: &Path) -> io::Result<Room> {
        let mut book = self.book();
        book.call(Operation::Room, folder)?;
        Ok(book.room)
    }

    fn tail(&self, path: &Path) -> io::Result<Tail> {
        self.book().call(Operation::Tail, path)?;
        real().tail(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.book().call(Operation::Exists, path)?;
        real().exists(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.book().call(Operation::List, folder)?;
        real().list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut book = self.book();
        book.call(Operation::Rename, from)?;
        book.keep_last(to);
        real().rename(from, to)?;
        let is_folder = book.is_folder(from);
        if let (Some(from), Some(to)) = (book.name(from), book.name(to)) {
            book.names.rename(from, to, is_folder);
        }
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut book = self.book();
        book.call(Operation::Link, from)?;
        real().link(from, to)?;
        if let (Some(node), Some(to)) = (book.node(from), book.name(to)) {
            book.names.put(to, node, false);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut book = self.book();
        book.call(Operation::Remove, path)?;
        book.keep_last(path);
        real().remove(path)?;
        book.remove(path);
        Ok(())
    }

    fn create_folder(&self, folder: &Path, access: Access) -> io::Result<()> {
        let mut book = self.book();
        book.call(Operation::CreateFolder, folder)?;
        real().create_folder(folder, access)?;
        let mut above: Vec<&Path> = folder.ancestors().collect();
        above.reverse();
        for folder in above {
            if book.node(folder).is_none() {
                book.add(folder, Node::Folder);
            }
        }
        Ok(())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        let mut book = self.book();
        book.call(Operation::RemoveFolder, folder)?;
        real().remove_folder(folder)?;
        book.remove(folder);
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut book = self.book();
        let called = book.call(Operation::SyncFolder, folder);
        if let Some(node) = book.node(folder) {
            if called.is_ok() { book.names.sync(node) } else { book.names.fail(node) }
        }
        Ok(called?)
    }
}

// === impl FakeFile ===

impl FakeFile {
    /// The book's page of this file.
    fn note(&self, book: &mut Book, note: impl FnOnce(&mut Written)) {
        if let Some(Node::Written(file)) = self.node.and_then(|node| book.nodes.get_mut(node)) {
            note(file);
        }
    }
}

impl Write for FakeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let disk = self.disk.clone();
        let mut book = disk.book();
        let called = book.call(Operation::Write, &self.path);
        let through = match &called {
            Ok(()) => bytes,
            Err(failure) if failure.tears => &bytes[..bytes.len() / 2],
            Err(_) => &[],
        };
        self.real.write_all(through)?;
        self.note(&mut book, |file| file.append(through));
        called?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for FakeFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut book = self.disk.book();
        let called = book.call(Operation::Sync, &self.path);
        self.note(&mut book, |file| match &called {
            Ok(()) => file.history.sync(|_| true),
            Err(_) => file.history.fail(|_| true),
        });
        Ok(called?)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let disk = self.disk.clone();
        let mut book = disk.book();
        book.call(Operation::SetLen, &self.path)?;
        self.real.set_len(len)?;
        self.note(&mut book, |file| file.set_len(len as usize));
        Ok(())
    }
}

impl fmt::Debug for FakeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeFile").field("path", &self.path).finish_non_exhaustive()
    }
}

// === impl Book ===

impl Book {
    /// Notes a call down; the error when it is to fail.
    fn call(&mut self, operation: Operation, path: &Path) -> Result<(), Failure> {
        if let Some(mut watch) = self.watch.take() {
            watch(self.cut_power());
            self.watch = Some(watch);
        }
        self.faults.call(operation, path)
    }

    fn cut_power(&self) -> PowerCut {
        let history = |node: NodeId| match &self.nodes[node] {
            Node::Folder => None,
            Node::Written(file) => Some(file.history.clone()),
            Node::Mapped(file) => Some(file.history(&self.mapped_bytes(node, file))),
        };
        let files = self.names.reachable().into_iter().filter_map(|node| Some((node, history(node)?))).collect();
        PowerCut { names: self.names.history.clone(), files }
    }

    /// Takes down what is in a folder of the real disk.
    fn read(&mut self, node: NodeId, folder: &Path, entries: &mut Entries) {
        for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
            let (path, child) = (entry.path(), self.nodes.len());
            entries.insert((node, entry.file_name()), child);
            if path.is_dir() {
                self.nodes.push(Node::Folder);
                self.read(child, &path, entries);
            } else {
                self.nodes.push(Node::Written(Written::new(fs::read(&path).expect("a file can be read"))));
            }
        }
    }

    /// A path as seen from the folder; nobody keeps a book of what lies outside.
    fn inside<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        path.strip_prefix(&self.folder).ok()
    }

    fn node(&self, path: &Path) -> Option<NodeId> {
        self.names.node(self.inside(path)?)
    }

    fn name(&self, path: &Path) -> Option<Name> {
        self.names.name(self.inside(path)?)
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.node(path).is_some_and(|node| matches!(self.nodes[node], Node::Folder))
    }

    fn add(&mut self, path: &Path, node: Node) -> Option<NodeId> {
        let (name, number) = (self.name(path)?, self.nodes.len());
        self.names.put(name, number, matches!(node, Node::Folder));
        self.nodes.push(node);
        Some(number)
    }

    fn remove(&mut self, path: &Path) {
        let is_folder = self.is_folder(path);
        if let Some(name) = self.name(path) {
            self.names.remove(name, is_folder);
        }
    }

    /// A mapped file that loses its name cannot be looked at later.
    fn keep_last(&mut self, path: &Path) {
        if let Some(Node::Mapped(file)) = self.node(path).and_then(|node| self.nodes.get_mut(node)) {
            file.last = fs::read(path).ok();
        }
    }

    /// What a mapping holds now.
    fn mapped_bytes(&self, node: NodeId, file: &Mapped) -> Vec<u8> {
        let here = self.names.path(node).and_then(|path| fs::read(self.folder.join(path)).ok());
        here.or_else(|| file.last.clone()).unwrap_or_default()
    }
}
