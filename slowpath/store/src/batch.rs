//! What some frames change in the tables: rows that are new, and the last version of those that change.

use crate::candles::Interval;
use crate::rows::{
    Account, Asset, Auction, AuditEntry, Balance, Candle, Deposit, Market, MarketStateRow,
    MarketTotals, Order, Rejection, ReplacedId, ReportRow, SelfTradePrevented, Session, Trade,
};
use domain::{AccountId, AssetId, MarketId, Nanos, OrderId, Seq};
use journal::Frame;
use std::collections::BTreeMap;

/// The rows of consecutive frames. A row that several of them change is there once.
#[derive(Default)]
pub struct Batch {
    pub(crate) span: Option<Span>,
    pub(crate) assets: Vec<Asset>,
    pub(crate) markets: Vec<Market>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) rejections: Vec<Rejection>,
    pub(crate) reports: Vec<ReportRow>,
    pub(crate) replaced_ids: Vec<ReplacedId>,
    pub(crate) trades: Vec<Trade>,
    pub(crate) self_trades: Vec<SelfTradePrevented>,
    pub(crate) market_states: Vec<MarketStateRow>,
    pub(crate) auctions: Vec<Auction>,
    pub(crate) deposits: Vec<Deposit>,
    pub(crate) audit: Vec<AuditEntry>,
    pub(crate) orders: BTreeMap<OrderId, Order>,
    pub(crate) balances: BTreeMap<(AccountId, AssetId), Balance>,
    pub(crate) totals: BTreeMap<MarketId, MarketTotals>,
    pub(crate) candles: BTreeMap<(MarketId, Interval, Nanos), Candle>,
}

/// Which frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Seq,
    /// CRC of the frame before the first.
    pub(crate) prev_crc: u32,
    pub(crate) last: Seq,
    /// CRC of the last.
    pub(crate) last_crc: u32,
    pub(crate) time: Nanos,
    pub(crate) epoch: u32,
}

impl Batch {
    /// The last frame in it; none if it is empty.
    #[must_use]
    pub fn last_seq(&self) -> Option<Seq> {
        self.span.map(|span| span.last)
    }

    /// How many rows it writes.
    #[must_use]
    pub fn rows(&self) -> usize {
        let new = [
            self.assets.len(),
            self.markets.len(),
            self.accounts.len(),
            self.sessions.len(),
            self.rejections.len(),
            self.reports.len(),
            self.replaced_ids.len(),
            self.trades.len(),
            self.self_trades.len(),
            self.market_states.len(),
            self.auctions.len(),
            self.deposits.len(),
            self.audit.len(),
        ];
        let changed = [
            self.orders.len(),
            self.balances.len(),
            self.totals.len(),
            self.candles.len(),
        ];
        new.iter().chain(&changed).sum()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Counts a frame, whose rows are in it.
    pub(crate) fn extend_to(&mut self, frame: &Frame<'_>) {
        let header = &frame.header;
        let (first, prev_crc) = self.span.map_or((header.seq, header.prev_crc), |span| {
            (span.first, span.prev_crc)
        });
        self.span = Some(Span {
            first,
            prev_crc,
            last: header.seq,
            last_crc: frame.crc,
            time: header.engine_time,
            epoch: header.epoch,
        });
    }
}
