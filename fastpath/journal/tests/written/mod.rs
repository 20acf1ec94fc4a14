//! Journals for tests: frames of every command and event, and archives of them in memory.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses a part of it"
)]

use domain::{
    Accepted, AccountId, AmendOrder, Amended, Amount, AssetId, Attest, AttestationNoted, BookAdd,
    BookDelete, BookReduce, BookReplace, CancelOrder, Canceled, Checkpoint, ClientOrderId,
    CollectFees, Command, CommandKind, ConfirmAttestation, Continue, CreateAccount, CreateAsset,
    CreateMarket, Delegate, Delegation, DelistMarket, Deposit, Effects, EngineVersion, EventKind,
    Fill, FirmId, Flag, Gate, Genesis, KillSwitch, Limits, Liquidity, MarketDefined, MarketId,
    MarketState, MarketStateChanged, MassCancel, MassCanceled, Nanos, NewOrder, NotApplied,
    OpenSession, OrderId, OrderType, Outcome, Phase, PhaseChanged, PostOnly, Price,
    ProtectionReached, ProtectionSet, Qty, Quote, Reason, Recovered, Reference, Rejected, Scope,
    SelfTrade, SelfTradePrevented, SelfTradeScope, Seq, SessionId, SetCollar, SetFees, SetLimits,
    SetMarketState, SetProtection, SetTier, Side, Sides, Source, StateHash, TimeInForce, Timer,
    Trade, Triggered, Uncrossed, Zero,
};
use journal::{
    Chain, Frame, FrameHeader, MAX_FRAME_WORDS, SegmentHeader, SegmentName, Segments, encode,
};
use std::collections::BTreeMap;
use std::io;

pub(crate) const SHARD: u16 = 5;

/// One command of every kind.
pub(crate) fn commands() -> Vec<Command> {
    let mut commands = session_commands();
    commands.extend(sequencer_commands());
    commands.extend(administrative_commands());
    commands.extend(rule_commands());
    commands
}

fn session_commands() -> Vec<Command> {
    let client_order_id = ClientOrderId(7);
    vec![
        Command::NewOrder(NewOrder {
            client_order_id,
            price: Price(101),
            qty: Qty(12),
            market: MarketId(1),
            side: Side::Sell,
            order_type: OrderType::StopLimit,
            time_in_force: TimeInForce::GoodTillTime,
            min_qty: Qty(3),
            expires: Nanos(1_234),
            display_qty: Qty(2),
            trigger_price: Price(98),
            self_trade: SelfTrade::CancelBoth,
            self_trade_scope: SelfTradeScope::Firm,
            ..NewOrder::PLAIN
        }),
        Command::CancelOrder(CancelOrder {
            order_id: OrderId::first(3),
            client_order_id,
            qty: Qty(4),
        }),
        Command::AmendOrder(AmendOrder {
            order_id: OrderId::NONE,
            client_order_id,
            price: Price(99),
            qty: Qty(2),
            new_client_order_id: ClientOrderId(8),
        }),
        Command::MassCancel(MassCancel {
            request: 31,
            lowest: Price(90),
            highest: Price(110),
            target: 0,
            market: MarketId(1),
            scope: Scope::Account,
            sides: Sides::Sells,
            pad: [Zero::Zero; 6],
        }),
        Command::KillSwitch(KillSwitch {
            request: 32,
            target: 9,
            scope: Scope::Firm,
            on: Flag::Yes,
            pad: [Zero::Zero; 2],
        }),
        Command::Quote(Quote {
            quote_id: ClientOrderId(33),
            bid_price: Price(97),
            bid_qty: Qty(4),
            ask_price: Price(99),
            ask_qty: Qty(5),
            market: MarketId(3),
            slide: Flag::Yes,
            pad: [Zero::Zero; 3],
        }),
        Command::SetProtection(SetProtection {
            request: 34,
            window: 1_000_000,
            max_qty: Qty(6),
            max_notional: Amount(7),
            max_fills: 8,
            market: MarketId(3),
        }),
        Command::Attest(Attest {
            signature: core::array::from_fn(|at| u8::try_from(at).unwrap_or(0)),
        }),
    ]
}

fn sequencer_commands() -> Vec<Command> {
    vec![
        Command::Continue(Continue {
            order_id: OrderId::first(4),
        }),
        Command::Timer(Timer {
            deadline: Nanos(55),
        }),
        Command::Checkpoint(Checkpoint { interval: 1000 }),
        Command::Recovered(Recovered {
            epoch: 0,
            pad: [Zero::Zero; 4],
            grace: Nanos(9),
        }),
        Command::EngineVersion(EngineVersion {
            version: 1,
            pad: [Zero::Zero; 6],
        }),
    ]
}

fn administrative_commands() -> Vec<Command> {
    vec![
        Command::Genesis(Genesis {
            max_assets: 1,
            max_markets: 2,
            max_accounts: 3,
            max_sessions: 4,
            max_orders: 5,
            max_levels: 6,
            max_pages: 7,
            pad: [Zero::Zero; 4],
        }),
        Command::CreateAsset(CreateAsset {
            asset: AssetId(1),
            decimals: 8,
            pad: [Zero::Zero; 3],
            symbol: *b"SOL\0\0\0\0\0\0\0\0\0\0\0\0\0",
        }),
        Command::CreateMarket(CreateMarket {
            market: MarketId(1),
            base: AssetId(1),
            quote: AssetId(2),
            maker_fee_ppm: 10,
            taker_fee_ppm: 20,
            price_levels: 1000,
            tick_value: 3,
            lot_size: 4,
            min_qty: Qty(1),
            price_min: Price(1),
            symbol: *b"SOL/USDC\0\0\0\0\0\0\0\0",
            state: MarketState::PreOpen,
            pad: [Zero::Zero; 7],
        }),
        Command::CreateAccount(CreateAccount {
            account: AccountId(8),
            firm: FirmId(9),
            owner: [3; 32],
        }),
        Command::OpenSession(OpenSession {
            session: SessionId(1),
            account: AccountId(8),
            delegation: Delegation::unlimited([0xAB; 32]),
            gate: Gate::Port,
            pad: [Zero::Zero; 7],
        }),
        Command::Delegate(Delegate {
            session: SessionId(1),
            pad: [Zero::Zero; 4],
            delegation: Delegation::unlimited([0xCD; 32]),
        }),
        Command::Deposit(Deposit {
            account: AccountId(8),
            asset: AssetId(1),
            amount: Amount(1_000_000),
        }),
    ]
}

/// Those that change what orders may do and cost.
fn rule_commands() -> Vec<Command> {
    let (account, market) = (AccountId(8), MarketId(1));
    vec![
        Command::SetTier(SetTier { account, tier: 3 }),
        Command::SetLimits(SetLimits {
            target: 8,
            of_account: Flag::Yes,
            as_tier: Flag::No,
            pad: [Zero::Zero; 2],
            limits: Limits {
                max_order_qty: Qty(1),
                max_order_notional: 2,
                max_position: 3,
                max_daily_volume: 4,
                max_unattested_notional: 6,
                max_open_orders: 5,
                pad: [Zero::Zero; 4],
            },
        }),
        Command::SetFees(SetFees {
            tier: 3,
            market,
            maker_fee_ppm: -4,
            taker_fee_ppm: 15,
        }),
        Command::CollectFees(CollectFees {
            account,
            asset: AssetId(2),
            amount: Amount(11),
        }),
        Command::SetMarketState(SetMarketState {
            market,
            state: MarketState::ClosingAuction,
            pad: [Zero::Zero; 3],
        }),
        Command::SetCollar(SetCollar {
            price: Price(100),
            market,
            width_ppm: 50_000,
            reference: Reference::Set,
            halts: Flag::Yes,
            pad: [Zero::Zero; 6],
        }),
        Command::DelistMarket(DelistMarket {
            market,
            pad: [Zero::Zero; 4],
        }),
        Command::ConfirmAttestation(ConfirmAttestation {
            session: SessionId(7),
            pad: [Zero::Zero; 4],
            level: 9_000_000,
        }),
    ]
}

/// Adds one event of every private kind.
fn push_private(effects: &mut Effects) {
    let (session, order_id, client_order_id) = (SessionId(1), OrderId::first(2), ClientOrderId(3));
    let (market, report_no) = (MarketId(1), 44);
    effects.push(&Accepted {
        kind: EventKind::Accepted,
        side: Side::Buy,
        order_type: OrderType::Stop,
        time_in_force: TimeInForce::GoodTillClose,
        session,
        report_no,
        order_id,
        client_order_id,
        price: Price(5),
        qty: Qty(6),
        expires: Nanos(7),
        display_qty: Qty(8),
        trigger_price: Price(9),
        market,
        post_only: PostOnly::Slide,
        self_trade: SelfTrade::Abort,
        self_trade_scope: SelfTradeScope::Firm,
        quote: Flag::Yes,
    });
    effects.push(&Rejected {
        kind: EventKind::Rejected,
        pad: Zero::Zero,
        reason: Reason::WouldTrade,
        session,
        report_no,
        order_id,
        client_order_id,
        command: CommandKind::NewOrder,
        pad2: [Zero::Zero; 6],
    });
    effects.push(&fill());
    push_changes(effects);
}

/// Those about what becomes of orders and numbers behind their acceptance.
fn push_changes(effects: &mut Effects) {
    let (session, order_id, client_order_id) = (SessionId(1), OrderId::first(2), ClientOrderId(3));
    let (market, report_no) = (MarketId(1), 44);
    effects.push(&Canceled {
        kind: EventKind::Canceled,
        pad: Zero::Zero,
        reason: Reason::Requested,
        session,
        report_no,
        order_id,
        client_order_id,
        qty: Qty(1),
        market,
        pad2: [Zero::Zero; 4],
    });
    effects.push(&Amended {
        kind: EventKind::Amended,
        kept_priority: Flag::Yes,
        pad: [Zero::Zero; 2],
        session,
        report_no,
        order_id,
        client_order_id,
        price: Price(5),
        qty: Qty(4),
        leaves: Qty(3),
        market,
        pad2: [Zero::Zero; 4],
    });
    effects.push(&NotApplied {
        kind: EventKind::NotApplied,
        pad: [Zero::Zero; 3],
        session,
        report_no,
        from: 2,
        count: 3,
    });
    push_of_rules(effects);
}

/// Those about own orders that met, mass cancels and stops.
fn push_of_rules(effects: &mut Effects) {
    let (session, order_id, client_order_id) = (SessionId(1), OrderId::first(2), ClientOrderId(3));
    let (market, report_no) = (MarketId(1), 44);
    effects.push(&SelfTradePrevented {
        kind: EventKind::SelfTradePrevented,
        self_trade: SelfTrade::CancelOldest,
        pad: [Zero::Zero; 2],
        session,
        report_no,
        order_id,
        client_order_id,
        maker_order_id: OrderId::first(9),
        price: Price(5),
        qty: Qty(6),
        leaves: Qty(7),
        market,
        pad2: [Zero::Zero; 4],
    });
    effects.push(&MassCanceled {
        kind: EventKind::MassCanceled,
        pad: [Zero::Zero; 3],
        session,
        report_no,
        request: 31,
        count: 2,
    });
    effects.push(&Triggered {
        kind: EventKind::Triggered,
        side: Side::Sell,
        pad: [Zero::Zero; 2],
        session,
        report_no,
        order_id,
        client_order_id,
        price: Price(5),
        market,
        pad2: [Zero::Zero; 4],
    });
    effects.push(&ProtectionSet {
        kind: EventKind::ProtectionSet,
        pad: [Zero::Zero; 3],
        session,
        report_no,
        request: 34,
        market,
        pad2: [Zero::Zero; 4],
    });
    effects.push(&ProtectionReached {
        kind: EventKind::ProtectionReached,
        pad: [Zero::Zero; 3],
        session,
        report_no,
        qty: Qty(6),
        notional: Amount(7),
        fills: 8,
        market,
    });
    effects.push(&AttestationNoted {
        kind: EventKind::AttestationNoted,
        pad: [Zero::Zero; 3],
        session,
        report_no,
        level: 9_000_000,
    });
}

pub(crate) fn fill() -> Fill {
    Fill {
        kind: EventKind::Fill,
        side: Side::Buy,
        liquidity: Liquidity::Taker,
        pad: Zero::Zero,
        session: SessionId(1),
        report_no: 45,
        order_id: OrderId::first(2),
        client_order_id: ClientOrderId(3),
        trade_id: 77,
        price: Price(5),
        qty: Qty(6),
        leaves: Qty(7),
        fee: Amount(8),
        market: MarketId(1),
        is_rebate: Flag::Yes,
        pad2: [Zero::Zero; 3],
    }
}

/// Adds one event of every other kind.
fn push_public(effects: &mut Effects) {
    let (order_id, market, feed_no) = (OrderId::first(2), MarketId(1), 60);
    effects.push(&BookAdd {
        kind: EventKind::BookAdd,
        side: Side::Sell,
        pad: [Zero::Zero; 2],
        market,
        feed_no,
        order_id,
        price: Price(5),
        qty: Qty(6),
    });
    effects.push(&BookReduce {
        kind: EventKind::BookReduce,
        side: Side::Sell,
        pad: [Zero::Zero; 2],
        market,
        feed_no,
        order_id,
        leaves: Qty(5),
    });
    effects.push(&BookDelete {
        kind: EventKind::BookDelete,
        side: Side::Sell,
        pad: [Zero::Zero; 2],
        market,
        feed_no,
        order_id,
    });
    effects.push(&Trade {
        kind: EventKind::Trade,
        taker_side: Side::Buy,
        pad: [Zero::Zero; 2],
        market,
        feed_no,
        trade_id: 77,
        maker_order_id: order_id,
        taker_order_id: OrderId::first(9),
        price: Price(5),
        qty: Qty(6),
        maker_leaves: Qty(0),
    });
    effects.push(&PhaseChanged {
        kind: EventKind::PhaseChanged,
        phase: Phase::CancelOnly,
        pad: [Zero::Zero; 6],
        feed_no,
    });
    effects.push(&Outcome {
        kind: EventKind::Outcome,
        pad: Zero::Zero,
        reason: Reason::None,
        command: CommandKind::Timer,
        pad2: [Zero::Zero; 2],
    });
    effects.push(&StateHash {
        kind: EventKind::StateHash,
        pad: [Zero::Zero; 7],
        hash: 0xFEED,
    });
}

/// Adds the public events of an order that moves and of a market that is made and opens.
fn push_replace_and_market(effects: &mut Effects) {
    let (market, feed_no, order_id) = (MarketId(1), 45, OrderId::first(2));
    effects.push(&BookReplace {
        kind: EventKind::BookReplace,
        side: Side::Buy,
        pad: [Zero::Zero; 2],
        market,
        feed_no,
        order_id,
        price: Price(7),
        qty: Qty(8),
    });
    effects.push(&MarketDefined {
        kind: EventKind::MarketDefined,
        base_decimals: 9,
        quote_decimals: 6,
        state: MarketState::PreOpen,
        market,
        feed_no,
        base: AssetId(0),
        quote: AssetId(1),
        maker_fee_ppm: 1,
        taker_fee_ppm: 2,
        price_levels: 3,
        pad2: [Zero::Zero; 4],
        tick_value: 4,
        lot_size: 5,
        min_qty: Qty(6),
        price_min: Price(7),
        symbol: [b'S'; 16],
        base_symbol: [b'B'; 16],
        quote_symbol: [b'Q'; 16],
    });
    effects.push(&MarketStateChanged {
        kind: EventKind::MarketStateChanged,
        state: MarketState::OpeningAuction,
        pad: [Zero::Zero; 2],
        market,
        feed_no,
    });
    effects.push(&Uncrossed {
        kind: EventKind::Uncrossed,
        pad: [Zero::Zero; 3],
        market,
        feed_no,
        price: Price(7),
        qty: Qty(8),
    });
}

/// The header that continues a chain; a `Recovered` command begins a new epoch.
pub(crate) fn header(chain: &Chain, command: &mut Command) -> FrameHeader {
    let mut epoch = chain.epoch.unwrap_or(1);
    if let Command::Recovered(recovered) = command {
        epoch += 1;
        recovered.epoch = epoch;
    }
    FrameHeader {
        engine_version: 1,
        seq: chain.next_seq,
        epoch,
        shard: chain.shard,
        source: Source::of_session(SessionId(1)),
        source_seq: chain.next_seq.0,
        receive_time: Nanos(chain.next_seq.0 * 10),
        engine_time: Nanos(chain.next_seq.0 * 10 + 1),
        prev_crc: chain.last_crc,
    }
}

/// Encodes a frame and takes it into the chain.
pub(crate) fn write(
    chain: &mut Chain,
    header: &FrameHeader,
    command: &Command,
    effects: &Effects,
) -> Vec<u64> {
    let mut buffer = [0; MAX_FRAME_WORDS];
    let (words, _) = encode(header, command, effects, &mut buffer);
    let frame = Frame::parse(&buffer[..words]).expect("what was encoded");
    chain.check(&frame).expect("it continues the chain");
    buffer[..words].to_vec()
}

/// Frames that continue a chain, of all commands in turn, some of them with all events.
pub(crate) fn extend(chain: &mut Chain, frames: usize) -> Vec<Vec<u64>> {
    let commands = commands();
    let mut effects = Effects::new();
    let mut next = || {
        let index = usize::try_from(chain.next_seq.0).expect("fits");
        let mut command = commands[(index - 1) % commands.len()];
        effects.clear();
        if index % 3 == 1 {
            push_private(&mut effects);
        }
        if index % 5 == 2 {
            push_public(&mut effects);
        }
        if index % 5 == 3 {
            push_replace_and_market(&mut effects);
        }
        let header = header(chain, &mut command);
        write(chain, &header, &command, &effects)
    };
    (0..frames).map(|_| next()).collect()
}

/// A journal from seq 1 on.
pub(crate) fn journal(frames: usize) -> Vec<Vec<u64>> {
    extend(&mut Chain::new(SHARD), frames)
}

pub(crate) fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// An archive in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archive {
    pub(crate) segments: BTreeMap<Seq, Vec<u8>>,
    /// Files that are no segments.
    pub(crate) others: Vec<String>,
}

impl Archive {
    /// Frames, so many to a segment.
    pub(crate) fn of(frames: &[Vec<u64>], per_segment: usize) -> Self {
        let mut archive = Self::default();
        for segment in frames.chunks(per_segment) {
            let first = Frame::parse(&segment[0]).expect("whole").header;
            let header = SegmentHeader {
                shard: first.shard,
                epoch: first.epoch,
                first_seq: first.seq,
                prev_crc: first.prev_crc,
            };
            let mut content = header.encode().to_vec();
            for frame in segment {
                content.extend(bytes(frame));
            }
            archive.segments.insert(first.seq, content);
        }
        archive
    }

    pub(crate) fn last(&mut self) -> &mut Vec<u8> {
        self.segments.values_mut().next_back().expect("not empty")
    }
}

impl Segments for Archive {
    fn names(&mut self) -> io::Result<Vec<String>> {
        let names = self.segments.keys().rev();
        let names = names.map(|&first| SegmentName(first).to_string());
        Ok(names.chain(self.others.clone()).collect())
    }

    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.segments.get(&first).ok_or(io::ErrorKind::NotFound)?;
        let offset = usize::try_from(offset).expect("fits").min(content.len());
        let read = buffer.len().min(content.len() - offset);
        buffer[..read].copy_from_slice(&content[offset..offset + read]);
        Ok(read)
    }
}

/// A generator of numbers that are the same in every run (splitmix64).
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("fits")
    }
}
