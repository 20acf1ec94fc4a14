//! What each side of a trade pays or gets, by the tier of its account, and how the exchange takes out what it earned.

use crate::{Mutant, NaiveEngine, administration::Answer, entry::ensure, naive::Market};
use domain::{
    AccountId, Amount, AssetId, CollectFees, CreateMarket, Flag, Liquidity, MAX_TIERS, MarketId,
    Reason, SetFees,
};

const MILLION: i64 = 1_000_000;

/// What one side of a trade pays the exchange, or the exchange pays it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    pub(crate) amount: u64,
    pub(crate) is_rebate: Flag,
}

/// No more than its list fees, and no rebate above all of the notional.
fn may_be_paid_in(list: &CreateMarket, command: &SetFees) -> bool {
    let maker = i64::from(command.maker_fee_ppm);
    (-MILLION..=i64::from(list.maker_fee_ppm)).contains(&maker)
        && command.taker_fee_ppm <= list.taker_fee_ppm
}

impl NaiveEngine {
    pub(crate) fn set_fees(&mut self, command: &SetFees) -> Answer {
        self.initialised()?;
        ensure(command.tier < MAX_TIERS, Reason::InvalidParameter)?;
        let known = self.markets.contains_key(&command.market);
        ensure(
            known || command.market == MarketId::ANY,
            Reason::UnknownReference,
        )?;
        let parts = -MILLION..=MILLION;
        let possible = parts.contains(&i64::from(command.maker_fee_ppm))
            && i64::from(command.taker_fee_ppm) <= MILLION;
        ensure(
            possible || self.is(Mutant::FeesWithoutMarketsAreAny),
            Reason::InvalidParameter,
        )?;
        let is_meant = |id: &&MarketId| **id == command.market || command.market == MarketId::ANY;
        let meant: Vec<MarketId> = self.markets.keys().filter(is_meant).copied().collect();
        let in_range = meant
            .iter()
            .all(|id| may_be_paid_in(&self.markets[id].terms, command));
        ensure(
            in_range || self.is(Mutant::FeesAboveList),
            Reason::InvalidParameter,
        )?;
        let fees = (command.maker_fee_ppm, command.taker_fee_ppm);
        for market in meant {
            self.tier_fees.insert((market, command.tier), fees);
        }
        Ok(())
    }

    pub(crate) fn pay_out_fees(&mut self, command: &CollectFees) -> Answer {
        self.initialised()?;
        ensure(
            self.accounts.contains_key(&command.account),
            Reason::UnknownReference,
        )?;
        let asset = self.assets.get_mut(&command.asset);
        let asset = asset.ok_or(Reason::UnknownReference)?;
        ensure(command.amount.0 > 0, Reason::InvalidParameter)?;
        asset.fees = asset
            .fees
            .checked_sub(command.amount.0)
            .ok_or(Reason::InsufficientFunds)?;
        self.credit(command.account, command.asset, command.amount.0);
        Ok(())
    }

    /// What an account pays in a market, in parts per million: as maker, below 0 a rebate, and as taker.
    fn rates(&self, market: &Market, account: AccountId) -> (i32, u32) {
        let list = &market.terms;
        let tier = if self.is(Mutant::FeesOfTierZero) {
            0
        } else {
            self.accounts[&account].tier
        };
        let set = self.tier_fees.get(&(list.market, tier)).copied();
        set.unwrap_or((list.maker_fee_ppm.cast_signed(), list.taker_fee_ppm))
    }

    /// What an account pays in a market when its order arrives, in parts per million.
    pub(crate) fn taker_rate(&self, market: &Market, account: AccountId) -> u32 {
        self.rates(market, account).1
    }

    /// Takes from the exchange's fees, or adds to them, what a side of a trade of this notional gets or pays.
    pub(crate) fn charge(
        &mut self,
        market: &Market,
        account: AccountId,
        liquidity: Liquidity,
        notional: Amount,
    ) -> Charge {
        let (maker_rate, taker_rate) = self.rates(market, account);
        let rate = match liquidity {
            Liquidity::Maker if self.is(Mutant::MakerPaysTakerFee) => i64::from(taker_rate),
            Liquidity::Maker => i64::from(maker_rate),
            Liquidity::Taker => i64::from(taker_rate),
        };
        let size = u32::try_from(rate.unsigned_abs()).expect("no rate is above a million");
        if rate >= 0 {
            let amount = self.fee(notional, size);
            self.earn(market.terms.quote, amount);
            return Charge {
                amount,
                is_rebate: Flag::No,
            };
        }
        Charge {
            amount: self.pay_rebate(market.terms.quote, notional.fee(size).0),
            is_rebate: Flag::Yes,
        }
    }

    fn earn(&mut self, asset: AssetId, amount: u64) {
        let asset = self.assets.get_mut(&asset).expect("a market's quote asset");
        let fees = asset.fees.checked_add(amount);
        asset.fees = fees.expect("fees are part of what was deposited");
    }

    /// As much of the rebate as there is.
    fn pay_rebate(&mut self, asset: AssetId, rebate: u64) -> u64 {
        let all_or_nothing = self.is(Mutant::RebateAllOrNothing);
        let asset = self.assets.get_mut(&asset).expect("a market's quote asset");
        let paid = if all_or_nothing && rebate > asset.fees {
            0
        } else {
            rebate.min(asset.fees)
        };
        asset.fees -= paid;
        paid
    }
}
