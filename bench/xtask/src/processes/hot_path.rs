//! The closed hot path: a tile's thread asks nothing of the system but its port, and nothing of the allocator.

use anyhow::{Context as _, Result, bail, ensure};
use bench::instance::{Instance, Plan, Role};
use bench::leftovers::Process;
use bench::random::Random;
use bench::swarm::Swarm;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use topology::instruments::{out, process, tile_kind};

use super::hostile::flip;
use super::{PLAN, counter, pace, settle, start, swarm};

/// Page faults of a tile's thread after start that are none of the tables': code that runs for the
/// first time, and a deeper stack.
const PAGE_FAULTS: u64 = 64;

/// 1,000 accounts, 20,000 resting orders, then fills, cancels, mass quotes, protections that are reached, duplicates,
/// skipped numbers and garbage: no heap allocation after start, and of the tile's thread no system call but the
/// port's, as strace sees it. The feed is on, and nobody listens to it.
pub(super) fn closed_hot_path() -> Result<String> {
    let plan = Plan {
        sessions: 1_000,
        idle: "spin",
        journal_mib: 64,
        feed: true,
        ..PLAN
    };
    let mut instance = start(&plan)?;
    let tile = tile_thread(&instance)?;
    let faults_at_start = page_faults(&instance, tile)?;
    let mut swarm = swarm(&instance, plan.sessions)?;
    let mut random = Random(7);
    rest_orders(&mut swarm)?;
    settle(&mut swarm)?;
    let resting = swarm.tally.accepted;
    ensure!(
        resting >= 19_000,
        "only {resting} of 20,000 orders rest: {:?}",
        swarm.tally
    );
    let calls = trace_while(tile, || {
        mixed_load(&mut swarm, &mut random, Duration::from_secs(4))
    })?;
    settle(&mut swarm)?;
    // The backend's own: receive, transmit, and once a millisecond the kernel's count of drops.
    let allowed = ["recvmmsg", "sendmmsg", "getsockopt"];
    let foreign: Vec<_> = calls
        .keys()
        .filter(|name| !allowed.contains(&name.as_str()))
        .collect();
    ensure!(
        foreign.is_empty(),
        "the tile made other system calls: {calls:?}"
    );
    ensure!(
        calls.contains_key("recvmmsg"),
        "strace saw nothing of the port: {calls:?}"
    );
    let fast = instance.fast()?;
    let allocations = counter(&fast, tile_kind::PROCESS, process::allocations)?;
    ensure!(
        allocations == 0,
        "{allocations} heap allocations after start"
    );
    let faults = page_faults(&instance, tile)? - faults_at_start;
    ensure!(
        faults <= PAGE_FAULTS,
        "{faults} page faults after start: a table was not touched when it was made"
    );
    let published = counter(&fast, tile_kind::OUT, out::feed_messages)?;
    let errors = counter(&fast, tile_kind::OUT, out::port_errors)?;
    ensure!(
        published > resting && errors == 0,
        "{published} messages of the feed, {errors} errors of the port"
    );
    let tally = swarm.tally;
    ensure!(tally.fills > 0 && tally.canceled > 0 && tally.not_applied > 0 && tally.repeated > 0);
    ensure!(tally.protected > 0, "no protection was reached: {tally:?}");
    instance.stop()?;
    Ok(format!(
        "{resting} resting, {tally:?}, {published} feed messages, {calls:?}, 0 allocations, {faults} page faults"
    ))
}

/// 20 orders of each session that do not cross.
fn rest_orders(swarm: &mut Swarm) -> Result<()> {
    for round in 0..20_u64 {
        for place in 0..swarm.sessions() {
            let price = 10_000 + i64::try_from(round % 10)?;
            let side = u8::from(place % 2 == 1);
            swarm.order(
                place,
                side,
                if side == 0 { price - 20 } else { price + 20 },
                5,
            )?;
            pace(swarm, place)?;
        }
    }
    Ok(())
}

/// Minor page faults of a thread so far.
fn page_faults(instance: &Instance, thread: u32) -> Result<u64> {
    let pid = instance.pid(Role::Fastpath).context("the fastpath runs")?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat"))?;
    // The thread's name, in parentheses, may hold anything; the eighth field behind it is minflt.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let faults = fields.split_whitespace().nth(7).context("minflt")?;
    Ok(faults.parse()?)
}

fn mixed_load(swarm: &mut Swarm, random: &mut Random, time: Duration) -> Result<()> {
    let start = Instant::now();
    let mut sent = 0_usize;
    while start.elapsed() < time {
        let place = usize::try_from(random.below(swarm.sessions() as u64))?;
        match random.below(20) {
            0 => swarm.repeat(place)?,
            1 => swarm.skip(place),
            2 => swarm.spoiled(place, |bytes| flip(bytes, random), false)?,
            3 => swarm.raw(&random.draw().to_le_bytes())?,
            4..=6 => swarm.cancel(place, random.below(20) + 1)?,
            7 => swarm.mass_quote(place, 10_000, 10_001, random.below(32) + 1)?,
            8 => swarm.protect(place, 1)?,
            9..=11 => swarm.order(place, u8::from(place % 2 == 0), 10_000, 3)?,
            _ => swarm.order(place, u8::from(place % 2 == 1), 10_000, 3)?,
        }
        sent += 1;
        pace(swarm, sent)?;
    }
    Ok(())
}

fn tile_thread(instance: &Instance) -> Result<u32> {
    let pid = instance.pid(Role::Fastpath).context("the fastpath runs")?;
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = entry?;
        if std::fs::read_to_string(task.path().join("comm"))?.trim() == "core-0" {
            return Ok(task.file_name().to_string_lossy().parse()?);
        }
    }
    bail!("the fastpath has no thread core-0")
}

/// System calls of a thread, by name, while `load` runs.
fn trace_while(thread: u32, load: impl FnOnce() -> Result<()>) -> Result<BTreeMap<String, u64>> {
    let strace = Process::start(
        Command::new("strace")
            .args(["-qq", "-c", "-U", "name,calls", "-p", &thread.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped()),
    )?;
    std::thread::sleep(Duration::from_millis(300));
    load()?;
    strace.signal(Signal::INT)?;
    let mut text = String::new();
    if let Some(mut stderr) = strace.with(|child| child.stderr.take()) {
        stderr.read_to_string(&mut text)?;
    }
    strace.wait()?;
    let mut calls = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [name, count] = words[..]
            && let Ok(count) = count.parse()
            && name != "total"
        {
            calls.insert(name.to_owned(), count);
        }
    }
    ensure!(!calls.is_empty(), "strace said nothing of use: {text}");
    Ok(calls)
}
