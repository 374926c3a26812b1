//! What a plugin gets.

use spanlake_core::{Kind, LevelFilter, Record};

/// Which records a plugin gets: those that fit every part that is set. Statements of loss fit every level and target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Match {
    /// The most verbose level.
    pub level: LevelFilter,
    /// Prefixes of targets, one of which must fit; none for all.
    pub targets: Vec<String>,
    /// Services; none for all.
    pub services: Vec<String>,
    /// Systems, the field `system` of a record's context or of its own; none for all.
    pub systems: Vec<String>,
}

/// The field that names a record's system.
const SYSTEM: &str = "system";

impl Default for Match {
    fn default() -> Self {
        Self { level: LevelFilter::TRACE, targets: Vec::new(), services: Vec::new(), systems: Vec::new() }
    }
}

impl Match {
    /// Whether a plugin with this gets a record.
    pub fn fits(&self, record: &Record<'_>) -> bool {
        let is_loss = record.kind == Kind::Loss;
        (is_loss || record.level <= self.level)
            && (is_loss
                || self.targets.is_empty()
                || self.targets.iter().any(|prefix| lies_below(record.target(), prefix)))
            && (self.services.is_empty() || self.services.contains(&record.source.service))
            && (self.systems.is_empty() || self.fits_system(record))
    }

    fn fits_system(&self, record: &Record<'_>) -> bool {
        let own = record.fields.get(SYSTEM);
        let bound = || {
            record.task.as_deref()?.context.iter().rfind(|field| field.name == SYSTEM).map(|field| field.value.clone())
        };
        own.or_else(bound).is_some_and(|system| self.systems.contains(&system.to_string()))
    }
}

/// Whether a target is the prefix, or lies in the module that it names.
fn lies_below(target: &str, prefix: &str) -> bool {
    target.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
