//! `sluice journal`.

pub(crate) mod print;
pub(crate) mod verify;

use clap::Subcommand;

/// `sluice journal …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Print(print::Arguments),
    Verify(verify::Arguments),
}
