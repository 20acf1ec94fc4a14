//! The messages of order entry and the datagrams that carry them.

mod convert;
mod datagram;
mod message;

pub use crate::sbe::{Field, MessageHeader};
pub use convert::{FrameStamp, NotACommand};
pub use datagram::{
    Datagram, DatagramReader, DatagramWriter, DecodeError, MIN_DATAGRAM, Messages, NoRoom, Numbered,
};
pub use message::*;
