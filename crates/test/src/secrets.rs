//! What must not reach a sink, and where it did.

use std::sync::LazyLock;

use spanlake_core::{OwnedRecord, Redaction, Redactor, Secret};

/// Texts that are secrets by their shape.
static SHAPES: LazyLock<Redactor> =
    LazyLock::new(|| Redaction::new().secret_texts().build().expect("the patterns are tested"));

/// What a test says is secret. Its own `Debug` does not show it.
#[derive(Debug, Default)]
pub(crate) struct Watched(Vec<Secret<String>>);

impl Watched {
    pub(crate) fn add(&mut self, secret: String) {
        // An empty text is in every record.
        if !secret.is_empty() {
            self.0.push(Secret::new(secret));
        }
    }

    /// What is secret in a text: `a watched secret`, or how it looks like one.
    pub(crate) fn find(&self, text: &str) -> Option<&'static str> {
        if self.0.iter().any(|secret| holds(text, secret.expose())) {
            return Some("a watched secret");
        }
        SHAPES.replaced(text).map(|_| "what looks like a secret")
    }

    /// Where a record has something secret.
    pub(crate) fn find_in(&self, record: &OwnedRecord) -> Option<String> {
        let error = record.error.as_deref().unwrap_or_default();
        let parts = [
            ("message", &*record.message),
            ("fields", &record.fields),
            ("context", &record.context),
            ("error", error),
            ("task's name", record.task.as_deref().unwrap_or_default()),
        ];
        let key = record.key.as_ref().map_or_else(|| "a record outside any task".to_owned(), ToString::to_string);
        let found = parts.iter().find_map(|(part, text)| Some((part, self.find(text)?)));
        found.map(|(part, what)| format!("{key} has {what} in its {part}"))
    }
}

/// Whether a text has the secret in it, as it is or as a JSON string shows it.
fn holds(text: &str, secret: &str) -> bool {
    let quoted = serde_json::Value::from(secret).to_string();
    text.contains(secret) || text.contains(quoted.trim_matches('"'))
}
