//! One trade: funds change hands, the maker's queue gets shorter, both sides hear of it.

use crate::engine::Engine;
use crate::fees::Fee;
use crate::market::FITS;
use crate::orders::Order;
use crate::reports::TradeTerms;
use domain::{AssetId, Effects, Liquidity, Price, Qty, Side};

impl Engine {
    /// Trades `qty` lots between a sweeping order and the first order of the best opposite price,
    /// at that price. Both have so many leaves, and a market buy can pay for them.
    ///
    /// As how many more trades it counts for the frame, by what followed it.
    pub(crate) fn trade(
        &mut self,
        (taker, maker): (u32, u32),
        qty: Qty,
        out: &mut Effects,
    ) -> usize {
        let terms = TradeTerms {
            trade_id: self.take_trade_id(),
            price: self.orders[maker].price,
            qty,
        };
        let (maker_fee, taker_fee) = self.exchange_funds(taker, maker, terms);
        self.fill_resting(maker, qty);
        fill(&mut self.orders[taker], qty);
        let (maker, taker) = (self.orders[maker], self.orders[taker]);
        self.report_trade(terms, &maker, &taker, out);
        self.report_fill(terms, &maker, Liquidity::Maker, maker_fee, out);
        self.report_fill(terms, &taker, Liquidity::Taker, taker_fee, out);
        let shows_more = self.show_more(&maker, out);
        if maker.instructions.is_quote() {
            return self.protect(&maker, terms, out);
        }
        usize::from(shows_more)
    }

    /// Goes on with a resting order that traded: one that is done is given back; one of which nothing is shown any more
    /// shows more, at the end of the queue. Whether it does.
    pub(crate) fn show_more(&mut self, traded: &Order, out: &mut Effects) -> bool {
        if traded.leaves == Qty::ZERO {
            self.retire(traded);
            return false;
        }
        if self.orders.shown(traded) > Qty::ZERO {
            return false;
        }
        self.rest(traded.id.slot());
        self.publish_add(traded, out);
        true
    }

    /// Moves base, quote and fees; the orders still have the leaves from before the trade.
    /// Answers with the maker's and the taker's fee.
    pub(crate) fn exchange_funds(
        &mut self,
        taker: u32,
        maker: u32,
        terms: TradeTerms,
    ) -> (Fee, Fee) {
        let (taker, maker) = (&self.orders[taker], &self.orders[maker]);
        let taker_buys = taker.side == Side::Buy;
        let buy = if taker_buys { taker } else { maker };
        let takers = self.account_of(taker.session);
        let makers = self.account_of(maker.session);
        let market = self.market_of_order(maker.market());
        let notional = market.notional(terms.price, terms.qty).expect(FITS);
        let base_units = market.base_units(terms.qty).expect(FITS);
        let volume = market.volume(notional);
        let (base, quote) = (market.terms.base, market.terms.quote);
        let (market_id, has_stops) = (market.terms.market, market.has_stops());
        // A market buy pays from what is available.
        let freed = (buy.price != Price(0)).then(|| market.freed_of_buy(buy, terms.qty));
        let taker_fee = Fee::of_taker(notional, self.rates_of(takers, market));
        let maker_fee = Fee::of_maker(notional, self.rates_of(makers, market));
        let maker_fee = self.collect(quote, taker_fee, maker_fee);
        let (buyer, buyer_fee, seller, seller_fee) = if taker_buys {
            (takers, taker_fee, makers, maker_fee)
        } else {
            (makers, maker_fee, takers, taker_fee)
        };
        let paid = buyer_fee.on_top_of(notional);
        match freed {
            Some(freed) => self.funds.spend_held(buyer, quote, freed, paid),
            None => self.funds.debit(buyer, quote, paid),
        }
        self.funds.credit(buyer, base, base_units);
        self.funds.spend_held(seller, base, base_units, base_units);
        self.funds
            .credit(seller, quote, seller_fee.out_of(notional));
        self.markets
            .hot(market_id.0)
            .note_price(terms.price, has_stops);
        let day = self.day.number;
        self.accounts.hot(takers.0).traded(day, volume);
        self.accounts.hot(makers.0).traded(day, volume);
        (maker_fee, taker_fee)
    }

    /// Takes both fees into what the exchange has earned of an asset. The maker's, as it can be paid.
    fn collect(&mut self, quote: AssetId, taker_fee: Fee, maker_fee: Fee) -> Fee {
        let fees = self.assets.hot(quote.0).fees;
        let with_takers = taker_fee.on_top_of(*fees);
        let maker_fee = maker_fee.within(with_takers);
        *fees = maker_fee.on_top_of(with_takers);
        maker_fee
    }

    /// Takes shown lots off a resting order; one that shows none any more leaves its queue.
    pub(crate) fn fill_resting(&mut self, maker: u32, qty: Qty) {
        let order = self.orders[maker];
        let market = self.markets.loose(order.market().0);
        market
            .book
            .reduce(&mut self.ladders, order.side, order.price, (qty, Qty::ZERO));
        fill(&mut self.orders[maker], qty);
        if self.orders.shown(&self.orders[maker]) == Qty::ZERO {
            market
                .book
                .leave(&mut self.ladders, &mut self.orders, maker);
        }
    }
}

fn fill(order: &mut Order, qty: Qty) {
    order.leaves = order
        .leaves
        .checked_sub(qty)
        .expect("a trade is no larger than either order");
    order.filled = order
        .filled
        .checked_add(qty)
        .expect("filled and leaves add up to the order's quantity");
}
