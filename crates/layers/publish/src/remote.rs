//! The levels that the other side asks for, laid over those that the program chose.

use spanlake_core::{Directives, Error, Selector};
use spanlake_scope::Verbosity;
use spanlake_wire::exchange;

/// Follows what the other side asks for.
#[derive(Debug)]
pub(crate) struct Remote {
    verbosity: Verbosity,
    version: u64,
    /// What is there because it was asked for.
    selectors: Vec<Selector>,
}

impl Remote {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        Self { verbosity, version: 0, selectors: Vec::new() }
    }

    /// Does what is asked, if it is not done yet. An error says that it makes no sense, and then nothing is changed.
    pub(crate) fn follow(&mut self, asked: &exchange::Verbosity) -> Result<(), Error> {
        if asked.version == self.version {
            return Ok(());
        }
        self.version = asked.version;
        let directives: Directives = asked.directives.parse()?;
        let selectors = directives.iter().map(|directive| directive.selector().clone()).collect();
        for before in std::mem::replace(&mut self.selectors, selectors) {
            self.verbosity.remove(&before);
        }
        directives.into_iter().for_each(|directive| {
            self.verbosity.add(directive);
        });
        Ok(())
    }
}
