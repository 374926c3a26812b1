//! Medians over rounds, and ratios against the yardstick of the same round.

use crate::{rounds::Sample, trial::Measured};

/// The peer in whose caller time the column `noops` counts.
const NOOP: &str = "floor-noop";

const HEAD: &str = "\
| peer | caller ns | x | CPU ns | x | noops | kept | bytes a record |
|---|--:|--:|--:|--:|--:|--:|--:|
";

/// A Markdown table of the samples with this many threads, cheapest caller first.
pub fn markdown(samples: &[Sample], threads: u64, yardstick: &str) -> String {
    let samples: Vec<&Sample> = samples.iter().filter(|sample| sample.measured.threads == threads).collect();
    let mut lines: Vec<Line<'_>> = names(&samples).into_iter().map(|name| line(&samples, name, yardstick)).collect();
    lines.sort_by(|a, b| a.caller_ns.total_cmp(&b.caller_ns));
    lines.iter().fold(HEAD.to_owned(), |table, line| table + &line.markdown())
}

struct Line<'a> {
    peer: &'a str,
    caller_ns: f64,
    caller_x: Option<f64>,
    cpu_ns: f64,
    cpu_x: Option<f64>,
    noops: Option<f64>,
    kept: Option<f64>,
    bytes_per_record: Option<f64>,
}

impl Line<'_> {
    fn markdown(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            self.peer,
            nanos(self.caller_ns),
            cell(self.caller_x, 1),
            nanos(self.cpu_ns),
            cell(self.cpu_x, 1),
            cell(self.noops, 2),
            cell(self.kept, 3),
            cell(self.bytes_per_record, 0),
        )
    }
}

fn names<'a>(samples: &[&'a Sample]) -> Vec<&'a str> {
    let mut names: Vec<&str> = samples.iter().map(|sample| sample.measured.peer.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn line<'a>(samples: &[&'a Sample], peer: &'a str, yardstick: &str) -> Line<'a> {
    let own = |value: fn(&Measured) -> Option<f64>| {
        median(samples.iter().filter(|it| it.measured.peer == peer).filter_map(|it| value(&it.measured)))
    };
    let inverse = |ratio: f64| 1.0 / ratio;
    Line {
        peer,
        caller_ns: own(|it| Some(it.caller_ns)).unwrap_or_default(),
        caller_x: ratio(samples, peer, yardstick, |it| it.caller_ns).map(inverse),
        cpu_ns: own(|it| Some(it.cpu_ns)).unwrap_or_default(),
        cpu_x: ratio(samples, peer, yardstick, |it| it.cpu_ns).map(inverse),
        noops: ratio(samples, peer, NOOP, |it| it.caller_ns),
        kept: own(|it| it.kept),
        bytes_per_record: own(|it| it.bytes_per_record),
    }
}

/// The median over rounds of `peer` divided by `other`.
fn ratio(samples: &[&Sample], peer: &str, other: &str, value: fn(&Measured) -> f64) -> Option<f64> {
    let in_round = |round, name: &str| samples.iter().find(|it| it.round == round && it.measured.peer == name);
    let ratios = samples.iter().filter(|it| it.measured.peer == peer).filter_map(|own| {
        let ratio = value(&own.measured) / value(&in_round(own.round, other)?.measured);
        ratio.is_finite().then_some(ratio)
    });
    median(ratios)
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().saturating_sub(1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// Whole nanoseconds, and parts of one where they matter.
fn nanos(value: f64) -> String {
    let digits = match value {
        ..2.0 => 2,
        ..20.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Work;

    fn sample(round: u32, peer: &str, caller_ns: f64) -> Sample {
        let measured = Measured {
            peer: peer.to_owned(),
            work: Work::Events,
            threads: 1,
            count: 1,
            caller_ns,
            cpu_ns: caller_ns * 2.0,
            wall_ms: 1.0,
            found: 1,
            kept: Some(1.0),
            bytes_per_record: Some(300.0),
        };
        Sample { round, measured }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let samples = [
            sample(0, "slow", 1_000.0),
            sample(0, "fast", 100.0),
            sample(1, "slow", 9_000.0),
            sample(1, "fast", 900.0),
        ];
        let table = markdown(&samples, 1, "slow");
        assert!(table.contains("| fast | 500 | 10.0 | 1000 | 10.0 | - | 1.000 | 300 |"), "{table}");
        assert!(table.contains("| slow | 5000 | 1.0 | 10000 | 1.0 | - | 1.000 | 300 |"), "{table}");
    }

    #[test]
    fn a_missing_yardstick_leaves_the_ratio_open() {
        let table = markdown(&[sample(0, "fast", 100.0)], 1, "slow");
        assert!(table.contains("| fast | 100 | - | 200 | - | - | 1.000 | 300 |"), "{table}");
    }

    #[test]
    fn the_median_of_an_even_number_is_the_middle() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }
}
