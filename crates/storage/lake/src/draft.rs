//! Publishing: a file is written under a hidden name, and shown when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::file::first_free;
use crate::layout::{HIDDEN_PREFIX, LakeFile};

/// A file that no reader sees until it is published. Dropped before that, it is removed.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    hidden: PathBuf,
    visible: PathBuf,
    number: u32,
}

// === impl Draft ===

impl Draft {
    /// Begins a file with the first free number from `name` on. Its folder is made if need be.
    ///
    /// The hidden name belongs to one writer only, because creating it fails when it exists. While it does, no other
    /// sink can publish under the same number, so that the rename never replaces a file.
    pub(crate) fn create(folder: &Path, name: &LakeFile) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        first_free(name, |name| {
            let visible = folder.join(name.to_string());
            let hidden = folder.join(format!("{HIDDEN_PREFIX}{name}"));
            let file = OpenOptions::new().write(true).create_new(true).open(&hidden)?;
            let draft = Self { file, hidden, visible, number: name.number };
            // Looked for under the protection of the hidden name; dropping the draft takes that away again.
            if draft.visible.exists() { Err(ErrorKind::AlreadyExists.into()) } else { Ok(draft) }
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The number it was given.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Makes its content durable, then shows it under its name. That it is there is durable after
    /// [`sync_folders`](crate::file::sync_folders).
    pub(crate) fn publish(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.hidden, &self.visible)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After publishing there is nothing under the hidden name. What cannot be removed is passed over by engines.
        let _ = fs::remove_file(&self.hidden);
    }
}
