//! TOML to nodes, by the tables of the crate `toml`.

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::{MAX_DEPTH, Room, empty, too_deep};
use crate::fault::Fault;
use crate::node::{Entry, Node, Span, Value};
use crate::source::FILE;

/// Reads a document, and goes on behind a fault.
pub(super) fn read(text: &str, room: &mut Room) -> (Node, Vec<Fault>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = errors.iter().map(|error| fault(error, text.len())).collect();
    let span = Span { source: FILE, start: 0, end: text.len() };
    let value = map(table.get_ref(), room, 0).unwrap_or_else(|fault| {
        faults.push(fault);
        empty(FILE).value
    });
    (Node { value, span }, faults)
}

fn fault(error: &Error, length: usize) -> Fault {
    let span = error.span().unwrap_or(length..length);
    let span = Span { source: FILE, start: span.start, end: span.end };
    let fault = Fault::new(span, format!("no TOML: {}", error.message().replace('\n', ", ")));
    // The first one of two keys counts, and the rest of the file means what it says.
    if error.message().starts_with("duplicate key") { fault } else { fault.at_once() }
}

fn node(value: &Spanned<DeValue<'_>>, room: &mut Room, depth: usize) -> Result<Node, Fault> {
    let span = span(value);
    room.take(1, span)?;
    if depth > MAX_DEPTH {
        return Err(too_deep(span));
    }
    let value = match value.get_ref() {
        DeValue::String(text) => Value::from(&**text),
        DeValue::Integer(number) => integer(number.as_str(), number.radix()),
        DeValue::Float(number) => number.as_str().parse().map_or(Value::Other("a number"), Value::Number),
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(list) => {
            let nodes = list.iter().map(|value| node(value, room, depth + 1));
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => map(table, room, depth)?,
    };
    Ok(Node { value, span })
}

/// The entries as they stand in the file; the table has them by name.
fn map(table: &DeTable<'_>, room: &mut Room, depth: usize) -> Result<Value, Fault> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let node = node(value, room, depth + 1)?;
        Ok(Entry { key: AsRef::<str>::as_ref(key.get_ref()).to_owned(), key_span: span(key), node })
    };
    let mut entries = table.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|entry| entry.key_span.start);
    Ok(Value::Map(entries))
}

fn integer(digits: &str, radix: u32) -> Value {
    i128::from_str_radix(digits, radix).map_or(Value::Other("a number"), Value::Integer)
}

fn span<T>(spanned: &Spanned<T>) -> Span {
    let span = spanned.span();
    Span { source: FILE, start: span.start, end: span.end }
}
