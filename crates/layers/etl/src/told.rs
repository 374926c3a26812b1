//! What is told of a run: the fields of spans and events that begin with `etl.`, and what handles set.

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde_json::Value as Json;
use smallvec::SmallVec;
use spanlake_lake::runs::json_array;
use tracing_core::field::{Field, Visit};
use tracing_core::{Metadata, field};

/// What the fields that are told to runs begin with.
const PREFIX: &str = "etl.";

/// Longest text that is kept, in bytes; what is cut off is marked.
pub const MAX_TEXT_BYTES: usize = 64 << 10;

/// A value that is told of a run, for [`Run::set`](crate::Run::set): a text, a number, a truth, or a list of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Told(pub(crate) Value);

/// What was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Integer(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    /// An empty list, of which there is nothing to tell.
    Nothing,
}

/// Gathers the fields that are told to runs. Whatever they format is formatted here, before anything is locked.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    pub(crate) fields: Fields,
}

/// Names behind `etl.`, and their values.
pub(crate) type Fields = SmallVec<[(&'static str, Value); 4]>;

/// Whether a span or an event has any such field.
#[inline]
pub(crate) fn has_any(metadata: &Metadata<'_>) -> bool {
    metadata.fields().iter().any(|field| field.name().starts_with(PREFIX))
}

/// Whether a span declares this field, set or not.
pub(crate) fn declares(metadata: &Metadata<'_>, name: &str) -> bool {
    metadata.fields().iter().any(|field| field.name().strip_prefix(PREFIX) == Some(name))
}

// === impl Value ===

impl Value {
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Float(number) => Cow::Owned(number.to_string()),
            Self::Bool(value) => Cow::Owned(value.to_string()),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Nothing => Cow::Borrowed(""),
        }
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
            Self::Float(_) | Self::Bool(_) | Self::Nothing => None,
            Self::Text(text) => text.trim().parse().ok(),
        }
    }

    /// A number of things, of which there are no less than none.
    pub(crate) fn count(&self) -> Option<i64> {
        self.integer().filter(|number| *number >= 0)
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Integer(_) | Self::Float(_) | Self::Nothing => None,
        }
    }

    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Integer(number) => Json::from(*number),
            Self::Float(number) => Json::from(*number),
            Self::Bool(value) => Json::from(*value),
            Self::Text(text) => Json::from(text.as_str()),
            Self::Nothing => Json::Null,
        }
    }
}

// === impl Telling ===

impl Telling {
    /// Takes the value of a field out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.fields.iter().position(|(field, _)| *field == name)?;
        Some(self.fields.remove(at).1)
    }

    fn put(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        if let Some(name) = field.name().strip_prefix(PREFIX) {
            self.fields.push((name, value()));
        }
    }
}

impl Visit for Telling {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, || Value::Integer(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, || wide(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, || wide(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, || wide(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, || Value::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, || Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, || Value::Text(cut(value)));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &field::display(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, || Value::Text(formatted(value)));
    }
}

/// A number that is larger than any counter stays the largest.
fn wide<N: TryInto<i64> + PartialOrd + Default>(number: N) -> Value {
    let end = if number < N::default() { i64::MIN } else { i64::MAX };
    Value::Integer(number.try_into().unwrap_or(end))
}

/// Stops formatting at the bound.
fn formatted(value: &dyn fmt::Debug) -> String {
    let mut text = Bounded(String::new());
    // A `Debug` that fails leaves what it has written.
    let _ = write!(text, "{value:?}");
    cut(&text.0)
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() > MAX_TEXT_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text.get(..text.floor_char_boundary_at(MAX_TEXT_BYTES + 1)).unwrap_or_default());
        Ok(())
    }
}

/// The text, or its beginning and a mark that says so.
pub(crate) fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary_at(MAX_TEXT_BYTES)])
}

/// What the standard library has in newer versions than these crates ask for.
trait CharBoundary {
    fn floor_char_boundary_at(&self, at: usize) -> usize;
}

impl CharBoundary for str {
    fn floor_char_boundary_at(&self, at: usize) -> usize {
        (0..=at.min(self.len())).rev().find(|at| self.is_char_boundary(*at)).unwrap_or(0)
    }
}

// === impl Told ===

impl From<&str> for Told {
    fn from(text: &str) -> Self {
        Self(Value::Text(cut(text)))
    }
}

impl From<String> for Told {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Told {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<bool> for Told {
    fn from(value: bool) -> Self {
        Self(Value::Bool(value))
    }
}

impl From<f64> for Told {
    fn from(number: f64) -> Self {
        Self(Value::Float(number))
    }
}

macro_rules! from_integers {
    ($($type:ty),*) => {
        $(impl From<$type> for Told {
            fn from(number: $type) -> Self {
                Self(wide(number))
            }
        })*
    };
}

from_integers!(i32, i64, u32, u64, usize);

/// A JSON array.
impl<T: AsRef<str>, const N: usize> From<[T; N]> for Told {
    fn from(texts: [T; N]) -> Self {
        Self::from(&texts[..])
    }
}

/// A JSON array; nothing for an empty list.
impl<T: AsRef<str>> From<&[T]> for Told {
    fn from(texts: &[T]) -> Self {
        if texts.is_empty() { Self(Value::Nothing) } else { Self::from(json_array(texts)) }
    }
}

/// A JSON array.
impl<T: AsRef<str>> From<Vec<T>> for Told {
    fn from(texts: Vec<T>) -> Self {
        Self::from(&texts[..])
    }
}
