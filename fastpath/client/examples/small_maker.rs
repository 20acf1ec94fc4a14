//! Quotes both sides of one market, and quotes again whenever a quote is gone.
//!
//! ```text
//! cargo run --release --example small_maker -- \
//!     --server 127.0.0.1:7400 --session 1 --secret session-1.secret --market 0 --middle 1000 --seconds 60
//! ```
//!
//! It shows a maker's loop: react to reports, keep state in the client library, lean against the own
//! position, and leave nothing behind. It is no strategy.
#![expect(clippy::print_stdout, reason = "an example talks to the terminal")]

mod arguments;
mod ending;
mod refusal;

use arguments::Arguments;
use client::{Connection, Event, Order, SendError};
use domain::{
    CancelOrder, ClientOrderId, MarketId, MassCancel, NewOrder, OrderType, PostOnly, Price, Qty,
    Reason, Side, TimeInForce,
};
use std::collections::BTreeSet;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wire::order_entry::Message;

const ABOUT: &str = "Quotes both sides of one market, and quotes again whenever a quote is gone.";
const HELP: &str = "  --middle TICKS   price to quote around, between the best bid and offer, as watch_feed shows them [1000: for an empty market]
  --spread TICKS   between both quotes, at least 2 [10]
  --quantity LOTS  of each quote [1]
  --lean TICKS     by which both quotes move against every lot of our position [1]
  --seconds N      how long; then all quotes are cancelled [60]
  --wait SECONDS   longest wait for the exchange's first answer [5]";

/// What to quote, and what is known so far.
struct Maker {
    market: MarketId,
    middle: i64,
    half_spread: i64,
    quantity: Qty,
    lean: i64,
    /// Lots bought less lots sold since the start.
    position: i64,
    fills: u64,
    next_id: u64,
    /// Our new order that is unanswered, by side: its number and price.
    unanswered: [Option<(u64, i64)>; 2],
    /// Rejections that were said: the same ones may come for as long as it runs.
    said: BTreeSet<String>,
    /// Nothing is quoted before: what was just rejected would be rejected again.
    pause_until: Instant,
    /// The exchange does not have our market.
    unknown_market: bool,
}

fn main() -> ExitCode {
    ending::code("small_maker", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let own = ["middle", "spread", "quantity", "lean", "seconds", "wait"];
    let Some(arguments) = Arguments::read(ABOUT, &own, HELP)? else {
        return Ok(());
    };
    let mut connection = Connection::open(arguments.server()?, arguments.config()?)?;
    let mut maker = Maker {
        market: arguments.market()?,
        middle: arguments.get("middle", 1000)?,
        half_spread: (arguments.get("spread", 10_i64)? / 2).max(1),
        quantity: Qty(arguments.get("quantity", 1)?),
        lean: arguments.get("lean", 1)?,
        position: 0,
        fills: 0,
        // Ids of the session's orders are never used twice, not even by the next process.
        next_id: connection.now().0,
        unanswered: [None; 2],
        said: BTreeSet::new(),
        pause_until: Instant::now(),
        unknown_market: false,
    };
    let wait = Duration::from_secs(arguments.get("wait", 5)?);
    let patience = Instant::now() + wait;
    let end = Instant::now() + Duration::from_secs(arguments.get("seconds", 60)?);

    // Until all that an earlier process was told is taken in, its orders are not all known.
    let mut issued = u64::MAX;
    while Instant::now() < end {
        if let Some(event) = connection.poll(Duration::from_millis(100))? {
            if let Event::Established { next_report_no, .. } = event {
                issued = next_report_no;
            }
            let live = connection.session().next_report_no() > issued;
            maker.react(&event, live);
        }
        if !connection.session().is_established() && Instant::now() >= patience {
            return Err(refusal::silent(&connection, &arguments, wait));
        }
        if maker.unknown_market {
            return Err(refusal::rejected(Reason::UnknownMarket as u16, &arguments));
        }
        if connection.session().next_report_no() >= issued {
            maker.quote(&mut connection)?;
        }
    }
    if !connection.session().is_established() {
        return Err(refusal::silent(&connection, &arguments, wait));
    }
    maker.leave(&mut connection)?;
    println!("{} fills, position {} lots", maker.fills, maker.position);
    Ok(())
}

impl Maker {
    /// `live` is false while reports of an earlier process are taken in.
    fn react(&mut self, event: &Event, live: bool) {
        match event {
            Event::Established { epoch, .. } => println!("established in epoch {epoch}"),
            Event::Silent => println!("nothing heard from the exchange"),
            Event::Report { message, .. } => self.report(message, live),
            Event::RolledBack { last_seq_no, .. } => {
                println!("the exchange lost everything after our number {last_seq_no}");
                self.unanswered = [None; 2];
            }
            Event::Missed { from, count, .. } => {
                println!("{count} reports from {from} on can no longer be had");
            }
            Event::OutcomeUnknown { seq_no } => self.answered(*seq_no),
            Event::AttestationLost => println!("what is sent from now on is not attested"),
            // Not asked for.
            Event::Outcome(_) | Event::QueryUnanswered(_) => {}
            Event::Refused(refused) => {
                println!("refused: {}", refusal::reason(refused.reason));
                self.unanswered = [None; 2];
            }
        }
    }

    fn report(&mut self, message: &Message, live: bool) {
        let number = message.stamp().map(|stamp| stamp.client_seq_no);
        let quote = number.and_then(|number| self.quote_of(number));
        if let Some(number) = number {
            self.answered(number);
        }
        if let Message::NotApplied(report) = message {
            for number in report.from_seq_no..report.from_seq_no.saturating_add(report.count) {
                self.answered(number);
            }
        } else if let Message::OrderRejected(rejected) = message {
            self.say_once(rejection(rejected.reason, quote));
            self.unknown_market |= rejected.reason == Reason::UnknownMarket as u16 && live;
            self.pause_until = Instant::now() + Duration::from_millis(500);
        } else if let Message::OrderFilled(fill) = message
            && live
        {
            let lots = fill.quantity.0.cast_signed();
            let bought = fill.side == Side::Buy as u8;
            self.position += if bought { lots } else { -lots };
            self.fills += 1;
            let verb = if bought { "bought" } else { "sold" };
            println!(
                "{verb} {lots} at {}, position {}",
                fill.price, self.position
            );
        }
    }

    /// Side and price of the quote that was sent with this number, if it is unanswered.
    fn quote_of(&self, number: u64) -> Option<(Side, i64)> {
        let sides = [Side::Buy, Side::Sell].into_iter().zip(self.unanswered);
        let mut quotes = sides.filter_map(|(side, sent)| Some((side, sent?)));
        quotes.find_map(|(side, (sent, price))| (sent == number).then_some((side, price)))
    }

    fn say_once(&mut self, text: String) {
        if !self.said.contains(&text) {
            println!("{text}");
            self.said.insert(text);
        }
    }

    fn answered(&mut self, number: u64) {
        for unanswered in &mut self.unanswered {
            if unanswered.is_some_and(|(sent, _)| sent == number) {
                *unanswered = None;
            }
        }
    }

    /// Enters the quotes that are missing.
    fn quote(&mut self, connection: &mut Connection) -> Result<(), Box<dyn Error>> {
        if Instant::now() < self.pause_until {
            return Ok(());
        }
        let uncertain = connection.session().orders().live();
        if uncertain.filter(|order| !order.certain).count() > 0 {
            // What became of them was lost with a journal's tail: have them gone, and start anew.
            return self.cancel_uncertain(connection);
        }
        for side in [Side::Buy, Side::Sell] {
            let orders = connection.session().orders();
            let quoted = orders
                .live()
                .any(|order: &Order| order.side == side && order.market == self.market);
            let unanswered = &mut self.unanswered[usize::from(side == Side::Sell)];
            if quoted || unanswered.is_some() {
                continue;
            }
            let middle = self.middle - self.lean * self.position;
            let price = match side {
                Side::Buy => middle - self.half_spread,
                Side::Sell => middle + self.half_spread,
            };
            self.next_id += 1;
            let order = NewOrder {
                client_order_id: ClientOrderId(self.next_id),
                price: Price(price),
                qty: self.quantity,
                market: self.market,
                side,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::GoodTillCancel,
                post_only: PostOnly::Refuse,
                ..NewOrder::PLAIN
            };
            match connection.session_mut().new_order(&order) {
                Ok(number) => *unanswered = Some((number, price)),
                // The answers that are awaited will make room.
                Err(SendError::TooManyUnanswered) => {}
                Err(error @ SendError::NotEstablished) => return Err(error.into()),
            }
        }
        connection.flush()?;
        Ok(())
    }

    /// Cancels the live orders of which the reports are not all known, and waits until that is answered.
    fn cancel_uncertain(&mut self, connection: &mut Connection) -> Result<(), Box<dyn Error>> {
        // First what is still on its way is awaited, so that no order appears after the cancels.
        self.settle(connection)?;
        let orders = connection.session().orders().live();
        let uncertain = orders.filter(|order| !order.certain);
        let ids: Vec<_> = uncertain.map(|order| order.order_id).collect();
        for order_id in ids {
            connection.session_mut().cancel_order(&CancelOrder {
                order_id,
                client_order_id: ClientOrderId(0),
                qty: Qty::ZERO,
            })?;
        }
        self.settle(connection)
    }

    /// Cancels whatever the session has, also what is still on its way: its messages are taken in their order.
    fn leave(&mut self, connection: &mut Connection) -> Result<(), Box<dyn Error>> {
        connection.session_mut().mass_cancel(&MassCancel::OWN)?;
        self.settle(connection)
    }

    /// Waits until everything that was sent is answered.
    fn settle(&mut self, connection: &mut Connection) -> Result<(), Box<dyn Error>> {
        let end = Instant::now() + Duration::from_secs(5);
        while connection.session().unanswered() > 0 {
            if Instant::now() >= end {
                return Err("the exchange does not answer; orders may be left".into());
            }
            if let Some(event) = connection.poll(Duration::from_millis(100))? {
                self.react(&event, true);
            }
        }
        Ok(())
    }
}

/// What to say of a rejected order, of which `quote` is side and price if it is known.
fn rejection(code: u16, quote: Option<(Side, i64)>) -> String {
    let would_trade = code == Reason::WouldTrade as u16;
    match quote.filter(|_| would_trade) {
        Some((Side::Buy, price)) => {
            format!("rejected: your bid of {price} would trade at once: give a lower --middle")
        }
        Some((Side::Sell, price)) => {
            format!("rejected: your offer of {price} would trade at once: give a higher --middle")
        }
        None => format!("rejected: {}", refusal::reason(code)),
    }
}
