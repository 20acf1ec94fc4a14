//! The loop of a core: polling in turn, what it writes for others to see, and the orderly stop.
#![expect(
    clippy::unwrap_used,
    reason = "a set-up that fails is a test that fails"
)]

use shm::{FastWriter, Heap, TileState, fast_spec};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tile::{Clock, Idle, StopFlag, Tile, run};

type Diary = Arc<Mutex<Vec<String>>>;

/// A tile that writes down what is asked of it.
struct Scripted {
    name: &'static str,
    diary: Diary,
    /// Polls that find work, from the first.
    work: u64,
    polls: u64,
    /// Refusals to stop before it agrees.
    refusals: u32,
    turn: Option<u64>,
    /// Asks for the stop at this poll.
    asks: Option<(u64, StopFlag)>,
}

impl Scripted {
    fn new(name: &'static str, diary: &Diary) -> Self {
        Self {
            name,
            diary: Arc::clone(diary),
            work: 0,
            polls: 0,
            refusals: 0,
            turn: None,
            asks: None,
        }
    }

    fn note(&self, what: &str) {
        self.diary
            .lock()
            .unwrap()
            .push(format!("{} {what}", self.name));
    }
}

impl Tile for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    fn poll(&mut self) -> usize {
        self.polls += 1;
        if let Some((at, stop)) = &self.asks
            && self.polls == *at
        {
            stop.stop();
            self.note("asks");
        }
        usize::from(self.polls <= self.work)
    }

    fn housekeep(&mut self, now: u64) {
        assert!(now > 1_600_000_000_000_000_000, "UTC nanoseconds");
    }

    fn stop(&mut self) -> bool {
        if self.refusals == 0 {
            self.note("stops");
            return true;
        }
        self.refusals -= 1;
        self.note(&format!("refuses after {}", self.polls));
        false
    }

    fn stop_turn(&self) -> Option<u64> {
        self.turn
    }
}

fn fast() -> FastWriter<Heap> {
    FastWriter::new(Heap::new(fast_spec(0).words)).unwrap()
}

#[test]
fn polls_heartbeat_and_state_are_shown() {
    for idle in [Idle::Spin, Idle::SpinThenYield] {
        let before = Clock::since_boot();
        let (fast, stop, diary) = (fast(), StopFlag::new(), Diary::default());
        let busy = Scripted {
            work: 700,
            asks: Some((5_000, stop.clone())),
            ..Scripted::new("busy", &diary)
        };
        let mut tiles: Vec<Box<dyn Tile>> =
            vec![Box::new(busy), Box::new(Scripted::new("idle", &diary))];
        let blocks = [fast.tile(0), fast.tile(1)];
        for (kind, block) in (1..).zip(&blocks) {
            block.set_kind(kind);
            block.set_state(TileState::Boot);
        }
        run(&mut tiles, &blocks, idle, &stop);

        let view = |tile| fast.view().tile(tile).unwrap();
        assert_eq!((view(0).polls, view(0).busy_polls), (5_000, 700));
        assert_eq!((view(1).polls, view(1).busy_polls), (5_000, 0));
        for tile in 0..2 {
            assert_eq!(view(tile).state, Some(TileState::Halt));
            let heard = before..=Clock::since_boot();
            assert!(
                heard.contains(&view(tile).heartbeat),
                "of this boot, and no date"
            );
        }
    }
}

#[test]
fn figures_move_while_it_runs() {
    for idle in [Idle::Spin, Idle::SpinThenYield] {
        let (fast, stop, diary) = (fast(), StopFlag::new(), Diary::default());
        let block = fast.tile(0);
        block.set_kind(1);
        let mut tiles: Vec<Box<dyn Tile>> = vec![Box::new(Scripted::new("idle", &diary))];
        thread::scope(|scope| {
            scope.spawn(|| run(&mut tiles, &[block], idle, &stop));
            let mut seen = Vec::new();
            let deadline = Instant::now() + Duration::from_secs(20);
            while seen.len() < 4 && Instant::now() < deadline {
                let view = fast.view().tile(0).unwrap();
                let now = (view.heartbeat, view.polls);
                if view.state == Some(TileState::Run) && seen.last() != Some(&now) {
                    seen.push(now);
                }
                thread::yield_now();
            }
            stop.stop();
            assert!(seen.len() == 4 && seen.is_sorted(), "{seen:?}");
            assert!(seen[0].0 < seen[3].0 && seen[0].1 < seen[3].1, "{seen:?}");
        });
    }
}

#[test]
fn tiles_without_turns_stop_in_the_order_of_their_core() {
    let (fast, stop, diary) = (fast(), StopFlag::new(), Diary::default());
    let first = Scripted {
        refusals: 2,
        asks: Some((10, stop.clone())),
        ..Scripted::new("first", &diary)
    };
    let second = Scripted {
        refusals: 1,
        ..Scripted::new("second", &diary)
    };
    let mut tiles: Vec<Box<dyn Tile>> = vec![
        Box::new(first),
        Box::new(second),
        Box::new(Scripted::new("third", &diary)),
    ];
    let blocks = [fast.tile(0), fast.tile(1), fast.tile(2)];
    run(&mut tiles, &blocks, Idle::SpinThenYield, &stop);
    // All go on being polled until they have stopped themselves: the first two rounds are for the
    // first tile's refusals, the third for the second's.
    let expected = [
        "first asks",
        "first refuses after 10",
        "first refuses after 11",
        "first stops",
        "second refuses after 12",
        "second stops",
        "third stops",
    ];
    assert_eq!(*diary.lock().unwrap(), expected);
}

#[test]
fn turns_order_the_stop_over_cores() {
    for _ in 0..20 {
        let (fast, stop, diary) = (fast(), StopFlag::new(), Diary::default());
        let tile = |name, turn, refusals| -> Box<dyn Tile> {
            Box::new(Scripted {
                turn: Some(turn),
                refusals,
                ..Scripted::new(name, &diary)
            })
        };
        let mut ends = [tile("out", 2, 0), tile("net", 0, 50)];
        let mut middle = [tile("match", 1, 50)];
        thread::scope(|scope| {
            scope.spawn(|| {
                let blocks = [fast.tile(2), fast.tile(0)];
                run(&mut ends, &blocks, Idle::SpinThenYield, &stop);
            });
            scope.spawn(|| run(&mut middle, &[fast.tile(1)], Idle::SpinThenYield, &stop));
            stop.stop();
        });
        let diary = diary.lock().unwrap();
        let stops: Vec<_> = diary
            .iter()
            .filter(|line| line.ends_with("stops"))
            .collect();
        assert_eq!(stops, ["net stops", "match stops", "out stops"]);
        let first_of_match = diary.iter().position(|line| line.starts_with("match"));
        let end_of_net = diary.iter().position(|line| line == "net stops");
        assert!(end_of_net < first_of_match, "{diary:?}");
    }
}

#[test]
#[should_panic(expected = "every tile has its block")]
fn a_tile_without_a_block_is_refused() {
    let diary = Diary::default();
    let mut tiles: Vec<Box<dyn Tile>> = vec![Box::new(Scripted::new("lone", &diary))];
    run::<Heap>(&mut tiles, &[], Idle::Spin, &StopFlag::new());
}
