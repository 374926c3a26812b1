//! The stack of layers: what is always there, what a program adds, and in front of them what knows who wants what.

#[cfg(feature = "etl")]
use spanlake_etl::EtlLayer;
#[cfg(feature = "publish")]
use spanlake_publish::PublishLayer;
use spanlake_scope::Verbosity;
use tracing_core::{Dispatch, Subscriber};
use tracing_log::{AsLog, log};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

/// Layers that a program adds. Not in an `Option` of the stack, which does not tell its layer what stack it is in.
#[derive(Debug, Default)]
pub(crate) struct Added {
    #[cfg(feature = "etl")]
    pub(crate) etl: Option<EtlLayer>,
    #[cfg(feature = "publish")]
    pub(crate) publish: Option<PublishLayer>,
}

impl Added {
    /// That of runs, if there is one.
    #[cfg(all(feature = "config", feature = "etl"))]
    pub(crate) fn etl(etl: Option<EtlLayer>) -> Self {
        Self {
            etl,
            #[cfg(feature = "publish")]
            publish: None,
        }
    }

    /// Puts them onto a stack, and in front of all a filter, so that what nobody wants costs nothing.
    #[cfg_attr(not(feature = "etl"), expect(unused_mut, reason = "there is nothing to take"))]
    pub(crate) fn onto<S>(mut self, stack: S, verbosity: &Verbosity) -> Dispatch
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static,
    {
        #[cfg(feature = "etl")]
        if let Some(etl) = self.etl.take() {
            return self.finish(stack.with(etl), verbosity);
        }
        self.finish(stack, verbosity)
    }

    fn finish<S>(self, stack: S, verbosity: &Verbosity) -> Dispatch
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static,
    {
        #[cfg(feature = "publish")]
        if let Some(publish) = self.publish {
            let either = either::Either(verbosity.filter(), publish.verbosity().filter());
            return Dispatch::new(stack.with(publish).with(either));
        }
        Dispatch::new(stack.with(verbosity.filter()))
    }

    /// Takes in of the `log` crate what anybody may want.
    pub(crate) fn watch_log(&self, verbosity: &Verbosity) {
        #[cfg(feature = "publish")]
        if let Some(publish) = &self.publish {
            let watch = |one: &Verbosity, other: &Verbosity| {
                let other = other.clone();
                one.watch(move |level| log::set_max_level(level.max(other.most_verbose()).as_log()));
            };
            watch(verbosity, publish.verbosity());
            return watch(publish.verbosity(), verbosity);
        }
        verbosity.watch(|level| log::set_max_level(level.as_log()));
    }
}

#[cfg(feature = "publish")]
mod either {
    //! What one of two may want.

    use spanlake_scope::VerbosityFilter;
    use tracing_core::subscriber::Interest;
    use tracing_core::{Dispatch, LevelFilter, Metadata, Subscriber};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::Context;

    #[derive(Debug)]
    pub(super) struct Either(pub(super) VerbosityFilter, pub(super) VerbosityFilter);

    impl<S: Subscriber> Layer<S> for Either {
        fn on_register_dispatch(&self, dispatch: &Dispatch) {
            Layer::<S>::on_register_dispatch(&self.0, dispatch);
            Layer::<S>::on_register_dispatch(&self.1, dispatch);
        }

        fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
            let one = Layer::<S>::register_callsite(&self.0, metadata);
            let other = Layer::<S>::register_callsite(&self.1, metadata);
            match (one.is_always() || other.is_always(), one.is_never() && other.is_never()) {
                (true, _) => Interest::always(),
                (_, true) => Interest::never(),
                _ => Interest::sometimes(),
            }
        }

        fn enabled(&self, metadata: &Metadata<'_>, ctx: Context<'_, S>) -> bool {
            self.0.enabled(metadata, ctx.clone()) || self.1.enabled(metadata, ctx)
        }

        fn max_level_hint(&self) -> Option<LevelFilter> {
            let levels = [Layer::<S>::max_level_hint(&self.0)?, Layer::<S>::max_level_hint(&self.1)?];
            levels.into_iter().max()
        }
    }
}
