//! Gold: mean delays by carrier, origin, hour and route, each aggregate in a Tokio task of its own.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spanlake::prelude::{Run, spawn_task};
use tokio::task::JoinHandle;
use tracing::{Span, debug, field, info_span, instrument};

use crate::error::Error;
use crate::figures::Figures;
use crate::maintenance;
use crate::publish;
use crate::silver::{NamedFlight, Silver};

const WORST_ROUTES: usize = 10;

/// A group with fewer landings says more about one bad day than about the group.
pub(crate) const RANKED_LANDED_MIN: u64 = 30;

pub(crate) struct Gold {
    pub(crate) carriers: Vec<Group>,
    pub(crate) origins: Vec<Group>,
    pub(crate) hours: Vec<Group>,
    pub(crate) worst_routes: Vec<Group>,
}

/// The flights that share a carrier, an origin, an hour or a route.
pub(crate) struct Group {
    pub(crate) key: String,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) flights: u64,
    pub(crate) departure_delay_min: Mean,
    pub(crate) arrival_delay_min: Mean,
}

/// Summed in whole minutes, so that the order of the flights cannot change the result.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mean {
    sum: i64,
    count: u64,
}

/// What an aggregate groups by.
#[derive(Clone, Copy)]
struct Grouping {
    by: &'static str,
    key: fn(&NamedFlight) -> String,
    name: fn(&NamedFlight) -> Option<Arc<str>>,
}

const BY_CARRIER: Grouping =
    Grouping { by: "carrier", key: |named| named.flight.carrier.clone(), name: |named| named.airline.clone() };
const BY_ORIGIN: Grouping = Grouping { by: "origin", key: |named| named.flight.origin.clone(), name: |_| None };
const BY_HOUR: Grouping =
    Grouping { by: "hour", key: |named| format!("{:02}", named.flight.scheduled.hour), name: |_| None };
const BY_ROUTE: Grouping = Grouping {
    by: "route",
    key: |named| format!("{}-{}", named.flight.origin, named.flight.destination),
    name: |named| named.destination.clone(),
};

#[instrument(name = "gold", skip_all, err, fields(figures))]
pub(crate) async fn run(silver: Arc<Silver>, folder: &Path) -> Result<(Gold, PathBuf), Error> {
    let gold = aggregate_all(&silver).await?;
    let figures = Figures::of(&silver.quality, &gold);
    Span::current().record("figures", figures.len());
    publish::publish_report(&figures, folder).await?;
    let report = maintenance::compact(folder)?;
    Ok((gold, report))
}

async fn aggregate_all(silver: &Arc<Silver>) -> Result<Gold, Error> {
    // Spawned in this order, so that the tasks are numbered in this order; they run side by side.
    let [carriers, origins, hours, routes] =
        [BY_CARRIER, BY_ORIGIN, BY_HOUR, BY_ROUTE].map(|grouping| spawn_aggregate(silver, grouping));
    let (carriers, origins, hours, routes) = tokio::try_join!(carriers, origins, hours, routes)?;
    Ok(Gold { carriers, origins, hours, worst_routes: worst_routes(routes) })
}

fn spawn_aggregate(silver: &Arc<Silver>, grouping: Grouping) -> JoinHandle<Vec<Group>> {
    let silver = Arc::clone(silver);
    let span = info_span!(
        "aggregate",
        etl.dataflow = format!("delays_by_{}", grouping.by),
        etl.stage = "gold",
        by = grouping.by,
        groups = field::Empty
    );
    spawn_task(span, async move { aggregate(&silver.flights, grouping) })
}

fn aggregate(flights: &[NamedFlight], grouping: Grouping) -> Vec<Group> {
    let mut groups = BTreeMap::new();
    for named in flights {
        let key = (grouping.key)(named);
        groups.entry(key).or_insert_with_key(|key| Group::new(key, (grouping.name)(named))).add(named);
    }
    let groups: Vec<Group> = groups.into_values().collect();
    let run = Run::current();
    run.rows_read(flights.len() as u64);
    run.rows_written(groups.len() as u64);
    for group in &groups {
        group.note(grouping.by);
    }
    Span::current().record("groups", groups.len());
    groups
}

#[instrument(skip_all, fields(routes = routes.len(), ranked))]
fn worst_routes(routes: Vec<Group>) -> Vec<Group> {
    let mut routes = worst_first(routes);
    Span::current().record("ranked", routes.len());
    routes.truncate(WORST_ROUTES);
    routes
}

/// By mean arrival delay, without the groups that landed too seldom to be ranked.
pub(crate) fn worst_first<G: Borrow<Group>>(groups: impl IntoIterator<Item = G>) -> Vec<G> {
    let arrival_delay = |group: &G| group.borrow().arrival_delay_min;
    let often = |group: &G| arrival_delay(group).count >= RANKED_LANDED_MIN;
    let mut ranked: Vec<G> = groups.into_iter().filter(often).collect();
    ranked.sort_by(|left, right| arrival_delay(right).total_cmp(arrival_delay(left)));
    ranked
}

// === impl Group ===

impl Group {
    fn new(key: &str, name: Option<Arc<str>>) -> Self {
        let nothing = Mean::default();
        Self { key: key.to_owned(), name, flights: 0, departure_delay_min: nothing, arrival_delay_min: nothing }
    }

    fn add(&mut self, named: &NamedFlight) {
        let course = &named.flight.course;
        self.flights += 1;
        self.departure_delay_min.add(course.departure_delay_min());
        self.arrival_delay_min.add(course.arrival_delay_min());
    }

    fn note(&self, by: &str) {
        debug!(
            by,
            group = self.key,
            name = self.name.as_deref(),
            flights = self.flights,
            departure_delay_min = self.departure_delay_min.value(),
            arrival_delay_min = self.arrival_delay_min.value(),
            "group aggregated"
        );
    }
}

// === impl Mean ===

impl Mean {
    fn add(&mut self, value: Option<i32>) {
        if let Some(value) = value {
            self.sum += i64::from(value);
            self.count += 1;
        }
    }

    pub(crate) fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    fn total_cmp(self, other: Self) -> Ordering {
        let or_least = |mean: Self| mean.value().unwrap_or(f64::NEG_INFINITY);
        or_least(self).total_cmp(&or_least(other))
    }
}
