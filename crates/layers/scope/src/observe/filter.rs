//! Filters for what is below `INFO`: by the objects and tasks that it stands in, and by what their clock says.

use spanlake_core::sync::{Arc, Mutex, lock};
use spanlake_core::{Kind, Level, Processor, Record, observed};

/// Keeps of the records below `INFO` those that stand in an object or a task of one of these names: from its enter to its
/// own exit, with all that is nested. Without names everything passes; `INFO` and above always does.
///
/// It is a [`Processor`], and a cheap clone of it changes the names while it runs:
///
/// ```
/// use spanlake_core::PumpBuilder;
/// use spanlake_scope::observe::ContextFilter;
///
/// let context = ContextFilter::new();
/// let pump = PumpBuilder::new().processor(context.clone());
/// context.set(["pump", "valve"]);
/// # drop(pump);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ContextFilter {
    names: Arc<Mutex<Arc<[Box<str>]>>>,
}

/// Keeps of the records below `INFO` those that stand in an observed object whose clock says `start` or later. The clock
/// is that of the innermost object that has one; where there is none, nothing below `INFO` passes. Without a start
/// everything does; `INFO` and above always does.
///
/// It is a [`Processor`], and a cheap clone of it changes the start while it runs.
#[derive(Clone, Debug, Default)]
pub struct TimeFilter {
    start: Arc<Mutex<Option<f64>>>,
}

// === impl ContextFilter ===

impl ContextFilter {
    /// Lets everything pass until it is told names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps what stands in objects or tasks of these names; of none, everything.
    pub fn set(&self, names: impl IntoIterator<Item = impl Into<String>>) {
        *lock(&self.names) = names.into_iter().map(|name| name.into().into_boxed_str()).collect();
    }

    /// Lets everything pass.
    pub fn clear(&self) {
        *lock(&self.names) = Arc::default();
    }

    /// The names that it goes by.
    pub fn names(&self) -> Vec<String> {
        lock(&self.names).iter().map(|name| name.to_string()).collect()
    }
}

impl Processor for ContextFilter {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        let names = Arc::clone(&lock(&self.names));
        if !names.is_empty() {
            records.retain(|record| always_passes(record) || is_inside(record, &names));
        }
    }
}

fn is_inside(record: &Record<'_>, names: &[Box<str>]) -> bool {
    let is_meant = |name: &str| names.iter().any(|meant| **meant == *name);
    let in_task =
        record.task.as_deref().is_some_and(|task| is_meant(task.name) || task.above.iter().copied().any(is_meant));
    in_task || observed::is_within(record, is_meant)
}

// === impl TimeFilter ===

impl TimeFilter {
    /// Lets everything pass until it is told a start.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps what is at this time or later.
    pub fn set(&self, start: f64) {
        *lock(&self.start) = Some(start);
    }

    /// Lets everything pass.
    pub fn clear(&self) {
        *lock(&self.start) = None;
    }

    /// The time from which on it keeps records.
    pub fn start(&self) -> Option<f64> {
        *lock(&self.start)
    }
}

impl Processor for TimeFilter {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        if let Some(start) = self.start() {
            records.retain(|record| always_passes(record) || observed::time(record).is_some_and(|time| time >= start));
        }
    }
}

/// Whether no filter of this kind drops the record: it is no detail, or states a loss.
fn always_passes(record: &Record<'_>) -> bool {
    record.level <= Level::INFO || record.kind == Kind::Loss
}
