#![doc = include_str!("../README.md")]

mod stack;
mod init;
pub mod observe;
#[cfg(feature = "config")]
mod from_file;

pub use init::{Builder, DEFAULT_CONSOLE_LEVEL, DEFAULT_FILE_LEVEL, DEFAULT_LAKE, builder, init};

#[cfg(feature = "config")]
pub use from_file::{Reloaded, Reloader, Started, init_from, init_from_file};

pub use spanlake_capture::{CaptureHandle, CaptureLayer, CaptureLayerBuilder, DrainHandle, Guard};
#[cfg(feature = "config")]
pub use spanlake_config as config;
pub use spanlake_core as core;
pub use spanlake_core::processors;
pub use spanlake_core::{
    Cause, Directive, Directives, Error, FlightRecorder, FoldRepeats, Kind, Logger, Losses, Outcome, OwnedRecord, Pipe,
    Pipeline, Plan, Policy, Processor, Propagate, Record, RecordKey, Redaction, Report, Routing, Secret, Sink, TaskKey,
};
#[cfg(feature = "etl")]
pub use spanlake_etl as etl;
pub use spanlake_lake as lake;
pub use spanlake_lake::Limits;
#[cfg(feature = "publish")]
pub use spanlake_publish as publish;
pub use spanlake_scope as scope;
pub use spanlake_scope::{Carrier, Caught, Inherit, ScopeLayer, Task, Timed, Verbosity, observe_async, site, timed};

/// What a program needs in scope.
pub mod prelude {
    pub use spanlake_capture::{CaptureLayer, Guard};
    pub use spanlake_core::{FlightRecorder, FoldRepeats, LevelFilter, Policy, Redaction, Report, TaskKey};
    #[cfg(feature = "etl")]
    pub use spanlake_etl::{EtlLayer, Job, Run};
    #[cfg(feature = "parquet")]
    pub use spanlake_lake::ParquetSink;
    pub use spanlake_lake::{JsonlSink, Keeper, Limits, StreamSink, SystemLogSink};
    #[cfg(feature = "publish")]
    pub use spanlake_publish::{HttpTransport, PublishLayer};
    pub use spanlake_scope::{
        Carrier, CommandExt, FutureExt, Inherit, ScopeExt, ScopeLayer, Task, in_task, spawn_thread, timed,
    };
    #[cfg(feature = "tokio")]
    pub use spanlake_scope::{JoinSetExt, spawn_task};
    pub use std::time::Duration;
    pub use tracing_subscriber::prelude::*;
}
