//! Tables of settings: a struct, its keys with their defaults, and its documentation, written once.

use crate::fault::{Fault, did_you_mean};
use crate::node::{Node, Span, Value};
use crate::reader::{Fields, Reader, cannot_stand};
use crate::shape::{Key, Kind, KindsShape, Shape, TableShape};

/// Settings under keys of their own.
pub(crate) trait Table: Sized {
    fn table() -> TableShape;

    /// Reads all keys, so that every fault is noted.
    fn take(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self>;
}

/// One of several tables, chosen by a word.
pub(crate) trait Kinds: Sized {
    fn kinds() -> KindsShape;

    /// Reads the keys of a kind that there is.
    fn take(word: &str, fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self>;
}

/// Reads a table; what it does not know is noted.
pub(crate) fn read_table<T: Table>(node: &Node, reader: &mut Reader) -> Option<T> {
    let mut fields = Fields::of(node, &Shape::Table(T::table()), reader)?;
    let table = T::take(&mut fields, reader);
    fields.finish(None, reader);
    table
}

/// Reads a word, or a map with the word behind `kind`.
pub(crate) fn read_kinds<K: Kinds>(node: &Node, reader: &mut Reader) -> Option<K> {
    let shape = K::kinds();
    let word = Node { value: Value::map([]), span: node.span };
    let node = match &node.value {
        Value::Text(text) => {
            let kind = kind_of(text, node, &shape, reader)?;
            let mut fields = Fields::of(&word, &Shape::Kinds(shape), reader)?;
            reader.tell(kind, node.span);
            return K::take(kind, &mut fields, reader);
        }
        _ => node,
    };
    let mut fields = Fields::of(node, &Shape::Kinds(shape.clone()), reader)?;
    let kind = read_kind(&mut fields, &shape, reader)?;
    let value = K::take(kind, &mut fields, reader);
    fields.finish(Some(&shape), reader);
    value
}

/// The word behind `kind`.
pub(crate) fn read_kind(fields: &mut Fields<'_>, shape: &KindsShape, reader: &mut Reader) -> Option<&'static str> {
    let Some(entry) = fields.take("kind") else {
        let fault = Fault::new(Span { end: fields.span().start, ..fields.span() }, "the key `kind` is missing");
        return reader.refuse(fault.expected(shape.words()));
    };
    reader.below("kind", |reader| match &entry.node.value {
        Value::Text(text) => {
            let kind = kind_of(text, &entry.node, shape, reader)?;
            reader.tell(kind, entry.node.span);
            Some(kind)
        }
        other => {
            let fault = Fault::new(entry.node.span, cannot_stand(other));
            reader.refuse(fault.expected(shape.words()))
        }
    })
}

fn kind_of(text: &str, node: &Node, shape: &KindsShape, reader: &mut Reader) -> Option<&'static str> {
    let known = shape.kinds.iter().find(|kind| kind.word == text);
    let words = || shape.kinds.iter().map(|kind| kind.word);
    known.map(|kind| kind.word).or_else(|| {
        let fault = Fault::new(node.span, format!("there is no kind `{text}`"));
        reader.refuse(fault.expected(shape.words()).hint(did_you_mean(text, words())))
    })
}

/// What is wrong with a combination of keys, and what was expected instead.
pub(crate) type Wrong = Option<(&'static str, &'static str)>;

/// Notes what is wrong with the keys of one map together, unless one of them is wrong by itself: without what could not be
/// read the others may look wrong.
pub(crate) fn refuse_wrong(wrong: Wrong, node: &Node, known_faults: usize, reader: &mut Reader) -> Option<()> {
    let Some((message, expected)) = wrong.filter(|_| reader.faults.len() == known_faults) else {
        return Some(());
    };
    let start = Span { end: node.span.start, ..node.span };
    reader.refuse(Fault::new(start, message).expected(expected))
}

/// The key of a table.
pub(crate) fn key<T: crate::reader::Setting>(name: &'static str, about: &[&str], default: Option<Value>) -> Key {
    let is_required = T::IS_REQUIRED && default.is_none();
    Key { name, about: sentence(about), shape: T::shape(), default, is_required }
}

/// A kind with its keys.
pub(crate) fn kind(word: &'static str, about: &[&str], keys: Vec<Key>) -> Kind {
    Kind { word, about: sentence(about), keys }
}

/// The lines of a documentation comment as one text.
pub(crate) fn sentence(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    lines.join(" ").trim().to_owned()
}

/// The key that a field stands for, which may be a word of the language.
pub(crate) fn word_of(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// A struct whose fields are the keys of a table: `pub key: Type = default`. Its documentation goes into the JSON Schema.
/// `wrong` says what is wrong with its keys together.
macro_rules! table {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident {
            $($(#[doc = $key_about:literal])* pub $key:ident: $type:ty $(= $default:expr)?,)*
        }
        $(wrong = $wrong:path;)?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[doc = $key_about])* pub $key: $type,)*
        }

        impl $crate::table::Table for $name {
            fn table() -> $crate::shape::TableShape {
                let keys = vec![$($crate::table::key::<$type>(
                    $crate::table::word_of(stringify!($key)),
                    &[$($key_about),*],
                    $crate::table::default_of!($($default)?),
                )),*];
                let about = $crate::table::sentence(&[$($about),*]);
                $crate::shape::TableShape { name: stringify!($name), about, keys }
            }

            fn take(
                fields: &mut $crate::reader::Fields<'_>,
                reader: &mut $crate::reader::Reader,
            ) -> Option<Self> {
                $(let $key = fields.read($crate::table::word_of(stringify!($key)), $crate::table::default_of!($($default)?), reader);)*
                Some(Self { $($key: $key?),* })
            }
        }

        impl $crate::reader::Setting for $name {
            const IS_REQUIRED: bool = false;

            fn shape() -> $crate::shape::Shape {
                $crate::shape::Shape::Table(<Self as $crate::table::Table>::table())
            }

            fn read(node: &$crate::node::Node, reader: &mut $crate::reader::Reader) -> Option<Self> {
                let _known_faults = reader.faults.len();
                let table = $crate::table::read_table(node, reader)?;
                $($crate::table::refuse_wrong($wrong(&table), node, _known_faults, reader)?;)?
                Some(table)
            }

            /// As if it were there with nothing in it.
            fn missing(reader: &mut $crate::reader::Reader) -> Result<Self, $crate::reader::Missing> {
                let empty = $crate::node::Node::default_of($crate::node::Value::Null);
                Self::read(&empty, reader).ok_or($crate::reader::Missing)
            }
        }
    };
}

/// An enum whose variants are kinds: `"word" => Variant(Table)`. A kind without keys is a variant without a table.
macro_rules! kinds {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident {
            $($(#[doc = $kind_about:literal])* $word:literal => $variant:ident $(($table:ty))?,)*
        }
        $(wrong = $wrong:path;)?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $kind_about])* $variant $(($table))?,)*
        }

        impl $crate::table::Kinds for $name {
            fn kinds() -> $crate::shape::KindsShape {
                let kinds = vec![$($crate::table::kind(
                    $word,
                    &[$($kind_about),*],
                    $crate::table::keys_of!($($table)?),
                )),*];
                let about = $crate::table::sentence(&[$($about),*]);
                $crate::shape::KindsShape { name: stringify!($name), about, kinds }
            }

            fn take(
                word: &str,
                fields: &mut $crate::reader::Fields<'_>,
                reader: &mut $crate::reader::Reader,
            ) -> Option<Self> {
                let _ = (&fields, &reader);
                match word {
                    $($word => Some(Self::$variant $((<$table as $crate::table::Table>::take(fields, reader)?))?),)*
                    _ => None,
                }
            }
        }

        impl $crate::reader::Setting for $name {
            fn shape() -> $crate::shape::Shape {
                $crate::shape::Shape::Kinds(<Self as $crate::table::Kinds>::kinds())
            }

            fn read(node: &$crate::node::Node, reader: &mut $crate::reader::Reader) -> Option<Self> {
                let _known_faults = reader.faults.len();
                let kind = $crate::table::read_kinds(node, reader)?;
                $($crate::table::refuse_wrong($wrong(&kind), node, _known_faults, reader)?;)?
                Some(kind)
            }
        }
    };
}

/// An enum of words: `"word" => Variant`.
macro_rules! words {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident {
            $($(#[doc = $word_about:literal])* $word:literal => $variant:ident,)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $word_about])* $variant,)*
        }

        impl $crate::reader::Setting for $name {
            fn shape() -> $crate::shape::Shape {
                $crate::shape::Shape::Words(&[$(($word, concat!($($word_about),*))),*])
            }

            fn read(node: &$crate::node::Node, reader: &mut $crate::reader::Reader) -> Option<Self> {
                let word = $crate::setting::word(node, &Self::shape(), reader)?;
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

macro_rules! default_of {
    () => {
        None
    };
    ($default:expr) => {
        Some($crate::node::Value::from($default))
    };
}

macro_rules! keys_of {
    () => {
        Vec::new()
    };
    ($table:ty) => {
        <$table as $crate::table::Table>::table().keys
    };
}

pub(crate) use {default_of, keys_of, kinds, table, words};
