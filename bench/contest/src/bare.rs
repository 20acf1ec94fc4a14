//! Our book alone: the engine's ladders, queues and slab of orders, with an owner's check of each maker and a record of
//! each event, and without funds, fees, limits and numbers.

use crate::checksum::Outcome;
use crate::command::{Command, Lasting, Op, Workload, place_of};
use crate::core::Core;
use crate::whole::most_live;
use domain::{ClientOrderId, MarketId, OrderId, Price, Qty, SessionId};
use engine::bare::{Arriving, Books};
use std::hint::black_box;

/// Prices of a market.
const PRICES: u32 = 1 << 16;
/// Records that a reader would be handed before they are written over.
const RECORDS: usize = 128;

/// With room for so many orders the slab no longer fits a cache, and it pays to look ahead in a burst.
const OUTGROWN: u32 = 1 << 18;
/// So many commands further on an order is fetched,
const FAR: usize = 12;
/// and so many its neighbours.
const NEAR: usize = 5;

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
enum Kind {
    Rejected,
    Accepted,
    Replaced,
    Canceled,
    Filled,
}

/// An event as it would be handed on: 40 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Record {
    order: OrderId,
    /// Of a trade the order that arrived, else the owner's id.
    other: u64,
    price: Price,
    /// What it is about: lots that rest, that were cancelled, or that traded.
    qty: Qty,
    owner: SessionId,
    kind: Kind,
    pad: u16,
}

const _: () = assert!(size_of::<Record>() == 40);

impl Record {
    const NONE: Self = Self {
        order: OrderId::NONE,
        other: 0,
        price: Price(0),
        qty: Qty::ZERO,
        owner: SessionId(0),
        kind: Kind::Rejected,
        pad: 0,
    };
}

/// Events of a command.
struct Records {
    buffer: Box<[Record; RECORDS]>,
    used: usize,
}

impl Records {
    #[inline]
    fn put(&mut self, record: Record) {
        self.buffer[self.used % RECORDS] = record;
        self.used += 1;
    }
}

/// What has come of all trades so far.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    outcome: Outcome,
    /// Trades of an owner with itself. Nothing is prevented: the workload's outcome knows no prevention.
    own: u64,
}

/// The books, and what is asked of them.
pub struct Bare<'a> {
    books: Books,
    commands: &'a [Command],
    /// By number of a command: the book's id of the order that it names.
    names: Vec<OrderId>,
    records: Records,
    told: Told,
    /// Whether orders of commands further on are fetched; what was seen of them.
    looks_ahead: bool,
    seen: u32,
}

impl<'a> Bare<'a> {
    /// With the ids that a first run of the same commands was given.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        let mut first = Self::empty(workload, Vec::new());
        let mut given = vec![OrderId::NONE; place_of(workload.largest_id) + 1];
        let mut names = Vec::with_capacity(workload.commands.len());
        for (at, command) in workload.commands.iter().enumerate() {
            let id = place_of(command.id);
            names.push(given[id]);
            first.names.push(given[id]);
            first.apply(at);
            let first_record = first.records.buffer[0];
            if command.op() == Some(Op::New) && !matches!(first_record.kind, Kind::Rejected) {
                given[id] = first_record.order;
            }
        }
        Self::empty(workload, names)
    }

    fn empty(workload: &'a Workload, names: Vec<OrderId>) -> Self {
        let (markets, orders) = (workload.symbols, most_live(workload));
        let levels = markets * PRICES;
        let pages = domain::Genesis::enough_pages(orders, markets, levels);
        let mut books = Books::with_capacity(markets, orders, levels, pages);
        for _ in 0..markets {
            let made = books.open(Price(1), PRICES - 1);
            assert!(made.is_some(), "there is room for all markets");
        }
        Self {
            books,
            commands: &workload.commands,
            names,
            records: Records {
                buffer: Box::new([Record::NONE; RECORDS]),
                used: 0,
            },
            told: Told::default(),
            looks_ahead: orders > OUTGROWN,
            seen: 0,
        }
    }

    #[inline]
    fn look_ahead(&mut self, at: usize) {
        if let Some(&id) = self.names.get(at + FAR) {
            self.seen ^= self.books.touch(id);
        }
        if let Some(&id) = self.names.get(at + NEAR) {
            self.seen ^= self.books.touch_neighbours(id);
        }
    }

    #[inline]
    fn enter(&mut self, command: &Command) {
        let (Some(side), Some(lasting)) = (command.side(), command.lasting()) else {
            return;
        };
        let price = match lasting {
            Lasting::Market => Price(0),
            Lasting::Stays | Lasting::AtOnce | Lasting::AllOrNothing | Lasting::PostOnly => {
                Price(i64::from(command.price))
            }
        };
        let market = MarketId(command.symbol);
        let mut arriving = Arriving {
            id: OrderId::NONE,
            client_order_id: ClientOrderId(command.id),
            session: SessionId(command.owner),
            market,
            side,
            price,
            qty: Qty(u64::from(command.qty)),
        };
        let trades = self.books.crosses(market, side, price);
        let refused = match lasting {
            Lasting::PostOnly => trades,
            Lasting::AllOrNothing => !self.books.fills(&arriving),
            Lasting::Stays | Lasting::AtOnce | Lasting::Market => false,
        };
        let id = self.books.admit().filter(|_| !refused);
        let Some(id) = id else {
            return self.tell(Kind::Rejected, &arriving, arriving.qty);
        };
        arriving.id = id;
        let stays = matches!(lasting, Lasting::Stays | Lasting::PostOnly);
        self.arrive(Kind::Accepted, &arriving, trades, stays);
    }

    /// Tells first what arrives, and what of it rests if it trades with nobody.
    #[inline]
    fn arrive(&mut self, kind: Kind, arriving: &Arriving, trades: bool, stays: bool) {
        if stays & !trades {
            self.books.rest(arriving, arriving.qty);
            return self.tell(kind, arriving, arriving.qty);
        }
        self.tell(kind, arriving, Qty::ZERO);
        self.trade(arriving, trades, stays);
    }

    #[inline(never)]
    fn trade(&mut self, arriving: &Arriving, trades: bool, stays: bool) {
        let left = if trades {
            self.sweep(arriving)
        } else {
            arriving.qty
        };
        if left > Qty::ZERO && stays {
            self.books.rest(arriving, left);
            self.tell(Kind::Accepted, arriving, left);
        } else {
            self.books.dismiss(arriving.id);
            self.tell(Kind::Canceled, arriving, left);
        }
    }

    fn sweep(&mut self, arriving: &Arriving) -> Qty {
        let (records, told) = (&mut self.records, &mut self.told);
        self.books.sweep(arriving, |fill| {
            told.own += u64::from(fill.session == arriving.session);
            let (price, qty) = (small(fill.price.0.unsigned_abs()), small(fill.qty.0));
            let (maker, taker) = (fill.client_order_id.0, arriving.client_order_id.0);
            told.outcome.trade(maker, taker, price, qty);
            records.put(Record {
                order: fill.id,
                other: arriving.id.0,
                price: fill.price,
                qty: fill.qty,
                owner: fill.session,
                kind: Kind::Filled,
                pad: 0,
            });
        })
    }

    #[inline]
    fn tell(&mut self, kind: Kind, order: &Arriving, qty: Qty) {
        self.records.put(Record {
            order: order.id,
            other: order.client_order_id.0,
            price: order.price,
            qty,
            owner: order.session,
            kind,
            pad: 0,
        });
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Core for Bare<'_> {
    #[inline]
    fn apply(&mut self, at: usize) {
        self.records.used = 0;
        if self.looks_ahead {
            self.look_ahead(at);
        }
        let command = &self.commands[at];
        match command.op() {
            Some(Op::New) => self.enter(command),
            Some(Op::Cancel) => match self.books.cancel(self.names[at]) {
                Some(order) => self.tell(Kind::Canceled, &order, order.qty),
                None => self.tell_unknown(),
            },
            Some(Op::Replace) => match self.books.take_out(self.names[at]) {
                Some(order) => {
                    let again = Arriving {
                        price: Price(i64::from(command.price)),
                        qty: Qty(u64::from(command.qty)),
                        ..order
                    };
                    let trades = self.books.crosses(again.market, again.side, again.price);
                    self.arrive(Kind::Replaced, &again, trades, true);
                }
                None => self.tell_unknown(),
            },
            None => {}
        }
        black_box(&self.records.buffer);
    }

    fn outcome(&self) -> Outcome {
        black_box((self.told.own, self.seen));
        self.told.outcome
    }
}

impl Bare<'_> {
    #[cold]
    fn tell_unknown(&mut self) {
        self.records.put(Record::NONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind as Workloads, generate};
    use domain::Side;

    #[test]
    fn the_owner_of_every_maker_is_looked_at() {
        let side = [Side::Sell, Side::Buy];
        let commands = [1, 2].map(|id| {
            let side = side[place_of(id) - 1];
            Command::new(id, side, Lasting::Stays, 10, 1).of(0, 7)
        });
        let workload = Workload {
            symbols: 1,
            largest_id: 2,
            prefix: 0,
            commands: commands.to_vec(),
            outcome: Outcome::default(),
        };
        let mut bare = Bare::new(&workload);
        bare.apply(0);
        bare.apply(1);
        assert_eq!((bare.told.own, bare.told.outcome.trades), (1, 1));
    }

    #[test]
    fn every_command_leaves_a_record() {
        let workload = generate(Workloads::Near, 3, 2_000);
        let mut bare = Bare::new(&workload);
        for at in 0..workload.commands.len() {
            bare.apply(at);
            assert!(bare.records.used > 0, "{:?}", workload.commands[at]);
        }
        assert_eq!(bare.outcome(), workload.outcome);
    }
}
