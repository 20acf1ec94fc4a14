//! Who may speak, and where the answers go.

use super::rig::{Received, Rig, challenge, messages, refusals, reports, resting};
use domain::{Reason, SessionId};
use topology::TileKind;
use topology::instruments::net as counter;
use wire::order_entry::{
    CancelOrder, Context, Established, Hello, Message, NewOrder, NotApplied, Refused,
};
use zerocopy::FromBytes as _;

fn established(received: &[Received]) -> Established {
    match messages(received)[..] {
        [Message::Established(established)] => established,
        ref others => panic!("not established: {others:?}"),
    }
}

#[test]
fn a_session_is_established_by_the_cookie_of_its_address() {
    let mut rig = Rig::new();
    let mut client = rig.stranger(1);
    client.hello(5);
    rig.settle();
    let cookie = challenge(&client.receive());
    client.establish(5, cookie);
    rig.settle();
    let answer = established(&client.receive());
    assert_eq!(answer.nonce, 5);
    assert_eq!(
        (answer.epoch, answer.last_seq_no, answer.next_report_no),
        (1, 0, 1)
    );
    assert_eq!(rig.count(TileKind::Net, counter::established), 1);
    client.send(1, &[resting(1)]);
    rig.settle();
    assert_eq!(reports(&client.receive()).len(), 1);
    client.hello(6);
    rig.settle();
    let cookie = challenge(&client.receive());
    client.establish(6, cookie);
    rig.settle();
    let answer = established(&client.receive());
    assert_eq!((answer.last_seq_no, answer.next_report_no), (1, 2));
}

#[test]
fn a_cookie_binds_session_address_and_nonce() {
    let mut rig = Rig::new();
    let (mut client, mut elsewhere) = (rig.stranger(1), rig.stranger(1));
    let mut other = rig.stranger(2);
    client.hello(5);
    rig.settle();
    let cookie = challenge(&client.receive());
    client.establish(5, cookie ^ 1);
    client.establish(6, cookie);
    elsewhere.establish(5, cookie);
    other.establish(5, cookie);
    rig.settle();
    for client in [&mut client, &mut elsewhere, &mut other] {
        assert_eq!(client.receive(), [], "nobody is established");
    }
    assert_eq!(rig.count(TileKind::Net, counter::wrong_cookie), 4);
    assert_eq!(rig.count(TileKind::Net, counter::established), 0);
}

#[test]
fn a_recorded_establish_from_elsewhere_moves_nothing() {
    let mut rig = Rig::new();
    let mut client = rig.stranger(1);
    let mut thief = rig.stranger(1);
    client.hello(5);
    rig.settle();
    let cookie = challenge(&client.receive());
    client.establish(5, cookie);
    thief.establish(5, cookie);
    rig.settle();
    established(&client.receive());
    // A genuine order on another path is taken, and its reports go to where the session is.
    thief.send(1, &[resting(1)]);
    rig.settle();
    assert_eq!(thief.receive(), []);
    assert_eq!(reports(&client.receive()).len(), 1);
}

#[test]
fn a_session_may_move_by_a_challenge_of_its_own() {
    let mut rig = Rig::new();
    let mut old = rig.client(1);
    let mut new = rig.client(1);
    old.send(1, &[resting(1)]);
    rig.settle();
    assert_eq!(old.receive(), []);
    assert_eq!(reports(&new.receive()).len(), 1);
}

#[test]
fn without_an_address_nothing_is_taken() {
    let mut rig = Rig::new();
    let mut client = rig.stranger(1);
    client.send(1, &[resting(1)]);
    client.heartbeat();
    rig.settle();
    let refused = refusals(&client.receive());
    assert_eq!(
        refused,
        [
            (Reason::NotEstablished, 1, 0),
            (Reason::NotEstablished, 1, 0)
        ]
    );
    assert_eq!(rig.count(TileKind::Net, counter::not_established), 2);
    assert_eq!(rig.engine().live_orders(), 0);
    assert_eq!(
        rig.tiles.net.entry.sessions[1]
            .as_ref()
            .unwrap()
            .last_accepted,
        0
    );
}

#[test]
fn what_is_not_genuine_is_counted_and_never_answered() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send_bytes(&client.datagram_of(client.epoch + 1, 1, &[resting(1)]));
    let mut forged = client.datagram(1, &[resting(1)]);
    forged[60] ^= 1;
    client.send_bytes(&forged);
    // Another session's genuine datagram with this session's name on it.
    let mut renamed = rig.stranger(2).datagram(1, &[resting(1)]);
    renamed[8] = 1;
    client.send_bytes(&renamed);
    for unknown in [0, 7, 8, u32::MAX] {
        let mut nobody = rig.stranger(1);
        nobody.session = SessionId(unknown);
        client.send_bytes(&nobody.datagram(1, &[resting(1)]));
    }
    client.send_bytes(&[0; 200]);
    client.send_bytes(&[]);
    rig.settle();
    assert_eq!(client.receive(), []);
    assert_eq!(rig.count(TileKind::Net, counter::wrong_epoch), 1);
    assert_eq!(rig.count(TileKind::Net, counter::wrong_mac), 2);
    assert_eq!(rig.count(TileKind::Net, counter::unknown_session), 4);
    assert_eq!(rig.count(TileKind::Net, counter::garbage), 2);
    assert_eq!(rig.engine().live_orders(), 0);
}

#[test]
fn a_malformed_message_spoils_its_whole_datagram() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let bad = NewOrder {
        side: 9,
        ..resting(2)
    };
    client.send(1, &[resting(1), bad]);
    rig.settle();
    assert_eq!(refusals(&client.receive()), [(Reason::Malformed, 1, 1)]);
    assert_eq!(rig.count(TileKind::Net, counter::malformed), 1);
    assert_eq!(rig.engine().live_orders(), 0);
    client.send(1, &[resting(1)]);
    rig.settle();
    assert_eq!(
        reports(&client.receive()).len(),
        1,
        "number 1 is not used up"
    );
}

#[test]
fn refusals_are_within_the_burst_and_go_nowhere_but_to_the_session() {
    let mut rig = Rig::with(1 << 18, |config| config.limits.session_burst = 2);
    let mut client = rig.client(1);
    let mut elsewhere = rig.stranger(1);
    let bad = NewOrder {
        side: 9,
        ..resting(1)
    };
    let recorded = client.datagram(1, &[bad]);
    for _ in 0..20 {
        elsewhere.send_bytes(&recorded);
    }
    rig.settle();
    assert_eq!(elsewhere.receive(), [], "nothing is reflected");
    let malformed = (Reason::Malformed, 1, 1);
    assert_eq!(refusals(&client.receive()), [malformed; 2]);
    assert_eq!(rig.count(TileKind::Net, counter::malformed), 20);
    assert_eq!(rig.count(TileKind::Net, counter::throttled), 18);
    // Busy and unsupported as well.
    elsewhere.send(1, &[resting(1), resting(2), resting(3)]);
    rig.settle();
    let report = NotApplied::read_from_bytes(&[0; size_of::<NotApplied>()]).unwrap();
    elsewhere.send(3, &[report]);
    rig.settle();
    assert_eq!(elsewhere.receive(), []);
    assert_eq!(
        refusals(&client.receive()),
        [(Reason::Busy, 3, 1), (Reason::UnsupportedMessage, 3, 1)]
    );
    let mut nobody = rig.stranger(2);
    for _ in 0..20 {
        nobody.send(1, &[resting(1)]);
    }
    rig.settle();
    let unknown = (Reason::NotEstablished, 1, 0);
    assert_eq!(refusals(&nobody.receive()), [unknown; 2]);
}

#[test]
fn what_only_the_exchange_sends_is_unsupported() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    let refused = Refused {
        reason: Reason::Busy.into(),
        ..Refused::read_from_bytes(&[0; size_of::<Refused>()]).unwrap()
    };
    client.send(1, &[refused]);
    let report = NotApplied::read_from_bytes(&[0; size_of::<NotApplied>()]).unwrap();
    client.send(1, &[report, report]);
    rig.settle();
    let answers = refusals(&client.receive());
    assert_eq!(
        answers,
        [
            (Reason::UnsupportedMessage, 0, 0),
            (Reason::UnsupportedMessage, 1, 2)
        ],
        "a session message has no number, a report takes one"
    );
    assert_eq!(rig.count(TileKind::Net, counter::unsupported), 3);
}

#[test]
fn the_control_epoch_carries_no_orders_and_the_current_one_no_hello() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send_bytes(&client.datagram_of(wire::CONTROL_EPOCH, 1, &[resting(1)]));
    client.send(1, &[Hello { nonce: 1 }]);
    rig.settle();
    assert_eq!(refusals(&client.receive()), [(Reason::Malformed, 1, 1)]);
    assert_eq!(rig.count(TileKind::Net, counter::malformed), 2);
    assert_eq!(rig.engine().live_orders(), 0);
}

#[test]
fn a_heartbeat_is_answered_with_the_next_report_number() {
    let mut rig = Rig::new();
    let mut client = rig.client(1);
    client.send(1, &[resting(1), resting(2)]);
    rig.settle();
    client.receive();
    client.heartbeat();
    rig.settle();
    let answers = client.receive();
    let [heartbeat] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(heartbeat.messages, []);
    assert_eq!(heartbeat.context.next_seq_no, 3);
    assert_eq!(heartbeat.context.flags & Context::RETRANSMISSION, 0);
    client.send::<CancelOrder>(0, &[]);
    rig.settle();
    assert_eq!(client.receive().len(), 1, "it need not know its numbers");
}
