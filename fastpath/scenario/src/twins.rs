//! Two engines behind one small sequencer, held against each other.

use crate::Rules;
use domain::{
    AccountId, AssetId, Command, Effects, Event, MarketId, Nanos, Request, Seq, SessionId, Side,
    Source, Stamp,
};
use engine::Engine;
use std::fmt::Debug;

/// Where two engines part, in words.
pub type Difference = String;

/// The buffers that two engines write their events into.
#[derive(Debug, Default)]
pub struct Outputs {
    first: Effects,
    second: Effects,
}

/// Two engines that were told the same.
pub struct Twins<A, B> {
    first: A,
    second: B,
    seq: u64,
    /// What the sequencer's clock says; it moves only when it is set.
    pub clock: Nanos,
    /// One more than the highest ids that there can be.
    accounts: u32,
    assets: u32,
    markets: u32,
    sessions: u32,
}

fn same<T: PartialEq + Debug>(
    what: impl FnOnce() -> String,
    first: &T,
    second: &T,
) -> Result<(), Difference> {
    if first == second {
        return Ok(());
    }
    let what = what();
    Err(format!(
        "{what} differs: one says {first:?}, the other {second:?}"
    ))
}

impl<A: Rules, B: Rules> Twins<A, B> {
    /// The sequencer's clock before it is set.
    pub const START: Nanos = Nanos(1_000);

    /// Both before their first command.
    pub fn new(first: A, second: B) -> Self {
        Self {
            first,
            second,
            seq: 0,
            clock: Self::START,
            accounts: 0,
            assets: 0,
            markets: 0,
            sessions: 0,
        }
    }

    /// The one that is asked about what both were found to agree on.
    pub fn rules(&self) -> &A {
        &self.first
    }

    /// The other one.
    pub fn other(&self) -> &B {
        &self.second
    }

    /// Whether both admit this number.
    ///
    /// # Errors
    /// Only one does.
    pub fn admits(&self, source: Source, number: u64) -> Result<bool, Difference> {
        let admits = self.first.admits(source, number);
        let what = || format!("whether number {number} of {source} is admitted");
        same(what, &admits, &self.second.admits(source, number))?;
        Ok(admits)
    }

    /// Applies an admitted command to both and compares every event and the state's hash.
    ///
    /// # Errors
    /// What differs.
    pub fn apply(
        &mut self,
        source: Source,
        number: u64,
        command: Command,
        out: &mut Outputs,
    ) -> Result<(), Difference> {
        self.seq += 1;
        let stamp = Stamp {
            seq: Seq(self.seq),
            time: self.clock,
        };
        let request = Request {
            source,
            source_seq: number,
            receive_time: self.clock,
            command,
        };
        self.note(&command);
        self.first.apply(stamp, &request, &mut out.first);
        self.second.apply(stamp, &request, &mut out.second);
        if out.first.words() != out.second.words() {
            return same(
                || "what happened".to_owned(),
                &out.first.events().collect::<Vec<_>>(),
                &out.second.events().collect(),
            );
        }
        let hashes = (self.first.state_hash(), self.second.state_hash());
        same(|| "the state hash".to_owned(), &hashes.0, &hashes.1)
    }

    /// The ids that may exist from now on.
    fn note(&mut self, command: &Command) {
        if let Command::Genesis(genesis) = command
            && self.accounts == 0
            && genesis.is_within_limits()
        {
            self.accounts = genesis.max_accounts;
            self.assets = genesis.max_assets;
            self.markets = genesis.max_markets;
            self.sessions = genesis.max_sessions;
        }
    }

    /// Checks what always holds of both, conservation of every asset, and that readers see the same
    /// in both. It walks the whole state.
    ///
    /// # Errors
    /// What does not hold, or differs.
    pub fn check(&self) -> Result<(), Difference> {
        let (first, second) = (&self.first, &self.second);
        first.check_invariants()?;
        second.check_invariants()?;
        let small = |rules: &dyn Rules| {
            (
                (rules.pending_work(), rules.next_deadline(), rules.phase()),
                (rules.epoch(), rules.version(), rules.now(), rules.orders()),
            )
        };
        same(|| "a view".to_owned(), &small(first), &small(second))?;
        for session in (0..self.sessions).map(SessionId) {
            let views = (first.session(session), second.session(session));
            same(|| format!("{session:?}"), &views.0, &views.1)?;
            for market in (0..self.markets).map(MarketId) {
                let views = (
                    first.protection(session, market),
                    second.protection(session, market),
                );
                let what = || format!("the protection of {session:?} in {market:?}");
                same(what, &views.0, &views.1)?;
            }
        }
        for account in (0..self.accounts).map(AccountId) {
            let views = (first.account(account), second.account(account));
            same(|| format!("{account:?}"), &views.0, &views.1)?;
        }
        for market in (0..self.markets).map(MarketId) {
            let states = (first.market_state(market), second.market_state(market));
            same(|| format!("the state of {market:?}"), &states.0, &states.1)?;
            for side in [Side::Buy, Side::Sell] {
                let books = (first.book(market, side), second.book(market, side));
                same(|| format!("{side:?} of {market:?}"), &books.0, &books.1)?;
            }
        }
        (0..self.assets).try_for_each(|asset| self.check_asset(AssetId(asset)))
    }

    /// Sum of available and held over accounts, plus fees, is what was deposited.
    fn check_asset(&self, asset: AssetId) -> Result<(), Difference> {
        let totals = self.first.asset(asset);
        same(|| format!("{asset:?}"), &totals, &self.second.asset(asset))?;
        let Some((deposited, fees)) = totals else {
            return Ok(());
        };
        let mut sum = u128::from(fees.0);
        for account in (0..self.accounts).map(AccountId) {
            let balance = self.first.balance(account, asset);
            let other = self.second.balance(account, asset);
            same(
                || format!("the balance of {account:?} in {asset:?}"),
                &balance,
                &other,
            )?;
            sum += balance.map_or(0, |(available, held)| {
                u128::from(available.0) + u128::from(held.0)
            });
        }
        if sum == u128::from(deposited.0) {
            return Ok(());
        }
        Err(format!(
            "funds are not conserved: {asset:?} has {sum} of {deposited}"
        ))
    }
}

impl<B: Rules + Clone> Twins<Engine, B> {
    /// The fast engine's state as bytes, for [`Self::restored`].
    pub fn saved(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.first.save(&mut body);
        body
    }

    /// Both once more, in the state in which this was [`Self::saved`].
    ///
    /// # Errors
    /// The state does not load.
    pub fn restored(&self, saved: &[u8]) -> Result<Self, Difference> {
        let first = Engine::load(saved, self.first.capacities(), 0);
        Ok(Self {
            first: first.map_err(|error| error.to_string())?,
            second: self.second.clone(),
            ..*self
        })
    }
}

impl Outputs {
    /// The events of the last command.
    ///
    /// # Panics
    /// If an engine wrote something that is no event.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        let events = self.first.events();
        events.map(|event| event.expect("engines write events"))
    }
}
