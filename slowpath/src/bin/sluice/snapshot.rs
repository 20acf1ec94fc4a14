//! `sluice snapshot`.

use crate::decimal::Decimal;
use crate::{Instance, WRONG};
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use domain::{Seq, Utc};
use journal::{
    ArchiveReader, SnapshotDirectory, SnapshotFiles as _, SnapshotHeader, SnapshotName,
    load_snapshot, read_snapshot_header,
};
use serde::Serialize;
use slowpath::snapshotting::engine_of;
use std::io;
use std::process::ExitCode;
use topology::Config;

/// `sluice snapshot …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(List),
    Verify(Verify),
}

/// Lists the snapshots, newest first, by what their headers say.
///
/// Exit code 0: all headers are whole; 1: some are not.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Example:
  sluice snapshot list --config sluice.toml

Next: `sluice snapshot verify` says whether they hold.")]
pub(crate) struct List {
    #[command(flatten)]
    instance: Instance,

    /// One array of JSON, in which numbers of 64 bits are strings.
    #[arg(long)]
    json: bool,
}

/// Loads every snapshot as a start would, and holds it against the archive's checkpoint.
///
/// Exit code 0: all of them hold; 1: some do not, and it is said why. A start uses the newest that holds, so
/// one that does not may be removed. That the journal leads to these states is proved by `sluice
/// journal verify`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Example:
  sluice snapshot verify --config sluice.toml

Next: one that does not hold can be removed; a start takes the newest that holds, and replays the rest.")]
pub(crate) struct Verify {
    #[command(flatten)]
    instance: Instance,

    /// One array of JSON, in which numbers of 64 bits are strings.
    #[arg(long)]
    json: bool,
}

/// A snapshot.
#[derive(Serialize)]
struct Line {
    file: String,
    seq: Decimal,
    #[serde(flatten)]
    header: Option<Header>,
    /// Why it would not be used.
    refusal: Option<String>,
}

#[derive(Serialize)]
struct Header {
    epoch: u32,
    /// Engine time of its frame, ns.
    time: Decimal,
    bytes: Decimal,
    state_hash: String,
}

/// The newest file that is named like a snapshot.
pub(crate) fn newest_seq(config: &Config) -> io::Result<Option<Seq>> {
    let files = SnapshotDirectory::new(&config.snapshot_dir());
    Ok(files.newest_first()?.first().copied())
}

/// Lists or verifies.
pub(crate) fn run(command: &Command, out: &mut impl io::Write) -> Result<ExitCode> {
    let (instance, json, verifies) = match command {
        Command::List(arguments) => (&arguments.instance, arguments.json, false),
        Command::Verify(arguments) => (&arguments.instance, arguments.json, true),
    };
    let config = instance.load()?;
    let files = SnapshotDirectory::new(&config.snapshot_dir());
    let listed = files
        .newest_first()
        .with_context(|| format!("list {}", config.snapshot_dir().display()))?;
    let lines = listed
        .into_iter()
        .map(|seq| line(&config, &files, seq, verifies));
    let lines = lines.collect::<Result<Vec<Line>>>()?;
    if json {
        serde_json::to_writer_pretty(&mut *out, &lines).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&lines, verifies, out)?;
    }
    let all_hold = lines.iter().all(|line| line.refusal.is_none());
    Ok(if all_hold {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(WRONG)
    })
}

fn line(config: &Config, files: &SnapshotDirectory, seq: Seq, verifies: bool) -> Result<Line> {
    let shard = config.instance.shard;
    let header = read_snapshot_header(files, seq, shard);
    let (header, refusal) = match header {
        Ok(header) if verifies => {
            let mut archive = ArchiveReader::open(&config.archive_dir(), shard)?;
            let loaded = load_snapshot(files, seq, shard, &mut archive, engine_of);
            (Some(header), loaded.err())
        }
        Ok(header) => (Some(header), None),
        Err(error) => (None, Some(error)),
    };
    Ok(Line {
        file: SnapshotName(seq).to_string(),
        seq: Decimal(seq.0),
        header: header.as_ref().map(Header::of),
        refusal: refusal.map(|error| error.to_string()),
    })
}

impl Header {
    fn of(header: &SnapshotHeader) -> Self {
        Self {
            epoch: header.epoch,
            time: Decimal(header.engine_time.0),
            bytes: Decimal(header.body_bytes),
            state_hash: format!("{:016x}", header.state_hash),
        }
    }
}

fn print(lines: &[Line], verifies: bool, out: &mut impl io::Write) -> Result<()> {
    if lines.is_empty() {
        writeln!(out, "there are no snapshots")?;
    }
    for line in lines {
        write!(out, "{}", line.file)?;
        if let Some(header) = &line.header {
            write!(
                out,
                "  epoch {}  {}  {} bytes  state hash {}",
                header.epoch,
                Utc(domain::Nanos(header.time.0)),
                header.bytes,
                header.state_hash
            )?;
        }
        match &line.refusal {
            Some(refusal) => writeln!(out, "  DOES NOT HOLD: {refusal}")?,
            None if verifies => writeln!(out, "  holds")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}
