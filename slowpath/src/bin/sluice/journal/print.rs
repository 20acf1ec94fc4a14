//! `sluice journal print`.

use crate::Instance;
use crate::decimal::Decimal;
use crate::output::note;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use domain::{Seq, SessionId, Source, Utc};
use gateway::notation::{self, Record};
use journal::Frame;
use serde::Serialize;
use slowpath::attach;
use slowpath::follower::Follower;
use std::io;
use std::process::ExitCode;

/// Prints the journal: a line for each command, and below it one for each event that it caused.
///
/// Amounts are base units, quantities lots, prices ticks, times UTC. With --json each frame is one line
/// of JSON, in which numbers of 64 bits are strings.
///
///     sluice journal print --from 1000 --to 1010
///     sluice journal print --session 7 --json
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Exit codes:
  0  printed, up to the last frame or the last asked for; if there was nothing to print, that is said
  1  something cannot be read; it is said what

Next: `sluice journal verify` says whether all of it is right."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    instance: Instance,

    /// First seq to print.
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from: u64,

    /// Last seq to print; else all that there are.
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,

    /// Only commands of this session, and events that are reported to it.
    #[arg(long, value_name = "ID")]
    session: Option<u32>,

    /// One line of JSON for each frame.
    #[arg(long)]
    json: bool,
}

/// A frame.
#[derive(Serialize)]
struct Line {
    seq: Decimal,
    epoch: u32,
    /// Engine time, ns.
    time: Decimal,
    receive_time: Decimal,
    source: String,
    source_number: Decimal,
    command: Record,
    events: Vec<Record>,
}

/// Prints it.
pub(crate) fn run(arguments: &Arguments, out: &mut impl io::Write) -> Result<ExitCode> {
    let config = arguments.instance.load()?;
    let memory = attach::journal_reader(&config)?;
    let directory = config.archive_dir();
    let is_there = directory
        .try_exists()
        .with_context(|| format!("look for the archive {}", directory.display()))?;
    let archive = is_there.then(|| directory.clone());
    if archive.is_none() && memory.is_none() {
        bail!(
            "there is neither an archive in {} nor journal memory of instance {}",
            directory.display(),
            config.instance.name
        );
    }
    if memory.is_none() {
        note(format_args!(
            "note: there is no journal memory of this boot; this is the archive alone"
        ));
    }
    let first = Seq(arguments.from.max(1));
    let mut frames = Follower::new(archive, config.instance.shard, memory, first);
    let last = Seq(arguments.to.unwrap_or(u64::MAX));
    let mut printed = false;
    while frames.next_seq() <= last {
        let Some(frame) = frames.next(|| Seq(u64::MAX))? else {
            break;
        };
        if let Some(line) = line(&frame, arguments.session.map(SessionId)) {
            print(&line, arguments.json, out)?;
            printed = true;
        }
    }
    if !printed {
        note(format_args!(
            "note: {}",
            nothing(first, last, frames.next_seq())
        ));
    }
    if let Some(torn) = frames.torn() {
        note(format_args!(
            "note: the archive ends with {} bytes of an unfinished write, {}",
            torn.bytes, torn.at
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Why nothing was printed of what was asked for; `next` is the frame that was looked for last.
fn nothing(first: Seq, last: Seq, next: Seq) -> String {
    if last < first {
        return format!("there is nothing to print: --to {last} is before the first seq, {first}");
    }
    if next == first {
        return format!("there is nothing to print: the journal ends before seq {first}");
    }
    "there is nothing to print: none of these frames is of this session or reported to it"
        .to_owned()
}

/// What of a frame is to be printed, if anything: for a session its own commands with all that they
/// caused, and of others' what was reported to it.
fn line(frame: &Frame<'_>, session: Option<SessionId>) -> Option<Line> {
    let header = &frame.header;
    let is_whole = session.is_none_or(|session| header.source == Source::of_session(session));
    let events: Vec<Record> = frame
        .events()
        .flatten()
        .filter(|event| is_whole || event.report().map(|(session, _)| session) == session)
        .map(|event| notation::event(&event))
        .collect();
    (is_whole || !events.is_empty()).then(|| Line {
        seq: Decimal(header.seq.0),
        epoch: header.epoch,
        time: Decimal(header.engine_time.0),
        receive_time: Decimal(header.receive_time.0),
        source: header.source.to_string(),
        source_number: Decimal(header.source_seq),
        command: notation::command(&frame.command),
        events,
    })
}

fn print(line: &Line, json: bool, out: &mut impl io::Write) -> Result<()> {
    if json {
        serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(
        out,
        "{} {} epoch {} {} #{} {}",
        line.seq,
        Utc(domain::Nanos(line.time.0)),
        line.epoch,
        line.source,
        line.source_number,
        line.command
    )?;
    for event in &line.events {
        writeln!(out, "    {event}")?;
    }
    Ok(())
}
