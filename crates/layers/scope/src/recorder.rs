//! The recording half that the capture and publish layers share: visit once, encode one frame, offer it to a buffer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use spanlake_core::buffer::{Admission, Offer};
use spanlake_core::clock::{Clock, utc_now_ns};
use spanlake_core::guest::{self, Place};
use spanlake_core::loss::Loss;
use spanlake_core::segment::{EndHead, Message, RecordHead};
use spanlake_core::{Buffer, Cause, Fields, Level, LevelFilter, Redactor, Value};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::local::{self, Local, Parts, Scratch};
use crate::observe::frame;
use crate::redact;
use crate::rules::Rules;
use crate::task::Task;
use crate::tracker::Tracker;
use crate::verbosity::{Gate, Verbosity};
use crate::visit::{self, FieldVisitor, LogVisitor};

/// Records what a subscriber sees into a [`Buffer`]. A layer holds one and forwards its callbacks to it.
///
/// Events and spans more verbose than anything that its [`Verbosity`] lets through cost one comparison. It never tells `tracing` that it is not interested,
/// because that would hide them from the other layers of the stack as well.
#[derive(Debug)]
pub struct Recorder {
    tracker: Tracker,
    buffer: Buffer,
    verbosity: Verbosity,
    redactor: Option<Redactor>,
    /// The field that an event asks with not to be recorded here.
    unless_false: Option<&'static str>,
}

/// Recorders alive in this process; a lone one needs no stamps.
static RECORDERS: AtomicUsize = AtomicUsize::new(0);

/// Whether there ever were several. It never turns back: were stamps taken up again after a pause, one from before the
/// pause could be read for an event whose recorder was alone when it asked `event_enabled`, and took none away.
static STAMPING: AtomicBool = AtomicBool::new(false);

/// Bytes of a frame beside its message and fields, generously.
const FRAME_BYTES: usize = 40;

/// What the error of an end says that was written into the room set aside for it, which has none for the error itself.
const NO_ROOM: &str = "no room for the error";

impl Recorder {
    /// Records what is at most as verbose as `level`, until its [`verbosity`](Self::verbosity) is told otherwise.
    pub fn new(buffer: Buffer, level: LevelFilter, clock: Clock) -> Self {
        Self::with_verbosity(buffer, Verbosity::with_clock(level, clock))
    }

    /// Records what `verbosity` wants, by its clock.
    pub fn with_verbosity(buffer: Buffer, verbosity: Verbosity) -> Self {
        if RECORDERS.fetch_add(1, Ordering::Relaxed) > 0 {
            STAMPING.store(true, Ordering::Relaxed);
        }
        let tracker = Tracker::new(Rules::default(), verbosity.clock().clone());
        Self { tracker, buffer, verbosity, redactor: None, unless_false: None }
    }

    /// Leaves out events in which this field is `false`.
    pub fn unless_false(mut self, field: &'static str) -> Self {
        self.unless_false = Some(field);
        self
    }

    /// Replaces what must not be read before it is written into the buffer.
    pub fn redact(mut self, redactor: Option<Redactor>) -> Self {
        self.redactor = redactor;
        self
    }

    /// What decides which records are wanted.
    pub fn verbosity(&self) -> &Verbosity {
        &self.verbosity
    }

    /// Where the records go.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Forwarded from the layer's method of this name.
    pub fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.tracker.on_register_dispatch(dispatch);
    }

    /// Forwarded from the layer's method of this name, whose answer is always `true`.
    #[inline]
    pub fn event_enabled(&self, event: &Event<'_>) {
        if STAMPING.load(Ordering::Relaxed) {
            local::with(|local| local.clear_stamp(event));
        }
    }

    /// Forwarded from the layer's method of this name.
    pub fn on_new_span<S>(&self, attrs: &Attributes<'_>, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let level = *attrs.metadata().level();
        let gate = self.verbosity.gate();
        if gate.refuses(level) {
            return;
        }
        let sure = gate.is_sure(level);
        let gate = if sure { gate } else { self.gate_now(gate) };
        // Where tasks have a say, a task that is turned down is made all the same: what is recorded in it must find it.
        if !sure && !gate.asks_tasks() && !self.wants_target(gate, attrs.metadata()) {
            return;
        }
        let recorded = self.tracker.on_new_span(attrs, id, ctx, |slot, local, fresh| {
            let metadata = slot.task.metadata();
            let verdicts = &mut local.verdicts;
            if !slot.shared && (sure || self.verbosity.wants(gate, level, Some(&slot.task), verdicts, metadata)) {
                self.begin(local, &slot.task, level, fresh);
            }
        });
        if !recorded {
            self.lose_inside(gate, attrs.metadata());
        }
    }

    /// Forwarded from the layer's method of this name.
    pub fn on_record<S>(&self, id: &Id, values: &Record<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.tracker.on_record(id, values, ctx);
    }

    /// Forwarded from the layer's method of this name.
    pub fn on_enter<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.tracker.on_enter(id, ctx);
    }

    /// Forwarded from the layer's method of this name.
    pub fn on_exit(&self, id: &Id) {
        self.tracker.on_exit(id);
    }

    /// Forwarded from the layer's method of this name.
    #[inline]
    pub fn on_event<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.tracker.on_event(event, ctx);
        let level = *event.metadata().level();
        let gate = self.verbosity.gate();
        if gate.refuses(level) {
            return;
        }
        let Ok(_inside) = guest::enter(Place::Recording) else {
            return self.lose_inside(gate, event.metadata());
        };
        let explicit = self.tracker.parent(event.parent(), event.is_contextual(), ctx);
        local::with_any(|local| self.event(local, event, explicit, gate));
    }

    /// Forwarded from the layer's method of this name.
    pub fn on_close<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.tracker.on_close(id, ctx, |task, local| self.end(local, task));
    }

    #[inline]
    fn event(&self, local: &mut Local, event: &Event<'_>, explicit: Option<Task>, gate: Gate) {
        let stamped = STAMPING.load(Ordering::Relaxed);
        let stamp = if stamped { local.stamp(event) } else { None };
        let (shard, Parts { scratch, anchor, entered, verdicts }) = local.parts(&self.buffer);
        let metadata = event.metadata();
        let level = *metadata.level();
        let is_log = visit::is_log(metadata);
        let registry = self.tracker.registry();
        let contextual = || local::innermost(entered, registry).map(|slot| &slot.task);
        let task = explicit.as_ref().or_else(|| if event.is_contextual() { contextual() } else { None });
        if !gate.is_sure(level) && !is_log {
            let gate = self.gate_now(gate);
            if !self.verbosity.wants(gate, level, task, verdicts, metadata) {
                return;
            }
        }
        scratch.visit(event, is_log, level);
        if is_log && !gate.is_sure(level) {
            // Only now it is known whose it is.
            let gate = self.gate_now(gate);
            if !self.verbosity.wants_of(gate, level, task, scratch.log.target()) {
                return;
            }
        }
        if self.unless_false.is_some_and(|field| scratch.is_false(metadata, field)) {
            return;
        }
        let redactor = self.redactor.as_ref();
        if let Some(redactor) = redactor {
            redact::event(redactor, metadata, scratch);
        }

        let seq = stamp.or_else(|| task.map(Task::next_seq)).unwrap_or(0);
        let ts_ns = anchor.utc_ns(self.tracker.clock.monotonic_ns());
        let need = FRAME_BYTES + scratch.message.len() + scratch.body.bytes().len();
        shard.offer(&Offer { level, ts_ns, need, admission: Admission::Event }, |writer, _| {
            let task = task.map(|task| task.describe(writer, redactor));
            let callsite = if is_log {
                scratch.log.describe(metadata, writer)
            } else {
                visit::describe_callsite(metadata, writer)
            };
            let head = RecordHead { level, callsite: Some(callsite), task, seq, ts_ns };
            writer.event(&head, &scratch.message, scratch.body.bytes());
        });
        if stamped && stamp.is_none() {
            local.set_stamp(event, seq);
        }
    }

    fn begin(&self, local: &mut Local, task: &Task, level: Level, fresh: bool) {
        let (shard, Parts { scratch, .. }) = local.parts(&self.buffer);
        let ts_ns = task.started_ns();
        let seq = task.begin_seq();
        let redactor = self.redactor.as_ref();
        let has_message = task.message().is_some();
        if has_message {
            self.set_message(task, task.message(), scratch, &mut []);
        }
        let Scratch { message, body, .. } = scratch;
        // When this layer has just made the task, its context is still where it was put together.
        let context = if fresh { Some(body.bytes()) } else { None };
        let need = FRAME_BYTES + if has_message { message.len() } else { 0 } + body.bytes().len();
        let kept = shard.offer(&Offer { level, ts_ns, need, admission: Admission::Begin }, |writer, _| {
            if !has_message {
                return task.describe_with_begin(writer, redactor, context);
            }
            let described = task.describe(writer, redactor);
            let callsite = Some(task.describe_callsite(writer, redactor));
            let head = RecordHead { level, callsite, task: Some(described), seq, ts_ns };
            writer.begin(&head, message, &[]);
        });
        if kept {
            task.set_begin_kept(self.tracker.number);
        }
    }

    fn end(&self, local: &mut Local, task: &Task) {
        let now_ns = self.tracker.clock.monotonic_ns();
        let mut ending = task.ending(now_ns);
        let level = ending.level;
        let begin_kept = task.begin_kept(self.tracker.number);
        if !begin_kept && !self.wants_end(local, task, level) {
            return;
        }
        let (shard, Parts { scratch, anchor, .. }) = local.parts(&self.buffer);
        let redactor = self.redactor.as_ref();
        self.set_message(task, ending.message.as_deref(), scratch, &mut ending.error);
        let ts_ns = anchor.utc_ns(now_ns);
        let seq = task.end_seq();
        let error_len: usize = ending.error.iter().map(|link| link.len() + 2).sum();
        let need = FRAME_BYTES + 24 + scratch.message.len() + error_len;
        shard.offer(&Offer { level, ts_ns, need, admission: Admission::End { begin_kept } }, |writer, shortest| {
            let described = task.describe(writer, redactor);
            let callsite = Some(task.describe_callsite(writer, redactor));
            let head = RecordHead { level, callsite, task: Some(described), seq, ts_ns };
            let (outcome, duration_ns, busy_ns) = (ending.outcome, ending.duration_ns, ending.busy_ns);
            let no_room = shortest && !ending.error.is_empty();
            let error = if no_room { &[NO_ROOM.to_owned()][..] } else { &ending.error };
            let end = EndHead { outcome, duration_ns, busy_ns, error, quiet: ending.quiet };
            let no_message = Message::default();
            writer.end(&head, &end, if shortest { &no_message } else { &scratch.message }, &[]);
            task.forget(writer);
        });
    }

    /// The gate as it is now, where time has a say.
    #[inline]
    fn gate_now(&self, gate: Gate) -> Gate {
        if gate.asks_time() { self.verbosity.gate_at(self.tracker.clock.monotonic_ns()) } else { gate }
    }

    /// Whether what is recorded at a callsite is wanted, whose level alone does not tell.
    #[cold]
    fn wants_target(&self, gate: Gate, metadata: &'static Metadata<'static>) -> bool {
        let level = *metadata.level();
        let wants = local::with(|local| self.verbosity.wants(gate, level, None, &mut local.verdicts, metadata));
        // Where a span is made while a record is, it is counted as lost.
        wants.unwrap_or(true)
    }

    /// Whether the end of a task is wanted whose begin was not kept.
    fn wants_end(&self, local: &mut Local, task: &Task, level: Level) -> bool {
        let gate = self.gate_now(self.verbosity.gate());
        let mut ask = || self.verbosity.wants(gate, level, Some(task), &mut local.verdicts, task.metadata());
        !gate.refuses(level) && (gate.is_sure(level) || ask())
    }

    /// Puts the text of a begin or an end where it is written from.
    #[inline]
    fn set_message(&self, task: &Task, message: Option<&str>, scratch: &mut Scratch, error: &mut [String]) {
        scratch.message.clear();
        message.iter().for_each(|message| scratch.message.set(message));
        if let Some(redactor) = self.redactor.as_ref() {
            redact::lifecycle(redactor, task, scratch, error);
        }
    }

    /// Counts a record that was made while this thread was recording another, if its target's level lets it through. What
    /// the pump's own thread logs is not counted: it would make a statement of loss, which would make the sinks log again.
    #[cold]
    fn lose_inside(&self, gate: Gate, metadata: &'static Metadata<'static>) {
        let level = *metadata.level();
        let wanted = gate.is_sure(level) || self.verbosity.wants_of(gate, level, None, metadata.target());
        if wanted && guest::enter(Place::Recording).is_err_and(|place| place == Place::Recording) {
            self.buffer.lose(&Loss::one(Cause::Reentrant, level, 0, utc_now_ns()));
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        RECORDERS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl local::Scratch {
    /// Whether the event has a field of this name that is `false`.
    fn is_false(&self, metadata: &Metadata<'_>, field: &str) -> bool {
        if metadata.fields().field(field).is_none() {
            return false;
        }
        let names: Vec<&str> = metadata.fields().iter().map(|field| field.name()).collect();
        let fields = Fields::Encoded { names: &names, body: self.body.bytes() };
        fields.get(field) == Some(Value::Bool(false))
    }

    #[inline]
    fn visit(&mut self, event: &Event<'_>, is_log: bool, level: Level) {
        self.message.clear();
        self.body.clear();
        if level > Level::INFO {
            // First, so that there is room for it whatever the record has.
            frame::put_current(&mut self.body);
        }
        let mut fields = FieldVisitor { message: &mut self.message, body: &mut self.body, steering: None };
        if is_log {
            self.log.clear();
            event.record(&mut LogVisitor { fields, place: &mut self.log });
        } else {
            event.record(&mut fields);
        }
        self.body.finish();
    }
}
