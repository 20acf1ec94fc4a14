//! `bench http`: orders by HTTP at a rate, over connections that stay open, beside the same gateway's
//! `GET /health`, which does nothing.
//!
//! One thread sends by a schedule that is fixed before, and never waits for an answer: what finds its connection
//! busy waits there, and its latency counts from when it should have left.

mod caller;

use anyhow::{Result, ensure};
use bench::disk::FileSystem;
use bench::instance::{Replay, Role};
use bench::load::host::{Disturbance, Host, repeat, system};
use bench::load::row::{Percentiles, Row};
use bench::load::schedule::{Arrivals, Schedule};
use bench::load::sweep::{Knee, Missed, counts, sweep};
use bench::record::{INTENDED, Record, Section, Series, section};
use bench::report::{best, micros, ratios};
use bench::tuning;
use std::path::PathBuf;

use self::caller::Callers;
use crate::gate;

const FLOOR: &str = "health";
const SUBJECT: &str = "orders";

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bench http --rates 500,2000 --rounds 2 --out http.json

Needs: that no variable SLUICE_* is set.

Takes: about two and a half minutes as it is: rates x rounds x 2 subjects x (seconds + warm-up).
--sweep some minutes.")]
pub(crate) struct Arguments {
    /// Requests a second, one row each, with commas or spaces between.
    #[arg(long, value_delimiter = ',', num_args = 1.., default_values_t = [200, 500, 1_000, 2_000])]
    rates: Vec<u32>,
    /// Find the highest rate that is kept, from the first of the rates on.
    #[arg(long)]
    sweep: bool,
    /// Users, each with a connection of its own.
    #[arg(long, default_value_t = 32)]
    users: u8,
    /// Measured seconds of each segment.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Seconds of warm-up before each segment, at its rate, that are not measured.
    #[arg(long, default_value_t = 1)]
    warmup: u32,
    /// Segments of each subject at each rate, floor and orders in turn.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// CPU of the generator (default: any).
    #[arg(long, value_name = "CPU")]
    generator_cpu: Option<usize>,
    /// CPU of the tiles (default: any).
    #[arg(long, value_name = "CPU")]
    tiles_cpu: Option<usize>,
    /// CPU of the slowpath, in which the gateway runs (default: any).
    #[arg(long, value_name = "CPU")]
    slowpath_cpu: Option<usize>,
    /// Write the result for `bench report`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Measures, and records what was found.
///
/// # Errors
/// If the exchange cannot be started or a user cannot log on.
pub(crate) fn run(arguments: &Arguments) -> Result<Record> {
    ensure!(
        arguments.rates.iter().all(|rate| *rate > 0)
            && arguments.rounds > 0
            && arguments.seconds > 0,
        "--rates, --rounds and --seconds must be above 0"
    );
    ensure!(arguments.users > 0, "--users must be above 0");
    let mut instance = gate::start("http", 1_000, arguments.slowpath_cpu, arguments.tiles_cpu)?;
    let gateway = instance.config.gateway.bind;
    let users = gate::users(gateway, arguments.users)?;
    if let Some(cpu) = arguments.generator_cpu {
        tile::pin(cpu)?;
    }
    let pids = (instance.pid(Role::Fastpath), instance.pid(Role::Slowpath));
    let before = Disturbance::look(pids.0, pids.1);
    let mut callers = Callers::connect(gateway, &users)?;
    let mut rows = Vec::new();
    let mut measure = |rate| rate_of(arguments, &mut callers, rate, &mut rows);
    let knee = if arguments.sweep {
        Some(sweep(arguments.rates[0], measure)?)
    } else {
        for rate in &arguments.rates {
            measure(*rate)?;
        }
        None
    };
    let disturbance = Disturbance::look(pids.0, pids.1).since(before);
    let told = callers.told();
    instance.stop()?;
    let work = Work {
        told,
        replay: instance.verify(),
        archive: FileSystem::of(instance.folder())?,
    };
    record(arguments, rows, knee.as_ref(), &disturbance, work)
}

/// What was done, and whether it was.
struct Work {
    told: caller::Told,
    replay: Replay,
    /// On what the archive lies.
    archive: FileSystem,
}

/// All rounds of a rate: floor and orders in turn.
fn rate_of(
    arguments: &Arguments,
    callers: &mut Callers,
    rate: u32,
    rows: &mut Vec<Row>,
) -> Result<Missed> {
    let mut pair = [Row::new(FLOOR, rate)?, Row::new(SUBJECT, rate)?];
    for round in 0..arguments.rounds {
        say(rate, round, arguments.rounds);
        let schedule = Schedule::new(
            Arrivals::Constant,
            rate,
            arguments.warmup,
            arguments.seconds,
            0,
        );
        for (row, orders) in pair.iter_mut().zip([false, true]) {
            row.add(&callers.segment(&schedule, orders)?)?;
        }
    }
    let [floor, orders] = pair;
    let missed = Missed {
        exchange: orders.reasons(),
        floor: floor.reasons(),
    };
    rows.extend([floor, orders]);
    Ok(missed)
}

#[expect(clippy::print_stderr, reason = "progress does not mix with the report")]
fn say(rate: u32, round: u32, rounds: u32) {
    eprintln!("{rate}/s, round {} of {rounds} ...", round + 1);
}

fn record(
    arguments: &Arguments,
    rows: Vec<Row>,
    knee: Option<&Knee>,
    disturbance: &Disturbance,
    work: Work,
) -> Result<Record> {
    let series: Vec<Series> = rows.iter().map(Series::of).collect();
    let mut faults = counts(&series, knee, "floor");
    faults.extend(work.replay.fault.clone());
    let mut found = best(&series, FLOOR, SUBJECT, "GET /health")?;
    if let Some(knee) = knee {
        found += &format!("; {}", knee.sentence("floor"));
    }
    let host = Host::look();
    let turns: Vec<String> = rows
        .iter()
        .map(|row| {
            let p = Percentiles::of(&row.turns);
            format!(
                "{} {}/s {} / {}",
                row.subject,
                row.rate,
                micros(p.p99_9),
                micros(Some(p.max))
            )
        })
        .collect();
    Ok(Record {
        latency_from: INTENDED.into(),
        tables: ratios(&series, FLOOR, SUBJECT, "Orders in GET /health:")?
            .into_iter()
            .collect(),
        series,
        sections: sections(arguments, host.text, disturbance, &work, &turns.join(", ")),
        ..Record::new(
            "Orders by HTTP through the gateway over host loopback, open loop",
            host.virtualised,
            faults,
            &found,
        )
    })
}

fn sections(
    arguments: &Arguments,
    host: String,
    disturbance: &Disturbance,
    work: &Work,
    turns: &str,
) -> Vec<Section> {
    let told = work.told;
    let Arguments {
        users,
        rounds,
        seconds,
        warmup,
        ..
    } = arguments;
    vec![
        section(
            "Where",
            "host loopback, round trip of a client: from the intended time of a request to the last byte of its answer, which the \
             gateway gives when the command is journalled and the shadow engine has applied it; health: GET /health, the same gateway, \
             connections and generator",
        ),
        section(
            "Excludes",
            "network, TLS, log-on, limits of rate (raised), durability (ack = sequenced; the archiver runs and syncs beside it)",
        ),
        section(
            "Load",
            format!(
                "open loop, constant rate, {users} users with a connection each, in turn; each places a passive order and cancels it with its next \
                 request; 1 market"
            ),
        ),
        section("System", system()),
        section("Host", host),
        section("Tuning", tuning::report()),
        section("Placement", placement(arguments, work)),
        section(
            "Noise",
            format!(
                "CPU time used by other processes {}, stolen {}; fastpath taken off its CPU {} times; between two turns of the generator, µs, \
                 p99.9 / max: {turns}",
                disturbance.share(disturbance.others()),
                disturbance.share(disturbance.stolen),
                disturbance.fastpath_preempted
            ),
        ),
        section(
            "Correct",
            format!(
                "placed {}, cancelled {}, refused {} (every answer else is 200 or 201); replay: {}",
                told.placed, told.cancelled, told.refused, work.replay.text
            ),
        ),
        section(
            "Runs",
            format!(
                "{rounds} segments of each subject and rate, in turn, {seconds} s measured after {warmup} s of warm-up each; segments of a row are \
                 merged as histograms"
            ),
        ),
        section("Repeat", repeat()),
        section(
            "Limits",
            "client and exchange share the machine's CPUs and caches; connections without pipelining: a request behind one that is not \
             answered waits, which is its latency",
        ),
    ]
}

fn placement(arguments: &Arguments, work: &Work) -> String {
    let cpu = |cpu: Option<usize>| cpu.map_or_else(|| "any CPU".into(), |n| format!("CPU {n}"));
    format!(
        "generator {} (spins); tiles {}, idle spin-then-yield; slowpath with the gateway's one thread {}; archive on {}",
        cpu(arguments.generator_cpu),
        cpu(arguments.tiles_cpu),
        cpu(arguments.slowpath_cpu),
        work.archive.name()
    )
}
