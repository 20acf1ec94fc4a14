//! From the domain's public events to messages.

use super::message::{
    BookAdd, BookDelete, BookReduce, BookReplace, MarketDefined, MarketStateChanged, Message,
    PhaseChanged, Stamp, Trade, Uncrossed,
};
use domain::Event;

impl Message {
    /// The message of a public event of the frame; `None` if the event is not public. Its number
    /// says [`Event::feed_no`].
    #[must_use]
    pub fn public(stamp: Stamp, event: &Event) -> Option<Self> {
        Some(match event {
            Event::BookAdd(event) => Self::BookAdd(added(stamp, event)),
            Event::BookReduce(event) => Self::BookReduce(BookReduce {
                stamp,
                order_id: event.order_id,
                leaves_quantity: event.leaves,
                market_id: event.market,
                side: event.side as u8,
                reserved: 0,
                reserved2: 0,
            }),
            Event::BookDelete(event) => Self::BookDelete(BookDelete {
                stamp,
                order_id: event.order_id,
                market_id: event.market,
                side: event.side as u8,
                reserved: 0,
                reserved2: 0,
            }),
            Event::BookReplace(event) => Self::BookReplace(BookReplace {
                stamp,
                order_id: event.order_id,
                price: event.price,
                quantity: event.qty,
                market_id: event.market,
                side: event.side as u8,
                reserved: 0,
                reserved2: 0,
            }),
            Event::Trade(event) => Self::Trade(trade(stamp, event)),
            Event::PhaseChanged(event) => Self::PhaseChanged(PhaseChanged {
                stamp,
                phase: event.phase as u8,
                reserved: 0,
                reserved2: 0,
                reserved3: 0,
            }),
            Event::MarketDefined(event) => Self::MarketDefined(market_defined(stamp, event)),
            Event::MarketStateChanged(event) => {
                Self::MarketStateChanged(state_changed(stamp, event))
            }
            Event::Uncrossed(event) => Self::Uncrossed(Uncrossed {
                stamp,
                price: event.price,
                quantity: event.qty,
                market_id: event.market,
                reserved: 0,
            }),
            Event::Accepted(_)
            | Event::Rejected(_)
            | Event::Fill(_)
            | Event::Canceled(_)
            | Event::Amended(_)
            | Event::NotApplied(_)
            | Event::SelfTradePrevented(_)
            | Event::MassCanceled(_)
            | Event::Triggered(_)
            | Event::ProtectionSet(_)
            | Event::ProtectionReached(_)
            | Event::AttestationNoted(_)
            | Event::Outcome(_)
            | Event::StateHash(_) => return None,
        })
    }
}

fn added(stamp: Stamp, event: &domain::BookAdd) -> BookAdd {
    BookAdd {
        stamp,
        order_id: event.order_id,
        price: event.price,
        quantity: event.qty,
        market_id: event.market,
        side: event.side as u8,
        reserved: 0,
        reserved2: 0,
    }
}

fn trade(stamp: Stamp, event: &domain::Trade) -> Trade {
    Trade {
        stamp,
        trade_id: event.trade_id,
        maker_order_id: event.maker_order_id,
        taker_order_id: event.taker_order_id,
        price: event.price,
        quantity: event.qty,
        leaves_quantity: event.maker_leaves,
        market_id: event.market,
        taker_side: event.taker_side as u8,
        reserved: 0,
        reserved2: 0,
    }
}

fn market_defined(stamp: Stamp, event: &domain::MarketDefined) -> MarketDefined {
    MarketDefined {
        stamp,
        tick_value: event.tick_value,
        lot_size: event.lot_size,
        min_quantity: event.min_qty,
        price_min: event.price_min,
        market_id: event.market,
        base_id: event.base,
        quote_id: event.quote,
        maker_fee_ppm: event.maker_fee_ppm,
        taker_fee_ppm: event.taker_fee_ppm,
        price_levels: event.price_levels,
        base_decimals: event.base_decimals,
        quote_decimals: event.quote_decimals,
        state: event.state as u8,
        reserved: 0,
        reserved2: 0,
        symbol: event.symbol,
        base_symbol: event.base_symbol,
        quote_symbol: event.quote_symbol,
    }
}

fn state_changed(stamp: Stamp, event: &domain::MarketStateChanged) -> MarketStateChanged {
    MarketStateChanged {
        stamp,
        market_id: event.market,
        state: event.state as u8,
        reserved: 0,
        reserved2: 0,
    }
}
