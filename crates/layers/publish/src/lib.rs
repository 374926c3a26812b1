//! `PublishLayer`: sends what a program says through `tracing` to a collector, as keyed records.
//!
//! # What
//!
//! [`PublishLayer::builder`] takes a [`Transport`] and gives a layer and a [`Guard`]. The layer records as a capture layer
//! does; a thread of its own sends what was recorded, in batches by size and age, and keeps it until the other side says
//! that it has it.
//!
//! # Flow
//!
//! The calling thread encodes a record once into its shard of a bounded buffer. The publisher's thread drains the buffer, gives each
//! segment a number and hands the bytes to the transport. While that fails, it pauses, longer each time, and drains nothing: records
//! wait where they are, and the buffer's policy decides what happens when it is full. What was sent before and may have
//! arrived has the same number when it is sent again, so that the receiver stores it once.
//!
//! # What can be lost
//!
//! What a full buffer drops by its [`Policy`], what is recorded after the shutdown, what the other side says it can make
//! nothing of, and, without a spool, what was not acknowledged when the process ends. All but the last is counted by cause and
//! level in the [`Report`], and stated in the stream. With a [spool](PublishLayerBuilder::spool) a kill loses nothing: the next start
//! sends what is left.
//!
//! # Features
//!
//! Each brings a transport, of which `docs/publish.md` tells what it can lose: `http` (default) `HttpTransport`, the collector's own
//! endpoint; `nats` `NatsTransport`, JetStream; `otlp` `OtlpTransport`, by HTTP, and with `otlp-grpc`
//! by gRPC; `zeromq` `ZmqTransport`, which pushes, and `ZmqPublisher`.
//!
//! # Example
//!
//! ```no_run
//! use spanlake_publish::{HttpTransport, PublishLayer};
//! use tracing_subscriber::prelude::*;
//!
//! let transport = HttpTransport::new("http://127.0.0.1:4600").build()?;
//! let (publish, guard) = PublishLayer::builder(transport).service("orders").spool("lake/.publish").build()?;
//! tracing_subscriber::registry().with(publish).init();
//! // … the program's work …
//! let report = guard.shutdown(std::time::Duration::from_secs(5))?;
//! println!("{report}");
//! # Ok::<(), spanlake_core::Error>(())
//! ```

#![warn(missing_docs)]

mod builder;
mod layer;
mod handle;
mod guard;
mod desk;
mod publisher;
mod outbox;
mod orphans;
mod pace;
mod remote;
pub mod transport;

pub use builder::{
    DEFAULT_BATCH_BYTES, DEFAULT_LEVEL, DEFAULT_POLL_EVERY, DEFAULT_SEND_EVERY, DEFAULT_SHUTDOWN_TIMEOUT,
    LIGHT_RECORDS, PublishLayerBuilder,
};
pub use guard::Guard;
pub use handle::PublishHandle;
pub use layer::PublishLayer;
pub use spanlake_core::{Policy, Report};
#[cfg(feature = "http")]
pub use transport::HttpTransport;
#[cfg(feature = "nats")]
pub use transport::NatsTransport;
pub use transport::{Delivered, Parcel, Transport, Undelivered};
#[cfg(feature = "otlp")]
pub use transport::{OtlpTransport, Signals};
#[cfg(feature = "zeromq")]
pub use transport::{ZmqPublisher, ZmqTransport};
