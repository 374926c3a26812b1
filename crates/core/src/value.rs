//! Field values, and how a list of fields is laid down in a frame.
//!
//! A body is a run of fields: name, tag, payload. A name is an index into the callsite's field names, or the text
//! itself for names that no callsite knows. Texts carry a 16-bit length, so one value holds at most
//! [`MAX_TEXT_BYTES`]; what is longer is cut, and its full length is kept beside it. A cut text leaves room for the mark
//! that says so, and can be written again with it.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::segment::cursor::{Cursor, put_varint};

/// Longest text or byte value kept, in bytes; the rest is cut and the record says so.
pub const MAX_TEXT_BYTES: usize = u16::MAX as usize;

/// What is kept of a text that is longer than [`MAX_TEXT_BYTES`]: room is left for the mark of the cut, and for what an
/// end puts before the text of its task.
const CUT_TEXT_BYTES: usize = MAX_TEXT_BYTES - "FAILED … [truncated, 18446744073709551615 bytes]".len();

/// Largest body of one record or one task, in bytes; fields that do not fit are left out and the record says so.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// Deepest error chain kept.
pub const MAX_CHAIN: usize = 16;

/// Deepest value within values that is kept as what it is; what lies deeper becomes text.
pub const MAX_NESTING: usize = 8;

/// The name under which a record says how many of its fields did not fit into [`MAX_BODY_BYTES`].
pub const OMITTED_FIELDS: &str = "spanlake.omitted_fields";

/// What stands in place of a value whose `Debug` or `Display` panicked.
pub const PANICKED: &str = "[panicked while it was being formatted]";

/// A field's value, with its type kept.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A floating-point number.
    F64(f64),
    /// A wide signed integer.
    I128(i128),
    /// A wide unsigned integer.
    U128(u128),
    /// A text, or the `Debug` form of a value.
    Text(Cow<'a, str>),
    /// Raw bytes.
    Bytes(Cow<'a, [u8]>),
    /// An error and its causes, outermost first.
    Error(Vec<Cow<'a, str>>),
    /// Values in a row. Observed objects and processors make them; no macro of `tracing` does.
    List(Vec<Value<'a>>),
    /// Values with names. Processors make them; no caller records one.
    Map(Vec<Field<'a>>),
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<'a> {
    /// The field's name.
    pub name: Cow<'a, str>,
    /// The field's value.
    pub value: Value<'a>,
}

/// The fields of a record or of a task's own context, in the order they were written.
#[derive(Clone, Debug)]
pub enum Fields<'a> {
    /// As they stand in the segment.
    Encoded {
        /// The names that indexes refer to.
        names: &'a [&'a str],
        /// The body.
        body: &'a [u8],
    },
    /// Taken out, for a processor to change.
    Edited(Vec<Field<'a>>),
}

/// How a field is named in a body.
#[derive(Clone, Copy, Debug)]
pub enum Name<'a> {
    /// Position among the callsite's field names.
    Index(usize),
    /// The name itself.
    Text(&'a str),
}

/// Writes a body. One is kept per thread and reused, so that a field costs no allocation.
#[derive(Debug, Default)]
pub struct BodyWriter {
    bytes: Vec<u8>,
    omitted: u64,
}

/// A writer of at most [`MAX_TEXT_BYTES`] that swallows the rest, so that a `Debug` that insists never sees an error.
struct TextWriter<'a> {
    bytes: &'a mut Vec<u8>,
    room: usize,
    full_len: u64,
}

const TAG_FALSE: u8 = 0;
const TAG_TRUE: u8 = 1;
const TAG_I64: u8 = 2;
const TAG_U64: u8 = 3;
const TAG_F64: u8 = 4;
const TAG_I128: u8 = 5;
const TAG_U128: u8 = 6;
const TAG_TEXT: u8 = 7;
const TAG_BYTES: u8 = 8;
const TAG_ERROR: u8 = 9;
const TAG_LIST: u8 = 10;
const TAG_MAP: u8 = 11;
/// Added to [`TAG_TEXT`] or [`TAG_BYTES`] when the value was cut; its full length follows as a varint.
const CUT: u8 = 0x40;

/// Room that a name, a tag and a fixed-size value can take beside the name's text.
const FIELD_OVERHEAD: usize = 32;

// === impl BodyWriter ===

impl BodyWriter {
    /// An empty body with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), omitted: 0 }
    }

    /// The body so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Makes it empty again, giving back the memory that an unusually large body took.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(MAX_TEXT_BYTES);
        self.omitted = 0;
    }

    /// Starts from a body that was written before.
    pub fn extend_from(&mut self, body: &[u8]) {
        self.bytes.extend_from_slice(body);
    }

    /// Writes the fields of another body, whose names are texts.
    pub fn append(&mut self, other: &Self) {
        self.omitted += other.omitted;
        if self.bytes.len() + other.bytes.len() + FIELD_OVERHEAD > MAX_BODY_BYTES {
            // One by one, so that those that fit are there.
            read_named(&other.bytes, |name, value| self.value(name, &value));
        } else {
            self.bytes.extend_from_slice(&other.bytes);
        }
    }

    /// Writes values in a row.
    pub fn list(&mut self, name: Name<'_>, values: &[Value<'_>]) {
        if self.admit(name, values.iter().map(room_of).sum()) {
            self.put_number(TAG_LIST, values.len() as u64);
            values.iter().for_each(|value| self.put_value(value, 1));
        }
    }

    /// Counts fields that were left out before they came here.
    pub fn omit(&mut self, fields: u64) {
        self.omitted += fields;
    }

    /// Ends the body: says how many fields were left out, if any.
    pub fn finish(&mut self) {
        if self.omitted > 0 {
            let omitted = self.omitted;
            self.put_name(Name::Text(OMITTED_FIELDS));
            self.put_number(TAG_U64, omitted);
            self.omitted = 0;
        }
    }

    /// Writes a truth value.
    #[inline]
    pub fn bool(&mut self, name: Name<'_>, value: bool) {
        if self.admit(name, 0) {
            self.bytes.push(if value { TAG_TRUE } else { TAG_FALSE });
        }
    }

    /// Writes a signed integer.
    #[inline]
    pub fn i64(&mut self, name: Name<'_>, value: i64) {
        if self.admit(name, 0) {
            self.put_number(TAG_I64, zigzag(value));
        }
    }

    /// Writes an unsigned integer.
    #[inline]
    pub fn u64(&mut self, name: Name<'_>, value: u64) {
        if self.admit(name, 0) {
            self.put_number(TAG_U64, value);
        }
    }

    /// Writes a floating-point number.
    #[inline]
    pub fn f64(&mut self, name: Name<'_>, value: f64) {
        if self.admit(name, 0) {
            self.put_fixed(TAG_F64, value.to_bits().to_le_bytes());
        }
    }

    /// Writes a wide signed integer.
    pub fn i128(&mut self, name: Name<'_>, value: i128) {
        if self.admit(name, 0) {
            self.put_fixed(TAG_I128, value.to_le_bytes());
        }
    }

    /// Writes a wide unsigned integer.
    pub fn u128(&mut self, name: Name<'_>, value: u128) {
        if self.admit(name, 0) {
            self.put_fixed(TAG_U128, value.to_le_bytes());
        }
    }

    /// Writes a text.
    #[inline]
    pub fn text(&mut self, name: Name<'_>, value: &str) {
        if self.admit(name, value.len().min(MAX_TEXT_BYTES)) {
            self.put_slice(TAG_TEXT, value.as_bytes(), char_boundary(value));
        }
    }

    /// Writes raw bytes.
    pub fn raw(&mut self, name: Name<'_>, value: &[u8]) {
        if self.admit(name, value.len().min(MAX_TEXT_BYTES)) {
            self.put_slice(TAG_BYTES, value, value.len().min(MAX_TEXT_BYTES));
        }
    }

    /// Formats a value straight into the body. That is foreign code: where it panics, the field says so instead.
    #[inline]
    pub fn formatted(&mut self, name: Name<'_>, value: &dyn fmt::Debug) {
        if self.admit(name, 0) {
            self.foreign(|bytes| {
                let tag_at = bytes.len();
                bytes.push(TAG_TEXT);
                if let Some(full_len) = put_formatted(bytes, format_args!("{value:?}")) {
                    bytes[tag_at] = TAG_TEXT | CUT;
                    put_varint(bytes, full_len);
                }
            });
        }
    }

    /// Writes an error and its causes. Formatting them is foreign code, as in [`BodyWriter::formatted`].
    pub fn error(&mut self, name: Name<'_>, error: &(dyn std::error::Error + 'static)) {
        if self.admit(name, 0) {
            self.foreign(|bytes| {
                bytes.push(TAG_ERROR);
                put_chain(bytes, error);
            });
        }
    }

    /// Lets foreign code write the value behind a name; takes back what it wrote before it panicked.
    #[inline]
    fn foreign(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        if catch_unwind(AssertUnwindSafe(|| write(&mut self.bytes))).is_err() {
            self.bytes.truncate(start);
            self.bytes.push(TAG_TEXT);
            put_text(&mut self.bytes, PANICKED);
        }
    }

    /// Writes any value.
    pub fn value(&mut self, name: Name<'_>, value: &Value<'_>) {
        match value {
            Value::Bool(value) => self.bool(name, *value),
            Value::I64(value) => self.i64(name, *value),
            Value::U64(value) => self.u64(name, *value),
            Value::F64(value) => self.f64(name, *value),
            Value::I128(value) => self.i128(name, *value),
            Value::U128(value) => self.u128(name, *value),
            Value::Text(value) => self.text(name, value),
            Value::Bytes(value) => self.raw(name, value),
            Value::Error(_) | Value::List(_) | Value::Map(_) => {
                if self.admit(name, room_of(value)) {
                    self.put_value(value, 0);
                }
            }
        }
    }

    /// Writes a value for which there is room, `depth` others around it.
    fn put_value(&mut self, value: &Value<'_>, depth: usize) {
        match value {
            Value::Bool(value) => self.bytes.push(if *value { TAG_TRUE } else { TAG_FALSE }),
            Value::I64(value) => self.put_number(TAG_I64, zigzag(*value)),
            Value::U64(value) => self.put_number(TAG_U64, *value),
            Value::F64(value) => self.put_fixed(TAG_F64, value.to_bits().to_le_bytes()),
            Value::I128(value) => self.put_fixed(TAG_I128, value.to_le_bytes()),
            Value::U128(value) => self.put_fixed(TAG_U128, value.to_le_bytes()),
            Value::Text(value) => self.put_slice(TAG_TEXT, value.as_bytes(), char_boundary(value)),
            Value::Bytes(value) => self.put_slice(TAG_BYTES, value, value.len().min(MAX_TEXT_BYTES)),
            Value::Error(chain) => {
                self.bytes.push(TAG_ERROR);
                put_links(&mut self.bytes, chain.iter().map(|link| &**link));
            }
            Value::List(_) | Value::Map(_) if depth == MAX_NESTING => {
                let text = value.to_string();
                self.put_slice(TAG_TEXT, text.as_bytes(), char_boundary(&text));
            }
            Value::List(values) => {
                self.put_number(TAG_LIST, values.len() as u64);
                values.iter().for_each(|value| self.put_value(value, depth + 1));
            }
            Value::Map(fields) => {
                self.put_number(TAG_MAP, fields.len() as u64);
                for Field { name, value } in fields {
                    put_text(&mut self.bytes, &name[..char_boundary(name)]);
                    self.put_value(value, depth + 1);
                }
            }
        }
    }

    #[inline]
    fn put_number(&mut self, tag: u8, number: u64) {
        self.bytes.push(tag);
        put_varint(&mut self.bytes, number);
    }

    #[inline]
    fn put_fixed<const N: usize>(&mut self, tag: u8, bytes: [u8; N]) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&bytes);
    }

    /// Writes the name if the field fits, else counts it as left out.
    #[inline]
    fn admit(&mut self, name: Name<'_>, value_len: usize) -> bool {
        let name_len = if let Name::Text(text) = name { text.len().min(MAX_TEXT_BYTES) } else { 0 };
        if self.bytes.len() + name_len + value_len + FIELD_OVERHEAD > MAX_BODY_BYTES {
            self.omitted += 1;
            return false;
        }
        self.put_name(name);
        true
    }

    #[inline]
    fn put_name(&mut self, name: Name<'_>) {
        match name {
            Name::Index(index) => put_varint(&mut self.bytes, (index as u64) << 1),
            Name::Text(text) => {
                put_varint(&mut self.bytes, 1);
                put_text(&mut self.bytes, &text[..char_boundary(text)]);
            }
        }
    }

    #[inline]
    fn put_slice(&mut self, tag: u8, bytes: &[u8], kept: usize) {
        self.bytes.push(if kept < bytes.len() { tag | CUT } else { tag });
        self.bytes.extend_from_slice(&(kept as u16).to_le_bytes());
        self.bytes.extend_from_slice(&bytes[..kept]);
        if kept < bytes.len() {
            put_varint(&mut self.bytes, bytes.len() as u64);
        }
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// No fields.
    pub const EMPTY: Fields<'static> = Fields::Encoded { names: &[], body: &[] };

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        match self {
            Fields::Encoded { body, .. } => body.is_empty(),
            Fields::Edited(fields) => fields.is_empty(),
        }
    }

    /// Calls `each` for every field, in order.
    #[inline]
    pub fn for_each(&self, mut each: impl FnMut(&str, &Value<'_>)) {
        match self {
            Fields::Encoded { names, body } => {
                let mut cursor = Cursor::new(body);
                while let Some(field) = read_field(&mut cursor, names) {
                    each(&field.name, &field.value);
                }
            }
            Fields::Edited(fields) => fields.iter().for_each(|field| each(&field.name, &field.value)),
        }
    }

    /// Whether there is a field whose name `is` so. Costs no allocation, whatever the values are.
    pub fn any_name(&self, mut is: impl FnMut(&str) -> bool) -> bool {
        match self {
            Fields::Encoded { names, body } => {
                let mut cursor = Cursor::new(body);
                let name = || {
                    let name = read_name(&mut cursor).and_then(|name| text_of(name, names))?;
                    skip_value(&mut cursor, 0).map(|()| name)
                };
                std::iter::from_fn(name).any(is)
            }
            Fields::Edited(fields) => fields.iter().any(|field| is(&field.name)),
        }
    }

    /// All fields, taken out of the segment.
    pub fn to_vec(&self) -> Vec<Field<'a>> {
        match self {
            Fields::Encoded { names, body } => read_fields(body, names),
            Fields::Edited(fields) => fields.clone(),
        }
    }

    /// The last value recorded under `name`.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        match self {
            Fields::Encoded { .. } => {
                self.to_vec().into_iter().rfind(|field| field.name == name).map(|field| field.value)
            }
            Fields::Edited(fields) => fields.iter().rfind(|field| field.name == name).map(|field| field.value.clone()),
        }
    }

    /// The fields as a list that can be changed.
    pub fn edit(&mut self) -> &mut Vec<Field<'a>> {
        if let Fields::Encoded { .. } = self {
            *self = Fields::Edited(self.to_vec());
        }
        match self {
            Fields::Edited(fields) => fields,
            Fields::Encoded { .. } => unreachable!("the line above took the fields out"),
        }
    }
}

// === impl Value ===

impl Value<'_> {
    /// The same value, owning its text.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Bool(value) => Value::Bool(value),
            Value::I64(value) => Value::I64(value),
            Value::U64(value) => Value::U64(value),
            Value::F64(value) => Value::F64(value),
            Value::I128(value) => Value::I128(value),
            Value::U128(value) => Value::U128(value),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
            Value::Error(chain) => Value::Error(chain.into_iter().map(|link| Cow::Owned(link.into_owned())).collect()),
            Value::List(values) => Value::List(values.into_iter().map(Value::into_owned).collect()),
            Value::Map(fields) => Value::Map(fields.into_iter().map(Field::into_owned).collect()),
        }
    }
}

impl Field<'_> {
    /// The same field, owning its texts.
    pub fn into_owned(self) -> Field<'static> {
        Field { name: Cow::Owned(self.name.into_owned()), value: self.value.into_owned() }
    }
}

/// The text a person reads: texts bare, bytes in hexadecimal, an error as `this: cause: cause`, a list as `[a, b]`, a map
/// as `{a: 1, b: 2}`.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => value.fmt(f),
            Value::I64(value) => value.fmt(f),
            Value::U64(value) => value.fmt(f),
            Value::F64(value) => write!(f, "{value:?}"),
            Value::I128(value) => value.fmt(f),
            Value::U128(value) => value.fmt(f),
            Value::Text(text) => f.write_str(text),
            Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Value::Error(chain) => f.write_str(&chain.join(": ")),
            Value::List(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
            Value::Map(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|field| format!("{}: {}", field.name, field.value)).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
        }
    }
}

macro_rules! value_from {
    ($($from:ty => $variant:ident as $to:ty),* $(,)?) => {
        $(impl From<$from> for Value<'_> {
            fn from(value: $from) -> Self {
                Value::$variant(<$to>::from(value))
            }
        })*
    };
}

value_from! {
    bool => Bool as bool,
    i8 => I64 as i64, i16 => I64 as i64, i32 => I64 as i64, i64 => I64 as i64, i128 => I128 as i128,
    u8 => U64 as u64, u16 => U64 as u64, u32 => U64 as u64, u64 => U64 as u64, u128 => U128 as u128,
    f32 => F64 as f64, f64 => F64 as f64,
    String => Text as Cow<'static, str>,
}

impl From<usize> for Value<'_> {
    fn from(value: usize) -> Self {
        Value::U64(value as u64)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Value::Text(Cow::Borrowed(value))
    }
}

// === helpers: writing ===

impl fmt::Write for TextWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.full_len += text.len() as u64;
        let kept = if text.len() <= self.room { text.len() } else { floor_char_boundary(text, self.room) };
        self.bytes.extend_from_slice(&text.as_bytes()[..kept]);
        // Once something was cut nothing may follow, or the text would have a hole.
        self.room = if kept < text.len() { 0 } else { self.room - kept };
        Ok(())
    }
}

/// Appends a text of at most [`MAX_TEXT_BYTES`] with its length; the caller has cut it.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a formatted text with its length; gives the full length when it was cut.
pub(crate) fn put_formatted(out: &mut Vec<u8>, text: fmt::Arguments<'_>) -> Option<u64> {
    let len_at = out.len();
    out.extend_from_slice(&[0, 0]);
    let mut writer = TextWriter { bytes: out, room: MAX_TEXT_BYTES, full_len: 0 };
    // A `Debug` that reports failure keeps what it wrote: a record is never lost for it.
    let _ = fmt::write(&mut writer, text);
    let full_len = writer.full_len;
    let cut = full_len > (out.len() - len_at - 2) as u64;
    if cut {
        let text = std::str::from_utf8(&out[len_at + 2..]).unwrap_or_default();
        out.truncate(len_at + 2 + floor_char_boundary(text, CUT_TEXT_BYTES.min(text.len())));
    }
    put_len(out, len_at);
    cut.then_some(full_len)
}

/// Fills in the length of the text that stands behind `len_at` and ends with the bytes.
fn put_len(out: &mut [u8], len_at: usize) {
    let len = out.len() - len_at - 2;
    out[len_at..len_at + 2].copy_from_slice(&(len as u16).to_le_bytes());
}

/// Appends an error and its causes, each as the text of its own level.
pub(crate) fn put_chain(out: &mut Vec<u8>, error: &(dyn std::error::Error + 'static)) {
    let links = std::iter::successors(Some(error), |error| error.source());
    put_links(out, links.take(MAX_CHAIN));
}

/// Appends the links of a chain, each cut to [`MAX_TEXT_BYTES`] with the mark that says so.
pub(crate) fn put_links(out: &mut Vec<u8>, links: impl Iterator<Item = impl fmt::Display>) {
    let count_at = out.len();
    out.push(0);
    for link in links.take(MAX_CHAIN) {
        out[count_at] += 1;
        let len_at = out.len();
        if let Some(full_len) = put_formatted(out, format_args!("{link}")) {
            out.extend_from_slice(cut_mark(full_len).as_bytes());
            put_len(out, len_at);
        }
    }
}

/// Room that a value takes at most, with what is cut off it left out.
fn room_of(value: &Value<'_>) -> usize {
    let inner = match value {
        Value::Text(text) => text.len().min(MAX_TEXT_BYTES),
        Value::Bytes(bytes) => bytes.len().min(MAX_TEXT_BYTES),
        Value::Error(chain) => chain.iter().map(|link| link.len().min(MAX_TEXT_BYTES) + FIELD_OVERHEAD).sum(),
        Value::List(values) => values.iter().map(room_of).sum(),
        Value::Map(fields) => {
            fields.iter().map(|field| field.name.len().min(MAX_TEXT_BYTES) + room_of(&field.value)).sum()
        }
        _ => 0,
    };
    inner + FIELD_OVERHEAD
}

fn char_boundary(text: &str) -> usize {
    if text.len() <= MAX_TEXT_BYTES { text.len() } else { floor_char_boundary(text, CUT_TEXT_BYTES) }
}

pub(crate) fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

// === helpers: reading ===

fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[inline]
fn read_field<'a>(cursor: &mut Cursor<'a>, names: &[&'a str]) -> Option<Field<'a>> {
    let name = text_of(read_name(cursor)?, names)?;
    Some(Field { name: Cow::Borrowed(name), value: read_value(cursor, 0)? })
}

#[inline]
fn text_of<'a>(name: Name<'a>, names: &[&'a str]) -> Option<&'a str> {
    match name {
        Name::Index(index) => names.get(index).copied(),
        Name::Text(name) => Some(name),
    }
}

#[inline]
fn read_name<'a>(cursor: &mut Cursor<'a>) -> Option<Name<'a>> {
    if cursor.is_empty() {
        return None;
    }
    Some(match cursor.varint()? {
        1 => Name::Text(cursor.text()?),
        index => Name::Index((index >> 1) as usize),
    })
}

/// Calls `each` for every field of a body, named as it is there.
pub(crate) fn read_named<'a>(body: &'a [u8], mut each: impl FnMut(Name<'a>, Value<'a>)) {
    let mut cursor = Cursor::new(body);
    while let Some(name) = read_name(&mut cursor)
        && let Some(value) = read_value(&mut cursor, 0)
    {
        each(name, value);
    }
}

/// All fields of a body.
pub(crate) fn read_fields<'a>(body: &'a [u8], names: &[&'a str]) -> Vec<Field<'a>> {
    let mut cursor = Cursor::new(body);
    std::iter::from_fn(|| read_field(&mut cursor, names)).collect()
}

#[inline]
fn read_value<'a>(cursor: &mut Cursor<'a>, depth: usize) -> Option<Value<'a>> {
    Some(match cursor.u8()? {
        TAG_FALSE => Value::Bool(false),
        TAG_TRUE => Value::Bool(true),
        TAG_I64 => Value::I64(unzigzag(cursor.varint()?)),
        TAG_U64 => Value::U64(cursor.varint()?),
        TAG_F64 => Value::F64(f64::from_bits(cursor.u64()?)),
        TAG_I128 => Value::I128(i128::from_le_bytes(cursor.array()?)),
        TAG_U128 => Value::U128(u128::from_le_bytes(cursor.array()?)),
        TAG_TEXT => Value::Text(Cow::Borrowed(cursor.text()?)),
        TAG_BYTES => Value::Bytes(Cow::Borrowed(cursor.slice()?)),
        TAG_ERROR => Value::Error(read_links(cursor)?),
        TAG_LIST if depth < MAX_NESTING => {
            let count = cursor.varint()?;
            Value::List((0..count).map(|_| read_value(cursor, depth + 1)).collect::<Option<_>>()?)
        }
        TAG_MAP if depth < MAX_NESTING => {
            let count = cursor.varint()?;
            Value::Map((0..count).map(|_| read_inner_field(cursor, depth + 1)).collect::<Option<_>>()?)
        }
        tag if tag == TAG_TEXT | CUT => Value::Text(cut_text(cursor.text()?, cursor.varint()?)),
        tag if tag == TAG_BYTES | CUT => {
            let kept = Value::Bytes(Cow::Borrowed(cursor.slice()?)).to_string();
            Value::Text(Cow::Owned(cut_text(&kept, cursor.varint()?).into_owned()))
        }
        _ => return None,
    })
}

fn read_inner_field<'a>(cursor: &mut Cursor<'a>, depth: usize) -> Option<Field<'a>> {
    Some(Field { name: Cow::Borrowed(cursor.text()?), value: read_value(cursor, depth)? })
}

/// Passes over a value.
fn skip_value(cursor: &mut Cursor<'_>, depth: usize) -> Option<()> {
    match cursor.u8()? {
        TAG_FALSE | TAG_TRUE => {}
        TAG_I64 | TAG_U64 => drop(cursor.varint()?),
        TAG_F64 => drop(cursor.take(8)?),
        TAG_I128 | TAG_U128 => drop(cursor.take(16)?),
        TAG_TEXT | TAG_BYTES => drop(cursor.slice()?),
        TAG_ERROR => (0..cursor.u8()?).try_for_each(|_| cursor.slice().map(drop))?,
        TAG_LIST if depth < MAX_NESTING => (0..cursor.varint()?).try_for_each(|_| skip_value(cursor, depth + 1))?,
        TAG_MAP if depth < MAX_NESTING => {
            (0..cursor.varint()?).try_for_each(|_| cursor.slice().and_then(|_| skip_value(cursor, depth + 1)))?;
        }
        tag if tag == TAG_TEXT | CUT || tag == TAG_BYTES | CUT => drop((cursor.slice()?, cursor.varint()?)),
        _ => return None,
    }
    Some(())
}

/// The links of an error chain.
pub(crate) fn read_links<'a>(cursor: &mut Cursor<'a>) -> Option<Vec<Cow<'a, str>>> {
    let count = cursor.u8()?;
    (0..count).map(|_| cursor.text().map(Cow::Borrowed)).collect()
}

/// A text that was cut, with a mark that says so.
pub(crate) fn cut_text(text: &str, full_len: u64) -> Cow<'_, str> {
    Cow::Owned(format!("{text}{}", cut_mark(full_len)))
}

fn cut_mark(full_len: u64) -> String {
    format!("… [truncated, {full_len} bytes]")
}
