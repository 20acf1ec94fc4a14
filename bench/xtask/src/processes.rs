//! Tests of the real binaries: what only a whole process can show.

mod attestation;
mod deaths;
mod examples;
mod hostile;
mod hot_path;
mod log_on;
mod refusals;
mod restarts;
mod shows;

use anyhow::{Context as _, Result};
use bench::instance::{Instance, Plan, Role};
use bench::load::inside::Moment;
use bench::programs;
use bench::swarm::Swarm;
use domain::SessionId;
use shm::FastView;
use std::time::{Duration, Instant};

use crate::choice;

const READY: Duration = Duration::from_secs(60);

const PLAN: Plan = Plan {
    name: "test",
    sessions: 4,
    idle: "spin-then-yield",
    ack: "sequenced",
    journal_mib: 16,
    checkpoint_interval: 1_000,
    gateway: false,
    feed: false,
    snapshot_frames: 5_000,
};

/// A test that says what it saw.
type Test = fn() -> Result<String>;

/// Runs all of them, or those whose names contain one of the words.
#[expect(clippy::print_stdout, reason = "a test says what it does")]
pub(crate) fn run(only: &[String]) -> Result<()> {
    let tests: &[(&str, Test)] = &[
        ("closed hot path", hot_path::closed_hot_path),
        ("hostile bytes", hostile::hostile_bytes),
        ("refusals", refusals::refusals),
        ("durable acks", deaths::durable_acks),
        ("durable stop", restarts::durable_stop),
        ("loss of power", deaths::loss_of_power),
        ("epochs", restarts::epochs),
        ("dead slowpath", deaths::dead_slowpath),
        ("death within a sweep", deaths::death_within_a_sweep),
        ("attestation", attestation::attestation),
        ("examples", examples::examples),
        ("log_on", || log_on::run(&PLAN)),
        ("demo", || shows::shown(None)),
        ("demo and Ctrl-C", shows::interrupted),
        ("demo in chaos", || {
            shows::shown(Some("loss=20%,dup,reorder,kill=1s"))
        }),
    ];
    let chosen = choice::chosen(tests, |test| test.0, only, |part, name| name.contains(part))?;
    programs::build()?;
    for (name, test) in chosen {
        let said = test().with_context(|| (*name).to_owned())?;
        println!("    {name}: {said}");
    }
    Ok(())
}

fn start(plan: &Plan) -> Result<Instance> {
    let mut instance = Instance::create(plan)?;
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    instance.wait_ready(READY)?;
    Ok(instance)
}

fn swarm(instance: &Instance, sessions: u32) -> Result<Swarm> {
    let secrets = (1..=sessions).map(|id| instance.session_secret(SessionId(id)));
    let mut swarm = Swarm::new(instance.port, secrets.collect::<Result<_>>()?)?;
    swarm.establish(Duration::from_secs(30))?;
    Ok(swarm)
}

/// A counter of a tile, by its kind.
fn counter(fast: &FastView, kind: u64, number: usize) -> Result<u64> {
    let found = Moment::read(fast).find(kind, number);
    found.context("the tile has a block")
}

/// Keeps what is under way small enough for the kernel's buffers.
fn pace(swarm: &mut Swarm, sent: usize) -> Result<()> {
    if sent.is_multiple_of(32) {
        swarm.receive()?;
        std::thread::sleep(Duration::from_micros(300));
    }
    Ok(())
}

fn settle(swarm: &mut Swarm) -> Result<()> {
    let mut quiet = Instant::now();
    while quiet.elapsed() < Duration::from_millis(200) {
        if swarm.receive()? > 0 {
            quiet = Instant::now();
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}
