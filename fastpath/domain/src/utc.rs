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

impl Utc {
    /// Reads RFC 3339: `2026-11-26T12:40:00Z`, with up to nine digits of the second, or with an offset from UTC as in
    /// `2026-11-26T13:40:00.5+01:00`. `None` if it is something else, names a day before 1970, or is more nanoseconds than 64
    /// bits hold. There are no leap seconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't'])?;
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let (clock, ahead) = clock_and_offset(time)?;
        let (clock, nanos) = match clock.split_once('.') {
            Some((clock, fraction)) => (clock, fraction_nanos(fraction)?),
            None => (clock, 0),
        };
        let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
        let is_time = hour < 24 && minute < 60 && second < 60;
        let days = days(year, month, day).filter(|_| is_time)?;
        let local = days * 86_400 + hour * 3600 + minute * 60 + second;
        let seconds = u64::try_from(i64::try_from(local).ok()? - ahead).ok()?;
        let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
        Some(Self(Nanos(nanos)))
    }
}

/// The time of the day without its offset from UTC, and the seconds by which that is ahead.
fn clock_and_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let (clock, offset) = time.split_at(time.rfind(['+', '-'])?);
    let (sign, offset) = offset.split_at(1);
    let [hours, minutes] = numbers(offset, ':', [2, 2])?;
    let seconds = i64::try_from(hours * 3600 + minutes * 60).ok()?;
    let ahead = if sign == "-" { -seconds } else { seconds };
    (hours < 24 && minutes < 60).then_some((clock, ahead))
}

/// Numbers of so many digits each, with a mark between them.
fn numbers<const N: usize>(text: &str, mark: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(mark);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        *number = number_of(parts.next().filter(|part| part.len() == digits)?)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// A number is digits alone: a sign is none.
fn number_of(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn fraction_nanos(digits: &str) -> Option<u64> {
    let missing = 9_usize.checked_sub(digits.len())?;
    let shown = number_of(digits)?;
    Some((0..missing).fold(shown, |nanos, _| nanos * 10))
}

/// How many days after 1970-01-01 a day is; `None` if there is no such day, or it is before.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || year < 1970 {
        return None;
    }
    let (year_from_march, month_from_march) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leaps = year_from_march / 4 - year_from_march / 100 + year_from_march / 400;
    let since_march_of_0 = 365 * year_from_march + leaps + (153 * month_from_march + 2) / 5 + day;
    let days = since_march_of_0.checked_sub(719_469)?;
    // The 31st of a month of 30 days is another day.
    (date(days) == (year, month, day)).then_some(days)
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

    #[test]
    fn what_is_written_is_read() {
        for seconds in (0..18_446_744_073)
            .step_by(86_399 * 31)
            .chain([18_446_744_073])
        {
            let time = Nanos(seconds * 1_000_000_000 + 709_551_615);
            let read = Utc::parse(&Utc(time).to_string());
            assert_eq!(read.map(|utc| utc.0), Some(time));
        }
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        let nanos = |text| Utc::parse(text).map(|utc| utc.0.0);
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:01.5z", 1_500_000_000),
            ("1970-01-01T01:30:00+01:30", 0),
            ("2024-02-29T12:00:00.000000001Z", 1_709_208_000_000_000_001),
        ] {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not_a_time() {
        for text in [
            "",
            "tomorrow",
            "2026-11-26",
            "2026-11-26T12:40:00",
            "2026-11-26 12:40:00Z",
            "2026-11-26T12:40Z",
            "2026-11-26T24:00:00Z",
            "2026-11-26T12:60:00Z",
            "2026-11-26T12:40:60Z",
            "2026-11-31T12:40:00Z",
            "2025-02-29T12:40:00Z",
            "2026-13-01T12:40:00Z",
            "2026-00-01T12:40:00Z",
            "2026-01-00T12:40:00Z",
            "2026-1-01T12:40:00Z",
            "+026-01-01T12:40:00Z",
            "2026-11-26T12:40:00.Z",
            "2026-11-26T12:40:00.0000000001Z",
            "2026-11-26T12:40:00.-1Z",
            "2026-11-26T12:40:00+24:00",
            "2026-11-26T12:40:00+0100",
            "1970-01-01T00:00:00+00:01",
            "1969-12-31T23:00:00-01:00",
            "2554-07-21T23:34:34Z",
            "9999-12-31T23:59:59Z",
            "\u{0660}970-01-01T00:00:00Z",
        ] {
            assert!(Utc::parse(text).is_none(), "{text}");
        }
    }
}
