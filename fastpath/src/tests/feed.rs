//! The feed: every public event once and in order, behind the reports of its frame, and again after
//! a restart.

use super::rig::{Client, Rig, Seeded, order, resting};
use super::slow_region::administer;
use crate::feed::Publisher;
use domain::{
    ClientOrderId, Command, MAX_AUCTION_TRADES, MAX_FILLS, MarketId, MarketState, OrderId,
    OrderType, Price, Qty, SessionId, SetMarketState, Side, Zero,
};
use journal::Frame;
use nic::inproc::{Faults, InprocRx, InprocTx};
use nic::{Peer, Receive as _};
use shm::{FastWriter, LogReader, MAX_FRAME_WORDS, Read};
use tile::Tile as _;
use topology::instruments::out as counter;
use topology::{Ack, TileKind};
use wire::market_data::{Content, Message, Packet, SessionName, Stamp};
use wire::order_entry::{AmendOrder, CancelOrder, DatagramReader, NewOrder, ResendRequest};

const GROUP: Peer = Peer {
    ip: [239, 1, 1, 1],
    port: 7401,
};
const SECOND: u64 = 1_000_000_000;

fn rig(destination: Peer, ack: Ack) -> Rig {
    Rig::with(1 << 18, |config| {
        config.feed.destination = Some(destination.into());
        config.instance.ack = ack;
    })
}

/// One packet, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    session: SessionName,
    sequence: u64,
    messages: Vec<Message>,
    ends: bool,
}

struct Subscriber((InprocRx, InprocTx));

impl Subscriber {
    fn of(rig: &Rig) -> Self {
        Self(rig.network.open(GROUP).unwrap())
    }

    fn hear(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        while self.0.0.receive(32, &mut |datagram| {
            let packet = Packet::parse(datagram.payload).unwrap();
            let messages = match packet.content.clone() {
                Content::Messages(messages) => messages.collect(),
                Content::Heartbeat | Content::EndOfSession => Vec::new(),
            };
            heard.push(Heard {
                session: packet.session,
                sequence: packet.sequence,
                messages,
                ends: matches!(packet.content, Content::EndOfSession),
            });
        }) > 0
        {}
        heard
    }

    fn numbered(&mut self) -> Vec<(u64, Message)> {
        numbered(&self.hear())
    }
}

/// The messages of all packets with their numbers.
fn numbered(heard: &[Heard]) -> Vec<(u64, Message)> {
    let each = |packet: &Heard| (packet.sequence..).zip(packet.messages.clone());
    heard.iter().flat_map(each).collect()
}

/// The public events of the journal from frame `first` on, as messages.
fn journalled(rig: &Rig, first: u64) -> Vec<(u64, Message)> {
    let mut reader = LogReader::new(rig.regions.journal.clone(), first).unwrap();
    let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
    let mut messages = Vec::new();
    while let Read::Frame(words) = reader.poll(&mut buffer) {
        let frame = Frame::parse(&buffer[..words]).unwrap();
        let stamp = Stamp {
            engine_seq: frame.header.seq,
            engine_time: frame.header.engine_time,
        };
        let public = frame.events().flatten().filter_map(|event| {
            let message = Message::public(stamp, &event)?;
            Some((event.feed_no().unwrap(), message))
        });
        messages.extend(public);
    }
    messages
}

/// Random orders that rest, trade, change and end, from `number` on; each goes as a datagram of its own.
fn trade(rig: &mut Rig, clients: &[Client], random: &mut Seeded, number: u64, count: u64) {
    for number in number..number + count {
        for client in clients {
            let id = 1 + random.below(1 + usize::try_from(number).unwrap()) as u64;
            let price = 95 + i64::try_from(random.below(10)).unwrap();
            let client_order_id = ClientOrderId(id);
            let quantity = 1 + random.below(9) as u64;
            match random.below(6) {
                0 => client.send(
                    number,
                    &[CancelOrder {
                        order_id: OrderId::NONE,
                        client_order_id,
                        quantity: Qty::ZERO,
                    }],
                ),
                1 => client.send(
                    number,
                    &[AmendOrder {
                        order_id: OrderId::NONE,
                        client_order_id,
                        price: Price(price),
                        quantity: Qty(quantity),
                        new_client_order_id: ClientOrderId(0),
                    }],
                ),
                _ => {
                    let side = [Side::Buy, Side::Sell][random.below(2)];
                    client.send(number, &[order(number, side, price, quantity)]);
                }
            }
        }
        if random.below(3) == 0 {
            rig.turn();
        }
    }
}

#[test]
fn every_public_event_is_told_once_and_in_order_from_the_genesis_on() {
    let mut rig = rig(GROUP, Ack::Sequenced);
    let mut subscriber = Subscriber::of(&rig);
    let clients = [rig.client(1), rig.client(2), rig.client(3)];
    trade(&mut rig, &clients, &mut Seeded(1), 1, 300);
    rig.settle();
    let heard = subscriber.hear();
    let told = numbered(&heard);
    assert_eq!(told, journalled(&rig, 1));
    assert!(matches!(told[0], (1, Message::MarketDefined(_))));
    let next = rig.engine().next_feed_no();
    assert!(next > 300 && told.iter().map(|t| t.0).eq(1..next));
    assert!(heard.len() < told.len() / 2, "packets are shared");
    let session = SessionName::new(0, rig.tiles.matching.sequencer.epoch());
    assert!(heard.iter().all(|packet| packet.session == session));
    let counts = [counter::feed_messages, counter::feed_packets];
    let counts = counts.map(|number| rig.count(TileKind::Out, number));
    assert_eq!(counts, [next - 1, heard.len() as u64]);
}

/// Reports and feed arrive at one place, which sees in what order they were handed over.
#[test]
fn the_feed_comes_behind_the_reports_of_its_frame() {
    const EVERYTHING: Peer = Peer {
        ip: [10, 0, 0, 9],
        port: 9,
    };
    let mut rig = rig(EVERYTHING, Ack::Sequenced);
    let clients = [rig.client(1), rig.client(2), rig.client(3)];
    let mut port = rig.network.open(EVERYTHING).unwrap();
    for session in 1..=3 {
        rig.tiles.net.entry.bind(SessionId(session), EVERYTHING);
    }
    rig.network.set_faults(Faults {
        full_ppm: 600_000,
        ..Faults::NONE
    });
    trade(&mut rig, &clients, &mut Seeded(2), 1, 200);
    rig.network.set_faults(Faults::NONE);
    rig.settle();
    // The last frame of which something was told to everyone; reports of it may not follow.
    let (mut public, mut reports, mut messages) = (0, 0, 0);
    while port.0.receive(32, &mut |datagram| {
        if let Ok(packet) = Packet::parse(datagram.payload) {
            let Content::Messages(told) = packet.content else {
                return;
            };
            for message in told {
                public = message.stamp().unwrap().engine_seq.0;
                messages += 1;
            }
        } else {
            let datagram = DatagramReader::parse(datagram.payload).unwrap();
            for report in datagram.messages {
                let seq = report.message.stamp().unwrap().engine_seq.0;
                assert!(
                    seq > public,
                    "a report of {seq} behind the feed of {public}"
                );
                reports += 1;
            }
        }
    }) > 0
    {}
    assert!(reports > 600 && messages > 300, "{reports} and {messages}");
}

#[test]
fn nothing_is_public_before_it_is_durable() {
    let mut rig = rig(GROUP, Ack::Durable);
    let mut subscriber = Subscriber::of(&rig);
    let client = rig.client(1);
    let genesis = rig.head();
    client.send(1, &[resting(1)]);
    rig.settle();
    client.send(2, &[resting(2)]);
    rig.settle();
    assert_eq!(subscriber.hear(), []);
    rig.slow.set_durable_seq(genesis);
    rig.settle();
    assert_eq!(subscriber.numbered().len(), 1, "the market");
    rig.slow.set_durable_seq(genesis + 1);
    rig.settle();
    let told = subscriber.numbered();
    assert!(matches!(told[..], [(2, Message::BookAdd(_))]), "{told:?}");
    // A heartbeat does not give away what is not durable.
    rig.tiles.out.housekeep(2 * SECOND);
    rig.tiles.out.housekeep(4 * SECOND);
    rig.settle();
    assert_eq!(subscriber.hear()[0].sequence, 3);
    rig.slow.set_durable_seq(rig.head());
    rig.settle();
    assert_eq!(subscriber.numbered()[0].0, 3);
}

#[test]
fn a_restart_repeats_identical_messages_in_the_same_session() {
    let mut rig = rig(GROUP, Ack::Sequenced);
    let mut subscriber = Subscriber::of(&rig);
    let clients = [rig.client(1), rig.client(2)];
    let mut random = Seeded(3);
    trade(&mut rig, &clients, &mut random, 1, 50);
    rig.settle();
    let progress = rig.head();
    subscriber.hear();
    trade(&mut rig, &clients, &mut random, 51, 50);
    rig.settle();
    let first = subscriber.hear();
    assert!(numbered(&first).len() > 50);
    let mut rig = rig.restart(|regions| {
        // It died after the packets had left and before its progress word said so.
        let fast = FastWriter::new(regions.fast.clone()).unwrap();
        fast.set_out_seq(progress);
    });
    rig.tiles.out.housekeep(2 * SECOND);
    rig.turn();
    let again = subscriber.hear();
    let heartbeat = &again[0];
    assert!(heartbeat.messages.is_empty());
    assert_eq!(heartbeat.sequence, first[0].sequence, "as of the progress");
    assert_eq!(heartbeat.session, first[0].session);
    rig.settle();
    let again = [numbered(&again), subscriber.numbered()].concat();
    let before = numbered(&first);
    assert_eq!(again[..before.len()], before);
    assert_eq!(again, journalled(&rig, progress + 1));
    trade(&mut rig, &clients, &mut random, 101, 50);
    rig.settle();
    let next = again.last().unwrap().0 + 1;
    assert_eq!(subscriber.numbered()[0].0, next, "numbers go on");
}

#[test]
fn a_full_port_owes_the_feed_and_holds_the_progress() {
    for seed in 0..64 {
        full_port(seed);
    }
}

/// Sessions without an address take no slots, so that the feed alone fills the port.
fn full_port(seed: u64) {
    let mut rig = rig(GROUP, Ack::Sequenced);
    let mut subscriber = Subscriber::of(&rig);
    let clients = [rig.client(1), rig.client(2)];
    rig.settle();
    let fast = FastWriter::new(rig.regions.fast.clone()).unwrap();
    let told = rig.tiles.out.told;
    for session in 1..=2 {
        fast.set_peer(session, 0);
    }
    rig.network.set_faults(Faults {
        full_ppm: 1_000_000,
        ..Faults::NONE
    });
    let mut random = Seeded(seed);
    for round in 0..40 {
        for session in 1..=2 {
            let address = clients[session - 1].address();
            let id = SessionId(u32::try_from(session).unwrap());
            rig.tiles.net.entry.bind(id, address);
        }
        trade(&mut rig, &clients, &mut random, 1 + round * 20, 20);
        rig.tiles.net.poll();
        for session in 1..=2 {
            fast.set_peer(session, 0);
        }
        rig.turn();
    }
    assert!(rig.count(TileKind::Out, counter::feed_blocked) > 0);
    assert_eq!(rig.tiles.out.told, told, "nothing was handed over");
    assert!(rig.tiles.out.sent < rig.head(), "frames wait");
    assert_eq!(fast.view().out_seq(), told);
    rig.network.set_faults(Faults {
        full_ppm: 700_000,
        ..Faults::NONE
    });
    let (all, mut heard) = (journalled(&rig, 1), Vec::new());
    while rig.tiles.out.told < rig.head() {
        rig.turn();
        heard.extend(subscriber.numbered());
        let progress = fast.view().out_seq();
        let owed = all
            .iter()
            .filter(|(_, message)| message.stamp().unwrap().engine_seq.0 <= progress);
        assert!(
            owed.count() <= heard.len(),
            "progress ran ahead of the feed"
        );
    }
    assert_eq!(heard, all);
    assert_eq!(rig.tiles.out.told, rig.head());
}

#[test]
fn silence_is_broken_by_heartbeats_and_a_stop_ends_the_session() {
    let mut rig = rig(GROUP, Ack::Sequenced);
    let mut subscriber = Subscriber::of(&rig);
    let client = rig.client(1);
    rig.settle();
    let mut now = 5 * SECOND;
    let beat = |rig: &mut Rig, now: u64| {
        rig.tiles.out.housekeep(now);
        rig.settle();
    };
    beat(&mut rig, now);
    assert_eq!(
        subscriber.numbered().len(),
        1,
        "the market, and no heartbeat"
    );
    beat(&mut rig, now + SECOND - 1);
    assert_eq!(subscriber.hear(), []);
    now += SECOND;
    beat(&mut rig, now);
    let heartbeat = Heard {
        session: SessionName::new(0, 1),
        sequence: 2,
        messages: Vec::new(),
        ends: false,
    };
    assert_eq!(subscriber.hear(), std::slice::from_ref(&heartbeat));
    client.send(1, &[resting(1)]);
    rig.settle();
    subscriber.hear();
    beat(&mut rig, now + SECOND / 2);
    beat(&mut rig, now + SECOND + 1);
    assert_eq!(subscriber.hear(), [], "it spoke in between");
    assert_eq!(rig.count(TileKind::Out, counter::feed_heartbeats), 1);

    while !rig.tiles.out.stop() {}
    let end = Heard {
        sequence: 3,
        ends: true,
        ..heartbeat
    };
    assert_eq!(subscriber.hear(), [end.clone(), end.clone(), end]);
    let mut rig = rig.restart(|_| {});
    client.send(2, &[resting(2)]);
    rig.settle();
    let heard = subscriber.hear();
    assert_eq!(heard[0].session, SessionName::new(0, 1), "it goes on");
    let numbers: Vec<u64> = numbered(&heard).iter().map(|told| told.0).collect();
    assert!(numbers.iter().copied().eq(3..rig.engine().next_feed_no()));
}

/// Whatever the tile expected: if the journal overtook it, subscribers see the hole and no number lies.
#[test]
fn numbers_are_the_journals() {
    let mut rig = rig(GROUP, Ack::Sequenced);
    let mut subscriber = Subscriber::of(&rig);
    let client = rig.client(1);
    rig.settle();
    subscriber.hear();
    rig.tiles.out.feed = Some(Publisher::new(GROUP, 0, 1, 1));
    client.send(1, &[resting(1)]);
    rig.settle();
    client.send(2, &[resting(2)]);
    rig.settle();
    assert_eq!(subscriber.numbered(), journalled(&rig, 2)[1..]);
    rig.tiles.out.housekeep(9 * SECOND);
    rig.tiles.out.housekeep(11 * SECOND);
    rig.settle();
    assert_eq!(subscriber.hear()[0].sequence, 4);
}

/// A bad network makes clients send twice and ask again: that is between them and the exchange.
#[test]
fn what_is_sent_again_is_not_published_again() {
    let mut rig = rig(GROUP, Ack::Sequenced);
    let mut subscriber = Subscriber::of(&rig);
    let mut clients = [rig.client(1), rig.client(2)];
    rig.network.set_faults(Faults {
        loss_ppm: 200_000,
        duplicate_ppm: 200_000,
        delay_ppm: 200_000,
        ..Faults::NONE
    });
    let request = ResendRequest {
        from_report_no: 1,
        count: 64,
        reserved: 0,
    };
    for number in 1..=100 {
        for (client, side) in clients.iter().zip([Side::Buy, Side::Sell]) {
            let bytes = client.datagram(number, &[order(number, side, 100, number % 7 + 1)]);
            client.send_bytes(&bytes);
            client.send_bytes(&bytes);
            client.send(number, &[request]);
        }
        rig.settle();
    }
    assert!(rig.count(TileKind::Out, counter::resent_frames) > 100);
    assert!(
        clients
            .iter_mut()
            .all(|client| !client.receive().is_empty())
    );
    let all = journalled(&rig, 1);
    let published = rig.count(TileKind::Out, counter::feed_messages);
    assert_eq!(published, all.len() as u64, "each once");
    let heard = subscriber.numbered();
    assert!(heard.len() > all.len() / 2);
    assert!(heard.iter().all(|told| all.contains(told)), "and as it is");
}

fn set_state(state: MarketState) -> Command {
    Command::SetMarketState(SetMarketState {
        market: MarketId(0),
        state,
        pad: [Zero::Zero; 3],
    })
}

/// More trades than a frame has room for: state, price, and then each pair, in frame after frame.
#[test]
fn an_auction_is_told_trade_by_trade() {
    let mut rig = rig(GROUP, Ack::Sequenced);
    let mut subscriber = Subscriber::of(&rig);
    let clients = [rig.client(1), rig.client(2)];
    let trades = 2 * MAX_AUCTION_TRADES as u64 + 3;
    administer(&mut rig, &[set_state(MarketState::PreOpen)]);
    for number in 1..=trades {
        clients[0].send(number, &[order(number, Side::Sell, 90, 1)]);
        clients[1].send(number, &[order(number, Side::Buy, 110, 1)]);
        rig.settle();
    }
    subscriber.hear();
    let before = rig.head();
    administer(&mut rig, &[set_state(MarketState::Continuous)]);
    assert_eq!(rig.head(), before + 3, "two frames of its own follow");
    let told = subscriber.numbered();
    assert_eq!(told, journalled(&rig, before + 1));
    let mut messages = told.into_iter().map(|(_, message)| message);
    let Some(Message::MarketStateChanged(changed)) = messages.next() else {
        panic!("the state comes first")
    };
    assert_eq!(changed.state, MarketState::Continuous as u8);
    let Some(Message::Uncrossed(auction)) = messages.next() else {
        panic!("then what trades")
    };
    assert_eq!(auction.quantity, Qty(trades));
    for _ in 0..trades {
        let Some(Message::BookDelete(later)) = messages.next() else {
            panic!("the later order leaves the book")
        };
        let Some(Message::Trade(trade)) = messages.next() else {
            panic!("and trades with the earlier")
        };
        assert_eq!(trade.taker_order_id, later.order_id);
        assert_eq!(trade.price, auction.price);
    }
    assert_eq!(messages.next(), None);
    assert_eq!(rig.engine().live_orders(), 0);
    rig.check_engine();
}

/// A sell order at 100 of which so many lots are shown at a time.
fn iceberg(id: u64, quantity: u64, shown: u64) -> NewOrder {
    NewOrder {
        display_quantity: Qty(shown),
        ..order(id, Side::Sell, 100, quantity)
    }
}

#[test]
fn an_iceberg_shows_more_behind_the_trade_and_behind_the_others() {
    let mut rig = rig(GROUP, Ack::Sequenced);
    let mut subscriber = Subscriber::of(&rig);
    let (mut maker, taker) = (rig.client(1), rig.client(2));
    maker.send(1, &[iceberg(1, 7, 3), order(2, Side::Sell, 100, 4)]);
    rig.settle();
    subscriber.hear();
    maker.receive();
    taker.send(1, &[order(1, Side::Buy, 100, 5)]);
    rig.settle();
    let told = subscriber.numbered();
    let [
        (_, Message::Trade(gone)),
        (_, Message::BookAdd(more)),
        (_, Message::Trade(others)),
    ] = told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((gone.quantity, gone.leaves_quantity), (Qty(3), Qty::ZERO));
    assert_eq!(
        (more.order_id, more.quantity),
        (gone.maker_order_id, Qty(3))
    );
    assert_eq!((others.quantity, others.leaves_quantity), (Qty(2), Qty(2)));
    assert_ne!(others.maker_order_id, more.order_id);
    let left = super::rig::messages(&maker.receive());
    let left = left.iter().map(|message| {
        let wire::order_entry::Message::OrderFilled(fill) = message else {
            panic!("{message:?}")
        };
        (fill.client_order_id.0, fill.leaves_quantity.0)
    });
    assert!(left.eq([(1, 4), (2, 2)]), "its owner is told of all lots");
}

/// Slice after slice in frame after frame, and the process dies between them.
#[test]
fn an_iceberg_goes_on_being_shown_after_a_restart() {
    let mut rig = rig(GROUP, Ack::Sequenced);
    let mut subscriber = Subscriber::of(&rig);
    let (maker, taker) = (rig.client(1), rig.client(2));
    let slices = 3 * MAX_FILLS as u64;
    maker.send(1, &[iceberg(1, slices + 1, 1)]);
    rig.settle();
    subscriber.hear();
    let before = rig.head();
    taker.send(1, &[order(1, Side::Buy, 100, slices)]);
    rig.tiles.net.poll();
    rig.tiles.matching.poll();
    rig.tiles.matching.poll();
    assert!(rig.engine().pending_work().is_some());
    let mut rig = rig.restart(|_| {});
    rig.settle();
    let told = subscriber.numbered();
    assert_eq!(told, journalled(&rig, before + 1));
    let trades = told.iter().filter(|(_, m)| matches!(m, Message::Trade(_)));
    let adds = told
        .iter()
        .filter(|(_, m)| matches!(m, Message::BookAdd(_)));
    assert_eq!(trades.count() as u64, slices);
    assert_eq!(adds.count() as u64, slices, "after each a lot is shown");
    rig.check_engine();
}

#[test]
fn the_feed_does_not_know_of_a_stop_before_it_arrives() {
    let mut rig = rig(GROUP, Ack::Sequenced);
    let mut subscriber = Subscriber::of(&rig);
    let (maker, taker) = (rig.client(1), rig.client(2));
    let stop = NewOrder {
        order_type: OrderType::StopLimit as u8,
        trigger_price: Price(100),
        ..order(1, Side::Sell, 98, 5)
    };
    taker.send(1, &[stop]);
    rig.settle();
    assert_eq!(subscriber.numbered().len(), 1, "the market alone");
    maker.send(1, &[order(1, Side::Buy, 100, 3)]);
    taker.send(2, &[order(2, Side::Sell, 100, 1)]);
    rig.settle();
    let told = subscriber.numbered();
    let [
        _,
        (_, Message::Trade(trigger)),
        (_, Message::Trade(arrival)),
        (_, Message::BookAdd(rest)),
    ] = told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((trigger.quantity, arrival.quantity), (Qty(1), Qty(2)));
    assert_eq!(arrival.taker_order_id, rest.order_id);
    assert_eq!((rest.price, rest.quantity), (Price(98), Qty(3)));
    let frames = [trigger, arrival].map(|trade| trade.stamp.engine_seq.0);
    assert_eq!(frames[0] + 1, frames[1], "in the frame behind");
}
