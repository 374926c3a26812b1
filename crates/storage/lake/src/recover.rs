//! Recovery: what processes left behind in their spools goes into the lake, exactly once.
//!
//! The order of the steps makes it safe to be killed anywhere, and to be tried by several processes at once:
//!
//! 1. The spool is taken over; its lock goes to one process only.
//! 2. What the dead process's sinks wrote behind its ledger is taken back: those records are in the segments.
//! 3. The segments go to sinks like those of the dead process, then an end for each task that was open.
//! 4. The sinks are flushed, the ledger says so, and the spool is removed.
//!
//! Whoever is killed before step 4 leaves files that the ledger does not know, which the next recovery takes back.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use spanlake_core::disk::{self, Disk, Entry};
use spanlake_core::segment::{Decoded, merge};
use spanlake_core::spool::{self, Ledger, OpenTasks, Orphan, StoredSegment};
use spanlake_core::sync::Arc;
use spanlake_core::{Batch, Category, Error, LevelFilter, Recipe, Record, Sink, Stage};

use crate::jsonl::JsonlSink;
use crate::layout::{HIDDEN_PREFIX, JSONL, LOG, LakeFile, LogType, PARQUET, Purpose, folder};
use crate::limits::{Keeper, Limits};
use crate::partition::{DEFAULT_PARTITION, Partition};
use crate::text::SystemLogSink;

/// Most records handed to a sink at once.
const BATCH_RECORDS: usize = 512;

/// Puts what dead processes left in the spools of a lake into it.
#[derive(Debug)]
#[must_use = "nothing is recovered until `run`"]
pub struct Recovery {
    lake: PathBuf,
    spool: PathBuf,
    disk: Arc<dyn Disk>,
    keeper: Option<Keeper>,
}

/// What became of one spool.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recovered {
    /// The process, as the names of its files have it.
    pub process: String,
    /// Records that were in the spool and are in the lake now.
    pub records: u64,
    /// Tasks that were open and have an end now, with outcome `interrupted`.
    pub interrupted: u64,
    /// Copies of segments that were damaged; what stood before the damage is in the lake.
    pub damaged: Vec<PathBuf>,
    /// Where the spool was put because it could not be read at all.
    pub quarantined: Option<PathBuf>,
    /// Why it is still where it was, or why it could not be read.
    pub error: Option<Error>,
}

/// A sink to recover to.
struct Target {
    recipe: Recipe,
    /// Its lake, as it is found now.
    lake: PathBuf,
}

/// Folders, and files with what is known of them.
type Walked = (Vec<PathBuf>, Vec<(PathBuf, Entry)>);

impl Recovery {
    /// Of the lake in this folder, whose spools are in its folder `.spool`.
    pub fn new(lake: impl AsRef<Path>) -> Self {
        let lake = lake.as_ref().to_owned();
        Self { spool: lake.join(spool::FOLDER), lake, disk: disk::real(), keeper: None }
    }

    /// The folder of the spools, when it is another one.
    pub fn spool(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool = folder.into();
        self
    }

    /// Who keeps the lake within its limits while records are written to it. Without one there is no limit.
    pub fn keeper(mut self, keeper: &Keeper) -> Self {
        self.keeper = Some(keeper.clone());
        self
    }

    /// Another disk than the operating system's, for tests.
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = disk;
        self
    }

    /// Recovers every spool whose process is gone; those of live processes, and those that somebody else recovers, are
    /// left alone. One that fails holds up no other. An error says that the spools cannot even be looked for.
    pub fn run(&self) -> Result<Vec<Recovered>, Error> {
        let folders = spool::orphans(&*self.disk, &self.spool).map_err(|error| {
            Error::io("Recovery", "cannot look for spools", error).with("folder", self.spool.display())
        })?;
        Ok(folders.iter().filter_map(|folder| self.recover(folder)).collect())
    }

    /// `None` when there is nothing to do.
    fn recover(&self, folder: &Path) -> Option<Recovered> {
        let process = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut recovered =
            Recovered { process, records: 0, interrupted: 0, damaged: vec![], quarantined: None, error: None };
        match Orphan::adopt(&*self.disk, folder) {
            Ok(None) => return None,
            Ok(Some(orphan)) => recovered.error = self.put_back(orphan, &mut recovered).err(),
            Err(error) => {
                let damaged = error.kind() == ErrorKind::InvalidData || error.kind() == ErrorKind::NotFound;
                recovered.error =
                    Some(Error::io("Recovery", "cannot read the spool", error).with("folder", folder.display()));
                if damaged {
                    recovered.quarantined = spool::quarantine(&*self.disk, folder).ok().flatten();
                }
            }
        }
        Some(recovered)
    }

    fn put_back(&self, orphan: Orphan, recovered: &mut Recovered) -> Result<(), Error> {
        let recovery = |error| Error::io("Recovery", "cannot recover the spool", error);
        if !orphan.ledger.is_done {
            let targets = self.targets(&orphan).map_err(recovery)?;
            for target in &targets {
                self.take_back(&orphan.ledger, target).map_err(recovery)?;
            }
            let mut sinks =
                targets.iter().map(|target| self.sink(target, &orphan.ledger)).collect::<Result<Vec<_>, _>>()?;
            self.write(&orphan, &mut sinks, recovered)?;
            for sink in &mut sinks {
                sink.flush()?;
            }
        }
        orphan.finish(&*self.disk).map_err(recovery)
    }

    /// How the dead process's sinks were set up; JSON lines for one that had none.
    fn targets(&self, orphan: &Orphan) -> io::Result<Vec<Target>> {
        let mut recipes = orphan.ledger.sinks.clone();
        if recipes.is_empty() {
            let (kind, lake, partition) = (JSONL.to_owned(), self.lake.clone(), DEFAULT_PARTITION.to_owned());
            recipes.push(Recipe { kind, lake, level: LevelFilter::TRACE, partition });
        }
        recipes.into_iter().map(|recipe| Ok(Target { lake: self.lake_of(orphan, &recipe)?, recipe })).collect()
    }

    /// A spool that is not where it was made may be a copy, and the lake that its ledger speaks of that of a process that
    /// lives. A lake that is not there any more has most likely been moved here. Where the disk will not say, nothing is
    /// recovered rather than into the wrong lake.
    fn lake_of(&self, orphan: &Orphan, recipe: &Recipe) -> io::Result<PathBuf> {
        let is_there = orphan.is_at_home() && self.disk.exists(&recipe.lake)?;
        Ok(if is_there { recipe.lake.clone() } else { self.lake.clone() })
    }

    /// A sink like that of the dead process. Its files have numbers that the ledger does not know, also where those that it
    /// knows were deleted since: so a further recovery can tell them apart.
    fn sink(&self, Target { recipe, lake }: &Target, ledger: &Ledger) -> Result<Box<dyn Sink>, Error> {
        let partition =
            if recipe.partition.is_empty() { Partition::none() } else { Partition::new(&recipe.partition)? };
        let (disk, keeper) = (Arc::clone(&self.disk), self.keeper_of(lake));
        match recipe.kind.as_str() {
            "jsonl" => {
                let sink = JsonlSink::new(lake).level(recipe.level).partition(partition).keeper(&keeper).disk(disk);
                Ok(Box::new(sink.resume(ledger, &recipe.lake)))
            }
            "system_log" => {
                let sink = SystemLogSink::new(lake).level(recipe.level).partition(partition).keeper(&keeper).disk(disk);
                Ok(Box::new(sink.resume(ledger, &recipe.lake)))
            }
            #[cfg(feature = "parquet")]
            "parquet" => {
                let sink =
                    crate::ParquetSink::new(lake).level(recipe.level).partition(partition).keeper(&keeper).disk(disk);
                Ok(Box::new(sink.resume(ledger, &recipe.lake)))
            }
            other => {
                let error = Error::new(
                    Stage::Factory,
                    "Recovery",
                    Category::Configuration,
                    "this program cannot write to the sink",
                );
                Err(error.with("sink", other))
            }
        }
    }

    fn keeper_of(&self, lake: &Path) -> Keeper {
        let is_own = std::path::absolute(&self.lake).is_ok_and(|own| own == lake) || self.lake == lake;
        let own = self.keeper.as_ref().filter(|_| is_own);
        own.cloned().unwrap_or_else(|| Keeper::new(lake, Limits::new()))
    }

    fn write(&self, orphan: &Orphan, sinks: &mut [Box<dyn Sink>], recovered: &mut Recovered) -> Result<(), Error> {
        let mut open = OpenTasks::default();
        open.resume(&orphan.ledger.open);
        let mut decoded = Vec::new();
        for segment in &orphan.segments {
            let kept = self.decode(orphan, segment, recovered);
            decoded.extend(kept.map_err(|error| Error::io("Recovery", "cannot keep a damaged segment", error))?);
        }
        decoded.iter().for_each(|segment| open.read(segment));
        let mut records = merge(&decoded);
        loop {
            let batch: Vec<Record<'_>> = records.by_ref().take(BATCH_RECORDS).collect();
            if batch.is_empty() {
                break;
            }
            recovered.records += write_to(sinks, &batch)?;
        }
        let ends = open.interrupted(&orphan.ledger.source);
        if let Ok(ends) = ends.decode() {
            let ends: Vec<Record<'_>> = ends.records().collect();
            recovered.interrupted = write_to(sinks, &ends)?;
        }
        Ok(())
    }

    /// What a segment holds before any damage, of which a copy is kept.
    fn decode<'a>(
        &self,
        orphan: &Orphan,
        segment: &'a StoredSegment,
        recovered: &mut Recovered,
    ) -> io::Result<Option<Decoded<'a>>> {
        let decoded = segment.decode();
        let is_damaged = match &decoded {
            Ok((_, is_damaged)) => *is_damaged,
            Err(_) => !segment.is_blank(),
        };
        if is_damaged {
            recovered.damaged.push(orphan.set_aside(&*self.disk, segment)?);
        }
        Ok(decoded.ok().map(|(decoded, _)| decoded))
    }

    /// Removes what a sink of the dead process wrote behind its ledger, durably: once the spool is gone, nobody would take
    /// it back again if it returned after a power cut. Synced is also what was as it should be, for that may be the work of
    /// a recovery that was killed.
    fn take_back(&self, ledger: &Ledger, Target { recipe, lake }: &Target) -> io::Result<()> {
        let (purpose, log_type, extension) = kind(recipe);
        let process = ledger.source.process_name();
        let (folders, files) = self.walk(&folder(lake, purpose, log_type))?;
        for (path, entry) in files {
            let name = entry.name.to_string_lossy();
            let visible = name.strip_prefix(HIDDEN_PREFIX).unwrap_or(&name);
            let Some(file) =
                LakeFile::parse(visible).filter(|file| file.process == process && file.extension == extension)
            else {
                continue;
            };
            let is_hidden = visible.len() < name.len();
            let place = path.strip_prefix(lake).map_or_else(|_| path.clone(), |inside| recipe.lake.join(inside));
            match last_of_chain(ledger, &place, &file) {
                Some((last, _)) if !is_hidden && file.number < last => {}
                Some((last, bytes)) if !is_hidden && file.number == last => {
                    if entry.bytes > bytes {
                        self.disk.shorten(&path, bytes)?;
                    }
                    self.disk.sync_file(&path)?;
                }
                _ => self.disk.remove(&path)?,
            }
        }
        folders.iter().try_for_each(|folder| self.disk.sync_folder(folder))
    }

    /// All folders and files below a folder, which need not be there.
    fn walk(&self, folder: &Path) -> io::Result<Walked> {
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        let mut ahead = vec![folder.to_owned()];
        while let Some(folder) = ahead.pop() {
            let entries = match self.disk.list(&folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                entries => entries?,
            };
            for entry in entries {
                let path = folder.join(&entry.name);
                if entry.is_folder {
                    ahead.push(path);
                } else {
                    files.push((path, entry));
                }
            }
            folders.push(folder);
        }
        Ok((folders, files))
    }
}

/// Where a sink's files are, and how their names end.
fn kind(recipe: &Recipe) -> (Purpose, LogType, &'static str) {
    match recipe.kind.as_str() {
        "jsonl" => (Purpose::DebugJson, LogType::Records, JSONL),
        "system_log" => (Purpose::DebugJson, LogType::SystemLog, LOG),
        _ => (Purpose::Analyst, LogType::Records, PARQUET),
    }
}

/// The number and the length of the last file that the ledger knows beside `path`.
fn last_of_chain(ledger: &Ledger, path: &Path, file: &LakeFile) -> Option<(u32, u64)> {
    ledger.files.iter().filter(|(known, _)| known.parent() == path.parent()).find_map(|(known, bytes)| {
        let known = LakeFile::parse(known.file_name()?.to_str()?)?;
        (known.process == file.process && known.extension == file.extension).then_some((known.number, *bytes))
    })
}

/// Removes what the sinks of a ledger wrote behind it, durably, in the lakes that it names: for whoever has those records
/// elsewhere and is going to write them again. Files of the ledger's process only, which must be gone.
pub fn take_back(disk: &Arc<dyn Disk>, ledger: &Ledger) -> Result<(), Error> {
    for recipe in &ledger.sinks {
        let target = Target { recipe: recipe.clone(), lake: recipe.lake.clone() };
        let recovery = Recovery::new(&recipe.lake).disk(Arc::clone(disk));
        recovery.take_back(ledger, &target).map_err(|error| {
            Error::io("Recovery", "cannot take back what was written", error).with("lake", recipe.lake.display())
        })?;
    }
    Ok(())
}

/// Gives every sink its part; how many records there are, losses not counted.
fn write_to(sinks: &mut [Box<dyn Sink>], records: &[Record<'_>]) -> Result<u64, Error> {
    for sink in sinks {
        let level = sink.level();
        sink.write(&Batch::new(records, level))?;
    }
    Ok(records.iter().filter(|record| record.loss().is_none()).count() as u64)
}
