//! What sessions enter and attest.

use crate::exchange::*;
use crate::quote::quote;
use domain::*;

fn limited(units: u64) -> Exchange {
    let mut x = Exchange::of_whole_units();
    let limits = Limits {
        max_unattested_notional: units,
        ..Limits::default()
    };
    assert_eq!(x.admin(set_limits(false, 0, limits)), Reason::None);
    x
}

/// What the session has entered, and what of it is not attested, in whole units.
fn entered(x: &Exchange, session: u32) -> (u64, u64) {
    let view = x.engine.session(SessionId(session)).unwrap();
    (view.entered / 1_000_000, view.unattested / 1_000_000)
}

fn attest(x: &mut Exchange, session: u32) -> AttestationNoted {
    let attest = Attest { signature: [7; 64] };
    let events = x.send(session, Command::Attest(attest));
    let [Event::AttestationNoted(noted)] = events[..] else {
        panic!("an attestation is noted: {events:?}");
    };
    noted
}

#[test]
fn a_session_beyond_its_limit_only_cancels_until_it_is_confirmed() {
    let mut x = limited(1_000);
    let id = x.rest(0, limit(1, PLAIN, Side::Buy, 90, 10));
    let reason = x.rejection(0, limit(2, PLAIN, Side::Buy, 90, 2));
    assert_eq!(reason, Reason::UnattestedAboveLimit);
    let reason = only_rejection(&x.amend(0, id, 91, 10));
    assert_eq!(reason, Reason::UnattestedAboveLimit);
    x.amend(0, id, 90, 9);
    assert_eq!(entered(&x, 0), (900, 900));
    let noted = attest(&mut x, 0);
    assert_eq!((noted.session, noted.level), (SessionId(0), 900_000_000));
    assert_eq!(entered(&x, 0), (900, 900), "it has to be checked");
    assert_eq!(x.admin(confirm(0, noted.level)), Reason::None);
    assert_eq!(entered(&x, 0), (900, 0));
    x.amend(0, id, 91, 9);
    assert_eq!(entered(&x, 0), (1_719, 819));
}

#[test]
fn confirmations_may_come_in_any_order() {
    let mut x = limited(1_000);
    let levels = [1, 2, 3].map(|client| {
        x.rest(0, limit(client, PLAIN, Side::Buy, 90, 2));
        attest(&mut x, 0).level
    });
    x.rest(0, limit(4, PLAIN, Side::Buy, 90, 1));
    for (level, left) in [
        (0, 630),
        (levels[1], 270),
        (levels[0], 270),
        (levels[2], 90),
    ] {
        assert_eq!(x.admin(confirm(0, level)), Reason::None);
        assert_eq!(entered(&x, 0), (630, left), "{level}");
    }
    assert_eq!(x.admin(confirm(99, 0)), Reason::UnknownReference);
}

#[test]
fn both_sides_of_a_quote_are_one() {
    let mut x = limited(1_000);
    let events = x.send(0, Command::Quote(quote(1, (90, 6), (110, 5))));
    assert_eq!(only_rejection(&events), Reason::UnattestedAboveLimit);
    x.quoting(0, quote(1, (90, 6), (110, 4)));
    assert_eq!(entered(&x, 0), (980, 980));
    x.quoting(0, quote(2, (90, 5), (110, 4)));
    let events = x.send(0, Command::Quote(quote(3, (90, 5), (111, 1))));
    assert_eq!(only_rejection(&events), Reason::UnattestedAboveLimit);
}
