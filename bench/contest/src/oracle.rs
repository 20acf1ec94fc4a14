//! What is right: the plainest book that could be.

use crate::checksum::Outcome;
use crate::command::{Command, Lasting, Op, place_of};
use domain::Side;
use std::collections::{BTreeMap, VecDeque};

/// An order that rests.
#[derive(Clone, Copy, Debug)]
pub struct Resting {
    /// Which market.
    pub symbol: u32,
    /// Buy or sell.
    pub side: Side,
    /// Ticks.
    pub price: u32,
    /// Lots that can trade.
    pub qty: u32,
}

/// Prices and their queues of ids.
type Queues = BTreeMap<u32, VecDeque<u64>>;

/// Books of several markets. Every step is as the rule is said, not as it is fast.
#[derive(Debug, Default)]
pub struct Oracle {
    bids: Vec<Queues>,
    asks: Vec<Queues>,
    /// By id.
    orders: Vec<Option<Resting>>,
    /// By market: how many rest.
    live: Vec<u32>,
    outcome: Outcome,
}

/// A command whose numbers mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaningless;

impl Oracle {
    /// Without orders.
    #[must_use]
    pub fn new(symbols: u32) -> Self {
        let books = symbols as usize;
        Self {
            bids: vec![Queues::new(); books],
            asks: vec![Queues::new(); books],
            live: vec![0; books],
            ..Self::default()
        }
    }

    /// What came of all so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The order with this id, if it rests.
    #[must_use]
    pub fn order(&self, id: u64) -> Option<Resting> {
        self.orders.get(place_of(id)).copied().flatten()
    }

    /// How many orders of a market rest.
    #[must_use]
    pub fn live(&self, symbol: u32) -> u32 {
        self.live[symbol as usize]
    }

    /// The best price of a side.
    #[must_use]
    pub fn best(&self, symbol: u32, side: Side) -> Option<u32> {
        let at = symbol as usize;
        match side {
            Side::Buy => self.bids[at].last_key_value().map(|(price, _)| *price),
            Side::Sell => self.asks[at].first_key_value().map(|(price, _)| *price),
        }
    }

    /// Takes a command. True unless it was refused: a dead id, a post-only that would trade, an
    /// all-or-nothing that cannot be filled.
    ///
    /// # Errors
    /// If it says nothing that there is, a market beyond the last, or an id beyond 2^32.
    pub fn apply(&mut self, command: &Command) -> Result<bool, Meaningless> {
        let op = command.op().ok_or(Meaningless)?;
        let fits = (command.symbol as usize) < self.bids.len() && command.id < 1 << 32;
        if !fits {
            return Err(Meaningless);
        }
        match op {
            Op::New => {
                let (side, lasting) = (command.side(), command.lasting());
                let (side, lasting) = side.zip(lasting).ok_or(Meaningless)?;
                Ok(self.enter(command, side, lasting))
            }
            Op::Cancel => Ok(self.take_away(command.id).is_some()),
            Op::Replace => {
                let Some(order) = self.take_away(command.id) else {
                    return Ok(false);
                };
                let again = command.of(order.symbol, command.owner);
                Ok(self.enter(&again, order.side, Lasting::Stays))
            }
        }
    }

    fn enter(&mut self, command: &Command, side: Side, lasting: Lasting) -> bool {
        let (symbol, mut left) = (command.symbol, command.qty);
        let limit = (lasting != Lasting::Market).then_some(command.price);
        match lasting {
            Lasting::PostOnly if self.crossing(symbol, side, limit).is_some() => return false,
            Lasting::AllOrNothing if self.available(symbol, side, limit) < u64::from(left) => {
                return false;
            }
            Lasting::Stays
            | Lasting::AtOnce
            | Lasting::AllOrNothing
            | Lasting::Market
            | Lasting::PostOnly => {}
        }
        while left > 0
            && let Some(price) = self.crossing(symbol, side, limit)
        {
            left -= self.trade(symbol, side, price, command.id, left);
        }
        if left > 0 && matches!(lasting, Lasting::Stays | Lasting::PostOnly) {
            let order = Resting {
                symbol,
                side,
                price: command.price,
                qty: left,
            };
            self.rest(command.id, order);
        }
        true
    }

    /// The best price with which an order would trade.
    fn crossing(&self, symbol: u32, side: Side, limit: Option<u32>) -> Option<u32> {
        self.best(symbol, side.opposite())
            .filter(|&best| goes_as_far(side, limit, best))
    }

    /// The lots with which it would.
    fn available(&self, symbol: u32, side: Side, limit: Option<u32>) -> u64 {
        let queues = self.queues(symbol, side.opposite());
        let crossing = queues
            .iter()
            .filter(|(price, _)| goes_as_far(side, limit, **price));
        let ids = crossing.flat_map(|(_, queue)| queue);
        ids.map(|id| u64::from(self.order(*id).map_or(0, |order| order.qty)))
            .sum()
    }

    /// Trades with the first order of a price; gives the lots.
    fn trade(&mut self, symbol: u32, side: Side, price: u32, taker: u64, left: u32) -> u32 {
        let queue = self.queues_mut(symbol, side.opposite()).get_mut(&price);
        let maker = queue.and_then(|queue| queue.front().copied());
        let maker = maker.expect("a price has orders");
        let order = self.orders[place_of(maker)].as_mut().expect("it rests");
        let qty = left.min(order.qty);
        order.qty -= qty;
        let is_done = order.qty == 0;
        self.outcome.trade(maker, taker, price, qty);
        if is_done {
            self.take_away(maker);
        }
        qty
    }

    fn rest(&mut self, id: u64, order: Resting) {
        let place = place_of(id);
        if self.orders.len() <= place {
            self.orders.resize(place + 1, None);
        }
        self.orders[place] = Some(order);
        self.live[order.symbol as usize] += 1;
        let queues = self.queues_mut(order.symbol, order.side);
        queues.entry(order.price).or_default().push_back(id);
    }

    fn take_away(&mut self, id: u64) -> Option<Resting> {
        let order = self.orders.get_mut(place_of(id))?.take()?;
        self.live[order.symbol as usize] -= 1;
        let queues = self.queues_mut(order.symbol, order.side);
        let queue = queues.get_mut(&order.price).expect("an order has a queue");
        let place = queue.iter().position(|it| *it == id);
        queue.remove(place.expect("it stands in its queue"));
        if queue.is_empty() {
            queues.remove(&order.price);
        }
        Some(order)
    }

    fn queues(&self, symbol: u32, side: Side) -> &Queues {
        match side {
            Side::Buy => &self.bids[symbol as usize],
            Side::Sell => &self.asks[symbol as usize],
        }
    }

    fn queues_mut(&mut self, symbol: u32, side: Side) -> &mut Queues {
        match side {
            Side::Buy => &mut self.bids[symbol as usize],
            Side::Sell => &mut self.asks[symbol as usize],
        }
    }
}

fn goes_as_far(side: Side, limit: Option<u32>, price: u32) -> bool {
    limit.is_none_or(|limit| match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Lasting = Lasting::Stays;

    fn after(commands: &[Command]) -> (Oracle, Vec<bool>) {
        let mut oracle = Oracle::new(1);
        let taken = commands.iter().map(|it| oracle.apply(it).unwrap());
        let taken = taken.collect();
        (oracle, taken)
    }

    #[test]
    fn price_then_time_decides() {
        let (oracle, _) = after(&[
            Command::new(1, Side::Sell, S, 101, 5),
            Command::new(2, Side::Sell, S, 100, 5),
            Command::new(3, Side::Sell, S, 100, 5),
            Command::new(4, Side::Buy, S, 101, 12),
        ]);
        let mut expected = Outcome::default();
        expected.trade(2, 4, 100, 5);
        expected.trade(3, 4, 100, 5);
        expected.trade(1, 4, 101, 2);
        assert_eq!(oracle.outcome(), expected);
        assert_eq!(oracle.order(1).unwrap().qty, 3);
        assert!(oracle.order(4).is_none());
    }

    #[test]
    fn a_replaced_order_is_last_in_its_queue() {
        let (oracle, taken) = after(&[
            Command::new(1, Side::Sell, S, 100, 5),
            Command::new(2, Side::Sell, S, 100, 5),
            Command::replace(1, 100, 5),
            Command::new(3, Side::Buy, S, 100, 6),
            Command::replace(9, 100, 5),
            Command::cancel(2),
        ]);
        let mut expected = Outcome::default();
        expected.trade(2, 3, 100, 5);
        expected.trade(1, 3, 100, 1);
        assert_eq!(oracle.outcome(), expected);
        assert_eq!(taken, [true, true, true, true, false, false]);
    }

    #[test]
    fn orders_that_do_not_rest() {
        let (oracle, taken) = after(&[
            Command::new(1, Side::Buy, S, 100, 5),
            Command::new(2, Side::Sell, Lasting::PostOnly, 100, 1),
            Command::new(3, Side::Sell, Lasting::AllOrNothing, 100, 6),
            Command::new(4, Side::Sell, Lasting::AtOnce, 101, 5),
            Command::new(5, Side::Sell, Lasting::Market, 4_000, 9),
        ]);
        let mut expected = Outcome::default();
        expected.trade(1, 5, 100, 5);
        assert_eq!(oracle.outcome(), expected);
        assert_eq!(taken, [true, false, false, true, true]);
        assert_eq!(oracle.best(0, Side::Sell), None);
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused() {
        let mut oracle = Oracle::new(1);
        let mut strange = Command::cancel(1);
        strange = strange.of(1, 0);
        assert_eq!(oracle.apply(&strange), Err(Meaningless));
        assert_eq!(oracle.apply(&Command::cancel(1 << 32)), Err(Meaningless));
    }
}
