//! The limit of bytes per hour: drops what the hour has no room for, the least severe first, and says so.

use std::collections::HashSet;

use spanlake_core::{Cause, Fields, Kind, LevelFilter, Loss, Processor, Record};

use super::Keeper;

/// Most tasks whose missing begins are remembered; when there are more, begins pass.
const MAX_UNTOLD: usize = 1 << 16;

/// Stands in front of all sinks of a pump.
#[derive(Debug)]
pub(super) struct Budget {
    keeper: Keeper,
    untold: Untold,
    lost: Option<Loss>,
}

/// Tasks whose begin was dropped and of which nothing was written since, by their keys as text.
#[derive(Debug, Default)]
struct Untold(HashSet<Box<str>>);

impl Budget {
    pub(super) fn new(keeper: Keeper) -> Self {
        Self { keeper, untold: Untold::default(), lost: None }
    }

    fn lose(&mut self, record: &Record<'_>) {
        let loss = Loss::one(Cause::Budget, record.level, bytes_of(record), record.ts_ns);
        match &mut self.lost {
            Some(lost) => lost.add(&loss),
            none => *none = Some(loss),
        }
    }
}

impl Processor for Budget {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        let level = self.keeper.level();
        if level == LevelFilter::TRACE && self.untold.0.is_empty() {
            return;
        }
        records.retain(|record| {
            let is_kept = self.untold.keeps(record, level);
            if !is_kept {
                self.lose(record);
            }
            is_kept
        });
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.lost.take().into_iter().collect()
    }
}

impl Untold {
    /// Whether a record passes. What is written of a task makes its end and those above it known: their ends then pass
    /// whatever it costs, so that no task that a reader sees stays open.
    fn keeps(&mut self, record: &Record<'_>, level: LevelFilter) -> bool {
        let Some(task) = record.task.as_deref() else {
            return record.kind == Kind::Loss || record.level <= level;
        };
        let is_kept = match record.kind {
            Kind::Loss => true,
            Kind::Event => record.level <= level,
            Kind::Begin => record.level <= level || self.0.len() >= MAX_UNTOLD,
            Kind::End => record.level <= level || !self.0.contains(&*task.key_text),
        };
        if is_kept {
            self.tell(&task.key_text);
        } else if record.kind == Kind::Begin {
            self.0.insert(task.key_text.as_str().into());
        } else if record.kind == Kind::End {
            self.0.remove(&*task.key_text);
        }
        is_kept
    }

    /// Something of this task is written.
    fn tell(&mut self, key: &str) {
        let mut key = Some(key);
        while let Some(task) = key.filter(|_| !self.0.is_empty()) {
            self.0.remove(task);
            key = task.rsplit_once('/').map(|(above, _)| above);
        }
    }
}

/// About what a record takes: its text and its fields.
fn bytes_of(record: &Record<'_>) -> usize {
    let fields = if let Fields::Encoded { body, .. } = record.fields { body.len() } else { 0 };
    record.message.len() + fields
}
