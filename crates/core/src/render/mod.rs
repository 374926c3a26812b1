//! Renderings of a record: JSON lines, text lines, owned columns. None of them is ever read back on the way of a
//! record; they are for files, people and tests.

pub mod escape;
mod json;
mod owned;
pub mod text;
pub mod time;

pub use json::{JsonLines, put_fields, put_json_text, put_record_fields, put_value};
pub use owned::OwnedRecord;
pub use text::{Lifecycle, TextLines};

pub(crate) use json::TaskJson;
