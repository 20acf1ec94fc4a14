//! `sluice session-secret`.

use crate::Instance;
use crate::output::note;
use anyhow::{Result, bail};
use clap::Args;
use domain::SessionId;
use slowpath::attach;
use std::io;
use std::process::ExitCode;
use wire::auth::HostSecret;

/// Prints the secret of a session, for its owner: 64 hexadecimal digits.
///
/// It follows from the host secret, which is made now if the instance has none yet (a first start would make it),
/// and stays the same as long as that does. Hand it over in a way that nobody else can read.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Example:
  (umask 077; sluice session-secret --config sluice.toml --session 1 > session-1.secret)

Exit codes:
  0  printed
  1  the genesis file has no such session, or the host secret cannot be read or made

Next: hand the file to the session's owner by a way that nobody else reads, and nothing else; a client gives it as --secret.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    instance: Instance,

    /// The session's id, as in the genesis file.
    #[arg(long, value_name = "ID")]
    session: u32,
}

/// Prints it.
pub(crate) fn run(arguments: &Arguments, out: &mut impl io::Write) -> Result<ExitCode> {
    let config = arguments.instance.load()?;
    let id = arguments.session;
    if let Ok(genesis) = config.load_genesis()
        && !genesis.sessions.iter().any(|session| session.id == id)
    {
        bail!(
            "{} has no session {id}: its secret would be of no use",
            config.genesis_file().display()
        );
    }
    // That of the processes, whoever asks.
    let owner = attach::places(&config).owner();
    let host = topology::secret::load_or_create_of(&config.secret_file(), owner)?;
    let host = HostSecret::from_bytes(host);
    note(format_args!(
        "warning: whoever has this secret can trade as session {id}; give it to its owner only, and keep it out of logs and shells' histories"
    ));
    let secret = host.session_secret(SessionId(id));
    for byte in secret.expose() {
        write!(out, "{byte:02x}")?;
    }
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}
