//! Receivers of what other systems send: ZeroMQ, JetStream, and OTLP beside the own endpoint.

mod foreign;
mod pushed;
#[doc(hidden)]
pub mod zmtp;
mod standing;
mod zeromq;
#[cfg(feature = "nats")]
pub(crate) mod jetstream;

pub(crate) use foreign::accept;
#[cfg(feature = "nats")]
pub use jetstream::JetStream;
pub use zeromq::{Pull, Subscribe};
pub(crate) use zeromq::{Receiving, reason};
