//! A subscriber over a bad network: what it is told in the end is all that the exchange has said.

use crate::asked::{FAST, PLENTY};
use crate::exchange::{Exchange, Eyes};
use client::feed::{Event, Receiver};
use domain::Nanos;
use nic::inproc::{BURST, Faults, InprocRx, InprocTx, Network};
use nic::{Peer, Receive as _, Transmit as _};
use replay::{FeedRequests, History};
use std::time::Duration;
use wire::market_data::{Message, PacketWriter};

const FEED: Peer = peer(1);
const SERVER: Peer = peer(2);
const SUBSCRIBER: Peer = peer(3);
const BAD: Faults = Faults {
    loss_ppm: 100_000,
    duplicate_ppm: 50_000,
    delay_ppm: 100_000,
    delay_span: 5,
    full_ppm: 50_000,
};

const fn peer(last: u8) -> Peer {
    Peer {
        ip: [10, 0, 0, last],
        port: 7,
    }
}

fn send(tx: &mut InprocTx, to: Peer, bytes: &[u8]) {
    while tx.reserve().is_none() {
        tx.flush();
    }
    let mut slot = tx.reserve().unwrap();
    slot.payload()[..bytes.len()].copy_from_slice(bytes);
    slot.commit(bytes.len(), to);
    tx.flush();
}

struct World {
    exchange: Exchange,
    history: History<Eyes>,
    server: FeedRequests<InprocRx, InprocTx>,
    feed: InprocTx,
    subscriber: (InprocRx, InprocTx),
    receiver: Receiver,
    told: Vec<(u64, Message)>,
    others: Vec<Event>,
    /// What the feed has said.
    said: u64,
    now: u64,
}

impl World {
    fn new(seed: u64, faults: Faults) -> Self {
        let network = Network::new(seed, faults);
        let (rx, tx) = network.open(SERVER).unwrap();
        let exchange = Exchange::new();
        Self {
            history: exchange.history(),
            exchange,
            server: FeedRequests::new(rx, tx, FAST),
            feed: network.open(FEED).unwrap().1,
            subscriber: network.open(SUBSCRIBER).unwrap(),
            receiver: Receiver::asking(1),
            told: Vec::new(),
            others: Vec::new(),
            said: 0,
            now: 1_000_000_000,
        }
    }

    /// Sends what the feed has not said yet, in packets of some messages, or a heartbeat.
    fn say(&mut self) {
        let session = self.exchange.session();
        let mut writer = PacketWriter::new(session, self.said + 1);
        let rest = usize::try_from(self.said).unwrap();
        for message in &self.exchange.messages[rest..] {
            if writer.count() == 7 || writer.push(message).is_err() {
                send(&mut self.feed, SUBSCRIBER, writer.finish());
                writer.restart(writer.next_number());
                writer.push(message).unwrap();
            }
        }
        send(&mut self.feed, SUBSCRIBER, writer.finish());
        self.said = self.exchange.messages.len() as u64;
    }

    /// A millisecond of subscriber and server.
    fn turn(&mut self) {
        self.now += 1_000_000;
        let now = Nanos(self.now);
        while self.subscriber.0.receive(BURST, &mut |datagram| {
            self.receiver.feed(datagram.payload, now).unwrap();
        }) > 0
        {}
        while let Some(event) = self.receiver.poll_event(now) {
            match event {
                Event::Message { number, message } => self.told.push((number, message)),
                Event::Gap { .. } | Event::NewSession { .. } | Event::EndOfSession { .. } => {
                    self.others.push(event);
                }
            }
        }
        while let Some(request) = self.receiver.poll_request(now) {
            send(&mut self.subscriber.1, SERVER, &request.encode());
        }
        self.subscriber.1.flush();
        let since = Duration::from_nanos(self.now);
        let work = &mut PLENTY.clone();
        self.history.advance(since, self.exchange.progress(), work);
        self.server.step(since, &mut self.history, work).unwrap();
    }

    fn settle(&mut self) {
        let last = self.exchange.messages.len();
        for _ in 0..20_000 {
            if self.told.len() >= last {
                break;
            }
            if self.now.is_multiple_of(50_000_000) {
                self.say();
            }
            self.turn();
        }
        assert_eq!(self.others, []);
        let all = (1..).zip(self.exchange.messages.iter().copied());
        assert_eq!(self.told, all.collect::<Vec<_>>());
        assert!(self.receiver.is_in_sync());
    }
}

#[test]
fn under_loss_duplication_and_reordering_a_subscriber_is_told_everything() {
    for seed in 1..=20 {
        let mut world = World::new(seed, BAD);
        for round in 0..40 {
            world.exchange.trade(25);
            if round % 8 == 7 {
                // Most of it has left journal memory.
                world.exchange.archive(90);
                world.exchange.lap(world.exchange.head() - 20);
            }
            world.say();
            world.turn();
        }
        world.settle();
    }
}

#[test]
fn who_comes_late_is_told_what_was_said_before() {
    for faults in [Faults::NONE, BAD] {
        let mut world = World::new(5, faults);
        world.exchange.trade(6000);
        world.exchange.archive(1000);
        world.exchange.lap(world.exchange.head());
        world.said = world.exchange.messages.len() as u64;
        world.exchange.trade(20);
        world.say();
        world.settle();
    }
}

#[test]
fn a_server_that_is_started_again_goes_on_where_it_was() {
    let mut world = World::new(9, BAD);
    for _ in 0..30 {
        world.exchange.trade(60);
        world.exchange.archive(100);
        world.exchange.lap(world.exchange.head() - 50);
        world.say();
        world.turn();
        world.history = world.exchange.history();
    }
    world.settle();
}

/// Without an answer what is missing is given up, as it is without anybody to ask.
#[test]
fn a_server_that_is_silent_costs_three_seconds() {
    let mut world = World::new(1, Faults::NONE);
    world.exchange.trade(100);
    let session = world.exchange.session();
    world
        .receiver
        .feed(PacketWriter::new(session, 9).finish(), Nanos(0))
        .unwrap();
    let mut asked = 0;
    for millisecond in 0..4000 {
        let now = Nanos(millisecond * 1_000_000);
        while let Some(request) = world.receiver.poll_request(now) {
            assert_eq!((request.first, request.count), (1, 8));
            asked += 1;
        }
        if let Some(event) = world.receiver.poll_event(now) {
            assert_eq!(event, Event::Gap { from: 1, to: 9 });
            assert_eq!(millisecond, 3000);
        }
    }
    // 20 ms after the first, and twice as long each time, up to half a second.
    assert_eq!(asked, 10);
    assert!(!world.receiver.is_in_sync());
}
