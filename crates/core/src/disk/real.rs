//! The operating system's disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::disk::{Access, Disk, DiskFile, Entry, Mapping, Room, Tail};

#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        if access == Access::Private {
            options.mode(0o600);
        }
        Ok(Box::new(options.open(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        refuse_pipe(path)?;
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn map(&self, path: &Path, bytes: usize) -> io::Result<Mapping> {
        Mapping::create(path, bytes)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_data()
    }

    fn shorten(&self, path: &Path, bytes: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(bytes)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn read_part(&self, path: &Path, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let left = file.metadata()?.len().saturating_sub(from);
        let mut part = vec![0; most.min(usize::try_from(left).unwrap_or(usize::MAX))];
        file.read_exact_at(&mut part, from)?;
        Ok(part)
    }

    fn tail(&self, path: &Path) -> io::Result<Tail> {
        refuse_pipe(path)?;
        let mut file = File::open(path)?;
        let bytes = file.seek(SeekFrom::End(0))?;
        let mut last = [0];
        if bytes > 0 {
            file.seek(SeekFrom::Start(bytes - 1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Tail { bytes, last: (bytes > 0).then_some(last[0]) })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // Another process may have removed it since.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            entries.push(Entry {
                name: entry.file_name(),
                is_folder: metadata.is_dir(),
                bytes: metadata.len(),
                modified: metadata.modified().ok(),
            });
        }
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_folder(&self, folder: &Path, access: Access) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        if access == Access::Private {
            // Only the folder itself: one above it may be a lake, which others read.
            folder.parent().map_or(Ok(()), fs::create_dir_all)?;
            builder.mode(0o700);
        }
        builder.create(folder)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.or_else(|error| if is_out_of_reach(&error) { Ok(()) } else { Err(error) })
    }
}

/// Whoever opens a pipe waits until somebody opens its other end.
fn refuse_pipe(path: &Path) -> io::Result<()> {
    match fs::metadata(path)?.file_type().is_fifo() {
        true => Err(io::Error::new(ErrorKind::InvalidInput, "it is a pipe, no file")),
        false => Ok(()),
    }
}

pub(super) fn room(folder: &Path) -> io::Result<Room> {
    let room = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(room.f_frsize);
    Ok(Room { used: bytes(room.f_blocks.saturating_sub(room.f_bfree)), free: bytes(room.f_bavail) })
}

/// Whether syncing a folder is not for this process to do: it may not open it, or the file system sees to names alone.
fn is_out_of_reach(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Unsupported)
}

/// A device or a pipe has nothing that could be made durable or cut, and says that it was asked in vain.
fn as_of_a_file(asked: io::Result<()>) -> io::Result<()> {
    asked.or_else(|error| if error.kind() == ErrorKind::InvalidInput { Ok(()) } else { Err(error) })
}

impl DiskFile for File {
    fn sync(&mut self) -> io::Result<()> {
        as_of_a_file(self.sync_data())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        as_of_a_file(File::set_len(self, len))
    }

    fn hold(&mut self) -> io::Result<bool> {
        match rustix::fs::flock(&*self, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) | Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
