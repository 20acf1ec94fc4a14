//! Every sequence by way of the states that it leads to. Sequences that lead to states of one shape
//! (`NaiveEngine::shape`) go on alike, so only the first of them is played on.

use crate::{Pair, Search, Seen, Told, alphabet::Letter};
use scenario::Difference;
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZero,
    sync::Mutex,
    thread, vec,
};

/// A shape, and what the sequencer's clock says.
pub(crate) type Shape = (u64, u64);

pub(crate) fn shape(pair: &Pair) -> Shape {
    (pair.other().shape(), pair.clock.0)
}

/// A state to go on from.
struct Node {
    pair: Pair,
    saved: Vec<u8>,
}

impl Node {
    fn new(pair: Pair) -> Self {
        let saved = pair.saved();
        Self { pair, saved }
    }

    fn copy(&self) -> Result<Pair, Difference> {
        self.pair.restored(&self.saved)
    }
}

/// What a walk went through.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) seen: Seen,
    /// Letters that were played.
    pub(crate) played: u64,
    /// Of the states that were played on.
    pub(crate) shapes: BTreeSet<Shape>,
}

/// A walk by one letter from every state of a length, shared out to threads.
struct Steps<'a> {
    letters: &'a [Letter],
    nodes: Mutex<vec::IntoIter<Node>>,
    /// Of all states so far.
    shapes: Mutex<BTreeSet<Shape>>,
    /// Whether one letter more follows at once, the last one, instead of states to go on from.
    ends: bool,
}

/// What one thread found.
struct Found {
    nodes: Vec<Node>,
    played: u64,
    seen: Seen,
}

impl Steps<'_> {
    /// From every node that no other thread takes.
    fn go(&self) -> Result<Found, Difference> {
        let mut found = Found {
            nodes: Vec::new(),
            played: 0,
            seen: Seen::default(),
        };
        let mut search = Search::new(self.letters);
        while let Some(node) = self.next_node() {
            found.played += each(&node, &mut search, |pair| {
                if self.is_new(shape(&pair)) {
                    pair.check()?;
                    found.nodes.push(Node::new(pair));
                }
                Ok(())
            })?;
            if self.ends {
                for node in found.nodes.drain(..) {
                    found.played += each(&node, &mut search, |_| Ok(()))?;
                }
            }
        }
        found.seen = search.seen;
        Ok(found)
    }

    fn next_node(&self) -> Option<Node> {
        self.nodes.lock().expect("no thread panics with it").next()
    }

    fn is_new(&self, shape: Shape) -> bool {
        let mut shapes = self.shapes.lock().expect("no thread panics with it");
        shapes.insert(shape)
    }
}

/// Plays every letter behind a node, each on the node's state; returns how many. What is refused leaves a state of the
/// same shape, so the next letter is played there without a new copy; that it does is looked at in the end.
fn each(
    node: &Node,
    search: &mut Search<'_>,
    mut then: impl FnMut(Pair) -> Result<(), Difference>,
) -> Result<u64, Difference> {
    let letters = search.letters;
    let mut unchanged = None;
    for (place, letter) in letters.iter().enumerate() {
        search.path = vec![place];
        let mut pair = match unchanged.take() {
            Some(pair) => pair,
            None => node.copy()?,
        };
        search.play(&mut pair, letter)?;
        if search.is_refused() && letter.wait == 0 {
            unchanged = Some(pair);
        } else {
            then(pair)?;
        }
    }
    if unchanged.is_some_and(|pair| shape(&pair) != shape(&node.pair)) {
        return Err("a refusal changed something".to_owned());
    }
    Ok(letters.len() as u64)
}

/// All sequences of `length` behind a state.
pub(crate) fn walk(pair: Pair, letters: &[Letter], length: u32) -> Result<Walk, Difference> {
    let mut walk = Walk::default();
    walk.shapes.insert(shape(&pair));
    let mut nodes = vec![Node::new(pair)];
    for place in 1..length {
        let steps = Steps {
            letters,
            nodes: Mutex::new(nodes.into_iter()),
            shapes: Mutex::new(walk.shapes),
            ends: place + 1 == length,
        };
        nodes = Vec::new();
        for found in in_threads(&steps)? {
            nodes.extend(found.nodes);
            walk.played += found.played;
            walk.seen.add(found.seen);
        }
        walk.shapes = steps.shapes.into_inner().expect("all threads are done");
    }
    Ok(walk)
}

fn in_threads(steps: &Steps<'_>) -> Result<Vec<Found>, Difference> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| steps.go())).collect();
        let found = threads.into_iter().map(|thread| thread.join());
        found
            .map(|found| found.map_err(|_| "a panic, see above")?)
            .collect()
    })
}

/// What letters lead to from states of a shape, and what is told then.
struct Ways<'a> {
    search: Search<'a>,
    known: BTreeMap<(Shape, usize), (Shape, Vec<Told>)>,
    /// Letters that were played from another state of a shape that was there before.
    again: u64,
}

/// Plays all sequences, and compares what follows from states of one shape; how often there was something to compare.
pub(crate) fn alike(pair: Pair, letters: &[Letter], length: u32) -> Result<u64, Difference> {
    let mut ways = Ways::new(letters);
    ways.go(&Node::new(pair), length)?;
    Ok(ways.again)
}

/// The shapes of all states that sequences lead to.
pub(crate) fn shapes(
    pair: Pair,
    letters: &[Letter],
    length: u32,
) -> Result<BTreeSet<Shape>, Difference> {
    let mut ways = Ways::new(letters);
    let first = shape(&pair);
    ways.go(&Node::new(pair), length)?;
    let led_to = ways.known.into_values().map(|(shape, _)| shape);
    Ok(led_to.chain([first]).collect())
}

impl<'a> Ways<'a> {
    fn new(letters: &'a [Letter]) -> Self {
        Self {
            search: Search::new(letters),
            known: BTreeMap::new(),
            again: 0,
        }
    }

    fn go(&mut self, before: &Node, length: u32) -> Result<(), Difference> {
        let from = shape(&before.pair);
        for (place, letter) in self.search.letters.iter().enumerate() {
            let mut pair = before.copy()?;
            self.search.play(&mut pair, letter)?;
            let way = (shape(&pair), self.search.told.clone());
            match self.known.get(&(from, place)) {
                None => {
                    self.known.insert((from, place), way);
                }
                Some(known) if *known == way => self.again += 1,
                Some(known) => {
                    return Err(format!("{letter:?} leads to {way:?}, or to {known:?}"));
                }
            }
            if length > 1 {
                self.go(&Node::new(pair), length - 1)?;
            }
        }
        Ok(())
    }
}
