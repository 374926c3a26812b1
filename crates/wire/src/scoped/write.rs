//! A record as the attributes of a Python log record.

use spanlake_core::record::merge_context;
use spanlake_core::render::time::format_us;
use spanlake_core::render::{put_json_text, put_value};
use spanlake_core::{Field, Level, Record, Value};

use super::{ATTRIBUTES, KEY, SYSTEM, System};
use crate::foreign::child_number;
use crate::level::Severity;
use crate::marks;

/// The two frames of a record: topic and JSON.
pub fn encode(record: &Record<'_>, system: System) -> ([u8; 3], Vec<u8>) {
    let mut object = Object::default();
    put_attributes(&mut object, record);
    put_context(&mut object, record);
    put_extras(&mut object, record);
    ([system.letter(), b'L', b'J'], object.close())
}

fn put_attributes(object: &mut Object, record: &Record<'_>) {
    let (source, severity, ts_us) = (record.source, Severity::of(record), record.ts_us());
    let callsite = record.callsite;
    let file = callsite.and_then(|callsite| callsite.file);
    object.text("name", record.target());
    object.text("msg", &record.message);
    object.null("args");
    object.text("levelname", severity.name_upper());
    object.value("levelno", &Value::from(severity.number()));
    object.optional("pathname", file);
    object.optional("filename", file.map(|file| file.rsplit(['/', '\\']).next().unwrap_or(file)));
    object.optional("module", callsite.and_then(|callsite| callsite.module));
    object.null("exc_info");
    object.optional("exc_text", exc_text(record).as_deref());
    object.null("stack_info");
    match callsite.and_then(|callsite| callsite.line) {
        Some(line) => object.value("lineno", &Value::from(line)),
        None => object.null("lineno"),
    }
    object.optional("funcName", callsite.map(|callsite| callsite.name));
    object.value("created", &Value::F64(ts_us as f64 / 1e6));
    object.value("msecs", &Value::F64(ts_us.rem_euclid(1_000_000) as f64 / 1e3));
    object.value("relativeCreated", &Value::F64(ts_us.saturating_sub(source.started_us) as f64 / 1e3));
    object.value("thread", &Value::from(child_number(source.thread.as_bytes())));
    object.text("threadName", &source.thread);
    object.text("processName", if source.service.is_empty() { "MainProcess" } else { &source.service });
    object.value("process", &Value::from(source.pid));
    object.text("message", &one_line(&record.message));
    object.text("asctime", &asctime(ts_us));
    object.text("hostname", &source.host);
}

fn put_context(object: &mut Object, record: &Record<'_>) {
    let Some(task) = record.task.as_deref() else {
        return object.null("context");
    };
    let mut context = vec![marks::field(KEY, format!("{}@{}", record.seq, task.key_text))];
    let bound = merge_context(&[], &task.context).into_iter();
    context.extend(bound.map(|mut field| {
        marks::escape(&mut field, &[KEY]);
        field
    }));
    object.value("context", &Value::Map(context));
}

fn put_extras(object: &mut Object, record: &Record<'_>) {
    let mut extras: Vec<Field<'_>> = marks::own(record, &RESERVED);
    marks::put_nature(&mut extras, record);
    if record.level == Level::TRACE {
        extras.push(marks::field(marks::LEVEL, "trace"));
    }
    if !record.source.service.is_empty() {
        extras.push(marks::field(marks::SERVICE, &*record.source.service));
    }
    extras.push(marks::field(marks::PROCESS_STARTED_US, record.source.started_us));
    extras.iter().for_each(|field| object.value(&field.name, &field.value));
}

/// Names that no extra may have.
const RESERVED: [&str; 26] = {
    let mut names = [SYSTEM; 26];
    let mut at = 0;
    while at < ATTRIBUTES.len() {
        names[at] = ATTRIBUTES[at];
        at += 1;
    }
    names
};

/// The error of an end, a line for each cause.
fn exc_text(record: &Record<'_>) -> Option<String> {
    let error = &record.end()?.error;
    if error.is_empty() { None } else { Some(one_line(&error.join("\ncaused by: "))) }
}

/// A newline is a backslash and an n, as these systems have it.
pub(super) fn one_line(text: &str) -> String {
    text.replace('\n', "\\n")
}

/// `2026-11-20 13:14:10,123`
fn asctime(ts_us: i64) -> String {
    let text = format_us(ts_us);
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let (second, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{date} {second},{}", fraction.get(..3).unwrap_or("000"))
}

/// An object that is being written.
#[derive(Default)]
struct Object(Vec<u8>);

impl Object {
    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        put_json_text(&mut self.0, name);
        self.0.push(b':');
    }

    fn null(&mut self, name: &str) {
        self.name(name);
        self.0.extend_from_slice(b"null");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        put_json_text(&mut self.0, text);
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.null(name),
        }
    }

    fn value(&mut self, name: &str, value: &Value<'_>) {
        self.name(name);
        put_value(&mut self.0, value);
    }

    fn close(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}
