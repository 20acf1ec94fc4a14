//! Books, order by order.

use domain::{MarketId, MarketState, OrderId, Phase, Price, Qty, Side};
use std::collections::BTreeMap;
use std::fmt;
use wire::market_data::{self as feed, MarketDefined, Message};
use zerocopy::TryFromBytes;

/// An order of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestingOrder {
    /// The exchange's id.
    pub order_id: OrderId,
    /// Where.
    pub market: MarketId,
    /// Which side.
    pub side: Side,
    /// In ticks.
    pub price: Price,
    /// Lots that the book shows of it.
    pub leaves: Qty,
}

/// A price of a book and all that rests there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// In ticks.
    pub price: Price,
    /// Lots that the book shows of all orders.
    pub quantity: Qty,
    /// How many orders.
    pub orders: usize,
}

/// The orders of a price: by the number with which each joined, which is their queue.
type Queue = BTreeMap<u64, (OrderId, Qty)>;

/// The book of one market. While its state [is a call](MarketState::is_call), or if it was left without an auction, bids may
/// be as high as asks or higher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    bids: BTreeMap<Price, Queue>,
    asks: BTreeMap<Price, Queue>,
    definition: Option<MarketDefined>,
    state: Option<MarketState>,
}

impl Book {
    /// The market's terms, if the feed told them.
    #[must_use]
    pub fn definition(&self) -> Option<&MarketDefined> {
        self.definition.as_ref()
    }

    /// What may happen in the market, if the feed told it.
    #[must_use]
    pub fn state(&self) -> Option<MarketState> {
        self.state
    }

    /// The best price of a side.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<Level> {
        self.depth(side).next()
    }

    /// All prices of a side, the best first.
    pub fn depth(&self, side: Side) -> impl Iterator<Item = Level> {
        self.queues(side).map(|(price, queue)| Level {
            price: *price,
            // Sums saturate: the numbers are the network's.
            quantity: Qty(queue
                .values()
                .fold(0, |sum, (_, leaves)| sum.saturating_add(leaves.0))),
            orders: queue.len(),
        })
    }

    /// All orders of a side in the order in which they trade: price in ticks, id, lots.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = (Price, OrderId, Qty)> {
        self.queues(side).flat_map(|(price, queue)| {
            let orders = queue.values();
            orders.map(|(id, leaves)| (*price, *id, *leaves))
        })
    }

    fn queues(&self, side: Side) -> impl Iterator<Item = (&Price, &Queue)> {
        // The best bid is the highest, the best ask the lowest.
        let (bids, asks) = match side {
            Side::Buy => (Some(self.bids.iter().rev()), None),
            Side::Sell => (None, Some(self.asks.iter())),
        };
        bids.into_iter().flatten().chain(asks.into_iter().flatten())
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Price, Queue> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// Where an order rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    market: MarketId,
    side: Side,
    price: Price,
    joined: u64,
}

/// Why a message does not fit the books: a number was skipped, or the books are not the exchange's.
/// They are as before the message; take a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookError {
    /// Another message comes first.
    WrongNumber {
        /// The number that must come.
        expected: u64,
        /// The number that came.
        number: u64,
    },
    /// It is about an order that does not rest there, or adds one that already rests.
    WrongOrder {
        /// The message's number.
        number: u64,
        /// The order.
        order_id: OrderId,
    },
    /// An order does not have the quantity that it must have.
    WrongQuantity {
        /// The message's number.
        number: u64,
        /// The order.
        order_id: OrderId,
    },
    /// An enumeration holds a value that this version does not know.
    UnknownValue {
        /// The message's number.
        number: u64,
    },
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongNumber { expected, number } => {
                write!(f, "message {number} came where {expected} must come")
            }
            Self::WrongOrder { number, order_id } => {
                write!(f, "message {number}: order {} is not there", order_id.0)
            }
            Self::WrongQuantity { number, order_id } => write!(
                f,
                "message {number}: order {} has another quantity",
                order_id.0
            ),
            Self::UnknownValue { number } => {
                write!(
                    f,
                    "message {number} is of a newer version: link a newer client"
                )
            }
        }
    }
}

impl std::error::Error for BookError {}

/// The books of all markets of a shard, as of a feed number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    number: u64,
    phase: Phase,
    books: BTreeMap<MarketId, Book>,
    places: BTreeMap<OrderId, Place>,
}

impl Default for Books {
    fn default() -> Self {
        Self::new()
    }
}

impl Books {
    /// As of the beginning: no market, no order.
    #[must_use]
    pub fn new() -> Self {
        Self {
            number: 0,
            phase: Phase::Open,
            books: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    /// As of feed number `number`, from the orders that rest then: those of one price in the order
    /// of their queue. Terms and states of markets and the phase come with later messages only.
    ///
    /// # Errors
    /// [`BookError::WrongOrder`] if an order is there twice.
    pub fn from_orders(
        number: u64,
        orders: impl IntoIterator<Item = RestingOrder>,
    ) -> Result<Self, BookError> {
        let mut books = Self::new();
        books.number = number;
        // Every order joined with a message of its own, so these ranks are below the next number.
        for (order, joined) in orders.into_iter().zip(0..) {
            books.join(joined, &order)?;
        }
        Ok(books)
    }

    /// The number of the last message that was applied.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether all commands are taken, as far as the feed told.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The book of a market; none if nothing was told of it.
    #[must_use]
    pub fn book(&self, market: MarketId) -> Option<&Book> {
        self.books.get(&market)
    }

    /// All markets of which something was told.
    pub fn markets(&self) -> impl Iterator<Item = (MarketId, &Book)> {
        self.books.iter().map(|(market, book)| (*market, book))
    }

    /// How many orders rest.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no order rests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Takes in the message with the number after the last one.
    ///
    /// # Errors
    /// [`BookError`] if it does not fit; then nothing changes.
    pub fn apply(&mut self, number: u64, message: &Message) -> Result<(), BookError> {
        let expected = self.number.saturating_add(1);
        if number != expected {
            return Err(BookError::WrongNumber { expected, number });
        }
        match message {
            Message::BookAdd(message) => self.add(number, message)?,
            Message::BookReplace(message) => self.replace(number, message)?,
            Message::BookReduce(message) => {
                let leaves = self.leaves(number, message.order_id, message.market_id)?;
                self.shrink(number, message.order_id, leaves, message.leaves_quantity)?;
            }
            Message::BookDelete(message) => {
                self.leaves(number, message.order_id, message.market_id)?;
                self.leave(message.order_id);
            }
            Message::Trade(message) => self.trade(number, message)?,
            Message::PhaseChanged(message) => self.phase = known(number, message.phase)?,
            Message::MarketDefined(message) => {
                let state = known(number, message.state)?;
                let book = self.books.entry(message.market_id).or_default();
                book.definition = Some(*message);
                book.state = Some(state);
            }
            Message::MarketStateChanged(message) => {
                let state = known(number, message.state)?;
                self.books.entry(message.market_id).or_default().state = Some(state);
            }
            // What it does to the book, the messages behind it say one by one.
            Message::Uncrossed(_) => {}
            // It has a number, and changes no book that this version knows.
            Message::Unknown { .. } => {}
        }
        self.number = number;
        Ok(())
    }

    fn add(&mut self, number: u64, message: &feed::BookAdd) -> Result<(), BookError> {
        let order = RestingOrder {
            order_id: message.order_id,
            market: message.market_id,
            side: known(number, message.side)?,
            price: message.price,
            leaves: message.quantity,
        };
        self.join(number, &order)
    }

    fn replace(&mut self, number: u64, message: &feed::BookReplace) -> Result<(), BookError> {
        let order = RestingOrder {
            order_id: message.order_id,
            market: message.market_id,
            side: known(number, message.side)?,
            price: message.price,
            leaves: message.quantity,
        };
        self.leaves(number, order.order_id, order.market)?;
        self.leave(order.order_id);
        self.join(number, &order)
    }

    fn trade(&mut self, number: u64, message: &feed::Trade) -> Result<(), BookError> {
        let order_id = message.maker_order_id;
        let before = self.leaves(number, order_id, message.market_id)?;
        let after = before.0.checked_sub(message.quantity.0).map(Qty);
        if after != Some(message.leaves_quantity) {
            return Err(BookError::WrongQuantity { number, order_id });
        }
        if message.leaves_quantity == Qty::ZERO {
            self.leave(order_id);
            return Ok(());
        }
        self.shrink(number, order_id, before, message.leaves_quantity)
    }

    /// An order joins the end of the queue of its price.
    fn join(&mut self, number: u64, order: &RestingOrder) -> Result<(), BookError> {
        let RestingOrder {
            order_id,
            market,
            side,
            price,
            leaves,
        } = *order;
        if self.places.contains_key(&order_id) {
            return Err(BookError::WrongOrder { number, order_id });
        }
        let place = Place {
            market,
            side,
            price,
            joined: number,
        };
        self.places.insert(order_id, place);
        let book = self.books.entry(market).or_default();
        let queue = book.side_mut(side).entry(price).or_default();
        queue.insert(number, (order_id, leaves));
        Ok(())
    }

    /// An order that rests leaves its queue.
    fn leave(&mut self, order_id: OrderId) {
        let Some(place) = self.places.remove(&order_id) else {
            return;
        };
        let book = self.books.entry(place.market).or_default();
        let side = book.side_mut(place.side);
        if let Some(queue) = side.get_mut(&place.price) {
            queue.remove(&place.joined);
            if queue.is_empty() {
                side.remove(&place.price);
            }
        }
    }

    /// Lots of an order that must rest in this market.
    fn leaves(&self, number: u64, order_id: OrderId, market: MarketId) -> Result<Qty, BookError> {
        let found = || {
            let place = self.places.get(&order_id).filter(|p| p.market == market)?;
            let book = self.books.get(&market)?;
            let side = match place.side {
                Side::Buy => &book.bids,
                Side::Sell => &book.asks,
            };
            let (_, leaves) = side.get(&place.price)?.get(&place.joined)?;
            Some(*leaves)
        };
        found().ok_or(BookError::WrongOrder { number, order_id })
    }

    /// An order becomes smaller and keeps its place.
    fn shrink(
        &mut self,
        number: u64,
        order_id: OrderId,
        before: Qty,
        after: Qty,
    ) -> Result<(), BookError> {
        if after == Qty::ZERO || after >= before {
            return Err(BookError::WrongQuantity { number, order_id });
        }
        if let Some(place) = self.places.get(&order_id) {
            let book = self.books.entry(place.market).or_default();
            let queue = book.side_mut(place.side).get_mut(&place.price);
            if let Some(order) = queue.and_then(|queue| queue.get_mut(&place.joined)) {
                order.1 = after;
            }
        }
        Ok(())
    }
}

fn known<T: TryFromBytes>(number: u64, value: u8) -> Result<T, BookError> {
    T::try_read_from_bytes(&[value]).map_err(|_| BookError::UnknownValue { number })
}
