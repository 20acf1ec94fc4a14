//! Events: every one of them takes its number here.

use crate::engine::Engine;
use crate::fees::Fee;
use crate::orders::Order;
use crate::protection::Protection;
use domain::{
    Accepted, Amended, AttestationNoted, BookAdd, BookDelete, BookReduce, BookReplace, Canceled,
    ClientOrderId, CommandKind, CreateMarket, Effects, EventKind, Fill, Flag, Liquidity,
    MarketDefined, MarketId, MarketState, MarketStateChanged, MassCanceled, NewOrder, NotApplied,
    OrderId, Outcome, PhaseChanged, Price, ProtectionReached, ProtectionSet, Qty, Reason, Rejected,
    SelfTradePrevented, SessionId, SetProtection, Trade, Triggered, Uncrossed, Zero,
};

const Z: Zero = Zero::Zero;

/// What both sides' reports of one trade have in common.
#[derive(Clone, Copy)]
pub(crate) struct TradeTerms {
    pub(crate) trade_id: u64,
    /// The resting order's.
    pub(crate) price: Price,
    pub(crate) qty: Qty,
}

impl Engine {
    pub(crate) fn take_trade_id(&mut self) -> u64 {
        let id = self.next_trade_id;
        self.next_trade_id += 1;
        id
    }

    fn take_feed_no(&mut self) -> u64 {
        let no = self.next_feed_no;
        self.next_feed_no += 1;
        no
    }

    fn take_report_no(&mut self, session: SessionId) -> u64 {
        let next = self.sessions.hot(session.0).next_report_no;
        let no = *next;
        *next += 1;
        no
    }

    pub(crate) fn report_not_applied(
        &mut self,
        session: SessionId,
        from: u64,
        count: u64,
        out: &mut Effects,
    ) {
        out.push(&NotApplied {
            kind: EventKind::NotApplied,
            pad: [Z; 3],
            session,
            report_no: self.take_report_no(session),
            from,
            count,
        });
    }

    /// Refuses a command that names an order, or means to make one.
    pub(crate) fn report_rejected(
        &mut self,
        session: SessionId,
        command: CommandKind,
        named: (OrderId, ClientOrderId),
        reason: Reason,
        out: &mut Effects,
    ) {
        out.push(&Rejected {
            kind: EventKind::Rejected,
            pad: Z,
            reason,
            session,
            report_no: self.take_report_no(session),
            order_id: named.0,
            client_order_id: named.1,
            command,
            pad2: [Z; 6],
        });
    }

    /// Refuses a command that no session may send.
    pub(crate) fn report_not_for_sessions(
        &mut self,
        session: SessionId,
        command: CommandKind,
        out: &mut Effects,
    ) {
        let named = (OrderId::NONE, ClientOrderId(0));
        self.report_rejected(session, command, named, Reason::UnknownSession, out);
    }

    /// `price` is that at which the order is taken, or the worst of a market order.
    pub(crate) fn report_accepted(
        &mut self,
        order: &Order,
        command: &NewOrder,
        price: Price,
        out: &mut Effects,
    ) {
        out.push(&Accepted {
            kind: EventKind::Accepted,
            side: command.side,
            order_type: command.order_type,
            time_in_force: command.time_in_force,
            session: order.session,
            report_no: self.take_report_no(order.session),
            order_id: order.id,
            client_order_id: command.client_order_id,
            price,
            qty: command.qty,
            expires: command.expires,
            display_qty: command.display_qty,
            trigger_price: command.trigger_price,
            market: command.market,
            post_only: command.post_only,
            self_trade: command.self_trade,
            self_trade_scope: command.self_trade_scope,
            quote: Flag::from(order.instructions.is_quote()),
        });
    }

    /// `price` is the limit of a stop that arrives, or the worst.
    pub(crate) fn report_triggered(&mut self, order: &Order, price: Price, out: &mut Effects) {
        out.push(&Triggered {
            kind: EventKind::Triggered,
            side: order.side,
            pad: [Z; 2],
            session: order.session,
            report_no: self.take_report_no(order.session),
            order_id: order.id,
            client_order_id: order.client_order_id,
            price,
            market: order.market(),
            pad2: [Z; 4],
        });
    }

    pub(crate) fn report_attestation_noted(
        &mut self,
        session: SessionId,
        level: u64,
        out: &mut Effects,
    ) {
        out.push(&AttestationNoted {
            kind: EventKind::AttestationNoted,
            pad: [Z; 3],
            session,
            report_no: self.take_report_no(session),
            level,
        });
    }

    pub(crate) fn report_trade(
        &mut self,
        terms: TradeTerms,
        maker: &Order,
        taker: &Order,
        out: &mut Effects,
    ) {
        out.push(&Trade {
            kind: EventKind::Trade,
            taker_side: taker.side,
            pad: [Z; 2],
            market: maker.market(),
            feed_no: self.take_feed_no(),
            trade_id: terms.trade_id,
            maker_order_id: maker.id,
            taker_order_id: taker.id,
            price: terms.price,
            qty: terms.qty,
            maker_leaves: self.orders.shown(maker),
        });
    }

    /// The fill of one side; `order` is as the trade left it.
    pub(crate) fn report_fill(
        &mut self,
        terms: TradeTerms,
        order: &Order,
        liquidity: Liquidity,
        fee: Fee,
        out: &mut Effects,
    ) {
        out.push(&Fill {
            kind: EventKind::Fill,
            side: order.side,
            liquidity,
            pad: Z,
            session: order.session,
            report_no: self.take_report_no(order.session),
            order_id: order.id,
            client_order_id: order.client_order_id,
            trade_id: terms.trade_id,
            price: terms.price,
            qty: terms.qty,
            leaves: order.leaves,
            fee: fee.amount(),
            market: order.market(),
            is_rebate: Flag::from(fee.is_rebate()),
            pad2: [Z; 3],
        });
    }

    pub(crate) fn report_canceled(&mut self, order: &Order, reason: Reason, out: &mut Effects) {
        out.push(&Canceled {
            kind: EventKind::Canceled,
            pad: Z,
            reason,
            session: order.session,
            report_no: self.take_report_no(order.session),
            order_id: order.id,
            client_order_id: order.client_order_id,
            qty: order.leaves,
            market: order.market(),
            pad2: [Z; 4],
        });
    }

    /// `taker` is as prevention leaves it, unless it ends by that.
    pub(crate) fn report_self_trade_prevented(
        &mut self,
        taker: &Order,
        maker: &Order,
        qty: Qty,
        out: &mut Effects,
    ) {
        out.push(&SelfTradePrevented {
            kind: EventKind::SelfTradePrevented,
            self_trade: taker.instructions.self_trade(),
            pad: [Z; 2],
            session: taker.session,
            report_no: self.take_report_no(taker.session),
            order_id: taker.id,
            client_order_id: taker.client_order_id,
            maker_order_id: maker.id,
            price: maker.price,
            qty,
            leaves: taker.leaves,
            market: taker.market(),
            pad2: [Z; 4],
        });
    }

    pub(crate) fn report_mass_canceled(
        &mut self,
        session: SessionId,
        request: u64,
        count: u64,
        out: &mut Effects,
    ) {
        out.push(&MassCanceled {
            kind: EventKind::MassCanceled,
            pad: [Z; 3],
            session,
            report_no: self.take_report_no(session),
            request,
            count,
        });
    }

    pub(crate) fn report_protection_set(
        &mut self,
        session: SessionId,
        command: &SetProtection,
        out: &mut Effects,
    ) {
        out.push(&ProtectionSet {
            kind: EventKind::ProtectionSet,
            pad: [Z; 3],
            session,
            report_no: self.take_report_no(session),
            request: command.request,
            market: command.market,
            pad2: [Z; 4],
        });
    }

    pub(crate) fn report_protection_reached(
        &mut self,
        session: SessionId,
        market: MarketId,
        protection: &Protection,
        out: &mut Effects,
    ) {
        out.push(&ProtectionReached {
            kind: EventKind::ProtectionReached,
            pad: [Z; 3],
            session,
            report_no: self.take_report_no(session),
            qty: protection.qty,
            notional: protection.notional,
            fills: protection.fills,
            market,
        });
    }

    /// `order` is as the amendment left it.
    pub(crate) fn report_amended(&mut self, order: &Order, kept_priority: Flag, out: &mut Effects) {
        out.push(&Amended {
            kind: EventKind::Amended,
            kept_priority,
            pad: [Z; 2],
            session: order.session,
            report_no: self.take_report_no(order.session),
            order_id: order.id,
            client_order_id: order.client_order_id,
            price: order.price,
            qty: order.total(),
            leaves: order.leaves,
            market: order.market(),
            pad2: [Z; 4],
        });
    }

    pub(crate) fn publish_add(&mut self, order: &Order, out: &mut Effects) {
        out.push(&BookAdd {
            kind: EventKind::BookAdd,
            side: order.side,
            pad: [Z; 2],
            market: order.market(),
            feed_no: self.take_feed_no(),
            order_id: order.id,
            price: order.price,
            qty: self.orders.shown(order),
        });
    }

    pub(crate) fn publish_reduce(&mut self, order: &Order, out: &mut Effects) {
        out.push(&BookReduce {
            kind: EventKind::BookReduce,
            side: order.side,
            pad: [Z; 2],
            market: order.market(),
            feed_no: self.take_feed_no(),
            order_id: order.id,
            leaves: self.orders.shown(order),
        });
    }

    pub(crate) fn publish_delete(&mut self, order: &Order, out: &mut Effects) {
        out.push(&BookDelete {
            kind: EventKind::BookDelete,
            side: order.side,
            pad: [Z; 2],
            market: order.market(),
            feed_no: self.take_feed_no(),
            order_id: order.id,
        });
    }

    pub(crate) fn publish_replace(&mut self, order: &Order, out: &mut Effects) {
        out.push(&BookReplace {
            kind: EventKind::BookReplace,
            side: order.side,
            pad: [Z; 2],
            market: order.market(),
            feed_no: self.take_feed_no(),
            order_id: order.id,
            price: order.price,
            qty: self.orders.shown(order),
        });
    }

    /// Announces a market whose assets were found to exist.
    pub(crate) fn publish_definition(&mut self, terms: &CreateMarket, out: &mut Effects) {
        let feed_no = self.take_feed_no();
        let asset = |id| self.asset_terms(id).expect("a market's assets exist");
        let (base, quote) = (asset(terms.base), asset(terms.quote));
        out.push(&MarketDefined {
            kind: EventKind::MarketDefined,
            base_decimals: base.decimals,
            quote_decimals: quote.decimals,
            state: terms.state,
            market: terms.market,
            feed_no,
            base: terms.base,
            quote: terms.quote,
            maker_fee_ppm: terms.maker_fee_ppm,
            taker_fee_ppm: terms.taker_fee_ppm,
            price_levels: terms.price_levels,
            pad2: [Z; 4],
            tick_value: terms.tick_value,
            lot_size: terms.lot_size,
            min_qty: terms.min_qty,
            price_min: terms.price_min,
            symbol: terms.symbol,
            base_symbol: base.symbol,
            quote_symbol: quote.symbol,
        });
    }

    pub(crate) fn publish_market_state(
        &mut self,
        market: MarketId,
        state: MarketState,
        out: &mut Effects,
    ) {
        out.push(&MarketStateChanged {
            kind: EventKind::MarketStateChanged,
            state,
            pad: [Z; 2],
            market,
            feed_no: self.take_feed_no(),
        });
    }

    pub(crate) fn publish_uncrossed(
        &mut self,
        market: MarketId,
        price: Price,
        qty: Qty,
        out: &mut Effects,
    ) {
        out.push(&Uncrossed {
            kind: EventKind::Uncrossed,
            pad: [Z; 3],
            market,
            feed_no: self.take_feed_no(),
            price,
            qty,
        });
    }

    pub(crate) fn report_phase(&mut self, out: &mut Effects) {
        out.push(&PhaseChanged {
            kind: EventKind::PhaseChanged,
            phase: self.phase,
            pad: [Z; 6],
            feed_no: self.take_feed_no(),
        });
    }

    pub(crate) fn report_outcome(command: CommandKind, reason: Reason, out: &mut Effects) {
        out.push(&Outcome {
            kind: EventKind::Outcome,
            pad: Z,
            reason,
            command,
            pad2: [Z; 2],
        });
    }
}
