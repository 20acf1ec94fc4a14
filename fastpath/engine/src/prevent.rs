//! Self-trade prevention: an arriving order meets one of its own, and they do not trade.

use crate::engine::Engine;
use crate::orders::Order;
use domain::{Effects, Qty, Reason, SelfTrade};

impl Engine {
    /// Does what the arriving order asks for where it meets `maker`, the first order of the best opposite price and one
    /// of its own. Whether it goes on.
    pub(crate) fn prevent(&mut self, taker: u32, maker: u32, out: &mut Effects) -> bool {
        let (arriving, resting) = (self.orders[taker], self.orders[maker]);
        let mode = arriving.instructions.self_trade();
        let qty = arriving.leaves.min(resting.leaves);
        let (taker_is_larger, maker_is_larger) = (
            arriving.leaves > resting.leaves,
            resting.leaves > arriving.leaves,
        );
        if mode == SelfTrade::DecrementAndCancel && taker_is_larger {
            self.shrink(taker, qty);
        }
        let after = self.orders[taker];
        self.report_self_trade_prevented(&after, &resting, qty, out);
        match mode {
            SelfTrade::CancelNewest => false,
            SelfTrade::CancelOldest => {
                self.cancel_resting(maker, Reason::SelfTrade, out);
                true
            }
            SelfTrade::CancelBoth => {
                self.cancel_resting(maker, Reason::SelfTrade, out);
                false
            }
            SelfTrade::DecrementAndCancel if maker_is_larger => {
                self.reduce_resting(maker, qty, out);
                false
            }
            SelfTrade::DecrementAndCancel => {
                self.cancel_resting(maker, Reason::SelfTrade, out);
                taker_is_larger
            }
            SelfTrade::Allow | SelfTrade::Abort => {
                unreachable!("the one trades, and the other was refused by the look ahead")
            }
        }
    }

    /// Makes an order smaller by lots that it has, and returns what it held for them. Its queue is the caller's to change.
    pub(crate) fn shrink(&mut self, slot: u32, qty: Qty) -> Order {
        let before = self.orders[slot];
        let mut after = before;
        after.leaves = before
            .leaves
            .checked_sub(qty)
            .expect("the caller takes no more than there is");
        self.exchange_hold(&before, &after);
        self.orders[slot] = after;
        after
    }
}
