//! `sluice init-db`.

use crate::Instance;
use crate::process::Role;
use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;
use slowpath::life::Life;
use slowpath::storing;
use std::io;
use std::process::ExitCode;
use store::{Prepared, StoreError};
use topology::Config;

/// Makes the store's tables in the database that `store.url` names, or brings them to this version.
///
/// The slowpath does the same when it starts: this is for a database whose owner wants to see it happen,
/// and for --rebuild. Tables of a newer version, or of another shard, are refused and left alone.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  sluice init-db --config sluice.toml
  SLUICE_STORE__URL=postgres://sluice@db/main sluice init-db --config sluice.toml
  sluice init-db --rebuild                       with the slowpath stopped

Exit codes:
  0  the tables are those of this version
  1  they are not, and it is said why

Next: `sluice start`; `sluice status` shows how far the store is behind the journal.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    instance: Instance,

    /// Empty what is derived from the journal, so that the slowpath makes it again. Users, their roles
    /// and tokens stay. The slowpath must not run. A SQLite file that is damaged has to be moved away instead.
    #[arg(long)]
    rebuild: bool,
}

/// A slowpath that runs would go on from where it was, and serve an empty history until the next frame.
fn ensure_stopped(config: &Config) -> Result<()> {
    let seen = Role::Slowpath.look(config)?;
    ensure!(
        seen.life != Life::Running,
        "the slowpath (pid {}) runs and writes this store: stop it first (`sluice stop`), then rebuild",
        seen.pid
    );
    Ok(())
}

/// Does it and says what it did.
pub(crate) fn run(arguments: &Arguments, out: &mut impl io::Write) -> Result<ExitCode> {
    let config = arguments.instance.load()?;
    if !config.store.enabled {
        bail!("store.enabled is false: there is no store to make; set it to true first");
    }
    if arguments.rebuild {
        ensure_stopped(&config)?;
    }
    let database = storing::database(&config)?;
    let shard = config.instance.shard;
    let runtime = storing::runtime()?;
    let name = database.name();
    let work = async {
        let before = store::prepare(&database, shard).await?;
        let emptied = match arguments.rebuild && before.resume.last_seq.0 > 0 {
            true => Some(store::empty(&database, shard).await?),
            false => None,
        };
        Ok::<_, StoreError>((before, emptied))
    };
    let (before, emptied) = runtime.block_on(work).map_err(|error| {
        let advice = if matches!(error, StoreError::Database(_)) && !error.is_damage() {
            "; the database must be there and let this user in, or store.url name another"
        } else {
            ""
        };
        anyhow!("{name}: {error}{advice}")
    })?;
    let Prepared { from, to, resume } = before;
    match from {
        0 => writeln!(
            out,
            "{name}: made the tables, version {to}, for shard {shard}"
        )?,
        _ if from < to => writeln!(
            out,
            "{name}: brought the tables from version {from} to {to}"
        )?,
        _ => writeln!(out, "{name}: has the tables of version {to} already")?,
    }
    if arguments.rebuild && emptied.is_none() {
        writeln!(
            out,
            "there was nothing to empty: nothing is projected there yet, the slowpath does that when it runs; if you \
             expected something, see store.url"
        )?;
    } else if emptied.is_some() {
        writeln!(
            out,
            "emptied what was projected to seq {}: the slowpath makes it again from the journal",
            resume.last_seq
        )?;
    } else {
        writeln!(out, "projected to seq {}", resume.last_seq)?;
    }
    Ok(ExitCode::SUCCESS)
}
