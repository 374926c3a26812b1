//! Moments and durations as people type them.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};
use spanlake_core::{Category, Error, Stage};

/// UTC microseconds since the Unix epoch of an RFC 3339 text, of a date or a date and time taken as UTC, or of a
/// duration before now, such as `10m` or `2h 30m`; a day has 24 hours.
///
/// ```
/// use spanlake_query::moment;
///
/// let now_us = moment::parse("2026-11-20T13:00:00Z", 0)?;
/// assert_eq!(moment::parse("2026-11-20T15:00:00+02:00", 0)?, now_us);
/// assert_eq!(moment::parse("10m", now_us)?, moment::parse("2026-11-20 12:50", 0)?);
/// # Ok::<(), spanlake_core::Error>(())
/// ```
pub fn parse(text: &str, now_us: i64) -> Result<i64, Error> {
    let text = text.trim();
    if let Some(us) = parse_stamp(text).or_else(|| parse_civil(text)) {
        return Ok(us);
    }
    let before = parse_duration(text).map_err(|_| invalid("neither a moment nor a duration", text))?;
    let before_us = i64::try_from(before.as_micros()).unwrap_or(i64::MAX);
    Ok(now_us.saturating_sub(before_us))
}

/// A duration such as `500ms`, `10s`, `2h 30m` or `1d`; a day has 24 hours.
pub fn parse_duration(text: &str) -> Result<Duration, Error> {
    let wrong = || invalid("not a duration", text);
    let span: Span = text.trim().parse().map_err(|error: jiff::Error| wrong().caused_by(error))?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|error| wrong().caused_by(error))?;
    Duration::try_from(duration).map_err(|_| wrong())
}

/// An RFC 3339 text.
pub(crate) fn parse_stamp(text: &str) -> Option<i64> {
    text.parse().ok().map(Timestamp::as_microsecond)
}

fn parse_civil(text: &str) -> Option<i64> {
    let civil: DateTime = text.parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn invalid(message: &str, text: &str) -> Error {
    Error::new(Stage::Configuration, "Moment", Category::Validation, message).with("text", text)
}
