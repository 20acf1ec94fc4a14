//! Who asks, and what each may still have.
//!
//! Data: the requests that wait, by asker, and when each asker has used up its share. Invariants: an asker has at most
//! [`WAITING`] requests that wait, and there are at most [`ASKERS`]; askers are served one datagram each, in turn, so
//! that one who asks for much only delays itself.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Most requests of one asker that wait.
pub(crate) const WAITING: usize = 16;
/// Most askers that are known.
pub(crate) const ASKERS: usize = 1024;
/// Datagrams that an asker may have at once, after a pause.
const AT_ONCE: u32 = 64;

/// How much of what an asker may have.
#[derive(Clone, Copy, Debug)]
struct Share {
    /// The time of one datagram.
    each: Duration,
    /// How far ahead of its time an asker may be.
    ahead: Duration,
}

#[derive(Debug)]
struct Asker<R> {
    waiting: VecDeque<R>,
    /// Until when what it was sent is paid for.
    paid_to: Duration,
    in_turn: bool,
}

/// All askers, by a key `K`, with their requests.
#[derive(Debug)]
pub(crate) struct Askers<K, R> {
    askers: BTreeMap<K, Asker<R>>,
    /// Who is served next.
    turn: VecDeque<K>,
    share: Share,
}

impl<K: Ord + Copy, R> Askers<K, R> {
    /// Each may have so many datagrams a second, at least 1.
    pub(crate) fn new(datagrams_a_second: u32) -> Self {
        let each = Duration::from_secs(1) / datagrams_a_second.max(1);
        Self {
            askers: BTreeMap::new(),
            turn: VecDeque::new(),
            share: Share {
                each,
                ahead: each * AT_ONCE,
            },
        }
    }

    /// Takes a request in; false if the asker has too many, or there are too many askers.
    pub(crate) fn ask(&mut self, who: K, request: R, now: Duration) -> bool {
        if !self.askers.contains_key(&who) {
            if self.askers.len() >= ASKERS {
                self.forget_idle(now);
            }
            if self.askers.len() >= ASKERS {
                return false;
            }
        }
        let asker = self.askers.entry(who).or_insert_with(|| Asker {
            waiting: VecDeque::new(),
            paid_to: Duration::ZERO,
            in_turn: false,
        });
        if asker.waiting.len() >= WAITING {
            return false;
        }
        asker.waiting.push_back(request);
        if !asker.in_turn {
            asker.in_turn = true;
            self.turn.push_back(who);
        }
        true
    }

    /// Who wants nothing and owes nothing is a stranger again.
    fn forget_idle(&mut self, now: Duration) {
        self.askers
            .retain(|_, asker| asker.in_turn || asker.paid_to > now);
    }

    /// How many askers are in turn.
    pub(crate) fn in_turn(&self) -> usize {
        self.turn.len()
    }

    /// The next in turn, and its oldest request if its share lets it have something now.
    pub(crate) fn next(&mut self, now: Duration) -> Option<(K, Option<&mut R>)> {
        let who = self.turn.pop_front()?;
        self.turn.push_back(who);
        let ahead = self.share.ahead;
        let asker = self.askers.get_mut(&who)?;
        let may = asker.paid_to <= now + ahead;
        let request = asker.waiting.front_mut().filter(|_| may);
        Some((who, request))
    }

    /// The one that came last from [`Askers::next`] was sent a datagram.
    pub(crate) fn sent(&mut self, who: K, now: Duration) {
        if let Some(asker) = self.askers.get_mut(&who) {
            asker.paid_to = asker.paid_to.max(now) + self.share.each;
        }
    }

    /// The oldest request goes on like this.
    pub(crate) fn put_back(&mut self, who: K, request: R) {
        let asker = self.askers.get_mut(&who);
        if let Some(oldest) = asker.and_then(|asker| asker.waiting.front_mut()) {
            *oldest = request;
        }
    }

    /// The oldest request of the one that came last from [`Askers::next`] is done with.
    pub(crate) fn done(&mut self, who: K) {
        let Some(asker) = self.askers.get_mut(&who) else {
            return;
        };
        asker.waiting.pop_front();
        if asker.waiting.is_empty() && self.turn.back() == Some(&who) {
            asker.in_turn = false;
            self.turn.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn askers_take_turns_and_wait_when_their_share_is_used_up() {
        let mut askers = Askers::new(1000);
        for who in [1, 2] {
            assert!(askers.ask(who, who * 10, Duration::ZERO));
        }
        let mut served = Vec::new();
        for _ in 0..2 * AT_ONCE + 10 {
            let (who, request) = askers.next(Duration::ZERO).unwrap();
            if request.is_some() {
                served.push(who);
                askers.sent(who, Duration::ZERO);
            }
        }
        // What is due at once, and the one that is ahead by just as much.
        assert_eq!(served.len(), 2 * (AT_ONCE as usize + 1));
        assert!(served.chunks(2).all(|two| two == [1, 2]));
        let (who, request) = askers.next(MS).unwrap();
        assert_eq!((who, request), (1, Some(&mut 10)), "its next is due");
        askers.done(1);
        assert_eq!(askers.in_turn(), 1);
        assert_eq!(askers.next(MS).map(|(who, _)| who), Some(2));
    }

    #[test]
    fn what_waits_and_who_is_known_is_bounded() {
        let mut askers = Askers::new(1000);
        for number in 0..WAITING {
            assert!(askers.ask(0, number, Duration::ZERO));
        }
        assert!(!askers.ask(0, 99, Duration::ZERO), "too many wait");
        for who in 1..ASKERS {
            assert!(askers.ask(who, 0, Duration::ZERO));
        }
        assert!(!askers.ask(ASKERS, 0, Duration::ZERO), "too many askers");
        for _ in 0..ASKERS {
            let (who, _) = askers.next(Duration::ZERO).unwrap();
            if who > 0 {
                askers.sent(who, Duration::ZERO);
                askers.done(who);
            }
        }
        assert!(!askers.ask(ASKERS, 0, Duration::ZERO), "none has paid yet");
        assert!(askers.ask(ASKERS, 0, 2 * MS), "they are forgotten");
        assert_eq!(askers.askers.len(), 2);
    }
}
