//! What a stop leaves to the next start: epochs that are used up, reports that are owed.

use anyhow::{Result, ensure};
use bench::instance::{Instance, Plan, Role};
use bench::witness::Witness;
use domain::SessionId;
use rustix::process::Signal;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::refusals::run_fastpath;
use super::{PLAN, READY, start, swarm};
use crate::audit::{ClientLog, Compared, Truth};

/// Longest wait for what must come, and the time in which what must not come would.
const PATIENCE: Duration = Duration::from_secs(15);
const QUIET: Duration = Duration::from_millis(700);
/// Orders before the slowpath goes, and after.
const BEFORE: u64 = 5;
const OUTSTANDING: u64 = 20;

/// Journal memory is lost again and again before the archive hears of the epoch that followed: none is
/// used twice, or its keys and numbers would stand for two journals.
pub(super) fn epochs() -> Result<String> {
    let mut instance = start(&PLAN)?;
    let mut told = vec![swarm(&instance, 1)?.epoch(0)];
    for role in Role::BOTH {
        instance.kill(role)?;
    }
    for _ in 0..2 {
        instance.lose_memory()?;
        instance.start(Role::Fastpath)?;
        instance.wait_ready(READY)?;
        told.push(swarm(&instance, 1)?.epoch(0));
        instance.kill(Role::Fastpath)?;
    }
    instance.lose_memory()?;
    let in_use = UdpSocket::bind(instance.port)?;
    let refused = run_fastpath(&instance, &instance.config_path.display().to_string())?;
    ensure!(refused.contains("cannot bind"), "it says: {refused}");
    drop(in_use);
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    instance.wait_ready(READY)?;
    told.push(swarm(&instance, 1)?.epoch(0));
    ensure!(
        told.is_sorted_by(|before, after| before < after),
        "an epoch comes again: {told:?}"
    );
    instance.stop()?;
    instance.sluice(&["journal", "verify"])?;
    Ok(format!("clients were told of the epochs {told:?}"))
}

/// An orderly stop in durable mode with reports outstanding, whose slowpath is dead, or only slow: of
/// every order that was taken the reports come, at the latest after the next start, and none before its
/// frame is durable.
pub(super) fn durable_stop() -> Result<String> {
    let dead = stopped_with_outstanding(|instance| instance.kill(Role::Slowpath))?;
    let slow = stopped_with_outstanding(|instance| instance.signal(Role::Slowpath, Signal::STOP))?;
    Ok(format!(
        "reports told by the stop and after the start: {dead} with a dead slowpath, {slow} with a slow one"
    ))
}

fn stopped_with_outstanding(hold_up: fn(&mut Instance) -> Result<()>) -> Result<String> {
    let mut instance = start(&Plan {
        ack: "durable",
        ..PLAN
    })?;
    let mut client = Witness::open(&instance, SessionId(1))?;
    client.enter(BEFORE)?;
    client.wait_for(&instance, BEFORE, PATIENCE)?;
    hold_up(&mut instance)?;
    let journal = instance.journal()?;
    let taken = journal.head() + OUTSTANDING;
    client.enter(OUTSTANDING)?;
    let start = Instant::now();
    while journal.head() < taken {
        ensure!(start.elapsed() < PATIENCE, "the orders are not taken");
        client.listen(&instance, Duration::from_millis(5))?;
    }
    instance.signal(Role::Fastpath, Signal::TERM)?;
    client.listen(&instance, QUIET)?;
    ensure!(client.reports() == BEFORE, "told: {}", client.reports());
    if instance.pid(Role::Slowpath).is_some() {
        instance.signal(Role::Slowpath, Signal::CONT)?;
    }
    // Frames that nobody archives are a failure of the stop.
    let archived = instance.pid(Role::Slowpath).is_some();
    let stopped = instance.stop_one(Role::Fastpath);
    ensure!(stopped.is_ok() == archived, "the stop says: {stopped:?}");
    client.listen(&instance, QUIET)?;
    let by_stop = client.reports() - BEFORE;

    instance.start(Role::Fastpath)?;
    instance.wait_ready(READY)?;
    client.listen(&instance, QUIET)?;
    if instance.pid(Role::Slowpath).is_none() {
        ensure!(client.reports() == BEFORE, "told: {}", client.reports());
        instance.start(Role::Slowpath)?;
    }
    client.wait_for(&instance, BEFORE + OUTSTANDING, PATIENCE)?;
    instance.stop()?;
    let truth = Truth::read(&instance.config.archive_dir(), 0)?;
    let log = ClientLog {
        session: client.session,
        sent: client.sent,
        told: client.told,
    };
    truth.compare(&log, &mut Compared::default())?;
    let (told, written) = (log.told.len() as u64, truth.reports_of(log.session));
    ensure!(told == written, "told {told} of {written} reports");
    Ok(format!("{by_stop}+{}", OUTSTANDING - by_stop))
}
