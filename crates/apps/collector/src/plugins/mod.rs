//! Plugins: where records end that a collector keeps. Each has its own thread, its own progress in the queue, and its own
//! troubles.

mod bucket;
#[cfg(any(feature = "redis", feature = "mongodb", feature = "nats"))]
mod columns;
mod crew;
#[cfg(feature = "forward")]
mod forward;
mod lake;
mod matching;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(any(feature = "forward", feature = "otlp"))]
mod pause;
mod portion;
#[cfg(feature = "nats")]
mod pubsub_nats;
#[cfg(feature = "pubsub-zeromq")]
mod pubsub_zeromq;
#[cfg(feature = "redis")]
mod redis;
mod dead;
mod runner;
mod sink;

#[cfg(feature = "mongodb")]
pub use self::mongodb::{Acknowledged, MongoPlugin};
#[cfg(feature = "redis")]
pub use self::redis::{Fields, MAX_LEN, RedisPlugin};
pub use bucket::{BucketPlugin, Formats};
pub(crate) use crew::{Asked, Crew};
pub(crate) use dead::Dead;
pub use dead::MAX_DEAD;
#[cfg(feature = "forward")]
pub use forward::ForwardPlugin;
pub use lake::LakePlugin;
pub use matching::Match;
#[cfg(feature = "otlp")]
pub use otlp::{OtlpPlugin, Signals};
pub(crate) use portion::Selection;
pub use portion::{Given, Place, Portion};
#[cfg(feature = "nats")]
pub use pubsub_nats::{Form, NatsPlugin};
#[cfg(feature = "pubsub-zeromq")]
pub use pubsub_zeromq::{Notation, ZeromqPlugin};
pub use runner::PluginReport;
pub(crate) use runner::{Runner, Steering};
pub use sink::SinkPlugin;

use spanlake_core::{Category, Error, Stage};

/// A place where records end. It lives on a thread of its own and may block there.
///
/// A portion is all or nothing: after an error it is written again, with growing pauses. Whatever was written behind the last flush may
/// be written again after a crash, unless [`resume`](Self::resume) takes it back, or whoever it goes to knows it by its
/// [`Place`].
pub trait Plugin: Send {
    /// Writes a portion, all of it or nothing.
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error>;

    /// How a portion is cut that it refuses for good, so that only what it really does not take goes to the dead letters. The pieces
    /// come in the order of the queue, and each once more although parts of it may be there from the tries before.
    fn pieces(&self) -> Pieces {
        Pieces::Entries
    }

    /// Makes everything written so far durable.
    fn flush(&mut self) -> Result<(), Error>;

    /// Asks whether it could write. Called with every canary that is not meant for it, where nothing else is to be written, so that
    /// health tells of another side that is away also while nobody has anything for it.
    fn reach(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Called now and then, also when there is nothing to write, for limits of age.
    fn tick(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// What it must know after a crash to take back what it wrote behind this flush. It is kept with its progress, durably.
    fn note(&mut self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    /// Takes back what it wrote behind its last note that was kept; that is written again. Called once, before anything is
    /// written, with no bytes where there was no note.
    fn resume(&mut self, _note: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

/// What a portion that is refused may be cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pieces {
    /// Nothing: it is written or buried as a whole.
    Whole,
    /// Entries, each with all of its records: what tells repeats by the number of an entry.
    Entries,
    /// Records: what tells repeats by the place of each, or not at all.
    Records,
}

/// Fails where a plugin may not be called so: files are named after it.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_fit) {
        return Ok(());
    }
    let why = "names of plugins are of letters, digits, `-` and `_`";
    Err(Error::new(Stage::Configuration, "Plugin", Category::Validation, why).with("plugin", name))
}
