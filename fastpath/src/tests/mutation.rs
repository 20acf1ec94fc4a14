//! Datagrams that were genuine once: flipped, spliced, cut, repeated, out of order, from anywhere,
//! signed again or not. The seeds are fixed, so that a failure can be repeated; what was interesting
//! stays in the corpus.

use super::rig::{Client, EXCHANGE, Rig, Seeded, order};
use domain::{
    Amount, ClientOrderId, MarketId, Nanos, OrderId, OrderType, OrderView, Price, Qty, SessionView,
    Side, TimeInForce,
};
use journal::Frame;
use nic::Peer;
use shm::{LogReader, MAX_FRAME_WORDS, Read};
use std::collections::BTreeMap;
use tile::Tile as _;
use topology::TileKind;
use topology::instruments::net as counter;
use wire::CONTROL_EPOCH;
use wire::auth::Mac;
use wire::order_entry::{
    AmendOrder, CancelOrder, Establish, Hello, MassCancel, MassQuote, NewOrder, QuoteEntry,
    ResendRequest, SetProtection,
};

const SEEDS: u64 = 48;
const STEPS: usize = 250;
const CORPUS: &str = include_str!("../../corpus/datagrams.txt");

/// An order as it is, or one that waits, ends some day, or is not shown whole.
fn of_any_kind(random: &mut Seeded, order: NewOrder) -> NewOrder {
    match random.below(6) {
        0 => NewOrder {
            order_type: OrderType::StopLimit as u8,
            trigger_price: Price(order.price.0 + 1),
            ..order
        },
        1 => NewOrder {
            time_in_force: TimeInForce::GoodTillTime as u8,
            expires: Nanos(1 << 62),
            ..order
        },
        2 => NewOrder {
            display_quantity: Qty(1),
            ..order
        },
        _ => order,
    }
}

/// Some quotes, in one message or in two.
fn some_quotes(random: &mut Seeded) -> Vec<MassQuote> {
    let count = [1, 2, 3, 32][random.below(4)];
    let quote = |at: usize| {
        let lots = |random: &mut Seeded| Qty(random.below(4) as u64);
        let price = 95 + i64::try_from(random.below(10)).unwrap();
        MassQuote {
            quote_id: ClientOrderId(u64::from(at > 1)),
            slide: 1,
            quotes: QuoteEntry::ALONE,
            quote: QuoteEntry {
                bid_price: Price(price),
                bid_quantity: lots(random),
                ask_price: Price(price + 2),
                ask_quantity: lots(random),
                market_id: MarketId(u32::from(random.below(8) == 0)),
                reserved: 0,
            },
            ..MassQuote::default()
        }
    };
    (0..count).map(quote).collect()
}

/// A datagram that the client might send.
fn genuine(random: &mut Seeded, client: &Client, number: u64) -> Vec<u8> {
    let side = [Side::Buy, Side::Sell][random.below(2)];
    let price = 95 + i64::try_from(random.below(10)).unwrap();
    let id = 1 + random.below(40) as u64;
    let quantity = 1 + random.below(9) as u64;
    let new = of_any_kind(random, order(id, side, price, quantity));
    let nonce = random.word();
    match random.below(13) {
        10..=11 => client.datagram(number, &some_quotes(random)),
        12 => client.datagram(
            number,
            &[SetProtection {
                window: random.below(2) as u64 * 1_000_000,
                max_quantity: Qty(random.below(4) as u64),
                max_fills: u32::try_from(random.below(3)).unwrap(),
                ..SetProtection::default()
            }],
        ),
        0 => client.datagram(number, &[new, new]),
        1..=3 => client.datagram(number, &[new]),
        4 => client.datagram(
            number,
            &[CancelOrder {
                order_id: OrderId::NONE,
                client_order_id: ClientOrderId(id),
                quantity: Qty(random.below(4) as u64),
            }],
        ),
        5 => client.datagram(
            number,
            &[AmendOrder {
                order_id: OrderId::NONE,
                client_order_id: ClientOrderId(id),
                price: Price(price),
                quantity: Qty(1 + random.below(9) as u64),
                new_client_order_id: ClientOrderId(random.below(40) as u64),
            }],
        ),
        6 => client.datagram(
            number,
            &[ResendRequest {
                from_report_no: random.below(60) as u64,
                count: u32::try_from(random.below(90)).unwrap(),
                reserved: 0,
            }],
        ),
        7 => client.datagram_of(CONTROL_EPOCH, 0, &[Hello { nonce }]),
        8 => client.datagram(
            number,
            &[MassCancel {
                request: nonce,
                market_id: MarketId(u32::try_from(random.below(2)).unwrap()),
                scope: u8::try_from(random.below(4)).unwrap(),
                sides: u8::try_from(random.below(3)).unwrap(),
                ..MassCancel::default()
            }],
        ),
        _ => client.datagram_of(
            CONTROL_EPOCH,
            0,
            &[Establish {
                nonce,
                cookie: random.word(),
            }],
        ),
    }
}

/// Changes a datagram in one of many ways; `other` is what it may be spliced with.
fn mutate(random: &mut Seeded, bytes: &mut Vec<u8>, other: &[u8]) {
    let place = |random: &mut Seeded, bytes: &[u8]| random.below(bytes.len().max(1));
    match random.below(6) {
        0 => {
            for _ in 0..=random.below(4) {
                let at = place(random, bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
        1 => bytes.truncate(place(random, bytes)),
        2 => bytes.extend_from_slice(&other[place(random, other).min(other.len())..]),
        3 => {
            let cut = place(random, bytes) & !7;
            bytes.truncate(cut);
            bytes.extend_from_slice(other.get(cut..).unwrap_or_default());
        }
        4 => {
            let extreme = [0, 1, u64::MAX, u64::MAX - 1, 1 << 63, 1 << 32][random.below(6)];
            let at = place(random, bytes) & !7;
            if let Some(word) = bytes.get_mut(at..at + 8) {
                word.copy_from_slice(&extreme.to_le_bytes());
            }
        }
        _ => {}
    }
}

/// Gives the datagram a right MAC of this client.
fn sign(bytes: &mut [u8], client: &Client) {
    let Some((content, code)) = bytes.split_last_chunk_mut::<8>() else {
        return;
    };
    let control = content.get(12..16) == Some(&CONTROL_EPOCH.to_le_bytes());
    let keys = if control {
        &client.control
    } else {
        &client.keys
    };
    *code = Mac::sign(&keys.to_exchange, content);
}

/// The numbers of each session's commands, as journalled: they may only rise.
fn check_journal(rig: &Rig) -> u64 {
    let mut last = BTreeMap::new();
    let mut reader = LogReader::new(rig.regions.journal.clone(), 1).unwrap();
    let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
    let mut of_sessions = 0;
    while let Read::Frame(words) = reader.poll(&mut buffer) {
        let frame = Frame::parse(&buffer[..words]).unwrap();
        if let Some(session) = frame.header.source.session() {
            of_sessions += 1;
            let before = last.insert(session, frame.header.source_seq);
            assert!(before < Some(frame.header.source_seq), "applied twice");
        }
    }
    assert_eq!(
        reader.next_seq(),
        rig.head() + 1,
        "the whole journal was read"
    );
    of_sessions
}

/// The last number of each session, at the net tile and in the engine.
fn last_numbers(rig: &Rig) -> Vec<(u64, u64)> {
    let engine = rig.engine();
    let last = |id| {
        let place = usize::try_from(id).unwrap();
        let net = rig.tiles.net.entry.sessions[place].as_ref().unwrap();
        let session = engine.session(domain::SessionId(id)).unwrap();
        (net.last_accepted, session.last_number)
    };
    (1..=3).map(last).collect()
}

fn poll_some(random: &mut Seeded, rig: &mut Rig) {
    match random.below(4) {
        0 => rig.tiles.net.poll(),
        1 => rig.tiles.matching.poll(),
        2 => rig.tiles.out.poll(),
        _ => rig.turn(),
    };
}

fn storm(seed: u64) {
    let mut random = Seeded(seed);
    let mut rig = Rig::with(1 << 18, |config| config.limits.net_ring = 64);
    // The third session exists and has no address.
    let mut clients = [rig.client(1), rig.client(2), rig.stranger(3)];
    let mut sent: Vec<Vec<u8>> = vec![clients[0].datagram::<NewOrder>(1, &[])];
    let mut numbers = [1_u64; 3];
    let mut last = last_numbers(&rig);
    for step in 0..STEPS {
        let which = random.below(3);
        let client = &clients[which];
        let mut bytes = if random.below(4) == 0 {
            sent[random.below(sent.len())].clone()
        } else {
            numbers[which] += random.below(3) as u64;
            genuine(&mut random, client, numbers[which])
        };
        sent.push(bytes.clone());
        if random.below(2) == 0 {
            let other = sent[random.below(sent.len())].clone();
            mutate(&mut random, &mut bytes, &other);
            if random.below(2) == 0 {
                sign(&mut bytes, client);
            }
        }
        let elsewhere = Peer {
            ip: [10, 9, 9, 9],
            port: 9,
        };
        let from = [client.address(), clients[0].address(), elsewhere][random.below(3)];
        rig.network.inject(from, EXCHANGE, &bytes);
        poll_some(&mut random, &mut rig);
        let now = last_numbers(&rig);
        let rises = |(before, after): (&(u64, u64), &(u64, u64))| {
            before.0 <= after.0 && before.1 <= after.1 && after.1 <= after.0
        };
        assert!(last.iter().zip(&now).all(rises), "seed {seed} step {step}");
        last = now;
        if step % 25 == 0 {
            rig.check_engine();
        }
    }
    rig.settle();
    rig.check_engine();
    for client in &mut clients {
        client.receive();
    }
    let applied = check_journal(&rig);
    assert_eq!(rig.count(TileKind::Net, counter::accepted), applied);
    assert!(applied > 0);
    // Recovery replays the journal and compares every event.
    let before = State::of(&rig);
    let rig = rig.restart(|_| {});
    assert_eq!(before, State::of(&rig), "seed {seed}");
}

/// All of the engine's state that a restart leaves as it was: it begins a grace and has a command of
/// its own, so the state hash is another.
#[derive(Debug, PartialEq)]
struct State {
    orders: Vec<OrderView>,
    /// Each side of each market, in the order of priority.
    books: Vec<Vec<OrderId>>,
    balances: Vec<(Amount, Amount)>,
    assets: Vec<(Amount, Amount)>,
    sessions: Vec<SessionView>,
}

impl State {
    fn of(rig: &Rig) -> Self {
        let engine = rig.engine();
        let sides = engine
            .market_ids()
            .flat_map(|market| [(market, Side::Buy), (market, Side::Sell)]);
        let book = |(market, side)| engine.book(market, side).map(|it| it.order_id).collect();
        let of_account = |account| {
            let balance = move |asset| engine.balance(account, asset).unwrap();
            engine.asset_ids().map(balance)
        };
        Self {
            orders: engine.orders().collect(),
            books: sides.map(book).collect(),
            balances: engine.account_ids().flat_map(of_account).collect(),
            assets: engine
                .asset_ids()
                .map(|asset| engine.asset(asset).unwrap())
                .collect(),
            sessions: engine
                .session_ids()
                .map(|session| engine.session(session).unwrap())
                .collect(),
        }
    }
}

#[test]
fn nothing_is_applied_twice_or_out_of_order_in_a_storm_of_mutated_datagrams() {
    for seed in 0..SEEDS {
        storm(seed);
    }
}

/// Lines of `counter hex # why`: an established session 1 sends the bytes, signed again unless the
/// MAC is what is wrong, and the named counter of the net tile must rise.
#[test]
fn the_corpus_is_counted_as_it_says() {
    let mut replayed = 0;
    for line in CORPUS
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        let mut words = line.split_whitespace();
        let (name, hex) = (words.next().unwrap(), words.next().unwrap());
        let hex = hex.trim_start_matches('-');
        let number = counter::NAMES.iter().position(|n| *n == name).unwrap();
        let mut rig = Rig::new();
        let client = rig.client(1);
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let mut bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
        if name != "wrong_mac" {
            sign(&mut bytes, &client);
        }
        let before = rig.count(TileKind::Net, number);
        let orders = rig.engine().live_orders();
        client.send_bytes(&bytes);
        rig.settle();
        assert!(rig.count(TileKind::Net, number) > before, "{line}");
        assert_eq!(
            rig.engine().live_orders() > orders,
            name == "accepted",
            "{line}"
        );
        rig.check_engine();
        replayed += 1;
    }
    assert!(replayed > 20, "{replayed} lines");
}
