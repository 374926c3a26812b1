//! The values of an observed object, in lines below that of their record.

use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::Value as Json;
use spanlake_core::Value;
use spanlake_core::render::dump::put_rounded;
use spanlake_query::{Dump, DumpValue};

use crate::line::{BUSY, DIM, Line, PLAIN};

/// How far a value stands to the right of its record.
const INDENT: &str = "    ";

/// The dumps among records that are gone through in their order.
pub(super) struct Dumps<'a> {
    dumps: Peekable<IntoIter<Dump<'a>>>,
    /// How many records were gone through.
    at: usize,
}

impl<'a> Dumps<'a> {
    pub(super) fn new(dumps: Vec<Dump<'a>>) -> Self {
        Self { dumps: dumps.into_iter().peekable(), at: 0 }
    }

    /// The dump that the next record is, if it is one.
    pub(super) fn next(&mut self) -> Option<Dump<'a>> {
        self.at += 1;
        self.dumps.next_if(|dump| dump.at + 1 == self.at)
    }
}

/// The lines of a dump, each behind `strokes`: groups, and in them values, marked where the work has changed them.
pub(super) fn value_lines(strokes: &str, dump: &Dump<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut group = "";
    for value in &dump.values {
        let (in_group, name) = value.name.split_once('.').unwrap_or(("", &value.name));
        if in_group != group {
            let mut line = Line::new();
            line.put(DIM, format_args!("{strokes}{INDENT}")).data(DIM, in_group).put(DIM, ":");
            lines.push(line);
            group = in_group;
        }
        lines.push(value_line(strokes, name, value));
    }
    lines
}

fn value_line(strokes: &str, name: &str, value: &DumpValue<'_>) -> Line {
    let mut line = Line::new();
    line.put(DIM, format_args!("{strokes}{INDENT}"));
    line.put(BUSY, if value.is_changed() { "~ " } else { "  " }).data(PLAIN, name).put(DIM, " = ");
    match value.before.filter(|_| value.is_changed()) {
        Some(before) => put_change(&mut line, before, value.json),
        None => {
            line.data(PLAIN, &rounded(value.json));
        }
    }
    line
}

/// What a value was and is now. Where the two look alike, rounded and cut, all digits are shown, or of lists, how much differs.
fn put_change(line: &mut Line, before: &str, now: &str) {
    let (old, new) = (rounded(before), rounded(now));
    if old != new {
        line.data(DIM, &old).put(DIM, " → ").data(PLAIN, &new);
    } else if let (Ok(Json::Array(before)), Ok(Json::Array(now))) =
        (serde_json::from_str(before), serde_json::from_str(now))
    {
        let differing = before.iter().zip(&now).filter(|(before, now)| before != now).count();
        line.data(PLAIN, &new).put(DIM, format_args!("  ({differing} of {} changed)", now.len()));
    } else {
        line.data(DIM, before).put(DIM, " → ").data(PLAIN, now);
    }
}

/// A value as text has it: numbers with five significant digits, integers with all of theirs.
fn rounded(json: &str) -> String {
    let mut text = String::new();
    match serde_json::from_str(json) {
        _ if is_integer(json) => json.clone_into(&mut text),
        Ok(Json::String(value)) => text = value,
        Ok(value) => put_rounded(&mut text, &value_of(value)),
        Err(_) => text.push_str(json),
    }
    text
}

/// Whether it is one, however large: what is beyond 64 bits would be read as a floating-point number.
fn is_integer(json: &str) -> bool {
    let digits = json.strip_prefix('-').unwrap_or(json);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn value_of(json: Json) -> Value<'static> {
    match json {
        Json::Array(values) => Value::List(values.into_iter().map(value_of).collect()),
        Json::Number(number) if number.is_f64() => Value::F64(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::Text(text.into()),
        other => Value::Text(other.to_string().into()),
    }
}
