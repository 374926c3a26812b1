//! Reading a segment: one pass finds the dictionary and the records, each checked against its sum.

use std::borrow::Cow;
use std::sync::OnceLock;

use uuid::Uuid;

use crate::key::TaskKey;
use crate::loss::{Cause, Loss};
use crate::record::{
    Callsite, Detail, End, Kind, Outcome, Record, Source, Task, TaskOf, level_from_code, merge_context,
};
use crate::segment::cursor::Cursor;
use crate::segment::{FRAME_HEAD, MAGIC, NO_SUMS, Stats, VERSION, checksum, frame};
use crate::value::{Fields, cut_text, read_fields, read_links};

/// A segment whose dictionary has been read and whose records can be visited.
#[derive(Debug)]
pub struct Decoded<'a> {
    source: Source,
    pub(super) lane: usize,
    callsites: Vec<Callsite<'a>>,
    tasks: Vec<Task<'a>>,
    records: Vec<Place<'a>>,
    tail: Tail,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    /// In a frame of its own.
    Frame(&'a [u8]),
    /// In the description of the task that it begins.
    Begin { task: usize },
}

/// What a record is, and in which task's description it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) ts_ns: i64,
    pub(crate) task: Option<usize>,
    pub(crate) seq: u64,
}

impl Default for Head {
    fn default() -> Self {
        Self { kind: Kind::Loss, ts_ns: 0, task: None, seq: 0 }
    }
}

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With its last frame.
    Whole,
    /// In bytes that are no frame, from this offset: a write that was cut short, or damage.
    Torn {
        /// Offset of the first byte that is not part of a whole frame.
        at: usize,
    },
}

/// Why a run of bytes is not a segment at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// It does not start with the magic bytes.
    #[error("not a segment: wrong first bytes")]
    Magic,
    /// A newer version wrote it.
    #[error("segment version {0} is newer than {VERSION}, which this program reads")]
    Version(u8),
    /// It has no checksums: it was never meant to leave the memory of the process that wrote it.
    #[error("segment has no checksums")]
    Unsummed,
    /// The header is cut short or does not match its checksum.
    #[error("segment header is damaged")]
    Header,
}

/// Strings of the dictionary while it is being read.
#[derive(Default)]
struct Strings<'a>(Vec<&'a str>);

// === impl Decoded ===

impl<'a> Decoded<'a> {
    /// Reads a segment that came from a file or a peer. Frames of unknown type are passed over; reading stops at the
    /// first frame that is damaged.
    pub fn read(bytes: &'a [u8]) -> Result<Self, SegmentError> {
        let mut cursor = Cursor::new(bytes);
        match read_header(&mut cursor)? {
            (_, false) => Err(SegmentError::Unsummed),
            (source, true) => Ok(Self::read_frames(bytes, cursor, source, true)),
        }
    }

    /// Reads a segment of this process, whose frames are not summed while it stays in memory.
    pub(super) fn read_own(bytes: &'a [u8]) -> Result<Self, SegmentError> {
        let mut cursor = Cursor::new(bytes);
        let (source, summed) = read_header(&mut cursor)?;
        Ok(Self::read_frames(bytes, cursor, source, summed))
    }

    fn read_frames(bytes: &'a [u8], mut cursor: Cursor<'a>, source: Source, summed: bool) -> Self {
        let mut decoded =
            Self { source, lane: 0, callsites: vec![], tasks: vec![], records: vec![], tail: Tail::Whole };
        let mut strings = Strings::default();
        while !cursor.is_empty() {
            let at = bytes.len() - cursor.rest().len();
            let understood = read_frame(&mut cursor, summed).and_then(|payload| decoded.take_in(payload, &mut strings));
            if understood.is_none() {
                decoded.tail = Tail::Torn { at };
                break;
            }
        }
        decoded
    }

    /// The process and thread that the segment comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// How the segment ends.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// How many records it holds, statements of loss included.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records in the order they were written.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.records.len()).filter_map(|at| self.nth(at))
    }

    /// What the records are, without what they say.
    pub(crate) fn heads(&self) -> impl Iterator<Item = Head> {
        self.records.iter().map(|place| match place {
            Place::Frame(payload) => read_head(payload).unwrap_or_default(),
            Place::Begin { task } => {
                let ts_ns = self.tasks.get(*task).map_or(0, |task| task.started_ns);
                Head { kind: Kind::Begin, ts_ns, task: Some(*task), seq: 0 }
            }
        })
    }

    /// The record at this position.
    pub(crate) fn nth(&self, at: usize) -> Option<Record<'_>> {
        match self.records.get(at)? {
            Place::Frame(payload) => self.record(payload),
            Place::Begin { task } => self.begin(*task),
        }
    }

    /// How many descriptions of tasks there are; a task whose context changed has several.
    pub(crate) fn task_count(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn task_key(&self, task: usize) -> Option<&TaskKey> {
        self.tasks.get(task).map(|task| &task.key)
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for (record, place) in self.records().zip(&self.records) {
            if record.kind != Kind::Loss {
                stats.add_record(record.ts_ns);
            }
            if let (Kind::Event, Place::Frame(payload)) = (record.kind, place) {
                stats.add_event_bytes(record.level, payload.len() + FRAME_HEAD);
            }
        }
        stats
    }

    /// Takes one frame in; `None` when its content makes no sense.
    fn take_in(&mut self, payload: &'a [u8], strings: &mut Strings<'a>) -> Option<()> {
        let mut cursor = Cursor::new(payload);
        match cursor.u8()? {
            frame::STRING => strings.0.push(std::str::from_utf8(cursor.rest()).ok()?),
            frame::CALLSITE => self.callsites.push(read_callsite(&mut cursor, strings)?),
            frame::TASK => {
                let task = self.read_task(&mut cursor)?;
                if payload.get(1)? & frame::BEGINS != 0 {
                    self.records.push(Place::Begin { task: self.tasks.len() });
                }
                self.tasks.push(task);
            }
            frame::EVENT | frame::BEGIN | frame::END | frame::LOSS => {
                self.records.push(Place::Frame(payload));
            }
            _ => {}
        }
        Some(())
    }

    fn read_task(&self, cursor: &mut Cursor<'a>) -> Option<Task<'a>> {
        let flags = cursor.u8()?;
        let started_ns = cursor.i64()?;
        let callsite_at = usize::try_from(cursor.varint()?).ok()?;
        let callsite = self.callsites.get(callsite_at)?;
        let (key, parent) = match flags & frame::ORIGIN_MASK {
            frame::ORIGIN_ROOT => (TaskKey::root(Uuid::from_bytes(cursor.array()?)), None),
            frame::ORIGIN_CHILD => {
                let parent = self.tasks.get(usize::try_from(cursor.varint()?).ok()?)?;
                (parent.key.child(u32::try_from(cursor.varint()?).ok()?)?, Some(parent))
            }
            frame::ORIGIN_CONTINUED => (cursor.text()?.parse().ok()?, None),
            _ => return None,
        };
        let foreign_parent = if flags & frame::FOREIGN_PARENT == 0 { None } else { Some(cursor.array()?) };
        let own = read_fields(cursor.rest(), &callsite.fields);
        let inherited = if flags & frame::OWN_CONTEXT == 0 { parent } else { None };
        let context = merge_context(inherited.map_or(&[], |task| &task.context), &own);
        let key_text = match (parent, key.path().last()) {
            (Some(parent), Some(number)) => format!("{}/{number}", parent.key_text),
            _ => key.to_string(),
        };
        let above = parent.map_or_else(Vec::new, |parent| [&*parent.above, &[parent.name]].concat());
        Some(Task {
            key,
            key_text,
            name: callsite.name,
            above,
            callsite: callsite_at,
            started_ns,
            foreign_parent,
            own,
            context,
            json: OnceLock::new(),
        })
    }

    fn begin(&self, task: usize) -> Option<Record<'_>> {
        let task = self.tasks.get(task)?;
        let callsite = self.callsites.get(task.callsite)?;
        Some(Record {
            ts_ns: task.started_ns,
            level: callsite.level,
            kind: Kind::Begin,
            seq: 0,
            callsite: Some(callsite),
            task: Some(TaskOf::Described(task)),
            source: &self.source,
            message: Cow::Borrowed(task.name),
            fields: Fields::EMPTY,
            detail: Detail::None,
            place: 0,
        })
    }

    fn record<'b>(&'b self, payload: &'b [u8]) -> Option<Record<'b>> {
        let mut cursor = Cursor::new(payload);
        let kind = kind_of(cursor.u8()?);
        let flags = cursor.u8()?;
        let ts_ns = cursor.i64()?;
        let callsite = nth(&self.callsites, cursor.varint()?)?;
        let task = nth(&self.tasks, cursor.varint()?)?;
        let seq = cursor.varint()?;
        let detail = match kind {
            Kind::End => Detail::End(read_end(&mut cursor, flags & frame::QUIET != 0)?),
            Kind::Loss => Detail::Loss(read_loss(&mut cursor)?),
            Kind::Event | Kind::Begin => Detail::None,
        };
        let message = match &detail {
            Detail::Loss(loss) => Cow::Owned(loss.to_string()),
            _ if flags & frame::HAS_MESSAGE != 0 => read_message(&mut cursor, flags)?,
            detail => default_message(kind, detail, callsite),
        };
        let names = callsite.map_or(&[][..], |callsite| &callsite.fields);
        let fields = Fields::Encoded { names, body: cursor.rest() };
        let level = level_from_code(flags & frame::LEVEL_MASK);
        Some(Record {
            ts_ns,
            level,
            kind,
            seq,
            callsite,
            task: task.map(TaskOf::Described),
            source: &self.source,
            message,
            fields,
            detail,
            place: 0,
        })
    }
}

/// The records of several segments by time. Each segment is in the order of its own thread, which is kept, and so is
/// the order of the segments that were drained from one thread, whatever the clock did between them.
pub fn merge<'a>(decoded: &'a [Decoded<'a>]) -> impl Iterator<Item = Record<'a>> {
    let mut lanes: Vec<Vec<&'a Decoded<'a>>> = Vec::new();
    for segment in decoded {
        match lanes.iter_mut().find(|lane| segment.lane != 0 && lane[0].lane == segment.lane) {
            Some(lane) => lane.push(segment),
            None => lanes.push(vec![segment]),
        }
    }
    let mut heads: Vec<_> =
        lanes.into_iter().map(|lane| lane.into_iter().flat_map(Decoded::records).peekable()).collect();
    std::iter::from_fn(move || {
        let times = heads.iter_mut().enumerate().filter_map(|(at, head)| Some((head.peek()?.ts_ns, at)));
        let (_, first) = times.min()?;
        heads[first].next()
    })
}

// === helpers ===

/// The item that a reference names: 0 for none, else its position plus one; `None` for one that does not exist.
fn nth<T>(items: &[T], reference: u64) -> Option<Option<&T>> {
    match usize::try_from(reference).ok()?.checked_sub(1) {
        None => Some(None),
        Some(at) => items.get(at).map(Some),
    }
}

fn read_header(cursor: &mut Cursor<'_>) -> Result<(Source, bool), SegmentError> {
    let magic: [u8; 4] = cursor.array().ok_or(SegmentError::Magic)?;
    if magic != MAGIC {
        return Err(SegmentError::Magic);
    }
    let [version, flags, ..]: [u8; 4] = cursor.array().ok_or(SegmentError::Header)?;
    if version == 0 || version > VERSION {
        return Err(SegmentError::Version(version));
    }
    let source = read_frame(cursor, true).and_then(read_source).ok_or(SegmentError::Header)?;
    Ok((source, flags & NO_SUMS == 0))
}

fn read_source(payload: &[u8]) -> Option<Source> {
    let mut cursor = Cursor::new(payload);
    Some(Source {
        pid: cursor.u32()?,
        started_us: cursor.i64()?,
        host: cursor.text()?.to_owned(),
        service: cursor.text()?.to_owned(),
        thread: cursor.text()?.to_owned(),
        ..Source::default()
    })
}

/// The payload of the next frame, if it is whole and, where frames are `summed`, matches its checksum.
fn read_frame<'a>(cursor: &mut Cursor<'a>, summed: bool) -> Option<&'a [u8]> {
    let len = cursor.u32()?;
    let sum = cursor.u32()?;
    let payload = cursor.take(usize::try_from(len).ok()?)?;
    (!payload.is_empty() && (!summed || checksum(payload) == sum)).then_some(payload)
}

fn read_callsite<'a>(cursor: &mut Cursor<'a>, strings: &Strings<'a>) -> Option<Callsite<'a>> {
    let level = level_from_code(cursor.u8()?);
    let name = strings.at(cursor.varint()?)?;
    let target = strings.at(cursor.varint()?)?;
    let module = nth(&strings.0, cursor.varint()?)?.copied();
    let file = nth(&strings.0, cursor.varint()?)?.copied();
    let line = cursor.varint()?.checked_sub(1).map(u32::try_from).transpose().ok()?;
    let count = cursor.varint()?;
    let fields = (0..count).map(|_| strings.at(cursor.varint()?)).collect::<Option<Vec<_>>>()?;
    Some(Callsite { name, target, module, file, line, level, fields, json: OnceLock::new(), logger: OnceLock::new() })
}

fn read_head(payload: &[u8]) -> Option<Head> {
    let mut cursor = Cursor::new(payload);
    let kind = kind_of(cursor.u8()?);
    cursor.u8()?;
    let ts_ns = cursor.i64()?;
    cursor.varint()?;
    let task = usize::try_from(cursor.varint()?).ok()?.checked_sub(1);
    Some(Head { kind, ts_ns, task, seq: cursor.varint()? })
}

fn kind_of(frame: u8) -> Kind {
    match frame {
        frame::BEGIN => Kind::Begin,
        frame::END => Kind::End,
        frame::LOSS => Kind::Loss,
        _ => Kind::Event,
    }
}

fn read_end<'a>(cursor: &mut Cursor<'a>, quiet: bool) -> Option<End<'a>> {
    let outcome = *Outcome::ALL.get(usize::from(cursor.u8()?))?;
    let duration_ns = cursor.varint()?;
    let busy_ns = cursor.varint()?;
    Some(End { outcome, duration_ns, busy_ns, error: read_links(cursor)?, quiet })
}

pub(super) fn read_loss(cursor: &mut Cursor<'_>) -> Option<Loss> {
    let cause = *Cause::ALL.get(usize::from(cursor.u8()?))?;
    let bytes = cursor.varint()?;
    let (first_ns, last_ns) = (cursor.i64()?, cursor.i64()?);
    let mut levels = [0; 5];
    for count in &mut levels {
        *count = cursor.varint()?;
    }
    Some(Loss { cause, levels, bytes, first_ns, last_ns })
}

fn read_message<'a>(cursor: &mut Cursor<'a>, flags: u8) -> Option<Cow<'a, str>> {
    let text = cursor.text()?;
    if flags & frame::MESSAGE_CUT == 0 { Some(Cow::Borrowed(text)) } else { Some(cut_text(text, cursor.varint()?)) }
}

/// The text of a begin or an end that brought none: the name of its task.
fn default_message<'a>(kind: Kind, detail: &Detail<'_>, callsite: Option<&'a Callsite<'a>>) -> Cow<'a, str> {
    let name = callsite.map_or("", |callsite| callsite.name);
    match (kind, detail) {
        (Kind::Begin, _) => Cow::Borrowed(name),
        (_, Detail::End(end)) if end.quiet => Cow::Borrowed(""),
        (_, Detail::End(end)) if end.outcome == Outcome::Failed => Cow::Owned(format!("FAILED {name}")),
        (_, Detail::End(_)) => Cow::Borrowed(name),
        _ => Cow::Borrowed(""),
    }
}

impl<'a> Strings<'a> {
    fn at(&self, id: u64) -> Option<&'a str> {
        self.0.get(usize::try_from(id).ok()?).copied()
    }
}
