//! `lobster`: a BTreeMap of vectors. It knows limit and market orders, and cancels.

use crate::checksum::Outcome;
use crate::command::{Command, Lasting, Op, Workload};
use crate::core::Core;
use domain::Side;
use lobster::{FillMetadata, OrderBook, OrderEvent, OrderType};

/// A book for each market.
pub struct Lobster<'a> {
    commands: &'a [Command],
    taken: Vec<bool>,
    sides: Vec<Side>,
    books: Vec<OrderBook>,
    outcome: Outcome,
}

impl<'a> Lobster<'a> {
    /// Empty.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        let book = || OrderBook::new(10_000, 10, false);
        Self {
            commands: &workload.commands,
            taken: super::verdicts(workload),
            sides: super::sides(workload),
            books: (0..workload.symbols).map(|_| book()).collect(),
            outcome: Outcome::default(),
        }
    }

    /// True if nothing is left.
    fn send(&mut self, symbol: usize, order: OrderType) -> bool {
        match self.books[symbol].execute(order) {
            OrderEvent::Filled { fills, .. } => {
                self.note(&fills);
                true
            }
            OrderEvent::PartiallyFilled { fills, .. } => {
                self.note(&fills);
                false
            }
            OrderEvent::Unfilled { .. }
            | OrderEvent::Placed { .. }
            | OrderEvent::Canceled { .. } => false,
        }
    }

    fn note(&mut self, fills: &[FillMetadata]) {
        for fill in fills {
            let (maker, taker) = (number(fill.order_2), number(fill.order_1));
            let price = u32::try_from(fill.price).unwrap_or(0);
            let qty = u32::try_from(fill.qty).unwrap_or(0);
            self.outcome.trade(maker, taker, price, qty);
        }
    }
}

fn number(id: u128) -> u64 {
    u64::try_from(id).unwrap_or(0)
}

impl Core for Lobster<'_> {
    fn apply(&mut self, at: usize) {
        if !self.taken[at] {
            return;
        }
        let command = self.commands[at];
        let symbol = command.symbol as usize;
        let id = u128::from(command.id);
        let side = match self.sides[at] {
            Side::Buy => lobster::Side::Bid,
            Side::Sell => lobster::Side::Ask,
        };
        let limit = OrderType::Limit {
            id,
            side,
            qty: command.qty.into(),
            price: command.price.into(),
        };
        match (command.op(), command.lasting()) {
            (Some(Op::Cancel), _) => {
                self.send(symbol, OrderType::Cancel { id });
            }
            (Some(Op::Replace), _) => {
                self.send(symbol, OrderType::Cancel { id });
                self.send(symbol, limit);
            }
            (_, Some(Lasting::Market)) => {
                let qty = command.qty.into();
                self.send(symbol, OrderType::Market { id, side, qty });
            }
            (_, Some(Lasting::AtOnce)) => {
                if !self.send(symbol, limit) {
                    self.send(symbol, OrderType::Cancel { id });
                }
            }
            _ => {
                self.send(symbol, limit);
            }
        }
    }

    fn outcome(&self) -> Outcome {
        self.outcome
    }
}
