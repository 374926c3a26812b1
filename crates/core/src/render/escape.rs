//! Making hostile text harmless: control characters, terminal escapes, marks that reorder text, and line ends.
//!
//! The same characters are escaped in JSON (as `\u….`, which loses nothing) and in text for people (as `\n`, `\u{…}`):
//! C0, DEL, C1, the bidirectional marks and overrides, and the Unicode line and paragraph separators.

use std::fmt;

/// Appends `text` as the inside of a JSON string.
#[inline]
pub fn put_json_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if bytes.iter().all(|byte| PLAIN_JSON[usize::from(*byte)]) {
        return out.extend_from_slice(bytes);
    }
    put_json_escaped_slowly(out, text);
}

/// Text with everything harmful shown as an escape. Line ends become `\n`, so that one record is one line.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_harmful) {
            f.write_str(&rest[..at])?;
            let mut chars = rest[at..].chars();
            if let Some(harmful) = chars.next() {
                write!(f, "{}", harmful.escape_default())?;
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// Whether a character may act on a terminal, reorder what a person reads, or break a line in two.
pub fn is_harmful(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// ASCII that stands for itself inside a JSON string.
const PLAIN_JSON: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

#[cold]
fn put_json_escaped_slowly(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if is_harmful(c) => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
