//! Numbers in words for people: durations, counts, times of day.

use spanlake_core::Level;
use spanlake_core::record::level_from_code;
use spanlake_core::render::time::Civil;

/// `12 µs`, `4.5 ms`, `45 ms`, `1.23 s`, `12.4 s`, `2m 05s`, `3h 04m`, `2d 03h`.
pub(crate) fn duration(us: i64) -> String {
    let (us, sign) = (us.unsigned_abs(), if us < 0 { "-" } else { "" });
    let seconds = us / 1_000_000;
    let text = match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000..999_500 => format!("{:.0} ms", us as f64 / 1e3),
        999_500..10_000_000 => format!("{:.2} s", us as f64 / 1e6),
        10_000_000..60_000_000 => format!("{:.1} s", us as f64 / 1e6),
        _ if seconds < 3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ if seconds < 86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    };
    format!("{sign}{text}")
}

/// `1,204`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1,204`, `-1,204`
pub(crate) fn signed(number: i64) -> String {
    format!("{}{}", if number < 0 { "-" } else { "" }, count(number.unsigned_abs()))
}

/// `+200, +40 %`: by how much a number has changed; without percent where it was none.
pub(crate) fn change(before: i64, after: i64, text: impl Fn(i64) -> String) -> String {
    let by = after.saturating_sub(before);
    let sign = if by < 0 { "" } else { "+" };
    match percent(before, after) {
        Some(percent) => format!("{sign}{}, {percent}", text(by)),
        None => format!("{sign}{}", text(by)),
    }
}

/// `+40 %`, `-0.3 %`
pub(crate) fn percent(before: i64, after: i64) -> Option<String> {
    let percent = (after as f64 - before as f64) / before as f64 * 100.0;
    match percent {
        _ if before <= 0 => None,
        -9.95..9.95 => Some(format!("{percent:+.1} %")),
        _ => Some(format!("{percent:+.0} %")),
    }
}

/// `1 task`, `1,204 tasks`
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `0 B`, `120 KiB`, `1.6 MiB`, `12 MiB`
pub(crate) fn bytes(bytes: u64) -> String {
    let in_unit = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_064 => format!("{:.0} KiB", in_unit(1 << 10)),
        1_048_064..10_433_331 => format!("{:.1} MiB", in_unit(1 << 20)),
        10_433_331..1_073_217_536 => format!("{:.0} MiB", in_unit(1 << 20)),
        _ => format!("{:.1} GiB", in_unit(1 << 30)),
    }
}

/// `3 info, 120 debug`: what there is of each level, the most severe first.
pub(crate) fn levels(counts: [u64; 5]) -> Vec<String> {
    let some = counts.into_iter().enumerate().rev().filter(|(_, number)| *number > 0);
    let word = |code: usize| level_from_code(code as u8).as_str().to_lowercase();
    some.map(|(code, number)| format!("{} {}", count(number), word(code))).collect()
}

/// `13:14:10.123`
pub(crate) fn time_of_day(us: i64) -> String {
    let at = Civil::at(us.div_euclid(1_000_000));
    format!("{:02}:{:02}:{:02}.{:03}", at.hour, at.minute, at.second, us.rem_euclid(1_000_000) / 1_000)
}

/// `2026-11-20 13:14:10.123`
pub(crate) fn date_and_time(us: i64) -> String {
    format!("{} {}", date(us), time_of_day(us))
}

/// `2026-11-20`
pub(crate) fn date(us: i64) -> String {
    let at = Civil::at(us.div_euclid(1_000_000));
    format!("{:04}-{:02}-{:02}", at.year, at.month, at.day)
}

/// Whether records of this level explain what went wrong.
pub(crate) fn is_grave(level: Level) -> bool {
    level <= Level::WARN
}

/// The error and its causes, which the lake keeps as `this: cause: cause`.
///
/// A message may itself have a colon, so this cuts only outside brackets and quotes, and where these are not in
/// balance, nowhere.
pub(crate) fn causes(error: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let (mut start, mut depth, mut quote) = (0, 0u32, None);
    for (at, c) in error.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, ':') if depth == 0 && is_joint(error, at) => {
                links.push(&error[start..at]);
                start = at + 2;
            }
            _ => {}
        }
    }
    if depth > 0 || quote.is_some() {
        return vec![error];
    }
    links.push(&error[start..]);
    links
}

/// Whether the colon here is the one between an error and its cause.
fn is_joint(error: &str, at: usize) -> bool {
    error[at..].starts_with(": ") && !error[..at].ends_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits() {
        let table = [
            (0, "0 µs"),
            (12, "12 µs"),
            (999, "999 µs"),
            (4_520, "4.5 ms"),
            (45_300, "45 ms"),
            (999_499, "999 ms"),
            (999_500, "1.00 s"),
            (1_234_567, "1.23 s"),
            (12_440_000, "12.4 s"),
            (125_000_000, "2m 05s"),
            (11_070_000_000, "3h 04m"),
            (183_600_000_000, "2d 03h"),
            (-1_500_000, "-1.50 s"),
        ];
        for (us, expected) in table {
            assert_eq!(duration(us), expected);
        }
        assert!(duration(i64::MIN).ends_with('h'));
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((counted(1, "task"), counted(2, "task")), ("1 task".to_owned(), "2 tasks".to_owned()));
        assert_eq!(levels([4, 120, 0, 0, 1]), ["1 error", "120 debug", "4 trace"]);
    }

    #[test]
    fn changes_are_told_with_sign_and_percent() {
        let table = [
            (500, 700, "+200, +40 %"),
            (1_204_000, 1_200_000, "-4,000, -0.3 %"),
            (0, 5, "+5"),
            (10, 10, "+0, +0.0 %"),
            (-5, 5, "+10"),
            (i64::MIN, i64::MAX, "+9,223,372,036,854,775,807"),
        ];
        for (before, after, expected) in table {
            assert_eq!(change(before, after, signed), expected);
        }
    }

    #[test]
    fn bytes_have_units() {
        let table = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1 KiB"),
            (278_528, "272 KiB"),
            (1_048_063, "1023 KiB"),
            (1_048_064, "1.0 MiB"),
            (10_433_330, "9.9 MiB"),
            (10_433_331, "10 MiB"),
            (64 << 20, "64 MiB"),
            (1_073_217_536, "1.0 GiB"),
            (3 << 30, "3.0 GiB"),
        ];
        for (number, expected) in table {
            assert_eq!(bytes(number), expected);
        }
    }

    #[test]
    fn causes_are_cut_outside_brackets_and_quotes() {
        let table: [(&str, &[&str]); 6] = [
            ("it broke", &["it broke"]),
            ("load: open: no such file", &["load", "open", "no such file"]),
            ("open (path: a.csv): not found", &["open (path: a.csv)", "not found"]),
            ("parse `a: b`: bad", &["parse `a: b`", "bad"]),
            ("a :: b, 12:30", &["a :: b, 12:30"]),
            ("left (open: x", &["left (open: x"]),
        ];
        for (error, expected) in table {
            assert_eq!(causes(error), expected);
        }
    }

    #[test]
    fn times_before_the_epoch_are_times() {
        assert_eq!((date(-1), time_of_day(-1)), ("1969-12-31".to_owned(), "23:59:59.999".to_owned()));
    }
}
