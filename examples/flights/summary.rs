//! The short account of a run that people read on the terminal.

use std::fmt;

use crate::Outcome;
use crate::flight::Finding;
use crate::gold::{Group, Mean, RANKED_LANDED_MIN, worst_first};

const CARRIERS_SHOWN: usize = 8;
const ROUTES_SHOWN: usize = 5;

pub(crate) struct Summary<'a>(pub(crate) &'a Outcome);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { silver, gold, figures_checked } = self.0;
        let quality = &silver.quality;
        let cancelled = quality.count(Finding::Cancelled);
        writeln!(f, "New York departures, January 2013: {} flights", quality.rows)?;
        writeln!(f, "{cancelled} cancelled, {} diverted, {} rows rejected", quality.diverted(), quality.rejected)?;

        write_table(f, "carriers, worst first", worst_first(&gold.carriers).into_iter().take(CARRIERS_SHOWN))?;
        write_table(f, "routes, worst first", gold.worst_routes.iter().take(ROUTES_SHOWN))?;
        writeln!(f, "\nmean delays in minutes, ranked from {RANKED_LANDED_MIN} landings on")?;
        writeln!(f, "report published; {figures_checked} figures as expected")
    }
}

fn write_table<'a>(f: &mut fmt::Formatter<'_>, title: &str, groups: impl Iterator<Item = &'a Group>) -> fmt::Result {
    writeln!(f, "\n{title:<42}{:>8}{:>18}{:>16}", "flights", "departure delay", "arrival delay")?;
    groups.into_iter().try_for_each(|group| write_group(f, group))
}

fn write_group(f: &mut fmt::Formatter<'_>, group: &Group) -> fmt::Result {
    let name = group.name.as_deref().unwrap_or("(no name known)");
    let (departure, arrival) = (minutes(group.departure_delay_min), minutes(group.arrival_delay_min));
    writeln!(f, "{:<8}{name:<34}{:>8}{departure:>18}{arrival:>16}", group.key, group.flights)
}

fn minutes(mean: Mean) -> String {
    mean.value().map_or_else(|| "-".to_owned(), |value| format!("{value:+.1}"))
}
