//! JSON lines in the shape that services with structlog write.

use super::json::{put_fields, put_json_text};
use super::renderer::Renderer;
use super::time::Stamp;
use crate::record::{Detail, Record, merge_context};
use crate::value::{Field, Value};

/// Renders records as the JSON lines of structlog: bound fields first, then the record's own, then `event`, `level`,
/// `timestamp` with `Z`, and `exception` where there is an error.
///
/// ```text
/// {"table":"orders","rows":500,"key":"3@e252a11f-…","event":"wrote batch","level":"info","timestamp":"2026-11-20T13:14:10.123456Z"}
/// ```
///
/// Levels are structlog's words, `warning` for `WARN`; `trace` it has none for. Begins and ends of tasks are events with
/// the task's message; an end has `outcome`, `duration_us` and `busy_us` among its fields. `exception` has the error and
/// its causes, a line each: of an end, or of the first field that is an error, which then stands there only. A field with
/// the name of one of these keys has `fields.` before it. Quiet ends have a line as others do.
#[derive(Debug, Default)]
#[must_use = "a renderer does nothing until a sink has it"]
pub struct StructlogLines {
    stamp: Stamp,
}

/// Keys of our own.
const RESERVED: [&str; 5] = ["key", "event", "level", "timestamp", "exception"];

impl StructlogLines {
    /// It has no settings.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Renderer for StructlogLines {
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let mut fields = fields_of(record);
        let exception = exception_of(record, &mut fields);
        fields.iter_mut().for_each(rename_reserved);
        if let Some(task) = record.task.as_deref() {
            push(&mut fields, "key", format!("{}@{}", record.seq, task.key_text));
        }
        push(&mut fields, "event", record.message.clone());
        push(&mut fields, "level", level_word(record));
        let mut timestamp = Vec::new();
        self.stamp.put(&mut timestamp, record.ts_us());
        put_fields(out, &fields);
        // The timestamp is ours and needs no escapes; the object goes on behind the last field.
        out.pop();
        out.extend_from_slice(b",\"timestamp\":\"");
        out.extend_from_slice(&timestamp);
        out.push(b'"');
        if let Some(exception) = exception {
            out.extend_from_slice(b",\"exception\":");
            put_json_text(out, &exception);
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Bound fields and own ones, the latter winning.
fn fields_of<'a>(record: &Record<'a>) -> Vec<Field<'a>> {
    let mut own = match &record.detail {
        Detail::Loss(loss) => loss.fields(),
        _ => record.fields.to_vec(),
    };
    if let Some(end) = record.end() {
        push(&mut own, "outcome", end.outcome.as_str());
        own.push(Field { name: "duration_us".into(), value: end.duration_us().into() });
        own.push(Field { name: "busy_us".into(), value: (end.busy_ns / 1000).into() });
    }
    merge_context(record.task.as_deref().map_or(&[][..], |task| &task.context), &own)
}

/// The error of an end, or else the first that is a field, which is taken out.
fn exception_of(record: &Record<'_>, fields: &mut Vec<Field<'_>>) -> Option<String> {
    let of_end = record.end().map(|end| &end.error).filter(|error| !error.is_empty());
    if let Some(chain) = of_end {
        return Some(chain.join("\ncaused by: "));
    }
    let at = fields.iter().position(|field| matches!(field.value, Value::Error(_)))?;
    match fields.remove(at).value {
        Value::Error(chain) => Some(chain.join("\ncaused by: ")),
        _ => None,
    }
}

fn rename_reserved(field: &mut Field<'_>) {
    if RESERVED.contains(&&*field.name) {
        field.name = format!("fields.{}", field.name).into();
    }
}

fn push<'a>(fields: &mut Vec<Field<'a>>, name: &'static str, text: impl Into<std::borrow::Cow<'a, str>>) {
    fields.push(Field { name: name.into(), value: Value::Text(text.into()) });
}

fn level_word(record: &Record<'_>) -> &'static str {
    match record.level {
        tracing_core::Level::TRACE => "trace",
        tracing_core::Level::DEBUG => "debug",
        tracing_core::Level::INFO => "info",
        tracing_core::Level::WARN => "warning",
        tracing_core::Level::ERROR => "error",
    }
}
