//! A private event, as the report that its session gets.

use super::message::{
    AttestationNoted, MassCanceled, Message, NotApplied, OrderAccepted, OrderAmended,
    OrderCanceled, OrderFilled, OrderRejected, ProtectionReached, ProtectionSet,
    SelfTradePrevented, Stamp, Template, Triggered,
};
use domain::{CommandKind, Event, Nanos, Seq, SessionId, Source};

/// What the reports of a frame say about it: fields of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameStamp {
    /// The frame's position in the journal.
    pub seq: Seq,
    /// When it was sequenced.
    pub engine_time: Nanos,
    /// When its command was received.
    pub receive_time: Nanos,
    /// Who sent the command.
    pub source: Source,
    /// The command's number among that source's.
    pub source_seq: u64,
}

impl FrameStamp {
    /// The stamp of a report to `session`: only its own number is shown to a session.
    #[must_use]
    pub fn for_session(&self, session: SessionId) -> Stamp {
        let own = self.source.session() == Some(session);
        Stamp {
            engine_seq: self.seq,
            engine_time: self.engine_time,
            receive_time: self.receive_time,
            client_seq_no: if own { self.source_seq } else { 0 },
        }
    }
}

impl Message {
    /// The report of a private event; `None` if the event is not private. Whose it is and its number
    /// says [`Event::report`].
    #[must_use]
    pub fn report(frame: &FrameStamp, event: &Event) -> Option<Self> {
        Some(match event {
            Event::Accepted(event) => Self::OrderAccepted(accepted(frame, event)),
            Event::Rejected(event) => Self::OrderRejected(rejected(frame, event)),
            Event::Fill(event) => Self::OrderFilled(filled(frame, event)),
            Event::Canceled(event) => Self::OrderCanceled(canceled(frame, event)),
            Event::Amended(event) => Self::OrderAmended(amended(frame, event)),
            Event::NotApplied(event) => Self::NotApplied(NotApplied {
                stamp: frame.for_session(event.session),
                from_seq_no: event.from,
                count: event.count,
            }),
            Event::SelfTradePrevented(event) => Self::SelfTradePrevented(prevented(frame, event)),
            Event::MassCanceled(event) => Self::MassCanceled(MassCanceled {
                stamp: frame.for_session(event.session),
                request: event.request,
                count: event.count,
            }),
            Event::Triggered(event) => Self::Triggered(triggered(frame, event)),
            Event::ProtectionSet(event) => Self::ProtectionSet(ProtectionSet {
                stamp: frame.for_session(event.session),
                request: event.request,
                market_id: event.market,
                reserved: 0,
            }),
            Event::ProtectionReached(event) => Self::ProtectionReached(ProtectionReached {
                stamp: frame.for_session(event.session),
                quantity: event.qty,
                notional: event.notional,
                fills: event.fills,
                market_id: event.market,
            }),
            Event::AttestationNoted(event) => Self::AttestationNoted(AttestationNoted {
                stamp: frame.for_session(event.session),
                level: event.level,
            }),
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
            | Event::StateHash(_) => return None,
        })
    }
}

fn accepted(frame: &FrameStamp, event: &domain::Accepted) -> OrderAccepted {
    OrderAccepted {
        stamp: frame.for_session(event.session),
        order_id: event.order_id,
        client_order_id: event.client_order_id,
        price: event.price,
        quantity: event.qty,
        expires: event.expires,
        display_quantity: event.display_qty,
        trigger_price: event.trigger_price,
        market_id: event.market,
        side: event.side as u8,
        order_type: event.order_type as u8,
        time_in_force: event.time_in_force as u8,
        post_only: event.post_only as u8,
        self_trade: event.self_trade as u8,
        self_trade_scope: event.self_trade_scope as u8,
        quote: event.quote as u8,
        reserved: 0,
        reserved2: 0,
    }
}

fn rejected(frame: &FrameStamp, event: &domain::Rejected) -> OrderRejected {
    OrderRejected {
        stamp: frame.for_session(event.session),
        order_id: event.order_id,
        client_order_id: event.client_order_id,
        reason: event.reason.into(),
        refused_template_id: template_of(event.command).map_or(0, Template::number),
        reserved: 0,
    }
}

fn template_of(command: CommandKind) -> Option<Template> {
    match command {
        CommandKind::NewOrder => Some(Template::NewOrder),
        CommandKind::CancelOrder => Some(Template::CancelOrder),
        CommandKind::AmendOrder => Some(Template::AmendOrder),
        CommandKind::MassCancel => Some(Template::MassCancel),
        CommandKind::KillSwitch => Some(Template::KillSwitch),
        CommandKind::Quote => Some(Template::MassQuote),
        CommandKind::SetProtection => Some(Template::SetProtection),
        CommandKind::Attest => Some(Template::Attest),
        CommandKind::Continue
        | CommandKind::Timer
        | CommandKind::Checkpoint
        | CommandKind::Recovered
        | CommandKind::EngineVersion
        | CommandKind::Genesis
        | CommandKind::CreateAsset
        | CommandKind::CreateMarket
        | CommandKind::CreateAccount
        | CommandKind::OpenSession
        | CommandKind::Delegate
        | CommandKind::SetTier
        | CommandKind::SetLimits
        | CommandKind::SetFees
        | CommandKind::CollectFees
        | CommandKind::SetMarketState
        | CommandKind::SetCollar
        | CommandKind::DelistMarket
        | CommandKind::ConfirmAttestation
        | CommandKind::Deposit => None,
    }
}

fn filled(frame: &FrameStamp, event: &domain::Fill) -> OrderFilled {
    OrderFilled {
        stamp: frame.for_session(event.session),
        order_id: event.order_id,
        client_order_id: event.client_order_id,
        trade_id: event.trade_id,
        price: event.price,
        quantity: event.qty,
        leaves_quantity: event.leaves,
        fee: event.fee,
        market_id: event.market,
        side: event.side as u8,
        liquidity: event.liquidity as u8,
        fee_is_rebate: event.is_rebate as u8,
        reserved: 0,
    }
}

fn canceled(frame: &FrameStamp, event: &domain::Canceled) -> OrderCanceled {
    OrderCanceled {
        stamp: frame.for_session(event.session),
        order_id: event.order_id,
        client_order_id: event.client_order_id,
        quantity: event.qty,
        market_id: event.market,
        reason: event.reason.into(),
        reserved: 0,
    }
}

fn amended(frame: &FrameStamp, event: &domain::Amended) -> OrderAmended {
    OrderAmended {
        stamp: frame.for_session(event.session),
        order_id: event.order_id,
        client_order_id: event.client_order_id,
        price: event.price,
        quantity: event.qty,
        leaves_quantity: event.leaves,
        market_id: event.market,
        kept_priority: event.kept_priority as u8,
        reserved: 0,
        reserved2: 0,
    }
}

fn prevented(frame: &FrameStamp, event: &domain::SelfTradePrevented) -> SelfTradePrevented {
    SelfTradePrevented {
        stamp: frame.for_session(event.session),
        order_id: event.order_id,
        client_order_id: event.client_order_id,
        maker_order_id: event.maker_order_id,
        price: event.price,
        quantity: event.qty,
        leaves_quantity: event.leaves,
        market_id: event.market,
        self_trade: event.self_trade as u8,
        reserved: 0,
        reserved2: 0,
    }
}

fn triggered(frame: &FrameStamp, event: &domain::Triggered) -> Triggered {
    Triggered {
        stamp: frame.for_session(event.session),
        order_id: event.order_id,
        client_order_id: event.client_order_id,
        price: event.price,
        market_id: event.market,
        side: event.side as u8,
        reserved: 0,
        reserved2: 0,
    }
}
