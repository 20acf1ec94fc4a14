//! Between messages and the domain: what a client sends becomes a command, an event a report.

use super::message::{
    AmendOrder, CancelOrder, Message, NewOrder, NotApplied, OrderAccepted, OrderAmended,
    OrderCanceled, OrderFilled, OrderRejected, Stamp, Template,
};
use core::fmt;
use domain::{Command, CommandKind, Event, Nanos, Seq, SessionId, Source};
use zerocopy::TryFromBytes;

/// A message that is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotACommand {
    /// No client sends this template as a command.
    Unsupported {
        /// The template.
        template_id: u16,
    },
    /// An enumeration holds a value that this version does not know.
    InvalidField {
        /// Of which message.
        template: Template,
        /// Which field.
        field: &'static str,
    },
}

impl fmt::Display for NotACommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { template_id } => {
                write!(f, "template {template_id} is not a client's command")
            }
            Self::InvalidField { template, field } => {
                write!(f, "{template:?}.{field} holds an unknown value")
            }
        }
    }
}

impl core::error::Error for NotACommand {}

fn enumeration<T: TryFromBytes>(
    value: u8,
    template: Template,
    field: &'static str,
) -> Result<T, NotACommand> {
    T::try_read_from_bytes(&[value]).map_err(|_| NotACommand::InvalidField { template, field })
}

impl TryFrom<&NewOrder> for domain::NewOrder {
    type Error = NotACommand;
    fn try_from(message: &NewOrder) -> Result<Self, NotACommand> {
        const T: Template = Template::NewOrder;
        Ok(Self {
            client_order_id: message.client_order_id,
            price: message.price,
            qty: message.quantity,
            market: message.market_id,
            side: enumeration(message.side, T, "side")?,
            order_type: enumeration(message.order_type, T, "order_type")?,
            time_in_force: enumeration(message.time_in_force, T, "time_in_force")?,
            post_only: enumeration(message.post_only, T, "post_only")?,
        })
    }
}

impl From<&CancelOrder> for domain::CancelOrder {
    fn from(message: &CancelOrder) -> Self {
        Self {
            order_id: message.order_id,
            client_order_id: message.client_order_id,
        }
    }
}

impl From<&AmendOrder> for domain::AmendOrder {
    fn from(message: &AmendOrder) -> Self {
        Self {
            order_id: message.order_id,
            client_order_id: message.client_order_id,
            price: message.price,
            qty: message.quantity,
        }
    }
}

impl From<&domain::NewOrder> for NewOrder {
    fn from(order: &domain::NewOrder) -> Self {
        Self {
            client_order_id: order.client_order_id,
            price: order.price,
            quantity: order.qty,
            market_id: order.market,
            side: order.side as u8,
            order_type: order.order_type as u8,
            time_in_force: order.time_in_force as u8,
            post_only: order.post_only as u8,
            reserved: 0,
        }
    }
}

impl From<&domain::CancelOrder> for CancelOrder {
    fn from(cancel: &domain::CancelOrder) -> Self {
        Self {
            order_id: cancel.order_id,
            client_order_id: cancel.client_order_id,
        }
    }
}

impl From<&domain::AmendOrder> for AmendOrder {
    fn from(amend: &domain::AmendOrder) -> Self {
        Self {
            order_id: amend.order_id,
            client_order_id: amend.client_order_id,
            price: amend.price,
            quantity: amend.qty,
        }
    }
}

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
    /// The command that a client's message asks for.
    ///
    /// # Errors
    /// [`NotACommand`] for every other message, and for a field whose value is unknown. (The latter
    /// cannot happen to a message that [`DatagramReader::parse`](super::DatagramReader::parse) let
    /// through.)
    pub fn command(&self) -> Result<Command, NotACommand> {
        match self {
            Self::NewOrder(message) => Ok(Command::NewOrder(message.try_into()?)),
            Self::CancelOrder(message) => Ok(Command::CancelOrder(message.into())),
            Self::AmendOrder(message) => Ok(Command::AmendOrder(message.into())),
            Self::Context(_)
            | Self::Hello(_)
            | Self::Challenge(_)
            | Self::Establish(_)
            | Self::Established(_)
            | Self::ResendRequest(_)
            | Self::Refused(_)
            | Self::OrderAccepted(_)
            | Self::OrderRejected(_)
            | Self::OrderFilled(_)
            | Self::OrderCanceled(_)
            | Self::OrderAmended(_)
            | Self::NotApplied(_)
            | Self::Unknown { .. } => Err(NotACommand::Unsupported {
                template_id: self.template_id(),
            }),
        }
    }

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
            Event::BookAdd(_)
            | Event::BookReduce(_)
            | Event::BookDelete(_)
            | Event::Trade(_)
            | Event::PhaseChanged(_)
            | Event::MarketDefined(_)
            | Event::BookReplace(_)
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
        market_id: event.market,
        side: event.side as u8,
        order_type: event.order_type as u8,
        time_in_force: event.time_in_force as u8,
        post_only: event.post_only as u8,
        reserved: 0,
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
