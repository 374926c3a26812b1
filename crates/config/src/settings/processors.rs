//! Processors: steps on records.

use spanlake_core::LevelFilter;

use super::Expression;
use crate::setting::{Entries, Scalar};
use crate::table::{Wrong, kinds, table, words};

kinds! {
    /// A step on records.
    pub enum Processor {
        /// Drops what is more verbose than a level.
        "filter_by_level" => FilterByLevel(FilterByLevel),
        /// Keeps or drops records by their target.
        "filter_by_target" => FilterByTarget(FilterByTarget),
        /// Keeps, of what is more verbose than INFO, what stands in certain objects or tasks.
        "filter_by_context" => FilterByContext(FilterByContext),
        /// Keeps, of what is more verbose than INFO, what is from a time of the simulation on.
        "filter_by_time" => FilterByTime(FilterByTime),
        /// Takes fields out.
        "filter_keys" => FilterKeys(FilterKeys),
        /// Adds where a record comes from as fields.
        "add_callsite" => AddCallsite(AddCallsite),
        /// Adds fields that a record does not have.
        "add_defaults" => AddDefaults(AddDefaults),
        /// Makes maps of errors.
        "structured_errors" => StructuredErrors,
        /// Takes terminal markup such as `[bold]` out of messages.
        "strip_markup" => StripMarkup,
        /// Replaces values by name or pattern.
        "redact" => Redact(RedactFields),
        /// Gives fields other names.
        "rename" => Rename(Rename),
    }
    wrong = wrong_with;
}

table! {
    /// Drops what is more verbose than a level.
    pub struct FilterByLevel {
        /// The most verbose level that stays.
        pub level: LevelFilter,
    }
}

table! {
    /// Keeps or drops records by their target: one of the two.
    pub struct FilterByTarget {
        /// Prefixes of targets that stay, and no others.
        pub keep: Option<Vec<String>>,
        /// Prefixes of targets that go.
        pub drop: Option<Vec<String>>,
    }
}

table! {
    /// Keeps, of what is more verbose than INFO, what stands in certain objects or tasks.
    pub struct FilterByContext {
        /// The names of observed objects or of tasks.
        pub names: Vec<String>,
    }
}

table! {
    /// Keeps, of what is more verbose than INFO, what is from a time of the simulation on.
    pub struct FilterByTime {
        /// The time, as the clock of the innermost observed object says it.
        pub start: f64,
    }
}

table! {
    /// Takes fields out.
    pub struct FilterKeys {
        /// The names of the fields.
        pub remove: Vec<String>,
    }
}

table! {
    /// Adds where a record comes from as fields.
    pub struct AddCallsite {
        /// What is added.
        pub parameters: Vec<CallsiteParameter>,
    }
}

words! {
    /// Where a record comes from.
    pub enum CallsiteParameter {
        /// The module path.
        "module" => Module,
        /// The source file.
        "file" => File,
        /// The line in it.
        "line" => Line,
        /// The name of the task.
        "function" => Function,
    }
}

table! {
    /// Adds fields that a record does not have.
    pub struct AddDefaults {
        /// Their names and values.
        pub fields: Entries<Scalar>,
    }
}

table! {
    /// Replaces values by name or pattern.
    pub struct RedactFields {
        /// Names of fields.
        pub keys: Vec<String>,
        /// Regular expressions; what matches is replaced.
        pub patterns: Vec<Expression>,
    }
}

table! {
    /// Gives fields other names.
    pub struct Rename {
        /// Old names, and the new ones behind them.
        pub names: Entries<String>,
    }
}

/// What is wrong with a processor, and what was expected.
fn wrong_with(processor: &Processor) -> Wrong {
    match processor {
        Processor::FilterByTarget(filter) if filter.keep.is_some() == filter.drop.is_some() => {
            Some(("it either keeps or drops targets", "one of `keep` and `drop`"))
        }
        Processor::FilterByContext(filter) if filter.names.is_empty() => {
            Some(("it keeps what stands in nothing", "`names` with at least one name"))
        }
        Processor::FilterKeys(filter) if filter.remove.is_empty() => {
            Some(("it removes nothing", "`remove` with at least one name"))
        }
        Processor::AddCallsite(add) if add.parameters.is_empty() => {
            Some(("it adds nothing", "`parameters` with at least one of `module`, `file`, `line` or `function`"))
        }
        Processor::AddDefaults(add) if add.fields.is_empty() => {
            Some(("it adds nothing", "`fields` with at least one name and value"))
        }
        Processor::Redact(redact) if redact.keys.is_empty() && redact.patterns.is_empty() => {
            Some(("it redacts nothing", "`keys`, `patterns` or both"))
        }
        Processor::Rename(rename) if rename.names.is_empty() => {
            Some(("it renames nothing", "`names` with at least one old and new name"))
        }
        _ => None,
    }
}
