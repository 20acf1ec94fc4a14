//! A schedule of equal distances, kept as far as what is done at each of its times allows.

use anyhow::Result;
use bench::load::row::BEHIND_PARTS;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How a schedule was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Times at which something was done.
    pub(super) done: u32,
    /// By how much the last of them began late.
    pub(super) behind: Duration,
}

/// Does something so often a second, so long.
pub(super) fn paced(rate: u32, seconds: u32, mut act: impl FnMut() -> Result<()>) -> Result<Kept> {
    let start = Instant::now();
    let mut kept = Kept::default();
    for number in 0..rate * seconds {
        let due = Duration::from_secs(u64::from(number)) / rate;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        kept.behind = start.elapsed().saturating_sub(due);
        act()?;
        kept.done += 1;
    }
    Ok(kept)
}

impl Kept {
    /// Why it does not count as kept, of a schedule of so many seconds: as in a row of an open loop.
    pub(super) fn fault(self, seconds: u32) -> Option<String> {
        let length = u64::from(seconds) * 1_000_000_000;
        let most = Duration::from_nanos(length / BEHIND_PARTS);
        (self.behind > most).then(|| format!("the last began {:.1?} late", self.behind))
    }

    /// One line, for another process.
    pub(super) fn line(self) -> String {
        format!("{} {}", self.done, self.behind.as_nanos())
    }
}

impl FromStr for Kept {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let Some((done, behind)) = line.trim().split_once(' ') else {
            anyhow::bail!("the floor's writer says {line:?}");
        };
        Ok(Self {
            done: done.parse()?,
            behind: Duration::from_nanos(behind.parse()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_longer_than_its_distance_is_late_at_the_end() {
        let slow = paced(20, 1, || {
            std::thread::sleep(Duration::from_millis(60));
            Ok(())
        });
        let slow = slow.expect("nothing fails");
        assert_eq!(slow.done, 20);
        // 19 times 60 ms, less the 950 that are planned.
        assert!(slow.behind >= Duration::from_millis(190), "{slow:?}");
        assert!(slow.fault(1).is_some(), "{slow:?}");
    }

    #[test]
    fn a_hundredth_of_the_time_is_kept() {
        let kept = |millis| Kept {
            done: 100,
            behind: Duration::from_millis(millis),
        };
        assert_eq!(kept(200).fault(20), None);
        let fault = kept(201).fault(20).expect("beyond");
        assert_eq!(fault, "the last began 201.0ms late");
        let again: Kept = kept(7).line().parse().expect("its own line");
        assert_eq!(again, kept(7));
        assert!("".parse::<Kept>().is_err());
    }
}
