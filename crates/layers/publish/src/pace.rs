//! The pauses between tries.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// First pause after a failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two tries, also where the other side asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The same, once somebody waits for the end.
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// When to try again.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    failures: u32,
    /// When it may be tried again where somebody waits, and when otherwise.
    waits: Option<(Instant, Instant)>,
}

impl Pace {
    /// It went well.
    pub(crate) fn succeed(&mut self) {
        *self = Self::default();
    }

    /// It did not; the other side may have said when it may be tried again.
    pub(crate) fn fail(&mut self, after: Option<Duration>) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let now = Instant::now();
        self.waits = Some(match after {
            // Who asks for none would be asked again and again, at full speed.
            Some(after) => {
                let after = after.clamp(FIRST_PAUSE, LONGEST_PAUSE);
                (now + after, now + after)
            }
            None => {
                let pause = jittered(pause);
                (now + pause.min(LAST_PAUSE), now + pause)
            }
        });
    }

    /// When it may be tried again; `None` for at once. Where somebody waits, soon after the last failure, unless the other side asked
    /// for more.
    pub(crate) fn retry_at(&self, is_urgent: bool) -> Option<Instant> {
        self.waits.map(|(soon, at)| if is_urgent { soon } else { at })
    }
}

/// From half of it to all of it, so that many senders that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(pause) as u32;
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_never_the_same_for_all() {
        let mut pace = Pace::default();
        for most in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            let now = Instant::now();
            pace.fail(None);
            let pause = pace.retry_at(false).expect("a pause") - now;
            let most = Duration::from_millis(most);
            assert!(most / 2 <= pause && pause <= most + Duration::from_millis(50), "{pause:?} of {most:?}");
        }
        let soon = pace.retry_at(true).expect("a pause");
        assert!(soon <= Instant::now() + LAST_PAUSE);
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(pace.retry_at(true), Some(soon), "that time comes, however often it is asked for");
        pace.succeed();
        assert_eq!(pace.retry_at(false), None);
        assert_ne!((0..4).map(|_| jittered(LONGEST_PAUSE)).collect::<Vec<_>>(), vec![jittered(LONGEST_PAUSE); 4]);
    }

    #[test]
    fn what_the_other_side_asks_for_is_done_within_a_bound() {
        let mut pace = Pace::default();
        for (asked, most) in [(0, 100), (1, 1000), (7, 7000), (3600, 30_000)] {
            let now = Instant::now();
            pace.fail(Some(Duration::from_secs(asked)));
            let pause = pace.retry_at(false).expect("a pause") - now;
            let most = Duration::from_millis(most);
            assert!(most <= pause && pause < most + Duration::from_millis(50), "{pause:?} of {most:?}");
            assert_eq!(pace.retry_at(true), pace.retry_at(false), "also where somebody waits");
        }
    }
}
