//! Publishing: a file is written under a hidden name, and shown when it is whole.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spanlake_core::disk::{Access, Disk, DiskFile};

use crate::file::{first_free, sync_folders};
use crate::ground::Ground;
use crate::layout::{HIDDEN_PREFIX, LakeFile};

/// A file that no reader sees until it is published.
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
    pub(crate) fn create(ground: &mut Ground, folder: &Path, name: &LakeFile) -> io::Result<Self> {
        ground.disk.create_folder(folder, Access::Shared)?;
        first_free(name, |name| {
            let visible = folder.join(name.to_string());
            let hidden = folder.join(format!("{HIDDEN_PREFIX}{name}"));
            let disk = Arc::clone(&ground.disk);
            let file = disk.create(&hidden, Access::Shared)?;
            // Looked for under the protection of the hidden name.
            let error = match disk.exists(&visible) {
                Ok(false) => return Ok(Self { disk, file, path: Some(hidden), visible, number: name.number, len: 0 }),
                Ok(true) => ErrorKind::AlreadyExists.into(),
                Err(error) => error,
            };
            ground.leave(hidden, 0);
            Err(error)
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
    pub(crate) fn publish(&mut self) -> io::Result<()> {
        self.file.sync()?;
        if let Some(hidden) = &mut self.path {
            self.disk.rename(hidden, &self.visible)?;
            hidden.clone_from(&self.visible);
        }
        sync_folders(&*self.disk, self.visible.parent().unwrap_or(Path::new("")))?;
        self.path = None;
        Ok(())
    }

    /// Removes it, now or later.
    pub(crate) fn give_up(mut self, ground: &mut Ground) {
        self.path.take().into_iter().for_each(|path| ground.leave(path, 0));
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

/// Where there was no chance to give it up, because something panicked.
impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What cannot be removed is passed over by engines.
            let _ = self.disk.remove(path);
        }
    }
}
