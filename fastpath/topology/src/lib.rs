//! What an instance is made of, as data: the one configuration file ([`Config`]), the genesis file
//! ([`Genesis`]), the host secret ([`secret`]), the meaning of
//! the figures that the processes show ([`instruments`]), and how the lines of their logs begin ([`LineHead`]).
//!
//! Every key has a default and a paragraph in `defaults/sluice.toml`, which is compiled in
//! ([`DEFAULT_CONFIG`]); a profile changes some, a file holds what differs, the environment wins ([`Loaded`]). Unknown keys are errors. What parses has been checked:
//! whoever holds a [`Config`] or a [`Genesis`] need not check it again.
//!
//! Architecture invariant: this crate reads files and decides nothing; it names no tile's code and
//! starts nothing.
#![forbid(unsafe_code)]

mod config;
mod environment;
mod error;
mod genesis;
pub mod instruments;
mod keys;
mod log_line;
pub mod secret;
pub mod state_lock;
mod wording;

pub use config::{
    Ack, Archive, Backend, Config, Core, Cpu, DEFAULT_CONFIG, Engine, Gateway, Idle, Instance, Key,
    Limits, Loaded, Log, LogFormat, Memory, Metrics, Origin, Port, Profile, Registration, Slowpath,
    Snapshots, TileKind, check_level, every_key,
};
pub use error::{ConfigError, FileKind, Problem};
pub use genesis::{
    Account, Asset, Capacity, DEFAULT_GENESIS, Deposit, Genesis, Market, PublicKey, Session,
    Symbol, smallest_order_fits,
};
pub use log_line::{LineHead, message_of};
