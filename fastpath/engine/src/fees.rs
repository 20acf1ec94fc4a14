//! What is paid for a trade: by market and by the tier of the account.

use crate::engine::Engine;
use crate::market::Market;
use domain::{AccountId, Amount, CreateMarket, MAX_TIERS, MarketId, Reason, SetFees};

/// The rates of a tier in a market, in parts per million of the notional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Below 0: a rebate.
    pub(crate) maker_ppm: i32,
    pub(crate) taker_ppm: u32,
}

impl Rates {
    /// The list fees.
    pub(crate) fn of(terms: &CreateMarket) -> Self {
        Self {
            maker_ppm: i32::try_from(terms.maker_fee_ppm).expect("a fee is at most a million"),
            taker_ppm: terms.taker_fee_ppm,
        }
    }
}

/// What one side of a trade pays, or is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fee {
    Pays(Amount),
    IsPaid(Amount),
}

impl Fee {
    pub(crate) fn of_taker(notional: Amount, rates: Rates) -> Self {
        Self::Pays(notional.fee(rates.taker_ppm))
    }

    /// Rounded down, whichever way it is paid.
    pub(crate) fn of_maker(notional: Amount, rates: Rates) -> Self {
        let amount = notional.fee(rates.maker_ppm.unsigned_abs());
        if rates.maker_ppm < 0 {
            Self::IsPaid(amount)
        } else {
            Self::Pays(amount)
        }
    }

    /// A rebate is paid from what the exchange has; if that is less, it is that.
    pub(crate) fn within(self, earned: Amount) -> Self {
        match self {
            Self::Pays(_) => self,
            Self::IsPaid(rebate) => Self::IsPaid(rebate.min(earned)),
        }
    }

    pub(crate) fn amount(self) -> Amount {
        match self {
            Self::Pays(amount) | Self::IsPaid(amount) => amount,
        }
    }

    pub(crate) fn is_rebate(self) -> bool {
        matches!(self, Self::IsPaid(_))
    }

    /// An amount, and this fee.
    pub(crate) fn on_top_of(self, amount: Amount) -> Amount {
        let sum = match self {
            Self::Pays(fee) => amount.checked_add(fee),
            Self::IsPaid(rebate) => amount.checked_sub(rebate),
        };
        sum.expect("a fee is part of the asset's supply, and a rebate is at most the amount")
    }

    /// An amount, less this fee.
    pub(crate) fn out_of(self, amount: Amount) -> Amount {
        let rest = match self {
            Self::Pays(fee) => amount.checked_sub(fee),
            Self::IsPaid(rebate) => amount.checked_add(rebate),
        };
        rest.expect("a fee is at most the amount, and a rebate part of the asset's supply")
    }
}

impl Engine {
    /// What an account pays in a market.
    #[inline]
    pub(crate) fn rates_of(&self, account: AccountId, market: &Market) -> Rates {
        market.rates[usize::from(self.account_state(account).tier)]
    }

    pub(crate) fn set_fees(&mut self, command: &SetFees) -> Result<(), Reason> {
        self.initialised()?;
        if command.tier >= MAX_TIERS {
            return Err(Reason::InvalidParameter);
        }
        let (tier, everywhere) = (command.tier as usize, command.market == MarketId::ANY);
        if !everywhere && self.market(command.market).is_none() {
            return Err(Reason::UnknownReference);
        }
        // Asked for itself, because there may be no market yet.
        if !command.is_within_limits() {
            return Err(Reason::InvalidParameter);
        }
        let rates = Rates {
            maker_ppm: command.maker_fee_ppm,
            taker_ppm: command.taker_fee_ppm,
        };
        let meant = |market: &Market| everywhere || market.terms.market == command.market;
        let mut markets = self.markets.iter().flatten().filter(|market| meant(market));
        if !markets.all(|market| market.may_have(rates)) {
            return Err(Reason::InvalidParameter);
        }
        self.markets.change_all(|market| {
            if everywhere || market.terms.market == command.market {
                market.rates[tier] = rates;
            }
        });
        Ok(())
    }
}
