//! The public feed: messages of the book, order by order, in MoldUDP64 packets.
//!
//! `docs/FEED.md` is the law for the bytes. A sender fills a [`PacketWriter`]; a receiver's path is
//! [`Packet::parse`], after which the packet's messages can no longer fail. Who lost some asks for them with a [`Request`].

mod convert;
mod message;
mod mold;
mod request;

pub use crate::order_entry::NoRoom;
pub use crate::sbe::{Field, MessageHeader};
pub use message::*;
pub use mold::{Content, HEADER_BYTES, Messages, Packet, PacketError, PacketWriter, SessionName};
pub use request::{REQUEST_BYTES, Request, RequestError};
