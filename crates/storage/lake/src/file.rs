//! Files of a lake: the first free name, and entries that outlive a power cut.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use spanlake_core::disk::{Access, Disk, DiskFile};

use crate::layout::LakeFile;

/// Creates the file with the first free number from `name` on, to be appended to. Its folder is made if need be.
pub(crate) fn create_log(
    disk: &dyn Disk,
    folder: &Path,
    name: &LakeFile,
) -> io::Result<(Box<dyn DiskFile>, PathBuf, u32)> {
    disk.create_folder(folder, Access::Shared)?;
    first_free(name, |name| {
        let path = folder.join(name.to_string());
        let file = disk.create(&path, Access::Shared)?;
        Ok((file, path, name.number))
    })
}

/// Makes the entries of `folder` durable, and those of all folders above it: the first sink makes the lake, and what it is
/// to lie in.
pub(crate) fn sync_folders(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    folder.ancestors().try_for_each(|folder| {
        // Above a relative path is the empty path, which stands for the current folder.
        disk.sync_folder(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    })
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
