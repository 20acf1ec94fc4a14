//! The state as bytes: what is saved loads, and nothing else does.
//!
//! `WRITE_CORPUS=1 cargo test -p engine snapshot` writes what is missing of the corpus.

use crate::exchange::*;
use domain::*;
use engine::{Engine, Fault, LoadError, Section};
use std::path::Path;

/// A name, and an engine in a state with records of every kind that can be there together.
fn states() -> Vec<(&'static str, Exchange)> {
    let mut trading = Exchange::new();
    let gone = trading.rest(1, limit(4, FEES, Side::Sell, 120, 2));
    let also_gone = trading.rest(1, limit(9, FEES, Side::Sell, 121, 2));
    trading.rest(1, post_only(limit(5, FEES, Side::Sell, 100, 7)));
    trading.rest(2, limit(5, FEES, Side::Sell, 100, 7));
    trading.rest(0, limit(6, FEES, Side::Buy, 99, 2));
    trading.rest(0, limit(7, PLAIN, Side::Buy, 1, 3));
    trading.cancel(1, gone);
    trading.cancel(1, also_gone);
    trading.enter(0, immediate(limit(1, FEES, Side::Buy, 100, 3)));
    trading.sequencer(recovered(3, 500));
    trading.enter(0, limit(8, PLAIN, Side::Buy, 1, 3));

    let mut sweeping = Exchange::new();
    for client in 1..=MAX_FILLS as u64 + 1 {
        sweeping.rest(1, limit(client, PLAIN, Side::Sell, 100, 1));
    }
    sweeping.enter(0, limit(1, PLAIN, Side::Buy, 100, MAX_FILLS as u64 + 9));
    assert!(sweeping.engine.pending_sweep().is_some());

    vec![
        ("blank", Exchange::blank()),
        ("trading", trading),
        ("sweeping", sweeping),
    ]
}

fn recovered(epoch: u32, grace: u64) -> Command {
    Command::Recovered(Recovered {
        epoch,
        pad: [Zero::Zero; 4],
        grace: Nanos(grace),
    })
}

fn capacities(name: &str) -> Option<Genesis> {
    (name != "blank").then_some(GENESIS)
}

fn save(engine: &Engine) -> Vec<u8> {
    let mut body = Vec::new();
    engine.save(&mut body);
    body
}

fn load(name: &str, body: &[u8]) -> Result<Engine, LoadError> {
    Engine::load(body, capacities(name).as_ref(), 77)
}

#[test]
fn a_state_loads_as_it_was_saved() {
    for (name, x) in states() {
        let body = save(&x.engine);
        let loaded = load(name, &body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(loaded.state_hash(), x.engine.state_hash(), "{name}");
        loaded.check_invariants().unwrap();
        assert_eq!(save(&loaded), body, "{name}");
        for session in (0..5).map(SessionId) {
            assert_eq!(loaded.session(session), x.engine.session(session));
        }
        assert!(loaded.orders().eq(x.engine.orders()), "{name}");
    }
}

/// Every bit counts: it is refused, or it is part of another state.
#[test]
fn a_flipped_bit_is_refused_or_gives_another_state() {
    let mut refused = 0;
    for (name, x) in states() {
        let (body, hash) = (save(&x.engine), x.engine.state_hash());
        for bit in 0..8 * body.len() {
            let mut flipped = body.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match load(name, &flipped) {
                Err(_) => refused += 1,
                Ok(engine) => {
                    assert_ne!(engine.state_hash(), hash, "{name}: bit {bit} is no state");
                    engine.check_invariants().unwrap();
                    assert_eq!(save(&engine), flipped, "{name}: bit {bit} is lost");
                }
            }
        }
    }
    assert!(refused > 5_000, "only {refused} were refused");
}

#[test]
fn a_body_that_is_cut_off_or_goes_on_is_refused() {
    for (name, x) in states() {
        let mut body = save(&x.engine);
        for length in 0..body.len() {
            let loaded = load(name, &body[..length]).err();
            assert!(
                matches!(
                    loaded,
                    Some(LoadError::Length { .. } | LoadError::Layout(_))
                ),
                "{name} cut off at {length}: {loaded:?}"
            );
        }
        body.push(0);
        assert!(load(name, &body).is_err(), "{name}");
    }
}

#[test]
fn capacities_are_those_of_the_genesis_and_of_nothing_else() {
    let body = save(&Exchange::new().engine);
    let larger = Genesis {
        max_orders: GENESIS.max_orders + 1,
        ..GENESIS
    };
    for other in [None, Some(&larger)] {
        let loaded = Engine::load(&body, other, 0).err();
        assert_eq!(loaded, Some(LoadError::Capacities));
    }
}

/// Where the records of the state `trading` begin, by docs/SNAPSHOTS.md.
const ASSETS: usize = 136;
const MARKETS: usize = ASSETS + 2 * 40;
const SESSIONS: usize = MARKETS + 2 * 72 + 2 * 40;
const BALANCES: usize = SESSIONS + 3 * 120;
const ORDERS: usize = BALANCES + 4 * 24;
const FREE: usize = ORDERS + 4 * 56;

/// The body of the state `trading`.
fn trading() -> Vec<u8> {
    let (name, x) = states().swap_remove(1);
    let body = save(&x.engine);
    assert_eq!((name, body.len()), ("trading", FREE + 2 * 8));
    body
}

/// What a harm to it is answered with.
fn harmed(harm: impl FnOnce(&mut Vec<u8>)) -> Option<LoadError> {
    let mut body = trading();
    harm(&mut body);
    load("trading", &body).err()
}

fn set(at: usize, byte: u8) -> Option<LoadError> {
    harmed(|body| body[at] = byte)
}

fn record(section: Section, index: u32, fault: Fault) -> Option<LoadError> {
    Some(LoadError::Record {
        section,
        index,
        fault,
    })
}

#[test]
fn tables_that_do_not_fit_together_are_refused_by_name() {
    let body = trading();
    assert_eq!(set(0, 9), Some(LoadError::Layout(9)));
    assert_eq!(set(2, 9), Some(LoadError::EngineVersion(9)));
    assert_eq!(set(8, 7), record(Section::Head, 0, Fault::Field));
    assert_eq!(set(12, 65), record(Section::Head, 0, Fault::Range));
    assert_eq!(
        set(ASSETS + 24, 1 ^ body[ASSETS + 24]),
        Some(LoadError::Funds(BASE)),
        "of the deposits"
    );
    assert_eq!(
        set(MARKETS + 4, 7),
        record(Section::Market, 0, Fault::Refused(Reason::UnknownReference))
    );
    assert_eq!(
        set(SESSIONS + 120, 0),
        record(Section::Session, 1, Fault::Order)
    );
    assert_eq!(
        set(SESSIONS + 112, 99),
        record(Section::Session, 0, Fault::Range),
        "an epoch's first report that was not sent yet"
    );
    assert_eq!(
        set(BALANCES + 28, 2),
        record(Section::Balance, 1, Fault::Unknown)
    );
}

#[test]
fn funds_orders_and_slots_that_do_not_fit_together_are_refused_by_name() {
    let released = harmed(|body| {
        body[BALANCES + 2 * 24 + 8] += 1;
        body[BALANCES + 2 * 24 + 16] -= 1;
    });
    assert_eq!(released, record(Section::Balance, 2, Fault::Held));
    assert_eq!(set(ORDERS, 9), record(Section::Order, 0, Fault::Slot));
    assert_eq!(
        set(ORDERS + 8, 200),
        record(Section::Order, 0, Fault::Price)
    );
    assert_eq!(
        set(ORDERS + 16, 0),
        record(Section::Order, 0, Fault::Quantity)
    );
    assert_eq!(
        set(ORDERS + 32, 0),
        record(Section::Order, 0, Fault::ClientOrderId)
    );
    assert_eq!(
        set(ORDERS + 48, 3),
        record(Section::Order, 0, Fault::Unknown),
        "no such session"
    );
    assert_eq!(
        set(ORDERS + 8, 100),
        record(Section::Order, 1, Fault::Crossed),
        "a bid at the price of the asks"
    );
    let swapped = harmed(|body| body[ORDERS + 56..ORDERS + 3 * 56].rotate_left(56));
    assert_eq!(swapped, record(Section::Order, 2, Fault::Order));
    let more = harmed(|body| body[ORDERS + 56 + 18] = 9);
    assert_eq!(more, record(Section::Order, 1, Fault::NotCovered));
    let one_more = harmed(|body| body[ORDERS + 56 + 16] += 1);
    assert_eq!(one_more, record(Section::Balance, 2, Fault::Held));
    let twice = harmed(|body| body.copy_within(FREE..FREE + 8, FREE + 8));
    assert_eq!(twice, record(Section::FreeSlot, 1, Fault::Slot));
    let live = harmed(|body| body[FREE] = body[ORDERS]);
    assert_eq!(live, record(Section::FreeSlot, 0, Fault::Slot));
}

/// Bytes that this build must read for ever, or call by another layout.
#[test]
fn the_corpus_is_what_it_was() {
    for (name, x) in states() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(format!("{name}.body"));
        let body = save(&x.engine);
        if !path.exists() && std::env::var_os("WRITE_CORPUS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &body).unwrap();
        }
        let kept = std::fs::read(&path).expect("the corpus has the file");
        assert!(kept == body, "{name} differs from what is saved now");
    }
}
