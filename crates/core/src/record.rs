//! The record: one event, one begin or end of a task, or one statement of loss, borrowed from a segment.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use tracing_core::Level;

use crate::key::{RecordKey, TaskKey, span_id_of};
use crate::loss::Loss;
use crate::render::time::Civil;
use crate::value::{Field, Fields, Value};

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Something happened.
    Event,
    /// A task began.
    Begin,
    /// A task ended.
    End,
    /// Records were not kept.
    Loss,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It came to its end.
    Succeeded,
    /// It panicked, was marked as failed, or returned an error that `#[instrument(err)]` reported.
    Failed,
    /// It was dropped before it came to its end.
    Cancelled,
    /// Its process went away; written by recovery, never by the process itself.
    Interrupted,
}

/// A record, borrowed from the segment that it was recorded into.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// UTC nanoseconds since the Unix epoch.
    pub ts_ns: i64,
    /// Severity.
    pub level: Level,
    /// What the record says.
    pub kind: Kind,
    /// Position within its task; 0 and without meaning outside any task.
    pub seq: u64,
    /// The place in the program; a loss has none.
    pub callsite: Option<&'a Callsite<'a>>,
    /// The task it belongs to.
    pub task: Option<TaskOf<'a>>,
    /// The process and thread it comes from.
    pub source: &'a Source,
    /// The text.
    pub message: Cow<'a, str>,
    /// Its own fields; those of its task are in [`Task::context`].
    pub fields: Fields<'a>,
    /// What only an end or a loss has.
    pub detail: Detail<'a>,
    /// Where it stands in its batch. The pump numbers a batch before routing takes it apart, and puts it together again by
    /// this; 0 elsewhere.
    pub place: u32,
}

/// What only some kinds of record have.
#[derive(Clone, Debug, Default)]
pub enum Detail<'a> {
    /// Nothing more.
    #[default]
    None,
    /// How a task ended.
    End(End<'a>),
    /// What was lost.
    Loss(Loss),
}

/// How a task ended, and how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct End<'a> {
    /// How it ended.
    pub outcome: Outcome,
    /// From begin to end on the monotonic clock, in nanoseconds.
    pub duration_ns: u64,
    /// Of that, the time in which it was entered; the rest it was waiting.
    pub busy_ns: u64,
    /// The error and its causes, outermost first; empty when it did not fail.
    pub error: Vec<Cow<'a, str>>,
    /// Whether consoles leave the end out: the task asked for it with `success("")`.
    pub quiet: bool,
}

/// A place in the program that records come from.
#[derive(Debug)]
pub struct Callsite<'a> {
    /// The span's name, or the event's.
    pub name: &'a str,
    /// The target, the module path unless the program said otherwise.
    pub target: &'a str,
    /// The module path.
    pub module: Option<&'a str>,
    /// The source file.
    pub file: Option<&'a str>,
    /// The line in it.
    pub line: Option<u32>,
    /// Severity.
    pub level: Level,
    /// The names of its fields.
    pub fields: Vec<&'a str>,
    pub(crate) json: OnceLock<Box<str>>,
    /// The logger that routing chose for its target. A segment is decoded, routed and gone between two changes of routing.
    pub(crate) logger: OnceLock<usize>,
}

/// A task as a segment describes it.
#[derive(Debug)]
pub struct Task<'a> {
    /// Its key.
    pub key: TaskKey,
    /// Its key as text.
    pub key_text: String,
    /// The span's name.
    pub name: &'a str,
    /// The names of the tasks above it in its process, the root's first.
    pub above: Vec<&'a str>,
    /// The span's place in the dictionary.
    pub(crate) callsite: usize,
    /// When it began, UTC nanoseconds since the Unix epoch.
    pub started_ns: i64,
    /// The span id of the foreign parent that a `traceparent` named.
    pub foreign_parent: Option<[u8; 8]>,
    /// Its own values.
    pub own: Vec<Field<'a>>,
    /// Its own values and those it inherited, the nearest task's winning; in order of first appearance.
    pub context: Vec<Field<'a>>,
    pub(crate) json: OnceLock<crate::render::TaskJson>,
}

/// The task of a record: [`as_deref`](Option::as_deref) on [`Record::task`] gives the [`Task`].
#[derive(Clone, Debug)]
pub enum TaskOf<'a> {
    /// As the segment describes it, for all its records there.
    Described(&'a Task<'a>),
    /// As a processor changed it, for the records that came by.
    Changed(Arc<Task<'a>>),
}

/// The process and thread that a segment comes from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The machine's name.
    pub host: String,
    /// The service's name; empty when none was given.
    pub service: String,
    /// The process id.
    pub pid: u32,
    /// When the process began to record, UTC microseconds since the Unix epoch: with host and pid it names the process.
    pub started_us: i64,
    /// The thread's name, or its number when it has none; empty when it is not known.
    pub thread: String,
    pub(crate) json: OnceLock<Box<str>>,
}

/// A name among the fields of a span's callsite, never with a value, which says that lines for people show the span's tasks as
/// timed.
pub const TIMED: &str = "spanlake.timed";

/// Longest part of a host's name that goes into the names of files.
pub const MAX_HOST_IN_NAMES: usize = 64;

/// Context keys that name a task's dataflow, the first that is set winning.
const DATAFLOW_KEYS: [&str; 2] = ["etl.dataflow", "dataflow_id"];

// === impl Source ===

impl Source {
    /// This process, beginning to record now, on behalf of `service`. The thread is left empty.
    pub fn this_process(service: &str) -> Self {
        Self {
            host: host_name(),
            service: service.to_owned(),
            pid: std::process::id(),
            started_us: crate::clock::utc_now_ns() / 1000,
            ..Self::default()
        }
    }

    /// Whether both name the same process and thread.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let parts = |source: &Self| (source.pid, source.started_us);
        parts(self) == parts(other)
            && self.thread == other.thread
            && self.host == other.host
            && self.service == other.service
    }

    /// The process as a part of file names: when it began, its host and its id.
    pub fn process_name(&self) -> String {
        let at = Civil::at(self.started_us.div_euclid(1_000_000));
        let (date, time) = ((at.year, at.month, at.day), (at.hour, at.minute, at.second));
        let micros = self.started_us.rem_euclid(1_000_000);
        let start =
            format!("{:04}{:02}{:02}T{:02}{:02}{:02}.{micros:06}Z", date.0, date.1, date.2, time.0, time.1, time.2);
        format!("{start}_{}_{}", host_in_names(&self.host), self.pid)
    }

    /// The same process, another thread.
    pub fn with_thread(&self, thread: impl Into<String>) -> Self {
        Self { thread: thread.into(), json: OnceLock::new(), ..self.clone() }
    }
}

/// The host's name with everything replaced that could build a path or be taken for the next part of a name.
fn host_in_names(host: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let text: String = host.chars().take(MAX_HOST_IN_NAMES).map(|c| if is_plain(c) { c } else { '-' }).collect();
    if text.is_empty() { "localhost".to_owned() } else { text }
}

/// The machine's name as the kernel tells it, else `HOSTNAME`, else `localhost`.
fn host_name() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

// === impl Callsite ===

impl Callsite<'_> {
    /// Whether lines for people show the tasks of its span as timed, see [`TIMED`].
    pub fn is_timed(&self) -> bool {
        self.fields.contains(&TIMED)
    }
}

// === impl Record ===

impl<'a> Record<'a> {
    /// The record's key; `None` outside any task, where statements of loss stand.
    pub fn key(&self) -> Option<RecordKey> {
        let task = self.task.as_deref()?;
        Some(RecordKey { task: task.key.clone(), seq: self.seq })
    }

    /// Whether it is the begin or end of a task that lines for people show as timed, see [`TIMED`].
    pub fn is_timed(&self) -> bool {
        let is_lifecycle = matches!(self.kind, Kind::Begin | Kind::End);
        is_lifecycle && self.callsite.is_some_and(Callsite::is_timed)
    }

    /// UTC microseconds since the Unix epoch, as the lake stores it.
    pub fn ts_us(&self) -> i64 {
        self.ts_ns.div_euclid(1000)
    }

    /// The target; a loss has `spanlake`.
    pub fn target(&self) -> &'a str {
        self.callsite.map_or("spanlake", |callsite| callsite.target)
    }

    /// How the task ended, on an end record.
    pub fn end(&self) -> Option<&End<'a>> {
        if let Detail::End(end) = &self.detail { Some(end) } else { None }
    }

    /// What was lost, on a loss record.
    pub fn loss(&self) -> Option<&Loss> {
        if let Detail::Loss(loss) = &self.detail { Some(loss) } else { None }
    }
}

// === impl End ===

impl End<'_> {
    /// The error and its causes as `this: cause: cause`; `None` when there is none.
    pub fn error_text(&self) -> Option<String> {
        if self.error.is_empty() { None } else { Some(self.error.join(": ")) }
    }

    /// Duration in microseconds, as the lake stores it.
    pub fn duration_us(&self) -> i64 {
        i64::try_from(self.duration_ns / 1000).unwrap_or(i64::MAX)
    }
}

// === impl Task ===

impl Task<'_> {
    /// The W3C span id; see [`TaskKey::span_id`].
    pub fn span_id(&self) -> [u8; 8] {
        span_id_of(&self.key_text)
    }

    /// The dataflow that the nearest task named with `etl.dataflow` or `dataflow_id`.
    pub fn dataflow_id(&self) -> Option<String> {
        let find = |key: &str| self.context.iter().rfind(|field| field.name == key);
        DATAFLOW_KEYS.iter().find_map(|key| find(key)).map(|field| field.value.to_string())
    }
}

impl<'a> Task<'a> {
    /// The same task with values that `change` has looked at: its own ones, and those of the merged context.
    pub(crate) fn with_context(&self, mut change: impl FnMut(&mut Field<'a>)) -> Self {
        let mut changed = |fields: &[Field<'a>]| {
            let mut fields = fields.to_vec();
            fields.iter_mut().for_each(&mut change);
            fields
        };
        Self {
            own: changed(&self.own),
            context: changed(&self.context),
            json: OnceLock::new(),
            key: self.key.clone(),
            key_text: self.key_text.clone(),
            above: self.above.clone(),
            ..*self
        }
    }
}

impl<'a> Deref for TaskOf<'a> {
    type Target = Task<'a>;

    #[inline]
    fn deref(&self) -> &Task<'a> {
        match self {
            Self::Described(task) => task,
            Self::Changed(task) => task,
        }
    }
}

/// Merges a task's own values over those it inherits: the last value of a name wins, in the place of the first.
pub fn merge_context<'a>(inherited: &[Field<'a>], own: &[Field<'a>]) -> Vec<Field<'a>> {
    let mut merged: Vec<Field<'a>> = Vec::with_capacity(inherited.len() + own.len());
    let mut places = Places::new(inherited.len() + own.len());
    for field in inherited.iter().chain(own) {
        match places.find(&merged, &field.name) {
            Some(place) => merged[place].value = field.value.clone(),
            None => {
                places.add(&field.name, merged.len());
                merged.push(field.clone());
            }
        }
    }
    merged
}

/// Tells whether a name was there before. A name that is there twice is rare, and one bit of each is enough to say almost always
/// that it is not; it may take a new name for one that was there.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeenNames(u64);

impl SeenNames {
    /// Adds a name; gives whether it may have been there before.
    #[inline]
    pub fn add(&mut self, name: &str) -> bool {
        let bytes = name.as_bytes();
        let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
        let mixed = usize::from(first) * 31 + usize::from(last) * 7 + bytes.len();
        let (before, bit) = (self.0, 1 << (mixed % 64));
        self.0 |= bit;
        before & bit != 0
    }
}

/// Where each name stands: looked through for the usual handful, indexed for more.
struct Places(Option<std::collections::HashMap<String, usize>>);

impl Places {
    const FEW: usize = 16;

    fn new(names: usize) -> Self {
        Self((names > Self::FEW).then(|| std::collections::HashMap::with_capacity(names)))
    }

    fn find(&self, merged: &[Field<'_>], name: &str) -> Option<usize> {
        match &self.0 {
            Some(index) => index.get(name).copied(),
            None => merged.iter().position(|field| field.name == name),
        }
    }

    fn add(&mut self, name: &str, place: usize) {
        if let Some(index) = &mut self.0 {
            index.insert(name.to_owned(), place);
        }
    }
}

// === words ===

impl Kind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Kind; 4] = [Kind::Event, Kind::Begin, Kind::End, Kind::Loss];

    /// The word in the lake.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Begin => "begin",
            Kind::End => "end",
            Kind::Loss => "loss",
        }
    }
}

impl Outcome {
    /// All outcomes, in the order of their codes.
    pub const ALL: [Outcome; 4] = [Outcome::Succeeded, Outcome::Failed, Outcome::Cancelled, Outcome::Interrupted];

    /// The word in the lake.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is none of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of the known words")]
pub struct UnknownWord;

impl FromStr for Kind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownWord)
    }
}

impl FromStr for Outcome {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or(UnknownWord)
    }
}

/// A level's position from `TRACE` 0 to `ERROR` 4, which is also its code in a frame.
pub fn level_code(level: Level) -> u8 {
    match level {
        Level::TRACE => 0,
        Level::DEBUG => 1,
        Level::INFO => 2,
        Level::WARN => 3,
        Level::ERROR => 4,
    }
}

/// The level with this code; codes above 4 are `ERROR`.
pub fn level_from_code(code: u8) -> Level {
    match code {
        0 => Level::TRACE,
        1 => Level::DEBUG,
        2 => Level::INFO,
        3 => Level::WARN,
        _ => Level::ERROR,
    }
}

/// The value of an own field by name, the last one winning.
pub fn field_value<'a, 'b>(fields: &'b [Field<'a>], name: &str) -> Option<&'b Value<'a>> {
    fields.iter().rfind(|field| field.name == name).map(|field| &field.value)
}
