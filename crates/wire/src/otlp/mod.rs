//! OTLP: logs and traces as OpenTelemetry sends them, in protobuf.
//!
//! # Ours
//!
//! [`logs`] has every record as a log: events, begins, ends and losses. Its attributes are the context, the fields and marks
//! named `spanlake.…`, from which the same record is read again. [`traces`] has the tasks that ended as spans, for those who
//! look at traces.
//!
//! **No record is read twice.** Who sends both says so in the spans, and [`read_traces`] passes over these: logs are the whole
//! of it. Of spans that come alone begin and end are read ([`Beside`]).
//!
//! # Foreign
//!
//! A trace id is the UUID of a root task. A span is a child of that root, whose number follows from the span's id
//! ([`child_number`](crate::foreign::child_number)), because a log names its span and nothing above it; the span above is
//! kept as the foreign parent. Records of a span are numbered by their time.

mod bounds;
mod value;
mod write;
mod read;
mod spans;
pub mod grpc;

pub use bounds::Limits;
pub use opentelemetry_proto::tonic as proto;
pub use read::{from_logs, read_logs};
pub use spans::{from_traces, read_traces};
pub use write::{logs, traces};

/// What is sent beside spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// All records as logs: the spans repeat some of them, and are passed over when they are read.
    Logs,
    /// Nothing: begins and ends are read from the spans.
    Nothing,
}

/// Says that the records of a span come as logs too.
const LOGGED: &str = "spanlake.logged";
