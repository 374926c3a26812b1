//! Processors that drop: records by level and target, fields by name.

use tracing_core::LevelFilter;

use super::{owned, told};
use crate::processor::Processor;
use crate::record::{Kind, Record};

/// Drops records that are less severe than a level.
///
/// Begins and ends of tasks are judged as events are, each by its own level: the end of a task that failed may stay where
/// its begin went.
///
/// ```
/// use spanlake_core::LevelFilter;
/// use spanlake_core::processors::FilterByLevel;
///
/// let processor = FilterByLevel::new(LevelFilter::INFO);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FilterByLevel {
    level: LevelFilter,
}

/// Drops records by target.
///
/// A target belongs to a prefix that it is equal to, or that it goes on from with `::`: `shop::db` has `shop::db::pool` and
/// not `shop::dbx`. The empty prefix has every target. Begins and ends go by the target of their span.
///
/// ```
/// use spanlake_core::processors::FilterByTarget;
///
/// let own_crates_only = FilterByTarget::keep(["shop", "orders"]);
/// let less_noise = FilterByTarget::drop(["hyper", "shop::db::pool"]);
/// ```
#[derive(Clone, Debug)]
pub struct FilterByTarget {
    prefixes: Vec<String>,
    /// What becomes of a target that belongs to one of them.
    keeps: bool,
}

/// Takes fields out of records, by name.
///
/// ```
/// use spanlake_core::processors::FilterKeys;
///
/// let processor = FilterKeys::new(["payload", "debug.trace"]);
/// ```
#[derive(Clone, Debug)]
pub struct FilterKeys {
    names: Vec<String>,
}

// === impl FilterByLevel ===

impl FilterByLevel {
    /// Keeps `level` and what is more severe.
    pub fn new(level: LevelFilter) -> Self {
        Self { level }
    }
}

impl Processor for FilterByLevel {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        records.retain(|record| record.level <= self.level || record.kind == Kind::Loss);
    }
}

// === impl FilterByTarget ===

impl FilterByTarget {
    /// Keeps records whose target belongs to one of the prefixes, and no others.
    pub fn keep(prefixes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { prefixes: owned(prefixes), keeps: true }
    }

    /// Drops records whose target belongs to one of the prefixes.
    pub fn drop(prefixes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { prefixes: owned(prefixes), keeps: false }
    }

    fn has(&self, target: &str) -> bool {
        self.prefixes.iter().any(|prefix| belongs(target, prefix))
    }
}

impl Processor for FilterByTarget {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        records.retain(|record| record.kind == Kind::Loss || self.has(record.target()) == self.keeps);
    }
}

fn belongs(target: &str, prefix: &str) -> bool {
    let rest = target.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || prefix.is_empty() || rest.starts_with("::"))
}

// === impl FilterKeys ===

impl FilterKeys {
    /// Takes out the fields of these names.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { names: owned(names) }
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }
}

impl Processor for FilterKeys {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        for record in told(records) {
            if record.fields.any_name(|name| self.has(name)) {
                record.fields.edit().retain(|field| !self.has(&field.name));
            }
        }
    }
}
