//! What an order would do to the other side, looked at before it is accepted.

use crate::{Mutant, NaiveEngine, entry::ensure, naive::Order};
use domain::{Amount, FirmId, MAX_LOOK_AHEAD, Price, Qty, Reason, SelfTrade, SelfTradeScope};

impl NaiveEngine {
    /// Whether an order that rests is one of the arriving order's own.
    pub(crate) fn is_own(&self, arriving: &Order, resting: &Order) -> bool {
        let firm = |order: &Order| self.accounts[&order.account].terms.firm;
        let has_firm = firm(arriving) != FirmId(0) || self.is(Mutant::FirmZeroIsAFirm);
        let same_firm = has_firm && firm(arriving) == firm(resting);
        arriving.account == resting.account
            || arriving.self_trade_scope == SelfTradeScope::Firm
                && same_firm
                && !self.is(Mutant::FirmIsNotLookedAt)
    }

    /// Check 14: what an order takes, at which prices, as far as it must trade `must` lots. The
    /// order's price is the worst at which it trades; a market buy pays from its purse as it goes.
    pub(crate) fn look_ahead(
        &self,
        arriving: &Order,
        must: Qty,
        purse: Option<u64>,
    ) -> Result<Vec<(Price, Qty)>, Reason> {
        let must = self.looked_for(must, arriving.leaves);
        let looks = must > Qty::ZERO || arriving.self_trade == SelfTrade::Abort;
        if arriving.self_trade == SelfTrade::Allow {
            Ok(self.takes_of_anyone(arriving))
        } else if looks {
            self.takes_of_others(arriving, must, purse)
        } else {
            Ok(Vec::new())
        }
    }

    fn looked_for(&self, must: Qty, qty: Qty) -> Qty {
        if self.is(Mutant::MinimumIsNotLookedAt) && must < qty {
            Qty::ZERO
        } else {
            must
        }
    }

    /// Whether that is what must trade.
    pub(crate) fn check_fills(
        &self,
        takes: &[(Price, Qty)],
        must: Qty,
        qty: Qty,
    ) -> Result<(), Reason> {
        let must = self.looked_for(must, qty);
        let taken: u128 = takes.iter().map(|(_, qty)| u128::from(qty.0)).sum();
        ensure(
            taken >= u128::from(must.0) || self.is(Mutant::FillOrKillTakesPart),
            Reason::CannotFill,
        )
    }

    /// All that crosses.
    fn takes_of_anyone(&self, arriving: &Order) -> Vec<(Price, Qty)> {
        self.opposite(arriving.market, arriving.side, arriving.price)
            .iter()
            .map(|maker| {
                if self.is(Mutant::HiddenLotsAreNotLookedAt) {
                    (maker.price, maker.shown())
                } else {
                    (maker.price, maker.leaves)
                }
            })
            .collect()
    }

    /// What it takes where it trades with none of its own, until it has what it must, or can pay no more: at each price
    /// what is shown, order by order, and then what these others have hidden.
    fn takes_of_others(
        &self,
        arriving: &Order,
        must: Qty,
        purse: Option<u64>,
    ) -> Result<Vec<(Price, Qty)>, Reason> {
        let market = &self.markets[&arriving.market].terms;
        let mut look = Look {
            purse: purse.filter(|_| !self.is(Mutant::LooksBehindFunds)),
            tick_value: market.tick_value,
            takes: Vec::new(),
            rest: arriving.leaves.0,
            taken: 0,
            must: must.0,
            looked_at: 0,
        };
        let opposite = self.opposite(arriving.market, arriving.side, arriving.price);
        for queue in opposite.chunk_by(|a, b| a.price == b.price) {
            if !self.look_at_queue(arriving, queue, &mut look)? {
                break;
            }
            let hidden = queue.iter().filter(|maker| !self.is_own(arriving, maker));
            let hidden = hidden.map(|maker| maker.hidden.0).sum();
            if !self.is(Mutant::HiddenLotsAreNotLookedAt) {
                look.take(queue[0].price, hidden);
            }
        }
        Ok(look.takes)
    }

    /// Whether it looks further.
    fn look_at_queue(
        &self,
        arriving: &Order,
        queue: &[Order],
        look: &mut Look,
    ) -> Result<bool, Reason> {
        let most = MAX_LOOK_AHEAD + usize::from(self.is(Mutant::LooksOneFurther));
        for maker in queue {
            if look.is_spent() {
                return Ok(false);
            }
            let enough = look.taken >= look.must && arriving.self_trade != SelfTrade::Abort;
            if enough || look.rest == 0 {
                return Ok(false);
            }
            ensure(look.looked_at < most, Reason::LookAheadTooLong)?;
            look.looked_at += 1;
            if !self.is_own(arriving, maker) {
                look.take(maker.price, maker.shown().0);
                continue;
            }
            match arriving.self_trade {
                SelfTrade::Abort => return Err(Reason::WouldSelfTrade),
                SelfTrade::CancelOldest => {}
                SelfTrade::DecrementAndCancel if maker.leaves.0 < look.rest => {
                    if !self.is(Mutant::LookAheadForgetsDecrement) {
                        look.rest -= maker.leaves.0;
                    }
                }
                SelfTrade::DecrementAndCancel
                | SelfTrade::CancelNewest
                | SelfTrade::CancelBoth
                | SelfTrade::Allow => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// What a look ahead has come to.
struct Look {
    /// What it may cost, if it is not held yet.
    purse: Option<u64>,
    /// Base units of a lot at one tick.
    tick_value: u64,
    takes: Vec<(Price, Qty)>,
    rest: u64,
    taken: u64,
    must: u64,
    looked_at: usize,
}

impl Look {
    /// Whether what it takes costs more than there is, fees apart.
    fn is_spent(&self) -> bool {
        let notional = |(price, qty): &(Price, Qty)| {
            let notional = Amount::notional(*price, *qty, self.tick_value);
            u128::from(notional.map_or(u64::MAX, |notional| notional.0))
        };
        let cost = self.takes.iter().map(notional).sum::<u128>();
        self.purse.is_some_and(|purse| cost > u128::from(purse))
    }

    fn take(&mut self, price: Price, there: u64) {
        let qty = self.rest.min(there);
        self.rest -= qty;
        self.taken += qty;
        self.takes.push((price, Qty(qty)));
    }
}
