//! Writing a segment: the dictionary grows on first use, records refer to it.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{Ordering, compiler_fence};

use tracing_core::Level;
use uuid::Uuid;

use crate::key::TaskKey;
use crate::loss::Loss;
use crate::record::{Detail, Kind, Outcome, Record, Source, level_code};
use crate::segment::cursor::{Cursor, put_varint};
use crate::segment::hash::NumberMap;
use crate::segment::known::KnownTasks;
use crate::segment::page::Page;
use crate::segment::{FLAGS_AT, FRAME_HEAD, MAGIC, NO_SUMS, Segment, Stats, VERSION, checksum, frame};
use crate::value::{BodyWriter, Fields, MAX_TEXT_BYTES, Name, PANICKED, cut_text, put_formatted, put_links, put_text};

/// Position of a callsite in a segment's dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallsiteRef(u32);

/// Position of a task in a segment's dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskRef(u32);

/// What a segment remembers of a task that it describes.
#[derive(Clone, Copy, Debug)]
pub struct KnownTask {
    /// Where.
    pub task: TaskRef,
    /// Where its parent was described.
    pub parent: Option<TaskRef>,
    /// The version of its own context that was written.
    pub version: u64,
    /// When this was last seen to hold, on the caller's count of context changes.
    pub epoch: u64,
}

/// A callsite to describe.
#[derive(Clone, Copy, Debug)]
pub struct CallsiteDefinition<'a> {
    /// The span's or event's name.
    pub name: &'a str,
    /// The target.
    pub target: &'a str,
    /// The module path.
    pub module: Option<&'a str>,
    /// The source file.
    pub file: Option<&'a str>,
    /// The line in it.
    pub line: Option<u32>,
    /// Severity.
    pub level: Level,
}

/// A task to describe.
#[derive(Clone, Copy, Debug)]
pub struct TaskDefinition<'a> {
    /// Where its key comes from.
    pub origin: TaskOrigin<'a>,
    /// The span's callsite.
    pub callsite: CallsiteRef,
    /// When it began, UTC nanoseconds since the Unix epoch.
    pub started_ns: i64,
    /// Whether it keeps its own context only.
    pub own_context: bool,
    /// The span id of a foreign parent.
    pub foreign_parent: Option<[u8; 8]>,
    /// Its own context, as a body whose indexes refer to the callsite's fields.
    pub context: &'a [u8],
    /// Whether this is its begin record as well: number 0, at the time it began, with its name for a text.
    pub begins: bool,
}

/// Where a task's key comes from.
#[derive(Clone, Copy, Debug)]
pub enum TaskOrigin<'a> {
    /// A root of its own.
    Root(Uuid),
    /// The child `number` of a task in this segment.
    Child {
        /// The task above.
        parent: TaskRef,
        /// Its child number.
        number: u32,
    },
    /// A key that another process handed over.
    Continued(&'a TaskKey),
}

/// What every record starts with.
#[derive(Clone, Copy, Debug)]
pub struct RecordHead {
    /// Severity.
    pub level: Level,
    /// The place in the program.
    pub callsite: Option<CallsiteRef>,
    /// The task.
    pub task: Option<TaskRef>,
    /// Position within the task.
    pub seq: u64,
    /// UTC nanoseconds since the Unix epoch.
    pub ts_ns: i64,
}

/// What an end has besides.
#[derive(Clone, Copy, Debug)]
pub struct EndHead<'a> {
    /// How the task ended.
    pub outcome: Outcome,
    /// From begin to end, in nanoseconds.
    pub duration_ns: u64,
    /// Of that, the time in which it was entered.
    pub busy_ns: u64,
    /// The error and its causes.
    pub error: &'a [String],
    /// Whether consoles leave it out.
    pub quiet: bool,
}

/// A record's text, encoded; one is kept per thread and reused.
#[derive(Debug, Default)]
pub struct Message {
    bytes: Vec<u8>,
    cut: bool,
}

/// Writes one segment after the other, each with its own dictionary.
#[derive(Debug)]
pub struct SegmentWriter {
    page: Page,
    header: Vec<u8>,
    /// Whether frames are summed as they are written, on the heap too.
    sums_on_heap: bool,
    /// Whether they are in the current segment.
    sums: bool,
    /// Where definitions are put together.
    scratch: Vec<u8>,
    stats: Stats,
    strings: NumberMap<u32>,
    callsites: NumberMap<CallsiteRef>,
    tasks: KnownTasks,
    last_callsite: (u64, CallsiteRef),
    task_count: u32,
}

/// Largest fixed part of a record frame: type, level, time, three varints; at an end also outcome, two varints and the
/// number of errors.
const MAX_HEAD: usize = 64;

const NO_CALLSITE: (u64, CallsiteRef) = (0, CallsiteRef(0));

// === impl SegmentWriter ===

impl SegmentWriter {
    /// A writer of segments that come from `source`.
    pub fn new(source: &Source) -> Self {
        Self::on(source, Page::default(), true)
    }

    /// A writer for the segments of a buffer, the first of them on `page`. On the heap they stay in this process's
    /// memory: summing a frame takes the caller's time, and there is nothing to be found out. [`Segment::sum`] fills the
    /// checksums in when one leaves.
    pub(crate) fn for_buffer(source: &Source, page: Page) -> Self {
        Self::on(source, page, false)
    }

    fn on(source: &Source, page: Page, sums_on_heap: bool) -> Self {
        Self {
            page,
            header: header(source),
            sums_on_heap,
            sums: true,
            scratch: Vec::new(),
            stats: Stats::default(),
            strings: NumberMap::default(),
            callsites: NumberMap::default(),
            tasks: KnownTasks::default(),
            last_callsite: NO_CALLSITE,
            task_count: 0,
        }
    }

    /// Bytes written to the current segment; 0 before its first frame.
    #[inline]
    pub fn len(&self) -> usize {
        self.page.len()
    }

    /// Whether the current segment has no frame.
    pub fn is_empty(&self) -> bool {
        self.page.len() == 0
    }

    /// How many bytes the current segment can have before it grows or overflows.
    pub(crate) fn capacity(&self) -> usize {
        self.page.capacity()
    }

    /// Whether something did not fit into the file that this segment is.
    #[inline]
    pub(crate) fn has_overflowed(&self) -> bool {
        self.page.has_overflowed()
    }

    /// Takes back what was written behind `len`. What the dictionary says of it is wrong then: the segment must end here.
    pub(crate) fn cut(&mut self, len: usize) {
        self.page.cut(len);
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Ends the current segment. One that nothing was written into has no bytes, and is no segment to a reader.
    pub fn take(&mut self) -> Segment {
        self.take_for(Page::default())
    }

    /// Ends the current segment; the next one is written on `next`, whose content is dropped.
    pub(crate) fn take_for(&mut self, mut next: Page) -> Segment {
        next.cut(0);
        let page = std::mem::replace(&mut self.page, next);
        self.strings.clear();
        self.callsites.clear();
        self.tasks.clear();
        self.last_callsite = NO_CALLSITE;
        self.task_count = 0;
        Segment { page, stats: std::mem::take(&mut self.stats) }
    }

    /// Takes the current segment's bytes out, to be put back by [`SegmentWriter::put_back`] with some records gone;
    /// the dictionary stays as it is.
    pub(crate) fn borrow_segment(&mut self) -> Segment {
        Segment { page: std::mem::take(&mut self.page), stats: std::mem::take(&mut self.stats) }
    }

    pub(crate) fn put_back(&mut self, segment: Segment) {
        self.page = segment.page;
        self.stats = segment.stats;
    }

    /// The callsite called `id` by the caller, if this segment describes it.
    #[inline]
    pub fn callsite(&mut self, id: u64) -> Option<CallsiteRef> {
        if self.last_callsite.0 == id {
            return Some(self.last_callsite.1);
        }
        let known = *self.callsites.get(&id)?;
        self.last_callsite = (id, known);
        Some(known)
    }

    /// Describes the callsite that the caller calls `id` (never 0).
    #[cold]
    pub fn define_callsite<'f>(
        &mut self,
        id: u64,
        definition: &CallsiteDefinition<'_>,
        fields: impl Iterator<Item = &'f str>,
    ) -> CallsiteRef {
        let name = self.string(definition.name);
        let target = self.string(definition.target);
        let module = definition.module.map_or(0, |module| self.string(module) + 1);
        let file = definition.file.map_or(0, |file| self.string(file) + 1);
        let fields: Vec<u32> = fields.map(|field| self.string(field)).collect();
        let mut payload = std::mem::take(&mut self.scratch);
        payload.clear();
        payload.extend_from_slice(&[frame::CALLSITE, level_code(definition.level)]);
        for id in [name, target, module, file] {
            put_varint(&mut payload, u64::from(id));
        }
        put_varint(&mut payload, definition.line.map_or(0, |line| u64::from(line) + 1));
        put_varint(&mut payload, fields.len() as u64);
        fields.iter().for_each(|field| put_varint(&mut payload, u64::from(*field)));
        self.frame(&Fixed::EMPTY, [&payload]);
        self.scratch = payload;
        let known = CallsiteRef(self.callsites.len() as u32);
        self.callsites.insert(id, known);
        self.last_callsite = (id, known);
        known
    }

    /// What this segment knows of the task with this serial number.
    #[inline]
    pub fn task(&self, serial: u64) -> Option<KnownTask> {
        self.tasks.get(serial)
    }

    /// Remembers that what is known of a task still holds at `epoch`.
    pub fn confirm_task(&mut self, serial: u64, epoch: u64) {
        if let Some(known) = self.tasks.get(serial) {
            self.tasks.insert(serial, KnownTask { epoch, ..known });
        }
    }

    /// Makes room among what is known: this task has ended.
    pub fn forget_task(&mut self, serial: u64) {
        self.tasks.forget(serial);
    }

    /// Describes a task, or describes it anew after its context changed. Serial numbers are the caller's, never 0.
    pub fn define_task(&mut self, serial: u64, version: u64, epoch: u64, definition: &TaskDefinition<'_>) -> TaskRef {
        let parent = if let TaskOrigin::Child { parent, .. } = definition.origin { Some(parent) } else { None };
        if self.task_frame(definition) && definition.begins {
            self.stats.add_record(definition.started_ns);
        }
        let known = KnownTask { task: TaskRef(self.task_count), parent, version, epoch };
        self.task_count += 1;
        self.tasks.insert(serial, known);
        known.task
    }

    /// Writes an event.
    #[inline]
    pub fn event(&mut self, head: &RecordHead, message: &Message, fields: &[u8]) {
        let before = self.page.len();
        let fixed = Fixed::new(frame::EVENT, head, message.flags());
        if self.record(head, &fixed, [&message.bytes, fields]) {
            self.stats.add_event_bytes(head.level, self.page.len() - before);
        }
    }

    /// Writes a task's begin. Without a message its text is the task's name.
    pub fn begin(&mut self, head: &RecordHead, message: &Message, fields: &[u8]) {
        self.record(head, &Fixed::new(frame::BEGIN, head, message.flags()), [&message.bytes, fields]);
    }

    /// Writes a task's end. Without a message its text is the task's name, behind `FAILED ` when it failed.
    pub fn end(&mut self, head: &RecordHead, end: &EndHead<'_>, message: &Message, fields: &[u8]) {
        let mut fixed = Fixed::new(frame::END, head, message.flags() | if end.quiet { frame::QUIET } else { 0 });
        fixed.byte(end.outcome as u8);
        fixed.varint(end.duration_ns);
        fixed.varint(end.busy_ns);
        if end.error.is_empty() {
            fixed.byte(0);
            self.record(head, &fixed, [&message.bytes, fields]);
            return;
        }
        let mut error = Vec::new();
        put_links(&mut error, end.error.iter());
        self.record(head, &fixed, [&error, &message.bytes, fields]);
    }

    /// Writes a statement of loss. It stands outside any task, because it has no number in one.
    pub fn loss(&mut self, loss: &Loss) {
        self.loss_at(loss, loss.last_ns);
    }

    /// Writes a statement of loss that stands at another time than the last that was lost.
    pub fn loss_at(&mut self, loss: &Loss, ts_ns: i64) {
        self.start_segment();
        self.put(&loss_frame(loss, ts_ns));
    }

    /// Writes a record that was read from another segment, describing its callsite and task as needed.
    pub fn copy(&mut self, record: &Record<'_>) {
        let callsite = record.callsite.map(|callsite| {
            let id = std::ptr::from_ref(callsite).addr() as u64;
            self.callsite(id).unwrap_or_else(|| {
                let definition = CallsiteDefinition {
                    name: callsite.name,
                    target: callsite.target,
                    module: callsite.module,
                    file: callsite.file,
                    line: callsite.line,
                    level: callsite.level,
                };
                self.define_callsite(id, &definition, callsite.fields.iter().copied())
            })
        });
        let task = record.task.as_deref().map(|task| self.copy_task(task));
        let head = RecordHead { level: record.level, callsite, task, seq: record.seq, ts_ns: record.ts_ns };
        let (mut message, mut body) = (Message::default(), BodyWriter::default());
        message.set(&record.message);
        match &record.fields {
            // Indexes into the callsite's names mean the same in the copy.
            Fields::Encoded { body: bytes, .. } => body.extend_from(bytes),
            edited => edited.for_each(|name, value| body.value(Name::Text(name), value)),
        }
        body.finish();
        match &record.detail {
            // An eviction is stated in the place of the first record that went.
            Detail::Loss(loss) => self.loss_at(loss, record.ts_ns),
            Detail::End(end) => {
                let error: Vec<String> = end.error.iter().cloned().map(Cow::into_owned).collect();
                let head_of_end = EndHead {
                    outcome: end.outcome,
                    duration_ns: end.duration_ns,
                    busy_ns: end.busy_ns,
                    error: &error,
                    quiet: end.quiet,
                };
                self.end(&head, &head_of_end, &message, body.bytes());
            }
            Detail::None if record.kind == Kind::Begin => self.begin(&head, &message, body.bytes()),
            Detail::None => self.event(&head, &message, body.bytes()),
        }
    }

    /// Describes a task by its whole key and merged context, which needs no other task.
    fn copy_task(&mut self, task: &crate::record::Task<'_>) -> TaskRef {
        let serial = std::ptr::from_ref(task).addr() as u64;
        if let Some(known) = self.task(serial) {
            return known.task;
        }
        let mut context = BodyWriter::default();
        task.context.iter().for_each(|field| context.value(Name::Text(&field.name), &field.value));
        context.finish();
        let place = CallsiteDefinition {
            name: task.name,
            target: "",
            module: None,
            file: None,
            line: None,
            level: Level::INFO,
        };
        // The place of the span is not part of a decoded task; its name is all that sinks use of it.
        let callsite = self.define_callsite(serial, &place, std::iter::empty());
        let definition = TaskDefinition {
            origin: TaskOrigin::Continued(&task.key),
            callsite,
            started_ns: task.started_ns,
            own_context: true,
            foreign_parent: task.foreign_parent,
            context: context.bytes(),
            begins: false,
        };
        self.define_task(serial, 0, 0, &definition)
    }

    /// Writes a record's frame; `false` when it did not fit.
    #[inline]
    fn record<const N: usize>(&mut self, head: &RecordHead, fixed: &Fixed, parts: [&[u8]; N]) -> bool {
        let fits = self.frame(fixed, parts);
        if fits {
            self.stats.add_record(head.ts_ns);
        }
        fits
    }

    /// Writes a frame; `false` when it did not fit. The length comes last: until it is there, a reader of the file sees
    /// nothing but the end.
    #[inline]
    fn frame<const N: usize>(&mut self, fixed: &Fixed, parts: [&[u8]; N]) -> bool {
        self.start_segment();
        let payload_len = fixed.len + parts.iter().map(|part| part.len()).sum::<usize>();
        // With room for the whole of `fixed`, so that it is copied in a few instructions; the rest is zeros.
        let Some(room) = self.page.room(FRAME_HEAD + payload_len + MAX_HEAD) else {
            return false;
        };
        let (head, payload) = room.split_at_mut(FRAME_HEAD);
        payload[..MAX_HEAD].copy_from_slice(&fixed.bytes);
        let mut at = fixed.len;
        // An end has none of these most of the time.
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            payload[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        if self.sums {
            head[4..].copy_from_slice(&checksum(&payload[..payload_len]).to_le_bytes());
        }
        compiler_fence(Ordering::Release);
        head[..4].copy_from_slice(&(payload_len as u32).to_le_bytes());
        self.page.extend(FRAME_HEAD + payload_len);
        true
    }

    #[inline]
    fn start_segment(&mut self) {
        if self.page.len() == 0 {
            self.put_header();
        }
    }

    #[cold]
    fn put_header(&mut self) {
        self.sums = self.sums_on_heap || self.page.is_mapped();
        self.header[FLAGS_AT] = if self.sums { 0 } else { NO_SUMS };
        let header = std::mem::take(&mut self.header);
        self.put(&header);
        self.header = header;
    }

    /// Writes a header or a whole frame, their first bytes last: the magic, or the length.
    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.page.room(bytes.len()) {
            room[4..].copy_from_slice(&bytes[4..]);
            compiler_fence(Ordering::Release);
            room[..4].copy_from_slice(&bytes[..4]);
            self.page.extend(bytes.len());
        }
    }

    fn task_frame(&mut self, definition: &TaskDefinition<'_>) -> bool {
        let mut fixed = Fixed::start(frame::TASK, task_flags(definition), definition.started_ns);
        fixed.varint(u64::from(definition.callsite.0));
        let foreign: &[u8] = definition.foreign_parent.as_ref().map_or(&[], |span_id| span_id);
        match definition.origin {
            TaskOrigin::Child { parent, number } => {
                fixed.varint(u64::from(parent.0));
                fixed.varint(u64::from(number));
                self.frame(&fixed, [foreign, definition.context])
            }
            TaskOrigin::Root(root) => self.frame(&fixed, [root.as_bytes(), foreign, definition.context]),
            TaskOrigin::Continued(key) => {
                let mut text = Vec::new();
                put_text(&mut text, &key.to_string());
                self.frame(&fixed, [&text, foreign, definition.context])
            }
        }
    }

    fn string(&mut self, text: &str) -> u32 {
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        if let Some(id) = self.strings.get(&hash) {
            return *id;
        }
        self.frame(&Fixed::EMPTY, [&[frame::STRING], text.as_bytes()]);
        let id = self.strings.len() as u32;
        self.strings.insert(hash, id);
        id
    }
}

// === impl Message ===

impl Message {
    /// Makes it empty again.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.cut = false;
    }

    /// Sets the text.
    pub fn set(&mut self, text: &str) {
        if text.len() > MAX_TEXT_BYTES {
            return self.format(format_args!("{text}"));
        }
        self.clear();
        put_text(&mut self.bytes, text);
    }

    /// Formats the text. That is foreign code: where it panics, the text says so instead.
    #[inline]
    pub fn format(&mut self, text: fmt::Arguments<'_>) {
        self.clear();
        match catch_unwind(AssertUnwindSafe(|| put_formatted(&mut self.bytes, text))) {
            Ok(None) => {}
            Ok(Some(full_len)) => {
                self.cut = true;
                put_varint(&mut self.bytes, full_len);
            }
            Err(_) => self.set(PANICKED),
        }
    }

    /// The text, as far as it was kept.
    pub fn text(&self) -> &str {
        let text = self.bytes.split_at_checked(2).and_then(|(len, rest)| {
            let len = usize::from(u16::from_le_bytes(len.try_into().ok()?));
            std::str::from_utf8(rest.get(..len)?).ok()
        });
        text.unwrap_or("")
    }

    /// The text with the mark that says that it was cut, if it was.
    pub fn marked_text(&self) -> Cow<'_, str> {
        let mut cursor = Cursor::new(&self.bytes);
        let marked = cursor.text().filter(|_| self.cut).zip(cursor.varint());
        marked.map_or_else(|| Cow::Borrowed(self.text()), |(text, full_len)| cut_text(text, full_len))
    }

    /// Length in bytes, encoded.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no text was set.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn flags(&self) -> u8 {
        let has = if self.bytes.is_empty() { 0 } else { frame::HAS_MESSAGE };
        if self.cut { has | frame::MESSAGE_CUT } else { has }
    }
}

// === the fixed part of a record frame ===

/// The fixed part, built on the stack so that the buffer grows once per record.
struct Fixed {
    bytes: [u8; MAX_HEAD],
    len: usize,
}

impl Fixed {
    const EMPTY: Self = Self { bytes: [0; MAX_HEAD], len: 0 };

    #[inline]
    fn new(kind: u8, head: &RecordHead, flags: u8) -> Self {
        let mut fixed = Self::start(kind, level_code(head.level) | flags, head.ts_ns);
        fixed.varint(head.callsite.map_or(0, |callsite| u64::from(callsite.0) + 1));
        fixed.varint(head.task.map_or(0, |task| u64::from(task.0) + 1));
        fixed.varint(head.seq);
        fixed
    }

    /// Type, flags and time, with which every frame starts that has a time.
    #[inline]
    fn start(kind: u8, flags: u8, ts_ns: i64) -> Self {
        let mut fixed = Self { bytes: [0; MAX_HEAD], len: 10 };
        fixed.bytes[0] = kind;
        fixed.bytes[1] = flags;
        fixed.bytes[2..10].copy_from_slice(&ts_ns.to_le_bytes());
        fixed
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes[self.len] = value as u8 | 0x80;
            self.len += 1;
            value >>= 7;
        }
        self.bytes[self.len] = value as u8;
        self.len += 1;
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

// === helpers ===

/// Fills in the length and checksum of a frame that is whole.
#[inline]
fn seal_frame(bytes: &mut [u8], start: usize) {
    let (head, payload) = bytes[start..].split_at_mut(FRAME_HEAD);
    head[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&checksum(payload).to_le_bytes());
}

/// A whole frame that states a loss.
pub(crate) fn loss_frame(loss: &Loss, ts_ns: i64) -> Vec<u8> {
    let head = RecordHead { level: Level::WARN, callsite: None, task: None, seq: 0, ts_ns };
    let fixed = Fixed::new(frame::LOSS, &head, 0);
    let mut bytes = vec![0; FRAME_HEAD];
    bytes.extend_from_slice(fixed.bytes());
    bytes.push(loss.cause as u8);
    put_varint(&mut bytes, loss.bytes);
    bytes.extend_from_slice(&loss.first_ns.to_le_bytes());
    bytes.extend_from_slice(&loss.last_ns.to_le_bytes());
    loss.levels.iter().for_each(|count| put_varint(&mut bytes, *count));
    seal_frame(&mut bytes, 0);
    bytes
}

fn task_flags(definition: &TaskDefinition<'_>) -> u8 {
    let origin = match definition.origin {
        TaskOrigin::Root(_) => frame::ORIGIN_ROOT,
        TaskOrigin::Child { .. } => frame::ORIGIN_CHILD,
        TaskOrigin::Continued(_) => frame::ORIGIN_CONTINUED,
    };
    let own = if definition.own_context { frame::OWN_CONTEXT } else { 0 };
    let foreign = if definition.foreign_parent.is_some() { frame::FOREIGN_PARENT } else { 0 };
    let begins = if definition.begins { frame::BEGINS } else { 0 };
    origin | own | foreign | begins
}

fn header(source: &Source) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.extend_from_slice(&source.pid.to_le_bytes());
    payload.extend_from_slice(&source.started_us.to_le_bytes());
    for text in [&source.host, &source.service, &source.thread] {
        put_formatted(&mut payload, format_args!("{text}"));
    }
    let mut bytes = Vec::with_capacity(16 + payload.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&checksum(&payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    bytes
}
