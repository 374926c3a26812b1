//! The attributes of a Python log record as a record.

use std::collections::{HashMap, VecDeque};

use spanlake_core::{Detail, End, Field, Kind, Level, Outcome, TaskKey};

use super::entries::{Attributes, sort};
use super::{SYSTEM, System};
use crate::foreign::{ForeignRecord, ForeignTask};
use crate::json;
use crate::marks::{self, Draft};
use crate::refusal::Refusal;

/// Reads messages, and remembers of the tasks in them what only their first message tells: their name, and when they began.
///
/// A sender that does not say what a message is to its task is told by the function that logged: `distlog` logs the begin of
/// a task in `__enter__` of its module `context`, and its end in `__exit__`, which is a failure where an exception comes with
/// it. A task that succeeds says so only when its program gave it a text for that; else it stays open.
#[derive(Debug)]
pub struct Reader {
    most_bytes: usize,
    tasks: Tasks,
}

/// What is remembered of open tasks, the last that began.
#[derive(Debug)]
struct Tasks {
    known: HashMap<TaskKey, Known>,
    /// In the order they began, some of them ended since.
    begun: VecDeque<TaskKey>,
    most: usize,
}

#[derive(Clone, Debug)]
struct Known {
    name: String,
    started_ns: i64,
}

/// A task name that is remembered is cut to this many bytes.
const MAX_NAME_BYTES: usize = 512;

// === impl Reader ===

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// How long a message may be.
    pub const MOST_BYTES: usize = 1 << 20;

    /// How many open tasks are remembered; of what began before, names and durations are not known.
    pub const MOST_TASKS: usize = 16_384;

    /// A reader with these limits.
    pub fn new() -> Self {
        Self::with_limits(Self::MOST_BYTES, Self::MOST_TASKS)
    }

    /// A reader with other limits.
    pub fn with_limits(most_bytes: usize, most_tasks: usize) -> Self {
        Self { most_bytes, tasks: Tasks { known: HashMap::new(), begun: VecDeque::new(), most: most_tasks } }
    }

    /// Reads the frames of a message that came at `received_ns`, which is the time of a record that has none.
    pub fn read(&mut self, frames: &[impl AsRef<[u8]>], received_ns: i64) -> Result<ForeignRecord, Refusal> {
        let [topic, body] = frames else {
            return Err(Refusal::Frames);
        };
        let system = read_topic(topic.as_ref())?;
        let body = body.as_ref();
        if body.len() > self.most_bytes {
            return Err(Refusal::TooLong);
        }
        let (attributes, draft) = sort(json::object(body)?, received_ns)?;
        let mut record = if draft.is_ours() { ours(attributes, draft) } else { self.foreign(attributes, draft) };
        record.fields.push(Field { name: SYSTEM.into(), value: system.as_str().into() });
        Ok(record)
    }

    fn foreign(&mut self, mut attributes: Attributes<'_>, mut draft: Draft) -> ForeignRecord {
        let (traceback, lifecycle) = (attributes.traceback(), attributes.lifecycle());
        for (name, value) in [("exc_text", traceback.clone()), ("stack_info", attributes.stack())] {
            draft.record.fields.extend(value.map(|text| Field { name: name.into(), value: text.into() }));
        }
        let context = attributes.take_context(&mut draft);
        let name = draft.record.message.clone();
        let mut record = draft.finish("root");
        let Some((key, context)) = context else {
            return record;
        };
        record.seq = key.seq;
        let known = self.tasks.see(&key.task, lifecycle, name, record.ts_ns);
        let Known { name, started_ns } =
            known.clone().unwrap_or(Known { name: String::new(), started_ns: record.ts_ns });
        record.task = Some(ForeignTask { key: key.task, name, started_ns, foreign_parent: None, context });
        match lifecycle {
            Some(Kind::Begin) => record.kind = Kind::Begin,
            Some(Kind::End) => end(&mut record, known.map(|known| known.started_ns), traceback.as_deref()),
            _ => {}
        }
        record
    }
}

/// A record that spanlake wrote says all there is to say.
fn ours(mut attributes: Attributes<'_>, mut draft: Draft) -> ForeignRecord {
    let (key, mut context) = attributes.take_context(&mut draft).unzip();
    key.into_iter().for_each(|key| draft.set_key(key));
    let mut record = draft.finish("root");
    if let Some((task, context)) = record.task.as_mut().zip(context.as_mut()) {
        context.iter_mut().for_each(marks::unescape);
        task.context = std::mem::take(context);
    }
    record
}

/// Makes it the end of its task. Without its begin, how long it took is not known, and 0 stands for that.
fn end(record: &mut ForeignRecord, started_ns: Option<i64>, traceback: Option<&str>) {
    let took_ns = record.ts_ns.saturating_sub(started_ns.unwrap_or(record.ts_ns));
    let duration_ns = u64::try_from(took_ns).unwrap_or(0);
    let outcome = if record.level == Level::ERROR { Outcome::Failed } else { Outcome::Succeeded };
    // The last line of a traceback is the exception itself.
    let error = traceback.and_then(|text| text.trim_end().lines().last()).map(|line| line.to_owned().into());
    record.kind = Kind::End;
    record.detail = Detail::End(End {
        outcome,
        duration_ns,
        busy_ns: duration_ns,
        error: error.into_iter().collect(),
        quiet: false,
    });
}

fn read_topic(topic: &[u8]) -> Result<System, Refusal> {
    let [system, kind, encoding] = topic else {
        return Err(Refusal::Topic);
    };
    let system = System::ALL.into_iter().find(|known| known.letter() == *system).ok_or(Refusal::Topic)?;
    match (kind, encoding) {
        (b'L' | b'P', b'J') => Ok(system),
        (b'L' | b'P', b'P') => Err(Refusal::Pickle),
        _ => Err(Refusal::Topic),
    }
}

// === impl Tasks ===

impl Tasks {
    /// What is known of a task, and remembers it at its begin and forgets it at its end.
    fn see(&mut self, key: &TaskKey, lifecycle: Option<Kind>, name: String, ts_ns: i64) -> Option<Known> {
        match lifecycle {
            Some(Kind::Begin) => {
                let known = Known { name: cut(name), started_ns: ts_ns };
                self.remember(key, known.clone());
                Some(known)
            }
            Some(Kind::End) => self.known.remove(key),
            _ => self.known.get(key).cloned(),
        }
    }

    fn remember(&mut self, key: &TaskKey, known: Known) {
        self.known.insert(key.clone(), known);
        self.begun.push_back(key.clone());
        while self.begun.len() > self.most {
            self.begun.pop_front().map(|oldest| self.known.remove(&oldest));
        }
    }
}

fn cut(mut name: String) -> String {
    if name.len() > MAX_NAME_BYTES {
        let end = (0..=MAX_NAME_BYTES).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        name.truncate(end);
    }
    name
}
