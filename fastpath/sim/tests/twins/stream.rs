//! Streams of commands, as steps that mean something whatever came before them, so that a failing
//! stream still means something with most of its steps taken out.

use crate::{
    attestations, operator,
    pair::{Difference, Frame, Pair},
    world::World,
};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, Flag, KillSwitch, MarketId, MarketState,
    MassCancel, Nanos, NewOrder, OrderId, OrderType, PostOnly, Price, Qty, Quote, Scope, SelfTrade,
    SelfTradeScope, SessionId, SetCollar, Side, Source, TimeInForce, Timer, Zero,
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
pub(crate) type Kind = (OrderType, TimeInForce, PostOnly);

/// What an order asks for beyond its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) min_qty: u64,
    pub(crate) self_trade: SelfTrade,
    pub(crate) scope: SelfTradeScope,
    /// Lots that the book shows; 0: all.
    pub(crate) display: u64,
    /// From now, if it ends.
    pub(crate) ends_in: Option<u64>,
    pub(crate) trigger: Option<Ticks>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    New {
        session: u32,
        number: Number,
        market: u32,
        side: Side,
        kind: Kind,
        wish: Wish,
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
    /// As many that end all at once: soon, or when the market closes.
    Ending {
        session: u32,
        market: u32,
        side: Side,
        orders: u64,
        by_close: bool,
    },
    /// A ladder as long as a look ahead may be, and an order that wants so many lots of it.
    Wall {
        session: u32,
        market: u32,
        side: Side,
        orders: u64,
        taker: u32,
        wish: Wish,
    },
    /// All of an order, or so many lots of it.
    Cancel {
        session: u32,
        number: Number,
        target: Target,
        qty: u64,
    },
    Amend {
        session: u32,
        number: Number,
        target: Target,
        price: Ticks,
        qty: u64,
        renamed: u64,
    },
    /// What a session bids and asks.
    Quote {
        session: u32,
        number: Number,
        /// Without prices.
        command: Quote,
        /// Of the bid and of the ask.
        prices: [Ticks; 2],
    },
    MassCancel {
        source: Source,
        number: Number,
        command: MassCancel,
        /// Lowest and highest price.
        bounds: [Option<Ticks>; 2],
    },
    /// So many kill switches of firms are turned on, one after the other.
    Switches(u32),
    /// Any command from any source that is no session's own business.
    Other {
        source: Source,
        number: Number,
        command: Command,
    },
    /// What lies so far behind what a session has entered is confirmed to be attested.
    Confirm { session: u32, behind: u64 },
    /// A collar around a price that is set.
    Collar { command: SetCollar, price: Ticks },
    /// A market is called and opens again, or closes, with bids and asks that came in between: of a session, so
    /// many, around a price.
    Call {
        market: u32,
        call: MarketState,
        end: MarketState,
        bids: (u32, u64, i64),
        asks: (u32, u64, i64),
    },
    /// The clock moves, perhaps back.
    Wait(i64),
    /// The next frame comes when the next thing ends: the grace of a recovery, a delegation, or an order.
    WaitForAnEnd,
    /// And it is a `Timer`.
    End,
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
            decimals,
            settings,
            first,
            ..
        } = &self.world;
        writeln!(
            f,
            "  {assets} assets of decimals {decimals:?}, {accounts} accounts"
        )?;
        for command in first.iter().chain(settings) {
            writeln!(f, "  {command:?}")?;
        }
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

/// Of the n-th order of a ladder, above its first.
fn rung_price(nth: u64) -> i64 {
    i64::try_from(nth % 3).expect("small")
}

/// An order of a ladder, so many ticks above the lowest price, with its number in its client order id.
fn rung(pair: &Pair, session: u32, market: u32, side: Side, ticks: i64) -> Command {
    let number = pair.last_number(Source::of_session(SessionId(session)));
    let market = MarketId(market);
    let smallest = pair.observer.markets.get(&market);
    Command::NewOrder(NewOrder {
        client_order_id: ClientOrderId(number.saturating_add(1_001)),
        price: Ticks::Above(ticks).price(pair, market, None),
        qty: smallest.map_or(Qty(1), |terms| terms.min_qty),
        market,
        side,
        ..NewOrder::PLAIN
    })
}

/// The same order, until a time or the close.
fn ending(order: Command, end: Option<u64>) -> Command {
    let Command::NewOrder(order) = order else {
        panic!("only orders end");
    };
    Command::NewOrder(NewOrder {
        time_in_force: match end {
            Some(_) => TimeInForce::GoodTillTime,
            None => TimeInForce::GoodTillClose,
        },
        expires: Nanos(end.unwrap_or(0)),
        ..order
    })
}

fn switch_of_firm(firm: u32) -> Command {
    Command::KillSwitch(KillSwitch {
        request: 0,
        target: firm,
        scope: Scope::Firm,
        on: Flag::Yes,
        pad: [Zero::Zero; 2],
    })
}

impl Step {
    /// Whether its source can say nothing more after it.
    pub(crate) fn ends_its_source(&self) -> bool {
        match self {
            Self::New { number, .. }
            | Self::Cancel { number, .. }
            | Self::Amend { number, .. }
            | Self::Quote { number, .. }
            | Self::MassCancel { number, .. }
            | Self::Other { number, .. } => matches!(number, Number::Final),
            Self::Ladder { .. }
            | Self::Ending { .. }
            | Self::Confirm { .. }
            | Self::Collar { .. }
            | Self::Call { .. }
            | Self::Wall { .. }
            | Self::Switches(_)
            | Self::Wait(_)
            | Self::WaitForAnEnd
            | Self::End => false,
        }
    }

    /// Whether its market, or all of the exchange, takes no orders any more after it.
    pub(crate) fn ends_trading(&self) -> bool {
        let Self::Other { command, .. } = self else {
            return false;
        };
        let waits_for_ever =
            matches!(command, Command::Recovered(recovered) if recovered.grace == Nanos(u64::MAX));
        waits_for_ever || matches!(command, Command::DelistMarket(_))
    }

    fn run(&self, pair: &mut Pair) -> Result<Vec<Frame>, Difference> {
        let mut frames = Vec::new();
        match self {
            Self::Ladder { .. } | Self::Ending { .. } | Self::Wall { .. } | Self::Switches(_) => {
                frames.extend(self.run_crowd(pair)?);
            }
            Self::Call {
                market,
                call,
                end,
                bids,
                asks,
            } => {
                for part in operator::parts_of_call(*market, [*call, *end], *bids, *asks) {
                    frames.extend(part.run(pair)?);
                }
            }
            Self::Wait(span) => {
                pair.clock = pair.clock.saturating_add_signed(*span).min(u64::MAX / 2);
            }
            Self::End => {
                frames.extend(Self::WaitForAnEnd.run(pair)?);
                let source = Source::SEQUENCER;
                let number = pair.last_number(source).saturating_add(1);
                let deadline = pair.fast().next_deadline().unwrap_or(Nanos(0));
                let timer = Command::Timer(Timer { deadline });
                frames.extend(pair.submit(source, number, timer)?);
            }
            Self::WaitForAnEnd => {
                if let Some(end) = pair.next_end().filter(|end| *end <= u64::MAX / 2) {
                    pair.clock = end - 1;
                }
            }
            Self::New { .. }
            | Self::Cancel { .. }
            | Self::Amend { .. }
            | Self::Confirm { .. }
            | Self::Collar { .. }
            | Self::Quote { .. }
            | Self::MassCancel { .. }
            | Self::Other { .. } => {
                let (source, number, command) = self.request(pair);
                let number = number.of(source, pair.last_number(source));
                frames.extend(pair.submit(source, number, command)?);
            }
        }
        Ok(frames)
    }

    /// Many commands that are much alike.
    fn run_crowd(&self, pair: &mut Pair) -> Result<Vec<Frame>, Difference> {
        let mut frames = Vec::new();
        match self {
            Self::Ladder {
                session,
                market,
                side,
                price,
                orders,
            } => {
                for nth in 0..*orders {
                    let rung = rung(pair, *session, *market, *side, price + rung_price(nth));
                    frames.extend(pair.submit_next(*session, rung)?);
                }
            }
            Self::Ending {
                session,
                market,
                side,
                orders,
                by_close,
            } => {
                let end = pair.clock.saturating_add(2 * orders);
                let lowest = if *side == Side::Buy { 0 } else { 3 };
                for nth in 0..*orders {
                    let rung = rung(pair, *session, *market, *side, lowest + rung_price(nth));
                    let rung = ending(rung, (!by_close).then_some(end));
                    frames.extend(pair.submit_next(*session, rung)?);
                }
            }
            Self::Wall {
                session,
                market,
                side,
                orders,
                ..
            } => {
                for nth in 0..*orders {
                    let rung = rung(pair, *session, *market, *side, 2 + rung_price(nth));
                    frames.extend(pair.submit_next(*session, rung)?);
                }
                let (taker, breach) = self.breach(pair);
                frames.extend(pair.submit_next(taker, breach)?);
            }
            Self::Switches(count) => {
                for firm in 1..=*count {
                    let source = Source::ADMINISTRATION;
                    let number = pair.last_number(source).saturating_add(1);
                    frames.extend(pair.submit(source, number, switch_of_firm(1_000 + firm))?);
                }
            }
            Self::New { .. }
            | Self::Cancel { .. }
            | Self::Amend { .. }
            | Self::Quote { .. }
            | Self::MassCancel { .. }
            | Self::Other { .. }
            | Self::Confirm { .. }
            | Self::Collar { .. }
            | Self::Call { .. }
            | Self::Wait(_)
            | Self::WaitForAnEnd
            | Self::End => panic!("not a crowd"),
        }
        Ok(frames)
    }

    /// The order that wants the lots of a wall, and whose it is.
    fn breach(&self, pair: &Pair) -> (u32, Command) {
        let Self::Wall {
            market,
            side,
            orders,
            taker,
            wish,
            ..
        } = self
        else {
            panic!("only a wall is breached");
        };
        let market_id = MarketId(*market);
        let smallest = pair.observer.markets.get(&market_id);
        let qty = orders * smallest.map_or(1, |terms| terms.min_qty.0);
        let furthest = match side {
            Side::Buy => Ticks::Above(0),
            Side::Sell => Ticks::Above(4),
        };
        let command = Command::NewOrder(NewOrder {
            client_order_id: ClientOrderId(999),
            price: furthest.price(pair, market_id, None),
            qty: Qty(qty),
            market: market_id,
            side: side.opposite(),
            time_in_force: TimeInForce::ImmediateOrCancel,
            min_qty: Qty(wish.min_qty.min(qty)),
            self_trade: wish.self_trade,
            self_trade_scope: wish.scope,
            ..NewOrder::PLAIN
        });
        (*taker, command)
    }

    fn request(&self, pair: &Pair) -> (Source, Number, Command) {
        match self {
            Self::New {
                session, number, ..
            }
            | Self::Cancel {
                session, number, ..
            }
            | Self::Amend {
                session, number, ..
            } => {
                let session = SessionId(*session);
                let command = self.of_an_order(pair, session);
                (Source::of_session(session), *number, command)
            }
            Self::Quote {
                session,
                number,
                command,
                prices,
            } => {
                let [bid, ask] = prices.map(|ticks| ticks.price(pair, command.market, None));
                let command = Command::Quote(Quote {
                    bid_price: bid,
                    ask_price: ask,
                    ..*command
                });
                (Source::of_session(SessionId(*session)), *number, command)
            }
            Self::MassCancel {
                source,
                number,
                command,
                bounds,
            } => (*source, *number, bounded(pair, command, *bounds)),
            Self::Other {
                source,
                number,
                command,
            } => (*source, *number, *command),
            Self::Confirm { session, behind } => {
                let command = attestations::confirm(pair.fast(), *session, *behind);
                (Source::ADMINISTRATION, Number::Next, command)
            }
            Self::Collar { command, price } => {
                let price = price.price(pair, command.market, None);
                let command = Command::SetCollar(SetCollar { price, ..*command });
                (Source::ADMINISTRATION, Number::Next, command)
            }
            Self::Ladder { .. }
            | Self::Ending { .. }
            | Self::Wall { .. }
            | Self::Switches(_)
            | Self::Call { .. }
            | Self::Wait(_)
            | Self::WaitForAnEnd
            | Self::End => {
                panic!("not a single request")
            }
        }
    }

    /// What a session says about a single order.
    fn of_an_order(&self, pair: &Pair, session: SessionId) -> Command {
        match self {
            Self::New {
                market,
                side,
                kind: (order_type, time_in_force, post_only),
                wish,
                price,
                qty,
                client,
                ..
            } => {
                let at = |ticks: Ticks| ticks.price(pair, MarketId(*market), None);
                let end = |span| pair.clock.saturating_add(span);
                Command::NewOrder(NewOrder {
                    client_order_id: ClientOrderId(*client),
                    price: at(*price),
                    qty: Qty(*qty),
                    market: MarketId(*market),
                    side: *side,
                    order_type: *order_type,
                    time_in_force: *time_in_force,
                    post_only: *post_only,
                    min_qty: Qty(wish.min_qty),
                    self_trade: wish.self_trade,
                    self_trade_scope: wish.scope,
                    display_qty: Qty(wish.display),
                    expires: Nanos(wish.ends_in.map_or(0, end)),
                    trigger_price: wish.trigger.map_or(Price(0), at),
                    ..NewOrder::PLAIN
                })
            }
            Self::Cancel { target, qty, .. } => cancel(target.ids(pair, session), *qty),
            Self::Amend {
                target,
                price,
                qty,
                renamed,
                ..
            } => {
                let (order_id, client_order_id) = target.ids(pair, session);
                let old = pair.observer.book.get(&order_id);
                let market = old.map_or(MarketId(0), |order| order.market);
                Command::AmendOrder(AmendOrder {
                    order_id,
                    client_order_id,
                    price: price.price(pair, market, old.map(|order| order.price)),
                    qty: Qty(*qty),
                    new_client_order_id: ClientOrderId(*renamed),
                })
            }
            Self::Quote { .. }
            | Self::MassCancel { .. }
            | Self::Other { .. }
            | Self::Ladder { .. }
            | Self::Ending { .. }
            | Self::Wall { .. }
            | Self::Switches(_)
            | Self::Confirm { .. }
            | Self::Collar { .. }
            | Self::Call { .. }
            | Self::Wait(_)
            | Self::WaitForAnEnd
            | Self::End => panic!("not about an order"),
        }
    }
}

fn cancel((order_id, client_order_id): (OrderId, ClientOrderId), qty: u64) -> Command {
    Command::CancelOrder(CancelOrder {
        order_id,
        client_order_id,
        qty: Qty(qty),
    })
}

/// A mass cancel with its lowest and highest price.
fn bounded(pair: &Pair, command: &MassCancel, bounds: [Option<Ticks>; 2]) -> Command {
    let market = match command.market {
        MarketId::ANY => MarketId(0),
        market => market,
    };
    let [lowest, highest] =
        bounds.map(|bound| bound.map_or(Price(0), |ticks| ticks.price(pair, market, None)));
    Command::MassCancel(MassCancel {
        lowest,
        highest,
        ..*command
    })
}
