//! Silver: typed flights joined with the names of airlines and airports, and an account of what was odd.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use spanlake::prelude::Run;
use tracing::{Span, debug, info, info_span, instrument, warn};

use crate::bronze::{Bronze, Row, Table};
use crate::error::Error;
use crate::flight::{Finding, Flight};

/// More than this, and the source has changed its format: figures from the rest would mislead.
const REJECTED_PERCENT_MAX: u64 = 1;

/// The last day that is complete.
const LAST_DAY: u8 = 31;

pub(crate) struct Silver {
    pub(crate) flights: Vec<NamedFlight>,
    pub(crate) quality: Quality,
}

/// A flight with what the other tables know about it.
pub(crate) struct NamedFlight {
    pub(crate) flight: Flight,
    pub(crate) airline: Option<Arc<str>>,
    pub(crate) destination: Option<Arc<str>>,
}

#[derive(Default)]
pub(crate) struct Quality {
    pub(crate) rows: u64,
    pub(crate) rejected: u64,
    pub(crate) findings: BTreeMap<Finding, u64>,
    pub(crate) unmatched_airlines: BTreeMap<String, u64>,
    pub(crate) unmatched_airports: BTreeMap<String, u64>,
}

type Names = HashMap<String, Arc<str>>;

#[instrument(name = "silver", skip_all, err)]
pub(crate) fn run(raw: &Bronze) -> Result<Silver, Error> {
    let silver = named_flights(raw)?;
    late_flights(&raw.flights);
    Ok(silver)
}

#[instrument(skip_all, err, fields(etl.dataflow = "flights", etl.stage = "silver", rows, rejected))]
fn named_flights(raw: &Bronze) -> Result<Silver, Error> {
    Run::current().rows_read(raw.flights.len() as u64);
    let airlines = read_names(&raw.airlines, "carrier");
    let airports = read_names(&raw.airports, "faa");
    let mut quality = Quality::default();
    let flights = clean_flights(&raw.flights, &mut quality)?;
    let flights = join_names(flights, &airlines, &airports, &mut quality);
    Span::current().record("rows", flights.len()).record("rejected", quality.rejected);
    Run::current().rows_written(flights.len() as u64);
    info!(rows = flights.len(), findings = quality.findings_total(), "flights cleaned and named");
    Ok(Silver { flights, quality })
}

/// What came after the month was over. The source has none yet, so that there is nothing to do.
#[instrument(skip_all, fields(etl.dataflow = "late_flights", etl.stage = "silver"))]
fn late_flights(flights: &Table) {
    let is_late = |row: &Row<'_>| row.get("day").and_then(|day| day.parse().ok()).is_some_and(|day: u8| day > LAST_DAY);
    let source = info_span!("source", etl.table = flights.name, etl.watermark_before = LAST_DAY);
    source.in_scope(|| Run::current().rows_read(flights.rows().filter(is_late).count() as u64));
}

#[instrument(skip_all, fields(table = table.name, rows))]
fn read_names(table: &Table, code: &str) -> Names {
    let named = |row: Row<'_>| Some((row.get(code)?.to_owned(), Arc::from(row.get("name")?)));
    let names = table.rows().filter_map(named).collect::<Names>();
    Span::current().record("rows", names.len());
    names
}

#[instrument(skip_all, err, fields(rows, findings))]
fn clean_flights(table: &Table, quality: &mut Quality) -> Result<Vec<Flight>, Error> {
    let mut flights = Vec::with_capacity(table.len());
    for day in table.batches("day") {
        flights.extend(clean_day(&day, quality));
    }
    Span::current().record("rows", flights.len()).record("findings", quality.findings_total());
    quality.accept()?;
    Ok(flights)
}

#[instrument(skip_all, fields(day = day_of(rows), rows = rows.len(), kept))]
fn clean_day(rows: &[Row<'_>], quality: &mut Quality) -> Vec<Flight> {
    let findings_before = quality.findings_total();
    let flights: Vec<_> = rows.iter().filter_map(|row| clean_row(*row, quality)).collect();
    Span::current().record("kept", flights.len());
    debug!(rows = rows.len(), findings = quality.findings_total() - findings_before, "day cleaned");
    flights
}

fn day_of(rows: &[Row<'_>]) -> Option<u8> {
    rows.first()?.get("day")?.parse().ok()
}

fn clean_row(row: Row<'_>, quality: &mut Quality) -> Option<Flight> {
    quality.rows += 1;
    match Flight::parse(row) {
        Ok(flight) => {
            note_findings(row.number(), &flight, quality);
            note_flight(row.number(), &flight);
            Some(flight)
        }
        Err(reason) => {
            quality.rejected += 1;
            warn!(row = row.number(), %reason, "row rejected");
            None
        }
    }
}

fn note_findings(row: u64, flight: &Flight, quality: &mut Quality) {
    for finding in flight.findings() {
        *quality.findings.entry(finding).or_default() += 1;
        warn!(row, reason = %finding, carrier = flight.carrier, flight = flight.number, "odd row");
    }
}

fn note_flight(row: u64, flight: &Flight) {
    debug!(
        row,
        carrier = flight.carrier,
        flight = flight.number,
        tail_number = flight.tail_number,
        origin = flight.origin,
        destination = flight.destination,
        departure_delay_min = flight.course.departure_delay_min(),
        arrival_delay_min = flight.course.arrival_delay_min(),
        air_time_min = flight.course.air_time_min(),
        "flight cleaned"
    );
}

#[instrument(skip_all, fields(rows = flights.len(), unmatched))]
fn join_names(flights: Vec<Flight>, airlines: &Names, airports: &Names, quality: &mut Quality) -> Vec<NamedFlight> {
    let join = |flight: Flight| NamedFlight {
        airline: look_up(airlines, &flight.carrier, &mut quality.unmatched_airlines),
        destination: look_up(airports, &flight.destination, &mut quality.unmatched_airports),
        flight,
    };
    let joined: Vec<_> = flights.into_iter().map(join).collect();
    warn_unmatched("airlines", &quality.unmatched_airlines);
    warn_unmatched("airports", &quality.unmatched_airports);
    Span::current().record("unmatched", quality.unmatched_airlines.len() + quality.unmatched_airports.len());
    joined
}

fn look_up(names: &Names, code: &str, unmatched: &mut BTreeMap<String, u64>) -> Option<Arc<str>> {
    let name = names.get(code).cloned();
    if name.is_none() {
        *unmatched.entry(code.to_owned()).or_default() += 1;
    }
    name
}

/// Once per code, not per flight: hundreds of flights share one gap in the table.
fn warn_unmatched(table: &str, unmatched: &BTreeMap<String, u64>) {
    for (code, flights) in unmatched {
        warn!(table, code, flights, "code has no name");
    }
}

impl Quality {
    pub(crate) fn findings_total(&self) -> u64 {
        self.findings.values().sum()
    }

    pub(crate) fn count(&self, finding: Finding) -> u64 {
        self.findings.get(&finding).copied().unwrap_or_default()
    }

    pub(crate) fn diverted(&self) -> u64 {
        self.count(Finding::NoArrival) + self.count(Finding::NoAirTime)
    }

    fn accept(&self) -> Result<(), Error> {
        match *self {
            Self { rows, rejected, .. } if rejected * 100 > rows * REJECTED_PERCENT_MAX => {
                Err(Error::TooManyRejected { rejected, rows })
            }
            _ => Ok(()),
        }
    }
}
