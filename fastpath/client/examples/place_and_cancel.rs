//! Enters one limit order, waits until it rests, cancels it, and says how long each answer took.
//!
//! ```text
//! cargo run --release --example place_and_cancel -- \
//!     --server 127.0.0.1:7400 --session 1 --secret session-1.secret --market 0 --side buy --price 100
//! ```
//!
//! The order is post-only: choose a price that does not trade, for it is rejected otherwise. The times are those of the whole way: this process, its
//! kernel, the network, the exchange, and back. The exit code is 1 if it did not come to its end, and the
//! last line then says why.
#![expect(clippy::print_stdout, reason = "an example talks to the terminal")]

mod answers;
mod arguments;
mod ending;
mod refusal;

use answers::{answer, describe, wait_until_up_to_date};
use arguments::Arguments;
use client::Connection;
use domain::{
    CancelOrder, ClientOrderId, NewOrder, OrderType, PostOnly, Price, Qty, Side, TimeInForce,
};
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wire::order_entry::Message;

const ABOUT: &str = "Enters one limit order, post-only (it is rejected if it would trade at once), waits until it rests, and cancels it.";
const HELP: &str = "  --side SIDE      buy or sell [buy]
  --price TICKS    limit price [1]
  --quantity LOTS  [1]
  --wait SECONDS   longest wait for an answer [5]";

fn main() -> ExitCode {
    ending::code("place_and_cancel", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let own = ["side", "price", "quantity", "wait"];
    let Some(arguments) = Arguments::read(ABOUT, &own, HELP)? else {
        return Ok(());
    };
    let wait = Duration::from_secs(arguments.get("wait", 5)?);
    let mut connection = Connection::open(arguments.server()?, arguments.config()?)?;
    let started = Instant::now();
    wait_until_up_to_date(&mut connection, &arguments, wait)?;
    println!("established after {:?}", started.elapsed());

    // An id that no live order of the session has: the time is as good as a counter.
    let client_order_id = ClientOrderId(connection.now().0);
    let order = NewOrder {
        client_order_id,
        price: Price(arguments.get("price", 1)?),
        qty: Qty(arguments.get("quantity", 1)?),
        market: arguments.market()?,
        side: match arguments.get("side", "buy".to_owned())?.as_str() {
            "buy" => Side::Buy,
            "sell" => Side::Sell,
            other => return Err(format!("--side {other}: buy or sell").into()),
        },
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        post_only: PostOnly::Refuse,
        ..NewOrder::PLAIN
    };
    let number = connection.session_mut().new_order(&order)?;
    let order_id = match answer(&mut connection, number, wait)? {
        (Message::OrderAccepted(accepted), took) => {
            println!("order {} accepted after {took:?}", accepted.order_id.0);
            accepted.order_id
        }
        (other, _) => return Err(describe(&other, &arguments)),
    };

    let cancel = CancelOrder {
        order_id,
        client_order_id: ClientOrderId(0),
        qty: Qty::ZERO,
    };
    let number = connection.session_mut().cancel_order(&cancel)?;
    match answer(&mut connection, number, wait)? {
        (Message::OrderCanceled(canceled), took) => {
            println!("{} lots cancelled after {took:?}", canceled.quantity.0);
            Ok(())
        }
        (other, _) => Err(describe(&other, &arguments)),
    }
}
