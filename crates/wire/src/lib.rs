//! What publishers and collectors say to each other, and the formats of other systems that both speak.
//!
//! # What
//!
//! Between spanlake's own: [`batch`] is the body of a request, numbered segments, compressed; [`exchange`] has what goes beside
//! it, the names of the headers, the head of a message over ZeroMQ, and what the collector replies; [`asked`] what is asked of services, and [`subject`] where both lie in NATS.
//!
//! Between spanlake and others: [`scoped`] is JSON over ZeroMQ with the key of a task, as Python programs send it;
//! [`notification`] is CBOR by level, for who subscribes; `otlp` is what OpenTelemetry's SDKs and collectors speak.
//!
//! Both sides use the same code, so that one cannot write what the other does not read. The bytes are in `docs/wire.md`.
//!
//! # Flow
//!
//! To write, a format takes a [`Record`](spanlake_core::Record). Read, a message is a [`ForeignRecord`] or a [`Refusal`], and
//! [`segments`] lays records down as segments, which is what everything else in spanlake takes. In formats there are no sockets and
//! no clock: when a message came is an argument.
//!
//! # What can be lost
//!
//! What is refused, each by a reason to count it under; reading never takes more memory than it was allowed. Where a format
//! cannot say something, `docs/wire.md` tells what.
//!
//! # Features
//!
//! `otlp`: the module of that name, which brings `opentelemetry-proto` and `prost`.
//!
//! `client`: the module of that name, which posts, and brings `ureq` and the feature `tls`.
//!
//! `nats`: the module of that name, which connects, and brings `async-nats` and the feature `tls`.
//!
//! `tls`: the module of that name, which reads certificates, and brings `rustls`.

#![warn(missing_docs)]

pub mod batch;
pub mod exchange;
pub mod asked;
pub mod subject;
pub mod refusal;
pub mod level;
pub mod foreign;
mod marks;
mod json;
pub mod scoped;
mod cbor;
pub mod notification;
pub mod zmtp;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "nats")]
pub mod nats;

pub use foreign::{ForeignRecord, ForeignTask, segments};
pub use refusal::Refusal;
