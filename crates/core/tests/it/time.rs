//! Moments as UTC text, against dates that are known.

use spanlake_core::render::time::{Civil, Stamp, format_us};

#[test]
fn known_moments_read_as_they_should() {
    let table = [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (-1_000_000, "1969-12-31T23:59:59.000000Z"),
        (1_234_567_890_123_456, "2009-02-13T23:31:30.123456Z"),
        (951_782_399_999_999, "2000-02-28T23:59:59.999999Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
        (951_868_800_000_000, "2000-03-01T00:00:00.000000Z"),
        (1_709_164_800_000_000, "2024-02-29T00:00:00.000000Z"),
        (1_740_787_200_000_000, "2025-03-01T00:00:00.000000Z"),
        (1_767_225_599_999_999, "2025-12-31T23:59:59.999999Z"),
        (1_767_225_600_000_000, "2026-01-01T00:00:00.000000Z"),
        (4_107_542_399_000_000, "2100-02-28T23:59:59.000000Z"),
        (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        (-2_203_891_200_000_000, "1900-03-01T00:00:00.000000Z"),
        (-2_203_891_200_000_001, "1900-02-28T23:59:59.999999Z"),
        (-11_644_473_600_000_000, "1601-01-01T00:00:00.000000Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ];
    for (us, text) in table {
        assert_eq!(format_us(us), text, "{us}");
    }
}

#[test]
fn eight_hundred_years_go_by_day_by_day() {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in = |year, month| match month {
        2 => 28 + u8::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let (mut year, mut month, mut day) = (1570, 1, 1);
    for days in -146_097..146_097 {
        let at = Civil::at(days * 86_400 + 86_399);
        assert_eq!((at.year, at.month, at.day), (year, month, day), "day {days}");
        assert_eq!((at.hour, at.minute, at.second), (23, 59, 59));
        day += 1;
        if day > days_in(year, month) {
            (month, day) = (month + 1, 1);
        }
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
}

#[test]
fn stamp_that_is_used_again_writes_what_a_fresh_one_would() {
    let mut stamp = Stamp::default();
    for us in [0, 999_999, 1_000_000, 1_000_001, -1, 0, 86_399_999_999, 86_400_000_000, 5] {
        let mut out = Vec::new();
        stamp.put(&mut out, us);
        assert_eq!(String::from_utf8(out).expect("ASCII"), format_us(us));
    }
}

#[test]
fn farthest_moments_do_not_panic() {
    for us in [i64::MIN, i64::MAX] {
        assert!(format_us(us).ends_with('Z'));
    }
}
