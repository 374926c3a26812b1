//! What no message shows although nobody came to read it as a secret: below a key that is typed wrong, of a kind that is none, in a
//! file that ends in the middle.

use crate::fault::nearest;
use crate::node::{Entry, Node, Span, Value};

/// Keys whose values nobody is shown.
const KEYS: [&str; 3] = ["secret", "token", "password"];

/// Where something stands that goes by its key for a secret, or is a URL with a user.
pub(crate) fn secrets(node: &Node) -> Vec<Span> {
    let mut found = Vec::new();
    find(node, &mut found);
    found
}

fn find(node: &Node, found: &mut Vec<Span>) {
    match &node.value {
        Value::Map(entries) => {
            let is_hidden = |entry: &&Entry| entry.node.is_scalar() && is_secret(&entry.key);
            found.extend(entries.iter().filter(is_hidden).map(|entry| entry.node.span));
            entries.iter().for_each(|entry| find(&entry.node, found));
        }
        Value::List(nodes) => nodes.iter().for_each(|node| find(node, found)),
        Value::Text(text) if has_user(text) => found.push(node.span),
        _ => {}
    }
}

/// Whether a line that could not be read may have a secret in it.
pub(crate) fn may_have_secrets(line: &str) -> bool {
    let line = line.to_lowercase();
    KEYS.iter().any(|key| line.contains(key)) || has_user(&line)
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let is_file = key.ends_with("file");
    !is_file && (KEYS.iter().any(|word| key.contains(word)) || nearest(&key, KEYS).is_some())
}

fn has_user(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_near_those_of_secrets_are_such_and_their_files_are_none() {
        for (key, is_hidden) in [
            ("secret", true),
            ("Secert", true),
            ("api_token", true),
            ("pasword", true),
            ("token_file", false),
            ("path", false),
        ] {
            assert_eq!(is_secret(key), is_hidden, "{key}");
        }
        assert!(may_have_secrets("a: redis://u:p@h") && !may_have_secrets("mail: a@b"));
    }
}
