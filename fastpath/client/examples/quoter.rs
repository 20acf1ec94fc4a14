//! Quotes some markets anew again and again by mass quotes, under a protection.
//!
//! ```text
//! cargo run --release -p client --example quoter -- \
//!     --server 127.0.0.1:9000 --session 0 --secret session.hex --market 0 --middle 1000 --fills 5 --seconds 60
//! ```
//!
//! It shows what quotes are for: one message says what is to stand in all markets from now on, whatever stood there
//! before, and if more of it trades than is wanted the exchange takes it away before anything else trades. It is no
//! strategy.
#![expect(clippy::print_stdout, reason = "an example talks to the terminal")]

mod arguments;
mod ending;
mod refusal;

use arguments::Arguments;
use client::{Connection, Event, ReportsFrom};
use domain::{ClientOrderId, Flag, MarketId, Price, Qty, Quote, Reason, SetProtection};
use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wire::order_entry::{MAX_QUOTES, Message};

const ABOUT: &str = "Quotes some markets anew again and again by mass quotes, under a protection.";
const HELP: &str = "  --markets N      how many markets, from --market on; at most 32 [1]
  --middle TICKS   price to quote around [1000]
  --spread TICKS   between both sides, at least 2 [10]
  --quantity LOTS  of each side [1]
  --every MS       how often it quotes anew; the middle then moves by a tick, up and down [100]
  --fills N        trades within --window by which the quotes of a market are cancelled; 0: no protection [10]
  --window MS      the time in which trades are counted together, and for which a market then rests [1000]
  --seconds N      how long; then all quotes are pulled [60]
  --wait SECONDS   longest wait for an answer [5]";

/// What to quote, and what is known so far.
struct Quoter {
    markets: Vec<MarketId>,
    middle: i64,
    half_spread: i64,
    quantity: Qty,
    /// Of each market.
    protection: SetProtection,
    window: Duration,
    /// Whether the exchange has been told of the protection; not if it may have forgotten that.
    is_protected: bool,
    /// Markets whose protection was reached, and until when they rest.
    resting: BTreeMap<MarketId, Instant>,
    next_id: u64,
    rounds: u64,
    fills: u64,
    /// The exchange does not have one of our markets.
    unknown_market: bool,
}

fn main() -> ExitCode {
    ending::code("quoter", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let own = [
        "markets", "middle", "spread", "quantity", "every", "fills", "window", "seconds", "wait",
    ];
    let Some(arguments) = Arguments::read(ABOUT, &own, HELP)? else {
        return Ok(());
    };
    let mut config = arguments.config()?;
    // The first quote stands instead of whatever an earlier process has left, so there is nothing to be learnt of that.
    config.reports_from = ReportsFrom::Next;
    let mut connection = Connection::open(arguments.server()?, config)?;
    let mut quoter = Quoter::new(&arguments, connection.now().0)?;
    let wait = Duration::from_secs(arguments.get("wait", 5)?);
    let every = Duration::from_millis(arguments.get("every", 100_u64)?.max(1));
    let patience = Instant::now() + wait;
    let mut next = Instant::now();
    let end = next + Duration::from_secs(arguments.get("seconds", 60)?);
    while Instant::now() < end {
        let left = next.saturating_duration_since(Instant::now());
        if let Some(event) = connection.poll(left)? {
            quoter.react(&event);
        }
        let is_established = connection.session().is_established();
        if !is_established && Instant::now() >= patience {
            return Err(refusal::silent(&connection, &arguments, wait));
        }
        if quoter.unknown_market {
            return Err(refusal::rejected(Reason::UnknownMarket as u16, &arguments));
        }
        if Instant::now() >= next {
            next = Instant::now() + every;
            // What is not answered yet is not to be overtaken by more of it.
            if is_established && connection.session().unanswered() == 0 {
                quoter.protect(&mut connection)?;
                quoter.quote(&mut connection)?;
            }
        }
    }
    if !connection.session().is_established() {
        return Err(refusal::silent(&connection, &arguments, wait));
    }
    quoter.leave(&mut connection, wait)?;
    println!("quoted {} times, {} fills", quoter.rounds, quoter.fills);
    Ok(())
}

impl Quoter {
    fn new(arguments: &Arguments, first_id: u64) -> Result<Self, Box<dyn Error>> {
        let (first, count) = (arguments.market()?.0, arguments.get("markets", 1)?);
        if !(1..=MAX_QUOTES).contains(&count) {
            return Err(format!("--markets {count}: 1 to {MAX_QUOTES}").into());
        }
        let window = Duration::from_millis(arguments.get("window", 1000)?);
        let fills: u32 = arguments.get("fills", 10)?;
        Ok(Self {
            markets: (first..first.saturating_add(count)).map(MarketId).collect(),
            middle: arguments.get("middle", 1000)?,
            half_spread: (arguments.get("spread", 10_i64)? / 2).max(1),
            quantity: Qty(arguments.get("quantity", 1)?),
            protection: SetProtection {
                // Without a limit there is no window.
                window: u64::from(fills > 0) * u64::try_from(window.as_nanos())?,
                max_fills: fills,
                ..SetProtection::OFF
            },
            window,
            is_protected: false,
            resting: BTreeMap::new(),
            next_id: first_id,
            rounds: 0,
            fills: 0,
            unknown_market: false,
        })
    }

    fn react(&mut self, event: &Event) {
        match event {
            Event::Established { epoch, .. } => println!("established in epoch {epoch}"),
            Event::Silent => println!("nothing heard from the exchange"),
            Event::Report { message, .. } => self.report(message),
            Event::RolledBack { last_seq_no, .. } => {
                println!("the exchange lost everything after our number {last_seq_no}");
                self.is_protected = false;
            }
            Event::Missed { from, count, .. } => {
                println!("{count} reports from {from} on can no longer be had");
                // That a protection was reached may be among them.
                self.is_protected = false;
            }
            // Quoting anew says all that there is to say of quotes, but a protection may not be set.
            Event::OutcomeUnknown { .. } => self.is_protected = false,
            Event::AttestationLost => println!("what is sent from now on is not attested"),
            // Not asked for.
            Event::Outcome(_) | Event::QueryUnanswered(_) => {}
            Event::Refused(refused) => println!("refused: {}", refusal::reason(refused.reason)),
        }
    }

    fn report(&mut self, message: &Message) {
        if let Message::OrderFilled(fill) = message {
            self.fills += 1;
            println!("traded {} at {}", fill.quantity.0, fill.price);
        } else if let Message::ProtectionReached(reached) = message {
            let market = reached.market_id;
            println!(
                "market {}: {} trades, no more for now",
                market.0, reached.fills
            );
            self.resting.insert(market, Instant::now() + self.window);
        } else if let Message::OrderRejected(rejected) = message {
            // Where nothing is quoted there is nothing to pull.
            if rejected.reason != Reason::UnknownOrder as u16 {
                println!("rejected: {}", refusal::reason(rejected.reason));
            }
            self.unknown_market |= rejected.reason == Reason::UnknownMarket as u16;
        }
    }

    /// Sets the protection of all markets, or of those that have rested, whose quotes are taken again then.
    fn protect(&mut self, connection: &mut Connection) -> Result<(), Box<dyn Error>> {
        let now = Instant::now();
        let rested = |until: Option<&Instant>| until.is_some_and(|until| *until <= now);
        let markets = self.markets.iter().copied();
        let some = markets.filter(|it| !self.is_protected || rested(self.resting.get(it)));
        let some: Vec<_> = some.collect();
        for market in some {
            self.resting.remove(&market);
            let protection = SetProtection {
                market,
                ..self.protection
            };
            connection.session_mut().set_protection(&protection)?;
        }
        self.is_protected = true;
        Ok(())
    }

    /// Quotes all markets that do not rest.
    fn quote(&mut self, connection: &mut Connection) -> Result<(), Box<dyn Error>> {
        self.next_id += 1;
        self.rounds += 1;
        let middle = self.middle + i64::from(self.rounds.is_multiple_of(2));
        let quote = Quote {
            quote_id: ClientOrderId(self.next_id),
            bid_price: Price(middle - self.half_spread),
            bid_qty: self.quantity,
            ask_price: Price(middle + self.half_spread),
            ask_qty: self.quantity,
            slide: Flag::Yes,
            ..Quote::PULL
        };
        let markets = self.markets.iter();
        let markets = markets.filter(|market| !self.resting.contains_key(market));
        let quotes: Vec<Quote> = markets.map(|&market| Quote { market, ..quote }).collect();
        connection.session_mut().mass_quote(&quotes)?;
        connection.flush()?;
        Ok(())
    }

    /// Pulls all quotes, and waits until that is answered.
    fn leave(&mut self, connection: &mut Connection, wait: Duration) -> Result<(), Box<dyn Error>> {
        let markets = self.markets.iter();
        let pulls: Vec<Quote> = markets
            .map(|&market| Quote {
                market,
                ..Quote::PULL
            })
            .collect();
        connection.session_mut().mass_quote(&pulls)?;
        let end = Instant::now() + wait;
        while connection.session().unanswered() > 0 {
            if Instant::now() >= end {
                return Err("the exchange does not answer; quotes may be left".into());
            }
            if let Some(event) = connection.poll(Duration::from_millis(100))? {
                self.react(&event);
            }
        }
        Ok(())
    }
}
