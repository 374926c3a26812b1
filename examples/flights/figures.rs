//! The job's result as figures in long form: what is published, and what the expected figures are kept as.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::flight::Finding;
use crate::gold::{Gold, Group};
use crate::silver::Quality;

pub(crate) const HEADER: &str = "figure,group,value";

#[derive(Default)]
pub(crate) struct Figures(BTreeMap<Key, f64>);

/// The group of a total is empty.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    figure: String,
    group: String,
}

// === impl Figures ===

impl Figures {
    pub(crate) fn of(quality: &Quality, gold: &Gold) -> Self {
        let mut figures = Self::default();
        figures.add_quality(quality);
        figures.add_groups("carrier", &gold.carriers);
        figures.add_groups("origin", &gold.origins);
        figures.add_groups("hour", &gold.hours);
        for route in &gold.worst_routes {
            figures.add("worst_route_mean_arrival_delay_min", &route.key, route.arrival_delay_min.value());
        }
        figures
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, f64)> {
        self.0.iter().map(|(key, value)| (key, *value))
    }

    pub(crate) fn get(&self, key: &Key) -> Option<f64> {
        self.0.get(key).copied()
    }

    fn add_quality(&mut self, quality: &Quality) {
        let cancelled = quality.count(Finding::Cancelled);
        let diverted = quality.diverted();
        self.add_total("rows", quality.rows);
        self.add_total("rejected", quality.rejected);
        self.add_total("cancelled", cancelled);
        self.add_total("diverted", diverted);
        self.add_total("landed", quality.rows - quality.rejected - cancelled - diverted);
        for (finding, count) in &quality.findings {
            self.add_total(&format!("finding_{}", finding.name()), *count);
        }
        self.add_total("unmatched_airlines", quality.unmatched_airlines.len() as u64);
        self.add_total("unmatched_airports", quality.unmatched_airports.len() as u64);
        self.add_total("unmatched_flights", quality.unmatched_airports.values().sum());
    }

    fn add_groups(&mut self, by: &str, groups: &[Group]) {
        for group in groups {
            self.add(&format!("{by}_flights"), &group.key, Some(group.flights as f64));
            self.add(&format!("{by}_mean_departure_delay_min"), &group.key, group.departure_delay_min.value());
            self.add(&format!("{by}_mean_arrival_delay_min"), &group.key, group.arrival_delay_min.value());
        }
    }

    fn add_total(&mut self, figure: &str, count: u64) {
        self.add(figure, "", Some(count as f64));
    }

    /// A mean over nothing is no figure.
    fn add(&mut self, figure: &str, group: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.0.insert(Key { figure: figure.to_owned(), group: group.to_owned() }, value);
        }
    }

    /// Files of at most `figures`, each with the header. No cell needs quotes: figures and groups are codes.
    pub(crate) fn to_csv_parts(&self, figures: usize) -> Vec<String> {
        let lines = self.iter().map(|(key, value)| format!("{},{},{value}\n", key.figure, key.group));
        let lines: Vec<_> = lines.collect();
        lines.chunks(figures).map(|lines| format!("{HEADER}\n{}", lines.concat())).collect()
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let failed = |source| Error::Csv { name: path.display().to_string(), source };
        let mut figures = Self::default();
        for record in csv::Reader::from_reader(text.as_bytes()).into_deserialize() {
            let (figure, group, value): (String, String, f64) = record.map_err(failed)?;
            figures.add(&figure, &group, Some(value));
        }
        Ok(figures)
    }
}

// === impl Key ===

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => f.write_str(&self.figure),
            group => write!(f, "{} of {group}", self.figure),
        }
    }
}
