//! Processors that add fields: where a record comes from, and what is the same for all.

use super::told;
use crate::processor::Processor;
use crate::record::Record;
use crate::value::{Field, Value};

/// What [`AddCallsite`] adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallsiteParameter {
    /// The module path, as `module`.
    Module,
    /// The source file, as `file`.
    File,
    /// The line in it, as `line`.
    Line,
    /// The name of the record's task, as `function`: that of the function where `#[instrument]` made the span. Which function
    /// an event stands in, nobody tells.
    Function,
}

/// Says in fields where a record comes from. What a record does not know is left out, and a field that is there stays.
///
/// Columns of the lake have the place of every record without this; it is for sinks that show fields only.
///
/// ```
/// use spanlake_core::processors::{AddCallsite, CallsiteParameter};
///
/// let processor = AddCallsite::new([CallsiteParameter::File, CallsiteParameter::Line]);
/// ```
#[derive(Clone, Debug)]
pub struct AddCallsite {
    parameters: Vec<CallsiteParameter>,
}

/// Adds fields where a record has none of the name, neither of its own nor in its task's context.
///
/// ```
/// use spanlake_core::Value;
/// use spanlake_core::processors::AddDefaults;
///
/// let processor = AddDefaults::new([("region", Value::from("eu")), ("shard", Value::from(7))]);
/// ```
#[derive(Clone, Debug)]
pub struct AddDefaults {
    fields: Vec<Field<'static>>,
}

// === impl AddCallsite ===

impl AddCallsite {
    /// Adds these, in this order.
    pub fn new(parameters: impl IntoIterator<Item = CallsiteParameter>) -> Self {
        Self { parameters: parameters.into_iter().collect() }
    }
}

impl Processor for AddCallsite {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        for record in told(records) {
            for parameter in &self.parameters {
                let name = parameter.name();
                if let Some(value) = parameter.value(record).filter(|_| !record.fields.any_name(|other| other == name))
                {
                    record.fields.edit().push(Field { name: name.into(), value });
                }
            }
        }
    }
}

impl CallsiteParameter {
    fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::File => "file",
            Self::Line => "line",
            Self::Function => "function",
        }
    }

    fn value<'a>(self, record: &Record<'a>) -> Option<Value<'a>> {
        match self {
            Self::Module => record.callsite?.module.map(Value::from),
            Self::File => record.callsite?.file.map(Value::from),
            Self::Line => record.callsite?.line.map(Value::from),
            Self::Function => record.task.as_deref().map(|task| task.name.into()),
        }
    }
}

// === impl AddDefaults ===

impl AddDefaults {
    /// Adds these, in this order.
    pub fn new(fields: impl IntoIterator<Item = (impl Into<String>, Value<'static>)>) -> Self {
        let field = |(name, value): (_, _)| Field { name: String::into(Into::into(name)), value };
        Self { fields: fields.into_iter().map(field).collect() }
    }
}

impl Processor for AddDefaults {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        for record in told(records) {
            for default in &self.fields {
                if !has(record, &default.name) {
                    record.fields.edit().push(default.clone());
                }
            }
        }
    }
}

fn has(record: &Record<'_>, name: &str) -> bool {
    let in_context = || record.task.as_deref().is_some_and(|task| task.context.iter().any(|field| field.name == name));
    record.fields.any_name(|other| other == name) || in_context()
}
