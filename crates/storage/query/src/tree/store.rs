//! How a tree keeps tasks and records: only what is shown, in little memory.

use std::collections::HashMap;

use spanlake_core::record::{level_code, level_from_code};
use spanlake_core::{Kind, Level, Outcome, OwnedRecord, TaskKey};

use super::Status;

/// A task.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) key: TaskKey,
    pub(super) name: Option<Box<str>>,
    /// The process that was seen first.
    pub(super) process: Option<u32>,
    /// Of the record with the highest number, as `bind` adds to it while the task runs.
    pub(super) context: Box<str>,
    context_seq: u64,
    pub(super) begin: Option<Box<Begin>>,
    pub(super) end: Option<Box<End>>,
    pub(super) records: Records,
    pub(super) children: Vec<u32>,
    /// The first moment known of it; after the tree is finished, of what lies below it when its begin was not seen.
    pub(super) first_us: i64,
    /// The last moment known of it.
    pub(super) last_us: i64,
    /// Whether one of its records was asked for.
    pub(super) wanted: bool,
}

/// What a begin record says.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) ts_us: i64,
    pub(super) level: Level,
    pub(super) message: Box<str>,
    pub(super) place: u32,
}

/// What an end record says.
#[derive(Debug)]
pub(super) struct End {
    pub(super) ts_us: i64,
    pub(super) level: Level,
    pub(super) message: Box<str>,
    pub(super) outcome: Option<Outcome>,
    pub(super) duration_us: Option<i64>,
    pub(super) error: Option<Box<str>>,
    pub(super) place: u32,
}

/// Events and losses of a task, or outside any.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) kept: Vec<Stored>,
    /// Those below the level, from `TRACE` to `ERROR`.
    pub(super) hidden: [u64; 5],
}

/// An event or a loss.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) seq: u64,
    pub(super) ts_us: i64,
    /// The message, and behind it the fields.
    text: Box<str>,
    message_len: u32,
    pub(super) place: u32,
    level: u8,
    pub(super) is_loss: bool,
}

/// Where records come from: in the program, and of events, or of a task alone, in which process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) target: String,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) host: String,
    pub(super) pid: u32,
    pub(super) service: Option<String>,
}

/// Gives equal origins one number.
#[derive(Debug, Default)]
pub(super) struct Origins {
    numbers: HashMap<Origin, u32>,
}

// === impl Node ===

impl Node {
    pub(super) fn new(key: TaskKey) -> Self {
        Self {
            key,
            name: None,
            process: None,
            context: Box::default(),
            context_seq: 0,
            begin: None,
            end: None,
            records: Records::default(),
            children: Vec::new(),
            first_us: i64::MAX,
            last_us: i64::MIN,
            wanted: false,
        }
    }

    /// Takes from a record what is known of its task.
    pub(super) fn see(&mut self, record: &mut OwnedRecord, seq: u64) {
        self.first_us = self.first_us.min(record.ts_us);
        self.last_us = self.last_us.max(record.ts_us);
        // A foreign program's record knows which task it belongs to, and neither its name nor its context.
        if self.name.is_none() {
            self.name = record.task.take().filter(|name| !name.is_empty()).map(String::into_boxed_str);
        }
        let knows_none = |context: &str| matches!(context, "" | "{}");
        if knows_none(&self.context) || seq >= self.context_seq && !knows_none(&record.context) {
            self.context = std::mem::take(&mut record.context).into_boxed_str();
            self.context_seq = seq;
        }
    }

    /// When it began, as far as is known.
    pub(super) fn began_us(&self) -> i64 {
        self.begin.as_ref().map_or(self.first_us, |begin| begin.ts_us)
    }

    pub(super) fn status(&self) -> Status {
        self.end.as_ref().map_or(Status::Open, |end| end.status())
    }

    /// The most severe level that its begin or end has, or without both, its records.
    pub(super) fn level(&self) -> Level {
        let ends = self.begin.iter().map(|begin| begin.level).chain(self.end.iter().map(|end| end.level));
        ends.min().unwrap_or_else(|| level_from_code(self.records.worst()))
    }
}

impl End {
    /// An outcome that is not known is judged by what else the record says.
    fn status(&self) -> Status {
        match self.outcome {
            Some(outcome) => outcome.into(),
            None if self.error.is_some() || self.level == Level::ERROR => Status::Failed,
            None => Status::Succeeded,
        }
    }
}

// === impl Records ===

impl Records {
    /// The code of the most severe level.
    pub(super) fn worst(&self) -> u8 {
        let hidden = self.hidden.iter().rposition(|count| *count > 0).unwrap_or(0) as u8;
        self.kept.iter().map(|record| record.level).max().unwrap_or(0).max(hidden)
    }

    pub(super) fn hide(&mut self, level: Level) {
        self.hidden[usize::from(level_code(level))] += 1;
    }
}

// === impl Stored ===

impl Stored {
    pub(super) fn new(record: OwnedRecord, seq: u64, origins: &mut Origins) -> Self {
        let (ts_us, level, is_loss) = (record.ts_us, level_code(record.level), record.kind == Kind::Loss);
        let mut text = record.message;
        let message_len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        if record.fields != "{}" {
            text.push_str(&record.fields);
        }
        let OwnedRecord { target, file, line, host, pid, .. } = record;
        let place = origins.number(Origin { target, file, line, host, pid, service: None });
        Self { seq, ts_us, text: text.into_boxed_str(), message_len, place, level, is_loss }
    }

    pub(super) fn message(&self) -> &str {
        &self.text[..self.message_len as usize]
    }

    pub(super) fn fields(&self) -> &str {
        match &self.text[self.message_len as usize..] {
            "" => "{}",
            fields => fields,
        }
    }

    pub(super) fn level(&self) -> Level {
        level_from_code(self.level)
    }
}

// === impl Origins ===

impl Origins {
    pub(super) fn number(&mut self, origin: Origin) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(origin).or_insert(next)
    }

    /// All origins by number.
    pub(super) fn into_vec(self) -> Vec<Origin> {
        let mut numbered: Vec<_> = self.numbers.into_iter().collect();
        numbered.sort_unstable_by_key(|(_, number)| *number);
        numbered.into_iter().map(|(origin, _)| origin).collect()
    }
}
