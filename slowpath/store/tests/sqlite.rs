//! The projection, the questions and the writing of batches, on SQLite.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot do what it needs fails where that shows"
)]

mod claims;
mod exchange;
mod rules;
mod tables;
mod trouble;

use domain::{
    AccountId, Amount, AssetId, ClientOrderId, Event, MarketId, Nanos, NewOrder, OrderId,
    OrderType, Price, Qty, Reason, Seq, SessionId, Side, Source, TimeInForce,
};
use exchange::{BEGIN, Exchange, SHARD, TRADERS, cancel};
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::{
    Candle, Database, Interval, MarketStats, MarketTotals, OrderFilter, OrderStatus, Outcome, Role,
    Store, StoreError, Trade, Writer,
};
use tables::{assert_same, bring_up, busy, dump, run};

/// A database in a folder of its own.
pub(crate) struct Place {
    _folder: tempfile::TempDir,
    pub(crate) url: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        Self {
            _folder: folder,
            url,
        }
    }

    pub(crate) fn store(&self) -> Store {
        Store::new(&Database::new(&self.url).unwrap(), 2)
    }
}

pub(crate) const SECOND: u64 = 1_000_000_000;

fn limit(client_order_id: u64, side: Side, price: i64, qty: u64) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId(client_order_id),
        price: Price(price),
        qty: Qty(qty),
        market: MarketId(0),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        ..NewOrder::PLAIN
    }
}

/// Two sells rest; a buy takes one and part of the other; the rest of that is cancelled; an order and a
/// cancel are refused.
fn small() -> Exchange {
    let mut exchange = Exchange::with_traders(100_000, 64);
    exchange.order(0, limit(1, Side::Sell, 100, 3));
    exchange.order(1, limit(1, Side::Sell, 101, 5));
    exchange.now = Nanos(BEGIN.0 + 61 * SECOND);
    exchange.order(2, limit(7, Side::Buy, 101, 4));
    exchange.apply(Source::of_session(SessionId(1)), cancel(1));
    exchange.order(3, limit(9, Side::Buy, 5_000, 1));
    exchange.apply(Source::of_session(SessionId(3)), cancel(9));
    exchange
}

/// Genesis, 2 assets, 2 markets, and account, session and two deposits of each trader.
const SETUP: u64 = 5 + 4 * TRADERS as u64;

/// The small journal's store, asked.
pub(crate) fn of_small(exchange: &Exchange, ask: impl AsyncFnOnce(&Store)) {
    let place = Place::new();
    run(async {
        let frames = exchange.frames.len();
        bring_up(&place.url, exchange, frames, 4).await.unwrap();
        ask(&place.store()).await;
    });
}

#[test]
fn orders_of_a_small_journal_are_as_computed_by_hand() {
    of_small(&small(), async |store| {
        let all = OrderFilter::default();
        let taker = store.orders(AccountId(2), all, None, 10).await.unwrap();
        assert_eq!(taker.seq, Seq(SETUP + 6));
        let [taker] = &taker.value[..] else {
            panic!("one order")
        };
        let sizes = (taker.filled, taker.leaves, taker.notional);
        assert_eq!(sizes, (Qty(4), Qty(0), 3 * 100 + 101));
        assert_eq!(
            (taker.status, taker.created_seq),
            (OrderStatus::Filled, Seq(SETUP + 3))
        );
        let first = store
            .orders(AccountId(0), all, None, 10)
            .await
            .unwrap()
            .value;
        assert_eq!(first[0].status, OrderStatus::Filled);
        assert_eq!(first[0].updated_seq, Seq(SETUP + 3));
        let second = store.order(OrderId::first(1)).await.unwrap().value.unwrap();
        let ids = [OrderId::first(1), OrderId(u64::MAX), taker.order_id];
        let mut found = store.orders_by_id(ids).await.unwrap().value;
        found.sort_unstable_by_key(|order| order.created_seq);
        assert_eq!(found, [second.clone(), taker.clone()]);
        assert_eq!(store.orders_by_id([]).await.unwrap().value, []);
        assert_eq!(
            (second.account, second.status),
            (AccountId(1), OrderStatus::Canceled)
        );
        let sizes = (second.filled, second.leaves);
        assert_eq!(
            (second.reason, sizes),
            (Reason::Requested, (Qty(1), Qty(0)))
        );
    });
}

#[test]
fn trades_and_balances_of_a_small_journal_are_as_computed_by_hand() {
    of_small(&small(), async |store| {
        let trades = store
            .trades_of_account(AccountId(2), None, 10)
            .await
            .unwrap()
            .value;
        let amounts = |t: &Trade| {
            (
                t.price.0,
                t.qty.0,
                t.notional.0,
                t.maker_fee.0,
                t.taker_fee.0,
            )
        };
        let seen: Vec<_> = trades.iter().map(|t| (t.trade_id, amounts(t))).collect();
        // Fees: 0.1 % and 2 %, rounded down.
        assert_eq!(seen, [(2, (101, 1, 101, 0, 2)), (1, (100, 3, 300, 0, 6))]);
        let makers = (trades[0].maker_account, trades[1].maker_account);
        assert_eq!(makers, (AccountId(1), AccountId(0)));
        assert_eq!(trades[0].taker_side, Side::Buy);

        let balances = store.balances(AccountId(2)).await.unwrap().value;
        let seen = balances
            .iter()
            .map(|b| (b.asset.0, b.available.0, b.held.0));
        assert!(seen.eq([(0, 100_000 + 40, 0), (1, 100_000 - 401 - 8, 0)]));
    });
}

#[test]
fn candles_and_stats_of_a_small_journal_are_as_computed_by_hand() {
    let exchange = small();
    of_small(&exchange, async |store| {
        let market = MarketId(0);
        let stats = async |now| {
            store
                .market_stats(market, now)
                .await
                .unwrap()
                .value
                .unwrap()
        };
        let MarketStats { totals, day } = stats(exchange.now).await;
        let day = day.unwrap();
        assert_eq!(
            (day.open, day.high, day.low),
            (Price(100), Price(101), Price(100))
        );
        assert_eq!((day.volume, day.quote_volume, day.trades), (4, 401, 2));
        assert_eq!((totals.last_price, totals.last_trade), (Price(101), 2));
        let next_day = Nanos(exchange.now.0 + 86_400 * SECOND + 60 * SECOND);
        let MarketStats { totals, day } = stats(next_day).await;
        assert_eq!((day, totals.trades), (None, 2));

        let (from, to) = (Nanos(0), Nanos(u64::MAX));
        let begins = [
            (Interval::Second, 61),
            (Interval::Minute, 60),
            (Interval::Day, 0),
        ];
        for (interval, begin) in begins {
            let candles = store
                .candles(market, interval, from, to, 10)
                .await
                .unwrap()
                .value;
            let [candle] = &candles[..] else {
                panic!("one candle")
            };
            assert_eq!(candle.open_time, Nanos(BEGIN.0 + begin * SECOND));
            let prices = (candle.open, candle.close);
            assert_eq!((prices, candle.volume), ((Price(100), Price(101)), 4));
        }
    });
}

#[test]
fn the_outcome_of_a_client_order_id_can_be_asked_for() {
    let mut exchange = small();
    exchange.order(3, limit(20, Side::Buy, 50, 1));
    exchange.order(3, limit(20, Side::Buy, 50, 1));
    of_small(&exchange, async |store| {
        let outcome = async |account, id| {
            let outcome = store
                .outcome((AccountId(account), SessionId(account)), ClientOrderId(id))
                .await;
            outcome.unwrap().value
        };
        let taker = outcome(2, 7).await;
        assert!(matches!(taker, Some(Outcome::Accepted(order)) if order.qty == Qty(4)));
        let Some(Outcome::Refused(refused)) = outcome(3, 9).await else {
            panic!("refused")
        };
        assert_eq!(
            (refused.reason, refused.seq),
            (Reason::PriceOutOfRange, Seq(SETUP + 5))
        );
        assert!(
            matches!(outcome(3, 20).await, Some(Outcome::Accepted(_))),
            "a duplicate is answered by the order that it repeats"
        );
        assert_eq!(outcome(3, 4_711).await, None);
    });
}

#[test]
fn reports_deposits_and_the_operators_commands_can_be_asked_for() {
    // No operator's.
    let confirm = domain::ConfirmAttestation {
        session: SessionId(1),
        pad: [domain::Zero::Zero; 4],
        level: 7,
    };
    let mut exchange = small();
    exchange.apply(
        Source::ADMINISTRATION,
        domain::Command::ConfirmAttestation(confirm),
    );
    of_small(&exchange, async |store| {
        let reports = store.reports(SessionId(2), 2, 10).await.unwrap().value;
        let numbers = reports.iter().map(|r| (r.report_no, r.seq.0));
        assert!(numbers.eq([(2, SETUP + 3), (3, SETUP + 3)]));
        let Event::Fill(fill) = reports[1].event else {
            panic!("a fill")
        };
        assert_eq!(
            (fill.report_no, fill.leaves, fill.fee),
            (3, Qty(0), Amount(2))
        );

        for (number, asset) in [(3, AssetId(0)), (4, AssetId(1))] {
            let deposit = store.deposit(Source::DEPOSITS, number).await.unwrap();
            let deposit = deposit.value.unwrap();
            let seen = (deposit.account, deposit.asset, deposit.amount);
            assert_eq!(seen, (AccountId(1), asset, Amount(100_000)));
        }

        // All of the setup.
        let audit = store.audited(None, 500).await.unwrap().value;
        let seqs: Vec<u64> = audit.iter().map(|one| one.seq.0).collect();
        assert_eq!(seqs, (1..=SETUP).rev().collect::<Vec<_>>());
        let older = store.audited(Some(audit[3].seq), 2).await.unwrap().value;
        assert_eq!(older[..], audit[4..6]);
    });
}

#[test]
fn what_administration_made_is_in_its_tables() {
    let (place, exchange) = (Place::new(), small());
    run(async {
        let frames = exchange.frames.len();
        bring_up(&place.url, &exchange, frames, 4).await.unwrap();
        let rows = dump(&place.url).await;
        let key = Some(vec![1_u8; 32]);
        for (table, says) in [
            ("assets", r#"symbol=Some("USDC")"#.to_owned()),
            ("markets", r#"symbol=Some("SOL/USDC")"#.to_owned()),
            ("accounts", format!("owner={key:?}")),
            ("sessions", format!("public_key={key:?}")),
        ] {
            let row = &rows[table][1];
            assert!(row.contains(&says), "{table}: {row}");
        }
    });
}

#[test]
fn a_busy_exchange_leaves_rows_in_every_table_of_the_journal() {
    let (place, exchange) = (Place::new(), busy(11, 600));
    run(async {
        bring_up(&place.url, &exchange, exchange.frames.len(), 100)
            .await
            .unwrap();
        let rows = dump(&place.url).await;
        let others = [
            "snapshots",
            "users",
            "refresh_tokens",
            "asked",
            "roles_given",
        ];
        for (table, rows) in rows.iter().filter(|(table, _)| !others.contains(table)) {
            assert!(!rows.is_empty(), "{table}");
        }
        let has = |table: &str, what: &str| rows[table].iter().any(|row| row.contains(what));
        assert!(has("trades", "maker_is_rebate=1"));
        assert!(has("orders", "quote=1"));
    });
}

#[test]
fn pages_of_orders_and_trades_join_without_hole_or_double() {
    let (place, exchange) = (Place::new(), busy(11, 600));
    run(async {
        bring_up(&place.url, &exchange, exchange.frames.len(), 100)
            .await
            .unwrap();
        let store = place.store();
        let all = store
            .orders(AccountId(1), OrderFilter::default(), None, 500)
            .await
            .unwrap()
            .value;
        assert!(all.len() > 30 && all.is_sorted_by_key(|o| std::cmp::Reverse(o.created_seq)));
        let (mut paged, mut cursor) = (Vec::new(), None);
        for _page in 0..200 {
            let filter = OrderFilter::default();
            let page = store
                .orders(AccountId(1), filter, cursor, 7)
                .await
                .unwrap()
                .value;
            let Some(last) = page.last() else { break };
            cursor = Some(last.cursor());
            paged.extend(page);
        }
        assert_eq!(paged, all);
        for (filter, is_in) in filters() {
            let found = store
                .orders(AccountId(1), filter, None, 500)
                .await
                .unwrap()
                .value;
            let expected: Vec<_> = all.iter().filter(|order| is_in(order)).cloned().collect();
            assert_eq!(found, expected, "{filter:?}");
        }
        let all = store
            .trades_of_account(AccountId(1), None, 500)
            .await
            .unwrap()
            .value;
        let (mut paged, mut below) = (Vec::new(), None);
        for _page in 0..200 {
            let page = store
                .trades_of_account(AccountId(1), below, 5)
                .await
                .unwrap()
                .value;
            let Some(last) = page.last() else { break };
            below = Some(last.trade_id);
            paged.extend(page);
        }
        assert_eq!(paged, all);
        assert!(
            all.iter().any(|t| t.maker_account == t.taker_account),
            "with oneself"
        );
    });
}

type Is = fn(&store::Order) -> bool;

fn filters() -> [(OrderFilter, Is); 4] {
    let all = OrderFilter::default();
    [
        (
            OrderFilter {
                open_only: true,
                ..all
            },
            |o| o.status.is_open(),
        ),
        (
            OrderFilter {
                market: Some(MarketId(1)),
                ..all
            },
            |o| o.market == MarketId(1),
        ),
        (
            OrderFilter {
                status: Some(OrderStatus::Canceled),
                ..all
            },
            |o| o.status == OrderStatus::Canceled,
        ),
        (
            OrderFilter {
                status: Some(OrderStatus::New),
                market: Some(MarketId(0)),
                open_only: true,
            },
            |o| o.status == OrderStatus::New && o.market == MarketId(0),
        ),
    ]
}

#[test]
fn another_history_shard_or_version_is_refused_and_says_what_to_do() {
    let (place, exchange) = (Place::new(), busy(5, 60));
    run(async {
        bring_up(&place.url, &exchange, 50, 10).await.unwrap();
        let refused = bring_up(&place.url, &busy(6, 60), 60, 10)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, StoreError::History { seq: Seq(50), .. }),
            "{refused}"
        );
        // Also where no frame follows that the database could refuse.
        let at_once = bring_up(&place.url, &busy(6, 60), 50, 10)
            .await
            .unwrap_err();
        assert_eq!(at_once.to_string(), refused.to_string());
        assert!(refused.to_string().contains("sluice init-db --rebuild") && !refused.can_pass());
        let database = Database::new(&place.url).unwrap();
        let refused = Writer::open(&database, SHARD + 1).await.err().unwrap();
        assert!(
            matches!(refused, StoreError::Shard { found: SHARD, .. }),
            "{refused}"
        );

        let store = place.store();
        store
            .user_or_new([1; 32], Role::Operator, BEGIN)
            .await
            .unwrap();
        store::empty(&database, SHARD).await.unwrap();
        let other = busy(6, 60);
        bring_up(&place.url, &other, 60, 10).await.unwrap();
        assert_eq!(store.stray_operators().await.unwrap(), [[1; 32]]);
        let fresh = Place::new();
        bring_up(&fresh.url, &other, 60, 60).await.unwrap();
        fresh
            .store()
            .user_or_new([1; 32], Role::Operator, BEGIN)
            .await
            .unwrap();
        assert_same(&dump(&place.url).await, &dump(&fresh.url).await);

        sql(&place.url, "UPDATE system SET schema_version = 99").await;
        let refused = store::prepare(&database, SHARD).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::Schema { found: 99, .. }),
            "{refused}"
        );
    });
}

pub(crate) async fn sql(url: &str, statement: &'static str) {
    use sqlx::{Connection as _, Executor as _};
    let mut connection = sqlx::AnyConnection::connect(url).await.unwrap();
    connection.execute(statement).await.unwrap();
    connection.close().await.unwrap();
}

/// What a list of trades comes to, candle by candle.
fn candles_of(trades: &[Trade], interval: Interval) -> Vec<Candle> {
    let mut groups: BTreeMap<(MarketId, u64), Vec<&Trade>> = BTreeMap::new();
    for trade in trades {
        let begin = trade.time.0 / interval.nanos() * interval.nanos();
        groups.entry((trade.market, begin)).or_default().push(trade);
    }
    let candle = |((market, begin), trades): (_, Vec<&Trade>)| Candle {
        market,
        interval,
        open_time: Nanos(begin),
        open: trades[0].price,
        high: trades.iter().map(|t| t.price).max().unwrap(),
        low: trades.iter().map(|t| t.price).min().unwrap(),
        close: trades[trades.len() - 1].price,
        volume: trades.iter().map(|t| u128::from(t.qty.0)).sum(),
        quote_volume: trades.iter().map(|t| u128::from(t.notional.0)).sum(),
        trades: trades.len() as u64,
        seq: trades[trades.len() - 1].seq,
    };
    groups.into_iter().map(candle).collect()
}

async fn check_against_engine(store: &Store, exchange: &Exchange) {
    let engine = &exchange.engine;
    let mut open = Vec::new();
    for account in (0..TRADERS).map(AccountId) {
        for balance in store.balances(account).await.unwrap().value {
            let held = engine.balance(account, balance.asset).unwrap();
            assert_eq!(
                (balance.available, balance.held),
                held,
                "{account:?} {:?}",
                balance.asset
            );
        }
        let filter = OrderFilter {
            open_only: true,
            ..OrderFilter::default()
        };
        open.extend(
            store
                .orders(account, filter, None, 500)
                .await
                .unwrap()
                .value,
        );
    }
    assert_eq!(open.len(), engine.live_orders());
    let mut levels: BTreeMap<(MarketId, Side, Price), (u64, u32)> = BTreeMap::new();
    for order in &open {
        if order.quote.is_yes() {
            let quoted = engine.quote_of(order.session, order.market);
            assert!(quoted.contains(&Some(order.order_id)), "{order:?}");
        } else {
            let found = engine.order_id(order.session, order.client_order_id);
            assert_eq!(found, Some(order.order_id));
        }
        assert_eq!(order.filled.0 + order.leaves.0, order.qty.0);
        let live = engine.order(order.order_id).unwrap();
        let waits = order.status == OrderStatus::Waiting;
        assert_eq!(waits, live.trigger_price != Price(0));
        assert_eq!(order.leaves, live.leaves);
        if waits {
            continue;
        }
        let level = levels
            .entry((order.market, order.side, order.price))
            .or_default();
        *level = (level.0 + live.shown().0, level.1 + 1);
    }
    for market in [MarketId(0), MarketId(1)] {
        for side in [Side::Buy, Side::Sell] {
            for (price, qty, orders) in engine.depth(market, side, 1_000) {
                let level = levels.remove(&(market, side, price));
                assert_eq!(level, Some((qty.0, orders)), "{market:?} {side:?} {price}");
            }
        }
    }
    assert_eq!(levels, BTreeMap::new());
}

async fn check_candles(store: &Store) {
    for market in [MarketId(0), MarketId(1)] {
        let mut trades = store
            .trades_of_market(market, None, 500)
            .await
            .unwrap()
            .value;
        assert!(trades.len() < 500, "all of them");
        trades.reverse();
        for interval in Interval::ALL {
            let all = (Nanos(0), Nanos(u64::MAX));
            let candles = store
                .candles(market, interval, all.0, all.1, 500)
                .await
                .unwrap()
                .value;
            assert_eq!(candles, candles_of(&trades, interval));
        }
        let totals: Option<MarketTotals> = store
            .market_stats(market, BEGIN)
            .await
            .unwrap()
            .value
            .map(|stats| stats.totals);
        assert_eq!(
            totals.map_or(0, |totals| totals.trades),
            trades.len() as u64
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// After any number of frames, in batches of any size, the store has what the engine has.
    #[test]
    fn the_store_has_what_the_engine_has(
        actions in prop::collection::vec(any::<u64>(), 1..250),
        batch in 1..60_usize,
    ) {
        let place = Place::new();
        let mut exchange = Exchange::with_traders(40_000, 256);
        for part in actions.chunks(80) {
            for &word in part {
                exchange.act(word);
            }
            run(async {
                bring_up(&place.url, &exchange, exchange.frames.len(), batch).await.unwrap();
                let store = place.store();
                check_against_engine(&store, &exchange).await;
                check_candles(&store).await;
                store.close().await;
            });
        }
    }
}

#[test]
fn the_database_refuses_a_batch_that_does_not_follow() {
    let place = Place::new();
    run(claims::what_does_not_follow_is_refused(&place.url));
}

#[test]
fn a_token_is_exchanged_once_and_a_copy_ends_its_family() {
    let place = Place::new();
    run(async {
        let database = Database::new(&place.url).unwrap();
        store::prepare(&database, SHARD).await.unwrap();
        claims::a_token_is_exchanged_once(&place.store()).await;
        claims::what_follows_an_error_is_committed(&place.store(), &place.store()).await;
    });
}

#[test]
fn whoever_did_not_hear_the_answer_to_an_exchange_asks_again() {
    let place = Place::new();
    run(async {
        let database = Database::new(&place.url).unwrap();
        store::prepare(&database, SHARD).await.unwrap();
        let store = place.store();
        claims::an_exchange_is_repeated_only_for_whom_the_answer_was_lost(&store).await;
    });
}

#[test]
fn operators_are_those_of_whom_it_is_kept_who_made_them_so() {
    let place = Place::new();
    run(async {
        let database = Database::new(&place.url).unwrap();
        store::prepare(&database, SHARD).await.unwrap();
        claims::operators_are_those_whom_one_made_so(&place.store()).await;
    });
}

#[test]
fn a_wallet_has_so_many_log_ons_and_the_oldest_end() {
    let place = Place::new();
    run(async {
        let database = Database::new(&place.url).unwrap();
        store::prepare(&database, SHARD).await.unwrap();
        claims::the_oldest_log_ons_of_a_wallet_end(&place.store()).await;
    });
}

#[test]
fn commands_have_the_names_of_those_who_asked_for_them() {
    let place = Place::new();
    run(claims::commands_have_the_names_of_those_who_asked(
        &place.url,
    ));
}
