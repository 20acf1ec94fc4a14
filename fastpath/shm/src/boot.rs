//! Which boot of the machine this is.

use std::io::{Error, ErrorKind, Result};

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
