//! A market: its parameters, what orders cost in it, and its book.

use crate::book::{Book, crosses, no_limit};
use crate::collar::Collar;
use crate::fees::Rates;
use crate::orders::{NIL, Order};
use crate::stops::{Reach, Stop};
use domain::{
    Amount, AssetId, CreateMarket, MAX_TIERS, MarketState, NewOrder, PostOnly, Price, Qty, Reason,
    Side,
};

/// A market that exists.
#[derive(Clone, Copy)]
pub(crate) struct Market {
    /// As it was created.
    pub(crate) terms: CreateMarket,
    pub(crate) book: Book,
    pub(crate) state: MarketState,
    /// Live orders that end when it closes.
    pub(crate) until_close: u32,
    /// By side the slot of the stop that is next to arrive, or [`NIL`].
    pub(crate) stops: [u32; 2],
    pub(crate) reach: Reach,
    /// Of the last trade, or 0.
    pub(crate) last_price: Price,
    pub(crate) collar: Collar,
    /// Base units of a whole unit of the base asset.
    pub(crate) base_unit: u64,
    /// Base units of a whole unit of the quote asset.
    pub(crate) quote_unit: u64,
    /// By tier. None is above the list fees, which are those of the terms.
    pub(crate) rates: [Rates; MAX_TIERS as usize],
}

/// How an order arrives.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    /// At which price it is taken: another one if it slides.
    pub(crate) price: Price,
    /// Whether the best price of the other side crosses that.
    pub(crate) trades: bool,
    /// What the collar says of a new order: the last check, because it may halt the market.
    pub(crate) within_collar: Result<(), Reason>,
}

/// How far into the other side of the book an order of this price goes: over all of it without one, which only a market
/// order is.
pub(crate) fn limit_of(side: Side, price: Price) -> Price {
    if price == Price(0) {
        return no_limit(side);
    }
    price
}

impl Market {
    /// A market without orders, in which every tier pays the list fees.
    pub(crate) fn new(terms: &CreateMarket, book: Book, [base_unit, quote_unit]: [u64; 2]) -> Self {
        Self {
            terms: *terms,
            book,
            state: terms.state,
            until_close: 0,
            stops: [NIL; 2],
            reach: Reach::default(),
            last_price: Price(0),
            collar: Collar::default(),
            base_unit,
            quote_unit,
            rates: [Rates::of(terms); MAX_TIERS as usize],
        }
    }

    /// Whether a tier may have these rates: list fees or less, because orders set aside no more.
    pub(crate) fn may_have(&self, rates: Rates) -> bool {
        let list = Rates::of(&self.terms);
        rates.maker_ppm <= list.maker_ppm && rates.taker_ppm <= list.taker_ppm
    }

    /// A notional in millionths of whole quote units, rounded down; at most `u64::MAX`.
    pub(crate) fn volume(&self, notional: Amount) -> u64 {
        const MILLION: u64 = 1_000_000;
        if self.quote_unit == MILLION {
            return notional.0;
        }
        if self.quote_unit < MILLION {
            return notional.0.saturating_mul(MILLION / self.quote_unit);
        }
        notional.0 / (self.quote_unit / MILLION)
    }

    /// [`Market::volume`] of a notional, or nothing if there is no price to reckon with.
    pub(crate) fn volume_of(&self, notional: Option<Amount>) -> u64 {
        notional.map_or(0, |notional| self.volume(notional))
    }

    /// Whether an order that would trade on arrival is refused for it.
    pub(crate) fn must_not_trade(&self, post_only: PostOnly) -> bool {
        post_only.is_on() || self.state == MarketState::PostOnly
    }

    /// The highest price of the range.
    pub(crate) fn highest(&self) -> Price {
        Price(self.terms.price_min.0 + i64::from(self.terms.price_levels) - 1)
    }

    /// Whether a limit order may have this price.
    #[inline]
    pub(crate) fn has_price(&self, price: Price) -> bool {
        price
            .0
            .checked_sub(self.terms.price_min.0)
            .is_some_and(|above| (0..i64::from(self.terms.price_levels)).contains(&above))
    }

    /// At which price a new order is taken, and what it finds there. A stop finds nothing yet.
    #[inline]
    pub(crate) fn arrival_of(&self, command: &NewOrder) -> Result<Arrival, Reason> {
        if command.order_type.waits() {
            return Ok(Arrival {
                price: command.price,
                trades: false,
                within_collar: Ok(()),
            });
        }
        let (side, order_type) = (command.side, command.order_type);
        let arrival = self.arrival(side, command.post_only, command.price)?;
        Ok(match self.within_collar(side, order_type, arrival.price) {
            Ok(price) => Arrival { price, ..arrival },
            Err(reason) => Arrival {
                within_collar: Err(reason),
                ..arrival
            },
        })
    }

    /// At which price an order of a price of the market arrives, and what it finds there; the collar is not looked at.
    #[inline]
    pub(crate) fn arrival(
        &self,
        side: Side,
        post_only: PostOnly,
        price: Price,
    ) -> Result<Arrival, Reason> {
        if self.state.is_call() {
            return Ok(Arrival {
                price,
                trades: false,
                within_collar: Ok(()),
            });
        }
        let opposite = self.book.best_or_none_to_cross(side.opposite());
        let trades = crosses(side, limit_of(side, price), opposite);
        if !trades || post_only != PostOnly::Slide {
            return Ok(Arrival {
                price,
                trades,
                within_collar: Ok(()),
            });
        }
        self.slid(side, opposite)
    }

    /// An order that slides: beside the best price of the other side.
    #[cold]
    fn slid(&self, side: Side, opposite: Price) -> Result<Arrival, Reason> {
        let beside = match side {
            Side::Buy => Price(opposite.0 - 1),
            Side::Sell => Price(opposite.0 + 1),
        };
        if !self.has_price(beside) {
            return Err(Reason::WouldTrade);
        }
        Ok(Arrival {
            price: beside,
            trades: false,
            within_collar: Ok(()),
        })
    }

    /// What a market order is worth at most that goes on with `price`: a buy at that worst price, or without one at the
    /// best ask; a sell at the best bid. `None` if there is no such price, or beyond the range.
    #[cold]
    pub(crate) fn reckoned(&self, command: &NewOrder, price: Price) -> Option<Amount> {
        let worst = Some(price).filter(|&price| price != Price(0));
        let best = || self.book.best(command.side.opposite());
        let price = match command.side {
            Side::Buy => worst.or_else(best),
            Side::Sell => best(),
        };
        // What cannot be counted is the most that can.
        Some(
            self.notional(price?, command.qty)
                .unwrap_or(Amount(u64::MAX)),
        )
    }

    /// Base units of the base asset, or `None` beyond the range.
    #[inline]
    pub(crate) fn base_units(&self, qty: Qty) -> Option<Amount> {
        qty.base_units(self.terms.lot_size)
    }

    /// Base units of the quote asset, or `None` beyond the range.
    #[inline]
    pub(crate) fn notional(&self, price: Price, qty: Qty) -> Option<Amount> {
        Amount::notional(price, qty, self.terms.tick_value)
    }

    /// What a limit buy sets aside of quote: the notional and the higher of the two fees on it.
    /// `None` beyond the range.
    #[inline]
    pub(crate) fn buy_hold(&self, price: Price, qty: Qty) -> Option<Amount> {
        self.buy_hold_of(self.notional(price, qty)?)
    }

    /// What a limit buy of this notional sets aside of quote. `None` beyond the range.
    #[inline]
    pub(crate) fn buy_hold_of(&self, notional: Amount) -> Option<Amount> {
        with_fee(
            notional,
            self.terms.maker_fee_ppm.max(self.terms.taker_fee_ppm),
        )
    }

    /// What a limit order sets aside, and of which asset. The order's quantity was found to fit.
    #[inline]
    pub(crate) fn hold(&self, side: Side, price: Price, qty: Qty) -> (AssetId, Amount) {
        match side {
            Side::Buy => (self.terms.quote, self.buy_hold(price, qty).expect(FITS)),
            Side::Sell => (self.terms.base, self.base_units(qty).expect(FITS)),
        }
    }

    /// What a live order sets aside that does not wait, and of which asset. A market buy, the only order at price 0 that
    /// is no sell, sets aside nothing.
    #[inline]
    pub(crate) fn hold_of(&self, order: &Order) -> (AssetId, Amount) {
        if order.side == Side::Buy && order.price == Price(0) {
            return (self.terms.quote, Amount::ZERO);
        }
        self.hold(order.side, order.price, order.leaves)
    }

    /// What a live order sets aside, and of which asset: a market buy what it is reckoned with, as long as it waits.
    pub(crate) fn hold_of_waiting(&self, order: &Order, stop: &Stop) -> (AssetId, Amount) {
        let price = stop.price_of(order.side, order.price);
        self.hold(order.side, price, order.leaves)
    }

    /// By how much the hold of a limit buy shrinks when it has `qty` lots less.
    pub(crate) fn freed_of_buy(&self, order: &Order, qty: Qty) -> Amount {
        let rest = order
            .leaves
            .checked_sub(qty)
            .expect("no more trades than is left");
        let before = self.buy_hold(order.price, order.leaves).expect(FITS);
        let after = self.buy_hold(order.price, rest).expect(FITS);
        before
            .checked_sub(after)
            .expect("a smaller order holds less")
    }

    /// The most lots, up to `qty`, that a market buy can pay at this price, with a fee of `taker_ppm`.
    ///
    /// `n + floor(n * r / 10^6) <= a` for whole numbers if and only if
    /// `n * (10^6 + r) < (a + 1) * 10^6`.
    pub(crate) fn affordable(
        &self,
        price: Price,
        qty: Qty,
        available: Amount,
        taker_ppm: u32,
    ) -> Qty {
        const WHOLE: u128 = 1_000_000;
        let most = (u128::from(available.0) + 1) * WHOLE - 1;
        let notional = most / (WHOLE + u128::from(taker_ppm));
        let lot = u128::from(price.0.unsigned_abs()) * u128::from(self.terms.tick_value);
        Qty(u64::try_from(notional / lot).map_or(qty.0, |lots| lots.min(qty.0)))
    }
}

/// Why an amount of a live order cannot overflow.
pub(crate) const FITS: &str = "the order was refused unless all of it fits";

/// An amount and the fee on it, or `None` beyond the range.
#[inline]
pub(crate) fn with_fee(amount: Amount, rate_ppm: u32) -> Option<Amount> {
    amount.checked_add(amount.fee(rate_ppm))
}
