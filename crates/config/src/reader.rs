//! The reader: goes from nodes to settings, and notes every fault and every value on its way.

use crate::fault::{Fault, did_you_mean, one_of};
use crate::node::{Entry, Node, Span, Value};
use crate::shape::{KindsShape, Shape};

/// Most keys that are listed beside a hint.
const MAX_LISTED: usize = 9;

/// Something that can be read from a node.
pub(crate) trait Setting: Sized {
    /// What it may be.
    fn shape() -> Shape;

    /// Reads it. Nothing comes back when it is wrong, which the reader has been told then.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// What it is when its key is not there, and has no default. `Err` when the key must be there.
    fn missing(_reader: &mut Reader) -> Result<Self, Missing> {
        Err(Missing)
    }

    /// Whether its key must be there.
    const IS_REQUIRED: bool = true;
}

/// A key must be there and is not.
pub(crate) struct Missing;

/// A value that holds, for those who ask where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) span: Span,
}

/// Where the reading is, and what it came across.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    path: Vec<String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) told: Vec<Told>,
    /// Where something stands that nobody is shown.
    pub(crate) hidden: Vec<Span>,
    /// Inside of something that is told as a whole.
    is_quiet: bool,
}

/// The keys of a map, while they are asked for one by one.
pub(crate) struct Fields<'a> {
    entries: &'a [Entry],
    span: Span,
    asked: Vec<&'static str>,
}

// === impl Reader ===

impl Reader {
    /// The path of keys to where the reading is.
    pub(crate) fn key(&self) -> String {
        let mut key = String::new();
        for part in &self.path {
            if !key.is_empty() && !part.starts_with('[') {
                key.push('.');
            }
            key.push_str(part);
        }
        key
    }

    /// Reads what lies below a key.
    pub(crate) fn below<T>(&mut self, key: impl Into<String>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.into());
        let value = read(self);
        self.path.pop();
        value
    }

    /// Notes a fault here. Nothing comes back, for the caller to return.
    pub(crate) fn refuse<T>(&mut self, fault: Fault) -> Option<T> {
        let key = self.key();
        self.faults.push(fault.key(key));
        None
    }

    /// Notes that a node has the wrong type.
    pub(crate) fn refuse_kind<T>(&mut self, node: &Node, shape: &Shape) -> Option<T> {
        self.refuse(Fault::new(node.span, cannot_stand(&node.value)).expected(shape.expectation()))
    }

    /// What would be there without what is wrong, so that the rest can be looked at.
    fn instead<T: Setting>(&mut self, default: Option<&Node>) -> Option<T> {
        let faults = self.faults.len();
        let value = self.quietly(|reader| match default {
            Some(node) => T::read(node, reader),
            None => T::missing(reader).ok(),
        });
        self.faults.truncate(faults);
        value
    }

    /// Notes a value that holds.
    pub(crate) fn tell(&mut self, value: impl Into<String>, span: Span) {
        if !self.is_quiet {
            let (key, value) = (self.key(), value.into());
            self.told.push(Told { key, value, span });
        }
    }

    /// Reads what is told as a whole.
    pub(crate) fn quietly<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let was = std::mem::replace(&mut self.is_quiet, true);
        let value = read(self);
        self.is_quiet = was;
        value
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The keys of a map; a key without a value stands for an empty map. Notes keys that stand there twice.
    pub(crate) fn of(node: &'a Node, shape: &Shape, reader: &mut Reader) -> Option<Self> {
        let entries = match &node.value {
            Value::Null => &[][..],
            Value::Map(entries) => entries,
            _ => return reader.refuse_kind(node, shape),
        };
        refuse_twins(entries, reader);
        Some(Self { entries, span: node.span, asked: Vec::new() })
    }

    /// The setting of a key, its default, or what it is without.
    pub(crate) fn read<T: Setting>(
        &mut self,
        key: &'static str,
        default: Option<Value>,
        reader: &mut Reader,
    ) -> Option<T> {
        self.asked.push(key);
        let found = self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node);
        let default = default.map(Node::default_of);
        let span = self.span;
        let read = |reader: &mut Reader| match (found, &default) {
            (Some(node), _) => T::read(node, reader).or_else(|| reader.instead(default.as_ref())),
            (None, Some(node)) => T::read(node, reader),
            (None, None) => {
                T::missing(reader).map_or_else(|Missing| refuse_missing(key, span, &T::shape(), reader), Some)
            }
        };
        reader.below(key, read)
    }

    /// The entry of a key that is read in another way.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.asked.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Notes the keys that nobody asked for, with the kinds that have them.
    pub(crate) fn finish(self, kinds: Option<&KindsShape>, reader: &mut Reader) {
        for entry in self.entries.iter().filter(|entry| !self.asked.contains(&entry.key.as_str())) {
            let others = kinds.map_or_else(Vec::new, |kinds| kinds.with_key(&entry.key));
            let (message, hint) = if others.is_empty() {
                (format!("unknown key `{}`", entry.key), did_you_mean(&entry.key, self.asked.iter().copied()))
            } else {
                let message = format!("`{}` does not go with this kind", entry.key);
                (message, Some(format!("it belongs to {}", one_of(others))))
            };
            let mut fault = Fault::new(entry.key_span, message);
            // A long list hides the hint.
            if hint.is_none() || self.asked.len() <= MAX_LISTED {
                fault = fault.expected(one_of(self.asked.iter().copied()));
            }
            reader.below(entry.key.clone(), |reader| reader.refuse::<()>(fault.hint(hint)));
        }
    }
}

/// That a value has the wrong type.
pub(crate) fn cannot_stand(value: &Value) -> String {
    if matches!(value, Value::Null) {
        "nothing stands here".to_owned()
    } else {
        format!("{} cannot stand here", value.kind())
    }
}

fn refuse_twins(entries: &[Entry], reader: &mut Reader) {
    let mut seen = std::collections::HashSet::new();
    for entry in entries.iter().filter(|entry| !seen.insert(entry.key.as_str())) {
        let fault = Fault::new(entry.key_span, format!("the key `{}` stands here twice", entry.key));
        reader.below(entry.key.clone(), |reader| reader.refuse::<()>(fault.expected("each key once in a map")));
    }
}

fn refuse_missing<T>(key: &str, span: Span, shape: &Shape, reader: &mut Reader) -> Option<T> {
    // The map's first byte is enough to find it, and a caret below all of it would hide that.
    let span = Span { end: span.start, ..span };
    reader.refuse(Fault::new(span, format!("the key `{key}` is missing")).expected(shape.expectation()))
}
