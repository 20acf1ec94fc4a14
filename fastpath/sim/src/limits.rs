//! What the accounts of a tier, or one account, may do at most.

use crate::{Mutant, NaiveEngine, administration::Answer, entry::ensure};
use domain::{
    AccountId, Amount, AssetId, Flag, Limits, MAX_TIERS, MarketId, OrderType, Price, Qty, Reason,
    SetLimits, SetTier, Side,
};

/// Volumes count so many parts of a whole unit.
const PARTS: u128 = 1_000_000;
/// So many accounts can have limits of their own, if there may be so many.
const MAX_OWN_LIMITS: usize = 65_536;

/// An order as limits see it: one that wants to be entered, or one as it would be amended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intent {
    pub(crate) account: AccountId,
    pub(crate) market: MarketId,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    /// Of a market order the worst at which it trades, the collar's too, or 0.
    pub(crate) price: Price,
    /// Of a stop.
    pub(crate) trigger: Price,
    pub(crate) qty: Qty,
    pub(crate) leaves: Qty,
    /// How many there would be more; 0 of an amendment.
    pub(crate) new_orders: usize,
}

/// Whether a number of units, each of so many parts, is no more than the limit. A limit of 0 is none.
fn is_within(parts: u128, limit: u64, parts_of_a_unit: u128) -> bool {
    limit == 0 || parts <= u128::from(limit) * parts_of_a_unit
}

impl NaiveEngine {
    pub(crate) fn set_tier(&mut self, command: &SetTier) -> Answer {
        self.initialised()?;
        let account = self.accounts.get_mut(&command.account);
        let account = account.ok_or(Reason::UnknownReference)?;
        ensure(command.tier < MAX_TIERS, Reason::InvalidParameter)?;
        account.tier = command.tier;
        Ok(())
    }

    pub(crate) fn set_limits(&mut self, command: &SetLimits) -> Answer {
        let capacities = self.initialised()?;
        let as_tier = command.as_tier.is_yes();
        if command.of_account == Flag::No {
            ensure(
                command.target < MAX_TIERS && !as_tier,
                Reason::InvalidParameter,
            )?;
            self.tier_limits.insert(command.target, command.limits);
            return Ok(());
        }
        let account = AccountId(command.target);
        ensure(
            self.accounts.contains_key(&account),
            Reason::UnknownReference,
        )?;
        if as_tier {
            ensure(
                command.limits == Limits::default(),
                Reason::InvalidParameter,
            )?;
            if !self.is(Mutant::OwnLimitsForEver) {
                self.own_limits.remove(&account);
            }
            return Ok(());
        }
        let most = MAX_OWN_LIMITS.min(capacities.max_accounts as usize);
        ensure(
            self.own_limits.contains_key(&account) || self.own_limits.len() < most,
            Reason::LimitsTableFull,
        )?;
        self.own_limits.insert(account, command.limits);
        Ok(())
    }

    pub(crate) fn limits_of(&self, account: AccountId) -> Limits {
        let tier = self.accounts[&account].tier;
        let of_tier = self.tier_limits.get(&tier);
        let own = self.own_limits.get(&account);
        let own = own.filter(|_| !self.is(Mutant::OwnLimitsForgotten));
        own.or(of_tier).copied().unwrap_or_default()
    }

    /// Base units of an asset in what limits count.
    fn limit_unit(&self, asset: AssetId) -> u128 {
        if self.is(Mutant::LimitsInBaseUnits) {
            1
        } else {
            self.whole_unit(asset)
        }
    }

    /// The first limit of its account that the order is beyond decides.
    pub(crate) fn check_limits(&self, order: &Intent) -> Result<(), Reason> {
        let limits = self.limits_of(order.account);
        self.check_order_size(order, &limits)?;
        self.check_open_orders(order, &limits)?;
        self.check_position(order, &limits)?;
        self.check_volume(order, &limits)
    }

    /// a and b.
    fn check_order_size(&self, order: &Intent, limits: &Limits) -> Result<(), Reason> {
        ensure(
            is_within(order.qty.0.into(), limits.max_order_qty.0, 1),
            Reason::QuantityAboveLimit,
        )?;
        let quote = self.markets[&order.market].terms.quote;
        let notional = self.reckoned_notional(order, order.qty);
        let within = notional.is_none_or(|notional| {
            is_within(
                notional.0.into(),
                limits.max_order_notional,
                self.limit_unit(quote),
            )
        });
        ensure(within, Reason::NotionalAboveLimit)
    }

    /// c.
    fn check_open_orders(&self, order: &Intent, limits: &Limits) -> Result<(), Reason> {
        let live = self
            .orders
            .iter()
            .filter(|other| other.account == order.account);
        let fewer = usize::from(self.is(Mutant::OneOpenOrderTooMany));
        let new_orders = if self.is(Mutant::AmendmentIsOneOrderMore) {
            order.new_orders.max(1)
        } else {
            order.new_orders
        };
        let within = limits.max_open_orders == 0
            || live.count() + new_orders.saturating_sub(fewer) <= limits.max_open_orders as usize
            || new_orders == 0;
        ensure(within, Reason::TooManyOpenOrders)
    }

    /// d. Beyond what can be counted is beyond any limit.
    fn check_position(&self, order: &Intent, limits: &Limits) -> Result<(), Reason> {
        if order.side == Side::Sell {
            return Ok(());
        }
        let market = &self.markets[&order.market].terms;
        let has = if self.is(Mutant::HeldIsNoPosition) {
            self.available(order.account, market.base)
        } else {
            self.owned(order.account, market.base)
        };
        let buys = u128::from(order.leaves.0) * u128::from(market.lot_size);
        let position = u128::from(has) + buys;
        let unit = self.limit_unit(market.base);
        let within = limits.max_position == 0
            || position <= u128::from(u64::MAX) && is_within(position, limits.max_position, unit);
        ensure(within, Reason::PositionAboveLimit)
    }

    /// e.
    fn check_volume(&self, order: &Intent, limits: &Limits) -> Result<(), Reason> {
        let volume = self
            .volume_of_today(order.account)
            .saturating_add(self.open_volume(order));
        ensure(
            is_within(volume.into(), limits.max_daily_volume, PARTS),
            Reason::VolumeAboveLimit,
        )
    }

    /// What is open of the order, in millionths of whole quote units; 0 if there is no price to reckon with.
    pub(crate) fn open_volume(&self, order: &Intent) -> u64 {
        let quote = self.markets[&order.market].terms.quote;
        self.reckoned_notional(order, order.leaves)
            .map_or(0, |notional| self.millionths(quote, notional))
    }

    /// The notional of so many lots of the order, as far as it is known: a market order's is taken at the worst
    /// price of a buy that has one, else at the best opposite price. `None` beyond the range.
    fn reckoned_notional(&self, order: &Intent, lots: Qty) -> Option<Amount> {
        let best = || {
            let book = self.book(order.market, order.side.opposite());
            book.first().map(|first| first.price)
        };
        let bounded_buy = order.side == Side::Buy && order.price != Price(0);
        let price = match order.order_type {
            OrderType::Limit | OrderType::StopLimit => Some(order.price),
            OrderType::Stop => Some(Self::reckoned_price(order.side, order.price, order.trigger)),
            OrderType::Market if self.is(Mutant::MarketOrdersWithoutNotional) => None,
            OrderType::Market if bounded_buy => Some(order.price),
            OrderType::Market => best(),
        };
        let tick_value = self.markets[&order.market].terms.tick_value;
        let notional = Amount::notional(price?, lots, tick_value);
        Some(notional.unwrap_or(Amount(u64::MAX)))
    }
}
