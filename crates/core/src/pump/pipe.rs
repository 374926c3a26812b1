//! A pipe: one sink, and what belongs to it alone.

use std::num::NonZeroUsize;

use tracing_core::LevelFilter;

use crate::processor::Processor;
use crate::sink::{Recipe, Sink};

/// A sink with its own name, level, processors, fallback and share of the queue.
///
/// | setting | default |
/// |---|---|
/// | [`named`](Self::named) | the sink's own name |
/// | [`level`](Self::level) | the sink's own level |
/// | [`processor`](Self::processor) | none |
/// | [`fallback`](Self::fallback) | none: what the sink cannot take for too long is lost |
/// | [`backlog_bytes`](Self::backlog_bytes) | [`PumpBuilder::backlog_bytes`](crate::PumpBuilder::backlog_bytes) |
///
/// ```
/// use spanlake_core::pump::Pipe;
/// use spanlake_core::{LevelFilter, PumpBuilder, Record, Sink};
///
/// fn pump(console: impl Sink + 'static, file: impl Sink + 'static) -> PumpBuilder {
///     let is_quiet = |record: &mut Record<'_>| record.target() != "noisy::crate";
///     PumpBuilder::new()
///         .pipe(Pipe::to(console).named("console").level(LevelFilter::INFO).processor(is_quiet))
///         .pipe(Pipe::to(file))
/// }
/// ```
#[must_use = "nothing goes through a pipe before a pump has it"]
pub struct Pipe {
    pub(super) sink: Box<dyn Sink>,
    pub(super) name: String,
    pub(super) level: LevelFilter,
    pub(super) processors: Vec<Box<dyn Processor>>,
    pub(super) fallback: Option<Box<dyn Sink>>,
    pub(super) backlog_bytes: Option<NonZeroUsize>,
}

impl Pipe {
    /// A pipe to this sink.
    pub fn to(sink: impl Sink + 'static) -> Self {
        let (name, level) = (sink.name().to_owned(), sink.level());
        Self { sink: Box::new(sink), name, level, processors: Vec::new(), fallback: None, backlog_bytes: None }
    }

    /// Another name than the sink's own, for reports and for loggers that name it.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The most verbose level that gets to the sink, if the sink takes as much; statements of loss always pass.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = self.sink.level().min(level);
        self
    }

    /// Adds a step on what this sink gets, behind those before it and behind all that are shared. What it changes or drops,
    /// no other sink notices. A panic costs this sink the batch, counted as lost and stated to it.
    pub fn processor(mut self, processor: impl Processor + 'static) -> Self {
        self.processors.push(Box::new(processor));
        self
    }

    /// The sink that gets what this one cannot take for so long that it would be lost.
    pub fn fallback(mut self, fallback: impl Sink + 'static) -> Self {
        self.fallback = Some(Box::new(fallback));
        self
    }

    /// Most bytes kept for this sink while it fails.
    pub fn backlog_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.backlog_bytes = Some(bytes);
        self
    }

    /// How recovery puts records where the sink would.
    pub(super) fn recipe(&self) -> Option<Recipe> {
        recipe(&*self.sink, self.level)
    }
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipe").field("name", &self.name).field("level", &self.level).finish_non_exhaustive()
    }
}

/// How recovery puts records where a sink behind this level would.
pub(super) fn recipe(sink: &dyn Sink, level: LevelFilter) -> Option<Recipe> {
    let recipe = sink.recipe()?;
    Some(Recipe { level: recipe.level.min(level), ..recipe })
}
