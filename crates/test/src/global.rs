//! The one subscriber of a test process.

use std::sync::OnceLock;
use std::time::Duration;

use spanlake_capture::{CaptureHandle, CaptureLayer, CaptureLayerBuilder, Guard};
use spanlake_core::{Category, Error, LevelFilter, Policy, Stage};
use spanlake_scope::{ScopeLayer, Task};
use tracing::Dispatch;
use tracing_core::subscriber::Interest;
use tracing_core::{Event, Metadata, span};
use tracing_subscriber::layer::SubscriberExt;

use crate::capture::Capture;
use crate::store::{Store, kept};

/// How long a record waits for room, and a test for its records.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What keeps a process's capture going; never dropped, as nothing of a test process is.
struct Global {
    guard: Guard,
    _nobody: Dispatch,
}

static GLOBAL: OnceLock<Global> = OnceLock::new();

/// Begins to capture what the calling test records, and sets the process up for that if it is the first. What this thread
/// does from now on, until the handle is dropped, belongs to a new root task.
///
/// # Panics
///
/// When a global subscriber was set by somebody else that has no [`layer`] of this crate in it.
///
/// ```
/// let capture = spanlake_test::capture();
/// tracing::info!("here");
/// assert!(capture.contains("here"));
/// ```
#[track_caller]
pub fn capture() -> Capture {
    if GLOBAL.get().is_none()
        && let Err(error) = install(CaptureLayer::builder())
        // Another test may have been faster.
        && GLOBAL.get().is_none()
    {
        panic!("{error}");
    }
    // Whatever a callsite was told before, when this was not there yet, or another subscriber was.
    tracing::callsite::rebuild_interest_cache();
    let handle = handle().unwrap_or_else(|| panic!("{}", refused("a global subscriber without its layer was set")));
    let span = tracing::info_span!(target: "spanlake_test", parent: None, "test");
    let Some(task) = Task::of(&span) else {
        panic!("{}", refused("the subscriber of this thread is another one, set by `with_default` or `set_default`"));
    };
    let mut kept = kept();
    // Whether the root's begin came before or after this does not matter: nobody is shown it.
    kept.begin(&task.key());
    let strays = kept.strays_seen();
    drop(kept);
    Capture::new(span, task.key(), handle, strays)
}

/// Sets the process up with settings of its own, such as a redaction or processors that are to be tested: everything is kept
/// that comes out of `builder`. Its level becomes `TRACE`.
///
/// Fails when that was done before, as the first [`capture`] does it, or a global subscriber was set by somebody else.
pub fn install(builder: CaptureLayerBuilder) -> Result<(), Error> {
    let layer = layer(builder)?;
    let stack = tracing_subscriber::registry().with(ScopeLayer::new()).with(layer);
    tracing_core::dispatcher::set_global_default(Dispatch::new(stack)).map_err(|error| {
        refused("a global subscriber was set before; put `spanlake_test::layer` into it").caused_by(error)
    })
}

/// The layer that captures, for a stack of one's own that becomes the global default. Fails when there is one already.
///
/// ```
/// use spanlake_capture::CaptureLayer;
/// use tracing_subscriber::prelude::*;
///
/// let layer = spanlake_test::layer(CaptureLayer::builder())?;
/// tracing_subscriber::registry().with(layer).with(tracing_subscriber::layer::Identity::new()).init();
/// let capture = spanlake_test::capture();
/// # drop(capture);
/// # Ok::<(), spanlake_core::Error>(())
/// ```
pub fn layer(builder: CaptureLayerBuilder) -> Result<CaptureLayer, Error> {
    let builder = builder.level(LevelFilter::TRACE).policy(Policy::Block(PATIENCE)).sink(Store);
    let (layer, guard) = builder.build()?;
    let global = Global { guard, _nobody: Dispatch::new(Nobody) };
    match GLOBAL.set(global) {
        Ok(()) => Ok(layer),
        Err(_) => Err(refused("this process is set up already")),
    }
}

fn handle() -> Option<CaptureHandle> {
    GLOBAL.get().map(|global| global.guard.handle())
}

fn refused(why: &str) -> Error {
    Error::new(Stage::Factory, "Capture", Category::Configuration, why)
}

/// A second subscriber of the process, which wants nothing. While there is but one, `tracing` asks the subscriber of the
/// thread that hits a callsite first, and where that thread has none, the callsite is off for all.
struct Nobody;

impl tracing::Subscriber for Nobody {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::never()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
