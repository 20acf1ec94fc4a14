//! Orders of a session: entered, cancelled, amended.

use crate::{
    command::market,
    names::{Names, order_id_from},
    spelling::{self, OWN, SELF_TRADE, TIMES_IN_FORCE},
    words::{Fault, Words},
};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, MarketId, Nanos, NewOrder, OrderId, OrderType,
    PostOnly, Price, Qty, SelfTrade, SelfTradeScope, Side, TimeInForce,
};

/// The most orders, or firms, that one line may be about.
pub(super) const MOST_TIMES: u32 = 10_000;

/// How many commands a line is, each with a number of its own.
pub(super) fn times(words: &mut Words) -> Result<u32, Fault> {
    let times = words.number_or("times", 1_u32)?;
    if !(1..=MOST_TIMES).contains(&times) {
        return Err(words.fault(format!("expected times=1 to {MOST_TIMES}, found {times}")));
    }
    Ok(times)
}

/// One order; with `times=` so many, whose names end with their number, from 1, each `step=` ticks behind the one before.
pub(super) fn new_orders(
    words: &mut Words,
    names: &mut Names,
    side: Side,
) -> Result<Vec<Command>, Fault> {
    let times = times(words)?;
    let step = words.number_or("step", 0_i32)?;
    let (name, order) = new_order(words, names, side)?;
    let named = |nth: u32| match times {
        1 => name.clone(),
        _ => format!("{name}{nth}"),
    };
    let mut order = |nth| {
        let client_order_id = names.client_order_id(&named(nth));
        let ticks = i64::from(step) * i64::from(nth - 1);
        Command::NewOrder(NewOrder {
            client_order_id,
            price: Price(order.price.0.saturating_add(ticks)),
            ..order
        })
    };
    Ok((1..=times).map(&mut order).collect())
}

/// `QTY @ PRICE as NAME` or `QTY @ market as NAME`, and attributes. The name, and the order without it.
fn new_order(words: &mut Words, names: &Names, side: Side) -> Result<(String, NewOrder), Fault> {
    let qty = words.number("a quantity in lots")?;
    words.word("@")?;
    let at_market = words.peek(0) == Some("market");
    let price = if at_market {
        words.word("market")?;
        words.number_or("worst", 0)?
    } else {
        words.number("a price in ticks, or market")?
    };
    words.word("as")?;
    let name = words.next("the order's name")?;
    let stop = words.option_number("stop")?;
    let order_type = match (at_market, stop.is_some()) {
        (false, false) => OrderType::Limit,
        (true, false) => OrderType::Market,
        (false, true) => OrderType::StopLimit,
        (true, true) => OrderType::Stop,
    };
    let expires = words.option_number("until")?;
    let order = NewOrder {
        price: Price(price),
        qty: Qty(qty),
        side,
        order_type,
        trigger_price: Price(words.number_or("trigger", stop.unwrap_or(0))?),
        expires: Nanos(expires.unwrap_or(0)),
        display_qty: Qty(words.number_or("show", 0)?),
        post_only: post_only(words)?,
        time_in_force: time_in_force(words, order_type, expires.is_some())?,
        market: MarketId(market(words, names)?),
        min_qty: Qty(words.number_or("min", 0)?),
        self_trade: spelling::option_or(words, "self-trade", SELF_TRADE, SelfTrade::Allow)?,
        self_trade_scope: spelling::option_or(words, "own", OWN, SelfTradeScope::Account)?,
        ..NewOrder::PLAIN
    };
    Ok((name, order))
}

fn post_only(words: &mut Words) -> Result<PostOnly, Fault> {
    match (words.flag("post-only"), words.flag("slide")) {
        (false, false) => Ok(PostOnly::No),
        (true, false) => Ok(PostOnly::Refuse),
        (false, true) => Ok(PostOnly::Slide),
        (true, true) => Err(words.fault("expected one of post-only, slide, found both")),
    }
}

/// What is said, else what goes with the rest of the line.
fn time_in_force(
    words: &mut Words,
    order_type: OrderType,
    ends: bool,
) -> Result<TimeInForce, Fault> {
    let flags = TIMES_IN_FORCE.iter();
    let said = flags.filter(|(flag, _)| words.flag(flag));
    match said.map(|(_, value)| *value).collect::<Vec<_>>()[..] {
        [] if ends => Ok(TimeInForce::GoodTillTime),
        [] if order_type == OrderType::Market => Ok(TimeInForce::ImmediateOrCancel),
        [] => Ok(TimeInForce::GoodTillCancel),
        [one] => Ok(one),
        _ => Err(words.fault(format!(
            "expected one of {}, found more",
            spelling::all(TIMES_IN_FORCE)
        ))),
    }
}

/// `NAME`, or `QTY of NAME`.
pub(super) fn cancel_order(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let mut qty = 0;
    if words.peek(1) == Some("of") {
        qty = words.number("a quantity in lots")?;
        words.word("of")?;
    }
    let (order_id, client_order_id) = target(words, names)?;
    Ok(Command::CancelOrder(CancelOrder {
        order_id,
        client_order_id,
        qty: Qty(qty),
    }))
}

/// `NAME to QTY @ PRICE`, and `as NAME` if it is called so from then on.
pub(super) fn amend_order(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let (order_id, client_order_id) = target(words, names)?;
    words.word("to")?;
    let qty = words.number("a quantity in lots")?;
    words.word("@")?;
    let price = words.number("a price in ticks")?;
    let mut new_client_order_id = ClientOrderId(0);
    if words.peek(0) == Some("as") {
        words.word("as")?;
        let name = words.next("the order's new name")?;
        new_client_order_id = names.client_order_id(&name);
    }
    Ok(Command::AmendOrder(AmendOrder {
        order_id,
        client_order_id,
        price: Price(price),
        qty: Qty(qty),
        new_client_order_id,
    }))
}

/// An order by its owner's id; with `by=id` by the engine's; with `id=0.1` by that id and both named.
fn target(words: &mut Words, names: &mut Names) -> Result<(OrderId, ClientOrderId), Fault> {
    let name = words.next("an order's name")?;
    if let Some(id) = words.option("id") {
        let fault = || words.fault("expected id=SLOT.GENERATION");
        let id = order_id_from(&id).ok_or_else(fault)?;
        return Ok((id, names.client_order_id(&name)));
    }
    match words.option("by").as_deref() {
        None => Ok((OrderId::NONE, names.client_order_id(&name))),
        Some("id") => Ok((accepted(words, names, &name)?, ClientOrderId(0))),
        Some(_) => Err(words.fault("expected by=id")),
    }
}

pub(super) fn accepted(words: &Words, names: &Names, name: &str) -> Result<OrderId, Fault> {
    let id = names.order_id(name);
    id.ok_or_else(|| {
        words.fault(format!(
            "expected an order that was accepted, found `{name}`"
        ))
    })
}
