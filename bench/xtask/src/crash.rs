//! The crash test: SIGKILL at random moments under load, restart, and hold every client's own log
//! against the journal. Nothing acknowledged may be lost, no fill may repeat, no number may come
//! again with other content.

use anyhow::{Context as _, Result, ensure};
use bench::chaos::{Chaos, Proxy};
use bench::instance::{Instance, Plan, Role};
use bench::random::Random;
use bench::trader::{Seen, Style, Trader};
use bench::{disk, programs};
use domain::SessionId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use topology::message_of;

use crate::audit::{ClientLog, Compared, Truth};

const TRADERS: u32 = 6;
const PATIENCE: Duration = Duration::from_secs(30);

/// What to do, and how often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many SIGKILLs.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// The same seed kills in the same order after the same waits.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Commands a second of each of the six traders.
    #[arg(long, default_value_t = 400)]
    rate: u32,
    /// Acknowledge after fdatasync instead of after sequencing.
    #[arg(long)]
    durable: bool,
    /// Datagrams lost on the way, in percent; one in ten is also doubled or out of order.
    #[arg(long, default_value_t = 3)]
    loss: u64,
}

/// What a trader has put down so far, for the thread that compares.
#[derive(Debug, Default)]
struct Published {
    log: ClientLog,
    seen: Seen,
    times: u64,
    unanswered: usize,
}

struct Crowd {
    stop: Arc<AtomicBool>,
    published: Vec<Arc<Mutex<Published>>>,
    threads: Vec<JoinHandle<Result<()>>>,
}

#[expect(clippy::print_stdout, reason = "this is what the command prints")]
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    programs::build()?;
    let plan = Plan {
        name: "crash",
        sessions: TRADERS,
        idle: "spin-then-yield",
        ack: if arguments.durable {
            "durable"
        } else {
            "sequenced"
        },
        journal_mib: 32,
        checkpoint_interval: 100,
        gateway: false,
        feed: false,
        snapshot_frames: 100,
    };
    let mut instance = Instance::create(&plan)?;
    if arguments.durable {
        disk::check_durable(instance.folder())?;
    }
    instance.start(Role::Fastpath)?;
    instance.start(Role::Slowpath)?;
    instance.wait_ready(PATIENCE)?;
    let chaos = Chaos {
        loss: arguments.loss,
        dup: 10,
        reorder: 10,
        kill: None,
    };
    let proxy = Proxy::start(instance.port.into(), chaos, arguments.seed)?;
    let crowd = Crowd::start(&instance, &proxy, arguments.rate)?;
    let mut random = Random(arguments.seed);
    for kill in 1..=arguments.kills {
        std::thread::sleep(Duration::from_millis(60 + random.below(500)));
        let role = if random.below(3) == 0 {
            Role::Slowpath
        } else {
            Role::Fastpath
        };
        let both = random.below(8) == 0;
        for victim in Role::BOTH.into_iter().filter(|r| both || *r == role) {
            instance.kill(victim)?;
            std::thread::sleep(Duration::from_millis(random.below(20)));
        }
        for victim in Role::BOTH.into_iter().filter(|r| both || *r == role) {
            instance.start(victim)?;
        }
        instance.wait_ready(PATIENCE)?;
        let (truth, compared) = crowd.compare(&instance)?;
        let who = if both { "both" } else { role.program() };
        println!(
            "kill {kill:>3} ({who}): {} frames, {} trades; {} reports and {} messages agree",
            truth.frames, truth.trades, compared.reports, compared.applied
        );
    }
    finish(instance, crowd)
}

/// Stops everything in order and compares completely.
#[expect(clippy::print_stdout, reason = "this is what the command prints")]
fn finish(mut instance: Instance, crowd: Crowd) -> Result<()> {
    let published = crowd.stop()?;
    instance.stop()?;
    let truth = Truth::read(&instance.config.archive_dir(), 0)?;
    let mut total = Compared::default();
    for of in published
        .iter()
        .map(|p| p.lock().unwrap_or_else(PoisonError::into_inner))
    {
        let session = of.log.session;
        ensure!(
            of.unanswered == 0,
            "session {}: {} messages unanswered",
            session.0,
            of.unanswered
        );
        ensure!(
            of.seen.missed == 0,
            "session {}: {} reports missed",
            session.0,
            of.seen.missed
        );
        truth.compare(&of.log, &mut total)?;
        let (told, written) = (of.log.told.len() as u64, truth.reports_of(session));
        ensure!(
            told == written,
            "session {} was told {told} of {written} reports",
            session.0
        );
    }
    ensure!(
        truth.trades > 0 && total.fills == 2 * truth.trades,
        "{total:?}, {truth:?}",
        truth = truth.trades
    );
    let behind = starts_behind_snapshots(&instance)?;
    ensure!(
        behind > 0,
        "no recovery began behind a snapshot:\n{}",
        instance.last_words(Role::Fastpath)
    );
    let verified = instance.sluice(&["journal", "verify"])?;
    let held = instance.sluice(&["snapshot", "verify"])?;
    println!(
        "{} frames, {} trades, {} recoveries: all {} reports and {} messages agree with {} clients",
        truth.frames, truth.trades, truth.recoveries, total.reports, total.applied, TRADERS
    );
    println!("{behind} of the fastpath's starts began behind a snapshot");
    print!("{held}{verified}");
    Ok(())
}

/// How often the fastpath said that it loaded a snapshot. None of them may have been refused: a kill
/// leaves no snapshot that does not hold.
fn starts_behind_snapshots(instance: &Instance) -> Result<usize> {
    let mut loaded = 0;
    for role in Role::BOTH {
        let log = std::fs::read_to_string(instance.log(role))?;
        let refused = log.lines().find(|line| line.contains("is not used"));
        ensure!(refused.is_none(), "{refused:?}");
        loaded += log
            .lines()
            .map(message_of)
            .filter(|said| said.starts_with("snapshot of seq") && said.contains(" loaded in "))
            .count();
    }
    Ok(loaded)
}

impl Crowd {
    fn start(instance: &Instance, proxy: &Proxy, rate: u32) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut published, mut threads) = (Vec::new(), Vec::new());
        for id in 1..=TRADERS {
            let session = SessionId(id);
            let secret = instance.session_secret(session)?;
            let style = if id % 3 == 0 {
                Style::Taker
            } else {
                Style::Maker
            };
            let mut trader = Trader::open(proxy.address, session, secret, style, true)?;
            let shared = Arc::new(Mutex::new(Published::default()));
            let (to, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
            published.push(shared);
            let thread = std::thread::Builder::new().name(format!("trader-{id}"));
            threads.push(thread.spawn(move || {
                trader.run(rate, &stopped, PATIENCE, |trader| publish(trader, &to))
            })?);
        }
        Ok(Self {
            stop,
            published,
            threads,
        })
    }

    /// What the traders were told until now must be in the journal, and what is in the journal
    /// must have been sent by them.
    fn compare(&self, instance: &Instance) -> Result<(Truth, Compared)> {
        let told: Vec<BTreeMap<_, _>> = self.each(|p| p.log.told.clone());
        let truth = Truth::read_live(instance)?;
        let times = self.each(|p| p.times);
        let start = Instant::now();
        while self
            .each(|p| p.times)
            .iter()
            .zip(&times)
            .any(|(now, then)| *now < then + 2)
        {
            ensure!(start.elapsed() < PATIENCE, "a trader hangs");
            std::thread::sleep(Duration::from_millis(5));
        }
        let sent = self.each(|p| (p.log.session, p.log.sent.clone()));
        let mut compared = Compared::default();
        for (told, (session, sent)) in told.into_iter().zip(sent) {
            truth.compare(
                &ClientLog {
                    session,
                    sent,
                    told,
                },
                &mut compared,
            )?;
        }
        Ok((truth, compared))
    }

    fn each<T>(&self, get: impl Fn(&Published) -> T) -> Vec<T> {
        let locked =
            |p: &Arc<Mutex<Published>>| get(&p.lock().unwrap_or_else(PoisonError::into_inner));
        self.published.iter().map(locked).collect()
    }

    fn stop(self) -> Result<Vec<Arc<Mutex<Published>>>> {
        // ORDER: the flag is the whole message.
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().ok().context("a trader panicked")??;
        }
        Ok(self.published)
    }
}

fn publish(trader: &mut Trader, to: &Mutex<Published>) {
    let mut published = to.lock().unwrap_or_else(PoisonError::into_inner);
    published.log.session = trader.session;
    published.log.sent.append(&mut trader.sent);
    published.log.told.append(&mut trader.told);
    published.seen = trader.seen.clone();
    published.unanswered = trader.unanswered();
    published.times += 1;
}
