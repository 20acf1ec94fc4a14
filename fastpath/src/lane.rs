//! A lane: a ring of replies from net to out in which no session has more than its share.
//!
//! Data: the ring, and per session how many of its replies the out tile may not have answered yet.
//! Owner: the net tile. Invariant: at most [`SESSION_SHARE`] replies of one session wait in the ring,
//! however fast the two tiles are, so that one session cannot fill it and keep others waiting.

use crate::replies::{REPLY_BURST, Reply};
use domain::SessionId;
use shm::{Heap, RingProducer};

/// Most replies of one session that wait in a lane.
pub(crate) const SESSION_SHARE: u32 = 16;
const _: () = assert!(
    SESSION_SHARE as usize * 4 <= REPLY_BURST,
    "a burst has room for four sessions that use all of their share"
);

/// Why a reply was given up. The client hears nothing and asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// So many of the session's replies wait already.
    OverShare,
    /// The ring is full.
    Full,
}

pub(crate) struct Lane {
    ring: RingProducer<Heap>,
    /// By session id: how many of its replies wait, counted when it was last looked.
    waiting: Box<[u32]>,
    /// By slot: the place of the session whose reply it holds.
    owners: Box<[usize]>,
    /// The position below which no reply is counted as waiting.
    counted: u64,
}

impl Lane {
    pub(crate) fn new(ring: RingProducer<Heap>, sessions: usize) -> Self {
        Self {
            waiting: vec![0; sessions].into_boxed_slice(),
            owners: vec![0; ring.capacity()].into_boxed_slice(),
            counted: ring.position(),
            ring,
        }
    }

    /// Puts the session's reply into the ring; out sees it after [`Self::publish`].
    pub(crate) fn push(&mut self, session: SessionId, reply: &Reply) -> Result<(), NotTaken> {
        let place = usize::try_from(session.0)
            .ok()
            .filter(|&place| place < self.waiting.len())
            .ok_or(NotTaken::OverShare)?;
        if self.waiting[place] >= SESSION_SHARE || self.is_full() {
            self.count_off();
        }
        self.put(place, reply)
    }

    /// Goes by what was counted: a slot that out has given back since is not counted off, and still
    /// names the owner of the reply before.
    fn put(&mut self, place: usize, reply: &Reply) -> Result<(), NotTaken> {
        if self.waiting[place] >= SESSION_SHARE {
            return Err(NotTaken::OverShare);
        }
        if self.is_full() {
            return Err(NotTaken::Full);
        }
        let slot = self.slot(self.ring.position());
        self.ring
            .push(&reply.encode())
            .map_err(|_| NotTaken::Full)?;
        self.waiting[place] += 1;
        self.owners[slot] = place;
        Ok(())
    }

    /// Whether every slot holds a reply that is counted as waiting.
    fn is_full(&self) -> bool {
        self.ring.position().wrapping_sub(self.counted) >= self.owners.len() as u64
    }

    /// Looks which replies the out tile has answered since.
    fn count_off(&mut self) {
        let released = self.ring.released();
        while self.counted != released {
            let owner = self.owners[self.slot(self.counted)];
            self.waiting[owner] -= 1;
            self.counted = self.counted.wrapping_add(1);
        }
    }

    fn slot(&self, position: u64) -> usize {
        let mask = self.owners.len() as u64 - 1;
        usize::try_from(position & mask).expect("a slot of the ring")
    }

    pub(crate) fn publish(&mut self) {
        self.ring.publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn a_session_has_its_share_of_the_ring_and_no_more() {
        let (ring, mut out) = shm::ring::heap(64);
        let mut lane = Lane::new(ring, 3);
        let mut waiting = VecDeque::new();
        let mut refused = 0;
        for step in 0..10_000_u32 {
            let session = SessionId(1 + step / 7 % 2);
            let of_session = waiting.iter().filter(|it| **it == session).count();
            let pushed = lane.push(session, &Reply::Heartbeat { session });
            if of_session < SESSION_SHARE as usize {
                assert_eq!(pushed, Ok(()), "step {step}");
                waiting.push_back(session);
            } else {
                assert_eq!(pushed, Err(NotTaken::OverShare), "step {step}");
                refused += 1;
            }
            lane.publish();
            if step % 3 == 0 && waiting.pop_front().is_some() {
                out.peek().expect("a sane ring").expect("a reply");
                out.advance();
                out.release();
            }
        }
        assert!(refused > 100);
        let session = SessionId(3);
        let pushed = lane.push(session, &Reply::Heartbeat { session });
        assert_eq!(pushed, Err(NotTaken::OverShare), "there is no such session");
    }

    #[test]
    fn a_full_ring_takes_nothing() {
        let (ring, _out) = shm::ring::heap(4);
        let mut lane = Lane::new(ring, 2);
        let session = SessionId(1);
        let pushed: Vec<_> = (0..5)
            .map(|_| lane.push(session, &Reply::Heartbeat { session }))
            .collect();
        assert_eq!(pushed[3..], [Ok(()), Err(NotTaken::Full)]);
    }
    /// out releases a slot just behind the look that found the ring full: nobody else's count may move.
    #[test]
    fn a_slot_that_is_given_back_behind_the_look_is_free_at_the_next() {
        let (ring, mut out) = shm::ring::heap(4);
        let mut lane = Lane::new(ring, 2);
        let reply = |id| Reply::Heartbeat {
            session: SessionId(id),
        };
        for _ in 0..4 {
            assert_eq!(lane.push(SessionId(0), &reply(0)), Ok(()));
        }
        lane.publish();
        lane.count_off();
        out.peek().expect("a sane ring").expect("a reply");
        out.advance();
        out.release();
        assert_eq!(lane.put(1, &reply(1)), Err(NotTaken::Full));
        assert_eq!(lane.push(SessionId(1), &reply(1)), Ok(()));
        lane.publish();
        while out.peek().expect("a sane ring").is_some() {
            out.advance();
        }
        out.release();
        lane.count_off();
        assert_eq!(*lane.waiting, [0, 0]);
    }
}
