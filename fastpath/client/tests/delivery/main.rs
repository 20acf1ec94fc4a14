//! A session against a toy exchange over a bad network: what it promises holds.
#![cfg(test)]

mod attestations;
mod bad_network;
mod edges;
mod exchange;
mod random;
mod replay;
mod socket;
