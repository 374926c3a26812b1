//! Settings that are single values, and lists and maps of others.

use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Deref;
use std::time::Duration;

use spanlake_core::LevelFilter;

use crate::fault::{Fault, did_you_mean};
use crate::node::{Node, Span, Value};
use crate::reader::{Fields, Missing, Reader, Setting};
use crate::shape::Shape;
use crate::table::{Table, read_table};
use crate::units::{self, Size};

/// A value and the place where it stands, which does not count when two are compared.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    value: T,
    pub(crate) span: Span,
}

/// What was given names, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries<T> {
    entries: Vec<(Placed<String>, T)>,
    /// Names of what could not be read, which are known all the same.
    wrong: Vec<String>,
}

/// Something that is off unless it is switched on, with its settings then.
#[derive(Clone, Debug, PartialEq)]
pub struct Toggle<T>(Option<T>);

/// A value that goes into records as it is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scalar {
    /// `true`, `false`
    Bool(bool),
    /// `5`
    Integer(i64),
    /// `0.5`
    Number(f64),
    /// `"orders"`
    Text(String),
}

/// A key that is known and stands for nothing in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved(());

// === impl Placed ===

impl<T> Placed<T> {
    pub(crate) fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Setting> Setting for Placed<T> {
    const IS_REQUIRED: bool = T::IS_REQUIRED;

    fn shape() -> Shape {
        T::shape()
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::read(node, reader).map(|value| Self::new(value, node.span))
    }
}

// === impl Entries ===

impl<T> Entries<T> {
    fn none() -> Self {
        Self { entries: Vec::new(), wrong: Vec::new() }
    }

    /// Names and what they name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// What has a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// The names, those of what could not be read with them.
    pub(crate) fn known(&self) -> impl Iterator<Item = &str> {
        self.names().chain(self.wrong.iter().map(String::as_str))
    }

    pub(crate) fn placed(&self) -> impl Iterator<Item = (&Placed<String>, &T)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }
}

impl<T: Setting> Setting for Entries<T> {
    const IS_REQUIRED: bool = false;

    fn shape() -> Shape {
        Shape::Map(Box::new(T::shape()))
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        // For the keys that stand there twice.
        Fields::of(node, &Self::shape(), reader)?;
        let Value::Map(entries) = &node.value else {
            return Some(Self::none());
        };
        let mut read = Self::none();
        for entry in entries {
            if entry.key.trim().is_empty() {
                reader.refuse::<()>(Fault::new(entry.key_span, "the name is empty").expected("a name"));
                continue;
            }
            match reader.below(entry.key.clone(), |reader| T::read(&entry.node, reader)) {
                Some(value) => read.entries.push((Placed::new(entry.key.clone(), entry.key_span), value)),
                // A fault was noted; the others are looked at all the same.
                None => read.wrong.push(entry.key.clone()),
            }
        }
        Some(read)
    }

    fn missing(_reader: &mut Reader) -> Result<Self, Missing> {
        Ok(Self::none())
    }
}

// === impl Toggle ===

impl<T> Toggle<T> {
    /// Its settings, when it is on.
    pub fn on(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T: Table> Setting for Toggle<T> {
    const IS_REQUIRED: bool = false;

    fn shape() -> Shape {
        Shape::Toggle(T::table())
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Map(_) => read_table(node, reader).map(|table| Self(Some(table))),
            Value::Bool(_) | Value::Text(_) => {
                let Some(is_on) = switch(&node.value) else {
                    return reader.refuse_kind(node, &Self::shape());
                };
                reader.tell(if is_on { "on" } else { "off" }, node.span);
                let table = is_on.then(|| read_table(&Node::default_of(Value::Null), reader));
                // Nothing to be read is no fault, settings that could not be read are.
                table.map_or(Some(Self(None)), |table| table.map(|table| Self(Some(table))))
            }
            _ => reader.refuse_kind(node, &Self::shape()),
        }
    }

    fn missing(reader: &mut Reader) -> Result<Self, Missing> {
        reader.tell("off", Span::DEFAULT);
        Ok(Self(None))
    }
}

// === values ===

impl Setting for bool {
    fn shape() -> Shape {
        Shape::Switch
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(is_on) = switch(&node.value) else {
            return reader.refuse_kind(node, &Self::shape());
        };
        reader.tell(if is_on { "on" } else { "off" }, node.span);
        Some(is_on)
    }
}

fn switch(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Text(text) if text.eq_ignore_ascii_case("on") => Some(true),
        Value::Text(text) if text.eq_ignore_ascii_case("off") => Some(false),
        _ => None,
    }
}

impl Setting for String {
    fn shape() -> Shape {
        Shape::Text("a text that is not empty")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text.trim().is_empty() => {
                reader.refuse(Fault::new(node.span, "the text is empty").expected(Self::shape().expectation()))
            }
            Value::Text(text) => {
                reader.tell(text, node.span);
                Some(text.clone())
            }
            _ => reader.refuse_kind(node, &Self::shape()),
        }
    }
}

impl Setting for LevelFilter {
    fn shape() -> Shape {
        Shape::Words(&[
            ("OFF", "Nothing."),
            ("ERROR", "Errors only."),
            ("WARN", "And warnings."),
            ("INFO", "And what goes on."),
            ("DEBUG", "And what explains it."),
            ("TRACE", "Everything."),
        ])
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        // YAML of old, and people, take it for a switch.
        let off = Node { value: Value::from("OFF"), span: node.span };
        let node = if matches!(node.value, Value::Bool(false)) { &off } else { node };
        word(node, &Self::shape(), reader)?.parse().ok()
    }
}

/// One of the words of a shape.
pub(crate) fn word(node: &Node, shape: &Shape, reader: &mut Reader) -> Option<&'static str> {
    let (Value::Text(text), Shape::Words(words)) = (&node.value, shape) else {
        return reader.refuse_kind(node, shape);
    };
    let known = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    let Some((word, _)) = known else {
        let hint = did_you_mean(text, words.iter().map(|(word, _)| *word));
        let fault = Fault::new(node.span, format!("unknown word `{text}`"));
        return reader.refuse(fault.expected(shape.expectation()).hint(hint));
    };
    reader.tell(*word, node.span);
    Some(word)
}

impl Setting for Duration {
    fn shape() -> Shape {
        Shape::Duration
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        measured(node, units::duration, "s", reader).inspect(|read| reader.tell(units::duration_text(*read), node.span))
    }
}

impl Setting for Size {
    fn shape() -> Shape {
        Shape::Size
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let size = measured(node, units::size, "MiB", reader)?;
        if size == Size::bytes(0) {
            return reader.refuse(Fault::new(node.span, "no bytes at all").expected("a size of at least `1 B`"));
        }
        reader.tell(size.to_string(), node.span);
        Some(size)
    }
}

fn measured<T: Setting>(node: &Node, parse: fn(&str) -> Option<T>, unit: &str, reader: &mut Reader) -> Option<T> {
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        _ => return reader.refuse_kind(node, &T::shape()),
    };
    parse(&text).or_else(|| {
        let is_size = matches!(T::shape(), Shape::Size);
        let hint = units::with_unit(&text, unit).or_else(|| units::nearly(&text, is_size));
        let what = if hint.is_some() && units::with_unit(&text, unit).is_some() {
            format!("`{text}` has no unit")
        } else {
            format!("cannot read `{text}`")
        };
        reader.refuse(Fault::new(node.span, what).expected(T::shape().expectation()).hint(hint))
    })
}

macro_rules! integers {
    ($($type:ty, $primitive:ty: $least:expr;)*) => {$(
        impl Setting for $type {
            fn shape() -> Shape {
                // What JSON and TOML can say as well.
                Shape::Integer { least: $least, most: i128::from(<$primitive>::MAX).min(i128::from(i64::MAX)) }
            }

            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                let number = <$primitive>::try_from(integer(node, &Self::shape(), reader)?).ok()?;
                Self::try_from(number).ok()
            }
        }
    )*};
}

integers! {
    u32, u32: 0;
    NonZeroU32, u32: 1;
    NonZeroU64, u64: 1;
}

fn integer(node: &Node, shape: &Shape, reader: &mut Reader) -> Option<i128> {
    let (Value::Integer(number), Shape::Integer { least, most }) = (&node.value, shape) else {
        return reader.refuse_kind(node, shape);
    };
    if number < least || number > most {
        let fault = Fault::new(node.span, format!("{number} is out of range"));
        return reader.refuse(fault.expected(shape.expectation()));
    }
    reader.tell(number.to_string(), node.span);
    Some(*number)
}

impl Setting for f64 {
    fn shape() -> Shape {
        Shape::Number
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let number = match &node.value {
            Value::Number(number) => *number,
            Value::Integer(number) => *number as Self,
            _ => return reader.refuse_kind(node, &Self::shape()),
        };
        if !number.is_finite() {
            return reader.refuse(Fault::new(node.span, "no number").expected(Self::shape().expectation()));
        }
        reader.tell(number.to_string(), node.span);
        Some(number)
    }
}

impl Setting for Scalar {
    fn shape() -> Shape {
        Shape::Scalar
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let value = match &node.value {
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Integer(number) => i64::try_from(*number).map_or(Self::Text(number.to_string()), Self::Integer),
            Value::Number(number) => Self::Number(*number),
            Value::Text(text) => Self::Text(text.clone()),
            _ => return reader.refuse_kind(node, &Self::shape()),
        };
        reader.tell(value.to_string(), node.span);
        Some(value)
    }
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(truth) => truth.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl Setting for Reserved {
    const IS_REQUIRED: bool = false;

    fn shape() -> Shape {
        Shape::Reserved
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        reader.refuse(Fault::new(node.span, "not available in this version").expected("no such key"))
    }

    fn missing(_reader: &mut Reader) -> Result<Self, Missing> {
        Ok(Self(()))
    }
}

// === optional, lists ===

/// Nothing when the key is not there, or has nothing behind it.
impl<T: Setting> Setting for Option<T> {
    const IS_REQUIRED: bool = false;

    fn shape() -> Shape {
        T::shape()
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if matches!(node.value, Value::Null) {
            reader.tell("none", node.span);
            return Some(None);
        }
        T::read(node, reader).map(Some)
    }

    fn missing(reader: &mut Reader) -> Result<Self, Missing> {
        reader.tell("none", Span::DEFAULT);
        Ok(None)
    }
}

impl<T: Setting> Setting for Vec<T> {
    const IS_REQUIRED: bool = false;

    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let list = match &node.value {
            Value::Null => &[][..],
            Value::List(list) => list,
            _ => return reader.refuse_kind(node, &Self::shape()),
        };
        let is_flat = list.iter().all(Node::is_scalar);
        let read = |reader: &mut Reader| {
            let items: Vec<_> = (0..).zip(list).map(|(at, item)| element(at, item, reader)).collect();
            items.into_iter().collect::<Option<Self>>()
        };
        if !is_flat {
            return read(reader);
        }
        let items = reader.quietly(read)?;
        reader.tell(flat(list), node.span);
        Some(items)
    }

    fn missing(reader: &mut Reader) -> Result<Self, Missing> {
        reader.tell("[]", Span::DEFAULT);
        Ok(Self::new())
    }
}

fn element<T: Setting>(at: usize, item: &Node, reader: &mut Reader) -> Option<T> {
    reader.below(format!("[{at}]"), |reader| T::read(item, reader))
}

/// `[console, jsonl]`
fn flat(list: &[Node]) -> String {
    let item = |node: &Node| match &node.value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        other => other.kind().to_owned(),
    };
    format!("[{}]", list.iter().map(item).collect::<Vec<_>>().join(", "))
}
