//! What a growing lake gains, line by line, each indented by the depth of its task.

use std::io;

use spanlake_core::{Kind, Level, OwnedRecord, TaskKey};
use spanlake_query::{Filter, NamedTasks, Status};

use super::record::{error_lines, put_path, put_said};
use super::task::put_name;
use crate::line::{BUSY, DIM, Line, PLAIN, status_mark, status_style};
use crate::screen::Screen;
use crate::words;

/// Shows records as they come. Where a line belongs to another task than the one above it, the task is named first.
pub(crate) struct Live {
    filter: Filter,
    named: Option<NamedTasks>,
    whole_keys: bool,
    /// The task of the last line.
    at: Option<TaskKey>,
    started: bool,
}

impl Live {
    pub(crate) fn new(filter: Filter, name: Option<String>, whole_keys: bool) -> Self {
        Self { filter, named: name.map(NamedTasks::new), whole_keys, at: None, started: false }
    }

    /// Takes notice of a record that was shown otherwise.
    pub(crate) fn learn(&mut self, record: &OwnedRecord) {
        if let Some(named) = &mut self.named {
            named.admits(record);
        }
    }

    /// Shows a record, if it is wanted.
    pub(crate) fn put(&mut self, screen: &mut Screen, record: &OwnedRecord) -> io::Result<()> {
        let named = self.named.as_mut().is_none_or(|named| named.admits(record));
        let admitted = record.kind == Kind::Loss || self.filter.admits(record);
        if !named || !admitted {
            return Ok(());
        }
        self.start(screen)?;
        match record.kind {
            Kind::Begin => self.begin(screen, record),
            Kind::End => self.end(screen, record),
            Kind::Event | Kind::Loss => self.event(screen, record),
        }
    }

    /// A line between the tree and what comes after it.
    fn start(&mut self, screen: &mut Screen) -> io::Result<()> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        let mut line = Line::new();
        line.put(DIM, "── new from here on ──");
        screen.line(&line)
    }

    fn begin(&mut self, screen: &mut Screen, record: &OwnedRecord) -> io::Result<()> {
        let mut line = self.task_line(record, Status::Open);
        line.put(DIM, format_args!("  {}", words::time_of_day(record.ts_us)));
        if record.task.as_deref() != Some(&record.message) {
            line.put(PLAIN, "  ").data(PLAIN, &record.message);
        }
        screen.line(&line)?;
        self.at = task(record);
        Ok(())
    }

    fn end(&mut self, screen: &mut Screen, record: &OwnedRecord) -> io::Result<()> {
        self.at = None;
        if record.message.is_empty() {
            // The task asked for a quiet end.
            return Ok(());
        }
        let failed = record.level == Level::ERROR;
        let status = record.outcome.map_or(if failed { Status::Failed } else { Status::Succeeded }, Status::from);
        let mut line = self.task_line(record, status);
        if let Some(duration_us) = record.duration_us {
            line.put(PLAIN, format_args!("  {}", words::duration(duration_us)));
        }
        if status != Status::Succeeded {
            line.put(PLAIN, "  ").put(status_style(status), status);
        }
        screen.line(&line)?;
        let strokes = strokes(record, 1);
        let error = record.error.iter();
        let lines = error.flat_map(|error| error_lines(&strokes, error, record.file.as_deref(), record.line));
        lines.into_iter().try_for_each(|line| screen.line(&line))
    }

    fn event(&mut self, screen: &mut Screen, record: &OwnedRecord) -> io::Result<()> {
        self.name_task(screen, record)?;
        let mut line = indented(record, 1);
        put_said(&mut line, &record.into(), &strokes(record, 1));
        screen.line(&line)
    }

    /// Names the task of a record, unless the line above belongs to it too.
    fn name_task(&mut self, screen: &mut Screen, record: &OwnedRecord) -> io::Result<()> {
        let at = task(record);
        if at.is_none() || at == self.at {
            return Ok(());
        }
        self.at = at;
        let mut line = indented(record, 0);
        line.put(BUSY, "· ");
        put_name(&mut line, record.task.as_deref());
        self.put_key(&mut line, record);
        screen.line(&line)
    }

    fn task_line(&self, record: &OwnedRecord, status: Status) -> Line {
        let mut line = indented(record, 0);
        line.put(status_style(status), status_mark(status)).put(PLAIN, " ");
        put_name(&mut line, record.task.as_deref());
        self.put_key(&mut line, record);
        line
    }

    fn put_key(&self, line: &mut Line, record: &OwnedRecord) {
        let Some(key) = &record.key else { return };
        if self.whole_keys || key.task.depth() == 0 {
            line.put(DIM, format_args!("  {}", key.task));
        } else {
            put_path(line, &key.task);
        }
    }
}

fn task(record: &OwnedRecord) -> Option<TaskKey> {
    record.key.as_ref().map(|key| key.task.clone())
}

fn indented(record: &OwnedRecord, more: usize) -> Line {
    let mut line = Line::new();
    line.put(DIM, strokes(record, more));
    line
}

fn strokes(record: &OwnedRecord, more: usize) -> String {
    "│ ".repeat(record.key.as_ref().map_or(0, |key| key.task.depth() + more))
}
