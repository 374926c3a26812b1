//! What each thread keeps for itself: the tasks it is in, its shards, and the room in which records are put together.

use std::cell::RefCell;

use spanlake_core::Buffer;
use spanlake_core::buffer::Shard;
use spanlake_core::clock::Anchor;
use spanlake_core::segment::Message;
use spanlake_core::value::BodyWriter;
use tracing_core::Event;

use crate::task::Task;
use crate::tracker::{self, Slot};
use crate::verbosity::Verdicts;
use crate::visit::LogPlace;

/// This thread's part of spanlake.
#[derive(Default)]
pub(crate) struct Local {
    pub(crate) entered: Vec<Entered>,
    pub(crate) scratch: Scratch,
    pub(crate) anchor: Anchor,
    /// The span made, left or looked up last on this thread, which is most often the next one that a layer is told
    /// about. Never one that shares a task: that task does not close with it, so it cannot tell when the span is gone.
    recent: Option<Recent>,
    pub(crate) verdicts: Verdicts,
    shards: Vec<(usize, Shard)>,
    stamps: [Stamp; STAMPS],
    next_stamp: usize,
    serials: std::ops::Range<u64>,
}

/// What is needed to put a record together.
pub(crate) struct Parts<'a> {
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) anchor: &'a mut Anchor,
    pub(crate) entered: &'a [Entered],
    pub(crate) verdicts: &'a mut Verdicts,
}

struct Recent {
    registry: usize,
    span: u64,
    slot: Slot,
}

/// A span that this thread is in.
pub(crate) struct Entered {
    pub(crate) registry: usize,
    pub(crate) span: u64,
    pub(crate) slot: Slot,
    pub(crate) at_ns: u64,
    /// Whether the thread was unwinding already, so that this span is not the one that panicked.
    pub(crate) panicking: bool,
    /// Whether the thread was in this span already: then, as for `tracing`, it does not become the innermost again.
    pub(crate) again: bool,
}

/// Where a record is put together before it is written.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) message: Message,
    pub(crate) body: BodyWriter,
    pub(crate) log: LogPlace,
}

/// The number that an event got from the first layer that took it.
///
/// The layers of a stack see an event one after the other, by the same reference. All of them are asked
/// `event_enabled` before the first of them gets the event: there the stamp of an earlier event at the same address is
/// taken away.
#[derive(Clone, Copy, Default)]
struct Stamp {
    event: usize,
    seq: u64,
}

/// Events that may be on their way through the layers of one thread at once, each logged while the one before it was
/// being formatted.
const STAMPS: usize = 4;

/// How many task serial numbers a thread takes at once.
const SERIALS: u64 = 1024;

static NEXT_SERIAL: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

thread_local! {
    static LOCAL: RefCell<Local> = RefCell::default();
}

/// Runs `work` on this thread's part; `None` when it is in use further up the stack, or gone with its thread.
#[inline]
pub(crate) fn with<T>(work: impl FnOnce(&mut Local) -> T) -> Option<T> {
    LOCAL.try_with(|local| local.try_borrow_mut().ok().map(|mut local| work(&mut local))).ok().flatten()
}

/// Runs `work` on this thread's part, or on a passing one while the thread's locals are torn down.
#[inline]
pub(crate) fn with_any<T>(work: impl FnOnce(&mut Local) -> T) -> T {
    let mut work = Some(work);
    let done = with(|local| work.take().map(|work| work(local)));
    match (done.flatten(), work) {
        (Some(result), _) => result,
        (None, Some(work)) => work(&mut Local::default()),
        (None, None) => unreachable!("work that was taken has a result"),
    }
}

impl Local {
    /// The innermost task that this thread entered under `registry`.
    #[inline]
    pub(crate) fn current(&self, registry: usize) -> Option<&Task> {
        self.current_slot(registry).map(|slot| &slot.task)
    }

    /// The same, with what else is known of its span.
    #[inline]
    pub(crate) fn current_slot(&self, registry: usize) -> Option<&Slot> {
        innermost(&self.entered, registry)
    }

    /// Whether the thread is in a span that a tracker follows which does not know its registry.
    pub(crate) fn is_in_lost(&self) -> bool {
        self.entered.iter().any(|entered| tracker::is_no_address(entered.registry))
    }

    /// Whether this tracker has the thread in a span.
    pub(crate) fn is_inside(&self, registry: usize, span: u64, tracker: u32) -> bool {
        let same = |at: &Entered| at.span == span && at.registry == registry && at.slot.owner == tracker;
        self.entered.iter().any(same)
    }

    /// Leaves a span: the innermost entry of it that this tracker made, wherever it stands.
    pub(crate) fn leave(&mut self, registry: usize, span: u64, tracker: u32) -> Option<Entered> {
        let same =
            |entered: &Entered| entered.span == span && entered.registry == registry && entered.slot.owner == tracker;
        let at = self.entered.iter().rposition(same)?;
        Some(self.entered.remove(at))
    }

    pub(crate) fn set_recent(&mut self, registry: usize, span: u64, slot: Slot) {
        self.recent = Some(Recent { registry, span, slot });
    }

    /// What the span's extensions hold, if it is the one made or left last. Span ids are reused, but not before the
    /// task of the span that had it is closed.
    #[inline]
    pub(crate) fn take_recent(&mut self, registry: usize, span: u64) -> Option<Slot> {
        let same =
            |recent: &mut Recent| recent.span == span && recent.registry == registry && !recent.slot.task.is_closed();
        self.recent.take_if(same).map(|recent| recent.slot)
    }

    /// The tracker that follows the span, if the span is the one that the thread is right inside, or made or left last,
    /// and has a task of its own.
    #[inline]
    pub(crate) fn owner(&self, registry: usize, span: u64) -> Option<u32> {
        let inside = self.entered.last().map(|entered| (entered.registry, entered.span, &entered.slot));
        let recent = self.recent.as_ref().map(|recent| (recent.registry, recent.span, &recent.slot));
        let is_it = |known: &(usize, u64, &Slot)| known.1 == span && known.0 == registry;
        let (.., slot) = inside.filter(is_it).or_else(|| recent.filter(is_it))?;
        (!slot.shared && !slot.task.is_closed()).then_some(slot.owner)
    }

    /// A number that no other task of this process gets.
    pub(crate) fn next_serial(&mut self) -> u64 {
        if let Some(serial) = self.serials.next() {
            return serial;
        }
        let first = NEXT_SERIAL.fetch_add(SERIALS, std::sync::atomic::Ordering::Relaxed);
        self.serials = first + 1..first + SERIALS;
        first
    }

    /// This thread's shard of a buffer, and the rest of what is needed to write into it.
    #[inline]
    pub(crate) fn parts(&mut self, buffer: &Buffer) -> (&Shard, Parts<'_>) {
        let id = buffer.id();
        let at = match self.shards.iter().position(|(of, _)| *of == id) {
            Some(at) => at,
            None => self.add_shard(id, buffer),
        };
        let Self { scratch, anchor, entered, verdicts, shards, .. } = self;
        (&shards[at].1, Parts { scratch, anchor, entered, verdicts })
    }

    /// The number that `event` already has.
    pub(crate) fn stamp(&self, event: &Event<'_>) -> Option<u64> {
        let event = address(event);
        self.stamps.iter().find(|stamp| stamp.event == event).map(|stamp| stamp.seq)
    }

    pub(crate) fn set_stamp(&mut self, event: &Event<'_>, seq: u64) {
        self.stamps[self.next_stamp % STAMPS] = Stamp { event: address(event), seq };
        self.next_stamp = self.next_stamp.wrapping_add(1);
    }

    pub(crate) fn clear_stamp(&mut self, event: &Event<'_>) {
        let event = address(event);
        self.stamps.iter_mut().filter(|stamp| stamp.event == event).for_each(|stamp| *stamp = Stamp::default());
    }

    #[cold]
    fn add_shard(&mut self, id: usize, buffer: &Buffer) -> usize {
        self.shards.retain(|(_, shard)| !shard.is_orphan());
        self.shards.push((id, buffer.shard()));
        self.shards.len() - 1
    }
}

/// What the extensions hold of the innermost span of `registry`.
#[inline]
pub(crate) fn innermost(entered: &[Entered], registry: usize) -> Option<&Slot> {
    entered.iter().rfind(|entered| entered.registry == registry && !entered.again).map(|entered| &entered.slot)
}

fn address(event: &Event<'_>) -> usize {
    std::ptr::from_ref(event).addr()
}
