//! Looking into the JSON text that records keep fields and context as.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The text of the value under `name`: of a text its content, of anything else its JSON. `None` when `json` is no
/// object or has no such name; of a name that stands twice, the last value.
///
/// ```
/// use spanlake_query::fields;
///
/// assert_eq!(fields::find(r#"{"rows":500,"file":"a.csv"}"#, "rows").as_deref(), Some("500"));
/// assert_eq!(fields::find(r#"{"rows":500,"file":"a.csv"}"#, "file").as_deref(), Some("a.csv"));
/// ```
pub fn find<'a>(json: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let value = serde_json::Deserializer::from_str(json).deserialize_map(Find { name }).ok()??;
    Some(value_text(value))
}

/// All names and the texts of their values, in order. `None` when `json` is no object.
pub fn pairs(json: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    let pairs = serde_json::Deserializer::from_str(json).deserialize_map(Pairs).ok()?;
    Some(pairs.into_iter().map(|(name, value)| (name, value_text(value))).collect())
}

/// All names and the JSON of their values, in order. `None` when `json` is no object.
pub fn json_pairs(json: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let pairs = serde_json::Deserializer::from_str(json).deserialize_map(Pairs).ok()?;
    Some(pairs.into_iter().map(|(name, value)| (name, value.get())).collect())
}

/// A JSON string, borrowed where it has no escapes.
#[derive(Debug)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

struct Find<'n> {
    name: &'n str,
}

struct Pairs;

impl<'de> Visitor<'de> for Find<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Text(name)) = map.next_key()? {
            if name == self.name {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            pairs.push((name, value));
        }
        Ok(pairs)
    }
}

fn value_text(value: &RawValue) -> Cow<'_, str> {
    let json = value.get();
    if !json.starts_with('"') {
        return Cow::Borrowed(json);
    }
    serde_json::from_str(json).map_or(Cow::Borrowed(json), |Text(text)| text)
}

// === impl Text ===

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}
