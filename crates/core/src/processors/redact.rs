//! A processor that redacts what the sinks behind it get.

use super::told;
use crate::error::Error;
use crate::processor::Processor;
use crate::record::Record;
use crate::redact::{Decisions, Redaction, Redactor, Tasks};

/// A [`Redaction`] for some sinks only: what it replaces, the sinks behind it do not get, and others do.
///
/// It reaches what a redaction reaches in front of the buffer: messages, fields, errors, and the context of tasks. What must
/// be stored nowhere belongs there, for in front of a sink it has been through the buffer already, which may be a file.
///
/// ```
/// use spanlake_core::processors::Redact;
/// use spanlake_core::{Pipe, Redaction};
///
/// let for_strangers = Redact::new(Redaction::secrets().hash("user").truncate("body", 100))?;
/// let by_name = Redact::keys(["password", "token"]);
/// # #[cfg(feature = "patterns")]
/// let by_pattern = Redact::patterns(["AKIA[0-9A-Z]{16}", r"\b\d{4}-\d{4}-\d{4}-\d{4}\b"])?;
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Redact {
    redactor: Redactor,
    decisions: Decisions,
}

impl Redact {
    /// By a redaction's rules. Fails where [`Redaction::build`] does.
    pub fn new(redaction: Redaction) -> Result<Self, Error> {
        redaction.build().map(Self::by)
    }

    /// Denies values by name, whole or behind a dot: `password` hides `password`, `user.password` and `Password`, and not
    /// `password_age`. An empty name is none.
    pub fn keys(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter().map(Into::into).filter(|name| !name.is_empty());
        let redaction = names.fold(Redaction::new(), |rules, name| rules.deny(format!("*.{name}")).deny(name));
        Self::by(Redactor::by_names(redaction))
    }

    /// Replaces what matches one of these [patterns](Redaction::pattern).
    #[cfg(feature = "patterns")]
    pub fn patterns(patterns: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, Error> {
        Self::new(patterns.into_iter().fold(Redaction::new(), Redaction::pattern))
    }

    fn by(redactor: Redactor) -> Self {
        Self { decisions: redactor.decide_on_records(), redactor }
    }
}

impl Processor for Redact {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        let mut tasks = Tasks::default();
        for record in told(records) {
            self.redactor.record(&self.decisions, record, &mut tasks);
        }
    }
}
