//! Rolled files on their way to the thread that compresses them, and back.

#[cfg(any(feature = "gzip", feature = "zstd"))]
use std::sync::Arc;

use super::FileLog;
#[cfg(any(feature = "gzip", feature = "zstd"))]
use crate::rolling::pack::Packer;

#[cfg(not(any(feature = "gzip", feature = "zstd")))]
impl FileLog {
    pub(super) fn pack(&mut self) {}

    pub(super) fn publish_packed(&mut self) {}

    pub(super) fn stop_packing(&mut self) {}
}

#[cfg(any(feature = "gzip", feature = "zstd"))]
impl FileLog {
    /// Hands rolled files over to the thread that compresses them. What cannot be done now is tried again later, and shows
    /// as a file that is not compressed.
    pub(super) fn pack(&mut self) {
        let Some(compression) = self.compression.filter(|_| self.debts.is_empty()) else { return };
        if self.packer.is_none() && !self.backups.items().is_empty() {
            self.packer = Packer::spawn(compression, Arc::clone(&self.disk)).ok();
        }
        let Some(packer) = &mut self.packer else { return };
        for backup in self.backups.items().iter().filter(|backup| backup.suffix.is_empty()) {
            if packer.wants(backup.id)
                && let Ok(source) = self.disk.open(&self.backups.path_of(backup))
            {
                let target = self.backups.hidden(&format!(".{}{}", backup.id, packer.suffix()));
                packer.give(backup.id, source, target);
            }
        }
    }

    pub(super) fn stop_packing(&mut self) {
        if self.packer.take().is_some() {
            self.backups.tidy();
        }
    }

    /// Gives compressed files their names.
    pub(super) fn publish_packed(&mut self) {
        while let Some(packed) = self.packer.as_mut().and_then(Packer::take) {
            let suffix = self.packer.as_ref().map_or("", Packer::suffix);
            let replaced = packed.bytes.map_err(|error| (packed.target.clone(), error));
            let replaced = replaced.and_then(|bytes| self.backups.replace(packed.id, &packed.target, suffix, bytes));
            if let Err(failed) = replaced {
                // Removed, lest it is in the way when the file is compressed again.
                let _ = self.disk.remove(&packed.target);
                self.backups.note(failed);
            }
        }
    }
}
