//! `bench book`: the common workload for matching cores, run by ours, by others' and by floors.

use anyhow::{Result, bail, ensure};
use bench::load::host::{Disturbance, Host, repeat, system};
use bench::record::{Record, Section, Table, section};
use bench::tuning;
use clap::ValueEnum;
use contest::frames::{self, Shape, Worst};
use contest::race::{self, Entrant, Finish, Role};
use contest::{Kind, Workload, file, generate};
use std::path::PathBuf;

/// Which workloads, and who runs them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bench book --kinds near --timed 1000000 --runs 3 --only sluice,floor --out book.json

Needs: nothing; a machine where nothing else runs.

Takes: about a quarter of an hour as it is; the example less than a minute.")]
pub(crate) struct Arguments {
    /// Which workloads (default: all).
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    kinds: Vec<Choice>,
    /// From which their random numbers follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Timed commands of each.
    #[arg(long, default_value_t = 4_000_000)]
    timed: usize,
    /// How often each participant runs it, in turn with the others; the middle run counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Only participants in whose names one of these stands (default: all).
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<String>,
    /// Run the commands of this file, and say whether trades, quantity and checksum match its header.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kinds", "seed", "timed"])]
    commands: Option<PathBuf>,
    /// Write the workload to this file as well; asks for one kind.
    #[arg(long, value_name = "FILE", conflicts_with = "commands")]
    save: Option<PathBuf>,
    /// Write the result for `bench report`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A workload by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// One market, 20,000 orders.
    Near,
    /// 100 markets of 1,000 orders.
    Multi,
    /// One market, a million orders.
    Deep,
}

impl From<Choice> for Kind {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Near => Self::Near,
            Choice::Multi => Self::Multi,
            Choice::Deep => Self::Deep,
        }
    }
}

/// How often each shape of the worst frames is played.
const REPETITIONS: usize = 7;

/// What one workload came to.
struct Heat {
    name: String,
    workload: Workload,
    finishes: Vec<Finish>,
}

/// Measures.
///
/// # Errors
/// If a file cannot be used, or nobody of that name takes part.
pub(crate) fn run(arguments: &Arguments) -> Result<Record> {
    ensure!(arguments.runs > 0, "--runs must be above 0");
    let (entrants, shapes) = chosen(arguments)?;
    let before = Disturbance::look(None, None);
    let mut heats = Vec::new();
    let workloads = if entrants.is_empty() {
        Vec::new()
    } else {
        workloads(arguments)?
    };
    for (name, workload) in workloads {
        let mut tell = |what: &str| progress(&format!("{name}: {what}"));
        let finishes = race::race(&workload, &entrants, arguments.runs, &mut tell);
        heats.push(Heat {
            name,
            workload,
            finishes,
        });
    }
    let mut worst = Vec::new();
    for &shape in shapes {
        progress(&format!("{}: {}", frames::NAME, shape.name()));
        worst.push(shape.worst(REPETITIONS));
    }
    let disturbance = Disturbance::look(None, None).since(before);
    Ok(record(arguments, &heats, &worst, disturbance))
}

/// Who takes part, and in which shapes the worst frame is looked for: a file of commands has its own.
fn chosen(arguments: &Arguments) -> Result<(Vec<Entrant>, &'static [Shape])> {
    let only = &arguments.only;
    let is_meant = |name: &str| only.is_empty() || only.iter().any(|it| name.contains(it.as_str()));
    let mut names: Vec<_> = race::entrants().iter().map(|it| it.name).collect();
    names.push(frames::NAME);
    let entrants = race::entrants().into_iter();
    let entrants: Vec<_> = entrants.filter(|it| is_meant(it.name)).collect();
    let shapes = if is_meant(frames::NAME) && arguments.commands.is_none() {
        &Shape::ALL[..]
    } else {
        &[]
    };
    if entrants.is_empty() && shapes.is_empty() {
        bail!(
            "nobody of that name takes part; there are: {}",
            names.join(", ")
        );
    }
    Ok((entrants, shapes))
}

fn workloads(arguments: &Arguments) -> Result<Vec<(String, Workload)>> {
    if let Some(path) = &arguments.commands {
        return Ok(vec![(path.display().to_string(), file::read(path)?)]);
    }
    let all = [Choice::Near, Choice::Multi, Choice::Deep];
    let kinds = if arguments.kinds.is_empty() {
        &all[..]
    } else {
        &arguments.kinds[..]
    };
    let made = kinds.iter().map(|&choice| {
        let kind = Kind::from(choice);
        progress(&format!("{}: making the commands", kind.name()));
        (
            kind.name().to_owned(),
            generate(kind, arguments.seed, arguments.timed),
        )
    });
    let made: Vec<_> = made.collect();
    if let Some(path) = &arguments.save {
        let [(_, workload)] = &made[..] else {
            bail!("--save writes one workload: name it with --kinds");
        };
        file::write(path, workload)?;
    }
    Ok(made)
}

#[expect(clippy::print_stderr, reason = "progress is not the result")]
fn progress(line: &str) {
    eprintln!("{line}");
}

fn record(
    arguments: &Arguments,
    heats: &[Heat],
    worst: &[Worst],
    disturbance: Disturbance,
) -> Record {
    let host = Host::look();
    let record = Record::new(
        "The common workload for matching cores",
        host.virtualised,
        faults(heats),
        &found(heats, worst),
    );
    let frames = (!worst.is_empty()).then(|| frames_of(worst));
    Record {
        tables: heats.iter().map(table).chain(frames).collect(),
        sections: sections(arguments, heats, disturbance, host.text),
        ..record
    }
}

fn sections(
    arguments: &Arguments,
    heats: &[Heat],
    disturbance: Disturbance,
    host: String,
) -> Vec<Section> {
    vec![
        section(
            "Where",
            "one thread, in process; commands lie in memory, translated beforehand into the form that each takes, with the ids that an untimed first run was given; they come in bursts of 32, as from the ring of a tile, and ours looks at a burst before its first command",
        ),
        section(
            "Excludes",
            "network, encoding, journal; of the bare book also funds, fees, limits and duplicates, but not a look at the owner of every maker and a record of 40 bytes for every event; of peers and floors all of these; making of the books",
        ),
        section("Load", load(arguments)),
        section("System", system()),
        section("Host", host),
        section("Tuning", tuning::report()),
        section(
            "Noise",
            format!(
                "CPU time used by other processes {}, stolen {}; ns are of the thread's own CPU time",
                disturbance.share(disturbance.others()),
                disturbance.share(disturbance.stolen)
            ),
        ),
        section("Correct", correct(heats)),
        section(
            "Runs",
            format!(
                "{} of each, in turn; the middle one counts; percentiles from one more run that takes the time of one command in 61, less what the clock takes",
                arguments.runs
            ),
        ),
        section("Repeat", repeat()),
        section(
            "Limits",
            "a replacement at the same price with no more lots keeps its place in our engine, so there it is a cancel and a new order, counted as one; peers that lack a rule are spared it: what it would refuse is not sent",
        ),
    ]
}

fn load(arguments: &Arguments) -> String {
    match &arguments.commands {
        Some(path) => format!("the commands of {}", path.display()),
        None => format!(
            "45 % adds, 45 % cancels (most of them of young orders), 5 % replacements, 5 % takers; seed {}; {} timed commands after the adds that make the state and 500000 mixed ones",
            arguments.seed, arguments.timed
        ),
    }
}

fn correct(heats: &[Heat]) -> String {
    let one = |heat: &Heat| {
        let outcome = heat.workload.outcome;
        format!(
            "{}: {} trades of {} lots, checksum {:016x}",
            heat.name, outcome.trades, outcome.quantity, outcome.checksum
        )
    };
    let heats: Vec<_> = heats.iter().map(one).collect();
    format!(
        "expected of all commands, the untimed included: {}",
        heats.join("; ")
    )
}

fn table(heat: &Heat) -> Table {
    let best = best_peer(heat);
    let rows = heat.finishes.iter().map(|finish| {
        let percentile = |share: f64| finish.sampled.value_at_quantile(share).to_string();
        let runs: Vec<_> = finish.ns.iter().map(|ns| format!("{ns:.1}")).collect();
        vec![
            finish.name.to_owned(),
            format!("{:.1}", finish.middle()),
            best.map_or_else(
                || "–".to_owned(),
                |best| format!("{:.2}", finish.middle() / best),
            ),
            percentile(0.5),
            percentile(0.99),
            percentile(0.999),
            compared(heat, finish).to_owned(),
            runs.join(" "),
        ]
    });
    let columns = [
        "core",
        "ns/command",
        "in best peers",
        "p50",
        "p99",
        "p99.9",
        "outcome",
        "runs",
    ];
    Table {
        caption: format!(
            "{}, {} commands, ns:",
            heat.name,
            heat.workload.commands.len() - heat.workload.prefix
        ),
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

/// Of those that came to the right outcome, ns a command.
fn best_peer(heat: &Heat) -> Option<f64> {
    let peers = heat
        .finishes
        .iter()
        .filter(|it| it.role == Role::Peer && it.outcome == heat.workload.outcome);
    peers.map(Finish::middle).min_by(f64::total_cmp)
}

fn compared(heat: &Heat, finish: &Finish) -> &'static str {
    let (found, expected) = (finish.outcome, heat.workload.outcome);
    if finish.role == Role::Floor {
        "–"
    } else if found == expected {
        "identical"
    } else if (found.trades, found.quantity) == (expected.trades, expected.quantity) {
        "totals equal"
    } else {
        "differs"
    }
}

/// Ours that came to another outcome than the oracle.
fn faults(heats: &[Heat]) -> Vec<String> {
    let wrong = heats.iter().flat_map(|heat| {
        let ours = heat.finishes.iter().filter(|it| it.role == Role::Ours);
        let wrong = ours.filter(|it| it.outcome != heat.workload.outcome);
        wrong.map(|it| format!("{}: {} came to {:?}", heat.name, it.name, it.outcome))
    });
    wrong.collect()
}

fn found(heats: &[Heat], worst: &[Worst]) -> String {
    let of = |name: &str| {
        let one = |heat: &Heat| {
            let it = heat.finishes.iter().find(|it| it.name.ends_with(name))?;
            Some(format!("{} {:.1}", heat.name, it.middle()))
        };
        let all: Vec<_> = heats.iter().filter_map(one).collect();
        (!all.is_empty()).then(|| format!("{name}, ns a command: {}", all.join(", ")))
    };
    let slowest = worst.iter().map(|it| it.at(1_000)).max();
    let slowest = slowest.map(|ns| format!("worst frame: {:.1} µs", ns as f64 / 1_000.0));
    let parts = [of("bare book"), of("whole engine"), slowest];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return "none, our engine did not take part".into();
    }
    parts.join("; ")
}

fn frames_of(worst: &[Worst]) -> Table {
    let rows = worst.iter().map(|it| {
        let us = |per_mille| format!("{:.2}", it.at(per_mille) as f64 / 1_000.0);
        let kept = if it.at(1_000) <= frames::GOAL {
            "yes"
        } else {
            "no"
        };
        vec![
            it.name.to_owned(),
            it.frames.to_string(),
            us(500),
            us(999),
            us(1_000),
            kept.to_owned(),
        ]
    });
    let columns = ["shape", "frames", "p50", "p99.9", "worst", "within goal"];
    Table {
        caption: format!(
            "{}, the whole engine, µs; of each frame the shortest time of {} repetitions, with what the clock takes; goal {} µs:",
            frames::NAME,
            worst.first().map_or(0, |it| it.repetitions),
            frames::GOAL / 1_000
        ),
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}
