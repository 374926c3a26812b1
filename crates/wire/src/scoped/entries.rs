//! The entries of an object, sorted into the attributes of a log record and extras.

use spanlake_core::{Field, Kind, Level, RecordKey, TaskKey, Value};
use uuid::Uuid;

use super::KEY;
use super::write::one_line;
use crate::foreign::child_number;
use crate::level::{CRITICAL, Severity};
use crate::marks::{Draft, number};
use crate::refusal::Refusal;

/// The year 2239, until which a float has microseconds.
const MOST_SECONDS: f64 = 8.5e9;

/// The attributes that are there and not `null`.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a> {
    name: Option<Value<'a>>,
    msg: Option<Value<'a>>,
    message: Option<Value<'a>>,
    level_name: Option<Value<'a>>,
    level_number: Option<Value<'a>>,
    created: Option<Value<'a>>,
    relative_created: Option<Value<'a>>,
    path: Option<Value<'a>>,
    file: Option<Value<'a>>,
    module: Option<Value<'a>>,
    line: Option<Value<'a>>,
    function: Option<Value<'a>>,
    exception: Option<Value<'a>>,
    stack: Option<Value<'a>>,
    host: Option<Value<'a>>,
    process: Option<Value<'a>>,
    process_name: Option<Value<'a>>,
    thread: Option<Value<'a>>,
    thread_name: Option<Value<'a>>,
    context: Option<Value<'a>>,
    /// What others say as well.
    idle: Option<Value<'a>>,
}

/// A message's attributes, and a draft that has taken the extras and what the attributes say.
pub(super) fn sort(fields: Vec<Field<'_>>, received_ns: i64) -> Result<(Attributes<'_>, Draft), Refusal> {
    let (mut attributes, mut extras) = (Attributes::default(), Vec::new());
    for field in fields {
        match attributes.slot(&field.name) {
            Some(slot) => *slot = Some(field.value),
            None => extras.push(field),
        }
    }
    if attributes.message.is_none() && attributes.msg.is_none() && attributes.level_number.is_none() {
        return Err(Refusal::Shape);
    }
    let draft = attributes.draft(extras, received_ns);
    Ok((attributes, draft))
}

impl<'a> Attributes<'a> {
    /// Where an attribute is kept; `None` for an extra.
    fn slot(&mut self, name: &str) -> Option<&mut Option<Value<'a>>> {
        Some(match name {
            "name" => &mut self.name,
            "msg" => &mut self.msg,
            "message" => &mut self.message,
            "levelname" => &mut self.level_name,
            "levelno" => &mut self.level_number,
            "created" => &mut self.created,
            "relativeCreated" => &mut self.relative_created,
            "pathname" => &mut self.path,
            "filename" => &mut self.file,
            "module" => &mut self.module,
            "lineno" => &mut self.line,
            "funcName" => &mut self.function,
            "exc_text" => &mut self.exception,
            "stack_info" => &mut self.stack,
            "hostname" => &mut self.host,
            "process" => &mut self.process,
            "processName" => &mut self.process_name,
            "thread" => &mut self.thread,
            "threadName" => &mut self.thread_name,
            "context" => &mut self.context,
            "args" | "asctime" | "exc_info" | "msecs" | "taskName" => &mut self.idle,
            _ => return None,
        })
    }

    fn draft(&self, extras: Vec<Field<'_>>, received_ns: i64) -> Draft {
        let ts_ns = seconds(&self.created).map_or(received_ns, |seconds| microseconds(seconds) * 1000);
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
        let owned = |value| text(value).map(str::to_owned);
        place.name = owned(&self.function).unwrap_or_default();
        place.target = owned(&self.name).unwrap_or_default();
        place.module = owned(&self.module);
        place.file = owned(&self.path).or_else(|| owned(&self.file));
        place.line = self.line.as_ref().and_then(number);
    }

    fn put_source(&self, draft: &mut Draft) {
        let is_ours = draft.is_ours();
        let source = &mut draft.record.source;
        source.host = text(&self.host).unwrap_or_default().to_owned();
        source.pid = self.process.as_ref().and_then(number).unwrap_or(0);
        let thread = self.thread_name.as_ref().or(self.thread.as_ref());
        source.thread = thread.map(Value::to_string).unwrap_or_default();
        if is_ours {
            return;
        }
        // When the process began to log, to the millisecond: the two are floats, and must always give the same.
        let since_ms = float(&self.relative_created).filter(|since_ms| since_ms.abs() < 1e3 * MOST_SECONDS);
        let started = seconds(&self.created).zip(since_ms);
        source.started_us = started.map_or(0, |(created, since_ms)| (created * 1e3 - since_ms).round() as i64 * 1000);
        let process = text(&self.process_name).filter(|name| *name != "MainProcess");
        let process = process.map(|name| Field { name: "processName".into(), value: name.to_owned().into() });
        draft.record.fields.extend(process);
    }

    /// What a message of `distlog` is to its task.
    pub(super) fn lifecycle(&self) -> Option<Kind> {
        if text(&self.module) != Some("context") {
            return None;
        }
        match text(&self.function)? {
            "__enter__" => Some(Kind::Begin),
            "__exit__" => Some(Kind::End),
            _ => None,
        }
    }

    /// The text of an exception, with its line ends.
    pub(super) fn traceback(&self) -> Option<String> {
        text(&self.exception).map(|text| text.replace("\\n", "\n"))
    }

    pub(super) fn stack(&self) -> Option<String> {
        text(&self.stack).map(str::to_owned)
    }

    fn severity(&self) -> Option<Severity> {
        let by_number = self.level_number.as_ref().and_then(number).map(Severity::numbered);
        by_number.or_else(|| text(&self.level_name).map(Severity::named))
    }

    fn level(&self) -> Level {
        match self.level_number.as_ref().and_then(number::<i64>) {
            Some(number) if number < i64::from(Severity::Debug.number()) => Level::TRACE,
            _ => self.severity().map_or(Level::INFO, Severity::level),
        }
    }

    /// The text, with its line ends. `msg` is the same before arguments were put in, and shows whether a backslash was one.
    fn message(&self) -> String {
        match (text(&self.message), text(&self.msg)) {
            (Some(message), Some(msg)) if message == one_line(msg) => msg.to_owned(),
            (Some(message), _) => message.replace("\\n", "\n"),
            (None, Some(msg)) => msg.to_owned(),
            (None, None) => self.msg.as_ref().map(Value::to_string).unwrap_or_default(),
        }
    }

    /// The record's key and the values bound to its task. What has no key that makes sense stays a field.
    pub(super) fn take_context(&mut self, draft: &mut Draft) -> Option<(RecordKey, Vec<Field<'static>>)> {
        let Value::Map(context) = self.context.take()? else {
            return None;
        };
        let mut context: Vec<_> = context.into_iter().map(Field::into_owned).collect();
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

fn text<'v>(value: &'v Option<Value<'_>>) -> Option<&'v str> {
    if let Some(Value::Text(text)) = value { Some(text) } else { None }
}

fn float(value: &Option<Value<'_>>) -> Option<f64> {
    let value = value.as_ref()?;
    let float = if let Value::F64(float) = value { *float } else { number::<i64>(value)? as f64 };
    float.is_finite().then_some(float)
}

/// Seconds since the Unix epoch that are exact to the microsecond.
fn seconds(value: &Option<Value<'_>>) -> Option<f64> {
    float(value).filter(|seconds| seconds.abs() < MOST_SECONDS)
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

/// To the nearest one. The fraction alone is exact, where all of it times a million is rounded once more.
fn microseconds(seconds: f64) -> i64 {
    seconds.trunc() as i64 * 1_000_000 + (seconds.fract() * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::super::ATTRIBUTES;
    use super::*;

    #[test]
    fn every_attribute_is_kept_and_no_extra() {
        let mut attributes = Attributes::default();
        assert!(ATTRIBUTES.iter().all(|name| attributes.slot(name).is_some()));
        assert!(attributes.slot("rows").is_none());
    }
}
