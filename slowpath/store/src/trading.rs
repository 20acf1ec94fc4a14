//! Questions about orders, trades and reports.

use crate::column::Values;
use crate::error::StoreError;
use crate::rows::{
    Order, OrderStatus, Rejection, ReplacedId, ReportRow, SelfTradePrevented, Trade,
};
use crate::store::{At, MAX_ROWS, Store, at_most, bound};
use domain::{
    AccountId, ClientOrderId, CommandKind, Event, Events, MarketId, Nanos, OrderId, Seq, SessionId,
};

/// Which orders of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Only of this market.
    pub market: Option<MarketId>,
    /// Only with this status.
    pub status: Option<OrderStatus>,
    /// Only those that can still trade.
    pub open_only: bool,
}

/// Where a list of orders goes on: behind this one, which was the last of the page before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderCursor {
    /// When it was accepted.
    pub created_seq: Seq,
    /// Which.
    pub order_id: OrderId,
}

/// What became of a new order that a client named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was accepted.
    Accepted(Order),
    /// It was refused.
    Refused(Rejection),
}

/// A private event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The session's report number.
    pub report_no: u64,
    /// Frame.
    pub seq: Seq,
    /// When, UTC ns.
    pub time: Nanos,
    /// What happened.
    pub event: Event,
}

impl Order {
    /// Where the list goes on behind this order.
    #[must_use]
    pub fn cursor(&self) -> OrderCursor {
        OrderCursor {
            created_seq: self.created_seq,
            order_id: self.order_id,
        }
    }
}

impl Store {
    /// An order by the engine's id.
    ///
    /// # Errors
    /// [`StoreError::Database`] if the database does not answer, as for every question.
    pub async fn order(&self, order_id: OrderId) -> Result<At<Option<Order>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default().with(&order_id);
        let order = question.first("WHERE order_id = $1", values).await?;
        question.answer(order).await
    }

    /// The orders among these ids, at most 500, in no order.
    ///
    /// # Errors
    /// As [`Store::order`].
    pub async fn orders_by_id(
        &self,
        ids: impl IntoIterator<Item = OrderId>,
    ) -> Result<At<Vec<Order>>, StoreError> {
        let mut question = self.ask().await?;
        let mut values = Values::default();
        let mut places = Vec::new();
        for (place, id) in (1..=MAX_ROWS).zip(ids) {
            values = values.with(&id);
            places.push(format!("${place}"));
        }
        if places.is_empty() {
            return question.answer(Vec::new()).await;
        }
        let rest = format!("WHERE order_id IN ({})", places.join(", "));
        let orders = question.all(&rest, values).await?;
        question.answer(orders).await
    }

    /// What became of the new orders that a session sent with this client order id: the last one that was
    /// accepted, which may have another id since, else the last refusal. What was refused never happened, so it hides
    /// no order.
    ///
    /// # Errors
    /// As [`Store::order`].
    pub async fn outcome(
        &self,
        (account, session): (AccountId, SessionId),
        client_order_id: ClientOrderId,
    ) -> Result<At<Option<Outcome>>, StoreError> {
        let mut question = self.ask().await?;
        let named = || {
            let values = Values::default().with(&account).with(&client_order_id);
            values.with(&session)
        };
        let accepted: Option<Order> = question
            .first(
                "WHERE account = $1 AND client_order_id = $2 AND session = $3 AND quote = 0 \
                 ORDER BY created_seq DESC LIMIT 1",
                named(),
            )
            .await?;
        if let Some(order) = accepted {
            return question.answer(Some(Outcome::Accepted(order))).await;
        }
        let replaced: Option<ReplacedId> = question
            .first(
                "WHERE account = $1 AND client_order_id = $2 AND session = $3 ORDER BY seq DESC LIMIT 1",
                named(),
            )
            .await?;
        if let Some(replaced) = replaced {
            let values = Values::default().with(&replaced.order_id);
            let order: Option<Order> = question.first("WHERE order_id = $1", values).await?;
            return question.answer(order.map(Outcome::Accepted)).await;
        }
        let refused: Option<Rejection> = question
            .first(
                "WHERE account = $1 AND client_order_id = $2 AND session = $3 AND command = $4 \
                 ORDER BY seq DESC LIMIT 1",
                named().with(&CommandKind::NewOrder),
            )
            .await?;
        question.answer(refused.map(Outcome::Refused)).await
    }

    /// Orders of an account, the newest first, at most `limit` (500).
    ///
    /// # Errors
    /// As [`Store::order`].
    pub async fn orders(
        &self,
        account: AccountId,
        filter: OrderFilter,
        behind: Option<OrderCursor>,
        limit: u32,
    ) -> Result<At<Vec<Order>>, StoreError> {
        let mut question = self.ask().await?;
        let mut values = Values::default().with(&account);
        let mut rest = "WHERE account = $1".to_owned();
        let mut place = 1;
        let mut next = || {
            place += 1;
            place
        };
        if filter.open_only {
            rest.push_str(&format!(" AND {}", OrderStatus::OPEN));
        }
        if let Some(status) = filter.status {
            rest.push_str(&format!(" AND status = ${}", next()));
            values = values.with(&status);
        }
        if let Some(market) = filter.market {
            rest.push_str(&format!(" AND market = ${}", next()));
            values = values.with(&market);
        }
        if let Some(cursor) = behind {
            let (seq, id) = (next(), next());
            rest.push_str(&format!(" AND (created_seq, order_id) < (${seq}, ${id})"));
            values = values
                .with(&bound(cursor.created_seq.0))
                .with(&cursor.order_id);
        }
        rest.push_str(&format!(
            " ORDER BY created_seq DESC, order_id DESC LIMIT ${}",
            next()
        ));
        let orders = question.all(&rest, values.with(&at_most(limit))).await?;
        question.answer(orders).await
    }

    /// Trades of a market below a trade id, the newest first, at most `limit` (500).
    ///
    /// # Errors
    /// As [`Store::order`].
    pub async fn trades_of_market(
        &self,
        market: MarketId,
        below: Option<u64>,
        limit: u32,
    ) -> Result<At<Vec<Trade>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default()
            .with(&market)
            .with(&bound(below.unwrap_or(u64::MAX)))
            .with(&at_most(limit));
        let trades = question
            .all(
                "WHERE market = $1 AND trade_id < $2 ORDER BY trade_id DESC LIMIT $3",
                values,
            )
            .await?;
        question.answer(trades).await
    }

    /// Trades of an account on either side, below a trade id, the newest first, at most `limit` (500).
    ///
    /// # Errors
    /// As [`Store::order`].
    pub async fn trades_of_account(
        &self,
        account: AccountId,
        below: Option<u64>,
        limit: u32,
    ) -> Result<At<Vec<Trade>>, StoreError> {
        let mut question = self.ask().await?;
        let mut trades: Vec<Trade> = Vec::new();
        // One index a side; a trade with oneself is in the first.
        for side in [
            "maker_account = $1",
            "taker_account = $1 AND maker_account <> $1",
        ] {
            let values = Values::default()
                .with(&account)
                .with(&bound(below.unwrap_or(u64::MAX)))
                .with(&at_most(limit));
            let rest = format!("WHERE {side} AND trade_id < $2 ORDER BY trade_id DESC LIMIT $3");
            trades.extend(question.all::<Trade>(&rest, values).await?);
        }
        trades.sort_unstable_by_key(|trade| std::cmp::Reverse(trade.trade_id));
        trades.truncate(usize::try_from(at_most(limit)).unwrap_or(0));
        question.answer(trades).await
    }

    /// What arriving orders of an account met of their own, the newest first, at most `limit` (500). `behind`: frame and
    /// report number of the last of the page before.
    ///
    /// # Errors
    /// As [`Store::order`].
    pub async fn self_trades(
        &self,
        account: AccountId,
        behind: Option<(Seq, u64)>,
        limit: u32,
    ) -> Result<At<Vec<SelfTradePrevented>>, StoreError> {
        let mut question = self.ask().await?;
        // In one frame one order arrives, whose session's report numbers these are.
        let (seq, report_no) = behind.unwrap_or((Seq(u64::MAX), u64::MAX));
        let values = Values::default()
            .with(&account)
            .with(&bound(seq.0))
            .with(&bound(report_no))
            .with(&at_most(limit));
        let rest = "WHERE account = $1 AND (seq, report_no) < ($2, $3) \
                    ORDER BY seq DESC, report_no DESC LIMIT $4";
        let found = question.all(rest, values).await?;
        question.answer(found).await
    }

    /// Reports of a session from a number on, at most `limit` (500): a stream goes on here.
    ///
    /// # Errors
    /// As [`Store::order`].
    pub async fn reports(
        &self,
        session: SessionId,
        from: u64,
        limit: u32,
    ) -> Result<At<Vec<Report>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default()
            .with(&session)
            .with(&bound(from))
            .with(&at_most(limit));
        let rows: Vec<ReportRow> = question
            .all(
                "WHERE session = $1 AND report_no >= $2 ORDER BY report_no LIMIT $3",
                values,
            )
            .await?;
        let reports = rows.iter().map(report).collect::<Result<_, _>>()?;
        question.answer(reports).await
    }
}

fn report(row: &ReportRow) -> Result<Report, StoreError> {
    let (words, rest) = row.payload.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let event = Events::new(&words).next();
    let (Some(Ok(event)), []) = (event, rest) else {
        return Err(StoreError::Unreadable {
            column: "payload".to_owned(),
            what: "event",
        });
    };
    Ok(Report {
        report_no: row.report_no,
        seq: row.seq,
        time: row.time,
        event,
    })
}
