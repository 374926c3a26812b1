//! What is replaced wherever it stands in a text.

use std::borrow::Cow;

use regex::Regex;

use crate::error::Error;
use crate::redact::{Text, refused};
use crate::secret::HIDDEN;

/// Digits as people group them on a card. What is found is looked at more closely.
const CARD_NUMBER: &str = r"(?-u:\b[0-9](?:[ -]?[0-9]){12,18}\b)";

/// A [`Text`] that is ready to be looked for.
#[derive(Debug)]
pub(super) struct Finder {
    expression: Regex,
    is_meant: fn(&str) -> bool,
}

impl Finder {
    pub(super) fn new(text: &Text) -> Result<Self, Error> {
        let (pattern, is_meant): (&str, fn(&str) -> bool) = match text {
            Text::Pattern(pattern) => (pattern, |found| !found.is_empty()),
            Text::CardNumber => (CARD_NUMBER, has_card_checksum),
        };
        let wrong = |message| refused(message).with("pattern", pattern);
        let expression =
            Regex::new(pattern).map_err(|error| wrong("this is no regular expression").caused_by(error))?;
        if expression.is_match("") {
            return Err(wrong("the pattern matches the empty text"));
        }
        Ok(Self { expression, is_meant })
    }

    /// The text with all that is found replaced, and how often; `None` when nothing is.
    pub(super) fn replace(&self, text: &str) -> Option<(String, u64)> {
        if !self.expression.is_match(text) {
            return None;
        }
        let mut count = 0;
        let replaced = self.expression.replace_all(text, |found: &regex::Captures<'_>| {
            let found = found.get_match();
            if !(self.is_meant)(found.as_str()) {
                return Cow::Owned(found.as_str().to_owned());
            }
            count += 1;
            Cow::Borrowed(HIDDEN)
        });
        (count > 0).then(|| (replaced.into_owned(), count))
    }
}

/// Whether the last digit is the one that the others ask for (Luhn), as it is on cards and in one of ten other numbers.
fn has_card_checksum(number: &str) -> bool {
    let digits = number.bytes().rev().filter(u8::is_ascii_digit).map(|digit| u32::from(digit - b'0'));
    let weighed =
        digits.enumerate().map(|(at, digit)| if at % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 });
    weighed.sum::<u32>().is_multiple_of(10)
}
