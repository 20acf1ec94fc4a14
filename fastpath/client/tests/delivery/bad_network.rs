//! Loss, duplication, reordering, busy answers, restarts, lost journal tails: every command applies at most
//! once, every report is delivered exactly once and in order, and every outcome is known in the end.

use crate::exchange::{DELEGATED_KEY, Exchange, SESSION, secret};
use crate::random::Random;
use client::{Attesting, Behind, Config, Event, SendError, Session, Status};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, MarketId, MassCancel, Nanos, NewOrder, OrderId,
    OrderType, Price, Qty, Quote, SetProtection, Side, TimeInForce,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use wire::order_entry::{self, Message};

const STEP: u64 = 500_000;
const COMMANDS: u64 = 120;
/// Steps after which everything must have been settled on a healed network: 60 s.
const PATIENCE: u64 = 120_000;

/// How bad it is, in chances of 1,000.
#[derive(Clone, Copy, Debug)]
struct Faults {
    loss: u64,
    duplication: u64,
    busy: u64,
    restart: u64,
    power_loss: u64,
    heartbeats: bool,
    /// The longest delay beyond the shortest, ns.
    jitter: u64,
}

const NO_FAULTS: Faults = Faults {
    loss: 0,
    duplication: 0,
    busy: 0,
    restart: 0,
    power_loss: 0,
    heartbeats: false,
    jitter: 0,
};

/// An order that waits, one that ends and is not shown whole, or a plain one.
fn any_kind(kind: u64) -> NewOrder {
    match kind {
        13..=15 => NewOrder {
            order_type: OrderType::StopLimit,
            trigger_price: Price(9),
            ..NewOrder::PLAIN
        },
        16..=17 => NewOrder {
            time_in_force: TimeInForce::GoodTillTime,
            expires: Nanos(kind),
            display_qty: Qty(1),
            ..NewOrder::PLAIN
        },
        _ => NewOrder::PLAIN,
    }
}

struct World {
    random: Random,
    faults: Faults,
    now: Nanos,
    session: Session,
    exchange: Exchange,
    /// Datagrams on their way: arrival, to the exchange?, bytes.
    flying: Vec<(u64, bool, Vec<u8>)>,
    submitted: BTreeMap<u64, Message>,
    /// Numbers that the session has given to attestations of its own.
    attests: BTreeSet<u64>,
    delivered: Vec<Message>,
    given: u64,
    epoch: u32,
}

impl World {
    fn new(seed: u64, faults: Faults) -> Self {
        let now = Nanos(1_000_000_000);
        let mut attesting = Attesting::with_key(&DELEGATED_KEY);
        (attesting.every, attesting.numbers) = (20_000_000, 30);
        let config = Config {
            attesting: Some(attesting),
            ..Config::new(SESSION, secret())
        };
        Self {
            random: Random(seed),
            faults,
            now,
            session: Session::new(config, [4; 16], now),
            exchange: Exchange::new(seed ^ 1),
            flying: Vec::new(),
            submitted: BTreeMap::new(),
            attests: BTreeSet::new(),
            delivered: Vec::new(),
            given: 0,
            epoch: 0,
        }
    }

    fn throw(&mut self, to_exchange: bool, bytes: Vec<u8>) {
        let copies = 1 + u64::from(self.random.chance(self.faults.duplication));
        for _ in 0..copies {
            if !self.random.chance(self.faults.loss) {
                let delay = 100_000 + self.random.below(self.faults.jitter + 1);
                let arrival = self.now.0 + delay;
                self.flying.push((arrival, to_exchange, bytes.clone()));
            }
        }
    }

    fn step(&mut self) {
        self.now.0 += STEP;
        let mut arrived = Vec::new();
        let now = self.now.0;
        self.flying.retain(|datagram| {
            let here = datagram.0 <= now;
            if here {
                arrived.push(datagram.clone());
            }
            !here
        });
        arrived.sort_by_key(|datagram| datagram.0);
        for (_, to_exchange, bytes) in arrived {
            if to_exchange {
                self.exchange.busy = self.faults.busy;
                for answer in self.exchange.feed(&bytes) {
                    self.throw(false, answer);
                }
            } else {
                self.session.feed(&bytes, self.now);
                self.take_events();
            }
        }
        if self.faults.heartbeats && now % (100 * 1_000_000) < STEP {
            for datagram in self.exchange.heartbeat() {
                self.throw(false, datagram);
            }
        }
        let mut buffer = [0; wire::MAX_DATAGRAM];
        let mut datagrams = 0;
        while let Some(length) = self.session.poll_transmit(&mut buffer, self.now) {
            self.note_attests(&buffer[..length]);
            self.throw(true, buffer[..length].to_vec());
            datagrams += 1;
            assert!(datagrams < 100, "a session that does not stop sending");
        }
        assert!(self.session.next_timeout() > self.now, "all due was sent");
        self.take_events();
    }

    fn note_attests(&mut self, datagram: &[u8]) {
        let datagram = order_entry::DatagramReader::parse(datagram).unwrap();
        let attests = datagram.messages.filter_map(|numbered| {
            let is_attest = matches!(numbered.message, Message::Attest(_));
            numbered.number.filter(|_| is_attest)
        });
        self.attests.extend(attests);
    }

    fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Report { number, message } => {
                    let next = u64::try_from(self.delivered.len()).unwrap() + 1;
                    assert_eq!(number, next, "reports come once and in order");
                    self.delivered.push(message);
                }
                Event::RolledBack {
                    last_seq_no,
                    next_report_no,
                    ..
                } => {
                    self.submitted.split_off(&(last_seq_no + 1));
                    self.attests.split_off(&(last_seq_no + 1));
                    let kept = usize::try_from(next_report_no - 1).unwrap();
                    self.delivered.truncate(kept);
                }
                Event::Established { epoch, .. } => self.epoch = epoch,
                Event::Silent => {}
                Event::AttestationLost => panic!("what was sent is known here"),
                Event::Missed { .. }
                | Event::OutcomeUnknown { .. }
                | Event::Outcome(_)
                | Event::QueryUnanswered(_)
                | Event::Refused(_) => {
                    panic!("nothing is out of memory here: {event:?}")
                }
            }
        }
    }

    fn give_command(&mut self) {
        let client_order_id = ClientOrderId(1 + self.random.below(12));
        let price = Price(1 + self.random.next().cast_signed().rem_euclid(1000));
        let qty = Qty(1 + self.random.below(9));
        let (number, message) = match self.random.below(28) {
            24..=25 => return self.give_quotes(),
            26 => {
                let number = self.session.set_protection(&SetProtection::OFF);
                let protection = order_entry::SetProtection {
                    request: number.unwrap_or_default(),
                    ..(&SetProtection::OFF).into()
                };
                (number, Message::SetProtection(protection))
            }
            0 => {
                let number = self.session.mass_cancel(&MassCancel::OWN);
                let cancel = order_entry::MassCancel {
                    request: number.unwrap_or_default(),
                    ..(&MassCancel::OWN).into()
                };
                (number, Message::MassCancel(cancel))
            }
            1..=6 => {
                let cancel = CancelOrder {
                    order_id: OrderId::NONE,
                    client_order_id,
                    qty: Qty(self.random.below(6)),
                };
                let number = self.session.cancel_order(&cancel);
                (number, Message::CancelOrder((&cancel).into()))
            }
            7..=12 => {
                let amend = AmendOrder {
                    order_id: OrderId::NONE,
                    client_order_id,
                    price,
                    qty,
                    new_client_order_id: ClientOrderId(self.random.below(13)),
                };
                let number = self.session.amend_order(&amend);
                (number, Message::AmendOrder((&amend).into()))
            }
            kind => {
                let order = NewOrder {
                    client_order_id,
                    price,
                    qty,
                    market: MarketId(0),
                    side: Side::Sell,
                    ..any_kind(kind)
                };
                let number = self.session.new_order(&order);
                (number, Message::NewOrder((&order).into()))
            }
        };
        match number {
            Ok(number) => {
                let old = self.submitted.insert(number, message);
                assert_eq!(old, None, "a number is given out once");
                self.given += 1;
            }
            Err(SendError::NotEstablished) => assert!(!self.session.is_established()),
            Err(SendError::TooManyUnanswered) => panic!("the window is wider than this test"),
        }
    }

    /// Quotes up to 40 markets, which is more than a message has room for.
    fn give_quotes(&mut self) {
        let count = u32::try_from(1 + self.random.below(40)).unwrap();
        let quote = |market| Quote {
            quote_id: ClientOrderId(1 + self.random.below(12)),
            bid_price: Price(10),
            bid_qty: Qty(self.random.below(3)),
            ask_price: Price(20),
            ask_qty: Qty(self.random.below(3)),
            market: MarketId(market),
            ..Quote::PULL
        };
        let mut quotes: Vec<Quote> = (0..count).map(quote).collect();
        if self.random.chance(500) {
            let quote_id = quotes[0].quote_id;
            for quote in &mut quotes {
                quote.quote_id = quote_id;
            }
        }
        match self.session.mass_quote(&quotes) {
            Ok(numbers) => {
                assert_eq!(numbers.end - numbers.start, u64::from(count));
                self.given += u64::from(count);
                for (number, quote) in numbers.zip(&quotes) {
                    let message = Message::MassQuote(quote.into());
                    let old = self.submitted.insert(number, message);
                    assert_eq!(old, None, "a number is given out once");
                }
            }
            Err(SendError::NotEstablished) => assert!(!self.session.is_established()),
            Err(SendError::TooManyUnanswered) => panic!("the window is wider than this test"),
        }
    }

    fn misfortune(&mut self) {
        if self.random.chance(20) {
            for datagram in self.exchange.trade() {
                self.throw(false, datagram);
            }
        }
        if self.random.chance(self.faults.restart) {
            self.flying.clear();
            // Bindings survive, or not: a session copes with both.
            self.exchange.bound &= self.random.chance(500);
        }
        if self.random.chance(self.faults.power_loss) {
            let frames = self.random.below(20);
            self.exchange.lose(frames);
        }
    }

    fn is_settled(&self) -> bool {
        self.epoch == self.exchange.epoch
            && self.session.unanswered() == 0
            && self.session.next_report_no() == self.exchange.next_report_no()
            && self.is_attested()
    }

    /// Whether a right attestation stands behind all that can be attested.
    fn is_attested(&self) -> bool {
        let frames = self.exchange.state.frames.iter().rev();
        let mut numbers = frames.map(|frame| frame.number);
        let last = numbers.find(|number| !self.attests.contains(number));
        last.is_none_or(|last| self.exchange.state.attested_by > last)
    }

    fn check(&self) {
        assert!(
            self.delivered == self.exchange.state.reports,
            "what was delivered is what was issued"
        );
        let mut known = BTreeMap::new();
        for frame in &self.exchange.state.frames {
            let old = known.insert(frame.number, ());
            assert_eq!(old, None, "applied at most once");
            if self.attests.contains(&frame.number) {
                continue;
            }
            assert_eq!(
                self.submitted.get(&frame.number),
                Some(&frame.command),
                "what was applied is what was asked"
            );
        }
        for report in &self.delivered {
            if let Message::NotApplied(report) = report {
                for number in report.from_seq_no..report.from_seq_no + report.count {
                    let old = known.insert(number, ());
                    assert_eq!(old, None, "what was not applied never is");
                }
            }
        }
        let given: BTreeSet<_> = self.submitted.keys().chain(&self.attests).collect();
        assert!(known.keys().eq(given), "every outcome is known");
        let hash = self.exchange.state.running_hash();
        let behind = self.session.running_hash();
        let last = known.keys().next_back().copied().unwrap_or(0);
        let expected = Behind { number: last, hash };
        assert_eq!(behind, Some(expected), "both have the same hash");
        self.check_orders();
        self.check_quotes();
    }

    fn check_quotes(&self) {
        let (orders, quotes) = (self.session.orders(), &self.exchange.state.quotes);
        for ((market, side), live) in quotes {
            let order = orders.live().find(|order| order.order_id == live.order_id);
            let order = order.expect("no quote is forgotten");
            assert_eq!(
                (order.quote, order.market.0, order.side as u8),
                (true, *market, *side)
            );
            if order.certain {
                assert_eq!((order.price, order.leaves), (live.price, live.quantity));
                assert_eq!(orders.quote(order.market, order.side), Some(order));
            }
        }
        for order in orders.live().filter(|order| order.certain && order.quote) {
            let quoted = &quotes[&(order.market.0, order.side as u8)];
            assert_eq!(order.order_id, quoted.order_id);
        }
    }

    fn check_orders(&self) {
        let orders = self.session.orders();
        for (id, live) in &self.exchange.state.live {
            // By the exchange's id: its name may be another since an amendment that is void.
            let order = orders.live().find(|order| order.order_id == live.order_id);
            let order = order.expect("no live order is forgotten");
            assert_eq!(order.status, Status::Live);
            if order.certain {
                assert_eq!(orders.get(*id), Some(order));
                assert_eq!((order.price, order.quantity), (live.price, live.quantity));
                assert_eq!((order.filled.0, order.fees.0), (live.filled, live.fees));
                assert_eq!(order.leaves.0, live.quantity.0 - live.filled);
                assert_eq!(
                    (order.expires, order.trigger_price),
                    (live.expires, live.trigger)
                );
                assert_eq!(order.display_quantity, live.display);
            }
        }
        for order in orders.live().filter(|order| order.certain && !order.quote) {
            assert!(
                self.exchange
                    .state
                    .live
                    .contains_key(&order.client_order_id)
            );
        }
        if self.faults.power_loss == 0 && self.exchange.epoch == 1 {
            assert!(orders.live().all(|order| order.certain));
        }
    }

    fn run(mut self) {
        let faults = self.faults;
        while self.given < COMMANDS {
            if self.random.chance(300) {
                self.give_command();
            }
            self.misfortune();
            self.step();
        }
        self.faults = Faults {
            heartbeats: faults.heartbeats,
            jitter: faults.jitter,
            ..NO_FAULTS
        };
        for _ in 0..PATIENCE {
            if self.is_settled() && self.flying.is_empty() {
                break;
            }
            self.step();
        }
        assert!(self.is_settled(), "everything is answered in the end");
        self.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_on_a_bad_network(
        seed: u64,
        loss in 0..250_u64,
        duplication in 0..200_u64,
        busy in 0..200_u64,
        restart in 0..10_u64,
        heartbeats: bool,
    ) {
        let faults = Faults { loss, duplication, busy, restart, power_loss: 0, heartbeats, jitter: 4_000_000 };
        World::new(seed, faults).run();
    }

    #[test]
    fn promises_hold_when_journal_tails_are_lost(
        seed: u64,
        loss in 0..250_u64,
        power_loss in 1..12_u64,
        heartbeats: bool,
    ) {
        let faults = Faults {
            loss,
            duplication: 100,
            busy: 50,
            restart: 2,
            power_loss,
            heartbeats,
            jitter: 4_000_000,
        };
        World::new(seed, faults).run();
    }
}

#[test]
fn nothing_is_sent_twice_on_a_good_network() {
    let mut world = World::new(1, NO_FAULTS);
    while world.given < COMMANDS || !world.is_settled() {
        if world.given < COMMANDS {
            world.give_command();
        }
        world.step();
        for (_, _, bytes) in &world.flying {
            let context = order_entry::DatagramReader::context(bytes).unwrap();
            assert!(!context.is_retransmission());
        }
    }
    let applied = u64::try_from(world.exchange.state.frames.len()).unwrap();
    let attested = u64::try_from(world.attests.len()).unwrap();
    assert_eq!(applied, world.given + attested);
    assert_eq!(world.exchange.state.wrong_attestations, 0);
    world.check();
}
