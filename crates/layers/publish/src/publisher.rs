//! The publisher: the one thread that drains the buffer and sends what was in it.
//!
//! It drains only what it can send. While the other side is away, records wait in the buffer, where the policy for a full one
//! can choose among them, and at most one drain of them is on its way.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use spanlake_core::guest::{self, Place};
use spanlake_core::spool::OpenTasks;
use spanlake_core::{Buffer, Category, Error, Loss, SinkState, Stage};
use spanlake_wire::exchange::Stream;

use crate::desk::{Desk, Wished};
use crate::orphans::Orphans;
use crate::outbox::{Numbered, Outbox};
use crate::pace::Pace;
use crate::remote::Remote;
use crate::transport::{self, Delivered, Parcel, Transport, Undelivered};

/// How long a try may take.
pub(crate) const TRY_FOR: Duration = Duration::from_secs(10);

/// How long it may take to say at the end that nothing more comes.
const LEAVE_FOR: Duration = Duration::from_secs(1);

/// How often acknowledged segments of a spool are given back at least, while there are any.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// What decides when is sent, and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    pub(crate) send_every: Duration,
    pub(crate) poll_every: Duration,
    pub(crate) batch_bytes: usize,
}

pub(crate) struct Publisher {
    pub(crate) buffer: Buffer,
    pub(crate) desk: Arc<Desk>,
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) stream: Stream,
    pub(crate) rhythm: Rhythm,
    pub(crate) remote: Remote,
    pub(crate) outbox: Outbox,
    /// What dead processes left to be sent.
    pub(crate) orphans: Orphans,
    pub(crate) open: OpenTasks,
    pub(crate) pace: Pace,
    /// When the other side was last spoken to.
    pub(crate) spoke_at: Instant,
    pub(crate) checkpoint_at: Instant,
    /// Whether segments are acknowledged that the spool still has.
    pub(crate) owes_checkpoint: bool,
}

impl Publisher {
    /// Starts the thread.
    pub(crate) fn spawn(self) -> Result<thread::JoinHandle<()>, Error> {
        let buffer = self.buffer.clone();
        let spawned = thread::Builder::new().name("spanlake-publish".to_owned()).spawn(move || self.run());
        let thread = spawned.map_err(|error| {
            let message = "cannot start the publisher's thread";
            Error::new(Stage::Factory, "PublishLayer", Category::Io, message).caused_by(error)
        })?;
        buffer.wake_on_pressure(thread.thread().clone());
        Ok(thread)
    }

    /// Works until it is told to stop. What transports log on this thread is their own affair.
    fn run(mut self) {
        let _inside = guest::enter(Place::Pump);
        let desk = Arc::clone(&self.desk);
        let closing = Closing(&desk);
        while !self.round() {
            self.rest();
        }
        self.checkpoint(true);
        self.buffer.close_spool();
        self.take_leave();
        drop(closing);
    }

    /// Sends what there is, if it may; gives whether this was the last time.
    fn round(&mut self) -> bool {
        let wished = self.desk.wished();
        let is_late = is_late(&wished);
        if self.may_try(wished.number.is_some()) && self.send_all(wished.number.is_none()) {
            wished.number.into_iter().for_each(|number| self.answer(number));
            if wished.stop_at.is_some() {
                return true;
            }
        }
        self.checkpoint(false);
        is_late
    }

    fn may_try(&self, is_urgent: bool) -> bool {
        self.pace.retry_at(is_urgent).is_none_or(|at| at <= Instant::now())
    }

    fn answer(&mut self, number: u64) {
        self.checkpoint(true);
        self.desk.answer(number);
    }

    /// Sends everything that was recorded before this began, or asks what there is to hear if it may and has nothing to send. Gives
    /// whether all of it is there.
    fn send_all(&mut self, may_poll: bool) -> bool {
        // What is left of the drain before comes first.
        if !self.send_outbox() {
            return false;
        }
        self.drain();
        let polls = may_poll && self.transport.polls() && self.spoke_at.elapsed() >= self.rhythm.poll_every;
        if polls && self.outbox.is_empty() && !self.poll() {
            return false;
        }
        while self.send_outbox() {
            match self.send_orphans() {
                // What is recorded meanwhile goes between: there may be much more of them than the buffer has room for.
                Some(false) if !is_late(&self.desk.wished()) => {
                    self.checkpoint(false);
                    self.drain();
                }
                all => return all == Some(true),
            }
        }
        false
    }

    fn drain(&mut self) {
        let segments = self.buffer.drain();
        if self.buffer.is_spooled() {
            segments.iter().filter_map(|segment| segment.decode().ok()).for_each(|segment| self.open.read(&segment));
            self.open.end_round();
        }
        segments.into_iter().for_each(|segment| self.outbox.push(segment));
    }

    /// Sends batches until nothing is left; gives whether that came to be.
    fn send_outbox(&mut self) -> bool {
        let mut most_bytes = self.rhythm.batch_bytes;
        while !self.outbox.is_empty() {
            let sequence = self.sequence();
            let (service, segments) = (&self.buffer.source().service, self.outbox.first(most_bytes));
            let parcel = Parcel { stream: &self.stream, sequence, service, segments };
            let count = segments.len();
            match transport::send(&mut *self.transport, &parcel, Instant::now() + TRY_FOR) {
                Ok(delivered) => self.settle(count, &delivered),
                Err(Undelivered::TooMany(_)) if count > 1 => most_bytes = 0,
                Err(Undelivered::TooMany(error) | Undelivered::Never(error)) => self.give_up(count, error),
                Err(Undelivered::NotNow(error, after)) => {
                    self.fail(&error, after);
                    return false;
                }
            }
        }
        true
    }

    /// Every segment with a lower number is acknowledged, or will never come.
    fn sequence(&self) -> u64 {
        self.buffer.lowest_number().unwrap_or_else(|| self.outbox.lowest_number())
    }

    /// Lets the other side know that nothing of this stream comes again, so that it need not remember what it has of it. Where that
    /// does not get there it remembers for longer, and nothing else.
    fn take_leave(&mut self) {
        let until = (Instant::now() + LEAVE_FOR).min(self.desk.wished().stop_at.unwrap_or_else(Instant::now));
        let is_known = self.transport.polls() && self.desk.board().written > 0;
        if !is_known || until <= Instant::now() {
            return;
        }
        let (sequence, service) = (self.sequence(), &self.buffer.source().service);
        let parcel = Parcel { stream: &self.stream, sequence, service, segments: &[] };
        let _ = transport::send(&mut *self.transport, &parcel, until);
    }

    /// Hears what there is to hear when nothing is to be sent.
    fn poll(&mut self) -> bool {
        let sequence = self.sequence();
        let service = &self.buffer.source().service;
        let parcel = Parcel { stream: &self.stream, sequence, service, segments: &[] };
        match transport::send(&mut *self.transport, &parcel, Instant::now() + TRY_FOR) {
            Ok(delivered) => self.settle(0, &delivered),
            Err(Undelivered::NotNow(error, after)) => {
                self.fail(&error, after);
                return false;
            }
            Err(Undelivered::TooMany(error) | Undelivered::Never(error)) => self.note(&error),
        }
        true
    }

    /// Sends what dead processes left, as long as nothing else is to be sent; gives whether all of it is there, or nothing when that
    /// failed.
    fn send_orphans(&mut self) -> Option<bool> {
        let (desk, batch_bytes) = (&self.desk, self.rhythm.batch_bytes);
        let until = Instant::now() + self.rhythm.send_every;
        match self.orphans.send(&mut *self.transport, batch_bytes, until, |error| note(desk, error)) {
            Ok(is_all) => Some(is_all),
            Err((error, after)) => {
                self.fail(&error, after);
                None
            }
        }
    }

    /// The first segments are there, but for those that the other side can make nothing of.
    fn settle(&mut self, count: usize, delivered: &Delivered) {
        self.pace.succeed();
        self.spoke_at = Instant::now();
        delivered.lost.iter().for_each(|loss| self.buffer.lose_recorded(loss));
        let mut written = 0;
        for numbered in self.outbox.take(count).collect::<Vec<_>>() {
            if delivered.refused.contains(&numbered.number) {
                lose(&self.buffer, &numbered);
            } else {
                written += numbered.segment.records();
            }
            self.owes_checkpoint |= numbered.segment.number().is_some();
            self.buffer.hand_over(numbered.segment);
        }
        let mut board = self.desk.board();
        board.written += written.saturating_sub(delivered.lost.map_or(0, |loss| loss.count()));
        board.state = if delivered.refused.is_empty() && delivered.lost.is_none() && board.state != SinkState::Degraded
        {
            SinkState::Ok
        } else {
            SinkState::Degraded
        };
        drop(board);
        delivered.complaint.iter().for_each(|error| self.note(error));
        if let Some(asked) = &delivered.verbosity
            && let Err(error) = self.remote.follow(asked)
        {
            self.note(&error);
        }
    }

    fn give_up(&mut self, count: usize, error: Error) {
        for numbered in self.outbox.take(count).collect::<Vec<_>>() {
            lose(&self.buffer, &numbered);
            self.owes_checkpoint |= numbered.segment.number().is_some();
            self.buffer.hand_over(numbered.segment);
        }
        self.note(&error);
        self.desk.board().state = SinkState::Degraded;
    }

    fn fail(&mut self, error: &Error, after: Option<Duration>) {
        self.pace.fail(after);
        self.note(error);
        self.desk.board().state = SinkState::Retrying;
    }

    fn note(&self, error: &Error) {
        note(&self.desk, error);
    }

    /// Gives acknowledged segments of the spool back, now or when it is time.
    fn checkpoint(&mut self, is_now: bool) {
        if !self.owes_checkpoint || !(is_now || self.checkpoint_at <= Instant::now()) {
            return;
        }
        self.checkpoint_at = Instant::now() + CHECKPOINT_EVERY;
        match self.buffer.checkpoint(Vec::new(), &self.open, &[], None) {
            Ok(()) => self.owes_checkpoint = false,
            Err(error) => self.note(&error),
        }
    }

    /// Waits until there is something to do: a wish, a full segment, or time.
    fn rest(&self) {
        let wished = self.desk.wished();
        let regular = Instant::now() + self.rhythm.send_every;
        let next = self.pace.retry_at(wished.number.is_some()).unwrap_or(regular);
        let next = wished.stop_at.map_or(next, |at| next.min(at));
        thread::park_timeout(next.saturating_duration_since(Instant::now()));
    }
}

/// Whether the time to stop has come.
fn is_late(wished: &Wished) -> bool {
    wished.stop_at.is_some_and(|at| at <= Instant::now())
}

fn note(desk: &Desk, error: &Error) {
    let mut board = desk.board();
    board.errors += 1;
    board.last_error = Some(format!("{}: {}", error.code(), error.chain()));
}

/// Counts what is in a segment as lost, and lets it be stated, with what was stated in it.
fn lose(buffer: &Buffer, numbered: &Numbered) {
    let Ok(decoded) = numbered.segment.decode() else {
        return;
    };
    let mut lost: Option<Loss> = None;
    for record in decoded.records() {
        record.loss().into_iter().for_each(|loss| buffer.state_again(loss));
        transport::lose(&mut lost, &record);
    }
    lost.iter().for_each(|loss| buffer.lose_recorded(loss));
}

/// Lets those go who wait, also where the thread unwinds.
struct Closing<'a>(&'a Desk);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
