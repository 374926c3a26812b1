//! Text lines for people: the system log.
//!
//! ```text
//! 2026-11-20T13:14:10.123456Z - INFO - flights::silver:flights::silver:42 - [orders] - wrote batch rows=500 ok=true
//! ```
//!
//! One record is one line; control characters are shown as escapes. The links of an error chain follow as indented
//! lines, and an end that asked to be quiet has no line.

use std::fmt::Write;

use crate::record::{Detail, End, Kind, Outcome, Record};
use crate::render::escape::Escaped;
use crate::render::time::format_us;
use crate::value::Value;

/// How begins and ends of tasks are put into words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifecycle {
    /// The task's message at its begin and at its end.
    #[default]
    Plain,
    /// `Begin: X`, then `End (0.50): X` in seconds, with `Error in X` before it when the task failed.
    Timed,
}

/// Renders records as the lines of a system log.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextLines {
    /// How begins and ends are put into words.
    pub lifecycle: Lifecycle,
}

impl TextLines {
    /// Appends the lines of a record, line ends included.
    pub fn put(&self, out: &mut String, record: &Record<'_>) {
        if is_quiet(record) {
            return;
        }
        for words in self.words(record) {
            put_line(out, record, &words);
        }
        put_causes(out, record);
    }

    /// What the lines say: one, or two for a failed end in the timed form.
    fn words(&self, record: &Record<'_>) -> Vec<String> {
        let message = &*record.message;
        match (self.lifecycle, record.kind, record.end()) {
            (Lifecycle::Timed, Kind::Begin, _) => vec![format!("Begin: {message}")],
            (Lifecycle::Timed, Kind::End, Some(end)) => timed_end(message, end),
            _ => vec![message.to_owned()],
        }
    }
}

/// Whether text renderings leave the record out: the end of a task that succeeded with `success("")`.
pub fn is_quiet(record: &Record<'_>) -> bool {
    record.end().is_some_and(|end| end.quiet)
}

fn timed_end(message: &str, end: &End<'_>) -> Vec<String> {
    let end_of = |message| format!("End ({:.2}): {message}", end.duration_ns as f64 / 1e9);
    if end.outcome != Outcome::Failed {
        return vec![end_of(message)];
    }
    let message = message.strip_prefix("FAILED ").unwrap_or(message);
    vec![format!("Error in {message}"), end_of(message)]
}

fn put_line(out: &mut String, record: &Record<'_>, words: &str) {
    let callsite = record.callsite;
    let module = callsite.and_then(|callsite| callsite.module).unwrap_or("-");
    let line = callsite.and_then(|callsite| callsite.line).unwrap_or(0);
    let dataflow = record.task.and_then(|task| task.dataflow_id());
    // Writing to a `String` cannot fail, here and below.
    let _ = write!(
        out,
        "{} - {} - {}:{}:{line} - [{}] - {}",
        format_us(record.ts_us()),
        record.level,
        Escaped(record.target()),
        Escaped(module),
        Escaped(dataflow.as_deref().unwrap_or("-")),
        Escaped(words),
    );
    put_text_fields(out, record);
    out.push('\n');
}

/// Appends a record's own fields as ` name=value`, texts with spaces quoted.
pub fn put_text_fields(out: &mut String, record: &Record<'_>) {
    let mut put = |name: &str, value: &Value<'_>| {
        let text = match value {
            Value::Error(chain) => chain.first().map_or_else(String::new, |link| link.clone().into_owned()),
            value => value.to_string(),
        };
        let quote = if text.is_empty() || text.contains([' ', '"', '=']) { "\"" } else { "" };
        let text = if quote.is_empty() { text } else { text.replace('"', "\\\"") };
        let _ = write!(out, " {}={quote}{}{quote}", Escaped(name), Escaped(&text));
    };
    match &record.detail {
        Detail::Loss(_) => {}
        _ => record.fields.for_each(|name, value| put(name, value)),
    }
}

/// The links of error chains: of the end's error, and of fields that hold one.
fn put_causes(out: &mut String, record: &Record<'_>) {
    let mut put = |before: &str, link: &str| {
        let _ = writeln!(out, "    {before}{}", Escaped(link));
    };
    if let Some(end) = record.end() {
        for (at, link) in end.error.iter().enumerate() {
            put(if at == 0 { "error: " } else { "caused by: " }, link);
        }
    }
    record.fields.for_each(|_, value| {
        if let Value::Error(chain) = value {
            chain.iter().skip(1).for_each(|link| put("caused by: ", link));
        }
    });
}
