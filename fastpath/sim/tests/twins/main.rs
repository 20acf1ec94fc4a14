//! The fast engine and its naive twin, side by side: same commands, same bytes, same state.
//!
//! What is checked after every frame is in `pair` (the two against each other) and `observer`
//! (both against what anyone outside can work out from commands and events). `scenarios`,
//! `self_trades`, `mass_cancels`, `money`, `auctions` and `quotes` hold what docs/ENGINE.md says by hand-written
//! example, `random` and `long` whole streams of commands, `mutants` the
//! proof that a broken rule would be seen, `snapshots` the fast engine saved and loaded within a
//! stream; `attestations` what is attested in streams. Every short sequence of commands is played by the tests of `scenario`.

mod attestations;
mod auctions;
mod generate;
mod long;
mod mass_cancels;
mod money;
mod mutants;
mod notation;
mod observer;
mod operator;
mod pair;
mod quotes;
mod random;
mod scenarios;
mod self_trades;
mod snapshots;
mod stream;
mod world;
