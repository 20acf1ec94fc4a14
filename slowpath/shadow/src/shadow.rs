//! The step: apply, compare.

use crate::conservation::check_conservation;
use crate::divergence::{Divergence, Found};
use core::num::NonZeroU64;
use domain::{Command, Effects, Event, Events, Seq, Stamp};
use engine::Engine;
use journal::{Chain, Frame};

/// An engine that follows the journal and checks it.
pub struct Shadow {
    engine: Engine,
    chain: Chain,
    effects: Effects,
    conservation_interval: NonZeroU64,
    diverged: Option<Divergence>,
}

impl Shadow {
    /// Before the first frame of a shard. Conservation of funds is checked at every multiple of
    /// `conservation_interval` frames and at every checkpoint.
    #[must_use]
    pub fn new(shard: u16, conservation_interval: NonZeroU64) -> Self {
        Self::behind(Engine::new(), Chain::new(shard), conservation_interval)
    }

    /// Behind the last frame of a chain, with the state to which it led.
    #[must_use]
    pub fn behind(engine: Engine, chain: Chain, conservation_interval: NonZeroU64) -> Self {
        Self {
            engine,
            chain,
            effects: Effects::new(),
            conservation_interval,
            diverged: None,
        }
    }

    /// The state after the last frame, for readers.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where it stands in the journal.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The frame that comes next.
    #[must_use]
    pub fn next_seq(&self) -> Seq {
        self.chain.next_seq
    }

    /// The last frame that was checked and found right; 0 if none.
    #[must_use]
    pub fn checked_seq(&self) -> Seq {
        self.chain.last_seq()
    }

    /// The difference at which it stopped, if it did.
    #[must_use]
    pub fn divergence(&self) -> Option<&Divergence> {
        self.diverged.as_ref()
    }

    /// Applies the next frame's command and compares what it causes with the frame.
    ///
    /// # Errors
    /// The first [`Divergence`], now and for every later frame. The engine is then of no use.
    pub fn step(&mut self, frame: &Frame<'_>) -> Result<(), Divergence> {
        if let Some(diverged) = &self.diverged {
            return Err(diverged.clone());
        }
        self.follow(frame).map_err(|found| {
            let divergence = Divergence {
                seq: frame.header.seq,
                found,
            };
            self.diverged = Some(divergence.clone());
            divergence
        })
    }

    fn follow(&mut self, frame: &Frame<'_>) -> Result<(), Found> {
        let mut chain = self.chain;
        chain.check(frame).map_err(Found::Chain)?;
        self.check_turn(frame)?;
        let stamp = Stamp {
            seq: frame.header.seq,
            time: frame.header.engine_time,
        };
        self.engine
            .apply(stamp, &frame.request(), &mut self.effects);
        if self.effects.words() != frame.event_words {
            return Err(first_difference(frame.events(), self.effects.events()));
        }
        let is_checkpoint = matches!(frame.command, Command::Checkpoint(_));
        if is_checkpoint || frame.header.seq.0 % self.conservation_interval == 0 {
            check_conservation(&self.engine).map_err(Found::Funds)?;
        }
        self.chain = chain;
        Ok(())
    }

    /// Whether a sequencer could have applied the command now; an engine panics on others.
    fn check_turn(&self, frame: &Frame<'_>) -> Result<(), Found> {
        let (journal, shadow) = (frame.header.engine_version, self.engine.version());
        if journal != shadow {
            return Err(Found::EngineVersion { journal, shadow });
        }
        let (source, number) = (frame.header.source, frame.header.source_seq);
        if !self.engine.admits(source, number) {
            return Err(Found::NotAdmitted { source, number });
        }
        if !self.engine.fits(&frame.command) {
            return Err(Found::OutOfTurn);
        }
        Ok(())
    }
}

/// The first event in which two lists differ, which do.
fn first_difference(journal: Events<'_>, shadow: Events<'_>) -> Found {
    let (mut journal, mut shadow) = (journal.flatten(), shadow.flatten());
    let mut index = 0;
    loop {
        let pair = (journal.next(), shadow.next());
        match pair {
            (Some(Event::StateHash(journal)), Some(Event::StateHash(shadow)))
                if journal != shadow =>
            {
                return Found::StateHash {
                    journal: journal.hash,
                    shadow: shadow.hash,
                };
            }
            (Some(journal), Some(shadow)) if journal == shadow => index += 1,
            (journal, shadow) => {
                return Found::Event {
                    index,
                    journal: journal.map(Box::new),
                    shadow: shadow.map(Box::new),
                };
            }
        }
    }
}
