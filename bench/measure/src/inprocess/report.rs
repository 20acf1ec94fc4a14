//! What is recorded of a run.

use anyhow::Result;
use bench::load::flow::{AMENDS, Drawn, TAKERS};
use bench::load::host::{Host, repeat, system};
use bench::load::inside::Stretch;
use bench::load::row::Percentiles;
use bench::record::{Moment, Record, Samples, Section, Series, Table, section};
use bench::report::{hundredths, micros};
use bench::tuning;
use topology::instruments::stage;

use super::crowd::Told;
use super::turns::Turns;
use super::{Arguments, FLOOR_TIME, Found, RESTING, SESSIONS};

impl Found {
    /// The stages over the whole run, and second by second.
    fn course(&self) -> Result<(Stretch, Vec<Moment>)> {
        let mut whole = Stretch::new(0)?;
        let mut over_time = Vec::new();
        for ((count, stretch), second) in self.seconds.iter().zip(0..) {
            let p = Percentiles::of(&stretch.stages[stage::receive_to_send].1);
            over_time.push(Moment {
                second,
                count: *count,
                p50: p.p50,
                p99: p.p99,
                max: p.max,
            });
            for (sum, part) in whole.stages.iter_mut().zip(&stretch.stages) {
                sum.1.add(&part.1)?;
            }
            for (sum, part) in whole.tiles.iter_mut().zip(&stretch.tiles) {
                (sum.1, sum.2) = (sum.1 + part.1, sum.2 + part.2);
            }
        }
        Ok((whole, over_time))
    }
}

/// The record of what was found.
///
/// # Errors
/// If a histogram cannot be made, which constant bounds exclude.
pub(super) fn record(arguments: &Arguments, found: &Found) -> Result<Record> {
    let told = &found.told;
    let millis = u64::try_from(found.took.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    let wall = found.commands * 1_000 / millis;
    let rate = found.turns.map_or(wall, Turns::rate);
    let fail = found.faults();
    let (whole, over_time) = found.course()?;
    let frame = found.bytes / found.archived.frames.max(1);
    let disk = found
        .floors
        .iter()
        .map(|floor| floor.bytes)
        .max()
        .unwrap_or(0);
    let carried = disk / frame.max(1);
    let host = Host::look();
    Ok(Record {
        latency_from: "receipt to the hand-over of the last report and feed message of its frame"
            .into(),
        series: vec![Series {
            subject: "in process".into(),
            rate,
            planned: told.sent,
            sent: told.sent,
            answered: told.answered,
            latency: Samples::of(&whole.stages[stage::receive_to_send].1),
            from_sent: None,
            segments: Vec::new(),
            over_time,
            fail: fail.clone(),
        }],
        tables: tables(found, &whole, wall, frame),
        sections: sections(arguments, found, host.text, frame),
        ..Record::new(
            "The fastpath in process on one core, archiving on, as fast as it goes",
            host.virtualised,
            fail,
            &in_one_line(found, [rate, wall], [carried, frame]),
        )
    })
}

fn in_one_line(found: &Found, [rate, wall]: [u64; 2], [carried, frame]: [u64; 2]) -> String {
    let own = if found.turns.is_some() {
        format!(" (of its own CPU time; {wall}/s passed by the clock)")
    } else {
        String::new()
    };
    format!(
        "{rate} commands/s on one core{own} for {:.1} s, not one Busy; the disk alone carries {carried} frames/s of {frame} bytes",
        found.took.as_secs_f64(),
    )
}

fn tables(found: &Found, whole: &Stretch, rate: u64, frame: u64) -> Vec<Table> {
    let mut counts: Vec<u64> = found.seconds.iter().map(|(count, _)| *count).collect();
    counts.sort_unstable();
    let at = |part: usize| {
        counts
            .get((counts.len().max(1) - 1) * part / 2)
            .copied()
            .unwrap_or(0)
            .to_string()
    };
    let mib = |bytes: u64| hundredths(Some((bytes * 100) >> 20));
    let [before, after] = found.floors;
    let archived = found.archived;
    let millis = u64::try_from(archived.busy.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    let group = found.bytes / archived.groups.max(1);
    let mut rows = vec![
        line("commands a second, mean", rate.to_string()),
        line(
            "in the slowest, middle and fastest second",
            format!("{}, {}, {}", at(0), at(1), at(2)),
        ),
        line("bytes of a frame", frame.to_string()),
        line("archive, MiB/s", mib(rate * frame)),
        line(
            "frames/s within the archiver's steps",
            (archived.frames * 1_000 / millis).to_string(),
        ),
        line(
            "groups, and KiB of one",
            format!("{}, {}", archived.groups, group >> 10),
        ),
        line(
            "disk alone before, MiB/s (fdatasyncs/s)",
            format!("{} ({})", mib(before.bytes), before.groups),
        ),
        line(
            "disk alone after, MiB/s (fdatasyncs/s)",
            format!("{} ({})", mib(after.bytes), after.groups),
        ),
        line(
            "turns of match without room in the journal",
            found.counters.no_room.to_string(),
        ),
    ];
    rows.extend(inside(found, whole));
    vec![Table {
        caption: "Core, archive and disk:".into(),
        columns: vec!["what".into(), "found".into()],
        rows,
    }]
}

fn line(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

/// What the tiles say of themselves.
fn inside(found: &Found, whole: &Stretch) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    if let Some(turns) = &found.turns {
        let nanos = u64::try_from(turns.time.as_nanos()).unwrap_or(u64::MAX);
        let each = nanos / turns.commands.max(1);
        rows.push(line(
            "CPU time of the tiles: s, and ns a command",
            format!("{:.1}, {each}", turns.time.as_secs_f64()),
        ));
    }
    for (name, polls, busy) in whole.tiles.iter().filter(|tile| tile.1 > 0) {
        rows.push(line(
            &format!("polls of {name} that found work, %"),
            hundredths(Some(busy * 10_000 / polls.max(&1))),
        ));
    }
    for (name, histogram) in &whole.stages {
        let p = Percentiles::of(histogram);
        let text = format!(
            "{} / {} / {}",
            micros(p.p50),
            micros(p.p99),
            micros(Some(p.max))
        );
        rows.push(line(
            &format!("{}, µs, p50 / p99 / max", name.replace('_', " ")),
            text,
        ));
    }
    rows
}

fn sections(arguments: &Arguments, found: &Found, host: String, frame: u64) -> Vec<Section> {
    let Told {
        sent,
        accepted,
        fills,
        canceled,
        amended,
        rejected,
        ..
    } = found.told;
    let kept = match &found.replayed {
        Some(text) => text.clone(),
        None => "the archive was not kept, so not replayed (--keep does); its chain of CRCs and numbers was checked by the archiver".into(),
    };
    vec![
        section(
            "Where",
            "level (c), in process: from a datagram's receipt by net (t1) until the last report and feed message of its frame is handed to the port (t3, \
             before the system call that sends it), as the tiles time it",
        ),
        section(
            "Excludes",
            "kernel and network (a wire in memory in their place), log-on, checking of the reports' MACs, shadow engine, store, public feed, \
             the archiver's pauses between groups",
        ),
        section("Load", load(arguments, found)),
        section("System", system()),
        section("Host", host),
        section("Tuning", tuning::report()),
        section("Placement", placement(arguments)),
        section(
            "Noise",
            format!(
                "CPU time used by other processes {}, stolen {}",
                found.disturbance.share(found.disturbance.others()),
                found.disturbance.share(found.disturbance.stolen)
            ),
        ),
        section(
            "Correct",
            format!(
                "{sent} sent; {accepted} accepted, {fills} fills, {canceled} cancelled, {amended} amended, {rejected} rejected; everything durable \
                 at the end; {kept}"
            ),
        ),
        section(
            "Runs",
            format!(
                "one, {} s, after the book was filled; {} frames of {frame} bytes archived by fdatasync on {} in groups of at most 1 MiB; the disk alone: \
                 groups of 1 MiB, {} s before and after",
                arguments.seconds,
                found.archived.frames,
                found.disk.name(),
                FLOOR_TIME.as_secs()
            ),
        ),
        section("Repeat", repeat()),
        section(
            "Limits",
            "a closed loop measures throughput, not latency at a rate; no network; one market",
        ),
    ]
}

fn load(arguments: &Arguments, found: &Found) -> String {
    let Drawn {
        passive,
        cancels,
        amends,
        takers,
    } = found.told.drawn;
    let new = passive + takers;
    format!(
        "closed: {SESSIONS} sessions keep {} commands on their way, one a datagram, signed; {new} of {} drawn are new orders \
         ({takers} of them crossing IOC, asked {TAKERS} %), {cancels} cancels, {amends} amends (asked {AMENDS} %); {RESTING} \
         orders rest; 1 market",
        arguments.window,
        new + cancels + amends,
    )
}

fn placement(arguments: &Arguments) -> String {
    format!(
        "net, match and out on one thread, {}{}; archiver a thread, any CPU; journal memory {} MiB, anonymous",
        arguments
            .tiles_cpu
            .map_or_else(|| "any CPU".into(), |cpu| format!("CPU {cpu}")),
        if arguments.turns {
            ", in turns with the crowd"
        } else {
            ", spinning; crowd a thread, any CPU"
        },
        arguments.journal_mib
    )
}
