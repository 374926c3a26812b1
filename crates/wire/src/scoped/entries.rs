//! The entries of an object, sorted into the attributes of a log record and extras.

use std::collections::HashMap;

use spanlake_core::{Field, Level, RecordKey, TaskKey, Value};
use uuid::Uuid;

use super::write::one_line;
use super::{ATTRIBUTES, KEY};
use crate::foreign::child_number;
use crate::json;
use crate::level::{CRITICAL, Severity};
use crate::marks::{Draft, number};
use crate::refusal::Refusal;

/// The attributes that are there and not `null`.
#[derive(Debug)]
pub(super) struct Attributes(HashMap<String, Value<'static>>);

/// A message's attributes, and a draft that has taken the extras and what the attributes say.
pub(super) fn sort(object: json::Object, received_ns: i64) -> Result<(Attributes, Draft), Refusal> {
    let (mut attributes, mut extras) = (HashMap::new(), Vec::new());
    for (name, value) in object.0 {
        let Some(value) = value else {
            continue;
        };
        if ATTRIBUTES.contains(&&*name) {
            attributes.insert(name, value);
        } else {
            extras.push(Field { name: name.into(), value });
        }
    }
    let attributes = Attributes(attributes);
    if !["message", "msg", "levelno"].into_iter().any(|name| attributes.0.contains_key(name)) {
        return Err(Refusal::Shape);
    }
    let draft = attributes.draft(extras, received_ns);
    Ok((attributes, draft))
}

impl Attributes {
    fn draft(&self, extras: Vec<Field<'static>>, received_ns: i64) -> Draft {
        let ts_ns = self.seconds("created").map_or(received_ns, |seconds| (seconds * 1e6).round() as i64 * 1000);
        let mut draft = Draft::new(ts_ns, self.level());
        extras.into_iter().for_each(|field| draft.take(field));
        draft.record.message = self.message();
        self.put_place(&mut draft);
        self.put_source(&mut draft);
        let is_critical = self.severity() == Some(Severity::Critical);
        if is_critical && !draft.record.fields.iter().any(|field| field.name == CRITICAL) {
            draft.record.fields.push(Field { name: CRITICAL.into(), value: Value::Bool(true) });
        }
        draft
    }

    fn put_place(&self, draft: &mut Draft) {
        let place = &mut draft.place;
        place.name = self.text("funcName").unwrap_or_default();
        place.target = self.text("name").unwrap_or_default();
        place.module = self.text("module");
        place.file = self.text("pathname").or_else(|| self.text("filename"));
        place.line = self.0.get("lineno").and_then(number);
    }

    fn put_source(&self, draft: &mut Draft) {
        let is_ours = draft.is_ours();
        let source = &mut draft.record.source;
        source.host = self.text("hostname").unwrap_or_default();
        source.pid = self.0.get("process").and_then(number).unwrap_or(0);
        let thread = self.0.get("threadName").or_else(|| self.0.get("thread"));
        source.thread = thread.map(Value::to_string).unwrap_or_default();
        if is_ours {
            return;
        }
        // When the process began to log, to the millisecond: the two are floats, and must always give the same.
        let started = self.seconds("created").zip(self.float("relativeCreated"));
        source.started_us = started.map_or(0, |(created, since_ms)| (created * 1e3 - since_ms).round() as i64 * 1000);
        let process = self.text("processName").filter(|name| name != "MainProcess");
        draft.record.fields.extend(process.map(|name| Field { name: "processName".into(), value: name.into() }));
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        if let Some(Value::Text(text)) = self.0.get(name) { Some(text.clone().into_owned()) } else { None }
    }

    fn float(&self, name: &str) -> Option<f64> {
        let value = self.0.get(name)?;
        let float = if let Value::F64(float) = value { *float } else { number::<i64>(value)? as f64 };
        float.is_finite().then_some(float)
    }

    /// Seconds since the Unix epoch that are exact to the microsecond, until the year 2239.
    fn seconds(&self, name: &str) -> Option<f64> {
        self.float(name).filter(|seconds| seconds.abs() < 8.5e9)
    }

    fn severity(&self) -> Option<Severity> {
        let by_number = self.0.get("levelno").and_then(number).map(Severity::numbered);
        by_number.or_else(|| self.text("levelname").map(|name| Severity::named(&name)))
    }

    fn level(&self) -> Level {
        match self.0.get("levelno").and_then(number::<i64>) {
            Some(number) if number < i64::from(Severity::Debug.number()) => Level::TRACE,
            _ => self.severity().map_or(Level::INFO, Severity::level),
        }
    }

    /// The text, with its line ends. `msg` is the same before arguments were put in, and shows whether a backslash was one.
    fn message(&self) -> String {
        let (message, msg) = (self.text("message"), self.text("msg"));
        match (message, msg) {
            (Some(message), Some(msg)) if message == one_line(&msg) => msg,
            (Some(message), _) => message.replace("\\n", "\n"),
            (None, Some(msg)) => msg,
            (None, None) => self.0.get("msg").map(Value::to_string).unwrap_or_default(),
        }
    }

    /// The record's key and the values bound to its task. What has no key that makes sense stays a field.
    pub(super) fn take_context(&mut self, draft: &mut Draft) -> Option<(RecordKey, Vec<Field<'static>>)> {
        let Value::Map(mut context) = self.0.remove("context")? else {
            return None;
        };
        let at = context.iter().position(|field| field.name == KEY);
        let key = at.and_then(|at| context.get(at)).and_then(|field| read_key(&field.value.to_string()));
        match (key, at) {
            (Some(key), Some(at)) => {
                context.remove(at);
                Some((key, context))
            }
            _ => {
                draft.record.fields.push(Field { name: "context".into(), value: Value::Map(context) });
                None
            }
        }
    }
}

/// `<seq>@<uuid>/1/2`. A part that is no number names a child all the same: a task that was begun as a root within another
/// one has a UUID there.
fn read_key(text: &str) -> Option<RecordKey> {
    let (seq, task) = text.split_once('@')?;
    let mut parts = task.split('/');
    let root = TaskKey::root(Uuid::try_parse(parts.next()?).ok()?);
    let task = parts.try_fold(root, |task, part| {
        let number = part.parse().ok().filter(|number| *number > 0);
        task.child(number.unwrap_or_else(|| child_number(part.as_bytes())))
    })?;
    Some(RecordKey { task, seq: seq.parse().ok()? })
}
