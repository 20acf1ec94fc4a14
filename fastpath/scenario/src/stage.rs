//! A scenario on its stage: what is given and done goes to both engines, what is said is compared.

use crate::{
    Outputs, Rules, Twins,
    command::{self, Action, GENESIS},
    event::{self, Class, Described},
    file::{self, Mode, Part, Scenario, Section},
    form::understand,
    names::Names,
    state,
    words::{Fault, Words},
};
use domain::{Command, Continue, Source};
use std::iter;

/// How a scenario ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// The first line that does not hold; none if all do.
    pub fault: Option<Fault>,
}

/// Runs all scenarios of a file's text, each on twins of its own.
///
/// # Errors
/// The text is no file of scenarios.
pub fn run<A: Rules, B: Rules>(
    text: &str,
    twins: impl Fn() -> Twins<A, B>,
) -> Result<Vec<Outcome>, Fault> {
    let play = |scenario: &Scenario| Outcome {
        name: scenario.name.clone(),
        line: scenario.line,
        fault: Stage::new(twins()).play(scenario).err(),
    };
    Ok(file::parse(text)?.iter().map(play).collect())
}

struct Stage<A, B> {
    twins: Twins<A, B>,
    out: Outputs,
    names: Names,
    /// Whether a genesis has come, or must not come of its own accord.
    begun: bool,
    /// What happened since the last `then`.
    events: Vec<Described>,
}

impl<A: Rules, B: Rules> Stage<A, B> {
    fn new(twins: Twins<A, B>) -> Self {
        Self {
            twins,
            out: Outputs::default(),
            names: Names::default(),
            begun: false,
            events: Vec::new(),
        }
    }

    fn play(&mut self, scenario: &Scenario) -> Result<(), Fault> {
        let mut said = true;
        for section in &scenario.sections {
            match section.part {
                Part::Given => {
                    for (line, text) in &section.lines {
                        self.events.clear();
                        self.act(*line, text)?;
                        self.refuse_refusals(*line)?;
                    }
                    self.events.clear();
                }
                Part::When => {
                    if said {
                        self.events.clear();
                    }
                    for (line, text) in &section.lines {
                        self.act(*line, text)?;
                    }
                }
                Part::Then(mode) => self.compare(mode, section)?,
            }
            said = matches!(section.part, Part::Then(_));
        }
        Ok(())
    }

    fn refuse_refusals(&self, line: usize) -> Result<(), Fault> {
        let refused = self.events.iter().find(|event| event.is_refusal());
        refused.map_or(Ok(()), |event| {
            let message = format!("what is given must not be refused: {event}");
            Err(Fault { line, message })
        })
    }

    fn act(&mut self, line: usize, text: &str) -> Result<(), Fault> {
        let words = Words::new(line, text);
        let is_genesis = words.peek(0) == Some("genesis");
        match command::read(words, &mut self.names, self.twins.clock)? {
            Action::Clock(time) => self.twins.clock = time,
            Action::Uninitialised => self.begun = true,
            Action::Send {
                commands,
                number,
                pausing,
            } => {
                if !self.begun && !is_genesis {
                    let genesis = Command::Genesis(GENESIS);
                    self.send(line, Source::ADMINISTRATION, None, genesis, false)?;
                    self.events.clear();
                }
                self.begun = true;
                for (source, command) in commands {
                    self.send(line, source, number, command, pausing)?;
                }
                let fault = |message| Fault { line, message };
                self.twins.check().map_err(fault)?;
            }
        }
        Ok(())
    }

    /// Sends a command to both, and lets what it leaves pending go on unless the scenario does that.
    fn send(
        &mut self,
        line: usize,
        source: Source,
        number: Option<u64>,
        command: Command,
        pausing: bool,
    ) -> Result<(), Fault> {
        let rules = self.twins.rules();
        let number = number.unwrap_or(rules.last_number(source).saturating_add(1));
        let fault = |message| Fault { line, message };
        if !self.twins.admits(source, number).map_err(fault)? {
            self.events.push(event::not_admitted());
            return Ok(());
        }
        if !rules.fits(&command) {
            return Err(fault(
                "expected `continue` while work is pending, and only then".to_owned(),
            ));
        }
        let applied = self.twins.apply(source, number, command, &mut self.out);
        applied.map_err(fault)?;
        for event in self.out.events() {
            self.names.learn(&command, &event);
            self.events.push(event::describe(&event, &self.names));
        }
        match self.twins.rules().pending_work() {
            Some(order_id) if !pausing => {
                let go_on = Command::Continue(Continue { order_id });
                self.send(line, Source::SEQUENCER, None, go_on, false)
            }
            _ => Ok(()),
        }
    }

    fn compare(&self, mode: Mode, section: &Section) -> Result<(), Fault> {
        let mut expected = Vec::new();
        for (line, text) in &section.lines {
            let words = Words::new(*line, text);
            match self.class(&words)? {
                Some(class) => expected.push((class, words)),
                None => self.compare_line(words)?,
            }
        }
        let heading = section.lines.first().map_or(0, |(line, _)| *line);
        let all: Vec<&Described> = self.events.iter().collect();
        match mode {
            Mode::Including => includes(&expected, &all),
            Mode::Exactly => {
                let lines = expected.iter().map(|(_, line)| line);
                matches_all(heading, lines, &all, &all)
            }
            Mode::Whole => {
                for class in [Class::Answers, Class::Trades, Class::Book, Class::Notices] {
                    let of_class = |said: &&(Class, Words)| said.0 == class;
                    let lines: Vec<&Words> =
                        expected.iter().filter(of_class).map(|(_, l)| l).collect();
                    let happened = all.iter().filter(|event| event.class() == Some(class));
                    if !lines.is_empty() {
                        let happened: Vec<&Described> = happened.copied().collect();
                        let (said, came) = (lines.len(), happened.len());
                        let matched = matches_all(heading, lines.into_iter(), &happened, &all);
                        matched.map_err(|fault| match came > said {
                            true => list_all(fault, class),
                            false => fault,
                        })?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The class of the event that a line tells of, if it does.
    fn class(&self, line: &Words) -> Result<Option<Class>, Fault> {
        let word = |at| line.peek(at).unwrap_or_default();
        let (first, second) = (word(0), word(1));
        let sessions = &self.names.sessions;
        let is_session = sessions.has(first) || first.starts_with('#');
        let named = event::kind_of(if is_session { second } else { first });
        let is_state = ["nothing", "count"].contains(&first) || state::begins(first);
        if named.is_none() && (is_state || second == "has") {
            return Ok(None);
        }
        if is_session && named.is_none() {
            let reports = event::all_reports();
            let what = format!("has, or what a session is told ({reports}), behind `{first}`");
            return Err(line.expected(&what, line.peek(1)));
        }
        let told = named.or_else(|| event::kind_of(second));
        if !is_session && told.is_some_and(event::Kind::is_report) {
            let what = format!("a known session ({})", sessions.all());
            return Err(line.expected(&what, Some(first)));
        }
        let Some(kind) = named else {
            return Ok(None);
        };
        understand(line, iter::once(&kind.form))?;
        Ok(Some(kind.class))
    }

    /// A line about the state, `nothing`, or `count EVENT HOW-OFTEN`.
    fn compare_line(&self, line: Words) -> Result<(), Fault> {
        match line.peek(0) {
            Some("nothing") => {
                let mut rest = line.clone();
                rest.word("nothing")?;
                rest.finish()?;
                if self.events.is_empty() {
                    return Ok(());
                }
                let all: Vec<&Described> = self.events.iter().collect();
                return Err(line.fault(format!("expected `nothing`{}", list(&all))));
            }
            Some("count") => return self.compare_count(line),
            _ => {}
        }
        let is = state::describe(&line, &self.names, self.twins.rules())?;
        if is.is_said_by(&line) {
            return Ok(());
        }
        let what = match is.option_that_differs(&line) {
            Some(key) if is.has_words_of(&line) => format!(": {key} differs"),
            _ => String::new(),
        };
        Err(line.fault(format!("expected `{line}`, but it is `{is}`{what}")))
    }

    fn compare_count(&self, mut line: Words) -> Result<(), Fault> {
        line.word("count")?;
        let name = line.next("an event")?;
        if event::kind_of(&name).is_none() {
            let events = event::all();
            return Err(line.fault(format!("expected one of {events}, found `{name}`")));
        }
        let expected: usize = line.number("how often it happened")?;
        line.finish()?;
        let happened = self.events.iter().filter(|event| event.is_called(&name));
        let happened: Vec<&Described> = happened.collect();
        if happened.len() == expected {
            return Ok(());
        }
        let count = happened.len();
        let shown = if happened.is_empty() {
            self.events.iter().collect()
        } else {
            happened
        };
        Err(line.fault(format!(
            "expected `{line}`, but it is {count}{}",
            list(&shown)
        )))
    }
}

/// What happened, for who expected something else.
fn list(events: &[&Described]) -> String {
    let lines = events.iter().map(|event| format!("\n      {event}"));
    let lines: String = lines.collect();
    if lines.is_empty() {
        "; nothing happened".to_owned()
    } else {
        format!("; what happened:{lines}")
    }
}

/// Adds to a fault what the reader of `then` may not expect: that it lists all events of a class.
fn list_all(mut fault: Fault, class: Class) -> Fault {
    let events = event::all_of(class);
    fault.message.push_str(&format!(
        "\n      `then` lists all events of a class ({events}): list the others as well, or write `then including`"
    ));
    fault
}

/// The fault of a line that meets an event which it does not say. `all` is what it could have met.
fn meets(line: &Words, event: &Described, all: &[&Described]) -> Fault {
    let what = event.difference(line);
    let all = if all.len() > 1 {
        list(all)
    } else {
        String::new()
    };
    line.fault(format!(
        "expected `{line}`, but what came is `{event}`: {what}{all}"
    ))
}

/// Line by line, in order, and nothing else. `all` happened, `happened` of the classes in question.
fn matches_all<'a>(
    heading: usize,
    expected: impl Iterator<Item = &'a Words>,
    happened: &[&Described],
    all: &[&Described],
) -> Result<(), Fault> {
    let mut left = happened.iter();
    for line in expected {
        match left.next() {
            Some(event) if event.is_said_by(line) => {}
            Some(event) => return Err(meets(line, event, happened)),
            None => {
                let shown = if happened.is_empty() { all } else { happened };
                let message = format!("expected `{line}`, but no such event came{}", list(shown));
                return Err(line.fault(message));
            }
        }
    }
    match left.next() {
        None => Ok(()),
        Some(event) => Err(Fault {
            line: heading,
            message: format!("no line is left for `{event}`{}", list(happened)),
        }),
    }
}

/// Line by line, in order, with whatever else in between.
fn includes(expected: &[(Class, Words)], happened: &[&Described]) -> Result<(), Fault> {
    let mut left = happened.iter();
    let mut before = "";
    for (_, line) in expected {
        let rest = left.clone();
        if !left.any(|event| event.is_said_by(line)) {
            let mut near = rest.filter(|event| event.has_words_of(line));
            return Err(near.next().map_or_else(
                || {
                    let happened = list(happened);
                    let message =
                        format!("expected `{line}`, but no such event came{before}{happened}");
                    line.fault(message)
                },
                |event| meets(line, event, happened),
            ));
        }
        before = " behind those of the lines before";
    }
    Ok(())
}
