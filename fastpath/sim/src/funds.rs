//! Who owns what, and how much of it live orders hold. Amounts are base units of their asset.

use crate::{Mutant, NaiveEngine, naive::Order};
use domain::{AccountId, Amount, AssetId, CreateMarket, Price, Qty, Side};

impl NaiveEngine {
    pub(crate) fn fee(&self, notional: Amount, rate_ppm: u32) -> u64 {
        let fee = notional.fee(rate_ppm).0;
        let exact = u128::from(fee) * 1_000_000 == u128::from(notional.0) * u128::from(rate_ppm);
        if self.is(Mutant::FeeRoundedUp) && !exact {
            fee + 1
        } else {
            fee
        }
    }

    /// What a limit buy of `qty` at `price` holds of quote: notional and the higher of the two
    /// fees. `None` beyond the range.
    pub(crate) fn limit_buy_hold(
        &self,
        market: &CreateMarket,
        price: Price,
        qty: Qty,
    ) -> Option<u64> {
        let notional = Amount::notional(price, qty, market.tick_value)?;
        let rate = if self.is(Mutant::HoldForTakerFeeOnly) {
            market.taker_fee_ppm
        } else {
            market.maker_fee_ppm.max(market.taker_fee_ppm)
        };
        notional.0.checked_add(self.fee(notional, rate))
    }

    /// What an order of this side, price (0: market) and quantity holds, and of which asset.
    /// `None` beyond the range.
    pub(crate) fn hold(
        &self,
        market: &CreateMarket,
        side: Side,
        price: Price,
        qty: Qty,
    ) -> Option<(AssetId, u64)> {
        match side {
            Side::Sell => Some((market.base, qty.base_units(market.lot_size)?.0)),
            Side::Buy if price == Price(0) => Some((market.quote, 0)),
            Side::Buy => Some((market.quote, self.limit_buy_hold(market, price, qty)?)),
        }
    }

    /// The price of what an order holds: its own, or if it has none and waits, the one with which it is reckoned.
    fn held_at(&self, order: &Order) -> Price {
        match order.stop {
            Some(stop) if order.price == Price(0) => {
                self.held_while_waiting(order.side, stop.worst, stop.trigger)
            }
            Some(_) | None => order.price,
        }
    }

    /// The price of what a stop without a limit holds.
    pub(crate) fn held_while_waiting(&self, side: Side, worst: Price, trigger: Price) -> Price {
        if self.is(Mutant::StopsHoldNothing) {
            Price(0)
        } else if self.is(Mutant::StopsHoldForTheirTrigger) {
            trigger
        } else {
            Self::reckoned_price(side, worst, trigger)
        }
    }

    /// What a live order holds now, and of which asset.
    pub(crate) fn hold_of(&self, order: &Order) -> (AssetId, u64) {
        self.hold(
            &self.markets[&order.market].terms,
            order.side,
            self.held_at(order),
            order.leaves,
        )
        .expect("an order whose hold cannot be counted is never accepted")
    }

    pub(crate) fn owned(&self, account: AccountId, asset: AssetId) -> u64 {
        self.owned.get(&(account, asset)).copied().unwrap_or(0)
    }

    pub(crate) fn held(&self, account: AccountId, asset: AssetId) -> u64 {
        self.orders
            .iter()
            .filter(|order| order.account == account)
            .map(|order| self.hold_of(order))
            .filter(|(of, _)| *of == asset)
            .map(|(_, amount)| amount)
            .sum()
    }

    pub(crate) fn available(&self, account: AccountId, asset: AssetId) -> u64 {
        self.owned(account, asset)
            .checked_sub(self.held(account, asset))
            .expect("nothing is held that is not owned")
    }

    pub(crate) fn credit(&mut self, account: AccountId, asset: AssetId, amount: u64) {
        let after = self
            .owned(account, asset)
            .checked_add(amount)
            .expect("no one owns more of an asset than was deposited");
        self.owned.insert((account, asset), after);
    }

    pub(crate) fn debit(&mut self, account: AccountId, asset: AssetId, amount: u64) {
        let after = self
            .owned(account, asset)
            .checked_sub(amount)
            .expect("no one pays more than he owns");
        self.owned.insert((account, asset), after);
    }
}
