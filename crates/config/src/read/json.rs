//! JSON to nodes, by the tree of `jsonc-parser` with all that JSON does not have switched off.

use jsonc_parser::ast::{ObjectProp, ObjectPropName, Value as Tree};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::errors::ParseError;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{MAX_DEPTH, Room, empty, too_deep};
use crate::fault::Fault;
use crate::node::{Entry, Node, Span, Value};
use crate::source::FILE;

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads a document. The first fault ends the reading.
pub(super) fn read(text: &str, room: &mut Room) -> (Node, Vec<Fault>) {
    let tree = match parse_to_ast(text, &CollectOptions::default(), &STRICT) {
        Ok(parsed) => parsed.value,
        Err(error) => return (empty(FILE), vec![fault(&error)]),
    };
    match tree.as_ref().map(|tree| node(tree, room, 0)) {
        None => (empty(FILE), Vec::new()),
        Some(Ok(node)) => (node, Vec::new()),
        Some(Err(fault)) => (empty(FILE), vec![fault]),
    }
}

fn fault(error: &ParseError) -> Fault {
    let mut message = error.kind().to_string();
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    Fault::new(span(error.range()), format!("no JSON: {message}")).at_once()
}

fn node(tree: &Tree<'_>, room: &mut Room, depth: usize) -> Result<Node, Fault> {
    let span = span(tree.range());
    room.take(1, span)?;
    if depth > MAX_DEPTH {
        return Err(too_deep(span));
    }
    let value = match tree {
        Tree::NullKeyword(_) => Value::Null,
        Tree::BooleanLit(truth) => Value::Bool(truth.value),
        Tree::NumberLit(number) => self::number(number.value),
        Tree::StringLit(text) => Value::from(&*text.value),
        Tree::Array(list) => {
            let nodes = list.elements.iter().map(|tree| node(tree, room, depth + 1));
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        Tree::Object(object) => {
            let entries = object.properties.iter().map(|property| entry(property, room, depth + 1));
            Value::Map(entries.collect::<Result<_, _>>()?)
        }
    };
    Ok(Node { value, span })
}

fn entry(property: &ObjectProp<'_>, room: &mut Room, depth: usize) -> Result<Entry, Fault> {
    let (key, range) = match &property.name {
        ObjectPropName::String(text) => (&*text.value, text.range),
        ObjectPropName::Word(word) => (word.value, word.range),
    };
    Ok(Entry { key: key.to_owned(), key_span: span(range), node: node(&property.value, room, depth)? })
}

fn number(text: &str) -> Value {
    let integer = text.parse().map(Value::Integer);
    integer.or_else(|_| text.parse().map(Value::Number)).unwrap_or(Value::Other("a number"))
}

fn span(range: Range) -> Span {
    Span { source: FILE, start: range.start, end: range.end }
}
