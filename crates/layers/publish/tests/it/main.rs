//! Publishing, to a receiver that a test holds in its hand, and by every transport to a real one.

#[cfg(all(feature = "http", feature = "nats", feature = "otlp-grpc", feature = "zeromq"))]
mod conformance;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "otlp-grpc")]
mod otlp_grpc;
mod publish;
mod receiver;
#[cfg(feature = "zeromq")]
mod zeromq;
