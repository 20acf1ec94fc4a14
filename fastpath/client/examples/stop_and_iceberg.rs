//! Places an iceberg and a stop, says what each answer means, lets them trade if it is asked to, and cancels what is left.
//!
//! ```text
//! cargo run --release --example stop_and_iceberg -- \
//!     --server 127.0.0.1:7400 --session 1 --secret session-1.secret --market 0 --price 1000 --trade yes
//! ```
//!
//! The iceberg sells; everybody sees a part of it at a time. The stop would buy once the market has traded at its trigger
//! price, and until then stands in no book. With `--trade yes` a third order, which buys at once from the iceberg, is
//! that trade: the session trades with itself, which only an exchange to try things on should see. The exit code is 1 if
//! it did not come to its end, and the last line then says why.
#![expect(clippy::print_stdout, reason = "an example talks to the terminal")]

mod answers;
mod arguments;
mod ending;
mod refusal;

use answers::{answer, describe, wait_until_up_to_date};
use arguments::Arguments;
use client::{Connection, Event};
use domain::{
    CancelOrder, ClientOrderId, MarketId, NewOrder, OrderId, OrderType, Price, Qty, Reason, Side,
    TimeInForce,
};
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wire::order_entry::Message;

const ABOUT: &str = "Places an iceberg that sells and a stop that buys, and says what comes back.";
const HELP: &str = "  --price TICKS    of the iceberg, and the stop's trigger and limit [1000]
  --quantity LOTS  of the iceberg [10]
  --shown LOTS     that everybody sees of it at a time [3]
  --stop LOTS      of the stop [2]
  --trade YES      yes: buy a lot more than is shown from our own iceberg, which lets the stop arrive [no]
  --wait SECONDS   longest wait for an answer [5]";

/// What to place.
struct Plan {
    market: MarketId,
    price: Price,
    quantity: Qty,
    shown: Qty,
    stop: Qty,
    trade: bool,
    wait: Duration,
}

/// Our two orders.
struct Placed {
    iceberg: OrderId,
    stop: OrderId,
}

fn main() -> ExitCode {
    ending::code("stop_and_iceberg", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let own = ["price", "quantity", "shown", "stop", "trade", "wait"];
    let Some(arguments) = Arguments::read(ABOUT, &own, HELP)? else {
        return Ok(());
    };
    let plan = Plan::of(&arguments)?;
    let mut connection = Connection::open(arguments.server()?, arguments.config()?)?;
    wait_until_up_to_date(&mut connection, &arguments, plan.wait)?;
    let iceberg = plan.place_iceberg(&mut connection, &arguments)?;
    let stop = match plan.place_stop(&mut connection, &arguments) {
        Ok(stop) => stop,
        Err(error) => {
            // Nothing is left behind, whatever the reason.
            let _told = plan.cancel(&mut connection, iceberg, &arguments);
            return Err(error);
        }
    };
    let placed = Placed { iceberg, stop };
    let traded = if plan.trade {
        plan.trade(&mut connection, &placed)
    } else {
        Ok(())
    };
    for (name, order) in [("stop", stop), ("iceberg", iceberg)] {
        match plan.cancel(&mut connection, order, &arguments)? {
            Some(lots) => println!("{lots} lots of the {name} cancelled"),
            None => println!("nothing of the {name} was left to cancel"),
        }
    }
    traded
}

impl Plan {
    fn of(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            market: arguments.market()?,
            price: Price(arguments.get("price", 1000)?),
            quantity: Qty(arguments.get("quantity", 10)?),
            shown: Qty(arguments.get("shown", 3)?),
            stop: Qty(arguments.get("stop", 2)?),
            trade: match arguments.text("trade") {
                "" | "no" => false,
                "yes" => true,
                other => return Err(format!("--trade {other}: yes or no").into()),
            },
            wait: Duration::from_secs(arguments.get("wait", 5)?),
        })
    }

    /// An order of ours at the price, with an id that no other of the session has.
    fn order(&self, connection: &Connection, side: Side, qty: Qty) -> NewOrder {
        NewOrder {
            client_order_id: ClientOrderId(connection.now().0),
            price: self.price,
            qty,
            market: self.market,
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            ..NewOrder::PLAIN
        }
    }

    fn place_iceberg(
        &self,
        connection: &mut Connection,
        arguments: &Arguments,
    ) -> Result<OrderId, Box<dyn Error>> {
        let order = NewOrder {
            display_qty: self.shown,
            ..self.order(connection, Side::Sell, self.quantity)
        };
        let number = connection.session_mut().new_order(&order)?;
        match answer(connection, number, self.wait)? {
            (Message::OrderAccepted(accepted), _) => {
                println!(
                    "iceberg {}: {} lots for sale at {}, of which everybody sees {} at a time; when these have traded the \
                     next are shown, last in the queue",
                    accepted.order_id.0,
                    accepted.quantity.0,
                    accepted.price.0,
                    accepted.display_quantity.0
                );
                Ok(accepted.order_id)
            }
            (other, _) => Err(describe(&other, arguments)),
        }
    }

    fn place_stop(
        &self,
        connection: &mut Connection,
        arguments: &Arguments,
    ) -> Result<OrderId, Box<dyn Error>> {
        let order = NewOrder {
            order_type: OrderType::StopLimit,
            trigger_price: self.price,
            ..self.order(connection, Side::Buy, self.stop)
        };
        let number = connection.session_mut().new_order(&order)?;
        match answer(connection, number, self.wait)? {
            (Message::OrderAccepted(accepted), _) => {
                println!(
                    "stop {}: waits, in no book, until a trade is at {} or above; then it buys {} lots at {} or below",
                    accepted.order_id.0,
                    accepted.trigger_price.0,
                    accepted.quantity.0,
                    accepted.price.0
                );
                Ok(accepted.order_id)
            }
            (Message::OrderRejected(rejected), _)
                if rejected.reason == u16::from(Reason::WouldTrigger) =>
            {
                Err(format!(
                    "rejected: the last trade was at {} or above, and this stop would arrive at once: try a higher --price",
                    self.price.0
                )
                .into())
            }
            (other, _) => Err(describe(&other, arguments)),
        }
    }

    /// Buys from the iceberg, and tells what follows until the stop has traded.
    fn trade(&self, connection: &mut Connection, placed: &Placed) -> Result<(), Box<dyn Error>> {
        let order = NewOrder {
            time_in_force: TimeInForce::ImmediateOrCancel,
            ..self.order(connection, Side::Buy, Qty(self.shown.0 + 1))
        };
        connection.session_mut().new_order(&order)?;
        let end = Instant::now() + self.wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("the stop has not traded within {:?}", self.wait).into());
            }
            let Some(Event::Report { message, .. }) = connection.poll(left)? else {
                continue;
            };
            if placed.tell(&message) {
                return Ok(());
            }
        }
    }

    /// Cancels what is left of an order; the lots, or none if nothing was.
    fn cancel(
        &self,
        connection: &mut Connection,
        order_id: OrderId,
        arguments: &Arguments,
    ) -> Result<Option<u64>, Box<dyn Error>> {
        let cancel = CancelOrder {
            order_id,
            client_order_id: ClientOrderId(0),
            qty: Qty::ZERO,
        };
        let number = connection.session_mut().cancel_order(&cancel)?;
        match answer(connection, number, self.wait)? {
            (Message::OrderCanceled(canceled), _) => Ok(Some(canceled.quantity.0)),
            (Message::OrderRejected(rejected), _)
                if rejected.reason == u16::from(Reason::UnknownOrder) =>
            {
                Ok(None)
            }
            (other, _) => Err(describe(&other, arguments)),
        }
    }
}

impl Placed {
    /// Says what a report means. True if the stop is done.
    fn tell(&self, message: &Message) -> bool {
        if let Message::Triggered(triggered) = message {
            println!(
                "stop {}: waits no more, because a trade was at its trigger price; it arrives as a limit order at {}",
                triggered.order_id.0, triggered.price.0
            );
        }
        let Message::OrderFilled(filled) = message else {
            return false;
        };
        let name = match filled.order_id {
            id if id == self.iceberg => "iceberg",
            id if id == self.stop => "stop",
            _ => "buyer",
        };
        println!(
            "{name} {}: {} lots traded at {}, {} left",
            filled.order_id.0, filled.quantity.0, filled.price.0, filled.leaves_quantity.0
        );
        filled.order_id == self.stop && filled.leaves_quantity == Qty::ZERO
    }
}
