//! Records of other systems, owning what they say, and the segments that are made of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use spanlake_core::record::{Callsite, TIMED, Task};
use spanlake_core::segment::{
    CallsiteDefinition, CallsiteRef, EndHead, Message, RecordHead, Segment, SegmentWriter, TaskDefinition, TaskOrigin,
    TaskRef,
};
use spanlake_core::value::{BodyWriter, MAX_TEXT_BYTES, Name};
use spanlake_core::{Detail, End, Field, Kind, Level, Record, Source, TaskKey};

/// A segment that has grown to this many bytes is ended.
pub const SEGMENT_BYTES: usize = 256 << 10;

/// A record that came from another system, or went through its format.
#[derive(Clone, Debug)]
pub struct ForeignRecord {
    /// UTC nanoseconds since the Unix epoch.
    pub ts_ns: i64,
    /// Severity.
    pub level: Level,
    /// What it says. An end or a loss without its [`detail`](Self::detail) is written as an event.
    pub kind: Kind,
    /// Its number within its task. Systems that number nothing get the time, which orders as well.
    pub seq: u64,
    /// The place in the program; a loss has none.
    pub place: Option<Place>,
    /// The task it belongs to.
    pub task: Option<ForeignTask>,
    /// The process and thread it comes from.
    pub source: Source,
    /// The text.
    pub message: String,
    /// Its own fields.
    pub fields: Vec<Field<'static>>,
    /// What only an end or a loss has.
    pub detail: Detail<'static>,
}

/// A place in a foreign program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The name of the function, the span or the event.
    pub name: String,
    /// The target, or what comes near: the logger's name.
    pub target: String,
    /// The module path.
    pub module: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// Whether lines for people show the task as timed.
    pub timed: bool,
}

/// A task of a foreign program.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignTask {
    /// Its key.
    pub key: TaskKey,
    /// Its name; empty where the system does not tell it with each record.
    pub name: String,
    /// When it began, UTC nanoseconds since the Unix epoch, or the earliest time that is known of it.
    pub started_ns: i64,
    /// The span id of its parent, where that one is known by nothing else.
    pub foreign_parent: Option<[u8; 8]>,
    /// Its merged context.
    pub context: Vec<Field<'static>>,
}

impl From<&Record<'_>> for ForeignRecord {
    /// The same record, owning what it says.
    fn from(record: &Record<'_>) -> Self {
        let detail = match &record.detail {
            Detail::None => Detail::None,
            Detail::Loss(loss) => Detail::Loss(*loss),
            Detail::End(end) => {
                let error = end.error.iter().map(|link| link.clone().into_owned().into()).collect();
                Detail::End(End { error, ..*end })
            }
        };
        Self {
            ts_ns: record.ts_ns,
            level: record.level,
            kind: record.kind,
            seq: record.seq,
            place: record.callsite.map(Place::from),
            task: record.task.as_deref().map(ForeignTask::from),
            source: record.source.clone(),
            message: record.message.clone().into_owned(),
            fields: record.fields.to_vec().into_iter().map(Field::into_owned).collect(),
            detail,
        }
    }
}

impl From<&Callsite<'_>> for Place {
    fn from(callsite: &Callsite<'_>) -> Self {
        Self {
            name: callsite.name.to_owned(),
            target: callsite.target.to_owned(),
            module: callsite.module.map(str::to_owned),
            file: callsite.file.map(str::to_owned),
            line: callsite.line,
            timed: callsite.is_timed(),
        }
    }
}

impl From<&Task<'_>> for ForeignTask {
    fn from(task: &Task<'_>) -> Self {
        Self {
            key: task.key.clone(),
            name: task.name.to_owned(),
            started_ns: task.started_ns,
            foreign_parent: task.foreign_parent,
            context: task.context.iter().cloned().map(Field::into_owned).collect(),
        }
    }
}

/// Lays records down as segments, at least one for each process and thread, in the order in which these appear. Records of
/// one thread stay in their order.
pub fn segments<'r>(records: impl IntoIterator<Item = &'r ForeignRecord>) -> Vec<Segment> {
    let mut threads: Vec<Thread<'r>> = Vec::new();
    let mut places: HashMap<SourceKey<'r>, usize> = HashMap::new();
    for record in records {
        let at = *places.entry(source_key(&record.source)).or_insert_with(|| {
            threads.push(Thread::new(&record.source));
            threads.len() - 1
        });
        if let Some(thread) = threads.get_mut(at) {
            thread.write(record);
        }
    }
    threads.into_iter().flat_map(Thread::finish).collect()
}

/// The child number of a task whose system gives it no small one: above those that are counted, so that it meets none, and
/// the same wherever it is computed.
pub fn child_number(id: &[u8]) -> u32 {
    const NOT_COUNTED: u32 = 1 << 31;
    (xxhash_rust::xxh3::xxh3_64(id) >> 32) as u32 | NOT_COUNTED
}

// === one process and thread ===

type SourceKey<'r> = (&'r str, &'r str, &'r str, u32, i64);

fn source_key(source: &Source) -> SourceKey<'_> {
    (&source.host, &source.service, &source.thread, source.pid, source.started_us)
}

/// The segments of one thread, and what the current one describes. Callsites and tasks are told apart by what they are, not
/// by a hash, because foreign programs may have any.
struct Thread<'r> {
    writer: SegmentWriter,
    done: Vec<Segment>,
    callsites: HashMap<(&'r Place, Level), CallsiteRef>,
    tasks: HashMap<&'r TaskKey, (TaskRef, &'r ForeignTask)>,
    /// Names the next callsite or task to the writer.
    next_id: u64,
    message: Message,
    body: BodyWriter,
}

impl<'r> Thread<'r> {
    fn new(source: &Source) -> Self {
        Self {
            writer: SegmentWriter::new(source),
            done: Vec::new(),
            callsites: HashMap::new(),
            tasks: HashMap::new(),
            next_id: 1,
            message: Message::default(),
            body: BodyWriter::default(),
        }
    }

    fn write(&mut self, record: &'r ForeignRecord) {
        if self.writer.len() >= SEGMENT_BYTES {
            self.end_segment();
        }
        if let Detail::Loss(loss) = &record.detail {
            return self.writer.loss_at(loss, record.ts_ns);
        }
        let callsite = record.place.as_ref().map(|place| self.callsite(place, record.level));
        let task = record.task.as_ref().map(|task| self.task(task));
        let head = RecordHead { level: record.level, callsite, task, seq: record.seq, ts_ns: record.ts_ns };
        self.message.set(&record.message);
        put_fields(&mut self.body, &record.fields);
        match &record.detail {
            Detail::End(end) => self.end(&head, end),
            _ if record.kind == Kind::Begin => self.writer.begin(&head, &self.message, self.body.bytes()),
            _ => self.writer.event(&head, &self.message, self.body.bytes()),
        }
    }

    fn end(&mut self, head: &RecordHead, end: &End<'_>) {
        let error: Vec<String> = end.error.iter().map(|link| link.clone().into_owned()).collect();
        let End { outcome, duration_ns, busy_ns, quiet, .. } = *end;
        let end = EndHead { outcome, duration_ns, busy_ns, error: &error, quiet };
        self.writer.end(head, &end, &self.message, self.body.bytes());
    }

    fn callsite(&mut self, place: &'r Place, level: Level) -> CallsiteRef {
        match self.callsites.entry((place, level)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let definition = CallsiteDefinition {
                    name: cut(&place.name),
                    target: cut(&place.target),
                    module: place.module.as_deref().map(cut),
                    file: place.file.as_deref().map(cut),
                    line: place.line,
                    level,
                };
                let id = next(&mut self.next_id);
                *new.insert(self.writer.define_callsite(id, &definition, place.timed.then_some(TIMED).into_iter()))
            }
        }
    }

    /// A task is described by its whole key and merged context, which needs no other task. When it began is left out of what
    /// makes a description outdated: it is a guess where the begin was not seen.
    fn task(&mut self, task: &'r ForeignTask) -> TaskRef {
        let same = |known: &ForeignTask| {
            (&known.name, known.foreign_parent, &known.context) == (&task.name, task.foreign_parent, &task.context)
        };
        if let Some((known, _)) = self.tasks.get(&task.key).filter(|(_, known)| same(known)) {
            return *known;
        }
        let place = CallsiteDefinition {
            name: cut(&task.name),
            target: "",
            module: None,
            file: None,
            line: None,
            level: Level::INFO,
        };
        let id = next(&mut self.next_id);
        let callsite = self.writer.define_callsite(id, &place, std::iter::empty());
        put_fields(&mut self.body, &task.context);
        let definition = TaskDefinition {
            origin: TaskOrigin::Continued(&task.key),
            callsite,
            started_ns: task.started_ns,
            own_context: true,
            foreign_parent: task.foreign_parent,
            context: self.body.bytes(),
            begins: false,
        };
        let described = self.writer.define_task(id, 0, 0, &definition);
        self.tasks.insert(&task.key, (described, task));
        described
    }

    fn end_segment(&mut self) {
        if !self.writer.is_empty() {
            self.done.push(self.writer.take());
            self.callsites.clear();
            self.tasks.clear();
        }
    }

    fn finish(mut self) -> Vec<Segment> {
        self.end_segment();
        self.done
    }
}

// === helpers ===

fn next(id: &mut u64) -> u64 {
    *id += 1;
    *id - 1
}

fn put_fields(body: &mut BodyWriter, fields: &[Field<'_>]) {
    body.clear();
    fields.iter().for_each(|field| body.value(Name::Text(&field.name), &field.value));
    body.finish();
}

/// As much of a name as a text may have.
fn cut(name: &str) -> &str {
    let end = (0..=name.len().min(MAX_TEXT_BYTES)).rev().find(|at| name.is_char_boundary(*at));
    name.get(..end.unwrap_or(0)).unwrap_or("")
}
