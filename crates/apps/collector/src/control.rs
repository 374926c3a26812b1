//! Verbosity control: which services are to be more or less verbose, until when, and in which version.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanlake_core::clock::utc_now_ns;
use spanlake_core::disk::{Access, Disk};
use spanlake_core::sync::{Arc, Mutex, lock};
use spanlake_core::{Category, Directive, Directives, Error, Stage};
use spanlake_wire::exchange::Verbosity;

/// The name of the file in which it is kept.
const FILE: &str = "control.json";

const DRAFT: &str = "control.json.new";

/// Most services that anything is said about, so that nobody fills the disk with names.
pub const MAX_SERVICES: usize = 10_000;

/// What was asked for, durable before it is in force.
#[derive(Debug)]
pub struct Control {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    version: u64,
    services: BTreeMap<String, Asked>,
}

/// What is asked of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Asked {
    version: u64,
    directives: Vec<Timed>,
}

/// A directive without its time, and when it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Timed {
    directive: String,
    /// UTC milliseconds since the Unix epoch.
    until_ms: Option<i64>,
}

impl Control {
    /// What was asked for before this process began, kept in this folder. Fails when it cannot be read: levels that somebody asked
    /// for are not forgotten in silence.
    pub fn open(folder: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> Result<Self, Error> {
        let folder = folder.into();
        let path = folder.join(FILE);
        let state = match disk.read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| failed("cannot read what levels were asked for").caused_by(error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(Error::io("Control", "cannot read what levels were asked for", error)),
        };
        Ok(Self { folder, disk, state: Mutex::new(state) })
    }

    /// Asks a service for these directives in place of all before. Those that name no time end after `lasts`, if there is
    /// one. Gives the version; what is asked for already has the version that it had.
    pub fn set(&self, service: &str, directives: Directives, lasts: Option<Duration>) -> Result<u64, Error> {
        let directives = directives.iter().map(|directive| Timed::new(directive, lasts, now_ms())).collect();
        self.change(service, directives)
    }

    /// Asks a service for nothing any more.
    pub fn clear(&self, service: &str) -> Result<u64, Error> {
        self.change(service, Vec::new())
    }

    /// What is asked of a service now, with the times that are left; `None` where nobody ever asked for anything.
    pub fn of(&self, service: &str) -> Option<Verbosity> {
        let state = lock(&self.state);
        let asked = state.services.get(service)?;
        let now_ms = now_ms();
        let left = asked.directives.iter().filter_map(|timed| timed.left(now_ms));
        Some(Verbosity::new(asked.version, left.collect::<Directives>().to_string()))
    }

    /// The services that anything is asked of now.
    pub fn services(&self) -> Vec<String> {
        let (state, now_ms) = (lock(&self.state), now_ms());
        let is_asked = |asked: &Asked| asked.directives.iter().any(|timed| timed.left(now_ms).is_some());
        state.services.iter().filter(|(_, asked)| is_asked(asked)).map(|(service, _)| service.clone()).collect()
    }

    fn change(&self, service: &str, directives: Vec<Timed>) -> Result<u64, Error> {
        let mut state = lock(&self.state);
        let before = state.services.get(service);
        if let Some(before) = before.filter(|before| before.directives == directives) {
            return Ok(before.version);
        }
        if before.is_none() && state.services.len() >= MAX_SERVICES {
            return Err(failed("too many services are asked for levels").with("most", MAX_SERVICES));
        }
        let mut next = state.clone();
        // By the clock, so that a number does not come again when the file is gone.
        next.version = u64::try_from(now_ms()).unwrap_or(0).max(state.version + 1);
        next.services.insert(service.to_owned(), Asked { version: next.version, directives });
        self.write(&next).map_err(|error| Error::io("Control", "cannot keep what levels were asked for", error))?;
        *state = next;
        Ok(state.version)
    }

    fn write(&self, state: &State) -> std::io::Result<()> {
        let draft = self.folder.join(DRAFT);
        if self.disk.exists(&draft)? {
            self.disk.remove(&draft)?;
        }
        let mut file = self.disk.create(&draft, Access::Private)?;
        file.write_all(&serde_json::to_vec(state)?)?;
        file.sync()?;
        self.disk.rename(&draft, &self.folder.join(FILE))?;
        self.disk.sync_folder(&self.folder)
    }
}

impl Timed {
    fn new(directive: &Directive, lasts: Option<Duration>, now_ms: i64) -> Self {
        let lasts = directive.lasts().or(lasts);
        let until = |lasts: Duration| now_ms.saturating_add(i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX));
        Self { directive: directive.clone().staying().to_string(), until_ms: lasts.map(until) }
    }

    /// The directive with the time that is left of it; `None` when it is over.
    fn left(&self, now_ms: i64) -> Option<Directive> {
        let directive: Directive = self.directive.parse().ok()?;
        let Some(until_ms) = self.until_ms else {
            return Some(directive);
        };
        let left = u64::try_from(until_ms.saturating_sub(now_ms)).ok().filter(|left| *left > 0)?;
        Some(directive.lasting(Duration::from_millis(left)))
    }
}

fn now_ms() -> i64 {
    utc_now_ns() / 1_000_000
}

fn failed(message: &str) -> Error {
    Error::new(Stage::Handler, "Control", Category::Validation, message)
}
