//! The checker against journals that an engine has written.
#![cfg(test)]

#[path = "../../store/tests/exchange/mod.rs"]
#[expect(dead_code, reason = "made for the store, and this needs less of it")]
mod exchange;

use attestation::{Checker, NotKept, Noted, Place, Standing};
use domain::{
    Attest, ClientOrderId, Command, ConfirmAttestation, Delegate, Delegation, Flag, Limits,
    MarketId, NewOrder, OpenSession, Price, Qty, Seq, SessionId, SetLimits, Side, Source, Zero,
};
use ed25519_dalek::{Signer as _, SigningKey};
use exchange::{Exchange, SHARD, TRADERS, words};
use journal::Frame;
use wire::auth::RunningHash;

const ADMIN: Source = Source::ADMINISTRATION;
const SESSION: SessionId = SessionId(1);

fn own() -> Source {
    Source::of_session(SESSION)
}

fn key(of: u8) -> SigningKey {
    SigningKey::from_bytes(&[of; 32])
}

fn delegate(session: SessionId, public_key: [u8; 32]) -> Command {
    Command::Delegate(Delegate {
        session,
        pad: [Zero::Zero; 4],
        delegation: Delegation::unlimited(public_key),
    })
}

fn confirm(session: SessionId, level: u64) -> Command {
    Command::ConfirmAttestation(ConfirmAttestation {
        session,
        pad: [Zero::Zero; 4],
        level,
    })
}

fn order(id: u64) -> Command {
    Command::NewOrder(NewOrder {
        client_order_id: ClientOrderId(id),
        price: Price(100),
        qty: Qty(10),
        market: MarketId(0),
        side: Side::Sell,
        ..NewOrder::PLAIN
    })
}

/// An exchange with its checker, and the hash as a client has it that sends one number after the other.
struct World {
    exchange: Exchange,
    checker: Checker,
    taken: usize,
}

impl World {
    /// Sessions have a limit to what they may enter unattested, and session 1 the key 1.
    fn new() -> Self {
        let mut exchange = Exchange::with_traders(1 << 40, 1_000);
        let limits = SetLimits {
            target: 0,
            of_account: Flag::No,
            as_tier: Flag::No,
            pad: [Zero::Zero; 2],
            limits: Limits {
                max_unattested_notional: 1 << 40,
                ..Limits::default()
            },
        };
        exchange.apply(ADMIN, Command::SetLimits(limits));
        exchange.apply(ADMIN, delegate(SESSION, key(1).verifying_key().to_bytes()));
        let mut world = Self {
            exchange,
            checker: Checker::new(SHARD),
            taken: 0,
        };
        world.take();
        world
    }

    fn take(&mut self) {
        for words in &self.exchange.frames[self.taken..] {
            self.checker.take(&Frame::parse(words).unwrap());
        }
        self.taken = self.exchange.frames.len();
    }

    fn apply(&mut self, source: Source, command: Command) {
        self.exchange.apply(source, command);
        self.take();
    }

    /// Of the session's frames, by whoever reads the journal anew.
    fn hash(&self, session: SessionId) -> RunningHash {
        let mut hash = RunningHash::begin(SHARD, session);
        for words in &self.exchange.frames {
            let frame = Frame::parse(words).unwrap();
            if frame.header.source == Source::of_session(session) {
                hash.take(frame.header.source_seq, &frame.command);
            }
        }
        hash
    }

    fn attest(&mut self, session: SessionId, by: &SigningKey) {
        let signature = by.sign(&self.hash(session).signed()).to_bytes();
        let source = Source::of_session(session);
        self.apply(source, Command::Attest(Attest { signature }));
    }

    /// Looks at what was attested; whether each was right.
    fn look(&mut self) -> Vec<(Noted, bool)> {
        let noted = self.checker.take_noted();
        for noted in noted.iter().filter(|noted| noted.is_right()) {
            self.checker.is_right(noted);
        }
        noted
            .into_iter()
            .map(|noted| (noted, noted.is_right()))
            .collect()
    }

    fn is_right(&mut self) -> bool {
        let [(_, is_right)] = self.look()[..] else {
            panic!("one attestation waits")
        };
        is_right
    }

    fn unconfirmed(&self) -> Vec<(SessionId, u64)> {
        self.checker.unconfirmed().collect()
    }

    fn level(&self) -> u64 {
        self.exchange.engine.session(SESSION).unwrap().entered
    }
}

#[test]
fn a_right_attestation_is_to_be_confirmed_until_the_journal_does() {
    let mut world = World::new();
    for id in 1..=3 {
        world.apply(own(), order(id));
    }
    let level = world.level();
    assert!(level > 0);
    assert!(!world.checker.has_noted());
    world.attest(SESSION, &key(1));
    world.apply(own(), order(4));
    let looked = world.look();
    let told = looked
        .iter()
        .map(|(it, right)| (it.session, it.level, *right));
    assert!(told.eq([(SESSION, level, true)]), "{looked:?}");
    assert_eq!(world.unconfirmed(), [(SESSION, level)]);
    assert_eq!(world.look(), [], "it was looked at");
    // An older level, or one that was refused, leaves it to be done.
    world.apply(ADMIN, confirm(SESSION, level - 1));
    world.apply(ADMIN, confirm(SessionId(99), level));
    assert_eq!(world.unconfirmed(), [(SESSION, level)]);
    world.apply(ADMIN, confirm(SESSION, level));
    assert_eq!(world.unconfirmed(), []);
    assert!(world.exchange.engine.session(SESSION).unwrap().unattested > 0);
    // Nothing was entered since: there is nothing to confirm.
    world.attest(SESSION, &key(1));
    assert!(world.is_right());
    world.apply(ADMIN, confirm(SESSION, world.level()));
    world.attest(SESSION, &key(1));
    assert!(world.is_right());
    assert_eq!(world.unconfirmed(), []);
}

#[test]
fn what_is_not_the_keys_signature_of_the_journal_is_wrong() {
    let mut world = World::new();
    world.apply(own(), order(1));
    world.attest(SESSION, &key(2));
    assert!(!world.is_right(), "another key's");
    // The hash before the session's last command.
    let before = world.hash(SESSION);
    world.apply(own(), order(2));
    let signature = key(1).sign(&before.signed()).to_bytes();
    world.apply(own(), Command::Attest(Attest { signature }));
    assert!(!world.is_right(), "it leaves a command out");
    let right = key(1).sign(&world.hash(SESSION).signed()).to_bytes();
    for bit in (0..512).step_by(37) {
        let mut signature = right;
        signature[bit / 8] ^= 1 << (bit % 8);
        let mut other = World::new();
        for frame in &world.exchange.frames[other.exchange.frames.len()..] {
            let frame = Frame::parse(frame).unwrap();
            other.apply(frame.header.source, frame.command);
        }
        other.look();
        other.apply(own(), Command::Attest(Attest { signature }));
        assert!(!other.is_right(), "bit {bit}");
    }
    world.apply(own(), Command::Attest(Attest { signature: right }));
    assert!(world.is_right());
    // A wrong one behind it confirms nothing more, and what was right stays so.
    let level = world.level();
    world.apply(own(), order(3));
    world.attest(SESSION, &key(2));
    assert!(!world.is_right());
    assert_eq!(world.unconfirmed(), [(SESSION, level)]);
}

#[test]
fn numbers_that_did_not_apply_are_left_out() {
    let mut world = World::new();
    world.apply(own(), order(1));
    world.exchange.apply_as(own(), 7, order(2));
    world.take();
    let mut hash = RunningHash::begin(SHARD, SESSION);
    hash.take(1, &order(1));
    hash.take(7, &order(2));
    let standing = Standing { number: 7, hash };
    assert_eq!(world.checker.standing(SESSION), Some(standing));
    world.attest(SESSION, &key(1));
    assert!(world.is_right());
}

#[test]
fn the_key_is_the_one_that_was_delegated_when_it_attested() {
    let mut world = World::new();
    world.apply(own(), order(1));
    world.attest(SESSION, &key(1));
    world.apply(ADMIN, delegate(SESSION, key(2).verifying_key().to_bytes()));
    assert!(world.is_right(), "it was the old key's time");
    world.attest(SESSION, &key(1));
    assert!(!world.is_right());
    world.attest(SESSION, &key(2));
    assert!(world.is_right());
    // A session is opened once: what is refused changes nothing.
    let open = OpenSession {
        session: SESSION,
        account: domain::AccountId(1),
        delegation: Delegation::unlimited(key(3).verifying_key().to_bytes()),
        gate: domain::Gate::Port,
        pad: [Zero::Zero; 7],
    };
    let before = world.checker.standing(SESSION);
    world.apply(ADMIN, Command::OpenSession(open));
    assert_eq!(world.checker.standing(SESSION), before);
    // For this key everybody can sign.
    let mut identity = [0; 32];
    identity[0] = 1;
    world.apply(ADMIN, delegate(SESSION, identity));
    let mut signature = [0; 64];
    signature[0] = 1;
    world.apply(own(), Command::Attest(Attest { signature }));
    assert!(!world.is_right());
}

#[test]
fn of_many_attestations_the_newest_is_looked_at() {
    let mut world = World::new();
    for id in 1..=5 {
        world.apply(own(), order(id));
        world.attest(SESSION, &key(1));
    }
    let other = SessionId(2);
    world.apply(ADMIN, delegate(other, key(2).verifying_key().to_bytes()));
    world.apply(Source::of_session(other), order(1));
    world.attest(other, &key(2));
    let looked = world.look();
    assert_eq!(looked.len(), 2);
    assert!(looked.iter().all(|(_, is_right)| *is_right));
    assert_eq!(world.unconfirmed()[0], (SESSION, world.level()));
}

/// A checker that begins at the first frame has not seen what an earlier one found right: that the journal has confirmed
/// something of a session is no reason to name a level to which nobody has looked at a signature.
#[test]
fn what_was_confirmed_before_the_start_names_no_other_level() {
    let mut world = World::new();
    world.apply(own(), order(1));
    world.attest(SESSION, &key(1));
    assert!(world.is_right());
    world.apply(ADMIN, confirm(SESSION, world.level()));
    world.apply(own(), order(2));
    world.attest(SESSION, &key(2));
    let mut anew = Checker::new(SHARD);
    for words in &world.exchange.frames {
        anew.take(&Frame::parse(words).unwrap());
    }
    let [noted] = anew.take_noted()[..] else {
        panic!("the newest waits")
    };
    assert!(!noted.is_right());
    assert_eq!(anew.unconfirmed().collect::<Vec<_>>(), []);
    let place = Place {
        seq: noted.seq,
        crc: 0,
    };
    let (kept, _) = Checker::of(&anew.state(place), SHARD).unwrap();
    assert_eq!(kept, anew);
}

/// Wherever it is stopped and begun again, it is the same in the end.
#[test]
fn a_state_that_was_kept_goes_on_as_if_it_had_not_been() {
    let mut world = World::new();
    let mut words = words(7);
    for session in 0..TRADERS {
        let public_key = key(u8::try_from(session).unwrap()).verifying_key();
        world.apply(ADMIN, delegate(SessionId(session), public_key.to_bytes()));
    }
    for turn in 0..120 {
        world.exchange.act(words.next().unwrap());
        world.take();
        let session = u32::try_from(words.next().unwrap() % u64::from(TRADERS)).unwrap();
        if turn % 3 == 0 {
            world.attest(SessionId(session), &key(u8::try_from(session).unwrap()));
        }
        if turn % 4 == 0 {
            world.look();
        }
        if turn % 9 == 0 {
            for (session, level) in world.unconfirmed() {
                world.apply(ADMIN, confirm(session, level));
            }
        }
    }
    world.look();
    let frames = &world.exchange.frames;
    for cut in (0..frames.len()).step_by(11) {
        let mut first = Checker::new(SHARD);
        let mut place = Place {
            seq: Seq(0),
            crc: 0,
        };
        let mut checker = None;
        for (at, words) in frames.iter().enumerate() {
            let frame = Frame::parse(words).unwrap();
            first.take(&frame);
            for noted in first.take_noted().iter().filter(|noted| noted.is_right()) {
                first.is_right(noted);
            }
            place.seq = frame.header.seq;
            place.crc = frame.crc;
            if at == cut {
                let (read, there) = Checker::of(&first.state(place), SHARD).unwrap();
                assert_eq!(there, place);
                assert_eq!(read, first);
                checker = Some(read);
            } else if let Some(checker) = &mut checker {
                checker.take(&frame);
                for noted in checker.take_noted().iter().filter(|noted| noted.is_right()) {
                    checker.is_right(noted);
                }
            }
        }
        assert_eq!(checker, Some(first), "cut behind {cut}");
    }
    for session in 0..TRADERS {
        let standing = world.checker.standing(SessionId(session)).unwrap();
        assert_eq!(standing.hash, world.hash(SessionId(session)));
    }
}

#[test]
fn a_state_that_is_not_whole_is_refused() {
    let mut world = World::new();
    world.apply(own(), order(1));
    let place = Place {
        seq: Seq(9),
        crc: 77,
    };
    let state = world.checker.state(place);
    assert_eq!(state.len(), 32 + 96 * TRADERS as usize + 4);
    let refused = |bytes: &[u8], shard| Checker::of(bytes, shard).unwrap_err();
    let other = NotKept::Shard {
        expected: SHARD + 1,
        found: SHARD,
    };
    assert_eq!(refused(&state, SHARD + 1), other);
    for length in 0..state.len() {
        refused(&state[..length], SHARD);
    }
    let mut longer = state.clone();
    longer.push(0);
    refused(&longer, SHARD);
    for bit in 0..8 * state.len() {
        let mut flipped = state.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        refused(&flipped, SHARD);
    }
    // Whole, and out of order.
    let mut swapped = state[..state.len() - 4].to_vec();
    swapped[32..224].rotate_left(96);
    let crc = crc32c::crc32c(&swapped);
    swapped.extend_from_slice(&crc.to_le_bytes());
    assert_eq!(refused(&swapped, SHARD), NotKept::Order(0));
}
