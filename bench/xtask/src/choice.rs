//! Which of a list's things the words of a command mean.

use anyhow::{Result, ensure};

/// The things that one of `words` means, in the list's order; all of them without words. `means` says whether a
/// thing's name is meant by a word.
///
/// # Errors
/// A word that means none of them: a check that nobody runs must not pass.
pub(crate) fn chosen<'a, T>(
    things: &'a [T],
    name: impl Fn(&T) -> &'static str,
    words: &[String],
    means: impl Fn(&str, &str) -> bool,
) -> Result<Vec<&'a T>> {
    for word in words {
        ensure!(
            things.iter().any(|thing| means(word, name(thing))),
            "nothing has the name {word:?}; there are: {}",
            things.iter().map(&name).collect::<Vec<_>>().join(", ")
        );
    }
    let is_meant =
        |thing: &&T| words.is_empty() || words.iter().any(|word| means(word, name(thing)));
    Ok(things.iter().filter(is_meant).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<Vec<&'static str>, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let part = |word: &str, name: &str| name.contains(word);
        let things = ["demo", "epochs", "demo in chaos"];
        match chosen(&things, |thing| thing, &words, part) {
            Ok(chosen) => Ok(chosen.into_iter().copied().collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn words_choose_and_none_choose_all() {
        assert_eq!(of(&[]).unwrap(), ["demo", "epochs", "demo in chaos"]);
        assert_eq!(of(&["demo"]).unwrap(), ["demo", "demo in chaos"]);
        assert_eq!(
            of(&["chaos", "epochs"]).unwrap(),
            ["epochs", "demo in chaos"]
        );
    }

    #[test]
    fn a_word_that_means_nothing_is_refused_with_the_list() {
        for words in [&["dmeo"][..], &["epochs", "dmeo"]] {
            let refusal = of(words).unwrap_err();
            assert_eq!(
                refusal,
                "nothing has the name \"dmeo\"; there are: demo, epochs, demo in chaos"
            );
        }
    }
}
