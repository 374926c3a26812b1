//! In which observed objects a thread is, and what their clock says.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;
use spanlake_core::Value;
use spanlake_core::observed::{TIME, WITHIN};
use spanlake_core::sync::Arc;
use spanlake_core::value::{BodyWriter, Name};

/// An observed object at work, in those that were at work around it when it began. It knows them itself, so that it does
/// not matter which thread polls it, or whether an object is entered again.
#[derive(Debug)]
pub(crate) struct Frame {
    above: Option<Arc<Frame>>,
    /// How many frames there are, this one included.
    depth: u64,
    /// The names of all of them, each once, the outermost first.
    names: SmallVec<[Arc<str>; 4]>,
    /// The names as the field of a record.
    within: BodyWriter,
    /// The bits of what the object's own clock says.
    time: AtomicU64,
}

/// The bits of a time that is not known: those of a NaN that no arithmetic makes.
const UNKNOWN: u64 = u64::MAX;

/// Room for a few names.
const ROOM: usize = 64;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Frame>>> = const { RefCell::new(None) };
}

/// Says what the clock of the innermost observed object that has one has come to, where its work goes through time. Where
/// none has one so far, the innermost object gets it.
pub fn set_time(time: f64) {
    if let Some(frame) = current() {
        frame.with_clock().unwrap_or(&frame).set_time(time);
    }
}

/// The innermost observed object of this thread.
pub(crate) fn current() -> Option<Arc<Frame>> {
    CURRENT.try_with(|current| current.try_borrow().ok()?.clone()).ok().flatten()
}

/// Writes down in which objects this thread is, if it is in any.
#[inline]
pub(crate) fn put_current(body: &mut BodyWriter) {
    let _ = CURRENT.try_with(|current| {
        if let Ok(current) = current.try_borrow()
            && let Some(frame) = &*current
        {
            frame.put(body);
        }
    });
}

/// Runs `work` with the thread in `frame`, as it was when that was asked for.
pub(crate) fn within<T>(frame: Option<&Arc<Frame>>, work: impl FnOnce() -> T) -> T {
    match frame {
        Some(frame) => frame.within(work),
        None => work(),
    }
}

impl Frame {
    /// An object that begins in what this thread is in.
    pub(super) fn begin(name: &Arc<str>, time: Option<f64>) -> Arc<Self> {
        let above = current();
        let mut names = above.as_ref().map(|above| above.names.clone()).unwrap_or_default();
        // An object that is entered again is inside itself already.
        if !names.iter().any(|known| **known == **name) {
            names.push(Arc::clone(name));
        }
        let within = encoded(&names);
        let depth = above.as_ref().map_or(0, |above| above.depth) + 1;
        Arc::new(Self { above, depth, names, within, time: AtomicU64::new(time.map_or(UNKNOWN, f64::to_bits)) })
    }

    pub(super) fn depth(&self) -> u64 {
        self.depth
    }

    /// Runs `work` with the thread in this object, and takes it out again.
    pub(super) fn within<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        let _restored = Restored(replace(Some(Arc::clone(self))));
        work()
    }

    /// What the object's own clock has come to.
    pub(super) fn set_time(&self, now: f64) {
        self.time.store(now.to_bits(), Ordering::Relaxed);
    }

    /// What the object's own clock says.
    fn own_time(&self) -> Option<f64> {
        Some(self.time.load(Ordering::Relaxed)).filter(|bits| *bits != UNKNOWN).map(f64::from_bits)
    }

    /// The innermost object that has a clock.
    fn with_clock(&self) -> Option<&Self> {
        std::iter::successors(Some(self), |frame| frame.above.as_deref()).find(|frame| frame.own_time().is_some())
    }

    fn put(&self, body: &mut BodyWriter) {
        body.append(&self.within);
        if let Some(time) = self.with_clock().and_then(Self::own_time) {
            body.f64(Name::Text(TIME), time);
        }
    }
}

fn encoded(names: &[Arc<str>]) -> BodyWriter {
    let list: SmallVec<[Value<'_>; 4]> = names.iter().map(|name| Value::from(&**name)).collect();
    let mut within = BodyWriter::with_capacity(ROOM);
    within.list(Name::Text(WITHIN), &list);
    within
}

/// What the thread was in before.
struct Restored(Option<Arc<Frame>>);

impl Drop for Restored {
    fn drop(&mut self) {
        replace(self.0.take());
    }
}

/// Puts the thread into another frame and gives the one it was in. While its locals are torn down it is in none.
fn replace(frame: Option<Arc<Frame>>) -> Option<Arc<Frame>> {
    CURRENT
        .try_with(|current| {
            current.try_borrow_mut().ok().and_then(|mut current| std::mem::replace(&mut *current, frame))
        })
        .ok()
        .flatten()
}
