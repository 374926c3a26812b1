//! A floor: a `Registry` under a layer that does nothing, so what `tracing` itself costs.

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, Registry, layer::SubscriberExt};

use super::{Peer, Session, Traced};
use crate::{Result, trial::Trial, work::Work};

/// Keeps nothing.
pub(super) const PEER: Peer = Peer {
    name: "floor-noop",
    takes: &[(Work::Events, 0), (Work::Burst, 0), (Work::Spans, 0), (Work::Disabled, 0)],
    open,
};

struct Noop;

impl<S: Subscriber> Layer<S> for Noop {}

fn open(_trial: &Trial) -> Result<Box<dyn Session>> {
    let subscriber = Registry::default().with(Noop).with(LevelFilter::INFO);
    Ok(Box::new(Traced::install(subscriber, || Ok(()))?))
}
