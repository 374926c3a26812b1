//! A layer that records into memory, and what it heard in short words.

use std::sync::{Arc, Mutex};

use spanlake_core::clock::Clock;
use spanlake_core::render::TextLines;
use spanlake_core::segment::merge;
use spanlake_core::{Buffer, BufferOptions, Kind, LevelFilter, OwnedRecord, Processor, Source};
use spanlake_scope::{Recorder, ScopeLayer, Task, Verbosity};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// A recording layer as small as can be.
#[derive(Debug)]
pub(crate) struct Recording(Recorder);

/// What a [`Recording`] recorded.
#[derive(Clone, Debug)]
pub(crate) struct Tape(Buffer);

/// A recording layer and its tape.
pub(crate) fn tape() -> (Recording, Tape) {
    tape_with(LevelFilter::TRACE, Clock::new())
}

pub(crate) fn tape_with(level: LevelFilter, clock: Clock) -> (Recording, Tape) {
    let buffer = Buffer::new(&BufferOptions::default(), Source::this_process("test"));
    (Recording(Recorder::new(buffer.clone(), level, clock)), Tape(buffer))
}

pub(crate) fn tape_by(verbosity: &Verbosity) -> (Recording, Tape) {
    let buffer = Buffer::new(&BufferOptions::default(), Source::this_process("test"));
    (Recording(Recorder::with_verbosity(buffer.clone(), verbosity.clone())), Tape(buffer))
}

/// Runs `work` under a `ScopeLayer` and a recording layer.
pub(crate) fn record(work: impl FnOnce()) -> Tape {
    record_under(ScopeLayer::new(), work)
}

pub(crate) fn record_under(scope: ScopeLayer, work: impl FnOnce()) -> Tape {
    let (recording, tape) = tape();
    let subscriber = tracing_subscriber::registry().with(scope).with(recording);
    tracing::subscriber::with_default(subscriber, work);
    tape
}

// === impl Tape ===

impl Tape {
    pub(crate) fn records(&self) -> Vec<OwnedRecord> {
        let segments = self.0.drain();
        let decoded: Vec<_> = segments.iter().map(|segment| segment.decode().expect("a segment")).collect();
        merge(&decoded).map(|record| OwnedRecord::from(&record)).collect()
    }

    /// Each record as `<key> <kind> <message>`, the roots named `U`, `V`, `W` in the order they appear.
    pub(crate) fn said(&self) -> Vec<String> {
        say(&self.records())
    }

    /// The ends, each as `<key of the task> <outcome> <level> <message>`, with `: <error>` behind it.
    pub(crate) fn ends(&self) -> Vec<String> {
        let records = self.records();
        let mut names = Names::default();
        // All records name the roots, so that the first task is `U` even if another ends before it.
        let keys: Vec<String> = records.iter().map(|record| names.key(record)).collect();
        let ends = records.iter().zip(keys).filter(|(record, _)| record.kind == Kind::End);
        ends.map(|(record, key)| {
            let task = key.split_once('@').expect("an end is in a task").1.to_owned();
            let outcome = record.outcome.expect("an end has an outcome");
            let error = record.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            format!("{task} {outcome} {} {}{error}", record.level, record.message)
        })
        .collect()
    }

    /// The records that a processor leaves.
    pub(crate) fn filtered(&self, processor: &mut dyn Processor) -> Vec<OwnedRecord> {
        let segments = self.0.drain();
        let decoded: Vec<_> = segments.iter().map(|segment| segment.decode().expect("a segment")).collect();
        let mut records = merge(&decoded).collect();
        processor.process(&mut records);
        records.iter().map(OwnedRecord::from).collect()
    }

    /// The records as lines of text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.each(|record| TextLines::default().put(&mut text, &record));
        text
    }

    /// Calls `each` for the records as they stand in the segments.
    pub(crate) fn each(&self, each: impl FnMut(spanlake_core::Record<'_>)) {
        let segments = self.0.drain();
        let decoded: Vec<_> = segments.iter().map(|segment| segment.decode().expect("a segment")).collect();
        merge(&decoded).for_each(each);
    }
}

/// Each record as `<key> <kind> <message>`, the roots named `U`, `V`, `W` in the order they appear.
pub(crate) fn say(records: &[OwnedRecord]) -> Vec<String> {
    let mut names = Names::default();
    records.iter().map(|record| format!("{} {} {}", names.key(record), record.kind, record.message)).collect()
}

/// Gives roots letters.
#[derive(Default)]
pub(crate) struct Names(Vec<uuid::Uuid>);

impl Names {
    fn key(&mut self, record: &OwnedRecord) -> String {
        record.key.as_ref().map_or_else(|| "-".to_owned(), |key| format!("{}@{}", key.seq, self.task(&key.task)))
    }

    pub(crate) fn task(&mut self, key: &spanlake_core::TaskKey) -> String {
        let root = key.uuid();
        let at = self.0.iter().position(|known| *known == root).unwrap_or_else(|| {
            self.0.push(root);
            self.0.len() - 1
        });
        let letter = char::from(b"UVWXYZABCDEFGHIJKLMNOPQRST"[at]);
        key.to_string().replace(&root.to_string(), &letter.to_string())
    }
}

/// Of the record with this message, the context as JSON.
pub(crate) fn context_of(records: &[OwnedRecord], message: &str) -> String {
    let record = records.iter().find(|record| record.message == message);
    record.unwrap_or_else(|| panic!("no record says {message}")).context.clone()
}

// === a foreign layer ===

/// A layer of other people's making that prints the task's key on each of its lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plain(pub(crate) Arc<Mutex<Vec<String>>>);

impl Plain {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }
}

impl<S> Layer<S> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let task = ctx.event_span(event).and_then(|span| Task::of_span(&span));
        let key = task.map_or_else(|| "-".to_owned(), |task| task.key().to_string());
        self.0.lock().expect("no panic").push(key);
    }
}

// === impl Layer for Recording ===

impl<S> Layer<S> for Recording
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.0.on_register_dispatch(dispatch);
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.0.event_enabled(event);
        true
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.0.on_new_span(attrs, id, &ctx);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        self.0.on_record(id, values, &ctx);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        self.0.on_event(event, &ctx);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.0.on_enter(id, &ctx);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.0.on_exit(id);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.0.on_close(&id, &ctx);
    }
}
