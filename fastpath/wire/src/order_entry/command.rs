//! What a client sends, as a command; and a command as what a client sends.

use super::message::{
    AmendOrder, Attest, CancelOrder, KillSwitch, MassCancel, MassQuote, Message, NewOrder,
    QuoteEntry, SetProtection, Template,
};
use core::fmt;
use domain::{Command, Zero};
use zerocopy::{IntoBytes, TryFromBytes};

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
            min_qty: message.min_quantity,
            expires: message.expires,
            display_qty: message.display_quantity,
            trigger_price: message.trigger_price,
            self_trade: enumeration(message.self_trade, T, "self_trade")?,
            self_trade_scope: enumeration(message.self_trade_scope, T, "self_trade_scope")?,
            pad: [Zero::Zero; 6],
        })
    }
}

impl From<&CancelOrder> for domain::CancelOrder {
    fn from(message: &CancelOrder) -> Self {
        Self {
            order_id: message.order_id,
            client_order_id: message.client_order_id,
            qty: message.quantity,
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
            new_client_order_id: message.new_client_order_id,
        }
    }
}

impl TryFrom<&MassCancel> for domain::MassCancel {
    type Error = NotACommand;
    fn try_from(message: &MassCancel) -> Result<Self, NotACommand> {
        const T: Template = Template::MassCancel;
        Ok(Self {
            request: message.request,
            lowest: message.lowest_price,
            highest: message.highest_price,
            target: 0,
            market: message.market_id,
            scope: enumeration(message.scope, T, "scope")?,
            sides: enumeration(message.sides, T, "sides")?,
            pad: [Zero::Zero; 6],
        })
    }
}

impl TryFrom<&KillSwitch> for domain::KillSwitch {
    type Error = NotACommand;
    fn try_from(message: &KillSwitch) -> Result<Self, NotACommand> {
        const T: Template = Template::KillSwitch;
        Ok(Self {
            request: message.request,
            target: 0,
            scope: enumeration(message.scope, T, "scope")?,
            on: enumeration(message.on, T, "on")?,
            pad: [Zero::Zero; 2],
        })
    }
}

impl TryFrom<&MassQuote> for domain::Quote {
    type Error = NotACommand;
    fn try_from(message: &MassQuote) -> Result<Self, NotACommand> {
        Ok(Self {
            quote_id: message.quote_id,
            bid_price: message.quote.bid_price,
            bid_qty: message.quote.bid_quantity,
            ask_price: message.quote.ask_price,
            ask_qty: message.quote.ask_quantity,
            market: message.quote.market_id,
            slide: enumeration(message.slide, Template::MassQuote, "slide")?,
            pad: [Zero::Zero; 3],
        })
    }
}

impl From<&SetProtection> for domain::SetProtection {
    fn from(message: &SetProtection) -> Self {
        Self {
            request: message.request,
            window: message.window,
            max_qty: message.max_quantity,
            max_notional: message.max_notional,
            max_fills: message.max_fills,
            market: message.market_id,
        }
    }
}

impl From<&Attest> for domain::Attest {
    fn from(message: &Attest) -> Self {
        let mut signature = [0; 64];
        signature.copy_from_slice(message.as_bytes());
        Self { signature }
    }
}

impl From<&domain::Attest> for Attest {
    fn from(attest: &domain::Attest) -> Self {
        zerocopy::transmute!(attest.signature)
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
            min_quantity: order.min_qty,
            expires: order.expires,
            display_quantity: order.display_qty,
            trigger_price: order.trigger_price,
            self_trade: order.self_trade as u8,
            self_trade_scope: order.self_trade_scope as u8,
            reserved: 0,
            reserved2: 0,
        }
    }
}

impl From<&domain::CancelOrder> for CancelOrder {
    fn from(cancel: &domain::CancelOrder) -> Self {
        Self {
            order_id: cancel.order_id,
            client_order_id: cancel.client_order_id,
            quantity: cancel.qty,
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
            new_client_order_id: amend.new_client_order_id,
        }
    }
}

impl From<&domain::MassCancel> for MassCancel {
    /// Its `target` is not said: a session's is its own.
    fn from(cancel: &domain::MassCancel) -> Self {
        Self {
            request: cancel.request,
            lowest_price: cancel.lowest,
            highest_price: cancel.highest,
            market_id: cancel.market,
            scope: cancel.scope as u8,
            sides: cancel.sides as u8,
            reserved: 0,
        }
    }
}

impl From<&domain::KillSwitch> for KillSwitch {
    /// Its `target` is not said: a session's is its own.
    fn from(switch: &domain::KillSwitch) -> Self {
        Self {
            request: switch.request,
            scope: switch.scope as u8,
            on: switch.on as u8,
            reserved: 0,
            reserved2: 0,
        }
    }
}

impl From<&domain::Quote> for MassQuote {
    fn from(quote: &domain::Quote) -> Self {
        Self {
            quote_id: quote.quote_id,
            slide: quote.slide as u8,
            reserved: 0,
            reserved2: 0,
            reserved3: 0,
            quotes: QuoteEntry::ALONE,
            quote: QuoteEntry {
                bid_price: quote.bid_price,
                bid_quantity: quote.bid_qty,
                ask_price: quote.ask_price,
                ask_quantity: quote.ask_qty,
                market_id: quote.market,
                reserved: 0,
            },
        }
    }
}

impl From<&domain::SetProtection> for SetProtection {
    fn from(protection: &domain::SetProtection) -> Self {
        Self {
            request: protection.request,
            window: protection.window,
            max_quantity: protection.max_qty,
            max_notional: protection.max_notional,
            max_fills: protection.max_fills,
            market_id: protection.market,
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
            Self::MassCancel(message) => Ok(Command::MassCancel(message.try_into()?)),
            Self::KillSwitch(message) => Ok(Command::KillSwitch(message.try_into()?)),
            Self::MassQuote(message) => Ok(Command::Quote(message.try_into()?)),
            Self::SetProtection(message) => Ok(Command::SetProtection(message.into())),
            Self::Attest(message) => Ok(Command::Attest(message.into())),
            Self::Context(_)
            | Self::Hello(_)
            | Self::Challenge(_)
            | Self::Establish(_)
            | Self::Established(_)
            | Self::ResendRequest(_)
            | Self::Refused(_)
            | Self::OutcomeQuery(_)
            | Self::Outcome(_)
            | Self::OrderAccepted(_)
            | Self::OrderRejected(_)
            | Self::OrderFilled(_)
            | Self::OrderCanceled(_)
            | Self::OrderAmended(_)
            | Self::NotApplied(_)
            | Self::SelfTradePrevented(_)
            | Self::MassCanceled(_)
            | Self::Triggered(_)
            | Self::ProtectionSet(_)
            | Self::ProtectionReached(_)
            | Self::AttestationNoted(_)
            | Self::Unknown { .. } => Err(NotACommand::Unsupported {
                template_id: self.template_id(),
            }),
        }
    }
}
