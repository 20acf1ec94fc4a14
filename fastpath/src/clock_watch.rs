//! Watches whether the system's time steps. The exchange's clock follows no step while the process runs, and at a start
//! none forward over a limit ([`Clock::begin`]): what is timed goes on, and somebody has to look.

use shm::{FastWriter, Memory};
use tile::Clock;
use topology::Config;
use topology::instruments::{process, tile_kind};

use crate::console::{complain, say};
use crate::counters::Counters;

/// Nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// Compares the system's time with the clock.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    /// Nanoseconds; 0: nothing is watched.
    limit: u64,
    is_off: bool,
}

/// What a look has found that was otherwise before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The system's time is ahead by so many ns, below 0 behind.
    Off(i64),
    /// They agree again.
    Agree,
}

/// Begins the clock, before it is read, as the last process of this boot of the machine had it, if the system's time
/// has jumped forward since. `fast` is the region that it left.
pub(crate) fn begin(config: &Config, fast: &Memory, boot_id: [u64; 2]) {
    let before = (fast.header().boot_id() == boot_id)
        .then(|| FastWriter::new(fast.clone()).ok())
        .flatten()
        .and_then(|fast| {
            let blocks = (0..).map_while(|slot| fast.view().tile(slot));
            let mut blocks = blocks.filter(|block| block.kind == tile_kind::PROCESS);
            Some(blocks.next()?.counters[process::utc_at_boot])
        });
    // A region that is new says 0.
    Clock::begin(before.filter(|at| *at != 0), limit(config));
}

fn limit(config: &Config) -> u64 {
    config.engine.clock_jump_ms * MILLISECOND
}

impl ClockWatch {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            limit: limit(config),
            is_off: false,
        }
    }

    /// Looks, counts, and says once what has come about. `ahead` is [`Clock::system_ahead`].
    pub(crate) fn turn(&mut self, ahead: i64, counters: &Counters) {
        match self.look(ahead) {
            None => {}
            Some(Found::Off(ahead)) => {
                counters.add(process::clock_jumps, 1);
                let (seconds, ms) = (
                    ahead.unsigned_abs() / 1_000_000_000,
                    ahead.unsigned_abs() / MILLISECOND % 1_000,
                );
                let way = if ahead > 0 { "ahead of" } else { "behind" };
                complain(format_args!(
                    "alarm: the system's time has stepped: it is {seconds}.{ms:03} s {way} the exchange's, which goes on \
                     as before; nothing ends before its time; see docs/OPERATING.md, \"When the clock steps\""
                ));
            }
            Some(Found::Agree) => say(format_args!(
                "the system's time and the exchange's agree again"
            )),
        }
        counters.set(process::clock_in_trouble, u64::from(self.is_off));
    }

    /// What has changed.
    fn look(&mut self, ahead: i64) -> Option<Found> {
        let is_off = self.limit > 0 && ahead.unsigned_abs() > self.limit;
        let was_off = std::mem::replace(&mut self.is_off, is_off);
        match (was_off, is_off) {
            (false, true) => Some(Found::Off(ahead)),
            (true, false) => Some(Found::Agree),
            (false, false) | (true, true) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_over_the_limit_is_said_once_and_so_is_its_end() {
        let mut watch = ClockWatch {
            limit: 1_000,
            is_off: false,
        };
        let steps = [0, 1_000, -1_000, 1_001, 5_000, 1_001, 3, -1_001, -9_000, 0];
        let found = steps.map(|ahead| watch.look(ahead));
        let expected = [
            None,
            None,
            None,
            Some(Found::Off(1_001)),
            None,
            None,
            Some(Found::Agree),
            Some(Found::Off(-1_001)),
            None,
            Some(Found::Agree),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn without_a_limit_nothing_is_said() {
        let mut watch = ClockWatch {
            limit: 0,
            is_off: false,
        };
        assert_eq!(
            [i64::MAX, 0, i64::MIN].map(|ahead| watch.look(ahead)),
            [None; 3]
        );
    }
}
