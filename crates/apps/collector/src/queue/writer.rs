//! The one thread that writes: it takes what has come together, makes it durable at once, and tells everybody.

use std::io;
use std::time::{Duration, Instant};

use spanlake_core::disk::OwnerLock;
use spanlake_core::sync::{Arc, MutexGuard, lock, thread};

use crate::queue::delivery::{Delivery, Refusal, Stored};
use crate::queue::entry::Entry;
use crate::queue::log::{Appended, Log};
use crate::queue::shared::{Shared, State, Waiting, now_us, wait};
use crate::queue::streams::{Draft, Streams};

/// How many bytes are written at a time, unless one delivery has more.
const GROUP_BYTES: u64 = 8 << 20;

/// How often it is looked how full the disk is.
const ROOM_EVERY: Duration = Duration::from_millis(250);

/// Room for a group that is kept after an unusual one.
const BYTES_KEPT: usize = 16 << 20;

/// The writer.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    log: Log,
    bytes: Vec<u8>,
    /// How many deliveries the last group had.
    last_group: usize,
    room_seen: Option<Instant>,
}

/// What is written and synced together.
struct Group<'a> {
    bytes: &'a mut Vec<u8>,
    draft: Draft,
    entries: u64,
    first: u64,
    seed: u64,
    now_us: i64,
}

/// Says at the end of the writer, however it comes, that nothing more is taken.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Writer {
    /// Starts it; it holds the lock as long as it writes.
    pub(super) fn spawn(shared: Arc<Shared>, lock: Arc<OwnerLock>) -> io::Result<thread::JoinHandle<()>> {
        let next_file = shared.state().next_file;
        let log = Log::new(next_file, shared.seed, shared.options.file_limit());
        let ending = Ending(Arc::clone(&shared));
        let mut writer = Self { shared, log, bytes: Vec::new(), last_group: 0, room_seen: None };
        writer.look_at_room();
        thread::Builder::new().name("spanlake-queue".into()).spawn(move || {
            let _lock = lock;
            let _ending = ending;
            writer.run();
        })
    }

    fn run(&mut self) {
        loop {
            self.look_at_room();
            let Some(group) = self.gather() else {
                return;
            };
            self.seal_if_wanted();
            if !group.is_empty() {
                self.store(group);
            }
        }
    }

    /// The deliveries of the next group, none when it is time for something else; `None` when it is over.
    fn gather(&mut self) -> Option<Vec<Waiting>> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if state.intake.is_empty() && !state.is_closed && !state.is_seal_wanted {
            state = wait(&shared.arrived, state, ROOM_EVERY);
        }
        if state.intake.is_empty() {
            return (!state.is_closed).then(Vec::new);
        }
        state = self.wait_for_others(state);
        let mut bytes = 0;
        let mut fits = |waiting: &Waiting| {
            let is_first = bytes == 0;
            bytes += waiting.bytes;
            is_first || bytes <= GROUP_BYTES
        };
        let count = state.intake.iter().take_while(|waiting| fits(waiting)).count();
        let group: Vec<_> = state.intake.drain(..count).collect();
        self.last_group = group.len();
        Some(group)
    }

    /// Where the last group had several deliveries, as many are likely to come again.
    fn wait_for_others<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let wanted = if self.last_group > 1 { self.last_group } else { 1 };
        let since = state.intake.front().map_or_else(Instant::now, |first| first.since);
        while state.intake.len() < wanted && state.intake_bytes < GROUP_BYTES && !state.is_closed {
            let left = self.shared.options.group_for.saturating_sub(since.elapsed());
            if left.is_zero() {
                break;
            }
            state = wait(&self.shared.arrived, state, left);
        }
        state
    }

    fn store(&mut self, mut waiting: Vec<Waiting>) {
        let shared = Arc::clone(&self.shared);
        self.bytes.clear();
        let first = shared.state().next;
        let mut group = Group {
            bytes: &mut self.bytes,
            draft: Draft::default(),
            entries: 0,
            first,
            seed: shared.seed,
            now_us: now_us(),
        };
        let streams = lock(&shared.streams);
        let outcomes: Vec<_> = waiting.iter().map(|waiting| group.take(&streams, &waiting.delivery)).collect();
        drop(streams);
        let Group { draft, entries, .. } = group;
        let outcomes = match self.append(entries, first) {
            Ok(appended) => {
                shared.keep(appended, entries, draft);
                outcomes
            }
            Err(error) => {
                shared.failed(&error);
                outcomes.into_iter().map(|outcome| outcome.and(Err(Refusal::Failed(copy(&error))))).collect()
            }
        };
        self.bytes.shrink_to(BYTES_KEPT);
        count(&mut shared.state(), &waiting, &outcomes);
        waiting.iter_mut().zip(outcomes).for_each(|(waiting, outcome)| waiting.tell(outcome));
    }

    fn append(&mut self, entries: u64, first: u64) -> io::Result<Option<Appended>> {
        if entries == 0 {
            return Ok(None);
        }
        let (disk, folder) = (&*self.shared.disk, &self.shared.options.folder);
        self.log.append(disk, folder, &self.bytes, first).map(Some)
    }

    fn seal_if_wanted(&mut self) {
        let mut state = self.shared.state();
        if std::mem::take(&mut state.is_seal_wanted) {
            self.log.seal();
            state.open_file = None;
        }
    }

    /// A disk that does not tell is taken for one that has room: a write will fail when it has not.
    fn look_at_room(&mut self) {
        if self.room_seen.is_some_and(|seen| seen.elapsed() < ROOM_EVERY) {
            return;
        }
        self.room_seen = Some(Instant::now());
        let options = &self.shared.options;
        let is_full = options.most_disk_percent < 100
            && self.shared.disk.room(&options.folder).is_ok_and(|room| {
                let (used, all) = (u128::from(room.used), u128::from(room.used) + u128::from(room.free));
                used * 100 >= all * u128::from(options.most_disk_percent)
            });
        self.shared.state().is_disk_full = is_full;
    }
}

impl Group<'_> {
    /// Appends what is new of a delivery; what will have become of it when the group is durable.
    fn take(&mut self, streams: &Streams, delivery: &Delivery) -> Result<Stored, Refusal> {
        let are_new = self.draft.take(streams, delivery, self.now_us)?;
        let stream = delivery.stream.as_ref().map(|stream| (stream.sender.as_str(), stream.epoch));
        let mut stored = Stored::default();
        for ((number, segment), is_new) in delivery.entries.iter().zip(are_new) {
            if !is_new {
                stored.repeated += 1;
                continue;
            }
            let (index, received_us) = (self.first + self.entries, self.now_us);
            let (number, service) = (*number, delivery.service.as_str());
            Entry { index, received_us, stream, number, service, segment }.put(self.bytes, self.seed);
            self.entries += 1;
            stored.accepted += 1;
        }
        Ok(stored)
    }
}

fn count(state: &mut State, waiting: &[Waiting], outcomes: &[Result<Stored, Refusal>]) {
    state.intake_bytes -= waiting.iter().map(|waiting| waiting.bytes).sum::<u64>();
    for outcome in outcomes {
        match outcome {
            Ok(stored) => {
                state.counts.accepted += stored.accepted;
                state.counts.repeated += stored.repeated;
            }
            Err(refusal) => state.counts.refused.count(refusal),
        }
    }
}

/// The same error once more, for the next who is to hear of it.
fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}
