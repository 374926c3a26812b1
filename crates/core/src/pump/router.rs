//! The routing of a running pump: takes batches apart by logger, and puts together again what each sink is to get.
//!
//! A record keeps its place in the batch, so that a sink gets its records in their order and each of them once, on
//! whichever ways they come.

use std::collections::HashMap;

use tracing_core::LevelFilter;

use crate::loss::Loss;
use crate::processor::Processor;
use crate::pump::chain::{Chain, Passed};
use crate::pump::outlet::{Outlet, count};
use crate::pump::routing::{Logger, Pipeline, Propagate, Routing};
use crate::record::{Callsite, Kind, Record, Source};
use crate::value::Field;

pub(super) struct Router {
    /// Shorter prefixes before longer ones, so that the root is the first and each stands behind those it propagates to.
    stages: Vec<Stage>,
    lines: Vec<Line>,
    by_prefix: HashMap<String, usize>,
}

/// A logger with its names resolved.
struct Stage {
    level: LevelFilter,
    /// The stage its records go on to.
    above: Option<usize>,
    context: Vec<Field<'static>>,
    processors: Vec<Box<dyn Processor>>,
    ways: Vec<Way>,
    /// All outlets that its records may get to: those that lose what is lost here.
    reaches: Vec<usize>,
}

/// Where a logger hands its records, beside the stage above.
#[derive(Clone, Copy)]
enum Way {
    Outlet(usize),
    Line(usize),
}

/// A pipeline with its names resolved.
struct Line {
    level: LevelFilter,
    processors: Vec<Box<dyn Processor>>,
    outlets: Vec<usize>,
}

/// A batch that is being taken apart: what waits at each stage, and what has come to each pipeline and outlet.
struct Sorting<'a> {
    stages: Vec<Vec<Record<'a>>>,
    lines: Vec<Inbox<'a>>,
    outlets: Vec<Inbox<'a>>,
    /// How many records the batch has.
    places: usize,
}

/// What has come so far to an outlet or a pipeline, of one batch.
struct Inbox<'a> {
    level: LevelFilter,
    records: Vec<Record<'a>>,
    /// By place, which of the batch's records have come.
    came: Vec<bool>,
    losses: Vec<Loss>,
}

// === impl Router ===

impl Router {
    /// Resolves the names in a routing that was checked against those of the `outlets`.
    pub(super) fn new(routing: Routing, outlets: &[&str]) -> Self {
        let Routing { mut loggers, pipelines } = routing;
        if loggers.iter().all(|logger| !logger.is_root) {
            loggers.push(Logger::root());
        }
        loggers.sort_by_key(|logger| logger.prefix.len());
        let by_prefix = loggers.iter().enumerate().map(|(at, logger)| (logger.prefix.clone(), at)).collect();
        let names: Vec<String> = pipelines.iter().map(|pipeline| pipeline.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let lines = pipelines.into_iter().map(|pipeline| Line::new(pipeline, outlets)).collect();
        let mut router = Self { stages: Vec::new(), lines, by_prefix };
        for logger in loggers {
            let stage = router.stage(logger, outlets, &names);
            router.stages.push(stage);
        }
        router
    }

    /// Hands a batch to the outlets.
    pub(super) fn route(&mut self, records: &mut Vec<Record<'_>>, outlets: &mut [Outlet], source: &Source) {
        let handed = count(records);
        let mut batch = Sorting::new(self, records.len(), outlets);
        for (place, mut record) in (0..).zip(records.drain(..)) {
            record.place = place;
            if record.kind == Kind::Loss {
                batch.outlets.iter_mut().for_each(|inbox| inbox.take(std::slice::from_ref(&record)));
                continue;
            }
            let stage = record.callsite.map_or(0, |callsite| self.stage_of(callsite));
            if record.level <= self.stages[stage].level {
                batch.push(stage, record);
            }
        }
        self.climb(self.stages.len(), &mut batch, outlets, source);
        self.give_out(batch, handed, outlets, source);
    }

    /// Lets all processors do something without a batch.
    pub(super) fn prompt(&mut self, what: &mut dyn FnMut(&mut dyn Processor), outlets: &mut [Outlet], source: &Source) {
        for at in (0..self.stages.len()).rev() {
            let stage = &mut self.stages[at];
            let passed = Chain::of(&mut stage.processors).prompt(usize::MAX, what);
            lose(&stage.reaches, &passed.losses, outlets, source);
            self.go_on_from_stage(at, &passed, outlets, source);
        }
        for line in &mut self.lines {
            let passed = Chain::of(&mut line.processors).prompt(usize::MAX, what);
            lose(&line.outlets, &passed.losses, outlets, source);
            line.go_on(&passed, outlets, source);
        }
    }

    /// Whether its processors keep records that other sinks have.
    pub(super) fn holds(&self) -> bool {
        let of_stages = self.stages.iter().flat_map(|stage| &stage.processors);
        let of_lines = self.lines.iter().flat_map(|line| &line.processors);
        of_stages.chain(of_lines).any(|processor| !processor.held().is_empty())
    }

    /// Takes what waits at the stages below `top` upwards, through each and to what it leads to.
    fn climb<'a>(&mut self, top: usize, batch: &mut Sorting<'a>, outlets: &mut [Outlet], source: &Source) {
        for at in (0..top).rev() {
            let mut here = std::mem::take(&mut batch.stages[at]);
            if here.is_empty() {
                continue;
            }
            let passed = self.stages[at].work_on(&mut here);
            self.stages[at].reaches.iter().for_each(|outlet| batch.outlets[*outlet].lose(&passed.losses));
            self.go_on_from_stage(at, &passed, outlets, source);
            self.stages[at].hand_on(here, batch);
        }
    }

    /// Takes what a stage had kept and gives on now to where its records go, in front of the batch that is at work.
    fn go_on_from_stage(&mut self, at: usize, passed: &Passed, outlets: &mut [Outlet], source: &Source) {
        passed.each_released(|records| {
            let mut batch = Sorting::new(self, records.len(), outlets);
            let numbered = (0..).zip(records.drain(..)).map(|(place, record)| Record { place, ..record });
            self.stages[at].hand_on(numbered.collect(), &mut batch);
            self.climb(at, &mut batch, outlets, source);
            self.give_out(batch, 0, outlets, source);
        });
    }

    /// Runs the pipelines on what has come to them, and hands the outlets what has come to those.
    fn give_out(&mut self, mut batch: Sorting<'_>, handed: u64, outlets: &mut [Outlet], source: &Source) {
        for (line, came) in self.lines.iter_mut().zip(&mut batch.lines) {
            let mut records = came.in_order();
            let passed = Chain::of(&mut line.processors).pass(&mut records);
            line.go_on(&passed, outlets, source);
            line.outlets.iter().for_each(|outlet| batch.outlets[*outlet].lose(&passed.losses));
            if let Some((last, others)) = line.outlets.split_last() {
                others.iter().for_each(|outlet| batch.outlets[*outlet].take(&records));
                batch.outlets[*last].take_all(records);
            }
        }
        for (outlet, mut inbox) in outlets.iter_mut().zip(batch.outlets) {
            let records = inbox.in_order();
            let most = if handed == 0 { u64::MAX } else { handed.saturating_sub(count(&records)) };
            let lost = outlet.lose(source, &inbox.losses, most);
            outlet.write(&records, handed, source);
            outlet.filter(0, lost);
        }
    }

    /// The stage of the longest prefix, looked for once for each callsite of a segment.
    fn stage_of(&self, callsite: &Callsite<'_>) -> usize {
        *callsite.logger.get_or_init(|| self.nearest(callsite.target))
    }

    /// The stage of the longest prefix of a target, the target itself included.
    fn nearest(&self, target: &str) -> usize {
        prefixes(target).find_map(|prefix| self.by_prefix.get(prefix).copied()).unwrap_or(0)
    }

    fn stage(&self, logger: Logger, outlets: &[&str], pipelines: &[&str]) -> Stage {
        let nearest = logger.prefix.rsplit_once("::").map_or(0, |(before, _)| self.nearest(before));
        let nearest = Some(nearest).filter(|_| !logger.is_root);
        let inherited = nearest.map_or(LevelFilter::TRACE, |nearest| self.stages[nearest].level);
        let every_sink = logger.takes_every_sink();
        let Logger { level, propagate, sinks, pipelines: lines, processors, context, .. } = logger;
        let above = nearest.filter(|_| propagate == Propagate::Up);
        let lines = places(pipelines, &lines.unwrap_or_default());
        let sinks = places(outlets, &sinks.unwrap_or_default());
        let outlets = if every_sink { (0..outlets.len()).collect() } else { sinks };
        let mut reaches = above.map_or_else(Vec::new, |above| self.stages[above].reaches.clone());
        reaches.extend(outlets.iter().chain(lines.iter().flat_map(|line| &self.lines[*line].outlets)));
        reaches.sort_unstable();
        reaches.dedup();
        let ways = outlets.into_iter().map(Way::Outlet).chain(lines.into_iter().map(Way::Line)).collect();
        Stage { level: level.unwrap_or(inherited), above, context, processors, ways, reaches }
    }
}

// === impl Sorting ===

impl<'a> Sorting<'a> {
    fn new(router: &Router, places: usize, outlets: &[Outlet]) -> Self {
        Self {
            stages: router.stages.iter().map(|_| Vec::new()).collect(),
            lines: router.lines.iter().map(|line| Inbox::new(line.level, places)).collect(),
            outlets: outlets.iter().map(|outlet| Inbox::new(outlet.level(), places)).collect(),
            places,
        }
    }

    fn push(&mut self, stage: usize, record: Record<'a>) {
        let stage = &mut self.stages[stage];
        if stage.is_empty() {
            // Most batches are of one logger.
            stage.reserve(self.places);
        }
        stage.push(record);
    }

    fn inbox(&mut self, way: Way) -> &mut Inbox<'a> {
        match way {
            Way::Outlet(at) => &mut self.outlets[at],
            Way::Line(at) => &mut self.lines[at],
        }
    }
}

// === impl Stage ===

impl Stage {
    /// Adds the context and runs the processors.
    fn work_on(&mut self, records: &mut Vec<Record<'_>>) -> Passed {
        // Those that propagated from several stages came one stage after the other.
        records.sort_by_key(|record| record.place);
        if !self.context.is_empty() {
            records.iter_mut().for_each(|record| bind(&self.context, record));
        }
        Chain::of(&mut self.processors).pass(records)
    }

    /// Whoever comes last gets the records themselves, all others copies.
    fn hand_on<'a>(&self, records: Vec<Record<'a>>, batch: &mut Sorting<'a>) {
        let (last, copied) = match (self.above, self.ways.split_last()) {
            (None, Some((last, others))) => (Some(*last), others),
            _ => (None, &self.ways[..]),
        };
        copied.iter().for_each(|way| batch.inbox(*way).take(&records));
        if let Some(above) = self.above {
            join(&mut batch.stages[above], records);
        } else if let Some(last) = last {
            batch.inbox(last).take_all(records);
        }
    }
}

// === impl Line ===

impl Line {
    fn new(pipeline: Pipeline, outlets: &[&str]) -> Self {
        let Pipeline { level, processors, sinks, .. } = pipeline;
        Self { level, processors, outlets: places(outlets, &sinks) }
    }

    /// Takes what it had kept and gives on now to its outlets, in front of the batch that is at work.
    fn go_on(&self, passed: &Passed, outlets: &mut [Outlet], source: &Source) {
        passed.each_released(|records| {
            self.outlets.iter().for_each(|outlet| outlets[*outlet].write(records, 0, source));
        });
    }
}

// === impl Inbox ===

impl<'a> Inbox<'a> {
    fn new(level: LevelFilter, places: usize) -> Self {
        Self { level, records: Vec::new(), came: vec![false; places], losses: Vec::new() }
    }

    /// Takes copies of the records that have not come on another way.
    fn take(&mut self, records: &[Record<'a>]) {
        let wanted = records.iter().filter(|record| self.wants(record)).cloned().collect();
        self.add(wanted);
    }

    /// Takes the records that have not come on another way.
    fn take_all(&mut self, mut records: Vec<Record<'a>>) {
        records.retain(|record| self.wants(record));
        self.add(records);
    }

    fn wants(&self, record: &Record<'_>) -> bool {
        let is_of_level = record.kind == Kind::Loss || record.level <= self.level;
        is_of_level && !self.came[record.place as usize]
    }

    fn add(&mut self, records: Vec<Record<'a>>) {
        records.iter().for_each(|record| self.came[record.place as usize] = true);
        join(&mut self.records, records);
    }

    /// Takes part in a loss on the way here, as far as it would have wanted the records.
    fn lose(&mut self, losses: &[Loss]) {
        self.losses.extend(losses.iter().map(|loss| loss.within(self.level)).filter(|loss| loss.count() > 0));
    }

    fn in_order(&mut self) -> Vec<Record<'a>> {
        let mut records = std::mem::take(&mut self.records);
        records.sort_by_key(|record| record.place);
        records
    }
}

// === helpers ===

/// Lets the outlets at these places lose what was lost without a batch: it had been kept, and counted as filtered.
fn lose(places: &[usize], losses: &[Loss], outlets: &mut [Outlet], source: &Source) {
    for place in places {
        let outlet = &mut outlets[*place];
        let within: Vec<Loss> = losses.iter().map(|loss| loss.within(outlet.level())).collect();
        let lost = outlet.lose(source, &within, u64::MAX);
        outlet.filter(0, lost);
    }
}

/// Puts records behind others, without touching them where there are none.
fn join<'a>(records: &mut Vec<Record<'a>>, mut more: Vec<Record<'a>>) {
    if records.is_empty() {
        *records = more;
    } else {
        records.append(&mut more);
    }
}

/// A target and all its prefixes, the longest first.
fn prefixes(target: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(target), |target| target.rsplit_once("::").map(|(before, _)| before))
}

/// Where the wanted names stand.
fn places(names: &[&str], wanted: &[String]) -> Vec<usize> {
    wanted.iter().filter_map(|wanted| names.iter().position(|name| name == wanted)).collect()
}

/// Adds what neither the record nor its task has.
fn bind(context: &[Field<'static>], record: &mut Record<'_>) {
    for bound in context {
        let in_task =
            record.task.as_deref().is_some_and(|task| task.context.iter().any(|field| field.name == bound.name));
        if !in_task && record.fields.get(&bound.name).is_none() {
            record.fields.edit().push(bound.clone());
        }
    }
}
