//! Commands: everything that can change the state of an engine.
//!
//! A command's body is one of the fixed-size records below; [`Request`] adds where it came from.
//! In a ring slot a request is [`REQUEST_WORDS`] words; in a frame the header holds what is not
//! the body. The structs are the layouts; how they stand in a frame: docs/JOURNAL.md.

use crate::{
    AccountId, Amount, AssetId, ClientOrderId, FirmId, Flag, Gate, MarketId, MarketState, Nanos,
    OrderId, OrderType, PostOnly, Price, Qty, Reference, Scope, SelfTrade, SelfTradeScope, Side,
    Sides, Source, TimeInForce, Zero,
};
use core::fmt;
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Tiers of accounts: 0 to 15. An account is in tier 0 until it is put into another.
pub const MAX_TIERS: u32 = 16;
/// Words of the largest command body.
pub const MAX_COMMAND_WORDS: usize = 12;
/// Words of a request in a ring: kind and source, source number, receive time, the body, the deadline.
pub const REQUEST_WORDS: usize = 3 + MAX_COMMAND_WORDS + 1;
/// The word of a slot after which a request is worth nothing: nanoseconds since boot, or 0.
const DEADLINE: usize = REQUEST_WORDS - 1;

/// What a command does. Stable numbers; 0 is never a command.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u16)]
#[expect(missing_docs, reason = "each is documented at its record")]
pub enum CommandKind {
    NewOrder = 1,
    CancelOrder = 2,
    AmendOrder = 3,
    MassCancel = 4,
    KillSwitch = 5,
    Quote = 6,
    SetProtection = 7,
    Attest = 8,
    Continue = 16,
    Timer = 17,
    Checkpoint = 18,
    Recovered = 19,
    EngineVersion = 20,
    Genesis = 32,
    CreateAsset = 33,
    CreateMarket = 34,
    CreateAccount = 35,
    OpenSession = 36,
    Delegate = 37,
    SetTier = 38,
    SetLimits = 39,
    SetFees = 40,
    CollectFees = 41,
    SetMarketState = 42,
    SetCollar = 43,
    DelistMarket = 44,
    ConfirmAttestation = 45,
    Deposit = 48,
}

macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty),* }
        const _: () = assert!(
            size_of::<$name>() % 8 == 0 && size_of::<$name>() <= 8 * MAX_COMMAND_WORDS
        );
    };
}

record! {
    /// Enters an order for the session that is its source.
    NewOrder {
        /// The owner's id for it; not 0.
        client_order_id: ClientOrderId,
        /// Limit price in ticks; of a market order, also one that waits, the worst at which it trades, or 0 for any.
        price: Price,
        /// Lots.
        qty: Qty,
        /// Where.
        market: MarketId,
        /// Buy or sell.
        side: Side,
        /// Limit or market, at once or later.
        order_type: OrderType,
        /// How long.
        time_in_force: TimeInForce,
        /// Do not trade on arrival.
        post_only: PostOnly,
        /// Trade so many lots at once, or be refused; 0: any.
        min_qty: Qty,
        /// Engine time at which it ends, UTC nanoseconds, if it is good till a time; else 0.
        expires: Nanos,
        /// Lots that the book shows of it at a time; 0: all.
        display_qty: Qty,
        /// Of a stop: a trade at it, or above it if the stop buys, below it if it sells, makes the order arrive; else 0.
        trigger_price: Price,
        /// What to do where it meets an order of its own.
        self_trade: SelfTrade,
        /// Which orders are its own.
        self_trade_scope: SelfTradeScope,
        /// Zero.
        pad: [Zero; 6],
    }
}

impl NewOrder {
    /// A limit order that stays until cancelled, of nothing at no price: what an order is that says nothing else.
    pub const PLAIN: Self = Self {
        client_order_id: ClientOrderId(0),
        price: Price(0),
        qty: Qty::ZERO,
        market: MarketId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: PostOnly::No,
        min_qty: Qty::ZERO,
        expires: Nanos(0),
        display_qty: Qty::ZERO,
        trigger_price: Price(0),
        self_trade: SelfTrade::Allow,
        self_trade_scope: SelfTradeScope::Account,
        pad: [Zero::Zero; 6],
    };
}

record! {
    /// Cancels a live order of the session that is its source, or a part of it.
    CancelOrder {
        /// The engine's id, or [`OrderId::NONE`] to name it by `client_order_id`.
        order_id: OrderId,
        /// Used if `order_id` is none.
        client_order_id: ClientOrderId,
        /// Lots to cancel; 0, or no less than it has: all of it.
        qty: Qty,
    }
}

record! {
    /// Changes a live order of the session that is its source.
    AmendOrder {
        /// The engine's id, or [`OrderId::NONE`] to name it by `client_order_id`.
        order_id: OrderId,
        /// Used if `order_id` is none.
        client_order_id: ClientOrderId,
        /// New limit price in ticks.
        price: Price,
        /// New total quantity, filled part included.
        qty: Qty,
        /// The owner's id for it from now on; 0: as it is.
        new_client_order_id: ClientOrderId,
    }
}

record! {
    /// Cancels all live orders of a session, an account or a firm, or those of a market, a side, a range of prices.
    MassCancel {
        /// Stands in the report of what was done; any number.
        request: u64,
        /// No order with a lower price, in ticks; 0: however low.
        lowest: Price,
        /// No order with a higher price, in ticks; 0: however high.
        highest: Price,
        /// Which session, account or firm. Not looked at if a session sends it: then it is its own.
        target: u32,
        /// Where, or [`MarketId::ANY`].
        market: MarketId,
        /// What `target` is.
        scope: Scope,
        /// Of which side.
        sides: Sides,
        /// Zero.
        pad: [Zero; 6],
    }
}

impl MassCancel {
    /// Of everything that the session has which sends it.
    pub const OWN: Self = Self {
        request: 0,
        lowest: Price(0),
        highest: Price(0),
        target: 0,
        market: MarketId::ANY,
        scope: Scope::Session,
        sides: Sides::Both,
        pad: [Zero::Zero; 6],
    };
}

record! {
    /// Cancels all live orders of a session, an account or a firm and takes no others of it until it is turned off.
    KillSwitch {
        /// Stands in the report of what was done; any number.
        request: u64,
        /// Which session, account or firm. Not looked at if a session sends it: then it is its own.
        target: u32,
        /// What `target` is.
        scope: Scope,
        /// Whether it is turned on. A session can turn it on only.
        on: Flag,
        /// Zero.
        pad: [Zero; 2],
    }
}

record! {
    /// What the session that is its source quotes in a market from now on. It never trades on arrival.
    Quote {
        /// The owner's id for both sides; not 0, unless both quantities are.
        quote_id: ClientOrderId,
        /// In ticks; not looked at if `bid_qty` is 0.
        bid_price: Price,
        /// Lots that are to be open from now on; 0: none.
        bid_qty: Qty,
        /// In ticks; not looked at if `ask_qty` is 0.
        ask_price: Price,
        /// Lots that are to be open from now on; 0: none.
        ask_qty: Qty,
        /// Where.
        market: MarketId,
        /// Whether a side that would trade goes one tick away from the other side of the book, instead of being refused.
        slide: Flag,
        /// Zero.
        pad: [Zero; 3],
    }
}

impl Quote {
    /// Of nothing on either side: what was quoted before is gone.
    pub const PULL: Self = Self {
        quote_id: ClientOrderId(0),
        bid_price: Price(0),
        bid_qty: Qty::ZERO,
        ask_price: Price(0),
        ask_qty: Qty::ZERO,
        market: MarketId(0),
        slide: Flag::No,
        pad: [Zero::Zero; 3],
    };

    /// Whether nothing is to be quoted.
    #[must_use]
    pub fn is_pull(&self) -> bool {
        self.bid_qty == Qty::ZERO && self.ask_qty == Qty::ZERO
    }
}

record! {
    /// After how many trades the session's quotes in a market are cancelled; its counters are empty from now on. A
    /// limit of 0: none.
    SetProtection {
        /// Stands in the report that it was done; any number.
        request: u64,
        /// How long trades are counted together, in nanoseconds from the first of them on; 0 if there is no limit.
        window: u64,
        /// Lots.
        max_qty: Qty,
        /// Base units of the quote asset.
        max_notional: Amount,
        /// Trades.
        max_fills: u32,
        /// Where.
        market: MarketId,
    }
}

impl SetProtection {
    /// None of whatever.
    pub const OFF: Self = Self {
        request: 0,
        window: 0,
        max_qty: Qty::ZERO,
        max_notional: Amount::ZERO,
        max_fills: 0,
        market: MarketId(0),
    };

    /// Whether it has a limit.
    #[must_use]
    pub fn has_limit(&self) -> bool {
        self.max_qty > Qty::ZERO || self.max_notional > Amount::ZERO || self.max_fills > 0
    }
}

record! {
    /// The session's word, by the key that its account's owner delegated to, that all of its commands which stand before
    /// this one in the journal are its own. The engine does not look at the signature.
    Attest {
        /// Ed25519, of the session's running hash (docs/WIRE.md).
        signature: [u8; 64],
    }
}

record! {
    /// Goes on with the work that the last frame had no room for.
    Continue {
        /// The order that sweeps, or [`OrderId::NONE`] of any other work.
        order_id: OrderId,
    }
}

record! {
    /// Lets engine time pass: what is due at the frame's engine time happens now.
    Timer {
        /// The deadline that made it due.
        deadline: Nanos,
    }
}

record! {
    /// Journals the state hash.
    Checkpoint {
        /// Frames between checkpoints, for the reader's information.
        interval: u64,
    }
}

record! {
    /// The first command after a recovery.
    Recovered {
        /// The epoch that begins (unchanged if nothing can have been lost).
        epoch: u32,
        /// Zero.
        pad: [Zero; 4],
        /// Only cancels are accepted until engine time plus this.
        grace: Nanos,
    }
}

record! {
    /// Switches the rules of the engine.
    EngineVersion {
        /// From the next frame on.
        version: u16,
        /// Zero.
        pad: [Zero; 6],
    }
}

record! {
    /// The first command of a shard: capacities. Everything is allocated here.
    Genesis {
        /// Assets.
        max_assets: u32,
        /// Markets.
        max_markets: u32,
        /// Accounts.
        max_accounts: u32,
        /// Sessions.
        max_sessions: u32,
        /// Live orders; at most [`OrderId::MAX_SLOTS`].
        max_orders: u32,
        /// Prices of all markets together.
        max_levels: u32,
        /// Pages of 64 price levels of one side, of all markets together: one is taken where orders rest.
        max_pages: u32,
        /// Zero.
        pad: [Zero; 4],
    }
}

impl Genesis {
    /// Most assets.
    pub const MAX_ASSETS: u32 = 1 << 16;
    /// Most markets.
    pub const MAX_MARKETS: u32 = 1 << 16;
    /// Most accounts.
    pub const MAX_ACCOUNTS: u32 = 1 << 24;
    /// Most sessions.
    pub const MAX_SESSIONS: u32 = 1 << 24;
    /// Most balances: accounts times assets.
    pub const MAX_BALANCES: u64 = 1 << 28;

    /// Most prices of all markets together.
    pub const MAX_LEVELS: u32 = 1 << 30;
    /// Most pages of price levels.
    pub const MAX_PAGES: u32 = 1 << 27;

    /// Pages with which no order is ever refused for want of one: a page of each side for every 64 prices that a market
    /// begins, or one for each order and two that amending a quote takes before it gives its old ones back.
    #[must_use]
    pub const fn enough_pages(max_orders: u32, max_markets: u32, max_levels: u32) -> u32 {
        let of_orders = max_orders.saturating_add(2);
        let of_levels = (max_levels / 64)
            .saturating_add(max_markets)
            .saturating_mul(2);
        if of_orders < of_levels {
            of_orders
        } else {
            of_levels
        }
    }

    /// Whether every capacity is at least 1 and no more than a shard can address: the constants above, and
    /// [`OrderId::MAX_SLOTS`] orders.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        let within = |capacity: u32, limit: u32| (1..=limit).contains(&capacity);
        within(self.max_assets, Self::MAX_ASSETS)
            && within(self.max_markets, Self::MAX_MARKETS)
            && within(self.max_accounts, Self::MAX_ACCOUNTS)
            && within(self.max_sessions, Self::MAX_SESSIONS)
            && self.balances() <= Self::MAX_BALANCES
            && within(self.max_orders, OrderId::MAX_SLOTS)
            && within(self.max_levels, Self::MAX_LEVELS)
            && within(self.max_pages, Self::MAX_PAGES)
    }

    /// Balances that these capacities make: accounts times assets.
    #[must_use]
    pub fn balances(&self) -> u64 {
        u64::from(self.max_accounts) * u64::from(self.max_assets)
    }
}

record! {
    /// Makes an asset.
    CreateAsset {
        /// Its id: unused and below the capacity.
        asset: AssetId,
        /// Base units per whole unit, as a power of ten: 0 to 18. For display only.
        decimals: u8,
        /// Zero.
        pad: [Zero; 3],
        /// Name in ASCII, filled up with zeros.
        symbol: [u8; 16],
    }
}

impl CreateAsset {
    /// Most decimals.
    pub const MAX_DECIMALS: u8 = 18;

    /// Whether its parameters are within their ranges. What it refers to is not its own to know.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        self.decimals <= Self::MAX_DECIMALS
    }
}

record! {
    /// Makes a market.
    CreateMarket {
        /// Its id: unused and below the capacity.
        market: MarketId,
        /// What is traded.
        base: AssetId,
        /// What it is paid in; not the base.
        quote: AssetId,
        /// Fee of the resting side in parts per million of the notional, 0 to 1,000,000.
        maker_fee_ppm: u32,
        /// Fee of the arriving side in parts per million of the notional, 0 to 1,000,000.
        taker_fee_ppm: u32,
        /// Prices from `price_min` up: `price_min ..= price_min + price_levels - 1`. At least 1.
        price_levels: u32,
        /// Quote base units per tick and lot; at least 1.
        tick_value: u64,
        /// Base asset's base units per lot; at least 1.
        lot_size: u64,
        /// Smallest order, in lots; at least 1.
        min_qty: Qty,
        /// Lowest price, in ticks; at least 1.
        price_min: Price,
        /// Name in ASCII, filled up with zeros.
        symbol: [u8; 16],
        /// In which it begins; not [`MarketState::Delisted`].
        state: MarketState,
        /// Zero.
        pad: [Zero; 7],
    }
}

impl CreateMarket {
    /// The highest fee: all of the notional, in parts per million.
    pub const MAX_FEE_PPM: u32 = 1_000_000;

    /// Whether its parameters are within their ranges. What it refers to is not its own to know.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        let behind_highest = self.price_min.0.checked_add(i64::from(self.price_levels));
        self.base != self.quote
            && self.maker_fee_ppm <= Self::MAX_FEE_PPM
            && self.taker_fee_ppm <= Self::MAX_FEE_PPM
            && self.price_levels > 0
            && self.tick_value > 0
            && self.lot_size > 0
            && self.min_qty > Qty::ZERO
            && self.price_min.0 >= 1
            && behind_highest.is_some()
            && self.state != MarketState::Delisted
    }
}

record! {
    /// Makes an account.
    CreateAccount {
        /// Its id: unused and below the capacity.
        account: AccountId,
        /// Whose it is.
        firm: FirmId,
        /// The wallet (ed25519 public key) that may log on for it and to which its funds go home;
        /// zeros if it has none.
        owner: [u8; 32],
    }
}

record! {
    /// What an account's owner allows a key to do for the account.
    Delegation {
        /// The delegated ed25519 public key.
        public_key: [u8; 32],
        /// The client's X25519 public key of its log-on, from which the session's secret follows;
        /// zeros: the operator hands the secret out.
        exchange_key: [u8; 32],
        /// New orders and amendments are taken before this engine time; 0: without end. Cancels
        /// are always taken.
        expires: Nanos,
        /// Largest notional of an order in base units of its quote asset; 0: no limit.
        max_order_notional: Amount,
    }
}

impl Delegation {
    /// Without end or limit.
    #[must_use]
    pub fn unlimited(public_key: [u8; 32]) -> Self {
        Self {
            public_key,
            exchange_key: [0; 32],
            expires: Nanos(0),
            max_order_notional: Amount::ZERO,
        }
    }

    /// Whether it has ended at `now`.
    #[must_use]
    pub fn has_expired(&self, now: Nanos) -> bool {
        self.expires != Nanos(0) && now >= self.expires
    }

    /// Whether an order of this notional is allowed. One without a known notional, which a market
    /// order is, is allowed only without limit.
    #[must_use]
    pub fn covers(&self, notional: Option<Amount>) -> bool {
        self.max_order_notional == Amount::ZERO
            || notional.is_some_and(|notional| notional <= self.max_order_notional)
    }
}

record! {
    /// Opens a session for an account.
    OpenSession {
        /// Its id: unused and below the capacity.
        session: crate::SessionId,
        /// The account that it trades for.
        account: AccountId,
        /// To whom, how far and how long the account's owner delegates.
        delegation: Delegation,
        /// By which door its commands come in.
        gate: Gate,
        /// Zero.
        pad: [Zero; 7],
    }
}

record! {
    /// Replaces the delegation of a session: another key, other limits, another end. One that has
    /// ended already revokes the session: what rests stays until it is cancelled.
    Delegate {
        /// Which.
        session: crate::SessionId,
        /// Zero.
        pad: [Zero; 4],
        /// From now on.
        delegation: Delegation,
    }
}

record! {
    /// Credits an account. The source number is the deposit id: exactly the next one.
    Deposit {
        /// Whose.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// How much, in base units; at least 1.
        amount: Amount,
    }
}

/// What an account may do at most. Every field: 0 is no limit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Limits {
    /// Lots of an order.
    pub max_order_qty: Qty,
    /// Notional of an order, in whole units of the quote asset.
    pub max_order_notional: u64,
    /// What it owns of a base asset when a buy has filled, in whole units.
    pub max_position: u64,
    /// Notional of its trades on one day (UTC), with the order that is checked, in whole units of the quote asset.
    pub max_daily_volume: u64,
    /// What a session may have entered and not attested, in whole units of the quote assets.
    pub max_unattested_notional: u64,
    /// Live orders.
    pub max_open_orders: u32,
    /// Zero.
    pub pad: [Zero; 4],
}

record! {
    /// Puts an account into a tier, whose limits and fees are its from now on.
    SetTier {
        /// Whose.
        account: AccountId,
        /// Which: below [`MAX_TIERS`].
        tier: u32,
    }
}

record! {
    /// Sets the limits of a tier, or of an account that then no longer has those of its tier.
    SetLimits {
        /// Which tier, or account.
        target: u32,
        /// Whether `target` is an account.
        of_account: Flag,
        /// Of an account: whether it has those of its tier again. Then `limits` are zeros.
        as_tier: Flag,
        /// Zero.
        pad: [Zero; 2],
        /// From now on; what rests stays.
        limits: Limits,
    }
}

record! {
    /// Sets what the accounts of a tier pay in a market. No more than its list fees, which orders set aside, and no more
    /// than the whole notional, whatever markets there are.
    SetFees {
        /// Which tier: below [`MAX_TIERS`].
        tier: u32,
        /// Where, or [`MarketId::ANY`]: in all that there are.
        market: MarketId,
        /// Fee of the resting side in parts per million of the notional; below 0 it is a rebate, down to -1,000,000.
        maker_fee_ppm: i32,
        /// Fee of the arriving side in parts per million of the notional.
        taker_fee_ppm: u32,
    }
}

impl SetFees {
    /// The highest rebate, in parts per million of the notional.
    pub const MAX_REBATE_PPM: u32 = 1_000_000;

    /// Whether any market could have these fees.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        let size = self.maker_fee_ppm.unsigned_abs();
        let most = if self.maker_fee_ppm < 0 {
            Self::MAX_REBATE_PPM
        } else {
            CreateMarket::MAX_FEE_PPM
        };
        size <= most && self.taker_fee_ppm <= CreateMarket::MAX_FEE_PPM
    }
}

record! {
    /// Lets a market go on in another state. Bids and asks that cross by then trade at one price first.
    SetMarketState {
        /// Which.
        market: MarketId,
        /// From now on; not [`MarketState::Delisted`].
        state: MarketState,
        /// Zero.
        pad: [Zero; 3],
    }
}

record! {
    /// How far from a reference orders may reach into the other side of a market.
    SetCollar {
        /// The reference, if it is [`Reference::Set`]; else 0.
        price: Price,
        /// Which.
        market: MarketId,
        /// Parts per million of the reference; at least 1, and 0 without a reference.
        width_ppm: u32,
        /// From where.
        reference: Reference,
        /// Whether an order that is beyond it halts the market.
        halts: Flag,
        /// Zero.
        pad: [Zero; 6],
    }
}

record! {
    /// Ends a market: its orders are cancelled, and there will be no others.
    DelistMarket {
        /// Which.
        market: MarketId,
        /// Zero.
        pad: [Zero; 4],
    }
}

record! {
    /// The exchange has checked a session's signature: up to a level, what the session has entered is its own.
    ConfirmAttestation {
        /// Whose.
        session: crate::SessionId,
        /// Zero.
        pad: [Zero; 4],
        /// That of the `AttestationNoted` which the `Attest` was answered with.
        level: u64,
    }
}

record! {
    /// Pays out fees to an account: the exchange's own.
    CollectFees {
        /// To whom.
        account: AccountId,
        /// Of what.
        asset: AssetId,
        /// How much, in base units; at least 1.
        amount: Amount,
    }
}

/// Any command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is documented at its record")]
pub enum Command {
    NewOrder(NewOrder),
    CancelOrder(CancelOrder),
    AmendOrder(AmendOrder),
    MassCancel(MassCancel),
    KillSwitch(KillSwitch),
    Quote(Quote),
    SetProtection(SetProtection),
    Attest(Attest),
    Continue(Continue),
    Timer(Timer),
    Checkpoint(Checkpoint),
    Recovered(Recovered),
    EngineVersion(EngineVersion),
    Genesis(Genesis),
    CreateAsset(CreateAsset),
    CreateMarket(CreateMarket),
    CreateAccount(CreateAccount),
    OpenSession(OpenSession),
    Delegate(Delegate),
    SetTier(SetTier),
    SetLimits(SetLimits),
    SetFees(SetFees),
    CollectFees(CollectFees),
    SetMarketState(SetMarketState),
    SetCollar(SetCollar),
    DelistMarket(DelistMarket),
    ConfirmAttestation(ConfirmAttestation),
    Deposit(Deposit),
}

/// Bytes that are no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// No such kind.
    UnknownKind(u16),
    /// The body is not as long as its kind's.
    WrongLength {
        /// Of which kind.
        kind: CommandKind,
        /// How many words there are.
        words: usize,
    },
    /// A field holds no value of its type.
    InvalidField(CommandKind),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind(kind) => write!(f, "no command has kind {kind}"),
            Self::WrongLength { kind, words } => write!(f, "{kind:?} with a body of {words} words"),
            Self::InvalidField(kind) => write!(f, "{kind:?} with an invalid field"),
        }
    }
}

impl core::error::Error for CommandError {}

impl TryFrom<u16> for CommandKind {
    type Error = CommandError;
    fn try_from(number: u16) -> Result<Self, CommandError> {
        Self::try_read_from_bytes(&number.to_le_bytes())
            .map_err(|_| CommandError::UnknownKind(number))
    }
}

impl CommandKind {
    /// The kind's number.
    #[must_use]
    pub fn number(self) -> u16 {
        self as u16
    }

    /// Words of a body of this kind.
    #[must_use]
    pub fn body_words(self) -> usize {
        let bytes = match self {
            Self::NewOrder => size_of::<NewOrder>(),
            Self::CancelOrder => size_of::<CancelOrder>(),
            Self::AmendOrder => size_of::<AmendOrder>(),
            Self::MassCancel => size_of::<MassCancel>(),
            Self::KillSwitch => size_of::<KillSwitch>(),
            Self::Quote => size_of::<Quote>(),
            Self::SetProtection => size_of::<SetProtection>(),
            Self::Attest => size_of::<Attest>(),
            Self::Continue => size_of::<Continue>(),
            Self::Timer => size_of::<Timer>(),
            Self::Checkpoint => size_of::<Checkpoint>(),
            Self::Recovered => size_of::<Recovered>(),
            Self::EngineVersion => size_of::<EngineVersion>(),
            Self::Genesis => size_of::<Genesis>(),
            Self::CreateAsset => size_of::<CreateAsset>(),
            Self::CreateMarket => size_of::<CreateMarket>(),
            Self::CreateAccount => size_of::<CreateAccount>(),
            Self::OpenSession => size_of::<OpenSession>(),
            Self::Delegate => size_of::<Delegate>(),
            Self::SetTier => size_of::<SetTier>(),
            Self::SetLimits => size_of::<SetLimits>(),
            Self::SetFees => size_of::<SetFees>(),
            Self::CollectFees => size_of::<CollectFees>(),
            Self::SetMarketState => size_of::<SetMarketState>(),
            Self::SetCollar => size_of::<SetCollar>(),
            Self::DelistMarket => size_of::<DelistMarket>(),
            Self::ConfirmAttestation => size_of::<ConfirmAttestation>(),
            Self::Deposit => size_of::<Deposit>(),
        };
        bytes / 8
    }
}

impl Command {
    /// Which command.
    #[must_use]
    pub fn kind(&self) -> CommandKind {
        match self {
            Self::NewOrder(_) => CommandKind::NewOrder,
            Self::CancelOrder(_) => CommandKind::CancelOrder,
            Self::AmendOrder(_) => CommandKind::AmendOrder,
            Self::MassCancel(_) => CommandKind::MassCancel,
            Self::KillSwitch(_) => CommandKind::KillSwitch,
            Self::Quote(_) => CommandKind::Quote,
            Self::SetProtection(_) => CommandKind::SetProtection,
            Self::Attest(_) => CommandKind::Attest,
            Self::Continue(_) => CommandKind::Continue,
            Self::Timer(_) => CommandKind::Timer,
            Self::Checkpoint(_) => CommandKind::Checkpoint,
            Self::Recovered(_) => CommandKind::Recovered,
            Self::EngineVersion(_) => CommandKind::EngineVersion,
            Self::Genesis(_) => CommandKind::Genesis,
            Self::CreateAsset(_) => CommandKind::CreateAsset,
            Self::CreateMarket(_) => CommandKind::CreateMarket,
            Self::CreateAccount(_) => CommandKind::CreateAccount,
            Self::OpenSession(_) => CommandKind::OpenSession,
            Self::Delegate(_) => CommandKind::Delegate,
            Self::SetTier(_) => CommandKind::SetTier,
            Self::SetLimits(_) => CommandKind::SetLimits,
            Self::SetFees(_) => CommandKind::SetFees,
            Self::CollectFees(_) => CommandKind::CollectFees,
            Self::SetMarketState(_) => CommandKind::SetMarketState,
            Self::SetCollar(_) => CommandKind::SetCollar,
            Self::DelistMarket(_) => CommandKind::DelistMarket,
            Self::ConfirmAttestation(_) => CommandKind::ConfirmAttestation,
            Self::Deposit(_) => CommandKind::Deposit,
        }
    }

    /// The body's bytes, a multiple of 8.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self {
            Self::NewOrder(body) => body.as_bytes(),
            Self::CancelOrder(body) => body.as_bytes(),
            Self::AmendOrder(body) => body.as_bytes(),
            Self::MassCancel(body) => body.as_bytes(),
            Self::KillSwitch(body) => body.as_bytes(),
            Self::Quote(body) => body.as_bytes(),
            Self::SetProtection(body) => body.as_bytes(),
            Self::Attest(body) => body.as_bytes(),
            Self::Continue(body) => body.as_bytes(),
            Self::Timer(body) => body.as_bytes(),
            Self::Checkpoint(body) => body.as_bytes(),
            Self::Recovered(body) => body.as_bytes(),
            Self::EngineVersion(body) => body.as_bytes(),
            Self::Genesis(body) => body.as_bytes(),
            Self::CreateAsset(body) => body.as_bytes(),
            Self::CreateMarket(body) => body.as_bytes(),
            Self::CreateAccount(body) => body.as_bytes(),
            Self::OpenSession(body) => body.as_bytes(),
            Self::Delegate(body) => body.as_bytes(),
            Self::SetTier(body) => body.as_bytes(),
            Self::SetLimits(body) => body.as_bytes(),
            Self::SetFees(body) => body.as_bytes(),
            Self::CollectFees(body) => body.as_bytes(),
            Self::SetMarketState(body) => body.as_bytes(),
            Self::SetCollar(body) => body.as_bytes(),
            Self::DelistMarket(body) => body.as_bytes(),
            Self::ConfirmAttestation(body) => body.as_bytes(),
            Self::Deposit(body) => body.as_bytes(),
        }
    }

    /// Reads a body of exactly the words of its kind.
    ///
    /// # Errors
    /// [`CommandError`] for another length or a field that holds no value of its type. Whether the
    /// values make sense (a market exists, a quantity is covered) is for the engine to say.
    pub fn decode(kind: CommandKind, body: &[u64]) -> Result<Self, CommandError> {
        if body.len() != kind.body_words() {
            return Err(CommandError::WrongLength {
                kind,
                words: body.len(),
            });
        }
        let bytes = body.as_bytes();
        fn read<T: TryFromBytes>(kind: CommandKind, bytes: &[u8]) -> Result<T, CommandError> {
            T::try_read_from_bytes(bytes).map_err(|_| CommandError::InvalidField(kind))
        }
        Ok(match kind {
            CommandKind::NewOrder => Self::NewOrder(read(kind, bytes)?),
            CommandKind::CancelOrder => Self::CancelOrder(read(kind, bytes)?),
            CommandKind::AmendOrder => Self::AmendOrder(read(kind, bytes)?),
            CommandKind::MassCancel => Self::MassCancel(read(kind, bytes)?),
            CommandKind::KillSwitch => Self::KillSwitch(read(kind, bytes)?),
            CommandKind::Quote => Self::Quote(read(kind, bytes)?),
            CommandKind::SetProtection => Self::SetProtection(read(kind, bytes)?),
            CommandKind::Attest => Self::Attest(read(kind, bytes)?),
            CommandKind::Continue => Self::Continue(read(kind, bytes)?),
            CommandKind::Timer => Self::Timer(read(kind, bytes)?),
            CommandKind::Checkpoint => Self::Checkpoint(read(kind, bytes)?),
            CommandKind::Recovered => Self::Recovered(read(kind, bytes)?),
            CommandKind::EngineVersion => Self::EngineVersion(read(kind, bytes)?),
            CommandKind::Genesis => Self::Genesis(read(kind, bytes)?),
            CommandKind::CreateAsset => Self::CreateAsset(read(kind, bytes)?),
            CommandKind::CreateMarket => Self::CreateMarket(read(kind, bytes)?),
            CommandKind::CreateAccount => Self::CreateAccount(read(kind, bytes)?),
            CommandKind::OpenSession => Self::OpenSession(read(kind, bytes)?),
            CommandKind::Delegate => Self::Delegate(read(kind, bytes)?),
            CommandKind::SetTier => Self::SetTier(read(kind, bytes)?),
            CommandKind::SetLimits => Self::SetLimits(read(kind, bytes)?),
            CommandKind::SetFees => Self::SetFees(read(kind, bytes)?),
            CommandKind::CollectFees => Self::CollectFees(read(kind, bytes)?),
            CommandKind::SetMarketState => Self::SetMarketState(read(kind, bytes)?),
            CommandKind::SetCollar => Self::SetCollar(read(kind, bytes)?),
            CommandKind::DelistMarket => Self::DelistMarket(read(kind, bytes)?),
            CommandKind::ConfirmAttestation => Self::ConfirmAttestation(read(kind, bytes)?),
            CommandKind::Deposit => Self::Deposit(read(kind, bytes)?),
        })
    }
}

/// A command and where it came from, before it has a place in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who sent it.
    pub source: Source,
    /// Its number among that source's commands.
    pub source_seq: u64,
    /// When it reached us, UTC nanoseconds.
    pub receive_time: Nanos,
    /// What is asked.
    pub command: Command,
}

/// The place and time that the sequencer gives a request when it takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Seq of the frame that the request becomes.
    pub seq: crate::Seq,
    /// Engine time, UTC nanoseconds; never decreasing.
    pub time: Nanos,
}

impl Request {
    /// Writes the request into a ring slot.
    pub fn encode(&self, slot: &mut [u64; REQUEST_WORDS]) {
        *slot = [0; REQUEST_WORDS];
        slot[0] = u64::from(self.command.kind().number()) | (u64::from(self.source.0) << 32);
        slot[1] = self.source_seq;
        slot[2] = self.receive_time.0;
        let body = self.command.body();
        slot[3..].as_mut_bytes()[..body.len()].copy_from_slice(body);
    }

    /// Writes the request into a ring slot of which it is worth nothing after `deadline`, in nanoseconds since
    /// boot; at least 1.
    pub fn encode_until(&self, slot: &mut [u64; REQUEST_WORDS], deadline: u64) {
        self.encode(slot);
        slot[DEADLINE] = deadline;
    }

    /// The deadline of a slot; none if it has none.
    #[must_use]
    pub fn deadline(slot: &[u64; REQUEST_WORDS]) -> Option<u64> {
        Some(slot[DEADLINE]).filter(|&deadline| deadline != 0)
    }

    /// Reads a request from a ring slot that another process may have written.
    ///
    /// # Errors
    /// [`CommandError`] if the words, but for the deadline, are not exactly what [`Request::encode`] writes.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the halves of a word are taken apart"
    )]
    pub fn decode(slot: &[u64; REQUEST_WORDS]) -> Result<Self, CommandError> {
        let kind = CommandKind::try_from(slot[0] as u16)?;
        let (body, rest) = slot[3..DEADLINE].split_at(kind.body_words());
        if (slot[0] >> 16) as u16 != 0 || rest.iter().any(|&word| word != 0) {
            return Err(CommandError::InvalidField(kind));
        }
        Ok(Self {
            source: Source((slot[0] >> 32) as u32),
            source_seq: slot[1],
            receive_time: Nanos(slot[2]),
            command: Command::decode(kind, body)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionId;
    use proptest::prelude::*;

    #[test]
    fn a_market_and_an_asset_have_limits() {
        let symbol = [b'x'; 16];
        let asset = |decimals| CreateAsset {
            asset: AssetId(0),
            decimals,
            pad: [Zero::Zero; 3],
            symbol,
        };
        assert!(asset(18).is_within_limits() && !asset(19).is_within_limits());
        let largest = CreateMarket {
            market: MarketId(0),
            base: AssetId(0),
            quote: AssetId(1),
            maker_fee_ppm: 1_000_000,
            taker_fee_ppm: 1_000_000,
            price_levels: u32::MAX,
            tick_value: u64::MAX,
            lot_size: u64::MAX,
            min_qty: Qty(u64::MAX),
            price_min: Price(i64::MAX - i64::from(u32::MAX)),
            symbol,
            state: MarketState::Closed,
            pad: [Zero::Zero; 7],
        };
        assert!(largest.is_within_limits());
        let changes: [fn(&mut CreateMarket); 10] = [
            |market| market.quote = market.base,
            |market| market.maker_fee_ppm += 1,
            |market| market.taker_fee_ppm += 1,
            |market| market.price_levels = 0,
            |market| market.tick_value = 0,
            |market| market.lot_size = 0,
            |market| market.min_qty = Qty::ZERO,
            |market| market.price_min = Price(0),
            |market| market.price_min.0 += 1,
            |market| market.state = MarketState::Delisted,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut market = largest;
            change(&mut market);
            assert!(!market.is_within_limits(), "change {number}");
        }
    }

    #[test]
    fn a_request_round_trips_and_its_pads_are_checked() {
        let request = Request {
            source: Source::of_session(SessionId(3)),
            source_seq: 9,
            receive_time: Nanos(5),
            command: Command::NewOrder(NewOrder {
                client_order_id: ClientOrderId(1),
                price: Price(100),
                qty: Qty(2),
                market: MarketId(0),
                side: Side::Sell,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::GoodTillCancel,
                post_only: PostOnly::Slide,
                min_qty: Qty(1),
                expires: Nanos(0),
                display_qty: Qty(0),
                trigger_price: Price(0),
                self_trade: SelfTrade::CancelOldest,
                self_trade_scope: SelfTradeScope::Firm,
                pad: [Zero::Zero; 6],
            }),
        };
        let mut slot = [0; REQUEST_WORDS];
        request.encode(&mut slot);
        assert_eq!(Request::decode(&slot), Ok(request));
        let mut bad_side = slot;
        bad_side[6] |= 0x7 << 32;
        assert_eq!(
            Request::decode(&bad_side),
            Err(CommandError::InvalidField(CommandKind::NewOrder))
        );
        let mut bad_tail = slot;
        bad_tail[REQUEST_WORDS - 2] = 1;
        assert_eq!(
            Request::decode(&bad_tail),
            Err(CommandError::InvalidField(CommandKind::NewOrder))
        );
        assert_eq!(Request::deadline(&slot), None);
        request.encode_until(&mut slot, 77);
        assert_eq!(Request::deadline(&slot), Some(77));
        assert_eq!(Request::decode(&slot), Ok(request));
    }

    #[test]
    fn capacities_have_limits() {
        let largest = Genesis {
            max_assets: 1 << 16,
            max_markets: 1 << 16,
            max_accounts: 1 << 12,
            max_sessions: 1 << 24,
            max_orders: OrderId::MAX_SLOTS,
            max_levels: 1 << 30,
            max_pages: 1 << 27,
            pad: [Zero::Zero; 4],
        };
        assert!(largest.is_within_limits());
        for beyond in [
            Genesis {
                max_assets: 0,
                ..largest
            },
            Genesis {
                max_assets: (1 << 16) + 1,
                max_accounts: 1,
                ..largest
            },
            Genesis {
                max_markets: (1 << 16) + 1,
                ..largest
            },
            Genesis {
                max_accounts: (1 << 12) + 1,
                ..largest
            },
            Genesis {
                max_assets: 1,
                max_accounts: (1 << 24) + 1,
                ..largest
            },
            Genesis {
                max_sessions: u32::MAX,
                ..largest
            },
            Genesis {
                max_orders: OrderId::MAX_SLOTS + 1,
                ..largest
            },
            Genesis {
                max_levels: (1 << 30) + 1,
                ..largest
            },
            Genesis {
                max_pages: 0,
                ..largest
            },
            Genesis {
                max_pages: (1 << 27) + 1,
                ..largest
            },
        ] {
            assert!(!beyond.is_within_limits(), "{beyond:?}");
        }
    }

    proptest! {
        #[test]
        fn any_words_decode_or_are_refused_and_what_decodes_encodes_back(
            mut slot in prop::array::uniform16(prop_oneof![Just(0_u64), any::<u64>()]), kind in 0..64_u64,
        ) {
            slot[0] = (slot[0] & !0xFFFF_FFFF) | kind;
            if let Ok(request) = Request::decode(&slot) {
                let mut again = [0; REQUEST_WORDS];
                request.encode_until(&mut again, Request::deadline(&slot).unwrap_or(0));
                prop_assert_eq!(again, slot);
            }
        }
    }
}
