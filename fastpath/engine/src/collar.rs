//! How far an order may reach into the other side of its market.

use crate::engine::Engine;
use crate::market::Market;
use domain::{Flag, OrderType, Price, Reason, Reference, SetCollar, Side};

/// A market's collar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collar {
    pub(crate) price: Price,
    pub(crate) width_ppm: u32,
    pub(crate) reference: Reference,
    pub(crate) halts: Flag,
}

impl Collar {
    pub(crate) fn of(command: &SetCollar) -> Self {
        Self {
            price: command.price,
            width_ppm: command.width_ppm,
            reference: command.reference,
            halts: command.halts,
        }
    }

    /// Whether the parameters go together.
    pub(crate) fn is_valid(&self) -> bool {
        let price = match self.reference {
            Reference::Set => self.price.0 >= 1,
            Reference::None | Reference::LastTrade | Reference::Middle => self.price == Price(0),
        };
        let is_on = self.reference != Reference::None;
        price && (self.width_ppm > 0) == is_on && (is_on || !self.halts.is_yes())
    }
}

impl Market {
    /// The price at which an order is taken that is at or reaches as far as `price`: a market order no further than the
    /// collar.
    #[inline]
    pub(crate) fn within_collar(
        &self,
        side: Side,
        order_type: OrderType,
        price: Price,
    ) -> Result<Price, Reason> {
        if self.collar.reference == Reference::None {
            return Ok(price);
        }
        match self.furthest(side) {
            Some(furthest) => self.collared(side, order_type, price, furthest),
            None => Ok(price),
        }
    }

    fn collared(
        &self,
        side: Side,
        order_type: OrderType,
        price: Price,
        furthest: Price,
    ) -> Result<Price, Reason> {
        let is_beyond = |price: Price| match side {
            Side::Buy => price > furthest,
            Side::Sell => price < furthest,
        };
        match order_type {
            OrderType::Limit | OrderType::StopLimit if is_beyond(price) => {
                Err(Reason::PriceBeyondCollar)
            }
            OrderType::Market | OrderType::Stop if price == Price(0) || is_beyond(price) => {
                let within = match side {
                    Side::Buy => furthest.min(self.highest()),
                    Side::Sell => furthest.max(self.terms.price_min),
                };
                let exists = self.has_price(within);
                exists.then_some(within).ok_or(Reason::PriceBeyondCollar)
            }
            OrderType::Limit | OrderType::StopLimit | OrderType::Market | OrderType::Stop => {
                Ok(price)
            }
        }
    }

    /// The worst price within the collar, or `None` without a reference.
    fn furthest(&self, side: Side) -> Option<Price> {
        const MILLION: i128 = 1_000_000;
        let twice = self.twice_the_reference()?;
        let width = i128::from(self.collar.width_ppm);
        let furthest = match side {
            Side::Buy => twice * (MILLION + width) / (2 * MILLION),
            Side::Sell => {
                let numerator = twice * (MILLION - width).max(0);
                (numerator + 2 * MILLION - 1) / (2 * MILLION)
            }
        };
        // Above every price is no bound at all.
        Some(Price(i64::try_from(furthest).unwrap_or(i64::MAX)))
    }

    /// Twice, because the middle may lie between two prices.
    fn twice_the_reference(&self) -> Option<i128> {
        let twice = |price: Price| 2 * i128::from(price.0);
        match self.collar.reference {
            Reference::None => None,
            Reference::LastTrade => Some(twice(self.last_price)).filter(|&price| price != 0),
            Reference::Middle => {
                let (bid, ask) = (self.book.best(Side::Buy)?, self.book.best(Side::Sell)?);
                Some(i128::from(bid.0) + i128::from(ask.0))
            }
            Reference::Set => Some(twice(self.collar.price)),
        }
    }
}

impl Engine {
    pub(crate) fn set_collar(&mut self, command: &SetCollar) -> Result<(), Reason> {
        self.initialised()?;
        let market = self.trading(command.market)?;
        let collar = Collar::of(command);
        if !collar.is_valid() {
            return Err(Reason::InvalidParameter);
        }
        *market.collar = collar;
        Ok(())
    }
}
