//! Values on their way through `tracing`, which has no names but those that stand in the program.

use std::error::Error;
use std::fmt;

use spanlake_core::render::dump::each_line;
use spanlake_core::value::{BodyWriter, Fields, Name};

use super::value::AsValue;

/// Values by name, as one field of an event.
///
/// `tracing` fixes the names of fields at compile time, and lets through as they are only errors: so this is one. A layer
/// of spanlake takes it apart by `downcast_ref`; to others its text is the values laid out in lines.
#[derive(Debug, Default)]
pub struct Values {
    body: BodyWriter,
}

/// Room for a handful of values.
const ROOM: usize = 256;

impl Values {
    pub(super) fn put(&mut self, name: &str, value: &(impl AsValue + ?Sized)) {
        if let Some(value) = value.as_value() {
            if self.body.is_empty() {
                self.body = BodyWriter::with_capacity(ROOM);
            }
            self.body.value(Name::Text(name), &value);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The fields, their names as texts.
    pub(crate) fn body(&self) -> &BodyWriter {
        &self.body
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        let fields = Fields::Encoded { names: &[], body: self.body.bytes() };
        each_line(&fields, |line| result = result.and_then(|()| write!(f, "\n{line}")));
        result
    }
}

impl Error for Values {}
