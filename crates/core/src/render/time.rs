//! UTC as text: `2026-11-20T13:14:10.123456Z`.

/// A moment's date and time of day, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year.
    pub year: i64,
    /// Month, from 1.
    pub month: u8,
    /// Day of the month, from 1.
    pub day: u8,
    /// Hour, from 0.
    pub hour: u8,
    /// Minute, from 0.
    pub minute: u8,
    /// Second, from 0.
    pub second: u8,
}

/// Writes moments; the part down to the second is kept from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Stamp {
    second: i64,
    text: Vec<u8>,
}

impl Civil {
    /// The moment `seconds` after the Unix epoch.
    pub fn at(seconds: i64) -> Self {
        let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days are counted from 0000-03-01, so that the leap day is the last of its year; eras are 400 years.
        let days = days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u8,
            day: (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8,
            hour: (time / 3_600) as u8,
            minute: (time / 60 % 60) as u8,
            second: (time % 60) as u8,
        }
    }
}

impl Stamp {
    /// Appends the moment `us` microseconds after the Unix epoch, to the microsecond.
    pub fn put(&mut self, out: &mut Vec<u8>, us: i64) {
        let (second, mut micros) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000));
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = to_second(second).into_bytes();
        }
        let mut fraction = *b".000000Z";
        for digit in fraction[1..7].iter_mut().rev() {
            *digit += (micros % 10) as u8;
            micros /= 10;
        }
        out.extend_from_slice(&self.text);
        out.extend_from_slice(&fraction);
    }
}

/// The moment `us` microseconds after the Unix epoch.
pub fn format_us(us: i64) -> String {
    let mut out = Vec::new();
    Stamp::default().put(&mut out, us);
    String::from_utf8(out).unwrap_or_default()
}

fn to_second(seconds: i64) -> String {
    let at = Civil::at(seconds);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", at.year, at.month, at.day, at.hour, at.minute, at.second)
}
