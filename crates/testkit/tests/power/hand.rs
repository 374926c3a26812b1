//! A thread that records: tasks and events with names of their own, so that each can be found again.

use std::time::Duration;

use spanlake_core::buffer::{Admission, Offer, Shard};
use spanlake_core::segment::{
    CallsiteDefinition, CallsiteRef, EndHead, Message, RecordHead, SegmentWriter, TaskDefinition, TaskOrigin, TaskRef,
};
use spanlake_core::{Buffer, Level, Outcome};
use uuid::Uuid;

/// 2026-11-20T12:00:00Z in nanoseconds.
const NOON_NS: i64 = 1_795_176_000_000_000_000;

/// Offers records to a buffer, a microsecond apart.
pub(crate) struct Hand {
    shard: Shard,
    now_ns: i64,
    task: Option<Open>,
}

/// The task that is open.
struct Open {
    name: String,
    root: Uuid,
    serial: u64,
    next_seq: u64,
    begin_kept: bool,
}

impl Hand {
    pub(crate) fn new(buffer: &Buffer) -> Self {
        Self { shard: buffer.shard(), now_ns: NOON_NS, task: None }
    }

    /// Sets the clock to so long after noon.
    pub(crate) fn set_time(&mut self, since_noon: Duration) {
        self.now_ns = NOON_NS + since_noon.as_nanos() as i64;
    }

    /// Begins a task, in which what follows happens; gives whether it was kept, as all of these do.
    pub(crate) fn begin(&mut self, name: &str) -> bool {
        let offer = self.offer(Level::INFO, 0, Admission::Begin);
        let (root, serial) = (Uuid::new_v4(), self.now_ns as u64);
        let mut task = Open { name: name.to_owned(), root, serial, next_seq: 1, begin_kept: false };
        task.begin_kept = self.shard.offer(&offer, |writer, _| {
            task.describe(writer, offer.ts_ns, true);
        });
        let kept = task.begin_kept;
        self.task = Some(task);
        kept
    }

    /// An event named by its text.
    pub(crate) fn event(&mut self, level: Level, text: &str) -> bool {
        let mut message = Message::default();
        message.set(text);
        let offer = self.offer(level, text.len(), Admission::Event);
        let seq = self.task.as_mut().map_or(0, Open::take_seq);
        let task = &self.task;
        self.shard.offer(&offer, |writer, _| {
            let callsite = Some(place(writer, "event"));
            let task = task.as_ref().map(|task| task.describe(writer, offer.ts_ns, false));
            let head = RecordHead { level, callsite, task, seq, ts_ns: offer.ts_ns };
            writer.event(&head, &message, &[]);
        })
    }

    /// The name of the task that is open.
    pub(crate) fn task_name(&self) -> String {
        self.task.as_ref().map(|task| task.name.clone()).unwrap_or_default()
    }

    /// Ends the task; gives whether the end was kept.
    pub(crate) fn end(&mut self) -> bool {
        let mut task = self.task.take().expect("a task is open");
        let offer = self.offer(Level::INFO, 0, Admission::End { begin_kept: task.begin_kept });
        let seq = task.take_seq();
        self.shard.offer(&offer, |writer, _| {
            let described = Some(task.describe(writer, offer.ts_ns, false));
            let callsite = Some(place(writer, &task.name));
            let head = RecordHead { level: Level::INFO, callsite, task: described, seq, ts_ns: offer.ts_ns };
            let outcome = Outcome::Succeeded;
            let end = EndHead { outcome, duration_ns: 1_000, busy_ns: 500, error: &[], quiet: false };
            writer.end(&head, &end, &Message::default(), &[]);
        })
    }

    fn offer(&mut self, level: Level, len: usize, admission: Admission) -> Offer {
        self.now_ns += 1_000;
        Offer { level, ts_ns: self.now_ns, need: 40 + len, admission }
    }
}

impl Open {
    fn take_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq - 1
    }

    fn describe(&self, writer: &mut SegmentWriter, started_ns: i64, begins: bool) -> TaskRef {
        if let Some(known) = writer.task(self.serial) {
            return known.task;
        }
        let callsite = place(writer, &self.name);
        let definition = TaskDefinition {
            origin: TaskOrigin::Root(self.root),
            callsite,
            started_ns,
            own_context: false,
            foreign_parent: None,
            context: &[],
            begins,
        };
        writer.define_task(self.serial, 0, 0, &definition)
    }
}

/// The place of this name; the writer knows it by the name's bytes.
fn place(writer: &mut SegmentWriter, name: &str) -> CallsiteRef {
    let id = name.bytes().fold(1, |id: u64, byte| id.wrapping_mul(257).wrapping_add(u64::from(byte)));
    writer.callsite(id).unwrap_or_else(|| {
        let (module, file) = (Some("power"), Some("power/hand.rs"));
        let definition = CallsiteDefinition { name, target: "power", module, file, line: Some(1), level: Level::INFO };
        writer.define_callsite(id, &definition, std::iter::empty())
    })
}
