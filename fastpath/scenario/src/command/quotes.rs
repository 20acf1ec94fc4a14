//! Quotes of a session, and what protects them.

use crate::{
    command::market,
    names::Names,
    words::{Fault, Words},
};
use domain::{Amount, ClientOrderId, Command, Flag, MarketId, Price, Qty, Quote, SetProtection};

/// `QTY @ PRICE / QTY @ PRICE as NAME`: the bid and the ask, either of which may be `none`.
pub(super) fn quote(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let market = MarketId(market(words, names)?);
    let slide = Flag::from(words.flag("slide"));
    let (bid_qty, bid_price) = side(words)?;
    words.word("/")?;
    let (ask_qty, ask_price) = side(words)?;
    words.word("as")?;
    let name = words.next("the quote's name")?;
    Ok(Command::Quote(Quote {
        quote_id: names.client_order_id(&name),
        bid_price,
        bid_qty,
        ask_price,
        ask_qty,
        market,
        slide,
        ..Quote::PULL
    }))
}

/// `QTY @ PRICE`, or `none`.
fn side(words: &mut Words) -> Result<(Qty, Price), Fault> {
    if words.peek(0) == Some("none") {
        words.word("none")?;
        return Ok((Qty::ZERO, Price(0)));
    }
    let qty = words.number("a quantity in lots, or none")?;
    words.word("@")?;
    let price = words.number("a price in ticks")?;
    Ok((Qty(qty), Price(price)))
}

/// Nothing more, or `as NAME`.
pub(super) fn pull(words: &mut Words, names: &mut Names) -> Result<Command, Fault> {
    let market = MarketId(market(words, names)?);
    let mut quote_id = ClientOrderId(0);
    if !words.is_empty() {
        words.word("as")?;
        let name = words.next("the quote's name")?;
        quote_id = names.client_order_id(&name);
    }
    Ok(Command::Quote(Quote {
        quote_id,
        market,
        ..Quote::PULL
    }))
}

/// How much may trade in which time; what is not said is no limit.
pub(super) fn protect(words: &mut Words, names: &Names) -> Result<Command, Fault> {
    Ok(Command::SetProtection(SetProtection {
        request: words.number_or("request", 0)?,
        window: words.number_or("window", 0)?,
        max_qty: Qty(words.number_or("qty", 0)?),
        max_notional: Amount(words.number_or("notional", 0)?),
        max_fills: words.number_or("fills", 0)?,
        market: MarketId(market(words, names)?),
    }))
}
