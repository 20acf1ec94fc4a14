//! A new order as it is asked for, and as the engine is told of it.

use crate::choices::{ApiSelfTrade, ApiSelfTradeScope, ApiTimeInForce};
use crate::number::{I64, Time, U64};
use crate::problem::Problem;
use crate::view::{ApiOrderType, ApiSide};
use domain::{ClientOrderId, MarketId, NewOrder, OrderType, Price, Qty, Zero};
use serde::Deserialize;
use utoipa::ToSchema;

/// A new order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceOrder {
    /// The market's symbol; may be left out if there is only one.
    pub(crate) market: Option<String>,
    /// Your id for it, not 0, never used before by you: what makes it safe to ask again. One is made if
    /// you give none.
    pub(crate) client_order_id: Option<U64>,
    side: ApiSide,
    order_type: ApiOrderType,
    /// Ticks. Of a `Market` order or `Stop` the worst at which it trades, any if it is left out; needed for every other.
    price: Option<I64>,
    /// Lots.
    quantity: U64,
    /// Left out: `ImmediateOrCancel` of a `Market` order, which takes that or `FillOrKill`, and `GoodTillCancelled` of
    /// every other.
    time_in_force: Option<ApiTimeInForce>,
    /// When it ends, UTC nanoseconds or RFC 3339 (`2026-11-26T12:40:00Z`): with `GoodTillTime` and no other.
    expires_at: Option<Time>,
    /// Ticks: a trade at it, or above it if the stop buys, below it if it sells, lets the order arrive. Of a stop and no
    /// other.
    trigger_price: Option<I64>,
    /// Lots that everybody sees of it at a time, of an order that stays; 0, or left out: all.
    display_quantity: Option<U64>,
    /// Lots that must trade on arrival, or it is refused; 0, or left out: any.
    min_quantity: Option<U64>,
    /// What happens where it meets one of your own orders; left out: they trade (`None`).
    self_trade_behavior: Option<ApiSelfTrade>,
    /// Which orders are your own: `Account` unless said otherwise.
    self_trade_scope: Option<ApiSelfTradeScope>,
}

impl PlaceOrder {
    /// As the engine is told of it.
    pub(crate) fn entered(
        &self,
        market: MarketId,
        client_order_id: ClientOrderId,
    ) -> Result<NewOrder, Problem> {
        let (order_type, post_only) = self.order_type.parts();
        let time_in_force = self
            .time_in_force
            .unwrap_or_else(|| ApiTimeInForce::of(self.order_type));
        self.ensure_whole(order_type, time_in_force)?;
        Ok(NewOrder {
            client_order_id,
            price: price_of(self.price, order_type)?,
            qty: Qty(self.quantity.0),
            market,
            side: self.side.into(),
            order_type,
            time_in_force: time_in_force.into(),
            post_only,
            min_qty: Qty(self.min_quantity.unwrap_or_default().0),
            expires: self.expires_at.unwrap_or_default().0,
            display_qty: Qty(self.display_quantity.unwrap_or_default().0),
            trigger_price: Price(self.trigger_price.map_or(0, |price| price.0)),
            self_trade: self
                .self_trade_behavior
                .unwrap_or(ApiSelfTrade::None)
                .into(),
            self_trade_scope: self
                .self_trade_scope
                .unwrap_or(ApiSelfTradeScope::Account)
                .into(),
            pad: [Zero::Zero; 6],
        })
    }

    /// Refuses an order without a field that its other fields need.
    fn ensure_whole(
        &self,
        order_type: OrderType,
        time_in_force: ApiTimeInForce,
    ) -> Result<(), Problem> {
        if time_in_force == ApiTimeInForce::GoodTillTime && self.expires_at.is_none() {
            return Err(Problem::missing(
                "expires-at-missing",
                "The order does not say when it ends",
                "expires_at is missing: an order with time_in_force GoodTillTime needs it, in UTC nanoseconds or as \
                 RFC 3339",
            ));
        }
        if order_type.waits() && self.trigger_price.is_none() {
            return Err(Problem::missing(
                "trigger-price-missing",
                "The stop has no trigger price",
                "trigger_price is missing: a Stop or StopLimit needs one, in ticks",
            ));
        }
        Ok(())
    }
}

/// The price that goes with the type of an order.
fn price_of(given: Option<I64>, order_type: OrderType) -> Result<Price, Problem> {
    match given {
        Some(I64(ticks)) => Ok(Price(ticks)),
        None if !order_type.has_limit() => Ok(Price(0)),
        None => Err(Problem::missing(
            "price-missing",
            "The order has no price",
            "price is missing: an order other than a Market order or Stop needs one, in ticks",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::TimeInForce;
    use serde_json::{Value, json};

    /// An order of these fields and a side and a quantity, as the engine is told of it.
    fn entered(fields: Value) -> Result<NewOrder, Value> {
        let mut order = json!({ "side": "Bid", "quantity": "1" });
        let object = order.as_object_mut().unwrap();
        object.extend(fields.as_object().unwrap().clone());
        let order: PlaceOrder = serde_json::from_value(order).unwrap();
        let entered = order.entered(MarketId(0), ClientOrderId(1));
        entered.map_err(|problem| json!(problem))
    }

    #[test]
    fn a_market_order_stays_not_unless_it_says_so_and_others_stay() {
        for (fields, time_in_force) in [
            (
                json!({ "order_type": "Market" }),
                TimeInForce::ImmediateOrCancel,
            ),
            (
                json!({ "order_type": "Market", "time_in_force": "FillOrKill" }),
                TimeInForce::FillOrKill,
            ),
            (
                json!({ "order_type": "Limit", "price": "1" }),
                TimeInForce::GoodTillCancel,
            ),
            (
                json!({ "order_type": "PostOnly", "price": "1" }),
                TimeInForce::GoodTillCancel,
            ),
            (
                json!({ "order_type": "Stop", "trigger_price": "1" }),
                TimeInForce::GoodTillCancel,
            ),
        ] {
            let order = entered(fields.clone()).unwrap();
            assert_eq!(order.time_in_force, time_in_force, "{fields}");
        }
    }

    #[test]
    fn a_field_that_others_need_is_missed_by_its_name() {
        for (fields, code, word) in [
            (
                json!({ "order_type": "Limit" }),
                "price-missing",
                "price is missing",
            ),
            (
                json!({ "order_type": "Limit", "price": "1", "time_in_force": "GoodTillTime" }),
                "expires-at-missing",
                "expires_at is missing",
            ),
            (
                json!({ "order_type": "Stop" }),
                "trigger-price-missing",
                "trigger_price is missing",
            ),
            (
                json!({ "order_type": "StopLimit", "price": "1" }),
                "trigger-price-missing",
                "trigger_price is missing",
            ),
        ] {
            let problem = entered(fields).unwrap_err();
            assert_eq!(
                (&problem["code"], &problem["status"]),
                (&json!(code), &json!(400))
            );
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with(word), "{detail}");
        }
    }
}
