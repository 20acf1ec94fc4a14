//! Who takes part: a core, the commands in the form that it takes, and how it is timed.

use crate::checksum::Outcome;
use crate::command::Workload;
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use std::ops::Range;
use std::time::{Duration, Instant};

/// A matching core that holds the commands of a workload, translated before it is timed.
pub trait Core {
    /// Takes command number `at`.
    fn apply(&mut self, at: usize);

    /// Hears which commands come next, as a burst of them has arrived. They are not to be applied yet.
    #[inline]
    fn look_ahead(&mut self, _burst: Range<usize>) {}

    /// What has come of all so far. Of a floor, anything.
    fn outcome(&self) -> Outcome;
}

/// Commands that are known ahead: as many as the match tile takes from its ring in a turn.
const BURST: usize = 32;
/// One in `SAMPLED` commands has its own time taken, with the look at its burst if it is the first of one. The number has no
/// divisor in common with [`BURST`], so that of those that are timed as many are the first as of all.
const SAMPLED: usize = 61;

/// Times of one run.
#[derive(Clone, Debug)]
pub struct Times {
    /// The thread's CPU time, ns a command.
    pub ns: f64,
    /// What came of the whole workload.
    pub outcome: Outcome,
}

/// A core of any type, made and run as a whole, so that no call of a command goes through a pointer.
pub trait Run {
    /// Runs the prefix, and then the rest on the clock.
    fn time(&self) -> Times;

    /// Runs the prefix, and then takes the time of one command in 61: ns.
    fn sample(&self) -> Histogram<u64>;
}

/// How a core is made for a workload.
pub struct Maker<'a, F>(pub &'a Workload, pub F);

impl<'a, C: Core, F: Fn(&'a Workload) -> C> Run for Maker<'a, F> {
    fn time(&self) -> Times {
        let Self(workload, make) = self;
        let mut core = make(workload);
        apply(&mut core, 0..workload.prefix);
        let timed = workload.prefix..workload.commands.len();
        let count = timed.len().max(1);
        let start = cpu_time();
        apply(&mut core, timed);
        let spent = cpu_time().saturating_sub(start);
        Times {
            ns: spent.as_nanos() as f64 / count as f64,
            outcome: core.outcome(),
        }
    }

    fn sample(&self) -> Histogram<u64> {
        let Self(workload, make) = self;
        let mut core = make(workload);
        apply(&mut core, 0..workload.prefix);
        let clock = cost_of_clock();
        let mut times = Histogram::new(3).expect("three digits are allowed");
        for at in workload.prefix..workload.commands.len() {
            if at % SAMPLED != 0 {
                take(&mut core, at, workload.commands.len());
                continue;
            }
            let start = Instant::now();
            take(&mut core, at, workload.commands.len());
            let spent = start.elapsed().saturating_sub(clock);
            let spent = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
            times.saturating_record(spent);
        }
        times
    }
}

fn apply(core: &mut impl Core, range: Range<usize>) {
    let end = range.end;
    for at in range {
        take(core, at, end);
    }
}

/// Applies a command, behind a look at its burst if it is the first of one.
#[inline]
fn take(core: &mut impl Core, at: usize, end: usize) {
    if at.is_multiple_of(BURST) {
        core.look_ahead(at..end.min(at + BURST));
    }
    core.apply(at);
}

/// What two readings of the clock take that have nothing between them.
fn cost_of_clock() -> Duration {
    let between = (0..10_000).map(|_| Instant::now().elapsed());
    between.min().unwrap_or_default()
}

/// Of this thread: others on the machine do not count.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
