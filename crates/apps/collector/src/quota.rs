//! Quotas: how much one sender may send, so that it does not crowd out the others.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use spanlake_core::sync::{Mutex, lock};

/// Most senders that are told apart. Where there are more, those that have sent nothing for the longest time are forgotten, which
/// gives them their whole quota again.
const MAX_SENDERS: usize = 100_000;

/// How long a sender's quota takes to be whole again.
const WINDOW: Duration = Duration::from_secs(1);

/// How much each sender may send, in bytes before decompression a second.
#[derive(Debug)]
pub(crate) struct Quotas {
    bytes_per_second: Option<NonZeroU64>,
    senders: Mutex<HashMap<String, Bucket>>,
}

/// What a sender has left.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    bytes: f64,
    at: Instant,
}

impl Quotas {
    /// So much for each sender; `None` for no bound.
    pub(crate) fn new(bytes_per_second: Option<NonZeroU64>) -> Self {
        Self { bytes_per_second, senders: Mutex::default() }
    }

    /// Takes these bytes from a sender's quota, or says after which time it may come again. A body that is more than the whole
    /// quota is let through once that is whole, and paid for afterwards.
    pub(crate) fn take(&self, sender: &str, bytes: u64, now: Instant) -> Result<(), Duration> {
        let Some(rate) = self.bytes_per_second else {
            return Ok(());
        };
        let (rate, bytes) = (rate.get() as f64, bytes as f64);
        let whole = rate * WINDOW.as_secs_f64();
        let mut senders = lock(&self.senders);
        if !senders.contains_key(sender) && senders.len() >= MAX_SENDERS {
            forget_oldest(&mut senders);
        }
        let bucket = senders.entry(sender.to_owned()).or_insert(Bucket { bytes: whole, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
        *bucket = Bucket { bytes: (bucket.bytes + gained).min(whole), at: now };
        let needed = bytes.min(whole);
        if bucket.bytes + 1e-6 < needed {
            return Err(Duration::from_secs_f64((needed - bucket.bytes) / rate));
        }
        bucket.bytes -= bytes;
        Ok(())
    }

    /// Gives back what was taken for something that was not taken in for want of room.
    pub(crate) fn give_back(&self, sender: &str, bytes: u64) {
        let whole = self.bytes_per_second.map_or(0.0, |rate| rate.get() as f64 * WINDOW.as_secs_f64());
        if let Some(bucket) = lock(&self.senders).get_mut(sender) {
            bucket.bytes = (bucket.bytes + bytes as f64).min(whole);
        }
    }
}

fn forget_oldest(senders: &mut HashMap<String, Bucket>) {
    let mut times: Vec<Instant> = senders.values().map(|bucket| bucket.at).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    senders.retain(|_, bucket| bucket.at > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_gets_its_rate_and_no_other_notices() {
        let quotas = Quotas::new(NonZeroU64::new(1000));
        let start = Instant::now();
        let mut accepted = 0;
        for step in 0..1000 {
            let now = start + Duration::from_millis(10 * step);
            accepted += u64::from(quotas.take("greedy", 100, now).is_ok()) * 100;
            if step % 100 == 0 {
                assert_eq!(quotas.take("honest", 900, now), Ok(()));
            }
        }
        assert!((10_000..=11_000).contains(&accepted), "{accepted} bytes in 10 s at 1000 a second");
    }

    #[test]
    fn a_body_larger_than_the_quota_is_let_through_and_paid_for() {
        let quotas = Quotas::new(NonZeroU64::new(1000));
        let start = Instant::now();
        assert_eq!(quotas.take("a", 5000, start), Ok(()));
        let pause = quotas.take("a", 5000, start + Duration::from_secs(1)).expect_err("it owes 4 s");
        assert!((3.9..=4.1).contains(&pause.as_secs_f64()), "{pause:?}");
        assert_eq!(quotas.take("a", 5000, start + Duration::from_secs(6)), Ok(()));
    }

    #[test]
    fn what_found_no_room_costs_nothing() {
        let quotas = Quotas::new(NonZeroU64::new(1000));
        let start = Instant::now();
        assert_eq!(quotas.take("a", 5000, start), Ok(()));
        quotas.give_back("a", 5000);
        assert_eq!(quotas.take("a", 1000, start), Ok(()));
        assert!(quotas.take("a", 1000, start).is_err());
        quotas.give_back("b", 5000);
        assert_eq!(quotas.take("b", 5000, start), Ok(()), "who never paid has no more than the whole");
    }

    #[test]
    fn there_is_a_bound_to_how_many_are_told_apart() {
        let quotas = Quotas::new(NonZeroU64::new(1));
        let start = Instant::now();
        for sender in 0..=MAX_SENDERS {
            let _ = quotas.take(&sender.to_string(), 1, start + Duration::from_micros(sender as u64));
        }
        assert!(lock(&quotas.senders).len() <= MAX_SENDERS);
    }
}
