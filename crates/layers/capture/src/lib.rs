//! `CaptureLayer`: keeps what a program says through `tracing` as keyed records, in memory or on the way to sinks.
//!
//! # What
//!
//! [`CaptureLayer::new`] keeps records in a bounded buffer until [`DrainHandle`] takes them out. With
//! [`CaptureLayer::builder`] a background thread, the pump, takes them to sinks and a [`Guard`] ends it well. The layer
//! works on a plain `Registry`, alone or with any other layers, in any order.
//!
//! # Flow
//!
//! The calling thread visits the fields once, encodes one frame into its own shard of the buffer, and returns. It
//! formats nothing but `Debug` values, writes no JSON and waits for nobody, unless [`Policy::Block`] tells it to.
//!
//! # What can be lost
//!
//! What a full buffer drops by its [`Policy`], what is recorded after the shutdown, what is logged by the `Debug` of a
//! value while it is being recorded, and, as the buffer is memory, what was not drained yet when the process is
//! killed or aborts. All but the last is counted by cause and level in the [`Report`], and stated in the stream. The
//! [`Guard`] looks after a `main` that returns or unwinds; `exit`, panics that abort, SIGTERM and SIGINT are looked
//! after when the builder is told to.
//!
//! # Example
//!
//! ```
//! use spanlake_capture::CaptureLayer;
//! use tracing_subscriber::prelude::*;
//!
//! let capture = CaptureLayer::new();
//! let drain = capture.drain_handle();
//! let subscriber = tracing_subscriber::registry().with(capture);
//! tracing::subscriber::with_default(subscriber, || {
//!     let _load = tracing::info_span!("load", table = "orders").entered();
//!     tracing::info!(rows = 500, "wrote batch");
//! });
//!
//! let records = drain.drain_records();
//! let keys: Vec<String> = records.iter().filter_map(|record| Some(record.key.as_ref()?.to_string())).collect();
//! let root = keys[0].strip_prefix("0@").expect("a begin is record 0");
//! assert_eq!(keys, [format!("0@{root}"), format!("1@{root}"), format!("2@{root}")]);
//! ```

mod builder;
mod drain;
mod layer;
mod handle;
mod guard;
mod ends;

pub use builder::{CaptureLayerBuilder, DEFAULT_LEVEL, DEFAULT_SHUTDOWN_TIMEOUT};
pub use drain::DrainHandle;
pub use guard::Guard;
pub use handle::CaptureHandle;
pub use layer::CaptureLayer;
pub use spanlake_core::{Policy, Report};
