//! Publishing: a file is written under a hidden name, and shown when it is whole.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spanlake_core::disk::{Access, Disk, DiskFile};

use crate::file::{first_free, sync_folders};
use crate::layout::{HIDDEN_PREFIX, LakeFile};

/// A file that no reader sees until it is published. Dropped before that, it is removed.
#[derive(Debug)]
pub(crate) struct Draft {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    /// Where it is; `None` when that is nobody's business any more.
    path: Option<PathBuf>,
    visible: PathBuf,
    number: u32,
    len: u64,
}

// === impl Draft ===

impl Draft {
    /// Begins a file with the first free number from `name` on. Its folder is made if need be.
    ///
    /// The hidden name belongs to one writer only, because creating it fails when it exists. While it does, no other
    /// sink can publish under the same number, so that the rename never replaces a file.
    pub(crate) fn create(disk: &Arc<dyn Disk>, folder: &Path, name: &LakeFile) -> io::Result<Self> {
        disk.create_folder(folder, Access::Shared)?;
        first_free(name, |name| {
            let visible = folder.join(name.to_string());
            let hidden = folder.join(format!("{HIDDEN_PREFIX}{name}"));
            let file = disk.create(&hidden, Access::Shared)?;
            let disk = Arc::clone(disk);
            let draft = Self { disk, file, path: Some(hidden), visible, number: name.number, len: 0 };
            // Looked for under the protection of the hidden name; dropping the draft takes that away again.
            if draft.disk.exists(&draft.visible)? { Err(ErrorKind::AlreadyExists.into()) } else { Ok(draft) }
        })
    }

    /// The number it was given.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Where it is shown.
    pub(crate) fn visible(&self) -> &Path {
        &self.visible
    }

    /// Makes its content durable, shows it under its name, and makes the name durable. After an error it is as good as
    /// none, whichever of these failed, for nobody knows what a failed sync has left on the disk.
    pub(crate) fn publish(&mut self, lake: &Path) -> io::Result<()> {
        self.file.sync()?;
        if let Some(hidden) = &mut self.path {
            self.disk.rename(hidden, &self.visible)?;
            hidden.clone_from(&self.visible);
        }
        sync_folders(&*self.disk, self.visible.parent().unwrap_or(lake), lake)?;
        self.path = None;
        Ok(())
    }

    /// Lets go of it; gives where the file is that should be removed.
    pub(crate) fn give_up(mut self) -> Option<PathBuf> {
        self.path.take()
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What cannot be removed is passed over by engines.
            let _ = self.disk.remove(path);
        }
    }
}
