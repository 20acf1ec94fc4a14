//! The messages of order entry and the datagrams that carry them.

mod command;
mod datagram;
mod message;
mod outcome;
mod quotes;
mod report;

pub use crate::sbe::{Field, MessageHeader};
pub use command::NotACommand;
pub use datagram::{
    Datagram, DatagramReader, DatagramWriter, DecodeError, MIN_DATAGRAM, Messages, NoRoom, Numbered,
};
pub use message::*;
pub use report::FrameStamp;
