//! Mass cancels and kill switches.

use crate::exchange::*;
use domain::*;

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

fn canceled(events: &[Event]) -> Vec<u64> {
    let ids = events.iter().filter_map(|event| match event {
        Event::Canceled(canceled) => Some(canceled.client_order_id.0),
        _ => None,
    });
    ids.collect()
}

fn last_count(events: &[Event]) -> Option<(u32, u64, u64)> {
    match events.last() {
        Some(Event::MassCanceled(done)) => Some((done.session.0, done.request, done.count)),
        _ => None,
    }
}

/// Sessions 1 and 2 are of account 1, session 0 of account 0; accounts 0 and 1 are of firm 7.
fn with_orders() -> Exchange {
    let mut x = Exchange::new();
    x.rest(0, limit(1, PLAIN, BUY, 90, 1));
    x.rest(1, limit(11, PLAIN, SELL, 101, 1));
    x.rest(1, limit(12, PLAIN, BUY, 91, 1));
    x.rest(1, limit(13, FEES, SELL, 120, 2));
    x.rest(2, limit(21, PLAIN, SELL, 102, 1));
    x
}

#[test]
fn a_session_cancels_its_own_newest_first_and_hears_how_many() {
    let mut x = with_orders();
    let command = MassCancel {
        request: 77,
        ..MassCancel::OWN
    };
    let events = x.send(1, Command::MassCancel(command));
    assert_eq!(canceled(&events), [13, 12, 11]);
    assert_eq!(last_count(&events), Some((1, 77, 3)));
    assert_eq!(
        (x.engine.live_orders(), x.balance(1, BASE)),
        (2, (START - 1, 1))
    );
}

#[test]
fn what_is_meant_can_be_narrowed_and_widened() {
    let own = MassCancel::OWN;
    let cases: [(MassCancel, &[u64]); 6] = [
        (
            MassCancel {
                scope: Scope::Account,
                ..own
            },
            &[21, 13, 12, 11],
        ),
        (
            MassCancel {
                market: FEES,
                ..own
            },
            &[13],
        ),
        (
            MassCancel {
                sides: Sides::Buys,
                ..own
            },
            &[12],
        ),
        (
            MassCancel {
                sides: Sides::Sells,
                market: PLAIN,
                scope: Scope::Account,
                ..own
            },
            &[21, 11],
        ),
        (
            MassCancel {
                lowest: Price(101),
                highest: Price(101),
                ..own
            },
            &[11],
        ),
        (
            MassCancel {
                lowest: Price(102),
                highest: Price(101),
                ..own
            },
            &[],
        ),
    ];
    for (command, expected) in cases {
        let mut x = with_orders();
        let events = x.send(1, Command::MassCancel(command));
        assert_eq!(canceled(&events), expected, "{command:?}");
    }
}

#[test]
fn whose_orders_a_session_cannot_name_and_others_must() {
    let mut x = with_orders();
    let firm = MassCancel {
        scope: Scope::Firm,
        request: 5,
        target: 7,
        ..MassCancel::OWN
    };
    let events = x.send(1, Command::MassCancel(firm));
    assert_eq!(only_rejection(&events), Reason::NotPermitted);
    let nowhere = MassCancel {
        market: MarketId(2),
        ..MassCancel::OWN
    };
    let events = x.send(1, Command::MassCancel(nowhere));
    assert_eq!(only_rejection(&events), Reason::UnknownMarket);
    for (scope, target, reason) in [
        (Scope::Session, 3, Reason::UnknownReference),
        (Scope::Account, 2, Reason::UnknownReference),
        (Scope::Firm, 0, Reason::InvalidParameter),
    ] {
        let command = Command::MassCancel(MassCancel {
            scope,
            target,
            ..MassCancel::OWN
        });
        assert_eq!(x.admin(command), reason, "{scope:?} {target}");
    }
    let events = x.apply(Source::ADMINISTRATION, Command::MassCancel(firm));
    assert!(matches!(events[0], Event::Outcome(done) if done.reason == Reason::None));
    assert_eq!(canceled(&events), [1, 13, 12, 11, 21]);
    assert_eq!(x.engine.live_orders(), 0);
}

#[test]
fn a_long_one_goes_on_in_the_next_frames() {
    let mut x = Exchange::new();
    let all = MAX_CANCELS as u64 + 2;
    for client in 1..=all {
        x.rest(1, limit(client, PLAIN, SELL, 100, 1));
    }
    let first = x.send(1, Command::MassCancel(MassCancel::OWN));
    assert_eq!(
        (canceled(&first).len(), last_count(&first)),
        (MAX_CANCELS, None)
    );
    assert_eq!(x.engine.pending_work(), Some(OrderId::NONE));
    let (rest, frames) = x.finish_sweep();
    assert_eq!((canceled(&rest), frames), (vec![2, 1], 1));
    assert_eq!(last_count(&rest), Some((1, 0, all)));
    // Exactly what a frame has room for needs no other one.
    for client in 1..=MAX_CANCELS as u64 {
        x.rest(1, limit(client, PLAIN, SELL, 100, 1));
    }
    let events = x.send(1, Command::MassCancel(MassCancel::OWN));
    assert_eq!(last_count(&events), Some((1, 0, MAX_CANCELS as u64)));
    assert_eq!(x.engine.pending_work(), None);
}

#[test]
fn a_kill_switch_cancels_all_and_takes_nothing_but_cancels_until_it_is_off() {
    for (scope, target, first) in [
        (Scope::Session, 1, 13),
        (Scope::Account, 1, 21),
        (Scope::Firm, 7, 1),
    ] {
        let mut x = with_orders();
        let events = x.apply(
            Source::ADMINISTRATION,
            kill_switch(scope, target, Flag::Yes),
        );
        assert!(canceled(&events).starts_with(&[first]));
        assert_eq!(x.rejection(1, limit(3, PLAIN, BUY, 1, 1)), Reason::Killed);
        let also = x.enter(2, limit(3, PLAIN, BUY, 1, 1));
        assert_eq!(
            also.len() == 1,
            scope != Scope::Session,
            "{scope:?}: {also:?}"
        );
        assert_eq!(x.admin(kill_switch(scope, target, Flag::No)), Reason::None);
        x.rest(1, limit(4, PLAIN, BUY, 1, 1));
    }
}

#[test]
fn a_session_can_kill_itself_and_only_others_revive_it() {
    let mut x = with_orders();
    let events = x.send(1, kill_switch(Scope::Account, 0, Flag::Yes));
    assert_eq!(canceled(&events), [21, 13, 12, 11]);
    assert_eq!(last_count(&events), Some((1, 0, 4)));
    let events = x.send(1, kill_switch(Scope::Account, 0, Flag::No));
    assert_eq!(only_rejection(&events), Reason::NotPermitted);
    let events = x.send(1, kill_switch(Scope::Firm, 0, Flag::Yes));
    assert_eq!(only_rejection(&events), Reason::NotPermitted);
    assert!(x.engine.kill_switches().eq([(Scope::Account, 1)]));
    // Turning off what is not on is no error; what is on stays.
    assert_eq!(
        x.admin(kill_switch(Scope::Session, 1, Flag::No)),
        Reason::None
    );
    assert_eq!(x.rejection(2, limit(3, PLAIN, BUY, 1, 1)), Reason::Killed);
    assert_eq!(
        x.admin(kill_switch(Scope::Account, 1, Flag::No)),
        Reason::None
    );
    x.rest(2, limit(3, PLAIN, BUY, 1, 1));
}

#[test]
fn an_amendment_is_no_cancel_and_a_cancel_is_always_taken() {
    let mut x = with_orders();
    let id = x.rest(1, limit(14, PLAIN, BUY, 50, 4));
    x.admin(kill_switch(Scope::Firm, 9, Flag::Yes));
    assert_eq!(x.amend(1, id, 50, 3).len(), 2, "another firm's");
    // Cancelled by a switch that is turned on after it rests; so one that was on before is of use only here.
    x.apply(
        Source::ADMINISTRATION,
        kill_switch(Scope::Session, 1, Flag::Yes),
    );
    assert_eq!(only_rejection(&x.amend(1, id, 50, 2)), Reason::Killed);
    assert_eq!(only_rejection(&x.cancel(1, id)), Reason::UnknownOrder);
}

#[test]
fn there_is_room_for_so_many_switches() {
    let mut x = Exchange::new();
    for firm in 1..=u32::try_from(MAX_KILL_SWITCHES).unwrap() {
        x.admin(kill_switch(Scope::Firm, 7 + firm, Flag::Yes));
    }
    let one_more = kill_switch(Scope::Firm, 7, Flag::Yes);
    assert_eq!(x.admin(one_more), Reason::KillSwitchTableFull);
    // All others stand elsewhere.
    for (scope, target) in [
        (Scope::Session, 1),
        (Scope::Account, 1),
        (Scope::Everyone, 0),
    ] {
        assert_eq!(x.admin(kill_switch(scope, target, Flag::Yes)), Reason::None);
        assert!(x.engine.is_kill_switch_on(scope, target));
        x.engine.check_invariants().expect("the state is sound");
    }
    let on: Vec<_> = x.engine.kill_switches().collect();
    assert_eq!(on.len(), MAX_KILL_SWITCHES + 3);
    assert!(on.is_sorted());
    assert_eq!(
        x.admin(kill_switch(Scope::Firm, 8, Flag::Yes)),
        Reason::None,
        "it is on"
    );
    x.admin(kill_switch(Scope::Firm, 8, Flag::No));
    assert_eq!(x.admin(one_more), Reason::None);
}

#[test]
fn a_key_that_was_revoked_cancels_its_own_orders_and_no_others() {
    let mut x = with_orders();
    let revoked = Delegation {
        expires: Nanos(1),
        ..Delegation::unlimited([1; 32])
    };
    x.admin(Command::Delegate(Delegate {
        session: SessionId(1),
        pad: [Zero::Zero; 4],
        delegation: revoked,
    }));
    let all = MassCancel {
        scope: Scope::Account,
        ..MassCancel::OWN
    };
    for command in [
        Command::MassCancel(all),
        kill_switch(Scope::Account, 0, Flag::Yes),
        kill_switch(Scope::Session, 0, Flag::Yes),
    ] {
        let events = x.send(1, command);
        assert_eq!(only_rejection(&events), Reason::DelegationExpired);
    }
    let events = x.send(1, Command::MassCancel(MassCancel::OWN));
    assert_eq!(canceled(&events), [13, 12, 11]);
}
