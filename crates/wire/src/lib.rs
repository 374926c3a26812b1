//! What publishers and collectors say to each other, and the formats of other systems that both speak.
//!
//! # What
//!
//! [`batch`] is the body of spanlake's own endpoint: numbered segments, compressed. [`exchange`] has what goes beside it: the
//! names of the headers, and what the collector replies. Both sides use the same code, so that one cannot write what the
//! other does not read.
//!
//! # What can be lost
//!
//! Nothing here: bytes that are none of these formats are an error, and reading never takes more memory than it was allowed.

#![warn(missing_docs)]

pub mod batch;
pub mod exchange;
pub mod refusal;
pub mod level;
pub mod foreign;
mod marks;
mod json;
pub mod scoped;
mod cbor;
pub mod notification;
#[cfg(feature = "otlp")]
pub mod otlp;

pub use foreign::{ForeignRecord, ForeignTask, segments};
pub use refusal::Refusal;
