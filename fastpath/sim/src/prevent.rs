//! An arriving order meets one of its own and does not trade with it.

use crate::{Mutant, NaiveEngine, naive::Order};
use domain::{Effects, Qty, Reason, SelfTrade};

impl NaiveEngine {
    /// Whether they must not trade.
    pub(crate) fn must_not_trade(&self, taker: &Order, maker: &Order) -> bool {
        taker.self_trade != SelfTrade::Allow && self.is_own(taker, maker)
    }

    /// What happens instead of a trade. Whether the sweep ends by it.
    pub(crate) fn prevent(&mut self, taker: &Order, maker: &Order, out: &mut Effects) -> bool {
        let qty = taker.leaves.min(maker.leaves);
        let decrements = taker.self_trade == SelfTrade::DecrementAndCancel;
        let goes_on = decrements && maker.leaves < taker.leaves;
        let left = if goes_on && !self.is(Mutant::DecrementSparesTaker) {
            Qty(taker.leaves.0 - qty.0)
        } else {
            taker.leaves
        };
        self.report_prevented(taker, maker, (qty, left), out);
        self.order_mut(taker.id).leaves = left;
        match taker.self_trade {
            SelfTrade::CancelNewest => true,
            SelfTrade::CancelOldest => {
                self.cancel_resting(maker, Reason::SelfTrade, out);
                self.is(Mutant::CancelOldestEndsSweep)
            }
            SelfTrade::CancelBoth => {
                if !self.is(Mutant::CancelBothSparesMaker) {
                    self.cancel_resting(maker, Reason::SelfTrade, out);
                }
                true
            }
            SelfTrade::DecrementAndCancel if maker.leaves > taker.leaves => {
                self.shrink(maker, qty, out);
                true
            }
            SelfTrade::DecrementAndCancel => {
                self.cancel_resting(maker, Reason::SelfTrade, out);
                !goes_on
            }
            SelfTrade::Allow | SelfTrade::Abort => {
                panic!("one trades, and the other was refused before")
            }
        }
    }
}
