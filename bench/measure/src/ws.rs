//! `bench ws`: thousands of WebSocket clients that watch the trades of one market, and how long a trade takes to
//! all of them.
//!
//! The clients run on one thread of this process, the exchange in its own two. A message carries the engine's time
//! of its trade, so the latency is from the sequencing of the frame to its receipt by the client, on one clock, and not
//! from when the trade was meant to be: a rate that is missed fails the run. The floor sends as many messages of the
//! same size with the same code at the receiving end, from a thread that does nothing but write to one socket after
//! the other; its latency is from before the first of these writes.

mod clients;
pub(crate) mod floor;
mod pace;

use anyhow::{Context as _, Result, ensure};
use bench::instance::{Instance, Replay, Role};
use bench::load::flights;
use bench::load::host::{Disturbance, Host, repeat, system};
use bench::load::row::Percentiles;
use bench::record::{Moment, Record, Samples, Section, Series, Table, faults, section};
use bench::report::{hundredths, micros, ratio};
use bench::tuning;
use bench::web::WebUser;
use hdrhistogram::Histogram;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::clients::{Crowd, Heard};
use self::pace::{Kept, paced};
use crate::gate;

/// Files of a process besides its connections.
const OTHER_FILES: u64 = 500;
/// Most for clients that do not read to be let go: the kernel's buffers of some megabytes fill first, and
/// then the gateway's patience ends.
const STALL_TIME: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bench ws --clients 1000 --seconds 10 --out ws.json

Needs: 500 open files more than clients, for each process (ulimit -n 10500 as it is); that no
variable SLUICE_* is set.

Takes: about a minute and a half as it is: twice the seconds, and up to a minute for clients
that never read.")]
pub(crate) struct Arguments {
    /// Clients, each with a connection of its own.
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// Trades a second, each a message to every client.
    #[arg(long, default_value_t = 5)]
    rate: u32,
    /// How long, of each subject.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Clients that subscribe and never read, after the others have left.
    #[arg(long, default_value_t = 10)]
    stalled: usize,
    /// CPU of the clients (default: any).
    #[arg(long, value_name = "CPU")]
    clients_cpu: Option<usize>,
    /// CPU of the slowpath, in which the gateway runs (default: any).
    #[arg(long, value_name = "CPU")]
    slowpath_cpu: Option<usize>,
    /// CPU of the tiles (default: any).
    #[arg(long, value_name = "CPU")]
    tiles_cpu: Option<usize>,
    /// Write the result for `bench report`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What was found of the exchange's side.
struct Side {
    heard: Heard,
    kept: Kept,
    /// Kilobytes of the slowpath before the clients came, with them, and after the run.
    resident: [u64; 3],
    /// Pages of the kernel's TCP buffers, likewise.
    pages: [u64; 2],
    connected_in: Duration,
    stalled: Stalled,
}

/// What became of those that never read, beside one that does.
struct Stalled {
    /// How many the gateway has let go.
    dropped: usize,
    trades: u32,
    took: Duration,
    /// Of the one that reads.
    reader: Percentiles,
    missed: u64,
}

impl Stalled {
    /// What of it is not as it must be, of so many that never read.
    fn faults(&self, count: usize) -> Vec<String> {
        let mut faults = Vec::new();
        if self.dropped < count {
            faults.push(format!(
                "{} of {count} clients that never read were let go",
                self.dropped
            ));
        }
        if self.missed > 0 {
            faults.push(format!(
                "the one that reads beside them missed {} of {} trades",
                self.missed, self.trades
            ));
        }
        faults
    }
}

/// Measures, and records what was found.
///
/// # Errors
/// If the exchange cannot be started, or not all clients get in.
pub(crate) fn run(arguments: &Arguments) -> Result<Record> {
    ensure!(
        arguments.clients > 0 && arguments.rate > 0 && arguments.seconds > 0,
        "--clients, --rate and --seconds must be above 0"
    );
    let wanted = arguments.clients.max(arguments.stalled) as u64 + OTHER_FILES;
    let allowed = gate::allow_files(wanted)?;
    ensure!(
        allowed >= wanted,
        "{} clients need {wanted} open files, {allowed} are allowed: ulimit -n {wanted}, or fewer --clients",
        arguments.clients
    );
    let most = arguments.clients.max(arguments.stalled) + 100;
    let mut instance = gate::start("ws", most, arguments.slowpath_cpu, arguments.tiles_cpu)?;
    let pids = (instance.pid(Role::Fastpath), instance.pid(Role::Slowpath));
    let before = Disturbance::look(pids.0, pids.1);
    let side = exchange(arguments, &instance)?;
    let disturbance = Disturbance::look(pids.0, pids.1).since(before);
    instance.stop()?;
    let replay = instance.verify();
    let plan = floor::Plan {
        clients: arguments.clients,
        rate: arguments.rate,
        seconds: arguments.seconds,
        bytes: side.heard.bytes,
    };
    let floor = floor::measure(&plan, arguments.clients_cpu)?;
    record(arguments, &side, &floor, &disturbance, &replay)
}

/// Connects the clients, makes trades, and listens.
fn exchange(arguments: &Arguments, instance: &Instance) -> Result<Side> {
    let gateway = instance.config.gateway.bind;
    let users = gate::users(gateway, 2)?;
    let pid = instance.pid(Role::Slowpath).context("the slowpath runs")?;
    let (alone, pages) = (resident(pid), tcp_pages());
    let begin = Instant::now();
    let crowd = Crowd::connect(gateway, arguments.clients, arguments.clients_cpu)?;
    let connected_in = begin.elapsed();
    let together = (resident(pid), tcp_pages());
    let listening = crowd.listen();
    // Trades at a rate: an offer that rests, and an order that takes it.
    let traded = paced(arguments.rate, arguments.seconds, || exchange_once(&users));
    std::thread::sleep(floor::LAST);
    let heard = listening.stop()?;
    let kept = traded?;
    let after = resident(pid);
    let stalled = stalled(gateway, &users, arguments.stalled, pid)?;
    Ok(Side {
        heard,
        kept,
        resident: [alone, together.0, after],
        pages: [pages, together.1],
        connected_in,
        stalled,
    })
}

/// Trades as fast as two users can, until those that do not read are gone or the time is over.
fn stalled(gateway: SocketAddr, users: &[WebUser], count: usize, pid: u32) -> Result<Stalled> {
    let files = || std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let sockets = clients::stall(gateway, count)?;
    let crowd = Crowd::connect(gateway, 1, None)?.listen();
    let (begin, mut trades, with) = (Instant::now(), 0, files());
    while begin.elapsed() < STALL_TIME && files() + count > with {
        exchange_once(users)?;
        trades += 1;
    }
    let took = begin.elapsed();
    std::thread::sleep(Duration::from_secs(1));
    let heard = crowd.stop()?;
    let received: u64 = heard.seconds.iter().map(|(_, ages)| ages.len()).sum();
    Ok(Stalled {
        dropped: clients::count_dropped(sockets),
        trades,
        took,
        reader: Percentiles::of(&heard.last),
        missed: u64::from(trades).saturating_sub(received),
    })
}

fn exchange_once(users: &[WebUser]) -> Result<()> {
    let order = |side: &str, time: &str| {
        json!({
            "market": "SOL/USDC", "side": side, "order_type": "Limit", "price": "30000", "quantity": "1", "time_in_force": time,
        })
    };
    users[0].post("/orders", &order("Ask", "GoodTillCancelled"))?;
    users[1].post("/orders", &order("Bid", "ImmediateOrCancel"))?;
    Ok(())
}

/// Kilobytes of a process that lie in memory.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Pages of 4 KiB in the kernel's TCP buffers.
fn tcp_pages() -> u64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.starts_with("TCP:"))
        .unwrap_or("");
    let mut words = line
        .split_whitespace()
        .skip_while(|word| *word != "mem")
        .skip(1);
    words.next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn series(subject: &str, arguments: &Arguments, heard: &Heard, kept: Kept) -> Result<Series> {
    let clients = arguments.clients as u64;
    let planned = u64::from(arguments.rate) * u64::from(arguments.seconds) * clients;
    let sent = u64::from(kept.done) * clients;
    let mut all = flights::empty()?;
    let mut over_time = Vec::new();
    for (second, histogram) in &heard.seconds {
        all.add(histogram)?;
        let p = Percentiles::of(histogram);
        over_time.push(Moment {
            second: *second,
            count: p.count,
            p50: p.p50,
            p99: p.p99,
            max: p.max,
        });
    }
    let mut fail: Vec<String> = kept.fault(arguments.seconds).into_iter().collect();
    if all.len() != planned {
        fail.push(format!("{} of {planned} messages were received", all.len()));
    }
    for (what, count) in [
        ("clients lost their connection", heard.lost),
        ("messages in a form that is no trade", heard.others),
        ("messages came before their own time", heard.early),
    ] {
        if count > 0 {
            fail.push(format!("{count} {what}"));
        }
    }
    Ok(Series {
        subject: subject.to_owned(),
        rate: arguments.rate.into(),
        planned,
        sent,
        answered: all.len(),
        latency: Samples::of(&all),
        from_sent: None,
        segments: Vec::new(),
        over_time,
        fail,
    })
}

fn record(
    arguments: &Arguments,
    side: &Side,
    (floor, floor_kept): &(Heard, Kept),
    disturbance: &Disturbance,
    replay: &Replay,
) -> Result<Record> {
    let series = vec![
        series("floor", arguments, floor, *floor_kept)?,
        series("gateway", arguments, &side.heard, side.kept)?,
    ];
    let of = |series: &Series| series.latency.percentiles();
    let (below, found) = (of(&series[0])?, of(&series[1])?);
    let [p50, p99] = ratio(&below, &found);
    let last = [
        Percentiles::of(&floor.last),
        Percentiles::of(&side.heard.last),
    ];
    let mut faults = faults(&series);
    faults.extend(side.stalled.faults(arguments.stalled));
    faults.extend(replay.fault.clone());
    let found = format!(
        "{} clients, {} trades/s: p50 {} µs, p99 {} µs, max {} µs; floor p50 {} µs, p99 {} µs, ratio p50 {}, p99 {}",
        arguments.clients,
        arguments.rate,
        micros(found.p50),
        micros(found.p99),
        micros(Some(found.max)),
        micros(below.p50),
        micros(below.p99),
        hundredths(p50),
        hundredths(p99)
    );
    let title = format!(
        "Fan-out of trades to {} WebSocket clients on one machine",
        arguments.clients
    );
    let host = Host::look();
    Ok(Record {
        latency_from: "the engine's time of the trade (floor: the begin of its writing), not from its intended time".into(),
        tables: vec![fan_out(&last), resources(arguments, side)],
        sections: sections(arguments, side, *floor_kept, host.text, disturbance, replay),
        series,
        ..Record::new(title, host.virtualised, faults, &found)
    })
}

fn fan_out(last: &[Percentiles; 2]) -> Table {
    let row = |name: &str, p: &Percentiles| {
        vec![
            name.to_owned(),
            p.count.to_string(),
            micros(p.p50),
            micros(Some(p.max)),
        ]
    };
    Table {
        caption: "Until the last client has a message, µs:".into(),
        columns: ["subject", "messages", "p50", "max"]
            .map(str::to_owned)
            .to_vec(),
        rows: vec![row("floor", &last[0]), row("gateway", &last[1])],
    }
}

fn resources(arguments: &Arguments, side: &Side) -> Table {
    let clients = arguments.clients as u64;
    let per = |kilobytes: u64| format!("{:.1} KiB", kilobytes as f64 / clients as f64);
    let [alone, with, after] = side.resident;
    let stalled = &side.stalled;
    let line = |name: &str, value: String| vec![name.to_owned(), value];
    let messages = u64::from(arguments.rate) * clients;
    Table {
        caption: "Connections:".into(),
        columns: vec!["what".into(), "found".into()],
        rows: vec![
            line(
                "clients connected and subscribed in",
                format!("{:.1} s", side.connected_in.as_secs_f64()),
            ),
            line(
                "memory of the slowpath before, with, after",
                format!("{} / {} / {} MiB", alone >> 10, with >> 10, after >> 10),
            ),
            line("of that, a connection", per(with.saturating_sub(alone))),
            line(
                "kernel's TCP buffers, a connection (both ends)",
                per(side.pages[1].saturating_sub(side.pages[0]) * 4),
            ),
            line("bytes of a message", side.heard.bytes.to_string()),
            line("messages a second, asked", messages.to_string()),
            line(
                "clients that never read, dropped by the gateway",
                format!(
                    "{} of {}, within {} trades in {:.0} s",
                    stalled.dropped,
                    arguments.stalled,
                    stalled.trades,
                    stalled.took.as_secs_f64()
                ),
            ),
            line(
                "meanwhile one that reads: p50 / p99 / max, µs, missed",
                format!(
                    "{} / {} / {}, {}",
                    micros(stalled.reader.p50),
                    micros(stalled.reader.p99),
                    micros(Some(stalled.reader.max)),
                    stalled.missed
                ),
            ),
        ],
    }
}

fn sections(
    arguments: &Arguments,
    side: &Side,
    floor: Kept,
    host: String,
    disturbance: &Disturbance,
    replay: &Replay,
) -> Vec<Section> {
    let cpu = |cpu: Option<usize>| cpu.map_or_else(|| "any CPU".into(), |n| format!("CPU {n}"));
    vec![
        section(
            "Where",
            "host loopback: from the engine's time in the message (stamped by the sequencer when the taker was sequenced, UTC of the machine's clock) \
             to the client's receipt, read from the same clock in another process; floor: from before the first of as many writes of a message of this \
             size, by one process over plain sockets, to the receipt by the same client code",
        ),
        section(
            "Excludes",
            "network, TLS, log-on; books and private streams; what the makers of the trades wait for",
        ),
        section(
            "Load",
            format!(
                "{} trades a second by two users over HTTP, each a message to every one of {} clients that subscribe to Trades; no other orders; then {} \
                 that never read and one that does, while two users trade as fast as they can",
                arguments.rate, arguments.clients, arguments.stalled
            ),
        ),
        section("System", system()),
        section("Host", host),
        section("Tuning", tuning::report()),
        section(
            "Placement",
            format!(
                "clients on one thread, {}; tiles {}, idle spin-then-yield; slowpath with the gateway's one thread {}; the exchange is stopped before the \
                 floor is measured",
                cpu(arguments.clients_cpu),
                cpu(arguments.tiles_cpu),
                cpu(arguments.slowpath_cpu)
            ),
        ),
        section(
            "Noise",
            format!(
                "CPU time used by other processes {}, stolen {}; fastpath taken off its CPU {} times",
                disturbance.share(disturbance.others()),
                disturbance.share(disturbance.stolen),
                disturbance.fastpath_preempted
            ),
        ),
        section(
            "Correct",
            format!(
                "{} messages in a form that is no trade; replay: {}",
                side.heard.others, replay.text
            ),
        ),
        section(
            "Runs",
            format!(
                "one of each, {} s; the last trade began {:.1?} later than it should, the floor's last writing {:.1?}: more than 1 % of the time fails \
                 the row",
                arguments.seconds, side.kept.behind, floor.behind
            ),
        ),
        section("Repeat", repeat()),
        section(
            "Limits",
            "clients, gateway and engine share the machine's CPUs: on two of them most of a fan-out is the clients' own reading; a client beyond the machine costs \
             this one only its writing",
        ),
    ]
}

/// A histogram of one second.
pub(crate) type Second = (u64, Histogram<u64>);

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> Arguments {
        Arguments {
            clients: 2,
            rate: 1,
            seconds: 3,
            stalled: 4,
            clients_cpu: None,
            slowpath_cpu: None,
            tiles_cpu: None,
            out: None,
            json: false,
        }
    }

    /// Six messages, as two clients and three trades make.
    fn heard() -> Heard {
        let mut ages = flights::empty().expect("constant bounds");
        ages.record_n(5_000, 6).expect("in bounds");
        Heard {
            seconds: vec![(0, ages)],
            last: flights::empty().expect("constant bounds"),
            bytes: 300,
            lost: 0,
            others: 0,
            early: 0,
        }
    }

    fn kept(millis: u64) -> Kept {
        Kept {
            done: 3,
            behind: Duration::from_millis(millis),
        }
    }

    fn failing(heard: &Heard, kept: Kept) -> Vec<String> {
        let series = series("gateway", &arguments(), heard, kept);
        series.expect("constant bounds").fail
    }

    #[test]
    fn what_is_not_as_it_must_be_fails_the_row() {
        assert_eq!(failing(&heard(), kept(30)), Vec::<String>::new());
        assert_eq!(failing(&heard(), kept(31)), ["the last began 31.0ms late"]);
        let mut spoiled = heard();
        (spoiled.lost, spoiled.others, spoiled.early) = (1, 2, 3);
        spoiled.seconds[0].1.record(5_000).expect("in bounds");
        assert_eq!(
            failing(&spoiled, kept(0)),
            [
                "7 of 6 messages were received",
                "1 clients lost their connection",
                "2 messages in a form that is no trade",
                "3 messages came before their own time"
            ]
        );
    }

    #[test]
    fn what_was_sent_is_what_was_done() {
        let cut = Kept { done: 2, ..kept(0) };
        let series = series("gateway", &arguments(), &heard(), cut).expect("constant bounds");
        assert_eq!((series.planned, series.sent), (6, 4));
    }

    #[test]
    fn clients_that_never_read_must_be_let_go_and_the_one_that_reads_misses_nothing() {
        let stalled = |dropped, missed| Stalled {
            dropped,
            trades: 9,
            took: Duration::ZERO,
            reader: Percentiles::default(),
            missed,
        };
        assert_eq!(stalled(4, 0).faults(4), Vec::<String>::new());
        assert_eq!(
            stalled(3, 2).faults(4),
            [
                "3 of 4 clients that never read were let go",
                "the one that reads beside them missed 2 of 9 trades"
            ]
        );
    }
}
