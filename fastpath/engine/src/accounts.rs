//! Accounts: whose they are, what they may do, and what they have done today.

use crate::engine::Engine;
use crate::hash::{hash_of_limits, hash_of_limits_of_tier};
use crate::orders::NIL;
use crate::rows::Volume;
use domain::{
    AccountId, AccountView, Amount, CollectFees, CreateAccount, FirmId, Flag, Limits, MAX_TIERS,
    Nanos, Reason, SetLimits, SetTier,
};

/// An account that exists: what orders look at is in front of its owner's key.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Account {
    pub(crate) firm: FirmId,
    /// Where its limits stand in the table: those of its tier, or its own.
    pub(crate) limits: u32,
    pub(crate) open_orders: u32,
    pub(crate) tier: u8,
    pub(crate) has_own_limits: Flag,
    /// Whether its kill switch is on.
    pub(crate) is_killed: Flag,
    /// Notional of its trades on `volume_day`, in millionths of whole quote units.
    pub(crate) volume: u64,
    pub(crate) volume_day: u32,
    pub(crate) owner: [u8; 32],
    /// That of its sessions that was opened last, or [`NIL`].
    pub(crate) newest_session: u32,
}

const _: () = assert!(
    size_of::<Option<Account>>() == 64,
    "an account is a cache line"
);

impl Account {
    pub(crate) fn new(command: &CreateAccount) -> Self {
        Self {
            firm: command.firm,
            limits: 0,
            open_orders: 0,
            tier: 0,
            has_own_limits: Flag::No,
            is_killed: Flag::No,
            volume: 0,
            volume_day: 0,
            owner: command.owner,
            newest_session: NIL,
        }
    }

    /// What it has traded on a day.
    pub(crate) fn volume_of(&self, day: u32) -> u64 {
        if self.volume_day == day {
            self.volume
        } else {
            0
        }
    }
}

impl Volume<'_> {
    /// Counts a trade.
    pub(crate) fn traded(self, day: u32, volume: u64) {
        let before = if *self.day == day { *self.volume } else { 0 };
        *self.volume = before.saturating_add(volume);
        *self.day = day;
    }
}

/// The day of an engine time: days since 1970 (UTC), and when it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day {
    pub(crate) number: u32,
    end: u64,
}

impl Day {
    const NANOS: u64 = 86_400_000_000_000;

    pub(crate) fn of(now: Nanos) -> Self {
        let number = now.0 / Self::NANOS;
        Self {
            number: u32::try_from(number).expect("2^64 nanoseconds are 213,504 days"),
            end: (number + 1).saturating_mul(Self::NANOS),
        }
    }

    pub(crate) fn has_ended(&self, now: Nanos) -> bool {
        now.0 >= self.end
    }
}

/// The limits of all tiers, and behind them those that accounts have for themselves.
pub(crate) struct LimitsTable {
    entries: Vec<Limits>,
    /// Entries behind the tiers' that no account has.
    free: Vec<u32>,
    /// The sum of the hashes of all.
    hash: u64,
}

/// Accounts that can have limits of their own.
const MAX_OWN_LIMITS: u32 = 65_536;

impl LimitsTable {
    /// Room for what a shard with so many accounts can have, all of it allocated now.
    pub(crate) fn with_capacity(accounts: u32) -> Self {
        let all = MAX_TIERS + accounts.min(MAX_OWN_LIMITS);
        Self {
            entries: vec![Limits::default(); all as usize],
            free: (MAX_TIERS..all).rev().collect(),
            hash: 0,
        }
    }

    /// The sum of the hashes of all.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    fn set_of_tier(&mut self, tier: u8, limits: Limits) {
        let known = &mut self.entries[usize::from(tier)];
        let before = hash_of_limits_of_tier(tier.into(), known);
        let after = hash_of_limits_of_tier(tier.into(), &limits);
        *known = limits;
        self.exchange(before, after);
    }

    /// Gives an account its own; where they stand, if there is room.
    fn give(&mut self, account: AccountId, limits: Limits) -> Option<u32> {
        let index = self.free.pop()?;
        self.entries[index as usize] = limits;
        self.exchange(0, hash_of_limits(1, account.0, &limits));
        Some(index)
    }

    /// Takes from an account its own.
    fn take(&mut self, account: AccountId, index: u32) {
        let before = hash_of_limits(1, account.0, self.get(index));
        self.exchange(before, 0);
        self.free.push(index);
    }

    fn exchange(&mut self, before: u64, after: u64) {
        self.hash = self.hash.wrapping_sub(before).wrapping_add(after);
    }

    pub(crate) fn get(&self, index: u32) -> &Limits {
        &self.entries[index as usize]
    }
}

fn tier_number(tier: u32) -> Result<u8, Reason> {
    if tier >= MAX_TIERS {
        return Err(Reason::InvalidParameter);
    }
    u8::try_from(tier).map_err(|_| Reason::InvalidParameter)
}

impl Engine {
    pub(crate) fn account_state(&self, account: AccountId) -> &Account {
        self.accounts[account.0 as usize]
            .as_ref()
            .expect("sessions trade for accounts that exist")
    }

    pub(crate) fn firm_of(&self, account: AccountId) -> FirmId {
        self.account_state(account).firm
    }

    pub(crate) fn limits_of(&self, account: &Account) -> &Limits {
        self.limits.get(account.limits)
    }

    /// An account as readers see it.
    pub(crate) fn view_of(&self, account: &Account) -> AccountView {
        let own = account.has_own_limits.is_yes();
        AccountView {
            firm: account.firm,
            owner: account.owner,
            tier: u32::from(account.tier),
            own_limits: own.then(|| *self.limits_of(account)),
            open_orders: account.open_orders,
            volume: account.volume,
            volume_day: account.volume_day,
        }
    }

    pub(crate) fn set_tier(&mut self, command: &SetTier) -> Result<(), Reason> {
        self.initialised()?;
        if !self.has_account(command.account) {
            return Err(Reason::UnknownReference);
        }
        let tier = tier_number(command.tier)?;
        self.accounts.change(command.account.0, |account| {
            account.tier = tier;
            if !account.has_own_limits.is_yes() {
                account.limits = u32::from(tier);
            }
        });
        Ok(())
    }

    pub(crate) fn set_limits(&mut self, command: &SetLimits) -> Result<(), Reason> {
        self.initialised()?;
        if !command.of_account.is_yes() {
            let tier = tier_number(command.target)?;
            if command.as_tier.is_yes() {
                return Err(Reason::InvalidParameter);
            }
            self.limits.set_of_tier(tier, command.limits);
            return Ok(());
        }
        let account = AccountId(command.target);
        if !self.has_account(account) {
            return Err(Reason::UnknownReference);
        }
        if command.as_tier.is_yes() {
            if command.limits != Limits::default() {
                return Err(Reason::InvalidParameter);
            }
            self.give_up_own_limits(account);
            return Ok(());
        }
        self.set_own_limits(account, command.limits)
    }

    fn set_own_limits(&mut self, id: AccountId, limits: Limits) -> Result<(), Reason> {
        self.give_up_own_limits(id);
        let index = self.limits.give(id, limits);
        let index = index.ok_or(Reason::LimitsTableFull)?;
        self.accounts.change(id.0, |account| {
            account.limits = index;
            account.has_own_limits = Flag::Yes;
        });
        Ok(())
    }

    fn give_up_own_limits(&mut self, id: AccountId) {
        let account = self.account_state(id);
        if account.has_own_limits.is_yes() {
            self.limits.take(id, account.limits);
            self.accounts.change(id.0, |account| {
                account.limits = u32::from(account.tier);
                account.has_own_limits = Flag::No;
            });
        }
    }

    pub(crate) fn collect_fees(&mut self, command: &CollectFees) -> Result<(), Reason> {
        self.initialised()?;
        if !self.has_account(command.account) || self.asset(command.asset).is_none() {
            return Err(Reason::UnknownReference);
        }
        if command.amount == Amount::ZERO {
            return Err(Reason::InvalidParameter);
        }
        let asset = self.assets.hot(command.asset.0);
        let left = asset.fees.checked_sub(command.amount);
        *asset.fees = left.ok_or(Reason::InsufficientFunds)?;
        self.funds
            .credit(command.account, command.asset, command.amount);
        Ok(())
    }
}
