//! What a market's state lets orders do, and how it changes.

use crate::{Mutant, NaiveEngine, administration::Answer, entry::ensure, naive::Market};
use domain::{
    CommandKind, DelistMarket, Effects, MarketId, MarketState, MassCancel, NewOrder, OrderType,
    Qty, Reason, Scope, SetMarketState,
};

impl NaiveEngine {
    /// Check 3 of an order, and of an amendment: whether the market takes anything but cancels.
    pub(crate) fn check_market_takes_orders(&self, market: &Market) -> Result<(), Reason> {
        match market.state {
            MarketState::Halted => Err(Reason::MarketHalted),
            MarketState::CancelOnly => Err(Reason::MarketCancelOnly),
            MarketState::Closed => Err(Reason::MarketClosed),
            MarketState::Delisted => Err(Reason::MarketDelisted),
            MarketState::Continuous
            | MarketState::PreOpen
            | MarketState::OpeningAuction
            | MarketState::PostOnly
            | MarketState::ClosingAuction => Ok(()),
        }
    }

    /// The last sentence of check 3: in a call only what rests whole is taken.
    pub(crate) fn check_rests_in_call(&self, new: &NewOrder) -> Result<(), Reason> {
        let rests = new.order_type == OrderType::Limit
            && new.time_in_force.rests()
            && (new.min_qty == Qty::ZERO || self.is(Mutant::CallTakesMinimumQuantity));
        ensure(
            rests || !self.is_in_call(new.market),
            Reason::OnlyRestingOrders,
        )
    }

    /// Whether orders may trade as they arrive, as far as the market's state goes.
    pub(crate) fn lets_orders_trade(&self, market: MarketId) -> bool {
        self.markets[&market].state != MarketState::PostOnly
            || self.is(Mutant::PostOnlyMarketTrades)
    }

    pub(crate) fn is_in_call(&self, market: MarketId) -> bool {
        matches!(
            self.markets[&market].state,
            MarketState::PreOpen | MarketState::OpeningAuction | MarketState::ClosingAuction
        )
    }

    /// Whether a market may be crossed: in a call, or as a call that was broken off has left it.
    pub(crate) fn may_be_crossed(&self, market: MarketId) -> bool {
        !matches!(
            self.markets[&market].state,
            MarketState::Continuous | MarketState::PostOnly | MarketState::Closed
        )
    }

    /// Whether a bid is no lower than an ask.
    pub(crate) fn is_crossed(&self, market: MarketId) -> bool {
        let best = self.best_bid(market).zip(self.best_ask(market));
        best.is_some_and(|(bid, ask)| bid >= ask)
    }

    pub(crate) fn change_state(&mut self, id: MarketId, state: MarketState, out: &mut Effects) {
        let market = self.markets.get_mut(&id).expect("its state was looked at");
        market.state = state;
        self.publish_state(id, state, out);
    }

    /// Answers itself, because the auction follows the answer.
    pub(crate) fn set_market_state(&mut self, command: &SetMarketState, out: &mut Effects) {
        let answer = self.try_set_market_state(command, out);
        Self::report_outcome(CommandKind::SetMarketState, answer.map(|_| ()), out);
        let forgotten =
            command.state == MarketState::Closed && self.is(Mutant::ClosedWithoutAuction);
        let uncrosses = answer.is_ok()
            && !self.may_be_crossed(command.market)
            && self.is_crossed(command.market)
            && !forgotten;
        if uncrosses {
            return self.begin_auction(command.market, out);
        }
        if answer == Ok(true) {
            match self.closing(command.market) {
                Some(closing) => self.go_on_canceling(closing, out),
                None => self.wake(command.market),
            }
        }
    }

    /// Whether it is another state.
    fn try_set_market_state(
        &mut self,
        command: &SetMarketState,
        out: &mut Effects,
    ) -> Result<bool, Reason> {
        let state = self.state_of(command.market)?;
        ensure(
            state != MarketState::Delisted && command.state != MarketState::Delisted,
            Reason::InvalidParameter,
        )?;
        if state != command.state {
            self.change_state(command.market, command.state, out);
        }
        Ok(state != command.state)
    }

    fn state_of(&self, market: MarketId) -> Result<MarketState, Reason> {
        self.initialised()?;
        let market = self.markets.get(&market).ok_or(Reason::UnknownReference)?;
        Ok(market.state)
    }

    /// Answers itself, because the cancels follow the answer.
    pub(crate) fn delist_market(&mut self, command: &DelistMarket, out: &mut Effects) {
        let answer = self.try_delist_market(command, out);
        Self::report_outcome(CommandKind::DelistMarket, answer, out);
        if answer.is_ok() {
            if !self.is(Mutant::DelistingSparesProtections) {
                self.drop_protections(|_, _, market| market == command.market);
            }
            let wanted = MassCancel {
                market: command.market,
                scope: Scope::Everyone,
                ..MassCancel::OWN
            };
            self.begin_canceling(Reason::Delisted, None, wanted, out);
        }
    }

    fn try_delist_market(&mut self, command: &DelistMarket, out: &mut Effects) -> Answer {
        let state = self.state_of(command.market)?;
        ensure(state != MarketState::Delisted, Reason::InvalidParameter)?;
        self.change_state(command.market, MarketState::Delisted, out);
        Ok(())
    }
}
