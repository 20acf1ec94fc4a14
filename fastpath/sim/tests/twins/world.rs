//! The stage for a stream of orders: capacities, assets, markets, accounts, sessions, funds.

use crate::{
    operator,
    pair::{Difference, Frame, Pair, START},
};
use domain::{
    AccountId, Amount, AssetId, Command, CreateAccount, CreateAsset, CreateMarket, Delegation,
    Deposit, FirmId, Gate, Genesis, MarketId, MarketState, Nanos, OpenSession, Price, Qty,
    SessionId, Source, Zero,
};
use proptest::prelude::*;

/// Terms of a market.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) base: u32,
    pub(crate) quote: u32,
    pub(crate) maker_fee_ppm: u32,
    pub(crate) taker_fee_ppm: u32,
    pub(crate) price_levels: u32,
    pub(crate) tick_value: u64,
    pub(crate) lot_size: u64,
    pub(crate) min_qty: u64,
    pub(crate) price_min: i64,
    pub(crate) state: MarketState,
}

impl Terms {
    pub(crate) fn command(&self, market: u32) -> CreateMarket {
        CreateMarket {
            market: MarketId(market),
            base: AssetId(self.base),
            quote: AssetId(self.quote),
            maker_fee_ppm: self.maker_fee_ppm,
            taker_fee_ppm: self.taker_fee_ppm,
            price_levels: self.price_levels,
            tick_value: self.tick_value,
            lot_size: self.lot_size,
            min_qty: Qty(self.min_qty),
            price_min: Price(self.price_min),
            symbol: *b"BASE/QUOTE\0\0\0\0\0\0",
            state: self.state,
            pad: [Zero::Zero; 7],
        }
    }
}

/// What is there before the first order.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) genesis: Genesis,
    /// What the operator sets before there is any market.
    pub(crate) first: Option<Command>,
    pub(crate) assets: u32,
    /// Of each asset, over and over.
    pub(crate) decimals: Vec<u8>,
    pub(crate) markets: Vec<Terms>,
    pub(crate) accounts: u32,
    /// The account of each session.
    pub(crate) sessions: Vec<u32>,
    /// Whether the last of them is opened first.
    pub(crate) last_opens_first: bool,
    /// The id of one more session, of account 0, with many that do not exist before it.
    pub(crate) far_session: Option<u32>,
    /// What each session may do, over and over.
    pub(crate) delegations: Vec<Delegation>,
    /// For each account, asset by asset, over and over.
    pub(crate) deposits: Vec<u64>,
    /// What the operator sets at last.
    pub(crate) settings: Vec<Command>,
}

pub(crate) fn create_asset(asset: u32) -> CreateAsset {
    CreateAsset {
        asset: AssetId(asset),
        decimals: 6,
        pad: [Zero::Zero; 3],
        symbol: *b"ASSET\0\0\0\0\0\0\0\0\0\0\0",
    }
}

pub(crate) fn open_session(session: u32, account: u32) -> OpenSession {
    OpenSession {
        session: SessionId(session),
        account: AccountId(account),
        delegation: Delegation::unlimited([7; 32]),
        gate: Gate::Port,
        pad: [Zero::Zero; 7],
    }
}

pub(crate) fn deposit(account: u32, asset: u32, amount: u64) -> Deposit {
    Deposit {
        account: AccountId(account),
        asset: AssetId(asset),
        amount: Amount(amount),
    }
}

impl World {
    /// Two assets, one market without fees at prices 1 to 100, one session for each of two
    /// accounts that have `funds` of both assets.
    pub(crate) fn plain(funds: u64) -> Self {
        Self {
            genesis: Genesis {
                max_assets: 4,
                max_markets: 4,
                max_accounts: 4,
                max_sessions: 4,
                max_orders: 64,
                max_levels: 128,
                max_pages: 64,
                pad: [Zero::Zero; 4],
            },
            first: None,
            assets: 2,
            decimals: vec![6],
            markets: vec![Terms {
                base: 0,
                quote: 1,
                maker_fee_ppm: 0,
                taker_fee_ppm: 0,
                price_levels: 100,
                tick_value: 1,
                lot_size: 1,
                min_qty: 1,
                price_min: 1,
                state: MarketState::Continuous,
            }],
            accounts: 2,
            sessions: vec![0, 1],
            last_opens_first: false,
            far_session: None,
            delegations: vec![Delegation::unlimited([7; 32])],
            deposits: vec![funds],
            settings: Vec::new(),
        }
    }

    /// The commands that set this stage.
    pub(crate) fn commands(&self) -> Vec<(Source, Command)> {
        let administration = |command| (Source::ADMINISTRATION, command);
        let assets = (0..self.assets)
            .zip(self.decimals.iter().cycle())
            .map(|(id, decimals)| {
                Command::CreateAsset(CreateAsset {
                    decimals: *decimals,
                    ..create_asset(id)
                })
            });
        let markets = (0..)
            .zip(&self.markets)
            .map(|(id, terms)| Command::CreateMarket(terms.command(id)));
        let accounts = (0..self.accounts).map(|id| {
            Command::CreateAccount(CreateAccount {
                account: AccountId(id),
                firm: FirmId(id % 2),
                owner: [u8::try_from(id).expect("small"); 32],
            })
        });
        let mut sessions: Vec<_> = (0..)
            .zip(&self.sessions)
            .zip(self.delegations.iter().cycle())
            .map(|((id, account), delegation)| {
                Command::OpenSession(OpenSession {
                    delegation: *delegation,
                    ..open_session(id, *account)
                })
            })
            .collect();
        if self.last_opens_first {
            sessions.reverse();
        }
        let far = self
            .far_session
            .map(|id| Command::OpenSession(open_session(id, 0)));
        let everyone =
            (0..self.accounts).flat_map(|account| (0..self.assets).map(move |a| (account, a)));
        let deposits =
            everyone
                .zip(self.deposits.iter().cycle())
                .map(|((account, asset), amount)| {
                    let command = Command::Deposit(deposit(account, asset, *amount));
                    (Source::DEPOSITS, command)
                });
        [Command::Genesis(self.genesis)]
            .into_iter()
            .chain(self.first)
            .chain(assets)
            .chain(markets)
            .chain(accounts)
            .chain(sessions)
            .chain(far)
            .map(administration)
            .chain(deposits)
            .chain(self.settings.iter().copied().map(administration))
            .collect()
    }

    pub(crate) fn set_up(&self, pair: &mut Pair) -> Result<Vec<Frame>, Difference> {
        let mut frames = Vec::new();
        for (source, command) in self.commands() {
            let number = pair.last_number(source).saturating_add(1);
            frames.extend(pair.submit(source, number, command)?);
        }
        Ok(frames)
    }
}

fn fee_ppm() -> impl Strategy<Value = u32> {
    prop_oneof![
        3 => Just(0_u32),
        3 => Just(2_500),
        4 => Just(333_333),
        3 => Just(1_000_000),
        2 => 1..10_000_u32,
    ]
}

/// Of one asset in another of the first `assets`. A few markets have numbers so large that hardly
/// an order can be counted.
fn terms(assets: u32) -> impl Strategy<Value = Terms> {
    let pair = (0..assets, 1..assets).prop_map(move |(base, step)| (base, (base + step) % assets));
    let unit =
        || prop_oneof![20 => Just(1_u64), 6 => Just(7), 3 => Just(1_000), 1 => Just(1 << 50)];
    let min_qty = prop_oneof![4 => Just(1_u64), 1 => 2..4_u64];
    let price_min = prop_oneof![9 => Just(1_i64), 9 => Just(95), 1 => Just(i64::MAX - 9_001)];
    // Narrow enough that everything meets; or wide, for books that are mostly empty.
    let levels = prop_oneof![12 => 6..20_u32, 3 => 60..200_u32, 1 => 4_000..9_000_u32];
    let state = prop_oneof![
        12 => Just(MarketState::Continuous), 3 => Just(MarketState::PreOpen), 1 => operator::states()
    ];
    let sizes = (unit(), unit(), min_qty, levels, price_min, state);
    (pair, fee_ppm(), fee_ppm(), sizes).prop_map(
        |((base, quote), maker_fee_ppm, taker_fee_ppm, sizes)| Terms {
            base,
            quote,
            maker_fee_ppm,
            taker_fee_ppm,
            price_levels: sizes.3,
            tick_value: sizes.0,
            lot_size: sizes.1,
            min_qty: sizes.2,
            price_min: sizes.4,
            state: sizes.5,
        },
    )
}

/// Room beyond what the world needs; now and then one too little.
fn slack() -> impl Strategy<Value = i64> {
    prop_oneof![1 => Just(-1_i64), 15 => Just(0), 15 => 1..3_i64]
}

fn capacity(needed: usize, slack: i64) -> u32 {
    let needed = i64::try_from(needed).expect("small");
    u32::try_from((needed + slack).max(1)).expect("small")
}

fn decimals() -> impl Strategy<Value = u8> {
    prop_oneof![7 => Just(0_u8), 4 => Just(1), 2 => Just(2), 2 => Just(6), 1 => Just(18)]
}

fn funds() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => Just(1_000_000_000_000_u64),
        4 => Just(200_000),
        12 => 1..6_000_u64,
        1 => Just(0),
        2 => Just(u64::MAX / 6),
    ]
}

/// Few end, and late, so that orders come before and after.
fn long_delegations() -> impl Strategy<Value = Delegation> {
    let ends = prop_oneof![4 => Just(0_u64), 1 => START + 60..START + 200];
    ends.prop_map(|expires| Delegation {
        expires: Nanos(expires),
        ..Delegation::unlimited([7; 32])
    })
}

/// Small capacities, some of them too small for what follows; funds from nothing to more than can
/// be counted, mostly enough to trade.
pub(crate) fn worlds() -> impl Strategy<Value = World> {
    let sizes = (2..4_u32, 2..5_u32);
    sizes.prop_flat_map(|(assets, accounts)| {
        let far_sessions = prop_oneof![
            4 => Just(None),
            1 => prop_oneof![1_015..1_025_u32, 2_035..2_050_u32, 3_000..3_010_u32].prop_map(Some),
        ];
        let orders = prop_oneof![1 => 1..6_u32, 1 => 12..60_u32, 8 => 200..400_u32];
        // Where there are few pages, most orders meet that sooner or later.
        let pages = prop_oneof![1 => 1..7_u32, 4 => Just(1_000_u32)];
        (
            prop::collection::vec(terms(assets), 2..4),
            prop::collection::vec(0..accounts, 2..6),
            prop::collection::vec(long_delegations(), 1..4),
            (
                prop::collection::vec(funds(), 1..12),
                prop::collection::vec(decimals(), 1..4),
                operator::beginnings(),
            ),
            prop::array::uniform5(slack()),
            (orders, pages),
            (far_sessions, any::<bool>()),
            prop::option::of(operator::set_fees()),
        )
            .prop_map(
                move |(
                    markets,
                    sessions,
                    delegations,
                    (deposits, decimals, settings),
                    slack,
                    (max_orders, max_pages),
                    (far_session, last_opens_first),
                    first,
                )| {
                    let levels: u32 = markets.iter().map(|terms| terms.price_levels).sum();
                    let most_sessions = far_session.map_or(sessions.len(), |id| id as usize + 1);
                    let genesis = Genesis {
                        max_assets: capacity(assets as usize, slack[0]),
                        max_markets: capacity(markets.len(), slack[1]),
                        max_accounts: capacity(accounts as usize, slack[2]),
                        max_sessions: capacity(most_sessions, slack[3]),
                        max_orders,
                        max_levels: capacity(levels as usize, slack[4] * 5),
                        max_pages,
                        pad: [Zero::Zero; 4],
                    };
                    World {
                        genesis,
                        first,
                        assets,
                        markets,
                        accounts,
                        sessions,
                        last_opens_first,
                        far_session,
                        delegations,
                        deposits,
                        decimals,
                        settings,
                    }
                },
            )
    })
}
