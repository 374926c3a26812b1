//! What a setting may be: the one description that the reader follows and the JSON Schema is made from.

use crate::node::Value;

/// What a setting may be.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// `on`, `off`, true or false.
    Switch,
    /// A text that is not empty, with what it is.
    Text(&'static str),
    /// An integer within bounds.
    Integer {
        least: i128,
        most: i128,
    },
    /// Any number that there is.
    Number,
    /// A text, number or truth value, which goes into records as it is.
    Scalar,
    /// One of these words, in any case of letters.
    Words(&'static [(&'static str, &'static str)]),
    /// A duration with its unit.
    Duration,
    /// A number of bytes with its unit.
    Size,
    List(Box<Shape>),
    /// Names of somebody's choice, with what they name.
    Map(Box<Shape>),
    Table(TableShape),
    Kinds(KindsShape),
    /// `on` or `off`, or a table, which switches it on.
    Toggle(TableShape),
    /// A key that is known and stands for nothing yet.
    Reserved,
}

/// Keys that stand together.
#[derive(Clone, Debug)]
pub(crate) struct TableShape {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    pub(crate) keys: Vec<Key>,
}

/// A key of a table.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    pub(crate) shape: Shape,
    pub(crate) default: Option<Value>,
    pub(crate) is_required: bool,
}

/// Tables of which one is chosen by the word behind `kind`.
#[derive(Clone, Debug)]
pub(crate) struct KindsShape {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    pub(crate) kinds: Vec<Kind>,
}

/// One of the tables.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) word: &'static str,
    pub(crate) about: String,
    pub(crate) keys: Vec<Key>,
}

impl Shape {
    /// What messages say that was expected.
    pub(crate) fn expectation(&self) -> String {
        match self {
            Self::Switch => "`on` or `off`".to_owned(),
            Self::Text(what) => (*what).to_owned(),
            Self::Integer { least, most } if *most > i128::from(u32::MAX) => format!("an integer, at least {least}"),
            Self::Integer { least, most } => format!("an integer from {least} to {most}"),
            Self::Number => "a number".to_owned(),
            Self::Scalar => "a text, a number, or true or false".to_owned(),
            Self::Words(words) => crate::fault::one_of(words.iter().map(|(word, _)| *word)),
            Self::Duration => "a duration with its unit, such as `100 ms`, `5s`, `10 minutes` or `30 days`".to_owned(),
            Self::Size => "a size with its unit, such as `512 B`, `64 KiB` or `10 MiB`".to_owned(),
            Self::List(of) => format!("a list, each of it {}", of.expectation()),
            Self::Map(_) => "a map with names as keys".to_owned(),
            Self::Table(table) => format!("a map with keys such as {}", some_keys(&table.keys)),
            Self::Kinds(kinds) => format!("one of {}, or a map with `kind`", kinds.words()),
            Self::Toggle(table) => format!("`on`, `off`, or a map with keys such as {}", some_keys(&table.keys)),
            Self::Reserved => "nothing".to_owned(),
        }
    }
}

impl KindsShape {
    pub(crate) fn words(&self) -> String {
        crate::fault::one_of(self.kinds.iter().map(|kind| kind.word))
    }

    /// The kinds that have a key.
    pub(crate) fn with_key(&self, key: &str) -> Vec<&'static str> {
        let has_key = |kind: &&Kind| kind.keys.iter().any(|other| other.name == key);
        self.kinds.iter().filter(has_key).map(|kind| kind.word).collect()
    }
}

fn some_keys(keys: &[Key]) -> String {
    let names: Vec<_> = keys.iter().take(3).map(|key| format!("`{}`", key.name)).collect();
    names.join(", ")
}
