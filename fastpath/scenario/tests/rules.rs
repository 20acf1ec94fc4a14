//! Every file below `rules/`, on both engines; and the proof that they say enough.

use domain::Reason;
use engine::Engine;
use scenario::{EXTENSION, Outcome, Rules, Twins, engines, run};
use sim::{Mutant, NaiveEngine};
use std::{
    collections::BTreeSet,
    fs,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

/// Names and texts of all files that do not take long.
fn files() -> Vec<(String, String)> {
    files_of(concat!(env!("CARGO_MANIFEST_DIR"), "/rules"))
}

/// And behind them those that do.
fn all_files() -> Vec<(String, String)> {
    let long = files_of(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/long"));
    [files(), long].concat()
}

fn files_of(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<(String, String)> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == EXTENSION))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("it is text");
            (path.display().to_string(), text)
        })
        .collect();
    files.sort();
    files
}

fn play<A: Rules, B: Rules>(
    (name, text): &(String, String),
    twins: impl Fn() -> Twins<A, B>,
) -> Vec<Outcome> {
    run(text, twins).unwrap_or_else(|fault| panic!("{name}:{fault}"))
}

#[test]
fn every_scenario_holds_on_both_engines() {
    let (mut played, mut failed) = (0, String::new());
    for file in all_files() {
        for outcome in play(&file, engines) {
            played += 1;
            if let Some(fault) = outcome.fault {
                failed += &format!("\n{}:{fault}\n    in: {}", file.0, outcome.name);
            }
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert!(
        played >= 498,
        "{played} scenarios are fewer than there were"
    );
}

/// Reasons that engines give: the port's own answers begin here.
const REASONS_OF_THE_PORT: u16 = 300;

/// It takes 65,537 accounts with limits of their own.
const WITHOUT_A_SCENARIO: [Reason; 1] = [Reason::LimitsTableFull];

/// What a line of a `then` says, that holds, has happened.
#[test]
fn every_reason_is_given_in_a_scenario() {
    let files = all_files();
    let lines = files.iter().flat_map(|(_, text)| text.lines());
    let said: BTreeSet<&str> = lines
        .map(|line| line.trim_start())
        .filter(|line| !line.starts_with("scenario") && !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| {
            let tells = |word: &&str| ["rejected", "canceled", "refused"].contains(word);
            words.iter().any(tells)
        })
        .flatten()
        .collect();
    let reasons = (1..REASONS_OF_THE_PORT).filter_map(|code| Reason::try_from(code).ok());
    let is_said = |reason: &Reason| said.contains(format!("{reason:?}").as_str());
    let unsaid: Vec<Reason> = reasons.filter(|reason| !is_said(reason)).collect();
    assert_eq!(unsaid, WITHOUT_A_SCENARIO, "reasons that no scenario gives");
}

/// Whether a scenario fails on these twins.
fn is_seen<A: Rules, B: Rules>(
    files: &[(String, String)],
    twins: impl Fn() -> Twins<A, B>,
) -> bool {
    files.iter().any(|file| {
        // A mutant that trips over itself shows nothing of the scenarios.
        let outcomes = catch_unwind(AssertUnwindSafe(|| play(file, &twins)));
        outcomes.is_ok_and(|all| all.iter().any(|outcome| outcome.fault.is_some()))
    })
}

/// The mutants that go unseen, in their order; the work is shared out to threads.
fn unseen(is_seen: impl Fn(Mutant) -> bool + Sync) -> Vec<Mutant> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let numbered = || (0..).zip(Mutant::ALL);
    let part = |first| {
        let (is_seen, of_thread) = (&is_seen, numbered().skip(first).step_by(threads));
        move || of_thread.filter(|(_, one)| !is_seen(*one)).collect()
    };
    let mut unseen: Vec<(usize, Mutant)> = thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|first| scope.spawn(part(first))).collect();
        let joined = parts.into_iter().map(|part| part.join().expect("no panic"));
        joined.flat_map(|part: Vec<_>| part).collect()
    });
    unseen.sort_by_key(|(at, _)| *at);
    unseen.into_iter().map(|(_, mutant)| mutant).collect()
}

#[test]
fn every_broken_rule_breaks_a_scenario() {
    let files = all_files();
    let broken = NaiveEngine::with_mutant;
    let in_one = |mutant| is_seen(&files, || Twins::new(Engine::new(), broken(mutant)));
    assert_eq!(unseen(in_one), [], "in one engine");
    // What both get wrong is seen by what the scenarios say; none of them says a hash.
    let in_both = |mutant| is_seen(&files, || Twins::new(broken(mutant), broken(mutant)));
    let only = [Mutant::HashForgetsPriority, Mutant::HashForgetsQuotes];
    assert_eq!(unseen(in_both), only, "in both engines");
}

#[test]
fn the_documented_example_holds() {
    let page = include_str!("../../../docs/SCENARIOS.md");
    let (_, section) = page.split_once("## An example").expect("the section");
    let (example, _) = section.split_once("What fails").expect("its end");
    let lines = example.trim().lines().map(str::trim);
    let text = lines.collect::<Vec<_>>().join("\n");
    let outcomes = run(&text, engines).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        assert_eq!(outcome.fault, None, "{}", outcome.name);
    }
    let wrong = text.replace("InsufficientFunds", "CannotFill");
    let outcomes = run(&wrong, engines).unwrap_or_else(|fault| panic!("{fault}"));
    let last = &outcomes[1];
    let fault = last.fault.as_ref().expect("it does not hold");
    for shown in [
        format!("FAILED mine.scenario:{}: {}\n", last.line, last.name),
        format!("  mine.scenario:{fault}\n"),
    ] {
        assert!(page.contains(&shown), "{shown}");
    }
}

fn fault_of(text: &str) -> String {
    let outcomes = run(text, engines).expect("it parses");
    let fault = outcomes.into_iter().find_map(|outcome| outcome.fault);
    fault.expect("it does not hold").to_string()
}

const GIVEN: &str = "given market BTC/USD\ngiven alice has 10 BTC, 10 USD\nscenario A\n";

const BUYS: &str = "when alice buys 5 @ 1 as a\n";

/// Each of these lines is an error that begins so.
fn are_not_understood(lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        let fault = fault_of(&format!("{GIVEN}{line}\nthen nothing\n"));
        assert!(fault.starts_with(expected), "{line}: {fault}");
    }
}

#[test]
fn a_line_that_cannot_be_understood_is_named_with_what_was_expected() {
    are_not_understood(&[
        (
            "when alice buys five @ 1 as a",
            "4: expected a quantity in lots, found `five`",
        ),
        ("when alice buys 5 at 1 as a", "4: expected `@`, found `at`"),
        ("when alice buys 5 @ 1", "4: expected `as`, the line ends"),
        (
            "when alice buys 5 @ 1 as a iok",
            "4: expected one of number, from, pausing, times, step, stop, until, trigger, show, post-only, slide, gtc, \
             ioc, fok, gtt, until-close, market, min, self-trade, own, found `iok`",
        ),
        (
            "when alice buys 5 @ 1 as a ioc fok",
            "4: expected one of gtc, ioc, fok, gtt, until-close, found more",
        ),
        (
            "when carol buys 5 @ 1 as a",
            "4: expected a known session (alice), found `carol`",
        ),
        ("when alice pays 5", "4: expected genesis, "),
        (
            "when alice has 5 ETH",
            "4: expected a known asset (BTC, USD), found `ETH`",
        ),
        (
            "when continue a",
            "4: expected an order that was accepted, found `a`",
        ),
        ("when market BTC prices=1..2", "4: expected BASE/QUOTE"),
        (
            "when market BTC/USD prices=1",
            "4: expected prices=LOW..HIGH, found `1`",
        ),
        (
            "given alice buys 99 @ 1 as a",
            "4: what is given must not be refused: alice rejected a InsufficientFunds",
        ),
    ]);
}

#[test]
fn a_value_that_cannot_be_understood_is_named_with_those_that_there_are() {
    are_not_understood(&[
        (
            "when alice buys 5 @ 1 as a self-trade=cancel-newset",
            "4: expected one of allow, cancel-newest, cancel-oldest, cancel-both, decrement, abort, found `cancel-newset`",
        ),
        (
            "when alice buys 5 @ 1 as a post-only slide",
            "4: expected one of post-only, slide, found both",
        ),
        (
            "when alice buys 5 @ 1 as a until=soon",
            "4: expected a number for until=, found `soon`",
        ),
        (
            "when alice buys 5 @ market as a stop=high",
            "4: expected a number for stop=, found `high`",
        ),
        (
            "when alice quotes 5 @ 1 as a",
            "4: expected `/`, found `as`",
        ),
        (
            "when alice quotes 5 @ 1 / nothing as a",
            "4: expected a quantity in lots, or none, found `nothing`",
        ),
        (
            "when alice protects qty=1 lots=2",
            "4: expected one of number, from, pausing, request, window, qty, notional, fills, market, found `lots=`",
        ),
        (
            "when cancel all of alice",
            "4: expected one of session, account, firm, everyone, found `alice`",
        ),
        ("when cancel all buys", "4: expected `of`, the line ends"),
        (
            "when kill firm 2^32-1 times=2",
            "4: expected numbers below 2^32",
        ),
        (
            "when state Open",
            "4: expected one of Continuous, PreOpen, OpeningAuction, Halted, CancelOnly, PostOnly, ClosingAuction, \
             Closed, Delisted, found `Open`",
        ),
        (
            "when collar price=5",
            "4: expected a reference, the line ends",
        ),
        (
            "when limits tier",
            "4: expected a tier's number, the line ends",
        ),
        (
            "when fees alice maker=5",
            "4: expected `tier`, found `alice`",
        ),
        (
            "when collect 5 USD alice",
            "4: expected `for`, found `alice`",
        ),
    ]);
}

#[test]
fn what_does_not_hold_is_shown_with_what_is_so() {
    for (lines, expected) in [
        (
            "then alice has 5 USD",
            "5: expected `alice has 5 USD`, but it is `alice has 5 USD and 5 held`",
        ),
        (
            "then book bids none asks none",
            "5: expected `book bids none asks none`, but it is `book bids 5 @ 1 a asks none market=BTC/USD`",
        ),
        (
            "then order a buy 5 @ 1 market=BTC/USD filled=1",
            "5: expected `order a buy 5 @ 1 market=BTC/USD filled=1`, but it is `order a buy 5 @ 1 filled=0 \
             post-only=no quote=no self-trade=allow own=account until=0 show=0 hidden=0 trigger=0 session=alice market=BTC/USD id=0.1 priority=2`: filled differs",
        ),
        (
            "when alice buys 99 @ 1 as b\nthen order b buy 5 @ 1",
            "6: expected `order b buy 5 @ 1`, but it is `order b gone`",
        ),
        (
            "then phase CancelOnly",
            "5: expected `phase CancelOnly`, but it is `phase Open`",
        ),
    ] {
        assert_eq!(fault_of(&format!("{GIVEN}{BUYS}{lines}\n")), expected);
    }
}

/// Behind [`BUYS`].
const BOTH: &str = "; what happened:\n      alice accepted a ";

fn fails_behind_buys(lines: &str, expected: &str) {
    let fault = fault_of(&format!("{GIVEN}{BUYS}then {lines}\n"));
    assert!(fault.starts_with(expected), "{lines}: {fault}");
}

#[test]
fn a_line_that_meets_another_event_is_shown_with_what_differs() {
    let accepted = "`alice accepted a side=buy type=limit tif=gtc qty=5 price=1 post-only=no quote=no self-trade=allow own=account until=0 show=0 trigger=0 id=0.1 client=1001 report=1`";
    let added = "`add a buy 5 @ 1 feed=2`";
    for (mode, line, event, differs) in [
        ("", "alice accepted b", accepted, "ORDER differs"),
        (
            "",
            "alice accepted a side=buy qty=6",
            accepted,
            "qty differs",
        ),
        (
            "including ",
            "alice accepted a qty=6",
            accepted,
            "qty differs; what happened:",
        ),
        ("", "add a buy 5 @ 2", added, "PRICE differs"),
        ("", "delete a", added, "another event"),
    ] {
        let expected = format!("5: expected `{line}`, but what came is {event}: {differs}");
        fails_behind_buys(&format!("{mode}{line}"), &expected);
    }
}

#[test]
fn a_line_that_meets_nothing_is_shown_with_what_happened() {
    let none = |line: &str| format!("expected `{line}`, but no such event came");
    let last = "; what happened:\n      add a buy 5 @ 1 feed=2";
    for (lines, at, message, rest) in [
        (
            "add a buy 5 @ 1\nadd a buy 5 @ 1",
            6,
            none("add a buy 5 @ 1"),
            last,
        ),
        ("including delete a", 5, none("delete a"), BOTH),
        (
            "including add a buy 5 @ 1\ndelete a",
            6,
            none("delete a") + " behind those of the lines before",
            BOTH,
        ),
        ("trade a b 1 @ 1", 5, none("trade a b 1 @ 1"), BOTH),
    ] {
        fails_behind_buys(lines, &format!("{at}: {message}{rest}"));
    }
    let quiet = fault_of(&format!("{GIVEN}when clock +1\nthen trade a b 1 @ 1\n"));
    assert_eq!(
        quiet,
        format!("5: {}; nothing happened", none("trade a b 1 @ 1"))
    );
}

#[test]
fn what_happened_without_a_line_or_another_number_of_times_is_shown() {
    for (line, message) in [
        ("nothing", "expected `nothing`"),
        (
            "exactly alice accepted a",
            "no line is left for `add a buy 5 @ 1 feed=2`",
        ),
        (
            "count accepted 2",
            "expected `count accepted 2`, but it is 1",
        ),
        ("count trade 1", "expected `count trade 1`, but it is 0"),
    ] {
        fails_behind_buys(line, &format!("5: {message}{BOTH}"));
    }
}

#[test]
fn who_lists_some_events_of_a_class_is_told_to_list_the_others() {
    let both = format!("{GIVEN}{BUYS} and timer\n");
    let hint = "list the others as well, or write `then including`";
    let some = fault_of(&format!("{both}then done Timer\n"));
    assert!(some.ends_with(hint), "{some}");
    let all = fault_of(&format!(
        "{both}then alice accepted a\n and done Checkpoint\n"
    ));
    assert!(!all.contains(hint), "{all}");
}

#[test]
fn an_order_that_no_line_has_named_is_refused() {
    let sells = "when alice sells 1 @ 9 as a times=2\n";
    for (name, expected) in [
        ("zzz", "5: expected a known order (a1, a2), found `zzz`"),
        ("a", "5: expected a known order (a1, a2), found `a`"),
        ("#z", "5: expected a known order (a1, a2), found `#z`"),
    ] {
        let fault = fault_of(&format!("{GIVEN}{sells}then order {name} gone\n"));
        assert_eq!(fault, expected);
    }
    let many = "when alice sells 1 @ 9 as a times=13\nthen order a gone\n";
    let fault = fault_of(&format!("{GIVEN}{many}"));
    assert!(fault.contains("a11, a12, ...), found `a`"), "{fault}");
}

/// Each of these lines is an error that begins so.
fn fail_whatever_the_mode(lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        for mode in ["", "including ", "exactly "] {
            let fault = fault_of(&format!("{GIVEN}{BUYS}then {mode}{line}\n"));
            let expected = format!("5: {expected}");
            assert!(fault.starts_with(&expected), "{line}: {fault}");
        }
    }
}

#[test]
fn a_then_with_an_unknown_name_or_option_is_answered_with_those_that_there_are() {
    fail_whatever_the_mode(&[
        (
            "alice accepted a prcie=1",
            "expected options side=, type=, tif=, qty=, price=, post-only=, quote=, self-trade=, own=, until=, show=, \
             trigger=, id=, client=, report= \
             with `SESSION accepted ORDER`, found `prcie=`",
        ),
        (
            "done CreateMarket report=1",
            "expected no options with `done COMMAND`, found `report=`",
        ),
        (
            "order a buy 5 @ 1 fild=2",
            "expected options filled=, post-only=, quote=, self-trade=, own=, until=, show=, hidden=, trigger=, session=, \
             market=, id=, priority= \
             with `order ORDER buy|sell QTY @ PRICE`, found `fild=`",
        ),
        (
            "alice rejected a NoSuchReason",
            "expected REASON (UnknownMarket, UnknownOrder, ",
        ),
        (
            "refused Mint NotInitialised",
            "expected COMMAND (NewOrder, CancelOrder, ",
        ),
        (
            "alice acepted a",
            "expected has, or what a session is told (accepted, rejected, filled, canceled, \
             amended, not-applied, prevented, mass-canceled, triggered, protection-set, protection-reached, \
             attestation-noted), behind `alice`, found `acepted`",
        ),
        (
            "alice trade a b 5 @ 1",
            "expected `trade` in `trade MAKER TAKER QTY @ PRICE`, found `alice`",
        ),
        (
            "state Opne",
            "expected STATE (Continuous, PreOpen, OpeningAuction, Halted, CancelOnly, PostOnly, ClosingAuction, Closed, \
             Delisted) in `state STATE`, found `Opne`",
        ),
        (
            "account alice teir=1",
            "expected options firm=, tier=, orders=, volume=, day=, limits=, ",
        ),
        (
            "prevented a b 5 @ 1",
            "expected a known session (alice), found `prevented`",
        ),
        (
            "accepted a",
            "expected a known session (alice), found `accepted`",
        ),
        (
            "bob accepted a",
            "expected a known session (alice), found `bob`",
        ),
        ("phsae Open", "expected NAME has, book, order"),
    ]);
}

#[test]
fn a_then_with_a_wrong_word_is_answered_with_what_stands_in_its_place() {
    fail_whatever_the_mode(&[
        (
            "alice accepted",
            "expected ORDER in `SESSION accepted ORDER`, the line ends",
        ),
        (
            "alice accepted a b",
            "expected no more words in `SESSION accepted ORDER`, found `b`",
        ),
        (
            "alice filled a five @ 1 maker",
            "expected a number for QTY in `SESSION filled ORDER QTY @ PRICE maker|taker`, found `five`",
        ),
        (
            "alice filled a 5 @ 1 giver",
            "expected `maker` or `taker` in `SESSION filled ORDER QTY @ PRICE maker|taker`, found `giver`",
        ),
        (
            "order a done",
            "expected `gone` in `order ORDER gone`, or `buy` or `sell` in `order ORDER buy|sell QTY @ PRICE`, \
             found `done`",
        ),
        (
            "alice has 5 USD and 5 hold",
            "expected `held` in `NAME has AMOUNT ASSET and AMOUNT held`, found `hold`",
        ),
        (
            "book bids 5 @ 1 a none asks none",
            "expected `asks` in `book bids ORDERS asks ORDERS`, found `none`",
        ),
        (
            "book bids 5 @ 1 asks none",
            "expected `asks` in `book bids ORDERS asks ORDERS`, found `none`",
        ),
        (
            "book bids 5 at 1 a asks none",
            "expected `none` or `QTY @ PRICE ORDER, ...` in `book bids ORDERS asks ORDERS`, found `at`",
        ),
        (
            "phase Closed",
            "expected `Open` or `CancelOnly` in `phase Open|CancelOnly`, found `Closed`",
        ),
        ("nothing else", "expected nothing more, found `else`"),
    ]);
}

/// What is shown of every kind of event can be said, with all of its options.
#[test]
fn every_event_is_understood_as_it_is_shown() {
    let text = "scenario A\nwhen genesis assets=2\nand genesis\nand market BTC/USD maker=9\nand alice has 10 BTC, 10 USD\n\
        and alice buys 5 @ 1 as a post-only\nand alice sells 1 @ 1 as b ioc\nand alice amends a to 4 @ 1\n\
        and alice amends a to 4 @ 2 as c\nand alice sells 1 @ 2 as d self-trade=cancel-newest\nand fees tier 0 maker=-9\n\
        and alice sells 1 @ 2 as e\nand alice cancels c\nand alice buys 99 @ 1 as f\nand alice cancels all\n\
        and alice cancels c number=20\nand alice cancels c number=20\nand checkpoint\nand recovered\nand state PreOpen\n\
        and alice sells 1 @ 5 as s\nand alice buys 1 @ 5 as t\nand state Continuous\n\
        and alice sells 1 @ 4 as u stop=3\nand alice sells 1 @ 3 as v\nand alice buys 1 @ 3 as w\n\
        and alice protects window=9 fills=1 request=4\nand alice quotes none / 1 @ 5 as q\nand alice buys 2 @ 5 as x\n\
        and alice attests\nand recovered grace=9\n";
    let fault = fault_of(&format!("{text}then nothing\n"));
    let (_, shown) = fault.split_once("what happened:").expect("a list");
    let lines: Vec<&str> = shown.trim().lines().map(str::trim).collect();
    for event in [
        "accepted",
        "rejected",
        "filled",
        "canceled",
        "amended",
        "not-applied",
        "prevented",
        "mass-canceled",
        "triggered",
        "protection-set",
        "protection-reached",
        "attestation-noted",
        "done",
        "refused",
        "hash",
        "not-admitted",
        "trade",
        "add",
        "reduce",
        "delete",
        "replace",
        "market-defined",
        "phase-changed",
        "state-changed",
        "uncrossed",
    ] {
        let is = |line: &&str| line.split(' ').take(2).any(|word| word == event);
        assert!(lines.iter().any(is), "{event} did not happen: {shown}");
    }
    let said = format!("{text}then exactly\n{}\n", lines.join("\n"));
    let outcomes = run(&said, engines).expect("it parses");
    assert_eq!(outcomes[0].fault, None);
}

#[test]
fn engines_that_part_are_seen_whatever_the_lines_say() {
    let text = "given market BTC/USD taker=1\ngiven alice has 10 BTC, 10 USD\nscenario A\n\
        when alice sells 1 @ 1 as a\nand alice buys 1 @ 1 as b\nthen count trade 1\n";
    let mistaken = NaiveEngine::with_mutant(Mutant::FeeRoundedUp);
    let twins = || Twins::new(Engine::new(), mistaken.clone());
    let outcomes = run(text, twins).expect("it parses");
    let fault = outcomes[0].fault.as_ref().expect("they part").to_string();
    assert!(fault.starts_with("5: what happened differs"), "{fault}");
}

/// A small generator of numbers: the same in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// Lines with words of other lines in the place of theirs: understood or refused, never a panic; and the engines agree.
#[test]
fn whatever_a_file_says_is_an_outcome() {
    let files = files();
    let texts = files.iter().map(|(_, text)| text.as_str());
    let mut words: Vec<&str> = texts.flat_map(str::split_whitespace).collect();
    words.extend([
        "2^64-1",
        "-1",
        "0",
        "2^127",
        "#4294967295",
        "=",
        ",",
        "id=",
        "number=2^64",
    ]);
    let mut seeded = Seeded(7);
    let (mut held, mut refused) = (0, 0);
    for (_, text) in files.iter().cycle().take(1_000) {
        let line = |line: &str| match seeded.below(12) {
            0 => {
                let mut line: Vec<&str> = line.split(' ').collect();
                let at = seeded.below(line.len());
                match seeded.below(3) {
                    0 => line[at] = seeded.of(&words),
                    1 => line.insert(at, seeded.of(&words)),
                    _ => drop(line.remove(at)),
                }
                line.join(" ") + "\n"
            }
            _ => line.to_owned() + "\n",
        };
        let text: String = text.lines().map(line).collect();
        match run(&text, engines) {
            Err(_) => refused += 1,
            Ok(outcomes) => {
                held += outcomes.iter().filter(|o| o.fault.is_none()).count();
                for fault in outcomes.into_iter().filter_map(|outcome| outcome.fault) {
                    assert!(!fault.message.contains(" differs: "), "{fault}");
                }
            }
        }
    }
    assert!(
        held > 1_000 && refused > 10,
        "{held} hold, {refused} files are refused"
    );
}
