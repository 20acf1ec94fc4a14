//! The engine applies a command, in a warm book.

use domain::{
    AmendOrder, CancelOrder, Checkpoint, ClientOrderId, Command, OrderId, Qty, Request, Side,
    TimeInForce,
};

use super::book::{Book, MIDDLE};
use super::{Entry, Subject};
use crate::load::flow::DEPTH;
use crate::random::Random;

/// Orders that are added to the book's own where its size is not to count.
const MANY: u64 = 90_000;
/// Operations between two looks at the clock: the book grows or shrinks by no more.
const BATCH: u64 = 1_000;

pub(super) const NEW: Entry = entry("apply-new", "a passive order enters", || {
    Box::new(Applied::new(Kind::New))
});
pub(super) const CANCEL: Entry = entry("apply-cancel", "an order is cancelled", || {
    Box::new(Applied::new(Kind::Cancel))
});
pub(super) const AMEND: Entry = entry("apply-amend", "an order's quantity changes", || {
    Box::new(Applied::new(Kind::Amend))
});
pub(super) const CROSS: Entry = entry(
    "apply-cross",
    "an immediate-or-cancel order trades with one that rests; both are done",
    || Box::new(Applied::new(Kind::Cross)),
);
pub(super) const CHECKPOINT: Entry = entry(
    "apply-checkpoint",
    "the state's hash is told, behind 100,000 orders",
    || Box::new(Applied::new(Kind::Checkpoint)),
);

const fn entry(name: &'static str, what: &'static str, make: fn() -> Box<dyn Subject>) -> Entry {
    Entry {
        name,
        what,
        batch: BATCH,
        is_counted: true,
        make,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    New,
    Cancel,
    Amend,
    Cross,
    Checkpoint,
}

struct Applied {
    kind: Kind,
    book: Book,
    random: Random,
    /// What the next run applies.
    requests: Vec<Request>,
    /// Orders that were added to the book's own: who, and under which id.
    added: Vec<(u32, ClientOrderId)>,
}

impl Applied {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            book: Book::filled(),
            random: Random(2),
            requests: Vec::new(),
            added: Vec::new(),
        }
    }

    /// A side, and a price on it that does not cross.
    fn passive(random: &mut Random) -> (Side, i64) {
        let distance = 1 + random.below(DEPTH).cast_signed();
        if random.below(2) == 0 {
            (Side::Buy, MIDDLE - distance)
        } else {
            (Side::Sell, MIDDLE + distance)
        }
    }

    /// Requests that add passive orders, which are remembered.
    fn additions(&mut self, count: u64) -> Vec<Request> {
        let (random, added) = (&mut self.random, &mut self.added);
        self.book.requests(count, |book| {
            let (side, price) = Self::passive(random);
            let order = book.order(side, price, TimeInForce::GoodTillCancel);
            added.push((book.session().0, order.client_order_id));
            Command::NewOrder(order)
        })
    }

    /// Requests that cancel what was added, in another order than it came, each by its own session.
    fn removals(&mut self) -> Vec<Request> {
        let mut added = std::mem::take(&mut self.added);
        for last in (1..added.len()).rev() {
            let other = self.random.below(last as u64 + 1);
            added.swap(last, usize::try_from(other).unwrap_or(last));
        }
        let mut ids = added.iter().map(|(_, id)| *id);
        let owners = added.iter().map(|(owner, _)| *owner);
        self.book.requests_of(owners, |_| {
            Command::CancelOrder(CancelOrder {
                order_id: OrderId::NONE,
                client_order_id: ids.next().expect("one each"),
                qty: Qty::ZERO,
            })
        })
    }

    fn apply(&mut self, requests: &[Request]) -> u64 {
        requests
            .iter()
            .map(|request| self.book.apply(request))
            .sum()
    }

    /// Makes a large book of it, once.
    fn grow(&mut self) {
        if self.added.is_empty() {
            let additions = self.additions(MANY);
            self.apply(&additions);
        }
    }

    /// Orders that rest at the best price, one for each taker to come.
    fn offer(&mut self, count: u64) {
        let offers = self.book.requests(count, |book| {
            Command::NewOrder(book.order(Side::Sell, MIDDLE, TimeInForce::GoodTillCancel))
        });
        self.apply(&offers);
    }
}

impl Subject for Applied {
    fn prepare(&mut self, count: u64) {
        if self.kind == Kind::Checkpoint {
            self.grow();
            self.requests = self
                .book
                .checkpoints(count, Command::Checkpoint(Checkpoint { interval: 0 }));
            return;
        }
        // What an earlier run has added goes again.
        let removals = self.removals();
        self.apply(&removals);
        self.requests = match self.kind {
            Kind::New | Kind::Checkpoint => self.additions(count),
            Kind::Cancel => {
                let additions = self.additions(count);
                self.apply(&additions);
                self.removals()
            }
            Kind::Amend => {
                let additions = self.additions(count);
                self.apply(&additions);
                let mut ids = self.added.iter().map(|(_, id)| *id);
                let owners = self.added.iter().map(|(owner, _)| *owner);
                let random = &mut self.random;
                self.book.requests_of(owners, |book| {
                    let client_order_id = ids.next().expect("one each");
                    let order_id = book.engine.order_id(book.session(), client_order_id);
                    let order = order_id.and_then(|id| book.engine.order(id));
                    Command::AmendOrder(AmendOrder {
                        order_id: OrderId::NONE,
                        client_order_id,
                        price: order.expect("it rests").price,
                        qty: Qty(2 + random.below(4)),
                        new_client_order_id: ClientOrderId(0),
                    })
                })
            }
            Kind::Cross => {
                self.offer(count);
                self.book.requests(count, |book| {
                    Command::NewOrder(book.order(Side::Buy, MIDDLE, TimeInForce::ImmediateOrCancel))
                })
            }
        };
    }

    fn run(&mut self, _count: u64) -> u64 {
        let requests = std::mem::take(&mut self.requests);
        self.apply(&requests)
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::RESTING;
    use super::*;
    use domain::Event;

    #[test]
    fn each_kind_does_what_it_says_and_leaves_the_book_as_it_was() {
        for (kind, after) in [
            (Kind::New, RESTING + 40),
            (Kind::Cancel, RESTING),
            (Kind::Amend, RESTING + 40),
            (Kind::Cross, RESTING),
            (Kind::Checkpoint, 100_000),
        ] {
            let mut subject = Applied::new(kind);
            for _ in 0..2 {
                subject.prepare(40);
                for request in std::mem::take(&mut subject.requests) {
                    subject.book.apply(&request);
                    let mut events = subject.book.effects.events().flatten();
                    let done = events.any(|event| match kind {
                        Kind::New => matches!(event, Event::BookAdd(_)),
                        Kind::Cancel => matches!(event, Event::Canceled(_)),
                        Kind::Amend => matches!(event, Event::Amended(_)),
                        Kind::Cross => matches!(event, Event::Trade(_)),
                        Kind::Checkpoint => matches!(event, Event::StateHash(_)),
                    });
                    assert!(
                        done,
                        "{:?}",
                        subject.book.effects.events().collect::<Vec<_>>()
                    );
                }
                assert_eq!(subject.book.engine.live_orders(), after);
            }
            subject.book.engine.check_invariants().expect("all hold");
        }
    }
}
