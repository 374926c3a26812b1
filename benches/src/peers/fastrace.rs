//! `fastrace`: events and spans of a local trace, reported as lines of JSON.
//!
//! A trace holds some ten thousand entries and is reported when its root ends, so a new root begins every
//! [`TRACE_LEN`] operations, as it would with every request of a server.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    sync::{Arc, Mutex},
};

use fastrace::{
    Event, Span,
    collector::{Config, EventRecord, Reporter, SpanContext, SpanRecord},
    local::LocalSpan,
};
use serde::Serialize;

use super::{Peer, Session};
use crate::{
    Result,
    pace::Pace,
    trial::Trial,
    work::{ATTEMPT, LOAD_TABLE, Row, USER, Work},
};

/// Has no levels.
pub(super) const PEER: Peer =
    Peer { name: "fastrace", takes: &[(Work::Events, 1), (Work::Burst, 1), (Work::Spans, 1)], open };

const TRACE_LEN: u64 = 1_000;

type Writer = Arc<Mutex<BufWriter<File>>>;

fn open(trial: &Trial) -> Result<Box<dyn Session>> {
    let writer: Writer = Arc::new(Mutex::new(BufWriter::new(File::create(trial.out.join("records.jsonl"))?)));
    fastrace::set_reporter(Lines { writer: writer.clone() }, Config::default());
    Ok(Box::new(Fastrace { writer }))
}

struct Fastrace {
    writer: Writer,
}

impl Session for Fastrace {
    fn events(&self, pace: &mut Pace) {
        pace.drive_by(TRACE_LEN, |numbers| {
            let job = Span::root("job", SpanContext::random()).with_property(|| ("user", USER));
            let _job = job.set_local_parent();
            let _load = LocalSpan::enter_with_local_parent("load")
                .with_properties(|| [("table", Cow::from(LOAD_TABLE)), ("attempt", ATTEMPT.to_string().into())]);
            numbers.map(Row::nth).for_each(add_event);
        });
    }

    fn spans(&self, pace: &mut Pace) {
        pace.drive_by(TRACE_LEN, |numbers| {
            let job = Span::root("job", SpanContext::random()).with_property(|| ("user", USER));
            let _job = job.set_local_parent();
            for n in numbers {
                drop(LocalSpan::enter_with_local_parent("step").with_property(|| ("n", n.to_string())));
            }
        });
    }

    fn finish(&mut self) -> Result<()> {
        fastrace::flush();
        self.writer.lock().map_err(|_| "the reporter panicked")?.flush()?;
        Ok(())
    }
}

fn add_event(Row { rows, table, ok }: Row) {
    LocalSpan::add_event(Event::new("wrote batch").with_properties(|| {
        [
            ("rows", Cow::from(rows.to_string())),
            ("table", Cow::from(table)),
            ("ok", Cow::from(if ok { "true" } else { "false" })),
        ]
    }));
}

/// A reporter that writes a line for each span and each event.
struct Lines {
    writer: Writer,
}

#[derive(Serialize)]
struct Line<'a> {
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    trace: &'a str,
    span: &'a str,
    name: &'a str,
    fields: BTreeMap<&'a str, &'a str>,
}

impl Reporter for Lines {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        let Ok(mut writer) = self.writer.lock() else { return };
        for span in spans {
            // a full disk shows in `kept`
            let _ = write_span(&mut *writer, &span);
        }
    }
}

fn write_span(writer: &mut impl Write, span: &SpanRecord) -> Result<()> {
    let (trace, id) = (format!("{:032x}", span.trace_id.0), format!("{:016x}", span.span_id.0));
    let line = |ts, duration, name, properties| Line {
        ts,
        duration,
        trace: &trace,
        span: &id,
        name,
        fields: fields(properties),
    };
    for EventRecord { name, timestamp_unix_ns, properties } in &span.events {
        write_line(writer, &line(*timestamp_unix_ns, None, name, properties))?;
    }
    write_line(writer, &line(span.begin_time_unix_ns, Some(span.duration_ns), &span.name, &span.properties))
}

fn fields<'a>(properties: &'a [(Cow<'static, str>, Cow<'static, str>)]) -> BTreeMap<&'a str, &'a str> {
    properties.iter().map(|(key, value)| (&**key, &**value)).collect()
}

fn write_line(writer: &mut impl Write, line: &Line<'_>) -> Result<()> {
    serde_json::to_writer(&mut *writer, line)?;
    Ok(writer.write_all(b"\n")?)
}
