//! The layer that gives spans their tasks and sets the rules for them.

use spanlake_core::Error;
use spanlake_core::clock::Clock;
use spanlake_core::sync::Arc;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::carrier::Carrier;
use crate::rules::{Inherit, Rules};
use crate::tracker::Tracker;

/// Gives every span a task. It may stand anywhere in the stack; its rules hold for all spanlake layers of it.
///
/// Inside `reload::Layer` other layers cannot find it, and use the default rules. Neither can a layer that stands before
/// it inside an `Option` or a `Vec`, which do not tell their layers what stack they are in; there it has to come first.
#[derive(Debug)]
pub struct ScopeLayer {
    tracker: Tracker,
    rules: Arc<Rules>,
}

/// Sets the rules for tasks.
///
/// | setting | default |
/// |---|---|
/// | [`inherit`](Self::inherit) | [`Inherit::All`] |
/// | [`continue_from`](Self::continue_from), [`continue_from_env`](Self::continue_from_env) | root spans are fresh roots |
#[derive(Debug, Default)]
#[must_use = "nothing happens until `build`"]
pub struct ScopeLayerBuilder {
    inherit: Inherit,
    carrier: Option<Carrier>,
    refused: Option<Error>,
}

// === impl ScopeLayer ===

impl ScopeLayer {
    /// Fresh roots, inherited context.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Other rules.
    pub fn builder() -> ScopeLayerBuilder {
        ScopeLayerBuilder::default()
    }

    /// Why the carrier that this process was started with is not continued, when it was malformed.
    pub fn refused(&self) -> Option<&Error> {
        self.rules.refused.as_ref()
    }

    pub(crate) fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }
}

impl Default for ScopeLayer {
    fn default() -> Self {
        Self::new()
    }
}

// === impl ScopeLayerBuilder ===

impl ScopeLayerBuilder {
    /// What a task's context is made of: [`Inherit::All`].
    pub fn inherit(mut self, inherit: Inherit) -> Self {
        self.inherit = inherit;
        self
    }

    /// Makes this process continue a task: its first span without a parent becomes that task, with exactly that key;
    /// later ones become its subtasks.
    pub fn continue_from(mut self, carrier: impl Into<Carrier>) -> Self {
        self.carrier = Some(carrier.into());
        self
    }

    /// Makes this process continue what `SPANLAKE_TASK` or `TRACEPARENT` say, if they say anything. A malformed value
    /// is refused: [`ScopeLayer::refused`] tells why, and so does the context of the fresh root.
    pub fn continue_from_env(mut self) -> Self {
        match Carrier::from_env() {
            Ok(Some(carrier)) => self.carrier = Some(carrier),
            Ok(None) => {}
            Err(error) => self.refused = Some(error),
        }
        self
    }

    /// The layer.
    pub fn build(self) -> ScopeLayer {
        let Self { inherit, carrier, refused } = self;
        let tracker = Tracker::new(Rules::new(inherit, carrier, refused), Clock::new());
        ScopeLayer { rules: Arc::clone(tracker.rules()), tracker }
    }
}

// === impl Layer ===

impl<S> Layer<S> for ScopeLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.tracker.on_register_dispatch(dispatch);
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.tracker.on_new_span(attrs, id, &ctx, |_, _, _| ());
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        self.tracker.on_record(id, values, &ctx);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        self.tracker.on_event(event, &ctx);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.tracker.on_enter(id, &ctx);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.tracker.on_exit(id);
    }
}
