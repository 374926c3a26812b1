//! The suite that every renderer of text passes, ours and yours.
//!
//! Tell it how a renderer is made and how many lines it promises for a record, and call [`check`]. It panics at the first
//! promise that is broken and says which.
//!
//! ```
//! use spanlake_core::Record;
//! use spanlake_core::render::Renderer;
//! use spanlake_core::render::escape::Escaped;
//! use spanlake_test::renderers::{Lines, check};
//!
//! struct Messages;
//!
//! impl Renderer for Messages {
//!     fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
//!         out.extend_from_slice(format!("{}\n", Escaped(&record.message)).as_bytes());
//!     }
//! }
//!
//! check(|| Messages, Lines::One);
//! ```

use spanlake_core::render::Renderer;
use spanlake_core::render::escape::is_harmful;
use spanlake_core::segment::Segment;
use spanlake_core::{Cause, Level, Loss, Record, Source, Value};

use crate::conformance::{HOSTILE, MIDNIGHT_US};
use crate::script::{NO_TASK, Script};

/// How many lines a renderer promises for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// One, and none for the end of a task that asked to be quiet.
    One,
    /// As many as it takes.
    Some,
}

/// A colour that no renderer has any reason to set.
const FOREIGN_COLOR: &str = "\u{1b}[38;5;213m";

/// Of what stands in a record, a rendering may make so many times as many bytes: a byte may become an escape, and a text
/// stand in more than one place.
const MOST_TIMES: usize = 40;

/// What a rendering may have beside that.
const MOST_MORE: usize = 16 << 10;

/// Runs every case.
pub fn check<R: Renderer>(renderer: impl Fn() -> R, lines: Lines) {
    every_kind_of_record_is_whole_lines(&mut renderer(), lines);
    what_was_there_stays(&mut renderer());
    messages_are_there(&mut renderer());
    hostile_text_is_harmless(&mut renderer(), lines);
    output_is_bounded(&mut renderer());
    a_record_may_come_again(&mut renderer(), lines);
}

/// Begins, events, ends and statements of loss: each is whole lines, as many as promised.
pub fn every_kind_of_record_is_whole_lines(renderer: &mut dyn Renderer, lines: Lines) {
    each(&story("plain words"), |record| drop(whole_lines(renderer, record, lines)));
}

/// A renderer appends, and leaves alone what others have rendered.
pub fn what_was_there_stays(renderer: &mut dyn Renderer) {
    let mut out = b"before\n".to_vec();
    each(&story("words"), |record| {
        let before = out.clone();
        renderer.render(&mut out, record);
        assert!(out.starts_with(&before), "what was rendered before has changed at {record:?}");
    });
}

/// The message of an event stands in its rendering.
pub fn messages_are_there(renderer: &mut dyn Renderer) {
    let mut script = script();
    let task = script.begin("task", "begun");
    let messages = ["one", "two words", "three.of-them", "четыре"];
    messages.iter().for_each(|message| script.event(task, Level::INFO, message, &[]));
    let mut found = Vec::new();
    each(&script.into_segment(), |record| found.push(rendered(renderer, record)));
    for (message, text) in messages.iter().zip(&found[1..]) {
        assert!(text.contains(message), "{message:?} is missing in {text:?}");
    }
}

/// Whatever stands in a message, in names, in values and in errors: nothing in a rendering acts on a terminal, reorders
/// what is read or breaks a line, but for the renderer's own colours.
pub fn hostile_text_is_harmless(renderer: &mut dyn Renderer, lines: Lines) {
    for hostile in HOSTILE.into_iter().chain([FOREIGN_COLOR]) {
        each(&story(&format!("a{hostile}b")), |record| {
            let text = whole_lines(renderer, record, lines);
            assert!(!text.contains(FOREIGN_COLOR), "a colour came through: {text:?}");
            let harmful = without_colors(&text).chars().find(|c| is_harmful(*c) && *c != '\n');
            assert_eq!(harmful, None, "in {text:?}");
        });
    }
}

/// Long texts, many fields and long chains of errors: a rendering is not out of proportion.
pub fn output_is_bounded(renderer: &mut dyn Renderer) {
    for text in ["\u{1}".repeat(6_000), "\u{202e}".repeat(2_000), "\"\\= ".repeat(1_500)] {
        let segment = story(&text);
        let most = segment.bytes().len() * MOST_TIMES + MOST_MORE;
        each(&segment, |record| {
            let bytes = rendered(renderer, record).len();
            assert!(bytes <= most, "{bytes} bytes of {} for {record:?}", segment.bytes().len());
        });
    }
}

/// A pump writes a batch again that failed: records come a second time, also ends without a begin.
pub fn a_record_may_come_again(renderer: &mut dyn Renderer, lines: Lines) {
    let segment = story("words");
    for _ in 0..2 {
        each(&segment, |record| drop(whole_lines(renderer, record, lines)));
    }
    let decoded = segment.decode().expect("a segment that was just written");
    let mut records: Vec<Record<'_>> = decoded.records().collect();
    records.reverse();
    records.iter().for_each(|record| drop(whole_lines(renderer, record, lines)));
}

// === the suite's own records ===

fn script() -> Script {
    Script::new(Source::this_process("testkit").with_thread("renderers"), MIDNIGHT_US)
}

/// Every kind of record, in tasks and outside, with `text` wherever there is text.
fn story(text: &str) -> Segment {
    let mut script = script();
    let outer = script.begin("outer", text);
    let inner = script.begin_in(outer, text, text);
    let values = [
        (text, Value::from(text)),
        ("error", Value::Error(vec![text.into(), text.into()])),
        ("number", Value::F64(f64::NAN)),
        ("bytes", Value::Bytes(text.as_bytes().into())),
        ("message", Value::from(text)),
        ("level", Value::Bool(true)),
    ];
    for level in [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR] {
        script.event(inner, level, text, &values);
        script.event(NO_TASK, level, text, &values);
    }
    script.end(inner, text, &[text.to_owned(), text.to_owned()]);
    script.event(NO_TASK, Level::INFO, "", &[("", Value::from(""))]);
    script.end(outer, text, &[]);
    script.loss(&Loss::one(Cause::Full, Level::TRACE, 100, MIDNIGHT_US * 1_000));
    script.into_segment()
}

fn each(segment: &Segment, look: impl FnMut(&Record<'_>)) {
    let decoded = segment.decode().expect("a segment that was just written");
    let records: Vec<Record<'_>> = decoded.records().collect();
    records.iter().for_each(look);
}

fn rendered(renderer: &mut dyn Renderer, record: &Record<'_>) -> String {
    let mut out = Vec::new();
    renderer.render(&mut out, record);
    String::from_utf8(out).expect("a renderer writes text")
}

/// The rendering of a record, when it is as many lines as promised.
fn whole_lines(renderer: &mut dyn Renderer, record: &Record<'_>, lines: Lines) -> String {
    let text = rendered(renderer, record);
    assert!(text.ends_with('\n'), "the last line has no end: {text:?} for {record:?}");
    let count = text.matches('\n').count();
    assert!(lines == Lines::Some || count == 1, "{count} lines and not one: {text:?}");
    text
}

/// The text without the sequences that set colours.
fn without_colors(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        let inside = &rest[at + 2..];
        let end = inside.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(inside.len());
        // What is no colour stays, and is found to be harmful.
        let (kept, after) = if inside[end..].starts_with('m') { ("", end + 1) } else { ("\u{1b}", 0) };
        plain.push_str(kept);
        rest = &inside[after..];
    }
    plain + rest
}
