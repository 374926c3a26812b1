//! What the writer, the readers and whoever offers share.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use spanlake_core::clock::utc_now_ns;
use spanlake_core::disk::Disk;
use spanlake_core::sync::{Arc, Condvar, Mutex, MutexGuard, lock};

use crate::queue::checkpoint::{Checkpoint, Progress, remove_if_there};
use crate::queue::delivery::{Delivery, Done, Refusal, Refused, Stored};
use crate::queue::entry::HEAD_BYTES;
use crate::queue::log::Appended;
use crate::queue::options::Options;
use crate::queue::streams::{Draft, Streams};

/// The queue, as all its threads see it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) options: Options,
    pub(super) seed: u64,
    state: Mutex<State>,
    /// Wakes the writer.
    pub(super) arrived: Condvar,
    /// Wakes readers, and whoever waits for the end.
    stored: Condvar,
    /// Taken alone, or before `state` never.
    pub(super) streams: Mutex<Streams>,
    /// The last checkpoint that is durable, and how the streams were then; held by the one who writes the next.
    written: Mutex<Option<(Checkpoint, u64)>>,
}

/// What changes all the time; held for moments.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) intake: VecDeque<Waiting>,
    /// What waits in memory or is being written.
    pub(super) intake_bytes: u64,
    pub(super) is_closed: bool,
    /// Whether the writer is done.
    pub(super) has_ended: bool,
    pub(super) is_disk_full: bool,
    /// Whether something was refused for want of room since the last checkpoint.
    pub(super) is_pressed: bool,
    /// Whether the writer is to begin a new file.
    pub(super) is_seal_wanted: bool,
    /// The file that is appended to.
    pub(super) open_file: Option<u64>,
    /// The oldest first.
    pub(super) files: VecDeque<Stretch>,
    pub(super) next: u64,
    pub(super) next_file: u64,
    pub(super) plugins: BTreeMap<String, Progress>,
    /// Plugins that are not set up any more: they go on where they were, should they be again, and hold nothing.
    pub(super) gone: BTreeMap<String, Progress>,
    pub(super) counts: Counts,
}

/// A file, as far as it is durable.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) seed: u64,
    pub(super) first: u64,
    /// One more than the index of its last entry.
    pub(super) end: u64,
    pub(super) bytes: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) repeated: u64,
    pub(super) refused: Refused,
    pub(super) damaged: u64,
    pub(super) errors: u64,
    pub(super) last_error: Option<String>,
}

/// A delivery on its way to the disk. Who gave it is told of its end exactly once, also where nobody does.
pub(super) struct Waiting {
    pub(super) delivery: Delivery,
    pub(super) bytes: u64,
    pub(super) since: Instant,
    done: Option<Done>,
}

impl Shared {
    pub(super) fn new(disk: Arc<dyn Disk>, options: Options, seed: u64, state: State, streams: Streams) -> Self {
        Self {
            disk,
            options,
            seed,
            state: Mutex::new(state),
            arrived: Condvar::new(),
            stored: Condvar::new(),
            streams: Mutex::new(streams),
            written: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn offer(&self, delivery: Delivery, done: Done) {
        let bytes = size(&delivery);
        let mut waiting = Waiting { delivery, bytes, since: Instant::now(), done: Some(done) };
        let mut state = self.state();
        match self.refuse(&state, bytes) {
            None => {
                state.intake_bytes += bytes;
                state.intake.push_back(waiting);
                drop(state);
                self.arrived.notify_one();
            }
            Some(refusal) => {
                state.is_pressed |= matches!(refusal, Refusal::Full);
                state.counts.refused.count(&refusal);
                drop(state);
                waiting.tell(Err(refusal));
            }
        }
    }

    pub(super) fn refuse(&self, state: &State, bytes: u64) -> Option<Refusal> {
        let most = self.options.most_at_a_time();
        let in_memory = state.intake_bytes + bytes;
        match () {
            () if state.is_closed => Some(Refusal::Closed),
            () if bytes > most => Some(Refusal::TooLarge { bytes, most }),
            () if in_memory > self.options.intake_bytes => Some(Refusal::Busy),
            () if state.file_bytes() + in_memory > self.options.max_bytes => Some(Refusal::Full),
            () if state.is_disk_full => Some(Refusal::DiskFull),
            () => None,
        }
    }

    /// A group of so many entries is durable.
    pub(super) fn keep(&self, appended: Option<Appended>, entries: u64, draft: Draft) {
        let mut streams = lock(&self.streams);
        streams.keep(draft);
        streams.make_room(self.options.max_streams, now_us());
        drop(streams);
        let mut state = self.state();
        let (first, end) = (state.next, state.next + entries);
        state.next = end;
        if let Some(Appended { number, path, len: bytes }) = appended {
            state.open_file = Some(number);
            state.next_file = state.next_file.max(number + 1);
            match state.files.back_mut().filter(|file| file.number == number) {
                Some(file) => (file.end, file.bytes) = (end, bytes),
                None => state.files.push_back(Stretch { number, path, seed: self.seed, first, end, bytes }),
            }
        }
        drop(state);
        self.stored.notify_all();
    }

    pub(super) fn failed(&self, error: &io::Error) {
        let counts = &mut self.state().counts;
        counts.errors += 1;
        counts.last_error = Some(error.to_string());
    }

    /// Waits until `ready` gives something, at most until `deadline`.
    pub(super) fn wait_for<T>(&self, deadline: Instant, ready: impl Fn(&State) -> Option<T>) -> Option<T> {
        let mut state = self.state();
        loop {
            if let Some(ready) = ready(&state) {
                return Some(ready);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = wait(&self.stored, state, left);
        }
    }

    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.arrived.notify_all();
        self.stored.notify_all();
    }

    /// The writer is done.
    pub(super) fn end(&self) {
        let mut state = self.state();
        (state.is_closed, state.has_ended) = (true, true);
        let left = std::mem::take(&mut state.intake);
        drop(state);
        // None, unless the writer went down; each is told that it was refused.
        drop(left);
        self.stored.notify_all();
    }
}

// === checkpoints ===

impl Shared {
    /// Makes durable how far every plugin is, then removes the files that all are past.
    pub(super) fn checkpoint(&self) -> io::Result<()> {
        let mut written = lock(&self.written);
        let checkpoint = self.state().snapshot(self.seed);
        let kept_from = checkpoint.kept_from;
        // Behind the snapshot, so that they have every number of every entry that the snapshot knows.
        let mut streams = lock(&self.streams);
        let next = (checkpoint, streams.version);
        if written.as_ref() != Some(&next) {
            let since_us = |silence| now_us().saturating_sub(micros(silence));
            streams.forget(since_us(self.options.remember_for), since_us(self.options.remember_settled_for));
            let bytes = next.0.encode(&streams);
            drop(streams);
            let result = Checkpoint::write(&*self.disk, &self.options.folder, &bytes);
            result.inspect_err(|error| self.failed(error))?;
            *written = Some(next);
        } else {
            drop(streams);
        }
        self.remove_files(kept_from);
        self.relieve();
        Ok(())
    }

    fn remove_files(&self, kept_from: u64) {
        let first = |state: &State| state.files.front().filter(|file| file.first < kept_from).cloned();
        while let Some(file) = { first(&self.state()) } {
            if let Err(error) = remove_if_there(&*self.disk, &file.path) {
                // The next checkpoint tries again.
                return self.failed(&error);
            }
            self.state().files.pop_front();
        }
    }

    /// Where there was no room and all is read, also the file that is appended to may go.
    fn relieve(&self) {
        let mut state = self.state();
        let is_read = state.plugins_at() == Some(state.next);
        if std::mem::take(&mut state.is_pressed) && is_read && state.open_file.is_some() {
            state.is_seal_wanted = true;
            self.arrived.notify_one();
        }
    }
}

// === impl State ===

impl State {
    pub(super) fn file_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The index that no plugin has confirmed; `None` without plugins.
    fn plugins_at(&self) -> Option<u64> {
        self.plugins.values().map(|progress| progress.next).min()
    }

    fn snapshot(&self, seed: u64) -> Checkpoint {
        let read = self.plugins_at().unwrap_or(0);
        let is_needed = |file: &&Stretch| file.end > read || self.open_file == Some(file.number);
        let kept_from = self.files.iter().find(is_needed).map_or(self.next, |file| file.first);
        let plugins = self.plugins.iter().chain(&self.gone).map(|(name, progress)| (name.clone(), progress.clone()));
        let (next_file, next, plugins) = (self.next_file, self.next, plugins.collect());
        Checkpoint { seed, next_file, next, kept_from, plugins }
    }
}

// === impl Waiting ===

impl Waiting {
    /// Says what became of it. Code of others runs here, whose panic is none of ours.
    pub(super) fn tell(&mut self, result: Result<Stored, Refusal>) {
        if let Some(done) = self.done.take() {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| done(result)));
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.tell(Err(Refusal::Closed));
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Waits to be woken, so long at most.
pub(super) fn wait<'a>(condvar: &Condvar, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
    condvar.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
}

/// UTC microseconds since the Unix epoch.
pub(super) fn now_us() -> i64 {
    utc_now_ns() / 1_000
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// What a delivery takes in a file, or a little more.
fn size(delivery: &Delivery) -> u64 {
    let sender = delivery.stream.as_ref().map_or(0, |stream| stream.sender.len());
    let around = HEAD_BYTES + 8 + 8 + 1 + 10 + sender + 10 + 10 + 10 + delivery.service.len();
    delivery.entries.iter().map(|(_, segment)| (around + segment.len()) as u64).sum()
}
