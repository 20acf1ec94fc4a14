//! What the parsers of values say of one of the wrong kind, in words for whoever writes the file.

/// How the parsers end a sentence, and how it ends here.
const ENDINGS: [(&str, &str); 17] = [
    ("expected u8", "expected a whole number from 0 to 255"),
    ("expected u16", "expected a whole number from 0 to 65535"),
    (
        "expected u32",
        "expected a whole number from 0 to 4294967295",
    ),
    ("expected u64", "expected a whole number, 0 or more"),
    ("expected usize", "expected a whole number, 0 or more"),
    ("expected i64", "expected a whole number"),
    ("expected a boolean", "expected true or false"),
    ("expected a string", "expected a text in quotes"),
    ("expected path string", "expected a path in quotes"),
    ("expected a sequence", "expected a list, as in [1, 2]"),
    (
        "expected IPv4 socket address",
        "expected an address with a port in quotes, as in \"127.0.0.1:7400\"",
    ),
    (
        "expected socket address",
        "expected an address with a port in quotes, as in \"127.0.0.1:7400\"",
    ),
    (
        "expected IPv4 address",
        "expected an address in quotes, as in \"127.0.0.1\"",
    ),
    (
        "invalid IPv4 socket address syntax",
        "is no address of IPv4 with a port: write it as in \"127.0.0.1:7400\"",
    ),
    (
        "invalid socket address syntax",
        "is no address with a port: write it as in \"127.0.0.1:7400\" or \"[::1]:7400\"",
    ),
    (
        "invalid IPv4 address syntax",
        "is no address of IPv4: write it as in \"127.0.0.1\"",
    ),
    (
        "invalid IP address syntax",
        "is no address: write it as in \"127.0.0.1\" or \"::1\"",
    ),
];

/// A message of a parser in words for people.
pub(crate) fn plain(message: &str) -> String {
    let message = message.trim_end();
    // Of a Rust type by name.
    if let Some((what, _)) = message.split_once(", expected struct ") {
        return format!("{what}, expected a section with keys of its own");
    }
    let ending = ENDINGS
        .iter()
        .find_map(|(said, meant)| Some((message.strip_suffix(said)?, meant)));
    match ending {
        Some((front, meant)) => format!("{front}{meant}"),
        None => message.to_owned(),
    }
}
