//! The crowd: sessions that keep so many commands on their way, as fast as they are answered.
//!
//! It speaks the wire: numbered datagrams, signed with the sessions' keys; reports are taken apart, their MACs are
//! not checked. It never asks for more than the exchange's rings hold, so a `Busy` is the exchange's.

use anyhow::Result;
use bench::load::flow::{Drawn, Flow, Place};
use domain::{Command, Nanos, SessionId};
use std::sync::atomic::{AtomicBool, Ordering};
use tile::Clock;
use wire::MAX_DATAGRAM;
use wire::auth::MacKey;
use wire::order_entry::{Context, DatagramReader, DatagramWriter, Message};

use super::wire::{Receiver, Sender};

/// Datagrams between two looks at what came.
const BURST: u64 = 32;

/// What the crowd was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) accepted: u64,
    pub(super) fills: u64,
    pub(super) canceled: u64,
    pub(super) amended: u64,
    pub(super) rejected: u64,
    /// `Busy`, or anything else that is no report.
    pub(super) refused: u64,
    pub(super) drawn: Drawn,
}

struct Member {
    flow: Flow,
    key: MacKey,
    context: Context,
    /// The last number of its commands that was answered: answers come in their order.
    answered: u64,
}

pub(super) struct Crowd {
    members: Vec<Member>,
    to: Sender,
    from: Receiver,
    /// Most commands on their way.
    window: u64,
    told: Told,
    turn: usize,
}

impl Crowd {
    /// Sessions 1 and on, each with its key for what it sends; `resting` orders of all together.
    pub(super) fn new(
        keys: Vec<MacKey>,
        epoch: u32,
        resting: usize,
        window: u64,
        wire: (Sender, Receiver),
    ) -> Self {
        let place = Place {
            market: domain::MarketId(0),
            middle: 30_000,
        };
        let target = resting / keys.len().max(1);
        let member = |(key, id): (MacKey, u32)| Member {
            flow: Flow::new(place, target, 1, u64::from(id)),
            key,
            context: Context {
                session_id: SessionId(id),
                epoch,
                next_seq_no: 1,
                sending_time: Nanos(0),
                shard: 0,
                flags: 0,
                reserved: 0,
            },
            answered: 0,
        };
        Self {
            members: keys.into_iter().zip(1..).map(member).collect(),
            to: wire.0,
            from: wire.1,
            window,
            told: Told::default(),
            turn: 0,
        }
    }

    /// Fills the book; ends when all of it rests. `pump` lets the exchange work, if nobody else does.
    pub(super) fn fill(&mut self, pump: &mut dyn FnMut()) -> Result<()> {
        loop {
            let mut more = false;
            for at in 0..self.members.len() {
                if let Some(order) = self.members[at].flow.prefill() {
                    self.send(at, &Command::NewOrder(order));
                    more = true;
                }
            }
            self.to.publish();
            self.drain(BURST * 4, pump)?;
            if !more {
                break;
            }
        }
        self.drain(0, pump)?;
        anyhow::ensure!(
            self.told.accepted == self.told.sent,
            "{} orders of the book were not accepted: {:?}",
            self.told.sent - self.told.accepted,
            self.told
        );
        Ok(())
    }

    /// Sends until it is stopped, then waits for the answers.
    pub(super) fn run(mut self, stop: &AtomicBool) -> Result<Told> {
        // ORDER: the flag is the whole message.
        while !stop.load(Ordering::Relaxed) {
            let sent = self.offer_some(BURST);
            if self.take() == 0 && sent == 0 {
                // On a machine with fewer CPUs than threads the archiver may need this one.
                std::thread::yield_now();
            }
        }
        self.end(&mut || {})
    }

    /// Sends as much as the window allows.
    pub(super) fn offer(&mut self) {
        self.offer_some(self.window);
    }

    fn offer_some(&mut self, most: u64) -> u64 {
        let sent = (self.window - self.open()).min(most);
        for _ in 0..sent {
            self.turn = (self.turn + 1) % self.members.len();
            let command = self.members[self.turn].flow.draw();
            self.send(self.turn, &command);
        }
        if sent > 0 {
            self.to.publish();
        }
        sent
    }

    /// Waits for the answers that are missing; gives what it was told.
    pub(super) fn end(mut self, pump: &mut dyn FnMut()) -> Result<Told> {
        self.drain(0, pump)?;
        for member in &self.members {
            self.told.drawn += member.flow.drawn;
        }
        Ok(self.told)
    }

    /// Commands that were answered.
    pub(super) fn answered(&self) -> u64 {
        self.told.answered
    }

    fn open(&self) -> u64 {
        self.told.sent - self.told.answered
    }

    /// Takes reports until no more than `most` commands are on their way.
    fn drain(&mut self, most: u64, pump: &mut dyn FnMut()) -> Result<()> {
        let mut idle = std::time::Instant::now();
        while self.open() > most {
            pump();
            if self.take() > 0 {
                idle = std::time::Instant::now();
            }
            anyhow::ensure!(
                idle.elapsed().as_secs() < 20,
                "{} commands were not answered: {:?}",
                self.open(),
                self.told
            );
        }
        Ok(())
    }

    fn send(&mut self, at: usize, command: &Command) {
        let member = &mut self.members[at];
        let message = match command {
            Command::NewOrder(order) => Message::NewOrder(order.into()),
            Command::CancelOrder(cancel) => Message::CancelOrder(cancel.into()),
            Command::AmendOrder(amend) => Message::AmendOrder(amend.into()),
            other => panic!("the mix has no {:?}", other.kind()),
        };
        let mut bytes = [0; MAX_DATAGRAM];
        member.context.sending_time = Nanos(Clock::now());
        let mut writer = DatagramWriter::new(&mut bytes, member.context);
        writer.push_message(&message).expect("one message fits");
        let length = writer.finish(&member.key);
        member.context.next_seq_no += 1;
        self.told.sent += 1;
        while !self.to.send(&bytes[..length]) {
            self.to.publish();
            std::thread::yield_now();
        }
    }

    /// Takes what came; says how many datagrams.
    pub(super) fn take(&mut self) -> usize {
        let mut taken = 0;
        while taken < 256
            && let Some(bytes) = self.from.next()
        {
            taken += 1;
            let Ok(datagram) = DatagramReader::parse(bytes) else {
                self.told.refused += 1;
                continue;
            };
            let session = datagram.context.session_id;
            let (member, told) = (&mut self.members[session.0 as usize - 1], &mut self.told);
            for numbered in datagram.messages {
                let message = numbered.message;
                let number = message.stamp().map_or(0, |stamp| stamp.client_seq_no);
                // Of one command there may be several reports; a maker's fill names none.
                if number > member.answered {
                    told.answered += 1;
                    member.answered = number;
                }
                note(told, &mut member.flow, &message);
            }
        }
        if taken > 0 {
            self.from.release();
        }
        taken
    }
}

fn note(told: &mut Told, flow: &mut Flow, message: &Message) {
    match message {
        Message::OrderAccepted(_) => told.accepted += 1,
        Message::OrderFilled(fill) => {
            told.fills += 1;
            if fill.leaves_quantity.0 == 0 {
                flow.done(fill.client_order_id);
            }
        }
        Message::OrderCanceled(canceled) => {
            told.canceled += 1;
            flow.done(canceled.client_order_id);
        }
        Message::OrderAmended(_) => told.amended += 1,
        Message::OrderRejected(_) => told.rejected += 1,
        _ => told.refused += 1,
    }
}
