//! Where the events of the lineage go, and how they get there.

mod route;
mod outbox;
mod file;
#[cfg(feature = "lineage-http")]
mod endpoint;
#[cfg(feature = "lineage-http")]
mod sender;

pub use outbox::LINEAGE_BYTES;

pub(crate) use outbox::Outbox;

use std::path::{Path, PathBuf};

use spanlake_core::{Category, Error, Stage};
use spanlake_lake::runs::JobRow;
use spanlake_lake::runs::lineage::Destination;

#[cfg(feature = "lineage-http")]
use endpoint::Address;
use route::Route;

/// The namespace of jobs that have none: neither [`Lineage::namespace`] nor a workspace is set.
pub const DEFAULT_NAMESPACE: &str = "spanlake";

/// Where [OpenLineage](https://openlineage.io) events go: a file, or with the feature `lineage-http` an endpoint.
///
/// Each run has two of them: a START, and a COMPLETE, FAIL or ABORT. [`spanlake_lake::runs::lineage`] says what is in
/// them. Both go out also when the process is killed: the next start, or for a file `spanlake recover`, sends the
/// missing ones, ABORT for runs that were open. In a file every event is there once. An endpoint may get one again, with
/// the same run, type and time, when its answer did not come or was not noted yet.
///
/// ```
/// use spanlake_etl::{EtlLayer, Lineage};
///
/// # let folder = tempfile::tempdir()?;
/// # let lake = folder.path().join("lake");
/// # let events = folder.path().join("lineage.jsonl");
/// let lineage = Lineage::file(&events).namespace("warehouse");
/// let (_layer, job) = EtlLayer::builder(lake).lineage(lineage).build()?;
/// # job.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "no event goes anywhere until the builder has it"]
pub struct Lineage {
    to: To,
    namespace: Option<String>,
}

#[derive(Clone, Debug)]
enum To {
    File(PathBuf),
    #[cfg(feature = "lineage-http")]
    Endpoint(Address),
}

/// Lineage that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) destination: Destination,
    route: Box<dyn Route>,
}

impl Lineage {
    /// To this file, one event a line, behind what is in it. Any number of processes may share it. What cannot be written
    /// is tried again.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self { to: To::File(path.as_ref().to_owned()), namespace: None }
    }

    /// To this endpoint, `http://` or `https://`, by a POST for each event. Without a path it is `/api/v1/lineage`, as
    /// OpenLineage's own clients have it. A thread of its own sends, so that nothing else waits for an answer.
    ///
    /// An answer is waited for 10 seconds. When none comes, or a 408, a 429 or a 5xx, the event is sent again after a
    /// second, then after ever longer pauses up to a minute, or after what `Retry-After` says, a minute at most. Whatever
    /// is answered else and is no success makes the event lost, as a counter says. Redirects are not followed, and
    /// proxies of the environment not used.
    #[cfg(feature = "lineage-http")]
    pub fn http(url: impl Into<String>) -> Self {
        Self { to: To::Endpoint(Address::new(url.into())), namespace: None }
    }

    /// Adds a header to each request, whose value is never shown. A file has none.
    #[cfg(feature = "lineage-http")]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<spanlake_core::Secret<String>>) -> Self {
        if let To::Endpoint(address) = &mut self.to {
            address.header(name.into(), value.into());
        }
        self
    }

    /// Authorizes each request with this token: `Authorization: Bearer …`.
    #[cfg(feature = "lineage-http")]
    pub fn bearer(self, token: spanlake_core::Secret<String>) -> Self {
        self.header("authorization", format!("Bearer {}", token.expose()))
    }

    /// The namespace of the jobs; else the workspace, else [`DEFAULT_NAMESPACE`].
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Whether it leads somewhere; nothing is opened.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.to {
            To::File(_) => Ok(()),
            #[cfg(feature = "lineage-http")]
            To::Endpoint(address) => address.open().map(drop),
        }
    }

    pub(crate) fn open(self, job: &JobRow) -> Result<Open, Error> {
        let Self { to, namespace } = self;
        let namespace = namespace.or_else(|| job.workspace_id.clone()).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        if namespace.is_empty() {
            return Err(invalid("a namespace is not empty"));
        }
        let (place, route) = match to {
            To::File(path) => file::open(&path)?,
            #[cfg(feature = "lineage-http")]
            To::Endpoint(address) => sender::open(&address)?,
        };
        Ok(Open { destination: Destination { place, namespace }, route })
    }
}

fn invalid(why: &str) -> Error {
    Error::new(Stage::Configuration, "Lineage", Category::Validation, why)
}
