//! Logs that grow in sight of readers: one file after the other for each place, a batch written whole or not at all.

use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;

use spanlake_core::disk::Disk;
use spanlake_core::{Batch, Error, FileState, LevelFilter, Recipe, Record};

use crate::chain::{Attempt, Chain};
use crate::ground::Ground;
use crate::layout::{LogType, Purpose};
use crate::partition::Partition;
use crate::places::Places;

/// Default of `max_file_bytes`: 256 MiB.
pub const DEFAULT_MAX_FILE_BYTES: NonZeroU64 = NonZeroU64::new(256 << 20).unwrap();

/// Default of `max_unsynced_bytes`: 32 MiB.
pub const DEFAULT_MAX_UNSYNCED_BYTES: NonZeroUsize = NonZeroUsize::new(32 << 20).unwrap();

/// Files kept open; a batch that opens more is followed by closing all but the last.
const MAX_OPEN: usize = 64;

/// The files of one log type, appended to.
#[derive(Debug)]
pub(crate) struct AppendLog {
    service: &'static str,
    max_file_bytes: u64,
    max_unsynced_bytes: usize,
    ground: Ground,
    places: Places<Chain>,
}

// === impl AppendLog ===

impl AppendLog {
    pub(crate) fn new(service: &'static str, lake: &Path, log_type: LogType, extension: &'static str) -> Self {
        Self {
            service,
            max_file_bytes: DEFAULT_MAX_FILE_BYTES.get(),
            max_unsynced_bytes: DEFAULT_MAX_UNSYNCED_BYTES.get(),
            ground: Ground::new(lake, Purpose::DebugJson, log_type, extension),
            places: Places::new(Partition::default()),
        }
    }

    pub(crate) fn set_partition(&mut self, partition: Partition) {
        self.places = Places::new(partition);
    }

    pub(crate) fn set_max_file_bytes(&mut self, bytes: NonZeroU64) {
        self.max_file_bytes = bytes.get();
    }

    pub(crate) fn set_max_unsynced_bytes(&mut self, bytes: NonZeroUsize) {
        self.max_unsynced_bytes = bytes.get();
    }

    pub(crate) fn set_disk(&mut self, disk: Arc<dyn Disk>) {
        self.ground.disk = disk;
    }

    /// Renders a batch with `put` and writes it, each place's part with one call. After an error no file has any of
    /// it, or none that is not to be cut back as soon as the disk lets it.
    pub(crate) fn write(
        &mut self,
        batch: &Batch<'_>,
        mut put: impl FnMut(&mut Vec<u8>, &Record<'_>),
    ) -> Result<(), Error> {
        self.prepare()?;
        self.places.iter_mut().for_each(|place| place.content.start_batch());
        for record in batch.records() {
            let chain = &mut self.places.of(record).content;
            chain.put(record, self.max_file_bytes, |text| put(text, record));
        }
        if let Err((path, error)) = self.append() {
            self.places.iter_mut().for_each(|place| place.take_batch_back(&mut self.ground));
            return Err(self.error("cannot append to the file", &path, error));
        }
        self.places.iter_mut().for_each(|place| place.content.keep_batch());
        // What cannot be closed now stays open; the next flush says why.
        if self.places.iter().count() > MAX_OPEN && self.flush().is_ok() {
            self.places.keep_last();
        }
        Ok(())
    }

    /// Makes everything written durable, the entries of new files included.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let Self { ground, places, .. } = self;
        ground.tidy();
        let mut result = Ok(());
        for place in places.iter_mut() {
            result = result.and(place.flush(ground));
        }
        result.map_err(|(path, error)| self.error("cannot make the file durable", &path, error))
    }

    /// Records that were written to a file which is not to be trusted, and to no other yet.
    pub(crate) fn unpublished(&self) -> u64 {
        self.places.iter().map(|place| place.content.owed_records()).sum()
    }

    pub(crate) fn recipe(&self, kind: &str, level: LevelFilter) -> Recipe {
        Recipe { kind: kind.to_owned(), level, partition: self.places.partition().to_string() }
    }

    pub(crate) fn changed_files(&mut self) -> Vec<FileState> {
        self.ground.changed_files()
    }

    /// Sees to what earlier failures left to do, and that what is kept stays within its bound. A failure leaves the
    /// batch with the pump.
    fn prepare(&mut self) -> Result<(), Error> {
        let Self { ground, places, .. } = self;
        ground.tidy();
        let restored = places.iter_mut().try_for_each(|place| place.restore(ground));
        restored.map_err(|(path, error)| self.error("cannot append to the file", &path, error))?;
        let unsynced: usize = self.places.iter().map(|place| place.content.unsynced_bytes()).sum();
        if unsynced > self.max_unsynced_bytes { self.flush() } else { Ok(()) }
    }

    fn append(&mut self) -> Attempt {
        let Self { ground, places, .. } = self;
        places.iter_mut().try_for_each(|place| place.append(ground))
    }

    fn error(&self, message: &str, path: &Path, error: io::Error) -> Error {
        Error::io(self.service, message, error).with("path", path.display())
    }
}
