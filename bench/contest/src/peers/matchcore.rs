//! `matchcore`: an order's id is the sequence number of its command, and these have no gaps within a book.

use crate::checksum::Outcome;
use crate::command::{Command as Asked, Lasting, Op, Workload, place_of};
use crate::core::Core;
use matchcore::{
    AmendCmd, AmendPatch, CancelCmd, Command, CommandKind, CommandMeta, CommandOutcome,
    CommandReport, LimitOrder, LimitOrderPatch, MarketOrder, NewOrder, OrderBook, OrderFlags,
    OrderId, OrderKind, Price, Quantity, QuantityPolicy, SequenceNumber, Side, SubmitCmd,
    TimeInForce, Timestamp,
};

/// A book for each market.
pub struct Matchcore<'a> {
    commands: &'a [Asked],
    /// By number of a command: its number within its book, and that of the command by which its order was entered.
    numbers: Vec<(u64, u64)>,
    /// By book and number within it: the order's id in the workload.
    ids: Vec<Vec<u64>>,
    books: Vec<OrderBook>,
    outcome: Outcome,
}

impl<'a> Matchcore<'a> {
    /// Empty.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        let mut known = vec![0; place_of(workload.largest_id) + 1];
        let mut ids = vec![Vec::new(); workload.symbols as usize];
        let mut numbers = Vec::with_capacity(workload.commands.len());
        for command in &workload.commands {
            let book = &mut ids[command.symbol as usize];
            let number = book.len() as u64;
            book.push(command.id);
            let entered = &mut known[place_of(command.id)];
            if command.op() == Some(Op::New) {
                *entered = number;
            }
            numbers.push((number, *entered));
        }
        Self {
            commands: &workload.commands,
            numbers,
            ids,
            books: (0..workload.symbols)
                .map(|it| OrderBook::new(&it.to_string()))
                .collect(),
            outcome: Outcome::default(),
        }
    }

    fn kind(&self, at: usize) -> CommandKind {
        let asked = &self.commands[at];
        let order_id = OrderId(self.numbers[at].1);
        let quantity = Quantity(asked.qty.into());
        let policy = QuantityPolicy::Standard { quantity };
        match asked.op() {
            Some(Op::Cancel) => CommandKind::Cancel(CancelCmd {
                order_id,
                order_kind: OrderKind::Limit,
            }),
            Some(Op::Replace) => CommandKind::Amend(AmendCmd {
                order_id,
                patch: AmendPatch::Limit(
                    LimitOrderPatch::new()
                        .with_price(Price(asked.price.into()))
                        .with_quantity_policy(policy),
                ),
            }),
            Some(Op::New) | None => CommandKind::Submit(SubmitCmd {
                order: order_of(asked, policy),
            }),
        }
    }
}

fn order_of(asked: &Asked, policy: QuantityPolicy) -> NewOrder {
    let side = match asked.side() {
        Some(domain::Side::Sell) => Side::Sell,
        Some(domain::Side::Buy) | None => Side::Buy,
    };
    let (post_only, time_in_force) = match asked.lasting() {
        Some(Lasting::Market) => {
            return NewOrder::Market(MarketOrder::new(Quantity(asked.qty.into()), side, false));
        }
        Some(Lasting::AtOnce) => (false, TimeInForce::Ioc),
        Some(Lasting::AllOrNothing) => (false, TimeInForce::Fok),
        Some(Lasting::PostOnly) => (true, TimeInForce::Gtc),
        Some(Lasting::Stays) | None => (false, TimeInForce::Gtc),
    };
    let flags = OrderFlags::new(side, post_only, time_in_force);
    NewOrder::Limit(LimitOrder::new(Price(asked.price.into()), policy, flags))
}

impl Core for Matchcore<'_> {
    fn apply(&mut self, at: usize) {
        let command = Command {
            meta: CommandMeta {
                sequence_number: SequenceNumber(self.numbers[at].0),
                timestamp: Timestamp(at as u64),
            },
            kind: self.kind(at),
        };
        let asked = &self.commands[at];
        let outcome = self.books[asked.symbol as usize].execute(&command);
        let CommandOutcome::Applied(CommandReport::Submit(effects) | CommandReport::Amend(effects)) =
            outcome
        else {
            return;
        };
        let Some(matched) = effects.target_order().match_result() else {
            return;
        };
        for trade in matched.trades() {
            let maker = place_of(trade.maker_order_id().0);
            let maker = self.ids[asked.symbol as usize][maker];
            let price = u32::try_from(trade.price().0).unwrap_or(0);
            let qty = u32::try_from(trade.quantity().0).unwrap_or(0);
            self.outcome.trade(maker, asked.id, price, qty);
        }
    }

    fn outcome(&self) -> Outcome {
        self.outcome
    }
}
