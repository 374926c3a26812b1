//! Records as the attributes of Python log records.

use std::borrow::Cow;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::ptr;

use spanlake_core::record::{SeenNames, TIMED, merge_context};
use spanlake_core::render::time::Stamp;
use spanlake_core::render::{put_json_text, put_value};
use spanlake_core::{Callsite, End, Field, Level, Record, Source, Task, TaskOf, Value};

use super::{ATTRIBUTES, KEY, SYSTEM, System};
use crate::foreign::child_number;
use crate::level::Severity;
use crate::marks;

/// Writes records as messages. What the records of a callsite, a thread or a task have in common is put together once.
#[derive(Debug)]
pub struct Writer<'a> {
    topic: [u8; 3],
    message: Vec<u8>,
    stamp: Stamp,
    callsites: Shared<'a, Callsite<'a>>,
    sources: Shared<'a, Source>,
    tasks: Shared<'a, Task<'a>>,
}

/// Entries for each of some things, which outlive this and are told apart by where they are.
#[derive(Debug)]
struct Shared<'a, T> {
    entries: HashMap<usize, Box<[u8]>>,
    things: PhantomData<&'a T>,
}

/// What every record has, and no record of ours says anything by.
const ALWAYS: &[u8] = br#"{"args":null,"exc_info":null,"stack_info":null,"#;

const NO_CALLSITE: &[u8] =
    br#""name":"spanlake","pathname":null,"filename":null,"module":null,"lineno":null,"funcName":null,"#;

// === impl Writer ===

impl<'a> Writer<'a> {
    /// A writer for what is sent by this system.
    pub fn new(system: System) -> Self {
        Self {
            topic: [system.letter(), b'L', b'J'],
            message: Vec::new(),
            stamp: Stamp::default(),
            callsites: Shared::default(),
            sources: Shared::default(),
            tasks: Shared::default(),
        }
    }

    /// The two frames of a record: topic and JSON.
    pub fn write(&mut self, record: &Record<'a>) -> (&[u8], &[u8]) {
        self.message.clear();
        self.message.extend_from_slice(ALWAYS);
        self.put_callsite(record);
        self.put_source(record);
        self.put_level(record);
        self.put_time(record);
        self.put_text(record);
        self.put_task(record);
        self.put_own(record);
        self.put_detail(record);
        // In place of the last comma.
        self.message.pop();
        self.message.push(b'}');
        (&self.topic, &self.message)
    }

    fn put_callsite(&mut self, record: &Record<'a>) {
        let entries = record.callsite.map(|callsite| self.callsites.of(callsite, put_callsite));
        self.message.extend_from_slice(entries.unwrap_or(NO_CALLSITE));
    }

    fn put_source(&mut self, record: &Record<'a>) {
        self.message.extend_from_slice(self.sources.of(record.source, put_source));
    }

    fn put_level(&mut self, record: &Record<'a>) {
        let (severity, out) = (Severity::of(record), &mut self.message);
        put_text(out, "levelname", severity.name_upper());
        put(out, "levelno", &Value::from(severity.number()));
        if record.level == Level::TRACE {
            put_text(out, marks::LEVEL, "trace");
        }
    }

    fn put_time(&mut self, record: &Record<'a>) {
        let (out, ts_us) = (&mut self.message, record.ts_us());
        put_decimal(out, "created", ts_us, 6);
        put_decimal(out, "msecs", ts_us.rem_euclid(1_000_000), 3);
        put_decimal(out, "relativeCreated", ts_us.saturating_sub(record.source.started_us), 3);
        out.extend_from_slice(b"\"asctime\":\"");
        self.put_asctime(ts_us);
        self.message.extend_from_slice(b"\",");
    }

    /// `2026-11-20 13:14:10,123`, of `2026-11-20T13:14:10.123456Z`.
    fn put_asctime(&mut self, ts_us: i64) {
        self.stamp.put(&mut self.message, ts_us);
        self.message.truncate(self.message.len() - "456Z".len());
        let end = self.message.len();
        self.message[end - ".123".len()] = b',';
        self.message[end - "T13:14:10.123".len()] = b' ';
    }

    /// The message twice: as it is, and in one line.
    fn put_text(&mut self, record: &Record<'a>) {
        let out = &mut self.message;
        put_name(out, "msg");
        let start = out.len();
        put_json_text(out, &record.message);
        let text = start..out.len();
        out.push(b',');
        put_name(out, "message");
        match one_line(&record.message) {
            Cow::Borrowed(_) => out.extend_from_within(text),
            Cow::Owned(line) => put_json_text(out, &line),
        }
        out.push(b',');
        match record.end().filter(|end| !end.error.is_empty()) {
            Some(end) => put_text(out, "exc_text", &exc_text(end)),
            None => out.extend_from_slice(b"\"exc_text\":null,"),
        }
    }

    fn put_task(&mut self, record: &Record<'a>) {
        let Some(task) = &record.task else {
            return self.message.extend_from_slice(b"\"context\":null,");
        };
        self.message.extend_from_slice(b"\"context\":{\"key\":\"");
        put_number(&mut self.message, record.seq);
        match task {
            TaskOf::Described(task) => self.message.extend_from_slice(self.tasks.of(task, put_task)),
            TaskOf::Changed(task) => put_task(&mut self.message, task),
        }
    }

    /// The record's own fields. Where a name stands twice, or means something else, they are put in order first.
    fn put_own(&mut self, record: &Record<'a>) {
        let out = &mut self.message;
        let (start, mut seen, mut is_plain) = (out.len(), SeenNames::default(), true);
        record.fields.for_each(|name, value| {
            is_plain &= !seen.add(name) && !marks::is_taken(name, &RESERVED);
            put_field(out, name, value);
        });
        if !is_plain {
            out.truncate(start);
            put_fields(out, &marks::own(record, &RESERVED));
        }
    }

    fn put_detail(&mut self, record: &Record<'a>) {
        put_text(&mut self.message, marks::KIND, record.kind.as_str());
        let mut fields = Vec::new();
        marks::put_detail(&mut fields, &record.detail);
        put_fields(&mut self.message, &fields);
    }
}

// === impl Shared ===

impl<'a, T> Shared<'a, T> {
    fn of(&mut self, thing: &'a T, put: impl FnOnce(&mut Vec<u8>, &T)) -> &[u8] {
        self.entries.entry(ptr::from_ref(thing).addr()).or_insert_with(|| {
            let mut out = Vec::new();
            put(&mut out, thing);
            out.into()
        })
    }
}

impl<T> Default for Shared<'_, T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), things: PhantomData }
    }
}

// === what records have in common ===

fn put_callsite(out: &mut Vec<u8>, callsite: &Callsite<'_>) {
    let file = callsite.file;
    put_text(out, "name", callsite.target);
    put_optional(out, "pathname", file);
    put_optional(out, "filename", file.map(|file| file.rsplit(['/', '\\']).next().unwrap_or(file)));
    put_optional(out, "module", callsite.module);
    match callsite.line {
        Some(line) => put(out, "lineno", &Value::from(line)),
        None => out.extend_from_slice(b"\"lineno\":null,"),
    }
    put_text(out, "funcName", callsite.name);
    if callsite.is_timed() {
        put(out, TIMED, &Value::Bool(true));
    }
}

fn put_source(out: &mut Vec<u8>, source: &Source) {
    put(out, "thread", &Value::from(child_number(source.thread.as_bytes())));
    put_text(out, "threadName", &source.thread);
    put_text(out, "processName", if source.service.is_empty() { "MainProcess" } else { &source.service });
    put(out, "process", &Value::from(source.pid));
    put_text(out, "hostname", &source.host);
    if !source.service.is_empty() {
        put_text(out, marks::SERVICE, &source.service);
    }
    put(out, marks::PROCESS_STARTED_US, &Value::from(source.started_us));
}

/// The rest of a record's key, what is bound to the task, and what the task is.
fn put_task(out: &mut Vec<u8>, task: &Task<'_>) {
    out.push(b'@');
    out.extend_from_slice(task.key_text.as_bytes());
    out.extend_from_slice(b"\",");
    let mut context = merge_context(&[], &task.context);
    context.iter_mut().for_each(|field| marks::escape(field, &[KEY]));
    put_fields(out, &context);
    out.pop();
    out.extend_from_slice(b"},");
    let mut fields = Vec::new();
    marks::put_task(&mut fields, task);
    put_fields(out, &fields);
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

/// A line for each cause.
fn exc_text(end: &End<'_>) -> String {
    one_line(&end.error.join("\ncaused by: ")).into_owned()
}

/// A newline is a backslash and an n, as these systems have it.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains('\n') { text.replace('\n', "\\n").into() } else { text.into() }
}

// === entries, each with a comma behind it ===

/// A name of ours, in which nothing is to be escaped.
#[inline]
fn put_name(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

#[inline]
fn put(out: &mut Vec<u8>, name: &str, value: &Value<'_>) {
    put_name(out, name);
    put_value(out, value);
    out.push(b',');
}

fn put_field(out: &mut Vec<u8>, name: &str, value: &Value<'_>) {
    put_json_text(out, name);
    out.push(b':');
    put_value(out, value);
    out.push(b',');
}

fn put_fields(out: &mut Vec<u8>, fields: &[Field<'_>]) {
    fields.iter().for_each(|field| put_field(out, &field.name, &field.value));
}

#[inline]
fn put_text(out: &mut Vec<u8>, name: &str, text: &str) {
    put_name(out, name);
    put_json_text(out, text);
    out.push(b',');
}

fn put_optional(out: &mut Vec<u8>, name: &str, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, name, text),
        None => {
            put_name(out, name);
            out.extend_from_slice(b"null,");
        }
    }
}

/// A whole number of such parts of ten, hundred or more.
fn put_decimal(out: &mut Vec<u8>, name: &str, number: i64, digits: usize) {
    put_name(out, name);
    if number < 0 {
        out.push(b'-');
    }
    let (number, scale) = (number.unsigned_abs(), 10u64.pow(digits as u32));
    put_number(out, number / scale);
    // A one before the fraction keeps its zeros, and gives its place to the point.
    let point = out.len();
    put_number(out, scale + number % scale);
    out[point] = b'.';
    out.push(b',');
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    put_value(out, &Value::U64(number));
}
