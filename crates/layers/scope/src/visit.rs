//! Visiting fields: each once, straight into a body.

use std::fmt;

use spanlake_core::Value;
use spanlake_core::record::field_value;
use spanlake_core::segment::{CallsiteDefinition, CallsiteRef, Message, SegmentWriter};
use spanlake_core::value::{BodyWriter, Fields, MAX_BODY_BYTES, Name, OMITTED_FIELDS};
use tracing_core::Metadata;
use tracing_core::field::{Field, Visit};

use crate::caught::Caught;
use crate::observe::Values;
use crate::{CONTINUE, NAME};

/// The field that holds an event's or a span's text.
const MESSAGE: &str = "message";

/// Writes the fields of an event or a span.
pub(crate) struct FieldVisitor<'a> {
    pub(crate) message: &'a mut Message,
    pub(crate) body: &'a mut BodyWriter,
    /// Where the texts go that steer a new task and are not part of its context.
    pub(crate) steering: Option<&'a mut Steering>,
}

/// What the fields [`CONTINUE`] and [`NAME`] of a span say; empty where it has none.
#[derive(Default)]
pub(crate) struct Steering {
    pub(crate) carrier: String,
    pub(crate) name: String,
}

/// Writes the fields of a record that came through `tracing-log`, taking its real place out of them.
pub(crate) struct LogVisitor<'a> {
    pub(crate) fields: FieldVisitor<'a>,
    pub(crate) place: &'a mut LogPlace,
}

/// Where a `log` record was really made.
#[derive(Debug, Default)]
pub(crate) struct LogPlace {
    target: String,
    module: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

/// A writer of text that stops taking more at a bound.
struct Bounded<'a>(&'a mut String);

/// Longest carrier that can be well-formed, with some room so that a longer one is refused by its parser. A name is cut
/// there.
const MAX_STEERING: usize = 2 * spanlake_core::key::MAX_TASK_KEY_LEN;

// === impl FieldVisitor ===

impl FieldVisitor<'_> {
    fn steered(&mut self, field: &Field) -> Option<&mut String> {
        let steering = self.steering.as_deref_mut()?;
        match field.name() {
            CONTINUE => Some(&mut steering.carrier),
            NAME => Some(&mut steering.name),
            _ => None,
        }
    }
}

impl Visit for FieldVisitor<'_> {
    #[inline]
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.body.bool(Name::Index(field.index()), value);
    }

    #[inline]
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.body.i64(Name::Index(field.index()), value);
    }

    #[inline]
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.body.u64(Name::Index(field.index()), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.body.i128(Name::Index(field.index()), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.body.u128(Name::Index(field.index()), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.body.f64(Name::Index(field.index()), value);
    }

    #[inline]
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            return self.message.set(value);
        }
        match self.steered(field) {
            Some(steered) => Bounded(steered).set(value),
            None => self.body.text(Name::Index(field.index()), value),
        }
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.body.raw(Name::Index(field.index()), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        if let Some(values) = value.downcast_ref::<Values>() {
            return self.body.append(values.body());
        }
        if let Some(caught) = value.downcast_ref::<Caught>() {
            return caught.record(field, self.body);
        }
        self.body.error(Name::Index(field.index()), value);
    }

    #[inline]
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            return self.message.format(format_args!("{value:?}"));
        }
        match self.steered(field) {
            Some(steered) => {
                steered.clear();
                // The bounded writer never fails, and a `Debug` that does leaves a carrier that is refused.
                let _ = fmt::write(&mut Bounded(steered), format_args!("{value:?}"));
            }
            None => self.body.formatted(Name::Index(field.index()), value),
        }
    }
}

impl Bounded<'_> {
    fn set(&mut self, text: &str) {
        self.0.clear();
        self.put(text);
    }

    fn put(&mut self, text: &str) {
        let room = (MAX_STEERING + 1).saturating_sub(self.0.len());
        self.0.extend(text.char_indices().take_while(|(at, _)| *at < room).map(|(_, c)| c));
    }
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text);
        Ok(())
    }
}

// === log records ===

/// Whether an event is a `log` record that `tracing-log` passed on.
#[inline]
pub(crate) fn is_log(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "log" && metadata.fields().field("log.target").is_some()
}

impl Visit for LogVisitor<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "log.line" => self.place.line = u32::try_from(value).ok(),
            _ => self.fields.record_u64(field, value),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "log.target" => value.clone_into(&mut self.place.target),
            "log.module_path" => self.place.module = Some(value.to_owned()),
            "log.file" => self.place.file = Some(value.to_owned()),
            _ => self.fields.record_str(field, value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.record_debug(field, value);
    }
}

impl LogPlace {
    pub(crate) fn clear(&mut self) {
        self.target.clear();
        (self.module, self.file, self.line) = (None, None, None);
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The place in the segment's dictionary, described as needed.
    pub(crate) fn describe(&self, metadata: &Metadata<'_>, writer: &mut SegmentWriter) -> CallsiteRef {
        let definition = CallsiteDefinition {
            name: metadata.name(),
            target: &self.target,
            module: self.module.as_deref(),
            file: self.file.as_deref(),
            line: self.line,
            level: *metadata.level(),
        };
        let id = xxhash_rust::xxh3::xxh3_64(format!("{definition:?}").as_bytes()).max(1);
        writer.callsite(id).unwrap_or_else(|| writer.define_callsite(id, &definition, names(metadata)))
    }
}

// === dictionary ===

/// A callsite's place in the segment's dictionary, described as needed.
#[inline]
pub(crate) fn describe_callsite(metadata: &'static Metadata<'static>, writer: &mut SegmentWriter) -> CallsiteRef {
    let id = std::ptr::from_ref(metadata).addr() as u64;
    match writer.callsite(id) {
        Some(known) => known,
        None => define_callsite(id, metadata, writer),
    }
}

/// The same under another name than the metadata's.
pub(crate) fn describe_callsite_as(
    name: &str,
    metadata: &'static Metadata<'static>,
    writer: &mut SegmentWriter,
) -> CallsiteRef {
    let id = xxhash_rust::xxh3::xxh3_64_with_seed(name.as_bytes(), std::ptr::from_ref(metadata).addr() as u64).max(1);
    writer.callsite(id).unwrap_or_else(|| writer.define_callsite(id, &definition(name, metadata), names(metadata)))
}

#[cold]
fn define_callsite(id: u64, metadata: &'static Metadata<'static>, writer: &mut SegmentWriter) -> CallsiteRef {
    writer.define_callsite(id, &definition(metadata.name(), metadata), names(metadata))
}

fn definition<'a>(name: &'a str, metadata: &'a Metadata<'_>) -> CallsiteDefinition<'a> {
    CallsiteDefinition {
        name,
        target: metadata.target(),
        module: metadata.module_path(),
        file: metadata.file(),
        line: metadata.line(),
        level: *metadata.level(),
    }
}

pub(crate) fn names<'a>(metadata: &'a Metadata<'_>) -> impl Iterator<Item = &'a str> {
    metadata.fields().iter().map(|field| field.name())
}

// === context ===

/// A context's body with values put over those that have the same name.
pub(crate) fn merged_body(names: &[&'static str], context: &[u8], newer: &[u8]) -> Vec<u8> {
    let (newer_body, newer) = (newer, Fields::Encoded { names, body: newer }.to_vec());
    let mut replaces = context.len() + newer_body.len() > MAX_BODY_BYTES;
    Fields::Encoded { names, body: context }.for_each(|name, _| {
        replaces |= name == OMITTED_FIELDS || newer.iter().any(|newer| newer.name == name);
    });
    if !replaces {
        return [context, newer_body].concat();
    }
    let mut fields = Fields::Encoded { names, body: context }.to_vec();
    let mut merged = BodyWriter::default();
    if let Some(Value::U64(omitted)) = field_value(&fields, OMITTED_FIELDS) {
        merged.omit(*omitted);
    }
    fields.retain(|field| field.name != OMITTED_FIELDS && newer.iter().all(|newer| newer.name != field.name));
    for field in fields.iter().chain(&newer) {
        merged.value(Name::Text(&field.name), &field.value);
    }
    merged.finish();
    merged.bytes().to_vec()
}

/// An error and its causes, each cut to what is kept of one. Formatting them is foreign code, whose panics stay here.
pub(crate) fn links(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut body = BodyWriter::default();
    body.error(Name::Text("error"), error);
    Fields::Encoded { names: &[], body: body.bytes() }.get("error").map(links_of).unwrap_or_default()
}

/// A text that foreign code makes, cut to what is kept of one; its panics stay here.
pub(crate) fn text(shown: &dyn fmt::Display) -> String {
    let mut message = Message::default();
    message.format(format_args!("{shown}"));
    message.marked_text().into_owned()
}

/// The text of the field `error` when it is all that a body has.
pub(crate) fn lone_error(metadata: &'static Metadata<'static>, body: &[u8]) -> Option<Vec<String>> {
    let names: Vec<&'static str> = names(metadata).collect();
    Fields::Encoded { names: &names, body }.get("error").map(links_of)
}

fn links_of(error: Value<'_>) -> Vec<String> {
    match error {
        Value::Error(chain) => chain.into_iter().map(|link| link.into_owned()).collect(),
        value => vec![value.to_string()],
    }
}
