//! The messages of order entry and the datagrams that carry them.

mod convert;
mod datagram;
mod header;
mod message;

pub use convert::{FrameStamp, NotACommand};
pub use datagram::{
    Datagram, DatagramReader, DatagramWriter, DecodeError, MIN_DATAGRAM, Messages, NoRoom, Numbered,
};
pub use header::MessageHeader;
pub use message::*;
