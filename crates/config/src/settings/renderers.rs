//! Renderers: how records become lines.

use std::num::NonZeroU32;

use crate::setting::Placed;
use crate::table::{kinds, table, words};

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
        pub pattern: Placed<String> =
            "{ts} - {level} - {target}:{module}:{line} - [{dataflow}] - {message} {fields}",
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
