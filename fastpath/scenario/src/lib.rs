//! The rules of docs/ENGINE.md as plain-text scenarios, run on both engines at once.
//!
//! The language is docs/SCENARIOS.md. A file is read into scenarios (`file`), each line is a list of
//! words (`words`); what is given or done becomes commands (`command`), what follows is compared with
//! the events (`event`) or with the state (`state`), if it has one of their forms (`form`); values are spelt in one place (`spelling`). A new command, an
//! attribute of an order or an event is one arm in one of these. [`Twins`] puts two engines behind one small sequencer and
//! compares them after every command; the exhaustive tests use it as well.
//!
//! Architecture invariant: this crate knows the rules only through [`Rules`]; nothing but tests and
//! tools depends on it.
#![forbid(unsafe_code)]

mod command;
mod event;
mod file;
mod form;
mod names;
mod rules;
mod slip;
mod spelling;
mod stage;
mod state;
mod twins;
mod words;

pub use rules::Rules;
pub use stage::{Outcome, run};
pub use twins::{Difference, Outputs, Twins};
pub use words::Fault;

/// The fast engine and its naive twin, before their first command.
#[must_use]
pub fn engines() -> Twins<engine::Engine, sim::NaiveEngine> {
    Twins::new(engine::Engine::new(), sim::NaiveEngine::new())
}

/// What the name of a file of scenarios ends with.
pub const EXTENSION: &str = "scenario";
