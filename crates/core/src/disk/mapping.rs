//! Files as memory. The one place with `unsafe` in it; why each use is sound stands beside it.

#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use memmap2::{MmapMut, MmapOptions};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// A file of fixed size that is written like memory. What was written is the operating system's at once: it survives
/// the process, however that ends.
///
/// All of the file has its room on the disk from the start, so that no write can find the disk full, which would be
/// `SIGBUS`. That is also what happens to a program whose file somebody else makes shorter; nobody but its owner may
/// write to it.
#[derive(Debug)]
pub struct Mapping {
    map: MmapMut,
    path: PathBuf,
}

/// How much is written at a time where the file system cannot allocate.
const ZEROS: &[u8] = &[0; 64 << 10];

// === impl Mapping ===

impl Mapping {
    /// Makes the file, for its owner only, and maps it. Fails when there is one of this name.
    pub(super) fn create(path: &Path, bytes: usize) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let mapped = allocate(&file, bytes).and_then(|()| map(&file, bytes));
        match mapped {
            Ok(map) => Ok(Self { map, path: path.to_owned() }),
            Err(error) => {
                // It has just been made, and nobody knows it.
                let _ = std::fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that the file has another name now.
    pub(crate) fn rename(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
    }
}

impl Deref for Mapping {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl DerefMut for Mapping {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.map
    }
}

fn map(file: &File, bytes: usize) -> io::Result<MmapMut> {
    // SAFETY: a mapped file is sound memory as long as nobody else changes it. It was made just now under a name that
    // was free, readable and writable by its owner only, in a folder of this process. The only writer is the holder of
    // this value; recovery by others begins after the owner's lock is gone, which is after the owner is, and reads.
    unsafe { MmapOptions::new().len(bytes).populate().map_mut(file) }
}

fn allocate(file: &File, bytes: usize) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes as u64) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(file, bytes),
        Err(error) => Err(error.into()),
    }
}

fn write_zeros(mut file: &File, bytes: usize) -> io::Result<()> {
    let mut left = bytes;
    while left > 0 {
        let part = left.min(ZEROS.len());
        file.write_all(&ZEROS[..part])?;
        left -= part;
    }
    Ok(())
}

// === forks ===

/// Tells a process from those that are forked from it, at the cost of a load of memory.
///
/// A forked child shares its parent's mappings: it must ask before it writes to one.
#[derive(Debug)]
pub struct Sentinel {
    /// A page that the kernel empties in a forked child; `None` where it does not know how.
    page: Option<MmapMut>,
    home: u32,
}

impl Sentinel {
    /// One for this process.
    pub fn new() -> Self {
        Self { page: page_emptied_by_forks().ok(), home: std::process::id() }
    }

    /// Whether this process is a fork of the one that made it.
    #[inline]
    pub fn is_forked(&self) -> bool {
        match &self.page {
            Some(page) => page[0] == 0,
            None => std::process::id() != self.home,
        }
    }
}

impl Default for Sentinel {
    fn default() -> Self {
        Self::new()
    }
}

fn page_emptied_by_forks() -> io::Result<MmapMut> {
    let mut page = MmapMut::map_anon(1)?;
    // SAFETY: the range is that of a private anonymous mapping that this function owns, whole pages, and only a child
    // sees the change.
    unsafe {
        rustix::mm::madvise(page.as_mut_ptr().cast(), page.len(), rustix::mm::Advice::LinuxWipeOnFork)?;
    }
    page[0] = 1;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut mapping = Mapping::create(&path, 10_000).unwrap();
        assert!(mapping.iter().all(|byte| *byte == 0));
        mapping[5000..5003].copy_from_slice(b"abc");
        assert_eq!(&std::fs::read(&path).unwrap()[4999..5004], b"\0abc\0");
        assert!(Mapping::create(&path, 10).is_err(), "the name is taken");
    }

    #[test]
    fn a_file_that_cannot_have_its_room_is_not_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(Mapping::create(&path, 1 << 60).is_err());
        assert!(!path.exists());
        assert!(!Sentinel::new().is_forked());
    }
}
