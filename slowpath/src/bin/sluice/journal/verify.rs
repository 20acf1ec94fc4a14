//! `sluice journal verify`.

use crate::decimal::Decimal;
use crate::output::note;
use crate::{Instance, WRONG};
use anyhow::{Context as _, Result};
use clap::Args;
use domain::{Event, Seq};
use journal::{ArchiveReader, FrameBuffer, MemoryRead, Recovered, Recovery};
use serde::Serialize;
use shadow::Shadow;
use shm::LogReader;
use slowpath::attach;
use slowpath::shadowing::CONSERVATION_INTERVAL;
use slowpath::snapshotting;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use topology::Config;

/// Engine versions that this build replays.
const ENGINE_VERSIONS: std::ops::RangeInclusive<u16> = 1..=1;
/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(2);

/// Proves the journal: walks it as a recovery does, archive first, then journal memory, and replays
/// it through a new engine.
///
/// Checks every CRC, the chain of frames, every event byte by byte, every journalled state hash, and that
/// for each asset what accounts hold and fees are what was deposited. Of a journal that is being
/// written it checks what there is at the start. Exit code 0: all of it holds; 1: it does not, and the
/// first thing that is wrong is printed with what to do.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  sluice journal verify --config sluice.toml                   of an instance that runs, or does not
  sluice journal verify --config sluice.toml --archive-only    what a loss of power would leave

Next: where it is not valid, stop the instance and keep a copy of the archive before anything else; docs/JOURNAL.md
says what a start does with damage.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    instance: Instance,

    /// Leave journal memory out: what would survive a loss of power.
    #[arg(long)]
    archive_only: bool,

    /// Begin behind the newest snapshot that holds, as a start does: shorter, and no proof of what came
    /// before it.
    #[arg(long)]
    from_snapshot: bool,

    /// One object of JSON, in which numbers of 64 bits are strings.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    valid: bool,
    /// Why not.
    refusal: Option<String>,
    /// The snapshot behind which it began, 0 if none holds; none if it was not asked for.
    snapshot: Option<Decimal>,
    /// Frames that were checked and found right.
    frames: Decimal,
    /// Of these, those that only journal memory had.
    from_memory: Decimal,
    trades: Decimal,
    last_seq: Decimal,
    epoch: u32,
    state_hash: String,
    /// The archive has frames and no journal memory joined them: the last may be gone.
    tail_may_be_lost: bool,
    /// Bytes of an unfinished write at the archive's end.
    torn_bytes: Decimal,
    assets: Vec<Asset>,
}

/// Where the funds of an asset are, base units.
#[derive(Serialize)]
struct Asset {
    asset: u32,
    deposited: Decimal,
    available: Decimal,
    held: Decimal,
    fees: Decimal,
    conserved: bool,
}

/// Verifies, and prints what was found.
pub(crate) fn run(arguments: &Arguments, out: &mut impl io::Write) -> Result<ExitCode> {
    let config = arguments.instance.load()?;
    let memory = if arguments.archive_only {
        None
    } else {
        attach::journal_reader(&config)?
    };
    let report = verify(&config, memory, arguments.from_snapshot);
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(WRONG)
    })
}

fn verify(config: &Config, memory: Option<LogReader>, from_snapshot: bool) -> Report {
    let mut shadow = Shadow::new(config.instance.shard, CONSERVATION_INTERVAL);
    let mut trades = 0;
    // Journal memory that has frames always joins, but a live one may be lapped while we read.
    let is_alone = memory.as_ref().is_none_or(|memory| memory.head() == 0);
    let mut begin = Seq(0);
    let from = from_snapshot.then_some(&mut begin);
    let walked = walk(config, memory, from, &mut shadow, &mut trades);
    let assets = assets(&shadow);
    let lost = assets.iter().find(|asset| !asset.conserved);
    let refusal = match (&walked, lost) {
        (Err(error), _) => Some(format!("{error:#}")),
        (Ok(_), Some(lost)) => Some(format!("funds of asset {} are not conserved", lost.asset)),
        (Ok(_), None) => None,
    };
    let recovered = walked.ok();
    let last_seq = shadow.checked_seq();
    Report {
        valid: refusal.is_none(),
        refusal,
        snapshot: from_snapshot.then_some(Decimal(begin.0)),
        frames: Decimal(last_seq.0 - begin.0),
        from_memory: Decimal(recovered.map_or(0, |recovered| recovered.from_memory)),
        trades: Decimal(trades),
        last_seq: Decimal(last_seq.0),
        epoch: shadow.engine().epoch(),
        state_hash: format!("{:016x}", shadow.engine().state_hash_anew()),
        tail_may_be_lost: is_alone && recovered.is_some_and(|recovered| recovered.tail_may_be_lost),
        torn_bytes: Decimal(
            recovered
                .and_then(|recovered| recovered.torn)
                .map_or(0, |torn| torn.bytes),
        ),
        assets,
    }
}

/// Goes behind the newest snapshot that holds, if there is one; says of which seq. The reader then
/// stands before its frame.
fn begin(config: &Config, archive: &mut ArchiveReader, shadow: &mut Shadow) -> Result<Seq> {
    let newest = snapshotting::newest(config, archive, Seq(u64::MAX), |name, error| {
        note(format_args!("note: snapshot {name} is not used: {error}"));
    })?;
    let seq = match newest {
        Some((header, engine)) => {
            *shadow = Shadow::behind(engine, header.chain(), CONSERVATION_INTERVAL);
            header.seq
        }
        None => Seq(0),
    };
    archive.seek(Seq(seq.0.max(1)))?;
    Ok(seq)
}

/// Replays everything, or what a snapshot does not cover; says how the walk ended.
fn walk(
    config: &Config,
    memory: Option<LogReader>,
    from_snapshot: Option<&mut Seq>,
    shadow: &mut Shadow,
    trades: &mut u64,
) -> Result<Recovered> {
    // A live journal goes on while we read: it is checked up to where it is now.
    let head = memory.as_ref().map_or(Seq(0), |memory| Seq(memory.head()));
    let mut archive = ArchiveReader::open(&config.archive_dir(), config.instance.shard)?;
    if let Some(seq) = from_snapshot {
        *seq = begin(config, &mut archive, shadow)?;
    }
    let mut recovery = Recovery::with_memory(archive, frames_of(memory), ENGINE_VERSIONS);
    let mut said = Instant::now();
    while let Some(frame) = recovery.next()? {
        let seq = frame.header.seq;
        // The frame behind which a snapshot was taken is only compared with the memory's.
        if seq > shadow.checked_seq() {
            shadow
                .step(&frame)
                .with_context(|| format!("replay refuses the journal at seq {seq}"))?;
            let events = frame.events().flatten();
            *trades += events
                .map(|event| u64::from(matches!(event, Event::Trade(_))))
                .sum::<u64>();
        }
        if seq == head {
            break;
        }
        if said.elapsed() >= PROGRESS {
            said = Instant::now();
            note(format_args!("verified to seq {seq}, {trades} trades"));
        }
    }
    Ok(recovery.finish())
}

/// The frames of journal memory, if there is one.
fn frames_of(memory: Option<LogReader>) -> impl FnMut(Seq, &mut FrameBuffer) -> MemoryRead {
    let mut frames = memory.map(archive::frames_of);
    move |seq, buffer| match &mut frames {
        Some(frames) => frames(seq, buffer),
        None => MemoryRead::End,
    }
}

fn assets(shadow: &Shadow) -> Vec<Asset> {
    let engine = shadow.engine();
    let of_asset = |asset| {
        let (deposited, fees) = engine.asset(asset).unwrap_or_default();
        let (mut available, mut held) = (0_u128, 0_u128);
        for account in engine.account_ids() {
            let balance = engine.balance(account, asset).unwrap_or_default();
            available += u128::from(balance.0.0);
            held += u128::from(balance.1.0);
        }
        let decimal = |sum: u128| Decimal(u64::try_from(sum).unwrap_or(u64::MAX));
        Asset {
            asset: asset.0,
            deposited: Decimal(deposited.0),
            available: decimal(available),
            held: decimal(held),
            fees: Decimal(fees.0),
            conserved: available + held + u128::from(fees.0) == u128::from(deposited.0),
        }
    };
    engine.asset_ids().map(of_asset).collect()
}

fn print(report: &Report, out: &mut impl io::Write) -> Result<()> {
    if let Some(snapshot) = report.snapshot {
        writeln!(
            out,
            "begun behind  seq {snapshot}: no proof of what came before"
        )?;
    }
    writeln!(
        out,
        "frames        {} ({} of them in journal memory only)",
        report.frames, report.from_memory
    )?;
    writeln!(out, "trades        {}", report.trades)?;
    writeln!(out, "last seq      {}", report.last_seq)?;
    writeln!(out, "epoch         {}", report.epoch)?;
    writeln!(out, "state hash    {}", report.state_hash)?;
    for asset in &report.assets {
        writeln!(
            out,
            "asset {:<7} {}: deposited {} {} available {} + held {} + fees {}",
            asset.asset,
            if asset.conserved {
                "conserved"
            } else {
                "NOT CONSERVED"
            },
            asset.deposited,
            if asset.conserved { "=" } else { "but" },
            asset.available,
            asset.held,
            asset.fees
        )?;
    }
    if report.torn_bytes > Decimal(0) {
        writeln!(
            out,
            "the archive ends with {} bytes of an unfinished write, which the slowpath will cut off",
            report.torn_bytes
        )?;
    }
    if report.tail_may_be_lost {
        writeln!(
            out,
            "no journal memory joined the archive: later frames may be gone, the next start begins a new epoch"
        )?;
    }
    match &report.refusal {
        None => writeln!(out, "the journal is valid")?,
        Some(refusal) => writeln!(out, "the journal is NOT VALID: {refusal}")?,
    }
    Ok(())
}
