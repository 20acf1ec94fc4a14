//! What of assets, markets, accounts and sessions changes with orders, what is in no record, and their records.

use crate::accounts::Account;
use crate::book::Book;
use crate::collar::Collar;
use crate::engine::{Asset, Session};
use crate::fees::Rates;
use crate::hash::{hash_of_kill_switch, record, words};
use crate::market::Market;
use crate::stops::Reach;
use crate::table::Row;
use domain::{Amount, Flag, MarketState, Price, Scope, Tag};

/// What there is of an asset.
pub(crate) struct Supply<'a> {
    pub(crate) deposited: &'a mut Amount,
    pub(crate) fees: &'a mut Amount,
}

impl Row for Asset {
    type Hot<'a> = Supply<'a>;
    type Loose<'a> = ();

    fn hot(&mut self) -> Supply<'_> {
        Supply {
            deposited: &mut self.deposited,
            fees: &mut self.fees,
        }
    }

    fn loose(&mut self) {}

    fn hash_of_hot(&self, id: u32) -> u64 {
        record(Tag::Supply, [u64::from(id), self.deposited.0, self.fees.0])
    }

    fn hash_of_rest(&self, id: u32) -> u64 {
        let [symbol_lo, symbol_hi] = words(&self.terms.symbol);
        record(
            Tag::Asset,
            [
                u64::from(id),
                u64::from(self.terms.decimals),
                symbol_lo,
                symbol_hi,
            ],
        )
    }
}

/// How a market stands.
pub(crate) struct Trading<'a> {
    pub(crate) state: &'a mut MarketState,
    pub(crate) last_price: &'a mut Price,
    pub(crate) reach: &'a mut Reach,
    pub(crate) collar: &'a mut Collar,
}

/// Where the orders of a market are.
pub(crate) struct Queues<'a> {
    pub(crate) book: &'a mut Book,
    pub(crate) stops: &'a mut [u32; 2],
    pub(crate) until_close: &'a mut u32,
}

impl Row for Market {
    type Hot<'a> = Trading<'a>;
    type Loose<'a> = Queues<'a>;

    fn hot(&mut self) -> Trading<'_> {
        Trading {
            state: &mut self.state,
            last_price: &mut self.last_price,
            reach: &mut self.reach,
            collar: &mut self.collar,
        }
    }

    fn loose(&mut self) -> Queues<'_> {
        Queues {
            book: &mut self.book,
            stops: &mut self.stops,
            until_close: &mut self.until_close,
        }
    }

    fn hash_of_hot(&self, id: u32) -> u64 {
        record(
            Tag::Trading,
            [
                u64::from(id),
                self.state as u64,
                self.last_price.0.cast_unsigned(),
                self.collar.reference as u64,
                self.collar.price.0.cast_unsigned(),
                u64::from(self.collar.width_ppm),
                self.collar.halts as u64,
                self.reach.lowest.0.cast_unsigned(),
                self.reach.highest.0.cast_unsigned(),
            ],
        )
    }

    fn hash_of_rest(&self, id: u32) -> u64 {
        hash_of_terms(self, id).wrapping_add(hash_of_rates(self, id))
    }
}

fn hash_of_terms(market: &Market, id: u32) -> u64 {
    let terms = &market.terms;
    let [symbol_lo, symbol_hi] = words(&terms.symbol);
    record(
        Tag::Market,
        [
            u64::from(id),
            u64::from(terms.base.0),
            u64::from(terms.quote.0),
            u64::from(terms.maker_fee_ppm),
            u64::from(terms.taker_fee_ppm),
            u64::from(terms.price_levels),
            terms.tick_value,
            terms.lot_size,
            terms.min_qty.0,
            terms.price_min.0.cast_unsigned(),
            symbol_lo,
            symbol_hi,
            terms.state as u64,
        ],
    )
}

/// List fees are no record.
fn hash_of_rates(market: &Market, id: u32) -> u64 {
    let list = Rates::of(&market.terms);
    let others = (0..)
        .zip(&market.rates)
        .filter(|&(_, rates)| *rates != list);
    let records = others.map(|(tier, rates)| {
        let maker = i64::from(rates.maker_ppm).cast_unsigned();
        let words = [u64::from(id), tier, maker, u64::from(rates.taker_ppm)];
        record(Tag::Fees, words)
    });
    records.fold(0, u64::wrapping_add)
}

/// What an account has traded.
pub(crate) struct Volume<'a> {
    pub(crate) volume: &'a mut u64,
    pub(crate) day: &'a mut u32,
}

/// What an account has now.
pub(crate) struct Holdings<'a> {
    pub(crate) open_orders: &'a mut u32,
    pub(crate) newest_session: &'a mut u32,
}

impl Row for Account {
    type Hot<'a> = Volume<'a>;
    type Loose<'a> = Holdings<'a>;

    fn hot(&mut self) -> Volume<'_> {
        Volume {
            volume: &mut self.volume,
            day: &mut self.volume_day,
        }
    }

    fn loose(&mut self) -> Holdings<'_> {
        Holdings {
            open_orders: &mut self.open_orders,
            newest_session: &mut self.newest_session,
        }
    }

    fn hash_of_hot(&self, id: u32) -> u64 {
        record(
            Tag::Volume,
            [u64::from(id), self.volume, u64::from(self.volume_day)],
        )
    }

    fn hash_of_rest(&self, id: u32) -> u64 {
        let owner: [u64; 4] = words(&self.owner);
        let hash = record(
            Tag::Account,
            [
                u64::from(id),
                u64::from(self.firm.0),
                owner[0],
                owner[1],
                owner[2],
                owner[3],
                u64::from(self.tier),
            ],
        );
        hash.wrapping_add(hash_of_switch(Scope::Account, id, self.is_killed))
    }
}

/// The kill switch of a session or an account, if it is on.
fn hash_of_switch(scope: Scope, id: u32, is_on: Flag) -> u64 {
    if is_on.is_yes() {
        hash_of_kill_switch((scope, id))
    } else {
        0
    }
}

/// What a session counts.
pub(crate) struct Numbers<'a> {
    pub(crate) next_report_no: &'a mut u64,
    pub(crate) last_number: &'a mut u64,
}

/// What a session has now.
pub(crate) struct Live<'a> {
    pub(crate) newest_order: &'a mut u32,
}

impl Row for Session {
    type Hot<'a> = Numbers<'a>;
    type Loose<'a> = Live<'a>;

    fn hot(&mut self) -> Numbers<'_> {
        Numbers {
            next_report_no: &mut self.next_report_no,
            last_number: &mut self.last_number,
        }
    }

    fn loose(&mut self) -> Live<'_> {
        Live {
            newest_order: &mut self.newest_order,
        }
    }

    fn hash_of_hot(&self, id: u32) -> u64 {
        record(
            Tag::Numbers,
            [u64::from(id), self.next_report_no, self.last_number],
        )
    }

    fn hash_of_rest(&self, id: u32) -> u64 {
        let delegation = &self.delegation;
        let key: [u64; 4] = words(&delegation.public_key);
        let exchange: [u64; 4] = words(&delegation.exchange_key);
        let hash = record(
            Tag::Session,
            [
                u64::from(id),
                u64::from(self.account.0),
                key[0],
                key[1],
                key[2],
                key[3],
                exchange[0],
                exchange[1],
                exchange[2],
                exchange[3],
                delegation.expires.0,
                delegation.max_order_notional.0,
                self.gate as u64,
                self.epoch_report_no,
                // Behind the last id there is none: the end of a list is 0.
                u64::from(self.older_session.wrapping_add(1)),
            ],
        );
        hash.wrapping_add(hash_of_switch(Scope::Session, id, self.is_killed))
    }
}
