//! What an arriving order would meet, looked at before it is taken.

use crate::book::crosses;
use crate::engine::Engine;
use crate::market::{Market, limit_of, with_fee};
use crate::orders::Order;
use domain::{
    AccountId, Amount, FirmId, MAX_LOOK_AHEAD, NewOrder, OrderType, Price, Qty, Reason, SelfTrade,
    SelfTradeScope, SessionId, Side,
};

/// Whose orders are an order's own.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    account: AccountId,
    /// None if those of other accounts are not.
    firm: Option<FirmId>,
}

/// An order that is about to arrive.
pub(crate) struct Arriving {
    session: SessionId,
    side: Side,
    /// At which it is taken; 0: any.
    price: Price,
    qty: Qty,
    self_trade: SelfTrade,
    self_trade_scope: SelfTradeScope,
    /// It sets nothing aside: a market buy.
    pays_as_it_goes: bool,
}

impl Arriving {
    /// A new order that is taken at `price`.
    pub(crate) fn of(session: SessionId, command: &NewOrder, price: Price) -> Self {
        Self {
            session,
            side: command.side,
            price,
            qty: command.qty,
            self_trade: command.self_trade,
            self_trade_scope: command.self_trade_scope,
            pays_as_it_goes: command.order_type == OrderType::Market && command.side == Side::Buy,
        }
    }

    /// An order that was amended and arrives again.
    pub(crate) fn again(amended: &Order) -> Self {
        Self {
            session: amended.session,
            side: amended.side,
            price: amended.price,
            qty: amended.leaves,
            self_trade: amended.instructions.self_trade(),
            self_trade_scope: amended.instructions.self_trade_scope(),
            pays_as_it_goes: false,
        }
    }
}

/// How far a look ahead has come.
struct Look {
    /// Lots that the order would have left.
    rest: Qty,
    /// Lots that it would have traded.
    taken: Qty,
    must: Qty,
    /// What the first of them, up to `must`, cost without fee, or `None` beyond the range.
    cost: Option<Amount>,
    /// What all that it would have traded cost without fee, likewise.
    spent: Option<Amount>,
}

impl Look {
    fn new(qty: Qty, must: Qty) -> Self {
        Self {
            rest: qty,
            taken: Qty::ZERO,
            must,
            cost: Some(Amount::ZERO),
            spent: Some(Amount::ZERO),
        }
    }

    fn take(&mut self, market: &Market, price: Price, there: Qty) {
        let qty = there.min(self.rest);
        let missing = Qty(self.must.0.saturating_sub(self.taken.0));
        let with = |cost: Option<Amount>, qty| cost?.checked_add(market.notional(price, qty)?);
        self.cost = with(self.cost, qty.min(missing));
        self.spent = with(self.spent, qty);
        self.rest = Qty(self.rest.0 - qty.0);
        self.taken = Qty(self.taken.0 + qty.0);
    }

    fn has_enough(&self) -> bool {
        self.taken >= self.must
    }
}

impl Engine {
    /// Whether at least `must` lots of an arriving order trade at once and can be paid, and that it does not meet what
    /// it must not meet.
    pub(crate) fn look_ahead(
        &self,
        market: &Market,
        arriving: &Arriving,
        must: Qty,
    ) -> Result<(), Reason> {
        let mut look = Look::new(arriving.qty, must);
        if arriving.self_trade == SelfTrade::Allow {
            self.look_at_prices(market, arriving, &mut look);
        } else {
            self.look_at_orders(market, arriving, &mut look)?;
        }
        // First what was found has to be paid: without funds nobody learns whether there was enough.
        if arriving.pays_as_it_goes {
            self.check_cost(market, arriving, &look)?;
        }
        if look.has_enough() {
            Ok(())
        } else {
            Err(Reason::CannotFill)
        }
    }

    /// Only what must trade has to be paid in full; what else a market buy takes is paid as it goes.
    fn check_cost(&self, market: &Market, arriving: &Arriving, look: &Look) -> Result<(), Reason> {
        let account = self.account_of(arriving.session);
        let taker_ppm = self.rates_of(account, market).taker_ppm;
        let paid = look.cost.and_then(|cost| with_fee(cost, taker_ppm));
        let available = self.funds.balance(account, market.terms.quote).available;
        if paid.is_some_and(|paid| paid <= available) {
            Ok(())
        } else {
            Err(Reason::InsufficientFunds)
        }
    }

    /// The prices of the other side that an arriving order crosses, best first.
    fn crossing<'a>(
        &'a self,
        market: &'a Market,
        arriving: &Arriving,
    ) -> impl Iterator<Item = (Price, Qty)> + use<'a> {
        let (side, limit) = (arriving.side, limit_of(arriving.side, arriving.price));
        market
            .book
            .totals(&self.ladders, side.opposite())
            .take_while(move |&(price, _)| crosses(side, limit, price))
    }

    fn look_at_prices(&self, market: &Market, arriving: &Arriving, look: &mut Look) {
        for (price, qty) in self.crossing(market, arriving) {
            if look.has_enough() {
                return;
            }
            look.take(market, price, qty);
        }
    }

    /// Order by order, because some may be its own. What others have hidden comes behind all that is shown at its price.
    fn look_at_orders(
        &self,
        market: &Market,
        arriving: &Arriving,
        look: &mut Look,
    ) -> Result<(), Reason> {
        let owner = self.owner(arriving.session, arriving.self_trade_scope);
        let aborts = arriving.self_trade == SelfTrade::Abort;
        let opposite = arriving.side.opposite();
        let mut looked = 0;
        for (price, _) in self.crossing(market, arriving) {
            let mut hidden = Qty::ZERO;
            let queue = market
                .book
                .queue(&self.ladders, &self.orders, opposite, price);
            for order in queue {
                if look.rest == Qty::ZERO || look.has_enough() && !aborts {
                    return Ok(());
                }
                if looked == MAX_LOOK_AHEAD {
                    return Err(Reason::LookAheadTooLong);
                }
                looked += 1;
                if !self.owns(owner, order) {
                    look.take(market, price, self.orders.shown(order));
                    if self.is_spent(market, arriving, look) {
                        return Ok(());
                    }
                    hidden = Qty(hidden.0 + self.orders.iceberg(order).hidden.0);
                    continue;
                }
                match arriving.self_trade {
                    SelfTrade::Abort => return Err(Reason::WouldSelfTrade),
                    SelfTrade::CancelOldest => {}
                    SelfTrade::DecrementAndCancel if order.leaves < look.rest => {
                        look.rest = Qty(look.rest.0 - order.leaves.0);
                    }
                    SelfTrade::Allow
                    | SelfTrade::CancelNewest
                    | SelfTrade::CancelBoth
                    | SelfTrade::DecrementAndCancel => return Ok(()),
                }
            }
            look.take(market, price, hidden);
            if self.is_spent(market, arriving, look) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether the order's funds end within what it would have taken, so that it meets nothing behind that. Fees are
    /// left out: they are rounded down trade by trade, so nobody knows them before.
    fn is_spent(&self, market: &Market, arriving: &Arriving, look: &Look) -> bool {
        if !arriving.pays_as_it_goes {
            return false;
        }
        let account = self.account_of(arriving.session);
        let available = self.funds.balance(account, market.terms.quote).available;
        look.spent.is_none_or(|spent| spent > available)
    }

    /// Whose orders are own ones for a session's order with this scope. Firm 0 is none.
    pub(crate) fn owner(&self, session: SessionId, scope: SelfTradeScope) -> Owner {
        let account = self.account_of(session);
        let firm = match scope {
            SelfTradeScope::Account => None,
            SelfTradeScope::Firm => Some(self.firm_of(account)).filter(|&firm| firm != FirmId(0)),
        };
        Owner { account, firm }
    }

    pub(crate) fn owns(&self, owner: Owner, order: &Order) -> bool {
        let account = self.account_of(order.session);
        account == owner.account || owner.firm.is_some_and(|firm| self.firm_of(account) == firm)
    }
}
