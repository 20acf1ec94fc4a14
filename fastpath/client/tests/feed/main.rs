//! The public feed as a subscriber has it: packets over a bad network, and the books that come of them.
#![cfg(test)]

mod asking;
mod books;
mod exchange;
mod property;
mod receiver;
