//! Records that are longer than a whole file: said in fewer words, and marked.

use std::borrow::Cow;

use spanlake_core::render::Renderer;
use spanlake_core::value::OMITTED_FIELDS;
use spanlake_core::{Detail, End, Field, Fields, Record, Source, Value};

/// How many bytes a byte of a message may become when it is escaped.
const ESCAPED_BYTES: usize = 8;

/// Appends a record in at most `most` bytes, as a renderer makes it: without its fields, with the beginning of its message,
/// at last without its place and its task. What is shortest stays where not even that is short enough.
pub(super) fn put_shortened(text: &mut Vec<u8>, record: &Record<'_>, most: usize, renderer: &mut dyn Renderer) {
    let start = text.len();
    let nobody = Source::default();
    let bare = Record { callsite: None, task: None, source: &nobody, ..without_fields(record) };
    for mut shorter in [without_fields(record), bare] {
        shorter.message = mark("", record.message.len()).into();
        put(text, start, &shorter, renderer);
        let room = most.saturating_sub(text.len() - start) / ESCAPED_BYTES;
        if room > 0 {
            shorter.message = shorten(&record.message, room).into();
            let shortest = text.len();
            renderer.render(text, &shorter);
            if text.len() - shortest <= most {
                text.drain(start..shortest);
                return;
            }
            text.truncate(shortest);
        }
        if text.len() - start <= most {
            return;
        }
    }
}

fn put(text: &mut Vec<u8>, start: usize, record: &Record<'_>, renderer: &mut dyn Renderer) {
    text.truncate(start);
    renderer.render(text, record);
}

fn without_fields<'a>(record: &Record<'a>) -> Record<'a> {
    let count = record.fields.to_vec().len() as u64;
    let omitted = Field { name: OMITTED_FIELDS.into(), value: Value::U64(count) };
    let fields = if count == 0 { Fields::EMPTY } else { Fields::Edited(vec![omitted]) };
    let detail = match &record.detail {
        Detail::End(end) => Detail::End(End { error: Vec::new(), ..end.clone() }),
        other => other.clone(),
    };
    Record { message: Cow::Borrowed(""), fields, detail, ..record.clone() }
}

fn shorten(message: &str, room: usize) -> String {
    if message.len() <= room {
        return message.to_owned();
    }
    let end = (0..=room).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    mark(&message[..end], message.len())
}

/// As texts are marked that were cut when they were recorded.
fn mark(kept: &str, bytes: usize) -> String {
    format!("{kept}… [truncated, {bytes} bytes]")
}
