//! `orderbook-rs`: maps that several threads may use at once. Its trades come by a listener.

use crate::checksum::Outcome;
use crate::command::{Command, Lasting, Op, Workload};
use crate::core::Core;
use orderbook_rs::{OrderBook, TradeResult};
use pricelevel::{Id, OrderUpdate, Price, Quantity, Side, TimeInForce};
use std::sync::{Arc, Mutex, PoisonError};

/// A book for each market.
pub struct OrderBookRs<'a> {
    commands: &'a [Command],
    sides: Vec<domain::Side>,
    books: Vec<OrderBook<()>>,
    outcome: Arc<Mutex<Outcome>>,
}

impl<'a> OrderBookRs<'a> {
    /// Empty.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let book = |symbol: u32| {
            let heard = Arc::clone(&outcome);
            let listener = move |result: &TradeResult| {
                note(
                    &mut heard.lock().unwrap_or_else(PoisonError::into_inner),
                    result,
                );
            };
            OrderBook::with_trade_listener(&symbol.to_string(), Arc::new(listener))
        };
        Self {
            commands: &workload.commands,
            sides: super::sides(workload),
            books: (0..workload.symbols).map(book).collect(),
            outcome: Arc::clone(&outcome),
        }
    }
}

fn note(outcome: &mut Outcome, result: &TradeResult) {
    for trade in result.match_result.trades().as_vec() {
        let maker = trade.maker_order_id().as_u64().unwrap_or(0);
        let taker = trade.taker_order_id().as_u64().unwrap_or(0);
        let price = u32::try_from(trade.price().as_u128()).unwrap_or(0);
        let qty = u32::try_from(trade.quantity().as_u64()).unwrap_or(0);
        outcome.trade(maker, taker, price, qty);
    }
}

impl Core for OrderBookRs<'_> {
    fn apply(&mut self, at: usize) {
        let command = self.commands[at];
        let book = &self.books[command.symbol as usize];
        let id = Id::Sequential(command.id);
        let side = match self.sides[at] {
            domain::Side::Buy => Side::Buy,
            domain::Side::Sell => Side::Sell,
        };
        let (price, qty) = (u128::from(command.price), u64::from(command.qty));
        let limit = |lasting| {
            // What is refused, and what an order at once leaves, is an error here.
            drop(book.add_limit_order(id, price, qty, side, lasting, None));
        };
        match (command.op(), command.lasting()) {
            (Some(Op::Cancel), _) => drop(book.cancel_order(id)),
            (Some(Op::Replace), _) => drop(book.update_order(OrderUpdate::Replace {
                order_id: id,
                price: Price::new(price),
                quantity: Quantity::new(qty),
                side,
            })),
            (_, Some(Lasting::Market)) => drop(book.submit_market_order(id, qty, side)),
            (_, Some(Lasting::AtOnce)) => limit(TimeInForce::Ioc),
            (_, Some(Lasting::AllOrNothing)) => limit(TimeInForce::Fok),
            (_, Some(Lasting::PostOnly)) => {
                let lasting = TimeInForce::Gtc;
                drop(book.add_post_only_order(id, price, qty, side, lasting, None));
            }
            (_, Some(Lasting::Stays) | None) => limit(TimeInForce::Gtc),
        }
    }

    fn outcome(&self) -> Outcome {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
