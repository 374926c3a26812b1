//! What a span's extensions hold of a run, and how it is found from anywhere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use spanlake_core::sync::{Mutex, lock};
use tracing::Span;
use tracing_core::span::Id;
use tracing_core::{Dispatch, dispatcher};
use tracing_subscriber::Registry;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::counter::{COUNTERS, Counter};
use crate::phase::{Moment, Phase};
use crate::run::LiveRun;
use crate::shared::Shared;
use crate::told::{Fields, Value};

/// A span that has to do with a run.
#[derive(Clone, Debug)]
pub(crate) struct Slot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What the layer that follows the span shares.
    shared: Arc<Shared>,
    role: Mutex<Role>,
    /// What the span itself told of each counter, which a later number replaces.
    told: Mutex<Numbers>,
}

/// The last number that a span told of each counter, during an attempt.
#[derive(Debug, Default)]
struct Numbers {
    attempt: i64,
    numbers: [i64; COUNTERS],
}

/// What a span is to a run.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// It is the run.
    Run(Arc<LiveRun>),
    /// It is a phase of this attempt of the run.
    Phase(Arc<LiveRun>, Phase, i64),
    /// It tells something of the run.
    Telling(Arc<LiveRun>, Option<Phase>),
    /// It becomes a run when its dataflow is told.
    Waiting(Waiting),
}

/// A span that becomes a run when its dataflow is told.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) began: Moment,
    /// The run that it stands in.
    pub(crate) above: Option<Arc<LiveRun>>,
    /// What was told until then: of the run that it becomes, or else of the one above.
    pub(crate) told: Fields,
}

impl Slot {
    pub(crate) fn new(shared: &Arc<Shared>, role: Role) -> Self {
        Self(Arc::new(Inner { shared: Arc::clone(shared), role: Mutex::new(role), told: Mutex::default() }))
    }

    /// Whether the layer that follows the span is the one that shares this.
    pub(crate) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.0.shared, shared)
    }

    pub(crate) fn role(&self) -> Role {
        lock(&self.0.role).clone()
    }

    pub(crate) fn set_role(&self, role: Role) {
        *lock(&self.0.role) = role;
    }

    /// The run that the span is, or is in, and the phase.
    pub(crate) fn run(&self) -> Option<(Arc<LiveRun>, Option<Phase>)> {
        match self.role() {
            Role::Run(run) => Some((run, None)),
            Role::Phase(run, phase, _) => Some((run, Some(phase))),
            Role::Telling(run, phase) => Some((run, phase)),
            Role::Waiting(waiting) => waiting.above.map(|run| (run, None)),
        }
    }

    /// Takes a value that is recorded on the span. Of a counter the last value counts, as it is with a span's fields.
    pub(crate) fn record(&self, name: &'static str, value: Value) {
        if let Role::Waiting(waiting) = &mut *lock(&self.0.role) {
            return waiting.told.push((name, value));
        }
        let Some((run, phase)) = self.run() else {
            return;
        };
        let Some((counter, number)) = Counter::named(name).and_then(|counter| Some((counter, value.count()?))) else {
            return run.tell(name, value, phase);
        };
        let before = lock(&self.0.told).replace(run.attempt(), counter, number);
        run.count(counter, number.saturating_sub(before));
    }
}

impl Numbers {
    /// Gives the number that was told before during this attempt; those of earlier ones are forgotten with them.
    fn replace(&mut self, attempt: i64, counter: Counter, number: i64) -> i64 {
        if self.attempt != attempt {
            *self = Self { attempt, numbers: [0; COUNTERS] };
        }
        std::mem::replace(&mut self.numbers[counter as usize], number)
    }
}

// === finding ===

/// What a span's extensions hold of ours.
pub(crate) fn slot_of<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Option<Slot> {
    guarded(|| span.extensions().get::<Slot>().cloned()).flatten()
}

/// The nearest run, from this span upwards.
pub(crate) fn nearest<'a, S>(span: &SpanRef<'a, S>) -> Option<(Arc<LiveRun>, Option<Phase>)>
where
    S: for<'s> LookupSpan<'s>,
{
    span.scope().find_map(|span| slot_of(&span)?.run())
}

pub(crate) fn current_run() -> Option<Arc<LiveRun>> {
    dispatcher::get_default(|dispatch| {
        let current = dispatch.current_span();
        run_of_id(current.id()?, dispatch)
    })
}

pub(crate) fn run_of(span: &Span) -> Option<Arc<LiveRun>> {
    span.with_subscriber(|(id, dispatch)| run_of_id(id, dispatch)).flatten()
}

fn run_of_id(id: &Id, dispatch: &Dispatch) -> Option<Arc<LiveRun>> {
    nearest(&dispatch.downcast_ref::<Registry>()?.span(id)?).map(|(run, _)| run)
}

/// Extensions panic when another layer's panic has poisoned them; the host must not notice.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
