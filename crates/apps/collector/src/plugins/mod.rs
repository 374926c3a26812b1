//! Plugins: where records end that a collector keeps. Each has its own thread, its own progress in the queue, and its own
//! troubles.

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "forward")]
mod forward;
mod lake;
mod matching;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "redis")]
mod redis;
mod runner;
mod sink;

#[cfg(feature = "redis")]
pub use self::redis::{DEFAULT_MAX_LEN, DEFAULT_STREAM, RedisPlugin};
#[cfg(feature = "forward")]
pub use forward::ForwardPlugin;
pub use lake::LakePlugin;
pub use matching::Match;
#[cfg(feature = "otlp")]
pub use otlp::OtlpPlugin;
pub use runner::{Dead, PluginReport};
pub(crate) use runner::{Runner, Steering};
pub use sink::SinkPlugin;

use spanlake_core::{Batch, Error};

/// A place where records end. It lives on a thread of its own and may block there.
///
/// A batch is all or nothing: after an error it is written again, with growing pauses. Whatever was written behind the last flush may
/// be written again after a crash, unless [`resume`](Self::resume) takes it back.
pub trait Plugin: Send {
    /// Writes a batch, all of it or nothing.
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error>;

    /// Makes everything written so far durable.
    fn flush(&mut self) -> Result<(), Error>;

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
