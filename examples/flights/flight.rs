//! One flight in typed form, why a row cannot become one, and what is odd about one that can.

use std::fmt;
use std::str::FromStr;

use crate::bronze::Row;

const MINUTES_PER_DAY: i32 = 24 * 60;
const LONG_DELAY_MIN: i32 = 6 * 60;

pub(crate) struct Flight {
    pub(crate) carrier: String,
    pub(crate) number: u16,
    pub(crate) tail_number: Option<String>,
    pub(crate) origin: String,
    pub(crate) destination: String,
    pub(crate) scheduled: Clock,
    pub(crate) departure: Option<Clock>,
    pub(crate) arrival: Option<Clock>,
    pub(crate) course: Course,
}

/// How the flight went. Delays are in minutes, negative when early.
pub(crate) enum Course {
    Cancelled,
    Diverted { departure_delay_min: i32 },
    Landed { departure_delay_min: i32, arrival_delay_min: i32, air_time_min: u16 },
}

/// A local time of day; the source writes 517 for 05:17 and, now and then, 2400 for midnight.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) hour: u8,
    minute: u8,
}

/// Why a row is left out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("{0} is missing")]
    Missing(&'static str),

    #[error("{column} cannot be {value:?}")]
    Malformed { column: &'static str, value: String },

    #[error("delays and air time contradict each other")]
    Contradiction,

    #[error("departure is not schedule plus delay")]
    ClockDisagrees,
}

/// What is odd about a row that is kept all the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Finding {
    Cancelled,
    NoArrival,
    NoAirTime,
    NoTailNumber,
    ClockAt24,
    LongDelay,
}

// === impl Flight ===

impl Flight {
    pub(crate) fn parse(row: Row<'_>) -> Result<Self, Rejection> {
        let flight = Self {
            carrier: text(row, "carrier")?,
            number: required(row, "flight")?,
            tail_number: row.get("tailnum").map(str::to_owned),
            origin: text(row, "origin")?,
            destination: text(row, "dest")?,
            scheduled: required(row, "sched_dep_time")?,
            departure: optional(row, "dep_time")?,
            arrival: optional(row, "arr_time")?,
            course: Course::parse(row)?,
        };
        if flight.clock_agrees() { Ok(flight) } else { Err(Rejection::ClockDisagrees) }
    }

    pub(crate) fn findings(&self) -> impl Iterator<Item = Finding> {
        [
            (Finding::Cancelled, matches!(self.course, Course::Cancelled)),
            (Finding::NoArrival, self.is_diverted() && self.arrival.is_none()),
            (Finding::NoAirTime, self.is_diverted() && self.arrival.is_some()),
            (Finding::NoTailNumber, self.tail_number.is_none()),
            (Finding::ClockAt24, [self.departure, self.arrival].into_iter().flatten().any(Clock::is_24)),
            (Finding::LongDelay, self.course.departure_delay_min().is_some_and(|delay| delay >= LONG_DELAY_MIN)),
        ]
        .into_iter()
        .filter_map(|(finding, applies)| applies.then_some(finding))
    }

    pub(crate) fn is_diverted(&self) -> bool {
        matches!(self.course, Course::Diverted { .. })
    }

    /// The source states the departure twice, as a time of day and as a delay; days may lie between the two.
    fn clock_agrees(&self) -> bool {
        match (self.departure, self.course.departure_delay_min()) {
            (Some(departure), Some(delay)) => {
                (departure.minutes() - self.scheduled.minutes() - delay).rem_euclid(MINUTES_PER_DAY) == 0
            }
            (None, None) => true,
            _ => false,
        }
    }
}

// === impl Course ===

impl Course {
    fn parse(row: Row<'_>) -> Result<Self, Rejection> {
        match (optional(row, "dep_delay")?, optional(row, "arr_delay")?, optional(row, "air_time")?) {
            (None, None, None) => Ok(Self::Cancelled),
            (Some(departure_delay_min), None, None) => Ok(Self::Diverted { departure_delay_min }),
            (Some(departure_delay_min), Some(arrival_delay_min), Some(air_time_min)) => {
                Ok(Self::Landed { departure_delay_min, arrival_delay_min, air_time_min })
            }
            _ => Err(Rejection::Contradiction),
        }
    }

    pub(crate) fn departure_delay_min(&self) -> Option<i32> {
        match *self {
            Self::Cancelled => None,
            Self::Diverted { departure_delay_min } | Self::Landed { departure_delay_min, .. } => {
                Some(departure_delay_min)
            }
        }
    }

    pub(crate) fn arrival_delay_min(&self) -> Option<i32> {
        match *self {
            Self::Landed { arrival_delay_min, .. } => Some(arrival_delay_min),
            Self::Cancelled | Self::Diverted { .. } => None,
        }
    }

    pub(crate) fn air_time_min(&self) -> Option<u16> {
        match *self {
            Self::Landed { air_time_min, .. } => Some(air_time_min),
            Self::Cancelled | Self::Diverted { .. } => None,
        }
    }
}

// === impl Clock ===

impl Clock {
    fn minutes(self) -> i32 {
        i32::from(self.hour) * 60 + i32::from(self.minute)
    }

    fn is_24(self) -> bool {
        self.hour == 24
    }
}

/// The cell holds no time of day.
pub(crate) struct NoClock;

impl FromStr for Clock {
    type Err = NoClock;

    fn from_str(text: &str) -> Result<Self, NoClock> {
        let digits: u16 = text.parse().map_err(|_| NoClock)?;
        let hour = u8::try_from(digits / 100).map_err(|_| NoClock)?;
        let minute = u8::try_from(digits % 100).map_err(|_| NoClock)?;
        match (hour, minute) {
            (0..=23, 0..=59) | (24, 0) => Ok(Self { hour, minute }),
            _ => Err(NoClock),
        }
    }
}

// === impl Finding ===

impl Finding {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::NoArrival => "no_arrival",
            Self::NoAirTime => "no_air_time",
            Self::NoTailNumber => "no_tail_number",
            Self::ClockAt24 => "clock_at_24",
            Self::LongDelay => "long_delay",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled: the flight never departed",
            Self::NoArrival => "diverted: it departed, no arrival is recorded",
            Self::NoAirTime => "diverted: it arrived by way of another airport, no air time is recorded",
            Self::NoTailNumber => "the tail number is missing",
            Self::ClockAt24 => "the clock reads 24:00",
            Self::LongDelay => "it departed six hours late or more",
        })
    }
}

// === cells ===

fn text(row: Row<'_>, column: &'static str) -> Result<String, Rejection> {
    row.get(column).map(str::to_owned).ok_or(Rejection::Missing(column))
}

fn required<T: FromStr>(row: Row<'_>, column: &'static str) -> Result<T, Rejection> {
    optional(row, column)?.ok_or(Rejection::Missing(column))
}

fn optional<T: FromStr>(row: Row<'_>, column: &'static str) -> Result<Option<T>, Rejection> {
    let malformed = |value: &str| Rejection::Malformed { column, value: value.to_owned() };
    row.get(column).map(|value| value.parse().map_err(|_| malformed(value))).transpose()
}
