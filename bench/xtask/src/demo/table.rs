//! The demo's live table: what shared memory and the traders say, once a second.

use bench::instance::Instance;
use bench::load::inside::Moment;
use bench::subscriber::Heard;
use shm::FastView;
use std::io::IsTerminal as _;
use std::time::Instant;
use topology::instruments::{matching, out, stage, tile_kind};

use super::Total;

/// Lines between two headings when the output is no terminal.
const HEADING_EVERY: u32 = 20;
/// What the headings do not say.
const LEGEND: &str = "\
rates of the last second; in→commit, in→send and round trip since the start; behind: frames;
lost: messages of the feed that its subscriber missed; restart: of fastpath and slowpath, after they died
";

pub(super) struct Table {
    start: Instant,
    last: Option<(Instant, [u64; 3])>,
    rows: u32,
    notes: Vec<String>,
    colour: bool,
}

impl Table {
    pub(super) fn new() -> Self {
        let colour = std::io::stdout().is_terminal();
        Self {
            start: Instant::now(),
            last: None,
            rows: 0,
            notes: Vec::new(),
            colour,
        }
    }

    /// Something to say beside the next row.
    pub(super) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    #[expect(clippy::print_stdout, reason = "this is the table")]
    pub(super) fn show(&mut self, instance: &Instance, total: &Total, heard: &Heard) {
        if self.rows == 0 {
            println!("{LEGEND}");
        }
        if self.rows.is_multiple_of(HEADING_EVERY) {
            println!(
                "{:>5} {:>9} {:>9} {:>9} {:>12} {:>12} {:>12} {:>10} {:>14} {:>7} {:>7}",
                "time",
                "orders/s",
                "trades/s",
                "feed/lost",
                "in→commit",
                "in→send",
                "round trip",
                "journal",
                "archive/shadow",
                "out",
                "restart"
            );
            println!(
                "{:>5} {:>9} {:>9} {:>9} {:>12} {:>12} {:>12} {:>10} {:>14} {:>7} {:>7}",
                "s",
                "",
                "",
                "msg/s",
                "p50/p99 µs",
                "p50/p99 µs",
                "p50/p99 µs",
                "seq",
                "behind",
                "behind",
                "f/s"
            );
        }
        self.rows += 1;
        let row = self
            .row(instance, total, heard)
            .unwrap_or_else(|| "  (no memory yet)".to_owned());
        let notes = std::mem::take(&mut self.notes).join(", ");
        let (on, off) = if self.colour && !notes.is_empty() {
            ("\x1b[33m", "\x1b[0m")
        } else {
            ("", "")
        };
        println!("{row}  {on}{notes}{off}");
    }

    fn row(&mut self, instance: &Instance, total: &Total, heard: &Heard) -> Option<String> {
        let (fast, slow) = (instance.fast().ok()?, instance.slow().ok()?);
        let head = instance.journal().ok()?.head();
        let tiles = Moment::read(&fast);
        let orders = tiles.find(tile_kind::MATCH, matching::from_net)?;
        let trades = tiles.find(tile_kind::OUT, out::trades)?;
        let now = Instant::now();
        let (then, old) = self.last.unwrap_or((self.start, [0; 3]));
        self.last = Some((now, [orders, trades, heard.messages]));
        let ms = now.duration_since(then).as_millis().max(1);
        let rate = |new: u64, old: u64| u128::from(new.saturating_sub(old)) * 1_000 / ms;
        let trip = &total.latency;
        Some(format!(
            "{:>5} {:>9} {:>9} {:>9} {:>12} {:>12} {:>12} {:>10} {:>14} {:>7} {:>7}",
            self.start.elapsed().as_secs(),
            rate(orders, old[0]),
            rate(trades, old[1]),
            format!("{}/{}", rate(heard.messages, old[2]), heard.lost),
            stage_times(&fast, stage::receive_to_commit),
            stage_times(&fast, stage::receive_to_send),
            format!(
                "{}/{}",
                trip.value_at_quantile(0.5) / 1_000,
                trip.value_at_quantile(0.99) / 1_000
            ),
            head,
            format!(
                "{}/{}",
                head.saturating_sub(slow.durable_seq()),
                head.saturating_sub(slow.shadow_seq())
            ),
            head.saturating_sub(fast.out_seq()),
            format!("{}/{}", instance.restarts[0], instance.restarts[1]),
        ))
    }
}

fn stage_times(fast: &FastView, stage: usize) -> String {
    let times = fast.histogram(stage);
    let us = |p| times.as_ref().map_or(0, |times| times.percentile(p)) / 100;
    let tenths = |value: u64| format!("{}.{}", value / 10, value % 10);
    format!("{}/{}", tenths(us(50.0)), tenths(us(99.0)))
}
