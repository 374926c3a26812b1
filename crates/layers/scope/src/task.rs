//! The live task behind a span.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use smallvec::SmallVec;
use spanlake_core::Redactor;
use spanlake_core::key::MAX_DEPTH;
use spanlake_core::redact::Hits;
use spanlake_core::segment::{CallsiteRef, SegmentWriter, TaskDefinition, TaskOrigin, TaskRef};
use spanlake_core::sync::{Arc, Mutex, lock};
use spanlake_core::value::{BodyWriter, Name};
use spanlake_core::{Category, Error, Level, Outcome, Stage, TaskKey, Value};
use tracing_core::Metadata;
use uuid::Uuid;

use crate::carrier::Carrier;
use crate::ending::{CANCELLED, Ending, FAILED, SUCCEEDED, UNMARKED, outcome_of};
use crate::{redact, tracker, visit};

/// Counts changes of any task's context, so that a recorder sees with one load that none has changed.
static EPOCH: AtomicU64 = AtomicU64::new(1);

/// A context up to this size, such as two or three short values, is kept without an allocation of its own.
const INLINE_CONTEXT: usize = 32;

/// Longest name that [`Task::bind`] takes, in bytes.
pub const MAX_BOUND_NAME: usize = 1024;

/// The work a span stands for; a cheap handle to it.
#[derive(Clone, Debug)]
pub struct Task(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// No other task of this process has or had it.
    serial: u64,
    origin: Origin,
    depth: usize,
    metadata: &'static Metadata<'static>,
    /// The name, where it is not the span's.
    name: Option<Box<str>>,
    message: Option<Box<str>>,
    started_ns: i64,
    started_monotonic_ns: u64,
    own_context: bool,
    seq: AtomicU64,
    children: AtomicU64,
    busy_ns: AtomicU64,
    /// Bit by bit, the recorders that kept the begin.
    begin_kept: AtomicU64,
    /// What a verbosity said of it last; see `verbosity::tasks`.
    wanted: AtomicU64,
    context: Mutex<SmallVec<[u8; INLINE_CONTEXT]>>,
    context_version: AtomicU64,
    mark: AtomicU8,
    words: Mutex<Option<Box<Words>>>,
    closed: AtomicBool,
}

/// Where a task's key comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    Root { root: Uuid, foreign_parent: Option<[u8; 8]> },
    Child { parent: Task, number: u32 },
    Continued(Box<TaskKey>),
}

/// What is known of the end before it comes, and what else few tasks have.
#[derive(Debug, Default)]
struct Words {
    success: Option<String>,
    error: Vec<String>,
    /// What of its context each redactor, by number, has counted.
    counted: Vec<(u64, Hits)>,
}

/// The parts of a description that differ from case to case.
struct Description<'a> {
    origin: TaskOrigin<'a>,
    context: &'a [u8],
    begins: bool,
    /// What the context goes through on its way.
    redactor: Option<&'a Redactor>,
}

/// What a new task is made from.
pub(crate) struct NewTask<'a> {
    pub(crate) serial: u64,
    pub(crate) above: NewTaskAbove,
    pub(crate) metadata: &'static Metadata<'static>,
    pub(crate) name: &'a str,
    pub(crate) message: &'a str,
    pub(crate) context: &'a [u8],
    pub(crate) own_context: bool,
    pub(crate) started_ns: i64,
    pub(crate) started_monotonic_ns: u64,
}

/// What a new task hangs on.
pub(crate) enum NewTaskAbove {
    Nothing,
    Task(Task),
    Elsewhere(Carrier),
}

impl Task {
    // === for programs ===

    /// The task of the span that this thread is in, under the current default subscriber.
    pub fn current() -> Option<Self> {
        tracker::current_task()
    }

    /// The task of a span.
    pub fn of(span: &tracing::Span) -> Option<Self> {
        tracker::task_of(span)
    }

    /// The task of a span, for layers: `ctx.lookup_current()` or `ctx.span(id)` give such a reference.
    pub fn of_span<'a, S>(span: &tracing_subscriber::registry::SpanRef<'a, S>) -> Option<Self>
    where
        S: tracing_subscriber::registry::LookupSpan<'a>,
    {
        tracker::task_of_span(span).map(|slot| slot.task)
    }

    /// The task that was made for this very span, and ends with it. As [`of_span`](Self::of_span), but `None` for a span
    /// that is nested too deep and shares the task above, which goes on when this span closes.
    pub fn made_for<'a, S>(span: &tracing_subscriber::registry::SpanRef<'a, S>) -> Option<Self>
    where
        S: tracing_subscriber::registry::LookupSpan<'a>,
    {
        tracker::task_of_span(span).filter(|slot| !slot.shared).map(|slot| slot.task)
    }

    /// Its key.
    pub fn key(&self) -> TaskKey {
        match &self.0.origin {
            Origin::Root { root, .. } => TaskKey::root(*root),
            Origin::Continued(key) => (**key).clone(),
            // A task that exists was not too deep.
            Origin::Child { parent, number } => parent.key().child(*number).unwrap_or_else(|| parent.key()),
        }
    }

    /// Its name: what the span's field [`NAME`](crate::NAME) says, else the span's.
    pub fn name(&self) -> &str {
        self.0.name.as_deref().unwrap_or(self.0.metadata.name())
    }

    /// Sets a value of its context; the last value of a name wins. Subtasks inherit it. The name `key` is refused,
    /// and so is an empty one or one longer than [`MAX_BOUND_NAME`].
    pub fn bind<'v>(&self, name: &str, value: impl Into<Value<'v>>) -> Result<(), Error> {
        if name == "key" || name.is_empty() || name.len() > MAX_BOUND_NAME {
            let error = Error::new(Stage::Dispatch, "Task", Category::Validation, "this name cannot be bound");
            return Err(error.with("name", name.get(..64).unwrap_or(name)));
        }
        let mut body = BodyWriter::default();
        body.value(Name::Text(name), &value.into());
        self.merge_context(body.bytes());
        Ok(())
    }

    /// Says that it succeeds, and with which words. An empty text leaves its end out of text renderings.
    pub fn success(&self, message: impl Into<String>) {
        lock(&self.0.words).get_or_insert_default().success = Some(message.into());
        self.mark(SUCCEEDED);
    }

    /// Says that it failed, and why; the causes are kept. The first failure stays.
    pub fn fail(&self, error: &(dyn std::error::Error + 'static)) {
        self.fail_with(visit::links(error));
    }

    /// Says that it was given up before its end. A failure outweighs it.
    pub fn cancel(&self) {
        self.mark(CANCELLED);
    }

    /// Reserves its next child number for another process and gives what to hand over. `None` when it is too deep.
    pub fn export(&self) -> Option<Carrier> {
        Some(Carrier::Task(self.key().child(self.next_child()?)?))
    }

    /// How it ended, as far as is known now: what its end record says, or would say if its span closed now. It has
    /// succeeded unless something else was said, also while it runs.
    ///
    /// In a layer's `on_close` everything is known, in whatever order the layers stand: panics, `#[instrument(err)]` and
    /// dropped futures have left their marks before the span closes. What is said after that comes too late for the
    /// record, but not for this.
    ///
    /// ```
    /// use spanlake_core::Outcome;
    /// use spanlake_scope::Task;
    /// use tracing_subscriber::Layer;
    /// use tracing_subscriber::layer::Context;
    /// use tracing_subscriber::registry::LookupSpan;
    ///
    /// struct Alarm;
    ///
    /// impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Alarm {
    ///     fn on_close(&self, id: tracing::span::Id, ctx: Context<'_, S>) {
    ///         let task = ctx.span(&id).and_then(|span| Task::made_for(&span));
    ///         if let Some(task) = task.filter(|task| task.outcome() == Outcome::Failed) {
    ///             println!("{} failed: {}", task.name(), task.error().join(": "));
    ///         }
    ///     }
    /// }
    /// ```
    pub fn outcome(&self) -> Outcome {
        outcome_of(self.0.mark.load(Ordering::Acquire))
    }

    /// Why it failed, the outermost link of the error first. Empty when it did not fail, or failed without a reason.
    pub fn error(&self) -> Vec<String> {
        lock(&self.0.words).as_ref().map(|words| words.error.clone()).unwrap_or_default()
    }

    // === for layers ===

    pub(crate) fn new(new: NewTask<'_>) -> Option<Self> {
        let origin = match new.above {
            NewTaskAbove::Nothing => Origin::Root { root: Uuid::new_v4(), foreign_parent: None },
            NewTaskAbove::Elsewhere(Carrier::Task(key)) => Origin::Continued(Box::new(key)),
            NewTaskAbove::Elsewhere(Carrier::Trace { trace_id, parent_id }) => {
                Origin::Root { root: Uuid::from_bytes(trace_id), foreign_parent: Some(parent_id) }
            }
            NewTaskAbove::Task(parent) => Origin::Child { number: parent.next_child()?, parent },
        };
        let depth = match &origin {
            Origin::Root { .. } => 0,
            Origin::Child { parent, .. } => parent.0.depth + 1,
            Origin::Continued(key) => key.depth(),
        };
        Some(Self(Arc::new(Inner {
            serial: new.serial,
            origin,
            depth,
            metadata: new.metadata,
            name: Some(new.name).filter(|name| !name.is_empty()).map(Into::into),
            message: Some(new.message).filter(|message| !message.is_empty()).map(Into::into),
            started_ns: new.started_ns,
            started_monotonic_ns: new.started_monotonic_ns,
            own_context: new.own_context,
            seq: AtomicU64::new(0),
            children: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
            begin_kept: AtomicU64::new(0),
            wanted: AtomicU64::new(0),
            context: Mutex::new(SmallVec::from_slice(new.context)),
            context_version: AtomicU64::new(0),
            mark: AtomicU8::new(UNMARKED),
            words: Mutex::default(),
            closed: AtomicBool::new(false),
        })))
    }

    pub(crate) fn metadata(&self) -> &'static Metadata<'static> {
        self.0.metadata
    }

    pub(crate) fn started_ns(&self) -> i64 {
        self.0.started_ns
    }

    /// The text of its begin, when it is not just its name.
    pub(crate) fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    pub(crate) fn is_deepest(&self) -> bool {
        self.0.depth >= MAX_DEPTH
    }

    /// The number of its next record.
    #[inline]
    pub(crate) fn next_seq(&self) -> u64 {
        self.0.seq.fetch_add(1, Ordering::Relaxed)
    }

    /// The number of its begin, the same for every layer that records it. The span is being made, on this thread only,
    /// so a load and a store are enough; a layer between two that record may have logged into it already.
    pub(crate) fn begin_seq(&self) -> u64 {
        if self.0.seq.load(Ordering::Relaxed) == 0 {
            self.0.seq.store(1, Ordering::Relaxed);
        }
        0
    }

    /// The number of its end, the same for every layer that records it: its span is closed, nothing comes after it.
    pub(crate) fn end_seq(&self) -> u64 {
        self.0.seq.load(Ordering::Relaxed)
    }

    /// Remembers that a recorder kept the begin; the span is being made.
    pub(crate) fn set_begin_kept(&self, recorder: u32) {
        let kept = self.0.begin_kept.load(Ordering::Relaxed);
        self.0.begin_kept.store(kept | 1 << (recorder % 64), Ordering::Relaxed);
    }

    pub(crate) fn begin_kept(&self, recorder: u32) -> bool {
        self.0.begin_kept.load(Ordering::Relaxed) & (1 << (recorder % 64)) != 0
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.0.origin
    }

    pub(crate) fn wanted(&self) -> &AtomicU64 {
        &self.0.wanted
    }

    pub(crate) fn add_busy(&self, ns: u64) {
        self.0.busy_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(crate) fn fail_with(&self, error: Vec<String>) {
        let mut words = lock(&self.0.words);
        if self.mark(FAILED) != FAILED {
            words.get_or_insert_default().error = error;
        }
    }

    /// Puts values over those of the context that have the same name.
    pub(crate) fn merge_context(&self, body: &[u8]) {
        let names: Vec<&'static str> = self.0.metadata.fields().iter().map(|field| field.name()).collect();
        let mut context = lock(&self.0.context);
        *context = SmallVec::from_vec(visit::merged_body(&names, &context, body));
        self.0.context_version.fetch_add(1, Ordering::Relaxed);
        EPOCH.fetch_add(1, Ordering::Release);
    }

    /// Says that nothing more comes of its span, whose id may name another one from now on.
    pub(crate) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    /// How it ended, at this time.
    pub(crate) fn ending(&self, monotonic_ns: u64) -> Ending {
        let mark = self.0.mark.load(Ordering::Acquire);
        let mut ending = Ending {
            outcome: outcome_of(mark),
            level: *self.0.metadata.level(),
            message: self.0.message.as_deref().map(str::to_owned),
            quiet: false,
            error: Vec::new(),
            duration_ns: monotonic_ns.saturating_sub(self.0.started_monotonic_ns),
            busy_ns: self.0.busy_ns.load(Ordering::Relaxed),
        };
        match mark {
            UNMARKED => {}
            SUCCEEDED => {
                ending.message = lock(&self.0.words).as_ref().and_then(|words| words.success.clone());
                ending.quiet = ending.message.as_ref().is_some_and(String::is_empty);
            }
            CANCELLED => ending.level = Level::WARN,
            _ => {
                ending.level = Level::ERROR;
                ending.message = ending.message.map(|message| format!("FAILED {message}"));
                ending.error = self.error();
            }
        }
        ending
    }

    /// The place of its span in the same, under its name.
    pub(crate) fn describe_callsite(&self, writer: &mut SegmentWriter, redactor: Option<&Redactor>) -> CallsiteRef {
        let Some(name) = &self.0.name else {
            return visit::describe_callsite(self.0.metadata, writer);
        };
        let redacted = redactor.and_then(|redactor| redactor.replaced(name));
        visit::describe_callsite_as(redacted.as_deref().unwrap_or(name), self.0.metadata, writer)
    }

    /// Its place in the dictionary of the segment that is being written, describing it as needed.
    #[inline]
    pub(crate) fn describe(&self, writer: &mut SegmentWriter, redactor: Option<&Redactor>) -> TaskRef {
        let epoch = EPOCH.load(Ordering::Acquire);
        match writer.task(self.0.serial) {
            Some(known) if known.epoch == epoch => known.task,
            _ => self.describe_anew(writer, epoch, redactor),
        }
    }

    /// Describes it and writes its begin with that. `context` is its own, for a caller that still has it at hand.
    pub(crate) fn describe_with_begin(
        &self,
        writer: &mut SegmentWriter,
        redactor: Option<&Redactor>,
        context: Option<&[u8]>,
    ) {
        let (origin, _) = self.describe_origin(writer, redactor);
        let epoch = EPOCH.load(Ordering::Acquire);
        if let Some(context) = context {
            self.define(writer, epoch, 0, &Description { origin, context, begins: true, redactor });
            return;
        }
        let context = lock(&self.0.context);
        let version = self.0.context_version.load(Ordering::Relaxed);
        self.define(writer, epoch, version, &Description { origin, context: &context, begins: true, redactor });
    }

    /// Those of a redactor's hits in its context that were not counted before; they are from now on.
    pub(crate) fn not_counted(&self, redactor: u64, hits: &Hits) -> Hits {
        let mut words = lock(&self.0.words);
        let counted = &mut words.get_or_insert_default().counted;
        let at = counted.iter().position(|(number, _)| *number == redactor).unwrap_or_else(|| {
            counted.push((redactor, Hits::default()));
            counted.len() - 1
        });
        hits.beyond(&mut counted[at].1)
    }

    /// It has ended, and no more is written of it.
    pub(crate) fn forget(&self, writer: &mut SegmentWriter) {
        writer.forget_task(self.0.serial);
    }

    fn describe_anew(&self, writer: &mut SegmentWriter, epoch: u64, redactor: Option<&Redactor>) -> TaskRef {
        let (origin, parent) = self.describe_origin(writer, redactor);
        let context = lock(&self.0.context);
        let version = self.0.context_version.load(Ordering::Relaxed);
        if let Some(known) = writer.task(self.0.serial)
            && known.version == version
            && known.parent == parent
        {
            writer.confirm_task(self.0.serial, epoch);
            return known.task;
        }
        self.define(writer, epoch, version, &Description { origin, context: &context, begins: false, redactor })
    }

    fn describe_origin(
        &self,
        writer: &mut SegmentWriter,
        redactor: Option<&Redactor>,
    ) -> (TaskOrigin<'_>, Option<TaskRef>) {
        match &self.0.origin {
            Origin::Root { root, .. } => (TaskOrigin::Root(*root), None),
            Origin::Continued(key) => (TaskOrigin::Continued(key), None),
            Origin::Child { parent, number } => {
                let parent = parent.describe(writer, redactor);
                (TaskOrigin::Child { parent, number: *number }, Some(parent))
            }
        }
    }

    fn define(&self, writer: &mut SegmentWriter, epoch: u64, version: u64, new: &Description<'_>) -> TaskRef {
        let redacted = new.redactor.and_then(|redactor| redact::context(redactor, self, new.context));
        let definition = TaskDefinition {
            origin: new.origin,
            callsite: self.describe_callsite(writer, new.redactor),
            started_ns: self.0.started_ns,
            own_context: self.0.own_context,
            foreign_parent: if let Origin::Root { foreign_parent, .. } = self.0.origin { foreign_parent } else { None },
            context: redacted.as_ref().map_or(new.context, BodyWriter::bytes),
            begins: new.begins,
        };
        writer.define_task(self.0.serial, version, epoch, &definition)
    }

    fn next_child(&self) -> Option<u32> {
        if self.0.depth >= MAX_DEPTH {
            return None;
        }
        // In 64 bits, so that a count beyond the largest child number cannot wrap to one that was given before.
        let number = self.0.children.fetch_add(1, Ordering::Relaxed) + 1;
        u32::try_from(number).ok()
    }

    /// Raises the mark and gives what it was.
    fn mark(&self, mark: u8) -> u8 {
        self.0.mark.fetch_max(mark, Ordering::AcqRel)
    }
}
