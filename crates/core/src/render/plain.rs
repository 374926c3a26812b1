//! Lines of text by a pattern.

use std::borrow::Cow;
use std::fmt::Write;

use super::escape::{Escaped, is_harmful};
use super::line::{Bytes, Line};
use super::pairs::{INDENT, put_causes, put_values};
use super::renderer::Renderer;
use super::text::put_text_fields;
use super::time::format_us;
use super::words::{Lifecycle, is_quiet};
use crate::error::{Category, Error, Stage};
use crate::record::Record;

/// The pattern of [`Plain::default`]: a line of the system log.
pub const DEFAULT_PATTERN: &str = "{ts} - {level} - {target}:{module}:{line} - [{dataflow}] - {message} {fields}";

/// Renders records as lines by a pattern, the links of an error chain as indented lines below.
///
/// A pattern is text with these in it:
///
/// | | what | where it is not known |
/// |---|---|---|
/// | `{ts}` | UTC, to the microsecond | |
/// | `{level}` | `INFO` | |
/// | `{kind}` | `event`, `begin`, `end`, `loss` | |
/// | `{message}` | the text | |
/// | `{fields}` | own fields, `name=value` | nothing, and without the space before it |
/// | `{target}` `{module}` `{file}` | where it comes from | `-` |
/// | `{line}` | the line in the file | `0` |
/// | `{task}` `{key}` | the task's name, the record's key | `-` |
/// | `{dataflow}` | the dataflow of the task | `-` |
/// | `{thread}` `{pid}` `{host}` `{service}` | the process | `-` |
///
/// A number behind a colon pads, `{level:5}`, in columns of a terminal and not at the end of a line; `{{` and `}}` stand for
/// braces.
///
/// ```
/// use spanlake_core::render::Plain;
///
/// let lines = Plain::new("{ts} {level:5} [{thread}] {message} {fields}")?;
/// assert!(Plain::new("{time}").is_err());
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a renderer does nothing until a sink has it"]
pub struct Plain {
    parts: Vec<Part>,
    lifecycle: Lifecycle,
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(Cow<'static, str>),
    /// A placeholder, and how wide it is at least.
    Place(Place, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Ts,
    Level,
    Kind,
    Message,
    Fields,
    Target,
    Module,
    File,
    Line,
    Task,
    Key,
    Dataflow,
    Thread,
    Pid,
    Host,
    Service,
}

/// [`DEFAULT_PATTERN`], taken apart.
pub(super) const DEFAULT_PARTS: &[Part] = &[
    Part::Place(Place::Ts, 0),
    Part::Text(Cow::Borrowed(" - ")),
    Part::Place(Place::Level, 0),
    Part::Text(Cow::Borrowed(" - ")),
    Part::Place(Place::Target, 0),
    Part::Text(Cow::Borrowed(":")),
    Part::Place(Place::Module, 0),
    Part::Text(Cow::Borrowed(":")),
    Part::Place(Place::Line, 0),
    Part::Text(Cow::Borrowed(" - [")),
    Part::Place(Place::Dataflow, 0),
    Part::Text(Cow::Borrowed("] - ")),
    Part::Place(Place::Message, 0),
    Part::Place(Place::Fields, 0),
];

/// Wider than any line that a person reads.
const MAX_PAD: usize = 1_000;

// === impl Plain ===

impl Plain {
    /// Checks a pattern. The error, `CONFIGURATION::Plain::VALIDATION::ERROR`, says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        let parts = parse(pattern).map_err(|fault| {
            let message = format!("invalid pattern of a line: {fault}");
            Error::new(Stage::Configuration, "Plain", Category::Validation, message).with("pattern", pattern)
        })?;
        Ok(Self { parts, lifecycle: Lifecycle::default() })
    }

    /// How begins and ends of tasks are put into words.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }
}

/// By [`DEFAULT_PATTERN`].
impl Default for Plain {
    fn default() -> Self {
        Self { parts: DEFAULT_PARTS.to_vec(), lifecycle: Lifecycle::default() }
    }
}

impl Renderer for Plain {
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        put_record(&mut Bytes(out), &self.parts, self.lifecycle, record);
    }
}

/// Appends the lines of a record.
pub(super) fn put_record(out: &mut impl Write, parts: &[Part], lifecycle: Lifecycle, record: &Record<'_>) {
    if is_quiet(record) {
        return;
    }
    let mut line = Line::new(out, false);
    lifecycle.each(record, |words| {
        parts.iter().for_each(|part| part.put(&mut line, record, words));
        line.end();
    });
    put_values(&mut line, record, "");
    put_causes(&mut line, record, INDENT);
}

// === impl Part ===

impl Part {
    fn put<W: Write>(&self, line: &mut Line<'_, W>, record: &Record<'_>, words: &str) {
        match self {
            Part::Text(text) => line.put(text),
            Part::Place(place, width) => {
                let start = line.column();
                place.put(line, record, words);
                line.pad_to(start + width);
            }
        }
    }
}

// === impl Place ===

impl Place {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "ts" => Self::Ts,
            "level" => Self::Level,
            "kind" => Self::Kind,
            "message" => Self::Message,
            "fields" => Self::Fields,
            "target" => Self::Target,
            "module" => Self::Module,
            "file" => Self::File,
            "line" => Self::Line,
            "task" => Self::Task,
            "key" => Self::Key,
            "dataflow" => Self::Dataflow,
            "thread" => Self::Thread,
            "pid" => Self::Pid,
            "host" => Self::Host,
            "service" => Self::Service,
            _ => return None,
        })
    }

    fn put<W: Write>(self, line: &mut Line<'_, W>, record: &Record<'_>, words: &str) {
        let callsite = record.callsite;
        let known = |text: Option<&str>| text.filter(|text| !text.is_empty()).map_or("-".to_owned(), escape);
        match self {
            Self::Ts => line.put(format_us(record.ts_us())),
            Self::Level => line.put(record.level),
            Self::Kind => line.put(record.kind),
            Self::Message => line.put(Escaped(words)),
            Self::Fields => put_text_fields(line, record),
            Self::Target => line.put(Escaped(record.target())),
            Self::Module => line.put(known(callsite.and_then(|callsite| callsite.module))),
            Self::File => line.put(known(callsite.and_then(|callsite| callsite.file))),
            Self::Line => line.put(callsite.and_then(|callsite| callsite.line).unwrap_or(0)),
            Self::Task => line.put(known(record.task.as_deref().map(|task| task.name))),
            Self::Key => put_key(line, record),
            Self::Dataflow => line.put(known(record.task.as_deref().and_then(|task| task.dataflow_id()).as_deref())),
            Self::Thread => line.put(known(Some(&record.source.thread))),
            Self::Pid => line.put(record.source.pid),
            Self::Host => line.put(known(Some(&record.source.host))),
            Self::Service => line.put(known(Some(&record.source.service))),
        }
    }
}

fn escape(text: &str) -> String {
    Escaped(text).to_string()
}

fn put_key<W: Write>(line: &mut Line<'_, W>, record: &Record<'_>) {
    match record.task.as_deref() {
        Some(task) => line.put(format_args!("{}@{}", record.seq, task.key_text)),
        None => line.put('-'),
    }
}

// === checking ===

fn parse(pattern: &str) -> Result<Vec<Part>, String> {
    if let Some(harmful) = pattern.chars().find(|c| is_harmful(*c)) {
        return Err(format!("{harmful:?} would act on a terminal or break the line"));
    }
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..at + 1];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            text.push_str(brace);
            rest = after;
            continue;
        }
        let (inside, after) =
            rest.split_once('}').filter(|_| brace == "{").ok_or("a brace alone; `{{` and `}}` stand for braces")?;
        push(&mut parts, std::mem::take(&mut text), place(inside)?);
        rest = after;
    }
    text.push_str(rest);
    push_text(&mut parts, text);
    let is_place = |part: &Part| matches!(part, Part::Place(..));
    if parts.iter().any(is_place) { Ok(parts) } else { Err("no placeholder".to_owned()) }
}

fn place(inside: &str) -> Result<Part, String> {
    let (name, width) = inside.split_once(':').unwrap_or((inside, "0"));
    let place = Place::named(name).ok_or_else(|| format!("unknown placeholder `{{{name}}}`"))?;
    let width = width.parse().ok().filter(|width| *width <= MAX_PAD);
    let width = width.ok_or_else(|| format!("`{{{inside}}}` is not padded by a number up to {MAX_PAD}"))?;
    Ok(Part::Place(place, width))
}

/// The space before the fields goes with them.
fn push(parts: &mut Vec<Part>, mut text: String, part: Part) {
    if matches!(part, Part::Place(Place::Fields, _)) && text.ends_with(' ') {
        text.pop();
    }
    push_text(parts, text);
    parts.push(part);
}

fn push_text(parts: &mut Vec<Part>, text: String) {
    if !text.is_empty() {
        parts.push(Part::Text(Cow::Owned(text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_pattern_is_what_it_says() {
        assert_eq!(parse(DEFAULT_PATTERN).as_deref(), Ok(DEFAULT_PARTS));
    }
}
