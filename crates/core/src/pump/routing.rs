//! Routing: which sinks a record goes to, by the target of the place that it comes from.

use std::collections::HashSet;

use tracing_core::LevelFilter;

use crate::error::{Category, Error, Stage};
use crate::processor::Processor;
use crate::value::{Field, Value};

/// Loggers and pipelines; made by [`Routing::builder`] and given to [`PumpBuilder::routing`](crate::PumpBuilder::routing).
///
/// A record belongs to the logger with the longest prefix of its target, else to the root logger. That logger's level
/// decides whether it is kept. Then the logger adds its context, runs its processors, and hands the record to its sinks and
/// pipelines; unless it stops there, the logger with the next shorter prefix does the same, and so on up to the root. The
/// levels of those others are not asked: as in Python's `logging`, one logger decides and the others add sinks.
///
/// A record that reaches a sink or a pipeline on several ways gets there once, on the first: the longer prefix before the
/// shorter one, and straight before through a pipeline. Statements of loss go to every sink.
///
/// ```
/// use spanlake_core::LevelFilter;
/// use spanlake_core::pump::{Logger, Propagate, Routing};
///
/// # fn main() -> Result<(), spanlake_core::Error> {
/// let routing = Routing::builder()
///     .logger(Logger::root().level(LevelFilter::INFO).sinks(["console", "jsonl"]))
///     .logger(Logger::new("orders::db").level(LevelFilter::DEBUG).bind("team", "orders"))
///     .logger(Logger::new("hyper").level(LevelFilter::WARN).propagate(Propagate::Stop).sinks(["jsonl"]))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Routing {
    pub(super) loggers: Vec<Logger>,
    pub(super) pipelines: Vec<Pipeline>,
}

/// What a [`Routing`] is made from.
#[derive(Debug, Default)]
#[must_use = "nothing is routed until `build`"]
pub struct RoutingBuilder {
    loggers: Vec<Logger>,
    pipelines: Vec<Pipeline>,
}

/// What becomes of the records whose target begins with a prefix.
///
/// | setting | default |
/// |---|---|
/// | [`level`](Self::level) | that of the logger with the next shorter prefix that has one; everything when none has |
/// | [`propagate`](Self::propagate) | [`Propagate::Up`] |
/// | [`sinks`](Self::sinks), [`pipelines`](Self::pipelines) | the root: every sink; others: none of their own |
/// | [`processor`](Self::processor), [`bind`](Self::bind) | none |
#[must_use = "a logger does nothing until a routing has it"]
pub struct Logger {
    /// Empty for the root.
    pub(super) prefix: String,
    pub(super) is_root: bool,
    pub(super) level: Option<LevelFilter>,
    pub(super) propagate: Propagate,
    pub(super) sinks: Option<Vec<String>>,
    pub(super) pipelines: Option<Vec<String>>,
    pub(super) processors: Vec<Box<dyn Processor>>,
    pub(super) context: Vec<Field<'static>>,
}

/// Steps that several loggers or sinks share: processors in front of some sinks, under a name.
///
/// | setting | default |
/// |---|---|
/// | [`level`](Self::level) | everything |
/// | [`processor`](Self::processor) | none |
/// | [`sinks`](Self::sinks) | none, which is refused |
#[must_use = "a pipeline does nothing until a routing has it"]
pub struct Pipeline {
    pub(super) name: String,
    pub(super) level: LevelFilter,
    pub(super) processors: Vec<Box<dyn Processor>>,
    pub(super) sinks: Vec<String>,
}

/// Whether a logger's records go on to the logger with the next shorter prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagate {
    /// They do.
    #[default]
    Up,
    /// They stop at this logger.
    Stop,
}

// === impl Routing ===

impl Routing {
    /// No logger and no pipeline yet. Without a root logger there is one that takes everything to every sink.
    pub fn builder() -> RoutingBuilder {
        RoutingBuilder::default()
    }

    /// Whether everything that it names is there, `sinks` being those of the pump.
    pub(super) fn check(&self, sinks: &[&str]) -> Result<(), Error> {
        let pipelines: Vec<&str> = self.pipelines.iter().map(|pipeline| &*pipeline.name).collect();
        for pipeline in &self.pipelines {
            let found = pipeline.sinks.iter().try_for_each(|name| find("sink", sinks, name));
            found.map_err(|error| error.with("pipeline", &pipeline.name))?;
        }
        for logger in &self.loggers {
            let mut named = logger.sinks.iter().flatten().map(|name| find("sink", sinks, name));
            let mut lines = logger.pipelines.iter().flatten().map(|name| find("pipeline", &pipelines, name));
            let found = named.try_for_each(|found| found).and_then(|()| lines.try_for_each(|found| found));
            found.map_err(|error| error.with("logger", logger.name()))?;
        }
        Ok(())
    }
}

// === impl RoutingBuilder ===

impl RoutingBuilder {
    /// Adds a logger; their order does not matter.
    pub fn logger(mut self, logger: Logger) -> Self {
        self.loggers.push(logger);
        self
    }

    /// Adds a pipeline. A record gets to the pipelines in the order in which they were added.
    pub fn pipeline(mut self, pipeline: Pipeline) -> Self {
        self.pipelines.push(pipeline);
        self
    }

    /// The routing, if each logger and pipeline makes sense by itself. Whether the sinks exist is asked when the pump gets
    /// it.
    pub fn build(self) -> Result<Routing, Error> {
        let Self { loggers, pipelines } = self;
        let (mut prefixes, mut names) = (HashSet::new(), HashSet::new());
        for logger in &loggers {
            logger.check()?;
            if !prefixes.insert(&logger.prefix) {
                return Err(refused("two loggers have the same prefix").with("logger", logger.name()));
            }
        }
        for pipeline in &pipelines {
            if !names.insert(&pipeline.name) {
                return Err(refused("two pipelines have the same name").with("pipeline", &pipeline.name));
            }
            if pipeline.sinks.is_empty() {
                return Err(refused("a pipeline leads to no sink").with("pipeline", &pipeline.name));
            }
        }
        Ok(Routing { loggers, pipelines })
    }
}

// === impl Logger ===

impl Logger {
    /// The logger of all targets that are this prefix or go on behind it with `::`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), is_root: false, ..Self::root() }
    }

    /// The logger of all targets that have no other.
    pub fn root() -> Self {
        Self {
            prefix: String::new(),
            is_root: true,
            level: None,
            propagate: Propagate::Up,
            sinks: None,
            pipelines: None,
            processors: Vec::new(),
            context: Vec::new(),
        }
    }

    /// The most verbose level of its own records that is kept. What propagates to it from other loggers has passed theirs.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = Some(level);
        self
    }

    /// Whether its records go on to the logger with the next shorter prefix.
    pub fn propagate(mut self, propagate: Propagate) -> Self {
        self.propagate = propagate;
        self
    }

    /// The sinks that it hands records to, by the names of their pipes.
    pub fn sinks(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.sinks = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The pipelines that it hands records to, by name.
    pub fn pipelines(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.pipelines = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a step on all records that come to it, its own and those that propagate to it. What it drops goes no further,
    /// what it changes stays changed on the way up.
    pub fn processor(mut self, processor: impl Processor + 'static) -> Self {
        self.processors.push(Box::new(processor));
        self
    }

    /// Adds a value to the fields of all records that come to it, in front of its processors, unless the record's fields
    /// or its task's context have one of that name.
    pub fn bind(mut self, name: impl Into<String>, value: impl Into<Value<'static>>) -> Self {
        self.context.push(Field { name: name.into().into(), value: value.into() });
        self
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &str {
        if self.is_root { "root" } else { &self.prefix }
    }

    /// Whether it hands records to every sink, having been told nothing else.
    pub(super) fn takes_every_sink(&self) -> bool {
        self.is_root && self.sinks.is_none() && self.pipelines.is_none()
    }

    fn check(&self) -> Result<(), Error> {
        if !self.is_root && self.prefix.split("::").any(str::is_empty) {
            let why = if self.prefix.is_empty() { "a logger's prefix is empty" } else { "not a prefix of a target" };
            return Err(refused(why).with("logger", format_args!("{:?}", self.prefix)));
        }
        if self.context.iter().any(|field| field.name.is_empty()) {
            return Err(refused("a bound name is empty").with("logger", self.name()));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logger").field("name", &self.name()).field("level", &self.level).finish_non_exhaustive()
    }
}

// === impl Pipeline ===

impl Pipeline {
    /// A pipeline of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), level: LevelFilter::TRACE, processors: Vec::new(), sinks: Vec::new() }
    }

    /// The most verbose level that it takes.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// Adds a step on what comes to it, behind those before it.
    pub fn processor(mut self, processor: impl Processor + 'static) -> Self {
        self.processors.push(Box::new(processor));
        self
    }

    /// The sinks behind it, by the names of their pipes.
    pub fn sinks(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.sinks = names.into_iter().map(Into::into).collect();
        self
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, level, sinks, .. } = self;
        f.debug_struct("Pipeline")
            .field("name", name)
            .field("level", level)
            .field("sinks", sinks)
            .finish_non_exhaustive()
    }
}

/// Whether there is exactly one of this name.
fn find(what: &'static str, names: &[&str], wanted: &str) -> Result<(), Error> {
    match names.iter().filter(|name| **name == wanted).count() {
        1 => Ok(()),
        0 => Err(refused(&format!("there is no {what} of this name")).with(what, wanted)),
        _ => Err(refused(&format!("several have the name of this {what}")).with(what, wanted)),
    }
}

/// An error about how records are to go.
fn refused(why: &str) -> Error {
    Error::new(Stage::Configuration, "Routing", Category::Configuration, why)
}
