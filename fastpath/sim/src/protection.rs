//! Protection of those who quote: after so much has traded within a while, their quotes are cancelled.

use crate::{
    Mutant, NaiveEngine,
    entry::ensure,
    naive::{Order, Protection},
};
use domain::{
    Amount, ClientOrderId, CommandKind, Effects, MarketId, MarketState, Nanos, OrderId, Price, Qty,
    Reason, SessionId, SetProtection, Side,
};

impl Protection {
    /// Before the first trade.
    fn new(terms: SetProtection) -> Self {
        Self {
            terms,
            begun: Nanos(0),
            qty: Qty::ZERO,
            notional: Amount(0),
            fills: 0,
            reached: false,
        }
    }
}

impl NaiveEngine {
    pub(crate) fn set_protection(
        &mut self,
        session: SessionId,
        command: &SetProtection,
        out: &mut Effects,
    ) {
        if let Err(reason) = self.check_protection(session, command) {
            let ids = (OrderId::NONE, ClientOrderId(command.request));
            return self.report_rejected(session, CommandKind::SetProtection, ids, reason, out);
        }
        let key = (session, command.market);
        let old = self.protections.remove(&key);
        if command.has_limit() || command.window != 0 {
            let mut new = Protection::new(*command);
            if let Some(old) = old {
                if self.is(Mutant::CountersAreKept) {
                    (new.begun, new.qty, new.notional, new.fills) =
                        (old.begun, old.qty, old.notional, old.fills);
                }
                new.reached = old.reached && self.is(Mutant::ReachedForEver);
            }
            self.protections.insert(key, new);
        }
        self.report_protection_set(session, command, out);
    }

    fn check_protection(&self, session: SessionId, command: &SetProtection) -> Result<(), Reason> {
        if !self.is(Mutant::RevokedMayProtect) {
            self.check_delegation_lasts(session)?;
        }
        let killed = self.is_killed(session) && !self.is(Mutant::KilledMayProtect);
        ensure(!(command.has_limit() && killed), Reason::Killed)?;
        let market = self.markets.get(&command.market);
        let market = market.ok_or(Reason::UnknownMarket)?;
        let delisted = market.state == MarketState::Delisted;
        ensure(!(command.has_limit() && delisted), Reason::MarketDelisted)?;
        let has_window = command.window != 0;
        ensure(
            has_window == command.has_limit() || self.is(Mutant::ProtectionNeedsNoWindow),
            Reason::InvalidProtection,
        )?;
        if command.has_limit() {
            self.check_quote_table(session, command.market)?;
        }
        Ok(())
    }

    /// Whoever the operator stops, or whatever market he ends, has no protections any more.
    pub(crate) fn drop_protections(
        &mut self,
        is_meant: impl Fn(&Self, SessionId, MarketId) -> bool,
    ) {
        let keys: Vec<_> = self.protections.keys().copied().collect();
        for (session, market) in keys {
            if is_meant(self, session, market) {
                self.protections.remove(&(session, market));
            }
        }
    }

    /// A maker has traded: whether its owner's protection is reached by that. If it is, what is quoted is cancelled.
    pub(crate) fn protect(
        &mut self,
        maker: &Order,
        price: Price,
        qty: Qty,
        out: &mut Effects,
    ) -> bool {
        if !maker.quote && !self.is(Mutant::ProtectionCountsOrders) {
            return false;
        }
        let (session, market) = (maker.session, maker.market);
        let Some(mut protection) = self.protections.get(&(session, market)).copied() else {
            return false;
        };
        if self.begins_anew(&protection) {
            protection = Protection {
                begun: self.now,
                ..Protection::new(protection.terms)
            };
        }
        let tick_value = self.markets[&market].terms.tick_value;
        let notional = Amount::notional(price, qty, tick_value);
        let notional = notional.expect("it was paid");
        protection.qty.0 = protection.qty.0.saturating_add(qty.0);
        protection.notional.0 = protection.notional.0.saturating_add(notional.0);
        protection.fills = protection.fills.saturating_add(1);
        protection.reached = self.is_reached(&protection);
        self.protections.insert((session, market), protection);
        if protection.reached {
            self.report_protection_reached(session, market, &protection, out);
            self.cancel_quotes(maker, out);
        }
        protection.reached
    }

    /// Whether a trade that comes now begins a window.
    fn begins_anew(&self, protection: &Protection) -> bool {
        let end = protection.begun.0.saturating_add(protection.terms.window);
        let over = if self.is(Mutant::WindowsEndLate) {
            self.now.0 > end
        } else {
            self.now.0 >= end
        };
        protection.fills == 0 || over && !self.is(Mutant::WindowsNeverEnd)
    }

    fn is_reached(&self, protection: &Protection) -> bool {
        let terms = &protection.terms;
        let more = u64::from(self.is(Mutant::ProtectionWaitsForMore));
        let is_at = |count: u64, limit: u64| limit != 0 && count >= limit.saturating_add(more);
        let by_notional = is_at(protection.notional.0, terms.max_notional.0);
        is_at(protection.qty.0, terms.max_qty.0)
            || by_notional && !self.is(Mutant::ProtectionForgetsNotional)
            || is_at(protection.fills.into(), terms.max_fills.into())
    }

    /// All that the maker's session quotes in the market, the bid first.
    fn cancel_quotes(&mut self, maker: &Order, out: &mut Effects) {
        let markets: Vec<MarketId> = if self.is(Mutant::ProtectionIsForAllMarkets) {
            self.markets.keys().copied().collect()
        } else {
            vec![maker.market]
        };
        for market in markets {
            for side in [Side::Buy, Side::Sell] {
                let spared = side != maker.side && self.is(Mutant::ProtectionSparesOtherSide);
                let quoted = self.quoted(maker.session, market, side);
                if let Some(order) = quoted.filter(|_| !spared) {
                    self.cancel_resting(&order, Reason::Protection, out);
                }
            }
        }
    }
}
