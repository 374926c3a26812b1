//! The core of spanlake: what a record is, how it is kept between the thread that makes it and the file it ends in.
//!
//! # What
//!
//! Record model and keys, the segment codec, the bounded buffer, the pump, and the traits [`Processor`] and [`Sink`].
//! Nothing here knows `tracing_subscriber`, Arrow or the network.
//!
//! # Flow
//!
//! A thread offers a record to its [`buffer::Shard`], which encodes it once into a [`segment`]. The [`pump`] drains
//! all shards, decodes the segments as borrowed [`Record`]s in time order, runs the processors and feeds the sinks.
//!
//! # What can be lost
//!
//! Records that a full buffer refuses or evicts, that are offered when nothing runs, or that a sink fails to take for
//! too long. Each is counted by [`Cause`] and level, and stated in the stream by a record of kind `loss`.

//! # Features
//!
//! `patterns`: redaction of what regular expressions find in texts, at the call and by [`processors::Redact`], which brings
//! the crate `regex`.

#![warn(missing_docs)]

pub mod error;
pub mod key;
pub mod clock;
pub mod sync;
pub mod disk;
pub mod value;
pub mod secret;
pub mod record;
pub mod observed;
pub mod loss;
pub mod directive;
pub mod segment;
pub mod redact;
pub mod guest;
pub mod spool;
pub mod buffer;
pub mod processor;
pub mod processors;
pub mod flight;
pub mod fold;
pub mod pump;
pub mod render;
pub mod sink;

pub use buffer::{Buffer, BufferOptions, Policy};
pub use directive::{Directive, Directives, Selector};
pub use error::{Category, Code, Error, Severity, Stage};
pub use flight::FlightRecorder;
pub use fold::FoldRepeats;
pub use key::{KeyError, RecordKey, TaskKey};
pub use loss::{Cause, Loss, Losses};
pub use processor::{Processor, Tally};
pub use pump::{Logger, Pipe, Pipeline, Plan, Propagate, Pump, PumpBuilder, Report, Routing, SinkReport, SinkState};
pub use record::{Callsite, Detail, End, Kind, Outcome, Record, Source, Task, TaskOf};
pub use redact::{Redacted, Redaction, Redactor};
pub use render::OwnedRecord;
pub use secret::Secret;
pub use sink::{Batch, Deleted, FileState, Recipe, Sink};
pub use tracing_core::{Level, LevelFilter};
pub use value::{Field, Fields, Value};
