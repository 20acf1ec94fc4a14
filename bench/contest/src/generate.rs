//! Makes a workload: a market that moves slowly, orders near it, cancels of the young, and takers.

use crate::command::{Command, Lasting, Workload};
use crate::oracle::Oracle;
use crate::random::{Random, whole};
use domain::Side;

/// Which of the three workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One market of 20,000 live orders.
    Near,
    /// 100 markets of 1,000, the first the busiest.
    Multi,
    /// One market of a million.
    Deep,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Near, Self::Multi, Self::Deep];

    /// As it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Multi => "multi",
            Self::Deep => "deep",
        }
    }

    fn symbols(self) -> u32 {
        match self {
            Self::Near | Self::Deep => 1,
            Self::Multi => 100,
        }
    }

    /// Live orders of a market.
    fn target(self) -> u32 {
        match self {
            Self::Near => 20_000,
            Self::Multi => 1_000,
            Self::Deep => 1_000_000,
        }
    }
}

/// Mixed commands before those that are timed.
const WARM_UP: usize = 500_000;
/// Where the middle of every market begins, ticks.
const MIDDLE: u32 = 32_768;
/// How far it goes from there.
const FARTHEST: u32 = 1_500;
const OWNERS: u32 = 1_000;

/// A workload with so many timed commands.
#[must_use]
pub fn generate(kind: Kind, seed: u64, timed: usize) -> Workload {
    let mut generator = Generator::new(kind, seed);
    for symbol in 0..kind.symbols() {
        for _ in 0..kind.target() {
            generator.add(symbol);
        }
    }
    for _ in 0..WARM_UP {
        generator.mixed();
    }
    let prefix = generator.commands.len();
    for _ in 0..timed {
        generator.mixed();
    }
    Workload {
        symbols: kind.symbols(),
        largest_id: generator.next_id - 1,
        prefix,
        commands: generator.commands,
        outcome: generator.oracle.outcome(),
    }
}

/// A market as the generator sees it.
struct Market {
    middle: u32,
    /// Ids in the order in which they were given.
    ids: Vec<u64>,
    /// Ids that rested when they were last looked at.
    live: Vec<u64>,
}

struct Generator {
    kind: Kind,
    random: Random,
    oracle: Oracle,
    markets: Vec<Market>,
    /// By market: the sum of weights up to it.
    weights: Vec<f64>,
    commands: Vec<Command>,
    next_id: u64,
}

impl Generator {
    fn new(kind: Kind, seed: u64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=kind.symbols()).map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        });
        let market = || Market {
            middle: MIDDLE,
            ids: Vec::new(),
            live: Vec::new(),
        };
        Self {
            kind,
            random: Random::new(seed),
            oracle: Oracle::new(kind.symbols()),
            markets: (0..kind.symbols()).map(|_| market()).collect(),
            weights: weights.collect(),
            commands: Vec::new(),
            next_id: 1,
        }
    }

    /// One command of the mix: 45 adds, 45 cancels, 5 replacements, 5 takers of 100.
    fn mixed(&mut self) {
        let symbol = self.symbol();
        self.move_middle(symbol);
        let live = f64::from(self.oracle.live(symbol)) / f64::from(self.kind.target());
        match self.random.below(100) {
            0..45 if live > 1.1 => self.cancel(symbol),
            0..45 => self.add(symbol),
            45..90 if live < 0.9 => self.add(symbol),
            45..90 => self.cancel(symbol),
            90..95 => self.replace(symbol),
            _ => self.take(symbol),
        }
    }

    fn symbol(&mut self) -> u32 {
        let all = self.weights.last().copied().unwrap_or(1.0);
        let drawn = self.random.unit() * all;
        let place = self.weights.partition_point(|&weight| weight <= drawn);
        u32::try_from(place).expect("there are few markets")
    }

    fn move_middle(&mut self, symbol: u32) {
        if !self.random.chance(1.0 / 200.0) {
            return;
        }
        let up = self.random.chance(0.5);
        let middle = &mut self.markets[symbol as usize].middle;
        let moved = if up { *middle + 1 } else { *middle - 1 };
        *middle = moved.clamp(MIDDLE - FARTHEST, MIDDLE + FARTHEST);
    }

    fn side(&mut self) -> Side {
        if self.random.chance(0.5) {
            Side::Buy
        } else {
            Side::Sell
        }
    }

    /// The best price at which an order of a side neither trades nor is beyond the middle.
    fn anchor(&self, symbol: u32, side: Side) -> u32 {
        let middle = self.markets[symbol as usize].middle;
        let opposite = self.oracle.best(symbol, side.opposite());
        match side {
            Side::Buy => opposite.map_or(middle, |ask| middle.min(ask - 1)),
            Side::Sell => opposite.map_or(middle + 1, |bid| (middle + 1).max(bid + 1)),
        }
    }

    fn distance(&mut self) -> u32 {
        let deep = self.kind == Kind::Deep;
        if self.random.chance(if deep { 0.5 } else { 0.75 }) {
            self.random.geometric(6.0)
        } else if deep {
            self.random.below(20_000)
        } else {
            whole((self.random.unit() * 2_000_f64.ln()).exp().floor())
        }
    }

    fn add(&mut self, symbol: u32) {
        let side = self.side();
        let (anchor, distance) = (self.anchor(symbol, side), self.distance());
        let price = match side {
            Side::Buy => anchor.saturating_sub(distance).max(1),
            Side::Sell => anchor + distance,
        };
        let qty = 1 + self.random.below(100);
        let lasting = if self.random.chance(0.1) {
            Lasting::PostOnly
        } else {
            Lasting::Stays
        };
        self.enter(symbol, side, lasting, price, qty);
    }

    fn take(&mut self, symbol: u32) {
        let best = Side::Buy.opposite();
        let (bid, ask) = (
            self.oracle.best(symbol, Side::Buy),
            self.oracle.best(symbol, best),
        );
        let Some((bid, ask)) = bid.zip(ask) else {
            return self.add(symbol);
        };
        let middle = f64::from(self.markets[symbol as usize].middle) + 0.5;
        let middle_of_book = f64::midpoint(f64::from(bid), f64::from(ask));
        let pull = ((middle - middle_of_book) / 8.0).clamp(-0.4, 0.4);
        let through = self.random.below(3);
        let (side, price) = if self.random.chance(0.5 + pull) {
            (Side::Buy, ask + through)
        } else {
            (Side::Sell, bid.saturating_sub(through).max(1))
        };
        let qty = 1 + self.random.below(200);
        let lasting = match self.random.below(100) {
            0..35 => Lasting::Stays,
            35..80 => Lasting::AtOnce,
            80..90 => Lasting::AllOrNothing,
            _ => Lasting::Market,
        };
        self.enter(symbol, side, lasting, price, qty);
    }

    fn cancel(&mut self, symbol: u32) {
        match self.target(symbol) {
            Some(id) => {
                let owner = owner_of(id);
                self.push(Command::cancel(id).of(symbol, owner));
            }
            None => self.add(symbol),
        }
    }

    /// Another price without trading, in four of five cases, and another quantity.
    fn replace(&mut self, symbol: u32) {
        let target = self.target(symbol);
        let order = target.and_then(|id| Some((id, self.oracle.order(id)?)));
        let Some((id, order)) = order else {
            return self.add(symbol);
        };
        let mut price = order.price;
        if self.random.chance(0.8) {
            let ticks = 1 + self.random.below(3);
            price = if self.random.chance(0.5) {
                price + ticks
            } else {
                price.saturating_sub(ticks).max(1)
            };
        }
        let opposite = self.oracle.best(symbol, order.side.opposite());
        price = match (order.side, opposite) {
            (Side::Buy, Some(ask)) => price.min(ask - 1),
            (Side::Sell, Some(bid)) => price.max(bid + 1),
            (_, None) => price,
        };
        let qty = 1 + self.random.below(100);
        self.push(Command::replace(id, price, qty).of(symbol, owner_of(id)));
    }

    /// An order that rests: mostly a young one.
    fn target(&mut self, symbol: u32) -> Option<u64> {
        let is_young = self.random.chance(0.8);
        let market = &mut self.markets[symbol as usize];
        for _ in 0..if is_young { 4 } else { 0 } {
            let back = self.random.geometric(256.0) as usize + 1;
            let id = market.ids.len().checked_sub(back).map(|at| market.ids[at]);
            if let Some(id) = id.filter(|id| self.oracle.order(*id).is_some()) {
                return Some(id);
            }
        }
        while !market.live.is_empty() {
            let count = u32::try_from(market.live.len()).expect("there are fewer than 2^32");
            let at = self.random.below(count) as usize;
            let id = market.live[at];
            if self.oracle.order(id).is_some() {
                return Some(id);
            }
            market.live.swap_remove(at);
        }
        None
    }

    fn enter(&mut self, symbol: u32, side: Side, lasting: Lasting, price: u32, qty: u32) {
        let id = self.next_id;
        self.next_id += 1;
        self.push(Command::new(id, side, lasting, price, qty).of(symbol, owner_of(id)));
        let market = &mut self.markets[symbol as usize];
        market.ids.push(id);
        if self.oracle.order(id).is_some() {
            market.live.push(id);
        }
    }

    fn push(&mut self, command: Command) {
        self.oracle
            .apply(&command)
            .expect("what is generated means something");
        self.commands.push(command);
    }
}

/// Whoever entered an order, changes it.
fn owner_of(id: u64) -> u32 {
    let mixed = Random::new(id).below(OWNERS);
    1 + mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_a_function_of_kind_and_seed() {
        let one = generate(Kind::Multi, 1, 1_000);
        assert_eq!(one, generate(Kind::Multi, 1, 1_000));
        assert_ne!(one.outcome, generate(Kind::Multi, 2, 1_000).outcome);
        assert_eq!(one.prefix, 100 * 1_000 + WARM_UP);
        assert_eq!(one.commands.len(), one.prefix + 1_000);
    }

    #[test]
    fn the_market_stays_as_large_as_it_is_meant_to_be_and_trades() {
        let workload = generate(Kind::Near, 3, 100_000);
        let mut oracle = Oracle::new(1);
        let mut refused = 0;
        for command in &workload.commands {
            refused += u32::from(!oracle.apply(command).unwrap());
        }
        assert_eq!(oracle.outcome(), workload.outcome);
        assert!(
            (17_000..23_000).contains(&oracle.live(0)),
            "{}",
            oracle.live(0)
        );
        assert!(workload.outcome.trades > 20_000, "{:?}", workload.outcome);
        assert!(refused < 10_000, "{refused}");
    }
}
