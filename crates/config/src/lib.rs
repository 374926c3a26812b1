//! One checked file for a program's spanlake.
//!
//! # What
//!
//! [`Config::from_file`] reads YAML, TOML or JSON, all to the same [`Settings`], and opens nothing. A file that is wrong
//! comes back as [`Diagnostics`]: everything that is wrong with it at once, each with its line and column, its key, what was
//! expected and what was probably meant. [`json_schema`] describes the file to editors. Where each value comes from, a
//! [`Config`] remembers.
//!
//! # Flow
//!
//! `read` makes nodes of a text, which know where they stand. `environment` puts variables in their place, when that was
//! asked for. `settings` are tables whose fields are keys: a `reader` goes through them and notes faults and values, and
//! `schema` makes the JSON Schema of the same description. `check` looks for combinations that make no sense.
//!
//! # What can be lost
//!
//! Nothing: a file is right as a whole, or it does nothing. A file of more than [`MAX_FILE_BYTES`], [`MAX_DEPTH`] or
//! [`MAX_VALUES`] is refused, so that none takes much time or memory.
//!
//! # Features
//!
//! - `patterns`: regular expressions that are none are refused. Whoever reads a file for a program that was built without
//!   them refuses their keys.
//!
//! # Example
//!
//! ```
//! use spanlake_config::{Config, Format};
//!
//! let text = "
//! service: orders
//! queue: { capacity: 16 MiB }
//! sinks:
//!   console: stderr
//!   lake: { kind: jsonl, level: DEBUG }
//! ";
//! let config = Config::from_text(text, Format::Yaml, "spanlake.yaml")?;
//! assert_eq!(config.settings().service.as_deref(), Some("orders"));
//! # Ok::<(), spanlake_config::Diagnostics>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod node;
mod source;
mod fault;
mod read;
mod environment;
mod shape;
mod reader;
mod units;
mod table;
mod setting;
pub mod settings;
pub mod made;
mod check;
mod hidden;
mod diagnostic;
mod config;
mod schema;

pub use check::ROOT;
pub use config::{CollectorConfig, Config, ConfigOf, Document, Effective};
pub use diagnostic::{Diagnostic, Diagnostics, Excerpt, MAX_DIAGNOSTICS};
pub use environment::PREFIX;
pub use read::{Format, MAX_DEPTH, MAX_FILE_BYTES, MAX_VALUES};
pub use schema::json_schema;
pub use setting::{Entries, Placed, Reserved, Scalar, Toggle};
pub use settings::Settings;
pub use source::Origin;
pub use units::Size;
