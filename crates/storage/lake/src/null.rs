//! Nowhere.

use spanlake_core::{Batch, Error, LevelFilter, Sink};

/// Drops what it gets. The records count as written.
///
/// ```
/// use spanlake_core::LevelFilter;
/// use spanlake_lake::NullSink;
///
/// let sink = NullSink::new().level(LevelFilter::INFO);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a sink takes what a pump gives it"]
pub struct NullSink {
    level: LevelFilter,
}

impl NullSink {
    /// Takes all levels.
    pub fn new() -> Self {
        Self { level: LevelFilter::TRACE }
    }

    /// The least severe level it takes.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }
}

impl Default for NullSink {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for NullSink {
    fn name(&self) -> &str {
        "null"
    }

    fn level(&self) -> LevelFilter {
        self.level
    }

    fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
