//! What goes where: shared processors, sinks, loggers and pipelines, and who is how verbose.

use spanlake_config::{ROOT, Settings, settings};
use spanlake_core::{Directive, Directives, Error, LevelFilter, Logger, Pipeline, Plan, Propagate, Routing};
use spanlake_lake::Keeper;

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
    if settings.loggers.is_empty() { Ok(plan) } else { Ok(plan.routing(routing(settings)?)) }
}

/// The level of what no logger and no directive is for: the root's, or the most verbose that a sink takes.
pub(super) fn base(settings: &Settings) -> LevelFilter {
    let sinks = settings.sinks.iter().map(|(_, sink)| settings.level_of(sink)).max();
    let root = settings.loggers.get(ROOT).and_then(|root| root.level);
    root.or(sinks).unwrap_or(LevelFilter::OFF)
}

/// Levels of loggers, then who is more or less verbose than that. Loggers have no level of their own in the routing: what
/// is turned up while the program runs would stop there.
pub(super) fn directives(settings: &Settings) -> Result<Directives, Error> {
    let mut directives = Directives::new();
    directives.push(Directive::all(base(settings)));
    for (target, logger) in settings.loggers.iter().filter(|(target, _)| *target != ROOT) {
        if let Some(level) = logger.level {
            directives.push(Directive::target(target, level)?);
        }
    }
    settings.verbosity.iter().try_for_each(|asked| directive(asked).map(|made| directives.push(made)))?;
    Ok(directives)
}

fn directive(asked: &settings::Directive) -> Result<Directive, Error> {
    let directive = match (&asked.target, &asked.task) {
        (Some(target), _) => Directive::target(target, asked.level)?,
        (None, Some(task)) => Directive::task(task, asked.level)?,
        // Refused when the file was read.
        (None, None) => Directive::all(asked.level),
    };
    Ok(asked.lasts.iter().fold(directive, |directive, time| directive.lasting(*time)))
}

fn routing(settings: &Settings) -> Result<Routing, Error> {
    let mut routing = Routing::builder();
    for (name, asked) in settings.pipelines.iter() {
        let pipeline = Pipeline::named(name).level(asked.level).processor(steps(&asked.processors)?);
        routing = routing.pipeline(pipeline.sinks(asked.sinks.iter().map(|name| name.as_str())));
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
    let names =
        |names: &[spanlake_config::Placed<String>]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let logger = asked.sinks.iter().fold(logger, |logger, sinks| logger.sinks(names(sinks)));
    Ok(asked.pipelines.iter().fold(logger, |logger, pipelines| logger.pipelines(names(pipelines))))
}
