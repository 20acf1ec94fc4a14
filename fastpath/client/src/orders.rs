//! What the reports say about our orders.

use domain::{
    Amount, ClientOrderId, Flag, MarketId, Nanos, OrderId, Price, Qty, Side, TimeInForce,
};
use std::collections::{BTreeMap, VecDeque};
use wire::order_entry::{
    Message, OrderAccepted, OrderAmended, OrderCanceled, OrderFilled, OrderRejected,
    SelfTradePrevented, Template, Triggered,
};
use zerocopy::TryFromBytes;

/// Finished orders that are remembered.
const MAX_FINISHED: usize = 4096;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can trade, or is a stop that waits until it can.
    Live,
    /// It traded in full.
    Filled,
    /// What was left of it was cancelled, for this [`domain::Reason`].
    Canceled(u16),
}

/// An order, as the reports so far tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The exchange's id.
    pub order_id: OrderId,
    /// Ours; the one that the last amendment gave it.
    pub client_order_id: ClientOrderId,
    /// Where.
    pub market: MarketId,
    /// Buy or sell.
    pub side: Side,
    /// Limit price in ticks, to which it slid if it did; of a market order the worst, or 0.
    pub price: Price,
    /// Total quantity in lots, filled part included.
    pub quantity: Qty,
    /// Lots that can still trade.
    pub leaves: Qty,
    /// Lots that traded.
    pub filled: Qty,
    /// Lots that the book shows of it at a time; 0: all.
    pub display_quantity: Qty,
    /// Engine time at which it ends; 0: none.
    pub expires: Nanos,
    /// Whether it ends when its market closes.
    pub until_close: bool,
    /// Of a stop that waits its trigger price in ticks; 0 as soon as it has arrived, and of every other order.
    pub trigger_price: Price,
    /// Fees paid, in base units of the quote asset.
    pub fees: Amount,
    /// Rebates received, in base units of the quote asset.
    pub rebates: Amount,
    /// Whether it is a side of a quote. Its `client_order_id` is that of the quote that last set it, which the other
    /// side shares: it names none of them.
    pub quote: bool,
    /// Where it stands.
    pub status: Status,
    /// False if reports about it are missing or were rolled back: then only the exchange's id, market
    /// and side can be relied on. Cancel it by that id, or ask another source.
    pub certain: bool,
    /// The number of the report that accepted it; 0 if that one is missing.
    accepted_by: u64,
    changed_by: u64,
}

impl Order {
    /// Whether it is a stop that no trade has let arrive yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.trigger_price != Price(0)
    }

    /// One from before the first report that we saw, as far as a report tells that comes late in its life. If that
    /// report is rolled back, the order may live still.
    fn unseen(number: u64, order_id: OrderId, client_order_id: ClientOrderId) -> Self {
        Self {
            order_id,
            client_order_id,
            market: MarketId(0),
            side: Side::Buy,
            price: Price(0),
            quantity: Qty::ZERO,
            leaves: Qty::ZERO,
            filled: Qty::ZERO,
            display_quantity: Qty::ZERO,
            expires: Nanos(0),
            until_close: false,
            trigger_price: Price(0),
            fees: Amount::ZERO,
            rebates: Amount::ZERO,
            quote: false,
            status: Status::Live,
            certain: false,
            accepted_by: 0,
            changed_by: number,
        }
    }
}

/// All orders of a session that reports told of.
#[derive(Debug, Default)]
pub struct Orders {
    live: BTreeMap<OrderId, Order>,
    /// Which order a client order id names.
    names: BTreeMap<ClientOrderId, OrderId>,
    /// The oldest first.
    finished: VecDeque<Order>,
}

impl Orders {
    /// The live order with this id, or the last finished one that is still remembered. A side of a quote is none: see
    /// [`quote`](Self::quote).
    #[must_use]
    pub fn get(&self, id: ClientOrderId) -> Option<&Order> {
        let finished = || self.finished.iter().rev();
        let named = self.names.get(&id);
        named
            .and_then(|order_id| self.live.get(order_id))
            .or_else(|| finished().find(|order| order.client_order_id == id && !order.quote))
    }

    /// The live order of one side of what is quoted in a market.
    #[must_use]
    pub fn quote(&self, market: MarketId, side: Side) -> Option<&Order> {
        let quotes = self.live.values().filter(|order| order.quote);
        // If reports are missing, one before it may seem to live still. (Ids say nothing of age: slots are used again.)
        quotes
            .filter(|order| order.market == market && order.side == side)
            .max_by_key(|order| order.accepted_by)
    }

    /// All live orders, by the exchange's id.
    pub fn live(&self) -> impl Iterator<Item = &Order> {
        self.live.values()
    }

    /// Orders that are done, the oldest first; at most 4,096.
    pub fn finished(&self) -> impl Iterator<Item = &Order> {
        self.finished.iter()
    }

    /// Takes in the report with this number.
    pub(crate) fn report(&mut self, number: u64, message: &Message) {
        match message {
            Message::OrderAccepted(report) => self.accepted(number, report),
            Message::OrderFilled(report) => self.filled(number, report),
            Message::OrderCanceled(report) => self.canceled(number, report),
            Message::OrderAmended(report) => self.amended(number, report),
            Message::OrderRejected(report) => self.rejected(report),
            Message::SelfTradePrevented(report) => self.prevented(number, report),
            Message::Triggered(report) => self.triggered(number, report),
            Message::NotApplied(_)
            | Message::MassCanceled(_)
            | Message::Unknown { .. }
            | Message::Context(_)
            | Message::Hello(_)
            | Message::Challenge(_)
            | Message::Establish(_)
            | Message::Established(_)
            | Message::ResendRequest(_)
            | Message::Refused(_)
            | Message::OutcomeQuery(_)
            | Message::Outcome(_)
            | Message::NewOrder(_)
            | Message::CancelOrder(_)
            | Message::AmendOrder(_)
            | Message::MassCancel(_)
            | Message::KillSwitch(_)
            | Message::MassQuote(_)
            | Message::SetProtection(_)
            | Message::Attest(_)
            | Message::ProtectionSet(_)
            | Message::AttestationNoted(_)
            | Message::ProtectionReached(_) => {}
        }
    }

    fn accepted(&mut self, number: u64, report: &OrderAccepted) {
        let Ok(side) = Side::try_read_from_bytes(&[report.side]) else {
            return;
        };
        let order = Order {
            order_id: report.order_id,
            client_order_id: report.client_order_id,
            market: report.market_id,
            side,
            price: report.price,
            quantity: report.quantity,
            leaves: report.quantity,
            filled: Qty::ZERO,
            display_quantity: report.display_quantity,
            expires: report.expires,
            until_close: report.time_in_force == TimeInForce::GoodTillClose as u8,
            trigger_price: report.trigger_price,
            fees: Amount::ZERO,
            rebates: Amount::ZERO,
            quote: report.quote == Flag::Yes as u8,
            status: Status::Live,
            certain: true,
            accepted_by: number,
            changed_by: number,
        };
        self.live.insert(report.order_id, order);
        self.name(report.client_order_id, report.order_id);
    }

    fn filled(&mut self, number: u64, report: &OrderFilled) {
        let Ok(side) = Side::try_read_from_bytes(&[report.side]) else {
            return;
        };
        self.name(report.client_order_id, report.order_id);
        let order = self.live.entry(report.order_id);
        let order = order.or_insert_with(|| Order {
            market: report.market_id,
            side,
            ..Order::unseen(number, report.order_id, report.client_order_id)
        });
        // Sums saturate: they are the exchange's numbers, and nothing is decided by them here.
        order.filled = Qty(order.filled.0.saturating_add(report.quantity.0));
        let sum = if report.fee_is_rebate == Flag::Yes as u8 {
            &mut order.rebates
        } else {
            &mut order.fees
        };
        *sum = Amount(sum.0.saturating_add(report.fee.0));
        order.leaves = report.leaves_quantity;
        // What trades has arrived, also if the report of that is missing.
        order.trigger_price = Price(0);
        order.changed_by = number;
        if report.leaves_quantity == Qty::ZERO {
            self.finish(number, report.order_id, Status::Filled);
        }
    }

    fn canceled(&mut self, number: u64, report: &OrderCanceled) {
        self.name(report.client_order_id, report.order_id);
        self.finish(number, report.order_id, Status::Canceled(report.reason));
    }

    fn amended(&mut self, number: u64, report: &OrderAmended) {
        self.name(report.client_order_id, report.order_id);
        if let Some(order) = self.live.get_mut(&report.order_id) {
            order.price = report.price;
            order.quantity = report.quantity;
            order.leaves = report.leaves_quantity;
            order.filled = Qty(report.quantity.0.saturating_sub(report.leaves_quantity.0));
            order.changed_by = number;
        }
    }

    /// A stop waits no more. Of one that we did not see come, only fills can tell how much there is.
    fn triggered(&mut self, number: u64, report: &Triggered) {
        let Ok(side) = Side::try_read_from_bytes(&[report.side]) else {
            return;
        };
        self.name(report.client_order_id, report.order_id);
        let order = self.live.entry(report.order_id);
        let order = order.or_insert_with(|| Order {
            market: report.market_id,
            side,
            ..Order::unseen(number, report.order_id, report.client_order_id)
        });
        order.price = report.price;
        order.trigger_price = Price(0);
        order.changed_by = number;
    }

    /// An order that is not certain and that the exchange does not know by its own id is gone. (The client's id says
    /// nothing: which order has it may be among what is missing.)
    fn rejected(&mut self, report: &OrderRejected) {
        if report.reason == u16::from(domain::Reason::UnknownOrder) {
            // A quote cannot be amended, and lives all the same.
            let is_amendment = report.refused_template_id == Template::AmendOrder.number();
            let unknown = |order: &Order| {
                order.order_id == report.order_id
                    && !order.certain
                    && !(order.quote && is_amendment)
            };
            self.live.retain(|_, order| !unknown(order));
        }
    }

    /// Lots that would have traded with an order of its own: they are gone without a trade.
    fn prevented(&mut self, number: u64, report: &SelfTradePrevented) {
        self.name(report.client_order_id, report.order_id);
        if let Some(order) = self.live.get_mut(&report.order_id) {
            let gone = order.leaves.0.saturating_sub(report.leaves_quantity.0);
            order.quantity = Qty(order.quantity.0.saturating_sub(gone));
            order.leaves = report.leaves_quantity;
            order.changed_by = number;
        }
    }

    /// The client's id names the order `order_id` from now on. The order that it named before has ended or got another
    /// id, as reports told which are missing.
    fn name(&mut self, id: ClientOrderId, order_id: OrderId) {
        if let Some(order) = self.live.get_mut(&order_id).filter(|order| order.quote) {
            order.client_order_id = id;
            return;
        }
        let before = self.names.insert(id, order_id);
        if let Some(before) = before.filter(|before| *before != order_id)
            && let Some(order) = self.live.get_mut(&before)
        {
            order.certain = false;
        }
        if let Some(order) = self.live.get_mut(&order_id)
            && order.client_order_id != id
        {
            let old = core::mem::replace(&mut order.client_order_id, id);
            self.forget_name(old, order_id);
        }
    }

    /// The client's id does not name the order any more.
    fn forget_name(&mut self, id: ClientOrderId, order_id: OrderId) {
        if self.names.get(&id) == Some(&order_id) {
            self.names.remove(&id);
        }
    }

    fn finish(&mut self, number: u64, order_id: OrderId, status: Status) {
        if let Some(order) = self.live.remove(&order_id) {
            self.forget_name(order.client_order_id, order_id);
            if self.finished.len() == MAX_FINISHED {
                self.finished.pop_front();
            }
            self.finished.push_back(Order {
                leaves: Qty::ZERO,
                status,
                changed_by: number,
                ..order
            });
        }
    }

    /// Reports are missing: nothing that is live can be relied on.
    pub(crate) fn missed(&mut self) {
        for order in self.live.values_mut() {
            order.certain = false;
        }
    }

    /// Reports from `next_report_no` on never happened.
    pub(crate) fn rolled_back(&mut self, next_report_no: u64) {
        while let Some(order) = self.finished.pop_back() {
            if order.changed_by < next_report_no {
                self.finished.push_back(order);
                break;
            }
            let status = Status::Live;
            self.live.insert(order.order_id, Order { status, ..order });
        }
        self.live
            .retain(|_, order| order.accepted_by < next_report_no);
        for order in self.live.values_mut() {
            order.certain &= order.changed_by < next_report_no;
        }
        self.name_again();
    }

    /// Of several orders with an id the one that changed first had it before the others, whose amendments are void.
    fn name_again(&mut self) {
        let named = self.live.values().filter(|order| !order.quote);
        let mut orders: Vec<_> = named.collect();
        orders.sort_by_key(|order| core::cmp::Reverse(order.changed_by));
        let names = orders.iter();
        self.names = names
            .map(|order| (order.client_order_id, order.order_id))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::order_entry::Stamp;

    const ID: ClientOrderId = ClientOrderId(7);
    const FIRST: OrderId = OrderId(1 << 26);
    const SECOND: OrderId = OrderId(2 << 26);

    fn accepted(order_id: OrderId) -> Message {
        accepted_as(ID, order_id)
    }

    fn accepted_as(id: ClientOrderId, order_id: OrderId) -> Message {
        Message::OrderAccepted(OrderAccepted {
            order_id,
            client_order_id: id,
            price: Price(100),
            quantity: Qty(5),
            ..OrderAccepted::default()
        })
    }

    fn filled(order_id: OrderId, leaves: u64) -> Message {
        Message::OrderFilled(OrderFilled {
            order_id,
            client_order_id: ID,
            quantity: Qty(1),
            leaves_quantity: Qty(leaves),
            side: 1,
            stamp: Stamp::default(),
            ..OrderFilled::default()
        })
    }

    fn canceled(order_id: OrderId) -> Message {
        Message::OrderCanceled(OrderCanceled {
            order_id,
            client_order_id: ID,
            ..OrderCanceled::default()
        })
    }

    fn amended(id: ClientOrderId, order_id: OrderId, quantity: u64, leaves: u64) -> Message {
        Message::OrderAmended(OrderAmended {
            order_id,
            client_order_id: id,
            quantity: Qty(quantity),
            leaves_quantity: Qty(leaves),
            ..OrderAmended::default()
        })
    }

    fn unknown(client_order_id: ClientOrderId, order_id: OrderId) -> Message {
        Message::OrderRejected(OrderRejected {
            order_id,
            client_order_id,
            reason: domain::Reason::UnknownOrder.into(),
            ..OrderRejected::default()
        })
    }

    #[test]
    fn the_quote_that_lives_is_the_one_that_was_accepted_last() {
        let mut orders = of(&[(1, quoted(SECOND, Side::Buy))]);
        orders.missed();
        // Its slot was never used before, so its id is lower.
        orders.report(3, &quoted(FIRST, Side::Buy));
        let quote = orders.quote(MarketId(5), Side::Buy);
        assert_eq!(quote.map(|order| order.order_id), Some(FIRST));
    }

    #[test]
    fn a_quote_lives_whose_amendment_was_refused() {
        let mut orders = of(&[(1, quoted(FIRST, Side::Buy))]);
        orders.missed();
        let refused = |template: Template| {
            Message::OrderRejected(OrderRejected {
                order_id: FIRST,
                reason: domain::Reason::UnknownOrder.into(),
                refused_template_id: template.number(),
                ..OrderRejected::default()
            })
        };
        orders.report(3, &refused(Template::AmendOrder));
        assert_eq!(orders.live().count(), 1);
        orders.report(4, &refused(Template::CancelOrder));
        assert_eq!(orders.live().count(), 0);
    }

    fn of(reports: &[(u64, Message)]) -> Orders {
        let mut orders = Orders::default();
        for (number, message) in reports {
            orders.report(*number, message);
        }
        orders
    }

    /// Its acceptance came before what we saw, and so before what is rolled back, or may have.
    #[test]
    fn an_order_known_by_a_fill_alone_outlives_the_fill() {
        for leaves in [4, 0] {
            let mut orders = of(&[(9, filled(FIRST, leaves))]);
            orders.rolled_back(9);
            let order = orders.get(ID).expect("it rests");
            let found = (order.order_id, order.status, order.certain);
            assert_eq!(found, (FIRST, Status::Live, false));
        }
        let mut orders = of(&[(9, accepted(FIRST)), (10, filled(FIRST, 4))]);
        orders.rolled_back(9);
        assert_eq!(orders.get(ID), None, "it never was");
    }

    /// The first order's cancel and the second's acceptance are among the missed.
    #[test]
    fn what_happens_to_an_order_is_not_booked_into_the_one_before_it() {
        let first = || {
            let mut orders = of(&[(1, accepted(FIRST)), (2, filled(FIRST, 4))]);
            orders.missed();
            orders
        };
        let mut orders = first();
        orders.report(5, &filled(SECOND, 3));
        let order = *orders.get(ID).expect("the second");
        assert_eq!((order.order_id, order.certain), (SECOND, false));
        assert_eq!(
            (order.filled, order.leaves, order.side),
            (Qty(1), Qty(3), Side::Sell)
        );
        // The first ended, or it has another id now: only the exchange's says which.
        assert_eq!(orders.live().count(), 2);
        orders.report(6, &unknown(ID, OrderId::NONE));
        assert_eq!(orders.live().count(), 2);
        orders.report(7, &unknown(ClientOrderId(0), FIRST));
        assert_eq!(orders.live().count(), 1);

        let mut orders = first();
        orders.report(5, &canceled(SECOND));
        assert_eq!(
            orders.get(ID),
            None,
            "nothing is known of how the first ended"
        );

        let mut orders = first();
        orders.report(5, &canceled(FIRST));
        let order = orders.get(ID).expect("the first");
        assert_eq!(order.status, Status::Canceled(0));
    }

    const OTHER: ClientOrderId = ClientOrderId(8);

    #[test]
    fn an_amendment_may_give_an_order_another_id() {
        let fill_of_the_first = Message::OrderFilled(OrderFilled {
            order_id: FIRST,
            client_order_id: OTHER,
            quantity: Qty(1),
            leaves_quantity: Qty(5),
            ..OrderFilled::default()
        });
        let mut orders = of(&[
            (1, accepted(FIRST)),
            (2, amended(OTHER, FIRST, 6, 6)),
            (3, accepted(SECOND)),
            (4, fill_of_the_first),
        ]);
        let order = *orders.get(OTHER).expect("the first");
        assert_eq!((order.order_id, order.client_order_id), (FIRST, OTHER));
        assert_eq!((order.filled, order.leaves), (Qty(1), Qty(5)));
        assert_eq!(orders.get(ID).map(|order| order.order_id), Some(SECOND));
        assert!(orders.live().all(|order| order.certain));
        orders.report(5, &filled(SECOND, 0));
        assert_eq!(
            orders.get(ID).map(|order| order.status),
            Some(Status::Filled)
        );
        assert_eq!(orders.live().count(), 1);
    }

    /// The second had the id that the first got, and with the amendment its own end is void.
    #[test]
    fn an_id_that_was_handed_on_is_the_older_orders_again_after_a_rollback() {
        let second = Message::OrderAccepted(OrderAccepted {
            order_id: SECOND,
            client_order_id: OTHER,
            quantity: Qty(5),
            ..OrderAccepted::default()
        });
        let ended = Message::OrderCanceled(OrderCanceled {
            order_id: SECOND,
            client_order_id: OTHER,
            ..OrderCanceled::default()
        });
        let mut orders = of(&[
            (1, accepted(FIRST)),
            (2, second),
            (3, ended),
            (4, amended(OTHER, FIRST, 6, 6)),
        ]);
        orders.rolled_back(3);
        let order = orders.get(OTHER).expect("it rests again");
        assert_eq!((order.order_id, order.certain), (SECOND, false));
        let ids: Vec<_> = orders.live().map(|order| order.order_id).collect();
        assert_eq!(ids, [FIRST, SECOND], "and none is forgotten");
    }

    /// A stop with all that an order may have, and its arrival.
    fn stop() -> [Message; 2] {
        let accepted = OrderAccepted {
            order_id: FIRST,
            client_order_id: ID,
            price: Price(110),
            quantity: Qty(5),
            expires: Nanos(9),
            trigger_price: Price(105),
            time_in_force: TimeInForce::GoodTillTime as u8,
            ..OrderAccepted::default()
        };
        let triggered = Triggered {
            order_id: FIRST,
            client_order_id: ID,
            price: Price(110),
            side: 1,
            ..Triggered::default()
        };
        [accepted.into(), triggered.into()]
    }

    #[test]
    fn a_stop_is_live_and_waits_until_it_arrives() {
        let [accepted, triggered] = stop();
        let mut orders = of(&[(1, accepted)]);
        let order = *orders.get(ID).unwrap();
        assert_eq!((order.status, order.waits()), (Status::Live, true));
        assert_eq!((order.trigger_price, order.expires), (Price(105), Nanos(9)));
        orders.report(2, &amended(ID, FIRST, 6, 6));
        assert!(orders.get(ID).unwrap().waits(), "an amendment lets it wait");
        orders.report(3, &triggered);
        let order = *orders.get(ID).unwrap();
        assert_eq!((order.status, order.waits()), (Status::Live, false));
        assert_eq!((order.leaves, order.price), (Qty(6), Price(110)));
        orders.report(4, &filled(FIRST, 0));
        assert_eq!(orders.get(ID).unwrap().status, Status::Filled);

        let mut orders = of(&[(1, accepted)]);
        orders.missed();
        orders.report(3, &filled(FIRST, 4));
        assert!(!orders.get(ID).unwrap().waits(), "what trades has arrived");
    }

    #[test]
    fn a_stop_whose_arrival_is_void_or_all_that_is_known_is_uncertain() {
        let [accepted, triggered] = stop();
        let mut orders = of(&[(1, accepted), (2, triggered)]);
        orders.rolled_back(2);
        assert!(!orders.get(ID).unwrap().certain, "it may wait again");
        let orders = of(&[(5, triggered)]);
        let order = orders.get(ID).expect("it is told of");
        assert_eq!((order.order_id, order.certain), (FIRST, false));
        assert_eq!((order.side, order.waits()), (Side::Sell, false));
    }

    #[test]
    fn an_order_has_its_end_and_what_the_book_shows_of_it() {
        let Message::OrderAccepted(plain) = accepted(FIRST) else {
            panic!("an acceptance")
        };
        let iceberg = OrderAccepted {
            time_in_force: TimeInForce::GoodTillClose as u8,
            display_quantity: Qty(2),
            ..plain
        };
        let ended = OrderCanceled {
            order_id: FIRST,
            client_order_id: ID,
            quantity: Qty(3),
            reason: domain::Reason::MarketClose.into(),
            ..OrderCanceled::default()
        };
        let mut orders = of(&[(1, iceberg.into()), (2, filled(FIRST, 3))]);
        let order = *orders.get(ID).unwrap();
        assert_eq!((order.display_quantity, order.leaves), (Qty(2), Qty(3)));
        assert!(order.until_close && !order.waits());
        orders.report(3, &ended.into());
        let order = orders.get(ID).unwrap();
        assert_eq!(order.status, Status::Canceled(209));
    }

    /// A side of a quote in market 5.
    fn quoted(order_id: OrderId, side: Side) -> Message {
        Message::OrderAccepted(OrderAccepted {
            order_id,
            client_order_id: ID,
            quantity: Qty(5),
            market_id: MarketId(5),
            side: side as u8,
            quote: Flag::Yes as u8,
            ..OrderAccepted::default()
        })
    }

    #[test]
    fn a_quote_is_found_by_market_and_side_and_its_id_names_no_order() {
        const ORDER: OrderId = OrderId(3 << 26);
        let mut orders = of(&[
            (1, quoted(FIRST, Side::Buy)),
            (2, accepted(ORDER)),
            (3, quoted(SECOND, Side::Sell)),
        ]);
        let side = |orders: &Orders, side| {
            let quote = orders.quote(MarketId(5), side);
            quote.map(|order| (order.order_id, order.client_order_id))
        };
        assert_eq!(side(&orders, Side::Buy), Some((FIRST, ID)));
        assert_eq!(side(&orders, Side::Sell), Some((SECOND, ID)));
        assert_eq!(orders.quote(MarketId(0), Side::Buy), None);
        assert_eq!(orders.get(ID).map(|order| order.order_id), Some(ORDER));
        // Quoted anew, under another id: an order has that already.
        orders.report(4, &accepted_as(OTHER, OrderId(4 << 26)));
        orders.report(5, &amended(OTHER, FIRST, 9, 9));
        orders.report(6, &filled(SECOND, 0));
        assert_eq!(side(&orders, Side::Buy), Some((FIRST, OTHER)));
        assert_eq!(side(&orders, Side::Sell), None);
        assert_eq!(
            orders.get(OTHER).map(|order| order.order_id),
            Some(OrderId(4 << 26))
        );
        assert!(orders.live().all(|order| order.certain));
        // What is void leaves the names to the orders.
        orders.rolled_back(5);
        assert_eq!(side(&orders, Side::Sell), Some((SECOND, ID)));
        assert_eq!(orders.get(ID).map(|order| order.order_id), Some(ORDER));
        orders.report(5, &canceled(ORDER));
        orders.report(6, &canceled(SECOND));
        assert_eq!(
            orders.get(ID).map(|order| order.order_id),
            Some(ORDER),
            "not the quote"
        );
    }

    #[test]
    fn rebates_are_kept_apart_from_fees() {
        let fill = |fee, fee_is_rebate| {
            Message::OrderFilled(OrderFilled {
                order_id: FIRST,
                client_order_id: ID,
                quantity: Qty(1),
                leaves_quantity: Qty(1),
                fee: Amount(fee),
                fee_is_rebate,
                ..OrderFilled::default()
            })
        };
        let reports = [accepted(FIRST), fill(3, 0), fill(4, 1), fill(5, 0)];
        let orders = of(&[1, 2, 3, 4].map(|no| (no, reports[usize::try_from(no).unwrap() - 1])));
        let order = orders.get(ID).unwrap();
        assert_eq!((order.fees, order.rebates), (Amount(8), Amount(4)));
    }

    #[test]
    fn lots_that_met_an_own_order_are_gone_without_a_trade() {
        let prevented = |quantity, leaves| {
            Message::SelfTradePrevented(SelfTradePrevented {
                order_id: FIRST,
                client_order_id: ID,
                maker_order_id: SECOND,
                quantity: Qty(quantity),
                leaves_quantity: Qty(leaves),
                ..SelfTradePrevented::default()
            })
        };
        // Of five lots one trades, two decrement, and then the resting one is cancelled.
        let orders = of(&[
            (1, accepted(FIRST)),
            (2, filled(FIRST, 4)),
            (3, prevented(2, 2)),
            (4, prevented(2, 2)),
        ]);
        let order = orders.get(ID).unwrap();
        assert_eq!((order.quantity, order.filled), (Qty(3), Qty(1)));
        assert_eq!(order.leaves, Qty(2));
    }
}
