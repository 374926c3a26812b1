//! The layer: forwards what `tracing` says to the recording half.

use spanlake_core::{Buffer, Redactor};
use spanlake_scope::{Recorder, Verbosity};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::builder::PublishLayerBuilder;
use crate::transport::Transport;

/// The field that keeps an event local when it is `false`: other layers show it, nobody is sent it.
const TRANSMIT: &str = "transmit";

/// Sends what a program says through `tracing` to somebody who keeps it.
///
/// An event with the field `transmit = false` stays local: other layers see it as always.
#[derive(Debug)]
pub struct PublishLayer {
    recorder: Recorder,
}

impl PublishLayer {
    /// Settings of a layer that sends by this transport.
    pub fn builder(transport: impl Transport + 'static) -> PublishLayerBuilder {
        PublishLayerBuilder::new(Box::new(transport))
    }

    /// What decides which records are sent. The other side may lay directives over it; see
    /// [`PublishLayerBuilder::verbosity`].
    pub fn verbosity(&self) -> &Verbosity {
        self.recorder.verbosity()
    }

    pub(crate) fn with(buffer: Buffer, verbosity: Verbosity, redactor: Option<Redactor>) -> Self {
        Self { recorder: Recorder::with_verbosity(buffer, verbosity).redact(redactor).unless_false(TRANSMIT) }
    }
}

impl<S> Layer<S> for PublishLayer
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
