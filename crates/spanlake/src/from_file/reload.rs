//! Another configuration in place of the one that holds, while the program runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spanlake_capture::CaptureHandle;
use spanlake_config::settings::{ReloadSignal, Sink};
use spanlake_config::{Config, Settings};
use spanlake_core::{Category, Error, SinkReport, Stage};
use spanlake_lake::Keeper;

use super::available;
use super::plan::{base, directives, plan};
use super::sinks::Sinks;

/// What is not changed while the program runs.
const AT_START: [&str; 10] =
    ["service", "layers", "lake", "queue", "shutdown", "reload", "redact", "flight_recorder", "fold_repeats", "etl"];

/// Puts another configuration in place of the one that holds; a cheap handle.
///
/// A configuration that is wrong changes nothing: the error says why, [`last_error`](Self::last_error) keeps it, and a WARN
/// event stands among the records. One that is right is swapped between two batches, and nothing that was recorded is
/// lost for it: sinks that both have alike go on, the others are flushed and closed, then levels change. Levels that the
/// program has set through [`Verbosity`](crate::Verbosity) make way for those of the configuration.
///
/// Only levels, processors, loggers, pipelines and sinks change. What else is different needs a restart, and is told.
#[derive(Clone, Debug)]
pub struct Reloader(Arc<Shared>);

/// What a change came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reloaded {
    /// Keys whose values are others, and hold when the program starts again.
    pub needs_restart: Vec<String>,
    /// The last reports of the sinks that are gone.
    pub closed: Vec<SinkReport>,
}

#[derive(Debug)]
struct Shared {
    capture: CaptureHandle,
    keeper: Keeper,
    now: Mutex<Now>,
}

/// What holds.
#[derive(Debug)]
struct Now {
    /// As it was read last.
    config: Config,
    /// As it holds: with what the program started with, where that cannot change.
    settings: Settings,
    changes: u64,
    last_error: Option<Arc<Error>>,
}

impl Reloader {
    pub(super) fn new(capture: CaptureHandle, keeper: Keeper, config: Config) -> Result<Self, Error> {
        let settings = config.settings().clone();
        let on_hangup = settings.reload.on.contains(&ReloadSignal::Hangup);
        let now = Mutex::new(Now { config, settings, changes: 0, last_error: None });
        let reloader = Self(Arc::new(Shared { capture, keeper, now }));
        if on_hangup {
            listen(reloader.clone())?;
        }
        Ok(reloader)
    }

    /// Reads the file again, the environment too if the configuration had asked for it, and puts that in place.
    pub fn reload(&self) -> Result<Reloaded, Error> {
        self.change(|now| Ok(now.config.read_again()?))
    }

    /// Puts this configuration in place, which was read in another way.
    pub fn apply(&self, config: Config) -> Result<Reloaded, Error> {
        self.change(|_| Ok(config))
    }

    /// How often the configuration was changed.
    pub fn changes(&self) -> u64 {
        self.now().changes
    }

    /// Why the last change was refused, if it was.
    pub fn last_error(&self) -> Option<Arc<Error>> {
        self.now().last_error.clone()
    }

    /// One change at a time.
    fn change(&self, read: impl FnOnce(&Now) -> Result<Config, Error>) -> Result<Reloaded, Error> {
        let mut now = self.now();
        let changed = read(&now).and_then(|config| self.0.put(&mut now, config));
        match &changed {
            Ok(reloaded) => {
                now.last_error = None;
                now.changes += 1;
                let needs_restart = reloaded.needs_restart.join(", ");
                tracing::info!(changes = now.changes, needs_restart, "the configuration was changed");
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "the configuration was not changed: the one before holds");
                // The caller gets the error itself, which is no copy of another.
                now.last_error = Some(Arc::new(copy(error)));
            }
        }
        changed
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Shared ===

impl Shared {
    fn put(&self, now: &mut Now, config: Config) -> Result<Reloaded, Error> {
        available::check(&config)?;
        let needs_restart = differing(&now.config, &config);
        let settings = changed(&now.settings, config.settings());
        let kept = kept(&now.settings, &settings, &self.keeper);
        let levels = directives(&settings)?;
        let plan = plan(&settings, &self.keeper, &kept)?;
        let closed = self.capture.reconfigure(plan, settings.shutdown.timeout)?;
        self.capture.verbosity().set(levels);
        *now = Now { config, settings, changes: now.changes, last_error: None };
        Ok(Reloaded { needs_restart, closed })
    }
}

/// The new settings, as far as they can change.
fn changed(old: &Settings, new: &Settings) -> Settings {
    let mut settings = old.clone();
    settings.levels = new.levels.clone();
    settings.verbosity = new.verbosity.clone();
    settings.processors = new.processors.clone();
    settings.loggers = new.loggers.clone();
    settings.pipelines = new.pipelines.clone();
    settings.sinks = new.sinks.clone();
    settings
}

/// The sinks that go on: nothing about them has changed, nor about what stands in for them.
fn kept<'a>(old: &Settings, new: &'a Settings, keeper: &Keeper) -> Vec<&'a str> {
    let before = Sinks { settings: old, keeper, base: base(old) };
    let after = Sinks { settings: new, keeper, base: base(new) };
    let fallback = |settings: &Settings, sink: &Sink| {
        sink.common.fallback.as_ref().and_then(|name| settings.sinks.get(name)).cloned()
    };
    let is_same = |name: &str, sink: &Sink| {
        old.sinks.get(name).is_some_and(|other| {
            other == sink
                && before.level(other) == after.level(sink)
                && before.is_fallback(name) == after.is_fallback(name)
                && fallback(old, other) == fallback(new, sink)
        })
    };
    new.sinks.iter().filter(|(name, sink)| is_same(name, sink)).map(|(name, _)| name).collect()
}

/// Keys that hold from the start on and have other values now.
fn differing(old: &Config, new: &Config) -> Vec<String> {
    let is_at_start = |key: &str| AT_START.iter().any(|start| key.split(['.', '[']).next() == Some(start));
    let value = |config: &Config, key: &str| {
        config.values().iter().find(|value| value.key == key).map(|value| value.value.clone())
    };
    let keys = old.values().iter().chain(new.values()).map(|value| value.key.as_str());
    let mut keys: Vec<String> =
        keys.filter(|key| is_at_start(key) && value(old, key) != value(new, key)).map(str::to_owned).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn copy(error: &Error) -> Error {
    Error::new(error.code().stage, error.code().service, error.code().category, error.chain())
}

// === signals ===

/// Starts the thread that reloads at SIGHUP.
#[cfg(unix)]
fn listen(reloader: Reloader) -> Result<(), Error> {
    use signal_hook::consts::SIGHUP;
    use signal_hook::iterator::Signals;

    let failed = |error: std::io::Error| refused("cannot wait for signals").caused_by(error);
    let mut signals = Signals::new([SIGHUP]).map_err(failed)?;
    let wait = move || {
        for _ in signals.forever() {
            // Told by an event, and kept for whoever asks.
            let _ = reloader.reload();
        }
    };
    std::thread::Builder::new().name("spanlake-reload".to_owned()).spawn(wait).map(drop).map_err(failed)
}

#[cfg(not(unix))]
fn listen(_: Reloader) -> Result<(), Error> {
    Err(refused("there are no signals here"))
}

fn refused(why: &str) -> Error {
    Error::new(Stage::Factory, "Reloader", Category::Io, why)
}
