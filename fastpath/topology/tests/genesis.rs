//! The genesis file: the commands that it becomes, and what it refuses.

use domain::{
    AccountId, Amount, AssetId, Command, CreateAccount, CreateAsset, CreateMarket, Delegation,
    Deposit, Effects, Event, FirmId, Flag, Gate, Limits, MAX_TIERS, MarketId, MarketState, Nanos,
    OpenSession, Price, Qty, Reason, Request, Seq, SessionId, SetFees, SetLimits, SetTier, Source,
    Stamp, Zero,
};
use engine::Engine;
use std::collections::BTreeMap;
use topology::{DEFAULT_GENESIS, Genesis};

/// A small file; each test changes a line of it.
const SMALL: &str = r#"
[capacity]
max_assets = 2
max_markets = 1
max_accounts = 2
max_sessions = 2
max_orders = 8
max_levels = 100

[[deposit]]
account = 1
asset = 0
amount = "18446744073709551615"

[[deposit]]
account = 0
asset = 1
amount = 7

[[session]]
id = 1
account = 1
public_key = "00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100"
expires = 7
max_order_notional = "18446744073709551615"

[[account]]
id = 1
firm = 5
tier = 3
owner = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

[[account]]
id = 0
firm = 6

[[market]]
id = 0
symbol = "ABC/DEF"
base = 1
quote = 0
tick_value = 10
lot_size = "9223372036854775808"
min_qty = 2
price_min = 3
price_levels = 100
maker_fee_ppm = 0
taker_fee_ppm = 1000000
state = "pre_open"

[[tier]]
id = 3
max_order_qty = 50
max_position = "18446744073709551615"

[[fees]]
tier = 3
maker_fee_ppm = -20
taker_fee_ppm = 400

[[fees]]
tier = 2
market = 0
maker_fee_ppm = -5
taker_fee_ppm = 7

[[asset]]
id = 1
symbol = "ABC"
decimals = 18

[[asset]]
id = 0
symbol = "DEF4567890123456"
decimals = 0
"#;

fn padded(text: &str) -> [u8; 16] {
    let mut symbol = [0; 16];
    symbol[..text.len()].copy_from_slice(text.as_bytes());
    symbol
}

fn asset(asset: u32, symbol: &str, decimals: u8) -> Command {
    Command::CreateAsset(CreateAsset {
        asset: AssetId(asset),
        decimals,
        pad: [Zero::Zero; 3],
        symbol: padded(symbol),
    })
}

fn account(account: u32, firm: u32) -> Command {
    Command::CreateAccount(CreateAccount {
        account: AccountId(account),
        firm: FirmId(firm),
        owner: if account == 1 { [0xEE; 32] } else { [0; 32] },
    })
}

fn deposit(account: u32, asset: u32, amount: u64) -> Command {
    let (account, asset, amount) = (AccountId(account), AssetId(asset), Amount(amount));
    Command::Deposit(Deposit {
        account,
        asset,
        amount,
    })
}

/// What a tier may do that says no more than these.
fn limits(tier: u32, qty: u64, position: u64) -> Command {
    Command::SetLimits(SetLimits {
        target: tier,
        of_account: Flag::No,
        as_tier: Flag::No,
        pad: [Zero::Zero; 2],
        limits: Limits {
            max_order_qty: Qty(qty),
            max_order_notional: 1_000_000,
            max_position: position,
            max_daily_volume: 10_000_000,
            max_unattested_notional: 0,
            max_open_orders: 100,
            pad: [Zero::Zero; 4],
        },
    })
}

fn fees(tier: u32, market: MarketId, maker: i32, taker: u32) -> Command {
    Command::SetFees(SetFees {
        tier,
        market,
        maker_fee_ppm: maker,
        taker_fee_ppm: taker,
    })
}

/// What `SMALL` becomes.
fn small_commands() -> Vec<Command> {
    let mut public_key = [0; 32];
    for nibble in 0..16 {
        public_key[usize::from(nibble)] = nibble * 0x11;
        public_key[31 - usize::from(nibble)] = nibble * 0x11;
    }
    let mut commands = vec![
        Command::Genesis(domain::Genesis {
            max_assets: 2,
            max_markets: 1,
            max_accounts: 2,
            max_sessions: 2,
            max_orders: 8,
            max_levels: 100,
            max_pages: 4,
            pad: [Zero::Zero; 4],
        }),
        asset(1, "ABC", 18),
        asset(0, "DEF4567890123456", 0),
        Command::CreateMarket(CreateMarket {
            market: MarketId(0),
            base: AssetId(1),
            quote: AssetId(0),
            maker_fee_ppm: 0,
            taker_fee_ppm: 1_000_000,
            price_levels: 100,
            tick_value: 10,
            lot_size: 1 << 63,
            min_qty: Qty(2),
            price_min: Price(3),
            symbol: padded("ABC/DEF"),
            state: MarketState::PreOpen,
            pad: [Zero::Zero; 7],
        }),
    ];
    commands.extend((0..MAX_TIERS).map(|tier| match tier {
        3 => limits(3, 50, u64::MAX),
        other => limits(other, 0, 0),
    }));
    commands.extend([
        fees(3, MarketId::ANY, -20, 400),
        fees(2, MarketId(0), -5, 7),
        account(1, 5),
        account(0, 6),
        Command::SetTier(SetTier {
            account: AccountId(1),
            tier: 3,
        }),
        Command::OpenSession(OpenSession {
            session: SessionId(1),
            account: AccountId(1),
            delegation: Delegation {
                public_key,
                exchange_key: [0; 32],
                expires: Nanos(7),
                max_order_notional: Amount(u64::MAX),
            },
            gate: Gate::Port,
            pad: [Zero::Zero; 7],
        }),
        deposit(1, 0, u64::MAX),
        deposit(0, 1, 7),
    ]);
    commands
}

#[test]
fn commands_come_in_their_order_whatever_the_files() {
    let numbered = Genesis::parse(SMALL).unwrap().commands();
    let (sources, commands): (Vec<_>, Vec<_>) = numbered.into_iter().unzip();
    assert_eq!(commands, small_commands());
    assert!(
        sources[..26]
            .iter()
            .all(|&source| source == Source::ADMINISTRATION)
    );
    assert!(
        sources[26..]
            .iter()
            .all(|&source| source == Source::DEPOSITS)
    );
}

#[test]
fn an_engine_that_knows_nothing_accepts_every_command() {
    for text in [SMALL, DEFAULT_GENESIS] {
        let mut engine = Engine::new();
        let mut effects = Effects::new();
        let mut numbers = BTreeMap::<Source, u64>::new();
        for (seq, (source, command)) in (1..).zip(Genesis::parse(text).unwrap().commands()) {
            let number = numbers.entry(source).or_default();
            *number += 1;
            assert!(engine.admits(source, *number));
            let request = Request {
                source,
                source_seq: *number,
                receive_time: Nanos(1),
                command,
            };
            let stamp = Stamp {
                seq: Seq(seq),
                time: Nanos(1),
            };
            engine.apply(stamp, &request, &mut effects);
            let events: Vec<Event> = effects.events().map(Result::unwrap).collect();
            let [.., Event::Outcome(outcome)] = &events[..] else {
                panic!("{command:?} gave {events:?}");
            };
            assert_eq!(outcome.reason, Reason::None, "{command:?}");
        }
    }
}

#[test]
fn the_shipped_file_parses_and_has_every_key() {
    let genesis = Genesis::parse(DEFAULT_GENESIS).unwrap();
    assert_eq!((genesis.markets.len(), genesis.sessions.len()), (1, 2));
    // `SMALL` has every key there is: each that it lacked would be refused as missing.
    for line in SMALL.lines() {
        let key = line.split_once(" = ").map_or(line, |(key, _)| key);
        assert!(
            DEFAULT_GENESIS
                .lines()
                .any(|line| line.trim_start_matches('#').starts_with(key)),
            "{key}"
        );
        if line.contains(" = ") && !OPTIONAL.contains(&key) {
            let error = Genesis::parse(&SMALL.replacen(&format!("{line}\n"), "", 1));
            let text = error.expect_err("every key is needed").to_string();
            assert!(text.contains(&format!("missing field `{key}`")), "{text}");
        }
    }
}

/// Keys that may be left out.
const OPTIONAL: [&str; 8] = [
    "owner",
    "expires",
    "max_order_notional",
    "max_order_qty",
    "max_position",
    "tier",
    "market",
    "state",
];

/// What is replaced in `SMALL`, by what, and what the refusal must say.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "max_assets = 2",
        "max_assets = 0",
        "capacity.max_assets: 0 is out of range",
    ),
    (
        "max_accounts = 2",
        "max_accounts = 16777217",
        "capacity.max_accounts: 16777217 is out of range: use 1 to 16777216",
    ),
    (
        "max_assets = 2\nmax_markets = 1\nmax_accounts = 2\n",
        "max_assets = 17\nmax_markets = 1\nmax_accounts = 16777216\n",
        "capacity.max_accounts: 16777216 accounts with 17 assets are 285212672 balances",
    ),
    (
        "max_levels = 100",
        "max_levels = 1073741825",
        "capacity.max_levels: 1073741825 is out of range",
    ),
    (
        "max_levels = 100",
        "max_levels = 100\nmax_pages = 0",
        "capacity.max_pages: 0 is out of range",
    ),
    (
        "max_levels = 100",
        "max_levels = 100\nmax_pages = 4294967295",
        "capacity.max_pages: 4294967295 is out of range: use 1 to ",
    ),
    (
        "max_orders = 8",
        "max_orders = 67108865",
        "capacity.max_orders: 67108865 is out of range",
    ),
    (
        "max_sessions = 2",
        "max_sessions = 16777217",
        "capacity.max_sessions: 16777217 is out of range: use 1 to 16777216",
    ),
    (
        "max_assets = 2",
        "max_assets = 1",
        "asset 1, id: is not below capacity.max_assets, 1",
    ),
    (
        "max_accounts = 2",
        "max_accounts = 1",
        "account 1, id: is not below",
    ),
    (
        "max_sessions = 2",
        "max_sessions = 1",
        "session 1, id: is not below",
    ),
    (
        "id = 0\nsymbol = \"ABC/DEF\"",
        "id = 1\nsymbol = \"ABC/DEF\"",
        "market 1, id: is not below",
    ),
    (
        "id = 0\nsymbol = \"DEF",
        "id = 1\nsymbol = \"DEF",
        "asset 1, id: stands twice",
    ),
    (
        "id = 0\nfirm",
        "id = 1\nfirm",
        "account 1, id: stands twice",
    ),
    (
        "\"DEF4567890123456\"",
        "\"ABC\"",
        "asset 0, symbol: is that of asset 1 too",
    ),
    (
        "firm = 6",
        "firm = 6\nowner = \"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\"",
        "account 0, owner: owns account 1 as well",
    ),
    (
        "decimals = 18",
        "decimals = 19",
        "asset 1, decimals: 19 is out of range",
    ),
    ("\"ABC\"", "\"\"", "is no symbol"),
    ("\"ABC\"", "\"A B\"", "is no symbol"),
    ("\"ABC\"", "\"ABÇ\"", "is no symbol"),
    ("DEF4567890123456", "DEF45678901234567", "is no symbol"),
    (
        "base = 1",
        "base = 2",
        "market 0, base: there is no asset 2",
    ),
    (
        "quote = 0",
        "quote = 2",
        "market 0, quote: there is no asset 2",
    ),
    (
        "quote = 0",
        "quote = 1",
        "market 0, quote: is asset 1, like the base",
    ),
    (
        "taker_fee_ppm = 1000000",
        "taker_fee_ppm = 1000001",
        "market 0, taker_fee_ppm: 1000001",
    ),
    (
        "maker_fee_ppm = 0",
        "maker_fee_ppm = 1000001",
        "market 0, maker_fee_ppm: 1000001",
    ),
    (
        "tick_value = 10",
        "tick_value = 0",
        "market 0, tick_value: is 0",
    ),
    ("\"9223372036854775808\"", "0", "market 0, lot_size: is 0"),
    ("min_qty = 2", "min_qty = 0", "market 0, min_qty: is 0"),
    (
        "price_levels = 100",
        "price_levels = 0",
        "market 0, price_levels: is 0",
    ),
    (
        "price_levels = 100",
        "price_levels = 101",
        "capacity.max_levels: 100 is too few",
    ),
    ("price_min = 3", "price_min = 0", "market 0, price_min"),
    (
        "tick_value = 10",
        "tick_value = \"18446744073709551615\"",
        "market 0, tick_value: 18446744073709551615 is too much: the smallest order (min_qty 2) at the highest price (102)",
    ),
    (
        "tick_value = 10",
        // It fits without the fee, which is all of it.
        "tick_value = 50000000000000000",
        "market 0, tick_value: 50000000000000000 is too much",
    ),
    (
        "00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "session 1, public_key: is all zeros",
    ),
    (
        "\"pre_open\"",
        "\"pre-open\"",
        "unknown variant `pre-open`, expected one of `continuous`, `pre_open`, `post_only`, `closed`",
    ),
    (
        "id = 3\n",
        "id = 16\n",
        "tier 16, id: there is no tier 16: use 0 to 15",
    ),
    (
        "firm = 5\ntier = 3",
        "firm = 5\ntier = 16",
        "account 1, tier: there is no tier 16",
    ),
    (
        "maker_fee_ppm = -20",
        "maker_fee_ppm = -1000001",
        "fees 1, maker_fee_ppm: -1000001 is out of range: a rebate is at most 1000000",
    ),
    (
        "maker_fee_ppm = -20",
        "maker_fee_ppm = 1000001",
        "fees 1, maker_fee_ppm: 1000001 is out of range: a fee is at most 1000000",
    ),
    (
        "maker_fee_ppm = -20",
        "maker_fee_ppm = 1",
        "fees 1, maker_fee_ppm: 1 is more than the 0 of market 0",
    ),
    (
        "tier = 2\nmarket = 0",
        "tier = 2\nmarket = 4",
        "fees 2, market: there is no market 4",
    ),
    (
        "tier = 2\n",
        "tier = 99\n",
        "fees 2, tier: there is no tier 99",
    ),
    (
        "price_min = 3",
        "price_min = 9223372036854775807",
        "market 0, price_min",
    ),
    (
        "account = 1\npublic",
        "account = 2\npublic",
        "session 1, account: there is no account 2",
    ),
    ("00112233", "0011223", "is no public key"),
    ("00112233", "0011223g", "is no public key"),
    ("00112233", "+0112233", "is no public key"),
    (
        "account = 0\nasset = 1",
        "account = 2\nasset = 1",
        "deposit 2, account: there is no account 2",
    ),
    (
        "account = 0\nasset = 1",
        "account = 0\nasset = 2",
        "deposit 2, asset: there is no asset 2",
    ),
    (
        "account = 0\nasset = 1",
        "account = 0\nasset = 0",
        "deposit 2, amount: takes the supply of asset 0",
    ),
    ("amount = 7", "amount = 0", "deposit 2, amount: is 0"),
    ("amount = 7", "amount = -7", "in quotes if above"),
    ("amount = 7", "amount = 7.5", "in quotes if above"),
    ("amount = 7", "amount = \"\"", "in quotes if above"),
    ("amount = 7", "amount = \"+7\"", "in quotes if above"),
    (
        "amount = 7",
        "amount = \"18446744073709551616\"",
        "in quotes if above",
    ),
    (
        "firm = 6",
        "firm = 6\nname = \"x\"",
        "account.name: there is no such key",
    ),
];

#[test]
fn what_an_engine_would_refuse_is_refused_by_name() {
    for (from, to, says) in REFUSED {
        assert_eq!(SMALL.matches(from).count(), 1, "{from}");
        let text = SMALL.replace(from, to);
        let message = Genesis::parse(&text).expect_err("it cannot be").to_string();
        assert!(
            message.starts_with("genesis: ") && message.contains(says),
            "{to}\n{message}"
        );
    }
}

fn refusal(text: &str) -> String {
    Genesis::parse(text).expect_err("it cannot be").to_string()
}

#[test]
fn unknown_keys_wrong_types_and_duplicates_are_refused_by_name_and_line() {
    for section in ["asset", "market", "account", "session", "deposit"] {
        let text = format!("{DEFAULT_GENESIS}[[{section}]]\nidd = 1\n");
        let line = text.lines().count();
        let message = refusal(&text);
        let says = format!("genesis: line {line}, column 1: {section}.idd: there is no such key");
        assert!(message.starts_with(&says), "{message}");
    }
    let message = refusal("[capacity]\nmax_asets = 1\n");
    let says = "genesis: line 2, column 1: capacity.max_asets: there is no such key; did you mean `max_assets`?";
    assert!(message.starts_with(says), "{message}");
    let message = refusal("[[market]]\n[[makret]]\n");
    assert!(
        message.starts_with("genesis: line 2, column 3: makret: ") && message.contains("`market`"),
        "{message}"
    );
    let message = refusal("[capacity]\nmax_assets = \"8\"\n");
    assert!(message.contains("line 2, column 14: "), "{message}");
    let message = refusal("[capacity]\nmax_assets = 8\nmax_assets = 8\n");
    assert!(
        message.contains("line 3, column 1: max_assets: duplicate key"),
        "{message}"
    );
}

#[test]
fn a_name_belongs_to_one_market() {
    let second = DEFAULT_GENESIS.split("[[market]]").nth(1).unwrap();
    let second = second.split("[[account]]").next().unwrap();
    let second = second.replace("id = 0", "id = 1");
    let text = format!("{DEFAULT_GENESIS}\n[[market]]{second}")
        .replace("max_levels = 262144", "max_levels = 300000");
    let message = refusal(&text);
    assert!(
        message.contains(
            "market 1, symbol: is that of market 0 too: give every [[market]] its own symbol"
        ),
        "{message}"
    );
    let renamed = text.replacen("\"SOL/USDC\"", "\"SOL/USD\"", 1);
    assert!(Genesis::parse(&renamed).is_ok());
}

/// Wallets show their keys in base58.
#[test]
fn a_key_may_be_written_in_base58() {
    let hex = "00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100";
    let base58 = "1G9spZjaDkgYURAhMVL28DTh6X19nRAXBnyYwus5Pxs";
    let text = SMALL.replace(hex, base58);
    assert_ne!(text, SMALL);
    assert_eq!(
        Genesis::parse(&text).unwrap(),
        Genesis::parse(SMALL).unwrap()
    );
    for wrong in [&base58[1..], "0OIl"] {
        let message = refusal(&SMALL.replace(hex, wrong));
        assert!(message.contains("is no public key"), "{message}");
    }
}

#[test]
fn all_values_that_cannot_be_are_refused_each_at_its_line() {
    let text = DEFAULT_GENESIS
        .replace("decimals = 6", "decimals = 19")
        .replace("min_qty = 1", "min_qty = 0");
    let problems = Genesis::parse(&text).unwrap_err().problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    for (problem, (line, key)) in problems.iter().zip([
        ("decimals = 19", "asset 1, decimals"),
        ("min_qty = 0", "market 0, min_qty"),
    ]) {
        let line = 1 + text.lines().position(|l| l.starts_with(line)).unwrap();
        let says = format!("genesis: line {line}, column 1: {key}: ");
        assert!(problem.starts_with(&says), "{problem}");
    }
}
