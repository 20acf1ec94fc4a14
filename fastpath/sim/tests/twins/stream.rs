//! Streams of commands, as steps that mean something whatever came before them, so that a failing
//! stream still means something with most of its steps taken out.

use crate::{
    pair::{Difference, Frame, Pair},
    world::World,
};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, Flag, MarketId, NewOrder, OrderId, OrderType,
    Price, Qty, SessionId, Side, Source, TimeInForce,
};
use std::fmt;

/// A world and what happens in it.
#[derive(Clone)]
pub(crate) struct Stream {
    /// Before the genesis.
    pub(crate) early: Vec<Step>,
    pub(crate) world: World,
    pub(crate) steps: Vec<Step>,
}

/// A number relative to the source's last one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Next,
    /// So many are left out.
    Skip(u64),
    /// The last one once more.
    Again,
    /// The last one there is: the source is done for.
    Final,
}

/// The order that a cancel or an amendment names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// The n-th live order of the session itself.
    Own(usize),
    /// The n-th live order of anyone.
    Anyone(usize),
    /// By client order id.
    Client(u64),
    /// Any id.
    Id(u64),
}

/// A limit price or, for a market order, what is found in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ticks {
    /// Above the lowest price of the market.
    Above(i64),
    /// So many thousandths of the way from the market's lowest price to its highest.
    Within(i64),
    Exactly(i64),
    /// Of the order that is amended.
    Unchanged,
}

/// How an order is meant: type, time in force, post-only.
pub(crate) type Kind = (OrderType, TimeInForce, Flag);

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    New {
        session: u32,
        number: Number,
        market: u32,
        side: Side,
        kind: Kind,
        price: Ticks,
        qty: u64,
        client: u64,
    },
    /// Many small orders side by side, for sweeps that do not fit a frame.
    Ladder {
        session: u32,
        market: u32,
        side: Side,
        price: i64,
        orders: u64,
    },
    Cancel {
        session: u32,
        number: Number,
        target: Target,
    },
    Amend {
        session: u32,
        number: Number,
        target: Target,
        price: Ticks,
        qty: u64,
    },
    /// Any command from any source that is no session's own business.
    Other {
        source: Source,
        number: Number,
        command: Command,
    },
    /// The clock moves, perhaps back.
    Wait(i64),
    /// The next frame comes when the next thing ends: the grace of a recovery, or a delegation.
    WaitForAnEnd,
}

/// A line for each thing, in the short form and in the long one: a stream is read from top to
/// bottom.
impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "a stream of")?;
        for step in &self.early {
            writeln!(f, "  early {step:?}")?;
        }
        writeln!(f, "  {:?}", self.world.genesis)?;
        for terms in &self.world.markets {
            writeln!(f, "  {terms:?}")?;
        }
        let World {
            assets,
            accounts,
            sessions,
            deposits,
            ..
        } = &self.world;
        writeln!(f, "  {assets} assets, {accounts} accounts")?;
        writeln!(
            f,
            "  sessions of accounts {sessions:?}, deposits {deposits:?}"
        )?;
        for step in &self.steps {
            writeln!(f, "  {step:?}")?;
        }
        Ok(())
    }
}

impl Stream {
    pub(crate) fn run(&self, pair: &mut Pair) -> Result<Vec<Frame>, Difference> {
        let mut frames = Vec::new();
        for step in &self.early {
            frames.extend(step.run(pair)?);
        }
        frames.extend(self.world.set_up(pair)?);
        for step in &self.steps {
            frames.extend(step.run(pair)?);
        }
        pair.check_invariants()?;
        Ok(frames)
    }
}

impl Number {
    fn of(self, source: Source, last: u64) -> u64 {
        match self {
            Self::Skip(count) => last.saturating_add(1 + count),
            Self::Again => last,
            // The sequencer itself must be able to go on.
            Self::Final if source != Source::SEQUENCER => u64::MAX,
            Self::Next | Self::Final => last.saturating_add(1),
        }
    }
}

impl Target {
    fn ids(self, pair: &Pair, session: SessionId) -> (OrderId, ClientOrderId) {
        let nth = |ids: Vec<OrderId>, n: usize| {
            let id = ids.get(n % ids.len().max(1)).copied();
            (id.unwrap_or(OrderId(n as u64)), ClientOrderId(0))
        };
        match self {
            Self::Own(n) => nth(pair.observer.orders_of(session).collect(), n),
            Self::Anyone(n) => nth(pair.observer.live.keys().copied().collect(), n),
            Self::Client(id) => (OrderId::NONE, ClientOrderId(id)),
            Self::Id(id) => (OrderId(id), ClientOrderId(1)),
        }
    }
}

impl Ticks {
    fn price(self, pair: &Pair, market: MarketId, unchanged: Option<Price>) -> Price {
        match self {
            Self::Above(ticks) => {
                let market = pair.observer.markets.get(&market);
                Price(
                    market
                        .map_or(1, |terms| terms.price_min.0)
                        .saturating_add(ticks),
                )
            }
            Self::Within(thousandths) => {
                let market = pair.observer.markets.get(&market);
                Price(market.map_or(1, |terms| {
                    terms.price_min.0 + i64::from(terms.price_levels - 1) * thousandths / 1_000
                }))
            }
            Self::Exactly(price) => Price(price),
            Self::Unchanged => unchanged.unwrap_or(Price(1)),
        }
    }
}

impl Step {
    /// Whether its source can say nothing more after it.
    pub(crate) fn ends_its_source(&self) -> bool {
        match self {
            Self::New { number, .. }
            | Self::Cancel { number, .. }
            | Self::Amend { number, .. }
            | Self::Other { number, .. } => matches!(number, Number::Final),
            Self::Ladder { .. } | Self::Wait(_) | Self::WaitForAnEnd => false,
        }
    }

    fn run(&self, pair: &mut Pair) -> Result<Vec<Frame>, Difference> {
        match self {
            Self::Ladder { orders, .. } => {
                let mut frames = Vec::new();
                for nth in 0..*orders {
                    let (source, number, command) = self.rung(pair, nth);
                    frames.extend(pair.submit(source, number, command)?);
                }
                Ok(frames)
            }
            Self::Wait(span) => {
                pair.clock = pair.clock.saturating_add_signed(*span).min(u64::MAX / 2);
                Ok(Vec::new())
            }
            Self::WaitForAnEnd => {
                if let Some(end) = pair.next_end().filter(|end| *end <= u64::MAX / 2) {
                    pair.clock = end - 1;
                }
                Ok(Vec::new())
            }
            Self::New { .. } | Self::Cancel { .. } | Self::Amend { .. } | Self::Other { .. } => {
                let (source, number, command) = self.request(pair);
                let number = number.of(source, pair.last_number(source));
                pair.submit(source, number, command)
            }
        }
    }

    /// The n-th order of a ladder, with its number as client order id.
    fn rung(&self, pair: &Pair, nth: u64) -> (Source, u64, Command) {
        let Self::Ladder {
            session,
            market,
            side,
            price,
            ..
        } = self
        else {
            panic!("only a ladder has rungs");
        };
        let ticks = price + i64::try_from(nth % 3).expect("small");
        let source = Source::of_session(SessionId(*session));
        let number = pair.last_number(source).saturating_add(1);
        let market_id = MarketId(*market);
        let smallest = pair.observer.markets.get(&market_id);
        let command = Command::NewOrder(NewOrder {
            client_order_id: ClientOrderId(number.saturating_add(1_000)),
            price: Ticks::Above(ticks).price(pair, market_id, None),
            qty: smallest.map_or(Qty(1), |terms| terms.min_qty),
            market: market_id,
            side: *side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            post_only: Flag::No,
        });
        (source, number, command)
    }

    fn request(&self, pair: &Pair) -> (Source, Number, Command) {
        match self {
            Self::New {
                session,
                number,
                market,
                side,
                kind: (order_type, time_in_force, post_only),
                price,
                qty,
                client,
            } => {
                let command = Command::NewOrder(NewOrder {
                    client_order_id: ClientOrderId(*client),
                    price: price.price(pair, MarketId(*market), None),
                    qty: Qty(*qty),
                    market: MarketId(*market),
                    side: *side,
                    order_type: *order_type,
                    time_in_force: *time_in_force,
                    post_only: *post_only,
                });
                (Source::of_session(SessionId(*session)), *number, command)
            }
            Self::Cancel {
                session,
                number,
                target,
            } => {
                let (order_id, client_order_id) = target.ids(pair, SessionId(*session));
                let command = Command::CancelOrder(CancelOrder {
                    order_id,
                    client_order_id,
                });
                (Source::of_session(SessionId(*session)), *number, command)
            }
            Self::Amend {
                session,
                number,
                target,
                price,
                qty,
            } => {
                let (order_id, client_order_id) = target.ids(pair, SessionId(*session));
                let old = pair.observer.book.get(&order_id);
                let market = old.map_or(MarketId(0), |order| order.market);
                let command = Command::AmendOrder(AmendOrder {
                    order_id,
                    client_order_id,
                    price: price.price(pair, market, old.map(|order| order.price)),
                    qty: Qty(*qty),
                });
                (Source::of_session(SessionId(*session)), *number, command)
            }
            Self::Other {
                source,
                number,
                command,
            } => (*source, *number, *command),
            Self::Ladder { .. } | Self::Wait(_) | Self::WaitForAnEnd => {
                panic!("not a single request")
            }
        }
    }
}
