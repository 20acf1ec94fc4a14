//! The state hash: against a sum written down by hand, and that it sees every part of the state.

use crate::exchange::*;
use domain::*;
use engine::Engine;
use std::collections::BTreeSet;

fn record(tag: Tag, words: &[u64]) -> u64 {
    words
        .iter()
        .fold(RecordHash::new(tag), |hash, &word| hash.word(word))
        .finish()
}

fn sum(hashes: &[u64]) -> u64 {
    hashes.iter().fold(0, |sum, &hash| sum.wrapping_add(hash))
}

#[test]
fn a_blank_engine_is_one_record() {
    assert_eq!(
        Engine::new().state_hash(),
        record(Tag::Engine, &[1, 0, 0, 0, 0, 1, 1, 0])
    );
}

/// Assets, markets and capacities of [`Exchange::new`], after a trade at 100 in market 0 that paid 9 in fees.
fn records_of_the_exchange() -> Vec<u64> {
    let symbol = |text: &[u8; 16]| {
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        [word(&text[..8]), word(&text[8..])]
    };
    let [a_lo, a_hi] = symbol(b"ASSET\0\0\0\0\0\0\0\0\0\0\0");
    let [m_lo, m_hi] = symbol(b"BASE-QUOTE\0\0\0\0\0\0");
    let capacities = [
        GENESIS.max_assets,
        GENESIS.max_markets,
        GENESIS.max_accounts,
        GENESIS.max_sessions,
        GENESIS.max_orders,
        GENESIS.max_levels,
        GENESIS.max_pages,
    ];
    let fee_market = [0, 0, 1, 1_000, 2_000, 100, 10, 100, 2, 50, m_lo, m_hi, 0];
    let plain_market = [1, 0, 1, 0, 0, 200, 1, 1, 1, 1, m_lo, m_hi, 0];
    vec![
        record(Tag::Capacities, &capacities.map(u64::from)),
        record(Tag::Asset, &[0, 8, a_lo, a_hi]),
        record(Tag::Supply, &[0, 2 * START, 0]),
        record(Tag::Asset, &[1, 8, a_lo, a_hi]),
        record(Tag::Supply, &[1, 2 * START, 9]),
        record(Tag::Market, &fee_market),
        record(Tag::Trading, &[0, 0, 100, 0, 0, 0, 0, 0, 0]),
        record(Tag::Market, &plain_market),
        record(Tag::Trading, &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ]
}

/// 32 times this byte, as words.
fn key(byte: u64) -> [u64; 4] {
    [byte * 0x0101_0101_0101_0101; 4]
}

/// `older` is the id of the session of its account before it, and 1; 0: none.
fn session_records(id: u64, account: u64, reports: u64, last: u64, older: u64) -> u64 {
    let words = [
        &[id, account],
        &key(id)[..],
        &[0, 0, 0, 0, 0, 0, 0, 1, older],
    ];
    sum(&[
        record(Tag::Session, &words.concat()),
        record(Tag::Numbers, &[id, reports, last]),
    ])
}

#[test]
fn the_hash_is_the_sum_of_the_records() {
    let mut x = Exchange::new();
    let gone = x.rest(1, limit(4, FEES, Side::Sell, 120, 2));
    let resting = x.rest(1, post_only(limit(5, FEES, Side::Sell, 100, 7)));
    x.cancel(1, gone);
    // Behind two definitions, the first order's coming, its own, and the first one's going.
    let priority = 4;
    x.enter(0, immediate(limit(1, FEES, Side::Buy, 100, 3)));
    // 3 lots at 100: 3,000; fees of 3 and 6. A whole unit is 10^8 base units.
    const VOLUME: u64 = 30;
    let account = |id| {
        let words = [&[id, 7], &key(3)[..], &[0]];
        sum(&[
            record(Tag::Account, &words.concat()),
            record(Tag::Volume, &[id, VOLUME, 0]),
        ])
    };
    // Of session 1 in market 0; it sells, post-only.
    let whose_and_how = 1 | 1 << 48 | 1 << 56;
    let order = [resting.0, whose_and_how, 100, 4, 3, 5, priority];
    let balance = |account, asset| account * u64::from(GENESIS.max_assets) + asset;
    let free = gone.successor().unwrap().successor().unwrap();
    let mut expected = records_of_the_exchange();
    expected.extend([
        record(Tag::Engine, &[1, 0, 0, 0, x.seq, 2, 7, 2]),
        account(0),
        account(1),
        record(Tag::Balance, &[balance(0, 0), START + 300, 0]),
        record(Tag::Balance, &[balance(0, 1), START - 3_006, 0]),
        record(Tag::Balance, &[balance(1, 0), START - 700, 400]),
        record(Tag::Balance, &[balance(1, 1), START + 2_997, 0]),
        session_records(0, 0, 3, 1, 0),
        session_records(1, 1, 5, 3, 0),
        session_records(2, 1, 1, 0, 2),
        record(Tag::Source, &[1, 10]),
        record(Tag::Source, &[2, 4]),
        record(Tag::Order, &order),
        record(Tag::FreeSlot, &[0, free.0]),
    ]);
    assert_eq!(x.engine.state_hash(), sum(&expected));
}

#[test]
fn a_pending_work_is_part_of_it() {
    let run = |order: NewOrder| {
        let mut x = Exchange::new();
        for client in 1..=MAX_FILLS as u64 + 1 {
            x.rest(1, limit(client, PLAIN, Side::Sell, 100, 1));
        }
        x.enter(0, order);
        assert!(x.engine.pending_work().is_some());
        x.engine.state_hash()
    };
    let order = limit(1, PLAIN, Side::Buy, 100, MAX_FILLS as u64 + 1);
    let id = OrderId::first(u32::try_from(MAX_FILLS + 1).unwrap()).0;
    let difference = run(immediate(order)).wrapping_sub(run(order));
    let sweep = |type_and_time: [u64; 2], worst| {
        record(Tag::Sweep, &[id, type_and_time[0], type_and_time[1], worst])
    };
    assert_eq!(difference, sweep([0, 1], 0).wrapping_sub(sweep([0, 0], 0)));
    let order = market(1, PLAIN, Side::Buy, MAX_FILLS as u64 + 1);
    let protected = NewOrder {
        price: Price(120),
        ..order
    };
    assert_eq!(
        run(protected).wrapping_sub(run(order)),
        sweep([1, 1], 120).wrapping_sub(sweep([1, 1], 0))
    );
}

#[test]
fn a_checkpoint_reports_the_hash_after_itself() {
    let mut x = Exchange::new();
    let before = x.engine.state_hash();
    let events = x.sequencer(Command::Checkpoint(Checkpoint { interval: 7 }));
    let [Event::StateHash(reported)] = events[..] else {
        panic!("{events:?}");
    };
    assert_ne!(reported.hash, before);
    assert_eq!(reported.hash, x.engine.state_hash());
}

#[test]
fn no_two_states_of_a_history_have_one_hash_and_the_probe_key_is_no_state() {
    let run = |key| {
        let mut x = Exchange {
            engine: Engine::with_probe_key(key),
            ..Exchange::blank()
        };
        let mut hashes = vec![x.engine.state_hash()];
        let commands = [
            Command::Genesis(GENESIS),
            asset(0),
            asset(1),
            Command::CreateMarket(plain_market()),
            account(0),
            session(0, 0),
        ];
        for command in commands {
            x.admin(command);
            hashes.push(x.engine.state_hash());
        }
        x.fund(0, BASE, START);
        for client in 1..50 {
            let id = x.rest(0, limit(client, PLAIN, Side::Sell, 100, client));
            hashes.push(x.engine.state_hash());
            if client % 3 == 0 {
                x.cancel(0, id);
                hashes.push(x.engine.state_hash());
            }
        }
        hashes
    };
    let hashes = run(0);
    assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), hashes.len());
    assert_eq!(run(0x1234_5678_9ABC_DEF0), hashes);
}
