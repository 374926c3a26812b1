//! Directives: which levels are wanted, by target and by task, and for how long; as data and as text.
//!
//! ```text
//! info,orders::db=debug,task=load_orders=trace/10m
//! ```
//!
//! A directive is a level, with what it is for in front of it, and behind it how long it lasts. Without anything in front
//! it is for whatever no other one is for. A target is meant with all that goes on behind it with `::`. A task is named by
//! its name or its key, and meant with its subtasks. A duration is numbers with units: `d`, `h`, `m`, `s`, `ms`. Texts with
//! `,`, `=`, `"` or a space at an end stand in double quotes, in which `\` goes before `"` and itself.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tracing_core::LevelFilter;

use crate::error::{Category, Error, Stage};
use crate::key::TaskKey;

/// One level, what it is for, and how long it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    selector: Selector,
    level: LevelFilter,
    lasts: Option<Duration>,
}

/// What a directive is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// Whatever no other directive is for.
    All,
    /// This target, and those that go on behind it with `::`.
    Target(String),
    /// Tasks of this name, and their subtasks.
    Task(String),
    /// The task of this key, and its subtasks.
    Key(TaskKey),
}

/// Any number of directives; where two are for the same, the later one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives(Vec<Directive>);

/// The word in front of a task's name or key.
const TASK: &str = "task";

/// The longest that a directive lasts for some time: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Units of duration, the longest first, in milliseconds.
const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

// === impl Directive ===

impl Directive {
    /// A level for whatever no other directive is for.
    pub fn all(level: LevelFilter) -> Self {
        Self { selector: Selector::All, level, lasts: None }
    }

    /// A level for a target and those behind it. Refused when that is no prefix of a target, such as `orders::`.
    pub fn target(prefix: impl Into<String>, level: LevelFilter) -> Result<Self, Error> {
        let prefix = prefix.into();
        if prefix.split("::").any(str::is_empty) {
            return Err(refused("not a prefix of a target", &prefix));
        }
        Ok(Self { selector: Selector::Target(prefix), level, lasts: None })
    }

    /// A level for a task and its subtasks, by its name or its key. Refused when that is empty.
    pub fn task(task: impl Into<String>, level: LevelFilter) -> Result<Self, Error> {
        let name = task.into();
        let selector = match name.parse() {
            Ok(key) => Selector::Key(key),
            Err(_) if name.is_empty() => return Err(refused("a task has a name", &name)),
            Err(_) => Selector::Task(name),
        };
        Ok(Self { selector, level, lasts: None })
    }

    /// The same, at another level.
    #[must_use]
    pub fn at(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// The same, for some time only: whole milliseconds, at least one.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        let millis = time.min(LONGEST).as_nanos().div_ceil(1_000_000).max(1);
        self.lasts = Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)));
        self
    }

    /// The same, without an end.
    #[must_use]
    pub fn staying(mut self) -> Self {
        self.lasts = None;
        self
    }

    /// What it is for.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// The most verbose level that is wanted.
    pub fn level(&self) -> LevelFilter {
        self.level
    }

    /// How long it lasts from when it is set; `None` for until it is taken back.
    pub fn lasts(&self) -> Option<Duration> {
        self.lasts
    }
}

impl FromStr for Directive {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = split(text, '=').map(str::trim).collect();
        let (selector, setting) = match parts[..] {
            [setting] => (None, setting),
            [target, setting] => (Some((false, target)), setting),
            [TASK, task, setting] => (Some((true, task)), setting),
            _ => return Err(refused("expected a level, `target=level` or `task=name=level`", text)),
        };
        let (level, lasts) = match setting.split_once('/') {
            Some((level, lasts)) => (level, Some(duration(lasts).ok_or_else(|| refused("not a duration", text))?)),
            None => (setting, None),
        };
        let level = level_of(level).ok_or_else(|| refused("not a level", text))?;
        let directive = match selector {
            None => Self::all(level),
            Some((is_task, name)) => {
                let name = unquoted(name).ok_or_else(|| refused("quotes do not match", text))?;
                if is_task { Self::task(name, level)? } else { Self::target(name, level)? }
            }
        };
        Ok(lasts.map_or(directive.clone(), |lasts| directive.lasting(lasts)))
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Selector::All => {}
            Selector::Target(prefix) => write!(f, "{}=", quoted(prefix))?,
            Selector::Task(name) => write!(f, "{TASK}={}=", quoted(name))?,
            Selector::Key(key) => write!(f, "{TASK}={key}=")?,
        }
        f.write_str(&self.level.to_string())?;
        self.lasts.map_or(Ok(()), |lasts| put_duration(f, lasts))
    }
}

// === impl Directives ===

impl Directives {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one behind those before it.
    pub fn push(&mut self, directive: Directive) {
        self.0.push(directive);
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Directive> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Directive> for Directives {
    fn from_iter<I: IntoIterator<Item = Directive>>(directives: I) -> Self {
        Self(directives.into_iter().collect())
    }
}

impl IntoIterator for Directives {
    type Item = Directive;
    type IntoIter = std::vec::IntoIter<Directive>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromStr for Directives {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Ok(Self::new());
        }
        split(text, ',').map(|directive| directive.trim().parse()).collect()
    }
}

impl fmt::Display for Directives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, directive) in self.0.iter().enumerate() {
            write!(f, "{}{directive}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

// === helpers ===

/// Splits at a character that stands outside quotes.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut in_quotes, mut escaped) = (false, false);
    text.split(move |c: char| {
        let is_escape = in_quotes && c == '\\' && !escaped;
        in_quotes ^= c == '"' && !escaped;
        escaped = is_escape;
        c == at && !in_quotes
    })
}

/// The text, in quotes if it must be.
fn quoted(text: &str) -> String {
    if !text.contains([',', '=', '"']) && text.trim() == text {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The text that was written, in quotes or not; `None` when the quotes do not match.
fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        return Some(text.to_owned()).filter(|text| !text.contains('"'));
    };
    let (mut plain, mut characters) = (String::new(), inner.chars());
    loop {
        match characters.next()? {
            '"' => return Some(plain).filter(|_| characters.as_str().is_empty()),
            '\\' => plain.push(characters.next()?),
            c => plain.push(c),
        }
    }
}

fn level_of(word: &str) -> Option<LevelFilter> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return None,
    })
}

/// A duration of more than no time, such as `1h30m`.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut millis) = (text.trim(), 0u128);
    while !rest.is_empty() {
        let (digits, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, behind) = behind.split_at(behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len()));
        let length = UNITS.iter().find(|(name, _)| *name == unit.trim())?.1;
        millis = millis.checked_add(u128::from(digits.parse::<u64>().ok()?) * length)?;
        rest = behind;
    }
    Some(millis)
        .filter(|millis| *millis > 0)
        .map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

fn put_duration(f: &mut fmt::Formatter<'_>, duration: Duration) -> fmt::Result {
    let mut millis = duration.as_millis();
    f.write_str("/")?;
    for (unit, length) in UNITS {
        let count = millis / length;
        if count > 0 {
            write!(f, "{count}{unit}")?;
        }
        millis %= length;
    }
    Ok(())
}

fn refused(why: &str, text: &str) -> Error {
    Error::new(Stage::Configuration, "Directives", Category::Validation, why).with("directive", text)
}
