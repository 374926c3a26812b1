//! How large a request may be, found out before it takes memory.
//!
//! A message of two bytes becomes a struct of two hundred. The parts of a request are counted on its bytes, so that what is
//! decoded is bounded by their number.

use crate::refusal::Refusal;

/// How large a request may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many bytes, after decompression.
    pub bytes: usize,
    /// How many messages within messages: records, attributes, values.
    pub parts: usize,
}

impl Default for Limits {
    /// 4 MiB, and 262,144 parts.
    fn default() -> Self {
        Self { bytes: 4 << 20, parts: 1 << 18 }
    }
}

/// The fields of a message that are messages.
pub(super) struct Shape(&'static [(u64, &'static Shape)]);

/// Deepest nesting; values within values count twice.
const MAX_DEPTH: usize = 48;

pub(super) static LOGS: Shape = Shape(&[(1, &RESOURCE_LOGS)]);
pub(super) static TRACES: Shape = Shape(&[(1, &RESOURCE_SPANS)]);

static RESOURCE_LOGS: Shape = Shape(&[(1, &ATTRIBUTES_1), (2, &SCOPE_LOGS)]);
static SCOPE_LOGS: Shape = Shape(&[(1, &ATTRIBUTES_3), (2, &LOG)]);
static LOG: Shape = Shape(&[(5, &VALUE), (6, &ATTRIBUTE)]);
static RESOURCE_SPANS: Shape = Shape(&[(1, &ATTRIBUTES_1), (2, &SCOPE_SPANS)]);
static SCOPE_SPANS: Shape = Shape(&[(1, &ATTRIBUTES_3), (2, &SPAN)]);
static SPAN: Shape = Shape(&[(9, &ATTRIBUTE), (11, &ATTRIBUTES_3), (13, &LINK), (15, &LEAF)]);
static LINK: Shape = Shape(&[(4, &ATTRIBUTE)]);
/// A resource, which has entity references as well.
static ATTRIBUTES_1: Shape = Shape(&[(1, &ATTRIBUTE), (3, &LEAF)]);
/// A scope, or an event of a span.
static ATTRIBUTES_3: Shape = Shape(&[(3, &ATTRIBUTE)]);
static ATTRIBUTE: Shape = Shape(&[(2, &VALUE)]);
static VALUE: Shape = Shape(&[(5, &ARRAY), (6, &LIST)]);
static ARRAY: Shape = Shape(&[(1, &VALUE)]);
static LIST: Shape = Shape(&[(1, &ATTRIBUTE)]);
static LEAF: Shape = Shape(&[]);

/// Refuses what is too long, has too many parts, or nests too deep.
pub(super) fn check(body: &[u8], shape: &'static Shape, limits: &Limits) -> Result<(), Refusal> {
    if body.len() > limits.bytes {
        return Err(Refusal::TooLong);
    }
    let mut parts = limits.parts;
    count(body, shape, &mut parts, 0)
}

fn count(mut bytes: &[u8], shape: &'static Shape, parts: &mut usize, depth: usize) -> Result<(), Refusal> {
    if depth > MAX_DEPTH {
        return Err(Refusal::TooDeep);
    }
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let len = match key & 7 {
            0 => {
                varint(&mut bytes)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).map_err(|_| Refusal::Malformed)?,
            5 => 4,
            _ => return Err(Refusal::Malformed),
        };
        let (content, rest) = bytes.split_at_checked(len).ok_or(Refusal::Malformed)?;
        bytes = rest;
        if let Some((_, inner)) = shape.0.iter().find(|(field, _)| *field == key >> 3 && key & 7 == 2) {
            *parts = parts.checked_sub(1).ok_or(Refusal::TooMany)?;
            count(content, inner, parts, depth + 1)?;
        }
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Refusal> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Refusal::Malformed)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Refusal::Malformed)
}
