//! A sink's side of its keeper: asks for room, and remembers what came of it.

use std::path::Path;

use spanlake_core::{Deleted, Error, Processor};

use super::Keeper;
use super::keeper::Writing;
use crate::layout::LakeFile;

/// What a sink has of a keeper. Without one, everything is allowed.
#[derive(Debug, Default)]
pub(crate) struct Tenant {
    keeper: Option<Keeper>,
    deleted: Deleted,
    /// What went wrong since somebody asked.
    failed: Option<Error>,
}

impl Tenant {
    pub(crate) fn of(keeper: &Keeper) -> Self {
        Self { keeper: Some(keeper.clone()), ..Self::default() }
    }

    /// Makes room for `bytes` more and `files` more, as far as it can be made.
    pub(crate) fn make_room(&mut self, bytes: u64, files: u64) {
        let Some(keeper) = &self.keeper else {
            return;
        };
        let made = keeper.make_room(bytes, files);
        self.deleted = self.deleted + made.deleted;
        if let Some((path, error)) = made.failed {
            let error = Error::io("Keeper", "cannot keep the lake within its limits", error);
            self.failed = Some(error.with("path", path.display()));
        }
    }

    /// How long a file may get that the sink itself would let get `most` long.
    pub(crate) fn most_file_bytes(&self, most: u64) -> u64 {
        self.keeper.as_ref().map_or(most, |keeper| keeper.most_file_bytes().min(most))
    }

    /// The sink begins to write to a file; until it drops what this gives, the file is not deleted.
    pub(crate) fn begin(&self, path: &Path, file: &LakeFile) -> Writing {
        self.keeper.as_ref().map(|keeper| keeper.begin(path, file)).unwrap_or_default()
    }

    /// A file that was begun has this length now.
    pub(crate) fn set_bytes(&self, path: &Path, bytes: u64) {
        if let Some(keeper) = &self.keeper {
            keeper.set_bytes(path, bytes);
        }
    }

    /// A file is gone, and not because of the limits.
    pub(crate) fn forget(&self, path: &Path) {
        if let Some(keeper) = &self.keeper {
            keeper.forget(path);
        }
    }

    /// So much was written for good.
    pub(crate) fn wrote(&self, bytes: u64) {
        if let Some(keeper) = &self.keeper {
            keeper.spend(bytes);
        }
    }

    /// The last failure, once.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        self.failed.take().map_or(Ok(()), Err)
    }

    pub(crate) fn deleted(&self) -> Deleted {
        self.deleted
    }

    pub(crate) fn processor(&self) -> Option<Box<dyn Processor>> {
        self.keeper.as_ref()?.take_budget().map(|budget| Box::new(budget) as Box<dyn Processor>)
    }
}
