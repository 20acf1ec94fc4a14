//! Golden vectors: written, read, mutated.
#![cfg(test)]

mod limits;
mod mutations;
mod samples;
mod vectors;
