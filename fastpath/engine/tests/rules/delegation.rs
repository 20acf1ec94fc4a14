//! What a session may do for its account, and for how long.

use crate::exchange::*;
use domain::*;

fn delegate(x: &mut Exchange, session: u32, expires: u64, most: u64) -> Reason {
    x.admin(Command::Delegate(Delegate {
        session: SessionId(session),
        pad: [Zero::Zero; 4],
        delegation: Delegation {
            public_key: [9; 32],
            exchange_key: [8; 32],
            expires: Nanos(expires),
            max_order_notional: Amount(most),
        },
    }))
}

#[test]
fn only_a_session_that_exists_is_delegated() {
    let mut x = Exchange::new();
    assert_eq!(delegate(&mut x, 3, 0, 0), Reason::UnknownReference);
    assert_eq!(
        delegate(&mut x, u32::MAX >> 1, 0, 0),
        Reason::UnknownReference
    );
    assert_eq!(delegate(&mut x, 0, 5, 6), Reason::None);
    let view = x.engine.session(SessionId(0)).unwrap();
    assert_eq!(view.delegation.public_key, [9; 32]);
    assert_eq!(view.delegation.exchange_key, [8; 32]);
    assert_eq!(view.account, AccountId(0));
}

#[test]
fn from_its_end_on_a_session_can_only_cancel() {
    let mut x = Exchange::new();
    let id = x.rest(0, limit(1, PLAIN, Side::Buy, 10, 5));
    // Engine time is the number of the frame: this one, then an order, then one too late.
    let end = x.seq + 3;
    assert_eq!(delegate(&mut x, 0, end, 0), Reason::None);
    x.rest(0, limit(2, PLAIN, Side::Buy, 10, 5));
    let late = limit(3, PLAIN, Side::Buy, 10, 5);
    assert_eq!(x.rejection(0, late), Reason::DelegationExpired);
    let amended = x.amend(0, id, 10, 4);
    assert_eq!(only_rejection(&amended), Reason::DelegationExpired);
    assert_eq!(canceled(&x.cancel(0, id)), Some((Reason::Requested, 5)));
    // Another session of the exchange is not touched, and a new delegation revives this one.
    x.rest(1, limit(1, PLAIN, Side::Buy, 10, 5));
    assert_eq!(delegate(&mut x, 0, 0, 0), Reason::None);
    x.rest(0, late);
}

#[test]
fn no_order_is_larger_than_the_delegation() {
    let mut x = Exchange::new();
    assert_eq!(delegate(&mut x, 0, 0, 500), Reason::None);
    let fits = x.rest(0, limit(1, PLAIN, Side::Sell, 100, 5));
    let larger = limit(2, PLAIN, Side::Sell, 101, 5);
    assert_eq!(x.rejection(0, larger), Reason::BeyondDelegation);
    for (price, qty) in [(101, 5), (100, 6)] {
        let amended = x.amend(0, fits, price, qty);
        assert_eq!(only_rejection(&amended), Reason::BeyondDelegation);
    }
    let unknown = market(3, PLAIN, Side::Sell, 1);
    assert_eq!(x.rejection(0, unknown), Reason::BeyondDelegation);
    x.enter(1, limit(1, PLAIN, Side::Buy, 100, 5));
    assert_eq!(x.balance(1, BASE).0, START + 5);
}
