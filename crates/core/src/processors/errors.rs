//! A processor that makes errors maps of their parts.

use std::borrow::Cow;

use super::told;
use crate::processor::Processor;
use crate::record::Record;
use crate::value::{Field, Value};

/// Makes each error a map: `{message, sources: […]}`, the sources outermost first. The end of a task that failed gets its
/// error as the field `error`, unless it has one of that name.
///
/// A record knows the texts of an error and of its causes, and nothing else: a `dyn Error` tells neither its type nor where
/// it was made, so that `type` and `backtrace` are left out rather than guessed. A program that knows them records them as
/// fields of their own.
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
            if has_error(record) {
                record.fields.edit().iter_mut().for_each(|field| take_apart(&mut field.value));
            }
            if let Some(error) = error_of_end(record) {
                record.fields.edit().push(Field { name: ERROR.into(), value: error });
            }
        }
    }
}

fn has_error(record: &Record<'_>) -> bool {
    let mut found = false;
    record.fields.for_each(|_, value| found |= matches!(value, Value::Error(_)));
    found
}

fn take_apart(value: &mut Value<'_>) {
    if let Value::Error(chain) = value {
        *value = parts(std::mem::take(chain));
    }
}

fn error_of_end<'a>(record: &Record<'a>) -> Option<Value<'a>> {
    let chain = &record.end()?.error;
    let is_wanted = !chain.is_empty() && !record.fields.any_name(|name| name == ERROR);
    is_wanted.then(|| parts(chain.clone()))
}

fn parts(chain: Vec<Cow<'_, str>>) -> Value<'_> {
    let mut texts = chain.into_iter().map(Value::Text);
    let message = texts.next().unwrap_or_else(|| Value::from(""));
    let field = |name: &'static str, value| Field { name: name.into(), value };
    Value::Map(vec![field("message", message), field("sources", Value::List(texts.collect()))])
}
