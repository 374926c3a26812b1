//! Logs that grow in sight of readers: one file after the other for each place, a batch written whole or not at all.

use std::collections::VecDeque;
use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use spanlake_core::disk::Disk;
use spanlake_core::spool::Ledger;
use spanlake_core::{Batch, Error, FileState, LevelFilter, Recipe, Record, Source};

use crate::chain::{Attempt, Chain};
use crate::ground::Ground;
use crate::layout::{LogType, Purpose};
use crate::limits::{Keeper, LIVE_FOR, Tenant};
use crate::partition::Partition;
use crate::places::{Place, Places};

/// Default of `max_file_bytes`: 256 MiB.
pub const DEFAULT_MAX_FILE_BYTES: NonZeroU64 = NonZeroU64::new(256 << 20).unwrap();

/// Default of `max_unsynced_bytes`: 8 MiB. More was no faster on the disks that were tried.
pub const DEFAULT_MAX_UNSYNCED_BYTES: NonZeroUsize = NonZeroUsize::new(8 << 20).unwrap();

/// How long nothing is written to a file before it is closed or touched.
const IDLE_FOR: Duration = Duration::from_secs(LIVE_FOR.as_secs() / 2);

/// Most files that are open at a time, also within a batch: for one more, that which was not written to for the longest time is
/// closed. At least two, for a file that is full and the next one.
const MAX_OPEN: usize = 64;

/// The files of one log type, appended to.
#[derive(Debug)]
pub(crate) struct AppendLog {
    service: &'static str,
    max_file_bytes: u64,
    max_unsynced_bytes: usize,
    idle_for: Duration,
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
            idle_for: IDLE_FOR,
            ground: Ground::new(lake, Purpose::DebugJson, log_type, extension),
            places: Places::new(Partition::default()),
        }
    }

    pub(crate) fn set_partition(&mut self, partition: Partition) {
        self.places.set_partition(partition);
    }

    pub(crate) fn set_writer(&mut self, writer: &Source) {
        self.places.set_writer(writer);
    }

    pub(crate) fn set_max_file_bytes(&mut self, bytes: NonZeroU64) {
        self.max_file_bytes = bytes.get();
    }

    pub(crate) fn set_max_unsynced_bytes(&mut self, bytes: NonZeroUsize) {
        self.max_unsynced_bytes = bytes.get();
    }

    pub(crate) fn set_keeper(&mut self, keeper: &Keeper) {
        self.ground.tenant = Tenant::of(keeper);
    }

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.ground.tenant
    }

    pub(crate) fn resume(&mut self, ledger: &Ledger, noted: &Path) {
        self.ground.resume(&mut self.places, ledger, noted);
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
        let most = self.ground.tenant.most_file_bytes(self.max_file_bytes);
        for record in batch.records() {
            let chain = &mut self.places.of(record).content;
            chain.put(record, most, |text| put(text, record));
        }
        let bytes = self.make_room();
        if let Err((path, error)) = self.append() {
            self.take_batch_back();
            return Err(self.error("cannot append to the file", &path, error));
        }
        self.places.iter_mut().for_each(|place| place.content.keep_batch());
        self.ground.tenant.wrote(bytes);
        if self.places.iter().count() > MAX_OPEN {
            self.places.forget(Chain::is_closed);
        }
        Ok(())
    }

    /// Makes everything written durable, the entries of new files included.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let result = self.sync();
        self.places.iter_mut().for_each(|place| place.content.shrink());
        result
    }

    /// Looks after what is held open: files of times gone by are closed, the others kept from looking abandoned. Gives
    /// what went wrong with the limits.
    pub(crate) fn tick(&mut self) -> Result<(), Error> {
        let Self { ground, places, idle_for, .. } = self;
        places.forget(|chain| chain.is_idle(*idle_for));
        places.iter_mut().for_each(|place| place.touch(*idle_for, ground));
        ground.tenant.check()
    }

    /// Records that were written to a file which is not to be trusted, and to no other yet.
    pub(crate) fn unpublished(&self) -> u64 {
        self.places.iter().map(|place| place.content.owed_records()).sum()
    }

    pub(crate) fn recipe(&self, kind: &str, level: LevelFilter) -> Recipe {
        let partition = self.places.partition().to_string();
        Recipe { kind: kind.to_owned(), lake: self.ground.absolute_lake(), level, partition }
    }

    pub(crate) fn changed_files(&mut self) -> Vec<FileState> {
        self.ground.changed_files()
    }

    /// Sees to what earlier failures left to do, and that what is kept stays within its bound. A failure leaves the
    /// batch with the pump.
    fn prepare(&mut self) -> Result<(), Error> {
        self.take_batch_back();
        let Self { ground, places, idle_for, .. } = self;
        ground.tidy();
        places.iter_mut().for_each(|place| place.touch(*idle_for, ground));
        let restored = places.iter_mut().try_for_each(|place| place.restore(ground));
        restored.map_err(|(path, error)| self.error("cannot append to the file", &path, error))?;
        let unsynced: usize = self.places.iter().map(|place| place.content.unsynced_bytes()).sum();
        if unsynced > self.max_unsynced_bytes { self.sync() } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.take_batch_back();
        let Self { ground, places, .. } = self;
        ground.tidy();
        let mut result = Ok(());
        for place in places.iter_mut() {
            result = result.and(place.flush(ground));
        }
        result.map_err(|(path, error)| self.error("cannot make the file durable", &path, error))
    }

    /// Nothing of a batch stays that was not written as a whole, be it that something panicked.
    fn take_batch_back(&mut self) {
        let Self { ground, places, .. } = self;
        places.iter_mut().for_each(|place| place.take_batch_back(ground));
    }

    /// Keeps the lake within its limits, with what is about to be written; gives how many bytes that is.
    fn make_room(&mut self) -> u64 {
        let sizes = self.places.iter().map(|place| place.content.batch_size());
        let (bytes, files) = sizes.fold((0, 0), |all, size| (all.0 + size.0, all.1 + size.1));
        self.ground.tenant.make_room(bytes, files);
        bytes
    }

    /// Writes the batch's part of each place.
    fn append(&mut self) -> Attempt {
        let Self { ground, places, .. } = self;
        let places = places.as_mut_slice();
        let mut open: VecDeque<usize> = (0..places.len()).filter(|at| places[*at].content.open_files() > 0).collect();
        open.make_contiguous().sort_by_key(|at| places[*at].content.changed());
        for at in 0..places.len() {
            let Some(need) = places[at].content.files_to_open() else { continue };
            open.retain(|open| *open != at);
            let is_over = |open: &VecDeque<usize>, places: &[Place<Chain>]| {
                open.iter().map(|at| places[*at].content.open_files()).sum::<usize>() + need > MAX_OPEN
            };
            while is_over(&open, places)
                && let Some(oldest) = open.pop_front()
            {
                places[oldest].close(ground)?;
            }
            places[at].append(ground)?;
            open.push_back(at);
        }
        Ok(())
    }

    fn error(&self, message: &str, path: &Path, error: io::Error) -> Error {
        Error::io(self.service, message, error).with("path", path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;
    use std::time::SystemTime;

    use spanlake_core::{Level, Source};
    use spanlake_testkit::{NO_TASK, Script};

    use super::*;
    use crate::layout::JSONL;

    const DAY_US: i64 = 86_400_000_000;

    /// A log whose files are idle at once.
    fn log(lake: &Path) -> AppendLog {
        AppendLog { idle_for: Duration::ZERO, ..AppendLog::new("Test", lake, LogType::Records, JSONL) }
    }

    fn write(log: &mut AppendLog, day: i64, line: &str) {
        let mut script = Script::new(Source::default(), day * DAY_US);
        script.event(NO_TASK, Level::INFO, line, &[]);
        let segment = script.into_segment();
        let decoded = segment.decode().unwrap();
        let records: Vec<Record<'_>> = decoded.records().collect();
        log.write(&Batch::new(&records, LevelFilter::TRACE), |out, record| {
            out.extend_from_slice(record.message.as_bytes());
            out.push(b'\n');
        })
        .unwrap();
    }

    fn files(lake: &Path) -> Vec<PathBuf> {
        let days = fs::read_dir(lake.join("debug_json/records")).unwrap();
        let in_day = |day: PathBuf| fs::read_dir(day).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<PathBuf> = days.flat_map(|day| in_day(day.unwrap().path())).collect();
        files.sort();
        files
    }

    #[test]
    fn what_is_held_open_is_touched() {
        let lake = tempfile::tempdir().unwrap();
        let mut log = log(lake.path());
        write(&mut log, 0, "one");
        let path = files(lake.path()).remove(0);
        let hour = Duration::from_secs(3_600);
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() - hour).unwrap();
        log.tick().unwrap();
        assert!(fs::metadata(&path).unwrap().modified().unwrap().elapsed().unwrap() < hour / 2);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    }

    #[test]
    fn files_of_times_gone_by_are_closed_when_they_are_durable() {
        let lake = tempfile::tempdir().unwrap();
        let mut log = log(lake.path());
        write(&mut log, 0, "one");
        write(&mut log, 1, "two");
        log.tick().unwrap();
        assert_eq!(log.places.iter().count(), 2);
        log.flush().unwrap();
        log.tick().unwrap();
        assert_eq!(log.places.iter().map(|place| place.folder.as_str()).collect::<Vec<_>>(), ["run_date=1970-01-02"]);
        fs::remove_file(files(lake.path()).remove(0)).unwrap();
        write(&mut log, 0, "late");
        let late = files(lake.path()).remove(0);
        assert!(late.to_string_lossy().ends_with("_0002.jsonl"), "{late:?}: no number is given twice");
    }

    #[test]
    fn an_idle_file_that_somebody_deleted_takes_nothing_with_it() {
        let lake = tempfile::tempdir().unwrap();
        let mut log = log(lake.path());
        write(&mut log, 0, "one");
        log.flush().unwrap();
        fs::remove_file(files(lake.path()).remove(0)).unwrap();
        write(&mut log, 0, "two");
        assert_eq!(fs::read_to_string(files(lake.path()).remove(0)).unwrap(), "two\n");
    }

    #[test]
    fn nothing_stays_of_a_batch_that_panicked() {
        let mut script = Script::new(Source::this_process("test"), 0);
        (0..3).for_each(|_| script.event(NO_TASK, Level::INFO, "event", &[]));
        let segment = script.into_segment();
        let decoded = segment.decode().unwrap();
        let records: Vec<Record<'_>> = decoded.records().collect();
        let batch = Batch::new(&records, LevelFilter::TRACE);

        let lake = tempfile::tempdir().unwrap();
        let mut log = AppendLog::new("Test", lake.path(), LogType::Records, "jsonl");
        log.set_partition(Partition::none());
        for line in ["first\n", "second\n"] {
            let panicking = |out: &mut Vec<u8>, _: &Record<'_>| {
                out.extend_from_slice(b"half");
                assert!(out.len() < 5, "on purpose");
            };
            catch_unwind(AssertUnwindSafe(|| log.write(&batch, panicking))).unwrap_err();
            log.flush().unwrap();
            log.write(&batch, |out, _| out.extend_from_slice(line.as_bytes())).unwrap();
        }
        log.flush().unwrap();
        let folder = lake.path().join("debug_json/records");
        let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "first\n".repeat(3) + &"second\n".repeat(3));
    }
}
