//! Time: one monotonic reading per record, turned into UTC against an anchor that is renewed every second.
//!
//! Reading two clocks per record would cost the caller twice. A record reads the monotonic clock only; its wall-clock
//! time is the anchor's plus the time since. Durations come from the monotonic readings and never from wall time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How old an anchor may get, in nanoseconds, before the next reader renews it.
const ANCHOR_AGE_NS: u64 = 1_000_000_000;

/// A monotonic clock; cheap to clone. [`Clock::mock`] gives one that a test moves by hand.
#[derive(Clone, Debug)]
pub struct Clock {
    monotonic: quanta::Clock,
}

/// The hand of a mock clock.
pub type MockClock = std::sync::Arc<quanta::Mock>;

/// A pair of readings, monotonic and UTC, taken together. Each thread keeps its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anchor {
    monotonic_ns: u64,
    utc_ns: i64,
}

impl Clock {
    /// The machine's clock.
    pub fn new() -> Self {
        Self { monotonic: quanta::Clock::new() }
    }

    /// A clock that stands still until its hand moves it. UTC still comes from the machine at each anchor.
    pub fn mock() -> (Self, MockClock) {
        let (monotonic, hand) = quanta::Clock::mock();
        (Self { monotonic }, hand)
    }

    /// Nanoseconds since an arbitrary start, never going back.
    #[inline]
    pub fn monotonic_ns(&self) -> u64 {
        self.monotonic.delta_as_nanos(0, self.monotonic.raw())
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Anchor {
    /// UTC nanoseconds since the Unix epoch at the reading `monotonic_ns`, renewing the anchor when it is old.
    #[inline]
    pub fn utc_ns(&mut self, monotonic_ns: u64) -> i64 {
        let age = monotonic_ns.wrapping_sub(self.monotonic_ns);
        if age > ANCHOR_AGE_NS || self.utc_ns == 0 {
            return self.renew(monotonic_ns);
        }
        self.utc_ns + age as i64
    }

    #[cold]
    fn renew(&mut self, monotonic_ns: u64) -> i64 {
        *self = Self { monotonic_ns, utc_ns: utc_now_ns() };
        self.utc_ns
    }
}

/// The moment `wait` from now; one that is too far away to be told is put 30 years from now.
pub fn deadline(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now + Duration::from_secs(30 * 365 * 86_400))
}

/// UTC nanoseconds since the Unix epoch, from the machine's wall clock.
pub fn utc_now_ns() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
    }
}
