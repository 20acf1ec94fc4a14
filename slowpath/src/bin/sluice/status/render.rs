//! A status as people read it.

use super::collect::{Count, Fastpath, Journal, Life, Progress, Slowpath, Stage, Status, Tile};
use crate::decimal::Decimal;
use std::fmt::Write as _;
use std::io;

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
        let life = life(slowpath.state);
        let age = age(slowpath.heartbeat_age_ns);
        line(
            out,
            "slowpath",
            &format!("pid {} {life}, heartbeat {age}", slowpath.pid),
        )?;
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
    let mut text = format!("{} {}", progress(shadow.progress), shadow.state);
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
        "pid {} {}, {} allocations after start, faults: gate {}, ring {}",
        fastpath.pid,
        life(fastpath.state),
        fastpath.allocations,
        fastpath.gate_faults,
        fastpath.ring_faults
    );
    line(out, "fastpath", &text)?;
    for tile in &fastpath.tiles {
        render_tile(tile, out)?;
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

fn render_tile(tile: &Tile, out: &mut impl io::Write) -> io::Result<()> {
    if tile.is_polling() {
        writeln!(
            out,
            "  {:<8} {:<7} heartbeat {}, busy {} of {} polls",
            tile.kind,
            tile.state,
            age(tile.heartbeat_age_ns),
            percent(tile.busy_per_mille),
            tile.polls
        )?;
    } else {
        writeln!(out, "  {:<8}", tile.kind)?;
    }
    counts(&tile.counters, out)
}

/// Counters that are not 0, as many on a line as fit.
fn counts(counts: &[Count], out: &mut impl io::Write) -> io::Result<()> {
    let mut text = String::new();
    for Count { name, count } in counts.iter().filter(|count| count.count > Decimal(0)) {
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
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    format!("{}.{} {name}", nanos / unit, nanos % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_shares_are_short() {
        let spans = [0, 999, 1_000, 1_999_999, 61_300_000_000].map(span);
        assert_eq!(spans, ["0 ns", "999 ns", "1.0 µs", "1.9 ms", "61.3 s"]);
        assert_eq!([0, 7, 1000].map(percent), ["0.0 %", "0.7 %", "100.0 %"]);
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
