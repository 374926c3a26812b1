//! What a format has no place for, as fields with names of our own; the same ones in every format.
//!
//! A record becomes a flat list: its context, its own fields, and marks. A name that would be taken for something else has
//! `fields.` before it, and a field with a name that the context has as well, `spanlake.own.`; both are taken off when it is
//! read.

use std::borrow::Cow;
use std::collections::HashSet;
use std::str::FromStr;

use spanlake_core::record::{TIMED, merge_context};
use spanlake_core::{
    Callsite, Cause, Detail, End, Field, Kind, Level, Loss, Outcome, Record, RecordKey, Source, Task, Value,
};

use crate::foreign::{ForeignRecord, ForeignTask, Place};

pub(crate) const KEY: &str = "spanlake.key";
pub(crate) const KIND: &str = "spanlake.kind";
pub(crate) const TASK: &str = "spanlake.task";
pub(crate) const STARTED_NS: &str = "spanlake.started_ns";
pub(crate) const FOREIGN_PARENT: &str = "spanlake.foreign_parent";
/// The names that are context and not fields.
pub(crate) const CONTEXT: &str = "spanlake.context";
pub(crate) const CALLSITE: &str = "spanlake.callsite";
pub(crate) const TARGET: &str = "spanlake.target";
pub(crate) const MODULE: &str = "spanlake.module";
pub(crate) const PROCESS_STARTED_US: &str = "spanlake.process_started_us";
pub(crate) const LEVEL: &str = "spanlake.level";
/// The text, where the format has a name in its place.
pub(crate) const MESSAGE: &str = "spanlake.message";
pub(crate) const OUTCOME: &str = "spanlake.outcome";
pub(crate) const DURATION_NS: &str = "spanlake.duration_ns";
pub(crate) const BUSY_NS: &str = "spanlake.busy_ns";
pub(crate) const ERROR: &str = "spanlake.error";
pub(crate) const QUIET: &str = "spanlake.quiet";
pub(crate) const LOSS_CAUSE: &str = "spanlake.loss.cause";
pub(crate) const LOSS_LEVELS: &str = "spanlake.loss.levels";
pub(crate) const LOSS_BYTES: &str = "spanlake.loss.bytes";
pub(crate) const LOSS_FIRST_NS: &str = "spanlake.loss.first_ns";
pub(crate) const LOSS_LAST_NS: &str = "spanlake.loss.last_ns";
// These are OpenTelemetry's names, so that others understand them, and theirs are understood.
pub(crate) const FILE: &str = "code.file.path";
pub(crate) const LINE: &str = "code.line.number";
pub(crate) const THREAD: &str = "thread.name";
pub(crate) const HOST: &str = "host.name";
pub(crate) const PID: &str = "process.pid";
pub(crate) const SERVICE: &str = "service.name";

const ALL: [&str; 29] = [
    KEY,
    KIND,
    TASK,
    STARTED_NS,
    FOREIGN_PARENT,
    CONTEXT,
    CALLSITE,
    TARGET,
    MODULE,
    PROCESS_STARTED_US,
    LEVEL,
    MESSAGE,
    OUTCOME,
    DURATION_NS,
    BUSY_NS,
    ERROR,
    QUIET,
    LOSS_CAUSE,
    LOSS_LEVELS,
    LOSS_BYTES,
    LOSS_FIRST_NS,
    LOSS_LAST_NS,
    TIMED,
    FILE,
    LINE,
    THREAD,
    HOST,
    PID,
    SERVICE,
];

/// Before names that mean something else. Names that begin so get it once more, so that it can always be taken off.
const ESCAPE: &str = "fields.";

/// Before own fields whose name the context has as well.
const SHADOW: &str = "spanlake.own.";

/// A record that is being read.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What is known so far. Fields are as they were sent.
    pub(crate) record: ForeignRecord,
    /// Where it comes from in the program.
    pub(crate) place: Place,
    /// Its task's name, begin and foreign parent, as far as a mark told them.
    task_name: Option<String>,
    started_ns: Option<i64>,
    foreign_parent: Option<[u8; 8]>,
    key: Option<RecordKey>,
    /// What kind a mark says it is: spanlake wrote it.
    marked: Option<Kind>,
    context: Vec<String>,
    outcome: Option<Outcome>,
    end: End<'static>,
    cause: Option<Cause>,
    loss: Loss,
}

// === writing ===

pub(crate) fn field<'a>(name: &'static str, value: impl Into<Value<'a>>) -> Field<'a> {
    Field { name: Cow::Borrowed(name), value: value.into() }
}

/// Context and own fields in one list, each name once, and the mark that tells them apart.
pub(crate) fn flat<'a>(record: &Record<'a>, reserved: &[&str]) -> Vec<Field<'a>> {
    let mut fields: Vec<Field<'a>> = record.task.as_deref().map(|task| task.context.clone()).unwrap_or_default();
    fields.iter_mut().for_each(|field| escape(field, reserved));
    let names: HashSet<String> = fields.iter().map(|field| field.name.clone().into_owned()).collect();
    let mark = Value::List(fields.iter().map(|field| Value::Text(field.name.clone())).collect());
    for mut field in own(record, reserved) {
        if names.contains(&*field.name) {
            field.name = format!("{SHADOW}{}", field.name).into();
        }
        fields.push(field);
    }
    if !names.is_empty() {
        fields.push(Field { name: CONTEXT.into(), value: mark });
    }
    fields
}

/// A record's own fields, each name once, escaped.
pub(crate) fn own<'a>(record: &Record<'a>, reserved: &[&str]) -> Vec<Field<'a>> {
    let mut own = merge_context(&[], &record.fields.to_vec());
    own.iter_mut().for_each(|field| escape(field, reserved));
    own
}

/// Whether a name says which process it is.
#[cfg(feature = "otlp")]
pub(crate) fn is_of_process(name: &str) -> bool {
    [HOST, PID, SERVICE, PROCESS_STARTED_US].contains(&name)
}

/// Renames a field that would be taken for something else.
pub(crate) fn escape(field: &mut Field<'_>, reserved: &[&str]) {
    if is_taken(&field.name, reserved) {
        field.name = format!("{ESCAPE}{}", field.name).into();
    }
}

/// Whether a field with that name would be taken for something else.
pub(crate) fn is_taken(name: &str, reserved: &[&str]) -> bool {
    let is_marked = || ALL.contains(&name) || name.starts_with(ESCAPE) || name.starts_with(SHADOW);
    reserved.contains(&name) || name.contains('.') && is_marked()
}

pub(crate) fn unescape(field: &mut Field<'static>) {
    let name = field.name.strip_prefix(SHADOW).unwrap_or(&field.name);
    let name = name.strip_prefix(ESCAPE).unwrap_or(name);
    if name.len() < field.name.len() {
        field.name = name.to_owned().into();
    }
}

/// Kind, and what belongs to the task and to an end or a loss. The key is left to the format.
pub(crate) fn put_nature<'a>(out: &mut Vec<Field<'a>>, record: &Record<'a>) {
    out.push(field(KIND, record.kind.as_str()));
    if let Some(task) = record.task.as_deref() {
        put_task(out, task);
    }
    if record.callsite.is_some_and(Callsite::is_timed) {
        out.push(field(TIMED, true));
    }
    put_detail(out, &record.detail);
}

/// What belongs to the task, but for its key and its context.
pub(crate) fn put_task<'a>(out: &mut Vec<Field<'a>>, task: &Task<'a>) {
    out.push(field(TASK, task.name));
    out.push(field(STARTED_NS, task.started_ns));
    if let Some(parent) = task.foreign_parent {
        out.push(field(FOREIGN_PARENT, format!("{:016x}", u64::from_be_bytes(parent))));
    }
}

/// What belongs to an end or a loss.
pub(crate) fn put_detail<'a>(out: &mut Vec<Field<'a>>, detail: &Detail<'a>) {
    match detail {
        Detail::End(end) => put_end(out, end),
        Detail::Loss(loss) => put_loss(out, loss),
        Detail::None => {}
    }
}

fn put_end<'a>(out: &mut Vec<Field<'a>>, end: &End<'a>) {
    out.push(field(OUTCOME, end.outcome.as_str()));
    out.push(field(DURATION_NS, end.duration_ns));
    out.push(field(BUSY_NS, end.busy_ns));
    if !end.error.is_empty() {
        let links = end.error.iter().cloned().map(Value::Text).collect();
        out.push(Field { name: ERROR.into(), value: Value::List(links) });
    }
    if end.quiet {
        out.push(field(QUIET, true));
    }
}

fn put_loss(out: &mut Vec<Field<'_>>, loss: &Loss) {
    let levels = loss.levels.iter().copied().map(Value::from).collect();
    out.push(field(LOSS_CAUSE, loss.cause.as_str()));
    out.push(Field { name: LOSS_LEVELS.into(), value: Value::List(levels) });
    out.push(field(LOSS_BYTES, loss.bytes));
    out.push(field(LOSS_FIRST_NS, loss.first_ns));
    out.push(field(LOSS_LAST_NS, loss.last_ns));
}

/// Where in the program: callsite, module, file, line. The target is left to the format.
pub(crate) fn put_place<'a>(out: &mut Vec<Field<'a>>, record: &Record<'a>) {
    if let Some(callsite) = record.callsite {
        out.push(field(CALLSITE, callsite.name));
        out.extend(callsite.module.map(|module| field(MODULE, module)));
        out.extend(callsite.file.map(|file| field(FILE, file)));
        out.extend(callsite.line.map(|line| field(LINE, line)));
    }
}

/// Which process: host, id, service, when it began to record.
pub(crate) fn put_process<'a>(out: &mut Vec<Field<'a>>, source: &'a Source) {
    if !source.service.is_empty() {
        out.push(field(SERVICE, &*source.service));
    }
    out.push(field(HOST, &*source.host));
    out.push(field(PID, source.pid));
    out.push(field(PROCESS_STARTED_US, source.started_us));
}

pub(crate) fn put_thread<'a>(out: &mut Vec<Field<'a>>, source: &'a Source) {
    if !source.thread.is_empty() {
        out.push(field(THREAD, &*source.thread));
    }
}

// === reading ===

impl Draft {
    pub(crate) fn new(ts_ns: i64, level: Level) -> Self {
        let record = ForeignRecord {
            ts_ns,
            level,
            kind: Kind::Event,
            seq: 0,
            place: None,
            task: None,
            source: Source::default(),
            message: String::new(),
            fields: Vec::new(),
            detail: Detail::None,
        };
        Self {
            record,
            place: Place::default(),
            task_name: None,
            started_ns: None,
            foreign_parent: None,
            key: None,
            marked: None,
            context: Vec::new(),
            outcome: None,
            end: End { outcome: Outcome::Succeeded, duration_ns: 0, busy_ns: 0, error: Vec::new(), quiet: false },
            cause: None,
            loss: Loss { cause: Cause::Full, levels: [0; 5], bytes: 0, first_ns: ts_ns, last_ns: ts_ns },
        }
    }

    /// Whether spanlake wrote it.
    pub(crate) fn is_ours(&self) -> bool {
        self.marked.is_some()
    }

    pub(crate) fn set_key(&mut self, key: RecordKey) {
        self.key = Some(key);
    }

    /// Takes a field for what its name says, or as a field.
    pub(crate) fn take(&mut self, field: Field<'_>) {
        // All marks have a dot.
        if !field.name.contains('.') || self.mark(&field.name, &field.value).is_none() {
            self.record.fields.push(field.into_owned());
        }
    }

    /// The record, its context being the fields whose names a mark has. A target that nobody told is `target`.
    pub(crate) fn finish(mut self, target: &str) -> ForeignRecord {
        let mut context = self.split_context();
        if self.is_ours() {
            context.iter_mut().chain(&mut self.record.fields).for_each(unescape);
        }
        self.settle_kind();
        if self.place.target.is_empty() {
            target.clone_into(&mut self.place.target);
        }
        let Self { mut record, place, task_name, started_ns, foreign_parent, key, .. } = self;
        record.place = (record.kind != Kind::Loss).then_some(place);
        if let Some(RecordKey { task: key, seq }) = key {
            let started_ns = started_ns.unwrap_or(record.ts_ns);
            let name = task_name.unwrap_or_default();
            record.seq = seq;
            record.task = Some(ForeignTask { key, name, started_ns, foreign_parent, context });
        }
        record
    }

    fn split_context(&mut self) -> Vec<Field<'static>> {
        if self.context.is_empty() || self.key.is_none() {
            return Vec::new();
        }
        let names: HashSet<&str> = self.context.iter().map(String::as_str).collect();
        let fields = std::mem::take(&mut self.record.fields);
        let (context, own) = fields.into_iter().partition(|field| names.contains(&*field.name));
        self.record.fields = own;
        context
    }

    /// An end without an outcome, and a loss without a cause, are events.
    fn settle_kind(&mut self) {
        self.record.kind = match (self.marked, self.outcome, self.cause) {
            (Some(Kind::End), Some(outcome), _) => {
                self.record.detail = Detail::End(End { outcome, ..self.end.clone() });
                Kind::End
            }
            (Some(Kind::Loss), _, Some(cause)) => {
                self.record.detail = Detail::Loss(Loss { cause, ..self.loss });
                Kind::Loss
            }
            (Some(Kind::Begin), ..) => Kind::Begin,
            _ => Kind::Event,
        };
    }

    /// Takes a mark; `None` for what is none, or has a value that makes no sense.
    fn mark(&mut self, name: &str, value: &Value<'_>) -> Option<()> {
        match name {
            KEY => self.key = Some(word(value)?),
            KIND => self.marked = Some(word(value)?),
            TASK => self.task_name = Some(text(value)?),
            STARTED_NS => self.started_ns = Some(number(value)?),
            FOREIGN_PARENT => self.foreign_parent = Some(parent(value)?),
            CONTEXT => self.context = list(value)?.iter().map(text).collect::<Option<_>>()?,
            CALLSITE => self.place.name = text(value)?,
            TARGET => self.place.target = text(value)?,
            MODULE => self.place.module = Some(text(value)?),
            FILE => self.place.file = Some(text(value)?),
            LINE => self.place.line = Some(number(value)?),
            TIMED => self.place.timed = truth(value)?,
            LEVEL => self.record.level = word(value)?,
            MESSAGE => self.record.message = text(value)?,
            _ => return self.mark_source(name, value).or_else(|| self.mark_detail(name, value)),
        }
        Some(())
    }

    fn mark_source(&mut self, name: &str, value: &Value<'_>) -> Option<()> {
        let source = &mut self.record.source;
        match name {
            SERVICE => source.service = text(value)?,
            HOST => source.host = text(value)?,
            PID => source.pid = number(value)?,
            PROCESS_STARTED_US => source.started_us = number(value)?,
            THREAD => source.thread = text(value)?,
            _ => return None,
        }
        Some(())
    }

    fn mark_detail(&mut self, name: &str, value: &Value<'_>) -> Option<()> {
        match name {
            OUTCOME => self.outcome = Some(word(value)?),
            DURATION_NS => self.end.duration_ns = number(value)?,
            BUSY_NS => self.end.busy_ns = number(value)?,
            QUIET => self.end.quiet = truth(value)?,
            ERROR => {
                self.end.error = list(value)?.iter().map(|link| text(link).map(Cow::Owned)).collect::<Option<_>>()?
            }
            LOSS_CAUSE => self.cause = Some(word(value)?),
            LOSS_LEVELS => self.loss.levels = levels(value)?,
            LOSS_BYTES => self.loss.bytes = number(value)?,
            LOSS_FIRST_NS => self.loss.first_ns = number(value)?,
            LOSS_LAST_NS => self.loss.last_ns = number(value)?,
            _ => return None,
        }
        Some(())
    }
}

// === values ===

fn text(value: &Value<'_>) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone().into_owned()) } else { None }
}

fn word<T: FromStr>(value: &Value<'_>) -> Option<T> {
    if let Value::Text(text) = value { text.parse().ok() } else { None }
}

/// An integer of any width, if it fits.
pub(crate) fn number<T: TryFrom<i128>>(value: &Value<'_>) -> Option<T> {
    let number = match value {
        Value::I64(number) => i128::from(*number),
        Value::U64(number) => i128::from(*number),
        Value::I128(number) => *number,
        Value::U128(number) => i128::try_from(*number).ok()?,
        _ => return None,
    };
    T::try_from(number).ok()
}

fn truth(value: &Value<'_>) -> Option<bool> {
    if let Value::Bool(value) = value { Some(*value) } else { None }
}

fn list<'a, 'b>(value: &'b Value<'a>) -> Option<&'b [Value<'a>]> {
    if let Value::List(values) = value { Some(values) } else { None }
}

fn levels(value: &Value<'_>) -> Option<[u64; 5]> {
    let counts: Vec<u64> = list(value)?.iter().map(number).collect::<Option<_>>()?;
    counts.try_into().ok()
}

/// Eight bytes in hexadecimal.
fn parent(value: &Value<'_>) -> Option<[u8; 8]> {
    let Value::Text(text) = value else {
        return None;
    };
    let plain = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u64::from_str_radix(text, 16).ok().map(u64::to_be_bytes) } else { None }
}
