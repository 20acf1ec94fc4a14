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

#[test]
fn the_hash_is_the_sum_of_the_records() {
    let mut x = Exchange::new();
    let gone = x.rest(1, limit(4, FEES, Side::Sell, 120, 2));
    let resting = x.rest(1, post_only(limit(5, FEES, Side::Sell, 100, 7)));
    x.cancel(1, gone);
    let seq_of_rest = 16;
    x.enter(0, immediate(limit(1, FEES, Side::Buy, 100, 3)));
    let symbol = |text: &[u8; 16]| {
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        [word(&text[..8]), word(&text[8..])]
    };
    let [a_lo, a_hi] = symbol(b"ASSET\0\0\0\0\0\0\0\0\0\0\0");
    let [m_lo, m_hi] = symbol(b"BASE-QUOTE\0\0\0\0\0\0");
    let key = |byte: u64| byte * 0x0101_0101_0101_0101;
    let session = |id: u64, account: u64, reports, last| {
        let key = key(id);
        record(
            Tag::Session,
            &[
                id, account, key, key, key, key, 0, 0, 0, 0, 0, 0, 0, reports, last, 1,
            ],
        )
    };
    let owner = key(3);
    let capacities = [
        GENESIS.max_assets,
        GENESIS.max_markets,
        GENESIS.max_accounts,
        GENESIS.max_sessions,
        GENESIS.max_orders,
        GENESIS.max_levels,
    ];
    // 3 lots at 100: 3,000; fees of 3 and 6.
    let expected = [
        record(Tag::Engine, &[1, 0, 0, 0, x.seq, 2, 7, 2]),
        record(Tag::Capacities, &capacities.map(u64::from)),
        record(Tag::Asset, &[0, 8, a_lo, a_hi, 2 * START, 0]),
        record(Tag::Asset, &[1, 8, a_lo, a_hi, 2 * START, 9]),
        record(
            Tag::Market,
            &[0, 0, 1, 1_000, 2_000, 100, 10, 100, 2, 50, m_lo, m_hi],
        ),
        record(Tag::Market, &[1, 0, 1, 0, 0, 200, 1, 1, 1, 1, m_lo, m_hi]),
        record(Tag::Account, &[0, 7, owner, owner, owner, owner]),
        record(Tag::Account, &[1, 7, owner, owner, owner, owner]),
        record(Tag::Balance, &[0, 0, START + 300, 0]),
        record(Tag::Balance, &[0, 1, START - 3_006, 0]),
        record(Tag::Balance, &[1, 0, START - 700, 400]),
        record(Tag::Balance, &[1, 1, START + 2_997, 0]),
        session(0, 0, 3, 1),
        session(1, 1, 5, 3),
        session(2, 1, 1, 0),
        record(Tag::Source, &[1, 10]),
        record(Tag::Source, &[2, 4]),
        record(
            Tag::Order,
            &[resting.0, 1, 1, 0, 1, 1, 100, 4, 3, 5, seq_of_rest],
        ),
        record(
            Tag::FreeSlot,
            &[0, gone.successor().unwrap().successor().unwrap().0],
        ),
    ];
    assert_eq!(x.engine.state_hash(), sum(&expected));
}

#[test]
fn a_pending_sweep_is_part_of_it() {
    let run = |order: NewOrder| {
        let mut x = Exchange::new();
        for client in 1..=MAX_FILLS as u64 + 1 {
            x.rest(1, limit(client, PLAIN, Side::Sell, 100, 1));
        }
        x.enter(0, order);
        assert!(x.engine.pending_sweep().is_some());
        x.engine.state_hash()
    };
    let order = limit(1, PLAIN, Side::Buy, 100, MAX_FILLS as u64 + 1);
    let id = OrderId::first(u32::try_from(MAX_FILLS + 1).unwrap()).0;
    let difference = run(immediate(order)).wrapping_sub(run(order));
    let sweep = |time_in_force| record(Tag::Sweep, &[id, 0, time_in_force]);
    assert_eq!(difference, sweep(1).wrapping_sub(sweep(0)));
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
