//! What every sink of a lake stands on: a disk, a folder, and a memory of what it did there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use spanlake_core::FileState;
use spanlake_core::disk::{Disk, real};
use spanlake_core::spool::Ledger;

use crate::changes::Changes;
use crate::debts::Debts;
use crate::layout::{LakeFile, LogType, Purpose, folder};
use crate::limits::Tenant;
use crate::places::Places;

/// The folder of a log type.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) lake: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) extension: &'static str,
    /// The limits of the lake.
    pub(crate) tenant: Tenant,
    changes: Changes,
    debts: Debts,
}

// === impl Ground ===

impl Ground {
    pub(crate) fn new(lake: &Path, purpose: Purpose, log_type: LogType, extension: &'static str) -> Self {
        Self {
            disk: real(),
            lake: lake.to_owned(),
            folder: folder(lake, purpose, log_type),
            extension,
            tenant: Tenant::default(),
            changes: Changes::default(),
            debts: Debts::default(),
        }
    }

    /// Lets the numbers of files go on behind those that a ledger knows of here.
    pub(crate) fn resume<T: Default>(&self, places: &mut Places<T>, ledger: &Ledger, noted: &Path) {
        for path in ledger.files.keys() {
            let inside = path.strip_prefix(noted).map_or_else(|_| path.clone(), |inside| self.lake.join(inside));
            let Some(inside) = inside.strip_prefix(&self.folder).ok().and_then(Path::to_str) else { continue };
            let (folder, name) = inside.rsplit_once('/').unwrap_or(("", inside));
            if let Some(file) = LakeFile::parse(name).filter(|file| file.extension == self.extension) {
                places.resume(folder.to_owned(), file.process, file.number);
            }
        }
    }

    /// A file has this length now.
    pub(crate) fn put(&mut self, path: &Path, len: u64) {
        self.changes.put(path, len);
        self.tenant.set_bytes(path, len);
    }

    /// A file is gone.
    pub(crate) fn forget(&mut self, path: &Path) {
        self.changes.forget(path);
        self.tenant.forget(path);
    }

    /// The lake's folder, wherever another process looks from.
    pub(crate) fn absolute_lake(&self) -> PathBuf {
        std::path::absolute(&self.lake).unwrap_or_else(|_| self.lake.clone())
    }

    /// Leaves a file for good, with only the first `len` bytes in it; with none it goes. If that cannot be now, it is
    /// tried again later.
    pub(crate) fn leave(&mut self, path: PathBuf, len: u64) {
        match len {
            0 => self.forget(&path),
            _ => self.put(&path, len),
        }
        self.debts.owe(&*self.disk, path, len);
    }

    /// Tries again what failed when files were left.
    pub(crate) fn tidy(&mut self) {
        self.debts.pay(&*self.disk);
    }

    pub(crate) fn changed_files(&mut self) -> Vec<FileState> {
        self.changes.take()
    }
}
