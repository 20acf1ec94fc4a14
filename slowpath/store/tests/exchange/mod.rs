//! A small exchange that writes a journal: engine, frames, and a flow of commands made of random words.

use domain::{
    AccountId, AmendOrder, Amount, AssetId, CancelOrder, Checkpoint, ClientOrderId, CollectFees,
    Command, Continue, CreateAccount, CreateAsset, CreateMarket, Delegation, Deposit, Effects,
    FirmId, Flag, Gate, Genesis, KillSwitch, MarketId, MarketState, MassCancel, Nanos, NewOrder,
    OpenSession, OrderId, OrderType, PostOnly, Price, Qty, Quote, Request, Scope, SelfTrade,
    SelfTradeScope, SessionId, SetFees, SetMarketState, SetProtection, Side, Source, Stamp,
    TimeInForce, Timer, Zero,
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
                max_pages: 130,
                pad: [Zero::Zero; 4],
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
        while let Some(order_id) = self.engine.pending_work() {
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
        match bits(4, 26) {
            0 => self.now = Nanos(self.now.0 + bits(24, 7_200) * SECOND),
            1 | 2 => self.apply(source, cancel(recent)),
            3 | 4 => {
                let command = AmendOrder {
                    order_id: OrderId::NONE,
                    client_order_id: ClientOrderId(recent),
                    price: Price(100 + price_of(bits(24, 16))),
                    qty: Qty(bits(30, 24)),
                    new_client_order_id: ClientOrderId(0),
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
            20 => self.change_state(u32::from(bits(41, 2) == 0), bits(42, 12)),
            21 => {
                let scope = if bits(42, 2) == 0 {
                    Scope::Session
                } else {
                    Scope::Account
                };
                let command = MassCancel {
                    scope,
                    ..MassCancel::OWN
                };
                self.apply(source, Command::MassCancel(command));
            }
            22 => self.replace(session, recent, bits(24, 16), bits(30, 24)),
            23 => self.set_fees(bits(24, 4)),
            24 => self.apply(source, part_of(recent, 1 + bits(24, 4))),
            25 => {
                self.kill(session, Flag::Yes);
                self.kill(session, Flag::No);
                self.collect_fees(session, 1 + bits(24, 4));
            }
            kind => {
                let order = self.random_order(kind, word);
                self.order(session, order);
            }
        }
        match bits(58, 16) {
            0 | 1 => self.quote(session, word),
            2 => self.protect(session, word),
            _ => {}
        }
    }

    pub(crate) fn set_state(&mut self, market: u32, state: MarketState) {
        let command = SetMarketState {
            market: MarketId(market),
            state,
            pad: [Zero::Zero; 3],
        };
        self.apply(Source::ADMINISTRATION, Command::SetMarketState(command));
    }

    /// Lets a market in which nothing trades on arrival go on, or stops one now and then.
    fn change_state(&mut self, market: u32, word: u64) {
        let now = self.engine.market_state(MarketId(market));
        let is_open = matches!(now, Some((MarketState::Continuous, _)));
        let state = match word {
            0 | 1 if is_open => MarketState::PreOpen,
            2 if is_open => MarketState::PostOnly,
            3 if is_open => MarketState::Halted,
            4 if is_open => MarketState::Closed,
            _ => MarketState::Continuous,
        };
        self.set_state(market, state);
    }

    /// Gives an order a client order id that was not used, and perhaps another price and quantity.
    fn replace(&mut self, session: u32, recent: u64, price: u64, qty: u64) {
        let command = AmendOrder {
            order_id: OrderId::NONE,
            client_order_id: ClientOrderId(recent),
            price: Price(100 + price_of(price)),
            qty: Qty(qty),
            new_client_order_id: ClientOrderId(self.next_client_id),
        };
        self.next_client_id += 1;
        self.apply(
            Source::of_session(SessionId(session)),
            Command::AmendOrder(command),
        );
    }

    /// What everybody pays from now on; most often the resting side is paid.
    pub(crate) fn set_fees(&mut self, quarter: u64) {
        let command = SetFees {
            tier: 0,
            market: MarketId::ANY,
            maker_fee_ppm: 1_000 - i32::try_from(quarter).expect("small") * 5_000,
            taker_fee_ppm: 20_000,
        };
        self.apply(Source::ADMINISTRATION, Command::SetFees(command));
    }

    fn kill(&mut self, session: u32, on: Flag) {
        let command = KillSwitch {
            request: 0,
            target: session,
            scope: Scope::Session,
            on,
            pad: [Zero::Zero; 2],
        };
        self.apply(Source::ADMINISTRATION, Command::KillSwitch(command));
    }

    pub(crate) fn collect_fees(&mut self, account: u32, amount: u64) {
        let command = CollectFees {
            account: AccountId(account),
            asset: AssetId(1),
            amount: Amount(amount),
        };
        self.apply(Source::ADMINISTRATION, Command::CollectFees(command));
    }

    /// Quotes around a price, or one side of it, or pulls what is quoted.
    fn quote(&mut self, session: u32, word: u64) {
        let bits = |from: u32, count: u64| (word >> from) % count;
        let middle = 104 + price_of(bits(24, 8));
        let command = Quote {
            // Now and then the one that an order has.
            quote_id: ClientOrderId(self.next_client_id.saturating_sub(bits(28, 3)).max(1)),
            bid_price: Price(middle - 1 - price_of(bits(30, 3))),
            bid_qty: Qty(bits(34, 8)),
            ask_price: Price(middle + price_of(bits(37, 3))),
            ask_qty: Qty(bits(40, 8)),
            market: MarketId(u32::from(bits(44, 4) == 0)),
            slide: Flag::from(bits(46, 2) == 0),
            pad: [Zero::Zero; 3],
        };
        self.quotes(session, command);
    }

    pub(crate) fn quotes(&mut self, session: u32, quote: Quote) {
        let source = Source::of_session(SessionId(session));
        self.apply(source, Command::Quote(quote));
    }

    /// Protects what a session quotes, or ends that.
    fn protect(&mut self, session: u32, word: u64) {
        let max_fills = u32::try_from((word >> 24) % 4).expect("small");
        let command = SetProtection {
            request: word,
            window: if max_fills == 0 { 0 } else { 60 * SECOND },
            max_fills,
            market: MarketId(u32::from((word >> 44).is_multiple_of(4))),
            ..SetProtection::OFF
        };
        let source = Source::of_session(SessionId(session));
        self.apply(source, Command::SetProtection(command));
    }

    fn random_order(&mut self, kind: u64, word: u64) -> NewOrder {
        let bits = |from: u32, count: u64| (word >> from) % count;
        let id = self.next_client_id;
        self.next_client_id += 1;
        let (order_type, time_in_force) = kind_of(kind);
        let is_market = !order_type.has_limit();
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
            // Of a market order the worst, sometimes.
            price: Price(if is_market && bits(43, 2) == 0 {
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
            post_only: match kind {
                13 => PostOnly::Refuse,
                14 => PostOnly::Slide,
                _ => PostOnly::No,
            },
            expires: Nanos(if time_in_force == TimeInForce::GoodTillTime {
                self.now.0 + bits(57, 64) * SECOND
            } else {
                0
            }),
            display_qty: Qty(if kind == 17 { 1 + bits(44, 4) } else { 0 }),
            trigger_price: Price(if order_type.waits() {
                100 + price_of(bits(44, 16))
            } else {
                0
            }),
            min_qty: Qty(if kind == 15 { 1 + bits(44, 4) } else { 0 }),
            self_trade: match bits(52, 10) {
                0 => SelfTrade::CancelNewest,
                1 => SelfTrade::CancelOldest,
                2 => SelfTrade::CancelBoth,
                3 => SelfTrade::DecrementAndCancel,
                4 => SelfTrade::Abort,
                _ => SelfTrade::Allow,
            },
            self_trade_scope: if bits(56, 2) == 0 {
                SelfTradeScope::Account
            } else {
                SelfTradeScope::Firm
            },
            ..NewOrder::PLAIN
        }
    }

    /// The frames from a seq to a seq, both included.
    pub(crate) fn frames_of(&self, from: usize, to: usize) -> impl Iterator<Item = Frame<'_>> {
        let words = self.frames[from - 1..to].iter();
        words.map(|words| Frame::parse(words).expect("a whole frame"))
    }
}

/// Type and time in force of a random order.
fn kind_of(kind: u64) -> (OrderType, TimeInForce) {
    match kind {
        10 => (OrderType::Market, TimeInForce::ImmediateOrCancel),
        11 => (OrderType::Limit, TimeInForce::ImmediateOrCancel),
        12 => (OrderType::Limit, TimeInForce::FillOrKill),
        16 => (OrderType::Limit, TimeInForce::GoodTillTime),
        17 => (OrderType::Limit, TimeInForce::GoodTillClose),
        18 => (OrderType::Stop, TimeInForce::GoodTillCancel),
        19 => (OrderType::StopLimit, TimeInForce::GoodTillTime),
        _ => (OrderType::Limit, TimeInForce::GoodTillCancel),
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

pub(crate) fn cancel(client_order_id: u64) -> Command {
    part_of(client_order_id, 0)
}

/// Cancels so many lots of an order; 0: all.
fn part_of(client_order_id: u64, qty: u64) -> Command {
    Command::CancelOrder(CancelOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(client_order_id),
        qty: Qty(qty),
    })
}

fn symbol(text: &str) -> [u8; 16] {
    let mut symbol = [0; 16];
    symbol[..text.len()].copy_from_slice(text.as_bytes());
    symbol
}

pub(crate) fn create_asset(asset: u32) -> Command {
    Command::CreateAsset(CreateAsset {
        asset: AssetId(asset),
        decimals: 6,
        pad: [Zero::Zero; 3],
        symbol: symbol(if asset == 0 { "SOL" } else { "USDC" }),
    })
}

pub(crate) fn create_market(market: u32) -> Command {
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
        state: MarketState::Continuous,
        pad: [Zero::Zero; 7],
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
