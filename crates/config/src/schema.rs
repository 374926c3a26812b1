//! The JSON Schema, made from what the reader follows.

use std::collections::BTreeMap;
use std::fmt::Write;

use spanlake_core::render::escape::put_json_escaped;

use crate::config::Document;
use crate::node::{Entry, Node, Span, Value};
use crate::shape::{Key, KindsShape, Shape, TableShape};
use crate::units;

/// The JSON Schema of configuration files, draft 2020-12, for editors and other tools. What it takes can still be wrong:
/// that a sink exists, for instance, it cannot say.
pub fn json_schema<S: Document>() -> String {
    let mut definitions = BTreeMap::new();
    let table = S::table();
    let mut root = vec![
        entry("$schema", Value::from("https://json-schema.org/draft/2020-12/schema")),
        entry("title", Value::from(S::TITLE)),
    ];
    root.extend(object(&table.about, &table.keys, &[], &mut definitions));
    let definitions = definitions.into_iter().map(|(name, value)| entry(name, value.unwrap_or(Value::Null)));
    root.push(entry("$defs", Value::Map(definitions.collect())));
    let mut out = String::new();
    put(&mut out, &Value::Map(root), 0);
    out.push('\n');
    out
}

/// Definitions by name; nothing behind the name of one that is being made.
type Definitions = BTreeMap<&'static str, Option<Value>>;

fn shape(of: &Shape, definitions: &mut Definitions) -> Vec<Entry> {
    match of {
        Shape::Switch => vec![entry("enum", Value::list([true.into(), false.into(), "on".into(), "off".into()]))],
        Shape::Text(_) => vec![entry("type", "string".into()), entry("minLength", 1_i128.into())],
        Shape::Integer { least, most } => {
            vec![entry("type", "integer".into()), entry("minimum", (*least).into()), entry("maximum", (*most).into())]
        }
        Shape::Number => vec![entry("type", "number".into())],
        Shape::Scalar => vec![types(&["string", "number", "boolean"])],
        Shape::Words(words) => vec![entry("type", "string".into()), entry("pattern", any_case(words).into())],
        Shape::Duration => pattern(units::duration_pattern(), &["5 s", "10 minutes", "30 days"]),
        Shape::Size => pattern(units::size_pattern(), &["64 KiB", "10 MiB"]),
        Shape::List(of) => {
            let items = Value::Map(shape(of, definitions));
            vec![types(&["array", "null"]), entry("items", items)]
        }
        Shape::Map(of) => {
            let values = Value::Map(shape(of, definitions));
            vec![types(&["object", "null"]), entry("additionalProperties", values)]
        }
        Shape::Table(table) => refer(table.name, definitions, |definitions| table_schema(table, definitions)),
        Shape::Kinds(kinds) => refer(kinds.name, definitions, |definitions| kinds_schema(kinds, definitions)),
        Shape::Toggle(table) => {
            let table = refer(table.name, definitions, |definitions| table_schema(table, definitions));
            let switch = shape(&Shape::Switch, definitions);
            vec![entry("anyOf", Value::list([Value::Map(switch), Value::Map(table)]))]
        }
        Shape::Reserved => vec![entry("not", Value::map([]))],
    }
}

fn table_schema(table: &TableShape, definitions: &mut Definitions) -> Value {
    let mut schema = object(&table.about, &table.keys, &[], definitions);
    // A key with nothing behind it is a table without keys.
    if let Some(first) = schema.iter_mut().find(|entry| entry.key == "type") {
        *first = types(&["object", "null"]);
    }
    Value::Map(schema)
}

fn kinds_schema(kinds: &KindsShape, definitions: &mut Definitions) -> Value {
    let is_alone = |keys: &[Key]| keys.iter().all(|key| !key.is_required);
    let words = kinds.kinds.iter().filter(|kind| is_alone(&kind.keys)).map(|kind| Value::from(kind.word));
    let words = Value::Map(vec![entry("enum", Value::list(words))]);
    let maps = kinds.kinds.iter().map(|kind| {
        let word = vec![entry("const", Value::from(kind.word))];
        Value::Map(object(&kind.about, &kind.keys, &[entry("kind", Value::Map(word))], definitions))
    });
    let maps: Vec<Value> = std::iter::once(words).chain(maps).collect();
    Value::Map(vec![entry("description", kinds.about.as_str().into()), entry("anyOf", Value::list(maps))])
}

/// The schema of a map with these keys, those in `first` required.
fn object(about: &str, keys: &[Key], first: &[Entry], definitions: &mut Definitions) -> Vec<Entry> {
    let mut properties = first.to_vec();
    properties.extend(keys.iter().map(|key| entry(key.name, property(key, definitions))));
    let mut required: Vec<Value> = first.iter().map(|entry| Value::from(entry.key.as_str())).collect();
    required.extend(keys.iter().filter(|key| key.is_required).map(|key| Value::from(key.name)));
    let mut schema = vec![
        entry("description", about.into()),
        entry("type", "object".into()),
        entry("properties", Value::Map(properties)),
    ];
    if !required.is_empty() {
        schema.push(entry("required", Value::list(required)));
    }
    schema.push(entry("additionalProperties", false.into()));
    schema
}

fn property(key: &Key, definitions: &mut Definitions) -> Value {
    let mut schema = vec![entry("description", key.about.as_str().into())];
    schema.extend(key.default.clone().map(|default| entry("default", default)));
    let shape = shape(&key.shape, definitions);
    let may_be_null = !key.is_required && key.default.is_none() && !matches!(key.shape, Shape::Reserved);
    if may_be_null {
        let null = Value::Map(vec![entry("type", "null".into())]);
        schema.push(entry("anyOf", Value::list([Value::Map(shape), null])));
    } else {
        schema.extend(shape);
    }
    Value::Map(schema)
}

/// A reference to a definition, which is made the first time.
fn refer(
    name: &'static str,
    definitions: &mut Definitions,
    make: impl FnOnce(&mut Definitions) -> Value,
) -> Vec<Entry> {
    if !definitions.contains_key(name) {
        definitions.insert(name, None);
        let made = make(definitions);
        definitions.insert(name, Some(made));
    }
    vec![entry("$ref", Value::from(format!("#/$defs/{name}")))]
}

/// A pattern for words in any case of letters.
fn any_case(words: &[(&str, &str)]) -> String {
    let letter = |c: char| {
        if c.is_ascii_alphabetic() {
            format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase())
        } else {
            c.to_string()
        }
    };
    let words: Vec<String> = words.iter().map(|(word, _)| word.chars().map(letter).collect()).collect();
    format!("^({})$", words.join("|"))
}

fn pattern(pattern: String, examples: &[&str]) -> Vec<Entry> {
    let examples = Value::list(examples.iter().map(|example| Value::from(*example)));
    vec![entry("type", "string".into()), entry("pattern", pattern.into()), entry("examples", examples)]
}

fn types(types: &[&str]) -> Entry {
    entry("type", Value::list(types.iter().map(|name| Value::from(*name))))
}

fn entry(key: &str, value: Value) -> Entry {
    Entry { key: key.to_owned(), key_span: Span::DEFAULT, node: Node::default_of(value) }
}

// === JSON ===

/// Appends a value as JSON, indented.
fn put(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::List(list) => {
            let items = list.iter().map(|node| (None, node));
            put_between(out, ('[', ']'), items, depth);
        }
        Value::Map(entries) => {
            let items = entries.iter().map(|entry| (Some(entry.key.as_str()), &entry.node));
            put_between(out, ('{', '}'), items, depth);
        }
        Value::Text(text) => put_text(out, text),
        // Nothing fails that writes to a `String`.
        Value::Bool(truth) => drop(write!(out, "{truth}")),
        Value::Integer(number) => drop(write!(out, "{number}")),
        Value::Number(number) => drop(write!(out, "{number}")),
        Value::Null | Value::Other(_) => out.push_str("null"),
    }
}

fn put_between<'a>(
    out: &mut String,
    brackets: (char, char),
    items: impl Iterator<Item = (Option<&'a str>, &'a Node)>,
    depth: usize,
) {
    out.push(brackets.0);
    let mut is_empty = true;
    for (key, node) in items {
        out.push_str(if is_empty { "\n" } else { ",\n" });
        out.push_str(&"  ".repeat(depth + 1));
        is_empty = false;
        if let Some(key) = key {
            put_text(out, key);
            out.push_str(": ");
        }
        put(out, &node.value, depth + 1);
    }
    if !is_empty {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
    out.push(brackets.1);
}

fn put_text(out: &mut String, text: &str) {
    let mut bytes = Vec::new();
    put_json_escaped(&mut bytes, text);
    out.push('"');
    out.push_str(&String::from_utf8_lossy(&bytes));
    out.push('"');
}
