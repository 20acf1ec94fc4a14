//! What the API shows of reports: the same shapes over HTTP and WebSocket.

use crate::choices::ApiSelfTrade;
use crate::number::{I64, Paid, U64};
use domain::{Event, MarketId};
use serde::Serialize;
use utoipa::ToSchema;

/// What a report says happened, as the journal has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "kind")]
pub(crate) enum ApiReport {
    /// An order was accepted. A stop waits now.
    Accepted {
        order_id: U64,
        client_order_id: U64,
        /// At which it was taken: another one than was asked for if it slid, or if a collar bounds a market order.
        price: I64,
        quantity: U64,
        /// Whether it is a side of a quote.
        quote: bool,
    },
    /// A command was refused.
    Rejected {
        order_id: U64,
        client_order_id: U64,
        reason: u16,
    },
    /// Part of an order traded.
    Fill {
        order_id: U64,
        client_order_id: U64,
        trade_id: U64,
        price: I64,
        quantity: U64,
        remaining_quantity: U64,
        /// Quote base units; below 0 it is a rebate, which was received.
        fee: Paid,
    },
    /// The rest of an order is gone.
    Cancelled {
        order_id: U64,
        client_order_id: U64,
        quantity: U64,
        reason: u16,
    },
    /// An order was changed.
    Amended {
        order_id: U64,
        /// Yours for it from now on.
        client_order_id: U64,
        /// Of a `Stop` 0: it keeps its worst price.
        price: I64,
        quantity: U64,
        remaining_quantity: U64,
        kept_priority: bool,
    },
    /// An arriving order met one of its own and did not trade with it. If one of them ends by that, `Cancelled` says
    /// so; if the resting one became smaller, `Amended` does.
    SelfTradePrevented {
        order_id: U64,
        client_order_id: U64,
        /// The order that rested.
        maker_order_id: U64,
        /// The resting order's.
        price: I64,
        /// Lots that would have traded.
        quantity: U64,
        /// Lots left of the arriving order.
        remaining_quantity: U64,
        self_trade_behavior: ApiSelfTrade,
    },
    /// A stop has waited enough and arrives. What it trades follows.
    Triggered {
        order_id: U64,
        client_order_id: U64,
        /// Its limit; of a `Stop` the worst at which it trades, or 0.
        price: I64,
    },
    /// A mass cancel or a kill switch of yours has cancelled all that it was to cancel.
    MassCancelled {
        /// As you named it, or 0.
        request: U64,
        /// How many orders it cancelled.
        count: U64,
    },
    /// A protection was set: its counters are empty.
    ProtectionSet {
        /// As you named it, or 0.
        request: U64,
        /// The market's symbol.
        market: String,
    },
    /// So much of your quotes in a market has traded that what is left of them is cancelled, and no others are taken
    /// until the protection is set anew.
    ProtectionReached {
        /// The market's symbol.
        market: String,
        /// Lots that have traded in the window.
        quantity: U64,
        /// What they were worth, base units of the quote asset.
        notional: U64,
        /// Trades in the window.
        fills: u32,
    },
    /// An attestation stands in the journal, from where it is checked.
    AttestationNoted {
        /// What the session has entered so far, millionths of whole units of the quote assets, modulo 2^64.
        level: U64,
    },
    /// Numbers of the session that never apply.
    NotApplied { from: U64, count: U64 },
}

impl ApiReport {
    fn accepted(e: &domain::Accepted) -> Self {
        Self::Accepted {
            order_id: U64(e.order_id.0),
            client_order_id: U64(e.client_order_id.0),
            price: I64(e.price.0),
            quantity: U64(e.qty.0),
            quote: e.quote.is_yes(),
        }
    }

    fn amended(e: &domain::Amended) -> Self {
        Self::Amended {
            order_id: U64(e.order_id.0),
            client_order_id: U64(e.client_order_id.0),
            price: I64(e.price.0),
            quantity: U64(e.qty.0),
            remaining_quantity: U64(e.leaves.0),
            kept_priority: e.kept_priority.is_yes(),
        }
    }

    fn reached(e: &domain::ProtectionReached, market: String) -> Self {
        Self::ProtectionReached {
            market,
            quantity: U64(e.qty.0),
            notional: U64(e.notional.0),
            fills: e.fills,
        }
    }

    fn fill(e: &domain::Fill) -> Self {
        Self::Fill {
            order_id: U64(e.order_id.0),
            client_order_id: U64(e.client_order_id.0),
            trade_id: U64(e.trade_id),
            price: I64(e.price.0),
            quantity: U64(e.qty.0),
            remaining_quantity: U64(e.leaves.0),
            fee: Paid::of(e.fee, e.is_rebate),
        }
    }

    fn prevented(e: &domain::SelfTradePrevented) -> Self {
        Self::SelfTradePrevented {
            order_id: U64(e.order_id.0),
            client_order_id: U64(e.client_order_id.0),
            maker_order_id: U64(e.maker_order_id.0),
            price: I64(e.price.0),
            quantity: U64(e.qty.0),
            remaining_quantity: U64(e.leaves.0),
            self_trade_behavior: e.self_trade.into(),
        }
    }

    /// None if the event is not private. `symbol` gives the name of a market.
    pub(crate) fn of(event: &Event, symbol: impl FnOnce(MarketId) -> String) -> Option<Self> {
        Some(match event {
            Event::Accepted(e) => Self::accepted(e),
            Event::Rejected(e) => Self::Rejected {
                order_id: U64(e.order_id.0),
                client_order_id: U64(e.client_order_id.0),
                reason: e.reason.into(),
            },
            Event::Fill(e) => Self::fill(e),
            Event::Canceled(e) => Self::Cancelled {
                order_id: U64(e.order_id.0),
                client_order_id: U64(e.client_order_id.0),
                quantity: U64(e.qty.0),
                reason: e.reason.into(),
            },
            Event::Amended(e) => Self::amended(e),
            Event::NotApplied(e) => Self::NotApplied {
                from: U64(e.from),
                count: U64(e.count),
            },
            Event::SelfTradePrevented(e) => Self::prevented(e),
            Event::Triggered(e) => Self::Triggered {
                order_id: U64(e.order_id.0),
                client_order_id: U64(e.client_order_id.0),
                price: I64(e.price.0),
            },
            Event::MassCanceled(e) => Self::MassCancelled {
                request: U64(e.request),
                count: U64(e.count),
            },
            Event::ProtectionSet(e) => Self::ProtectionSet {
                request: U64(e.request),
                market: symbol(e.market),
            },
            Event::ProtectionReached(e) => Self::reached(e, symbol(e.market)),
            Event::AttestationNoted(e) => Self::AttestationNoted {
                level: U64(e.level),
            },
            Event::BookAdd(_)
            | Event::BookReduce(_)
            | Event::BookDelete(_)
            | Event::BookReplace(_)
            | Event::Trade(_)
            | Event::PhaseChanged(_)
            | Event::MarketDefined(_)
            | Event::MarketStateChanged(_)
            | Event::Uncrossed(_)
            | Event::Outcome(_)
            | Event::StateHash(_) => return None,
        })
    }
}
