//! A processor that hides values from the sinks behind it.

#[cfg(feature = "patterns")]
use std::borrow::Cow;

use super::{owned, told};
#[cfg(feature = "patterns")]
use crate::error::{Category, Error, Stage};
use crate::processor::Processor;
#[cfg(feature = "patterns")]
use crate::record::Detail;
use crate::record::Record;
use crate::secret::HIDDEN;
use crate::value::{Field, Value};

/// Hides values: what is hidden reads `***`.
///
/// By name: a field whose whole name, or last part behind a dot, is one of the names in whatever case. `password` hides
/// `password`, `user.password` and `Password`, and not `password_age`.
///
/// By pattern, with the feature `patterns`: what matches in messages, in texts of fields and in errors. Numbers and bytes
/// are not looked at, names of fields neither.
///
/// What it does not reach: the context of tasks, which all records of a task share, and names of tasks. What must be
/// stored nowhere is to be hidden before it is recorded, by a [`Redaction`](crate::Redaction), which reaches the context as
/// well, or by a [`Secret`](crate::Secret). This one is for a sink that may read less than others.
///
/// ```
/// use spanlake_core::processors::Redact;
///
/// let by_name = Redact::keys(["password", "token"]);
/// # #[cfg(feature = "patterns")]
/// let by_pattern = Redact::patterns(["AKIA[0-9A-Z]{16}", r"\b\d{4}-\d{4}-\d{4}-\d{4}\b"])?;
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Redact {
    names: Vec<String>,
    #[cfg(feature = "patterns")]
    patterns: Vec<regex::Regex>,
}

// === impl Redact ===

impl Redact {
    /// Hides the values of fields with these names.
    pub fn keys(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            names: owned(names),
            #[cfg(feature = "patterns")]
            patterns: Vec::new(),
        }
    }

    fn hides(&self, name: &str) -> bool {
        let last = name.rsplit('.').next().unwrap_or(name);
        self.names.iter().any(|own| own.eq_ignore_ascii_case(name) || own.eq_ignore_ascii_case(last))
    }

    /// Whether any field has to be changed.
    fn finds(&self, record: &Record<'_>) -> bool {
        let mut found = false;
        record.fields.for_each(|name, value| found = found || self.hides(name) || self.finds_in(value));
        found
    }

    fn finds_in(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Text(text) => self.matches(text),
            Value::Error(chain) => chain.iter().any(|link| self.matches(link)),
            Value::List(values) => values.iter().any(|value| self.finds_in(value)),
            Value::Map(fields) => fields.iter().any(|field| self.hides(&field.name) || self.finds_in(&field.value)),
            _ => false,
        }
    }

    fn redact(&self, field: &mut Field<'_>) {
        if self.hides(&field.name) {
            field.value = Value::from(HIDDEN);
        } else {
            self.redact_value(&mut field.value);
        }
    }

    fn redact_value(&self, value: &mut Value<'_>) {
        match value {
            Value::List(values) => values.iter_mut().for_each(|value| self.redact_value(value)),
            Value::Map(fields) => fields.iter_mut().for_each(|field| self.redact(field)),
            #[cfg(feature = "patterns")]
            Value::Text(text) => self.replace(text),
            #[cfg(feature = "patterns")]
            Value::Error(chain) => chain.iter_mut().for_each(|link| self.replace(link)),
            _ => {}
        }
    }
}

#[cfg(not(feature = "patterns"))]
impl Redact {
    fn matches(&self, _: &str) -> bool {
        false
    }

    fn redact_texts(&self, _: &mut Record<'_>) {}
}

#[cfg(feature = "patterns")]
impl Redact {
    /// Hides what matches one of the regular expressions of the crate `regex`. The error,
    /// `CONFIGURATION::Redact::VALIDATION::ERROR`, says which of them is none, or matches the empty text.
    pub fn patterns(patterns: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, Error> {
        let patterns = patterns.into_iter().map(|pattern| compile(pattern.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { names: Vec::new(), patterns })
    }

    fn matches(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_match(text))
    }

    fn replace(&self, text: &mut Cow<'_, str>) {
        for pattern in &self.patterns {
            if let Cow::Owned(replaced) = pattern.replace_all(text, regex::NoExpand(HIDDEN)) {
                *text = Cow::Owned(replaced);
            }
        }
    }

    /// The texts that a record has beside its fields.
    fn redact_texts(&self, record: &mut Record<'_>) {
        self.replace(&mut record.message);
        if let Detail::End(end) = &mut record.detail {
            end.error.iter_mut().for_each(|link| self.replace(link));
        }
    }
}

impl Processor for Redact {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        for record in told(records) {
            self.redact_texts(record);
            if self.finds(record) {
                record.fields.edit().iter_mut().for_each(|field| self.redact(field));
            }
        }
    }
}

#[cfg(feature = "patterns")]
fn compile(pattern: &str) -> Result<regex::Regex, Error> {
    let refused =
        |message| Error::new(Stage::Configuration, "Redact", Category::Validation, message).with("pattern", pattern);
    let compiled = regex::Regex::new(pattern).map_err(|error| refused("not a regular expression").caused_by(error))?;
    if compiled.is_match("") { Err(refused("the pattern matches the empty text")) } else { Ok(compiled) }
}
