//! A status as people read it.

use super::collect::{Count, Fastpath, Journal, Life, Progress, Slowpath, Stage, Status, Tile};
use crate::decimal::Decimal;
use std::fmt::Write as _;
use std::io;

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// From here on people say minutes.
const TWO_MINUTES: u64 = 120 * SECOND;
/// Columns that lines of counters keep to.
const COLUMNS: usize = 100;

/// Writes it.
pub(crate) fn render(status: &Status, out: &mut impl io::Write) -> io::Result<()> {
    let epoch = status
        .epoch
        .map_or("none".to_owned(), |epoch| epoch.to_string());
    writeln!(
        out,
        "instance {}  shard {}  epoch {epoch}  ack {}  port {}  feed {}  {}",
        status.instance,
        status.shard,
        status.ack,
        status.port,
        status.feed.as_deref().unwrap_or("none"),
        status.health.to_uppercase()
    )?;
    for problem in &status.problems {
        writeln!(out, "  wrong: {problem}")?;
    }
    for unknown in &status.unknown {
        writeln!(out, "  unknown: {unknown}")?;
    }
    writeln!(out)?;
    if let Some(journal) = &status.journal {
        render_journal(journal, out)?;
    }
    if let Some(fastpath) = &status.fastpath {
        line(out, "out", &progress(fastpath.out))?;
    }
    if let Some(slowpath) = &status.slowpath {
        render_progress(slowpath, out)?;
    }
    if let Some(snapshot) = status.snapshot {
        line(out, "snapshot", &progress(snapshot))?;
    }
    if let Some(fastpath) = &status.fastpath {
        render_fastpath(fastpath, out)?;
    }
    if let Some(slowpath) = &status.slowpath {
        writeln!(out)?;
        let mut text = who(slowpath.pid, slowpath.state);
        if slowpath.state != Life::Absent {
            let _ = write!(text, ", heartbeat {}", age(slowpath.heartbeat_age_ns));
        }
        line(out, "slowpath", &text)?;
        counts(&slowpath.counters, out)?;
        let gateway = status.gateway.as_deref().unwrap_or("none");
        line(out, "gateway", gateway)?;
        let metrics = status.metrics.as_deref().unwrap_or("none");
        line(out, "metrics", metrics)?;
    }
    Ok(())
}

fn line(out: &mut impl io::Write, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{name:<10} {text}")
}

fn render_journal(journal: &Journal, out: &mut impl io::Write) -> io::Result<()> {
    let text = format!(
        "head {}, oldest {}, {} full (of {} MiB, {} frames)",
        journal.head,
        journal.oldest,
        percent(journal.fill_per_mille),
        journal.bytes.0 >> 20,
        journal.frame_capacity
    );
    line(out, "journal", &text)?;
    line(out, "", &format!("{} ({})", journal.path, journal.memory))
}

fn render_progress(slowpath: &Slowpath, out: &mut impl io::Write) -> io::Result<()> {
    line(out, "archived", &progress(slowpath.archived))?;
    line(out, "durable", &progress(slowpath.durable))?;
    let shadow = &slowpath.shadow;
    let mut text = format!("{}, {}", progress(shadow.progress), shadow.state);
    if let Some(seq) = shadow.diverged_seq.or(shadow.unreadable_seq) {
        let _ = write!(text, " at seq {seq}");
    }
    let _ = write!(text, ", state hash {}", shadow.state_hash);
    line(out, "shadow", &text)?;
    let store = slowpath.store.map_or("off".to_owned(), progress);
    line(out, "store", &store)
}

fn render_fastpath(fastpath: &Fastpath, out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out)?;
    let text = format!(
        "{}, recovered to seq {}, {} allocations after start, faults: gate {}, ring {}, clock {}",
        who(fastpath.pid, fastpath.state),
        fastpath.recovered_seq,
        fastpath.allocations,
        fastpath.gate_faults,
        fastpath.ring_faults,
        fastpath.clock_jumps
    );
    line(out, "fastpath", &text)?;
    // What the process itself counts stands in the line above.
    for tile in fastpath.tiles.iter().filter(|tile| tile.is_polling()) {
        render_tile(tile, fastpath.state, out)?;
    }
    writeln!(
        out,
        "\n{:<20} {:>10} {:>10} {:>10} {:>10} {:>12}",
        "stage", "p50", "p99", "p99.9", "max", "count"
    )?;
    for stage in &fastpath.stages {
        render_stage(stage, out)?;
    }
    Ok(())
}

fn render_tile(tile: &Tile, life: Life, out: &mut impl io::Write) -> io::Result<()> {
    writeln!(
        out,
        "  {:<8} {:<7} heartbeat {:<15} busy {:>7} of {} polls",
        tile.kind,
        tile_state(tile.state, life),
        age(tile.heartbeat_age_ns),
        percent(tile.busy_per_mille),
        tile.polls
    )?;
    counts(&tile.counters, out)
}

/// A tile of a process that was killed still says that it runs.
fn tile_state(said: &'static str, life: Life) -> &'static str {
    if life != Life::Running && matches!(said, "boot" | "run") {
        return "gone";
    }
    said
}

/// Counters that are not 0, as many on a line as fit.
fn counts(counts: &[Count], out: &mut impl io::Write) -> io::Result<()> {
    let mut text = String::new();
    // A port is no count, and stands in the address that is shown.
    let counts = counts.iter().filter(|count| !count.name.ends_with("_port"));
    for Count { name, count } in counts.filter(|count| count.count > Decimal(0)) {
        let next = format!("  {name} {count}");
        if !text.is_empty() && text.len() + next.len() > COLUMNS - 8 {
            writeln!(out, "        {}", text.trim_start())?;
            text.clear();
        }
        text.push_str(&next);
    }
    if text.is_empty() {
        return Ok(());
    }
    writeln!(out, "        {}", text.trim_start())
}

fn render_stage(stage: &Stage, out: &mut impl io::Write) -> io::Result<()> {
    // Of nothing there is no shortest and no longest.
    let span = |nanos| match stage.count.0 {
        0 => "-".to_owned(),
        _ => span(nanos),
    };
    writeln!(
        out,
        "{:<20} {:>10} {:>10} {:>10} {:>10} {:>12}",
        stage.name,
        span(stage.p50.0),
        span(stage.p99.0),
        span(stage.p99_9.0),
        span(stage.max.0),
        stage.count
    )
}

fn progress(progress: Progress) -> String {
    match progress.lag {
        Some(lag) => format!("seq {}, lag {lag},", progress.seq),
        None => format!("seq {},", progress.seq),
    }
    .trim_end_matches(',')
    .to_owned()
}

fn life(state: Life) -> &'static str {
    match state {
        Life::Absent => "absent",
        Life::Running => "running",
        Life::Stopped => "stopped",
        Life::Unfinished => "stopped, unfinished",
        Life::Failed => "failed",
        Life::Killed => "dead",
    }
}

/// Which process, and how it is.
fn who(pid: Decimal, state: Life) -> String {
    match state {
        Life::Absent => "has never run".to_owned(),
        Life::Running | Life::Stopped | Life::Unfinished | Life::Failed | Life::Killed => {
            format!("pid {pid} {}", life(state))
        }
    }
}

fn age(age: Option<Decimal>) -> String {
    age.map_or("never".to_owned(), |age| format!("{} ago", span(age.0)))
}

fn percent(per_mille: u32) -> String {
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

/// Nanoseconds in the unit in which people say them.
fn span(nanos: u64) -> String {
    let (unit, name) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..SECOND => (1_000_000, "ms"),
        SECOND..TWO_MINUTES => (SECOND, "s"),
        _ => return long_span(nanos / SECOND),
    };
    format!("{}.{} {name}", nanos / unit, nanos % unit * 10 / unit)
}

/// The two largest units of a time from two minutes on.
fn long_span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours) {
        (0, 0) => format!("{minutes} min {} s", seconds % 60),
        (0, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_shares_are_short() {
        let spans = [0, 999, 1_000, 1_999_999, 61_300_000_000].map(span);
        assert_eq!(spans, ["0 ns", "999 ns", "1.0 µs", "1.9 ms", "61.3 s"]);
        let long = [120, 3_599, 3_600, 90_061, 1_000_000].map(|seconds| span(seconds * SECOND));
        let says = [
            "2 min 0 s",
            "59 min 59 s",
            "1 h 0 min",
            "1 d 1 h",
            "11 d 13 h",
        ];
        assert_eq!(long, says);
        assert_eq!([0, 7, 1000].map(percent), ["0.0 %", "0.7 %", "100.0 %"]);
    }

    #[test]
    fn tiles_line_up_and_those_of_a_dead_process_are_gone() {
        let text = |heartbeat, busy_per_mille, life| {
            let tile = Tile {
                kind: "net",
                state: "run",
                heartbeat_age_ns: heartbeat,
                polls: Decimal(7),
                busy_polls: Decimal(0),
                busy_per_mille,
                counters: Vec::new(),
            };
            let mut out = Vec::new();
            render_tile(&tile, life, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let column = |text: &str| text.chars().take_while(|c| *c != '%').count();
        let live = text(Some(Decimal(900)), 3, Life::Running);
        assert!(
            live.contains("net      run     heartbeat 900 ns ago"),
            "{live}"
        );
        for (age, busy, life) in [
            (Some(Decimal(3_599 * SECOND)), 1_000, Life::Killed),
            (Some(Decimal(1_500)), 25, Life::Stopped),
            (None, 0, Life::Failed),
        ] {
            let dead = text(age, busy, life);
            assert!(dead.contains("net      gone    heartbeat "), "{dead}");
            assert_eq!(column(&dead), column(&live), "{dead}{live}");
        }
    }

    #[test]
    fn who_never_ran_has_no_pid() {
        assert_eq!(who(Decimal(0), Life::Absent), "has never run");
        assert_eq!(who(Decimal(7), Life::Killed), "pid 7 dead");
    }

    #[test]
    fn a_stage_that_nobody_passed_took_no_time_at_all() {
        let text = |count| {
            let [p50, p99, p99_9, max] = [Decimal(0); 4];
            let stage = Stage {
                name: "a stage",
                count: Decimal(count),
                p50,
                p99,
                p99_9,
                max,
            };
            let mut out = Vec::new();
            render_stage(&stage, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let words = |text: String| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(text(0))[2..], ["-", "-", "-", "-", "0"]);
        assert_eq!(text(3).matches("0 ns").count(), 4);
    }

    #[test]
    fn counters_wrap_and_zeros_are_left_out() {
        let count = |count| Count {
            name: "a_name_of_a_counter",
            count: Decimal(count),
        };
        let mut out = Vec::new();
        counts(
            &[count(0), count(1), count(2), count(3), count(4), count(5)],
            &mut out,
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.lines().all(|line| line.len() <= COLUMNS) && !text.contains(" 0"),
            "{text}"
        );
    }
}
