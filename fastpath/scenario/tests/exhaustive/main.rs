//! Every short sequence of commands, on both engines: same events, same hash, same views, and what always holds.
//!
//! What sequences have in common is played once: a state goes on with each letter from a copy of itself, the fast
//! engine's by way of its snapshot. `LONG=1` makes the sequences longer (`cargo xtask test --long`, docs/SCENARIOS.md).

mod alphabet;
mod states;

use alphabet::{FRAME, Letter};
use domain::{Command, CommandKind, Continue, Event, EventKind, Nanos, Reason, Source};
use engine::Engine;
use scenario::{Difference, Outputs, Twins, engines};
use sim::{Mutant, NaiveEngine};
use std::{collections::BTreeSet, num::NonZero, thread, time::Instant};

type Pair = Twins<Engine, NaiveEngine>;

/// From this length on what always holds, and every view, is checked up to the last letter but one; behind the last
/// one events and hashes are compared, which say the same of the state in less time.
const UNCHECKED_END: usize = 4;

/// What a search went through.
#[derive(Default)]
struct Seen {
    /// Sequences, those that others begin with included.
    sequences: u64,
    /// Frames of sweeps that did not fit one.
    continued: u64,
    reasons: BTreeSet<u16>,
    kinds: BTreeSet<u8>,
}

impl Seen {
    fn note(&mut self, (kind, reason): Told) {
        self.kinds.insert(kind);
        self.reasons.insert(reason);
    }

    fn add(&mut self, other: Self) {
        self.sequences += other.sequences;
        self.continued += other.continued;
        self.reasons.extend(other.reasons);
        self.kinds.extend(other.kinds);
    }
}

/// What an event is, and why.
type Told = (u8, u16);

fn told(event: &Event) -> Told {
    let (kind, reason) = match event {
        Event::Rejected(e) => (e.kind, e.reason),
        Event::Canceled(e) => (e.kind, e.reason),
        Event::Outcome(e) => (e.kind, e.reason),
        Event::Accepted(e) => (e.kind, Reason::None),
        Event::Fill(e) => (e.kind, Reason::None),
        Event::Amended(e) => (e.kind, Reason::None),
        Event::NotApplied(e) => (e.kind, Reason::None),
        Event::BookAdd(e) => (e.kind, Reason::None),
        Event::BookReduce(e) => (e.kind, Reason::None),
        Event::BookDelete(e) => (e.kind, Reason::None),
        Event::BookReplace(e) => (e.kind, Reason::None),
        Event::Trade(e) => (e.kind, Reason::None),
        Event::PhaseChanged(e) => (e.kind, Reason::None),
        Event::MarketDefined(e) => (e.kind, Reason::None),
        Event::StateHash(e) => (e.kind, Reason::None),
        Event::SelfTradePrevented(e) => (e.kind, Reason::None),
        Event::MassCanceled(e) => (e.kind, Reason::None),
        Event::MarketStateChanged(e) => (e.kind, Reason::None),
        Event::Uncrossed(e) => (e.kind, Reason::None),
        Event::Triggered(e) => (e.kind, Reason::None),
        Event::ProtectionSet(e) => (e.kind, Reason::None),
        Event::ProtectionReached(e) => (e.kind, Reason::None),
        Event::AttestationNoted(e) => (e.kind, Reason::None),
    };
    (kind as u8, reason.into())
}

/// Walks all sequences over some letters, depth first.
struct Search<'a> {
    letters: &'a [Letter],
    out: Outputs,
    /// The letters played, by their places.
    path: Vec<usize>,
    seen: Seen,
    /// What came of the last letter.
    told: Vec<Told>,
}

impl<'a> Search<'a> {
    fn new(letters: &'a [Letter]) -> Self {
        Self {
            letters,
            out: Outputs::default(),
            path: Vec::new(),
            seen: Seen::default(),
            told: Vec::new(),
        }
    }

    /// Sends what a letter says, and lets a sweep go on to its end.
    fn play(&mut self, pair: &mut Pair, letter: &Letter) -> Result<(), Difference> {
        pair.clock = Nanos(pair.clock.0.saturating_add_signed(letter.wait));
        let number = pair.rules().last_number(letter.source) + 1 + letter.skip;
        self.told.clear();
        if !pair.admits(letter.source, number)? {
            return Ok(());
        }
        self.apply(pair, letter.source, number, letter.command)?;
        while let Some(order_id) = pair.rules().pending_work() {
            let number = pair.rules().last_number(Source::SEQUENCER) + 1;
            let go_on = Command::Continue(Continue { order_id });
            self.seen.continued += 1;
            self.apply(pair, Source::SEQUENCER, number, go_on)?;
        }
        Ok(())
    }

    fn apply(
        &mut self,
        pair: &mut Pair,
        source: Source,
        number: u64,
        command: Command,
    ) -> Result<(), Difference> {
        pair.apply(source, number, command, &mut self.out)?;
        for event in self.out.events() {
            let told = told(&event);
            self.seen.note(told);
            self.told.push(told);
        }
        Ok(())
    }

    /// Whether nothing came of the last letter but a refusal.
    fn is_refused(&self) -> bool {
        let [(kind, reason)] = self.told[..] else {
            return self.told.is_empty();
        };
        let says_no = kind == EventKind::Outcome as u8 && reason != u16::from(Reason::None);
        says_no || kind == EventKind::Rejected as u8
    }

    /// One letter, and everything that may follow it.
    fn go(
        &mut self,
        before: &Pair,
        saved: &[u8],
        place: usize,
        length: u32,
    ) -> Result<(), Difference> {
        self.path.push(place);
        let mut pair = before.restored(saved)?;
        self.play(&mut pair, &self.letters[place])?;
        if length > 1 || self.path.len() < UNCHECKED_END {
            pair.check()?;
        }
        self.seen.sequences += 1;
        if length > 1 {
            let saved = pair.saved();
            for next in 0..self.letters.len() {
                self.go(&pair, &saved, next, length - 1)?;
            }
        }
        self.path.pop();
        Ok(())
    }

    /// All sequences that begin with every `step`-th letter from `first` on.
    fn go_from(
        mut self,
        before: &Pair,
        saved: &[u8],
        (first, step): (usize, usize),
        length: u32,
    ) -> Result<Seen, Difference> {
        for place in (first..self.letters.len()).step_by(step) {
            let gone = self.go(before, saved, place, length);
            gone.map_err(|difference| {
                let path: Vec<&Letter> = self.path.iter().map(|at| &self.letters[*at]).collect();
                format!("after {path:#?}: {difference}")
            })?;
        }
        Ok(self.seen)
    }
}

/// All sequences up to `length` behind a beginning; the first letters are shared out to threads.
fn search(
    mut pair: Pair,
    beginning: &[Letter],
    letters: &[Letter],
    length: u32,
) -> Result<Seen, Difference> {
    let mut stage = Search::new(letters);
    for letter in beginning {
        stage.play(&mut pair, letter)?;
    }
    let saved = pair.saved();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let from = |first| {
        let (pair, saved) = (&pair, &saved);
        move || Search::new(letters).go_from(pair, saved, (first, threads), length)
    };
    thread::scope(|scope| {
        let searches: Vec<_> = (0..threads).map(|first| scope.spawn(from(first))).collect();
        let mut seen = Seen::default();
        for search in searches {
            seen.add(search.join().map_err(|_| "a panic, see above")??);
        }
        Ok(seen)
    })
}

/// [`search`] of the engines as they are.
fn all(beginning: &[Letter], letters: &[Letter], length: u32) -> Seen {
    let seen = search(engines(), beginning, letters, length);
    let seen = seen.unwrap_or_else(|difference| panic!("{difference}"));
    let letters = letters.len() as u64;
    let sequences: u64 = (1..=length).map(|length| letters.pow(length)).sum();
    assert_eq!(seen.sequences, sequences, "all of them");
    seen
}

/// The length of a normal run, or with `LONG` in the environment of a long one.
fn length(normal: u32, long: u32) -> u32 {
    if std::env::var_os("LONG").is_some() {
        long
    } else {
        normal
    }
}

/// The engines as they are behind a beginning.
fn behind(beginning: &[Letter]) -> Result<Pair, Difference> {
    let mut pair = engines();
    let mut search = Search::new(beginning);
    for letter in beginning {
        search.play(&mut pair, letter)?;
    }
    Ok(pair)
}

/// [`states::walk`] of the engines as they are.
#[expect(clippy::print_stdout, reason = "how much there is, for who asks")]
fn all_states(beginning: &[Letter], letters: &[Letter], length: u32) -> states::Walk {
    let start = Instant::now();
    let walk = behind(beginning).and_then(|pair| states::walk(pair, letters, length));
    let walk = walk.unwrap_or_else(|difference| panic!("{difference}"));
    let took = start.elapsed().as_secs();
    let (shapes, letters) = (walk.shapes.len(), letters.len());
    println!(
        "{letters} letters, up to {length}: {shapes} states, {} letters played, {took} s",
        walk.played
    );
    walk
}

const KINDS: [EventKind; 23] = [
    EventKind::Accepted,
    EventKind::Rejected,
    EventKind::Fill,
    EventKind::Canceled,
    EventKind::Amended,
    EventKind::NotApplied,
    EventKind::SelfTradePrevented,
    EventKind::MassCanceled,
    EventKind::Triggered,
    EventKind::ProtectionSet,
    EventKind::ProtectionReached,
    EventKind::AttestationNoted,
    EventKind::BookAdd,
    EventKind::BookReduce,
    EventKind::BookDelete,
    EventKind::BookReplace,
    EventKind::Trade,
    EventKind::PhaseChanged,
    EventKind::MarketDefined,
    EventKind::MarketStateChanged,
    EventKind::Uncrossed,
    EventKind::Outcome,
    EventKind::StateHash,
];

/// Reasons that nothing within reach of short sequences has.
fn reachable(number: u16) -> bool {
    let port = 300;
    number < port
        && !matches!(
            Reason::try_from(number),
            Err(_)
                | Ok(Reason::QuantityBelowMinimum
                    | Reason::NotInitialised
                    | Reason::LookAheadTooLong
                    | Reason::KillSwitchTableFull
                    | Reason::LimitsTableFull)
        )
}

#[test]
fn every_short_sequence_of_every_command() {
    let letters = alphabet::full();
    let mut seen = all(&alphabet::empty(3), &letters, length(2, 3));
    seen.add(all(&alphabet::busy(), &letters, length(2, 3)));
    seen.add(all(&alphabet::crossed(), &letters, length(1, 2)));
    seen.add(all(
        &alphabet::crossed_behind_a_trade(),
        &letters,
        length(1, 2),
    ));
    seen.add(all(
        &alphabet::crossed_behind_a_stop(),
        &letters,
        length(1, 2),
    ));
    seen.add(all(&alphabet::quotes::protected(), &letters, length(1, 2)));
    seen.add(all(
        &alphabet::quotes::protected(),
        &alphabet::quotes::small(),
        length(3, 5),
    ));
    // With room for one order one session quotes one market.
    seen.add(all(&alphabet::empty(1), &alphabet::quotes::full(), 2));
    let reasons = (0..400).filter(|number| reachable(*number));
    let missing: Vec<u16> = reasons.filter(|n| !seen.reasons.contains(n)).collect();
    assert_eq!(missing, [0; 0], "reasons that no sequence shows");
    let missing: Vec<u8> = KINDS
        .map(|kind| kind as u8)
        .into_iter()
        .filter(|kind| !seen.kinds.contains(kind))
        .collect();
    assert_eq!(missing, [0; 0], "kinds of events that no sequence shows");
}

#[test]
fn every_sequence_of_four_of_every_command_by_its_states() {
    let letters = alphabet::full();
    let walk = all_states(&alphabet::empty(3), &letters, length(3, 4));
    assert!(walk.shapes.len() > 10_000, "they lead to more than that");
}

/// Beginnings and small alphabets that are searched by what they lead to.
fn small_ones() -> [(Vec<Letter>, Vec<Letter>); 7] {
    use alphabet::{empty, market, own, quotes, small, waiting};
    [
        (empty(3), small()),
        (empty(4), own::small()),
        (empty(4), market::small()),
        (empty(4), waiting::small()),
        (empty(4), quotes::small()),
        (empty(4), quotes::among_others()),
        (quotes::protected(), quotes::small()),
    ]
}

#[test]
fn every_sequence_of_six_by_its_states() {
    for (beginning, letters) in small_ones() {
        assert!(letters.len() <= 12);
        all_states(&beginning, &letters, length(6, 9));
    }
}

/// What the walk through states rests on.
#[test]
fn states_of_one_shape_go_on_alike() {
    let mut searches: Vec<Sequences> = small_ones()
        .map(|(beginning, letters)| (beginning, letters, length(4, 5)))
        .to_vec();
    searches.push((alphabet::empty(3), alphabet::full(), 2));
    searches.push((alphabet::busy(), alphabet::sound(), length(2, 3)));
    for (beginning, letters, length) in searches {
        let alike = behind(&beginning).and_then(|pair| states::alike(pair, &letters, length));
        assert_ne!(alike, Ok(0), "no two states have one shape");
        alike.unwrap_or_else(|difference| panic!("{difference}"));
    }
}

/// The walk comes to every state that a sequence leads to, and sees what a sequence shows.
#[test]
fn states_leave_nothing_out() {
    let (beginning, letters) = (alphabet::empty(4), alphabet::market::small());
    let walk = all_states(&beginning, &letters, 5);
    let pair = behind(&beginning).expect("the engines agree");
    let shapes = states::shapes(pair, &letters, 4).expect("the engines agree");
    assert!(walk.shapes == shapes, "the walk leaves states out");
    let seen = all(&beginning, &letters, 5);
    assert_eq!(walk.seen.kinds, seen.kinds);
    assert_eq!(walk.seen.reasons, seen.reasons);
}

/// Work that goes on comes by itself; everything else is a letter.
#[test]
fn every_kind_of_command_is_a_letter() {
    let letters: BTreeSet<u16> = alphabet::full()
        .iter()
        .map(|letter| letter.command.kind() as u16)
        .collect();
    let missing: Vec<CommandKind> = (0..256)
        .filter_map(|kind| CommandKind::try_from(kind).ok())
        .filter(|kind| !letters.contains(&(*kind as u16)))
        .collect();
    assert_eq!(missing, [CommandKind::Continue]);
}

#[test]
fn every_sequence_of_four_of_what_changes_most() {
    all(&alphabet::empty(3), &alphabet::sound(), length(2, 4));
}

#[test]
fn every_longer_sequence_of_what_meets_most() {
    all(&alphabet::empty(3), &alphabet::small(), length(5, 6));
}

#[test]
fn every_longer_sequence_of_what_meets_its_own() {
    all(&alphabet::empty(4), &alphabet::own::small(), length(5, 6));
}

#[test]
fn every_longer_sequence_around_an_auction() {
    all(
        &alphabet::empty(4),
        &alphabet::market::small(),
        length(5, 6),
    );
}

#[test]
fn every_longer_sequence_of_what_waits() {
    all(
        &alphabet::empty(4),
        &alphabet::waiting::small(),
        length(5, 6),
    );
}

#[test]
fn every_longer_sequence_of_quotes() {
    all(
        &alphabet::empty(4),
        &alphabet::quotes::small(),
        length(5, 6),
    );
}

#[test]
fn every_longer_sequence_of_quotes_among_others() {
    all(
        &alphabet::empty(4),
        &alphabet::quotes::among_others(),
        length(4, 6),
    );
}

#[test]
fn every_longer_sequence_of_what_has_to_be_attested() {
    all(
        &alphabet::attestation::limited(4),
        &alphabet::attestation::small(),
        length(4, 5),
    );
}

#[test]
fn every_short_sequence_of_quotes_beyond_a_frame() {
    for makers in [FRAME - 3, FRAME - 2, FRAME - 1] {
        let beginning = alphabet::quotes::behind_a_ladder(makers);
        let seen = all(&beginning, &alphabet::sweepers(), length(1, 2));
        assert!(seen.continued > 0, "nothing went beyond a frame");
    }
}

#[test]
fn every_short_sequence_beyond_a_frame() {
    let ladders = [FRAME, FRAME + 1, FRAME + 2, 49].map(alphabet::ladder);
    for beginning in [&ladders[..], &[alphabet::waiting::iceberg_alone()]].concat() {
        let seen = all(&beginning, &alphabet::sweepers(), length(2, 3));
        assert!(seen.continued > 0, "nothing went beyond a frame");
    }
}

#[test]
fn every_short_sequence_of_auctions_beyond_a_frame() {
    for makers in [24, 25, 49] {
        let beginning = alphabet::call(makers);
        let seen = all(&beginning, &alphabet::market::of_a_call(), length(2, 3));
        assert!(seen.continued > 0, "nothing went beyond a frame");
    }
}

#[test]
fn every_short_sequence_of_ends_beyond_a_frame() {
    for makers in [48, 49] {
        let beginning = alphabet::ending_ladder(makers);
        let seen = all(&beginning, &alphabet::waiting::of_ends(), length(2, 3));
        assert!(seen.continued > 0, "nothing went beyond a frame");
    }
}

/// A beginning, letters, and how many of them follow each other.
type Sequences = (Vec<Letter>, Vec<Letter>, u32);

/// What shows broken rules, the quick ones first.
fn revealing() -> Vec<Sequences> {
    use alphabet::{
        attestation, empty, full, market, own, quotes, small, sound, sweepers, waiting,
    };
    vec![
        (alphabet::ladder(FRAME + 1), sweepers(), 1),
        (waiting::iceberg_alone(), sweepers(), 1),
        (waiting::farther_first(), waiting::small(), 1),
        (alphabet::crossed_behind_a_stop(), market::small(), 2),
        (alphabet::ladder(49), sweepers(), 1),
        (alphabet::ending_ladder(49), waiting::of_ends(), 2),
        (alphabet::call(25), market::of_a_call(), 2),
        (alphabet::crossed(), market::small(), 2),
        (alphabet::crossed_behind_a_trade(), full(), 1),
        (empty(3), small(), 3),
        (empty(4), own::small(), 3),
        (empty(4), market::small(), 4),
        (empty(4), waiting::small(), 4),
        (quotes::behind_a_ladder(FRAME - 3), sweepers(), 1),
        (quotes::protected(), full(), 1),
        (quotes::beyond_a_collar(), quotes::small(), 1),
        (quotes::protected(), quotes::small(), 3),
        (quotes::protected(), market::small(), 3),
        (empty(1), quotes::full(), 2),
        (attestation::limited(4), attestation::small(), 3),
        (alphabet::one_page(), quotes::full(), 2),
        (empty(4), quotes::small(), 4),
        (empty(4), quotes::among_others(), 4),
        (alphabet::busy(), full(), 1),
        (quotes::protected(), sound(), 2),
        (empty(3), sound(), 2),
        (alphabet::busy(), sound(), 2),
    ]
}

/// What one of the twins gets wrong is seen, so a difference would be. What it leaves out needs another market, one
/// with other terms, or none, accounts without a firm, longer looks, other funds, more orders or sessions: the
/// scenarios show it.
#[test]
fn a_broken_rule_is_seen_in_short_sequences() {
    let searches = revealing();
    let is_hidden = |mutant: &Mutant| {
        searches.iter().all(|(beginning, letters, length)| {
            let pair = Twins::new(Engine::new(), NaiveEngine::with_mutant(*mutant));
            search(pair, beginning, letters, *length).is_ok()
        })
    };
    let unseen: Vec<Mutant> = Mutant::ALL.into_iter().filter(is_hidden).collect();
    assert_eq!(
        unseen,
        [
            Mutant::AmendBelowMinimum,
            Mutant::PagesBeginAtZero,
            Mutant::AmendNeedsNoPage,
            Mutant::FirmZeroIsAFirm,
            Mutant::LookAheadForgetsDecrement,
            Mutant::LooksOneFurther,
            Mutant::MassCancelLooksOneFurther,
            Mutant::PartialCancelKeepsMinimum,
            Mutant::MarketBuyPaysForAll,
            Mutant::FundsBeforePrevention,
            Mutant::OneSliceTooMany,
            Mutant::LimitsForgetTheCollar,
            Mutant::AccountsAreWalkedById,
            Mutant::SessionsFillTheTable,
            Mutant::FeesWithoutMarketsAreAny,
            Mutant::QuotesBelowMinimum,
            Mutant::ProtectionIsForAllMarkets,
            Mutant::LooksBehindFunds,
        ]
    );
}
