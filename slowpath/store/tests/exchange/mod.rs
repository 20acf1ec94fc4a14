//! A small exchange that writes a journal: engine, frames, and a flow of commands made of random words.

use domain::{
    AccountId, AmendOrder, Amount, AssetId, CancelOrder, Checkpoint, ClientOrderId, Command,
    Continue, CreateAccount, CreateAsset, CreateMarket, Delegation, Deposit, Effects, FirmId, Flag,
    Gate, Genesis, MarketId, Nanos, NewOrder, OpenSession, OrderId, OrderType, Price, Qty, Request,
    SessionId, Side, Source, Stamp, TimeInForce, Timer, Zero,
};
use engine::Engine;
use journal::{Chain, Frame, FrameHeader, MAX_FRAME_WORDS, encode};

/// Of every journal here.
pub(crate) const SHARD: u16 = 3;
/// Accounts, and sessions, one each.
pub(crate) const TRADERS: u32 = 4;
/// 2026-01-01, UTC.
pub(crate) const BEGIN: Nanos = Nanos(1_767_225_600_000_000_000);
const SECOND: u64 = 1_000_000_000;

/// An engine and the frames that it has written.
pub(crate) struct Exchange {
    pub(crate) engine: Engine,
    effects: Effects,
    chain: Chain,
    pub(crate) frames: Vec<Vec<u64>>,
    pub(crate) now: Nanos,
    next_client_id: u64,
}

impl Exchange {
    pub(crate) fn new() -> Self {
        Self {
            engine: Engine::new(),
            effects: Effects::new(),
            chain: Chain::new(SHARD),
            frames: Vec::new(),
            now: BEGIN,
            next_client_id: 1,
        }
    }

    /// Two assets, two markets (base 0, quote 1; the second with other terms), [`TRADERS`] with
    /// `funds` of both assets.
    pub(crate) fn with_traders(funds: u64, max_orders: u32) -> Self {
        let mut exchange = Self::new();
        let admin = Source::ADMINISTRATION;
        exchange.apply(
            admin,
            Command::Genesis(Genesis {
                max_assets: 2,
                max_markets: 2,
                max_accounts: TRADERS,
                max_sessions: TRADERS,
                max_orders,
                max_levels: 4_000,
            }),
        );
        for asset in 0..2 {
            exchange.apply(admin, create_asset(asset));
        }
        for market in 0..2 {
            exchange.apply(admin, create_market(market));
        }
        for id in 0..TRADERS {
            exchange.apply(admin, create_account(id));
            exchange.apply(admin, open_session(id));
            for asset in 0..2 {
                exchange.deposit(id, asset, funds);
            }
        }
        exchange
    }

    pub(crate) fn deposit(&mut self, account: u32, asset: u32, amount: u64) {
        let command = Command::Deposit(Deposit {
            account: AccountId(account),
            asset: AssetId(asset),
            amount: Amount(amount),
        });
        self.apply(Source::DEPOSITS, command);
    }

    /// Sequences a command with the next number of its source, and what a sweep leaves to be done.
    pub(crate) fn apply(&mut self, source: Source, command: Command) {
        let number = self.engine.last_number(source) + 1;
        self.apply_as(source, number, command);
    }

    pub(crate) fn apply_as(&mut self, source: Source, number: u64, command: Command) {
        self.sequence(source, number, command);
        while let Some(order_id) = self.engine.pending_sweep() {
            let number = self.engine.last_number(Source::SEQUENCER) + 1;
            let command = Command::Continue(Continue { order_id });
            self.sequence(Source::SEQUENCER, number, command);
        }
    }

    fn sequence(&mut self, source: Source, source_seq: u64, command: Command) {
        let request = Request {
            source,
            source_seq,
            receive_time: self.now,
            command,
        };
        let stamp = Stamp {
            seq: self.chain.next_seq,
            time: self.now,
        };
        let engine_version = self.engine.version();
        self.engine.apply(stamp, &request, &mut self.effects);
        let header = FrameHeader {
            engine_version,
            seq: stamp.seq,
            epoch: 0,
            shard: SHARD,
            source,
            source_seq,
            receive_time: request.receive_time,
            engine_time: stamp.time,
            prev_crc: self.chain.last_crc,
        };
        let mut buffer = [0; MAX_FRAME_WORDS];
        let (words, _) = encode(&header, &command, &self.effects, &mut buffer);
        let frame = Frame::parse(&buffer[..words]).expect("a whole frame");
        self.chain.check(&frame).expect("a chain");
        self.frames.push(buffer[..words].to_vec());
    }

    pub(crate) fn order(&mut self, session: u32, order: NewOrder) {
        self.apply(
            Source::of_session(SessionId(session)),
            Command::NewOrder(order),
        );
    }

    /// Does what a random word says.
    pub(crate) fn act(&mut self, word: u64) {
        let bits = |from: u32, count: u64| (word >> from) % count;
        self.now = Nanos(self.now.0 + bits(48, 3) * SECOND / 2 + bits(50, 1000));
        let session = u32::try_from(bits(0, u64::from(TRADERS))).expect("small");
        let source = Source::of_session(SessionId(session));
        let recent = self.next_client_id.saturating_sub(1 + bits(20, 12)).max(1);
        match bits(4, 20) {
            0 => self.now = Nanos(self.now.0 + bits(24, 7_200) * SECOND),
            1 | 2 => self.apply(source, cancel(recent)),
            3 | 4 => {
                let command = AmendOrder {
                    order_id: OrderId::NONE,
                    client_order_id: ClientOrderId(recent),
                    price: Price(100 + price_of(bits(24, 16))),
                    qty: Qty(bits(30, 24)),
                };
                self.apply(source, Command::AmendOrder(command));
            }
            5 => {
                // Two numbers of the session will never be used.
                let number = self.engine.last_number(source) + 3;
                self.apply_as(source, number, cancel(recent));
            }
            6 => self.deposit(session, session % 2, bits(24, 3) * 1_000),
            7 => self.apply(
                Source::SEQUENCER,
                Command::Checkpoint(Checkpoint { interval: 1 }),
            ),
            8 => self.apply(Source::ADMINISTRATION, create_account(session)),
            9 => {
                let timer = Timer { deadline: self.now };
                self.apply(Source::SEQUENCER, Command::Timer(timer));
            }
            kind => {
                let order = self.random_order(kind, word);
                self.order(session, order);
            }
        }
    }

    fn random_order(&mut self, kind: u64, word: u64) -> NewOrder {
        let bits = |from: u32, count: u64| (word >> from) % count;
        let id = self.next_client_id;
        self.next_client_id += 1;
        let (order_type, time_in_force) = match kind {
            10 => (OrderType::Market, TimeInForce::ImmediateOrCancel),
            11 => (OrderType::Limit, TimeInForce::ImmediateOrCancel),
            12 => (OrderType::Limit, TimeInForce::FillOrKill),
            _ => (OrderType::Limit, TimeInForce::GoodTillCancel),
        };
        let is_market = order_type == OrderType::Market;
        // Now and then no such market, or a duplicate id.
        let market = if bits(40, 50) == 0 {
            9
        } else {
            u32::from(bits(41, 4) == 0)
        };
        let client_order_id = if bits(34, 40) == 0 {
            id.saturating_sub(2)
        } else {
            id
        };
        let qty = if bits(36, 30) == 0 {
            200
        } else {
            1 + bits(30, 20)
        };
        NewOrder {
            client_order_id: ClientOrderId(client_order_id),
            price: Price(if is_market {
                0
            } else {
                100 + price_of(bits(24, 16))
            }),
            qty: Qty(qty),
            market: MarketId(market),
            side: if bits(10, 2) == 0 {
                Side::Buy
            } else {
                Side::Sell
            },
            order_type,
            time_in_force,
            post_only: Flag::from(kind == 13),
        }
    }

    /// The frames from a seq to a seq, both included.
    pub(crate) fn frames_of(&self, from: usize, to: usize) -> impl Iterator<Item = Frame<'_>> {
        let words = self.frames[from - 1..to].iter();
        words.map(|words| Frame::parse(words).expect("a whole frame"))
    }
}

fn price_of(word: u64) -> i64 {
    i64::try_from(word).expect("small")
}

/// Random words from a seed (xorshift).
pub(crate) fn words(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    })
}

/// A busy exchange of about so many frames.
pub(crate) fn busy(seed: u64, actions: usize) -> Exchange {
    let mut exchange = Exchange::with_traders(100_000, 4_096);
    for word in words(seed).take(actions) {
        exchange.act(word);
    }
    exchange
}

pub(crate) fn cancel(client_order_id: u64) -> Command {
    Command::CancelOrder(CancelOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(client_order_id),
    })
}

fn symbol(text: &str) -> [u8; 16] {
    let mut symbol = [0; 16];
    symbol[..text.len()].copy_from_slice(text.as_bytes());
    symbol
}

fn create_asset(asset: u32) -> Command {
    Command::CreateAsset(CreateAsset {
        asset: AssetId(asset),
        decimals: 6,
        pad: [Zero::Zero; 3],
        symbol: symbol(if asset == 0 { "SOL" } else { "USDC" }),
    })
}

fn create_market(market: u32) -> Command {
    Command::CreateMarket(CreateMarket {
        market: MarketId(market),
        base: AssetId(0),
        quote: AssetId(1),
        maker_fee_ppm: 1_000,
        taker_fee_ppm: 20_000,
        price_levels: 1_000,
        tick_value: 1 + u64::from(market),
        lot_size: 10,
        min_qty: Qty(1),
        price_min: Price(1),
        symbol: symbol("SOL/USDC"),
    })
}

fn create_account(id: u32) -> Command {
    Command::CreateAccount(CreateAccount {
        account: AccountId(id),
        firm: FirmId(id + 100),
        owner: [u8::try_from(id).expect("small"); 32],
    })
}

fn open_session(id: u32) -> Command {
    Command::OpenSession(OpenSession {
        session: SessionId(id),
        account: AccountId(id),
        delegation: Delegation::unlimited([u8::try_from(id).expect("small"); 32]),
        gate: Gate::Port,
        pad: [Zero::Zero; 7],
    })
}
