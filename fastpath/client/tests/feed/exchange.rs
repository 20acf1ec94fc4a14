//! A real engine, its public events as numbered messages, and its books behind each frame.

use client::feed::Books;
use domain::{
    AccountId, Amount, AssetId, Command, Continue, CreateAccount, CreateAsset, CreateMarket,
    Delegation, Deposit, Effects, FirmId, Gate, Genesis, MarketId, MarketState, Nanos, OpenSession,
    OrderId, Phase, Price, Qty, Request, Seq, SessionId, Side, Source, Stamp, Timer, Zero,
};
use engine::Engine;
use std::collections::BTreeMap;
use wire::market_data::{self, Message, PacketWriter, SessionName};

pub(crate) const MARKETS: [MarketId; 2] = [MarketId(0), MarketId(1)];

/// A side of a market, and its orders in the order in which they trade.
pub(crate) type Shown = Vec<(MarketId, Side, Vec<(Price, OrderId, Qty)>)>;

/// The markets that there are, and what may happen in each.
pub(crate) type States = Vec<(MarketId, MarketState)>;

pub(crate) struct Exchange {
    pub(crate) engine: Engine,
    effects: Effects,
    seq: u64,
    /// Number and message of every public event.
    pub(crate) messages: Vec<(u64, Message)>,
    /// By the last feed number of a frame: books, phase and states of markets behind it.
    pub(crate) shown: BTreeMap<u64, (Shown, Phase, States)>,
}

impl Exchange {
    /// Two assets, two markets, two accounts with plenty, a session each.
    pub(crate) fn new() -> Self {
        let mut exchange = Self {
            engine: Engine::new(),
            effects: Effects::new(),
            seq: 0,
            messages: Vec::new(),
            shown: BTreeMap::new(),
        };
        for command in genesis() {
            let source = if matches!(command, Command::Deposit(_)) {
                Source::DEPOSITS
            } else {
                Source::ADMINISTRATION
            };
            exchange.apply(source, command);
        }
        exchange
    }

    /// A command of a session, and whatever sweep it begins.
    pub(crate) fn send(&mut self, session: u32, command: Command) {
        self.apply(Source::of_session(SessionId(session)), command);
    }

    /// As the sequencer does it: what is due comes first, and work is finished before anything else.
    pub(crate) fn apply(&mut self, source: Source, command: Command) {
        if let Some(deadline) = self.engine.next_deadline()
            && deadline.0 <= self.seq + 1
        {
            self.frame_and_rest(Source::SEQUENCER, Command::Timer(Timer { deadline }));
        }
        self.frame_and_rest(source, command);
    }

    fn frame_and_rest(&mut self, source: Source, command: Command) {
        self.frame(source, command);
        while let Some(order_id) = self.engine.pending_work() {
            self.frame(Source::SEQUENCER, Command::Continue(Continue { order_id }));
        }
    }

    fn frame(&mut self, source: Source, command: Command) {
        self.seq += 1;
        let (seq, time) = (Seq(self.seq), Nanos(self.seq));
        let request = Request {
            source,
            source_seq: self.engine.last_number(source) + 1,
            receive_time: Nanos(0),
            command,
        };
        self.engine
            .apply(Stamp { seq, time }, &request, &mut self.effects);
        let stamp = market_data::Stamp {
            engine_seq: seq,
            engine_time: time,
        };
        for event in self.effects.events().flatten() {
            if let Some(message) = Message::public(stamp, &event) {
                self.messages.push((event.feed_no().unwrap(), message));
            }
        }
        let last = self.engine.next_feed_no() - 1;
        let markets = self.engine.market_ids();
        let states = markets.map(|market| (market, self.engine.market_state(market).unwrap().0));
        let shown = (self.books(), self.engine.phase(), states.collect());
        self.shown.insert(last, shown);
    }

    fn books(&self) -> Shown {
        sides(|market, side| {
            let orders = self.engine.book(market, side);
            orders.map(|o| (o.price, o.order_id, o.shown())).collect()
        })
    }

    /// All messages in packets of random sizes.
    pub(crate) fn packets(&self, mut size: impl FnMut() -> u64) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let mut writer = PacketWriter::new(session(1), 1);
        let mut room = size();
        for (number, message) in &self.messages {
            assert_eq!(*number, writer.next_number());
            if room == 0 || writer.push(message).is_err() {
                packets.push(writer.finish().to_vec());
                writer.restart(*number);
                writer.push(message).unwrap();
                room = size();
            }
            room = room.saturating_sub(1);
        }
        if writer.count() > 0 {
            packets.push(writer.finish().to_vec());
        }
        packets
    }
}

/// Epoch `epoch` of shard 0.
pub(crate) fn session(epoch: u32) -> SessionName {
    SessionName::new(0, epoch)
}

fn sides(orders: impl Fn(MarketId, Side) -> Vec<(Price, OrderId, Qty)>) -> Shown {
    let sides = |market| [Side::Buy, Side::Sell].map(|side| (market, side));
    let all = MARKETS.into_iter().flat_map(sides);
    all.map(|(market, side)| (market, side, orders(market, side)))
        .collect()
}

/// What a subscriber's books show.
pub(crate) fn shown(books: &Books) -> Shown {
    sides(|market, side| {
        let book = books.book(market);
        book.map_or(Vec::new(), |book| book.orders(side).collect())
    })
}

fn genesis() -> Vec<Command> {
    let mut commands = vec![Command::Genesis(Genesis {
        max_assets: 2,
        max_markets: 2,
        max_accounts: 2,
        max_sessions: 2,
        max_orders: 4096,
        max_levels: 400,
        max_pages: 16,
        pad: [Zero::Zero; 4],
    })];
    for id in 0..2 {
        commands.push(Command::CreateAsset(CreateAsset {
            asset: AssetId(id),
            decimals: 8,
            pad: [Zero::Zero; 3],
            symbol: *b"ASSET\0\0\0\0\0\0\0\0\0\0\0",
        }));
    }
    for market in MARKETS {
        commands.push(Command::CreateMarket(CreateMarket {
            market,
            base: AssetId(0),
            quote: AssetId(1),
            maker_fee_ppm: 100,
            taker_fee_ppm: 200,
            price_levels: 200,
            tick_value: 1,
            lot_size: 1,
            min_qty: Qty(1),
            price_min: Price(1),
            symbol: *b"BASE-QUOTE\0\0\0\0\0\0",
            state: MarketState::Continuous,
            pad: [Zero::Zero; 7],
        }));
    }
    for id in 0..2 {
        commands.push(Command::CreateAccount(CreateAccount {
            account: AccountId(id),
            firm: FirmId(7),
            owner: [3; 32],
        }));
        commands.push(Command::OpenSession(OpenSession {
            session: SessionId(id),
            account: AccountId(id),
            delegation: Delegation::unlimited([5; 32]),
            gate: Gate::Port,
            pad: [Zero::Zero; 7],
        }));
        for asset in 0..2 {
            commands.push(Command::Deposit(Deposit {
                account: AccountId(id),
                asset: AssetId(asset),
                amount: Amount(1 << 40),
            }));
        }
    }
    commands
}
