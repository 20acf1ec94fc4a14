//! The same store on PostgreSQL: a real server of the test's own, killed under load.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot do what it needs fails where that shows"
)]

mod claims;
mod exchange;
mod server;
mod tables;

use domain::{AccountId, MarketId, Nanos, OrderId, Seq, SessionId};
use exchange::{BEGIN, Exchange, SHARD, TRADERS};
use server::Server;
use store::{Database, Interval, OrderFilter, OrderStatus, Projector, Store, Written};
use tables::{assert_same, bring_up, busy, dump, run};

/// A SQLite store of the same journal: what it says is tested apart.
async fn reference(exchange: &Exchange) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let frames = exchange.frames.len();
    bring_up(&url, exchange, frames, frames).await.unwrap();
    (folder, url)
}

#[test]
fn it_holds_and_answers_what_sqlite_does() {
    let server = Server::start();
    let exchange = busy(31, 900);
    run(async {
        let url = server.database("same").await;
        let (_folder, sqlite) = reference(&exchange).await;
        bring_up(&url, &exchange, exchange.frames.len(), 50)
            .await
            .unwrap();
        assert_same(&dump(&url).await, &dump(&sqlite).await);
        let store = |url: &str| Store::new(&Database::new(url).unwrap(), 2);
        let (one, other) = (store(&url), store(&sqlite));
        assert_eq!(
            one.last_seq().await.unwrap(),
            Seq(exchange.frames.len() as u64)
        );
        for account in (0..TRADERS).map(AccountId) {
            same_of_account(&one, &other, account).await;
        }
        for market in [MarketId(0), MarketId(1)] {
            same_of_market(&one, &other, market, exchange.now).await;
        }
        assert_eq!(
            one.audited(Some(Seq(9)), 3).await.unwrap(),
            other.audited(Some(Seq(9)), 3).await.unwrap()
        );
        claims::operators_are_those_whom_one_made_so(&one).await;
        claims::a_token_is_exchanged_once(&one).await;
        claims::what_follows_an_error_is_committed(&one, &store(&url)).await;
        claims::the_oldest_log_ons_of_a_wallet_end(&one).await;
        claims::an_exchange_is_repeated_only_for_whom_the_answer_was_lost(&one).await;
    });
}

async fn same_of_account(one: &Store, other: &Store, account: AccountId) {
    assert_eq!(
        one.balances(account).await.unwrap(),
        other.balances(account).await.unwrap()
    );
    assert_eq!(
        one.trades_of_account(account, Some(50), 20).await.unwrap(),
        other
            .trades_of_account(account, Some(50), 20)
            .await
            .unwrap()
    );
    let session = SessionId(account.0);
    assert_eq!(
        one.reports(session, 7, 100).await.unwrap(),
        other.reports(session, 7, 100).await.unwrap()
    );
    let all = OrderFilter::default();
    let filters = [
        all,
        OrderFilter {
            open_only: true,
            ..all
        },
        OrderFilter {
            market: Some(MarketId(1)),
            status: Some(OrderStatus::Filled),
            ..all
        },
    ];
    for filter in filters {
        let page = one.orders(account, filter, None, 20).await.unwrap();
        assert_eq!(page, other.orders(account, filter, None, 20).await.unwrap());
        let cursor = page.value.last().map(store::Order::cursor);
        assert_eq!(
            one.orders(account, filter, cursor, 20).await.unwrap(),
            other.orders(account, filter, cursor, 20).await.unwrap()
        );
        for order in page.value {
            let (id, session) = (order.client_order_id, order.session);
            assert_eq!(
                one.outcome((account, session), id).await.unwrap(),
                other.outcome((account, session), id).await.unwrap()
            );
        }
    }
    let first = one.self_trades(account, None, 3).await.unwrap();
    assert_eq!(first, other.self_trades(account, None, 3).await.unwrap());
    let behind = first.value.last().map(|met| (met.seq, met.report_no));
    assert_eq!(
        one.self_trades(account, behind, 20).await.unwrap(),
        other.self_trades(account, behind, 20).await.unwrap()
    );
    assert_eq!(
        one.order(OrderId::first(3)).await.unwrap(),
        other.order(OrderId::first(3)).await.unwrap()
    );
}

async fn same_of_market(one: &Store, other: &Store, market: MarketId, now: Nanos) {
    assert_eq!(
        one.market_stats(market, now).await.unwrap(),
        other.market_stats(market, now).await.unwrap()
    );
    assert_eq!(
        one.trades_of_market(market, None, 30).await.unwrap(),
        other.trades_of_market(market, None, 30).await.unwrap()
    );
    assert_eq!(
        one.market_states(market, None, 9).await.unwrap(),
        other.market_states(market, None, 9).await.unwrap()
    );
    assert_eq!(
        one.auctions(market, None, 9).await.unwrap(),
        other.auctions(market, None, 9).await.unwrap()
    );
    for interval in Interval::ALL {
        let candles = one.candles(market, interval, BEGIN, now, 50).await.unwrap();
        assert_eq!(
            candles,
            other
                .candles(market, interval, BEGIN, now, 50)
                .await
                .unwrap()
        );
    }
}

#[test]
fn it_refuses_a_batch_that_does_not_follow() {
    let server = Server::start();
    run(async {
        let url = server.database("follow").await;
        claims::what_does_not_follow_is_refused(&url).await;
        let url = server.database("asked").await;
        claims::commands_have_the_names_of_those_who_asked(&url).await;
    });
}

/// What the slowpath's thread does: tries again after an error, starts again if the database went back.
/// `trouble` comes before every write. Answers with how many errors there were.
async fn follow(url: &str, exchange: &Exchange, mut trouble: impl FnMut(Seq)) -> usize {
    let mut errors = 0;
    'again: loop {
        let mut projector = match Projector::open(&Database::new(url).unwrap(), SHARD).await {
            Ok(projector) => projector,
            Err(error) => {
                assert!(error.can_pass(), "{error}");
                errors += 1;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        for frame in exchange.frames_of(1, exchange.frames.len()) {
            projector.take(&frame).unwrap();
            let is_last = frame.header.seq.0 == exchange.frames.len() as u64;
            if frame.header.seq.0 % 40 != 0 && !is_last {
                continue;
            }
            trouble(frame.header.seq);
            loop {
                match projector.write().await {
                    Ok(Written::Rows(_)) => break,
                    Ok(Written::StartAgain) => continue 'again,
                    Err(error) => {
                        assert!(error.can_pass(), "{error}");
                        errors += 1;
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    }
                }
            }
        }
        return errors;
    }
}

#[test]
fn killed_under_load_and_started_again_it_has_no_hole_and_no_double() {
    let mut server = Server::start();
    let exchange = busy(32, 3_000);
    run(async {
        let url = server.database("killed").await;
        let (_folder, sqlite) = reference(&exchange).await;
        let mut kills = 0;
        let killer = std::cell::RefCell::new((&mut server, &mut kills));
        let errors = follow(&url, &exchange, |seq| {
            let (server, kills) = &mut *killer.borrow_mut();
            // The delay makes it hit commits, statements and rest alike.
            if seq.0 % 400 == 0 && **kills < 12 {
                **kills += 1;
                server.kill_and_restart_after(std::time::Duration::from_micros(700 * **kills));
            }
        })
        .await;
        assert!(kills >= 7 && errors >= 3, "{kills} kills, {errors} errors");
        assert_same(&dump(&url).await, &dump(&sqlite).await);
    });
}
