//! What may be written in an hour, and which levels what is left of it is for.

use std::num::NonZeroU64;

use spanlake_core::LevelFilter;

const HOUR_S: i64 = 3_600;

/// Up to which part of the allowance, in hundredths, what is as severe as this passes.
const PARTS: [(u128, LevelFilter); 5] = [
    (50, LevelFilter::TRACE),
    (70, LevelFilter::DEBUG),
    (85, LevelFilter::INFO),
    (95, LevelFilter::WARN),
    (100, LevelFilter::ERROR),
];

/// The account of an hour of the clock.
#[derive(Debug)]
pub(super) struct Hour {
    /// Bytes an hour; `None` for as many as one likes.
    allowed: Option<NonZeroU64>,
    /// Which hour since the Unix epoch.
    number: i64,
    spent: u64,
}

impl Hour {
    pub(super) fn new(allowed: Option<NonZeroU64>) -> Self {
        Self { allowed, number: i64::MIN, spent: 0 }
    }

    pub(super) fn spend(&mut self, now_s: i64, bytes: u64) {
        self.turn(now_s);
        self.spent = self.spent.saturating_add(bytes);
    }

    /// The least severe level that still passes.
    pub(super) fn level(&mut self, now_s: i64) -> LevelFilter {
        self.turn(now_s);
        let Some(allowed) = self.allowed else {
            return LevelFilter::TRACE;
        };
        let spent = u128::from(self.spent) * 100;
        let part = PARTS.into_iter().find(|(part, _)| spent < u128::from(allowed.get()) * part);
        part.map_or(LevelFilter::OFF, |(_, level)| level)
    }

    /// Begins a new account with a new hour. A clock that is set back by a little begins none, one that is set back by
    /// hours does.
    fn turn(&mut self, now_s: i64) {
        let number = now_s.div_euclid(HOUR_S);
        if number > self.number || number < self.number - 1 {
            (self.number, self.spent) = (number, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(allowed: u64) -> Hour {
        Hour::new(NonZeroU64::new(allowed))
    }

    #[test]
    fn the_less_is_left_the_more_severe_a_record_has_to_be() {
        let mut hour = hour(1_000);
        let mut levels = vec![hour.level(0)];
        for bytes in [499, 1, 200, 150, 100, 49, 1, 5_000] {
            hour.spend(0, bytes);
            levels.push(hour.level(0));
        }
        use LevelFilter as Level;
        let expected = [
            Level::TRACE,
            Level::TRACE,
            Level::DEBUG,
            Level::INFO,
            Level::WARN,
            Level::ERROR,
            Level::ERROR,
            Level::OFF,
            Level::OFF,
        ];
        assert_eq!(levels, expected);
    }

    #[test]
    fn every_hour_of_the_clock_begins_anew() {
        let mut hour = hour(100);
        hour.spend(3_599, 100);
        assert_eq!(hour.level(3_599), LevelFilter::OFF);
        assert_eq!(hour.level(3_600), LevelFilter::TRACE);
        hour.spend(3_600, 100);
        assert_eq!(hour.level(3_599), LevelFilter::OFF, "a second back is no new hour");
        assert_eq!(hour.level(-10_000), LevelFilter::TRACE, "hours back are");
    }

    #[test]
    fn without_a_limit_everything_passes() {
        let mut hour = Hour::new(None);
        hour.spend(0, u64::MAX);
        hour.spend(0, u64::MAX);
        assert_eq!(hour.level(0), LevelFilter::TRACE);
    }
}
