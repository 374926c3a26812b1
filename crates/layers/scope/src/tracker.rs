//! Makes the tasks of spans and follows them; every spanlake layer has one, and the first of a stack that sees a span
//! makes its task and follows it for all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use spanlake_core::clock::Clock;
use spanlake_core::guest;
use spanlake_core::sync::Arc;
use spanlake_core::value::Name;
use spanlake_core::{Error, Level};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Metadata};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::carrier::Carrier;
use crate::layer::ScopeLayer;
use crate::local::{self, Entered, Local};
use crate::observe::frame;
use crate::rules::{Above, Continuing, Inherit, Rules};
use crate::task::{NewTask, NewTaskAbove, Task};
use crate::visit::{self, FieldVisitor, Steering};
use crate::{REFUSED, panic};

/// What is known of a span.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) task: Task,
    /// The tracker that made it and follows it.
    pub(crate) owner: u32,
    /// Whether the span has no task of its own, being nested too deep, and shares the one above.
    pub(crate) shared: bool,
}

/// What a span's extensions hold; a type of our own, so that no other layer can mistake it.
///
/// The registry drops it with the span's data, before it gives the span's id again, and whether or not a layer of ours
/// was there to see the span close: so a task that is not closed proves that its span's id still names that span.
struct Kept(Slot);

/// One layer's view of spans and their tasks.
#[derive(Debug)]
pub(crate) struct Tracker {
    /// No other tracker of this process has it.
    pub(crate) number: u32,
    pub(crate) clock: Clock,
    own_rules: Arc<Rules>,
    /// Set when the stack becomes a dispatcher.
    stack: OnceLock<Stack>,
}

/// What the spanlake layers of one stack share.
#[derive(Debug)]
struct Stack {
    registry: usize,
    rules: Arc<Rules>,
}

static NEXT_NUMBER: AtomicU32 = AtomicU32::new(0);

/// Trackers alive in this process; a lone one need not ask what others have done.
static TRACKERS: AtomicU32 = AtomicU32::new(0);

/// Those of them that were not told their registry, or not yet.
static LOST: AtomicU32 = AtomicU32::new(0);

impl Tracker {
    pub(crate) fn new(rules: Rules, clock: Clock) -> Self {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        TRACKERS.fetch_add(1, Ordering::Relaxed);
        LOST.fetch_add(1, Ordering::Relaxed);
        Self { number, clock, own_rules: Arc::new(rules), stack: OnceLock::new() }
    }

    /// Learns which registry this is and whether a `ScopeLayer` sets the rules, wherever in the stack it stands.
    pub(crate) fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let rules = dispatch.downcast_ref::<ScopeLayer>().map_or(&self.own_rules, |scope| scope.rules());
        if self.stack.set(Stack { registry: registry_of(dispatch), rules: Arc::clone(rules) }).is_ok() {
            LOST.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The registry's address. Where it is not known, a number of this tracker's own that is no address, being odd.
    #[inline]
    pub(crate) fn registry(&self) -> usize {
        self.stack.get().map_or(2 * self.number as usize + 1, |stack| stack.registry)
    }

    /// Whether it was never told its registry: `Option` and `Vec` do not pass `on_register_dispatch` on, and `reload`
    /// does not call it for a layer that comes later.
    fn is_lost(&self) -> bool {
        self.stack.get().is_none()
    }

    /// Whether this thread's own stack may not tell what it is in: without its registry a tracker cannot find its own
    /// entries among those of others, nor can others find that one's.
    #[inline]
    fn has_lost_its_way(&self) -> bool {
        LOST.load(Ordering::Relaxed) > 0 && (self.is_lost() || local::with(|local| local.is_in_lost()) == Some(true))
    }

    pub(crate) fn rules(&self) -> &Arc<Rules> {
        self.stack.get().map_or(&self.own_rules, |stack| &stack.rules)
    }

    /// Calls `each` with the span's task, and whether it was made just now because no other layer had. `false` while
    /// spanlake itself is at work on this thread: the span then gets no task.
    pub(crate) fn on_new_span<S>(
        &self,
        attrs: &Attributes<'_>,
        id: &Id,
        ctx: &Context<'_, S>,
        each: impl Fn(&Slot, &mut Local, bool),
    ) -> bool
    where
        S: tracing_core::Subscriber + for<'a> LookupSpan<'a>,
    {
        let Ok(_inside) = guest::enter(guest::Place::Recording) else {
            return false;
        };
        let several = is_one_of_several();
        if several && self.is_made(id, |made, local| each(made, local, false)) {
            return true;
        }
        let Some(span) = ctx.span(id) else {
            return true;
        };
        let made = if several { task_of_span(&span) } else { None };
        let explicit = self.parent(attrs.parent(), attrs.is_contextual(), ctx);
        local::with_any(|local| {
            if let Some(made) = made {
                return each(&made, local, false);
            }
            let Some(slot) = self.make(local, attrs, explicit) else {
                return;
            };
            each(&slot, local, true);
            if !slot.shared {
                local.set_recent(self.registry(), id.into_u64(), slot.clone());
            }
            // Poisoned extensions keep nothing: the task is then known only as long as it is at hand.
            guarded(|| span.extensions_mut().replace(Kept(slot)));
        });
        true
    }

    pub(crate) fn on_record<S>(&self, id: &Id, values: &Record<'_>, ctx: &Context<'_, S>)
    where
        S: tracing_core::Subscriber + for<'a> LookupSpan<'a>,
    {
        if local::with(|local| self.is_anothers(local, id)) == Some(true) {
            return;
        }
        let Some(slot) = self.owned(id, ctx).filter(|slot| !slot.shared) else {
            return;
        };
        let Ok(_inside) = guest::enter(guest::Place::Recording) else {
            return;
        };
        local::with_any(|local| {
            let scratch = &mut local.scratch;
            scratch.body.clear();
            scratch.message.clear();
            values.record(&mut FieldVisitor { message: &mut scratch.message, body: &mut scratch.body, steering: None });
            scratch.body.finish();
            slot.task.merge_context(scratch.body.bytes());
        });
    }

    pub(crate) fn on_enter<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: tracing_core::Subscriber + for<'a> LookupSpan<'a>,
    {
        let at_hand = local::with(|local| {
            self.is_anothers(local, id) || {
                let recent = local.take_recent(self.registry(), id.into_u64());
                recent.map(|slot| self.enter(local, id, slot)).is_some()
            }
        });
        if at_hand == Some(false)
            && let Some(slot) = ctx.span(id).and_then(|span| nearest_slot(&span))
        {
            local::with(|local| self.enter(local, id, slot));
        }
    }

    pub(crate) fn on_exit(&self, id: &Id) {
        let (registry, span) = (self.registry(), id.into_u64());
        local::with(|local| {
            if self.is_anothers(local, id) {
                return;
            }
            let Some(left) = local.leave(registry, span, self.number) else {
                return;
            };
            if left.slot.shared {
                // The task it shares has a span of its own, which tells how busy it is and whether it panics.
                return;
            }
            if !left.again {
                left.slot.task.add_busy(self.clock.monotonic_ns().saturating_sub(left.at_ns));
            }
            if std::thread::panicking() && !left.panicking {
                left.slot.task.fail_with(vec![panic::last_message()]);
            }
            local.set_recent(registry, span, left.slot);
        });
    }

    /// Gives the task of a span that is gone to `each`, unless the span had none of its own.
    pub(crate) fn on_close<S>(&self, id: &Id, ctx: &Context<'_, S>, each: impl FnOnce(&Task, &mut Local))
    where
        S: tracing_core::Subscriber + for<'a> LookupSpan<'a>,
    {
        let (registry, span) = (self.registry(), id.into_u64());
        local::with_any(|local| {
            let slot = local.take_recent(registry, span).or_else(|| self.slot(id, ctx));
            let Some(slot) = slot.filter(|slot| !slot.shared) else {
                return;
            };
            each(&slot.task, local);
            self.leave_at_hand(local, id, slot);
        });
    }

    /// The span's task, when this tracker follows it or not; `None` for a span that has none.
    pub(crate) fn slot<S>(&self, id: &Id, ctx: &Context<'_, S>) -> Option<Slot>
    where
        S: tracing_core::Subscriber + for<'a> LookupSpan<'a>,
    {
        task_of_span(&ctx.span(id)?)
    }

    /// The task of the span that an event or a new span names as its parent. Where the registry of this layer is not
    /// known, or of one that follows a span this thread is in, so that the thread's own stack does not tell, also that
    /// of the span they stand in.
    pub(crate) fn parent<S>(&self, named: Option<&Id>, contextual: bool, ctx: &Context<'_, S>) -> Option<Task>
    where
        S: tracing_core::Subscriber + for<'a> LookupSpan<'a>,
    {
        let span = match named {
            Some(id) => ctx.span(id)?,
            None if contextual && self.has_lost_its_way() => guarded(|| ctx.lookup_current()).flatten()?,
            None => return None,
        };
        nearest_slot(&span).map(|slot| slot.task)
    }

    /// Notices the event with which `#[instrument(err)]` reports that its function failed.
    #[inline]
    pub(crate) fn on_event<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>)
    where
        S: tracing_core::Subscriber + for<'a> LookupSpan<'a>,
    {
        let metadata = event.metadata();
        if metadata.fields().len() == 1 && metadata.fields().field("error").is_some() {
            self.on_lone_error(event, ctx);
        }
    }

    fn on_lone_error<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>)
    where
        S: tracing_core::Subscriber + for<'a> LookupSpan<'a>,
    {
        // Not by way of the span's extensions: another layer may hold them while it reports an error of its own.
        let slot = if self.is_lost() {
            ctx.event_span(event).and_then(|span| task_of_span(&span))
        } else {
            local::with(|local| local.current_slot(self.registry()).cloned()).flatten()
        };
        let Some(slot) =
            slot.filter(|slot| slot.owner == self.number && is_same_place(slot.task.metadata(), event.metadata()))
        else {
            return;
        };
        let Ok(_inside) = guest::enter(guest::Place::Recording) else {
            return;
        };
        local::with_any(|local| {
            let scratch = &mut local.scratch;
            scratch.body.clear();
            event.record(&mut FieldVisitor { message: &mut scratch.message, body: &mut scratch.body, steering: None });
            let error = visit::lone_error(event.metadata(), scratch.body.bytes());
            slot.task.fail_with(error.unwrap_or_default());
        });
    }

    /// Calls `each` with the task of a new span, if another layer has just made it and left it at hand.
    fn is_made(&self, id: &Id, each: impl FnOnce(&Slot, &mut Local)) -> bool {
        let made = local::with(|local| {
            let made = local.take_recent(self.registry(), id.into_u64())?;
            each(&made, local);
            self.leave_at_hand(local, id, made);
            Some(())
        });
        made.flatten().is_some()
    }

    /// Makes the span the innermost of this thread, if this tracker follows it.
    fn enter(&self, local: &mut Local, id: &Id, slot: Slot) {
        let (registry, span) = (self.registry(), id.into_u64());
        if slot.owner != self.number {
            return self.leave_at_hand(local, id, slot);
        }
        let (at_ns, panicking) = (self.clock.monotonic_ns(), std::thread::panicking());
        if !panicking {
            panic::forget();
        }
        let again = local.is_inside(registry, span, self.number);
        local.entered.push(Entered { registry, span, slot, at_ns, panicking, again });
    }

    /// Leaves what is known of a span to the layers that are asked next, so that they need not look it up. A layer that
    /// does not know its registry has nothing to say to others.
    #[inline]
    fn leave_at_hand(&self, local: &mut Local, id: &Id, slot: Slot) {
        if is_one_of_several() && !slot.shared && !self.is_lost() {
            local.set_recent(self.registry(), id.into_u64(), slot);
        }
    }

    /// Whether the thread knows at once that another tracker follows the span: then this one has nothing to do, and
    /// nothing to look up.
    #[inline]
    fn is_anothers(&self, local: &Local, id: &Id) -> bool {
        is_one_of_several() && local.owner(self.registry(), id.into_u64()).is_some_and(|owner| owner != self.number)
    }

    fn owned<S>(&self, id: &Id, ctx: &Context<'_, S>) -> Option<Slot>
    where
        S: tracing_core::Subscriber + for<'a> LookupSpan<'a>,
    {
        self.slot(id, ctx).filter(|slot| slot.owner == self.number)
    }

    fn make(&self, local: &mut Local, attrs: &Attributes<'_>, explicit: Option<Task>) -> Option<Slot> {
        let rules = &**self.rules();
        let mut steering = Steering::default();
        let scratch = &mut local.scratch;
        scratch.body.clear();
        scratch.message.clear();
        attrs.record(&mut FieldVisitor {
            message: &mut scratch.message,
            body: &mut scratch.body,
            steering: Some(&mut steering),
        });
        if *attrs.metadata().level() > Level::INFO {
            frame::put_current(&mut scratch.body);
        }
        let above = self.above(local, attrs, explicit, &steering.carrier, rules);
        let owner = self.number;
        let mut continuing = None;
        let above = match above {
            Parent::Fresh(refused) => {
                if let Some(refused) = refused {
                    local.scratch.body.text(Name::Text(REFUSED), &refused);
                }
                NewTaskAbove::Nothing
            }
            Parent::Task(task) if task.is_deepest() => return Some(Slot { task, owner, shared: true }),
            Parent::Task(task) => NewTaskAbove::Task(task),
            Parent::Carrier(carrier) => NewTaskAbove::Elsewhere(carrier),
            Parent::Process(process) => NewTaskAbove::Elsewhere(continuing.insert(process).carrier.clone()),
        };
        local.scratch.body.finish();
        let serial = local.next_serial();
        let started_monotonic_ns = self.clock.monotonic_ns();
        let new = NewTask {
            serial,
            above,
            metadata: attrs.metadata(),
            name: &steering.name,
            message: &local.scratch.message.marked_text(),
            context: local.scratch.body.bytes(),
            own_context: rules.inherit == Inherit::Own,
            started_ns: local.anchor.utc_ns(started_monotonic_ns),
            started_monotonic_ns,
        };
        let task = Task::new(new)?;
        if let Some(continuing) = continuing {
            continuing.begun(&task);
        }
        Some(Slot { task, owner, shared: false })
    }

    fn above<'r>(
        &self,
        local: &Local,
        attrs: &Attributes<'_>,
        explicit: Option<Task>,
        carrier: &str,
        rules: &'r Rules,
    ) -> Parent<'r> {
        if !carrier.is_empty() {
            return carrier.parse().map_or_else(|error: Error| Parent::Fresh(Some(error.chain())), Parent::Carrier);
        }
        if attrs.is_root() {
            return Parent::Fresh(None);
        }
        let contextual = if attrs.is_contextual() { local.current(self.registry()).cloned() } else { None };
        match explicit.or(contextual) {
            Some(task) => Parent::Task(task),
            None => match rules.above_root() {
                Above::Elsewhere(continuing) => Parent::Process(continuing),
                Above::Process(task) => Parent::Task(task),
                Above::Nothing => Parent::Fresh(rules.refused.as_ref().map(Error::chain)),
            },
        }
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        TRACKERS.fetch_sub(1, Ordering::Relaxed);
        if self.is_lost() {
            LOST.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.0.shared {
            self.0.task.close();
        }
    }
}

/// What a new span's task hangs on.
enum Parent<'r> {
    /// Nothing; with the reason why not what it should have continued.
    Fresh(Option<String>),
    Task(Task),
    Carrier(Carrier),
    /// What the process as a whole continues.
    Process(Continuing<'r>),
}

// === looking tasks up ===

/// What a span's extensions hold of ours. One clone, and the extensions are let go before anything else is done.
pub(crate) fn task_of_span<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Option<Slot> {
    guarded(|| span.extensions().get::<Kept>().map(|kept| kept.0.clone())).flatten()
}

/// The span's task, or that of the nearest span above it that has one, shared: a span more verbose than what is
/// recorded has none.
pub(crate) fn nearest_slot<'a, S>(span: &SpanRef<'a, S>) -> Option<Slot>
where
    S: for<'s> LookupSpan<'s>,
{
    task_of_span(span).or_else(|| {
        let slot = span.scope().skip(1).find_map(|above| task_of_span(&above))?;
        Some(Slot { shared: true, ..slot })
    })
}

pub(crate) fn task_of(span: &tracing::Span) -> Option<Task> {
    let find = |(id, dispatch): (&Id, &Dispatch)| task_of_span(&dispatch.downcast_ref::<Registry>()?.span(id)?);
    span.with_subscriber(find).flatten().map(|slot| slot.task)
}

pub(crate) fn current_task() -> Option<Task> {
    let registry = tracing::dispatcher::get_default(registry_of);
    let entered = local::with(|local| local.current(registry).cloned()).flatten();
    entered.or_else(|| task_of(&tracing::Span::current()))
}

/// The registry's address, which no other registry has while this one lives.
fn registry_of(dispatch: &Dispatch) -> usize {
    dispatch.downcast_ref::<Registry>().map_or(0, |registry| std::ptr::from_ref(registry).addr())
}

#[inline]
fn is_one_of_several() -> bool {
    TRACKERS.load(Ordering::Relaxed) > 1
}

/// Whether a tracker put its own odd number in the registry's place.
pub(crate) fn is_no_address(registry: usize) -> bool {
    registry % 2 == 1
}

/// Whether an event comes from the `#[instrument]` attribute that made the span: same file, line and module.
fn is_same_place(span: &Metadata<'_>, event: &Metadata<'_>) -> bool {
    span.line().is_some() && span.line() == event.line() && span.file() == event.file()
}

/// Extensions panic when another layer's panic has poisoned them; the host must not notice.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
