//! The buffer: the bounded place between the threads that record and the one that drains.
//!
//! Every thread writes into a shard of its own, under a lock that only the drain ever contends for, and only while it
//! swaps. Room is taken from the shared bound in grants of many records, so that threads do not meet there either.
//!
//! What can be lost here: records that a full buffer refuses or evicts by [`Policy`], and records offered after
//! [`Buffer::close`]. Each is counted by cause and level, and a loss record stands where it happened. A task's end is
//! never refused when its begin was kept: a full buffer takes it beyond its bound, in at most 96 bytes, which is less
//! than the open task itself takes. Begins and ends never give way to anything once they are in.

mod policy;
mod reclaim;
mod room;
mod shard;

pub use policy::Policy;
pub use shard::{Admission, Offer, Shard};

use std::num::{NonZeroU64, NonZeroUsize};

use crate::buffer::room::Room;
use crate::buffer::shard::ShardState;
use crate::error::Error;
use crate::loss::{Loss, LossCounters, Losses};
use crate::record::Source;
use crate::segment::Segment;
use crate::segment::page::Page;
use crate::sink::{FileState, Recipe};
use crate::spool::{OpenTasks, Spool, SpoolOptions, SpoolReport};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, lock, lock_at_home, thread};

/// Default of [`BufferOptions::capacity_bytes`]: 64 MiB, about a million records.
pub const DEFAULT_CAPACITY_BYTES: NonZeroUsize = NonZeroUsize::new(64 << 20).unwrap();

/// A shard ends its segment at this size and wakes the drain.
pub(crate) const SEGMENT_BYTES: usize = 256 << 10;

/// Room behind that, for the record with which a segment becomes full.
const PAGE_SLACK: usize = 16 << 10;

/// A spool's page is this part of the capacity, within bounds, so that several threads have room.
const PAGE_SHARE: usize = 16;

/// The smallest page of a spool, but for the room behind.
const LEAST_PAGE_BYTES: usize = 16 << 10;

/// A thread that wrote more than this between two drains gets a whole page for the next segment; a page of the heap
/// that grows is cleared and copied as it does.
const BUSY_BYTES: usize = 4 << 10;

/// How many emptied segments are kept for reuse.
const SPARE_SEGMENTS: usize = 16;

/// What a buffer is made from.
#[derive(Clone, Copy, Debug)]
pub struct BufferOptions {
    /// Most bytes held, in frames: [`DEFAULT_CAPACITY_BYTES`]. Dictionaries of open segments come on top.
    pub capacity_bytes: NonZeroUsize,
    /// Most records held, when they are to be counted too: not counted.
    pub capacity_records: Option<NonZeroU64>,
    /// What happens when it is full: [`Policy::DropLowest`].
    pub policy: Policy,
}

/// A bounded buffer; a cheap handle to it.
#[derive(Clone, Debug)]
pub struct Buffer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// The process; each shard adds its thread.
    source: Source,
    policy: Policy,
    room: Room,
    shards: Mutex<Vec<Arc<Mutex<ShardState>>>>,
    /// Takes what no thread's own shard can: records of threads whose locals are gone, and losses from inside.
    fallback: Arc<Mutex<ShardState>>,
    spares: Mutex<Vec<Page>>,
    /// Where pages come from when they are files.
    spool: Option<Spool>,
    losses: LossCounters,
    /// Offered by shards that are gone.
    recorded: AtomicU64,
    closed: AtomicBool,
    /// Held by the one thread that reclaims.
    reclaiming: Mutex<()>,
    drained: Mutex<()>,
    space: Condvar,
    wake: Mutex<Option<thread::Thread>>,
    woken: AtomicBool,
}

impl Default for BufferOptions {
    fn default() -> Self {
        Self { capacity_bytes: DEFAULT_CAPACITY_BYTES, capacity_records: None, policy: Policy::default() }
    }
}

// === impl Buffer ===

impl Buffer {
    /// A buffer for the process `source`, whose thread name is left to each shard.
    pub fn new(options: &BufferOptions, source: Source) -> Self {
        Self::with(options, source, None)
    }

    /// A buffer whose pages are files in a crash-proof spool. `sinks` says how recovery puts records where the sinks
    /// would have. Fails when the spool's folder cannot be made or locked, or its thread not started.
    pub fn with_spool(
        options: &BufferOptions,
        source: Source,
        spool: &SpoolOptions,
        sinks: Vec<Recipe>,
    ) -> Result<Self, Error> {
        let page_bytes =
            (options.capacity_bytes.get() / PAGE_SHARE).clamp(LEAST_PAGE_BYTES, SEGMENT_BYTES) + PAGE_SLACK;
        let spool = Spool::open(spool, &source, page_bytes, sinks)?;
        Ok(Self::with(options, source, Some(spool)))
    }

    fn with(options: &BufferOptions, source: Source, spool: Option<Spool>) -> Self {
        let fallback = source.with_thread("");
        let inner = Inner {
            policy: options.policy,
            room: Room::new(options, source.pid),
            shards: Mutex::default(),
            fallback: Arc::new(Mutex::new(ShardState::new(&fallback))),
            spares: Mutex::default(),
            spool,
            losses: LossCounters::default(),
            recorded: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            reclaiming: Mutex::default(),
            drained: Mutex::default(),
            space: Condvar::new(),
            wake: Mutex::default(),
            woken: AtomicBool::new(false),
            source,
        };
        Self { inner: Arc::new(inner) }
    }

    /// A shard for the calling thread.
    pub fn shard(&self) -> Shard {
        let source = self.inner.source.with_thread(thread_name());
        let state = Arc::new(Mutex::new(ShardState::new(&source)));
        if let Some(mut shards) = self.inner.lock(&self.inner.shards) {
            shards.push(Arc::clone(&state));
        }
        Shard::new(Arc::clone(&self.inner), state)
    }

    /// The shard that any thread may use when it cannot have its own; its records carry no thread name.
    pub fn fallback_shard(&self) -> Shard {
        Shard::new(Arc::clone(&self.inner), Arc::clone(&self.inner.fallback))
    }

    /// A number that no other live buffer has.
    #[inline]
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.inner).addr()
    }

    /// Counts a record that was lost before it could be offered.
    pub fn lose(&self, loss: &Loss) {
        self.inner.recorded.fetch_add(loss.count(), Ordering::Relaxed);
        self.inner.losses.add(loss);
        if let Some(mut fallback) = self.inner.lock(&self.inner.fallback) {
            fallback.remember_loss(loss);
        }
    }

    /// Counts records that were offered and kept, and lost afterwards.
    pub fn lose_recorded(&self, loss: &Loss) {
        self.inner.losses.add(loss);
        lock(&self.inner.fallback).remember_loss(loss);
    }

    /// States a loss again whose statement did not arrive; it is counted already.
    pub fn state_again(&self, loss: &Loss) {
        lock(&self.inner.fallback).remember_loss(loss);
    }

    /// Takes everything out. The bytes stay counted against the capacity until [`Buffer::release`].
    pub fn drain(&self) -> Vec<Segment> {
        self.inner.woken.store(false, Ordering::Relaxed);
        let mut segments = Vec::new();
        let Some(mut shards) = self.inner.lock(&self.inner.shards) else {
            return segments;
        };
        shards.retain(|shard| {
            // Counted before it is emptied: a thread that lets go later is found at the next drain.
            let gone = Arc::strong_count(shard) == 1;
            let Some(mut state) = self.inner.lock(shard) else {
                return true;
            };
            self.inner.empty_shard(&mut state, &mut segments);
            if gone {
                self.inner.recorded.fetch_add(state.recorded, Ordering::Relaxed);
            }
            !gone
        });
        drop(shards);
        if let Some(mut fallback) = self.inner.lock(&self.inner.fallback) {
            self.inner.empty_shard(&mut fallback, &mut segments);
        }
        // Unused grants came back; no shard's lock may be held here, see `Shard::wait_for_room`.
        self.inner.announce_space();
        segments
    }

    /// Gives the room of a drained segment back, and keeps its memory for reuse; a file is removed.
    pub fn release(&self, segment: Segment) {
        self.inner.give_back(segment.page.len() + segment.stats.unused, segment.records());
        self.inner.keep_spare(segment.page);
    }

    /// Gives the room of a drained segment back that the sinks have; in a spool not before they have it for good, see
    /// [`Buffer::checkpoint`].
    pub fn hand_over(&self, segment: Segment) {
        match &self.inner.spool {
            Some(spool) if segment.page.is_mapped() => {
                let unused = segment.stats.unused;
                let rounding = spool.retain(segment);
                self.inner.room.release(unused as isize - rounding as isize, 0);
            }
            _ => self.release(segment),
        }
    }

    /// Whether a kill loses nothing of it.
    pub fn is_spooled(&self) -> bool {
        self.inner.spool.is_some()
    }

    /// How much of the room waits for the sinks to have for good what they got.
    pub(crate) fn retained_bytes(&self) -> usize {
        self.inner.spool.as_ref().map_or(0, Spool::retained_bytes)
    }

    /// How much room there is in all.
    pub(crate) fn capacity_bytes(&self) -> usize {
        self.inner.room.capacity()
    }

    /// Notes that the sinks have everything handed over so far for good, in these files, and gives its room back;
    /// but for what processors hold, which the spool keeps. With `recipes`, records are recovered by those from now on.
    pub fn checkpoint(
        &self,
        files: Vec<FileState>,
        open: &OpenTasks,
        held: &[&Segment],
        recipes: Option<Vec<Recipe>>,
    ) -> Result<(), Error> {
        if let Some(spool) = &self.inner.spool {
            let (bytes, records) = spool.checkpoint(files, open, held, recipes)?;
            self.inner.give_back(bytes, records);
        }
        Ok(())
    }

    /// The lowest number of a segment in the spool that is not given back, or may still be written into; every later one is
    /// higher. `None` without a spool.
    pub fn lowest_number(&self) -> Option<u64> {
        self.inner.spool.as_ref().map(Spool::lowest_number)
    }

    /// Makes durable in the spool what was recorded before this was called, as the spool does by itself at every
    /// [`SpoolOptions::sync_every`]: no power cut takes it any more. Waits for the disk. Does nothing without a spool. An
    /// error says that some of it may not be durable yet.
    pub fn sync_spool(&self) -> Result<(), Error> {
        self.inner.spool.as_ref().map_or(Ok(()), Spool::sync)
    }

    /// Leaves no spool behind, if every record is elsewhere; else leaves it for recovery.
    pub fn close_spool(&self) {
        if let Some(spool) = &self.inner.spool {
            spool.close();
        }
    }

    /// How the spool is doing, if there is one.
    pub fn spool_report(&self) -> Option<SpoolReport> {
        self.inner.spool.as_ref().map(Spool::report)
    }

    /// Refuses records from now on, with cause `closed`.
    pub fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
        self.inner.announce_space();
    }

    /// Lets `thread` be unparked when a segment is full or a caller waits for room.
    pub fn wake_on_pressure(&self, thread: thread::Thread) {
        let mut wake = lock(&self.inner.wake);
        if self.inner.woken.load(Ordering::Relaxed) {
            // Somebody wanted to, and found nobody here.
            thread.unpark();
        }
        *wake = Some(thread);
    }

    /// How many records were offered so far, the lost ones included.
    pub fn recorded(&self) -> u64 {
        let of = |shard: &Arc<Mutex<ShardState>>| self.inner.lock(shard).map_or(0, |state| state.recorded);
        let shards = self.inner.lock(&self.inner.shards);
        let open: u64 = shards.iter().flat_map(|shards| shards.iter()).map(of).sum();
        open + of(&self.inner.fallback) + self.inner.recorded.load(Ordering::Relaxed)
    }

    /// What was lost so far.
    pub fn losses(&self) -> Losses {
        self.inner.losses.read()
    }

    /// How many bytes of the capacity are taken, grants to idle shards included.
    pub fn used_bytes(&self) -> usize {
        self.inner.room.used()
    }

    /// The process whose records these are.
    pub fn source(&self) -> &Source {
        &self.inner.source
    }
}

// === impl Inner ===

impl Inner {
    fn empty_shard(&self, state: &mut ShardState, segments: &mut Vec<Segment>) {
        state.state_losses(self);
        let all = state.take_all(|len| if len > BUSY_BYTES { self.spare() } else { Page::default() });
        let (lane, mut first_ns) = (std::ptr::from_ref(state).addr(), i64::MIN);
        segments.extend(all.into_iter().map(|mut segment| {
            // A clock that was set back between two segments must not bring the later one to the front.
            first_ns = first_ns.max(segment.stats.first_ns);
            (segment.stats.lane, segment.stats.first_ns) = (lane, first_ns);
            segment
        }));
        self.room.settle(&mut state.credit);
    }

    fn give_back(&self, bytes: usize, records: u64) {
        self.room.release(bytes as isize, records);
        self.announce_space();
    }

    fn announce_space(&self) {
        // Under the lock, so that a caller between its check and its wait does not miss it.
        drop(self.lock(&self.drained));
        self.space.notify_all();
    }

    /// A page for a thread that has filled one. One that is a file is made when it is written to.
    fn spare(&self) -> Page {
        if self.spool.is_some() {
            return Page::default();
        }
        let spare = self.lock(&self.spares).and_then(|mut spares| spares.pop());
        spare.unwrap_or_else(|| Page::heap(SEGMENT_BYTES + PAGE_SLACK))
    }

    fn keep_spare(&self, page: Page) {
        if let Some(spool) = &self.spool {
            return spool.remove(page);
        }
        let mut spares = lock(&self.spares);
        if spares.len() < SPARE_SEGMENTS && page.capacity() == SEGMENT_BYTES + PAGE_SLACK {
            spares.push(page);
        }
    }

    /// Makes sure that a shard's empty segment has its page, with `least` bytes of room; matters where it is a file.
    #[inline]
    fn prepare(&self, state: &mut ShardState, least: usize) {
        if self.spool.is_some() && state.writer.capacity() <= least {
            self.turn_page(state, least);
        }
    }

    /// Ends a shard's segment and gives the next one its page.
    #[cold]
    fn turn_page(&self, state: &mut ShardState, least: usize) {
        let next = self.spool.as_ref().map_or_else(Page::default, |spool| spool.page(least));
        let before = state.writer.take_for(next);
        match &self.spool {
            Some(spool) if before.page.len() == 0 => spool.remove(before.page),
            _ if before.page.len() == 0 => {}
            _ => state.put_sealed(&self.room, before),
        }
    }

    /// Whether the pages are files of the process that this one was forked from.
    #[inline]
    fn is_parents_spool(&self) -> bool {
        self.spool.as_ref().is_some_and(Spool::is_parents)
    }

    /// Unparks the draining thread, once until it drains.
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::Relaxed)
            && let Some(wake) = self.lock(&self.wake)
            && let Some(thread) = &*wake
        {
            thread.unpark();
        }
    }

    /// Locks, unless this is a forked child in which nobody is left to unlock.
    #[inline]
    pub(crate) fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> Option<MutexGuard<'a, T>> {
        lock_at_home(mutex, self.source.pid)
    }

    /// Whether this process is a fork of the one that made the buffer.
    fn is_forked(&self) -> bool {
        std::process::id() != self.source.pid
    }
}

fn thread_name() -> String {
    let thread = thread::current();
    match thread.name() {
        Some(name) => name.to_owned(),
        None => format!("{:?}", thread.id()),
    }
}
