//! Market-maker protection: when so much of a session's quotes in a market has traded in a window, they are cancelled.

use crate::engine::Engine;
use crate::market::FITS;
use crate::mass_cancel::Wanted;
use crate::orders::Order;
use crate::quoted::Quoted;
use crate::reports::TradeTerms;
use domain::{
    Amount, ClientOrderId, CommandKind, Effects, MarketId, MarketState, Nanos, OrderId,
    PROTECTED_FILLS, ProtectionView, Qty, Reason, SessionId, SetProtection, Side,
};

/// The limits of a session's quotes in a market, and what has been counted. Without a window there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protection {
    pub(crate) window: u64,
    pub(crate) max_qty: Qty,
    pub(crate) max_notional: Amount,
    pub(crate) max_fills: u32,
    /// Trades since `begun`.
    pub(crate) fills: u32,
    /// Engine time of the first trade that is counted; 0 before one.
    pub(crate) begun: Nanos,
    pub(crate) qty: Qty,
    pub(crate) notional: Amount,
}

impl Protection {
    pub(crate) const OFF: Self = Self::of(&SetProtection::OFF);

    /// Nothing is counted yet.
    pub(crate) const fn of(command: &SetProtection) -> Self {
        Self {
            window: command.window,
            max_qty: command.max_qty,
            max_notional: command.max_notional,
            max_fills: command.max_fills,
            fills: 0,
            begun: Nanos(0),
            qty: Qty::ZERO,
            notional: Amount::ZERO,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.window != 0
    }

    /// Whether so much has traded that no quotes are taken.
    pub(crate) fn is_reached(&self) -> bool {
        self.max_qty != Qty::ZERO && self.qty >= self.max_qty
            || self.max_notional != Amount::ZERO && self.notional >= self.max_notional
            || self.max_fills != 0 && self.fills >= self.max_fills
    }

    /// Counts a trade. The window begins with one, if none runs.
    fn count(&mut self, now: Nanos, qty: Qty, notional: Amount) {
        let end = self.begun.0.saturating_add(self.window);
        if self.fills == 0 || now.0 >= end {
            self.begun = now;
            self.fills = 0;
            self.qty = Qty::ZERO;
            self.notional = Amount::ZERO;
        }
        self.fills = self.fills.saturating_add(1);
        self.qty = Qty(self.qty.0.saturating_add(qty.0));
        self.notional = Amount(self.notional.0.saturating_add(notional.0));
    }

    /// As readers see it.
    pub(crate) fn view(&self) -> ProtectionView {
        ProtectionView {
            window: self.window,
            max_qty: self.max_qty,
            max_notional: self.max_notional,
            max_fills: self.max_fills,
            begun: self.begun,
            qty: self.qty,
            notional: self.notional,
            fills: self.fills,
            reached: self.is_reached(),
        }
    }
}

impl Engine {
    pub(crate) fn set_protection(
        &mut self,
        session: SessionId,
        command: &SetProtection,
        out: &mut Effects,
    ) {
        if let Err(reason) = self.check_protection(session, command) {
            let named = (OrderId::NONE, ClientOrderId(command.request));
            return self.report_rejected(session, CommandKind::SetProtection, named, reason, out);
        }
        self.protect_quotes(session, command.market, Protection::of(command));
        self.report_protection_set(session, command, out);
    }

    /// Gives a session's quotes in a market this protection; there is room for it.
    pub(crate) fn protect_quotes(
        &mut self,
        session: SessionId,
        market: MarketId,
        protection: Protection,
    ) {
        if protection.is_on() {
            self.note_quoted(session, market);
        }
        if let Some(known) = self.quoted.protection_mut(session, market) {
            *known = protection;
            self.drop_if_empty(session, market);
        }
    }

    fn check_protection(&self, session: SessionId, command: &SetProtection) -> Result<(), Reason> {
        let state = self.session_state(session);
        self.current_delegation(state)?;
        if command.has_limit() {
            self.check_kill_switches(state)?;
        }
        let market = self.market(command.market).ok_or(Reason::UnknownMarket)?;
        if command.has_limit() && market.state == MarketState::Delisted {
            return Err(Reason::MarketDelisted);
        }
        if command.has_limit() != (command.window != 0) {
            return Err(Reason::InvalidProtection);
        }
        if command.has_limit() {
            self.check_room_to_quote(session, command.market)?;
        }
        Ok(())
    }

    /// Ends the protections of those whose orders the operator cancels for good. No one is in the way of another, so it
    /// does not matter which comes first. It walks the whole table, at an operator's word.
    pub(crate) fn drop_protections(&mut self, wanted: &Wanted) {
        let is_meant = |engine: &Self, entry: &Quoted| {
            let is_there = wanted.market == MarketId::ANY || wanted.market == entry.market;
            is_there && entry.protection.is_on() && engine.belongs(entry.session, wanted)
        };
        let mut place = 0;
        while place < self.quoted.places() {
            let entry = self.quoted.at(place);
            let Some(entry) = entry.filter(|entry| is_meant(self, entry)) else {
                place += 1;
                continue;
            };
            // What moves up into its place is looked at next.
            let (session, market) = (entry.session, entry.market);
            self.protect_quotes(session, market, Protection::OFF);
        }
    }

    /// Counts a trade of a quote that rested, which is as the trade left it. As how many more trades it counts for the
    /// frame, because it reached a protection.
    pub(crate) fn protect(&mut self, maker: &Order, terms: TradeTerms, out: &mut Effects) -> usize {
        let (session, market, now) = (maker.session, maker.market(), self.now);
        let notional = self
            .market_of_order(market)
            .notional(terms.price, terms.qty);
        let quoted = self.quoted.find(session, market);
        if !quoted.is_some_and(|quoted| quoted.protection.is_on()) {
            return 0;
        }
        let Some(protection) = self.quoted.protection_mut(session, market) else {
            return 0;
        };
        protection.count(now, terms.qty, notional.expect(FITS));
        if !protection.is_reached() {
            return 0;
        }
        let protection = *protection;
        self.report_protection_reached(session, market, &protection, out);
        self.cancel_quotes(session, market, Reason::Protection, out);
        PROTECTED_FILLS - 1
    }

    /// Cancels what a session quotes in a market, the bid first.
    pub(crate) fn cancel_quotes(
        &mut self,
        session: SessionId,
        market: MarketId,
        reason: Reason,
        out: &mut Effects,
    ) {
        for side in [Side::Buy, Side::Sell] {
            if let Some(slot) = self.quote_slot(session, market, side) {
                self.cancel_resting(slot, reason, out);
            }
        }
    }
}
