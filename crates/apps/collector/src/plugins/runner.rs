//! The runner: takes records from the queue to one plugin, at the plugin's own pace.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use spanlake_core::record::Task;
use spanlake_core::segment::Decoded;
use spanlake_core::sync::{Mutex, lock};
use spanlake_core::{Category, Error, Kind, Record, SinkState, Stage, Value};

use super::{Dead, Match, Pieces, Plugin, Portion, Selection};
use crate::health::Canary;
use crate::queue::{Entry, Items, Queue, Reader};

/// First pause after a failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often a portion is tried that a retry cannot help, before it is cut into pieces or goes to the dead letters.
const MOST_TRIES: u32 = 5;

/// How much the contexts of a portion may come to, where it has more than one entry. What a segment says once of a task most others are
/// told with every record of it: a mebibyte of the queue may become a thousand.
const CONTEXT_BYTES: usize = 16 << 20;

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
    /// When the last canary was made that the plugin was given and has not made durable.
    pub(crate) carried: Option<i64>,
    pub(crate) flush_every: Duration,
    pub(crate) dead: Dead,
    pub(crate) steering: Arc<Steering>,
    pub(crate) canary: Arc<Canary>,
    pub(crate) report: Arc<Mutex<PluginReport>>,
}

/// What became of records.
enum Written {
    /// The plugin has them, or some of them, and the dead letters the rest.
    There,
    /// The dead letters have them.
    Dead,
    /// Nobody has them: there was no time for another try.
    NotYet,
}

/// What came of trying.
enum Tried {
    There,
    /// It will never be taken as it is.
    Refused,
    /// There was no time for another try.
    NotYet,
}

/// How the collector speaks to its runners.
#[derive(Debug, Default)]
pub(crate) struct Steering {
    /// When they are to be done with what is in the queue.
    stop_at: Mutex<Option<Instant>>,
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
    /// Records for which the dead letters had no room: nobody has them.
    pub lost: u64,
    /// How often it failed.
    pub errors: u64,
    /// Its last failure, with code and causes.
    pub last_error: Option<String>,
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
                Ok(Some(items)) if self.deliver(&items) => {}
                // It has not got these, and what follows is for the next start.
                Ok(Some(_)) => break,
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

    /// Gives the plugin what it is to get of these, however long that takes. Gives whether it, or its dead letters, have them; not so
    /// where it was told to stop meanwhile.
    fn deliver(&mut self, items: &Items) -> bool {
        let (entries, decoded): (Vec<_>, Vec<_>) = items.iter().filter_map(read).unzip();
        let (mut entries, mut decoded) = (&*entries, &*decoded);
        while !entries.is_empty() {
            let count = together(decoded);
            let (now, later) = (entries.split_at(count), decoded.split_at(count));
            if !self.deliver_some(now.0, later.0) {
                return false;
            }
            (entries, decoded) = (now.1, later.1);
        }
        self.passed = Some(items.last());
        true
    }

    fn deliver_some(&mut self, entries: &[Entry<'_>], decoded: &[Decoded<'_>]) -> bool {
        let own = decoded.iter().filter(|segment| self.canary.is_from(segment.source()));
        let canaries = own.flat_map(Decoded::records).filter_map(|record| self.canary.of(&record)).max();
        let selection = Selection::of(entries, decoded, |record| self.wanted.fits(record));
        let count: usize = decoded.iter().map(Decoded::len).sum();
        lock(&self.report).filtered += (count - selection.records.len()) as u64;
        let is_given = self.given(&selection.records).is_some();
        let is_reached = !selection.records.is_empty() || canaries.is_none() || self.reach();
        match if selection.records.is_empty() { Written::There } else { self.write(&selection) } {
            Written::There if is_reached && !is_given => self.carried = canaries.or(self.carried),
            Written::There | Written::Dead => {}
            Written::NotYet => return false,
        }
        self.passed = entries.last().map(|entry| entry.index).or(self.passed);
        true
    }

    /// Whether the plugin could write, of one that has nothing to write.
    fn reach(&mut self) -> bool {
        let reached = guarded(|| self.plugin.reach());
        match &reached {
            Ok(()) => self.note_success(0),
            Err(error) => self.note_failure(error),
        }
        reached.is_ok()
    }

    /// When the last canary among these was made.
    fn given(&self, records: &[Record<'_>]) -> Option<i64> {
        records.iter().filter_map(|record| self.canary.of(record)).max()
    }

    fn write(&mut self, selection: &Selection<'_>) -> Written {
        match self.attempt(selection, MOST_TRIES) {
            Tried::There => Written::There,
            Tried::NotYet => Written::NotYet,
            Tried::Refused => self.divide(selection),
        }
    }

    /// Writes what was refused in halves, and those of them that are refused in halves again, so that one record that cannot be taken drags
    /// no others with it. Each piece is tried once: it takes twice as many tries as there are records at most, and no pauses.
    fn divide(&mut self, refused: &Selection<'_>) -> Written {
        let Some(halves) = refused.halves(Pieces::Entries.min(self.plugin.pieces())) else {
            return self.sift(refused);
        };
        let mut all = Written::Dead;
        for half in &halves {
            let written = match self.attempt_in_time(half) {
                Tried::There => Written::There,
                Tried::NotYet => Written::NotYet,
                Tried::Refused => self.divide(half),
            };
            match written {
                Written::NotYet => return Written::NotYet,
                Written::There => all = Written::There,
                Written::Dead => {}
            }
            // Whatever becomes of the rest, this does not come again.
            self.passed = half.last().or(self.passed);
        }
        all
    }

    /// The same within one entry, where the plugin allows it. What is left goes to the dead letters at once.
    fn sift(&mut self, refused: &Selection<'_>) -> Written {
        let pieces = self.plugin.pieces();
        let Some([first, second]) = refused.halves(pieces) else {
            return self.bury(&refused.records, Written::Dead);
        };
        let (mut ahead, mut dead, mut all) = (vec![second, first], Vec::new(), Written::Dead);
        while let Some(piece) = ahead.pop() {
            match self.attempt_in_time(&piece) {
                Tried::There => all = Written::There,
                Tried::NotYet => return Written::NotYet,
                Tried::Refused => match piece.halves(pieces) {
                    Some([first, second]) => ahead.extend([second, first]),
                    None => dead.extend(piece.records),
                },
            }
        }
        self.bury(&dead, all)
    }

    /// A piece has had its tries as a part of the whole.
    fn attempt_in_time(&mut self, piece: &Selection<'_>) -> Tried {
        if self.steering.is_over() { Tried::NotYet } else { self.attempt(piece, 1) }
    }

    /// Tries until it is there, or was refused for good so many times.
    fn attempt(&mut self, selection: &Selection<'_>, most_tries: u32) -> Tried {
        let records = &selection.records;
        let name = self.name.clone();
        let portion: Portion<'_> = selection.portion(self.queue.identity(), &name);
        let mut tries = 0;
        loop {
            let error = match guarded(|| self.plugin.write(&portion)) {
                Ok(()) => {
                    self.note_success(count(records));
                    self.carried = self.given(records).or(self.carried);
                    return Tried::There;
                }
                Err(error) => error,
            };
            self.note_failure(&error);
            tries += 1;
            if tries >= most_tries && !error.is_recoverable() {
                return Tried::Refused;
            }
            if !self.pause(tries) {
                return Tried::NotYet;
            }
        }
    }

    /// Puts records to the dead letters; where that fails too it is tried until it works. Gives `written` when they are there.
    fn bury(&mut self, records: &[Record<'_>], written: Written) -> Written {
        if records.is_empty() {
            return written;
        }
        let mut tries = 0;
        let buried = loop {
            match self.dead.write(records) {
                Ok(buried) => break buried,
                Err(error) => self.note_failure(&error),
            }
            tries += 1;
            if !self.pause(tries) {
                return Written::NotYet;
            }
        };
        let mut report = lock(&self.report);
        report.dead += buried.kept;
        report.lost += buried.lost;
        report.state = SinkState::Degraded;
        written
    }

    /// Makes progress known that is durable.
    fn flush(&mut self) {
        let flushed = guarded(|| {
            self.plugin.flush()?;
            self.plugin.note()
        });
        match flushed {
            Ok(note) => {
                self.passed.take().into_iter().for_each(|last| self.reader.confirm(last, note.clone()));
                self.carried.take().into_iter().for_each(|made| self.canary.arrive(&self.name, made));
            }
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

    fn note_success(&self, count: u64) {
        let mut report = lock(&self.report);
        report.written += count;
        report.state = if report.dead + report.lost > 0 { SinkState::Degraded } else { SinkState::Ok };
    }

    fn note_failure(&self, error: &Error) {
        let mut report = lock(&self.report);
        report.errors += 1;
        report.last_error = Some(format!("{}: {}", error.code(), error.chain()));
        report.state = SinkState::Retrying;
    }
}

/// How many of these make a portion, one at least.
fn together(decoded: &[Decoded<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |segment: &&Decoded<'_>| {
        bytes += context_bytes(segment);
        bytes <= CONTEXT_BYTES
    };
    decoded.iter().take_while(fits).count().max(1)
}

/// What the contexts of a segment's records come to, each with the whole one of its task.
fn context_bytes(segment: &Decoded<'_>) -> usize {
    let mut known = HashMap::new();
    let of_task = |task: &Task<'_>| task.context.iter().map(|field| text_bytes(&field.value)).sum();
    let of_record = |record: Record<'_>| -> Option<usize> {
        let task = record.task.as_deref()?;
        Some(*known.entry(std::ptr::from_ref(task).addr()).or_insert_with(|| of_task(task)))
    };
    segment.records().filter_map(of_record).sum()
}

fn text_bytes(value: &Value<'_>) -> usize {
    if let Value::Text(text) = value { text.len() } else { value.to_string().len() }
}

/// Without statements of loss.
fn count(records: &[Record<'_>]) -> u64 {
    records.iter().filter(|record| record.kind != Kind::Loss).count() as u64
}

fn read(entry: Entry<'_>) -> Option<(Entry<'_>, Decoded<'_>)> {
    Decoded::read(entry.segment).ok().map(|decoded| (entry, decoded))
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
