//! A record as the columns of the lake's JSON.

use spanlake_core::Record;
use spanlake_core::render::JsonLines;
#[cfg(any(feature = "redis", feature = "mongodb"))]
use {
    serde_json::{Map, Value},
    spanlake_core::{Category, Error, Stage},
};

/// Makes columns, one record after the other.
#[derive(Debug, Default)]
pub(super) struct Columns {
    renderer: JsonLines,
    line: Vec<u8>,
}

impl Columns {
    /// The line of a record, as the lake has it, without the line's end.
    pub(super) fn line(&mut self, record: &Record<'_>) -> &[u8] {
        self.line.clear();
        self.renderer.put(&mut self.line, record);
        self.line.trim_ascii_end()
    }

    /// The columns of a record that have a value.
    #[cfg(any(feature = "redis", feature = "mongodb"))]
    pub(super) fn of(&mut self, record: &Record<'_>) -> Result<Map<String, Value>, Error> {
        let columns: Map<String, Value> = serde_json::from_slice(self.line(record)).map_err(|error| {
            let unread = Error::new(Stage::Handler, "Columns", Category::Formatting, "a record makes no JSON");
            unread.caused_by(error)
        })?;
        Ok(columns.into_iter().filter(|(_, value)| !value.is_null()).collect())
    }
}
