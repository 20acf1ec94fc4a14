//! The events, with the numbers that sessions and the feed count them by.

use crate::{
    Mutant, NaiveEngine,
    administration::Answer,
    fees::Charge,
    naive::{Order, Protection},
};
use domain::{
    Accepted, Amended, Amount, AttestationNoted, BookAdd, BookDelete, BookReduce, BookReplace,
    Canceled, ClientOrderId, CommandKind, CreateMarket, Effects, EventKind, Fill, Flag, Liquidity,
    MarketDefined, MarketId, MarketState, MarketStateChanged, MassCanceled, NewOrder, NotApplied,
    OrderId, Outcome, PhaseChanged, Price, ProtectionReached, ProtectionSet, Qty, Reason, Rejected,
    SelfTradePrevented, SessionId, SetProtection, StateHash, Trade, Triggered, Uncrossed, Zero,
};

impl NaiveEngine {
    fn take_report_no(&mut self, session: SessionId) -> u64 {
        let session = self
            .sessions
            .get_mut(&session)
            .expect("reports go to sessions that exist");
        let number = session.next_report_no;
        session.next_report_no += 1;
        number
    }

    fn take_feed_no(&mut self) -> u64 {
        let number = self.next_feed_no;
        self.next_feed_no += 1;
        number
    }

    pub(crate) fn report_skipped(
        &mut self,
        session: SessionId,
        last: u64,
        number: u64,
        out: &mut Effects,
    ) {
        let skipped = number - last - 1;
        if skipped == 0 {
            return;
        }
        let event = NotApplied {
            kind: EventKind::NotApplied,
            pad: [Zero::Zero; 3],
            session,
            report_no: self.take_report_no(session),
            from: last + 1,
            count: skipped + u64::from(self.is(Mutant::NotAppliedCountsOneMore)),
        };
        out.push(&event);
    }

    pub(crate) fn report_rejected(
        &mut self,
        session: SessionId,
        command: CommandKind,
        (order_id, client_order_id): (OrderId, ClientOrderId),
        reason: Reason,
        out: &mut Effects,
    ) {
        let event = Rejected {
            kind: EventKind::Rejected,
            pad: Zero::Zero,
            reason,
            session,
            report_no: self.take_report_no(session),
            order_id,
            client_order_id,
            command,
            pad2: [Zero::Zero; 6],
        };
        out.push(&event);
    }

    pub(crate) fn report_accepted(&mut self, order: &Order, new: &NewOrder, out: &mut Effects) {
        let event = Accepted {
            kind: EventKind::Accepted,
            side: new.side,
            order_type: new.order_type,
            time_in_force: new.time_in_force,
            session: order.session,
            report_no: self.take_report_no(order.session),
            order_id: order.id,
            client_order_id: new.client_order_id,
            price: new.price,
            qty: new.qty,
            expires: new.expires,
            display_qty: new.display_qty,
            trigger_price: new.trigger_price,
            market: new.market,
            post_only: new.post_only,
            self_trade: new.self_trade,
            self_trade_scope: new.self_trade_scope,
            quote: Flag::from(order.quote),
        };
        out.push(&event);
    }

    pub(crate) fn report_triggered(&mut self, order: &Order, price: Price, out: &mut Effects) {
        let event = Triggered {
            kind: EventKind::Triggered,
            side: order.side,
            pad: [Zero::Zero; 2],
            session: order.session,
            report_no: self.take_report_no(order.session),
            order_id: order.id,
            client_order_id: order.client_order_id,
            price,
            market: order.market,
            pad2: [Zero::Zero; 4],
        };
        out.push(&event);
    }

    pub(crate) fn report_canceled(&mut self, order: &Order, reason: Reason, out: &mut Effects) {
        let event = Canceled {
            kind: EventKind::Canceled,
            pad: Zero::Zero,
            reason,
            session: order.session,
            report_no: self.take_report_no(order.session),
            order_id: order.id,
            client_order_id: order.client_order_id,
            qty: order.leaves,
            market: order.market,
            pad2: [Zero::Zero; 4],
        };
        out.push(&event);
    }

    pub(crate) fn report_amended(
        &mut self,
        order: &Order,
        kept_priority: Flag,
        total: Qty,
        out: &mut Effects,
    ) {
        let event = Amended {
            kind: EventKind::Amended,
            kept_priority,
            pad: [Zero::Zero; 2],
            session: order.session,
            report_no: self.take_report_no(order.session),
            order_id: order.id,
            client_order_id: order.client_order_id,
            price: order.price,
            qty: total,
            leaves: order.leaves,
            market: order.market,
            pad2: [Zero::Zero; 4],
        };
        out.push(&event);
    }

    /// An arriving order did not trade with one of its own. `leaves` are what it is left with.
    pub(crate) fn report_prevented(
        &mut self,
        order: &Order,
        maker: &Order,
        (qty, leaves): (Qty, Qty),
        out: &mut Effects,
    ) {
        let event = SelfTradePrevented {
            kind: EventKind::SelfTradePrevented,
            self_trade: order.self_trade,
            pad: [Zero::Zero; 2],
            session: order.session,
            report_no: self.take_report_no(order.session),
            order_id: order.id,
            client_order_id: order.client_order_id,
            maker_order_id: maker.id,
            price: maker.price,
            qty,
            leaves,
            market: order.market,
            pad2: [Zero::Zero; 4],
        };
        out.push(&event);
    }

    pub(crate) fn report_mass_canceled(
        &mut self,
        session: SessionId,
        request: u64,
        count: u64,
        out: &mut Effects,
    ) {
        let event = MassCanceled {
            kind: EventKind::MassCanceled,
            pad: [Zero::Zero; 3],
            session,
            report_no: self.take_report_no(session),
            request,
            count,
        };
        out.push(&event);
    }

    pub(crate) fn report_protection_set(
        &mut self,
        session: SessionId,
        command: &SetProtection,
        out: &mut Effects,
    ) {
        let event = ProtectionSet {
            kind: EventKind::ProtectionSet,
            pad: [Zero::Zero; 3],
            session,
            report_no: self.take_report_no(session),
            request: command.request,
            market: command.market,
            pad2: [Zero::Zero; 4],
        };
        out.push(&event);
    }

    pub(crate) fn report_attestation_noted(
        &mut self,
        session: SessionId,
        level: u64,
        out: &mut Effects,
    ) {
        let event = AttestationNoted {
            kind: EventKind::AttestationNoted,
            pad: [Zero::Zero; 3],
            session,
            report_no: self.take_report_no(session),
            level,
        };
        out.push(&event);
    }

    pub(crate) fn report_protection_reached(
        &mut self,
        session: SessionId,
        market: MarketId,
        protection: &Protection,
        out: &mut Effects,
    ) {
        let event = ProtectionReached {
            kind: EventKind::ProtectionReached,
            pad: [Zero::Zero; 3],
            session,
            report_no: self.take_report_no(session),
            qty: protection.qty,
            notional: protection.notional,
            fills: protection.fills,
            market,
        };
        out.push(&event);
    }

    /// One trade: to the feed, then to the maker, then to the taker. Orders as they are after it.
    pub(crate) fn report_trade(
        &mut self,
        [maker, taker]: [&Order; 2],
        price: Price,
        qty: Qty,
        charges: [Charge; 2],
        out: &mut Effects,
    ) {
        let trade_id = self.next_trade_id;
        self.next_trade_id += 1;
        let trade = Trade {
            kind: EventKind::Trade,
            taker_side: taker.side,
            pad: [Zero::Zero; 2],
            market: maker.market,
            feed_no: self.take_feed_no(),
            trade_id,
            maker_order_id: maker.id,
            taker_order_id: taker.id,
            price,
            qty,
            maker_leaves: maker.shown(),
        };
        out.push(&trade);
        let sides = [(maker, Liquidity::Maker), (taker, Liquidity::Taker)];
        for ((order, liquidity), charge) in sides.into_iter().zip(charges) {
            let fill = Fill {
                kind: EventKind::Fill,
                side: order.side,
                liquidity,
                pad: Zero::Zero,
                session: order.session,
                report_no: self.take_report_no(order.session),
                order_id: order.id,
                client_order_id: order.client_order_id,
                trade_id,
                price,
                qty,
                leaves: order.leaves,
                fee: Amount(charge.amount),
                market: order.market,
                is_rebate: charge.is_rebate,
                pad2: [Zero::Zero; 3],
            };
            out.push(&fill);
        }
    }

    pub(crate) fn publish_add(&mut self, order: &Order, out: &mut Effects) {
        let event = BookAdd {
            kind: EventKind::BookAdd,
            side: order.side,
            pad: [Zero::Zero; 2],
            market: order.market,
            feed_no: self.take_feed_no(),
            order_id: order.id,
            price: order.price,
            qty: order.shown(),
        };
        out.push(&event);
    }

    pub(crate) fn publish_reduce(&mut self, order: &Order, out: &mut Effects) {
        let event = BookReduce {
            kind: EventKind::BookReduce,
            side: order.side,
            pad: [Zero::Zero; 2],
            market: order.market,
            feed_no: self.take_feed_no(),
            order_id: order.id,
            leaves: order.shown(),
        };
        out.push(&event);
    }

    pub(crate) fn publish_delete(&mut self, order: &Order, out: &mut Effects) {
        let event = BookDelete {
            kind: EventKind::BookDelete,
            side: order.side,
            pad: [Zero::Zero; 2],
            market: order.market,
            feed_no: self.take_feed_no(),
            order_id: order.id,
        };
        out.push(&event);
    }

    pub(crate) fn publish_replace(&mut self, order: &Order, out: &mut Effects) {
        let event = BookReplace {
            kind: EventKind::BookReplace,
            side: order.side,
            pad: [Zero::Zero; 2],
            market: order.market,
            feed_no: self.take_feed_no(),
            order_id: order.id,
            price: order.price,
            qty: order.shown(),
        };
        out.push(&event);
    }

    pub(crate) fn publish_definition(&mut self, market: &CreateMarket, out: &mut Effects) {
        let base = self.assets[&market.base].terms;
        let quote = self.assets[&market.quote].terms;
        let event = MarketDefined {
            kind: EventKind::MarketDefined,
            base_decimals: base.decimals,
            quote_decimals: quote.decimals,
            state: market.state,
            market: market.market,
            feed_no: self.take_feed_no(),
            base: market.base,
            quote: market.quote,
            maker_fee_ppm: market.maker_fee_ppm,
            taker_fee_ppm: market.taker_fee_ppm,
            price_levels: market.price_levels,
            pad2: [Zero::Zero; 4],
            tick_value: market.tick_value,
            lot_size: market.lot_size,
            min_qty: market.min_qty,
            price_min: market.price_min,
            symbol: market.symbol,
            base_symbol: base.symbol,
            quote_symbol: quote.symbol,
        };
        out.push(&event);
    }

    pub(crate) fn publish_state(
        &mut self,
        market: MarketId,
        state: MarketState,
        out: &mut Effects,
    ) {
        let event = MarketStateChanged {
            kind: EventKind::MarketStateChanged,
            state,
            pad: [Zero::Zero; 2],
            market,
            feed_no: self.take_feed_no(),
        };
        out.push(&event);
    }

    pub(crate) fn publish_uncrossed(
        &mut self,
        market: MarketId,
        price: Price,
        qty: Qty,
        out: &mut Effects,
    ) {
        let event = Uncrossed {
            kind: EventKind::Uncrossed,
            pad: [Zero::Zero; 3],
            market,
            feed_no: self.take_feed_no(),
            price,
            qty,
        };
        out.push(&event);
    }

    pub(crate) fn report_phase(&mut self, out: &mut Effects) {
        let event = PhaseChanged {
            kind: EventKind::PhaseChanged,
            phase: self.phase,
            pad: [Zero::Zero; 6],
            feed_no: self.take_feed_no(),
        };
        out.push(&event);
    }

    pub(crate) fn report_outcome(command: CommandKind, answer: Answer, out: &mut Effects) {
        out.push(&Outcome {
            kind: EventKind::Outcome,
            pad: Zero::Zero,
            reason: answer.err().unwrap_or(Reason::None),
            command,
            pad2: [Zero::Zero; 2],
        });
    }

    pub(crate) fn report_state_hash(&self, out: &mut Effects) {
        out.push(&StateHash {
            kind: EventKind::StateHash,
            pad: [Zero::Zero; 7],
            hash: self.state_hash(),
        });
    }
}
