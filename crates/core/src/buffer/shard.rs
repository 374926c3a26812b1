//! A thread's own part of the buffer.

use std::collections::VecDeque;
use std::time::Instant;

use tracing_core::Level;

use crate::buffer::room::{Room, SHORTEST_END};
use crate::buffer::{Inner, Policy, SEGMENT_BYTES};
use crate::clock::deadline;
use crate::loss::{Cause, Loss};
use crate::record::Source;
use crate::segment::page::Page;
use crate::segment::{Segment, SegmentWriter};
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, Mutex, MutexGuard};

/// A thread's way into the buffer. Dropped with its thread; what it still holds is drained all the same.
#[derive(Debug)]
pub struct Shard {
    buffer: Arc<Inner>,
    state: Arc<Mutex<ShardState>>,
}

/// A record that wants to be written.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Its level.
    pub level: Level,
    /// Its time, UTC nanoseconds since the Unix epoch.
    pub ts_ns: i64,
    /// About how many bytes it takes, definitions left out.
    pub need: usize,
    /// What it is, for the rule that ends are never dropped while their begins are kept.
    pub admission: Admission,
}

/// What a record is to the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// An event.
    Event,
    /// A task's begin.
    Begin,
    /// A task's end.
    End {
        /// Whether its begin was kept; then this is too.
        begin_kept: bool,
    },
}

/// What the lock of a shard protects.
#[derive(Debug)]
pub(crate) struct ShardState {
    pub(crate) writer: SegmentWriter,
    pub(crate) sealed: VecDeque<Segment>,
    /// Bytes of the shared room that this shard may still write.
    pub(crate) credit: isize,
    /// Records offered, the lost ones included.
    pub(crate) recorded: u64,
    /// Losses that the stream does not state yet, one a cause.
    unstated: Vec<Loss>,
}

/// How often a caller makes room that other threads take before it can, until it gives up.
const MOST_RECLAIMS: u32 = 100;

// === impl Shard ===

impl Shard {
    pub(crate) fn new(buffer: Arc<Inner>, state: Arc<Mutex<ShardState>>) -> Self {
        Self { buffer, state }
    }

    /// Offers a record; `write` is called with the writer if it is admitted. The second argument of `write` says that
    /// the record must be written in its shortest form, which only happens to ends.
    ///
    /// Gives whether the record was kept.
    #[inline]
    pub fn offer(&self, offer: &Offer, write: impl FnMut(&mut SegmentWriter, bool)) -> bool {
        let Some(mut state) = self.lock().filter(|_| !self.buffer.is_parents_spool()) else {
            return self.lose_in_child(offer);
        };
        state.recorded += 1;
        if self.buffer.closed.load(Ordering::Relaxed) {
            return self.lose(&mut state, offer, Cause::Closed);
        }
        match offer.admission {
            Admission::Event | Admission::Begin => self.offer_event(state, offer, write),
            Admission::End { begin_kept } => self.offer_end(state, offer, begin_kept, write),
        }
    }

    /// Whether the buffer's other handles are gone, so that nobody will ever drain this.
    pub fn is_orphan(&self) -> bool {
        Arc::strong_count(&self.buffer) == 1
    }

    #[inline]
    fn offer_event<'a>(
        &'a self,
        mut state: MutexGuard<'a, ShardState>,
        offer: &Offer,
        write: impl FnMut(&mut SegmentWriter, bool),
    ) -> bool {
        if !state.admit(&self.buffer.room, offer.need) {
            state = match self.make_room(state, offer) {
                Ok(state) => state,
                Err(cause) => match self.lock() {
                    Some(mut state) => return self.lose(&mut state, offer, cause),
                    None => return self.lose_in_child(offer),
                },
            };
        }
        self.write(&mut state, false, write);
        true
    }

    fn offer_end<'a>(
        &'a self,
        mut state: MutexGuard<'a, ShardState>,
        offer: &Offer,
        begin_kept: bool,
        write: impl FnMut(&mut SegmentWriter, bool),
    ) -> bool {
        if !begin_kept {
            return self.offer_event(state, offer, write);
        }
        // A full buffer takes it all the same, in its shortest form. What that adds is bounded by the tasks that were open
        // when it became full, each of which takes more memory than its end: no other task can begin meanwhile.
        let roomy = state.admit(&self.buffer.room, offer.need);
        if !roomy {
            self.buffer.room.force_record();
        }
        self.write(&mut state, !roomy, write);
        true
    }

    #[inline]
    fn write(&self, state: &mut ShardState, shortest: bool, mut write: impl FnMut(&mut SegmentWriter, bool)) {
        if state.writer.is_empty() {
            self.buffer.prepare(state, 0);
        }
        if !state.unstated.is_empty() {
            state.state_losses(&self.buffer);
        }
        let mut before = state.writer.len();
        loop {
            // Called in one place only, so that the compiler puts it here.
            write(&mut state.writer, shortest);
            if !state.writer.has_overflowed() {
                break;
            }
            before = self.take_back(state, before);
        }
        state.credit -= (state.writer.len() - before) as isize;
        if state.writer.len() >= SEGMENT_BYTES {
            state.seal(&self.buffer.room, |_| self.buffer.spare());
            self.buffer.wake();
        }
    }

    /// A page that is a file does not grow: what did not fit is taken back, to be written on the next page, with the
    /// definitions that it needs there. Gives where that begins.
    #[cold]
    fn take_back(&self, state: &mut ShardState, before: usize) -> usize {
        state.writer.cut(before);
        let least = if before == 0 { 2 * state.writer.capacity() } else { 0 };
        self.buffer.turn_page(state, least);
        self.buffer.wake();
        0
    }

    /// Makes room by the policy, or says why not.
    #[cold]
    fn make_room<'a>(
        &'a self,
        state: MutexGuard<'a, ShardState>,
        offer: &Offer,
    ) -> Result<MutexGuard<'a, ShardState>, Cause> {
        let lacking = (offer.need as isize - state.credit).max(0) as usize;
        drop(state);
        if self.buffer.is_forked() {
            return Err(Cause::Forked);
        }
        self.buffer.wake();
        match self.buffer.policy {
            Policy::DropNewest => Err(Cause::Full),
            Policy::Block(limit) => self.wait_for_room(offer, deadline(limit)),
            Policy::DropOldest => self.evict_for(offer, lacking, |_| true),
            Policy::DropLowest => self.evict_for(offer, lacking, |level| level > offer.level),
        }
    }

    fn wait_for_room(&self, offer: &Offer, deadline: Instant) -> Result<MutexGuard<'_, ShardState>, Cause> {
        loop {
            let drained = self.buffer.lock(&self.buffer.drained).ok_or(Cause::Forked)?;
            let mut state = self.lock().ok_or(Cause::Forked)?;
            if self.buffer.closed.load(Ordering::Relaxed) {
                return Err(Cause::Closed);
            }
            if state.admit(&self.buffer.room, offer.need) {
                return Ok(state);
            }
            drop(state);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Cause::Blocked);
            }
            // Each time: whoever took the room that was given back needs no drain any more.
            self.buffer.wake();
            drop(self.buffer.space.wait_timeout(drained, left));
        }
    }

    fn evict_for(
        &self,
        offer: &Offer,
        lacking: usize,
        victim: impl Fn(Level) -> bool,
    ) -> Result<MutexGuard<'_, ShardState>, Cause> {
        for _ in 0..MOST_RECLAIMS {
            let reclaimed = self.buffer.reclaim(lacking, &victim);
            let mut state = self.lock().ok_or(Cause::Forked)?;
            if state.admit(&self.buffer.room, offer.need) {
                return Ok(state);
            }
            if !reclaimed {
                break;
            }
        }
        Err(Cause::Full)
    }

    fn lose(&self, state: &mut ShardState, offer: &Offer, cause: Cause) -> bool {
        let loss = Loss::one(cause, offer.level, offer.need, offer.ts_ns);
        self.buffer.losses.add(&loss);
        state.remember_loss(&loss);
        false
    }

    /// In a forked child whose parent's drain held the lock at the fork, it is held for ever.
    fn lose_in_child(&self, offer: &Offer) -> bool {
        self.buffer.recorded.fetch_add(1, Ordering::Relaxed);
        self.buffer.losses.add(&Loss::one(Cause::Forked, offer.level, offer.need, offer.ts_ns));
        false
    }

    #[inline]
    fn lock(&self) -> Option<MutexGuard<'_, ShardState>> {
        self.buffer.lock(&self.state)
    }
}

// === impl ShardState ===

impl ShardState {
    pub(crate) fn new(source: &Source) -> Self {
        Self {
            writer: SegmentWriter::for_buffer(source, Page::default()),
            sealed: VecDeque::new(),
            credit: 0,
            recorded: 0,
            unstated: Vec::new(),
        }
    }

    #[inline]
    fn admit(&mut self, room: &Room, need: usize) -> bool {
        room.admit(&mut self.credit, need, self.writer.len())
    }

    pub(crate) fn remember_loss(&mut self, loss: &Loss) {
        match self.unstated.iter_mut().find(|unstated| unstated.cause == loss.cause) {
            Some(unstated) => unstated.add(loss),
            None => self.unstated.push(*loss),
        }
    }

    /// States the losses so far in the stream.
    #[cold]
    pub(crate) fn state_losses(&mut self, buffer: &Inner) {
        for loss in std::mem::take(&mut self.unstated) {
            if self.writer.is_empty() {
                buffer.prepare(self, 0);
            }
            let before = self.writer.len();
            self.writer.loss(&loss);
            if self.writer.has_overflowed() {
                self.writer.cut(before);
                buffer.turn_page(self, 0);
                self.writer.loss(&loss);
                self.credit -= self.writer.len() as isize;
            } else {
                self.credit -= (self.writer.len() - before) as isize;
            }
        }
    }

    /// Ends the segment, if anything is in it; `next` gives the page of the next one, told how long this one is.
    pub(crate) fn seal(&mut self, room: &Room, next: impl FnOnce(usize) -> Page) {
        if !self.writer.is_empty() {
            let next = next(self.writer.len());
            let ended = self.writer.take_for(next);
            self.put_sealed(room, ended);
        }
    }

    /// Keeps a segment that has ended, and takes the room for what its file is longer.
    pub(crate) fn put_sealed(&mut self, room: &Room, mut segment: Segment) {
        segment.stats.unused = segment.page.unused();
        room.release(-(segment.stats.unused as isize), 0);
        self.sealed.push_back(segment);
    }

    /// Everything in it, the segment that was being written too. That one's file is shortened as soon as the sinks have
    /// seen it, so that no room is taken for its end.
    pub(crate) fn take_all(&mut self, next: impl FnOnce(usize) -> Page) -> VecDeque<Segment> {
        let mut all = std::mem::take(&mut self.sealed);
        if !self.writer.is_empty() {
            let next = next(self.writer.len());
            all.push_back(self.writer.take_for(next));
        }
        all
    }
}

const _: () = assert!(SHORTEST_END >= 80, "type, level, time, five varints and two counts");
