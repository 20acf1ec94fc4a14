//! Times as people read them.

use crate::Nanos;
use core::fmt;

/// A time as ISO 8601, UTC, to the nanosecond, or to as many digits of the second as are asked for: `{:.6}`.
#[derive(Clone, Copy, Debug)]
pub struct Utc(pub Nanos);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.0 / 1_000_000_000, self.0.0 % 1_000_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let digits = f.precision().unwrap_or(9).clamp(1, 9);
        let fraction = (digits..9).fold(nanos, |fraction, _| fraction / 10);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:0digits$}Z"
        )
    }
}

/// Year, month and day of the day that is so many days after 1970-01-01. Years begin in March here,
/// so that the day that some years lack is their last.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let since_march_of_0 = days + 719_468;
    let era = since_march_of_0 / DAYS_OF_400_YEARS;
    let day = since_march_of_0 % DAYS_OF_400_YEARS;
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = 400 * era + year + u64::from(month <= 2);
    (year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000007Z"),
            (951_782_399, "2000-02-28T23:59:59.000000007Z"),
            (951_782_400, "2000-02-29T00:00:00.000000007Z"),
            (951_868_800, "2000-03-01T00:00:00.000000007Z"),
            (1_767_225_599, "2025-12-31T23:59:59.000000007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000007Z"),
        ] {
            assert_eq!(Utc(Nanos(seconds * 1_000_000_000 + 7)).to_string(), text);
        }
        let time = Utc(Nanos(1_234_567));
        assert_eq!(format!("{time:.6}"), "1970-01-01T00:00:00.001234Z");
        assert_eq!(format!("{time:.3}"), "1970-01-01T00:00:00.001Z");
    }
}
