//! Plugins that send records on: real servers, which go and come back, and collectors that forget what they had sent.

mod away;
mod bucket;
mod forward;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "nats")]
mod nats;
mod otlp;
#[cfg(feature = "redis")]
mod redis;
pub(crate) mod server;
mod zeromq;
