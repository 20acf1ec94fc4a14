//! Floors: what any core pays that reads these commands. Each does a part of the work, and no more.

use crate::checksum::Outcome;
use crate::command::{Command, Op, Workload, place_of};
use crate::core::Core;
use domain::Side;
use std::hint::black_box;

/// A cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u64; 8]);

/// Reads the commands.
pub struct Reading<'a> {
    commands: &'a [Command],
    sum: u64,
}

impl<'a> Reading<'a> {
    /// Of a workload.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        Self {
            commands: &workload.commands,
            sum: 0,
        }
    }
}

impl Core for Reading<'_> {
    #[inline]
    fn apply(&mut self, at: usize) {
        let command = &self.commands[at];
        self.sum = self
            .sum
            .wrapping_add(command.id)
            .wrapping_add(u64::from(command.price) | u64::from(command.qty) << 32);
    }

    fn outcome(&self) -> Outcome {
        black_box(self.sum);
        Outcome::default()
    }
}

/// Reads them, and reads and writes one line of as many as there are orders: at once, by a number of the command.
pub struct RandomLine<'a> {
    commands: &'a [Command],
    lines: Vec<Line>,
}

/// Reads them, looks the id up in a table, and reads and writes the line that it names.
pub struct TableAndLine<'a> {
    commands: &'a [Command],
    table: Vec<u32>,
    lines: Vec<Line>,
}

/// Reads them, and which line is next stands in the line before.
pub struct DependentLine<'a> {
    commands: &'a [Command],
    lines: Vec<Line>,
    next: u64,
}

/// Reads them, and goes another way for each operation and side.
pub struct Dispatch<'a> {
    commands: &'a [Command],
    ways: [u64; 6],
}

/// Live orders that a workload has room for, as a power of two.
fn lines_of(workload: &Workload) -> usize {
    let adds = workload.commands[..workload.prefix]
        .iter()
        .take_while(|command| command.op() == Some(Op::New))
        .count();
    adds.max(1).next_power_of_two()
}

/// Spreads numbers that follow one another.
fn mixed(number: u64) -> usize {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(mixed >> 20).unwrap_or(0)
}

fn touch(line: &mut Line, command: &Command) -> u64 {
    line.0[0] = line.0[0].wrapping_add(u64::from(command.qty));
    line.0[0]
}

impl<'a> RandomLine<'a> {
    /// Of a workload.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        Self {
            commands: &workload.commands,
            lines: vec![Line::default(); lines_of(workload)],
        }
    }
}

impl Core for RandomLine<'_> {
    #[inline]
    fn apply(&mut self, at: usize) {
        let command = &self.commands[at];
        let place = mixed(command.id) & (self.lines.len() - 1);
        touch(&mut self.lines[place], command);
    }

    fn outcome(&self) -> Outcome {
        black_box(&self.lines);
        Outcome::default()
    }
}

impl<'a> TableAndLine<'a> {
    /// Of a workload.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        let lines = lines_of(workload);
        let slot = |id: u64| u32::try_from(mixed(id) & (lines - 1)).unwrap_or(0);
        Self {
            commands: &workload.commands,
            table: (0..=workload.largest_id).map(slot).collect(),
            lines: vec![Line::default(); lines],
        }
    }
}

impl Core for TableAndLine<'_> {
    #[inline]
    fn apply(&mut self, at: usize) {
        let command = &self.commands[at];
        let id = place_of(command.id);
        let slot = self.table[id] as usize;
        touch(&mut self.lines[slot], command);
    }

    fn outcome(&self) -> Outcome {
        black_box(&self.lines);
        Outcome::default()
    }
}

impl<'a> DependentLine<'a> {
    /// Of a workload.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        Self {
            commands: &workload.commands,
            lines: vec![Line::default(); lines_of(workload)],
            next: 1,
        }
    }
}

impl Core for DependentLine<'_> {
    #[inline]
    fn apply(&mut self, at: usize) {
        let command = &self.commands[at];
        let place = mixed(self.next ^ command.id) & (self.lines.len() - 1);
        self.next = touch(&mut self.lines[place], command);
    }

    fn outcome(&self) -> Outcome {
        black_box(&self.lines);
        Outcome::default()
    }
}

impl<'a> Dispatch<'a> {
    /// Of a workload.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        Self {
            commands: &workload.commands,
            ways: [0; 6],
        }
    }
}

impl Core for Dispatch<'_> {
    #[inline]
    fn apply(&mut self, at: usize) {
        let command = &self.commands[at];
        let qty = u64::from(command.qty);
        // What each way does is something else, so that no table of numbers stands for them.
        match (command.op(), command.side()) {
            (Some(Op::New), Some(Side::Buy)) => self.ways[0] = black_box(self.ways[0] + qty),
            (Some(Op::New), _) => self.ways[1] = black_box(self.ways[1] ^ qty),
            (Some(Op::Cancel), Some(Side::Buy)) => self.ways[2] = black_box(self.ways[2] | 1),
            (Some(Op::Cancel), _) => self.ways[3] = black_box(self.ways[3].rotate_left(1)),
            (_, Some(Side::Buy)) => self.ways[4] = black_box(self.ways[4].wrapping_mul(3)),
            (_, _) => self.ways[5] = black_box(self.ways[5].wrapping_sub(qty)),
        }
    }

    fn outcome(&self) -> Outcome {
        black_box(self.ways);
        Outcome::default()
    }
}
