//! What both implementations of the rules offer.

use domain::{
    AccountId, AccountView, Amount, AssetId, Command, Effects, MarketId, MarketState, Nanos,
    OrderId, OrderView, Phase, Price, ProtectionView, Request, SessionId, SessionView, Side,
    Source, Stamp,
};
use engine::Engine;
use sim::NaiveEngine;

/// An implementation of the rules of docs/ENGINE.md, and what a reader may know of its state.
pub trait Rules {
    /// Whether the next command of `source` may carry this number.
    fn admits(&self, source: Source, number: u64) -> bool;
    /// Whether the command may come now: a pending sweep goes first.
    fn fits(&self, command: &Command) -> bool;
    /// Applies an admitted request and writes its events into `out`, which is cleared first.
    fn apply(&mut self, stamp: Stamp, request: &Request, out: &mut Effects);
    /// The highest number of a source so far, or 0.
    fn last_number(&self, source: Source) -> u64;
    /// The order whose sweep must go on before anything else, or none if other work must.
    fn pending_work(&self) -> Option<OrderId>;
    /// When the next `Timer` is due.
    fn next_deadline(&self) -> Option<Nanos>;
    /// Whether orders are taken.
    fn phase(&self) -> Phase;
    /// The epoch.
    fn epoch(&self) -> u32;
    /// The rules in force.
    fn version(&self) -> u16;
    /// Engine time, UTC nanoseconds.
    fn now(&self) -> Nanos;
    /// The hash of the whole state.
    fn state_hash(&self) -> u64;
    /// A session, if it exists.
    fn session(&self, session: SessionId) -> Option<SessionView>;
    /// Deposited and fees of an asset, in base units.
    fn asset(&self, asset: AssetId) -> Option<(Amount, Amount)>;
    /// Available and held of an account's asset, in base units.
    fn balance(&self, account: AccountId, asset: AssetId) -> Option<(Amount, Amount)>;
    /// An account, if it exists.
    fn account(&self, account: AccountId) -> Option<AccountView>;
    /// The protection of what a session quotes in a market, if it has one.
    fn protection(&self, session: SessionId, market: MarketId) -> Option<ProtectionView>;
    /// What may happen in a market, and the price of its last trade, or 0.
    fn market_state(&self, market: MarketId) -> Option<(MarketState, Price)>;
    /// All live orders, lowest id first.
    fn orders(&self) -> Vec<OrderView>;
    /// The resting orders of a side, best price first, then first come first.
    fn book(&self, market: MarketId, side: Side) -> Vec<OrderView>;
    /// Checks what always holds.
    ///
    /// # Errors
    /// What does not hold.
    fn check_invariants(&self) -> Result<(), String>;
}

macro_rules! same_named {
    () => {
        fn admits(&self, source: Source, number: u64) -> bool {
            self.admits(source, number)
        }
        fn fits(&self, command: &Command) -> bool {
            self.fits(command)
        }
        fn apply(&mut self, stamp: Stamp, request: &Request, out: &mut Effects) {
            self.apply(stamp, request, out);
        }
        fn last_number(&self, source: Source) -> u64 {
            self.last_number(source)
        }
        fn pending_work(&self) -> Option<OrderId> {
            self.pending_work()
        }
        fn next_deadline(&self) -> Option<Nanos> {
            self.next_deadline()
        }
        fn phase(&self) -> Phase {
            self.phase()
        }
        fn epoch(&self) -> u32 {
            self.epoch()
        }
        fn version(&self) -> u16 {
            self.version()
        }
        fn now(&self) -> Nanos {
            self.now()
        }
        fn state_hash(&self) -> u64 {
            self.state_hash()
        }
        fn session(&self, session: SessionId) -> Option<SessionView> {
            self.session(session)
        }
        fn asset(&self, asset: AssetId) -> Option<(Amount, Amount)> {
            self.asset(asset)
        }
        fn balance(&self, account: AccountId, asset: AssetId) -> Option<(Amount, Amount)> {
            self.balance(account, asset)
        }
        fn account(&self, account: AccountId) -> Option<AccountView> {
            self.account(account)
        }
        fn protection(&self, session: SessionId, market: MarketId) -> Option<ProtectionView> {
            self.protection(session, market)
        }
        fn market_state(&self, market: MarketId) -> Option<(MarketState, Price)> {
            self.market_state(market)
        }
    };
}

impl Rules for Engine {
    same_named!();

    fn orders(&self) -> Vec<OrderView> {
        let mut orders: Vec<OrderView> = self.orders().collect();
        orders.sort_by_key(|order| order.order_id);
        orders
    }

    fn book(&self, market: MarketId, side: Side) -> Vec<OrderView> {
        self.book(market, side).collect()
    }

    fn check_invariants(&self) -> Result<(), String> {
        self.check_invariants().map_err(|broken| broken.to_string())
    }
}

impl Rules for NaiveEngine {
    same_named!();

    fn orders(&self) -> Vec<OrderView> {
        self.order_views()
    }

    fn book(&self, market: MarketId, side: Side) -> Vec<OrderView> {
        self.book_views(market, side)
    }

    fn check_invariants(&self) -> Result<(), String> {
        self.check_invariants()
    }
}
