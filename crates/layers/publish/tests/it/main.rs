//! Publishing, to a receiver that a test holds in its hand, and by every transport to a real one.

#[cfg(all(feature = "http", feature = "nats", feature = "otlp", feature = "zeromq"))]
mod conformance;
#[cfg(feature = "otlp")]
mod otlp;
mod publish;
mod receiver;
