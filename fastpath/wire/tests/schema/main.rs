//! Each schema, its document and its structs say the same about every byte.
#![cfg(test)]

mod market_data;
mod order_entry;
mod xml;
