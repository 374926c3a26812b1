//! Values as those of OpenTelemetry, which has neither integers beyond 64 bits with a sign nor errors.
//!
//! These are maps with a single name of ours, so that they come back as what they were wherever they stand.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use spanlake_core::{Field, Value};

/// An integer as a text.
const INTEGER: &str = "spanlake.integer";

/// The links of an error.
const ERROR: &str = "spanlake.error";

pub(super) fn attributes(fields: &[Field<'_>]) -> Vec<KeyValue> {
    fields.iter().map(|field| attribute(&field.name, any(&field.value))).collect()
}

pub(super) fn text(text: impl Into<String>) -> AnyValue {
    AnyValue { value: Some(Any::StringValue(text.into())) }
}

/// An attribute as a field; `None` where it has no value.
pub(super) fn field(attribute: KeyValue) -> Option<Field<'static>> {
    let value = attribute.value.and_then(value)?;
    Some(Field { name: Cow::Owned(attribute.key), value })
}

/// `None` for no value, and for those that stand in a table that logs and traces do not have.
pub(super) fn value(value: AnyValue) -> Option<Value<'static>> {
    Some(match value.value? {
        Any::StringValue(text) => Value::Text(Cow::Owned(text)),
        Any::BoolValue(value) => Value::Bool(value),
        Any::IntValue(number) => Value::I64(number),
        Any::DoubleValue(number) => Value::F64(number),
        Any::BytesValue(bytes) => Value::Bytes(Cow::Owned(bytes)),
        Any::ArrayValue(array) => Value::List(array.values.into_iter().map(inner).collect()),
        Any::KvlistValue(list) => special(list.values.into_iter().filter_map(field).collect()),
        Any::StringValueStrindex(_) => return None,
    })
}

/// A value among others; one that is none keeps its place.
fn inner(any: AnyValue) -> Value<'static> {
    value(any).unwrap_or(Value::Text(Cow::Borrowed("null")))
}

fn special(mut fields: Vec<Field<'static>>) -> Value<'static> {
    let known = match fields.as_mut_slice() {
        [Field { name, value: Value::Text(text) }] if name == INTEGER => integer(text),
        [Field { name, value: Value::List(links) }] if name == ERROR => error(links),
        _ => None,
    };
    known.unwrap_or(Value::Map(fields))
}

fn integer(text: &str) -> Option<Value<'static>> {
    let unsigned = text.parse().map(Value::U64).or_else(|_| text.parse().map(Value::U128));
    unsigned.or_else(|_| text.parse().map(Value::I128)).ok()
}

fn error(links: &mut [Value<'static>]) -> Option<Value<'static>> {
    let all_texts = links.iter().all(|link| matches!(link, Value::Text(_)));
    let texts = links.iter_mut().filter_map(|link| match link {
        Value::Text(text) => Some(std::mem::take(text)),
        _ => None,
    });
    all_texts.then(|| Value::Error(texts.collect()))
}

fn attribute(name: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn any(value: &Value<'_>) -> AnyValue {
    let value = match value {
        Value::Bool(value) => Any::BoolValue(*value),
        Value::I64(number) => Any::IntValue(*number),
        Value::U64(number) => whole(i64::try_from(*number).ok(), number),
        Value::I128(number) => whole(i64::try_from(*number).ok(), number),
        Value::U128(number) => whole(i64::try_from(*number).ok(), number),
        Value::F64(number) => Any::DoubleValue(*number),
        Value::Text(text) => Any::StringValue(text.clone().into_owned()),
        Value::Bytes(bytes) => Any::BytesValue(bytes.clone().into_owned()),
        Value::Error(chain) => single(ERROR, array(chain.iter().map(|link| text(&**link)).collect())),
        Value::List(values) => array(values.iter().map(any).collect()),
        Value::Map(fields) => Any::KvlistValue(KeyValueList { values: attributes(fields) }),
        other => Any::StringValue(other.to_string()),
    };
    AnyValue { value: Some(value) }
}

fn whole(fits: Option<i64>, number: &impl ToString) -> Any {
    fits.map_or_else(|| single(INTEGER, Any::StringValue(number.to_string())), Any::IntValue)
}

fn single(name: &str, value: Any) -> Any {
    Any::KvlistValue(KeyValueList { values: vec![attribute(name, AnyValue { value: Some(value) })] })
}

fn array(values: Vec<AnyValue>) -> Any {
    Any::ArrayValue(ArrayValue { values })
}
