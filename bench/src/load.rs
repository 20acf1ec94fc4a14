//! `bench load`: open-loop load over the real order port.
//!
//! Segments of the echo and of the exchange take turns, so that both meet the same machine; while the echo has
//! its turn an exchange of ours is stopped by a signal. `docs/BENCHMARKING.md` has the method.

pub mod exchange;
pub mod flights;
pub mod flow;
pub mod generator;
pub mod host;
pub mod inside;
pub mod report;
mod rounds;
pub mod row;
pub mod schedule;
mod sections;
pub mod sweep;
mod target;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use tile::Idle;

use crate::hiccup::Meter;
use crate::record::Record;

use self::exchange::{Exchange, Style};
use self::flow::Place;
use self::generator::Port;
use self::host::Host;
use self::report::Findings;
use self::rounds::Rounds;
use self::schedule::{Arrivals, Schedule};
use self::sections::Facts;
use self::target::Target;

/// What an ack promises, as the configuration has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ack {
    /// It survives the death of either process.
    Sequenced,
    /// It survives the loss of power.
    Durable,
}

/// What a core does without work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdleStrategy {
    /// Poll on.
    Spin,
    /// Poll on, then let others run, then sleep 50 µs at a time.
    SpinThenYield,
}

impl IdleStrategy {
    fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::SpinThenYield => "spin-then-yield",
        }
    }

    fn idle(self) -> Idle {
        match self {
            Self::Spin => Idle::Spin,
            Self::SpinThenYield => Idle::SpinThenYield,
        }
    }
}

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bench load --rates 1000,20000 --seconds 2 --rounds 2 --out load.json

Needs: nothing for an exchange of its own, but that no variable SLUICE_* is set; --ack durable a
TMPDIR on a disk; --server the secrets of a running exchange's sessions.

Takes: about two minutes as it is: rates x rounds x 2 subjects x (seconds + warm-up). --sweep
some minutes.")]
pub struct Arguments {
    /// Requests a second, one row each, with commas or spaces between.
    #[arg(long, value_delimiter = ',', num_args = 1.., default_values_t = [1_000, 5_000, 20_000, 50_000])]
    pub rates: Vec<u32>,
    /// Find the highest rate that is kept: double the first of the rates until a row fails, then
    /// halve what lies between. The others of the rates are not used.
    #[arg(long)]
    pub sweep: bool,
    /// Measured seconds of each segment.
    #[arg(long, default_value_t = 5)]
    pub seconds: u32,
    /// Seconds of warm-up before each segment, at its rate, that are not measured.
    #[arg(long, default_value_t = 1)]
    pub warmup: u32,
    /// Segments of each subject at each rate, echo and exchange in turn.
    #[arg(long, default_value_t = 2)]
    pub rounds: u32,
    /// Sessions that send in turn, from session 1 on.
    #[arg(long, default_value_t = 4)]
    pub sessions: u32,
    /// Orders that rest before the measurement and during it, of all sessions together.
    #[arg(long, default_value_t = 10_000)]
    pub resting: usize,
    /// Independent arrivals (exponential distances) in place of equal distances.
    #[arg(long)]
    pub poisson: bool,
    /// Of the mix and the schedule.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A running exchange (default: one is started). An echo beside it only on loopback.
    #[arg(long, value_name = "ADDRESS", requires = "secrets")]
    pub server: Option<SocketAddrV4>,
    /// Folder with the secrets of its sessions: `session-1.secret` and so on, as
    /// `sluice session-secret` prints them.
    #[arg(long, value_name = "FOLDER", requires = "server")]
    pub secrets: Option<PathBuf>,
    /// Market to trade in.
    #[arg(long, default_value_t = 0)]
    pub market: u32,
    /// Price around which orders rest, in ticks.
    #[arg(long, default_value_t = 30_000)]
    pub middle: i64,
    /// What an ack promises, of an exchange that is started.
    #[arg(long, value_enum, default_value = "sequenced")]
    pub ack: Ack,
    /// Of the tiles' core of an exchange that is started, and of the echo.
    #[arg(long, value_enum, default_value = "spin-then-yield")]
    pub idle: IdleStrategy,
    /// CPU of the generator (default: any).
    #[arg(long, value_name = "CPU")]
    pub generator_cpu: Option<usize>,
    /// CPU of the tiles of an exchange that is started, and of the echo (default: any).
    #[arg(long, value_name = "CPU")]
    pub tiles_cpu: Option<usize>,
    /// CPU of the slowpath of an exchange that is started (default: any).
    #[arg(long, value_name = "CPU")]
    pub slowpath_cpu: Option<usize>,
    /// Repeat an echo and exchange segment together if other processes used more than this share of the CPUs
    /// meanwhile, in percent. Latencies play no part in it, and the report says how often it was done.
    /// An exchange that is not started here would be among them.
    #[arg(long, value_name = "PERCENT", conflicts_with = "server")]
    pub max_others: Option<u64>,
    /// Measure also how late a sleeping thread wakes up. With as many busy threads as CPUs it disturbs.
    #[arg(long)]
    pub hiccup: bool,
    /// Folder for the interval logs.
    #[arg(long, value_name = "FOLDER")]
    pub hlog: Option<PathBuf>,
    /// Write the result for `bench report`.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    fn schedule(&self, rate: u32, round: u32) -> Schedule {
        let arrivals = if self.poisson {
            Arrivals::Poisson
        } else {
            Arrivals::Constant
        };
        let seed = self.seed.wrapping_add(u64::from(round));
        Schedule::new(arrivals, rate, self.warmup, self.seconds, seed)
    }

    /// The exchange runs on another machine.
    fn is_remote(&self) -> bool {
        self.server.is_some_and(|server| !server.ip().is_loopback())
    }

    fn check(&self) -> Result<()> {
        ensure!(
            !self.rates.is_empty() && self.rates.iter().all(|rate| *rate > 0),
            "--rates: give at least one, each above 0"
        );
        ensure!(
            self.seconds > 0 && self.rounds > 0 && self.sessions > 0,
            "--seconds, --rounds and --sessions must be above 0"
        );
        // The instance that is started has room for 200,000 orders.
        ensure!(
            self.resting <= 150_000,
            "--resting: at most 150000, or the book has no room for the orders on top"
        );
        Ok(())
    }
}

/// Runs it all.
///
/// # Errors
/// If the exchange cannot be started or reached, or something of the machine fails. A rate that was
/// missed is no error: it is in the report.
pub fn run(arguments: &Arguments) -> Result<Record> {
    arguments.check()?;
    if let Some(folder) = &arguments.hlog {
        std::fs::create_dir_all(folder)?;
    }
    let mut target = Target::prepare(arguments)?;
    let archive = target.archive()?;
    let mut port = Port::open(target.address)?;
    let (mut exchange, resting) = fill_book(arguments, &target, &mut port)?;
    let meter = if arguments.hiccup {
        Some(Meter::start()?)
    } else {
        None
    };
    let mut rounds = Rounds::new(arguments, &target, &mut exchange, &mut port);
    let knee = rounds.all()?;
    let Rounds {
        rows,
        stretches,
        disturbance,
        repeated,
        ..
    } = rounds;
    let hiccups = meter.map(Meter::stop).transpose()?;
    let (drawn, reported) = (exchange.drawn(), exchange.reported);
    let work = target.verify(&reported)?;
    let mut files = Vec::new();
    if let Some(folder) = &arguments.hlog {
        for row in &rows {
            files.extend(row.write_hlog(folder)?);
        }
    }
    let host = Host::look();
    let facts = Facts {
        arguments,
        host: &host,
        rows: &rows,
        resting,
        drawn,
        reported,
        disturbance,
        repeated,
        hiccups,
        work: &work,
        files: &files,
        archive,
    };
    report::record(Findings {
        title: if arguments.is_remote() {
            "Round trip of order entry to another machine, open loop"
        } else {
            "Round trip of order entry over host loopback, open loop"
        },
        sections: facts.sections(),
        faults: work.faults,
        virtualised: host.virtualised,
        knee,
        rows,
        stretches,
    })
}

/// Establishes the sessions and fills the book; gives how many orders rest.
fn fill_book(arguments: &Arguments, target: &Target, port: &mut Port) -> Result<(Exchange, usize)> {
    let style = Style {
        place: Place {
            market: domain::MarketId(arguments.market),
            middle: arguments.middle,
        },
        resting: arguments.resting,
        first_client_id: target.first_client_id(),
        seed: arguments.seed,
    };
    let mut exchange = Exchange::new(target.secrets(arguments)?, &style);
    exchange.establish(port)?;
    let resting = exchange.prefill(port)?;
    Ok((exchange, resting))
}
