//! Renderers: how records become lines.

use std::num::NonZeroU32;

use std::ops::Deref;

use spanlake_core::render::{DEFAULT_PATTERN, Plain};

use crate::fault::Fault;
use crate::node::{Node, Value};
use crate::reader::{Reader, Setting};
use crate::shape::Shape;
use crate::table::{kinds, table, words};

/// A pattern of lines, of which [`Plain`] can make them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

kinds! {
    /// How records become lines.
    pub enum Renderer {
        /// The lines of the system log.
        "text" => Text(TextLines),
        /// Objects with the columns of the lake.
        "json" => Json,
        /// Objects as structlog writes them.
        "structlog" => Structlog,
        /// Pairs of names and values.
        "logfmt" => Logfmt(LogfmtLines),
        /// Lines by a pattern.
        "plain" => Plain(PatternLines),
        /// Coloured lines for people.
        "pretty" => Pretty(PrettyLines),
        /// Tasks, and what happens in them, as a tree.
        "tree" => Tree(TreeLines),
    }
}

table! {
    /// The lines of the system log.
    pub struct TextLines {
        /// How begins and ends of tasks are put.
        pub lifecycle: Lifecycle = "plain",
    }
}

table! {
    /// Pairs of names and values.
    pub struct LogfmtLines {
        /// Whether the task's context is shown.
        pub bound: Bound = "shown",
        /// How begins and ends of tasks are put.
        pub lifecycle: Lifecycle = "plain",
    }
}

table! {
    /// Lines by a pattern.
    pub struct PatternLines {
        /// The pattern.
        pub pattern: Pattern = DEFAULT_PATTERN,
        /// How begins and ends of tasks are put.
        pub lifecycle: Lifecycle = "plain",
    }
}

table! {
    /// Coloured lines for people.
    pub struct PrettyLines {
        /// When there are colours.
        pub color: Color = "auto",
        /// Columns of a line; without it lines are as long as they are.
        pub width: Option<NonZeroU32>,
        /// Whether the task's context is shown.
        pub bound: Bound = "shown",
        /// How begins and ends of tasks are put.
        pub lifecycle: Lifecycle = "plain",
    }
}

table! {
    /// Tasks, and what happens in them, as a tree.
    pub struct TreeLines {
        /// When there are colours.
        pub color: Color = "auto",
        /// Columns of a line; without it lines are as long as they are.
        pub width: Option<NonZeroU32>,
        /// How begins and ends of tasks are put.
        pub lifecycle: Lifecycle = "plain",
    }
}

words! {
    /// How begins and ends of tasks are put.
    pub enum Lifecycle {
        /// The task's message at its begin and at its end.
        "plain" => Plain,
        /// `Begin: X`, then `End (0.50): X`.
        "timed" => Timed,
    }
}

words! {
    /// When there are colours.
    pub enum Color {
        /// On a terminal, unless `NO_COLOR` is set.
        "auto" => Auto,
        /// Always.
        "always" => Always,
        /// Never.
        "never" => Never,
    }
}

words! {
    /// Whether the task's context is shown.
    pub enum Bound {
        /// It is.
        "shown" => Shown,
        /// It is not.
        "hidden" => Hidden,
    }
}

// === impl Pattern ===

impl Deref for Pattern {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Setting for Pattern {
    fn shape() -> Shape {
        Shape::Text("a pattern such as `{ts} {level} {message} {fields}`")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Text(pattern) = &node.value else {
            return reader.refuse_kind(node, &Self::shape());
        };
        if let Err(error) = Plain::new(pattern) {
            // The pattern is in the excerpt.
            let message = error.to_string();
            let message = message.split(" (pattern: ").next().unwrap_or("no pattern of lines");
            return reader.refuse(Fault::new(node.span, message).expected(Self::shape().expectation()));
        }
        reader.tell(pattern, node.span);
        Some(Self(pattern.clone()))
    }
}
