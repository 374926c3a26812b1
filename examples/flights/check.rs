//! Holds the published report against figures that pandas computed from the same data, see `examples/data`.

use std::path::Path;

use tracing::{Span, error, info, instrument};

use crate::error::Error;
use crate::figures::{Figures, Key};

/// pandas sums in floating point where this job sums whole minutes.
const RELATIVE_TOLERANCE: f64 = 1e-9;

/// Reads the report back from disk, because that is what its readers will see. Returns the count of figures.
#[instrument(name = "check", skip_all, err, fields(figures, off))]
pub(crate) fn run(report: &Path, expected: &Path) -> Result<usize, Error> {
    let actual = Figures::read(report)?;
    let expected = Figures::read(expected)?;
    let off: Vec<_> = differences(&actual, &expected).inspect(|figure| error!(figure, "figure is off")).collect();
    Span::current().record("figures", expected.len()).record("off", off.len());
    match off.split_first() {
        Some((first, rest)) => Err(Error::FiguresOff { first: first.clone(), rest: rest.len() }),
        None => {
            info!(figures = expected.len(), "every figure is as expected");
            Ok(expected.len())
        }
    }
}

/// A figure on one side only is as wrong as one that differs.
fn differences(actual: &Figures, expected: &Figures) -> impl Iterator<Item = String> {
    let wrong = expected.iter().filter_map(|(key, value)| difference(key, actual.get(key), value));
    let unknown = actual.iter().filter(|(key, _)| expected.get(key).is_none());
    wrong.chain(unknown.map(|(key, value)| format!("{key} is {value}, expected nothing")))
}

fn difference(key: &Key, actual: Option<f64>, expected: f64) -> Option<String> {
    match actual {
        Some(actual) if agrees(actual, expected) => None,
        Some(actual) => Some(format!("{key} is {actual}, expected {expected}")),
        None => Some(format!("{key} is missing, expected {expected}")),
    }
}

fn agrees(actual: f64, expected: f64) -> bool {
    (actual - expected).abs() <= RELATIVE_TOLERANCE * expected.abs()
}
