//! Tests of the real binaries: what only a whole process can show.

mod hot_path;

use anyhow::{Context as _, Result, bail, ensure};
use bench::instance::{Instance, Plan, Role};
use bench::load::inside::Moment;
use bench::programs;
use bench::random::Random;
use bench::subscriber::Subscriber;
use bench::swarm::Swarm;
use domain::SessionId;
use rustix::process::Signal;
use shm::FastView;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use topology::instruments::{net, process, tile_kind};

use crate::{choice, demo, log_on, restarts};

pub(crate) const READY: Duration = Duration::from_secs(60);

pub(crate) const PLAN: Plan = Plan {
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
        ("hostile bytes", hostile_bytes),
        ("refusals", refusals),
        ("durable acks", durable_acks),
        ("durable stop", restarts::durable_stop),
        ("loss of power", loss_of_power),
        ("epochs", restarts::epochs),
        ("dead slowpath", dead_slowpath),
        ("death within a sweep", death_within_a_sweep),
        ("examples", examples),
        ("log_on", || log_on::run(&PLAN)),
        ("demo", || shown(None)),
        ("demo and Ctrl-C", interrupted),
        ("demo in chaos", || {
            shown(Some("loss=20%,dup,reorder,kill=1s"))
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

pub(crate) fn start(plan: &Plan) -> Result<Instance> {
    let mut instance = Instance::create(plan)?;
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    instance.wait_ready(READY)?;
    Ok(instance)
}

pub(crate) fn swarm(instance: &Instance, sessions: u32) -> Result<Swarm> {
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

fn flip(bytes: &mut [u8], random: &mut Random) {
    let place = usize::try_from(random.below(bytes.len() as u64)).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << random.below(8);
    }
}

/// Any bytes to the port: counted, answered or dropped, and the exchange goes on.
fn hostile_bytes() -> Result<String> {
    let mut instance = start(&PLAN)?;
    let mut swarm = swarm(&instance, PLAN.sessions)?;
    let mut random = Random(11);
    for place in 0..swarm.sessions() {
        swarm.order(place, 0, 9_000, 1)?;
    }
    settle(&mut swarm)?;
    let accepted = swarm.tally.accepted;
    for round in 0..20_000_usize {
        let place = round % swarm.sessions();
        let sign = round % 3 != 0;
        let cut = usize::try_from(random.below(90))?;
        match random.below(4) {
            0 => {
                let bytes: Vec<u8> = (0..cut * 16)
                    .map(|_| random.draw().to_le_bytes()[0])
                    .collect();
                swarm.raw(&bytes)?;
            }
            1 => swarm.spoiled(place, |bytes| bytes.truncate(cut), sign)?,
            _ => swarm.spoiled(place, |bytes| spoil(bytes, &mut random), sign)?,
        }
        pace(&mut swarm, round)?;
    }
    settle(&mut swarm)?;
    let fast = instance.fast()?;
    for number in [net::garbage, net::wrong_mac, net::malformed] {
        ensure!(
            counter(&fast, tile_kind::NET, number)? > 0,
            "{} was not counted",
            net::NAMES[number]
        );
    }
    ensure!(
        swarm.tally.refused > 0,
        "nothing was answered with a reason: {:?}",
        swarm.tally
    );
    let before = swarm.tally;
    let newcomer = SessionId(1);
    let mut fresh = Swarm::new(instance.port, vec![instance.session_secret(newcomer)?])?;
    fresh.establish(Duration::from_secs(10))?;
    fresh.order(0, 0, 9_000, 1)?;
    settle(&mut fresh)?;
    ensure!(
        fresh.tally.accepted + fresh.tally.rejected == 1,
        "no answer: {:?}",
        fresh.tally
    );
    instance.stop()?;
    Ok(format!(
        "20,000 datagrams after {accepted} orders: {before:?}; still serving"
    ))
}

fn spoil(bytes: &mut [u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        flip(bytes, random);
    }
    // Keep session and epoch, or nothing would pass the first look.
    if bytes.len() > 24 && random.below(2) == 0 {
        let number = random.draw().to_le_bytes();
        bytes[16..24].copy_from_slice(&number);
    }
}

/// A second writer, a wrong configuration: a clear line and exit code 1.
fn refusals() -> Result<String> {
    let mut instance = start(&PLAN)?;
    let said = run_fastpath(&instance, &instance.config_path.display().to_string())?;
    ensure!(
        said.contains("another fastpath (pid ") && said.contains("state_dir"),
        "a second fastpath: {said}"
    );
    let wrong = instance.folder().join("wrong.toml");
    std::fs::write(&wrong, "[instance]\nnme = \"x\"\n")?;
    let unknown = run_fastpath(&instance, &wrong.display().to_string())?;
    ensure!(
        unknown.contains("nme") && unknown.contains("line 2"),
        "an unknown key: {unknown}"
    );
    let missing = run_fastpath(&instance, "/nonexistent/sluice.toml")?;
    ensure!(
        missing.contains("/nonexistent/sluice.toml"),
        "a missing file: {missing}"
    );
    instance.stop()?;
    Ok("second fastpath, unknown key and missing file are refused by name".to_owned())
}

pub(crate) fn run_fastpath(instance: &Instance, config: &str) -> Result<String> {
    let out = instance
        .command(Role::Fastpath)
        .args(["--config", config])
        .output()?;
    ensure!(out.status.code() == Some(1), "ended with {}", out.status);
    Ok(String::from_utf8_lossy(&out.stderr).into_owned())
}

/// In durable mode no report leaves before its frame is synced, and all leave after.
fn durable_acks() -> Result<String> {
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
fn loss_of_power() -> Result<String> {
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
    let truth = crate::audit::Truth::read(&instance.config.archive_dir(), 0)?;
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
fn dead_slowpath() -> Result<String> {
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
fn death_within_a_sweep() -> Result<String> {
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
    let truth = crate::audit::Truth::read(&instance.config.archive_dir(), 0)?;
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

/// The client library's documented examples, against the real exchange: they do what they say, and
/// where they cannot they say why, each reason in words of its own.
fn examples() -> Result<String> {
    let mut instance = start(&PLAN)?;
    let secrets = [1, 2].map(|id: u32| instance.folder().join(format!("session-{id}.secret")));
    for (secret, id) in secrets.iter().zip(["1", "2"]) {
        std::fs::write(
            secret,
            instance.sluice(&["session-secret", "--session", id])?,
        )?;
    }
    let [secret, other] = secrets.each_ref().map(|path| path.display().to_string());
    let server = instance.port.to_string();
    let mut said = String::new();
    for (example, more) in [
        ("place_and_cancel", &[][..]),
        ("small_maker", &["--seconds", "2"][..]),
    ] {
        let out = example_with(example, [&server, "1", "0", &secret], more)?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let errors = String::from_utf8_lossy(&out.stderr).into_owned();
        ensure!(
            out.status.success(),
            "{example} ended with {}: {text}{errors}",
            out.status
        );
        let last = text.lines().last().unwrap_or("(nothing)");
        said = format!("{said}{example}: {last}; ");
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let silence = "counters unknown_session and wrong_mac grows";
        for (given, says) in [
            (
                [&nobody.to_string(), "1", "0", &secret],
                "nothing listens on",
            ),
            ([&server, "1", "0", &other], silence),
            ([&server, "999", "0", &secret], silence),
            (
                [&server, "1", "77", &secret],
                "the exchange has no market 77",
            ),
        ] {
            let out = example_with(example, given, &["--wait", "1"])?;
            let errors = String::from_utf8_lossy(&out.stderr).into_owned();
            ensure!(
                out.status.code() == Some(1) && errors.contains(says),
                "{example} {given:?} ended with {} and does not say {says:?}: {errors}",
                out.status
            );
        }
    }
    let fast = instance.fast()?;
    for number in [net::unknown_session, net::wrong_mac] {
        ensure!(
            counter(&fast, tile_kind::NET, number)? > 0,
            "{} did not grow",
            net::NAMES[number]
        );
    }
    instance.stop()?;
    Ok(format!("{said}each failure is named"))
}

pub(crate) fn example_with(
    example: &str,
    [server, session, market, secret]: [&str; 4],
    more: &[&str],
) -> Result<std::process::Output> {
    Command::new("cargo")
        .current_dir(programs::workspace_root()?)
        .args(["run", "--quiet", "-p", "client", "--example", example, "--"])
        .args(["--server", server, "--session", session])
        .args(["--market", market, "--secret", secret])
        .args(more)
        .output()
        .context("start cargo")
}

/// The demo ends by itself, with everything answered and the replay valid.
fn shown(chaos: Option<&str>) -> Result<String> {
    let chaos = chaos.map(str::parse).transpose()?;
    let seconds = Some(if chaos.is_some() { 8 } else { 3 });
    let followed = demo::run(&demo::Arguments {
        seconds,
        chaos,
        rate: 300,
        durable: false,
    })?;
    let books = followed.whole()?;
    Ok(format!(
        "ended by itself, all commands answered, journal valid; feed: {books}"
    ))
}

/// Ctrl-C in a terminal goes to the whole process group: the demo stops its processes in order and
/// restarts nothing.
fn interrupted() -> Result<String> {
    let mut demo = Command::new(std::env::current_exe()?)
        .args(["demo", "--rate", "200"])
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let mut shown = BufReader::new(demo.stdout.take().context("its output is piped")?);
    let mut text = String::new();
    // It builds first, which may take a while.
    while !text.contains("orders/s") {
        let read = shown.read_line(&mut text)?;
        ensure!(read > 0, "ended before it began: {text}");
    }
    std::thread::sleep(Duration::from_secs(3));
    let group = i32::try_from(demo.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process_group(group.context("a pid")?, Signal::INT)?;
    shown.read_to_string(&mut text)?;
    let status = demo.wait()?;
    ensure!(status.success(), "ended with {status}: {text}");
    ensure!(
        text.contains("fastpath 0, slowpath 0"),
        "something was restarted: {text}"
    );
    Ok("stops in order, restarts nothing, exit code 0".to_owned())
}
