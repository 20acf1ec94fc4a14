//! What we attest: the running hash behind our commands, and when it is signed (docs/WIRE.md, "Attestation").
//!
//! Data: the hash behind each of our last numbers, and the command of each, because one that did not apply changes all
//! hashes behind it. Invariant: the last hash is that of all our commands in the journal, provided that those whose
//! outcome is not known yet apply. If that cannot be held, nothing is signed any more: a hash that is only likely would
//! be a wrong signature.

use core::fmt;
use domain::{Attest, Command, Nanos, SessionId};
use ed25519_dalek::{Signer as _, SigningKey};
use std::collections::VecDeque;
use wire::auth::RunningHash;
use wire::order_entry::AttestationNoted;

/// Most numbers whose hashes are kept. A recovery of the exchange that takes back more than these ends attestation.
pub const MAX_HASHES: usize = 4096;

/// Of the time between two attestations, the part that lies between two at least, whatever makes one due.
const SPACING: u64 = 10;

/// The running hash behind one of the session's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The number; 0: before the first.
    pub number: u64,
    /// The hash.
    pub hash: RunningHash,
}

/// How a session attests what it sends.
#[derive(Clone, Debug)]
pub struct Attesting {
    /// The delegated key.
    key: SigningKey,
    /// Longest time from a command to the attestation that covers it, in nanoseconds.
    pub every: u64,
    /// Numbers after which it attests at once.
    pub numbers: u64,
    /// Where an earlier process of the session has left off ([`Session::running_hash`](crate::Session::running_hash));
    /// none: the session has not sent anything yet.
    pub since: Option<Behind>,
}

impl Attesting {
    /// By the private half of the session's delegated key, every 100 ms or 1,000 numbers, from the session's first
    /// number on.
    #[must_use]
    pub fn with_key(delegated_key: &[u8; 32]) -> Self {
        Self {
            key: SigningKey::from_bytes(delegated_key),
            every: 100_000_000,
            numbers: 1_000,
            since: None,
        }
    }
}

/// Why a session does not go on attesting from some number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttestError {
    /// Its configuration has no [`Attesting`].
    TurnedOff,
    /// It has not been established yet, or has unanswered commands.
    Unanswered,
    /// Another number is the last.
    OtherNumber {
        /// The last.
        last: u64,
    },
}

impl fmt::Display for AttestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TurnedOff => f.write_str("the session was not told to attest"),
            Self::Unanswered => {
                f.write_str("wait until the session is established and all commands are answered")
            }
            Self::OtherNumber { last } => {
                write!(
                    f,
                    "the session's last number is {last}: give the hash behind it"
                )
            }
        }
    }
}

impl core::error::Error for AttestError {}

/// What is known of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Applied,
    NotApplied,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    command: Command,
    fate: Fate,
    /// Behind it.
    hash: RunningHash,
}

/// What is signed cannot be known any more.
#[derive(Debug)]
struct Unknown;

/// The hashes behind our last numbers.
#[derive(Debug)]
struct Chain {
    floor: Behind,
    /// Of the numbers behind the floor, without a hole.
    entries: VecDeque<Entry>,
    /// The outcome of no number up to this one is open.
    known: u64,
}

impl Chain {
    fn last(&self) -> Behind {
        Behind {
            number: self.floor.number + self.entries.len() as u64,
            hash: self.before(self.entries.len()),
        }
    }

    /// The hash before the entry at a place.
    fn before(&self, at: usize) -> RunningHash {
        let before = at
            .checked_sub(1)
            .and_then(|before| self.entries.get(before));
        before.map_or(self.floor.hash, |entry| entry.hash)
    }

    fn place(&self, number: u64) -> Option<usize> {
        let at = number.checked_sub(self.floor.number)?.checked_sub(1)?;
        let at = usize::try_from(at).ok()?;
        (at < self.entries.len()).then_some(at)
    }

    fn take(&mut self, number: u64, command: Command) -> Result<(), Unknown> {
        let last = self.last();
        if number != last.number + 1 {
            return Err(Unknown);
        }
        let mut hash = last.hash;
        hash.take(number, &command);
        let fate = Fate::Open;
        self.entries.push_back(Entry {
            command,
            fate,
            hash,
        });
        if self.entries.len() > MAX_HASHES
            && let Some(oldest) = self.entries.pop_front()
        {
            self.floor = Behind {
                number: self.floor.number + 1,
                hash: oldest.hash,
            };
            if oldest.fate == Fate::Open {
                return Err(Unknown);
            }
            self.known = self.known.max(self.floor.number);
        }
        Ok(())
    }

    /// The number stands in the journal.
    fn applied(&mut self, number: u64) -> Result<(), Unknown> {
        match self.place(number) {
            Some(at) if self.entries[at].fate == Fate::NotApplied => Err(Unknown),
            Some(at) => {
                self.entries[at].fate = Fate::Applied;
                self.advance();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// All reports up to the one that says so have come: what is below and open is among those missed.
    fn applied_in_order(&mut self, number: u64) -> Result<(), Unknown> {
        if self.place(number).is_none() {
            return Ok(());
        }
        self.applied(number)?;
        match self.known < number {
            true => Err(Unknown),
            false => Ok(()),
        }
    }

    fn advance(&mut self) {
        let next = |chain: &Self| chain.place(chain.known + 1);
        while let Some(at) = next(self)
            && self.entries[at].fate != Fate::Open
        {
            self.known += 1;
        }
    }

    fn not_applied(&mut self, from: u64, count: u64) -> Result<(), Unknown> {
        let end = from.saturating_add(count).min(self.last().number + 1);
        let from = from.max(self.floor.number + 1);
        for number in from..end {
            if let Some(at) = self.place(number) {
                if self.entries[at].fate == Fate::Applied {
                    return Err(Unknown);
                }
                self.entries[at].fate = Fate::NotApplied;
            }
        }
        if let Some(first) = self.place(from).filter(|_| from < end) {
            self.rehash(first);
        }
        self.advance();
        Ok(())
    }

    fn rehash(&mut self, first: usize) {
        let mut hash = self.before(first);
        let numbers = self.floor.number + 1 + first as u64..;
        for (number, entry) in numbers.zip(self.entries.range_mut(first..)) {
            if entry.fate != Fate::NotApplied {
                hash.take(number, &entry.command);
            }
            entry.hash = hash;
        }
    }

    /// Numbers above `last` never happened.
    fn roll_back(&mut self, last: u64) -> Result<(), Unknown> {
        let kept = last.checked_sub(self.floor.number).ok_or(Unknown)?;
        self.entries
            .truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        self.known = self.known.min(last);
        Ok(())
    }
}

/// When the next attestation is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Nothing was sent since the last.
    Never,
    /// Something was, and the time of it is not known yet.
    Soon,
    At(Nanos),
}

/// Attests for a session.
#[derive(Debug)]
pub(crate) struct Attestor {
    how: Attesting,
    session: SessionId,
    /// None before the session is established, and when it is not known what stands in the journal.
    chain: Option<Chain>,
    /// Reports below this number are an earlier process's; none before the session is established.
    first_report: Option<u64>,
    /// Numbers given out since the last attestation.
    count: u64,
    due: Due,
    last_at: Nanos,
    /// The last attestation, and the hash that it signs, until it is answered.
    in_flight: Option<Behind>,
    lost: bool,
}

impl Attestor {
    pub(crate) fn new(how: Attesting, session: SessionId) -> Self {
        Self {
            how,
            session,
            chain: None,
            first_report: None,
            count: 0,
            due: Due::Never,
            last_at: Nanos(0),
            in_flight: None,
            lost: false,
        }
    }

    /// The hash behind the last number, if the outcome of all is known.
    pub(crate) fn settled(&self) -> Option<Behind> {
        let chain = self.chain.as_ref()?;
        let last = chain.last();
        (chain.known == last.number).then_some(last)
    }

    /// Whether it has just been found that nothing can be attested any more.
    pub(crate) fn take_lost(&mut self) -> bool {
        core::mem::take(&mut self.lost)
    }

    fn lose(&mut self) {
        self.chain = None;
        self.in_flight = None;
        self.due = Due::Never;
        self.lost = true;
    }

    fn on_chain(&mut self, change: impl FnOnce(&mut Chain) -> Result<(), Unknown>) {
        if let Some(chain) = &mut self.chain
            && change(chain).is_err()
        {
            self.lose();
        }
    }

    /// Goes on behind a number, of which the owner vouches that it is right.
    pub(crate) fn start_behind(&mut self, behind: Behind) {
        self.how.since = Some(behind);
        self.chain = Some(Chain {
            floor: behind,
            entries: VecDeque::new(),
            known: behind.number,
        });
        self.due = Due::Soon;
    }

    /// The exchange stands at `last_no`, and issues report `next_report` next. If it lost what came after, reports from
    /// `lost_from` on are void, and so is what we sent since.
    pub(crate) fn established(
        &mut self,
        shard: u16,
        last_no: u64,
        next_report: u64,
        lost_from: Option<u64>,
    ) {
        let Some(first_report) = &mut self.first_report else {
            self.first_report = Some(next_report);
            let since = self.how.since.unwrap_or_else(|| Behind {
                number: 0,
                hash: RunningHash::begin(shard, self.session),
            });
            match since.number == last_no {
                true => self.start_behind(since),
                false => self.lose(),
            }
            self.due = Due::Never;
            return;
        };
        if let Some(lost_from) = lost_from {
            *first_report = lost_from.min(*first_report);
            self.on_chain(|chain| chain.roll_back(last_no));
            self.in_flight = None;
            self.due = Due::Soon;
        }
        // Numbers above ours are another process's.
        self.on_chain(|chain| match chain.last().number < last_no {
            true => Err(Unknown),
            false => Ok(()),
        });
    }

    /// Number and content of a command that was taken.
    pub(crate) fn take(&mut self, number: u64, command: Command) {
        self.on_chain(|chain| chain.take(number, command));
        self.count += 1;
        if self.due == Due::Never {
            self.due = Due::Soon;
        }
    }

    /// The next attestation, if one is due; it is then given to [`attested`](Self::attested) with its number.
    pub(crate) fn due(&mut self, now: Nanos) -> Option<Attest> {
        let chain = self.chain.as_ref()?;
        if self.due == Due::Soon {
            self.due = Due::At(Nanos(now.0.saturating_add(self.how.every)));
        }
        let Due::At(at) = self.due else {
            return None;
        };
        if now < at && self.count < self.how.numbers {
            return None;
        }
        let signature = self.how.key.sign(&chain.last().hash.signed());
        Some(Attest {
            signature: signature.to_bytes(),
        })
    }

    pub(crate) fn attested(&mut self, number: u64, attest: Attest, now: Nanos) {
        let signed = self.chain.as_ref().map(|chain| chain.last().hash);
        self.on_chain(|chain| chain.take(number, Command::Attest(attest)));
        self.in_flight = signed.map(|hash| Behind { number, hash });
        self.count = 0;
        self.due = Due::Never;
        self.last_at = now;
    }

    /// When one may be due.
    pub(crate) fn next_timeout(&self) -> Option<Nanos> {
        self.chain.as_ref()?;
        match self.due {
            Due::Never => None,
            Due::Soon => Some(Nanos(0)),
            Due::At(_) if self.count >= self.how.numbers => Some(Nanos(0)),
            Due::At(at) => Some(at),
        }
    }

    /// One is due now, or as soon as the last is long enough ago.
    fn hurry(&mut self, now: Nanos) {
        let earliest = self.last_at.0.saturating_add(self.how.every / SPACING);
        let at = Nanos(earliest).max(now);
        self.due = match self.due {
            Due::At(due) => Due::At(due.min(at)),
            Due::Never | Due::Soon => Due::At(at),
        };
    }

    /// A report that came in its order: this number stands in the journal.
    pub(crate) fn applied(&mut self, number: u64) {
        self.on_chain(|chain| chain.applied_in_order(number));
    }

    /// A report that was passed over as missed says that this number stands in the journal.
    pub(crate) fn applied_late(&mut self, number: u64) {
        self.on_chain(|chain| chain.applied(number));
    }

    /// The report with the number `report` says that these numbers never apply.
    pub(crate) fn not_applied(&mut self, report: u64, from: u64, count: u64) {
        let since = self.how.since.map_or(0, |behind| behind.number);
        if from <= since {
            // What an earlier process had sent was accepted, and is lost; or we are told of its past.
            if self.first_report.is_some_and(|first| report >= first) {
                self.on_chain(|_| Err(Unknown));
            }
            return;
        }
        self.on_chain(|chain| chain.not_applied(from, count));
    }

    /// An attestation stands in the journal. If it signs another hash than what stands before it, because a number that
    /// it covers did not apply, there is one more.
    pub(crate) fn noted(&mut self, report: &AttestationNoted, now: Nanos) {
        let number = report.stamp.client_seq_no;
        let Some(attest) = self.in_flight.take_if(|attest| attest.number == number) else {
            return;
        };
        let before = self.chain.as_ref().and_then(|chain| {
            let at = chain.place(number)?;
            Some(chain.before(at))
        });
        if before.is_some_and(|before| before != attest.hash) {
            self.hurry(now);
        }
    }

    /// The number was refused because too much is not attested.
    pub(crate) fn above_limit(&mut self, number: u64, now: Nanos) {
        let is_covered = self.in_flight.is_some_and(|attest| attest.number > number);
        if !is_covered && self.count > 0 {
            self.hurry(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{ClientOrderId, NewOrder};

    const LONGEST: u64 = MAX_HASHES as u64;

    fn order(id: u64) -> Command {
        Command::NewOrder(NewOrder {
            client_order_id: ClientOrderId(id),
            ..NewOrder::PLAIN
        })
    }

    /// The hash of these numbers' orders.
    fn hash_of(numbers: impl IntoIterator<Item = u64>) -> RunningHash {
        let mut hash = RunningHash::begin(1, SessionId(2));
        for number in numbers {
            hash.take(number, &order(number));
        }
        hash
    }

    fn chain(numbers: u64) -> Chain {
        let mut chain = Chain {
            floor: Behind {
                number: 0,
                hash: hash_of([]),
            },
            entries: VecDeque::new(),
            known: 0,
        };
        for number in 1..=numbers {
            chain.take(number, order(number)).unwrap();
            chain.applied_in_order(number).unwrap();
        }
        chain
    }

    #[test]
    fn a_recovery_goes_back_as_far_as_hashes_are_kept() {
        let mut kept = chain(LONGEST + 10);
        kept.roll_back(10).unwrap();
        assert_eq!(kept.last().hash, hash_of(1..=10));
        let mut kept = chain(LONGEST + 10);
        kept.roll_back(9).unwrap_err();
    }

    #[test]
    fn a_number_whose_outcome_stays_open_is_not_forgotten_unnoticed() {
        let mut chain = chain(5);
        for number in 6..6 + LONGEST {
            chain.take(number, order(number)).unwrap();
            chain.applied(number.max(7)).unwrap();
        }
        chain.take(6 + LONGEST, order(0)).unwrap_err();
    }

    #[test]
    fn what_did_not_apply_is_left_out_of_all_hashes_behind_it() {
        let mut chain = chain(3);
        for number in 4..=8 {
            chain.take(number, order(number)).unwrap();
        }
        chain.not_applied(5, 2).unwrap();
        assert_eq!(chain.last().hash, hash_of([1, 2, 3, 4, 7, 8]));
        assert_eq!(chain.known, 3, "4 is open");
        chain.applied_in_order(7).unwrap_err();
        chain.applied(4).unwrap();
        assert_eq!(chain.known, 7);
        chain.not_applied(7, 1).unwrap_err();
    }
}
