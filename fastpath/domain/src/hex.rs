//! Bytes as hexadecimal digits, two a byte, the high one first.

/// The bytes that twice as many hexadecimal digits of either case stand for; none if they do not.
#[must_use]
pub fn from_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = digits.as_chunks();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_a_byte() {
        assert_eq!(from_hex(b"00fFa9"), Some([0, 255, 0xa9]));
        assert_eq!(from_hex(b""), Some([]));
        for wrong in ["0", "00", "00ff0", "00ff0g", "00ff00a9", "00ff\u{e9}"] {
            assert_eq!(from_hex::<3>(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
