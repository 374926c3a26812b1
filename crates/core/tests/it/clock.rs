//! Monotonic readings and the UTC that is derived from them.

use std::time::Duration;

use spanlake_core::clock::{Anchor, Clock, utc_now_ns};

#[test]
fn mock_clock_moves_only_by_hand() {
    let (clock, hand) = Clock::mock();
    let before = clock.monotonic_ns();
    assert_eq!(clock.monotonic_ns(), before);
    hand.increment(Duration::from_millis(1500));
    assert_eq!(clock.monotonic_ns() - before, 1_500_000_000);
}

#[test]
fn utc_advances_with_the_monotonic_clock_between_two_looks_at_the_wall() {
    let mut anchor = Anchor::default();
    let start = anchor.utc_ns(5_000);
    assert_eq!(anchor.utc_ns(5_001), start + 1);
    assert_eq!(anchor.utc_ns(5_000 + 999_999_999), start + 999_999_999);
}

#[test]
fn utc_is_the_walls_again_after_a_second() {
    let mut anchor = Anchor::default();
    anchor.utc_ns(5_000);
    // The monotonic clock says an hour has passed, the wall says none has: a suspended machine, the other way round.
    let renewed = anchor.utc_ns(5_000 + 3_600_000_000_000);
    assert!((renewed - utc_now_ns()).abs() < 60_000_000_000);
}

#[test]
fn machine_clock_never_goes_back() {
    let clock = Clock::new();
    let readings: Vec<u64> = (0..10_000).map(|_| clock.monotonic_ns()).collect();
    assert!(readings.is_sorted());
}
