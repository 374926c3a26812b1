//! JSON lines: one object a record, the same keys in every line, in the order of the lake's columns.

use crate::record::{Callsite, Detail, Record, SeenNames, Source, Task};
use crate::render::escape::put_json_escaped;
use crate::render::renderer::Renderer;
use crate::render::time::Stamp;
use crate::value::{Field, Fields, Value};

/// Renders records as JSON lines. Every line has every key; what a record does not have is `null`.
#[derive(Debug, Default)]
pub struct JsonLines {
    stamp: Stamp,
}

/// The parts of a line that are the same for all records of a task.
#[derive(Debug)]
pub(crate) struct TaskJson {
    /// `"task":"…",`
    name: String,
    /// `"dataflow_id":…,"context":{…},`
    context: String,
    /// Where the merged context itself stands in that.
    context_at: usize,
    /// `,"trace_id":"…","span_id":"…"}` and the line's end
    ids: String,
}

const NO_TASK_CONTEXT: &str = "\"dataflow_id\":null,\"context\":{},";
const NO_TASK_IDS: &str = ",\"trace_id\":null,\"span_id\":null}\n";
const NO_CALLSITE: &str = "\"target\":\"spanlake\",\"module\":null,\"file\":null,\"line\":null,";
const NO_END: &[u8] = b",\"duration_us\":null,\"outcome\":null,\"error\":null";

// === impl JsonLines ===

impl JsonLines {
    /// Appends the line of a record, line end included.
    pub fn put(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(b"{\"ts\":\"");
        self.stamp.put(out, record.ts_us());
        out.extend_from_slice(b"\",\"level\":\"");
        out.extend_from_slice(record.level.as_str().as_bytes());
        out.extend_from_slice(b"\",\"kind\":\"");
        out.extend_from_slice(record.kind.as_str().as_bytes());
        out.extend_from_slice(b"\",");
        let task = record.task.as_deref().map(|task| (task, task.json()));
        put_key(out, record.seq, task);
        out.extend_from_slice(b"\"message\":\"");
        put_json_escaped(out, &record.message);
        out.extend_from_slice(b"\",");
        out.extend_from_slice(record.callsite.map_or(NO_CALLSITE, Callsite::json).as_bytes());
        out.extend_from_slice(record.source.json().as_bytes());
        out.extend_from_slice(task.map_or(NO_TASK_CONTEXT, |(_, json)| &json.context).as_bytes());
        out.extend_from_slice(b"\"fields\":");
        put_record_fields(out, record);
        put_end(out, &record.detail);
        out.extend_from_slice(task.map_or(NO_TASK_IDS, |(_, json)| &json.ids).as_bytes());
    }
}

impl Renderer for JsonLines {
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        self.put(out, record);
    }
}

// === fragments that are made once ===

impl Callsite<'_> {
    fn json(&self) -> &str {
        self.json.get_or_init(|| {
            let mut out = Vec::new();
            put_text_key(&mut out, "target", Some(self.target));
            put_text_key(&mut out, "module", self.module);
            put_text_key(&mut out, "file", self.file);
            match self.line {
                Some(line) => out.extend_from_slice(format!("\"line\":{line},").as_bytes()),
                None => out.extend_from_slice(b"\"line\":null,"),
            }
            into_text(out).into()
        })
    }
}

impl Source {
    fn json(&self) -> &str {
        self.json.get_or_init(|| {
            let mut out = Vec::new();
            put_text_key(&mut out, "thread", Some(self.thread.as_str()).filter(|thread| !thread.is_empty()));
            out.extend_from_slice(format!("\"pid\":{},", self.pid).as_bytes());
            put_text_key(&mut out, "host", Some(&self.host));
            put_text_key(&mut out, "service", Some(self.service.as_str()).filter(|service| !service.is_empty()));
            into_text(out).into()
        })
    }
}

impl Task<'_> {
    fn json(&self) -> &TaskJson {
        self.json.get_or_init(|| {
            let (mut name, mut context) = (Vec::new(), Vec::new());
            put_text_key(&mut name, "task", Some(self.name));
            put_text_key(&mut context, "dataflow_id", self.dataflow_id().as_deref());
            context.extend_from_slice(b"\"context\":");
            let context_at = context.len();
            put_fields(&mut context, &self.context);
            context.push(b',');
            let (trace_id, span_id) = (hex(&self.key.trace_id()), hex(&self.span_id()));
            let ids = format!(",\"trace_id\":\"{trace_id}\",\"span_id\":\"{span_id}\"}}\n");
            TaskJson { name: into_text(name), context: into_text(context), context_at, ids }
        })
    }

    /// The merged context as JSON text.
    pub fn context_json(&self) -> &str {
        let json = self.json();
        &json.context[json.context_at..json.context.len() - 1]
    }
}

// === parts of a line ===

#[inline]
fn put_key(out: &mut Vec<u8>, seq: u64, task: Option<(&Task<'_>, &TaskJson)>) {
    let Some((task, json)) = task else {
        return out.extend_from_slice(b"\"key\":null,\"task\":null,");
    };
    out.extend_from_slice(b"\"key\":\"");
    out.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
    out.push(b'@');
    out.extend_from_slice(task.key_text.as_bytes());
    out.extend_from_slice(b"\",");
    out.extend_from_slice(json.name.as_bytes());
}

fn put_end(out: &mut Vec<u8>, detail: &Detail<'_>) {
    let Detail::End(end) = detail else {
        return out.extend_from_slice(NO_END);
    };
    out.extend_from_slice(b",\"duration_us\":");
    out.extend_from_slice(itoa::Buffer::new().format(end.duration_us()).as_bytes());
    out.extend_from_slice(b",\"outcome\":\"");
    out.extend_from_slice(end.outcome.as_str().as_bytes());
    out.extend_from_slice(b"\",\"error\":");
    match end.error_text() {
        Some(error) => put_json_text(out, &error),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends a record's own fields as an object. A statement of loss has its numbers there, an end its busy time.
pub fn put_record_fields(out: &mut Vec<u8>, record: &Record<'_>) {
    match &record.detail {
        Detail::Loss(loss) => put_fields(out, &loss.fields()),
        Detail::End(end) => {
            let mut fields = record.fields.to_vec();
            fields.push(Field { name: "busy_us".into(), value: Value::U64(end.busy_ns / 1000) });
            put_fields(out, &fields);
        }
        Detail::None => put_encoded(out, &record.fields),
    }
}

#[inline]
fn put_encoded(out: &mut Vec<u8>, fields: &Fields<'_>) {
    let start = out.len();
    out.push(b'{');
    let (mut seen, mut doubled) = (SeenNames::default(), false);
    fields.for_each(|name, value| {
        if out.len() > start + 1 {
            out.push(b',');
        }
        doubled |= seen.add(name);
        put_json_text(out, name);
        out.push(b':');
        put_value(out, value);
    });
    out.push(b'}');
    if doubled {
        out.truncate(start);
        put_fields(out, &fields.to_vec());
    }
}

/// Appends fields as a JSON object; of a name that stands twice the last value is kept, in the place of the first.
pub fn put_fields(out: &mut Vec<u8>, fields: &[Field<'_>]) {
    out.push(b'{');
    for (at, field) in crate::record::merge_context(&[], fields).iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_json_text(out, &field.name);
        out.push(b':');
        put_value(out, &field.value);
    }
    out.push(b'}');
}

/// Appends a value with its type kept. Numbers that JSON has no form for (`NaN`, infinities) become text, bytes become
/// hexadecimal text, an error becomes `this: cause: cause`.
#[inline]
pub fn put_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::I64(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::U64(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::I128(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::U128(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::F64(number) if number.is_finite() => out.extend_from_slice(format!("{number:?}").as_bytes()),
        Value::Text(text) => put_json_text(out, text),
        Value::F64(_) | Value::Bytes(_) | Value::Error(_) => put_json_text(out, &value.to_string()),
        Value::List(values) => put_list(out, values),
        Value::Map(fields) => put_fields(out, fields),
    }
}

fn put_list(out: &mut Vec<u8>, values: &[Value<'_>]) {
    out.push(b'[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_value(out, value);
    }
    out.push(b']');
}

/// Appends `text` as a JSON string, quotes included.
#[inline]
pub fn put_json_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    put_json_escaped(out, text);
    out.push(b'"');
}

fn put_text_key(out: &mut Vec<u8>, key: &str, text: Option<&str>) {
    out.extend_from_slice(format!("\"{key}\":").as_bytes());
    match text {
        Some(text) => put_json_text(out, text),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b',');
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// What was put together here from text only.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}
