//! Files of a lake: the first free name, and entries that outlive a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::layout::LakeFile;

/// Creates the file with the first free number from `name` on, to be appended to. Its folder is made if need be.
pub(crate) fn create_log(folder: &Path, name: &LakeFile) -> io::Result<(File, PathBuf, u32)> {
    fs::create_dir_all(folder)?;
    first_free(name, |name| {
        let path = folder.join(name.to_string());
        let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        Ok((file, path, name.number))
    })
}

/// Makes the entries of `folder` durable, and those of the folders above it up to and with `lake`.
pub(crate) fn sync_folders(folder: &Path, lake: &Path) -> io::Result<()> {
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(lake)) {
        sync_folder(folder)?;
    }
    Ok(())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    // The relative path of a lake in the current folder has the empty path above it.
    if folder.as_os_str().is_empty() { Ok(()) } else { File::open(folder)?.sync_all() }
}

/// Elsewhere a folder cannot be opened to be synced; the file system sees to its entries.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Tries one number after the other until `create` finds nothing in its way.
pub(crate) fn first_free<T>(name: &LakeFile, mut create: impl FnMut(&LakeFile) -> io::Result<T>) -> io::Result<T> {
    let mut name = name.clone();
    loop {
        match create(&name) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && name.number < u32::MAX => name.number += 1,
            result => return result,
        }
    }
}
