//! The runner: takes records from the queue to one plugin, at the plugin's own pace.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use spanlake_core::render::{JsonLines, Renderer};
use spanlake_core::segment::{Decoded, merge};
use spanlake_core::sync::{Mutex, lock};
use spanlake_core::{Batch, Category, Error, Kind, LevelFilter, Record, SinkState, Stage};

use super::{Match, Plugin};
use crate::health::Canary;
use crate::queue::{Items, Queue, Reader};

/// First pause after a failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often a batch is tried that a retry cannot help, before it goes to the dead letters.
const MOST_TRIES: u32 = 5;

/// The longest it waits for something to do.
const TICK: Duration = Duration::from_millis(200);

/// One plugin at work.
pub(crate) struct Runner {
    pub(crate) name: String,
    pub(crate) plugin: Box<dyn Plugin>,
    pub(crate) wanted: Match,
    pub(crate) queue: Arc<Queue>,
    pub(crate) reader: Reader,
    /// The last entry that the plugin, or its dead letters, were given and that is not confirmed.
    pub(crate) passed: Option<u64>,
    pub(crate) flush_every: Duration,
    pub(crate) dead: Dead,
    pub(crate) steering: Arc<Steering>,
    pub(crate) canary: Arc<Canary>,
    pub(crate) report: Arc<Mutex<PluginReport>>,
}

/// How the collector speaks to its runners.
#[derive(Debug, Default)]
pub(crate) struct Steering {
    /// When they are to be done with what is in the queue.
    stop_at: Mutex<Option<Instant>>,
}

/// Where batches go that a plugin will never take: JSON lines, one file for each plugin.
#[derive(Clone, Debug)]
pub struct Dead {
    path: PathBuf,
}

/// How a plugin is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginReport {
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: SinkState,
    /// Records that it has.
    pub written: u64,
    /// Records that were not meant for it.
    pub filtered: u64,
    /// Records that went to the dead letters.
    pub dead: u64,
    /// How often it failed.
    pub errors: u64,
    /// Its last failure, with code and causes.
    pub last_error: Option<String>,
}

/// Where a batch is when the runner is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Plugin,
    DeadLetters,
    /// The collector stopped before anybody took it.
    Queue,
}

// === impl Runner ===

impl Runner {
    /// Starts the thread.
    pub(crate) fn spawn(self) -> Result<JoinHandle<()>, Error> {
        let name = format!("plugin {}", self.name);
        thread::Builder::new().name(name).spawn(move || self.run()).map_err(|error| {
            Error::new(Stage::Factory, "Plugin", Category::Io, "cannot start the plugin's thread").caused_by(error)
        })
    }

    /// Works until it is told to stop; then writes what is in the queue, for a while, and flushes.
    fn run(mut self) {
        if !self.resume() {
            return;
        }
        let mut flush_at = Instant::now() + self.flush_every;
        while !self.steering.is_over() {
            match self.reader.next(Instant::now() + TICK) {
                // What the plugin has not got now is there at the next start, with all behind it.
                Ok(Some(items)) if !self.deliver(&items) => break,
                Ok(Some(_)) => {}
                Ok(None) if self.steering.stops() => break,
                Ok(None) => {}
                Err(error) => {
                    self.note_failure(&error);
                    self.pause(1);
                }
            }
            if Instant::now() >= flush_at {
                self.flush();
                flush_at = Instant::now() + self.flush_every;
            }
            if let Err(error) = guarded(|| self.plugin.tick()) {
                self.note_failure(&error);
            }
        }
        self.flush();
    }

    /// Lets the plugin take back what it wrote behind its last note. Before it writes anything, a note is durable by which that could be
    /// taken back too. Gives whether it came to that.
    fn resume(&mut self) -> bool {
        let before = self.reader.note();
        let mut tries = 0;
        loop {
            let resumed = guarded(|| {
                self.plugin.resume(&before)?;
                self.reader.keep(self.plugin.note()?);
                self.queue.checkpoint()
            });
            let Err(error) = resumed else {
                return true;
            };
            // What stands in a checkpoint that may have been written holds until the next try.
            self.note_failure(&error);
            tries += 1;
            if !self.pause(tries) {
                return false;
            }
        }
    }

    /// Gives the plugin what it is to get of these, however long that takes; gives whether it, or the dead letters, have it when the
    /// collector stops.
    fn deliver(&mut self, items: &Items) -> bool {
        let decoded: Vec<_> = items.iter().filter_map(|entry| Decoded::read(entry.segment).ok()).collect();
        let all: Vec<Record<'_>> = merge(&decoded).collect();
        let canaries = all.iter().filter_map(|record| self.canary.of(record)).max();
        let count = all.len();
        let records: Vec<Record<'_>> = all.into_iter().filter(|record| self.wanted.fits(record)).collect();
        lock(&self.report).filtered += (count - records.len()) as u64;
        let place = if records.is_empty() { Place::Plugin } else { self.write(&records) };
        if place == Place::Plugin {
            canaries.into_iter().for_each(|made| self.canary.arrive(&self.name, made));
        }
        if place != Place::Queue {
            self.passed = Some(items.last());
        }
        place != Place::Queue
    }

    fn write(&mut self, records: &[Record<'_>]) -> Place {
        let batch = Batch::new(records, LevelFilter::TRACE);
        let count = records.iter().filter(|record| record.kind != Kind::Loss).count() as u64;
        let mut tries = 0;
        loop {
            let error = match guarded(|| self.plugin.write(&batch)) {
                Ok(()) => {
                    let mut report = lock(&self.report);
                    report.written += count;
                    report.state = if report.dead > 0 { SinkState::Degraded } else { SinkState::Ok };
                    return Place::Plugin;
                }
                Err(error) => error,
            };
            self.note_failure(&error);
            tries += 1;
            if tries >= MOST_TRIES && !error.is_recoverable() {
                return self.bury(records, count);
            }
            if !self.pause(tries) {
                return Place::Queue;
            }
        }
    }

    /// Puts a batch to the dead letters; where that fails too it is tried until it works.
    fn bury(&mut self, records: &[Record<'_>], count: u64) -> Place {
        let mut tries = 0;
        while let Err(error) = self.dead.write(records) {
            self.note_failure(&error);
            tries += 1;
            if !self.pause(tries) {
                return Place::Queue;
            }
        }
        let mut report = lock(&self.report);
        report.dead += count;
        report.state = SinkState::Degraded;
        Place::DeadLetters
    }

    /// Makes progress known that is durable.
    fn flush(&mut self) {
        let flushed = guarded(|| {
            self.plugin.flush()?;
            self.plugin.note()
        });
        match flushed {
            Ok(note) => self.passed.take().into_iter().for_each(|last| self.reader.confirm(last, note.clone())),
            Err(error) => self.note_failure(&error),
        }
    }

    /// Waits before another try; gives whether there is to be one.
    fn pause(&self, tries: u32) -> bool {
        let pause = FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_PAUSE);
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.steering.stops() {
            thread::park_timeout(TICK.min(until.saturating_duration_since(Instant::now())));
        }
        !self.steering.stops()
    }

    fn note_failure(&self, error: &Error) {
        let mut report = lock(&self.report);
        report.errors += 1;
        report.last_error = Some(format!("{}: {}", error.code(), error.chain()));
        report.state = SinkState::Retrying;
    }
}

/// A panic of a plugin is a failure of it.
fn guarded<T>(act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::new(Stage::Handler, "Plugin", Category::Unexpected, "the plugin panicked").with("message", text))
    })
}

// === impl PluginReport ===

impl PluginReport {
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

// === impl Steering ===

impl Steering {
    /// Lets them go on for so long with what is in the queue.
    pub(crate) fn stop(&self, within: Duration) {
        *lock(&self.stop_at) = Some(Instant::now() + within);
    }

    fn stops(&self) -> bool {
        lock(&self.stop_at).is_some()
    }

    fn is_over(&self) -> bool {
        lock(&self.stop_at).is_some_and(|at| at <= Instant::now())
    }
}

// === impl Dead ===

impl Dead {
    /// Those of a plugin, in a folder of the queue.
    pub(crate) fn of(folder: &Path, plugin: &str) -> Self {
        Self { path: folder.join("dead").join(format!("{plugin}.jsonl")) }
    }

    fn write(&self, records: &[Record<'_>]) -> Result<(), Error> {
        let mut lines = Vec::new();
        let mut renderer = JsonLines::default();
        records.iter().for_each(|record| renderer.render(&mut lines, record));
        let written = self.path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            file.write_all(&lines)?;
            file.sync_data()
        });
        written.map_err(|error| {
            Error::io("Dead", "cannot write the dead letters", error).with("path", self.path.display())
        })
    }
}
