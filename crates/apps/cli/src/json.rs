//! JSON objects, written piece by piece.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::value::RawValue;
use spanlake_core::render::escape::is_harmful;
use spanlake_core::render::put_json_text;

/// An object that is being written.
pub(crate) struct Object<'a> {
    out: &'a mut dyn Write,
    is_empty: bool,
}

/// Writes an object as a line of its own.
pub(crate) fn put_line(out: &mut dyn Write, fill: impl FnOnce(&mut Object<'_>) -> io::Result<()>) -> io::Result<()> {
    let mut line = Object::begin(out)?;
    fill(&mut line)?;
    line.end()?;
    out.write_all(b"\n")
}

impl<'a> Object<'a> {
    pub(crate) fn begin(out: &'a mut dyn Write) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Self { out, is_empty: true })
    }

    pub(crate) fn end(self) -> io::Result<()> {
        self.out.write_all(b"}")
    }

    pub(crate) fn text(&mut self, name: &str, text: Option<&str>) -> io::Result<()> {
        self.name(name)?;
        match text {
            Some(text) => put_text(self.out, text),
            None => self.out.write_all(b"null"),
        }
    }

    pub(crate) fn number(&mut self, name: &str, number: Option<i64>) -> io::Result<()> {
        self.name(name)?;
        match number {
            Some(number) => write!(self.out, "{number}"),
            None => self.out.write_all(b"null"),
        }
    }

    /// Not a number and the infinities have no JSON, and are null.
    pub(crate) fn float(&mut self, name: &str, number: Option<f64>) -> io::Result<()> {
        self.name(name)?;
        match number.filter(|number| number.is_finite()) {
            Some(number) => write!(self.out, "{number}"),
            None => self.out.write_all(b"null"),
        }
    }

    pub(crate) fn bool(&mut self, name: &str, value: bool) -> io::Result<()> {
        self.name(name)?;
        write!(self.out, "{value}")
    }

    /// Puts JSON that the lake keeps as text, so that it stays one harmless line; what is no JSON becomes a text.
    pub(crate) fn raw(&mut self, name: &str, json: &str) -> io::Result<()> {
        self.name(name)?;
        if serde_json::from_str::<&RawValue>(json).is_err() {
            return put_text(self.out, json);
        }
        if json.contains(is_harmful) { put_escaped(self.out, json) } else { self.out.write_all(json.as_bytes()) }
    }

    pub(crate) fn object(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Object<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.name(name)?;
        let mut object = Object::begin(self.out)?;
        fill(&mut object)?;
        object.end()
    }

    /// An array of objects.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        mut fill: impl FnMut(&mut Object<'_>, T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.name(name)?;
        let mut before: &[u8] = b"[";
        for item in items {
            self.out.write_all(before)?;
            let mut object = Object::begin(self.out)?;
            fill(&mut object, item)?;
            object.end()?;
            before = b",";
        }
        self.out.write_all(if before == b"[" { b"[]" } else { b"]" })
    }

    /// An array of texts.
    pub(crate) fn texts<'t>(&mut self, name: &str, texts: impl Iterator<Item = Cow<'t, str>>) -> io::Result<()> {
        self.name(name)?;
        self.out.write_all(b"[")?;
        for (at, text) in texts.enumerate() {
            self.out.write_all(if at == 0 { b"" } else { b"," })?;
            put_text(self.out, &text)?;
        }
        self.out.write_all(b"]")
    }

    fn name(&mut self, name: &str) -> io::Result<()> {
        let before = if self.is_empty { "" } else { "," };
        self.is_empty = false;
        write!(self.out, "{before}\"{name}\":")
    }
}

fn put_text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut json = Vec::with_capacity(text.len() + 2);
    put_json_text(&mut json, text);
    out.write_all(&json)
}

/// In valid JSON, line ends and tabs stand only between its parts, and the other harmful characters only inside texts.
fn put_escaped(out: &mut dyn Write, json: &str) -> io::Result<()> {
    json.chars().try_for_each(|c| match c {
        '\n' | '\r' | '\t' => out.write_all(b" "),
        c if is_harmful(c) => write!(out, "\\u{:04x}", u32::from(c)),
        c => out.write_all(c.encode_utf8(&mut [0; 4]).as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> String {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out).expect("write to memory");
        object.raw("a", json).and_then(|()| object.end()).expect("write to memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn json_of_the_lake_stays_as_it_is_unless_it_harms() {
        let table = [
            (r#"{"big":123456789012345678901234567890}"#, r#"{"a":{"big":123456789012345678901234567890}}"#),
            ("{\n \"x\": 1 }", r#"{"a":{  "x": 1 }}"#),
            ("{\"x\":\"\u{202e}\u{9b}\"}", r#"{"a":{"x":"\u202e\u009b"}}"#),
            ("{\"x\":", r#"{"a":"{\"x\":"}"#),
            ("{}\u{feff}", r#"{"a":"{}\ufeff"}"#),
            ("", r#"{"a":""}"#),
        ];
        for (json, expected) in table {
            assert_eq!(raw(json), expected);
        }
    }
}
