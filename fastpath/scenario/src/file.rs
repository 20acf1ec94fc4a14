//! A file: what all its scenarios are given, then the scenarios.

use crate::words::Fault;

/// How the events of a step are held against the lines of a `then`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Of each class that has a line, these and no others.
    Whole,
    /// These, in this order, among others.
    Including,
    /// All of all classes, in this order.
    Exactly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Must not be refused; not looked at any further.
    Given,
    /// What the next `then` is about.
    When,
    Then(Mode),
}

/// Lines under one keyword.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) part: Part,
    /// Numbered from 1 in the file.
    pub(crate) lines: Vec<(usize, String)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) sections: Vec<Section>,
}

/// Without what `#` and a space, or `#` at the end, begin.
fn without_comment(line: &str) -> &str {
    let starts = line.match_indices('#').map(|(at, _)| at);
    let mut comments = starts.filter(|at| {
        let before = line[..*at].chars().next_back();
        let after = line[at + 1..].chars().next();
        before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace)
    });
    comments.next().map_or(line, |at| &line[..at])
}

/// The part that a keyword begins, and the rest of its line.
fn begin(text: &str) -> Option<(Part, &str)> {
    let (keyword, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim_start();
    let part = match keyword {
        "given" => Part::Given,
        "when" => Part::When,
        "then" => {
            for (word, mode) in [("including", Mode::Including), ("exactly", Mode::Exactly)] {
                if let Some(rest) = rest.strip_prefix(word) {
                    return Some((Part::Then(mode), rest.trim_start()));
                }
            }
            Part::Then(Mode::Whole)
        }
        _ => return None,
    };
    Some((part, rest))
}

/// The scenarios of a file, each with what stands before the first one.
///
/// # Errors
/// The first line that does not fit, and what was expected there.
pub(crate) fn parse(text: &str) -> Result<Vec<Scenario>, Fault> {
    let mut background: Vec<Section> = Vec::new();
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (number, raw) in (1..).zip(text.lines()) {
        let line = without_comment(raw).trim();
        if line.is_empty() {
            continue;
        }
        let fault = |message: &str| Fault {
            line: number,
            message: message.to_owned(),
        };
        if let Some(name) = line.strip_prefix("scenario") {
            let name = name.trim_start_matches(':').trim();
            if name.is_empty() {
                return Err(fault("expected a name behind `scenario`"));
            }
            scenarios.push(Scenario {
                line: number,
                name: name.to_owned(),
                sections: background.clone(),
            });
            continue;
        }
        let in_background = scenarios.is_empty();
        let sections = scenarios
            .last_mut()
            .map_or(&mut background, |scenario| &mut scenario.sections);
        let (part, rest) = match begin(line) {
            Some((part, rest)) => (Some(part), rest),
            None => (None, line.strip_prefix("and ").unwrap_or(line).trim_start()),
        };
        if in_background && part.is_some_and(|part| part != Part::Given) {
            return Err(fault("expected `given` or the first `scenario`"));
        }
        if let Some(part) = part {
            let lines = Vec::new();
            sections.push(Section { part, lines });
        }
        let section = sections.last_mut();
        let section = section.ok_or_else(|| fault("expected given, when or then first"))?;
        if !rest.is_empty() {
            section.lines.push((number, rest.to_owned()));
        }
    }
    check(&scenarios)?;
    Ok(scenarios)
}

/// A scenario that checks nothing is a mistake.
fn check(scenarios: &[Scenario]) -> Result<(), Fault> {
    if scenarios.is_empty() {
        return Err(Fault {
            line: 1,
            message: "expected at least one `scenario`".to_owned(),
        });
    }
    for scenario in scenarios {
        let checks =
            |section: &Section| matches!(section.part, Part::Then(_)) && !section.lines.is_empty();
        if !scenario.sections.last().is_some_and(checks) {
            return Err(Fault {
                line: scenario.line,
                message: "expected the scenario to end with a `then` that says something"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_have_the_background_and_their_own_lines() {
        let text = "# a file\ngiven a\n  b\n\nscenario: One # first\nwhen c #7\nand d\nthen including e\n  f\nscenario Two\nthen\n  g\n";
        let scenarios = parse(text).expect("it parses");
        let shown: Vec<_> = scenarios
            .iter()
            .map(|scenario| {
                let sections = scenario.sections.iter().map(|s| (s.part, s.lines.clone()));
                (scenario.name.as_str(), sections.collect::<Vec<_>>())
            })
            .collect();
        let line = |number: usize, text: &str| (number, text.to_owned());
        let background = (Part::Given, vec![line(2, "a"), line(3, "b")]);
        assert_eq!(
            shown,
            [
                (
                    "One",
                    vec![
                        background.clone(),
                        (Part::When, vec![line(6, "c #7"), line(7, "d")]),
                        (
                            Part::Then(Mode::Including),
                            vec![line(8, "e"), line(9, "f")]
                        ),
                    ]
                ),
                (
                    "Two",
                    vec![background, (Part::Then(Mode::Whole), vec![line(12, "g")])]
                ),
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line() {
        for (text, expected) in [
            ("", "1: expected at least one `scenario`"),
            (
                "scenario A\nif b\n",
                "2: expected given, when or then first",
            ),
            ("when b\n", "1: expected `given` or the first"),
            ("\nscenario A\ngiven b\n", "2: expected the scenario to end"),
            ("scenario\n", "1: expected a name"),
        ] {
            let fault = parse(text).expect_err(text).to_string();
            assert!(fault.starts_with(expected), "{text:?}: {fault}");
        }
    }
}
