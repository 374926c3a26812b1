//! A processor that makes errors maps of their parts.

use std::borrow::Cow;

use super::frames::frames;
use super::told;
use crate::processor::Processor;
use crate::record::Record;
use crate::value::{Field, Value};

/// Makes each error a map: `{type, message, sources: […], backtrace: [{file, line, function}]}`, the sources outermost first, the
/// frames innermost first. The end of a task that failed gets its error as the field `error`, unless it has one of that name.
///
/// An error that is recorded as such tells its text and its causes, and nothing else: a `dyn Error` knows neither its type nor
/// where it was made. `type` and `backtrace` are there where the program brought them, and left out elsewhere rather than
/// guessed. They stand beside the error as texts, for one in the field `error` in [`error.type`](ERROR_TYPE) and
/// [`error.backtrace`](ERROR_BACKTRACE), which go into the map; `spanlake_scope::Caught` records all of them at once. A
/// backtrace that is none stays where it is.
///
/// In JSON the map is an object, in text it is `{message: …, sources: […]}`; text renderings then have no lines of causes
/// for it. The column `error` of an end stays as it is.
///
/// ```
/// use spanlake_core::processors::StructuredErrors;
///
/// let processor = StructuredErrors::new();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StructuredErrors(());

/// Behind the name of an error: the name of the field that has its type.
pub const ERROR_TYPE: &str = ".type";

/// Behind the name of an error: the name of the field that has a backtrace, as `std::backtrace::Backtrace` shows itself.
pub const ERROR_BACKTRACE: &str = ".backtrace";

/// Where the end of a task gets its error.
const ERROR: &str = "error";

impl StructuredErrors {
    /// Takes errors apart.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Processor for StructuredErrors {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        for record in told(records) {
            if let Some(error) = error_of_end(record) {
                record.fields.edit().push(Field { name: ERROR.into(), value: error });
            }
            if has_error(record) {
                take_apart(record.fields.edit());
            }
        }
    }
}

fn has_error(record: &Record<'_>) -> bool {
    let mut found = false;
    record.fields.for_each(|_, value| found |= matches!(value, Value::Error(_)));
    found
}

fn error_of_end<'a>(record: &Record<'a>) -> Option<Value<'a>> {
    let chain = &record.end()?.error;
    let is_wanted = !chain.is_empty() && !record.fields.any_name(|name| name == ERROR);
    is_wanted.then(|| Value::Error(chain.clone()))
}

fn take_apart<'a>(fields: &mut Vec<Field<'a>>) {
    let is_error = |field: &Field<'_>| matches!(field.value, Value::Error(_));
    while let Some(at) = fields.iter().position(is_error) {
        let name = fields[at].name.clone();
        let kind = take_beside(fields, &name, ERROR_TYPE, |text| Some(Value::from(text.to_owned())));
        let backtrace = take_beside(fields, &name, ERROR_BACKTRACE, frames);
        if let Some(field) = fields.iter_mut().find(|field| is_error(field))
            && let Value::Error(chain) = &mut field.value
        {
            field.value = parts(kind, std::mem::take(chain), backtrace);
        }
    }
}

/// Takes a text out that stands beside an error, as far as it can be used.
fn take_beside<'a>(
    fields: &mut Vec<Field<'a>>,
    name: &str,
    behind: &str,
    read: impl Fn(&str) -> Option<Value<'a>>,
) -> Option<Value<'a>> {
    let is_it = |field: &Field<'_>| field.name.strip_prefix(name) == Some(behind);
    let at = fields.iter().position(is_it)?;
    let Value::Text(text) = &fields[at].value else { return None };
    let value = read(text)?;
    fields.remove(at);
    Some(value)
}

fn parts<'a>(kind: Option<Value<'a>>, chain: Vec<Cow<'a, str>>, backtrace: Option<Value<'a>>) -> Value<'a> {
    let mut texts = chain.into_iter().map(Value::Text);
    let message = texts.next().unwrap_or_else(|| Value::from(""));
    let sources = Value::List(texts.collect());
    let parts = [("type", kind), ("message", Some(message)), ("sources", Some(sources)), ("backtrace", backtrace)];
    let known = parts.into_iter().filter_map(|(name, value)| Some(Field { name: name.into(), value: value? }));
    Value::Map(known.collect())
}
