//! `spanlake cat`: records as lines of a system log, or as JSON lines.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use spanlake_core::render::time::format_us;
use spanlake_core::{Kind, Outcome, OwnedRecord};
use spanlake_query::Timeline;

use crate::Failure;
use crate::args::{CatArgs, FollowArgs};
use crate::json::Object;
use crate::line::{DIM, Line, PLAIN, level_style};
use crate::notes::Notes;
use crate::pairs::put_fields;
use crate::screen::Screen;
use crate::words::causes;

/// How long to wait before looking again for what came.
pub(crate) const POLL_EVERY: Duration = Duration::from_millis(200);

/// How much longer a lake is followed.
pub(crate) struct Patience {
    until: Option<Instant>,
}

pub(crate) fn run(args: &CatArgs, screen: &mut Screen, notes: &mut Notes) -> Result<(), Failure> {
    let (lake, filter) = (args.source.lake()?, args.filter.filter());
    if !args.follow.follow {
        return put_all(lake.read(&filter)?, args.json, screen, notes);
    }
    let patience = Patience::new(&args.follow);
    let mut follower = lake.follow(&filter);
    loop {
        put_all(follower.poll()?, args.json, screen, notes)?;
        if !patience.wait() {
            return Ok(());
        }
    }
}

fn put_all(mut records: Timeline, json: bool, screen: &mut Screen, notes: &mut Notes) -> Result<(), Failure> {
    for record in records.by_ref() {
        if json { put_json(screen.raw(), &record)? } else { put_text(screen, &record)? }
    }
    screen.flush()?;
    notes.tell(records.damages());
    Ok(())
}

/// All columns in the order of the lake, as its JSON lines have them. What another program left out is null.
fn put_json(out: &mut dyn Write, record: &OwnedRecord) -> io::Result<()> {
    let mut line = Object::begin(out)?;
    line.text("ts", Some(&format_us(record.ts_us)))?;
    line.text("level", Some(record.level.as_str()))?;
    line.text("kind", Some(record.kind.as_str()))?;
    line.text("key", record.key.as_ref().map(ToString::to_string).as_deref())?;
    line.text("task", record.task.as_deref())?;
    line.text("message", Some(&record.message))?;
    line.text("target", not_empty(&record.target))?;
    line.text("module", record.module.as_deref())?;
    line.text("file", record.file.as_deref())?;
    line.number("line", record.line.map(i64::from))?;
    line.text("thread", record.thread.as_deref())?;
    line.number("pid", Some(i64::from(record.pid)).filter(|pid| *pid > 0))?;
    line.text("host", not_empty(&record.host))?;
    line.text("service", record.service.as_deref())?;
    line.text("dataflow_id", record.dataflow_id.as_deref())?;
    line.raw("context", &record.context)?;
    line.raw("fields", &record.fields)?;
    line.number("duration_us", record.duration_us)?;
    line.text("outcome", record.outcome.map(Outcome::as_str))?;
    line.text("error", record.error.as_deref())?;
    line.text("trace_id", record.trace_id().as_deref())?;
    line.text("span_id", record.span_id().as_deref())?;
    line.end()?;
    out.write_all(b"\n")
}

fn not_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The lines of a record as the system log has them, with the record's key. An end that asked to be quiet has none.
fn put_text(screen: &mut Screen, record: &OwnedRecord) -> io::Result<()> {
    if record.kind == Kind::End && record.message.is_empty() {
        return Ok(());
    }
    screen.line(&text_line(record))?;
    let error = record.error.as_deref().map(causes).unwrap_or_default();
    for (at, cause) in error.into_iter().enumerate() {
        let mut line = Line::new();
        line.put(DIM, if at == 0 { "    error: " } else { "           " }).data(PLAIN, cause);
        screen.line(&line)?;
    }
    Ok(())
}

fn text_line(record: &OwnedRecord) -> Line {
    let mut line = Line::new();
    line.put(DIM, format_us(record.ts_us)).put(DIM, " - ");
    line.put(level_style(record.level), record.level).put(DIM, " - ");
    line.data(DIM, &record.target).put(DIM, ":").data(DIM, record.module.as_deref().unwrap_or("-"));
    line.put(DIM, format_args!(":{} - [", record.line.unwrap_or(0)));
    line.data(DIM, record.dataflow_id.as_deref().unwrap_or("-")).put(DIM, "] - ");
    match &record.key {
        Some(key) => line.put(DIM, key),
        None => line.put(DIM, "-"),
    };
    line.put(DIM, " - ").data(PLAIN, &record.message);
    // A loss has its numbers in its message, and the busy time of an end is for machines.
    if matches!(record.kind, Kind::Event | Kind::Begin) {
        put_fields(&mut line, &record.fields);
    }
    line
}

// === impl Patience ===

impl Patience {
    pub(crate) fn new(args: &FollowArgs) -> Self {
        Self { until: args.follow_for.and_then(|limit| Instant::now().checked_add(limit)) }
    }

    /// Waits until it is time to look again; `false` when it is time to stop.
    pub(crate) fn wait(&self) -> bool {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return false;
        }
        thread::sleep(left.unwrap_or(POLL_EVERY).min(POLL_EVERY));
        true
    }
}
