//! What an account may do at most, asked before an order is taken.

use crate::accounts::Account;
use crate::engine::Engine;
use crate::market::Market;
use domain::{AccountId, Amount, Limits, Qty, Reason, Side};

/// An order, as far as limits go.
pub(crate) struct Measured {
    pub(crate) account: AccountId,
    pub(crate) side: Side,
    /// All of it.
    pub(crate) qty: Qty,
    /// What of it can still trade.
    pub(crate) leaves: Qty,
    /// Of `qty`; none if there is no price to reckon with.
    pub(crate) notional: Option<Amount>,
    /// Of `leaves`.
    pub(crate) open_notional: Option<Amount>,
    /// How many live orders there are more with it; 0 if it is there already.
    pub(crate) new_orders: u32,
}

/// Whether an amount of base units is more than so many whole units; none are no limit.
fn is_above(amount: Amount, limit: u64, unit: u64) -> bool {
    limit != 0 && u128::from(amount.0) > u128::from(limit) * u128::from(unit)
}

impl Engine {
    /// The first limit of the account that the order is beyond.
    #[inline]
    pub(crate) fn check_limits(&self, market: &Market, order: &Measured) -> Result<(), Reason> {
        let account = self.account_state(order.account);
        let limits = self.limits_of(account);
        if limits.max_order_qty != Qty::ZERO && order.qty > limits.max_order_qty {
            return Err(Reason::QuantityAboveLimit);
        }
        let most = limits.max_order_notional;
        if order
            .notional
            .is_some_and(|notional| is_above(notional, most, market.quote_unit))
        {
            return Err(Reason::NotionalAboveLimit);
        }
        let most = limits.max_open_orders;
        let beyond = || account.open_orders + order.new_orders > most;
        if order.new_orders != 0 && most != 0 && beyond() {
            return Err(Reason::TooManyOpenOrders);
        }
        self.check_position(market, order, limits)?;
        self.check_volume(market, order, account, limits)
    }

    /// What the account owns when all of a buy has filled.
    fn check_position(
        &self,
        market: &Market,
        order: &Measured,
        limits: &Limits,
    ) -> Result<(), Reason> {
        if limits.max_position == 0 || order.side == Side::Sell {
            return Ok(());
        }
        let balance = self.funds.balance(order.account, market.terms.base);
        let owned = balance.available.checked_add(balance.held);
        let more = market.base_units(order.leaves);
        // Beyond 64 bits is beyond any limit.
        let after = owned
            .zip(more)
            .and_then(|(owned, more)| owned.checked_add(more));
        if after.is_none_or(|after| is_above(after, limits.max_position, market.base_unit)) {
            return Err(Reason::PositionAboveLimit);
        }
        Ok(())
    }

    fn check_volume(
        &self,
        market: &Market,
        order: &Measured,
        account: &Account,
        limits: &Limits,
    ) -> Result<(), Reason> {
        if limits.max_daily_volume == 0 {
            return Ok(());
        }
        let volume = account
            .volume_of(self.day.number)
            .saturating_add(market.volume_of(order.open_notional));
        if volume > limits.max_daily_volume.saturating_mul(1_000_000) {
            return Err(Reason::VolumeAboveLimit);
        }
        Ok(())
    }
}
