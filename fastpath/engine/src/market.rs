//! A market: its parameters, what orders cost in it, and its book.

use crate::book::Book;
use crate::orders::Order;
use domain::{Amount, AssetId, CreateMarket, Price, Qty, Side};

/// A market that exists.
#[derive(Clone, Copy)]
pub(crate) struct Market {
    /// As it was created.
    pub(crate) terms: CreateMarket,
    pub(crate) book: Book,
}

impl Market {
    /// Whether a limit order may have this price.
    pub(crate) fn has_price(&self, price: Price) -> bool {
        price
            .0
            .checked_sub(self.terms.price_min.0)
            .is_some_and(|above| (0..i64::from(self.terms.price_levels)).contains(&above))
    }

    /// Base units of the base asset, or `None` beyond the range.
    pub(crate) fn base_units(&self, qty: Qty) -> Option<Amount> {
        qty.base_units(self.terms.lot_size)
    }

    /// Base units of the quote asset, or `None` beyond the range.
    pub(crate) fn notional(&self, price: Price, qty: Qty) -> Option<Amount> {
        Amount::notional(price, qty, self.terms.tick_value)
    }

    /// What a limit buy sets aside of quote: the notional and the higher of the two fees on it.
    /// `None` beyond the range.
    pub(crate) fn buy_hold(&self, price: Price, qty: Qty) -> Option<Amount> {
        self.buy_hold_of(self.notional(price, qty)?)
    }

    /// What a limit buy of this notional sets aside of quote. `None` beyond the range.
    pub(crate) fn buy_hold_of(&self, notional: Amount) -> Option<Amount> {
        with_fee(
            notional,
            self.terms.maker_fee_ppm.max(self.terms.taker_fee_ppm),
        )
    }

    /// What a limit order sets aside, and of which asset. The order's quantity was found to fit.
    pub(crate) fn hold(&self, side: Side, price: Price, qty: Qty) -> (AssetId, Amount) {
        match side {
            Side::Buy => (self.terms.quote, self.buy_hold(price, qty).expect(FITS)),
            Side::Sell => (self.terms.base, self.base_units(qty).expect(FITS)),
        }
    }

    /// What a live order sets aside, and of which asset. A market buy, the only order at price 0
    /// that is no sell, sets aside nothing.
    pub(crate) fn hold_of(&self, order: &Order) -> (AssetId, Amount) {
        if order.side == Side::Buy && order.price == Price(0) {
            return (self.terms.quote, Amount::ZERO);
        }
        self.hold(order.side, order.price, order.leaves)
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

    /// The most lots, up to `qty`, that a market buy can pay at this price, fee included.
    ///
    /// `n + floor(n * r / 10^6) <= a` for whole numbers if and only if
    /// `n * (10^6 + r) < (a + 1) * 10^6`.
    pub(crate) fn affordable(&self, price: Price, qty: Qty, available: Amount) -> Qty {
        const WHOLE: u128 = 1_000_000;
        let most = (u128::from(available.0) + 1) * WHOLE - 1;
        let notional = most / (WHOLE + u128::from(self.terms.taker_fee_ppm));
        let lot = u128::from(price.0.unsigned_abs()) * u128::from(self.terms.tick_value);
        Qty(u64::try_from(notional / lot).map_or(qty.0, |lots| lots.min(qty.0)))
    }
}

/// Why an amount of a live order cannot overflow.
pub(crate) const FITS: &str = "the order was refused unless all of it fits";

/// An amount and the fee on it, or `None` beyond the range.
pub(crate) fn with_fee(amount: Amount, rate_ppm: u32) -> Option<Amount> {
    amount.checked_add(amount.fee(rate_ppm))
}
