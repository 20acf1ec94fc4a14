//! What a session attests, from the port to the engine and back; and the slowpath's word that it was right.

use super::rig::{Client, Rig, messages, order};
use super::slow_region::administer;
use domain::{Command, ConfirmAttestation, Flag, Limits, Reason, SessionId, SetLimits, Side, Zero};
use topology::TileKind;
use topology::instruments::matching as counter;
use wire::order_entry::{Attest, Message};

fn limit(units: u64) -> Command {
    Command::SetLimits(SetLimits {
        target: 0,
        of_account: Flag::No,
        as_tier: Flag::No,
        pad: [Zero::Zero; 2],
        limits: Limits {
            max_unattested_notional: units,
            ..Limits::default()
        },
    })
}

/// Why the only message was refused, or none if it was not.
fn refusal(client: &mut Client) -> Option<Reason> {
    let told = messages(&client.receive());
    match told[..] {
        [Message::OrderRejected(rejected)] => Reason::try_from(rejected.reason).ok(),
        _ => None,
    }
}

#[test]
fn a_session_attests_at_the_port_and_goes_on_when_the_slowpath_has_confirmed_it() {
    let mut rig = Rig::new();
    administer(&mut rig, &[limit(500)]);
    let mut client = rig.client(1);
    client.send(1, &[order(1, Side::Sell, 100, 5)]);
    rig.settle();
    assert_eq!(refusal(&mut client), None);
    client.send(2, &[order(2, Side::Sell, 100, 1)]);
    rig.settle();
    assert_eq!(refusal(&mut client), Some(Reason::UnattestedAboveLimit));
    client.send(3, &[Attest::default()]);
    rig.settle();
    let told = messages(&client.receive());
    let [Message::AttestationNoted(noted)] = told[..] else {
        panic!("{told:?}")
    };
    let level = noted.level;
    assert_eq!((level, noted.stamp.client_seq_no), (500_000_000, 3));
    let confirm = Command::ConfirmAttestation(ConfirmAttestation {
        session: SessionId(1),
        pad: [Zero::Zero; 4],
        level,
    });
    administer(&mut rig, &[confirm]);
    assert_eq!(rig.count(TileKind::Match, counter::slow_refused), 0);
    client.send(4, &[order(2, Side::Sell, 100, 1)]);
    rig.settle();
    assert_eq!(refusal(&mut client), None);
    rig.check_engine();
}
