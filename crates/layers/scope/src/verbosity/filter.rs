//! The filter that stands in front of a stack and follows a verbosity.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use spanlake_core::sync::{Mutex, lock};
use tracing_core::dispatcher::{Dispatch, WeakDispatch};
use tracing_core::subscriber::Interest;
use tracing_core::{LevelFilter, Metadata, Subscriber, callsite, dispatcher};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::verbosity::{Verbosity, code};
use crate::visit;

/// Lets `tracing` leave out what no layer wants, as a `LevelFilter` in front of a stack does, and follows a [`Verbosity`]
/// where that is turned up. It hides spans and events from every layer of the stack.
///
/// What the level lets through that the verbosity started with is never hidden: where that is turned down, the layers that
/// have the verbosity leave records out, and all others go on as they did.
///
/// A task's directive opens it for all targets, because a callsite does not know which task it is called in; the layers
/// behind it then decide. What ends by itself is left out again at once, but costs a call until the next change.
#[derive(Debug)]
pub struct VerbosityFilter(Verbosity);

impl VerbosityFilter {
    pub(super) fn new(verbosity: Verbosity) -> Self {
        Self(verbosity)
    }

    /// The most that a callsite's records may be at: by what stays, and with what lasts some time.
    fn most(&self, metadata: &Metadata<'_>) -> (u8, u8) {
        if visit::is_log(metadata) {
            // It stands for all targets of the `log` crate.
            let most = self.0.gate().most();
            return (most, most);
        }
        self.0.table().most_of_target(metadata.target())
    }
}

impl<S: Subscriber> Layer<S> for VerbosityFilter {
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.0.add_stack(dispatch.downgrade());
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.most(metadata) {
            (stays, _) if code(*metadata.level()) <= stays => Interest::always(),
            (_, most) if code(*metadata.level()) <= most => Interest::sometimes(),
            _ => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let gate = self.0.gate();
        let level = *metadata.level();
        !gate.refuses(level) && (gate.is_sure(level) || code(level) <= self.most(metadata).1)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.most_verbose())
    }
}

/// Lets `tracing` ask all filters again.
///
/// It asks those of the current thread's subscriber, if there was never more than one in the process. So this is done on a
/// thread of its own under that very subscriber: this thread may have another one, or be in the middle of an event, when
/// it has none, and every callsite would be switched off for good.
pub(super) fn ask_again(stacks: &Mutex<Vec<WeakDispatch>>) {
    let mut stacks = lock(stacks);
    stacks.retain(|stack| stack.upgrade().is_some());
    let Some(stack) = stacks.iter().find_map(WeakDispatch::upgrade) else {
        return;
    };
    drop(stacks);
    // Other layers are asked as well, and their panics stay here.
    let ask = move || {
        drop(catch_unwind(AssertUnwindSafe(|| dispatcher::with_default(&stack, callsite::rebuild_interest_cache))))
    };
    if let Ok(asking) = thread::Builder::new().name("spanlake-levels".to_owned()).spawn(ask) {
        let _ = asking.join();
    }
}
