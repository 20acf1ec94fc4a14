//! What holds when a process, its memory or the power is gone.

use anyhow::{Context as _, Result, bail, ensure};
use bench::instance::{Instance, Plan, Role};
use bench::subscriber::Subscriber;
use bench::swarm::Swarm;
use domain::SessionId;
use std::time::{Duration, Instant};
use topology::instruments::{process, tile_kind};

use super::{PLAN, READY, counter, pace, settle, start, swarm};
use crate::audit::Truth;

/// In durable mode no report leaves before its frame is synced, and all leave after.
pub(super) fn durable_acks() -> Result<String> {
    let mut instance = start(&Plan {
        ack: "durable",
        ..PLAN
    })?;
    let mut swarm = swarm(&instance, PLAN.sessions)?;
    swarm.order(0, 0, 9_000, 1)?;
    settle(&mut swarm)?;
    ensure!(
        swarm.tally.accepted == 1,
        "with a slowpath the report comes: {:?}",
        swarm.tally
    );
    instance.kill(Role::Slowpath)?;
    swarm.order(0, 0, 9_000, 1)?;
    settle(&mut swarm)?;
    ensure!(
        swarm.tally.accepted == 1,
        "without a slowpath it waits: {:?}",
        swarm.tally
    );
    instance.start(Role::Slowpath)?;
    let start = Instant::now();
    while swarm.tally.accepted < 2 {
        ensure!(
            start.elapsed() < Duration::from_secs(10),
            "the report never came"
        );
        settle(&mut swarm)?;
    }
    instance.stop()?;
    Ok("a report waits for its fdatasync, across a restart of the slowpath".to_owned())
}

/// Both processes and all memory gone: what is archived is there, in a new epoch.
pub(super) fn loss_of_power() -> Result<String> {
    let mut instance = Instance::create(&Plan {
        ack: "durable",
        feed: true,
        ..PLAN
    })?;
    let subscriber = Subscriber::start(instance.feed.context("the plan has a feed")?)?;
    for role in Role::BOTH {
        instance.start(role)?;
    }
    instance.wait_ready(READY)?;
    let mut first = swarm(&instance, PLAN.sessions)?;
    for _ in 0..50 {
        for place in 0..first.sessions() {
            first.order(place, u8::from(place % 2 == 1), 9_000, 1)?;
        }
        settle(&mut first)?;
    }
    let told = first.tally;
    for role in Role::BOTH {
        instance.kill(role)?;
    }
    instance.lose_memory()?;
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    instance.wait_ready(READY)?;
    let fast = instance.fast()?;
    let epoch = counter(&fast, tile_kind::PROCESS, process::epoch)?;
    ensure!(epoch == 2, "a new epoch begins, this is {epoch}");
    let mut second = swarm(&instance, PLAN.sessions)?;
    second.order(0, 0, 9_000, 1)?;
    settle(&mut second)?;
    instance.stop()?;
    let (heard, _) = subscriber.stop()?;
    ensure!(
        heard.new_sessions == 1 && heard.ends == 1 && heard.wrong == 0,
        "the feed goes on in a new session, and ends: {heard:?}"
    );
    let truth = Truth::read(&instance.config.archive_dir(), 0)?;
    let fills = truth.trades * 2;
    ensure!(
        fills >= told.fills,
        "clients saw {} fills, the archive has {fills}",
        told.fills
    );
    let verified = instance.sluice(&["journal", "verify"])?;
    ensure!(verified.contains("state hash"), "verify says: {verified}");
    Ok(format!(
        "{} frames and {} trades survive, epoch 2; {heard:?}",
        truth.frames, truth.trades
    ))
}

/// Without a slowpath the fastpath goes on until its memory is used up, says Busy, and goes on by
/// itself when the slowpath is back.
pub(super) fn dead_slowpath() -> Result<String> {
    let mut instance = start(&Plan {
        journal_mib: 1,
        ..PLAN
    })?;
    let mut swarm = swarm(&instance, PLAN.sessions)?;
    instance.kill(Role::Slowpath)?;
    let start = Instant::now();
    let mut sent = 0;
    while swarm.tally.refused == 0 {
        ensure!(
            start.elapsed() < Duration::from_secs(60),
            "never Busy: {:?}",
            swarm.tally
        );
        swarm.order(sent % swarm.sessions(), 0, 9_000, 1)?;
        sent += 1;
        pace(&mut swarm, sent)?;
    }
    let busy = swarm.tally;
    instance.start(Role::Slowpath)?;
    let mut fresh = Swarm::new(instance.port, vec![instance.session_secret(SessionId(1))?])?;
    fresh.establish(Duration::from_secs(20))?;
    while fresh.tally.accepted == 0 {
        ensure!(
            start.elapsed() < Duration::from_secs(90),
            "does not go on: {:?}",
            fresh.tally
        );
        fresh.order(0, 0, 9_000, 1)?;
        settle(&mut fresh)?;
    }
    instance.stop()?;
    Ok(format!(
        "{} orders without a slowpath, then Busy, then on",
        busy.accepted
    ))
}

/// An order that sweeps more makers than one frame holds, and the process dies between its frames:
/// the next start begins the epoch and then finishes the sweep.
pub(super) fn death_within_a_sweep() -> Result<String> {
    let mut instance = start(&PLAN)?;
    let mut swarm = swarm(&instance, PLAN.sessions)?;
    for _ in 0..48 {
        swarm.order(0, 1, 10_000, 1)?;
    }
    settle(&mut swarm)?;
    swarm.order(1, 0, 10_000, 48)?;
    settle(&mut swarm)?;
    ensure!(
        swarm.tally.fills == 96,
        "the sweep is whole: {:?}",
        swarm.tally
    );
    instance.stop()?;
    let cut = cut_before_continue(&instance)?;
    instance.lose_memory()?;
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    instance.wait_ready(READY)?;
    instance.stop()?;
    let truth = Truth::read(&instance.config.archive_dir(), 0)?;
    ensure!(
        truth.trades == 48,
        "the sweep goes on after the restart: {} trades",
        truth.trades
    );
    instance.sluice(&["journal", "verify"])?;
    Ok(format!(
        "cut at seq {cut}; 48 of 48 trades after the restart"
    ))
}

/// Cuts the archive's only segment before its first `Continue` and says at which seq.
fn cut_before_continue(instance: &Instance) -> Result<u64> {
    let archive = instance.config.archive_dir();
    let mut reader = journal::ArchiveReader::open(&archive, 0)?;
    let mut offset = journal::SEGMENT_HEADER_BYTES as u64;
    while let Some(frame) = reader.next_frame()? {
        if matches!(frame.command, domain::Command::Continue(_)) {
            let segment = archive.join("00000000000000000001.seg");
            std::fs::OpenOptions::new()
                .write(true)
                .open(segment)?
                .set_len(offset)?;
            return Ok(frame.header.seq.0);
        }
        offset += 8 * frame.words() as u64;
    }
    bail!("the journal has no Continue")
}
