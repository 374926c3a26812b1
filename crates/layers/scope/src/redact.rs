//! What redaction says of callsites, remembered by each thread, and how the parts of a record go through it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use spanlake_core::Redactor;
use spanlake_core::redact::{Decisions, Hits};
use spanlake_core::value::BodyWriter;
use tracing_core::Metadata;

use crate::local::Scratch;
use crate::task::Task;
use crate::visit;

/// What one redactor said, by callsite.
struct Said {
    redactor: Redactor,
    by_callsite: HashMap<usize, Rc<Decisions>, BuildHasherDefault<AddressHasher>>,
}

/// Spreads addresses, whose low bits are all alike.
#[derive(Default)]
struct AddressHasher(u64);

thread_local! {
    static SAID: RefCell<Vec<Said>> = const { RefCell::new(Vec::new()) };
}

/// Redacts an event that was put together. Never inlined: most recorders have no redactor, and it is their path that is
/// kept short.
#[inline(never)]
pub(crate) fn event(redactor: &Redactor, metadata: &'static Metadata<'static>, scratch: &mut Scratch) {
    let decisions = decisions(redactor, metadata);
    let mut hits = Hits::default();
    redactor.message(&decisions, &mut scratch.message, &mut hits);
    if let Some(body) = redactor.fields(&decisions, scratch.body.bytes(), &mut hits) {
        scratch.body = body;
    }
    if !hits.is_empty() {
        redactor.count(&hits);
    }
}

/// Redacts the text of a task's begin or end, and what it failed with.
#[cold]
pub(crate) fn lifecycle(redactor: &Redactor, task: &Task, scratch: &mut Scratch, error: &mut [String]) {
    let decisions = decisions(redactor, task.metadata());
    let mut hits = Hits::default();
    redactor.message(&decisions, &mut scratch.message, &mut hits);
    redactor.error(&decisions, error, &mut hits);
    redactor.count(&hits);
}

/// A task's context redacted; `None` when it can be written as it is.
#[inline(never)]
pub(crate) fn context(redactor: &Redactor, task: &Task, body: &[u8]) -> Option<BodyWriter> {
    if body.is_empty() {
        return None;
    }
    let mut hits = Hits::default();
    let redacted = redactor.context(&decisions(redactor, task.metadata()), body, &mut hits);
    if !hits.is_empty() {
        redactor.count(&task.not_counted(redactor.number(), &hits));
    }
    redacted
}

/// What the redactor says of a callsite; worked out anew while the thread's locals are torn down.
#[inline]
fn decisions(redactor: &Redactor, metadata: &'static Metadata<'static>) -> Rc<Decisions> {
    let known = SAID.try_with(|said| {
        let mut said = said.try_borrow_mut().ok()?;
        let at = said.iter().position(|said| said.redactor.number() == redactor.number());
        let at = at.unwrap_or_else(|| add(&mut said, redactor));
        let known = said[at].by_callsite.entry(std::ptr::from_ref(metadata).addr());
        Some(Rc::clone(known.or_insert_with(|| Rc::new(redactor.decide(visit::names(metadata))))))
    });
    known.ok().flatten().unwrap_or_else(|| Rc::new(redactor.decide(visit::names(metadata))))
}

#[cold]
fn add(said: &mut Vec<Said>, redactor: &Redactor) -> usize {
    said.retain(|said| !said.redactor.is_last());
    said.push(Said { redactor: redactor.clone(), by_callsite: HashMap::default() });
    said.len() - 1
}

impl Hasher for AddressHasher {
    #[inline]
    fn write_usize(&mut self, address: usize) {
        self.0 = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(self.0 as usize ^ usize::from(*byte)));
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
