//! Reading JSONL files: a line that is damaged costs that line only, and no line can take all memory.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use spanlake_core::OwnedRecord;

use crate::damage::Damages;
use crate::fields::Text;
use crate::filter::Filter;
use crate::moment;
use crate::row::{Row, parse_kind, parse_level};

/// Longest line that is read as a record; a longer one is passed over as damaged.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// Memory kept for lines from one to the next.
const KEPT_LINE_BYTES: usize = 64 << 10;

const BUFFER_BYTES: usize = 128 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The records of one JSONL file, or of a part of it.
#[derive(Debug)]
pub(crate) struct JsonlReader {
    lines: Lines<BufReader<Take<File>>>,
    filter: Arc<Filter>,
    damages: Damages,
}

/// Lines of bounded length.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    text: Vec<u8>,
    number: u64,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A line with its end.
    Whole,
    /// The last line, without an end.
    Cut,
    /// A line longer than [`MAX_LINE_BYTES`].
    TooLong,
}

// === impl JsonlReader ===

impl JsonlReader {
    /// Reads the bytes from `from` to `to`, or to the end.
    pub(crate) fn open(path: &Path, from: u64, to: Option<u64>, filter: Arc<Filter>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        // A pipe cannot seek, and is read from its start anyway.
        if from > 0 {
            file.seek(SeekFrom::Start(from))?;
        }
        let bytes = to.map_or(u64::MAX, |to| to.saturating_sub(from));
        let lines = Lines::new(BufReader::with_capacity(BUFFER_BYTES, file.take(bytes)));
        Ok(Self { lines, filter, damages: Damages::of(path) })
    }

    pub(crate) fn damages(&mut self) -> &mut Damages {
        &mut self.damages
    }

    /// The record of the line that was just read, if it is one and wanted.
    fn record(&mut self, piece: Piece) -> Option<OwnedRecord> {
        let number = self.lines.number;
        if piece == Piece::TooLong {
            self.damages.line(number, || format!("longer than {MAX_LINE_BYTES} bytes"));
            return None;
        }
        let line = self.lines.content();
        if line.is_empty() {
            return None;
        }
        match parse_line(line) {
            Ok(row) => self.filter.admits_columns(&row.columns()).then(|| row.into_record()),
            Err(reason) => {
                let cut = if piece == Piece::Cut { "cut at the end of the file: " } else { "" };
                self.damages.line(number, || format!("{cut}{reason}"));
                None
            }
        }
    }
}

impl Iterator for JsonlReader {
    type Item = OwnedRecord;

    fn next(&mut self) -> Option<OwnedRecord> {
        loop {
            let piece = match self.lines.next() {
                Ok(piece) => piece?,
                Err(error) => {
                    self.damages.file(error.to_string());
                    return None;
                }
            };
            if let Some(record) = self.record(piece) {
                return Some(record);
            }
        }
    }
}

/// When the first record of a file was recorded.
pub(crate) fn first_us(path: &Path, from: u64, to: Option<u64>) -> Option<i64> {
    let mut reader = JsonlReader::open(path, from, to, Arc::default()).ok()?;
    Some(reader.next()?.ts_us)
}

// === impl Lines ===

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, text: Vec::new(), number: 0 }
    }

    /// Reads the next line; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece>> {
        self.text.clear();
        self.text.shrink_to(KEPT_LINE_BYTES);
        let most = MAX_LINE_BYTES as u64 + 1;
        if self.reader.by_ref().take(most).read_until(b'\n', &mut self.text)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.text.ends_with(b"\n") {
            return Ok(Some(Piece::Whole));
        }
        if self.text.len() <= MAX_LINE_BYTES {
            return Ok(Some(Piece::Cut));
        }
        self.reader.skip_until(b'\n')?;
        Ok(Some(Piece::TooLong))
    }

    /// Which line was read, counted from 1.
    #[cfg(feature = "runs")]
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The line that was read, without what does not belong to it.
    pub(crate) fn content(&self) -> &[u8] {
        let line = if self.number == 1 { self.text.strip_prefix(BYTE_ORDER_MARK) } else { None };
        line.unwrap_or(&self.text).trim_ascii()
    }
}

// === parsing a line ===

/// A line as it is written; what other programs leave out is `None`.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    ts: Text<'a>,
    #[serde(borrow)]
    level: Text<'a>,
    #[serde(borrow, default)]
    kind: Loose<'a>,
    #[serde(borrow, default)]
    key: Loose<'a>,
    #[serde(borrow, default)]
    task: Loose<'a>,
    #[serde(borrow, default)]
    message: Loose<'a>,
    #[serde(borrow, default)]
    target: Loose<'a>,
    #[serde(borrow, default)]
    module: Loose<'a>,
    #[serde(borrow, default)]
    file: Loose<'a>,
    #[serde(default)]
    line: Number,
    #[serde(borrow, default)]
    thread: Loose<'a>,
    #[serde(default)]
    pid: Number,
    #[serde(borrow, default)]
    host: Loose<'a>,
    #[serde(borrow, default)]
    service: Loose<'a>,
    #[serde(borrow, default)]
    dataflow_id: Loose<'a>,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
    #[serde(borrow, default)]
    fields: Option<&'a RawValue>,
    #[serde(default)]
    duration_us: Number,
    #[serde(borrow, default)]
    outcome: Loose<'a>,
    #[serde(borrow, default)]
    error: Loose<'a>,
}

/// A text, or what other programs write in its place: a number or truth value is its text, anything else is none.
#[derive(Default)]
struct Loose<'a>(Option<Cow<'a, str>>);

/// A whole number, also inside a text; anything else is none.
#[derive(Default)]
struct Number(Option<i64>);

fn parse_line(line: &[u8]) -> Result<Row<'_>, String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| json_reason(&error))?;
    let key = line.key.0.map(|key| key.parse()).transpose().map_err(|error| format!("key: {error}"))?;
    Ok(Row {
        ts_us: moment::parse_stamp(&line.ts.0).ok_or("ts is no RFC 3339 text")?,
        level: parse_level(&line.level.0).ok_or("level is not known")?,
        kind: parse_kind(line.kind.0.as_deref()),
        key,
        task: line.task.0,
        message: line.message.0,
        target: line.target.0,
        module: line.module.0,
        file: line.file.0,
        line: line.line.0,
        thread: line.thread.0,
        pid: line.pid.0,
        host: line.host.0,
        service: line.service.0,
        dataflow_id: line.dataflow_id.0,
        context: line.context.map(RawValue::get).filter(|json| *json != "null"),
        fields: line.fields.map(RawValue::get).filter(|json| *json != "null"),
        duration_us: line.duration_us.0,
        outcome: line.outcome.0.and_then(|outcome| outcome.parse().ok()),
        error: line.error.0,
    })
}

/// The line that the parser counts is the one it was given; the reader knows the line of the file.
fn json_reason(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Loose(text) = Loose::deserialize(deserializer)?;
        Ok(Self(text.and_then(|text| text.parse().ok())))
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Loose<'de>, E> {
        Ok(Loose(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose<'de>, E> {
        Ok(Loose(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Loose<'de>, E> {
        Ok(Loose(Some(Cow::Borrowed(if value { "true" } else { "false" }))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Loose<'de>, E> {
        Ok(Loose(Some(Cow::Owned(value.to_string()))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Loose<'de>, E> {
        Ok(Loose(Some(Cow::Owned(value.to_string()))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Loose<'de>, E> {
        Ok(Loose(Some(Cow::Owned(value.to_string()))))
    }

    fn visit_unit<E>(self) -> Result<Loose<'de>, E> {
        Ok(Loose(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose(None))
    }
}
