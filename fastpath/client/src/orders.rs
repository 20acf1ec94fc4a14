//! What the reports say about our orders.

use domain::{Amount, ClientOrderId, MarketId, OrderId, Price, Qty, Side};
use std::collections::{BTreeMap, VecDeque};
use wire::order_entry::{
    Message, OrderAccepted, OrderAmended, OrderCanceled, OrderFilled, OrderRejected,
};
use zerocopy::TryFromBytes;

/// Finished orders that are remembered.
const MAX_FINISHED: usize = 4096;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can trade.
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
    /// Ours.
    pub client_order_id: ClientOrderId,
    /// Where.
    pub market: MarketId,
    /// Buy or sell.
    pub side: Side,
    /// Limit price in ticks; 0 for a market order.
    pub price: Price,
    /// Total quantity in lots, filled part included.
    pub quantity: Qty,
    /// Lots that can still trade.
    pub leaves: Qty,
    /// Lots that traded.
    pub filled: Qty,
    /// Fees paid, in base units of the quote asset.
    pub fees: Amount,
    /// Where it stands.
    pub status: Status,
    /// False if reports about it are missing or were rolled back: then only its ids, market and side
    /// can be relied on. Cancel it, or ask another source.
    pub certain: bool,
    /// The number of the report that accepted it; 0 if that one is missing.
    accepted_by: u64,
    changed_by: u64,
}

/// All orders of a session that reports told of.
#[derive(Debug, Default)]
pub struct Orders {
    live: BTreeMap<ClientOrderId, Order>,
    /// The oldest first.
    finished: VecDeque<Order>,
}

impl Orders {
    /// The live order with this id, or the last finished one that is still remembered.
    #[must_use]
    pub fn get(&self, id: ClientOrderId) -> Option<&Order> {
        let finished = || self.finished.iter().rev();
        self.live
            .get(&id)
            .or_else(|| finished().find(|order| order.client_order_id == id))
    }

    /// All live orders, by client order id.
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
            Message::NotApplied(_)
            | Message::Unknown { .. }
            | Message::Context(_)
            | Message::Hello(_)
            | Message::Challenge(_)
            | Message::Establish(_)
            | Message::Established(_)
            | Message::ResendRequest(_)
            | Message::Refused(_)
            | Message::NewOrder(_)
            | Message::CancelOrder(_)
            | Message::AmendOrder(_) => {}
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
            fees: Amount::ZERO,
            status: Status::Live,
            certain: true,
            accepted_by: number,
            changed_by: number,
        };
        self.live.insert(report.client_order_id, order);
    }

    fn filled(&mut self, number: u64, report: &OrderFilled) {
        let Ok(side) = Side::try_read_from_bytes(&[report.side]) else {
            return;
        };
        self.forget_other(report.client_order_id, report.order_id);
        let order = self.live.entry(report.client_order_id);
        // An order from before the first report that we saw. If this one is rolled back it may rest still.
        let order = order.or_insert_with(|| Order {
            order_id: report.order_id,
            client_order_id: report.client_order_id,
            market: report.market_id,
            side,
            price: Price(0),
            quantity: Qty::ZERO,
            leaves: Qty::ZERO,
            filled: Qty::ZERO,
            fees: Amount::ZERO,
            status: Status::Live,
            certain: false,
            accepted_by: 0,
            changed_by: number,
        });
        // Sums saturate: they are the exchange's numbers, and nothing is decided by them here.
        order.filled = Qty(order.filled.0.saturating_add(report.quantity.0));
        order.fees = Amount(order.fees.0.saturating_add(report.fee.0));
        order.leaves = report.leaves_quantity;
        order.changed_by = number;
        if report.leaves_quantity == Qty::ZERO {
            self.finish(number, report.client_order_id, Status::Filled);
        }
    }

    fn canceled(&mut self, number: u64, report: &OrderCanceled) {
        self.forget_other(report.client_order_id, report.order_id);
        self.finish(
            number,
            report.client_order_id,
            Status::Canceled(report.reason),
        );
    }

    fn amended(&mut self, number: u64, report: &OrderAmended) {
        self.forget_other(report.client_order_id, report.order_id);
        if let Some(order) = self.live.get_mut(&report.client_order_id) {
            order.price = report.price;
            order.quantity = report.quantity;
            order.leaves = report.leaves_quantity;
            order.filled = Qty(report.quantity.0.saturating_sub(report.leaves_quantity.0));
            order.changed_by = number;
        }
    }

    /// An order that is not certain and that the exchange does not know is gone.
    fn rejected(&mut self, report: &OrderRejected) {
        if report.reason == u16::from(domain::Reason::UnknownOrder) {
            self.live.retain(|_, order| {
                let named = if report.order_id == OrderId::NONE {
                    order.client_order_id == report.client_order_id
                } else {
                    order.order_id == report.order_id
                };
                order.certain || !named
            });
        }
    }

    /// The client's id names the order `order_id`. What it named before is done, in a way that the reports
    /// which are missing told.
    fn forget_other(&mut self, id: ClientOrderId, order_id: OrderId) {
        if self.live.get(&id).is_some_and(|it| it.order_id != order_id) {
            self.live.remove(&id);
        }
    }

    fn finish(&mut self, number: u64, id: ClientOrderId, status: Status) {
        if let Some(order) = self.live.remove(&id) {
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
            self.live
                .entry(order.client_order_id)
                .and_modify(|newer| {
                    // The id was used again, and only the older of both can have survived.
                    if newer.accepted_by >= next_report_no {
                        *newer = Order { status, ..order };
                    }
                })
                .or_insert(Order { status, ..order });
        }
        self.live
            .retain(|_, order| order.accepted_by < next_report_no);
        for order in self.live.values_mut() {
            order.certain &= order.changed_by < next_report_no;
        }
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
        Message::OrderAccepted(OrderAccepted {
            order_id,
            client_order_id: ID,
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
}
