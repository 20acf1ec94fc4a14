//! The worst frame of the whole engine, where prices go far: the same sequence again and again, of each frame the
//! shortest time, of these the longest.
//!
//! What a machine does beside it hits another frame each time; what the engine does itself hits the same.

use domain::{
    AccountId, Amount, AssetId, CancelOrder, ClientOrderId, Command, Continue, CreateAccount,
    CreateAsset, CreateMarket, Delegation, Deposit, Effects, FirmId, Gate, Genesis, MarketId,
    MarketState, Nanos, NewOrder, OpenSession, OrderId, Price, Qty, Request, Seq, SessionId, Side,
    Source, Stamp, TimeInForce, Zero,
};
use engine::Engine;
use std::time::{Duration, Instant};

/// As tables call it.
pub const NAME: &str = "sluice, worst frames";
/// What no frame should take, ns.
pub const GOAL: u64 = 20_000;
/// Prices of the market.
const PRICES: u32 = 1 << 26;
const HIGHEST: i64 = PRICES as i64;
/// Of each asset, base units.
const FUNDS: u64 = 1 << 60;
/// Each at a price of its own.
const MILLION: i64 = 1_000_000;

/// Where prices go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Orders come and go at both ends of the range, around a book in its middle.
    FarAway,
    /// A book of 2,000 prices is taken away, and stands again where the market is 50 % higher or lower.
    Gap,
    /// An order at each of a million prices: entered out of order, a third cancelled, the others swept.
    Million,
}

/// What a shape came to.
#[derive(Clone, Debug)]
pub struct Worst {
    /// In words.
    pub name: &'static str,
    /// In a repetition.
    pub frames: usize,
    /// Repetitions.
    pub repetitions: usize,
    /// Of each frame the shortest time, ns, in ascending order.
    pub times: Vec<u64>,
}

impl Worst {
    /// The time that so many frames in a thousand take at most, ns.
    #[must_use]
    pub fn at(&self, per_mille: usize) -> u64 {
        let last = self.times.len().saturating_sub(1);
        let place = (last * per_mille).div_ceil(1_000);
        self.times.get(place.min(last)).copied().unwrap_or(0)
    }
}

impl Shape {
    /// All.
    pub const ALL: [Self; 3] = [Self::FarAway, Self::Gap, Self::Million];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FarAway => "a price far away",
            Self::Gap => "a market that gaps 50 %",
            Self::Million => "a million prices",
        }
    }

    /// Orders at a time, at most.
    fn orders(self) -> u32 {
        match self {
            Self::FarAway | Self::Gap => 4_096,
            Self::Million => 1 << 20,
        }
    }

    fn script(self) -> Vec<(u32, Command)> {
        let mut script = Script::default();
        match self {
            Self::FarAway => script.far_away(),
            Self::Gap => script.gap(),
            Self::Million => script.million(),
        }
        script.commands
    }

    /// Runs it so many times.
    #[must_use]
    pub fn worst(self, repetitions: usize) -> Worst {
        let script = self.script();
        let mut shortest = Vec::new();
        for _ in 0..repetitions.max(1) {
            let times = Stage::set(self.orders()).play(&script);
            shortest.resize(times.len(), Duration::MAX);
            for (shortest, time) in shortest.iter_mut().zip(times) {
                *shortest = time.min(*shortest);
            }
        }
        let ns = |time: &Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mut times: Vec<u64> = shortest.iter().map(ns).collect();
        times.sort_unstable();
        Worst {
            name: self.name(),
            frames: times.len(),
            repetitions: repetitions.max(1),
            times,
        }
    }
}

/// What is sent, and by which session.
#[derive(Default)]
struct Script {
    commands: Vec<(u32, Command)>,
    next: u64,
}

impl Script {
    fn order(&mut self, session: u32, side: Side, price: i64, qty: u64) -> u64 {
        self.next += 1;
        let order = NewOrder {
            client_order_id: ClientOrderId(self.next),
            price: Price(price),
            qty: Qty(qty),
            market: MarketId(0),
            side,
            ..NewOrder::PLAIN
        };
        self.commands.push((session, Command::NewOrder(order)));
        self.next
    }

    fn take(&mut self, side: Side, price: i64, qty: u64) {
        self.order(1, side, price, qty);
        if let Some((_, Command::NewOrder(order))) = self.commands.last_mut() {
            order.time_in_force = TimeInForce::ImmediateOrCancel;
        }
    }

    fn cancel(&mut self, session: u32, id: u64) {
        let cancel = CancelOrder {
            order_id: OrderId::NONE,
            client_order_id: ClientOrderId(id),
            qty: Qty::ZERO,
        };
        self.commands.push((session, Command::CancelOrder(cancel)));
    }

    /// A book of so many prices a side.
    fn book(&mut self, middle: i64, prices: i64) -> Vec<(u32, u64)> {
        let both = (1..=prices).flat_map(|away| [(Side::Buy, -away), (Side::Sell, away)]);
        both.map(|(side, away)| (0, self.order(0, side, middle + away, 5)))
            .collect()
    }

    fn far_away(&mut self) {
        let book = self.book(HIGHEST / 2, 500);
        for round in 0..2_000 {
            let low = self.order(0, Side::Buy, 1 + round * 97, 1);
            let high = self.order(0, Side::Sell, HIGHEST - round * 97, 1);
            self.cancel(0, low);
            self.cancel(0, high);
        }
        // Without the book in the middle the ends are the best prices, and the next is all the way across.
        for (session, id) in book {
            self.cancel(session, id);
        }
        for round in 0..2_000 {
            self.order(0, Side::Sell, HIGHEST - round * 97, 1);
            self.order(0, Side::Sell, 1 + round * 97, 1);
            self.take(Side::Buy, HIGHEST, 2);
        }
    }

    fn gap(&mut self) {
        let low = HIGHEST / 4;
        for middle in [low, low * 3 / 2, low, low * 3 / 2] {
            let book = self.book(middle, 1_000);
            self.take(Side::Buy, middle + 400, 1_000);
            self.take(Side::Sell, middle - 400, 1_000);
            for (session, id) in book {
                self.cancel(session, id);
            }
        }
    }

    fn million(&mut self) {
        // Coprime to their number: every price comes once, far from the one before.
        let price = |number: i64| 1 + number * 611_953 % MILLION;
        let ids: Vec<u64> = (0..MILLION)
            .map(|number| self.order(0, Side::Sell, price(number), 1))
            .collect();
        for id in ids.iter().step_by(3) {
            self.cancel(0, *id);
        }
        for _ in 0..700 {
            self.take(Side::Buy, MILLION, 1_000);
        }
    }
}

/// An engine with a market, and two accounts with a session each.
struct Stage {
    engine: Engine,
    effects: Effects,
    seq: u64,
    numbers: [u64; 2],
}

impl Stage {
    fn set(orders: u32) -> Self {
        let mut stage = Self {
            engine: Engine::new(),
            effects: Effects::new(),
            seq: 0,
            numbers: [0; 2],
        };
        for (number, command) in (1..).zip(administration(orders)) {
            stage.send(Source::ADMINISTRATION, number, command);
        }
        for (number, (account, asset)) in (1..).zip([(0, 0), (0, 1), (1, 0), (1, 1)]) {
            let deposit = Deposit {
                account: AccountId(account),
                asset: AssetId(asset),
                amount: Amount(FUNDS),
            };
            stage.send(Source::DEPOSITS, number, Command::Deposit(deposit));
        }
        stage
    }

    /// The time of one frame.
    fn send(&mut self, source: Source, source_seq: u64, command: Command) -> Duration {
        self.seq += 1;
        let request = Request {
            source,
            source_seq,
            receive_time: Nanos(self.seq),
            command,
        };
        let stamp = Stamp {
            seq: Seq(self.seq),
            time: Nanos(self.seq),
        };
        let start = Instant::now();
        self.engine.apply(stamp, &request, &mut self.effects);
        start.elapsed()
    }

    /// The time of each frame, those of work that goes on too.
    fn play(&mut self, script: &[(u32, Command)]) -> Vec<Duration> {
        let mut times = Vec::with_capacity(script.len() * 2);
        for (session, command) in script {
            let number = &mut self.numbers[*session as usize];
            *number += 1;
            let number = *number;
            times.push(self.send(Source::of_session(SessionId(*session)), number, *command));
            while let Some(order_id) = self.engine.pending_work() {
                let number = self.engine.last_number(Source::SEQUENCER) + 1;
                let rest = Command::Continue(Continue { order_id });
                times.push(self.send(Source::SEQUENCER, number, rest));
            }
        }
        times
    }
}

fn administration(orders: u32) -> Vec<Command> {
    let asset = |id| {
        Command::CreateAsset(CreateAsset {
            asset: AssetId(id),
            decimals: 0,
            pad: [Zero::Zero; 3],
            symbol: [b'A'; 16],
        })
    };
    let genesis = Genesis {
        max_assets: 2,
        max_markets: 1,
        max_accounts: 2,
        max_sessions: 2,
        max_orders: orders,
        max_levels: PRICES,
        max_pages: Genesis::enough_pages(orders.min(1 << 16), 1, PRICES),
        pad: [Zero::Zero; 4],
    };
    let market = CreateMarket {
        market: MarketId(0),
        base: AssetId(0),
        quote: AssetId(1),
        maker_fee_ppm: 100,
        taker_fee_ppm: 300,
        price_levels: PRICES,
        tick_value: 1,
        lot_size: 1,
        min_qty: Qty(1),
        price_min: Price(1),
        symbol: [b'M'; 16],
        state: MarketState::Continuous,
        pad: [Zero::Zero; 7],
    };
    let owners = (0..2).flat_map(|owner| {
        let account = CreateAccount {
            account: AccountId(owner),
            firm: FirmId(0),
            owner: [0; 32],
        };
        let session = OpenSession {
            session: SessionId(owner),
            account: AccountId(owner),
            delegation: Delegation::unlimited([0; 32]),
            gate: Gate::Port,
            pad: [Zero::Zero; 7],
        };
        [
            Command::CreateAccount(account),
            Command::OpenSession(session),
        ]
    });
    let market = Command::CreateMarket(market);
    [Command::Genesis(genesis), asset(0), asset(1), market]
        .into_iter()
        .chain(owners)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_a_shape_is_taken_and_goes() {
        for shape in [Shape::FarAway, Shape::Gap] {
            let mut stage = Stage::set(shape.orders());
            let script = shape.script();
            let frames = stage.play(&script).len();
            assert!(frames >= script.len(), "{shape:?}");
            assert_eq!(stage.engine.live_orders(), 0, "{shape:?}");
        }
    }

    #[test]
    fn of_each_frame_the_shortest_time_counts() {
        let worst = Shape::Gap.worst(2);
        assert_eq!(worst.frames, worst.times.len());
        assert!(worst.at(500) <= worst.at(1_000));
        assert_eq!(worst.times.last(), Some(&worst.at(1_000)));
    }
}
