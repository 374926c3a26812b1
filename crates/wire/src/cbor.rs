//! As much of CBOR (RFC 8949) as records need: all of it is read, within bounds, and values are written in one form.

use std::borrow::Cow;

use spanlake_core::{Field, Value};

use crate::refusal::Refusal;

/// Deepest CBOR that is read, tags counted.
const MAX_DEPTH: usize = 32;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

/// The additional information of a head whose length is not told.
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;

const BIG_POSITIVE: u64 = 2;
const BIG_NEGATIVE: u64 = 3;

// === writing ===

/// Appends a head in its shortest form.
fn put_head(out: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    let bytes = number.to_be_bytes();
    let (info, len) = match number {
        0..24 => return out.push(major | number as u8),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    out.push(major | info);
    out.extend(bytes.into_iter().skip(8 - len));
}

pub(crate) fn put_array(out: &mut Vec<u8>, len: usize) {
    put_head(out, ARRAY, len as u64);
}

pub(crate) fn put_unsigned(out: &mut Vec<u8>, number: u64) {
    put_head(out, UNSIGNED, number);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn put_map(out: &mut Vec<u8>, fields: &[Field<'_>]) {
    put_head(out, MAP, fields.len() as u64);
    for field in fields {
        put_text(out, &field.name);
        put_value(out, &field.value);
    }
}

/// Floats take eight bytes, an error is the text of its chain.
fn put_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Bool(value) => out.push(SIMPLE << 5 | if *value { 21 } else { 20 }),
        Value::I64(number) => put_integer(out, i128::from(*number)),
        Value::U64(number) => put_head(out, UNSIGNED, *number),
        Value::I128(number) => put_integer(out, *number),
        Value::U128(number) => match u64::try_from(*number) {
            Ok(number) => put_head(out, UNSIGNED, number),
            Err(_) => put_big(out, BIG_POSITIVE, *number),
        },
        Value::F64(number) => {
            out.push(SIMPLE << 5 | 27);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Text(text) => put_text(out, text),
        Value::Bytes(bytes) => put_bytes(out, bytes),
        Value::List(values) => {
            put_array(out, values.len());
            values.iter().for_each(|value| put_value(out, value));
        }
        Value::Map(fields) => put_map(out, fields),
        other => put_text(out, &other.to_string()),
    }
}

fn put_integer(out: &mut Vec<u8>, number: i128) {
    // A negative number n is written as -1 - n.
    let (major, tag, magnitude) = match u128::try_from(number) {
        Ok(number) => (UNSIGNED, BIG_POSITIVE, number),
        Err(_) => (NEGATIVE, BIG_NEGATIVE, (!number) as u128),
    };
    match u64::try_from(magnitude) {
        Ok(magnitude) => put_head(out, major, magnitude),
        Err(_) => put_big(out, tag, magnitude),
    }
}

fn put_big(out: &mut Vec<u8>, tag: u64, magnitude: u128) {
    put_head(out, TAG, tag);
    let bytes = magnitude.to_be_bytes();
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    put_bytes(out, bytes.get(start..).unwrap_or_default());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_head(out, BYTES, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

// === reading ===

/// A place in a run of bytes.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// What begins an item.
struct Head {
    major: u8,
    /// `None` for an indefinite length, or a break.
    number: Option<u64>,
    /// How many bytes the number took: for floats, which they are.
    info: u8,
}

/// What stands at a place: a value, nothing that a record has a form for, or the end of an indefinite length.
enum Item {
    Value(Value<'static>),
    Null,
    Break,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value; `None` for `null`, `undefined` and simple values without a meaning.
    pub(crate) fn value(&mut self) -> Result<Option<Value<'static>>, Refusal> {
        match self.item(0)? {
            Item::Value(value) => Ok(Some(value)),
            Item::Null => Ok(None),
            Item::Break => Err(Refusal::Malformed),
        }
    }

    fn item(&mut self, depth: usize) -> Result<Item, Refusal> {
        if depth > MAX_DEPTH {
            return Err(Refusal::TooDeep);
        }
        if self.rest.first() == Some(&BREAK) {
            self.take(1)?;
            return Ok(Item::Break);
        }
        let head = self.head()?;
        let value = match head.major {
            UNSIGNED => unsigned(head.definite()?),
            NEGATIVE => negative(head.definite()?),
            BYTES => Value::Bytes(Cow::Owned(self.chunks(&head)?)),
            TEXT => {
                let text = String::from_utf8(self.chunks(&head)?).map_err(|_| Refusal::Malformed)?;
                Value::Text(Cow::Owned(text))
            }
            ARRAY => Value::List(self.list(head.number, depth)?),
            MAP => Value::Map(self.map(head.number, depth)?),
            TAG => return self.tagged(head.definite()?, depth),
            _ => return simple(&head),
        };
        Ok(Item::Value(value))
    }

    /// A `null` among others keeps its place, as a text.
    fn list(&mut self, len: Option<u64>, depth: usize) -> Result<Vec<Value<'static>>, Refusal> {
        let mut values = Vec::new();
        while len.is_none_or(|len| (values.len() as u64) < len) {
            match self.item(depth + 1)? {
                Item::Value(value) => values.push(value),
                Item::Null => values.push(Value::Text(Cow::Borrowed("null"))),
                Item::Break if len.is_none() => break,
                Item::Break => return Err(Refusal::Malformed),
            }
        }
        Ok(values)
    }

    /// Names that are no texts become texts; what is `null` is left out.
    fn map(&mut self, len: Option<u64>, depth: usize) -> Result<Vec<Field<'static>>, Refusal> {
        let (mut fields, mut count) = (Vec::new(), 0);
        while len.is_none_or(|len| count < len) {
            count += 1;
            let name = match self.item(depth + 1)? {
                Item::Value(Value::Text(name)) => name,
                Item::Value(other) => Cow::Owned(other.to_string()),
                Item::Null => Cow::Borrowed("null"),
                Item::Break if len.is_none() => break,
                Item::Break => return Err(Refusal::Malformed),
            };
            match self.item(depth + 1)? {
                Item::Value(value) => fields.push(Field { name, value }),
                Item::Null => {}
                Item::Break => return Err(Refusal::Malformed),
            }
        }
        Ok(fields)
    }

    /// Big numbers are numbers; of other tags what is tagged is enough.
    fn tagged(&mut self, tag: u64, depth: usize) -> Result<Item, Refusal> {
        let item = self.item(depth + 1)?;
        let big = match (tag, &item) {
            (BIG_POSITIVE, Item::Value(Value::Bytes(bytes))) => magnitude(bytes).map(positive),
            (BIG_NEGATIVE, Item::Value(Value::Bytes(bytes))) => {
                magnitude(bytes).and_then(|number| i128::try_from(number).ok()).map(|number| Value::I128(!number))
            }
            (_, Item::Break) => return Err(Refusal::Malformed),
            _ => None,
        };
        Ok(big.map_or(item, Item::Value))
    }

    /// The bytes of a text or byte string, which may come in pieces.
    fn chunks(&mut self, head: &Head) -> Result<Vec<u8>, Refusal> {
        if let Some(len) = head.number {
            return Ok(self.take(usize::try_from(len).map_err(|_| Refusal::Malformed)?)?.to_vec());
        }
        let mut bytes = Vec::new();
        while self.rest.first() != Some(&BREAK) {
            let piece = self.head()?;
            if piece.major != head.major {
                return Err(Refusal::Malformed);
            }
            let len = usize::try_from(piece.definite()?).map_err(|_| Refusal::Malformed)?;
            bytes.extend_from_slice(self.take(len)?);
        }
        self.take(1)?;
        Ok(bytes)
    }

    fn head(&mut self) -> Result<Head, Refusal> {
        let first = self.take(1)?.first().copied().unwrap_or(0);
        let (major, info) = (first >> 5, first & 0x1f);
        let number = match info {
            0..24 => Some(u64::from(info)),
            24..28 => Some(self.take(1 << (info - 24))?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
            INDEFINITE if matches!(major, BYTES | TEXT | ARRAY | MAP) => None,
            _ => return Err(Refusal::Malformed),
        };
        Ok(Head { major, number, info })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Refusal::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl Head {
    fn definite(&self) -> Result<u64, Refusal> {
        self.number.ok_or(Refusal::Malformed)
    }
}

fn simple(head: &Head) -> Result<Item, Refusal> {
    let number = head.definite()?;
    Ok(Item::Value(match head.info {
        20 => Value::Bool(false),
        21 => Value::Bool(true),
        25 => Value::F64(half(number as u16)),
        26 => Value::F64(f64::from(f32::from_bits(number as u32))),
        27 => Value::F64(f64::from_bits(number)),
        _ => return Ok(Item::Null),
    }))
}

fn unsigned(number: u64) -> Value<'static> {
    i64::try_from(number).map_or(Value::U64(number), Value::I64)
}

fn negative(number: u64) -> Value<'static> {
    let number = !i128::from(number);
    i64::try_from(number).map_or(Value::I128(number), Value::I64)
}

fn positive(number: u128) -> Value<'static> {
    u64::try_from(number).map_or(Value::U128(number), unsigned)
}

fn magnitude(bytes: &[u8]) -> Option<u128> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = bytes.get(start..).filter(|bytes| bytes.len() <= 16)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)))
}

/// A float of two bytes: five bits of exponent, ten of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let value = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -value } else { value }
}
