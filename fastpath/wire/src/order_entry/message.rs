//! The messages: one fixed block of little-endian integers each, and behind one of them a group.
//!
//! Identifiers and numbers have the domain's types, which hold any bits. Enumerations stay the
//! integers that arrived, because a newer peer may send values that this version does not know:
//! they are checked where they are turned into the domain's types (`command.rs`).

use crate::sbe::{Field, fields, message, templates};
use core::net::{Ipv4Addr, SocketAddrV4};
use domain::{Amount, ClientOrderId, MarketId, Nanos, OrderId, Price, Qty, Seq, SessionId};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// The schema of order entry.
pub const SCHEMA_ID: u16 = 1;
/// The version of the schema that this crate sends. It reads any.
pub const VERSION: u16 = 0;
/// Templates below this are session messages, which take no numbers.
pub const FIRST_APPLICATION_TEMPLATE: u16 = 16;

/// Whether messages of this template take a sequence number.
#[must_use]
pub fn takes_number(template_id: u16) -> bool {
    template_id >= FIRST_APPLICATION_TEMPLATE
}

/// Opens every report: where it stands in the journal, and what caused it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Stamp {
    /// The frame's position in the shard's journal.
    pub engine_seq: Seq,
    /// When the command was sequenced, UTC.
    pub engine_time: Nanos,
    /// When the command reached the exchange, UTC.
    pub receive_time: Nanos,
    /// The number of the session's own message that caused it; 0 if another's message or the
    /// exchange did.
    pub client_seq_no: u64,
}

impl Stamp {
    /// The fields that it puts at the start of a report.
    pub const FIELDS: &'static [Field] = fields!(Stamp {
        engine_seq: Seq,
        engine_time: Nanos,
        receive_time: Nanos,
        client_seq_no: u64,
    });
}

message! {
    /// Opens every datagram, once.
    Context, block 32 {
        /// Whose datagram.
        session_id: SessionId,
        /// Whose keys: the exchange's epoch, or [`CONTROL_EPOCH`](crate::CONTROL_EPOCH).
        epoch: u32,
        /// Number of the datagram's first application message, or of the next one to come; 0 if the
        /// sender does not know it yet, which only a datagram without any may say.
        next_seq_no: u64,
        /// When it was sent, UTC.
        sending_time: Nanos,
        /// The exchange's shard; 0 in the control epoch.
        shard: u16,
        /// Bit 0: [`Context::RETRANSMISSION`].
        flags: u16,
        /// Zero.
        reserved: u32,
    }
}

message! {
    /// Client: who is there?
    Hello, block 8 {
        /// Fresh and unpredictable; the answers repeat it.
        nonce: u64,
    }
}

message! {
    /// Exchange: prove that this is your address.
    Challenge, block 16 {
        /// Of the `Hello`.
        nonce: u64,
        /// To be sent back in `Establish`.
        cookie: u64,
    }
}

message! {
    /// Client: reports come here from now on.
    Establish, block 16 {
        /// Of the `Hello`.
        nonce: u64,
        /// Of the `Challenge`.
        cookie: u64,
    }
}

message! {
    /// Exchange: they do, and this is where the session stands.
    Established, block 56 {
        /// Of the `Establish`.
        nonce: u64,
        /// The exchange's epoch: the keys of everything that follows.
        epoch: u32,
        /// The exchange's shard.
        shard: u16,
        /// Zero.
        reserved: u16,
        /// The last number of the session that was accepted; 0 if none was.
        last_seq_no: u64,
        /// The number of the next report that the session gets.
        next_report_no: u64,
        /// The shard's engine time, UTC.
        engine_time: Nanos,
        /// The first report that the exchange can still send again.
        oldest_report_no: u64,
        /// The first report that the session got, or will get, in this epoch. What it was told
        /// under this number or a higher one in the epoch before never happened.
        epoch_report_no: u64,
    }
}

message! {
    /// Client: send these reports again.
    ResendRequest, block 16 {
        /// The first.
        from_report_no: u64,
        /// How many.
        count: u32,
        /// Zero.
        reserved: u32,
    }
}

message! {
    /// Client: what became of a message of mine?
    OutcomeQuery, block 16 {
        /// Its number; 0: of the last new order with `client_order_id`.
        seq_no: u64,
        /// Used if `seq_no` is 0.
        client_order_id: ClientOrderId,
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, Immutable, KnownLayout)]
#[repr(u8)]
pub enum Became {
    /// It is not in the journal: it was never given, or has not been applied yet.
    NotKnown = 0,
    /// It was applied, which may mean that it was refused: its first report says.
    Applied = 1,
    /// It was skipped and never applies.
    NotApplied = 2,
}

message! {
    /// Exchange, outside the sequence: this became of it.
    Outcome, block 40 {
        /// The message's number; of a query by `client_order_id` for one that is not known: 0.
        seq_no: u64,
        /// As it was asked.
        client_order_id: ClientOrderId,
        /// The number of the session's first report in its frame; 0: it has none.
        first_report_no: u64,
        /// The frame's position in the shard's journal; 0: there is none.
        engine_seq: Seq,
        /// A [`Became`].
        became: u8,
        /// Zero.
        reserved: u8,
        /// Why it was refused, a [`domain::Reason`]; 0: it was not.
        reason: u16,
        /// The template of that first report; 0: there is none.
        first_template_id: u16,
        /// Zero.
        reserved2: u16,
    }
}

message! {
    /// Exchange, outside the sequence: a datagram or a request was not taken.
    Refused, block 32 {
        /// The first number refused: of the client's messages, or, if a resend was refused, of
        /// reports. 0 if the datagram had no numbers.
        from_no: u64,
        /// How many numbers.
        count: u64,
        /// A [`domain::Reason`].
        reason: u16,
        /// The template of the message refused; 0 if none could be told.
        refused_template_id: u16,
        /// Port of the replay address; 0 if there is none.
        replay_port: u16,
        /// Zero.
        reserved: u16,
        /// The replay address: a.b.c.d with a in the low byte. See [`Refused::replay`].
        replay_ip: u32,
        /// Zero.
        reserved2: u32,
    }
}

message! {
    /// Client: enters an order.
    NewOrder, block 72 {
        /// The owner's id for it; not 0, and unique among the session's live orders.
        client_order_id: ClientOrderId,
        /// Limit price in ticks; of a market order, also one that waits, the worst at which it trades, or 0 for any.
        price: Price,
        /// Lots.
        quantity: Qty,
        /// Where.
        market_id: MarketId,
        /// A [`domain::Side`].
        side: u8,
        /// A [`domain::OrderType`].
        order_type: u8,
        /// A [`domain::TimeInForce`].
        time_in_force: u8,
        /// A [`domain::PostOnly`]: what becomes of it rather than trade on arrival.
        post_only: u8,
        /// Lots that trade at once, or it is refused; 0: any.
        min_quantity: Qty,
        /// Engine time at which it ends, UTC, if it is good till a time; else 0.
        expires: Nanos,
        /// Lots that the book shows of it at a time; 0: all.
        display_quantity: Qty,
        /// Of a stop the price in ticks at which, or beyond which, a trade makes it arrive; else 0.
        trigger_price: Price,
        /// A [`domain::SelfTrade`]: what to do where it meets an order of its own.
        self_trade: u8,
        /// A [`domain::SelfTradeScope`]: which orders are its own.
        self_trade_scope: u8,
        /// Zero.
        reserved: u16,
        /// Zero.
        reserved2: u32,
    }
}

message! {
    /// Client: cancels a live order, or a part of it.
    CancelOrder, block 24 {
        /// The exchange's id, or none to name it by `client_order_id`.
        order_id: OrderId,
        /// Used if `order_id` is none.
        client_order_id: ClientOrderId,
        /// Lots to cancel; 0, or no less than it has: all of it.
        quantity: Qty,
    }
}

message! {
    /// Client: changes a live order.
    AmendOrder, block 40 {
        /// The exchange's id, or none to name it by `client_order_id`.
        order_id: OrderId,
        /// Used if `order_id` is none.
        client_order_id: ClientOrderId,
        /// New limit price in ticks.
        price: Price,
        /// New total quantity in lots, filled part included.
        quantity: Qty,
        /// The owner's id for it from now on; 0: as it is.
        new_client_order_id: ClientOrderId,
    }
}

message! {
    /// Client: cancels all live orders of its session or account, or those of a market, a side, a range of prices.
    MassCancel, block 32 {
        /// Stands in the report of what was done; any number.
        request: u64,
        /// No order with a lower price, in ticks; 0: however low.
        lowest_price: Price,
        /// No order with a higher price, in ticks; 0: however high.
        highest_price: Price,
        /// Where, or [`MarketId::ANY`].
        market_id: MarketId,
        /// A [`domain::Scope`]: session or account.
        scope: u8,
        /// A [`domain::Sides`].
        sides: u8,
        /// Zero.
        reserved: u16,
    }
}

message! {
    /// Client: cancels all live orders of its session or account, and takes no others until the operator lets it.
    KillSwitch, block 16 {
        /// Stands in the report of what was done; any number.
        request: u64,
        /// A [`domain::Scope`]: session or account.
        scope: u8,
        /// A [`domain::Flag`]. A session can turn it on only.
        on: u8,
        /// Zero.
        reserved: u16,
        /// Zero.
        reserved2: u32,
    }
}

/// Most quotes of one message: as many as a datagram has room for.
pub const MAX_QUOTES: u32 = 32;

/// Opens the group of a message: entries of one length, one after another.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct GroupSize {
    /// Bytes of an entry; a multiple of 8.
    pub block_length: u32,
    /// How many.
    pub num_in_group: u32,
}

impl GroupSize {
    /// The fields that it puts before the entries.
    pub const FIELDS: &'static [Field] = fields!(GroupSize {
        block_length: u32,
        num_in_group: u32,
    });
}

/// What is quoted in one market.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct QuoteEntry {
    /// In ticks; not looked at if `bid_quantity` is 0.
    pub bid_price: Price,
    /// Lots that are to be open from now on; 0: none.
    pub bid_quantity: Qty,
    /// In ticks; not looked at if `ask_quantity` is 0.
    pub ask_price: Price,
    /// Lots that are to be open from now on; 0: none.
    pub ask_quantity: Qty,
    /// Where.
    pub market_id: MarketId,
    /// Zero.
    pub reserved: u32,
}

impl QuoteEntry {
    /// Its fields.
    pub const FIELDS: &'static [Field] = fields!(QuoteEntry {
        bid_price: Price,
        bid_quantity: Qty,
        ask_price: Price,
        ask_quantity: Qty,
        market_id: MarketId,
        reserved: u32,
    });
    /// How a group of one begins.
    pub const ALONE: GroupSize = GroupSize {
        block_length: 40,
        num_in_group: 1,
    };
}

const _: () = assert!(size_of::<QuoteEntry>() == QuoteEntry::ALONE.block_length as usize);

message! {
    /// Client: what it quotes in a market from now on, instead of what it quoted there before.
    ///
    /// Each quote has a number of its own, and so each is a message of its own here. On the wire those that follow each
    /// other and have the same block share it: up to [`MAX_QUOTES`] stand in one message, which the writer makes of
    /// them and the reader takes apart.
    MassQuote, block 16, group 48 {
        /// The owner's id for it; not 0, unless nothing is to be quoted any more.
        quote_id: ClientOrderId,
        /// A [`domain::Flag`]: whether a side that would trade goes one tick away from the other side of the book,
        /// instead of being refused.
        slide: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
        /// Zero.
        reserved3: u32,
        /// [`QuoteEntry::ALONE`].
        quotes: GroupSize,
        /// What and where.
        quote: QuoteEntry,
    }
}

message! {
    /// Client: after how many trades its quotes in a market are cancelled; the counters are empty from now on. A limit
    /// of 0: none.
    SetProtection, block 40 {
        /// Stands in the report that it was done; any number.
        request: u64,
        /// How long trades are counted together, in nanoseconds from the first of them on; 0 if there is no limit.
        window: u64,
        /// Lots.
        max_quantity: Qty,
        /// Base units of the quote asset.
        max_notional: Amount,
        /// Trades.
        max_fills: u32,
        /// Where.
        market_id: MarketId,
    }
}

message! {
    /// Client: all of its numbers before this one that were applied are its own. An ed25519 signature of the session's
    /// running hash, as little-endian words.
    Attest, block 64 {
        /// Bytes 0 to 7.
        signature0: u64,
        /// Bytes 8 to 15.
        signature1: u64,
        /// Bytes 16 to 23.
        signature2: u64,
        /// Bytes 24 to 31.
        signature3: u64,
        /// Bytes 32 to 39.
        signature4: u64,
        /// Bytes 40 to 47.
        signature5: u64,
        /// Bytes 48 to 55.
        signature6: u64,
        /// Bytes 56 to 63.
        signature7: u64,
    }
}

message! {
    /// Report: an order was accepted. A stop waits, until a [`Triggered`] tells that it arrives.
    OrderAccepted, block 104 {
        /// Where and why.
        stamp: Stamp,
        /// The exchange's id.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// Limit price in ticks, to which it slid if it did; of a market order the worst, or 0.
        price: Price,
        /// Lots.
        quantity: Qty,
        /// Engine time at which it ends, UTC; 0: none.
        expires: Nanos,
        /// Lots that the book shows of it at a time; 0: all.
        display_quantity: Qty,
        /// Of a stop, which now waits, its trigger price in ticks; else 0.
        trigger_price: Price,
        /// Where.
        market_id: MarketId,
        /// A [`domain::Side`].
        side: u8,
        /// A [`domain::OrderType`].
        order_type: u8,
        /// A [`domain::TimeInForce`].
        time_in_force: u8,
        /// A [`domain::PostOnly`].
        post_only: u8,
        /// A [`domain::SelfTrade`].
        self_trade: u8,
        /// A [`domain::SelfTradeScope`].
        self_trade_scope: u8,
        /// A [`domain::Flag`]: whether it is a side of a quote.
        quote: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u32,
    }
}

message! {
    /// Report: a message was refused and changed nothing.
    OrderRejected, block 56 {
        /// Where and why.
        stamp: Stamp,
        /// The id that the message named, or none.
        order_id: OrderId,
        /// The id that the message named, or 0; of a quote its id, of a mass cancel, kill switch or protection its
        /// `request`.
        client_order_id: ClientOrderId,
        /// A [`domain::Reason`].
        reason: u16,
        /// The message's template; 0 if the exchange cannot tell.
        refused_template_id: u16,
        /// Zero.
        reserved: u32,
    }
}

message! {
    /// Report: part of an order traded.
    OrderFilled, block 96 {
        /// Where and why.
        stamp: Stamp,
        /// The exchange's id.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// Same on both sides of the trade, increasing within the shard.
        trade_id: u64,
        /// At which it traded, in ticks: the resting order's, or the auction's.
        price: Price,
        /// Lots traded.
        quantity: Qty,
        /// Lots left; 0: the order is done.
        leaves_quantity: Qty,
        /// Paid, in base units of the quote asset; or received, if it is a rebate.
        fee: Amount,
        /// Where.
        market_id: MarketId,
        /// Of the order: a [`domain::Side`].
        side: u8,
        /// A [`domain::Liquidity`].
        liquidity: u8,
        /// A [`domain::Flag`]: whether `fee` is a rebate.
        fee_is_rebate: u8,
        /// Zero.
        reserved: u8,
    }
}

message! {
    /// Report: what was left of an order is gone.
    OrderCanceled, block 64 {
        /// Where and why.
        stamp: Stamp,
        /// The exchange's id.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// Lots that will not trade.
        quantity: Qty,
        /// Where.
        market_id: MarketId,
        /// A [`domain::Reason`].
        reason: u16,
        /// Zero.
        reserved: u16,
    }
}

message! {
    /// Report: an order was changed, by its owner or because an order of its own met it.
    OrderAmended, block 80 {
        /// Where and why.
        stamp: Stamp,
        /// The exchange's id.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// New price in ticks.
        price: Price,
        /// New total quantity in lots, filled part included.
        quantity: Qty,
        /// Lots that can still trade.
        leaves_quantity: Qty,
        /// Where.
        market_id: MarketId,
        /// A [`domain::Flag`]: whether it kept its place in the queue.
        kept_priority: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
    }
}

message! {
    /// Report: these numbers of the session were skipped and will never apply.
    NotApplied, block 48 {
        /// Where, and the number of the message that skipped them.
        stamp: Stamp,
        /// The first.
        from_seq_no: u64,
        /// How many.
        count: u64,
    }
}

message! {
    /// Report: an arriving order met one of its own and did not trade with it.
    SelfTradePrevented, block 88 {
        /// Where and why.
        stamp: Stamp,
        /// The arriving order.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// The resting order.
        maker_order_id: OrderId,
        /// The resting order's price in ticks.
        price: Price,
        /// Lots that would have traded.
        quantity: Qty,
        /// Lots left of the arriving order, also if it is cancelled now.
        leaves_quantity: Qty,
        /// Where.
        market_id: MarketId,
        /// A [`domain::SelfTrade`]: what was done.
        self_trade: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
    }
}

message! {
    /// Report: a mass cancel or a kill switch of the session has cancelled all that it was to cancel.
    MassCanceled, block 48 {
        /// Where and why.
        stamp: Stamp,
        /// As in the message.
        request: u64,
        /// How many orders were cancelled.
        count: u64,
    }
}

message! {
    /// Report: a stop has waited enough and arrives.
    Triggered, block 64 {
        /// Where; no message of the session's: the exchange goes on.
        stamp: Stamp,
        /// The exchange's id.
        order_id: OrderId,
        /// The owner's id.
        client_order_id: ClientOrderId,
        /// Limit price in ticks; of a market order the worst, or 0.
        price: Price,
        /// Where.
        market_id: MarketId,
        /// A [`domain::Side`].
        side: u8,
        /// Zero.
        reserved: u8,
        /// Zero.
        reserved2: u16,
    }
}

message! {
    /// Report: the protection of the session's quotes in a market is as it asked, and the counters are empty.
    ProtectionSet, block 48 {
        /// Where and why.
        stamp: Stamp,
        /// As in the message.
        request: u64,
        /// In which market.
        market_id: MarketId,
        /// Zero.
        reserved: u32,
    }
}

message! {
    /// Report: so much of the session's quotes in a market has traded that they are cancelled, and no others are taken
    /// there until the protection is set anew.
    ProtectionReached, block 56 {
        /// Where and why.
        stamp: Stamp,
        /// Lots that have traded in the window.
        quantity: Qty,
        /// What these were worth, in base units of the quote asset.
        notional: Amount,
        /// Trades in the window.
        fills: u32,
        /// In which market.
        market_id: MarketId,
    }
}

message! {
    /// Report: an attestation stands in the journal, from where the exchange checks it.
    AttestationNoted, block 40 {
        /// Where and why.
        stamp: Stamp,
        /// What the session has entered so far, in millionths of whole units of the quote assets, modulo 2^64.
        level: u64,
    }
}

impl Context {
    /// Flag: the numbers in this datagram were sent before.
    pub const RETRANSMISSION: u16 = 1;

    /// Whether its numbers were sent before.
    #[must_use]
    pub fn is_retransmission(&self) -> bool {
        self.flags & Self::RETRANSMISSION != 0
    }
}

impl Refused {
    /// Where older reports can be asked for, if anywhere.
    #[must_use]
    pub fn replay(&self) -> Option<SocketAddrV4> {
        let [a, b, c, d] = self.replay_ip.to_le_bytes();
        (self.replay_port != 0)
            .then(|| SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), self.replay_port))
    }

    /// The same with a replay address.
    #[must_use]
    pub fn with_replay(self, address: Option<SocketAddrV4>) -> Self {
        Self {
            replay_port: address.map_or(0, |address| address.port()),
            replay_ip: address.map_or(0, |address| u32::from_le_bytes(address.ip().octets())),
            ..self
        }
    }
}

templates! {
    Context = 1,
    Hello = 2,
    Challenge = 3,
    Establish = 4,
    Established = 5,
    ResendRequest = 6,
    Refused = 7,
    OutcomeQuery = 8,
    Outcome = 9,
    NewOrder = 16,
    CancelOrder = 17,
    AmendOrder = 18,
    MassCancel = 19,
    KillSwitch = 20,
    MassQuote = 21,
    SetProtection = 22,
    Attest = 23,
    OrderAccepted = 32,
    OrderRejected = 33,
    OrderFilled = 34,
    OrderCanceled = 35,
    OrderAmended = 36,
    NotApplied = 37,
    SelfTradePrevented = 38,
    MassCanceled = 39,
    Triggered = 40,
    ProtectionSet = 41,
    ProtectionReached = 42,
    AttestationNoted = 43,
}

impl Message {
    /// Whether it takes a sequence number.
    #[must_use]
    pub fn takes_number(&self) -> bool {
        takes_number(self.template_id())
    }

    /// The stamp, if it is a report.
    #[must_use]
    pub fn stamp(&self) -> Option<&Stamp> {
        match self {
            Self::OrderAccepted(report) => Some(&report.stamp),
            Self::OrderRejected(report) => Some(&report.stamp),
            Self::OrderFilled(report) => Some(&report.stamp),
            Self::OrderCanceled(report) => Some(&report.stamp),
            Self::OrderAmended(report) => Some(&report.stamp),
            Self::NotApplied(report) => Some(&report.stamp),
            Self::SelfTradePrevented(report) => Some(&report.stamp),
            Self::MassCanceled(report) => Some(&report.stamp),
            Self::Triggered(report) => Some(&report.stamp),
            Self::ProtectionSet(report) => Some(&report.stamp),
            Self::ProtectionReached(report) => Some(&report.stamp),
            Self::AttestationNoted(report) => Some(&report.stamp),
            Self::Context(_)
            | Self::Hello(_)
            | Self::Challenge(_)
            | Self::Establish(_)
            | Self::Established(_)
            | Self::ResendRequest(_)
            | Self::Refused(_)
            | Self::OutcomeQuery(_)
            | Self::Outcome(_)
            | Self::NewOrder(_)
            | Self::CancelOrder(_)
            | Self::AmendOrder(_)
            | Self::MassCancel(_)
            | Self::KillSwitch(_)
            | Self::MassQuote(_)
            | Self::SetProtection(_)
            | Self::Attest(_)
            | Self::Unknown { .. } => None,
        }
    }
}
