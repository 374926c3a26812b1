//! Records made by hand, in the form that a pump gives them to its sinks.

use spanlake_core::segment::{
    CallsiteDefinition, CallsiteRef, EndHead, Message, RecordHead, Segment, SegmentWriter, TaskDefinition, TaskOrigin,
    TaskRef,
};
use spanlake_core::value::{BodyWriter, Name, Value};
use spanlake_core::{Batch, Error, Level, Loss, Outcome, Sink, Source, TaskKey};

/// Tells records one after the other, a microsecond apart.
///
/// ```
/// use spanlake_core::{Batch, Error, Level, Sink, Source};
/// use spanlake_test::{NO_TASK, Script, give};
///
/// struct Count(usize);
///
/// impl Sink for Count {
///     fn name(&self) -> &str {
///         "count"
///     }
///     fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
///         self.0 += batch.records().count();
///         Ok(())
///     }
///     fn flush(&mut self) -> Result<(), Error> {
///         Ok(())
///     }
/// }
///
/// let mut script = Script::new(Source::this_process("shop"), 0);
/// let task = script.begin("load", "load");
/// script.event(task, Level::INFO, "wrote batch", &[]);
/// script.event(NO_TASK, Level::INFO, "on my own", &[]);
///
/// let mut sink = Count(0);
/// give(&script.into_segment(), &mut sink)?;
/// assert_eq!(sink.0, 3);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Script {
    writer: SegmentWriter,
    now_ns: i64,
    callsites: Vec<String>,
    tasks: Vec<ScriptTask>,
}

/// A task of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskId(Option<usize>);

/// In place of a task: there is none.
pub const NO_TASK: TaskId = TaskId(None);

#[derive(Debug)]
struct ScriptTask {
    described: TaskRef,
    callsite: CallsiteRef,
    key: TaskKey,
    next_seq: u64,
    children: u32,
}

impl Script {
    /// An empty script of a process and thread, whose time begins `start_us` microseconds after the Unix epoch.
    pub fn new(source: Source, start_us: i64) -> Self {
        let writer = SegmentWriter::new(&source);
        Self { writer, now_ns: start_us * 1_000, callsites: Vec::new(), tasks: Vec::new() }
    }

    /// Lets time pass.
    pub fn pass_us(&mut self, micros: i64) {
        self.now_ns += micros * 1_000;
    }

    /// Begins a root task.
    pub fn begin(&mut self, name: &str, message: &str) -> TaskId {
        self.begin_with_key(TaskKey::random(), name, message)
    }

    /// Begins the next child of a task.
    pub fn begin_in(&mut self, parent: TaskId, name: &str, message: &str) -> TaskId {
        let key = self.task(parent).and_then(|parent| {
            parent.children += 1;
            parent.key.child(parent.children)
        });
        self.begin_with_key(key.unwrap_or_else(TaskKey::random), name, message)
    }

    /// An event.
    pub fn event(&mut self, task: TaskId, level: Level, message: &str, fields: &[(&str, Value<'_>)]) {
        let callsite = self.callsite("event");
        let head = self.head(task, level, callsite);
        self.writer.event(&head, &text(message), body(fields).bytes());
    }

    /// Ends a task, successfully unless there is an error with its causes.
    pub fn end(&mut self, task: TaskId, message: &str, error: &[String]) {
        let Some(callsite) = self.task(task).map(|task| task.callsite) else { return };
        let head = self.head(task, Level::INFO, callsite);
        let outcome = if error.is_empty() { Outcome::Succeeded } else { Outcome::Failed };
        let end = EndHead { outcome, duration_ns: 2_000_000, busy_ns: 1_000_000, error, quiet: false };
        self.writer.end(&head, &end, &text(message), &[]);
    }

    /// A statement of loss.
    pub fn loss(&mut self, loss: &Loss) {
        self.writer.loss(loss);
    }

    /// All of it.
    pub fn into_segment(mut self) -> Segment {
        self.writer.take()
    }

    fn begin_with_key(&mut self, key: TaskKey, name: &str, message: &str) -> TaskId {
        let callsite = self.callsite(name);
        let definition = TaskDefinition {
            origin: TaskOrigin::Continued(&key),
            callsite,
            started_ns: self.now_ns,
            own_context: false,
            foreign_parent: None,
            context: &[],
            begins: false,
        };
        let id = self.tasks.len();
        let described = self.writer.define_task(id as u64 + 1, 0, 0, &definition);
        self.tasks.push(ScriptTask { described, callsite, key, next_seq: 0, children: 0 });
        let task = TaskId(Some(id));
        let head = self.head(task, Level::INFO, callsite);
        self.writer.begin(&head, &text(message), &[]);
        task
    }

    fn task(&mut self, task: TaskId) -> Option<&mut ScriptTask> {
        self.tasks.get_mut(task.0?)
    }

    fn callsite(&mut self, name: &str) -> CallsiteRef {
        let known = self.callsites.iter().position(|callsite| callsite == name);
        let id = known.unwrap_or(self.callsites.len()) as u64 + 1;
        self.writer.callsite(id).unwrap_or_else(|| {
            self.callsites.push(name.to_owned());
            let definition = CallsiteDefinition {
                name,
                target: "testkit::script",
                module: Some("testkit::script"),
                file: Some("script.rs"),
                line: Some(1),
                level: Level::INFO,
            };
            self.writer.define_callsite(id, &definition, std::iter::empty())
        })
    }

    fn head(&mut self, task: TaskId, level: Level, callsite: CallsiteRef) -> RecordHead {
        self.pass_us(1);
        let ts_ns = self.now_ns;
        let (task, seq) = match self.task(task) {
            Some(task) => (Some(task.described), task.take_seq()),
            None => (None, 0),
        };
        RecordHead { level, callsite: Some(callsite), task, seq, ts_ns }
    }
}

/// Writes a segment's records into a sink as one batch, those that pass the sink's level, as a pump does.
pub fn give(segment: &Segment, sink: &mut dyn Sink) -> Result<(), Error> {
    let decoded = segment.decode().expect("a segment that was just written");
    let records: Vec<_> = decoded.records().collect();
    sink.write(&Batch::new(&records, sink.level()))
}

impl ScriptTask {
    fn take_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq - 1
    }
}

fn text(text: &str) -> Message {
    let mut message = Message::default();
    message.set(text);
    message
}

fn body(fields: &[(&str, Value<'_>)]) -> BodyWriter {
    let mut body = BodyWriter::default();
    fields.iter().for_each(|(name, value)| body.value(Name::Text(name), value));
    body.finish();
    body
}
