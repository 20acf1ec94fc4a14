//! Golden vectors: written, read, mutated.
#![cfg(test)]

mod limits;
mod market_data;
mod mutations;
mod packets;
mod samples;
mod vectors;
