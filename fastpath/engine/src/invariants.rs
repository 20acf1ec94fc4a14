//! What always holds, checked in full. For tests and simulators: it walks the whole state.

use crate::engine::{Engine, Work};
use crate::hash::existing;
use crate::market::Market;
use crate::orders::{NIL, Order};
use crate::stops::Reach;
use core::fmt;
use domain::{AccountId, AssetId, MarketId, MarketState, OrderId, Price, Qty, SessionId, Side};
use std::collections::{BTreeMap, BTreeSet};

/// Something that must always hold and does not: an error of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenInvariant(String);

impl fmt::Display for BrokenInvariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for BrokenInvariant {}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), BrokenInvariant> {
    if holds {
        Ok(())
    } else {
        Err(BrokenInvariant(what()))
    }
}

impl Engine {
    /// Checks that funds are conserved, holds add up, queues are linked and in order of priority,
    /// bitmaps, pages and best prices are true, no book is crossed, slots are either live or free,
    /// every live order is found by its client order id, and the hash that is kept is that of the state.
    ///
    /// # Errors
    /// [`BrokenInvariant`] says what does not hold.
    pub fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        self.check_funds()?;
        let mut queued = BTreeSet::new();
        for (index, market) in self.markets.iter().enumerate() {
            if let Some(market) = market {
                let id = MarketId(u32::try_from(index).expect("ids are below 2^16"));
                self.check_book(id, market, &mut queued)?;
            }
        }
        self.ladders.check_pages().map_err(BrokenInvariant)?;
        self.check_slots(&queued)?;
        self.check_hash()
    }

    /// Checks that what is kept of the state's hash is what the state has.
    ///
    /// # Errors
    /// [`BrokenInvariant`] says what both are.
    pub fn check_hash(&self) -> Result<(), BrokenInvariant> {
        let (kept, anew) = (self.state_hash(), self.state_hash_anew());
        ensure(kept == anew, || {
            format!("the hash that is kept is {kept:016x}, that of the state {anew:016x}")
        })
    }

    fn check_funds(&self) -> Result<(), BrokenInvariant> {
        let mut holds: BTreeMap<(AccountId, AssetId), u128> = BTreeMap::new();
        for order in self.orders.iter() {
            let (asset, amount) = self.hold_of(order);
            let account = self.account_of(order.session);
            *holds.entry((account, asset)).or_default() += u128::from(amount.0);
        }
        for asset in self.asset_ids() {
            let (deposited, fees) = self.asset(asset).expect("it is one of the ids");
            let mut total = u128::from(fees.0);
            for account in self.account_ids() {
                let balance = self.funds.balance(account, asset);
                total += u128::from(balance.available.0) + u128::from(balance.held.0);
                let holds = holds.get(&(account, asset)).copied().unwrap_or(0);
                ensure(u128::from(balance.held.0) == holds, || {
                    format!(
                        "{account:?} holds {:?} of {asset:?}, its orders {holds}",
                        balance.held
                    )
                })?;
            }
            ensure(total == u128::from(deposited.0), || {
                format!("{asset:?}: there are {total}, deposited were {deposited}")
            })?;
        }
        Ok(())
    }

    fn check_book(
        &self,
        id: MarketId,
        market: &Market,
        queued: &mut BTreeSet<OrderId>,
    ) -> Result<(), BrokenInvariant> {
        for side in [Side::Buy, Side::Sell] {
            let mut count = 0;
            for (price, qty) in market.book.levels(&self.ladders, side) {
                let in_queue = self.check_queue(id, market, (side, price, qty), queued)?;
                count += in_queue;
            }
            let resting = self
                .orders
                .iter()
                .filter(|order| order.market() == id && order.side == side && order.priority != 0);
            let resting = resting.count();
            ensure(count == resting, || {
                format!("{id:?} {side:?}: {count} orders in queues, {resting} resting")
            })?;
            market
                .book
                .check_taken(&self.ladders, side)
                .map_err(|what| BrokenInvariant(format!("{id:?} {side:?}: {what}")))?;
        }
        let (bid, ask) = (market.book.best(Side::Buy), market.book.best(Side::Sell));
        let pending = matches!(&self.work, Some(Work::Uncrossing(work)) if work.market == id);
        let may_cross = pending || market.state.leaves_book_alone();
        let crossed = !may_cross && bid.zip(ask).is_some_and(|(bid, ask)| bid >= ask);
        ensure(!crossed, || format!("{id:?} is crossed: {bid:?} {ask:?}"))
    }

    /// Checks one price of one side; answers with how many orders stand there.
    fn check_queue(
        &self,
        id: MarketId,
        market: &Market,
        (side, price, qty): (Side, Price, Qty),
        queued: &mut BTreeSet<OrderId>,
    ) -> Result<usize, BrokenInvariant> {
        let place = || format!("{id:?} {side:?} at {price}");
        let (mut count, mut lots, mut ahead) = (0, [0_u128; 2], (NIL, 0));
        for order in market.book.queue(&self.ladders, &self.orders, side, price) {
            ensure(queued.insert(order.id), || {
                format!("{}: {:?} is queued twice", place(), order.id)
            })?;
            let belongs = order.market() == id && order.side == side && order.price == price;
            ensure(belongs && self.orders.find(order.id).is_some(), || {
                format!("{}: {order:?} does not belong there", place())
            })?;
            let in_order = order.prev == ahead.0 && order.priority > ahead.1;
            let (shown, hidden) = (self.orders.shown(order), self.orders.iceberg(order).hidden);
            ensure(in_order && shown > Qty::ZERO, || {
                format!("{}: {order:?} comes after {ahead:?}", place())
            })?;
            ahead = (order.id.slot(), order.priority);
            count += 1;
            lots[0] += u128::from(shown.0);
            lots[1] += u128::from(hidden.0);
        }
        let total = market.book.total(&self.ladders, side, price);
        let levels = [qty, total].map(|qty| u128::from(qty.0));
        ensure(count > 0 && [lots[0], lots[0] + lots[1]] == levels, || {
            format!(
                "{}: {count} orders of {} lots and {} hidden, level says {qty} of {total}",
                place(),
                lots[0],
                lots[1]
            )
        })?;
        Ok(count)
    }

    fn check_slots(&self, queued: &BTreeSet<OrderId>) -> Result<(), BrokenInvariant> {
        let mut live = 0;
        let sweeping = self.pending_work();
        for order in self.orders.iter() {
            live += 1;
            self.check_order(order)?;
            let others = [
                sweeping == Some(order.id),
                self.stop_of(order).is_some(),
                queued.contains(&order.id),
            ];
            ensure(others.into_iter().filter(|&is| is).count() == 1, || {
                format!("{order:?} must either rest, wait or sweep; sweeping is {sweeping:?}")
            })?;
        }
        ensure(live == self.live_orders(), || {
            format!("{live} orders live, counted are {}", self.live_orders())
        })?;
        let (known, quotes) = (self.client_ids.len(), self.check_quotes()?);
        ensure(known + quotes == live, || {
            format!("{live} orders live, {known} client order ids are known, and {quotes} quotes")
        })?;
        self.check_lists(live)?;
        self.check_sessions()?;
        self.check_ends()?;
        self.check_stops()?;
        let mut free = BTreeSet::new();
        for id in self.orders.free_ids() {
            let slot = id.slot();
            let unused = slot < self.orders.next_fresh() && self.orders[slot].id == OrderId::NONE;
            ensure(unused && free.insert(slot), || {
                format!("slot {slot} is on the free list, and live, fresh or free twice")
            })?;
        }
        ensure(
            sweeping.is_none_or(|id| id == OrderId::NONE || self.orders.find(id).is_some()),
            || format!("{sweeping:?} sweeps but does not live"),
        )
    }

    /// Every order that ends at a time stands among those, and they with the market's close are counted.
    fn check_ends(&self) -> Result<(), BrokenInvariant> {
        let known = self.orders.iter().filter_map(|order| {
            let end = self.expiries.end(order.id.slot());
            end.map(|end| (end, order.id))
        });
        let known: BTreeSet<_> = known.collect();
        let first = known.first().copied();
        ensure(self.expiries.first() == first, || {
            format!("{:?} ends first, not {first:?}", self.expiries.first())
        })?;
        let entries = self.expiries.len();
        ensure(known.len() == entries, || {
            format!("{} orders end at a time, {entries} are kept", known.len())
        })?;
        for market in self.markets.iter().flatten() {
            let id = market.terms.market;
            let closing = self
                .orders
                .iter()
                .filter(|order| order.market() == id && order.instructions.until_close());
            let (closing, counted) = (closing.count(), market.until_close as usize);
            ensure(closing == counted, || {
                format!("{id:?}: {closing} orders end when it closes, counted are {counted}")
            })?;
        }
        Ok(())
    }

    /// Every stop that waits stands once in the heap of its side, and none of them is to have arrived.
    fn check_stops(&self) -> Result<(), BrokenInvariant> {
        let waiting = |order: &&Order| self.stop_of(order).is_some();
        let waiting = self.orders.iter().filter(waiting).count();
        let mut known = 0;
        for market in self.markets.iter().flatten() {
            for root in market.stops {
                known += self.stops.walk(root).len();
            }
            let id = market.terms.market;
            let late = market.state == MarketState::Continuous
                && self.work.is_none()
                && market.reach != Reach::default();
            ensure(!late, || format!("{id:?}: stops were not looked at"))?;
        }
        ensure(waiting == known, || {
            format!("{waiting} orders wait, {known} are known")
        })
    }

    /// Every side of a quote is known as one, and no others are; answers with how many there are.
    fn check_quotes(&self) -> Result<usize, BrokenInvariant> {
        let (mut quotes, mut entries) = (0, BTreeMap::<AccountId, u16>::new());
        for entry in self.quoted.iter() {
            let (session, market) = (entry.session, entry.market);
            let is_found = self.quoted.find(session, market).is_some();
            ensure(is_found && !entry.is_empty(), || {
                format!("{entry:?} is not found, or nothing")
            })?;
            *entries.entry(self.account_of(session)).or_default() += 1;
            let sides = [Side::Buy, Side::Sell].map(|side| Some((side, entry.slot(side)?)));
            let sides = sides.map(|side| side.map(|(side, slot)| (side, &self.orders[slot])));
            for (side, order) in sides.into_iter().flatten() {
                quotes += 1;
                let is_its = order.id != OrderId::NONE
                    && order.instructions.is_quote()
                    && (order.session, order.market(), order.side) == (session, market, side);
                ensure(is_its && !entry.protection.is_reached(), || {
                    format!("{order:?} is no side of {entry:?}")
                })?;
            }
            if let [Some((_, bid)), Some((_, ask))] = sides {
                let fit = bid.price < ask.price && bid.client_order_id == ask.client_order_id;
                ensure(fit, || format!("{bid:?} and {ask:?} are no quote"))?;
            }
        }
        let is_quote = |order: &&Order| order.instructions.is_quote();
        let live = self.orders.iter().filter(is_quote).count();
        ensure(live == quotes, || {
            format!("{live} orders are quotes, {quotes} are known")
        })?;
        for (account, _) in existing(&self.accounts) {
            let account = AccountId(account);
            let counted = self.quoted.of_account(account);
            let there = entries.get(&account).copied().unwrap_or(0);
            ensure(counted == there, || {
                format!("{account:?} has {there} entries, counted are {counted}")
            })?;
        }
        Ok(quotes)
    }

    /// Every live order stands once in the list of its session.
    fn check_lists(&self, live: usize) -> Result<(), BrokenInvariant> {
        let mut listed = 0;
        for session in self.session_ids() {
            let (mut newer, mut slot) = (NIL, self.session_state(session).newest_order);
            while slot != NIL {
                let order = &self.orders[slot];
                let belongs = order.id != OrderId::NONE && order.session == session;
                ensure(belongs && self.orders.newer(slot) == newer, || {
                    format!("{order:?} does not stand behind slot {newer} of {session:?}")
                })?;
                listed += 1;
                ensure(listed <= live, || {
                    format!("the list of {session:?} has no end")
                })?;
                (newer, slot) = (slot, self.orders.older(slot));
            }
        }
        ensure(listed == live, || {
            format!("{live} orders live, {listed} are in lists of sessions")
        })
    }

    /// Every session stands once in the list of its account.
    fn check_sessions(&self) -> Result<(), BrokenInvariant> {
        let mut listed = BTreeSet::new();
        for account in self.account_ids() {
            let mut next = self.account_state(account).newest_session;
            while next != NIL {
                let session = self.session_or_none(SessionId(next));
                let belongs = session.filter(|session| session.account == account);
                ensure(belongs.is_some() && listed.insert(next), || {
                    format!("session {next} is none of {account:?}, or listed twice")
                })?;
                next = belongs.map_or(NIL, |session| session.older_session);
            }
        }
        let (listed, exist) = (listed.len(), self.session_count());
        ensure(listed == exist, || {
            format!("{exist} sessions exist, {listed} are in lists of accounts")
        })
    }

    fn check_order(&self, order: &Order) -> Result<(), BrokenInvariant> {
        if order.instructions.is_quote() {
            return Ok(());
        }
        let known = self.order_id(order.session, order.client_order_id);
        ensure(known == Some(order.id), || {
            format!("{order:?} is not found by its client order id but {known:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Session;
    use domain::{
        Amount, ClientOrderId, Command, CreateAccount, CreateAsset, CreateMarket, Deposit, Effects,
        FirmId, Genesis, Nanos, NewOrder, OpenSession, OrderType, Request, Seq, Source, Stamp,
        TimeInForce, Zero,
    };

    fn sell(client: u64, price: i64) -> Command {
        Command::NewOrder(NewOrder {
            client_order_id: ClientOrderId(client),
            price: Price(price),
            qty: Qty(5),
            market: MarketId(0),
            side: Side::Sell,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            ..NewOrder::PLAIN
        })
    }

    fn asset(id: u32) -> Command {
        Command::CreateAsset(CreateAsset {
            asset: AssetId(id),
            decimals: 0,
            pad: [Zero::Zero; 3],
            symbol: [0; 16],
        })
    }

    /// One account, one market, and sells of 5 lots at 10, 10 and 12 in slots 0, 1 and 2.
    fn commands() -> Vec<(Source, Command)> {
        let session = Source::of_session(SessionId(0));
        let setup = [
            Command::Genesis(Genesis {
                max_assets: 2,
                max_markets: 1,
                max_accounts: 1,
                max_sessions: 1,
                max_orders: 4,
                max_levels: 20,
                max_pages: 2,
                pad: [Zero::Zero; 4],
            }),
            asset(0),
            asset(1),
            Command::CreateMarket(CreateMarket {
                market: MarketId(0),
                base: AssetId(0),
                quote: AssetId(1),
                maker_fee_ppm: 0,
                taker_fee_ppm: 0,
                price_levels: 20,
                tick_value: 1,
                lot_size: 1,
                min_qty: Qty(1),
                price_min: Price(1),
                symbol: [0; 16],
                state: MarketState::Continuous,
                pad: [Zero::Zero; 7],
            }),
            Command::CreateAccount(CreateAccount {
                account: AccountId(0),
                firm: FirmId(0),
                owner: [3; 32],
            }),
            Command::OpenSession(OpenSession {
                session: SessionId(0),
                account: AccountId(0),
                delegation: domain::Delegation::unlimited([0; 32]),
                gate: domain::Gate::Port,
                pad: [Zero::Zero; 7],
            }),
            Command::Deposit(Deposit {
                account: AccountId(0),
                asset: AssetId(0),
                amount: Amount(100),
            }),
        ];
        let orders = [sell(1, 10), sell(2, 10), sell(3, 12)];
        setup
            .map(|command| (Source::ADMINISTRATION, command))
            .into_iter()
            .chain(orders.map(|command| (session, command)))
            .collect()
    }

    fn engine() -> Engine {
        let mut engine = Engine::new();
        let mut out = Effects::new();
        for (seq, (source, command)) in (1..).zip(commands()) {
            let request = Request {
                source,
                source_seq: seq,
                receive_time: Nanos(0),
                command,
            };
            let stamp = Stamp {
                seq: Seq(seq),
                time: Nanos(seq),
            };
            engine.apply(stamp, &request, &mut out);
        }
        assert_eq!(engine.live_orders(), 3);
        engine
    }

    fn broken_by(harm: fn(&mut Engine)) -> String {
        let mut engine = engine();
        assert_eq!(engine.check_invariants(), Ok(()));
        harm(&mut engine);
        let broken = engine.check_invariants().expect_err("the harm is seen");
        broken.to_string()
    }

    #[test]
    fn money_from_nowhere_is_seen() {
        let (account, asset) = (AccountId(0), AssetId(0));
        let what = broken_by(|engine| engine.funds.credit(AccountId(0), AssetId(0), Amount(1)));
        assert!(what.contains("deposited were"), "{what}");
        let what = broken_by(|engine| engine.funds.hold(AccountId(0), AssetId(0), Amount(1)));
        assert!(what.contains(&format!("{account:?} holds")), "{what}");
        assert!(what.contains(&format!("{asset:?}")), "{what}");
    }

    #[test]
    fn a_broken_queue_is_seen() {
        let what = broken_by(|engine| engine.orders[1].prev = NIL);
        assert!(what.contains("comes after"), "{what}");
        let what = broken_by(|engine| engine.orders[0].next = NIL);
        assert!(what.contains("level says"), "{what}");
        let what = broken_by(|engine| engine.orders[1].next = 2);
        assert!(what.contains("does not belong"), "{what}");
        let what = broken_by(|engine| engine.orders[1].priority = 1);
        assert!(what.contains("comes after"), "{what}");
    }

    #[test]
    fn a_wrong_level_best_price_or_bitmap_is_seen() {
        // A copy of the book is changed, so that the engine's own does not know of it.
        let what = broken_by(|engine| {
            let book = engine.markets[0].expect("exists").book;
            book.reduce(&mut engine.ladders, Side::Sell, Price(12), (Qty(1), Qty(0)));
        });
        assert!(what.contains("level says"), "{what}");
        let what = broken_by(|engine| {
            let mut book = engine.markets[0].expect("exists").book;
            for slot in [0, 1] {
                book.leave(&mut engine.ladders, &mut engine.orders, slot);
            }
        });
        assert!(what.contains("0 orders of 0 lots"), "{what}");
        let what = broken_by(|engine| {
            let mut book = engine.markets[0].expect("exists").book;
            let cheaper = OrderId::first(3);
            engine.orders[3] = engine.orders[2];
            engine.orders[3].id = cheaper;
            engine.orders[3].price = Price(9);
            book.join(&mut engine.ladders, &mut engine.orders, 3);
        });
        assert!(what.contains("best and next lead to"), "{what}");
    }

    #[test]
    fn a_crossed_book_is_seen() {
        let what = broken_by(|engine| {
            let slot = 2;
            let market = engine.markets.loose(0);
            market
                .book
                .leave(&mut engine.ladders, &mut engine.orders, slot);
            engine.funds.release(AccountId(0), AssetId(0), Amount(5));
            engine.orders[slot].side = Side::Buy;
            engine.orders[slot].price = Price(11);
            market
                .book
                .join(&mut engine.ladders, &mut engine.orders, slot);
            let paid = Amount(55);
            engine.funds.credit(AccountId(0), AssetId(1), paid);
            engine.funds.hold(AccountId(0), AssetId(1), paid);
            *engine.assets.hot(1).deposited = paid;
        });
        assert!(what.contains("is crossed"), "{what}");
    }

    #[test]
    fn a_session_that_its_account_does_not_know_is_seen() {
        let what = broken_by(|engine| {
            *engine.accounts.loose(0).newest_session = NIL;
        });
        assert!(what.contains("0 are in lists of accounts"), "{what}");
        let what = broken_by(|engine| {
            let harm = |session: &mut Session| session.older_session = 0;
            engine.sessions.change(0, harm);
        });
        assert!(what.contains("listed twice"), "{what}");
    }

    #[test]
    fn lost_ids_and_slots_are_seen() {
        let what = broken_by(|engine| {
            engine.client_ids.remove(SessionId(0), ClientOrderId(2), 1);
        });
        assert!(
            what.contains("is not found by its client order id"),
            "{what}"
        );
        let what = broken_by(|engine| {
            let (ids, key) = (&mut engine.client_ids, (SessionId(0), ClientOrderId(9)));
            let vacancy = ids.look_up(&engine.orders, key.0, key.1);
            ids.fill(vacancy.expect_err("it is unknown"), 1);
        });
        assert!(what.contains("client order ids are known"), "{what}");
        let what = broken_by(|engine| {
            engine.orders.push_free(OrderId::first(1));
        });
        assert!(what.contains("free list"), "{what}");
    }
}
