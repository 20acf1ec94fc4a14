//! The order flow of one session: a stated mix of commands, drawn from a seed.
//!
//! It keeps the session's part of the book at its size: orders enter and leave in equal numbers, and
//! takers' fills are made up for.

use crate::random::Random;
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, MarketId, NewOrder, OrderId, OrderType, Price,
    Qty, Side, TimeInForce,
};

/// In percent; the rest enters and cancels passive orders in equal parts.
pub const AMENDS: u64 = 5;
/// In percent.
pub const TAKERS: u64 = 5;
/// Prices on each side of the middle on which orders rest, in ticks.
pub const DEPTH: u64 = 500;
/// Largest quantity of an order, in lots.
pub const LARGEST: u64 = 5;

/// Where to trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The market.
    pub market: MarketId,
    /// The price around which orders rest, in ticks.
    pub middle: i64,
}

#[derive(Clone, Copy, Debug)]
struct Resting {
    client_order_id: ClientOrderId,
    side: Side,
    price: Price,
}

/// What was drawn so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Drawn {
    /// Passive orders.
    pub passive: u64,
    /// Cancellations.
    pub cancels: u64,
    /// Amendments of the quantity.
    pub amends: u64,
    /// Crossing orders, immediate or cancel.
    pub takers: u64,
}

impl std::ops::AddAssign for Drawn {
    fn add_assign(&mut self, other: Self) {
        self.passive += other.passive;
        self.cancels += other.cancels;
        self.amends += other.amends;
        self.takers += other.takers;
    }
}

/// The commands of one session.
#[derive(Clone, Debug)]
pub struct Flow {
    random: Random,
    place: Place,
    next_client_id: u64,
    resting: Vec<Resting>,
    /// Places in `resting`, by the id modulo the length, which is a power of two: ids are consecutive, and an
    /// order that rests while so many others enter is as good as impossible.
    at: Vec<usize>,
    target: usize,
    /// What was drawn so far.
    pub drawn: Drawn,
}

/// How many times as many places as orders rest.
const PLACES: usize = 32;

impl Flow {
    /// A flow that keeps `target` orders resting. Client order ids start at `first_client_id`.
    #[must_use]
    pub fn new(place: Place, target: usize, first_client_id: u64, seed: u64) -> Self {
        Self {
            random: Random(seed),
            place,
            next_client_id: first_client_id.max(1),
            resting: Vec::with_capacity(target * 2),
            at: vec![0; (PLACES * target.max(PLACES)).next_power_of_two()],
            target,
            drawn: Drawn::default(),
        }
    }

    /// Orders that rest, as far as is known.
    #[must_use]
    pub fn resting(&self) -> usize {
        self.resting.len()
    }

    /// An order that fills the book, until it has its size.
    pub fn prefill(&mut self) -> Option<NewOrder> {
        (self.resting.len() < self.target).then(|| self.passive())
    }

    /// The next command of the mix.
    pub fn draw(&mut self) -> Command {
        let dice = self.random.below(100);
        if dice < TAKERS {
            return Command::NewOrder(self.taker());
        }
        if dice < TAKERS + AMENDS && !self.resting.is_empty() {
            return Command::AmendOrder(self.amend());
        }
        // Within a twentieth of its size the book is left to the dice.
        let slack = self.target / 20;
        let enters = if self.resting.len() + slack <= self.target {
            true
        } else if self.resting.len() > self.target + slack {
            false
        } else {
            self.random.below(2) == 0
        };
        if enters || self.resting.is_empty() {
            self.drawn.passive += 1;
            Command::NewOrder(self.passive())
        } else {
            Command::CancelOrder(self.cancel())
        }
    }

    /// An order is reported done: it rests no more.
    pub fn done(&mut self, client_order_id: ClientOrderId) {
        let place = self.place_of(client_order_id);
        let at = self.at[place];
        let rests = self.resting.get(at);
        if rests.is_none_or(|rests| rests.client_order_id != client_order_id) {
            return;
        }
        self.resting.swap_remove(at);
        if let Some(moved) = self.resting.get(at) {
            let place = self.place_of(moved.client_order_id);
            self.at[place] = at;
        }
    }

    fn place_of(&self, client_order_id: ClientOrderId) -> usize {
        let mask = self.at.len() as u64 - 1;
        usize::try_from(client_order_id.0 & mask).expect("below a length")
    }

    fn passive(&mut self) -> NewOrder {
        let side = self.side();
        let distance = 1 + self.random.below(DEPTH).cast_signed();
        let price = Price(match side {
            Side::Buy => self.place.middle - distance,
            Side::Sell => self.place.middle + distance,
        });
        let order = self.order(side, price, TimeInForce::GoodTillCancel);
        let client_order_id = order.client_order_id;
        let place = self.place_of(client_order_id);
        self.at[place] = self.resting.len();
        self.resting.push(Resting {
            client_order_id,
            side,
            price,
        });
        order
    }

    /// Takes whatever rests on the other side, from the best price on.
    fn taker(&mut self) -> NewOrder {
        self.drawn.takers += 1;
        let side = self.side();
        let price = Price(match side {
            Side::Buy => self.place.middle + DEPTH.cast_signed(),
            Side::Sell => self.place.middle - DEPTH.cast_signed(),
        });
        self.order(side, price, TimeInForce::ImmediateOrCancel)
    }

    fn cancel(&mut self) -> CancelOrder {
        self.drawn.cancels += 1;
        let client_order_id = self.any().client_order_id;
        self.done(client_order_id);
        CancelOrder {
            order_id: OrderId::NONE,
            client_order_id,
            qty: Qty::ZERO,
        }
    }

    fn amend(&mut self) -> AmendOrder {
        self.drawn.amends += 1;
        let resting = self.any();
        debug_assert!((resting.side == Side::Buy) == (resting.price.0 < self.place.middle));
        AmendOrder {
            order_id: OrderId::NONE,
            client_order_id: resting.client_order_id,
            price: resting.price,
            qty: self.qty(),
            new_client_order_id: ClientOrderId(0),
        }
    }

    /// Any resting order; there is one.
    fn any(&mut self) -> Resting {
        let some = self.random.below(self.resting.len() as u64);
        self.resting[usize::try_from(some).expect("below a length")]
    }

    fn order(&mut self, side: Side, price: Price, time_in_force: TimeInForce) -> NewOrder {
        let client_order_id = ClientOrderId(self.next_client_id);
        self.next_client_id += 1;
        NewOrder {
            client_order_id,
            price,
            qty: self.qty(),
            market: self.place.market,
            side,
            order_type: OrderType::Limit,
            time_in_force,
            ..NewOrder::PLAIN
        }
    }

    fn qty(&mut self) -> Qty {
        Qty(1 + self.random.below(LARGEST))
    }

    fn side(&mut self) -> Side {
        if self.random.below(2) == 0 {
            Side::Buy
        } else {
            Side::Sell
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        market: MarketId(0),
        middle: 30_000,
    };

    fn filled(seed: u64) -> Flow {
        let mut flow = Flow::new(PLACE, 1_000, 1, seed);
        while flow.prefill().is_some() {}
        flow
    }

    #[test]
    fn the_mix_is_as_stated_and_the_book_keeps_its_size() {
        let mut flow = filled(1);
        assert_eq!(flow.resting(), 1_000);
        for _ in 0..100_000 {
            flow.draw();
            assert!((940..1_060).contains(&flow.resting()));
        }
        let Drawn {
            passive,
            cancels,
            amends,
            takers,
        } = flow.drawn;
        assert_eq!(passive + cancels + amends + takers, 100_000);
        assert!((4_500..5_500).contains(&takers), "{takers}");
        assert!((4_500..5_500).contains(&amends), "{amends}");
        assert!(passive.abs_diff(cancels) <= 60, "{passive} and {cancels}");
    }

    #[test]
    fn passive_orders_never_cross_and_takers_reach_all() {
        let mut flow = filled(2);
        for _ in 0..10_000 {
            let Command::NewOrder(order) = flow.draw() else {
                continue;
            };
            let distance = match order.side {
                Side::Buy => PLACE.middle - order.price.0,
                Side::Sell => order.price.0 - PLACE.middle,
            };
            if order.time_in_force == TimeInForce::ImmediateOrCancel {
                assert_eq!(distance, -500);
            } else {
                assert!((1..=500).contains(&distance));
            }
            assert!((1..=LARGEST).contains(&order.qty.0));
        }
    }

    #[test]
    fn only_orders_that_rest_are_cancelled_or_amended() {
        let mut flow = filled(3);
        // All but one are filled by somebody else.
        for id in 2..=1_000 {
            flow.done(ClientOrderId(id));
        }
        flow.done(ClientOrderId(2));
        flow.done(ClientOrderId(1_000_000));
        assert_eq!(flow.resting(), 1);
        let mut rests = std::collections::BTreeSet::from([ClientOrderId(1)]);
        for _ in 0..20_000 {
            match flow.draw() {
                Command::NewOrder(order) => {
                    if order.time_in_force == TimeInForce::GoodTillCancel {
                        rests.insert(order.client_order_id);
                    }
                }
                Command::CancelOrder(cancel) => assert!(rests.remove(&cancel.client_order_id)),
                Command::AmendOrder(amend) => assert!(rests.contains(&amend.client_order_id)),
                other => panic!("{other:?} is not in the mix"),
            }
        }
        assert_eq!(rests.len(), flow.resting());
    }

    #[test]
    fn a_seed_is_a_flow() {
        let draws = |seed| {
            let mut flow = filled(seed);
            (0..100).map(|_| flow.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draws(4), draws(4));
        assert_ne!(draws(4), draws(5));
    }
}
