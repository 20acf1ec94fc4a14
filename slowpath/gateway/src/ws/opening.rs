//! Streams that begin with what the history has: it may be behind, and then they wait for it beside the others.

use super::{Connection, End, number};
use crate::hub::{Stream, order_message, trade_message};
use crate::number::U64;
use crate::problem::Problem;
use crate::report::ApiReport;
use crate::state::App;
use crate::view::{ApiOrder, ApiTrade, wallet};
use domain::{Event, MarketId, OrderId, SessionId};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long the history may take to catch up with a resumed stream.
const HISTORY_PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks at it, which lags by some 100 ms.
const HISTORY_LOOK: Duration = Duration::from_millis(25);
/// Most trades that are sent again.
const TRADES_AGAIN: usize = 5000;

/// A stream that begins with what the history has: it waits until that has what the stream had when it was asked for.
pub(super) struct Opening {
    stream: Stream,
    /// The number behind which it resumes, if it does.
    after: Option<u64>,
    /// Its number when it was asked for.
    now: u64,
    /// The trades with which it begins, the newest first; none for a stream that has others.
    found: Result<Vec<store::Trade>, Problem>,
}

/// Comes when the history has what a stream begins with; never if none waits for it.
pub(super) async fn opened(opening: &mut JoinSet<Opening>) -> Opening {
    while let Some(opened) = opening.join_next().await {
        if let Ok(opened) = opened {
            return opened;
        }
    }
    std::future::pending().await
}

/// Streams that begin with what the history has.
impl Connection {
    /// Lets a stream wait for the history. `now` is its number.
    pub(super) fn wait(&mut self, stream: Stream, after: Option<u64>, now: u64) {
        let app = self.app.clone();
        // A task of its own, because it holds one of the few turns of the store, and a client that reads slowly would
        // keep the connection from going on with it.
        self.opening.spawn(async move {
            Opening {
                stream,
                after,
                now,
                found: Self::found(&app, stream, after).await,
            }
        });
    }

    /// What a stream begins with, once the history has all that the shadow engine has now. Nothing here tells the client
    /// anything: it runs beside its other streams.
    async fn found(
        app: &App,
        stream: Stream,
        after: Option<u64>,
    ) -> Result<Vec<store::Trade>, Problem> {
        Self::history(app).await?;
        match stream {
            Stream::Trades(market) => Self::trades(app, market, after).await,
            Stream::Book(_) | Stream::User(_) | Stream::Markets => Ok(Vec::new()),
        }
    }

    /// The history has what a stream begins with; what came since then the hub has.
    pub(super) async fn open(&mut self, opening: Opening) -> Result<(), End> {
        self.ensure_logged_on()?;
        let opened = self.open_or_refuse(opening).await?;
        self.tell_refusal(opened).await
    }

    async fn open_or_refuse(&mut self, opening: Opening) -> Result<Result<(), Problem>, End> {
        let Opening {
            stream,
            after,
            now,
            found,
        } = opening;
        let found = match found {
            Ok(found) => found,
            Err(problem) => return Ok(Err(problem)),
        };
        let until = found.first().map_or(now, |trade| trade.trade_id.max(now));
        let live = &self.app.live;
        let subscription = live.read(|engine, seq| {
            live.hub()
                .subscribe(stream, number(engine, seq, stream), Some(until))
        });
        if subscription.missed.is_none() {
            return Ok(Err(Problem::unavailable(
                "more has come than is kept while the history was asked: subscribe again",
            )));
        }
        let name = self.name(stream);
        match stream {
            Stream::Trades(market) => self.begin_trades(market, &name, after, &found).await?,
            Stream::User(session) => {
                let between = (after.unwrap_or(0), now);
                if let Err(problem) = self.replay(session, &name, between).await? {
                    return Ok(Err(problem));
                }
            }
            Stream::Book(_) | Stream::Markets => {}
        }
        self.follow(name, subscription, until).await?;
        Ok(Ok(()))
    }

    /// Waits until the history has what the shadow engine has now.
    async fn history(app: &App) -> Result<(), Problem> {
        let seq = app.live.read(|_, seq| seq);
        let begin = Instant::now();
        loop {
            if app.store.last_seq().await? >= seq {
                return Ok(());
            }
            if begin.elapsed() > HISTORY_PATIENCE {
                return Err(Problem::unavailable(
                    "the history is too far behind to begin this stream: subscribe again later",
                ));
            }
            tokio::time::sleep(HISTORY_LOOK).await;
        }
    }

    async fn begin_trades(
        &mut self,
        market: MarketId,
        name: &str,
        after: Option<u64>,
        trades: &[store::Trade],
    ) -> Result<(), End> {
        let symbol = self.app.live.hub().symbol(market);
        let last = trades
            .first()
            .map_or(after.unwrap_or(0), |trade| trade.trade_id);
        let views = trades.iter().rev();
        let mut views: Vec<ApiTrade> = views
            .map(|trade| ApiTrade::of_row(trade, &symbol))
            .collect();
        match after {
            Some(after) => {
                self.subscribed(name, true, after).await?;
                for trade in views.drain(..) {
                    self.tell(trade_message(&trade)).await?;
                }
            }
            None => {
                self.subscribed(name, false, last).await?;
                self.tell(json!({
                    "type": "MarketData", "stream": name, "sequence": U64(last),
                    "data": { "update_type": "TradesSnapshot", "trades": views },
                }))
                .await?;
            }
        }
        Ok(())
    }

    /// The trades after a number, or the last fifty; the newest first.
    async fn trades(
        app: &App,
        market: MarketId,
        after: Option<u64>,
    ) -> Result<Vec<store::Trade>, Problem> {
        let Some(after) = after else {
            return Ok(app.store.trades_of_market(market, None, 50).await?.value);
        };
        let mut trades: Vec<store::Trade> = Vec::new();
        loop {
            let below = trades.last().map(|trade| trade.trade_id);
            let page = app.store.trades_of_market(market, below, 500).await?.value;
            let end = page.len() < 500;
            let newer = page.into_iter().take_while(|trade| trade.trade_id > after);
            let before = trades.len();
            trades.extend(newer);
            if end || trades.len() - before < 500 {
                return Ok(trades);
            }
            if trades.len() >= TRADES_AGAIN {
                return Err(Problem::conflict(
                    "too-far-behind",
                    "Too much has happened since",
                    format!(
                        "more than {TRADES_AGAIN} trades were missed: read /api/v1/trades, then subscribe without resume_from"
                    ),
                ));
            }
        }
    }

    /// Sends the reports of a session after the first number up to the last from the history.
    async fn replay(
        &mut self,
        session: SessionId,
        name: &str,
        (after, last): (u64, u64),
    ) -> Result<Result<(), Problem>, End> {
        let Some(caller) = self.caller.clone() else {
            return Ok(Err(Problem::unauthenticated("authenticate first")));
        };
        let (app, owner) = (self.app.clone(), wallet(caller.wallet));
        self.subscribed(name, true, after).await?;
        let mut next = after + 1;
        while next <= last {
            self.ensure_logged_on()?;
            let page = self.app.store.reports(session, next, 500).await;
            let page = match page {
                Ok(page) => page.value,
                Err(error) => return Ok(Err(error.into())),
            };
            if page.is_empty() {
                return Ok(Err(Problem::unavailable(
                    "the history does not have these reports: subscribe without resume_from",
                )));
            }
            let orders = match Self::orders_of(&app, &page, &owner).await {
                Ok(orders) => orders,
                Err(problem) => return Ok(Err(problem)),
            };
            for report in page.iter().filter(|report| report.report_no <= last) {
                let order = order_of(&report.event).and_then(|id| orders.get(&id));
                let told = ApiReport::of(&report.event, |market| app.live.hub().symbol(market));
                let told = json!(told);
                let message = order_message(session, report.report_no, &json!(order), &told, true);
                self.tell(message).await?;
                next = report.report_no + 1;
            }
            if page.last().is_some_and(|report| report.report_no >= last) {
                break;
            }
        }
        Ok(Ok(()))
    }

    /// The orders that reports are about, as they are now.
    async fn orders_of(
        app: &App,
        reports: &[store::Report],
        owner: &str,
    ) -> Result<BTreeMap<OrderId, ApiOrder>, Problem> {
        let ids = reports.iter().filter_map(|report| order_of(&report.event));
        let ids: BTreeSet<OrderId> = ids.collect();
        let found = app.store.orders_by_id(ids).await?.value;
        let hub = app.live.hub();
        let orders = found.iter().map(|order| {
            let symbol = hub.symbol(order.market);
            let view = ApiOrder::of_row(order, &symbol, Some(owner.to_owned()));
            (order.order_id, view)
        });
        Ok(orders.collect())
    }
}

/// The order that an event is about.
fn order_of(event: &Event) -> Option<OrderId> {
    match event {
        Event::Accepted(e) => Some(e.order_id),
        Event::Fill(e) => Some(e.order_id),
        Event::Canceled(e) => Some(e.order_id),
        Event::Amended(e) => Some(e.order_id),
        Event::Rejected(e) => Some(e.order_id),
        Event::SelfTradePrevented(e) => Some(e.order_id),
        Event::Triggered(e) => Some(e.order_id),
        // Of no order that there is, of many, or no report.
        Event::NotApplied(_)
        | Event::MassCanceled(_)
        | Event::ProtectionSet(_)
        | Event::ProtectionReached(_)
        | Event::AttestationNoted(_)
        | Event::BookAdd(_)
        | Event::BookReduce(_)
        | Event::BookDelete(_)
        | Event::BookReplace(_)
        | Event::Trade(_)
        | Event::PhaseChanged(_)
        | Event::MarketDefined(_)
        | Event::MarketStateChanged(_)
        | Event::Uncrossed(_)
        | Event::Outcome(_)
        | Event::StateHash(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{ClientOrderId, EventKind, Price, Side, Triggered, Zero};

    #[test]
    fn a_replayed_report_of_a_stop_that_arrives_is_about_its_order() {
        let triggered = Event::Triggered(Triggered {
            kind: EventKind::Triggered,
            side: Side::Buy,
            pad: [Zero::Zero; 2],
            session: SessionId(1),
            report_no: 2,
            order_id: OrderId(3),
            client_order_id: ClientOrderId(4),
            price: Price(5),
            market: MarketId(0),
            pad2: [Zero::Zero; 4],
        });
        assert_eq!(order_of(&triggered), Some(OrderId(3)));
    }
}
