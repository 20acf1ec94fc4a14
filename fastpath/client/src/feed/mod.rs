//! The public feed (`docs/FEED.md`) without I/O: a [`Receiver`] puts packets in order and says what is
//! missing, or asks for it, and [`Books`] follow the messages order by order.
//!
//! ```text
//! let (mut receiver, mut books) = (Receiver::asking(1), Books::new());
//! loop {
//!     while let Some(request) = receiver.poll_request(now()) { send(request.encode()) }
//!     receive until receiver.next_timeout(), and receiver.feed(packet, now())
//!     while let Some(event) = receiver.poll_event(now()) {
//!         match event {
//!             Event::Message { number, message } => books.apply(number, &message)?,
//!             Event::Gap { .. } | Event::NewSession { .. } => {
//!                 // Get a snapshot from somewhere: feed number and resting orders.
//!                 books = Books::from_orders(number, orders)?;
//!                 receiver.resume(number + 1, now());
//!             }
//!             Event::EndOfSession { .. } => {}
//!         }
//!     }
//! }
//! ```

mod books;
mod receiver;
mod recovery;

pub use books::{Book, BookError, Books, Level, RestingOrder};
pub use receiver::{Event, Receiver};
