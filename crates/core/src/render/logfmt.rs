//! Lines of `name=value`, as log pipelines and people read them.

use std::fmt::{Display, Write};

use super::escape::{Escaped, is_harmful};
use super::line::Bytes;
use super::pairs::{Bound, fields_of};
use super::renderer::Renderer;
use super::time::Stamp;
use super::words::{Lifecycle, is_quiet};
use crate::record::{Kind, Record};
use crate::value::Value;

/// Renders records as logfmt, one line a record.
///
/// ```text
/// ts=2026-11-20T13:14:10.123456Z level=info target=shop key=3@e252a11f-… task=load message="wrote batch" rows=500
/// ```
///
/// `kind` is there unless it is an event, `key` and `task` are in a task, `duration_us`, `outcome` and `error` at the end of
/// one. Values that are not one plain word stand in quotes, with `"` and `\` behind a backslash; an error is
/// `this: cause: cause`. In names, what would end a name becomes `_`; a field with the name of one of ours has `fields.`
/// before it.
///
/// | setting | default |
/// |---|---|
/// | [`bound`](Self::bound) | [`Bound::Shown`] |
/// | [`lifecycle`](Self::lifecycle) | [`Lifecycle::Plain`]; of the two lines of a failed end the timed form has the second |
#[derive(Debug, Default)]
#[must_use = "a renderer does nothing until a sink has it"]
pub struct Logfmt {
    bound: Bound,
    lifecycle: Lifecycle,
    stamp: Stamp,
}

/// Names of our own in a line.
const RESERVED: [&str; 7] = ["ts", "level", "kind", "target", "key", "task", "message"];

/// Names of our own at the end of a task.
const RESERVED_AT_END: [&str; 3] = ["duration_us", "outcome", "error"];

impl Logfmt {
    /// With the defaults above.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether lines show what is bound to the task.
    pub fn bound(mut self, bound: Bound) -> Self {
        self.bound = bound;
        self
    }

    /// How begins and ends of tasks are put into words.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }
}

impl Renderer for Logfmt {
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        if is_quiet(record) {
            return;
        }
        out.extend_from_slice(b"ts=");
        self.stamp.put(out, record.ts_us());
        let out = &mut Bytes(out);
        put_head(out, record);
        put(out, "message", &self.lifecycle.last(record));
        put_end(out, record);
        for field in fields_of(record, self.bound) {
            put(out, &name_of(&field.name, record), &text_of(&field.value));
        }
        let _ = out.write_char('\n');
    }
}

fn put_head(out: &mut impl Write, record: &Record<'_>) {
    put(out, "level", &record.level.as_str().to_ascii_lowercase());
    if record.kind != Kind::Event {
        put(out, "kind", record.kind.as_str());
    }
    put(out, "target", record.target());
    if let Some(task) = record.task.as_deref() {
        put_plain(out, "key", format_args!("{}@{}", record.seq, task.key_text));
        put(out, "task", task.name);
    }
}

fn put_end(out: &mut impl Write, record: &Record<'_>) {
    if let Some(end) = record.end() {
        put_plain(out, "duration_us", end.duration_us());
        put_plain(out, "outcome", end.outcome);
        end.error_text().iter().for_each(|error| put(out, "error", error));
    }
}

fn put(out: &mut impl Write, name: &str, text: &str) {
    if is_word(text) {
        return put_plain(out, name, text);
    }
    put_plain(out, name, format_args!("\"{}\"", Escaped(&text.replace('\\', "\\\\").replace('"', "\\\""))));
}

fn put_plain(out: &mut impl Write, name: &str, text: impl Display) {
    // Writing to memory cannot fail.
    let _ = write!(out, " {name}={text}");
}

fn is_word(text: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '=' | '\\') || is_harmful(c);
    !text.is_empty() && !text.contains(ends)
}

fn text_of(value: &Value<'_>) -> String {
    value.to_string()
}

fn name_of(name: &str, record: &Record<'_>) -> String {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '=') || is_harmful(c);
    let name = if name.is_empty() { "_".to_owned() } else { name.replace(ends, "_") };
    let is_ours = RESERVED.contains(&&*name) || record.end().is_some() && RESERVED_AT_END.contains(&&*name);
    if is_ours { format!("fields.{name}") } else { name }
}
