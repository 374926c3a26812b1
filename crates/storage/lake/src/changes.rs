//! Which files a sink has touched since somebody asked.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use spanlake_core::FileState;

/// Files that were begun, have grown, were cut or published, in the order in which they first did.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    files: VecDeque<FileState>,
    /// Whether somebody ever asked.
    is_asked: bool,
}

/// More are not remembered where nobody asks. Who asks does so at every flush, and takes back what he has not heard of: there the
/// files that were begun since are the bound.
const MAX_CHANGES: usize = 4096;

// === impl Changes ===

impl Changes {
    /// The file is `bytes` long now.
    pub(crate) fn put(&mut self, path: &Path, bytes: u64) {
        // Most often it is the last one that grows.
        let known = self.files.iter_mut().rev().find(|file| file.path.as_os_str() == path.as_os_str());
        if let Some(known) = known {
            known.bytes = bytes;
            return;
        }
        if !self.is_asked && self.files.len() == MAX_CHANGES {
            self.files.pop_front();
        }
        self.files.push_back(FileState { path: path.to_owned(), bytes });
    }

    /// The file is not there any more.
    pub(crate) fn forget(&mut self, path: &Path) {
        self.files.retain(|file| file.path != path);
    }

    /// All of them, with paths that mean the same to other processes.
    pub(crate) fn take(&mut self) -> Vec<FileState> {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        self.is_asked = true;
        self.files.drain(..).map(|file| FileState { path: absolute(file.path), ..file }).collect()
    }
}
