//! All that take part, one after another, again and again.

use crate::bare::Bare;
use crate::checksum::Outcome;
use crate::command::Workload;
use crate::core::{Maker, Run};
use crate::floors::{DependentLine, Dispatch, RandomLine, Reading, TableAndLine};
use crate::peers::{Lobster, Matchcore, OrderBookRs};
use crate::whole::Whole;
use hdrhistogram::Histogram;

/// What a participant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A part of the work that nobody can leave out.
    Floor,
    /// Somebody else's core.
    Peer,
    /// Ours.
    Ours,
}

/// Makes a core ready to run a workload.
type Enter = for<'a> fn(&'a Workload) -> Box<dyn Run + 'a>;

/// Who takes part.
pub struct Entrant {
    /// As tables call it.
    pub name: &'static str,
    /// What it is.
    pub role: Role,
    run: Enter,
}

/// What became of an entrant.
#[derive(Clone, Debug)]
pub struct Finish {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub role: Role,
    /// CPU time of a command in each run, ns.
    pub ns: Vec<f64>,
    /// The time of one command in 61, ns.
    pub sampled: Histogram<u64>,
    /// What it came to.
    pub outcome: Outcome,
}

impl Finish {
    /// The middle run, ns a command.
    #[must_use]
    pub fn middle(&self) -> f64 {
        let mut ns = self.ns.clone();
        ns.sort_by(f64::total_cmp);
        ns.get(ns.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

macro_rules! entrant {
    ($name:literal, $role:ident, $core:ident) => {
        Entrant {
            name: $name,
            role: Role::$role,
            run: |workload| Box::new(Maker(workload, $core::new)),
        }
    };
}

/// All of them, floors first.
#[must_use]
pub fn entrants() -> Vec<Entrant> {
    vec![
        entrant!("floor: read", Floor, Reading),
        entrant!("floor: dispatch", Floor, Dispatch),
        entrant!("floor: random line", Floor, RandomLine),
        entrant!("floor: table, line", Floor, TableAndLine),
        entrant!("floor: dependent line", Floor, DependentLine),
        entrant!("orderbook-rs 0.15", Peer, OrderBookRs),
        entrant!("lobster 0.7", Peer, Lobster),
        entrant!("matchcore 0.4", Peer, Matchcore),
        entrant!("sluice, bare book", Ours, Bare),
        entrant!("sluice, whole engine", Ours, Whole),
    ]
}

/// Lets each run the workload so many times, in turn, and once more to sample; `tell` hears who is next.
pub fn race(
    workload: &Workload,
    entrants: &[Entrant],
    runs: usize,
    tell: &mut dyn FnMut(&str),
) -> Vec<Finish> {
    let mut finishes: Vec<Finish> = Vec::new();
    for entrant in entrants {
        tell(entrant.name);
        finishes.push(Finish {
            name: entrant.name,
            role: entrant.role,
            ns: Vec::new(),
            sampled: (entrant.run)(workload).sample(),
            outcome: Outcome::default(),
        });
    }
    for round in 1..=runs {
        tell(&format!("round {round} of {runs}"));
        for (entrant, finish) in entrants.iter().zip(&mut finishes) {
            let times = (entrant.run)(workload).time();
            finish.ns.push(times.ns);
            finish.outcome = times.outcome;
        }
    }
    finishes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, generate};

    #[test]
    fn peers_trade_in_every_market() {
        let workload = generate(Kind::Multi, 5, 20_000);
        let peers: Vec<_> = entrants()
            .into_iter()
            .filter(|entrant| entrant.role == Role::Peer && entrant.name != "orderbook-rs 0.15")
            .collect();
        for finish in race(&workload, &peers, 1, &mut |_| {}) {
            let (found, expected) = (finish.outcome.trades, workload.outcome.trades);
            assert!(
                found > expected / 2,
                "{}: {found} of {expected}",
                finish.name
            );
        }
    }

    #[test]
    fn ours_comes_to_the_oracle_s_outcome() {
        for kind in [Kind::Near, Kind::Multi] {
            let workload = generate(kind, 5, 20_000);
            let ours: Vec<_> = entrants()
                .into_iter()
                .filter(|entrant| entrant.role == Role::Ours)
                .collect();
            for finish in race(&workload, &ours, 1, &mut |_| {}) {
                assert_eq!(finish.outcome, workload.outcome, "{} {kind:?}", finish.name);
            }
        }
    }
}
