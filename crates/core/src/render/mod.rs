//! Renderings of a record: JSON lines, text lines, owned columns. None of them is ever read back on the way of a
//! record; they are for files, people and tests.
//!
//! | [`Renderer`] | for | lines a record |
//! |---|---|---|
//! | [`JsonLines`] | programs: the columns of the lake | 1 |
//! | [`StructlogLines`] | programs that read what structlog writes | 1 |
//! | [`Logfmt`] | programs and people | 1 |
//! | [`TextLines`] | people: the system log | 1, then causes |
//! | [`Plain`] | people: lines by a pattern | 1, then causes |
//! | [`Pretty`] | people at a terminal | 1, then causes |
//! | [`Tree`] | people at a terminal: tasks and what happened in them | 1, then causes |
//!
//! The values of an observed object ([`dump`]) follow as lines in the text for people; those for programs have them as fields.
//!
//! What can act on a terminal, reorder text or break a line is shown as an escape by all of them ([`escape`]). The end of a
//! task that asked to be quiet has no line in text. In the timed form of [`Lifecycle`] the end of a failed task has two.

mod renderer;
pub mod dump;
pub mod escape;
pub mod time;
mod json;
mod structlog;
mod owned;
mod words;
mod color;
mod look;
mod line;
mod pairs;
pub mod text;
mod plain;
mod logfmt;
mod pretty;
mod tree;

pub use color::Color;
pub use json::{JsonLines, put_fields, put_json_text, put_record_fields, put_value};
pub use logfmt::Logfmt;
pub use owned::OwnedRecord;
pub use pairs::Bound;
pub use plain::{DEFAULT_PATTERN, Plain};
pub use pretty::Pretty;
pub use renderer::Renderer;
pub use structlog::StructlogLines;
pub use text::TextLines;
pub use tree::Tree;
pub use words::Lifecycle;

pub(crate) use json::TaskJson;
