//! From frames to rows. No I/O, no clock.

use crate::batch::Batch;
use crate::candles::OpenCandles;
use crate::carried::Carried;
use crate::error::StoreError;
use crate::rows::{
    Account, Asset, Auction, AuditEntry, Balance, Deposit, Market, MarketStateRow, MarketTotals,
    Order, OrderStatus, Rejection, ReplacedId, ReportRow, SelfTradePrevented, Session, Trade,
};
use core::num::NonZeroU64;
use domain::{
    AccountId, Amount, AssetId, Command, Event, EventKind, Fill, Flag, Liquidity, MarketId,
    MarketState, Nanos, OrderId, OrderType, OrderView, Price, Qty, Reason, Seq, SessionId, Side,
    Source, TimeInForce,
};
use engine::Engine;
use journal::{Chain, Frame};
use shadow::{Divergence, Shadow};
use std::collections::BTreeMap;
use zerocopy::IntoBytes as _;

/// Frames between two checks of conservation; the shadow engine makes them more often.
const CONSERVATION_INTERVAL: NonZeroU64 = NonZeroU64::new(1 << 24).expect("is not zero");

/// Follows the journal with an engine of its own and says what each frame changes in the tables.
pub struct Projection {
    shadow: Shadow,
    /// Orders that can still trade.
    open: BTreeMap<OrderId, Order>,
    /// The trade whose fills come next.
    trade: Option<Trade>,
    candles: OpenCandles,
    totals: BTreeMap<MarketId, MarketTotals>,
}

/// Where in the journal a row comes from.
#[derive(Clone, Copy)]
struct Place {
    seq: Seq,
    time: Nanos,
}

impl Projection {
    /// Before the first frame of a shard.
    #[must_use]
    pub fn new(shard: u16) -> Self {
        Self::of(Shadow::new(shard, CONSERVATION_INTERVAL))
    }

    /// Behind the last frame of a chain, with the state to which it led. Frames are to be replayed from there
    /// until [`Projection::carry_on`].
    pub(crate) fn behind(engine: Engine, chain: Chain) -> Self {
        Self::of(Shadow::behind(engine, chain, CONSERVATION_INTERVAL))
    }

    fn of(shadow: Shadow) -> Self {
        Self {
            shadow,
            open: BTreeMap::new(),
            trade: None,
            candles: OpenCandles::default(),
            totals: BTreeMap::new(),
        }
    }

    /// Applies the next frame, which has been projected before: only the engine follows.
    ///
    /// # Errors
    /// As [`Projection::step`].
    pub(crate) fn replay(&mut self, frame: &Frame<'_>) -> Result<(), Divergence> {
        self.shadow.step(frame)
    }

    /// The last frame that has been projected before was replayed: goes on from the rows that it left.
    ///
    /// # Errors
    /// [`StoreError::Orders`]: their open orders are not the engine's.
    pub(crate) fn carry_on(&mut self, carried: Carried) -> Result<(), StoreError> {
        let orders = carried.orders.into_iter();
        self.open = orders.map(|order| (order.order_id, order)).collect();
        let is_same = |live: OrderView| {
            self.open
                .get(&live.order_id)
                .is_some_and(|order| is_row_of(order, &live))
        };
        let engine = self.shadow.engine();
        if engine.live_orders() != self.open.len() || !engine.orders().all(is_same) {
            return Err(StoreError::Orders(self.last_seq()));
        }
        self.candles = OpenCandles::of(carried.candles);
        let totals = carried.totals.into_iter();
        self.totals = totals.map(|totals| (totals.market, totals)).collect();
        Ok(())
    }

    /// The engine, with the state after the last frame.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.shadow.engine()
    }

    /// The last frame that was projected; 0 if none.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.shadow.checked_seq()
    }

    /// Applies the next frame and adds the rows that it changes to `batch`.
    ///
    /// # Errors
    /// [`Divergence`]: the events are not those of the command. Nothing is added; this projection
    /// cannot go on.
    pub fn step(&mut self, frame: &Frame<'_>, batch: &mut Batch) -> Result<(), Divergence> {
        self.shadow.step(frame)?;
        let place = Place {
            seq: frame.header.seq,
            time: frame.header.engine_time,
        };
        let mut outcome = Reason::None;
        for event in frame.events().flatten() {
            if let Event::Outcome(event) = &event {
                outcome = event.reason;
            }
            Self::project_report(&event, place, batch);
            self.project_event(&event, &frame.command, place, batch);
        }
        self.project_command(frame, outcome, place, batch);
        batch.extend_to(frame);
        Ok(())
    }

    fn account_of(&self, session: SessionId) -> AccountId {
        let session = self.engine().session(session);
        session.expect("events name sessions that exist").account
    }

    fn project_report(event: &Event, place: Place, batch: &mut Batch) {
        let (Some((session, report_no)), Some((kind, payload))) = (event.report(), private(event))
        else {
            return;
        };
        batch.reports.push(ReportRow {
            session,
            report_no,
            seq: place.seq,
            time: place.time,
            kind,
            payload: payload.to_vec(),
        });
    }

    fn project_event(&mut self, event: &Event, command: &Command, place: Place, batch: &mut Batch) {
        match event {
            Event::Accepted(event) => self.accept(event, min_qty(command), place, batch),
            Event::Rejected(event) => batch.rejections.push(Rejection {
                session: event.session,
                report_no: event.report_no,
                account: self.account_of(event.session),
                client_order_id: event.client_order_id,
                order_id: event.order_id,
                command: event.command,
                reason: event.reason,
                seq: place.seq,
                time: place.time,
            }),
            Event::Trade(event) => self.trade = Some(self.begin_trade(event, place)),
            Event::Fill(event) => self.fill(event, place, batch),
            Event::Canceled(event) => self.change(event.order_id, place, batch, |order| {
                order.leaves = Qty::ZERO;
                order.status = OrderStatus::Canceled;
                order.reason = event.reason;
            }),
            Event::Amended(event) => self.amend(event, place, batch),
            Event::SelfTradePrevented(event) => self.prevent(event, place, batch),
            Event::Triggered(event) => self.change(event.order_id, place, batch, |order| {
                order.status = OrderStatus::New;
            }),
            Event::MarketStateChanged(event) => {
                begin_state(event.market, event.state, place, batch);
            }
            Event::MarketDefined(event) => begin_state(event.market, event.state, place, batch),
            Event::Uncrossed(event) => batch.auctions.push(Auction {
                market: event.market,
                seq: place.seq,
                price: event.price,
                qty: event.qty,
                time: place.time,
            }),
            Event::NotApplied(_)
            | Event::MassCanceled(_)
            | Event::ProtectionSet(_)
            | Event::ProtectionReached(_)
            | Event::AttestationNoted(_)
            | Event::BookAdd(_)
            | Event::BookReduce(_)
            | Event::BookDelete(_)
            | Event::PhaseChanged(_)
            | Event::BookReplace(_)
            | Event::Outcome(_)
            | Event::StateHash(_) => {}
        }
    }

    fn accept(&mut self, event: &domain::Accepted, min_qty: Qty, place: Place, batch: &mut Batch) {
        let order = Order {
            order_id: event.order_id,
            session: event.session,
            account: self.account_of(event.session),
            client_order_id: event.client_order_id,
            market: event.market,
            side: event.side,
            order_type: event.order_type,
            time_in_force: event.time_in_force,
            post_only: event.post_only,
            min_qty,
            self_trade: event.self_trade,
            self_trade_scope: event.self_trade_scope,
            expires: event.expires,
            display_qty: event.display_qty,
            trigger_price: event.trigger_price,
            quote: event.quote,
            price: event.price,
            qty: event.qty,
            filled: Qty::ZERO,
            leaves: event.qty,
            notional: 0,
            status: if event.order_type.waits() {
                OrderStatus::Waiting
            } else {
                OrderStatus::New
            },
            reason: Reason::None,
            created_seq: place.seq,
            created_time: place.time,
            updated_seq: place.seq,
            updated_time: place.time,
        };
        self.open.insert(order.order_id, order);
        self.change(event.order_id, place, batch, |_| {});
    }

    fn amend(&mut self, event: &domain::Amended, place: Place, batch: &mut Batch) {
        let before = self.open.get(&event.order_id);
        let before = before.expect("events name orders that are open");
        // Nobody looks for a quote by an id that it had.
        if before.client_order_id != event.client_order_id && !before.quote.is_yes() {
            batch.replaced_ids.push(ReplacedId {
                account: before.account,
                session: before.session,
                client_order_id: before.client_order_id,
                order_id: event.order_id,
                seq: place.seq,
            });
        }
        self.change(event.order_id, place, batch, |order| {
            order.client_order_id = event.client_order_id;
            // A stop without a limit is amended without a price and keeps its worst.
            if order.order_type.has_limit() {
                order.price = event.price;
            }
            order.qty = event.qty;
            order.leaves = event.leaves;
        });
    }

    /// The arriving order may have become smaller; what became of the resting one, its own events say.
    fn prevent(&mut self, event: &domain::SelfTradePrevented, place: Place, batch: &mut Batch) {
        batch.self_trades.push(SelfTradePrevented {
            session: event.session,
            report_no: event.report_no,
            account: self.account_of(event.session),
            order_id: event.order_id,
            maker_order: event.maker_order_id,
            market: event.market,
            price: event.price,
            qty: event.qty,
            self_trade: event.self_trade,
            seq: place.seq,
            time: place.time,
        });
        self.change(event.order_id, place, batch, |order| {
            let qty = order.filled.checked_add(event.leaves);
            order.qty = qty.expect("no more than before");
            order.leaves = event.leaves;
        });
    }

    /// Changes an open order, puts it and the balance that it holds into the batch, and forgets it
    /// if it is done.
    fn change(
        &mut self,
        order_id: OrderId,
        place: Place,
        batch: &mut Batch,
        change: impl FnOnce(&mut Order),
    ) {
        let order = self
            .open
            .get_mut(&order_id)
            .expect("events name orders that are open");
        change(order);
        order.updated_seq = place.seq;
        order.updated_time = place.time;
        let order = order.clone();
        if !order.status.is_open() {
            self.open.remove(&order_id);
        }
        // A market buy holds nothing, but one that waits or waited.
        if order.side == Side::Sell || order.order_type != OrderType::Market {
            let (base, quote) = self.assets_of(order.market);
            let held = match order.side {
                Side::Buy => quote,
                Side::Sell => base,
            };
            self.touch(order.account, held, place, batch);
        }
        batch.orders.insert(order_id, order);
    }

    fn begin_trade(&self, event: &domain::Trade, place: Place) -> Trade {
        let order = |id| {
            let order: &Order = self.open.get(&id).expect("orders that trade are open");
            (order.account, order.session)
        };
        let (maker_account, maker_session) = order(event.maker_order_id);
        let (taker_account, taker_session) = order(event.taker_order_id);
        let terms = self.engine().market_terms(event.market);
        let tick_value = terms.expect("trades are in markets that exist").tick_value;
        let notional = Amount::notional(event.price, event.qty, tick_value);
        Trade {
            trade_id: event.trade_id,
            market: event.market,
            price: event.price,
            qty: event.qty,
            notional: notional.expect("somebody paid it"),
            taker_side: event.taker_side,
            maker_order: event.maker_order_id,
            maker_account,
            maker_session,
            maker_fee: Amount::ZERO,
            maker_is_rebate: Flag::No,
            taker_order: event.taker_order_id,
            taker_account,
            taker_session,
            taker_fee: Amount::ZERO,
            seq: place.seq,
            time: place.time,
        }
    }

    /// The maker's fill comes first, the taker's completes the trade.
    fn fill(&mut self, event: &Fill, place: Place, batch: &mut Batch) {
        let mut trade = self.trade.take().expect("fills follow their trade");
        let notional = u128::from(trade.notional.0);
        self.change(event.order_id, place, batch, |order| {
            let filled = order.filled.checked_add(event.qty);
            order.filled = filled.expect("a part of the order's quantity");
            order.leaves = event.leaves;
            order.notional += notional;
            order.status = if event.leaves == Qty::ZERO {
                OrderStatus::Filled
            } else {
                OrderStatus::PartiallyFilled
            };
        });
        let (base, quote) = self.assets_of(event.market);
        let account = self.account_of(event.session);
        for asset in [base, quote] {
            self.touch(account, asset, place, batch);
        }
        match event.liquidity {
            Liquidity::Maker => {
                trade.maker_fee = event.fee;
                trade.maker_is_rebate = event.is_rebate;
                self.trade = Some(trade);
            }
            Liquidity::Taker => {
                trade.taker_fee = event.fee;
                self.finish_trade(trade, batch);
            }
        }
    }

    fn finish_trade(&mut self, trade: Trade, batch: &mut Batch) {
        for candle in self.candles.add(&trade) {
            let key = (candle.market, candle.interval, candle.open_time);
            batch.candles.insert(key, candle.clone());
        }
        let before = self.totals.get(&trade.market);
        let (volume, quote_volume, trades) = before.map_or((0, 0, 0), |totals| {
            (totals.volume, totals.quote_volume, totals.trades)
        });
        let totals = MarketTotals {
            market: trade.market,
            last_trade: trade.trade_id,
            last_price: trade.price,
            last_qty: trade.qty,
            last_time: trade.time,
            volume: volume + u128::from(trade.qty.0),
            quote_volume: quote_volume + u128::from(trade.notional.0),
            trades: trades + 1,
            seq: trade.seq,
        };
        self.totals.insert(trade.market, totals.clone());
        batch.totals.insert(trade.market, totals);
        batch.trades.push(trade);
    }

    fn assets_of(&self, market: MarketId) -> (AssetId, AssetId) {
        let terms = self.engine().market_terms(market);
        let terms = terms.expect("orders stand in markets that exist");
        (terms.base, terms.quote)
    }

    /// Puts a balance as it is after this frame into the batch.
    fn touch(&self, account: AccountId, asset: AssetId, place: Place, batch: &mut Batch) {
        let balance = self.engine().balance(account, asset);
        let (available, held) = balance.expect("account and asset exist");
        let balance = Balance {
            account,
            asset,
            available,
            held,
            seq: place.seq,
        };
        batch.balances.insert((account, asset), balance);
    }

    fn project_command(&self, frame: &Frame<'_>, outcome: Reason, place: Place, batch: &mut Batch) {
        let Place { seq, time } = place;
        // The exchange itself confirms attestations, up to a hundred times a second: nobody asked for that.
        let is_asked = !matches!(frame.command, Command::ConfirmAttestation(_));
        if frame.header.source == Source::ADMINISTRATION && is_asked {
            batch.audit.push(AuditEntry {
                seq,
                time,
                number: frame.header.source_seq,
                command: frame.command.kind(),
                payload: frame.command.body().to_vec(),
                reason: outcome,
            });
        }
        if let Command::Deposit(command) = &frame.command
            && frame.header.source.session().is_none()
        {
            batch.deposits.push(Deposit {
                seq,
                time,
                source: frame.header.source,
                number: frame.header.source_seq,
                account: command.account,
                asset: command.asset,
                amount: command.amount,
                reason: outcome,
            });
        }
        if outcome == Reason::None && frame.header.source.session().is_none() {
            self.project_creation(&frame.command, place, batch);
        }
    }

    /// What a command made that was not refused.
    fn project_creation(&self, command: &Command, place: Place, batch: &mut Batch) {
        let Place { seq, time } = place;
        match command {
            Command::CreateAsset(command) => batch.assets.push(Asset {
                asset: command.asset,
                decimals: command.decimals,
                symbol: text(&command.symbol),
                seq,
            }),
            Command::CreateMarket(command) => batch.markets.push(market(command, seq)),
            Command::CreateAccount(command) => batch.accounts.push(Account {
                account: command.account,
                firm: command.firm,
                owner: (command.owner != [0; 32]).then_some(command.owner),
                seq,
                time,
            }),
            Command::OpenSession(command) => batch.sessions.push(Session {
                session: command.session,
                account: command.account,
                public_key: command.delegation.public_key,
                seq,
                time,
            }),
            Command::Deposit(command) => self.touch(command.account, command.asset, place, batch),
            Command::CollectFees(command) => {
                self.touch(command.account, command.asset, place, batch);
            }
            Command::NewOrder(_)
            | Command::CancelOrder(_)
            | Command::AmendOrder(_)
            | Command::MassCancel(_)
            | Command::KillSwitch(_)
            | Command::Quote(_)
            | Command::SetProtection(_)
            | Command::Attest(_)
            | Command::SetTier(_)
            | Command::SetLimits(_)
            | Command::SetFees(_)
            | Command::SetMarketState(_)
            | Command::SetCollar(_)
            | Command::DelistMarket(_)
            | Command::ConfirmAttestation(_)
            | Command::Continue(_)
            | Command::Timer(_)
            | Command::Checkpoint(_)
            | Command::Recovered(_)
            | Command::EngineVersion(_)
            | Command::Delegate(_)
            | Command::Genesis(_) => {}
        }
    }
}

/// Whether a row says of an order what the engine does.
fn is_row_of(order: &Order, live: &OrderView) -> bool {
    // A market order that sweeps or waits has no price of its own: the row says the worst, and so does the engine of one
    // that waits.
    let waits = order.status == OrderStatus::Waiting;
    let (price, worst_price) = match (order.order_type.has_limit(), waits) {
        (true, _) => (order.price, Price(0)),
        (false, true) => (Price(0), order.price),
        (false, false) => (Price(0), Price(0)),
    };
    let trigger_price = if waits { order.trigger_price } else { Price(0) };
    let until_close = order.time_in_force == TimeInForce::GoodTillClose;
    let own = (order.post_only, order.self_trade, order.self_trade_scope);
    (order.session, order.client_order_id) == (live.session, live.client_order_id)
        && (order.market, order.side, price) == (live.market, live.side, live.price)
        && own == (live.post_only, live.self_trade, live.self_trade_scope)
        && (until_close, order.expires) == (live.until_close, live.expires)
        && (order.display_qty, trigger_price) == (live.display_qty, live.trigger_price)
        && (worst_price, order.quote.is_yes()) == (live.worst_price, live.quote)
        && (order.leaves, order.filled) == (live.leaves, live.filled)
}

/// Of a new order, which alone is accepted: `Accepted` does not say it.
fn min_qty(command: &Command) -> Qty {
    if let Command::NewOrder(order) = command {
        return order.min_qty;
    }
    Qty::ZERO
}

fn begin_state(market: MarketId, state: MarketState, place: Place, batch: &mut Batch) {
    batch.market_states.push(MarketStateRow {
        market,
        seq: place.seq,
        state,
        time: place.time,
    });
}

fn market(command: &domain::CreateMarket, seq: Seq) -> Market {
    Market {
        market: command.market,
        base: command.base,
        quote: command.quote,
        maker_fee_ppm: command.maker_fee_ppm,
        taker_fee_ppm: command.taker_fee_ppm,
        price_levels: command.price_levels,
        tick_value: command.tick_value,
        lot_size: command.lot_size,
        min_qty: command.min_qty,
        price_min: command.price_min,
        symbol: text(&command.symbol),
        seq,
    }
}

/// A name that is filled up with zeros. A database takes no zero within text.
fn text(symbol: &[u8; 16]) -> String {
    let end = symbol.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&symbol[..end.unwrap_or(symbol.len())]).into_owned()
}

/// Kind and bytes of a private event.
fn private(event: &Event) -> Option<(EventKind, &[u8])> {
    match event {
        Event::Accepted(event) => Some((event.kind, event.as_bytes())),
        Event::Rejected(event) => Some((event.kind, event.as_bytes())),
        Event::Fill(event) => Some((event.kind, event.as_bytes())),
        Event::Canceled(event) => Some((event.kind, event.as_bytes())),
        Event::Amended(event) => Some((event.kind, event.as_bytes())),
        Event::NotApplied(event) => Some((event.kind, event.as_bytes())),
        Event::SelfTradePrevented(event) => Some((event.kind, event.as_bytes())),
        Event::MassCanceled(event) => Some((event.kind, event.as_bytes())),
        Event::Triggered(event) => Some((event.kind, event.as_bytes())),
        Event::ProtectionSet(event) => Some((event.kind, event.as_bytes())),
        Event::ProtectionReached(event) => Some((event.kind, event.as_bytes())),
        Event::AttestationNoted(event) => Some((event.kind, event.as_bytes())),
        Event::BookAdd(_)
        | Event::BookReduce(_)
        | Event::BookDelete(_)
        | Event::Trade(_)
        | Event::PhaseChanged(_)
        | Event::MarketDefined(_)
        | Event::BookReplace(_)
        | Event::MarketStateChanged(_)
        | Event::Uncrossed(_)
        | Event::Outcome(_)
        | Event::StateHash(_) => None,
    }
}
