//! What was typed: values with the places where they stand, the same for all formats.

/// A stretch of bytes of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    /// The number of the source; [`Span::DEFAULT`] has none.
    pub(crate) source: u32,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Span,
}

/// What a format can say.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Number(f64),
    Text(String),
    /// What one format has and the others do not, such as the dates of TOML.
    Other(&'static str),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

// === impl Span ===

impl Span {
    /// Nowhere: what nobody typed.
    pub(crate) const DEFAULT: Self = Self { source: u32::MAX, start: 0, end: 0 };
}

// === impl Node ===

impl Node {
    /// A value that nobody typed.
    pub(crate) fn default_of(value: Value) -> Self {
        Self { value, span: Span::DEFAULT }
    }

    pub(crate) fn is_scalar(&self) -> bool {
        !matches!(self.value, Value::List(_) | Value::Map(_))
    }
}

// === impl Value ===

impl Value {
    /// A map that nobody typed.
    pub(crate) fn map<const N: usize>(entries: [(&str, Value); N]) -> Self {
        let entry = |(key, value): (&str, Value)| Entry {
            key: key.to_owned(),
            key_span: Span::DEFAULT,
            node: Node::default_of(value),
        };
        Self::Map(entries.into_iter().map(entry).collect())
    }

    pub(crate) fn list(values: impl IntoIterator<Item = Value>) -> Self {
        Self::List(values.into_iter().map(Node::default_of).collect())
    }

    /// What messages call it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Integer(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Other(kind) => kind,
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i128> for Value {
    fn from(number: i128) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}
