//! What the lines of a `then` may say: words in their places, and the options beside them.

use crate::{
    spelling::MARKET_STATES,
    words::{Fault, Words, number},
};
use domain::{CommandKind, Reason};

/// One form of a line. Of its words, small letters stand for themselves, capitals for what stands
/// there, and `|` parts what may stand in the same place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) words: &'static str,
    /// What a line may say as well.
    pub(crate) options: &'static [&'static str],
}

/// Where a line leaves a form, and what the form has there.
struct Miss {
    at: usize,
    expected: String,
    found: Option<String>,
}

/// From here on reasons are answers of the port, which engines never give.
const REASONS_OF_THE_PORT: u16 = 300;

/// Kinds of commands have numbers below this.
const COMMANDS_END: u16 = 64;

/// The names that stand for a capital word, if they are a list.
fn names_of(place: &str) -> Vec<String> {
    match place {
        "REASON" => (1..REASONS_OF_THE_PORT)
            .filter_map(|code| Reason::try_from(code).ok())
            .map(|reason| format!("{reason:?}"))
            .collect(),
        "COMMAND" => (1..COMMANDS_END)
            .filter_map(|number| CommandKind::try_from(number).ok())
            .map(|kind| format!("{kind:?}"))
            .collect(),
        "STATE" => MARKET_STATES
            .iter()
            .map(|(word, _)| (*word).to_owned())
            .collect(),
        _ => Vec::new(),
    }
}

fn is_number(place: &str) -> bool {
    ["QTY", "PRICE", "AMOUNT", "NUMBER"].contains(&place)
}

fn may_be(place: &str, word: &str) -> bool {
    place.split('|').any(|place| match place {
        "REASON" | "COMMAND" | "STATE" => names_of(place).iter().any(|name| name == word),
        place if is_number(place) => number(word).is_some(),
        place if is_capital(place) => true,
        itself => itself == word,
    })
}

/// Whether it stands for something else than itself, as `ORDER` does and `CancelOnly` does not.
fn is_capital(place: &str) -> bool {
    place.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// What a place wants, for who wrote something else.
fn hint(place: &str) -> String {
    let one = |place: &str| match place {
        "REASON" | "COMMAND" | "STATE" => format!("{place} ({})", names_of(place).join(", ")),
        place if is_number(place) => format!("a number for {place}"),
        place if is_capital(place) => place.to_owned(),
        itself => format!("`{itself}`"),
    };
    let all: Vec<String> = place.split('|').map(one).collect();
    all.join(" or ")
}

/// How many words `none`, or orders with commas between them, are; or where they end to be that.
fn orders(words: &[String]) -> Result<usize, usize> {
    if words.first().is_some_and(|word| word == "none") {
        return Ok(1);
    }
    let mut at = 0;
    loop {
        for place in ["QTY", "@", "PRICE", "ORDER"] {
            let word = words.get(at).ok_or(at)?;
            if !may_be(place, word) {
                return Err(at);
            }
            at += 1;
        }
        if words.get(at).is_none_or(|word| word != ",") {
            return Ok(at);
        }
        at += 1;
    }
}

impl Form {
    /// What stands in each place.
    pub(crate) fn places(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.words.split(' ')
    }

    /// The first word that stands for itself.
    pub(crate) fn name(&self) -> &'static str {
        let name = self.places().find(|place| !is_capital(place));
        name.expect("a form has a name")
    }

    fn miss(&self, line: &Words) -> Option<Miss> {
        let (words, options) = line.clone().all();
        let miss = |at: usize, expected: &str| {
            let expected = format!("{expected} in `{}`", self.words);
            let found = words.get(at).cloned();
            Some(Miss {
                at,
                expected,
                found,
            })
        };
        let mut at = 0;
        for place in self.places() {
            if place == "ORDERS" {
                match orders(&words[at..]) {
                    Ok(taken) => at += taken,
                    Err(taken) => return miss(at + taken, "`none` or `QTY @ PRICE ORDER, ...`"),
                }
                continue;
            }
            if !words.get(at).is_some_and(|word| may_be(place, word)) {
                return miss(at, &hint(place));
            }
            at += 1;
        }
        if at < words.len() {
            return miss(at, "no more words");
        }
        let known = |key: &String| self.options.contains(&key.as_str());
        let (key, _) = options.iter().find(|(key, _)| !known(key))?;
        let expected = match self.options {
            [] => format!("no options with `{}`", self.words),
            all => format!("options {}= with `{}`", all.join("=, "), self.words),
        };
        Some(Miss {
            at: words.len() + 1,
            expected,
            found: Some(format!("{key}=")),
        })
    }
}

/// A line must be of one of these forms.
///
/// # Errors
/// What those that it follows furthest have where it leaves them.
pub(crate) fn understand<'a>(
    line: &Words,
    forms: impl Iterator<Item = &'a Form>,
) -> Result<(), Fault> {
    let mut furthest: Vec<Miss> = Vec::new();
    for form in forms {
        let Some(miss) = form.miss(line) else {
            return Ok(());
        };
        let before = furthest.first().map_or(0, |miss| miss.at);
        if miss.at > before {
            furthest.clear();
        }
        if miss.at >= before {
            furthest.push(miss);
        }
    }
    let expected: Vec<&str> = furthest.iter().map(|miss| miss.expected.as_str()).collect();
    let found = furthest.first().and_then(|miss| miss.found.as_deref());
    Err(line.expected(&expected.join(", or "), found))
}
