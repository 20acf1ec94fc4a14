//! UTC that never goes back.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::sync::OnceLock;

/// The process's clock: UTC in nanoseconds since 1970, read without a system call.
///
/// The difference between UTC and the time since boot is taken once, at the first reading, between two
/// readings that lie close together, so that the processes of a machine agree on it; from then on only
/// the time since boot is read. Both run at the rate that time synchronisation gives
/// them, so the clock follows slow corrections, but a step of the system's time (by hand, or for a
/// leap second) moves it only when the process is started again; one forward not even then, if the process
/// says what its predecessor had ([`Clock::begin`]). The time since boot goes on while the machine sleeps.
#[derive(Clone, Copy, Debug)]
pub struct Clock;

/// UTC less the time since boot. Wraps, should the machine's UTC be before its boot.
static UTC_AT_BOOT: OnceLock<u64> = OnceLock::new();
/// Readings of which the best is taken.
const TRIES: usize = 16;

impl Clock {
    /// Begins the clock: with the system's time, unless that has stepped forward by more than `limit` ns (0: it may)
    /// since a process of this boot of the machine began with `before`, its [`Clock::utc_at_boot`]; then as that one did.
    /// To be called before the clock is read; later it changes nothing.
    pub fn begin(before: Option<u64>, limit: u64) {
        let _first = UTC_AT_BOOT.set(kept(before, utc_at_boot(), limit));
    }

    /// UTC less the time since boot, by which the clock goes.
    #[must_use]
    #[inline]
    pub fn utc_at_boot() -> u64 {
        *UTC_AT_BOOT.get_or_init(utc_at_boot)
    }

    /// By how many ns the system's time is ahead of the clock now; below 0 behind it.
    #[must_use]
    pub fn system_ahead() -> i64 {
        ahead(utc_at_boot(), Self::utc_at_boot())
    }

    /// UTC in nanoseconds, on every thread at least what any thread has read before.
    #[inline]
    #[must_use]
    pub fn now() -> u64 {
        shm::since_boot().wrapping_add(Self::utc_at_boot())
    }

    /// Nanoseconds since boot, which every process of the machine reads alike.
    #[inline]
    #[must_use]
    pub fn since_boot() -> u64 {
        shm::since_boot()
    }
}

/// UTC at boot to begin with.
fn kept(before: Option<u64>, system: u64, limit: u64) -> u64 {
    match before {
        Some(before) if limit > 0 && ahead(system, before) > limit.cast_signed() => before,
        Some(_) | None => system,
    }
}

/// By how much one time at boot is ahead of another.
fn ahead(system: u64, clock: u64) -> i64 {
    system.wrapping_sub(clock).cast_signed()
}

/// Of several tries: a thread may be taken off its CPU between two readings.
#[cold]
fn utc_at_boot() -> u64 {
    narrowest((0..TRIES).map(|_| {
        let before = shm::since_boot();
        let utc = nanos(clock_gettime(ClockId::Realtime));
        (before, utc, shm::since_boot())
    }))
}

/// UTC less the middle of the readings of the time since boot around it, where these are the closest.
fn narrowest(tries: impl Iterator<Item = (u64, u64, u64)>) -> u64 {
    let best = tries.min_by_key(|(before, _, after)| after - before);
    best.map_or(0, |(before, utc, after)| {
        utc.wrapping_sub(before + (after - before) / 2)
    })
}

/// The system's time is not before 1970; if it were, 0 is before everything.
#[inline]
fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn it_never_goes_back_on_any_thread() {
        let start = Clock::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut last = start;
                    for _ in 0..100_000 {
                        let now = Clock::now();
                        assert!(now >= last, "{now} after {last}");
                        last = now;
                    }
                    assert!(last > start);
                });
            }
        });
    }

    #[test]
    fn a_pause_between_two_readings_does_not_move_it() {
        // UTC is 1,000 ahead; the thread was away before it read UTC, not at all, and after it.
        let tries = [(10, 1_510, 520), (600, 1_604, 608), (700, 1_710, 1_000)];
        assert_eq!(narrowest(tries.into_iter()), 1_000);
        // A machine whose UTC is before its boot.
        assert_eq!(narrowest([(10, 3, 12)].into_iter()), 3_u64.wrapping_sub(11));
    }

    #[test]
    fn a_step_forward_over_the_limit_is_not_followed_and_any_other_is() {
        const LIMIT: u64 = 1_000;
        for (before, system, limit, begins) in [
            (None, 70_000, LIMIT, 70_000),
            (Some(5_000), 6_000, LIMIT, 6_000),
            (Some(5_000), 6_001, LIMIT, 5_000),
            (Some(5_000), 6_001, 0, 6_001),
            // Back: the sequencer's time does not go back, whatever the clock does.
            (Some(5_000), 1, LIMIT, 1),
            // UTC before boot.
            (Some(u64::MAX - 9), 5, LIMIT, 5),
            (Some(u64::MAX - 9), 5_000, LIMIT, u64::MAX - 9),
        ] {
            assert_eq!(
                kept(before, system, limit),
                begins,
                "{before:?} {system} {limit}"
            );
        }
    }

    #[test]
    fn the_system_is_where_the_clock_began() {
        const HOUR: u64 = 3_600_000_000_000;
        assert_eq!((ahead(7, 9), ahead(9, 7)), (-2, 2));
        assert!(Clock::system_ahead().unsigned_abs() < HOUR);
        let begun = Clock::utc_at_boot();
        Clock::begin(Some(begun - 2 * HOUR), HOUR);
        assert_eq!(Clock::utc_at_boot(), begun, "it has been read");
    }

    #[test]
    fn it_shows_utc_nanoseconds() {
        const HOUR: u128 = 3_600_000_000_000;
        let system = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_nanos();
        assert!(u128::from(Clock::now()).abs_diff(system) < HOUR);
    }

    #[test]
    fn seconds_and_nanoseconds_add_up() {
        let time = |tv_sec, tv_nsec| nanos(Timespec { tv_sec, tv_nsec });
        assert_eq!(time(3, 7), 3_000_000_007);
        assert_eq!(time(0, 999_999_999), 999_999_999);
        assert_eq!(time(-1, 5), 5);
    }
}
