//! YAML 1.2 to nodes, by the events of `granit-parser`.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span as Place, StrInput, Tag};

use super::{MAX_DEPTH, Room, empty, too_deep};
use crate::fault::Fault;
use crate::node::{Entry, Node, Span, Value};

/// Reads one document. The first fault ends the reading: what follows it may mean anything.
pub(super) fn read(text: &str, source: u32, room: &mut Room) -> (Node, Vec<Fault>) {
    let mut options = Options::default();
    options.emit_comments = false;
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        source,
        length: text.len(),
        room,
        anchors: HashMap::new(),
    };
    match reader.document() {
        Ok(node) => (node, Vec::new()),
        Err(fault) => (empty(source), vec![fault]),
    }
}

struct Reader<'a, 'r> {
    parser: Parser<'a, StrInput<'a>>,
    source: u32,
    length: usize,
    room: &'r mut Room,
    /// What aliases repeat, with the number of its values.
    anchors: HashMap<usize, (Node, usize)>,
}

impl<'a> Reader<'a, '_> {
    fn document(&mut self) -> Result<Node, Fault> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root.unwrap_or_else(|| empty(self.source))),
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(Fault::new(span, "a second document begins").expected("one document in a file"));
                }
                Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok((event, place))) => Ok((event, self.span(place))),
            Some(Err(error)) => Err(self.fault(&error)),
            None => Ok((Event::StreamEnd, self.at(self.length))),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Fault> {
        self.room.take(1, span)?;
        if depth > MAX_DEPTH {
            return Err(too_deep(span));
        }
        let before = self.room.left;
        let (node, anchor) = match event {
            Event::Alias(anchor) => return self.repeat(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                (Node { value: scalar(&text, style), span }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                (self.list(span, depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                (self.map(span, depth)?, anchor)
            }
            _ => return Err(Fault::new(span, "the document ends too early").expected("a value")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), before - self.room.left));
        }
        Ok(node)
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Fault> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    let span = Span { end: end.end.max(start.end), ..start };
                    return Ok(Node { value: Value::List(list), span });
                }
                (event, span) => list.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Fault> {
        let mut entries = Vec::new();
        loop {
            let (event, key_span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let span = Span { end: key_span.end.max(start.end), ..start };
                return Ok(Node { value: Value::Map(entries), span });
            }
            let Event::Scalar(key, ..) = event else {
                return Err(Fault::new(key_span, "a key is no text").expected("a text in front of the colon"));
            };
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            entries.push(Entry { key: key.into_owned(), key_span, node });
        }
    }

    /// What the anchor stands at, which keeps its places, so that a fault in it is told where it can be mended.
    fn repeat(&mut self, anchor: usize, span: Span) -> Result<Node, Fault> {
        let Some((node, values)) = self.anchors.get(&anchor) else {
            return Err(Fault::new(span, "an alias stands in what it repeats").expected("an anchor that ends before"));
        };
        self.room.take(*values, span)?;
        Ok(node.clone())
    }

    fn refuse_tag(&self, tag: Option<&Tag>, span: Span) -> Result<(), Fault> {
        let refused = tag.map(|tag| Fault::new(span, format!("the tag `{}` means nothing here", tag.original())));
        refused.map_or(Ok(()), |fault| Err(fault.expected("a value without a tag")))
    }

    fn fault(&self, error: &ScanError) -> Fault {
        let at = error.marker().byte_offset().unwrap_or(self.length);
        Fault::new(self.at(at), format!("no YAML: {}", error.info())).at_once()
    }

    fn span(&self, place: Place) -> Span {
        let range = place.byte_range().unwrap_or(self.length..self.length);
        Span { source: self.source, start: range.start, end: range.end }
    }

    fn at(&self, at: usize) -> Span {
        Span { source: self.source, start: at, end: at }
    }
}

/// The core schema of YAML 1.2: `yes` and `off` are texts.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::from(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).unwrap_or_else(|| Value::from(text)),
    }
}

fn number(text: &str) -> Option<Value> {
    if let Some(digits) = text.strip_prefix("0x") {
        return i128::from_str_radix(digits, 16).ok().map(Value::Integer);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i128::from_str_radix(digits, 8).ok().map(Value::Integer);
    }
    let looks = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    // Rust takes `infinity` and `nan` for numbers, YAML does not.
    let is_number = looks && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_number {
        return None;
    }
    text.parse().map(Value::Integer).or_else(|_| text.parse().map(Value::Number)).ok()
}
