//! The layer: finds the runs among the spans, and what is told of them.

use std::sync::Arc;

use spanlake_core::guest;
use spanlake_scope::{ScopeLayer, Task};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::builder::EtlLayerBuilder;
use crate::ending::Ended;
use crate::name::{ATTEMPT, DATAFLOW, PHASE};
use crate::phase::Phase;
use crate::run::LiveRun;
use crate::shared::Shared;
use crate::slot::{Role, Slot, Waiting, guarded, nearest, slot_of};
use crate::told::{self, Fields, Telling, Value};

/// Sums the runs of a job up: a row for each, from the spans that it already has.
///
/// A span with the field `etl.dataflow` is a run. A span below it that is called `source`, `transform` or `destination`, or
/// has one of these in `etl.phase`, is a phase of it. Fields of spans and events that begin with `etl.` tell of the nearest
/// run, and so does a [`Run`](crate::Run).
///
/// A stack has one such layer; of several the first one takes the runs. Where no other spanlake layer of the stack gives
/// spans their tasks, this one does.
#[derive(Debug)]
pub struct EtlLayer {
    /// Makes the tasks where nobody else does, and sees how they end.
    scope: ScopeLayer,
    shared: Arc<Shared>,
}

/// The run and the phase that a span stands in.
type Above = Option<(Arc<LiveRun>, Option<Phase>)>;

impl EtlLayer {
    /// Settings of a layer whose runs go to the lake in this folder, or behind this URL: `s3://`, `gs://`, `az://` or
    /// `memory://`, each with the cargo feature of its kind.
    pub fn builder(lake: impl AsRef<std::path::Path>) -> EtlLayerBuilder {
        EtlLayerBuilder::new(lake.as_ref())
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { scope: ScopeLayer::new(), shared }
    }

    /// What a new span is to a run, if anything.
    fn role<S>(&self, attrs: &Attributes<'_>, span: &SpanRef<'_, S>) -> Option<(Role, Telling)>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let metadata = attrs.metadata();
        let is_telling = told::has_any(metadata);
        let named = Phase::named(metadata.name());
        if !is_telling && (named.is_none() || !self.shared.has_slots()) {
            return None;
        }
        let above = span.parent().and_then(|parent| nearest(&parent));
        let mut telling = Telling::default();
        if is_telling {
            telling = self.listen(|telling| attrs.record(telling))?;
        }
        let dataflow = telling.fields.iter().any(|(name, _)| *name == DATAFLOW);
        let role = match above {
            above if dataflow => Role::Run(LiveRun::begin(&self.shared, above.map(|(run, _)| run), self.shared.now())),
            above if told::declares(metadata, DATAFLOW) => {
                let (began, above) = (self.shared.now(), above.map(|(run, _)| run));
                Role::Waiting(Waiting { began, above, told: Fields::new() })
            }
            Some((run, phase)) => match said_phase(&mut telling).or(named) {
                Some(phase) => {
                    let attempt = run.attempt();
                    Role::Phase(run, phase, attempt)
                }
                None if is_telling => Role::Telling(run, phase),
                None => return None,
            },
            None => return None,
        };
        Some((role, telling))
    }

    /// Begins what the span is, and takes what its fields tell.
    fn begin<S>(&self, span: &SpanRef<'_, S>, role: Role, mut telling: Telling)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        match &role {
            Role::Run(run) => begin_run(run, span, &mut telling),
            Role::Phase(run, phase, _) => run.begin_phase(*phase, self.shared.now()),
            Role::Telling(run, _) => {
                if let Some(number) = said_attempt(&mut telling) {
                    run.begin_attempt(number);
                }
            }
            Role::Waiting(..) => {}
        }
        let slot = Slot::new(&self.shared, role.clone());
        telling.fields.into_iter().for_each(|(name, value)| slot.record(name, value));
        let is_first = guarded(|| {
            let mut extensions = span.extensions_mut();
            let is_free = extensions.get_mut::<Slot>().is_none();
            if is_free {
                extensions.insert(slot);
            }
            is_free
        });
        if is_first != Some(true) {
            return;
        }
        self.shared.add_slot();
        if let Role::Run(run) = role {
            self.shared.begun(&run);
        }
    }

    /// A span that waited for its dataflow is a run from its begin on.
    fn become_run<S>(&self, span: &SpanRef<'_, S>, slot: &Slot, telling: &mut Telling)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Role::Waiting(Waiting { began, above, told }) = slot.role() else {
            return;
        };
        if !telling.fields.iter().any(|(name, _)| *name == DATAFLOW) {
            return;
        }
        let run = LiveRun::begin(&self.shared, above, began);
        let mut before = Telling { fields: told };
        begin_run(&run, span, &mut before);
        begin_run(&run, span, telling);
        slot.set_role(Role::Run(Arc::clone(&run)));
        before.fields.into_iter().for_each(|(name, value)| slot.record(name, value));
        telling.fields.drain(..).for_each(|(name, value)| slot.record(name, value));
        self.shared.begun(&run);
    }

    /// Gathers what fields tell. `None` while spanlake itself is at work on this thread.
    fn listen(&self, record: impl FnOnce(&mut Telling)) -> Option<Telling> {
        let _inside = guest::enter(guest::Place::Recording).ok()?;
        let mut telling = Telling::default();
        guarded(|| record(&mut telling));
        Some(telling)
    }

    fn end(&self, slot: &Slot, task: Option<&Task>) {
        let now_ns = self.shared.clock.monotonic_ns();
        let ended =
            task.map_or_else(Ended::default, |task| Ended { outcome: Some(task.outcome()), error: task.error() });
        match slot.role() {
            Role::Run(run) => {
                self.shared.ended(Some(run.serial), run.end(now_ns, ended));
            }
            Role::Phase(run, phase, attempt) => run.end_phase(phase, attempt, now_ns, ended.failure()),
            Role::Waiting(Waiting { above: Some(run), told, .. }) => {
                told.into_iter().for_each(|(name, value)| run.tell(name, value, None));
            }
            Role::Telling(..) | Role::Waiting(..) => {}
        }
        self.shared.remove_slot();
    }
}

impl<S> Layer<S> for EtlLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        Layer::<S>::on_register_dispatch(&self.scope, dispatch);
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.scope.on_new_span(attrs, id, ctx.clone());
        let Some(span) = ctx.span(id) else {
            return;
        };
        if let Some((role, telling)) = self.role(attrs, &span) {
            self.begin(&span, role, telling);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        self.scope.on_record(id, values, ctx.clone());
        if !self.shared.has_slots() {
            return;
        }
        let Some(span) = ctx.span(id).filter(|span| told::has_any(span.metadata())) else {
            return;
        };
        let Some(slot) = slot_of(&span) else {
            return;
        };
        if let Some(mut telling) = self.listen(|telling| values.record(telling)) {
            self.become_run(&span, &slot, &mut telling);
            telling.fields.into_iter().for_each(|(name, value)| slot.record(name, value));
        }
    }

    #[inline]
    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if self.shared.has_slots() && told::has_any(event.metadata()) {
            let above: Above = ctx.event_span(event).and_then(|span| nearest(&span));
            if let Some(((run, phase), mut telling)) = above.zip(self.listen(|telling| event.record(telling))) {
                if let Some(number) = said_attempt(&mut telling) {
                    run.begin_attempt(number);
                }
                if let Some(dataflow) = telling.take(DATAFLOW) {
                    // It says what the event is about, and does not rename the run.
                    run.note(DATAFLOW, &dataflow, phase);
                }
                telling.fields.into_iter().for_each(|(name, value)| run.tell(name, value, phase));
            }
        }
        self.scope.on_event(event, ctx);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.scope.on_enter(id, ctx);
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        self.scope.on_exit(id, ctx);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        // First, so that the task knows how it ended.
        self.scope.on_close(id.clone(), ctx.clone());
        if !self.shared.has_slots() {
            return;
        }
        let Some(span) = ctx.span(&id) else {
            return;
        };
        if let Some(slot) = slot_of(&span).filter(|slot| slot.is_of(&self.shared)) {
            self.end(&slot, Task::made_for(&span).as_ref());
        }
    }
}

/// What a run's own span says of it besides values.
fn begin_run<S>(run: &LiveRun, span: &SpanRef<'_, S>, telling: &mut Telling)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if let Some(task) = Task::of_span(span) {
        run.set_task_key(task.key().to_string());
    }
    if let Some(number) = said_attempt(telling) {
        run.begin_attempt(number);
    }
}

/// Another word than those of the phases is left where it is, to be told like any other.
fn said_phase(telling: &mut Telling) -> Option<Phase> {
    let (_, value) = telling.fields.iter().find(|(name, _)| *name == PHASE)?;
    let phase = Phase::named(&value.text())?;
    telling.take(PHASE);
    Some(phase)
}

/// Attempts are counted from 1.
fn said_attempt(telling: &mut Telling) -> Option<i64> {
    telling.take(ATTEMPT).as_ref().and_then(Value::integer).filter(|number| *number > 0)
}
