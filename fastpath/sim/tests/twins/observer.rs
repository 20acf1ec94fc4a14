//! What can be worked out from commands and events alone, without an engine: who owns what, the
//! books, the numbers of reports. It knows the fields of the events and none of the rules, so a
//! mistake that both engines share is still seen when it breaks a sum.

use crate::{pair::Difference, quotes::Quoted};
use domain::{
    AccountId, Amount, AssetId, Command, CreateMarket, Event, Fill, Flag, MarketId, MarketState,
    MarketStateChanged, OpenSession, OrderId, Outcome, Price, Qty, Reason, Request,
    SelfTradePrevented, SessionId, Side, Trade, Uncrossed,
};
use engine::Engine;
use std::collections::{BTreeMap, BTreeSet};

/// An order of the public feed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resting {
    pub(crate) market: MarketId,
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) leaves: Qty,
    /// The feed number with which it joined the queue.
    pub(crate) joined: u64,
}

/// An auction whose trades are not all there.
#[derive(Clone, Copy, Debug)]
struct Auction {
    market: MarketId,
    price: Price,
    left: Qty,
}

/// A follower of commands and events.
#[derive(Default)]
pub(crate) struct Observer {
    pub(crate) markets: BTreeMap<MarketId, CreateMarket>,
    pub(crate) sessions: BTreeMap<SessionId, OpenSession>,
    /// Resting orders, as the feed tells.
    pub(crate) book: BTreeMap<OrderId, Resting>,
    /// Lots that can still trade of each live order, and whose it is, as private reports tell.
    pub(crate) live: BTreeMap<OrderId, (SessionId, Qty)>,
    /// Stops that wait.
    waiting: BTreeSet<OrderId>,
    quoted: Quoted,
    accounts: u32,
    states: BTreeMap<MarketId, MarketState>,
    auction: Option<Auction>,
    deposited: BTreeMap<AssetId, i128>,
    fees: BTreeMap<AssetId, i128>,
    owned: BTreeMap<(AccountId, AssetId), i128>,
    reports: BTreeMap<SessionId, u64>,
    feed_no: u64,
    trade_id: u64,
    /// Orders that the last command for many orders has cancelled so far.
    mass_canceled: u64,
}

pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Difference> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Observer {
    /// One more than the highest asset id that deposits or markets may name.
    pub(crate) fn assets(&self) -> u32 {
        self.deposited.keys().next_back().map_or(0, |id| id.0 + 1)
    }

    /// One more than the highest account id.
    pub(crate) fn accounts(&self) -> u32 {
        self.accounts
    }

    /// Live orders of a session, lowest id first.
    pub(crate) fn orders_of(&self, session: SessionId) -> impl Iterator<Item = OrderId> {
        self.live
            .iter()
            .filter(move |(_, (owner, _))| *owner == session)
            .map(|(id, _)| *id)
    }

    pub(crate) fn observe(
        &mut self,
        request: &Request,
        events: &[Event],
    ) -> Result<(), Difference> {
        if matches!(
            request.command,
            Command::MassCancel(_) | Command::KillSwitch(_)
        ) {
            self.mass_canceled = 0;
        }
        for event in events {
            if let Some((session, report_no)) = event.report() {
                let last = self.reports.entry(session).or_default();
                *last += 1;
                ensure(report_no == *last, || format!("report number: {event:?}"))?;
            }
            if let Some(feed_no) = event.feed_no() {
                self.feed_no += 1;
                ensure(feed_no == self.feed_no, || {
                    format!("feed number: {event:?}")
                })?;
            }
            self.follow(request, event)?;
        }
        self.quoted.observe(request, events)
    }

    fn follow(&mut self, request: &Request, event: &Event) -> Result<(), Difference> {
        match event {
            Event::Outcome(Outcome {
                reason: Reason::None,
                ..
            }) => self.learn(&request.command),
            Event::Accepted(e) => {
                self.live.insert(e.order_id, (e.session, e.qty));
                if e.trigger_price != Price(0) {
                    self.waiting.insert(e.order_id);
                }
            }
            Event::Triggered(e) => {
                let waited = self.waiting.remove(&e.order_id);
                ensure(waited, || format!("did not wait: {event:?}"))?;
            }
            Event::Amended(e) => {
                self.live.insert(e.order_id, (e.session, e.leaves));
                if e.kept_priority == Flag::Yes {
                    let still = self.book.contains_key(&e.order_id);
                    let still = still != self.waiting.contains(&e.order_id);
                    ensure(still, || format!("kept no place: {event:?}"))?;
                }
            }
            Event::Fill(e) => self.fill(e)?,
            Event::Canceled(e) => {
                let gone = self.live.remove(&e.order_id);
                self.waiting.remove(&e.order_id);
                ensure(gone == Some((e.session, e.qty)), || {
                    format!("{gone:?} was live: {event:?}")
                })?;
                let of_many = matches!(e.reason, Reason::MassCancel | Reason::KillSwitch);
                self.mass_canceled += u64::from(of_many);
            }
            Event::SelfTradePrevented(e) => self.prevent(e)?,
            Event::MassCanceled(e) => ensure(e.count == self.mass_canceled, || {
                format!("{} were: {event:?}", self.mass_canceled)
            })?,
            Event::BookAdd(_)
            | Event::BookReplace(_)
            | Event::BookReduce(_)
            | Event::BookDelete(_) => self.follow_book(event)?,
            Event::Trade(e) => self.trade(e)?,
            Event::MarketStateChanged(e) => self.change_state(e)?,
            Event::Uncrossed(e) => self.begin_auction(e)?,
            Event::Rejected(_)
            | Event::NotApplied(_)
            | Event::ProtectionSet(_)
            | Event::ProtectionReached(_)
            | Event::AttestationNoted(_)
            | Event::PhaseChanged(_)
            | Event::MarketDefined(_)
            | Event::Outcome(_)
            | Event::StateHash(_) => {}
        }
        Ok(())
    }

    /// What changes in the book without a trade.
    fn follow_book(&mut self, event: &Event) -> Result<(), Difference> {
        match event {
            Event::BookAdd(e) => {
                let order = Resting {
                    market: e.market,
                    side: e.side,
                    price: e.price,
                    leaves: e.qty,
                    joined: e.feed_no,
                };
                let before = self.book.insert(e.order_id, order);
                ensure(before.is_none(), || format!("added twice: {event:?}"))?;
            }
            Event::BookReplace(e) => {
                let order = self.book.get_mut(&e.order_id).ok_or("replaces nothing")?;
                ensure((order.market, order.side) == (e.market, e.side), || {
                    format!("another order: {event:?}")
                })?;
                (order.price, order.leaves, order.joined) = (e.price, e.qty, e.feed_no);
            }
            Event::BookReduce(e) => {
                let order = self.book.get_mut(&e.order_id).ok_or("reduces nothing")?;
                ensure(e.leaves < order.leaves, || format!("grows: {event:?}"))?;
                order.leaves = e.leaves;
            }
            Event::BookDelete(e) => {
                let gone = self.book.remove(&e.order_id);
                ensure(
                    gone.is_some_and(|o| (o.market, o.side) == (e.market, e.side)),
                    || format!("{gone:?} was there: {event:?}"),
                )?;
            }
            Event::Accepted(_)
            | Event::Rejected(_)
            | Event::Fill(_)
            | Event::Canceled(_)
            | Event::Amended(_)
            | Event::NotApplied(_)
            | Event::SelfTradePrevented(_)
            | Event::MassCanceled(_)
            | Event::Triggered(_)
            | Event::ProtectionSet(_)
            | Event::ProtectionReached(_)
            | Event::AttestationNoted(_)
            | Event::Trade(_)
            | Event::PhaseChanged(_)
            | Event::MarketDefined(_)
            | Event::MarketStateChanged(_)
            | Event::Uncrossed(_)
            | Event::Outcome(_)
            | Event::StateHash(_) => {}
        }
        Ok(())
    }

    /// An administrative command succeeded.
    fn learn(&mut self, command: &Command) {
        match command {
            Command::CreateAsset(c) => {
                self.deposited.insert(c.asset, 0);
            }
            Command::CreateMarket(c) => {
                self.markets.insert(c.market, *c);
                self.states.insert(c.market, c.state);
            }
            Command::CreateAccount(c) => self.accounts = self.accounts.max(c.account.0 + 1),
            Command::OpenSession(c) => {
                self.sessions.insert(c.session, *c);
            }
            Command::Deposit(c) => {
                let amount = i128::from(c.amount.0);
                *self.deposited.entry(c.asset).or_default() += amount;
                *self.owned.entry((c.account, c.asset)).or_default() += amount;
            }
            Command::CollectFees(c) => {
                let amount = i128::from(c.amount.0);
                *self.fees.entry(c.asset).or_default() -= amount;
                *self.owned.entry((c.account, c.asset)).or_default() += amount;
            }
            Command::NewOrder(_)
            | Command::CancelOrder(_)
            | Command::AmendOrder(_)
            | Command::MassCancel(_)
            | Command::KillSwitch(_)
            | Command::Quote(_)
            | Command::SetProtection(_)
            | Command::Attest(_)
            | Command::Continue(_)
            | Command::Timer(_)
            | Command::Checkpoint(_)
            | Command::Recovered(_)
            | Command::EngineVersion(_)
            | Command::Delegate(_)
            | Command::SetTier(_)
            | Command::SetLimits(_)
            | Command::SetFees(_)
            | Command::SetMarketState(_)
            | Command::SetCollar(_)
            | Command::DelistMarket(_)
            | Command::ConfirmAttestation(_)
            | Command::Genesis(_) => {}
        }
    }

    /// The arriving order keeps its lots or loses those that would have traded; the resting one is there still.
    fn prevent(&mut self, prevented: &SelfTradePrevented) -> Result<(), Difference> {
        let live = self.live.get(&prevented.order_id).copied();
        let (session, before) = live.ok_or_else(|| format!("who arrived: {prevented:?}"))?;
        let maker = self.book.get(&prevented.maker_order_id);
        let all = self.live.get(&prevented.maker_order_id);
        let fits = session == prevented.session
            && maker.is_some_and(|maker| maker.price == prevented.price)
            && all.is_some_and(|(_, leaves)| *leaves.min(&before) == prevented.qty)
            && (prevented.leaves == before
                || before.checked_sub(prevented.qty) == Some(prevented.leaves));
        ensure(fits, || format!("{before:?} and {maker:?}: {prevented:?}"))?;
        self.live
            .insert(prevented.order_id, (session, prevented.leaves));
        Ok(())
    }

    /// The maker was first in the queue of the best price, whatever the engines think.
    fn trade(&mut self, trade: &Trade) -> Result<(), Difference> {
        self.trade_id += 1;
        ensure(trade.trade_id == self.trade_id, || {
            format!("trade number: {trade:?}")
        })?;
        let maker = *self
            .book
            .get(&trade.maker_order_id)
            .ok_or_else(|| format!("the maker did not rest: {trade:?}"))?;
        let rank = |order: &Resting| {
            let price = match order.side {
                Side::Buy => -i128::from(order.price.0),
                Side::Sell => i128::from(order.price.0),
            };
            (price, order.joined)
        };
        let first = self
            .book
            .values()
            .filter(|order| (order.market, order.side) == (maker.market, maker.side))
            .all(|order| rank(&maker) <= rank(order));
        let fits = maker.side == trade.taker_side.opposite()
            && maker.market == trade.market
            && self.takes_price(&maker, trade)
            && maker.leaves.checked_sub(trade.qty) == Some(trade.maker_leaves);
        ensure(first && fits, || format!("{maker:?} in {trade:?}"))?;
        self.count_in_auction(trade);
        if trade.maker_leaves == Qty::ZERO {
            self.book.remove(&trade.maker_order_id);
        } else if let Some(order) = self.book.get_mut(&trade.maker_order_id) {
            order.leaves = trade.maker_leaves;
        }
        Ok(())
    }

    fn change_state(&mut self, changed: &MarketStateChanged) -> Result<(), Difference> {
        let before = self.states.insert(changed.market, changed.state);
        ensure(before.is_some_and(|before| before != changed.state), || {
            format!("{before:?} before {changed:?}")
        })
    }

    fn begin_auction(&mut self, uncrossed: &Uncrossed) -> Result<(), Difference> {
        let before = self.auction.replace(Auction {
            market: uncrossed.market,
            price: uncrossed.price,
            left: uncrossed.qty,
        });
        ensure(before.is_none() && uncrossed.qty > Qty::ZERO, || {
            format!("{before:?} before {uncrossed:?}")
        })
    }

    /// A trade is at the maker's price, or in an auction at its price.
    fn takes_price(&self, maker: &Resting, trade: &Trade) -> bool {
        let Some(auction) = self.auction else {
            return maker.price == trade.price;
        };
        auction.market == trade.market
            && auction.price == trade.price
            && auction.left >= trade.qty
            && match maker.side {
                Side::Buy => maker.price >= trade.price,
                Side::Sell => maker.price <= trade.price,
            }
    }

    fn count_in_auction(&mut self, trade: &Trade) {
        if let Some(auction) = &mut self.auction {
            auction.left.0 -= trade.qty.0;
        }
        self.auction = self.auction.filter(|auction| auction.left > Qty::ZERO);
    }

    fn fill(&mut self, fill: &Fill) -> Result<(), Difference> {
        let before = self.live.get(&fill.order_id).copied();
        let fits = before.is_some_and(|(session, leaves)| {
            session == fill.session && leaves.checked_sub(fill.qty) == Some(fill.leaves)
        });
        ensure(fits && fill.qty > Qty::ZERO, || {
            format!("{before:?} before {fill:?}")
        })?;
        if fill.leaves == Qty::ZERO {
            self.live.remove(&fill.order_id);
        } else {
            self.live.insert(fill.order_id, (fill.session, fill.leaves));
        }
        let market = self.markets[&fill.market];
        let account = self.sessions[&fill.session].account;
        let notional = Amount::notional(fill.price, fill.qty, market.tick_value);
        let notional = i128::from(notional.ok_or("a notional beyond the range")?.0);
        let base = i128::from(fill.qty.0) * i128::from(market.lot_size);
        let fee = match fill.is_rebate {
            Flag::No => i128::from(fill.fee.0),
            Flag::Yes => -i128::from(fill.fee.0),
        };
        let sign = match fill.side {
            Side::Buy => 1,
            Side::Sell => -1,
        };
        *self.owned.entry((account, market.base)).or_default() += sign * base;
        *self.owned.entry((account, market.quote)).or_default() -= sign * notional + fee;
        *self.fees.entry(market.quote).or_default() += fee;
        Ok(())
    }

    /// Conservation per asset, and books: what the engine tells its readers is what its events
    /// add up to.
    pub(crate) fn check_readers(&self, engine: &Engine) -> Result<(), Difference> {
        for (asset, deposited) in &self.deposited {
            let fees = self.fees.get(asset).copied().unwrap_or(0);
            let (all, kept) = engine.asset(*asset).ok_or("an asset is gone")?;
            ensure(
                (i128::from(all.0), i128::from(kept.0)) == (*deposited, fees),
                || format!("asset {}: {all:?}, fees {kept:?} {fees}", asset.0),
            )?;
            let mut sum = fees;
            for account in (0..self.accounts).map(AccountId) {
                let Some((available, held)) = engine.balance(account, *asset) else {
                    continue;
                };
                let has = i128::from(available.0) + i128::from(held.0);
                let owned = self.owned.get(&(account, *asset)).copied().unwrap_or(0);
                ensure(has == owned, || {
                    format!("account {} has {has}, owns {owned}", account.0)
                })?;
                sum += has;
            }
            ensure(sum == *deposited, || {
                format!("asset {}: {sum} of {deposited}", asset.0)
            })?;
        }
        for market in self.markets.keys() {
            self.check_book(engine, *market)?;
        }
        self.check_reports_against_feed(engine)
    }

    /// Between sweeps the orders that private reports left alive are those of the public books.
    fn check_reports_against_feed(&self, engine: &Engine) -> Result<(), Difference> {
        if engine.pending_work().is_some() {
            return Ok(());
        }
        ensure(self.auction.is_none(), || {
            format!("an auction ended early: {:?}", self.auction)
        })?;
        let rests = |id: &&OrderId| !self.waiting.contains(id);
        let reported = self.live.keys().filter(rests);
        ensure(
            reported.eq(self.book.keys()) && self.live.len() == engine.live_orders(),
            || {
                format!(
                    "reported {:?}, published {:?}, live {}",
                    self.live,
                    self.book,
                    engine.live_orders()
                )
            },
        )?;
        for (id, (_, leaves)) in &self.live {
            let order = engine.order(*id).ok_or("a live order is gone")?;
            let waits = order.trigger_price != Price(0);
            let shown = self
                .book
                .get(id)
                .map(|resting| (resting.leaves, resting.joined));
            let fits = order.leaves == *leaves
                && waits == self.waiting.contains(id)
                && shown.is_none_or(|shown| shown == (order.shown(), order.priority));
            ensure(fits, || format!("{leaves} and {shown:?} of {order:?}"))?;
        }
        Ok(())
    }

    fn check_book(&self, engine: &Engine, market: MarketId) -> Result<(), Difference> {
        let side = |side: Side| {
            let mut levels: BTreeMap<Price, (u64, u32)> = BTreeMap::new();
            let orders = self.book.values();
            for order in orders.filter(|order| (order.market, order.side) == (market, side)) {
                let level = levels.entry(order.price).or_default();
                level.0 += order.leaves.0;
                level.1 += 1;
            }
            levels
                .into_iter()
                .map(|(price, (qty, orders))| (price, Qty(qty), orders))
        };
        let bids: Vec<_> = side(Side::Buy).rev().collect();
        let asks: Vec<_> = side(Side::Sell).collect();
        let told = (
            engine.depth(market, Side::Buy, usize::MAX),
            engine.depth(market, Side::Sell, usize::MAX),
        );
        ensure((&told.0, &told.1) == (&bids, &asks), || {
            format!("the feed has {bids:?} {asks:?}, the engine {told:?}")
        })?;
        if let (Some(bid), Some(ask)) = (bids.first(), asks.first()) {
            let may_cross = self.states[&market].leaves_book_alone();
            let pending = engine.pending_work().is_some();
            ensure(bid.0 < ask.0 || may_cross || pending, || {
                format!("crossed: {bid:?} {ask:?}")
            })?;
        }
        Ok(())
    }
}

/// The observer sees what does not add up.
mod tests {
    use super::*;
    use crate::pair::Pair;
    use crate::{pair::Frame, scenarios, world::World};
    use domain::{Command, NewOrder, Source};

    /// Two makers, one taker that takes the first and half of the second.
    fn frames(pair: &mut Pair) -> Vec<Frame> {
        let mut frames = World::plain(1_000).set_up(pair).expect("the twins agree");
        let order = |client, side, qty| scenarios::order(client, side, qty, 10);
        let orders: [(u32, NewOrder); 3] = [
            (0, order(1, Side::Sell, 2)),
            (0, order(2, Side::Sell, 2)),
            (1, order(1, Side::Buy, 3)),
        ];
        for (session, order) in orders {
            let source = Source::of_session(SessionId(session));
            let number = pair.last_number(source) + 1;
            let said = pair.submit(source, number, Command::NewOrder(order));
            frames.extend(said.expect("the twins agree"));
        }
        frames
    }

    /// What an observer says who is told something else than what happened.
    fn told(tamper: impl Fn(&mut Event)) -> Result<(), Difference> {
        let mut pair = Pair::new();
        let mut frames = frames(&mut pair);
        let mut observer = Observer::default();
        for frame in &mut frames {
            frame.events.iter_mut().for_each(&tamper);
            observer.observe(&frame.request, &frame.events)?;
        }
        observer.check_readers(pair.fast())
    }

    #[test]
    fn the_truth_adds_up() {
        assert_eq!(told(|_| {}), Ok(()));
    }

    fn tampered(what: &str, tamper: impl Fn(&mut Event)) {
        assert!(told(tamper).is_err(), "{what} goes unseen");
    }

    #[test]
    fn what_does_not_add_up_is_seen() {
        tampered("a fee", |event| {
            if let Event::Fill(fill) = event {
                fill.fee.0 += 1;
            }
        });
        tampered("a price", |event| {
            if let Event::Fill(fill) = event {
                fill.price.0 += 1;
            }
        });
        tampered("a quantity", |event| {
            if let Event::Fill(fill) = event {
                fill.qty.0 += 1;
            }
        });
        tampered("a maker that is not first", |event| {
            if let Event::Trade(trade) = event {
                trade.maker_order_id.0 ^= 1;
            }
        });
        tampered("a better price in the book", |event| {
            if let Event::BookAdd(add) = event {
                add.price.0 -= i64::try_from(add.feed_no).expect("small");
            }
        });
        tampered("a report number", |event| {
            if let Event::Accepted(accepted) = event {
                accepted.report_no += 1;
            }
        });
        tampered("a feed number", |event| {
            if let Event::Trade(trade) = event {
                trade.feed_no += 1;
            }
        });
        tampered("a deposit that was refused", |event| {
            if let Event::Outcome(outcome) = event
                && outcome.command == domain::CommandKind::Deposit
            {
                outcome.reason = Reason::SupplyTooLarge;
            }
        });
    }
}
