//! Which records are wanted.

use std::str::FromStr;

use spanlake_core::{Category, Error, Kind, Level, OwnedRecord, Stage, TaskKey};

use crate::fields;
use crate::row::Columns;

/// Which records are wanted; an empty filter wants all of them.
///
/// ```
/// use spanlake_core::Level;
/// use spanlake_query::Filter;
///
/// let filter = Filter::new().level(Level::WARN).target("flights::silver").field("file=a.csv".parse()?);
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Filter {
    level: Option<Level>,
    targets: Vec<String>,
    texts: Vec<String>,
    fields: Vec<FieldFilter>,
    since_us: Option<i64>,
    until_us: Option<i64>,
    task: Option<TaskKey>,
    name: Option<String>,
    keeps_structure: bool,
    keeps_values: bool,
}

/// A name and the text its value must have.
///
/// Looked for in the record's own fields, and where they do not have the name, in the context. Parses from `name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFilter {
    /// The field's name.
    pub name: String,
    /// The text of its value: of a text its content, of anything else its JSON.
    pub value: String,
}

// === impl Filter ===

impl Filter {
    /// Wants all records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only records that are at least this severe.
    #[must_use]
    pub fn level(mut self, least: Level) -> Self {
        self.level = Some(least);
        self
    }

    /// Only records whose target starts with this; given again, with any of them.
    #[must_use]
    pub fn target(mut self, prefix: impl Into<String>) -> Self {
        self.targets.push(prefix.into());
        self
    }

    /// Only records whose message, or error on a task's end, contains this; given again, all of them.
    #[must_use]
    pub fn text(mut self, part: impl Into<String>) -> Self {
        self.texts.push(part.into());
        self
    }

    /// Only records with this field; given again, with all of them.
    #[must_use]
    pub fn field(mut self, field: FieldFilter) -> Self {
        self.fields.push(field);
        self
    }

    /// Only records from this moment on, in UTC microseconds since the Unix epoch.
    #[must_use]
    pub fn since_us(mut self, since_us: i64) -> Self {
        self.since_us = Some(since_us);
        self
    }

    /// Only records before this moment, in UTC microseconds since the Unix epoch.
    #[must_use]
    pub fn until_us(mut self, until_us: i64) -> Self {
        self.until_us = Some(until_us);
        self
    }

    /// Only records of this task and of the tasks below it.
    #[must_use]
    pub fn task(mut self, key: TaskKey) -> Self {
        self.task = Some(key);
        self
    }

    /// Only records of tasks with this name and of the tasks below them. Which these are shows only while reading, so
    /// [`Lake::scan`](crate::Lake::scan) leaves it to its caller; see [`NamedTasks`](crate::NamedTasks).
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A tree keeps the values of observed objects, whatever its level.
    #[must_use]
    pub fn values(mut self) -> Self {
        self.keeps_values = true;
        self
    }

    /// Whether a record is wanted. The task's name is not looked at.
    pub fn admits(&self, record: &OwnedRecord) -> bool {
        self.admits_columns(&Columns::from(record))
    }

    /// The same filter without level, that lets begins, ends and losses pass whatever they say: a tree is made of
    /// begins and ends, states all losses, and counts what is below the level.
    pub(crate) fn for_tree(&self) -> Self {
        Self { level: None, keeps_structure: true, ..self.clone() }
    }

    pub(crate) fn admits_columns(&self, columns: &Columns<'_>) -> bool {
        if !self.in_range(columns) {
            return false;
        }
        let structure = self.keeps_structure && columns.kind != Kind::Event;
        structure || (self.at_level(columns.level) && self.selects(columns))
    }

    pub(crate) fn at_level(&self, level: Level) -> bool {
        self.level.is_none_or(|least| level <= least)
    }

    /// Whether the record is in the time and below the task that are asked for.
    fn in_range(&self, columns: &Columns<'_>) -> bool {
        self.in_time(columns.ts_us)
            && self.task.as_ref().is_none_or(|task| columns.key.is_some_and(|key| task.contains(&key.task)))
    }

    pub(crate) fn in_time(&self, ts_us: i64) -> bool {
        self.since_us.is_none_or(|since| ts_us >= since) && self.until_us.is_none_or(|until| ts_us < until)
    }

    /// Whether any record between the two moments may be wanted.
    #[cfg(feature = "parquet")]
    pub(crate) fn overlaps_time(&self, first_us: i64, last_us: i64) -> bool {
        self.since_us.is_none_or(|since| last_us >= since) && self.until_us.is_none_or(|until| first_us < until)
    }

    /// Whether the record says what is asked for.
    pub(crate) fn selects(&self, columns: &Columns<'_>) -> bool {
        self.selects_target(columns.target)
            && self.texts.iter().all(|text| columns.message.contains(text) || columns.error.contains(text))
            && self.fields.iter().all(|field| field.is_in(columns))
    }

    fn selects_target(&self, target: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|prefix| target.starts_with(prefix))
    }

    /// Whether what a record says matters, beside its level, time and task.
    pub(crate) fn is_selective(&self) -> bool {
        !(self.targets.is_empty() && self.texts.is_empty() && self.fields.is_empty())
    }

    /// The least level that is wanted, where it decides which records are read.
    #[cfg(feature = "parquet")]
    pub(crate) fn least_level(&self) -> Option<Level> {
        if self.keeps_structure { None } else { self.level }
    }

    #[cfg(feature = "parquet")]
    pub(crate) fn has_time(&self) -> bool {
        self.since_us.is_some() || self.until_us.is_some()
    }

    pub(crate) fn task_key(&self) -> Option<&TaskKey> {
        self.task.as_ref()
    }

    pub(crate) fn task_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn keeps_values(&self) -> bool {
        self.keeps_values
    }

    pub(crate) fn keeps_structure(&self) -> bool {
        self.keeps_structure
    }
}

// === impl FieldFilter ===

impl FieldFilter {
    fn is_in(&self, columns: &Columns<'_>) -> bool {
        let found = fields::find(columns.fields, &self.name).or_else(|| fields::find(columns.context, &self.name));
        found.is_some_and(|value| value == self.value)
    }
}

impl FromStr for FieldFilter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err(Error::new(Stage::Configuration, "FieldFilter", Category::Validation, "field is not name=value")
                .with("field", text)),
        }
    }
}
