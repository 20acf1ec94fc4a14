//! A line as words and `key=value` options, read from left to right.

use crate::slip;
use std::collections::VecDeque;
use std::fmt;

/// A line of a file that cannot be understood, or that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In the file, from 1.
    pub line: usize,
    /// What was expected, and what there is.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

impl core::error::Error for Fault {}

/// What is left of a line. Options and flags may stand anywhere behind the first word.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    line: usize,
    /// As it was written.
    text: String,
    words: VecDeque<String>,
    options: Vec<(String, String)>,
    /// Options and flags that were asked for: what the line may have.
    asked: Vec<&'static str>,
}

/// A number as it is written: digits, `_` between them, or `2^n`; plus or minus something.
pub(crate) fn number(word: &str) -> Option<i128> {
    if let Some((left, right)) = word.split_once('-').filter(|(left, _)| !left.is_empty()) {
        return number(left)?.checked_sub(number(right)?);
    }
    if let Some((left, right)) = word.split_once('+').filter(|(left, _)| !left.is_empty()) {
        return number(left)?.checked_add(number(right)?);
    }
    if let Some(power) = word.strip_prefix("2^") {
        return 2_i128.checked_pow(power.parse().ok()?);
    }
    let starts = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let digits: String = word.chars().filter(|c| *c != '_').collect();
    starts.then(|| digits.parse().ok()).flatten()
}

/// A word with its number written plainly.
fn plain(word: &str) -> String {
    number(word).map_or_else(|| word.to_owned(), |number| number.to_string())
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Words {
    pub(crate) fn new(line: usize, text: &str) -> Self {
        let mut words = VecDeque::new();
        let mut options = Vec::new();
        for word in text.split_whitespace() {
            let key = |key: &str| key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            match word.split_once('=').filter(|(k, _)| key(k)) {
                Some((key, value)) => options.push((key.to_owned(), plain(value))),
                None => match word.strip_suffix(',') {
                    Some(before) => words.extend([plain(before), ",".to_owned()]),
                    None => words.push_back(plain(word)),
                },
            }
        }
        Self {
            line,
            text: text.to_owned(),
            words,
            options,
            asked: Vec::new(),
        }
    }

    pub(crate) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault {
            line: self.line,
            message: message.into(),
        }
    }

    pub(crate) fn expected(&self, what: &str, found: Option<&str>) -> Fault {
        let found = found.map_or("the line ends".to_owned(), |word| {
            let meant = slip::meant(word, what);
            let meant = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
            format!("found `{word}`{meant}")
        });
        self.fault(format!("expected {what}, {found}"))
    }

    /// The word at this place of what is left.
    pub(crate) fn peek(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(String::as_str)
    }

    pub(crate) fn next(&mut self, what: &str) -> Result<String, Fault> {
        let word = self.words.pop_front();
        word.ok_or_else(|| self.expected(what, None))
    }

    /// Exactly this word.
    pub(crate) fn word(&mut self, word: &str) -> Result<(), Fault> {
        let found = self.words.pop_front();
        if found.as_deref() == Some(word) {
            return Ok(());
        }
        Err(self.expected(&format!("`{word}`"), found.as_deref()))
    }

    fn convert<T: TryFrom<i128>>(&self, what: &str, word: &str) -> Result<T, Fault> {
        let number = number(word).and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| self.expected(what, Some(word)))
    }

    pub(crate) fn number<T: TryFrom<i128>>(&mut self, what: &str) -> Result<T, Fault> {
        let word = self.next(what)?;
        self.convert(what, &word)
    }

    /// The value of an option, if the line has it.
    pub(crate) fn option(&mut self, key: &'static str) -> Option<String> {
        self.asked.push(key);
        let at = self.options.iter().position(|(k, _)| k == key)?;
        Some(self.options.remove(at).1)
    }

    /// The number of an option, if the line has it.
    pub(crate) fn option_number<T: TryFrom<i128>>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, Fault> {
        let value = self.option(key);
        let convert = |value: String| self.convert(&format!("a number for {key}="), &value);
        value.map(convert).transpose()
    }

    pub(crate) fn number_or<T: TryFrom<i128>>(
        &mut self,
        key: &'static str,
        otherwise: T,
    ) -> Result<T, Fault> {
        Ok(self.option_number(key)?.unwrap_or(otherwise))
    }

    /// Whether the line has this word, which then is taken out.
    pub(crate) fn flag(&mut self, flag: &'static str) -> bool {
        self.asked.push(flag);
        let at = self.words.iter().position(|word| word == flag);
        at.is_some_and(|at| self.words.remove(at).is_some())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The line must have nothing more.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        let option = self.options.first().map(|(key, _)| format!("{key}="));
        match self.words.front().cloned().or(option) {
            None => Ok(()),
            Some(left) => {
                let may = if self.asked.is_empty() {
                    "nothing more".to_owned()
                } else {
                    format!("one of {}", self.asked.join(", "))
                };
                Err(self.expected(&may, Some(&left)))
            }
        }
    }

    /// All words and options, as they are compared with what there is.
    pub(crate) fn all(self) -> (Vec<String>, Vec<(String, String)>) {
        (self.words.into(), self.options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_however_they_are_written() {
        let written = [
            ("0", Some(0)),
            ("1_000", Some(1_000)),
            ("2^64-1", Some(u64::MAX.into())),
            ("2^3+1", Some(9)),
            ("-5", Some(-5)),
            ("a1", None),
            ("_1", None),
            ("1.5", None),
            ("20x", None),
            ("2^200", None),
            ("post-only", None),
        ];
        for (word, value) in written {
            assert_eq!(number(word), value, "{word}");
        }
    }

    #[test]
    fn what_is_left_over_is_refused_with_what_may_stand_there() {
        let mut words = Words::new(7, "5 @ 20 iok post-only, limit=3");
        assert_eq!(words.number("a quantity"), Ok(5_u64));
        assert_eq!(words.word("@"), Ok(()));
        assert_eq!(words.number("a price"), Ok(20_i64));
        assert!(words.flag("post-only") && !words.flag("ioc"));
        assert_eq!(words.number_or("limit", 0), Ok(3_u64));
        let fault = words.finish().expect_err("a word is left");
        assert_eq!(
            fault.to_string(),
            "7: expected one of post-only, ioc, limit, found `iok`; did you mean `ioc`?"
        );
    }

    #[test]
    fn a_number_beyond_its_type_is_refused() {
        let mut words = Words::new(1, "2^64 x");
        let fault = words.number::<u64>("lots").expect_err("too large");
        assert_eq!(fault.message, "expected lots, found `18446744073709551616`");
    }
}
