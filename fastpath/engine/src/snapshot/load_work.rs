//! Work in a body that a frame had no room for, and what must hold while it is pending.

use super::faults::{Fault, LoadError, Section, ensure};
use super::reader::Records;
use super::{ArrivingRecord, MassCancelRecord, OrderRecord, SweepRecord, UncrossingRecord};
use crate::auction::{Looking, Stage, Uncrossing};
use crate::book::crosses;
use crate::engine::{Engine, Work};
use crate::hash::existing;
use crate::market::Market;
use crate::mass_cancel::{Canceling, Wanted};
use crate::orders::NIL;
use crate::stops::Reach;
use crate::sweep::Sweep;
use domain::{
    MarketId, MarketState, Nanos, OrderId, OrderType, Price, Qty, Reason, Scope, SessionId, Side,
    TimeInForce,
};

impl Engine {
    pub(super) fn load_arriving(
        &mut self,
        records: &Records<'_, ArrivingRecord>,
    ) -> Result<(), LoadError> {
        records.each(|record| {
            let market = self.market(record.market).ok_or(Fault::Unknown)?;
            let open = market.state == MarketState::Continuous;
            let triggered = self.next_triggered(market).is_some();
            ensure(open && triggered, Fault::Stops)?;
            self.work = Some(Work::Arriving(record.market));
            Ok(())
        })
    }

    /// Whether stops have been looked at for all trades that they are to have been.
    pub(super) fn check_reaches(&self) -> Result<(), LoadError> {
        let busy = match &self.work {
            Some(Work::Sweep(sweep)) => Some(self.orders[sweep.order_id.slot()].market()),
            Some(Work::Uncrossing(uncrossing)) => Some(uncrossing.market),
            &Some(Work::Arriving(market)) => Some(market),
            None | Some(Work::MassCancel(_) | Work::Expiring) => None,
        };
        for (index, (_, market)) in (0..).zip(existing(&self.markets)) {
            let Reach { lowest, highest } = market.reach;
            let is_busy = busy == Some(market.terms.market);
            let may_have = is_busy || market.state != MarketState::Continuous;
            let fits = market.reach == Reach::default()
                || may_have
                    && market.has_stops()
                    && market.has_price(lowest)
                    && market.has_price(highest)
                    && (lowest..=highest).contains(&market.last_price);
            ensure(fits, Fault::Stops).map_err(|fault| LoadError::Record {
                section: Section::Market,
                index,
                fault,
            })?;
        }
        Ok(())
    }

    pub(super) fn load_sweep(
        &mut self,
        orders: &Records<'_, OrderRecord>,
        records: &Records<'_, SweepRecord>,
        next_fresh: u32,
    ) -> Result<(), LoadError> {
        let mut sweep = None;
        records.each(|record| {
            sweep = Some(*record);
            let fits = match record.time_in_force {
                _ if record.order_type.waits() => false,
                TimeInForce::GoodTillCancel => record.order_type == OrderType::Limit,
                TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill => true,
                TimeInForce::GoodTillTime | TimeInForce::GoodTillClose => false,
            };
            ensure(fits, Fault::Sweep)
        })?;
        let Some(sweep) = sweep else { return Ok(()) };
        orders.each(|record| {
            let rests = sweep.time_in_force == TimeInForce::GoodTillCancel;
            let lasts = record.until_close.is_yes()
                || record.expires != Nanos(0)
                || record.display_qty != Qty::ZERO;
            let fits =
                record.priority == 0 && !record.post_only.is_on() && record.hidden == Qty::ZERO;
            // A stop that arrived as a market order still has the end of one that waits.
            let arrived = sweep.order_type == OrderType::Market
                && sweep.time_in_force == TimeInForce::ImmediateOrCancel
                && record.display_qty == Qty::ZERO;
            ensure(fits && (rests || arrived || !lasts), Fault::Sweep)?;
            self.put_back(record, sweep.order_type, next_fresh)?;
            let market = self.market_of_order(record.market_id());
            let may_have_worst = !sweep.order_type.has_limit() && market.has_price(sweep.worst);
            ensure(sweep.worst == Price(0) || may_have_worst, Fault::Price)?;
            let best = market.book.best_or_none_to_cross(record.side.opposite());
            let sweep = Sweep {
                order_id: record.id,
                order_type: sweep.order_type,
                time_in_force: sweep.time_in_force,
                worst: sweep.worst,
            };
            let limit = sweep.limit(&self.orders[record.id.slot()]);
            ensure(crosses(record.side, limit, best), Fault::Sweep)?;
            self.work = Some(Work::Sweep(sweep));
            Ok(())
        })
    }

    pub(super) fn load_mass_cancel(
        &mut self,
        records: &Records<'_, MassCancelRecord>,
    ) -> Result<(), LoadError> {
        records.each(|record| {
            let wanted = Wanted {
                scope: record.scope,
                target: record.target,
                market: record.market,
                sides: record.sides,
                lowest: record.lowest,
                highest: record.highest,
            };
            let canceling = Canceling {
                reason: record.reason,
                asked: record.by_session.is_yes().then_some(record.asked),
                request: record.request,
                wanted,
                count: record.count,
                next_session: record.next_session,
                next_order: self.slot_or_nil(record.next_order)?,
            };
            self.check_canceling(record, &canceling)?;
            self.work = Some(Work::MassCancel(canceling));
            Ok(())
        })
    }

    pub(super) fn load_uncrossing(
        &mut self,
        records: &Records<'_, UncrossingRecord>,
    ) -> Result<(), LoadError> {
        records.each(|record| {
            let market = self.market(record.market).ok_or(Fault::Unknown)?;
            let stage = stage_of(record);
            let fits = match &stage {
                Stage::Looking(at) => self.can_look(market, at),
                &Stage::Trading { price, left } => {
                    let rest_is_zero = record.words[2..] == [0; 5];
                    rest_is_zero && left > Qty::ZERO && market.has_price(price)
                }
            };
            ensure(fits, Fault::Range)?;
            let allowed = !market.state.leaves_book_alone();
            ensure(allowed && Self::is_crossed(market), Fault::Crossed)?;
            let market = record.market;
            self.work = Some(Work::Uncrossing(Uncrossing { market, stage }));
            Ok(())
        })
    }

    /// Whether a search for an auction's price can be there.
    pub(super) fn can_look(&self, market: &Market, at: &Looking) -> bool {
        let within = |side, price, left: Qty| {
            let there = || market.book.quantity(&self.ladders, side, price) > Qty::ZERO;
            let total = || market.book.total(&self.ladders, side, price);
            market.has_price(price) && left > Qty::ZERO && there() && left <= total()
        };
        at.bid >= at.ask
            && within(Side::Buy, at.bid, at.bid_left)
            && within(Side::Sell, at.ask, at.ask_left)
            && market.has_price(at.last_bid)
            && market.has_price(at.last_ask)
            && at.last_bid >= at.bid
            && at.last_ask <= at.ask
    }

    /// Bids are below asks wherever they must be by now.
    pub(super) fn check_crossed(&self) -> Result<(), LoadError> {
        for (index, market) in (0..).zip(self.markets.iter().flatten()) {
            let id = market.terms.market;
            let is_pending =
                matches!(&self.work, Some(Work::Uncrossing(work)) if work.market == id);
            if !market.state.leaves_book_alone() && !is_pending && Self::is_crossed(market) {
                return Err(LoadError::Record {
                    section: Section::Market,
                    index,
                    fault: Fault::Crossed,
                });
            }
        }
        Ok(())
    }

    pub(super) fn slot_or_nil(&self, id: OrderId) -> Result<u32, Fault> {
        if id == OrderId::NONE {
            return Ok(NIL);
        }
        self.orders.find(id).ok_or(Fault::Unknown)
    }

    /// Whether a walk can be there.
    pub(super) fn check_canceling(
        &self,
        record: &MassCancelRecord,
        canceling: &Canceling,
    ) -> Result<(), Fault> {
        let wanted = &canceling.wanted;
        let asked = match canceling.asked {
            Some(session) => {
                let exists = self.session(session).is_some();
                exists && self.target(Some(session), wanted.scope, 0) == Ok(wanted.target)
            }
            None => record.asked == SessionId(0),
        };
        let known = wanted.market == MarketId::ANY || self.market(wanted.market).is_some();
        ensure(
            asked && known && self.has_target(wanted.scope, wanted.target),
            Fault::Unknown,
        )?;
        let has_ended = |state| {
            let market = self.market(wanted.market);
            *wanted == Wanted::in_market(wanted.market)
                && canceling.asked.is_none()
                && market.is_some_and(|market| market.state == state)
        };
        let is_killed = || {
            *wanted == Wanted::all(wanted.scope, wanted.target)
                && self.is_kill_switch_on(wanted.scope, wanted.target)
        };
        let reason = canceling.reason;
        let fits = reason == Reason::MassCancel
            || reason == Reason::KillSwitch && is_killed()
            || reason == Reason::Delisted && has_ended(MarketState::Delisted)
            || reason == Reason::MarketClose && has_ended(MarketState::Closed);
        ensure(fits, Fault::Range)?;
        let next = SessionId(canceling.next_session);
        let can_be_there = match wanted.scope {
            Scope::Session | Scope::Account => self.belongs(next, wanted),
            Scope::Firm | Scope::Everyone => next.0 < self.end_of_sessions(wanted),
        };
        ensure(can_be_there, Fault::Range)?;
        let is_its = canceling.next_order == NIL
            || self.belongs(next, wanted) && self.orders[canceling.next_order].session == next;
        ensure(is_its, Fault::Unknown)
    }
}

fn stage_of(record: &UncrossingRecord) -> Stage {
    let price = |word: u64| Price(word.cast_signed());
    let [a, b, c, d, e, f, g] = record.words;
    if record.is_trading.is_yes() {
        return Stage::Trading {
            price: price(a),
            left: Qty(b),
        };
    }
    Stage::Looking(Looking {
        bid: price(a),
        bid_left: Qty(b),
        ask: price(c),
        ask_left: Qty(d),
        volume: Qty(e),
        last_bid: price(f),
        last_ask: price(g),
    })
}
