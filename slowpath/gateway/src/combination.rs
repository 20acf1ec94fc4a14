//! Which rule an order breaks whose fields do not go together. The engine refuses it; here it is said why.

use domain::{Nanos, NewOrder, OrderType, PostOnly, Price, Qty, SelfTrade, TimeInForce};

/// The rule that an order breaks which the engine has refused as `InvalidCombination`, by the fields that do not go
/// together; none if it breaks none that is known here.
pub(crate) fn broken(order: &NewOrder) -> Option<&'static str> {
    of_type(order).or_else(|| of_every_type(order))
}

/// What depends on the order's type.
fn of_type(order: &NewOrder) -> Option<&'static str> {
    let stays = order.time_in_force.rests();
    match (order.order_type, order.post_only) {
        (OrderType::Market, _) if stays => Some(
            "time_in_force: a Market order takes ImmediateOrCancel (which it has if you leave it out) or FillOrKill",
        ),
        (OrderType::Market, PostOnly::Refuse | PostOnly::Slide) => {
            Some("order_type: a Market order cannot be post-only")
        }
        (OrderType::Limit, PostOnly::Refuse | PostOnly::Slide) if !stays => Some(
            "time_in_force: a PostOnly or PostOnlySlide order stays, so it takes GoodTillCancelled, GoodTillTime or \
             GoodTillClose",
        ),
        (OrderType::Stop | OrderType::StopLimit, _) => of_stop(order),
        (OrderType::Market | OrderType::Limit, _) => None,
    }
}

fn of_stop(order: &NewOrder) -> Option<&'static str> {
    if !order.time_in_force.rests() {
        return Some(
            "time_in_force: a stop waits, so it takes GoodTillCancelled, GoodTillTime or GoodTillClose",
        );
    }
    if order.post_only.is_on() {
        return Some("order_type: a stop cannot be post-only");
    }
    if order.min_qty != Qty::ZERO {
        return Some("min_quantity: a stop takes none, leave it out");
    }
    if order.display_qty != Qty::ZERO {
        return Some("display_quantity: a stop takes none, leave it out");
    }
    (order.self_trade == SelfTrade::Abort)
        .then_some("self_trade_behavior: a stop does not take Abort, use another one")
}

fn of_every_type(order: &NewOrder) -> Option<&'static str> {
    if order.min_qty != Qty::ZERO && order.post_only.is_on() {
        return Some(
            "min_quantity: a PostOnly or PostOnlySlide order does not trade on arrival and takes none, leave it out",
        );
    }
    if order.min_qty != Qty::ZERO && order.time_in_force == TimeInForce::FillOrKill {
        return Some("min_quantity: FillOrKill asks for all of the order, leave it out");
    }
    if order.expires != Nanos(0) && order.time_in_force != TimeInForce::GoodTillTime {
        return Some(
            "expires_at: it goes with time_in_force GoodTillTime alone, leave it out or use that",
        );
    }
    if order.display_qty != Qty::ZERO && !order.time_in_force.rests() {
        return Some(
            "display_quantity: it goes with an order that stays (GoodTillCancelled, GoodTillTime, GoodTillClose), \
             leave it out or use another time_in_force",
        );
    }
    (order.trigger_price != Price(0) && !order.order_type.waits()).then_some(
        "trigger_price: it goes with order_type Stop or StopLimit alone, leave it out or use one of those",
    )
}
