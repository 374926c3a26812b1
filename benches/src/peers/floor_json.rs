//! A floor: a hand-written encoder inside a bare layer, so what JSON itself costs on the calling thread.
//!
//! It writes the line of `fmt().json()`. A span's part of the line is encoded once, when the span begins.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    fs::File,
    io::{BufWriter, Write as _},
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use super::{LOGGER, Peer, Session, Traced};
use crate::{Result, trial::Trial};

/// Writes to a shared `BufWriter`, without a background.
pub(super) const PEER: Peer = Peer { name: "floor-tracing-json", takes: LOGGER, open };

type Writer = Arc<Mutex<BufWriter<File>>>;

fn open(trial: &Trial) -> Result<Box<dyn Session>> {
    let writer: Writer = Arc::new(Mutex::new(BufWriter::new(File::create(trial.out.join("records.jsonl"))?)));
    let subscriber = Registry::default().with(JsonLayer { writer: writer.clone() }).with(LevelFilter::INFO);
    let finish = move || writer.lock().map_or_else(|_| Err("a producer panicked".into()), |mut it| Ok(it.flush()?));
    Ok(Box::new(Traced::install(subscriber, finish)?))
}

struct JsonLayer {
    writer: Writer,
}

/// A span and its ancestors, encoded.
struct Encoded {
    span: String,
    spans: String,
}

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
    static CLOCK: RefCell<Clock> = const { RefCell::new(Clock { second: 0, text: String::new() }) };
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut own = String::from("{");
        attributes.record(&mut Fields { line: &mut own });
        push_field(&mut own, "name", |line| push_text(line, span.name()));
        own.push('}');
        let mut spans = String::new();
        if let Some(parent) = span.parent()
            && let Some(encoded) = parent.extensions().get::<Encoded>()
        {
            spans = format!("{},", encoded.spans);
        }
        spans.push_str(&own);
        span.extensions_mut().insert(Encoded { span: own, spans });
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            encode(line, event, &ctx);
            if let Ok(mut writer) = self.writer.lock() {
                // a full disk shows in `kept`
                let _ = writer.write_all(line.as_bytes());
            }
        });
    }
}

fn encode<S: Subscriber + for<'a> LookupSpan<'a>>(line: &mut String, event: &Event<'_>, ctx: &Context<'_, S>) {
    line.push_str("{\"timestamp\":\"");
    CLOCK.with_borrow_mut(|clock| clock.push_now(line));
    line.push_str("\",\"level\":\"");
    line.push_str(event.metadata().level().as_str());
    line.push_str("\",\"fields\":{");
    event.record(&mut Fields { line });
    line.push_str("},\"target\":");
    push_text(line, event.metadata().target());
    if let Some(span) = ctx.event_span(event)
        && let Some(encoded) = span.extensions().get::<Encoded>()
    {
        line.push_str(",\"span\":");
        line.push_str(&encoded.span);
        line.push_str(",\"spans\":[");
        line.push_str(&encoded.spans);
        line.push(']');
    }
    line.push_str("}\n");
}

/// Formats a second once and only its microseconds again.
struct Clock {
    second: u64,
    text: String,
}

impl Clock {
    fn push_now(&mut self, line: &mut String) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if now.as_secs() != self.second {
            self.second = now.as_secs();
            self.text = Timestamp::from_second(self.second as i64).unwrap_or_default().strftime("%FT%T.").to_string();
        }
        line.push_str(&self.text);
        // a leading one keeps the zeros
        line.push_str(&itoa::Buffer::new().format(1_000_000 + now.subsec_micros())[1..]);
        line.push('Z');
    }
}

/// Visits fields as members of a JSON object.
struct Fields<'a> {
    line: &'a mut String,
}

impl Visit for Fields<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        push_field(self.line, field.name(), |line| line.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        push_field(self.line, field.name(), |line| line.push_str(itoa::Buffer::new().format(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        push_field(self.line, field.name(), |line| line.push_str(if value { "true" } else { "false" }));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        push_field(self.line, field.name(), |line| push_text(line, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        push_field(self.line, field.name(), |line| {
            line.push('"');
            let _ = write!(Escaped { line }, "{value:?}");
            line.push('"');
        });
    }
}

/// A sink for formatted text that escapes what JSON asks for.
struct Escaped<'a> {
    line: &'a mut String,
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.line, text);
        Ok(())
    }
}

fn push_field(line: &mut String, name: &str, value: impl FnOnce(&mut String)) {
    if !line.ends_with('{') {
        line.push(',');
    }
    push_text(line, name);
    line.push(':');
    value(line);
}

fn push_text(line: &mut String, text: &str) {
    line.push('"');
    push_escaped(line, text);
    line.push('"');
}

fn push_escaped(line: &mut String, text: &str) {
    if !text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        return line.push_str(text);
    }
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\0'..='\x1f' => line.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => line.push(character),
        }
    }
}
