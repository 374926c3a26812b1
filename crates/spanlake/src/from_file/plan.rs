//! What goes where: shared processors, sinks, loggers and pipelines.

use spanlake_config::{Placed, ROOT, Settings, settings};
use spanlake_core::{Error, Logger, Pipeline, Plan, Propagate, Routing};
use spanlake_lake::Keeper;

use super::levels::base;
use super::processors::{steps, value};
use super::records;
use super::sinks::Sinks;

/// The plan, which keeps running sinks of these names as they are.
pub(super) fn plan(settings: &Settings, keeper: &Keeper, kept: &[&str]) -> Result<Plan, Error> {
    let sinks = Sinks { settings, keeper, base: base(settings) };
    let plan = Plan::new().processor(steps(&settings.processors)?);
    let plan = records::fold(settings).into_iter().fold(plan, Plan::processor);
    let mut plan = records::recorder(settings).into_iter().fold(plan, Plan::processor);
    for (name, sink) in settings.sinks.iter().filter(|(name, _)| !sinks.is_fallback(name)) {
        plan = if kept.contains(&name) {
            plan.keep(name)
        } else {
            sinks.pipe(name, sink)?.into_iter().fold(plan, Plan::pipe)
        };
    }
    if !settings.loggers.is_empty() {
        plan = plan.routing(routing(settings)?);
    }
    // Before anything is opened for it.
    plan.check()?;
    Ok(plan)
}

fn routing(settings: &Settings) -> Result<Routing, Error> {
    let mut routing = Routing::builder();
    for (name, asked) in settings.pipelines.iter() {
        let pipeline = Pipeline::named(name).level(asked.level).processor(steps(&asked.processors)?);
        routing = routing.pipeline(pipeline.sinks(names(&asked.sinks)));
    }
    for (target, asked) in settings.loggers.iter() {
        routing = routing.logger(logger(target, asked)?);
    }
    routing.build()
}

fn logger(target: &str, asked: &settings::Logger) -> Result<Logger, Error> {
    let logger = if target == ROOT { Logger::root() } else { Logger::new(target) };
    let propagate = if asked.propagate { Propagate::Up } else { Propagate::Stop };
    let logger = logger.propagate(propagate).processor(steps(&asked.processors)?);
    let context = asked.context.iter();
    let logger = context.fold(logger, |logger, (name, scalar)| logger.bind(name, value(scalar)));
    let logger = asked.sinks.iter().fold(logger, |logger, sinks| logger.sinks(names(sinks)));
    Ok(asked.pipelines.iter().fold(logger, |logger, pipelines| logger.pipelines(names(pipelines))))
}

fn names(names: &[Placed<String>]) -> impl Iterator<Item = &str> {
    names.iter().map(|name| name.as_str())
}
