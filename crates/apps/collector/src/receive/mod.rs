//! Receivers of what other systems send: ZeroMQ, and OTLP beside the own endpoint.

mod foreign;
mod zmtp;
mod zeromq;

pub(crate) use foreign::accept;
pub use zeromq::{Pull, Subscribe};
pub(crate) use zeromq::{Receiving, reason};
