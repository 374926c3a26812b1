//! Durations and sizes as people write them.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// The units of durations, and what they are in nanoseconds. The first word of a unit is the one it is written with.
const DURATIONS: [(&[&str], u64); 7] = [
    (&["ns", "nanosecond", "nanoseconds"], 1),
    (&["us", "µs", "microsecond", "microseconds"], 1_000),
    (&["ms", "millisecond", "milliseconds"], 1_000_000),
    (&["s", "sec", "second", "seconds"], 1_000_000_000),
    (&["min", "m", "minute", "minutes"], 60_000_000_000),
    (&["h", "hour", "hours"], 3_600_000_000_000),
    (&["d", "day", "days"], 86_400_000_000_000),
];

/// The units of sizes, and what they are in bytes.
const SIZES: [(&[&str], u64); 9] = [
    (&["B", "byte", "bytes"], 1),
    (&["kB", "KB"], 1_000),
    (&["KiB"], 1 << 10),
    (&["MB"], 1_000_000),
    (&["MiB"], 1 << 20),
    (&["GB"], 1_000_000_000),
    (&["GiB"], 1 << 30),
    (&["TB"], 1_000_000_000_000),
    (&["TiB"], 1 << 40),
];

// === impl Size ===

impl Size {
    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// How many bytes it is.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// The same; a file has none that is zero.
    pub fn non_zero(self) -> NonZeroU64 {
        NonZeroU64::new(self.0).unwrap_or(NonZeroU64::MIN)
    }
}

/// In the largest unit that leaves no rest: `10 MiB`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let unit = binary.into_iter().find(|(bytes, _)| self.0 >= *bytes && self.0.is_multiple_of(*bytes));
        let (bytes, unit) = unit.unwrap_or((1, "B"));
        write!(f, "{} {unit}", self.0 / bytes)
    }
}

// === reading ===

/// `5s`, `1.5 h`, `10 minutes`; nothing for what is none or longer than 584 years.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    scaled(text, &DURATIONS).map(Duration::from_nanos)
}

/// `10 MiB`, `1.5GB`.
pub(crate) fn size(text: &str) -> Option<Size> {
    scaled(text, &SIZES).map(Size)
}

fn scaled(text: &str, units: &[(&[&str], u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let (_, factor) = units.iter().find(|(words, _)| words.contains(&unit))?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.replace('_', "").parse().ok()?;
    whole.checked_mul(*factor)?.checked_add(fraction(part, *factor)?)
}

/// So much of a unit as the digits behind the point say, rounded down.
fn fraction(digits: &str, factor: u64) -> Option<u64> {
    if digits.is_empty() {
        return Some(0);
    }
    let digits = digits.get(..digits.len().min(18))?;
    let parts: u128 = digits.parse().ok()?;
    let whole = 10_u128.pow(u32::try_from(digits.len()).ok()?);
    u64::try_from(parts * u128::from(factor) / whole).ok()
}

/// In the largest unit that leaves no rest: `90 s`, `5 min`.
pub(crate) fn duration_text(duration: Duration) -> String {
    let ns = duration.as_nanos();
    let fits = |(_, factor): &&(&[&str], u64)| ns >= u128::from(*factor) && ns.is_multiple_of(u128::from(*factor));
    let unit = DURATIONS.iter().rev().find(fits).or(DURATIONS.get(3));
    unit.map_or_else(|| format!("{duration:?}"), |(words, factor)| format!("{} {}", ns / u128::from(*factor), words[0]))
}

/// A pattern for the JSON Schema.
pub(crate) fn duration_pattern() -> String {
    pattern(&DURATIONS)
}

/// A pattern for the JSON Schema.
pub(crate) fn size_pattern() -> String {
    pattern(&SIZES)
}

fn pattern(units: &[(&[&str], u64)]) -> String {
    let words: Vec<&str> = units.iter().flat_map(|(words, _)| words.iter().copied()).collect();
    format!("^\\s*[0-9][0-9_]*(\\.[0-9]*)?\\s*({})\\s*$", words.join("|"))
}

/// What was probably meant by a text or number without a unit, or with one that is nearly right.
pub(crate) fn with_unit(text: &str, unit: &str) -> Option<String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_number.then(|| format!("did you mean `{text} {unit}`?"))
}

/// What was probably meant by a text whose unit is nearly right.
pub(crate) fn nearly(text: &str, is_size: bool) -> Option<String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')?;
    let (number, unit) = text.split_at(digits);
    let units: &[(&[&str], u64)] = if is_size { &SIZES } else { &DURATIONS };
    let words: Vec<&str> = units.iter().flat_map(|(words, _)| words.iter().copied()).collect();
    let same = |word: &&&str| word.eq_ignore_ascii_case(unit.trim());
    let word =
        words.iter().find(same).copied().or_else(|| crate::fault::nearest(unit.trim(), words.iter().copied()))?;
    // A unit that is right is not what is wrong: the number is too large, or none.
    (!number.is_empty() && *word != *unit.trim()).then(|| format!("did you mean `{} {word}`?", number.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let table = [
            ("5s", Some(5_000)),
            ("5 seconds", Some(5_000)),
            ("1.5 h", Some(5_400_000)),
            ("0.25 s", Some(250)),
            ("100ms", Some(100)),
            (" 10 minutes ", Some(600_000)),
            ("30 days", Some(2_592_000_000)),
            ("1_000 ms", Some(1_000)),
            ("5", None),
            ("s", None),
            ("5 parsecs", None),
            ("-5 s", None),
            ("1.2.3 s", None),
            ("99999999999 d", None),
            ("é s", None),
        ];
        for (text, ms) in table {
            assert_eq!(duration(text), ms.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn sizes_have_units() {
        let table = [
            ("10 MiB", Some(10 << 20)),
            ("1.5GB", Some(1_500_000_000)),
            ("512 B", Some(512)),
            ("10", None),
            ("1 mb", None),
        ];
        for (text, bytes) in table {
            assert_eq!(size(text), bytes.map(Size), "{text:?}");
        }
        assert_eq!(nearly("1 mb", true).as_deref(), Some("did you mean `1 MB`?"));
        assert_eq!(nearly("99999999999 d", false), None);
    }

    #[test]
    fn what_is_shown_can_be_read() {
        for text in ["100 ms", "90 s", "5 min", "1 d", "0 s"] {
            assert_eq!(duration(text).map(duration_text).as_deref(), Some(text));
        }
        for text in ["10 MiB", "1 GiB", "1500 B"] {
            assert_eq!(size(text).map(|size| size.to_string()).as_deref(), Some(text));
        }
    }
}
