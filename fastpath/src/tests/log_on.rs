//! Sessions that are opened and delegated anew while the tiles run: their keys arrive, and nobody else's work.

use super::rig::{Client, JOURNAL_WORDS, Rig, messages, order, resting};
use super::slow_region::{administer, push, ring};
use domain::{
    AccountId, Amount, AssetId, Command, CreateAccount, Delegate, Delegation, Deposit, FirmId,
    Gate, OpenSession, SessionId, Side, Source, Zero,
};
use topology::TileKind;
use topology::instruments::{net, out};
use wire::auth::ExchangeSecret;
use wire::order_entry::Message;

const ACCOUNT: AccountId = AccountId(5);
const SESSION: SessionId = SessionId(6);

fn delegation(client_key: [u8; 32]) -> Delegation {
    Delegation {
        exchange_key: client_key,
        ..Delegation::unlimited([1; 32])
    }
}

fn open(session: SessionId, gate: Gate, client_key: [u8; 32]) -> Command {
    Command::OpenSession(OpenSession {
        session,
        account: ACCOUNT,
        delegation: delegation(client_key),
        gate,
        pad: [Zero::Zero; 7],
    })
}

fn delegate(client_key: [u8; 32]) -> Command {
    Command::Delegate(Delegate {
        session: SESSION,
        pad: [Zero::Zero; 4],
        delegation: delegation(client_key),
    })
}

/// A rig with an account that has an owner and funds, and no session.
fn rig() -> Rig {
    let mut rig = Rig::with(JOURNAL_WORDS, |config| config.engine.recovery_grace_ms = 0);
    let account = Command::CreateAccount(CreateAccount {
        account: ACCOUNT,
        firm: FirmId(5),
        owner: [7; 32],
    });
    administer(&mut rig, &[account]);
    for asset in [0, 1] {
        let deposit = Command::Deposit(Deposit {
            account: ACCOUNT,
            asset: AssetId(asset),
            amount: Amount(1_000_000),
        });
        let number = rig.engine().last_number(Source::DEPOSITS) + 1;
        assert!(push(&mut ring(&rig), Source::DEPOSITS, number, deposit));
        rig.settle();
    }
    rig
}

fn key(byte: u8) -> ExchangeSecret {
    ExchangeSecret::from_bytes([byte; 32])
}

/// A client that has agreed on a secret for the session, as a log-on leaves it.
fn client(rig: &Rig, key: &ExchangeSecret) -> Client {
    let exchange_key = rig.host().exchange_key(SESSION, &key.public_key());
    let secret = key.session_secret(SESSION, &exchange_key).unwrap();
    rig.stranger_with(SESSION, &secret)
}

/// A session with this key that has been established and has traded.
fn traded_with(key: &ExchangeSecret) -> (Rig, Client) {
    let mut rig = rig();
    administer(&mut rig, &[open(SESSION, Gate::Port, key.public_key())]);
    rig.housekeep();
    let client = client(&rig, key);
    let mut client = rig.establish(client);
    trade(&mut rig, &mut client, 1);
    (rig, client)
}

fn is_heard(rig: &mut Rig, client: &mut Client) -> bool {
    client.hello(9);
    rig.settle();
    matches!(messages(&client.receive())[..], [Message::Challenge(_)])
}

fn trade(rig: &mut Rig, client: &mut Client, number: u64) {
    client.send(number, &[order(number, Side::Sell, 100, 1)]);
    rig.settle();
    let answers = messages(&client.receive());
    assert!(
        matches!(answers[..], [Message::OrderAccepted(_)]),
        "{answers:?}"
    );
}

#[test]
fn a_session_opened_while_the_tiles_run_trades_and_survives_restarts() {
    let mut rig = rig();
    let mine = key(3);
    administer(&mut rig, &[open(SESSION, Gate::Port, mine.public_key())]);
    let mut early = client(&rig, &mine);
    assert!(!is_heard(&mut rig, &mut early), "nobody derived its keys");
    rig.housekeep();

    let client = client(&rig, &mine);
    let mut client = rig.establish(client);
    trade(&mut rig, &mut client, 1);
    // What the operator could hand out for this number is not its secret.
    let mut other = rig.stranger(SESSION.0);
    assert!(!is_heard(&mut rig, &mut other));

    let mut rig = rig.restart(|_| {});
    trade(&mut rig, &mut client, 2);
    assert!(!is_heard(&mut rig, &mut other));
    rig.check_engine();
}

#[test]
fn another_key_ends_the_one_before_and_the_numbers_go_on() {
    let (old, new) = (key(3), key(4));
    let (mut rig, mut before) = traded_with(&old);

    administer(&mut rig, &[delegate(new.public_key())]);
    rig.housekeep();
    assert!(!is_heard(&mut rig, &mut before));
    let after = client(&rig, &new);
    let mut after = rig.establish(after);
    // Number 1 is used up: what comes back is its outcome, not another order.
    after.send(1, &[resting(7)]);
    rig.settle();
    let again = messages(&after.receive());
    let [Message::OrderAccepted(accepted)] = again[..] else {
        panic!("{again:?}");
    };
    assert_eq!(accepted.client_order_id.0, 1);
    trade(&mut rig, &mut after, 2);

    let mut rig = rig.restart(|_| {});
    assert!(!is_heard(&mut rig, &mut before));
    trade(&mut rig, &mut after, 3);
}

/// A delegation with the key that the session has (a revocation, a log-on that is repeated) moves nothing; another
/// key unbinds the session, so that whoever had the one before does not even hear of fills.
#[test]
fn only_another_key_unbinds_the_session() {
    let mut rig = rig();
    let old = key(3);
    administer(&mut rig, &[open(SESSION, Gate::Port, old.public_key())]);
    rig.housekeep();
    let before = client(&rig, &old);
    let mut before = rig.establish(before);
    trade(&mut rig, &mut before, 1);
    administer(&mut rig, &[delegate(old.public_key())]);
    rig.housekeep();
    trade(&mut rig, &mut before, 2);

    administer(&mut rig, &[delegate(key(4).public_key())]);
    rig.housekeep();
    let mut other = rig.client(1);
    other.send(1, &[order(1, Side::Buy, 100, 2)]);
    rig.settle();
    assert!(!messages(&other.receive()).is_empty());
    assert_eq!(rig.engine().session(SESSION).unwrap().next_report_no, 5);
    assert!(before.receive().is_empty(), "fills went to the old address");
}

/// The process dies between the frame with the new key and its housekeeping: the binding in `fast` is the
/// old key's, and the next process derives the new one.
#[test]
fn a_key_replaced_just_before_a_restart_unbinds_the_session_too() {
    let (old, new) = (key(3), key(4));
    let (mut rig, mut before) = traded_with(&old);
    administer(&mut rig, &[delegate(new.public_key())]);

    let mut rig = rig.restart(|_| {});
    let mut other = rig.client(1);
    other.send(1, &[order(1, Side::Buy, 100, 1)]);
    rig.settle();
    assert!(!messages(&other.receive()).is_empty());
    assert_eq!(rig.engine().session(SESSION).unwrap().next_report_no, 3);
    assert_eq!(before.undelivered(), 0, "a report went to the old address");
    assert_eq!(rig.count(TileKind::Out, out::unreachable), 1);
    // Nor does what the new key's holder sends before it is established count.
    let mut after = client(&rig, &new);
    after.send(2, &[resting(2)]);
    rig.settle();
    assert_eq!(rig.count(TileKind::Net, net::not_established), 1);
    after.receive();
    let mut after = rig.establish(after);
    trade(&mut rig, &mut after, 2);
}

#[test]
fn a_key_with_which_nothing_secret_can_be_agreed_ends_the_session_at_the_port() {
    let mut weak = [0; 32];
    weak[0] = 1;
    let mut rig = rig();
    let old = key(3);
    administer(&mut rig, &[open(SESSION, Gate::Port, old.public_key())]);
    rig.housekeep();
    let mut before = client(&rig, &old);
    assert!(is_heard(&mut rig, &mut before));
    administer(&mut rig, &[delegate(weak)]);
    rig.housekeep();
    assert!(!is_heard(&mut rig, &mut before));
    let rig = &mut rig.restart(|_| {});
    assert!(!is_heard(rig, &mut before));
}

#[test]
fn the_gateways_sessions_have_no_keys_and_are_not_called_unreachable() {
    let mut rig = rig();
    let mine = key(3);
    administer(&mut rig, &[open(SESSION, Gate::Gateway, mine.public_key())]);
    rig.housekeep();
    let mut client = client(&rig, &mine);
    assert!(!is_heard(&mut rig, &mut client));
    assert!(rig.count(TileKind::Net, net::unknown_session) > 0);

    let source = Source::of_session(SESSION);
    let order = Message::NewOrder(resting(1)).command().unwrap();
    assert!(push(&mut ring(&rig), source, 1, order));
    rig.settle();
    assert_eq!(rig.engine().session(SESSION).unwrap().next_report_no, 2);
    assert_eq!(rig.count(TileKind::Out, out::unreachable), 0);
    let stage = &rig.tiles.out.receive_to_send;
    assert_eq!(stage.snapshot().count, 0, "its receipt is by another clock");
}

/// More log-ons than any ring holds while the supervisor's thread does not run: they wait in the slow
/// ring, and the last one counts.
#[test]
fn no_log_on_is_lost_while_keys_are_waited_for() {
    let mut rig = rig();
    administer(&mut rig, &[open(SESSION, Gate::Port, key(1).public_key())]);
    let first = rig.engine().last_number(Source::ADMINISTRATION) + 1;
    let mut given = 0;
    let mut producer = ring(&rig);
    for number in first..first + 100 {
        given += 1;
        let command = delegate(key(u8::try_from(1 + given).unwrap()).public_key());
        assert!(push(&mut producer, Source::ADMINISTRATION, number, command));
    }
    rig.settle();
    let taken = rig.engine().last_number(Source::ADMINISTRATION);
    assert!(
        taken < first + 99,
        "the ring to the supervisor is unbounded"
    );
    for _ in 0..4 {
        rig.housekeep();
        rig.settle();
    }
    rig.housekeep();
    assert_eq!(rig.engine().last_number(Source::ADMINISTRATION), first + 99);
    let mut last = client(&rig, &key(101));
    assert!(is_heard(&mut rig, &mut last));
    let mut before = client(&rig, &key(100));
    assert!(!is_heard(&mut rig, &mut before));
}
