//! Another configuration in place of the one that holds, while the program runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spanlake_capture::CaptureHandle;
use spanlake_config::settings::{ReloadSignal, Sink};
use spanlake_config::{Config, Settings};
use spanlake_core::{Directives, Error, Plan, SinkReport};
use spanlake_lake::Keeper;

use super::available;
use super::levels::{base, directives, lesser};
use super::plan::plan;
use super::sinks::Sinks;

/// What is not changed while the program runs.
const AT_START: [&str; 8] = ["service", "layers", "lake", "queue", "shutdown", "reload", "redact", "etl"];

/// Puts another configuration in place of the one that holds; a cheap handle.
///
/// A configuration that is wrong changes nothing. The error says why, [`last_error`](Self::last_error) keeps it, and a WARN
/// event stands among the records. One that is right is swapped between two batches: levels, processors, loggers, pipelines
/// and sinks at once, so that each record is kept by the levels and goes the ways of one of the two, unless its thread is
/// held up for all that time in the middle of recording it. Sinks that both have alike go on; the others are flushed and
/// closed, which may take as long as `shutdown.timeout`; a change that takes longer is told as an error, and may be made
/// when the sinks get to it. Nothing that was recorded is lost for it, and what a flight recorder held is written.
///
/// Levels that the program has set through [`Verbosity`](crate::Verbosity) make way for those of the configuration. What
/// else is different needs a restart: [`Reloaded::needs_restart`] and an event name the keys.
///
/// ```no_run
/// let started = spanlake::init_from_file("spanlake.yaml")?;
/// let reloader = started.reloader.clone();
/// // … whenever somebody asks for it …
/// if let Err(error) = reloader.reload() {
///     eprintln!("the configuration before holds: {}", error.chain());
/// }
/// # Ok::<(), spanlake::Error>(())
/// ```
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
    /// What the program was started with, and goes on with where that cannot change.
    started: Config,
    now: Mutex<Now>,
}

/// What holds.
#[derive(Debug)]
struct Now {
    settings: Settings,
    /// Whether the sinks are those of the settings for sure: a change that took too long may be made all the same.
    is_certain: bool,
    changes: u64,
    last_error: Option<String>,
}

// === impl Reloader ===

impl Reloader {
    pub(super) fn new(capture: CaptureHandle, keeper: Keeper, started: Config) -> Result<Self, Error> {
        let settings = started.settings().clone();
        let on_hangup = settings.reload.on.contains(&ReloadSignal::Hangup);
        let now = Now { settings, is_certain: true, changes: 0, last_error: None };
        let reloader = Self(Arc::new(Shared { capture, keeper, started, now: Mutex::new(now) }));
        if on_hangup {
            signals::listen(reloader.clone())?;
        }
        Ok(reloader)
    }

    /// Reads the file that the program was started with again, and the environment if that was asked then, and puts what they
    /// say in place.
    pub fn reload(&self) -> Result<Reloaded, Error> {
        self.change(|| Ok(self.0.started.read_again()?))
    }

    /// Puts this configuration in place, which was read in another way.
    pub fn apply(&self, config: Config) -> Result<Reloaded, Error> {
        self.change(|| Ok(config))
    }

    /// How often the configuration was changed.
    pub fn changes(&self) -> u64 {
        self.now().changes
    }

    /// Why the last change was refused, if it was, with all causes.
    pub fn last_error(&self) -> Option<String> {
        self.now().last_error.clone()
    }

    /// One change at a time.
    fn change(&self, read: impl FnOnce() -> Result<Config, Error>) -> Result<Reloaded, Error> {
        let mut now = self.now();
        let changed = read().and_then(|config| self.0.put(&mut now, &config));
        now.last_error = changed.as_ref().err().map(Error::chain);
        now.changes += u64::from(changed.is_ok());
        let changes = now.changes;
        drop(now);
        tell(&changed, changes);
        changed
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says among the records what came of a change.
fn tell(changed: &Result<Reloaded, Error>, changes: u64) {
    match changed {
        Ok(reloaded) if reloaded.needs_restart.is_empty() => tracing::info!(changes, "the configuration was changed"),
        Ok(reloaded) => {
            let needs_restart = reloaded.needs_restart.join(", ");
            tracing::warn!(changes, needs_restart, "the configuration was changed, but for what needs a restart");
        }
        Err(error) => {
            tracing::warn!(error = error.chain(), "the configuration was not changed: the one before holds");
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Everything that can be wrong is found before anything changes.
    fn put(&self, now: &mut Now, config: &Config) -> Result<Reloaded, Error> {
        available::check(config)?;
        let needs_restart = differing(&self.started, config);
        let settings = changed(self.started.settings(), config.settings());
        let kept = if now.is_certain { kept(&now.settings, &settings, &self.keeper) } else { Vec::new() };
        let levels = directives(&settings)?;
        let plan = plan(&settings, &self.keeper, &kept)?;
        let swapped = self.swap(plan, levels, &settings);
        now.is_certain = swapped.is_ok();
        let closed = swapped?;
        now.settings = settings;
        Ok(Reloaded { needs_restart, closed })
    }

    /// Levels are asked where a record is made and plans where it comes out of the queue. What is recorded while one plan
    /// takes over from the other is what both want.
    fn swap(&self, plan: Plan, levels: Directives, settings: &Settings) -> Result<Vec<SinkReport>, Error> {
        let verbosity = self.capture.verbosity();
        let before = verbosity.get().directives;
        let is_same = before == levels;
        if !is_same {
            verbosity.set(lesser(&before, &levels));
        }
        let swapped = self.capture.reconfigure(plan, settings.shutdown.timeout);
        if !is_same {
            verbosity.set(if swapped.is_ok() { levels } else { before });
        }
        swapped
    }
}

/// The new settings as far as they can change, else the old ones.
fn changed(old: &Settings, new: &Settings) -> Settings {
    let mut settings = old.clone();
    settings.levels = new.levels.clone();
    settings.verbosity = new.verbosity.clone();
    settings.processors = new.processors.clone();
    settings.loggers = new.loggers.clone();
    settings.pipelines = new.pipelines.clone();
    settings.sinks = new.sinks.clone();
    settings.flight_recorder = new.flight_recorder.clone();
    settings.fold_repeats = new.fold_repeats.clone();
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

#[cfg(unix)]
mod signals {
    use signal_hook::consts::SIGHUP;
    use signal_hook::iterator::Signals;
    use spanlake_core::{Category, Error, Stage};

    use super::Reloader;

    /// Starts the thread that reloads at SIGHUP.
    pub(super) fn listen(reloader: Reloader) -> Result<(), Error> {
        let mut signals = Signals::new([SIGHUP]).map_err(failed)?;
        let wait = move || {
            for _ in signals.forever() {
                // Told by an event, and kept for whoever asks.
                let _ = reloader.reload();
            }
        };
        std::thread::Builder::new().name("spanlake-reload".to_owned()).spawn(wait).map(drop).map_err(failed)
    }

    fn failed(error: std::io::Error) -> Error {
        let why = "cannot wait for signals";
        Error::new(Stage::Factory, "Reloader", Category::Io, why).caused_by(error)
    }
}

#[cfg(not(unix))]
mod signals {
    use spanlake_core::Error;

    use super::Reloader;

    /// A file that asks for signals was refused.
    pub(super) fn listen(_: Reloader) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What [`changed`] takes from the new settings; `publish` is refused in this version.
    const WHILE_IT_RUNS: [&str; 9] = [
        "levels",
        "verbosity",
        "processors",
        "loggers",
        "pipelines",
        "sinks",
        "flight_recorder",
        "fold_repeats",
        "publish",
    ];

    #[test]
    fn each_key_of_a_file_changes_now_or_is_told_to_need_a_restart() {
        let schema =
            serde_json::from_str::<serde_json::Value>(&spanlake_config::json_schema::<spanlake_config::Settings>())
                .expect("JSON");
        let keys = schema["properties"].as_object().expect("keys").keys().map(String::as_str);
        assert_eq!(keys.collect::<BTreeSet<_>>(), AT_START.into_iter().chain(WHILE_IT_RUNS).collect());
    }
}
