//! What the exchange has no more is had at its replay port, by itself.

use crate::exchange::{Exchange, SESSION, secret};
use client::{Config, Event, ReportsFrom, Session};
use domain::{ClientOrderId, Nanos};
use std::net::SocketAddrV4;
use wire::order_entry::{Became, OutcomeQuery};

const MS: u64 = 1_000_000;
const REPLAY: SocketAddrV4 = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 7402);

struct World {
    exchange: Exchange,
    session: Session,
    now: u64,
    events: Vec<Event>,
    /// Datagrams of the replay port so far; of so many one is lost, 0: none.
    replayed: usize,
    loses: usize,
    /// Nobody is at the replay port.
    is_silent: bool,
}

impl World {
    /// A session of an exchange with so many reports, which can send again only those from `oldest` on.
    fn new(reports: u64, oldest: u64) -> Self {
        let mut exchange = Exchange::new(1);
        let config = Config::new(SESSION, secret());
        let mut earlier = World::of(Session::new(config, [1; 16], Nanos(0)), exchange);
        earlier.run(20);
        for id in 1..=reports {
            let order = domain::NewOrder {
                client_order_id: ClientOrderId(id),
                price: domain::Price(1),
                qty: domain::Qty(1),
                ..domain::NewOrder::PLAIN
            };
            earlier.session.new_order(&order).unwrap();
            earlier.run(2);
        }
        exchange = earlier.exchange;
        assert_eq!(exchange.next_report_no(), reports + 1);
        exchange.oldest_report_no = oldest;
        exchange.replay = Some(REPLAY);
        let config = Config {
            reports_from: ReportsFrom::Number(1),
            ..Config::new(SESSION, secret())
        };
        let mut session = Session::new(config, [2; 16], Nanos(0));
        session.use_replay();
        Self::of(session, exchange)
    }

    fn of(session: Session, exchange: Exchange) -> Self {
        Self {
            exchange,
            session,
            now: 0,
            events: Vec::new(),
            replayed: 0,
            loses: 0,
            is_silent: false,
        }
    }

    /// So many milliseconds.
    fn run(&mut self, milliseconds: u64) {
        let mut buffer = [0; wire::MAX_DATAGRAM];
        for _ in 0..milliseconds {
            self.now += MS;
            let now = Nanos(self.now);
            while let Some(length) = self.session.poll_transmit(&mut buffer, now) {
                for answer in self.exchange.feed(&buffer[..length]) {
                    self.session.feed(&answer, now);
                }
            }
            while let Some((to, length)) = self.session.poll_replay(&mut buffer, now) {
                assert_eq!(to, REPLAY);
                for answer in self.exchange.feed_replay(&buffer[..length]) {
                    self.replayed += 1;
                    let lost = self.loses > 0 && self.replayed.is_multiple_of(self.loses);
                    if !lost && !self.is_silent {
                        self.session.feed_replay(&answer, now);
                    }
                }
            }
            while let Some(event) = self.session.poll_event() {
                self.events.push(event);
            }
        }
    }

    /// The numbers of the reports that were delivered, and all other events but establishing.
    fn told(&mut self) -> (Vec<u64>, Vec<Event>) {
        let (mut numbers, mut others) = (Vec::new(), Vec::new());
        for event in std::mem::take(&mut self.events) {
            if let Event::Report { number, .. } = event {
                numbers.push(number);
            } else if !matches!(event, Event::Established { .. } | Event::Silent) {
                others.push(event);
            }
        }
        (numbers, others)
    }
}

#[test]
fn reports_that_the_exchange_has_no_more_are_delivered_in_order_from_there() {
    for loses in [0, 2, 3] {
        let mut world = World::new(1500, 1400);
        world.loses = loses;
        world.run(3000);
        let all: Vec<u64> = (1..=1500).collect();
        let (numbers, others) = world.told();
        assert_eq!((numbers, others), (all, vec![]), "of {loses} one is lost");
        assert!(
            world.replayed >= 140,
            "ten in a datagram: {}",
            world.replayed
        );
        // Asked for again is what was lost, and little else.
        assert!(world.replayed < 140 * 6, "{}", world.replayed);
    }
}

#[test]
fn what_nobody_sends_is_missed_and_the_rest_follows() {
    let mut world = World::new(30, 11);
    world.is_silent = true;
    world.run(20_000);
    let missed = Event::Missed {
        from: 1,
        count: 10,
        replay: Some(REPLAY),
    };
    let (numbers, others) = world.told();
    assert_eq!(others, [missed]);
    assert_eq!(numbers, (11..=30).collect::<Vec<_>>());
}

#[test]
fn outcomes_are_asked_there_if_the_exchange_has_them_no_more() {
    let mut world = World::new(3, 1);
    world.loses = 2;
    world.run(50);
    world.told();
    world.session.query_outcome(2);
    world.session.query_outcome(2);
    world.session.query_order(ClientOrderId(7));
    world.run(200);
    let (_, others) = world.told();
    let asked = others.iter().map(|event| {
        let Event::Outcome(outcome) = event else {
            panic!("{event:?}")
        };
        assert_eq!(outcome.became, Became::Applied as u8);
        (outcome.seq_no, outcome.client_order_id.0)
    });
    let mut asked: Vec<_> = asked.collect();
    asked.sort_unstable();
    assert_eq!(asked, [(0, 7), (2, 0)], "each once");
    assert!(world.session.next_timeout().0 > world.now);

    world.is_silent = true;
    world.session.query_outcome(1);
    world.run(20_000);
    let query = OutcomeQuery {
        seq_no: 1,
        ..OutcomeQuery::default()
    };
    let (_, others) = world.told();
    assert_eq!(others, [Event::QueryUnanswered(query)]);
}

/// The replay port says nothing of whether the exchange is there.
#[test]
fn a_replay_port_that_speaks_does_not_keep_a_session_from_noticing_silence() {
    let mut world = World::new(2000, 1990);
    world.run(60);
    world.told();
    // From here on only the replay port is there.
    let mut buffer = [0; wire::MAX_DATAGRAM];
    let mut is_silent = false;
    for _ in 0..4000 {
        world.now += MS;
        let now = Nanos(world.now);
        while world.session.poll_transmit(&mut buffer, now).is_some() {}
        let old = world
            .exchange
            .feed_replay(&replay_request(&world, &mut buffer));
        for answer in old {
            world.session.feed_replay(&answer, now);
        }
        while let Some(event) = world.session.poll_event() {
            is_silent |= event == Event::Silent;
        }
    }
    assert!(is_silent);
}

/// A request for the first report, as the session would sign it.
fn replay_request(world: &World, buffer: &mut [u8]) -> Vec<u8> {
    use wire::order_entry::{Context, DatagramWriter, ResendRequest};
    let context = Context {
        session_id: SESSION,
        epoch: world.exchange.epoch,
        next_seq_no: 1,
        ..Context::default()
    };
    let mut writer = DatagramWriter::new(buffer, context);
    let first = ResendRequest {
        from_report_no: 1,
        count: 1,
        reserved: 0,
    };
    writer.push(&first).unwrap();
    let keys = secret().keys(SESSION, 2, world.exchange.epoch);
    let length = writer.finish(&keys.to_exchange);
    buffer[..length].to_vec()
}
