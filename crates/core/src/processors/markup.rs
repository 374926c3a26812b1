//! A processor that takes terminal markup out of messages.

use std::borrow::Cow;

use super::told;
use crate::processor::Processor;
use crate::record::Record;

/// Takes terminal markup out of messages: `[bold]x[/bold]` becomes `x`.
///
/// Markup is a style between brackets, or its end: words such as `bold`, `dim` or `not bold`, colours such as `red`,
/// `bright_red`, `#ff8800`, `color(9)` or `on blue`, links such as `link=https://…`, and the bare `[/]`. Whatever else stands
/// between brackets is text and stays: `[1]`, `[main]`, `[a-z]`. A tag behind a backslash, `\[bold]`, is text as well, and
/// loses the backslash.
///
/// Values of fields are data and left alone.
///
/// ```
/// use spanlake_core::processors::StripMarkup;
///
/// assert_eq!(StripMarkup::strip("[bold red]done[/] in [1] of [main]"), "done in [1] of [main]");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct StripMarkup(());

/// Words that style text by themselves.
const STYLES: [&str; 16] = [
    "b",
    "bold",
    "d",
    "dim",
    "i",
    "italic",
    "u",
    "underline",
    "uu",
    "underline2",
    "s",
    "strike",
    "blink",
    "blink2",
    "r",
    "reverse",
];

/// Styles that have no short form, and words that join others.
const MORE_STYLES: [&str; 7] = ["conceal", "overline", "frame", "encircle", "on", "not", "default"];

const COLOURS: [&str; 10] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white", "grey", "gray"];

/// A longer text between brackets is no markup.
const MAX_TAG_BYTES: usize = 256;

impl StripMarkup {
    /// Takes markup out.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text without markup; borrowed if it has none.
    pub fn strip(text: &str) -> Cow<'_, str> {
        let Some(first) = next_tag(text, 0) else {
            return Cow::Borrowed(text);
        };
        let mut stripped = String::with_capacity(text.len());
        let (mut next, mut from) = (Some(first), 0);
        while let Some(tag) = next {
            stripped.push_str(&text[from..tag.start]);
            // Of an escaped tag only the backslash goes.
            from = if tag.is_escaped { tag.start + 1 } else { tag.end };
            next = next_tag(text, tag.end);
        }
        stripped.push_str(&text[from..]);
        Cow::Owned(stripped)
    }
}

impl Processor for StripMarkup {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        for record in told(records) {
            if let Cow::Owned(stripped) = Self::strip(&record.message) {
                record.message = Cow::Owned(stripped);
            }
        }
    }
}

/// Where a tag stands, with the backslash before it if there is one.
struct Tag {
    start: usize,
    end: usize,
    is_escaped: bool,
}

fn next_tag(text: &str, from: usize) -> Option<Tag> {
    let opens = text[from..].match_indices('[').map(|(at, _)| from + at);
    opens.into_iter().find_map(|open| tag_at(text, from, open))
}

fn tag_at(text: &str, from: usize, open: usize) -> Option<Tag> {
    let inside = &text[open + 1..];
    // Looked for in the first bytes only, so that a text full of `[` is not read again for each.
    let close = inside.bytes().take(MAX_TAG_BYTES).position(|byte| matches!(byte, b'[' | b']'))?;
    let is_tag = inside.as_bytes()[close] == b']' && is_style(&inside[..close]);
    let is_escaped = open > from && text.as_bytes()[open - 1] == b'\\';
    is_tag.then(|| Tag { start: open - usize::from(is_escaped), end: open + close + 2, is_escaped })
}

fn is_style(tag: &str) -> bool {
    let (style, is_end) = tag.strip_prefix('/').map_or((tag, false), |style| (style, true));
    let mut words = style.split(' ').filter(|word| !word.is_empty()).peekable();
    let is_empty = words.peek().is_none();
    // `[on]` and `[not]` alone style nothing.
    let is_joined = matches!(style.trim(), "on" | "not");
    if is_empty { is_end } else { !is_joined && words.all(is_word_of_style) }
}

fn is_word_of_style(word: &str) -> bool {
    STYLES.contains(&word) || MORE_STYLES.contains(&word) || is_colour(word) || is_link(word)
}

fn is_link(word: &str) -> bool {
    word == "link" || word.starts_with("link=")
}

/// A name, with a shade behind it or `bright_` before it, a number, or its parts.
fn is_colour(word: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let named = word.strip_prefix("bright_").unwrap_or(word).trim_end_matches(|c: char| c.is_ascii_digit());
    let hexadecimal = word.strip_prefix('#').filter(|digits| digits.len() == 6);
    let call = |name| word.strip_prefix(name).and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')'));
    COLOURS.contains(&named)
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || call("color").is_some_and(is_digits)
        || call("rgb").is_some_and(|parts| parts.split(',').all(is_digits))
}
