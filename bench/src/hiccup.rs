//! How long the machine keeps a thread from running: a thread that sleeps a millisecond at a time and
//! records by how much it woke up late, and what it would have recorded in a pause.
//!
//! It disturbs little, but it does: on a machine with as many busy threads as CPUs it takes
//! time from one of them at each wake-up.

use anyhow::Result;
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::load::flights;

/// How long it means to sleep.
const NAP: Duration = Duration::from_millis(1);

/// A running meter.
#[derive(Debug)]
pub struct Meter {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Histogram<u64>>,
}

impl Meter {
    /// Starts one.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn start() -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut late = flights::empty()?;
        let thread = std::thread::Builder::new()
            .name("hiccup".into())
            .spawn(move || {
                // ORDER: the flag is the whole message.
                while !stopped.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    std::thread::sleep(NAP);
                    record(&mut late, start.elapsed());
                }
                late
            })?;
        Ok(Self { stop, thread })
    }

    /// Ends it; gives by how much it woke up late, in nanoseconds.
    ///
    /// # Errors
    /// If its thread panicked.
    pub fn stop(self) -> Result<Histogram<u64>> {
        // ORDER: the flag is the whole message.
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow::anyhow!("the hiccup meter panicked"))
    }
}

fn record(late: &mut Histogram<u64>, slept: Duration) {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let excess = nanos(slept.saturating_sub(NAP)).min(late.high());
    // While it was kept from running it would have woken up, late as well, once a nap: without these a long pause
    // would be one sample.
    let recorded = late.record_correct(excess, nanos(NAP));
    recorded.expect("no more than the histogram's highest");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exceeds_the_nap_is_recorded() {
        let mut late = flights::empty().expect("constant bounds");
        record(&mut late, NAP);
        record(&mut late, Duration::from_micros(1_080));
        record(&mut late, Duration::from_micros(900));
        assert_eq!(late.len(), 3);
        assert_eq!(late.min(), 0);
        assert!(late.max().abs_diff(80_000) < 100, "{}", late.max());
    }

    #[test]
    fn a_long_pause_is_every_wake_up_that_it_delayed() {
        let mut late = flights::empty().expect("constant bounds");
        record(&mut late, NAP * 11);
        assert_eq!(late.len(), 10, "10 ms late, 9 ms late, and so on");
        assert!(late.value_at_quantile(0.5).abs_diff(5_000_000) < 10_000);
        record(&mut late, Duration::from_secs(1 << 40));
        assert!(late.max() >= late.high());
    }

    #[test]
    fn a_meter_records_until_it_is_stopped() {
        let meter = Meter::start().expect("a thread");
        std::thread::sleep(Duration::from_millis(30));
        assert!(!meter.stop().expect("no panic").is_empty());
    }
}
