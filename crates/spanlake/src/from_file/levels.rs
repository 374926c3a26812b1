//! Who is how verbose: levels of a file as directives.

use spanlake_config::{ROOT, Settings, settings};
use spanlake_core::{Directive, Directives, Error, LevelFilter, Selector};

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
        (Some(target), _) => Directive::target(target.as_str(), asked.level)?,
        (None, Some(task)) => Directive::task(task, asked.level)?,
        // Refused when the file was read.
        (None, None) => Directive::all(asked.level),
    };
    Ok(asked.lasts.iter().fold(directive, |directive, time| directive.lasting(**time)))
}

/// What both let through: for the moment in which one plan takes over from another, so that no record has passed the levels
/// of one and goes the ways of the other. A task that only one names goes by its targets then, unless it is to be quiet.
pub(super) fn lesser(one: &Directives, other: &Directives) -> Directives {
    let least = level_of(one, &Selector::All).min(level_of(other, &Selector::All));
    let is_meant = |directive: &Directive| match directive.selector() {
        Selector::Task(_) | Selector::Key(_) => {
            let named = |directives: &Directives| find(directives, directive.selector()).is_some();
            named(one) && named(other) || directive.level() < least
        }
        _ => true,
    };
    let both = one.iter().chain(other.iter()).filter(|directive| is_meant(directive));
    both.map(|directive| {
        let level = level_of(one, directive.selector()).min(level_of(other, directive.selector()));
        directive.clone().at(level)
    })
    .collect()
}

/// The level of all that is meant by a selector, by the directive that is nearest to it.
fn level_of(directives: &Directives, selector: &Selector) -> LevelFilter {
    let target = if let Selector::Target(target) = selector { Some(&**target) } else { None };
    let prefixes = std::iter::successors(target, |target| Some(target.rsplit_once("::")?.0));
    let own = std::iter::once(selector.clone());
    let above = prefixes.map(|prefix| Selector::Target(prefix.to_owned()));
    let nearest = own.chain(above).chain([Selector::All]).find_map(|selector| find(directives, &selector));
    nearest.map_or(LevelFilter::TRACE, Directive::level)
}

/// The directive for this: one that lasts some time before one that stays, the last of those.
fn find<'a>(directives: &'a Directives, selector: &Selector) -> Option<&'a Directive> {
    directives.iter().filter(|directive| directive.selector() == selector).max_by_key(|one| one.lasts().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both let through of a selector, whichever comes first.
    fn level(one: &str, other: &str, of: &str) -> LevelFilter {
        let directives = |text: &str| text.parse::<Directives>().expect("directives");
        let selector = format!("{of}=off").parse::<Directive>().expect("a directive").selector().clone();
        let (one, other) = (directives(one), directives(other));
        let [first, second] = [lesser(&one, &other), lesser(&other, &one)].map(|both| level_of(&both, &selector));
        assert_eq!(first, second);
        first
    }

    #[test]
    fn of_a_target_it_is_the_lesser_of_what_each_says() {
        let (one, other) = ("debug,orders::db=trace", "info,orders=warn,orders::db::pool=debug");
        assert_eq!(level(one, other, "elsewhere"), LevelFilter::INFO);
        assert_eq!(level(one, other, "orders"), LevelFilter::WARN);
        assert_eq!(level(one, other, "orders::db"), LevelFilter::WARN);
        assert_eq!(level(one, other, "orders::db::pool"), LevelFilter::DEBUG);
        assert_eq!(level("info,orders=warn,orders=trace/10m", "info,orders=debug", "orders"), LevelFilter::DEBUG);
    }

    #[test]
    fn a_task_that_one_of_them_makes_verbose_goes_by_its_targets() {
        assert_eq!(level("info,task=load=trace", "info,task=load=debug", "task=load"), LevelFilter::DEBUG);
        assert_eq!(level("info,task=load=error", "info", "task=load"), LevelFilter::ERROR);
        let [one, other] = ["info,task=load=trace", "info"].map(|text| text.parse().expect("directives"));
        assert!(lesser(&one, &other).iter().all(|directive| *directive.selector() == Selector::All));
    }
}
