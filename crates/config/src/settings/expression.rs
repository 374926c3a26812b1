//! Regular expressions: which are any is known before a program starts with them.

use std::ops::Deref;

use crate::fault::Fault;
use crate::node::{Node, Value};
use crate::reader::{Reader, Setting};
use crate::shape::Shape;

/// A regular expression, in the syntax of the crate `regex`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression(String);

impl Deref for Expression {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Expression {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Setting for Expression {
    fn shape() -> Shape {
        Shape::Text("a regular expression that finds a text, such as `AKIA[0-9A-Z]{16}`")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Text(text) = &node.value else {
            return reader.refuse_kind(node, &Self::shape());
        };
        if let Some(why) = wrong_with(text) {
            return reader.refuse(Fault::new(node.span, why).expected(Self::shape().expectation()));
        }
        reader.tell(text, node.span);
        Some(Self(text.clone()))
    }
}

#[cfg(feature = "patterns")]
fn wrong_with(text: &str) -> Option<String> {
    use std::error::Error;

    let error = spanlake_core::processors::Redact::patterns([text]).err()?;
    // The pattern is in the excerpt; of what the library says, the last line is the reason.
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let reason = cause.lines().last().map(|line| line.trim_start_matches("error: ").to_owned());
    let message = error.to_string();
    let message = message.split(" (pattern: ").next().unwrap_or_default();
    Some(reason.map_or_else(|| message.to_owned(), |reason| format!("{message}: {reason}")))
}

/// A program that was built without regular expressions refuses their keys.
#[cfg(not(feature = "patterns"))]
fn wrong_with(_: &str) -> Option<String> {
    None
}
