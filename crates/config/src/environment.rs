//! The environment: variables that stand in for settings of the file, when that was asked for.

use crate::fault::Fault;
use crate::node::{Entry, Node, Span, Value};
use crate::read::read_variable;
use crate::settings::Settings;
use crate::source::{Source, Sources};
use crate::table::Table;

/// What the names of all variables begin with. Behind it stand the keys of the path with `__` between them:
/// `SPANLAKE_QUEUE__CAPACITY` is `queue.capacity`.
pub const PREFIX: &str = "SPANLAKE_";

/// Variables with the prefix that are not about settings: the task that a process continues.
const OTHERS: [&str; 1] = ["SPANLAKE_TASK"];

/// Puts the values of variables in place of those of the file.
pub(crate) fn apply(
    root: &mut Node,
    sources: &mut Sources,
    variables: impl Iterator<Item = (String, String)>,
) -> Vec<Fault> {
    let ours = |name: &str| name.starts_with(PREFIX) && !OTHERS.contains(&name);
    let mut variables: Vec<_> = variables.filter(|(name, _)| ours(name)).collect();
    variables.sort();
    let mut faults = Vec::new();
    for (name, text) in variables {
        let keys: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        let source = sources.add(Source { name, text: text.clone() });
        let (node, wrong) = read_variable(&text, source);
        if wrong.is_empty() {
            let span = Span { source, start: 0, end: text.len() };
            put(root, &keys, Node { value: node.value, span }, true);
        }
        // The file can be read all the same.
        faults.extend(wrong.into_iter().map(|fault| Fault { is_fatal: false, ..fault }));
    }
    faults
}

/// Puts a value below a path of keys, with maps on the way where there are none.
fn put(node: &mut Node, keys: &[String], value: Node, is_root: bool) {
    let Some((key, below)) = keys.split_first() else {
        *node = value;
        return;
    };
    let is_map = matches!(node.value, Value::Map(_));
    let mut entries = entries_of(node);
    if !is_map {
        // It becomes one because of the variable: where none can stand, the variable is wrong.
        node.span = value.span;
    }
    let at = entries.iter().position(|entry| matches(&entry.key, key)).unwrap_or_else(|| {
        let default = if is_root { default_of(key) } else { None };
        let node = Node { value: default.unwrap_or(Value::Null), span: value.span };
        entries.push(Entry { key: key.clone(), key_span: value.span, node });
        entries.len() - 1
    });
    if let Some(entry) = entries.get_mut(at) {
        put(&mut entry.node, below, value, false);
    }
    node.value = Value::Map(entries);
}

/// The entries of a node, taken out of it. A word is a kind, and a switch gives way to what is in it.
fn entries_of(node: &mut Node) -> Vec<Entry> {
    let is_switch = |text: &str| text.eq_ignore_ascii_case("on") || text.eq_ignore_ascii_case("off");
    match std::mem::replace(&mut node.value, Value::Null) {
        Value::Map(entries) => entries,
        Value::Text(text) if !is_switch(&text) => {
            let word = Node { value: Value::Text(text), span: node.span };
            vec![Entry { key: "kind".to_owned(), key_span: node.span, node: word }]
        }
        _ => Vec::new(),
    }
}

/// Whether a part of a variable's name means a key: `ORDERS_DB` means `orders::db`, and `orders-db`.
fn matches(key: &str, part: &str) -> bool {
    key.replace("::", "_").replace(['-', '.'], "_").eq_ignore_ascii_case(part)
}

/// What a key of the first level has when it is not in the file.
fn default_of(key: &str) -> Option<Value> {
    Settings::table().keys.into_iter().find(|known| known.name == key)?.default
}
