//! Partition patterns: which folder the records of an hour go to.

use std::fmt;
use std::str::FromStr;

use spanlake_core::render::time::Civil;
use spanlake_core::{Category, Error, Stage};

/// The pattern of [`Partition::default`]: Hive style, one folder a day, UTC.
pub const DEFAULT_PARTITION: &str = "run_date={year}-{month}-{day}";

/// The folders between a log type and its files, by the UTC time of the records.
///
/// A pattern is text with `{year}`, `{month}`, `{day}` and `{hour}` in it, which stand for numbers with zeros in front
/// (four digits for the year, two for the others). It names the first of these units, or the first two, and so on, in
/// this order and each once: `{month}` without `{year}` would mix the records of many years.
///
/// ```
/// use spanlake_lake::Partition;
///
/// let hourly = Partition::new("year={year}/month={month}/day={day}/hour={hour}")?;
/// assert_eq!(hourly.folder(1_763_644_450_123_456), "year=2025/month=11/day=20/hour=13");
/// assert_eq!(Partition::default().folder(0), "run_date=1970-01-01");
/// assert!(Partition::new("{month}").is_err());
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Unit(Unit),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
}

// === impl Partition ===

impl Partition {
    /// Checks a pattern. The error, `CONFIGURATION::Partition::VALIDATION::ERROR`, says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        parse(pattern).map_err(|fault| {
            let message = format!("invalid partition pattern: {fault}");
            Error::new(Stage::Configuration, "Partition", Category::Validation, message).with("pattern", pattern)
        })
    }

    /// No folders: the files lie directly in the folder of their log type.
    pub fn none() -> Self {
        Self { parts: Vec::new() }
    }

    /// The folders of the moment `ts_us` microseconds after the Unix epoch, with `/` between them; empty for
    /// [`Partition::none`].
    pub fn folder(&self, ts_us: i64) -> String {
        let at = Civil::at(ts_us.div_euclid(1_000_000));
        self.parts.iter().map(|part| part.text(at)).collect()
    }
}

/// One folder a day: [`DEFAULT_PARTITION`].
impl Default for Partition {
    fn default() -> Self {
        let text = |text: &str| Part::Text(text.to_owned());
        let parts = vec![
            text("run_date="),
            Part::Unit(Unit::Year),
            text("-"),
            Part::Unit(Unit::Month),
            text("-"),
            Part::Unit(Unit::Day),
        ];
        Self { parts }
    }
}

/// The pattern it was made from; nothing for [`Partition::none`].
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Unit(unit) => write!(f, "{{{}}}", unit.name()),
        })
    }
}

impl FromStr for Partition {
    type Err = Error;

    fn from_str(pattern: &str) -> Result<Self, Error> {
        Self::new(pattern)
    }
}

// === parts ===

impl Part {
    fn text(&self, at: Civil) -> String {
        match self {
            Part::Text(text) => text.clone(),
            Part::Unit(Unit::Year) => format!("{:04}", at.year),
            Part::Unit(Unit::Month) => format!("{:02}", at.month),
            Part::Unit(Unit::Day) => format!("{:02}", at.day),
            Part::Unit(Unit::Hour) => format!("{:02}", at.hour),
        }
    }
}

impl Unit {
    /// From the longest to the shortest, the order in which a pattern names them.
    const ALL: [Unit; 4] = [Unit::Year, Unit::Month, Unit::Day, Unit::Hour];

    fn name(self) -> &'static str {
        match self {
            Unit::Year => "year",
            Unit::Month => "month",
            Unit::Day => "day",
            Unit::Hour => "hour",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }
}

// === checking ===

fn parse(pattern: &str) -> Result<Partition, String> {
    check_folders(pattern)?;
    let parts = split(pattern)?;
    check_order(&parts)?;
    Ok(Partition { parts })
}

/// Folders below the lake that every engine sees, and nothing else.
fn check_folders(pattern: &str) -> Result<(), String> {
    for folder in pattern.split('/') {
        match folder {
            "" => return Err("a folder's name is empty, or the path is absolute".to_owned()),
            "." | ".." => return Err(format!("`{folder}` is no folder of its own")),
            _ if folder.starts_with(['.', '_']) => return Err(format!("engines pass over hidden folder `{folder}`")),
            _ => {}
        }
    }
    match pattern.chars().find(|c| c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')) {
        Some(c) => Err(format!("{c:?} cannot stand in a folder's name everywhere")),
        None => Ok(()),
    }
}

fn split(pattern: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        let (text, placeholder) = rest.split_at(at);
        let inner = placeholder.strip_prefix('{').ok_or("`}` without `{` before it")?;
        let (name, after) = inner.split_once('}').ok_or("`{` without `}` behind it")?;
        let unit = Unit::named(name).ok_or_else(|| format!("unknown placeholder `{{{name}}}`"))?;
        push_text(&mut parts, text);
        parts.push(Part::Unit(unit));
        rest = after;
    }
    push_text(&mut parts, rest);
    Ok(parts)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn check_order(parts: &[Part]) -> Result<(), String> {
    let units: Vec<Unit> =
        parts.iter().filter_map(|part| if let Part::Unit(unit) = part { Some(*unit) } else { None }).collect();
    if units.is_empty() {
        return Err("no placeholder; for a lake without partitions there is `Partition::none`".to_owned());
    }
    let in_order = units.iter().zip(Unit::ALL).all(|(unit, expected)| *unit == expected);
    if in_order && units.len() <= Unit::ALL.len() {
        return Ok(());
    }
    Err("the placeholders are not {year}, {month}, {day}, {hour} in this order, as far as they go".to_owned())
}
