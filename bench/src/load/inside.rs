//! What the fastpath says of itself in shared memory, over a stretch of a run.

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use shm::layout::TileView;
use shm::{FastView, HistogramSnapshot};
use std::collections::BTreeMap;
use topology::instruments::{net, out, process, stage, tile_kind};

use super::flights;

/// The fastpath's counters and stages at one moment.
#[derive(Clone, Debug)]
pub struct Moment {
    stages: Vec<HistogramSnapshot>,
    tiles: BTreeMap<u64, TileView>,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn read(fast: &FastView) -> Self {
        let tiles = (0..shm::layout::fast_layout::TILES).filter_map(|tile| fast.tile(tile));
        Self {
            stages: (0..stage::NAMES.len())
                .filter_map(|stage| fast.histogram(stage))
                .collect(),
            tiles: tiles.map(|tile| (tile.kind, tile)).collect(),
        }
    }

    /// A counter of a tile, by its kind and number (`topology::instruments`); nothing if there is no such tile.
    #[must_use]
    pub fn find(&self, kind: u64, counter: usize) -> Option<u64> {
        self.tiles.get(&kind).map(|tile| tile.counters[counter])
    }

    fn counter(&self, kind: u64, counter: usize) -> u64 {
        self.find(kind, counter).unwrap_or(0)
    }

    /// Heap allocations of the fastpath since its start-up.
    #[must_use]
    pub fn allocations(&self) -> u64 {
        self.counter(tile_kind::PROCESS, process::allocations)
    }

    /// Trades in the frames whose reports were sent, since the start.
    #[must_use]
    pub fn trades(&self) -> u64 {
        self.counter(tile_kind::OUT, out::trades)
    }

    /// Commands handed to the match tile, since the start.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.counter(tile_kind::NET, net::accepted)
    }

    /// Messages answered with `Busy`, since the start.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.counter(tile_kind::NET, net::busy)
    }
}

/// What happened between moments: of one rate, over all its segments.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Requests a second.
    pub rate: u32,
    /// Name and nanoseconds of each stage. Values are known to within 3.2 %.
    pub stages: Vec<(&'static str, Histogram<u64>)>,
    /// Name, polls, and polls that found work of each tile.
    pub tiles: Vec<(&'static str, u64, u64)>,
}

impl Stretch {
    /// Nothing yet.
    ///
    /// # Errors
    /// If a histogram cannot be made, which constant bounds exclude.
    pub fn new(rate: u32) -> Result<Self> {
        let stages = stage::NAMES
            .iter()
            .map(|name| Ok((*name, flights::empty()?)));
        let kinds = [tile_kind::NET, tile_kind::MATCH, tile_kind::OUT];
        Ok(Self {
            rate,
            stages: stages.collect::<Result<_>>()?,
            tiles: kinds.map(|kind| (tile_kind::name(kind), 0, 0)).to_vec(),
        })
    }

    /// Adds what happened between two moments.
    ///
    /// # Errors
    /// If the second was before the first.
    pub fn add(&mut self, before: &Moment, after: &Moment) -> Result<()> {
        let snapshots = before.stages.iter().zip(&after.stages);
        for ((_, histogram), (before, after)) in self.stages.iter_mut().zip(snapshots) {
            let known: BTreeMap<u64, u64> = before
                .buckets()
                .map(|(least, _, count)| (least, count))
                .collect();
            for (least, greatest, count) in after.buckets() {
                let new = count
                    .checked_sub(known.get(&least).copied().unwrap_or(0))
                    .context("a stage's count went back: was the fastpath started again?")?;
                // Recording nothing would still move the maximum.
                if new > 0 {
                    histogram.saturating_record_n(greatest.min(after.max), new);
                }
            }
        }
        for (name, polls, busy_polls) in &mut self.tiles {
            let find = |moment: &Moment| {
                let tiles = moment.tiles.values();
                tiles
                    .filter(|tile| tile_kind::name(tile.kind) == *name)
                    .map(|tile| (tile.polls, tile.busy_polls))
                    .next()
                    .unwrap_or_default()
            };
            let (before, after) = (find(before), find(after));
            *polls += after.0.saturating_sub(before.0);
            *busy_polls += after.1.saturating_sub(before.1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm::{HISTOGRAM_WORDS, Heap};

    #[test]
    fn a_stretch_holds_only_what_came_between() {
        let histogram = shm::Histogram::new(&Heap::new(HISTOGRAM_WORDS), 0);
        let tile = |polls, busy_polls| TileView {
            kind: tile_kind::MATCH,
            heartbeat: 1,
            state: None,
            polls,
            busy_polls,
            counters: [0; 40],
        };
        let moment = |polls, busy_polls| Moment {
            stages: vec![histogram.snapshot(), histogram.snapshot()],
            tiles: BTreeMap::from([(tile_kind::MATCH, tile(polls, busy_polls))]),
        };
        histogram.record(1_000_000);
        histogram.record(30);
        let before = moment(100, 10);
        histogram.record(30);
        histogram.record(31);
        let after = moment(300, 50);
        let mut stretch = Stretch::new(1).expect("constant bounds");
        stretch.add(&before, &after).expect("in order");
        stretch.add(&after, &after).expect("in order");
        for (_, stage) in &stretch.stages {
            assert_eq!((stage.len(), stage.min(), stage.max()), (2, 30, 31));
        }
        assert!(stretch.tiles.contains(&("match", 200, 40)));
        assert!(stretch.tiles.contains(&("net", 0, 0)));
        assert!(stretch.add(&after, &before).is_err());
    }
}
