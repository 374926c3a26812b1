//! Verbosity control: which services are to be more or less verbose, until when, and in which version.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanlake_core::clock::utc_now_ns;
use spanlake_core::disk::{Access, Disk};
use spanlake_core::sync::{Arc, Mutex, lock};
use spanlake_core::{Category, Directives, Error, Stage};
use spanlake_wire::asked::{Asked, Timed};
use spanlake_wire::exchange::Verbosity;
use tokio::sync::watch;

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
    /// The newest version, for who passes it on.
    changes: watch::Sender<u64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    version: u64,
    services: BTreeMap<String, Asked>,
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
        let changes = watch::Sender::new(state.version);
        Ok(Self { folder, disk, state: Mutex::new(state), changes })
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
        Some(state.services.get(service)?.left(now_ms()))
    }

    /// The services that anything is asked of now.
    pub fn services(&self) -> Vec<String> {
        let (state, now_ms) = (lock(&self.state), now_ms());
        state.services.iter().filter(|(_, asked)| asked.is_on(now_ms)).map(|(service, _)| service.clone()).collect()
    }

    /// Everything that was asked for or taken back behind this version.
    #[cfg(feature = "nats")]
    pub(crate) fn since(&self, version: u64) -> Vec<(String, Asked)> {
        let state = lock(&self.state);
        let newer = state.services.iter().filter(|(_, asked)| asked.version > version);
        newer.map(|(service, asked)| (service.clone(), asked.clone())).collect()
    }

    /// Tells the newest version whenever there is one.
    #[cfg(feature = "nats")]
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
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
        self.changes.send_replace(state.version);
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

fn now_ms() -> i64 {
    utc_now_ns() / 1_000_000
}

fn failed(message: &str) -> Error {
    Error::new(Stage::Handler, "Control", Category::Validation, message)
}
