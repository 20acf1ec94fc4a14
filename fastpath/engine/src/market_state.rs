//! What may happen in a market, and how that changes.

use crate::engine::Engine;
use crate::market::Market;
use crate::mass_cancel::{Canceling, Wanted};
use crate::rows::Trading;
use domain::{
    CommandKind, DelistMarket, Effects, MarketId, MarketState, NewOrder, OrderType, Qty, Reason,
    SetMarketState,
};

impl Market {
    /// Whether orders and amendments are taken at all.
    #[inline]
    pub(crate) fn check_open(&self) -> Result<(), Reason> {
        match self.state {
            MarketState::Continuous
            | MarketState::PreOpen
            | MarketState::OpeningAuction
            | MarketState::ClosingAuction
            | MarketState::PostOnly => Ok(()),
            MarketState::Halted => Err(Reason::MarketHalted),
            MarketState::CancelOnly => Err(Reason::MarketCancelOnly),
            MarketState::Closed => Err(Reason::MarketClosed),
            MarketState::Delisted => Err(Reason::MarketDelisted),
        }
    }

    /// Whether such an order is taken: before an auction only what waits for it.
    #[inline]
    pub(crate) fn check_kind(&self, command: &NewOrder) -> Result<(), Reason> {
        let waits = command.order_type == OrderType::Limit
            && command.time_in_force.rests()
            && command.min_qty == Qty::ZERO;
        if self.state.is_call() && !waits {
            return Err(Reason::OnlyRestingOrders);
        }
        Ok(())
    }
}

impl Engine {
    /// How a market stands, to be changed.
    pub(crate) fn trading(&mut self, id: MarketId) -> Result<Trading<'_>, Reason> {
        self.market(id).ok_or(Reason::UnknownReference)?;
        Ok(self.markets.hot(id.0))
    }

    /// Lets a market go on in another state, and what crosses trade if that may not stay.
    pub(crate) fn set_market_state(&mut self, command: &SetMarketState, out: &mut Effects) {
        let kind = CommandKind::SetMarketState;
        match self.change_state(command, out) {
            Ok(uncrosses) => {
                Self::report_outcome(kind, Reason::None, out);
                if uncrosses {
                    self.begin_to_uncross(command.market, out);
                } else if let Some(closing) = self.closing(command.market) {
                    self.go_on_canceling(closing, out);
                } else {
                    self.wake(command.market);
                }
            }
            Err(reason) => Self::report_outcome(kind, reason, out),
        }
    }

    /// Whether an auction follows.
    fn change_state(
        &mut self,
        command: &SetMarketState,
        out: &mut Effects,
    ) -> Result<bool, Reason> {
        self.initialised()?;
        let (id, state) = (command.market, command.state);
        let known = self.trading(id)?.state;
        if state == MarketState::Delisted || *known == MarketState::Delisted {
            return Err(Reason::InvalidParameter);
        }
        if *known == state {
            return Ok(false);
        }
        *known = state;
        let uncrosses = !state.leaves_book_alone() && Self::is_crossed(self.market_of_order(id));
        self.publish_market_state(id, state, out);
        Ok(uncrosses)
    }

    /// What is to be cancelled in a market that has closed, if anything is.
    pub(crate) fn closing(&self, id: MarketId) -> Option<Canceling> {
        let market = self.market_of_order(id);
        let ends = market.state == MarketState::Closed && market.until_close > 0;
        ends.then(|| Canceling::of_all_in(id, Reason::MarketClose))
    }

    /// Halts the market of an order that was refused for its collar, if it is to be.
    pub(crate) fn halt_if_beyond(&mut self, id: MarketId, reason: Reason, out: &mut Effects) {
        if reason != Reason::PriceBeyondCollar {
            return;
        }
        let Ok(market) = self.trading(id) else {
            return;
        };
        if market.collar.halts.is_yes() {
            *market.state = MarketState::Halted;
            self.publish_market_state(id, MarketState::Halted, out);
        }
    }

    /// Ends a market.
    pub(crate) fn delist_market(&mut self, command: &DelistMarket, out: &mut Effects) {
        let kind = CommandKind::DelistMarket;
        if let Err(reason) = self.end_market(command.market) {
            return Self::report_outcome(kind, reason, out);
        }
        self.publish_market_state(command.market, MarketState::Delisted, out);
        let wanted = Wanted::in_market(command.market);
        self.drop_protections(&wanted);
        self.begin_to_cancel((None, kind, 0), Reason::Delisted, wanted, out);
    }

    fn end_market(&mut self, id: MarketId) -> Result<(), Reason> {
        self.initialised()?;
        let state = self.trading(id)?.state;
        if *state == MarketState::Delisted {
            return Err(Reason::InvalidParameter);
        }
        *state = MarketState::Delisted;
        Ok(())
    }
}
