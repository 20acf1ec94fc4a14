//! Which boot of the machine this is, and how long ago it was.

use rustix::time::{ClockId, clock_gettime};
use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The kernel's boot id, as two words. Memory that was written in another boot may be torn.
///
/// # Errors
/// If the kernel does not say, or not as a UUID.
pub fn boot_id() -> Result<[u64; 2]> {
    let text = std::fs::read_to_string(BOOT_ID)?;
    parse(text.trim()).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidData,
            format!("{BOOT_ID} holds {text:?}, which is no UUID"),
        )
    })
}

/// Nanoseconds since boot: a clock that nobody sets, that every process of the machine reads alike, without
/// a system call, and that goes on while the machine sleeps.
#[inline]
#[must_use]
pub fn since_boot() -> u64 {
    // The system's clock is not negative; if it were, 0 is before everything.
    let time = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default();
    time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos())
}

fn parse(text: &str) -> Option<[u64; 2]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    let (high, low) = digits.split_at(16);
    Some([
        u64::from_str_radix(high, 16).ok()?,
        u64::from_str_radix(low, 16).ok()?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_two_words() {
        let id = parse("01234567-89ab-cdef-0011-223344556677");
        assert_eq!(id, Some([0x0123_4567_89ab_cdef, 0x0011_2233_4455_6677]));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "01234567-89ab-cdef-0011-22334455667",
            "g1234567-89ab-cdef-0011-223344556677",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_machine_has_one() {
        assert_eq!(
            boot_id().expect("Linux says"),
            boot_id().expect("Linux says")
        );
    }
}
