//! The state as bytes: what is saved loads, and nothing else does.
//!
//! `WRITE_CORPUS=1 cargo test -p engine snapshot` writes what is missing of the corpus.

use crate::auction::set_state;
use crate::exchange::*;
use crate::quote::quote;
use domain::*;
use engine::{Engine, Fault, LoadError, Section};
use std::path::Path;
use zerocopy::IntoBytes;

/// A name, and an engine in a state with records of every kind that can be there together.
fn states() -> Vec<(&'static str, Exchange)> {
    vec![
        ("blank", Exchange::blank()),
        ("trading", state_of_trading()),
        (
            "sweeping",
            in_a_sweep(limit(1, PLAIN, Side::Buy, 100, LONG)),
        ),
        (
            "buying",
            in_a_sweep(NewOrder {
                price: Price(120),
                self_trade: SelfTrade::CancelOldest,
                ..market(1, PLAIN, Side::Buy, LONG)
            }),
        ),
        (
            "canceling",
            in_a_mass_cancel(
                Source::of_session(SessionId(1)),
                Command::MassCancel(MassCancel {
                    request: 9,
                    scope: Scope::Account,
                    sides: Sides::Sells,
                    lowest: Price(100),
                    ..MassCancel::OWN
                }),
            ),
        ),
        (
            "killing",
            in_a_mass_cancel(
                Source::ADMINISTRATION,
                kill_switch(Scope::Firm, 7, Flag::Yes),
            ),
        ),
        ("opening", in_an_auction()),
        ("expiring", in_an_expiry()),
        ("closing", in_a_close()),
        ("arriving", in_an_arrival()),
        ("waiting", with_stops()),
        ("arrived", in_a_sweep_of_a_stop()),
        ("quoting", with_quotes()),
    ]
}

/// More lots than a frame's makers have.
const LONG: u64 = MAX_FILLS as u64 + 9;

fn in_a_sweep(order: NewOrder) -> Exchange {
    let mut x = Exchange::new();
    for client in 1..=MAX_FILLS as u64 + 1 {
        x.rest(1, limit(client, PLAIN, Side::Sell, 100, 1));
    }
    x.enter(0, order);
    assert!(x.engine.pending_work().is_some());
    x
}

fn in_a_mass_cancel(source: Source, command: Command) -> Exchange {
    let mut x = Exchange::new();
    for client in 1..=MAX_CANCELS as u64 + 2 {
        x.rest(1, limit(client, PLAIN, Side::Sell, 100, 1));
    }
    x.apply(source, command);
    assert!(x.engine.pending_work().is_some());
    x
}

fn in_an_auction() -> Exchange {
    let mut x = Exchange::new();
    x.admin(Command::SetCollar(SetCollar {
        price: Price(100),
        market: FEES,
        width_ppm: 70_000,
        reference: Reference::Set,
        halts: Flag::Yes,
        pad: [Zero::Zero; 6],
    }));
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::PreOpen),
    );
    for client in 1..=MAX_AUCTION_TRADES as u64 + 1 {
        x.rest(0, limit(client, PLAIN, Side::Buy, 110, 1));
        x.rest(1, limit(client, PLAIN, Side::Sell, 90, 1));
    }
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::Continuous),
    );
    assert!(x.engine.pending_work().is_some());
    x
}

/// More orders have ended than a frame cancels.
fn in_an_expiry() -> Exchange {
    let mut x = Exchange::new();
    let end = 1_000;
    for client in 1..=MAX_CANCELS as u64 + 2 {
        x.rest(1, until(end, limit(client, PLAIN, Side::Sell, 100, 1)));
    }
    x.rest(0, until(end + 10_000, limit(1, PLAIN, Side::Buy, 90, 1)));
    x.rest(0, until_close(limit(2, PLAIN, Side::Buy, 91, 1)));
    x.time = end;
    x.sequencer(timer(end));
    assert!(x.engine.pending_work().is_some());
    x
}

/// More orders end with the close than a frame cancels.
fn in_a_close() -> Exchange {
    let mut x = Exchange::new();
    for client in 1..=MAX_CANCELS as u64 + 2 {
        x.rest(1, until_close(limit(client, PLAIN, Side::Sell, 100, 1)));
    }
    let iceberg = x.rest(
        0,
        until(50_000, showing(2, limit(1, PLAIN, Side::Buy, 90, 9))),
    );
    x.enter(1, immediate(limit(99, PLAIN, Side::Sell, 90, 1)));
    assert_eq!(x.engine.order(iceberg).unwrap().shown(), Qty(1));
    let close = set_state(PLAIN, MarketState::Closed);
    x.apply(Source::ADMINISTRATION, close);
    assert!(x.engine.pending_work().is_some());
    x
}

/// Stops that wait, some of which are to arrive.
fn in_an_arrival() -> Exchange {
    let mut x = with_stops();
    x.rest_of_halt(PLAIN);
    x.rest(0, limit(20, PLAIN, Side::Sell, 104, 1));
    x.enter(1, limit(20, PLAIN, Side::Buy, 104, 1));
    assert!(x.engine.pending_work().is_some());
    x
}

/// A stop that ends at a time has arrived as a market order, and meets more than a frame holds.
fn in_a_sweep_of_a_stop() -> Exchange {
    let mut x = Exchange::new();
    for client in 1..=LONG {
        x.rest(1, limit(client, PLAIN, Side::Sell, 104, 1));
    }
    let order = market(1, PLAIN, Side::Buy, LONG);
    x.enter(0, until(9_000, stop(104, order)));
    x.enter(0, immediate(limit(2, PLAIN, Side::Buy, 104, 1)));
    x.sequencer(Command::Continue(Continue {
        order_id: OrderId::NONE,
    }));
    assert!(
        x.engine
            .pending_work()
            .is_some_and(|work| work != OrderId::NONE)
    );
    x
}

/// Stops in a market that is halted, and one that an auction's trade was beyond.
fn with_stops() -> Exchange {
    let mut x = Exchange::new();
    for (client, trigger) in [(1, 104), (2, 103), (3, 110)] {
        let order = NewOrder {
            price: Price(120),
            self_trade: SelfTrade::CancelOldest,
            ..market(client, PLAIN, Side::Buy, 2)
        };
        x.enter(1, stop(trigger, order));
    }
    let sells = limit(4, PLAIN, Side::Sell, 90, 3);
    x.enter(1, until(9_000, stop_limit(95, sells)));
    x.enter(0, until_close(stop(94, market(5, PLAIN, Side::Sell, 3))));
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::ClosingAuction),
    );
    x.rest(0, limit(6, PLAIN, Side::Buy, 102, 1));
    x.rest(1, limit(6, PLAIN, Side::Sell, 101, 1));
    x.apply(
        Source::ADMINISTRATION,
        set_state(PLAIN, MarketState::PostOnly),
    );
    x
}

/// Quotes of two sessions, one of which traded, and protections: one that counts, one that was reached, one without quotes.
fn with_quotes() -> Exchange {
    let mut x = Exchange::new();
    for (session, market) in [(0, PLAIN), (0, FEES), (1, PLAIN), (2, FEES)] {
        x.send(
            session,
            Command::SetProtection(SetProtection {
                request: 1,
                window: 5_000,
                max_qty: Qty(9),
                max_notional: Amount(900_000),
                max_fills: 2,
                market,
            }),
        );
    }
    x.quoting(0, quote(7, (98, 4), (102, 5)));
    x.quoting(1, quote(7, (98, 4), (102, 5)));
    x.quoting(
        0,
        Quote {
            market: FEES,
            ..quote(8, (98, 9), (102, 5))
        },
    );
    x.enter(2, immediate(limit(1, PLAIN, Side::Buy, 102, 2)));
    x.enter(2, immediate(limit(1, FEES, Side::Sell, 98, 4)));
    x.enter(2, immediate(limit(1, FEES, Side::Sell, 98, 3)));
    x
}

fn state_of_trading() -> Exchange {
    let mut x = Exchange::new();
    let gone = x.rest(1, limit(4, FEES, Side::Sell, 120, 2));
    let also_gone = x.rest(1, limit(9, FEES, Side::Sell, 121, 2));
    x.rest(1, post_only(limit(5, FEES, Side::Sell, 100, 7)));
    x.rest(
        1,
        NewOrder {
            post_only: PostOnly::Slide,
            self_trade: SelfTrade::DecrementAndCancel,
            self_trade_scope: SelfTradeScope::Firm,
            ..limit(7, FEES, Side::Sell, 100, 7)
        },
    );
    x.rest(0, showing(2, limit(6, FEES, Side::Buy, 99, 2)));
    x.rest(0, limit(7, PLAIN, Side::Buy, 1, 3));
    x.cancel(1, gone);
    x.cancel(1, also_gone);
    x.enter(0, immediate(limit(1, FEES, Side::Buy, 100, 3)));
    let limits = Limits {
        max_order_qty: Qty(50),
        max_order_notional: 2_000_000,
        max_position: 3_000_000,
        max_daily_volume: 4_000_000,
        max_unattested_notional: 5_000_000,
        max_open_orders: 20,
        ..Limits::default()
    };
    for command in [
        kill_switch(Scope::Firm, 9, Flag::Yes),
        kill_switch(Scope::Session, 2, Flag::Yes),
        set_tier(1, 3),
        set_limits(false, 3, limits),
        set_limits(true, 0, limits),
        set_fees(3, FEES, -100, 1_000),
    ] {
        assert_eq!(x.admin(command), Reason::None);
    }
    x.enter(0, immediate(limit(9, FEES, Side::Buy, 60, 2)));
    let entered = x.engine.session(SessionId(0)).unwrap().entered;
    assert_eq!(x.admin(confirm(0, entered - 1)), Reason::None);
    x.sequencer(recovered(3, 500));
    x.enter(0, limit(8, PLAIN, Side::Buy, 1, 3));
    x
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
const ASSETS: usize = 160;
const MARKETS: usize = ASSETS + 2 * 40;
const SESSIONS: usize = MARKETS + 2 * 120 + 2 * 56;
/// In a session's record.
const OLDER: usize = SESSIONS + 92;
const SESSION: usize = 136;
const BALANCES: usize = SESSIONS + 3 * SESSION;
const ORDERS: usize = BALANCES + 4 * 24;
const ORDER: usize = 88;
const FREE: usize = ORDERS + 4 * ORDER;

/// The body of the state `trading`.
fn trading() -> Vec<u8> {
    let (name, x) = states().swap_remove(1);
    let body = save(&x.engine);
    assert_eq!(
        (name, body.len()),
        ("trading", FREE + 2 * 8 + 2 * 8 + 2 * 56 + 16)
    );
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
        set(SESSIONS + SESSION, 0),
        record(Section::Session, 1, Fault::Order)
    );
    assert_eq!(
        set(SESSIONS + 112, 99),
        record(Section::Session, 0, Fault::Range),
        "an epoch's first report that was not sent yet"
    );
    assert_eq!(
        set(OLDER + 2 * SESSION, 0),
        record(Section::Session, 2, Fault::List),
        "a session of another account"
    );
    assert_eq!(
        set(OLDER + 2 * SESSION, 3),
        record(Section::Session, 2, Fault::List),
        "no session"
    );
    let two_newest = harmed(|body| body[OLDER + 2 * SESSION..][..4].fill(u8::MAX));
    assert_eq!(two_newest, record(Section::Session, 2, Fault::List));
    let in_a_circle = harmed(|body| body[OLDER + SESSION..][..4].copy_from_slice(&[2, 0, 0, 0]));
    assert_eq!(in_a_circle, record(Section::Head, 0, Fault::List));
    let the_other_way = harmed(|body| {
        body[OLDER + SESSION..][..4].copy_from_slice(&[2, 0, 0, 0]);
        body[OLDER + 2 * SESSION..][..4].fill(u8::MAX);
    });
    assert_eq!(the_other_way, None, "another order of opening is a state");
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
        set(ORDERS + 72, 3),
        record(Section::Order, 0, Fault::Unknown),
        "no such session"
    );
    assert_eq!(
        set(ORDERS + 8, 100),
        record(Section::Market, 0, Fault::Crossed),
        "a bid at the price of the asks"
    );
    let swapped = harmed(|body| body[ORDERS + ORDER..ORDERS + 3 * ORDER].rotate_left(ORDER));
    assert_eq!(swapped, record(Section::Order, 2, Fault::Order));
    let more = harmed(|body| body[ORDERS + ORDER + 18] = 9);
    assert_eq!(more, record(Section::Order, 1, Fault::NotCovered));
    let one_more = harmed(|body| body[ORDERS + ORDER + 16] += 1);
    assert_eq!(one_more, record(Section::Balance, 2, Fault::Held));
    let twice = harmed(|body| body.copy_within(FREE..FREE + 8, FREE + 8));
    assert_eq!(twice, record(Section::FreeSlot, 1, Fault::Slot));
    let live = harmed(|body| body[FREE] = body[ORDERS]);
    assert_eq!(live, record(Section::FreeSlot, 0, Fault::Slot));
}

/// Of the state `quoting`: bids of sessions 0 and 1, asks of sessions 0 and 1, and at the end four protections.
#[test]
fn quotes_and_protections_that_do_not_fit_together_are_refused_by_name() {
    let body = save(&with_quotes().engine);
    let harmed = |harm: &dyn Fn(&mut Vec<u8>)| {
        let mut body = body.clone();
        harm(&mut body);
        load("quoting", &body).err()
    };
    let set = |at: usize, byte: u8| harmed(&|body| body[at] = byte);
    let of_order = |index, fault| record(Section::Order, index, fault);
    assert_eq!(set(ORDERS + 79, 1), of_order(0, Fault::Range), "post-only");
    assert_eq!(set(ORDERS + 80, 1), of_order(0, Fault::Range), "self-trade");
    assert_eq!(set(ORDERS + 48, 9), of_order(0, Fault::Range), "it ends");
    assert_eq!(set(ORDERS + 56, 9), of_order(0, Fault::Range), "an iceberg");
    let second_bid = ORDERS + ORDER + 72;
    assert_eq!(
        set(second_bid, 0),
        of_order(1, Fault::Quote),
        "a second bid"
    );
    let ask = ORDERS + 2 * ORDER;
    assert_eq!(set(ask + 32, 9), of_order(2, Fault::Quote), "another id");
    assert_eq!(set(ask + 8, 98), of_order(2, Fault::Quote), "at its bid");
    let protections = body.len() - 4 * 64;
    let of_protection = |index, fault| record(Section::Protection, index, fault);
    let [reached, counts, _, last] = [0, 1, 2, 3].map(|index| protections + index * 64);
    let no_window = harmed(&|body| body[counts + 8..counts + 16].fill(0));
    assert_eq!(no_window, of_protection(1, Fault::Range));
    let no_limit = harmed(&|body| body[counts + 16..counts + 36].fill(0));
    assert_eq!(no_limit, of_protection(1, Fault::Range));
    assert_eq!(set(last, 9), of_protection(3, Fault::Unknown));
    assert_eq!(set(last, 0), of_protection(3, Fault::Order));
    assert_eq!(
        set(counts + 46, 9),
        of_protection(1, Fault::Range),
        "begun later than now"
    );
    assert_eq!(
        set(counts + 36, 0),
        of_protection(1, Fault::Range),
        "lots of no trade"
    );
    assert_eq!(
        set(counts + 36, 3),
        of_protection(1, Fault::Range),
        "fewer lots than trades"
    );
    assert_eq!(
        set(counts + 36, 2),
        of_protection(1, Fault::Quote),
        "reached, with quotes"
    );
    assert_eq!(set(reached + 32, 9), None, "reached no longer");
    // A stop or an order that sweeps is no quote.
    let mut waiting = save(&with_stops().engine);
    let (end, orders) = (waiting.len(), with_stops().engine.orders().count());
    let stops = (ORDERS..end).find(|at| waiting[*at..].starts_with(&104_i64.to_le_bytes()));
    let trigger = stops.expect("one has this trigger price");
    assert!(orders > 3);
    waiting[trigger - 5] = 1;
    let refused = load("waiting", &waiting).err();
    assert!(
        matches!(
            refused,
            Some(LoadError::Record {
                section: Section::Stop,
                fault: Fault::Quote,
                ..
            })
        ),
        "{refused:?}"
    );
}

/// Its genesis names as many pages as its orders need; one less would have refused the last of them.
#[test]
fn orders_that_need_more_pages_than_there_are_are_refused() {
    let mut x = Exchange::unfunded(Genesis {
        max_pages: 2,
        ..GENESIS
    });
    x.fund(0, QUOTE, START);
    x.rest(0, limit(1, PLAIN, Side::Buy, 10, 1));
    x.rest(0, limit(2, PLAIN, Side::Buy, 100, 1));
    let mut body = save(&x.engine);
    let genesis = |max_pages| Genesis {
        max_pages,
        ..GENESIS
    };
    let loaded = Engine::load(&body, Some(&genesis(2)), 0);
    assert!(loaded.is_ok());
    // The number of pages in the head.
    let at = (0..body.len() - 28)
        .find(|&at| body[at..at + 28] == genesis(2).as_bytes()[..28])
        .unwrap();
    body[at..at + 28].copy_from_slice(&genesis(1).as_bytes()[..28]);
    let refused = Engine::load(&body, Some(&genesis(1)), 0).err();
    assert!(
        matches!(
            refused,
            Some(LoadError::Record {
                section: Section::Order,
                fault: Fault::Pages,
                ..
            })
        ),
        "{refused:?}"
    );
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
