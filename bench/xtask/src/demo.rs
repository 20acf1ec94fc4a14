//! `cargo demo`: an exchange on loopback, two makers and a taker, shown live.
//!
//! It starts the real binaries, keeps them alive, and reads what it shows from shared memory and
//! from its own clients.

use anyhow::{Context as _, Result, ensure};
use bench::chaos::{Chaos, Proxy};
use bench::instance::{Instance, Plan, Role};
use bench::leftovers::InOrder;
use bench::programs;
use bench::subscriber::Subscriber;
use bench::trader::{Seen, Style, Trader};
use bench::web::WebUser;
use domain::SessionId;
use hdrhistogram::Histogram;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::table::Table;
use crate::feed::{self, Followed};

mod table;

const READY: Duration = Duration::from_secs(60);

/// What to show, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// End by itself after so many seconds, with a summary (default: run until Ctrl-C).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: Option<u64>,
    /// What goes wrong on the way: a lossy proxy before the port, and SIGKILLs of the processes in
    /// turn. For example `loss=20%,dup,reorder,kill=5s`; any part may be left out. `loss`, `dup` and
    /// `reorder` are shares of the datagrams each way, at most 90 %, 10 % where none is given; `kill`
    /// is the time between two kills, in `s` or `ms`.
    #[arg(long, value_name = "WHAT")]
    pub(crate) chaos: Option<Chaos>,
    /// Commands a second of each of the three traders.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
    /// Acknowledge after fdatasync instead of after sequencing.
    #[arg(long)]
    pub(crate) durable: bool,
}

/// What the traders tell the table.
#[derive(Default)]
struct Told {
    seen: Seen,
    latency: Option<Histogram<u64>>,
    unanswered: usize,
}

struct Crowd {
    stop: Arc<AtomicBool>,
    told: Vec<Arc<Mutex<Told>>>,
    threads: Vec<JoinHandle<Result<()>>>,
}

#[expect(clippy::print_stdout, reason = "this is what the command prints")]
pub(crate) fn run(arguments: &Arguments) -> Result<Followed> {
    let start = Instant::now();
    println!(
        "building fastpath and slowpath (profile {}) ...",
        programs::profile()
    );
    programs::build()?;
    println!("built in {:.1} s", start.elapsed().as_secs_f32());
    let mut instance = Instance::create(&Plan {
        name: "demo",
        sessions: 4,
        idle: "spin-then-yield",
        ack: if arguments.durable {
            "durable"
        } else {
            "sequenced"
        },
        journal_mib: 64,
        checkpoint_interval: 10_000,
        gateway: true,
        feed: true,
        snapshot_frames: 50_000,
    })?;
    let subscriber = Subscriber::start(instance.feed.context("the plan has a feed")?)?;
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    instance.wait_ready(READY)?;
    let chaos = arguments.chaos.unwrap_or_default();
    let proxy = match arguments.chaos {
        Some(_) => Some(Proxy::start(instance.port.into(), chaos, 1)?),
        None => None,
    };
    let door = proxy
        .as_ref()
        .map_or(instance.port.into(), |proxy| proxy.address);
    greet(&instance, door, chaos)?;
    let crowd = Crowd::start(&instance, door, arguments.rate)?;
    let show = Show {
        arguments,
        chaos,
        subscriber: &subscriber,
    };
    show.watch(&mut instance, &crowd)?;
    let told = crowd.stop()?;
    drop(proxy);
    sum_up(&mut instance, &told, subscriber)
}

#[expect(clippy::print_stdout, reason = "this is what the command prints")]
fn greet(instance: &Instance, door: SocketAddr, chaos: Chaos) -> Result<()> {
    let through = if chaos == Chaos::default() {
        ""
    } else {
        " (through the chaos proxy)"
    };
    println!("order entry  udp://{door}{through}, SBE, see docs/WIRE.md");
    if let Some(feed) = instance.feed {
        println!("public feed  udp://{feed}, MoldUDP64, see docs/FEED.md; a subscriber listens");
    }
    println!("instance     {}", instance.folder().display());
    println!(
        "status       {}/sluice status --config {}",
        programs::folder()?.display(),
        instance.config_path.display()
    );
    let secret = instance.folder().join("session-4.secret");
    let hex: String = instance
        .session_secret(SessionId(4))?
        .expose()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    std::fs::write(&secret, hex)?;
    // No package is named, as in the aliases: what is built already is not built again.
    println!(
        "your session cargo run --profile {} --example place_and_cancel -- \
         --server {door} --session 4 --secret {} --market 0",
        programs::profile(),
        secret.display()
    );
    greet_web(instance)
}

/// Says how to trade by hand: a user is logged on and has test funds.
#[expect(clippy::print_stdout, reason = "this is what the command prints")]
fn greet_web(instance: &Instance) -> Result<()> {
    let address = instance.config.gateway.bind;
    let user = WebUser::log_on(address, [4; 32], READY)?;
    user.faucet("SOL", 1_000_000_000_000)?;
    user.faucet("USDC", 1_000_000_000_000)?;
    println!("web          http://{address}/docs, see docs/GATEWAY.md");
    println!(
        "your order   curl -s http://{address}/api/v1/orders -H 'Authorization: Bearer {}' \
         -H 'Content-Type: application/json' -d '{{\"market\":\"SOL/USDC\",\"side\":\"Bid\",\
         \"order_type\":\"Market\",\"time_in_force\":\"ImmediateOrCancel\",\"quantity\":\"1\"}}'",
        user.access_token
    );
    println!(
        "watch it     (needs Node.js) npx -y wscat -c ws://{address}/ws -w 60 -x \
         '{{\"type\":\"Subscribe\",\"subscription\":{{\"type\":\"Trades\",\"market\":\"SOL/USDC\"}}}}'\n"
    );
    Ok(())
}

struct Show<'a> {
    arguments: &'a Arguments,
    chaos: Chaos,
    subscriber: &'a Subscriber,
}

impl Show<'_> {
    /// Shows the table once a second, restarts what dies and kills what chaos wants killed.
    fn watch(&self, instance: &mut Instance, crowd: &Crowd) -> Result<()> {
        let start = Instant::now();
        let interrupt = InOrder::begin()?;
        let mut table = Table::new();
        let mut next_kill = self.chaos.kill.map(|every| start + every);
        let mut next_victim = Role::Fastpath;
        let mut shown = Instant::now();
        while !interrupt.is_asked() {
            if self
                .arguments
                .seconds
                .is_some_and(|s| start.elapsed() >= Duration::from_secs(s))
            {
                break;
            }
            if let (Some(due), Some(every)) = (next_kill, self.chaos.kill)
                && Instant::now() >= due
            {
                instance.kill(next_victim)?;
                table.note(format!("SIGKILL {}", next_victim.program()));
                next_victim = other(next_victim);
                next_kill = Some(Instant::now() + every);
            }
            instance.revive()?;
            ensure!(
                instance.restarts[0] + instance.restarts[1] < 10_000,
                "the processes do not stay alive:\n{}",
                instance.last_words(Role::Fastpath)
            );
            if shown.elapsed() >= Duration::from_secs(1) {
                shown = Instant::now();
                table.show(instance, &crowd.total(), &self.subscriber.heard());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

fn other(role: Role) -> Role {
    match role {
        Role::Fastpath => Role::Slowpath,
        Role::Slowpath => Role::Fastpath,
    }
}

impl Crowd {
    fn start(instance: &Instance, door: SocketAddr, rate: u32) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut told, mut threads) = (Vec::new(), Vec::new());
        for (id, style) in [(1, Style::Maker), (2, Style::Maker), (3, Style::Taker)] {
            let session = SessionId(id);
            let secret = instance.session_secret(session)?;
            let mut trader = Trader::open(door, session, secret, style, false)?;
            let shared = Arc::new(Mutex::new(Told::default()));
            let (to, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
            told.push(shared);
            let thread = std::thread::Builder::new().name(format!("trader-{id}"));
            threads.push(thread.spawn(move || {
                trader.run(rate, &stopped, READY, |trader| {
                    let mut told = to.lock().unwrap_or_else(PoisonError::into_inner);
                    told.seen = trader.seen.clone();
                    told.latency = Some(trader.latency.clone());
                    told.unanswered = trader.unanswered();
                })
            })?);
        }
        Ok(Self {
            stop,
            told,
            threads,
        })
    }

    fn total(&self) -> Total {
        total(&self.told)
    }

    fn stop(self) -> Result<Vec<Arc<Mutex<Told>>>> {
        // ORDER: the flag is the whole message.
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().ok().context("a trader panicked")??;
        }
        Ok(self.told)
    }
}

/// All traders together.
pub(crate) struct Total {
    pub(crate) seen: Seen,
    pub(crate) latency: Histogram<u64>,
    pub(crate) unanswered: usize,
}

fn total(told: &[Arc<Mutex<Told>>]) -> Total {
    let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("constant bounds");
    let mut total = Total {
        seen: Seen::default(),
        latency,
        unanswered: 0,
    };
    for told in told
        .iter()
        .map(|told| told.lock().unwrap_or_else(PoisonError::into_inner))
    {
        total.seen.accepted += told.seen.accepted;
        total.seen.fills += told.seen.fills;
        total.seen.rejected += told.seen.rejected;
        total.seen.rolled_back += told.seen.rolled_back;
        total.seen.missed += told.seen.missed;
        total.seen.skipped += told.seen.skipped;
        total.unanswered += told.unanswered;
        if let Some(latency) = &told.latency {
            total.latency.add(latency).expect("the same bounds");
        }
    }
    total
}

/// Stops the processes in order and replays what they wrote.
#[expect(clippy::print_stdout, reason = "this is what the command prints")]
fn sum_up(
    instance: &mut Instance,
    told: &[Arc<Mutex<Told>>],
    subscriber: Subscriber,
) -> Result<Followed> {
    let total = total(told);
    instance.revive()?;
    instance.wait_ready(READY)?;
    instance.stop()?;
    let followed = feed::compare(instance, subscriber)?;
    let verified = instance.sluice(&["journal", "verify"])?;
    let us = |p| total.latency.value_at_quantile(p) / 1_000;
    println!(
        "\norders     {} accepted, {} fills, {} rejected",
        total.seen.accepted, total.seen.fills, total.seen.rejected
    );
    println!(
        "unanswered {}, reports missed {}, epochs that began with a loss {}",
        total.unanswered, total.seen.missed, total.seen.rolled_back
    );
    println!(
        "round trip p50 {} µs, p99 {} µs, max {} µs (client to client over loopback, from when a trader meant to act; \
         held up it skips what comes due: {} skipped)",
        us(0.5),
        us(0.99),
        total.latency.max() / 1_000,
        total.seen.skipped
    );
    println!("feed       {}", followed.text());
    println!(
        "restarts   fastpath {}, slowpath {}",
        instance.restarts[0], instance.restarts[1]
    );
    println!(
        "replay     {}",
        verified.trim_end().replace('\n', "\n           ")
    );
    ensure!(total.unanswered == 0, "some commands were never answered");
    ensure!(
        total.seen.missed == 0,
        "some reports could not be sent again"
    );
    Ok(followed)
}
