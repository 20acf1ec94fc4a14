//! Which word was meant by somebody who wrote another.

/// The word of a list, `a, b or c` in whatever sentence, that was probably meant: the one in which the fewest letters
/// differ. None if there is no list, or nothing near.
pub(crate) fn meant<'a>(word: &str, list: &'a str) -> Option<&'a str> {
    let (before, end) = list.rsplit_once(", ")?;
    // Before the first word is what the list is of, behind the last what follows it.
    let words = before.split(", ").chain([end]);
    let words = words.filter_map(|part| part.split(' ').next_back());
    let words = words.chain(end.split(' ').next());
    words
        .map(|known| known.trim_matches(|c: char| !c.is_alphanumeric()))
        .map(|known| (distance(word, known), known))
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .min()
        .map(|(_, known)| known)
}

/// How many letters must be changed, added or removed to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let changed = before + usize::from(letter != *other);
            before = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        let list = "one of post-only, ioc, limit in `ORDER`";
        for (word, is) in [
            ("iok", Some("ioc")),
            ("post_only", Some("post-only")),
            ("limt", Some("limit")),
            ("colour", None),
            ("on", None),
        ] {
            assert_eq!(meant(word, list), is, "{word}");
        }
        assert_eq!(meant("quantity", "a quantities"), None, "no list");
        assert_eq!(meant("x", ""), None);
    }
}
