//! How far an order may reach from a market's reference.

use crate::{Mutant, NaiveEngine, administration::Answer, entry::ensure, naive::Market};
use domain::{
    Effects, MarketId, MarketState, OrderType, Price, Reason, Reference, SetCollar, Side,
};

const MILLION: i128 = 1_000_000;

impl NaiveEngine {
    pub(crate) fn set_collar(&mut self, command: &SetCollar) -> Answer {
        self.initialised()?;
        let market = self.markets.get_mut(&command.market);
        let market = market.ok_or(Reason::UnknownReference)?;
        let has_reference = command.reference != Reference::None;
        let price_fits = if command.reference == Reference::Set {
            command.price >= Price(1)
        } else {
            command.price == Price(0)
        };
        ensure(
            has_reference == (command.width_ppm != 0)
                && price_fits
                && (has_reference || !command.halts.is_yes()),
            Reason::InvalidParameter,
        )?;
        market.collar = *command;
        Ok(())
    }

    /// An order was refused for this reason: that it reached too far may halt the market.
    pub(crate) fn halt_if_beyond_collar(
        &mut self,
        market: MarketId,
        reason: Reason,
        out: &mut Effects,
    ) {
        if reason != Reason::PriceBeyondCollar || self.is(Mutant::CollarNeverHalts) {
            return;
        }
        if self.markets[&market].collar.halts.is_yes() {
            self.change_state(market, MarketState::Halted, out);
        }
    }

    /// Twice the reference, because the middle may lie between two prices. None if it is not there.
    fn twice_the_reference(&self, market: &Market) -> Option<i128> {
        let price = |price: Price| i128::from(price.0);
        match market.collar.reference {
            Reference::None => None,
            Reference::LastTrade => Some(market.last_price)
                .filter(|last| *last != Price(0))
                .map(|last| 2 * price(last)),
            Reference::Set => Some(2 * price(market.collar.price)),
            Reference::Middle => {
                let bid = self.best_bid(market.terms.market)?;
                let ask = self.best_ask(market.terms.market)?;
                let sum = price(bid) + price(ask);
                let rounds = self.is(Mutant::MiddleRoundedDown);
                Some(if rounds { sum / 2 * 2 } else { sum })
            }
        }
    }

    /// The highest price of a buy, or the lowest of a sell, if anything bounds it.
    fn bound(&self, market: &Market, side: Side) -> Option<i128> {
        let twice = self.twice_the_reference(market)?;
        let width = i128::from(market.collar.width_ppm);
        Some(match side {
            Side::Buy => twice * (MILLION + width) / (2 * MILLION),
            Side::Sell if self.is(Mutant::CollarOfSellsRoundedDown) => {
                twice * (MILLION - width).max(0) / (2 * MILLION)
            }
            Side::Sell => (twice * (MILLION - width).max(0) + 2 * MILLION - 1) / (2 * MILLION),
        })
    }

    /// The price at which an order goes on: a limit order's own, a market order's worst, or nothing if it reaches too far.
    pub(crate) fn within_collar(
        &self,
        market: &Market,
        side: Side,
        order_type: OrderType,
        price: Price,
    ) -> Result<Price, Reason> {
        let Some(bound) = self.bound(market, side) else {
            return Ok(price);
        };
        let is_beyond = match side {
            Side::Buy => i128::from(price.0) > bound,
            Side::Sell => i128::from(price.0) < bound,
        };
        match order_type {
            OrderType::Limit | OrderType::StopLimit => {
                ensure(!is_beyond, Reason::PriceBeyondCollar)?;
                Ok(price)
            }
            OrderType::Market | OrderType::Stop if price != Price(0) && !is_beyond => Ok(price),
            OrderType::Market | OrderType::Stop if self.is(Mutant::MarketOrdersWithoutCollar) => {
                Ok(price)
            }
            OrderType::Market | OrderType::Stop => furthest(market, side, bound),
        }
    }
}

/// The last price of the market, going away from the best one, that is within the bound.
fn furthest(market: &Market, side: Side, bound: i128) -> Result<Price, Reason> {
    let lowest = i128::from(market.terms.price_min.0);
    let highest = lowest + i128::from(market.terms.price_levels) - 1;
    let price = match side {
        Side::Buy => bound.min(highest),
        Side::Sell => bound.max(lowest),
    };
    ensure(
        (lowest..=highest).contains(&price),
        Reason::PriceBeyondCollar,
    )?;
    Ok(Price(i64::try_from(price).expect("a price of the market")))
}
