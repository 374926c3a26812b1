//! CBOR notifications over ZeroMQ PUB and SUB, two frames each.
//!
//! Frame 0 is the topic: the method, which is the level's name. Frame 1 is CBOR: `[2, method, [event]]`, lengths told, the
//! event a map in the order in which its entries were put in, floats in eight bytes. The event has the context of the task,
//! the record's own fields, and then `key`, `event`, `level`, `timestamp` and `exception`.

use spanlake_core::record::merge_context;
use spanlake_core::render::time::format_us;
use spanlake_core::{Field, Level, Record, Value};

use crate::cbor;
use crate::foreign::ForeignRecord;
use crate::level::Severity;
use crate::marks::{self, Draft};
use crate::refusal::Refusal;

/// What the first number of a message says: it is a notification, nobody is asked for an answer.
const NOTIFICATION: u64 = 2;

const KEY: &str = "key";
const EVENT: &str = "event";
const LEVEL: &str = "level";
const TIMESTAMP: &str = "timestamp";
const EXCEPTION: &str = "exception";

const RESERVED: [&str; 5] = [KEY, EVENT, LEVEL, TIMESTAMP, EXCEPTION];

/// How much of a record goes into a notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// What subscribers look for: of context and fields with the same name the field only, and nothing of place and process.
    /// Read again, it is an event.
    #[default]
    Event,
    /// All of the record, in entries named `spanlake.…` besides, so that the same record is read again.
    Record,
}

/// The two frames of a record: topic and CBOR.
pub fn encode(record: &Record<'_>, extent: Extent) -> (&'static str, Vec<u8>) {
    let severity = Severity::of(record);
    let mut event = match extent {
        Extent::Event => merged(record),
        Extent::Record => marked(record),
    };
    if let Some(task) = record.task.as_deref() {
        event.push(marks::field(KEY, format!("{}@{}", record.seq, task.key_text)));
    }
    event.push(marks::field(EVENT, &*record.message));
    event.push(marks::field(LEVEL, severity.name()));
    event.push(marks::field(TIMESTAMP, format_us(record.ts_us())));
    event.extend(exception(record).map(|text| marks::field(EXCEPTION, text)));
    (severity.name(), frame(severity.name(), &event))
}

/// Frame 1 of any event.
pub fn frame(method: &str, event: &[Field<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::put_array(&mut out, 3);
    cbor::put_unsigned(&mut out, NOTIFICATION);
    cbor::put_text(&mut out, method);
    cbor::put_array(&mut out, 1);
    cbor::put_map(&mut out, event);
    out
}

/// What to subscribe to, to get all from `least` on: topics are matched by how they begin.
pub fn subscriptions(least: Severity) -> impl Iterator<Item = &'static str> {
    let wanted = Severity::ALL.into_iter().filter(move |severity| *severity >= least);
    // Some publishers say `warn`, and some `warning`, which begins with it.
    wanted.map(|severity| if severity == Severity::Warning { "warn" } else { severity.name() })
}

/// Reads the frames of a message of at most `most_bytes` that came at `received_ns`, which is the time of a record that has
/// none.
pub fn read(frames: &[impl AsRef<[u8]>], most_bytes: usize, received_ns: i64) -> Result<ForeignRecord, Refusal> {
    let [topic, body] = frames else {
        return Err(Refusal::Frames);
    };
    let body = body.as_ref();
    if body.len() > most_bytes {
        return Err(Refusal::TooLong);
    }
    let mut reader = cbor::Reader::new(body);
    let message = reader.value()?.ok_or(Refusal::Shape)?;
    if !reader.is_empty() {
        return Err(Refusal::Malformed);
    }
    let (method, event) = take_apart(message).ok_or(Refusal::Shape)?;
    if method.as_bytes() != topic.as_ref() {
        return Err(Refusal::Topic);
    }
    Ok(record(&method, event, received_ns))
}

fn take_apart(message: Value<'static>) -> Option<(String, Vec<Field<'static>>)> {
    let Value::List(parts) = message else {
        return None;
    };
    let [Value::I64(kind), Value::Text(method), Value::List(events)]: [Value<'static>; 3] = parts.try_into().ok()?
    else {
        return None;
    };
    let [Value::Map(event)]: [Value<'static>; 1] = events.try_into().ok()? else {
        return None;
    };
    (u64::try_from(kind) == Ok(NOTIFICATION)).then(|| (method.into_owned(), event))
}

fn record(method: &str, event: Vec<Field<'static>>, received_ns: i64) -> ForeignRecord {
    let mut draft = Draft::new(received_ns, Severity::named(method).level());
    let is_ours = event.iter().any(|field| field.name == marks::KIND);
    for field in event {
        if put_native(&mut draft, &field, is_ours).is_none() {
            draft.take(field);
        }
    }
    let is_critical = Severity::named(method) == Severity::Critical;
    if is_critical && !draft.record.fields.iter().any(|field| field.name == crate::level::CRITICAL) {
        draft.record.fields.push(marks::field(crate::level::CRITICAL, true));
    }
    draft.finish("notification")
}

/// Takes an entry that all events have; `None` for what is none, or makes no sense.
fn put_native(draft: &mut Draft, field: &Field<'_>, is_ours: bool) -> Option<()> {
    let Value::Text(text) = &field.value else {
        return None;
    };
    match &*field.name {
        EVENT => draft.record.message = text.clone().into_owned(),
        TIMESTAMP => draft.record.ts_ns = nanoseconds(text)?,
        KEY => draft.set_key(text.parse().ok()?),
        LEVEL => {}
        EXCEPTION if is_ours => {}
        _ => return None,
    }
    Some(())
}

fn nanoseconds(text: &str) -> Option<i64> {
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(timestamp.as_nanosecond()).ok()
}

/// Context and own fields, the latter winning, and what an end or a loss has.
fn merged<'a>(record: &Record<'a>) -> Vec<Field<'a>> {
    let mut own = match record.loss() {
        Some(loss) => loss.fields(),
        None => record.fields.to_vec(),
    };
    if let Some(end) = record.end() {
        own.push(marks::field("outcome", end.outcome.as_str()));
        own.push(marks::field("duration_us", end.duration_us()));
        own.push(marks::field("busy_us", end.busy_ns / 1000));
    }
    let mut merged = merge_context(record.task.as_deref().map_or(&[][..], |task| &task.context), &own);
    merged.iter_mut().for_each(|field| marks::escape(field, &RESERVED));
    merged
}

fn marked<'a>(record: &Record<'a>) -> Vec<Field<'a>> {
    let mut fields = marks::flat(record, &RESERVED);
    marks::put_nature(&mut fields, record);
    fields.push(marks::field(marks::TARGET, record.target()));
    marks::put_place(&mut fields, record);
    marks::put_process(&mut fields, record.source);
    marks::put_thread(&mut fields, record.source);
    if record.level == Level::TRACE {
        fields.push(marks::field(marks::LEVEL, "trace"));
    }
    fields
}

/// The error of an end, a line for each cause.
fn exception(record: &Record<'_>) -> Option<String> {
    record.end().filter(|end| !end.error.is_empty()).map(|end| end.error.join("\ncaused by: "))
}
