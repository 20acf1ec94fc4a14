//! Books refuse what does not fit them, and stay as they were.

use client::feed::{BookError, Books, RestingOrder};
use domain::{MarketId, MarketState, OrderId, Price, Qty, Side};
use wire::market_data::{
    BookAdd, BookDelete, BookReduce, BookReplace, MarketDefined, MarketStateChanged, Message,
    Trade, Uncrossed,
};

const MARKET: MarketId = MarketId(3);
const ORDER: OrderId = OrderId(7);

fn resting(id: u64, price: i64) -> RestingOrder {
    RestingOrder {
        order_id: OrderId(id),
        market: MARKET,
        side: Side::Sell,
        price: Price(price),
        leaves: Qty(5),
    }
}

fn books() -> Books {
    Books::from_orders(9, [resting(8, 101), resting(7, 100), resting(6, 100)]).unwrap()
}

fn trade(quantity: u64, leaves: u64) -> Message {
    Message::Trade(Trade {
        maker_order_id: ORDER,
        quantity: Qty(quantity),
        leaves_quantity: Qty(leaves),
        market_id: MARKET,
        ..Trade::default()
    })
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let wrong_order = BookError::WrongOrder {
        number: 10,
        order_id: ORDER,
    };
    let wrong_quantity = BookError::WrongQuantity {
        number: 10,
        order_id: ORDER,
    };
    let reduce = |leaves| {
        Message::BookReduce(BookReduce {
            order_id: ORDER,
            leaves_quantity: Qty(leaves),
            market_id: MARKET,
            ..BookReduce::default()
        })
    };
    let add = BookAdd {
        order_id: ORDER,
        market_id: MARKET,
        ..BookAdd::default()
    };
    let elsewhere = BookDelete {
        order_id: ORDER,
        ..BookDelete::default()
    };
    let replace = BookReplace {
        order_id: ORDER,
        ..BookReplace::default()
    };
    for (message, error) in [
        (add.into(), wrong_order),
        (elsewhere.into(), wrong_order),
        (replace.into(), wrong_order),
        (reduce(5), wrong_quantity),
        (reduce(0), wrong_quantity),
        (trade(3, 3), wrong_quantity),
        (trade(6, 0), wrong_quantity),
        (
            BookAdd { side: 2, ..add }.into(),
            BookError::UnknownValue { number: 10 },
        ),
        (
            MarketStateChanged {
                market_id: MARKET,
                state: 9,
                ..MarketStateChanged::default()
            }
            .into(),
            BookError::UnknownValue { number: 10 },
        ),
        (
            MarketDefined {
                market_id: MARKET,
                state: 9,
                ..MarketDefined::default()
            }
            .into(),
            BookError::UnknownValue { number: 10 },
        ),
    ] {
        let mut books = books();
        assert_eq!(books.apply(10, &message), Err(error), "{message:?}");
        assert_eq!(books, self::books());
    }
    let mut books = books();
    for number in [0, 9, 11] {
        let expected = 10;
        let error = BookError::WrongNumber { expected, number };
        assert_eq!(books.apply(number, &trade(5, 0)), Err(error));
    }
}

#[test]
fn queues_depth_and_best_follow() {
    let mut books = books();
    assert_eq!(books.apply(10, &trade(2, 3)), Ok(()));
    let ids = |books: &Books| -> Vec<u64> {
        let orders = books.book(MARKET).unwrap().orders(Side::Sell);
        orders.map(|(_, id, _)| id.0).collect()
    };
    assert_eq!(ids(&books), [7, 6, 8], "a trade keeps the place");
    let best = books.book(MARKET).unwrap().best(Side::Sell).unwrap();
    assert_eq!(
        (best.price, best.quantity, best.orders),
        (Price(100), Qty(8), 2)
    );
    let replace = BookReplace {
        order_id: ORDER,
        price: Price(100),
        quantity: Qty(9),
        market_id: MARKET,
        side: 1,
        ..BookReplace::default()
    };
    assert_eq!(books.apply(11, &replace.into()), Ok(()));
    assert_eq!(ids(&books), [6, 7, 8], "to the end of the queue");
    let unknown = Message::Unknown { template_id: 99 };
    assert_eq!(books.apply(12, &unknown), Ok(()), "it takes its number");
    assert_eq!((books.number(), books.len()), (12, 3));
    assert_eq!(books.book(MARKET).unwrap().best(Side::Buy), None);
    let twice = Books::from_orders(9, [resting(7, 1), resting(7, 2)]);
    let error = twice.unwrap_err();
    assert!(matches!(
        error,
        BookError::WrongOrder {
            order_id: ORDER,
            ..
        }
    ));
}

/// An order that shows a part of its lots at a time comes back behind the others when that part is gone.
#[test]
fn an_iceberg_leaves_and_joins_again_with_its_id() {
    let mut books = books();
    let ids = |books: &Books| -> Vec<(u64, u64)> {
        let orders = books.book(MARKET).unwrap().orders(Side::Sell);
        orders.map(|(_, id, shown)| (id.0, shown.0)).collect()
    };
    assert_eq!(ids(&books), [(7, 5), (6, 5), (8, 5)]);
    let again = BookAdd {
        order_id: ORDER,
        price: Price(100),
        quantity: Qty(4),
        market_id: MARKET,
        side: 1,
        ..BookAdd::default()
    };
    assert_eq!(books.apply(10, &trade(5, 0)), Ok(()));
    assert_eq!(ids(&books), [(6, 5), (8, 5)]);
    assert_eq!(books.apply(11, &again.into()), Ok(()));
    assert_eq!(ids(&books), [(6, 5), (7, 4), (8, 5)]);
    assert_eq!(books.apply(12, &trade(1, 3)), Ok(()));
    assert_eq!(ids(&books), [(6, 5), (7, 3), (8, 5)]);
}

/// A bid above the ask, as in a call; the auction takes the later order's lots away before it tells the trade.
#[test]
fn a_book_may_be_crossed_until_its_auction() {
    let mut books = books();
    let bid = OrderId(9);
    let add = BookAdd {
        order_id: bid,
        price: Price(103),
        quantity: Qty(12),
        market_id: MARKET,
        ..BookAdd::default()
    };
    let state = |state: MarketState| {
        Message::from(MarketStateChanged {
            market_id: MARKET,
            state: state as u8,
            ..MarketStateChanged::default()
        })
    };
    let reduce = BookReduce {
        order_id: bid,
        leaves_quantity: Qty(7),
        market_id: MARKET,
        ..BookReduce::default()
    };
    let uncrossed = Uncrossed {
        price: Price(100),
        quantity: Qty(5),
        market_id: MARKET,
        ..Uncrossed::default()
    };
    assert_eq!(books.book(MARKET).unwrap().state(), None);
    let messages = [
        state(MarketState::PreOpen),
        add.into(),
        state(MarketState::Continuous),
        uncrossed.into(),
        reduce.into(),
        trade(5, 0),
    ];
    for (number, message) in (10..).zip(messages) {
        assert_eq!(books.apply(number, &message), Ok(()), "{message:?}");
        if number == 11 {
            let book = books.book(MARKET).unwrap();
            assert_eq!(book.state(), Some(MarketState::PreOpen));
            let best = [Side::Buy, Side::Sell].map(|side| book.best(side).unwrap().price);
            assert_eq!(best, [Price(103), Price(100)]);
        }
    }
    let book = books.book(MARKET).unwrap();
    assert_eq!(book.state(), Some(MarketState::Continuous));
    let bids: Vec<_> = book.orders(Side::Buy).collect();
    assert_eq!(bids, [(Price(103), bid, Qty(7))]);
    let asks: Vec<_> = book.orders(Side::Sell).map(|(_, id, _)| id.0).collect();
    assert_eq!(asks, [6, 8]);
}
