//! A plan: what goes where in a pump.

use std::num::NonZeroUsize;

use crate::error::{Category, Error, Stage};
use crate::processor::Processor;
use crate::pump::outlet::Outlet;
use crate::pump::pipe::Pipe;
use crate::pump::router::Router;
use crate::pump::routing::Routing;
use crate::sink::{Recipe, Sink};

/// Shared processors, sinks, and which records go to which of them.
///
/// Without a [`Routing`] every record goes to every sink. A pump is started with a plan, and may be given another one while
/// it runs: [`Pump::reconfigure`](crate::Pump::reconfigure).
#[derive(Default)]
#[must_use = "a plan does nothing until a pump has it"]
pub struct Plan {
    processors: Vec<Box<dyn Processor>>,
    ways: Vec<Way>,
    routing: Option<Routing>,
}

/// A way out of the pump.
enum Way {
    Fresh(Pipe),
    /// The running one of this name.
    Kept(String),
}

/// A plan whose sinks have been asked what they want, so that nothing of other people's making is left to be run.
pub(super) struct Prepared {
    processors: Vec<Box<dyn Processor>>,
    ways: Vec<PreparedWay>,
    router: Option<Router>,
}

enum PreparedWay {
    Fresh(Box<Outlet>),
    Kept(String),
}

/// What a pump works with, and the outlets that have no part in it any more.
pub(super) struct Installed {
    pub(super) processors: Vec<Box<dyn Processor>>,
    pub(super) outlets: Vec<Outlet>,
    pub(super) router: Option<Router>,
    pub(super) retired: Vec<Outlet>,
}

// === impl Plan ===

impl Plan {
    /// Nothing goes anywhere.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a processor behind those before it, in front of routing and all sinks.
    pub fn processor(mut self, processor: impl Processor + 'static) -> Self {
        self.processors.push(Box::new(processor));
        self
    }

    /// Adds a sink with what belongs to it alone.
    pub fn pipe(mut self, pipe: Pipe) -> Self {
        self.ways.push(Way::Fresh(pipe));
        self
    }

    /// Adds a sink as it is.
    pub fn sink(self, sink: impl Sink + 'static) -> Self {
        self.pipe(Pipe::to(sink))
    }

    /// Keeps the running sink of this name as it is: open, with its level, processors, fallback, backlog and counts. Only
    /// for a pump that runs.
    pub fn keep(mut self, name: impl Into<String>) -> Self {
        self.ways.push(Way::Kept(name.into()));
        self
    }

    /// Which records go to which sinks: without it, all to all.
    pub fn routing(mut self, routing: Routing) -> Self {
        self.routing = Some(routing);
        self
    }

    /// Whether the routing names sinks that are there. A pump asks this too, but a program may want to know before it
    /// opens anything else.
    pub fn check(&self) -> Result<(), Error> {
        self.routing.as_ref().map_or(Ok(()), |routing| routing.check(&self.names()))
    }

    pub(super) fn has_no_sink(&self) -> bool {
        self.ways.is_empty()
    }

    pub(super) fn recipes(&self) -> Vec<Recipe> {
        let recipe = |way: &Way| if let Way::Fresh(pipe) = way { pipe.recipe() } else { None };
        self.ways.iter().filter_map(recipe).collect()
    }

    /// Asks its sinks what they want, if it is right. `backlog_bytes` is kept for a sink that names no bound itself.
    pub(super) fn prepare(self, backlog_bytes: NonZeroUsize) -> Result<Prepared, Error> {
        self.check()?;
        let names: Vec<String> = self.names().into_iter().map(str::to_owned).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let Self { processors, ways, routing } = self;
        let router = routing.map(|routing| Router::new(routing, &names));
        let ways = ways.into_iter().map(|way| match way {
            Way::Fresh(pipe) => PreparedWay::Fresh(Box::new(Outlet::new(pipe, backlog_bytes))),
            Way::Kept(name) => PreparedWay::Kept(name),
        });
        Ok(Prepared { processors, ways: ways.collect(), router })
    }

    fn names(&self) -> Vec<&str> {
        self.ways.iter().map(Way::name).collect()
    }
}

impl Way {
    fn name(&self) -> &str {
        match self {
            Self::Fresh(pipe) => &pipe.name,
            Self::Kept(name) => name,
        }
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("sinks", &self.names()).field("routing", &self.routing).finish_non_exhaustive()
    }
}

// === impl Prepared ===

impl Prepared {
    /// Whether each sink that it keeps is there, once.
    pub(super) fn check(&self, running: &[Outlet]) -> Result<(), Error> {
        let mut kept: Vec<&str> = self.kept().collect();
        for name in &kept {
            let count = running.iter().filter(|outlet| outlet.name() == *name).count();
            if count != 1 {
                let why = if count == 0 { "there is no sink to keep" } else { "several sinks to keep have one name" };
                return Err(refused(why).with("sink", name));
            }
        }
        kept.sort_unstable();
        let twice = kept.windows(2).find(|pair| pair[0] == pair[1]);
        twice.map_or(Ok(()), |pair| Err(refused("a sink is kept twice").with("sink", pair[0])))
    }

    /// Whether a sink that recovery knows of comes or goes.
    pub(super) fn changes_recipes(&self, running: &[Outlet]) -> bool {
        let comes = |way: &PreparedWay| matches!(way, PreparedWay::Fresh(outlet) if outlet.recipe().is_some());
        let goes = |outlet: &Outlet| outlet.recipe().is_some() && !self.keeps(outlet.name());
        self.ways.iter().any(comes) || running.iter().any(goes)
    }

    /// How recovery puts records where its sinks would.
    pub(super) fn recipes(&self, running: &[Outlet]) -> Vec<Recipe> {
        let recipe = |way: &PreparedWay| match way {
            PreparedWay::Fresh(outlet) => outlet.recipe(),
            PreparedWay::Kept(name) => running.iter().find(|outlet| outlet.name() == name)?.recipe(),
        };
        self.ways.iter().filter_map(recipe).collect()
    }

    /// Takes the place of what runs; what it keeps has been looked for.
    pub(super) fn install(self, mut running: Vec<Outlet>) -> Installed {
        let Self { processors, ways, router } = self;
        let mut outlet = |way| match way {
            PreparedWay::Fresh(outlet) => Some(*outlet),
            PreparedWay::Kept(name) => {
                let at = running.iter().position(|outlet| *outlet.name() == name)?;
                Some(running.remove(at))
            }
        };
        let outlets = ways.into_iter().filter_map(&mut outlet).collect();
        Installed { processors, outlets, router, retired: running }
    }

    pub(super) fn keeps(&self, name: &str) -> bool {
        self.kept().any(|kept| kept == name)
    }

    fn kept(&self) -> impl Iterator<Item = &str> {
        self.ways.iter().filter_map(|way| if let PreparedWay::Kept(name) = way { Some(&**name) } else { None })
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("kept", &self.kept().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

fn refused(why: &str) -> Error {
    Error::new(Stage::Configuration, "Plan", Category::Configuration, why)
}
