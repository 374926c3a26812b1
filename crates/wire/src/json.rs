//! JSON as values and named fields, in the order in which they stand. Texts are those of the input where nothing in them is escaped.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use spanlake_core::{Field, Value};

use crate::refusal::Refusal;

/// Deepest JSON that is read.
pub(crate) const MAX_DEPTH: usize = 32;

/// The names and values of an object; of what is `null` neither, because records have no form for it.
pub(crate) fn object(bytes: &[u8]) -> Result<Vec<Field<'_>>, Refusal> {
    let is_too_deep = Cell::new(false);
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = AnyValue(Depth { left: MAX_DEPTH, is_too_deep: &is_too_deep }).deserialize(&mut input);
    match value.and_then(|value| input.end().map(|()| value)) {
        Ok(Some(Value::Map(fields))) => Ok(fields),
        Ok(_) => Err(Refusal::Shape),
        Err(_) if is_too_deep.get() => Err(Refusal::TooDeep),
        Err(_) => Err(Refusal::Malformed),
    }
}

/// How many brackets may still be opened.
#[derive(Clone, Copy)]
struct Depth<'c> {
    left: usize,
    is_too_deep: &'c Cell<bool>,
}

impl Depth<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| {
            self.is_too_deep.set(true);
            E::custom("too deep")
        })?;
        Ok(Self { left, ..self })
    }
}

struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

struct AnyValue<'c>(Depth<'c>);

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = Option<Value<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = Option<Value<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::I64(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(i64::try_from(value).map_or(Value::U64(value), Value::I64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(Value::F64(value)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Value::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::Text(Cow::Owned(text.to_owned()))))
    }

    /// A `null` among others keeps its place, as a text.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let depth = self.0.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(AnyValue(depth))? {
            values.push(value.unwrap_or(Value::Text(Cow::Borrowed("null"))));
        }
        Ok(Some(Value::List(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let depth = self.0.deeper()?;
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry_seed(Text, AnyValue(depth))? {
            fields.extend(value.map(|value| Field { name, value }));
        }
        Ok(Some(Value::Map(fields)))
    }
}
