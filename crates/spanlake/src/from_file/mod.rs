//! Setting up what a configuration file says.

mod available;
mod processors;
mod records;
mod sinks;
mod levels;
mod plan;
mod capture;
mod reload;
#[cfg(feature = "etl")]
mod etl;

pub use reload::{Reloaded, Reloader};

use std::path::Path;

use spanlake_capture::{CaptureLayer, Guard};
use spanlake_config::{Config, Settings};
use spanlake_core::Error;
#[cfg(feature = "etl")]
use spanlake_etl::{EtlLayerBuilder, Job};
use spanlake_lake::Keeper;
use spanlake_scope::{ScopeLayer, Verbosity, install_panic_hook};
use tracing_core::Dispatch;
use tracing_subscriber::prelude::*;

use crate::init::{make_lake, recover, set_global, take_in_log};
use crate::stack::Added;

/// What was set up by a file. Hold it until the end of `main`: dropping it ends the job, then everything else.
#[derive(Debug)]
#[must_use = "dropping it ends what was set up"]
#[non_exhaustive]
pub struct Started {
    /// The job, when the file has `etl`; to be finished before the guard goes.
    #[cfg(feature = "etl")]
    pub job: Option<Job>,
    /// Puts another configuration in place while the program runs.
    pub reloader: Reloader,
    /// Ends it well; see [`Guard`].
    pub guard: Guard,
}

/// Sets up what a file says, YAML, TOML or JSON; [`spanlake_config::Settings`] is all that it can say, and what an empty
/// one means is what [`init`](crate::init()) sets up.
///
/// Everything that is wrong with the file is in the error's cause, [`spanlake_config::Diagnostics`]; nothing was opened or made
/// then. Otherwise it fails as [`init`](crate::init()) does. The environment is not read, except for the task that it names:
/// [`init_from`] takes a configuration that was told to.
///
/// ```no_run
/// let started = spanlake::init_from_file("spanlake.yaml")?;
/// // …
/// # Ok::<(), spanlake::Error>(())
/// ```
pub fn init_from_file(path: impl AsRef<Path>) -> Result<Started, Error> {
    init_from(Config::from_file(path)?)
}

/// Sets up what a configuration says, such as one that asked the environment as well.
///
/// ```no_run
/// use spanlake::config::Config;
///
/// let config = Config::from_file("spanlake.yaml").and_then(Config::with_env);
/// let started = spanlake::init_from(config?)?;
/// # Ok::<(), spanlake::Error>(())
/// ```
pub fn init_from(config: Config) -> Result<Started, Error> {
    available::check(&config)?;
    let settings = config.settings();
    let lake = Path::new(settings.lake.path.as_str());
    let keeper = Keeper::new(lake, capture::limits(settings));
    let verbosity = Verbosity::new(levels::base(settings));
    verbosity.set(levels::directives(settings)?);
    let builder = capture::builder(settings, &keeper, &verbosity)?;
    #[cfg(feature = "etl")]
    let etl = etl::builder(settings).map(|etl| etl.check().map(|()| etl)).transpose()?;
    // From here on things are opened.
    make_lake(lake)?;
    if settings.layers.log {
        // Before the subscriber: when this fails, nothing has been set up that would swallow what is logged.
        take_in_log()?;
        Added::default().watch_log(&verbosity);
    }
    let (layer, guard) = builder.build()?;
    #[cfg(feature = "etl")]
    let (etl, job) = etl.map(EtlLayerBuilder::build).transpose()?.unzip();
    #[cfg(feature = "etl")]
    let added = Added::etl(etl);
    #[cfg(not(feature = "etl"))]
    let added = Added::default();
    let dispatch = dispatch(settings, layer, added, &verbosity);
    let reloader = Reloader::new(guard.handle(), keeper.clone(), config.clone())?;
    set_global(dispatch)?;
    if settings.layers.panics {
        install_panic_hook();
    }
    recover(lake, &keeper);
    Ok(Started {
        #[cfg(feature = "etl")]
        job,
        reloader,
        guard,
    })
}

/// The stack.
fn dispatch(settings: &Settings, capture: CaptureLayer, added: Added, verbosity: &Verbosity) -> Dispatch {
    let scope = ScopeLayer::builder();
    let scope = if settings.layers.carrier { scope.continue_from_env() } else { scope };
    let stack = tracing_subscriber::registry().with(scope.build());
    if settings.layers.capture { added.onto(stack.with(capture), verbosity) } else { added.onto(stack, verbosity) }
}
