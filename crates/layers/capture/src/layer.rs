//! The layer: forwards what `tracing` says to the recording half.

use spanlake_core::{Buffer, Redactor};
use spanlake_scope::{Recorder, Verbosity};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::builder::CaptureLayerBuilder;
use crate::drain::DrainHandle;

/// Keeps what a program says through `tracing` as keyed records.
#[derive(Debug)]
pub struct CaptureLayer {
    recorder: Recorder,
}

impl CaptureLayer {
    /// Keeps records in memory until a [`DrainHandle`] takes them out. The buffer is bounded; see
    /// [`CaptureLayer::builder`] for its defaults.
    pub fn new() -> Self {
        Self::builder().build_in_memory()
    }

    /// Other settings, and sinks.
    pub fn builder() -> CaptureLayerBuilder {
        CaptureLayerBuilder::new()
    }

    /// Takes out what this layer keeps. On a layer with sinks it competes with them: each record goes to one place.
    pub fn drain_handle(&self) -> DrainHandle {
        DrainHandle::new(self.recorder.buffer().clone())
    }

    /// What decides which records are kept, and can change its mind.
    pub fn verbosity(&self) -> &Verbosity {
        self.recorder.verbosity()
    }

    pub(crate) fn with(buffer: Buffer, verbosity: Verbosity, redactor: Option<Redactor>) -> Self {
        Self { recorder: Recorder::with_verbosity(buffer, verbosity).redact(redactor) }
    }
}

impl Default for CaptureLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CaptureLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.recorder.on_register_dispatch(dispatch);
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.recorder.event_enabled(event);
        true
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.recorder.on_new_span(attrs, id, &ctx);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        self.recorder.on_record(id, values, &ctx);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        self.recorder.on_event(event, &ctx);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.recorder.on_enter(id, &ctx);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.recorder.on_exit(id);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.recorder.on_close(&id, &ctx);
    }
}
