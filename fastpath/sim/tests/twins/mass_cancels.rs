//! Cancels of many orders, kill switches, and what else cancels and replaces, by example.

use crate::{
    scenarios::{Floor, amend, buy, recovered, sell},
    world::World,
};
use domain::{
    AmendOrder, CancelOrder, ClientOrderId, Command, Continue, Event, Flag, Genesis, KillSwitch,
    MAX_CANCELS, MAX_KILL_SWITCHES, MAX_LOOKS, MarketId, MassCancel, OrderId, Price, Qty, Reason,
    Scope, SessionId, Sides, Source, Zero,
};

/// Sessions 0 and 2 are of account 0, 1 is of account 1, whose firm is 1.
fn world() -> World {
    let plain = World::plain(10_000);
    World {
        genesis: Genesis {
            max_orders: 2_000,
            max_sessions: 3_000,
            ..plain.genesis
        },
        sessions: vec![0, 1, 0],
        ..plain
    }
}

fn all_of(scope: Scope, target: u32) -> Command {
    Command::MassCancel(MassCancel {
        request: 77,
        scope,
        target,
        ..MassCancel::OWN
    })
}

fn switch(scope: Scope, target: u32, on: bool) -> Command {
    Command::KillSwitch(KillSwitch {
        request: 5,
        target,
        scope,
        on: Flag::from(on),
        pad: [Zero::Zero; 2],
    })
}

#[test]
fn a_sessions_orders_go_newest_first() {
    let mut floor = Floor::new(&world());
    for (client, price) in [(1, 10), (2, 30), (3, 20)] {
        floor.says(0, buy(client, 1, price));
    }
    floor.says(2, buy(1, 1, 5));
    // An amendment that loses its place in the queue keeps it in the session's list.
    floor.says(0, amend(1, 2, 11));
    assert_eq!(
        floor.says(0, all_of(Scope::Session, 99)),
        [
            "s0 r5 canceled o2.1 1: MassCancel",
            "f7 delete o2.1",
            "s0 r6 canceled o1.1 1: MassCancel",
            "f8 delete o1.1",
            "s0 r7 canceled o0.1 2: MassCancel",
            "f9 delete o0.1",
            "s0 r8 mass canceled 3 of request 77",
        ]
    );
    assert_eq!(
        floor.says(0, all_of(Scope::Account, 99)),
        [
            "s2 r2 canceled o3.1 1: MassCancel",
            "f10 delete o3.1",
            "s0 r9 mass canceled 1 of request 77",
        ]
    );
    assert_eq!(
        floor.says(0, all_of(Scope::Everyone, 0)),
        ["s0 r10 rejected MassCancel o0.0 c77: NotPermitted"]
    );
}

#[test]
fn only_what_is_meant_is_cancelled() {
    let left_of = |command: MassCancel| -> Vec<u64> {
        let mut floor = Floor::new(&world());
        for (client, price) in (1..).zip([10, 11, 12]) {
            floor.says(0, buy(client, 1, price));
            floor.says(0, sell(client + 3, 1, price + 10));
        }
        floor.says(0, Command::MassCancel(command));
        let orders = floor.pair.fast().orders();
        let mut left: Vec<_> = orders.map(|order| order.client_order_id.0).collect();
        left.sort_unstable();
        left
    };
    let own = MassCancel::OWN;
    assert_eq!(left_of(own), []);
    for (command, left) in [
        (
            MassCancel {
                sides: Sides::Buys,
                ..own
            },
            vec![4, 5, 6],
        ),
        (
            MassCancel {
                lowest: Price(11),
                highest: Price(20),
                ..own
            },
            vec![1, 5, 6],
        ),
        (
            MassCancel {
                lowest: Price(12),
                ..own
            },
            vec![1, 2],
        ),
        (
            MassCancel {
                highest: Price(12),
                sides: Sides::Sells,
                ..own
            },
            vec![1, 2, 3, 4, 5, 6],
        ),
        (
            MassCancel {
                market: MarketId(0),
                ..own
            },
            vec![],
        ),
    ] {
        assert_eq!(left_of(command), left, "{command:?}");
    }
    let mut floor = Floor::new(&world());
    let elsewhere = Command::MassCancel(MassCancel {
        market: MarketId(1),
        ..own
    });
    assert_eq!(
        floor.says(0, elsewhere),
        ["s0 r1 rejected MassCancel o0.0 c0: UnknownMarket"]
    );
    assert_eq!(
        floor.from(Source::GATEWAY, elsewhere),
        ["MassCancel: UnknownMarket"]
    );
}

#[test]
fn the_operator_is_answered_first_and_names_someone() {
    let mut floor = Floor::new(&world());
    floor.says(0, buy(1, 1, 10));
    floor.says(1, buy(1, 1, 10));
    for (scope, target, reason) in [
        (Scope::Session, 3, "UnknownReference"),
        (Scope::Account, 2, "UnknownReference"),
        (Scope::Firm, 0, "InvalidParameter"),
        (Scope::Everyone, 1, "InvalidParameter"),
        (Scope::Firm, 7, "None"),
    ] {
        assert_eq!(
            floor.from(Source::ADMINISTRATION, all_of(scope, target)),
            [format!("MassCancel: {reason}")]
        );
    }
    assert_eq!(
        floor.from(Source::ADMINISTRATION, all_of(Scope::Firm, 1)),
        [
            "MassCancel: None",
            "s1 r2 canceled o1.1 1: MassCancel",
            "f4 delete o1.1",
        ]
    );
    assert_eq!(
        floor.from(Source::ADMINISTRATION, all_of(Scope::Everyone, 0)),
        [
            "MassCancel: None",
            "s0 r2 canceled o0.1 1: MassCancel",
            "f5 delete o0.1",
        ]
    );
}

#[test]
fn a_long_mass_cancel_goes_on_in_frames_of_its_own() {
    let mut floor = Floor::new(&world());
    for client in 1..=2 * MAX_CANCELS as u64 {
        floor.says(0, buy(client, 1, 10));
    }
    let source = Source::of_session(SessionId(0));
    let number = floor.pair.last_number(source) + 1;
    let frames = floor.pair.submit(source, number, all_of(Scope::Session, 0));
    let frames = frames.expect("the twins agree");
    let mut continued = Vec::new();
    for frame in &frames[1..] {
        if let Command::Continue(Continue { order_id }) = frame.request.command {
            assert_eq!(order_id, OrderId::NONE);
            continued.push(frame.events.len());
        } else {
            // The pair lets a process die now and then.
            let died = matches!(frame.request.command, Command::Recovered(_));
            assert!(died, "{frame:?}");
        }
    }
    assert_eq!(frames[0].events.len(), 2 * MAX_CANCELS);
    // The last order is the end of the walk, which needs no frame of its own.
    assert_eq!(continued, [2 * MAX_CANCELS + 1]);
}

/// Those that are not meant are looked at too. The first look is at the session.
#[test]
fn a_frame_looks_at_so_many_orders() {
    let sells = Command::MassCancel(MassCancel {
        sides: Sides::Sells,
        ..MassCancel::OWN
    });
    let most = MAX_LOOKS as u64;
    for (orders, expected) in [(most - 1, 1), (most, 2)] {
        let mut floor = Floor::new(&World {
            deposits: vec![100_000],
            ..world()
        });
        floor.says(0, sell(5_000, 1, 50));
        for client in 1..orders {
            floor.says(0, buy(client, 1, 10));
        }
        let source = Source::of_session(SessionId(0));
        let number = floor.pair.last_number(source) + 1;
        let frames = floor.pair.submit(source, number, sells);
        let frames = frames.expect("the twins agree");
        // The sell was entered first, so it is the last order.
        assert_eq!(frames.len(), expected);
        assert_eq!(frames[expected - 1].events.len(), 3);
    }
}

#[test]
fn a_walk_over_many_looks_goes_on_in_frames_of_its_own() {
    // Session by session: with all that exist and do not below it, so many looks.
    for (far, frames) in [(MAX_LOOKS - 1, 1), (MAX_LOOKS, 2), (2 * MAX_LOOKS, 3)] {
        let far = u32::try_from(far).expect("small");
        let mut floor = Floor::new(&World {
            far_session: Some(far),
            ..world()
        });
        let source = Source::ADMINISTRATION;
        let number = floor.pair.last_number(source) + 1;
        let said = floor
            .pair
            .submit(source, number, all_of(Scope::Everyone, 0));
        let said = said.expect("the twins agree");
        let walked = said.iter().filter(|frame| {
            let is_recovered = matches!(frame.request.command, Command::Recovered(_));
            !is_recovered
        });
        assert_eq!(walked.count(), frames);
    }
}

/// An account's sessions are linked: it does not matter how many others there are.
#[test]
fn a_walk_over_an_account_looks_at_its_own_sessions_alone() {
    let most = u32::try_from(MAX_LOOKS).expect("small");
    for (sessions, frames) in [(most, 1), (most + 1, 2), (2 * most + 1, 3)] {
        let plain = world();
        let mut floor = Floor::new(&World {
            genesis: Genesis {
                max_sessions: 6_000,
                ..plain.genesis
            },
            // Account 1 has the first of all.
            sessions: [vec![1], vec![0; sessions as usize]].concat(),
            ..plain
        });
        let source = Source::ADMINISTRATION;
        for (account, frames) in [(0, frames), (1, 1)] {
            let number = floor.pair.last_number(source) + 1;
            let all = all_of(Scope::Account, account);
            let said = floor.pair.submit(source, number, all);
            let said = said.expect("the twins agree");
            let walked = said.iter().filter(|frame| {
                let is_recovered = matches!(frame.request.command, Command::Recovered(_));
                !is_recovered
            });
            assert_eq!(walked.count(), frames, "{sessions} of account {account}");
        }
    }
}

#[test]
fn a_kill_switch_cancels_and_takes_no_more_until_it_is_turned_off() {
    let mut floor = Floor::new(&world());
    floor.says(0, buy(1, 1, 10));
    floor.says(2, buy(1, 1, 11));
    floor.says(1, buy(1, 1, 12));
    assert_eq!(
        floor.says(0, switch(Scope::Account, 0, true)),
        [
            "s2 r2 canceled o1.1 1: KillSwitch",
            "f5 delete o1.1",
            "s0 r2 canceled o0.1 1: KillSwitch",
            "f6 delete o0.1",
            "s0 r3 mass canceled 2 of request 5",
        ]
    );
    for (session, number) in [(0, 4), (2, 3)] {
        assert_eq!(
            floor.says(session, buy(1, 1, 10)),
            [format!(
                "s{session} r{number} rejected NewOrder o0.0 c1: Killed"
            )]
        );
        assert_eq!(
            floor.says(session, amend(1, 1, 10)),
            [format!(
                "s{session} r{} rejected AmendOrder o0.0 c1: Killed",
                number + 1
            )]
        );
    }
    assert_eq!(floor.says(1, buy(2, 1, 10)).len(), 2);
    // Only the operator turns it off, and only the one that is on.
    assert_eq!(
        floor.says(0, switch(Scope::Account, 0, false)),
        ["s0 r6 rejected KillSwitch o0.0 c5: NotPermitted"]
    );
    let operator = Source::ADMINISTRATION;
    assert_eq!(
        floor.from(operator, switch(Scope::Session, 0, false)),
        ["KillSwitch: None"]
    );
    assert!(floor.says(0, buy(1, 1, 10))[0].contains("Killed"));
    floor.from(operator, switch(Scope::Account, 0, false));
    assert!(floor.says(0, buy(1, 1, 10))[0].contains("accepted"));
    // A firm's, and everybody's.
    assert_eq!(
        floor.from(operator, switch(Scope::Firm, 1, true)).len(),
        1 + 2 * 2
    );
    assert!(floor.says(1, buy(3, 1, 10))[0].contains("Killed"));
    assert!(floor.says(0, buy(2, 1, 10))[0].contains("accepted"));
    floor.from(operator, switch(Scope::Everyone, 0, true));
    assert!(floor.says(0, buy(2, 1, 10))[0].contains("Killed"));
}

#[test]
fn there_is_room_for_the_kill_switches_of_so_many_firms() {
    let mut floor = Floor::new(&World::plain(1));
    let most = u32::try_from(MAX_KILL_SWITCHES).expect("small");
    let operator = Source::ADMINISTRATION;
    for firm in 1..=most {
        let said = floor.from(operator, switch(Scope::Firm, firm, true));
        assert_eq!(said, ["KillSwitch: None"]);
    }
    let one_more = switch(Scope::Firm, most + 1, true);
    assert_eq!(
        floor.from(operator, one_more),
        ["KillSwitch: KillSwitchTableFull"]
    );
    // Sessions, accounts and everyone need no room.
    let own = switch(Scope::Session, 0, true);
    assert_eq!(floor.says(0, own), ["s0 r1 mass canceled 0 of request 5"]);
    for (scope, target) in [(Scope::Account, 1), (Scope::Everyone, 0)] {
        let said = floor.from(operator, switch(scope, target, true));
        assert_eq!(said, ["KillSwitch: None"]);
    }
    // One that is on already needs no room.
    let again = switch(Scope::Firm, most, true);
    assert_eq!(floor.from(operator, again), ["KillSwitch: None"]);
    floor.from(operator, switch(Scope::Firm, 1, false));
    assert_eq!(floor.from(operator, one_more), ["KillSwitch: None"]);
}

/// Whatever else is refused, cancels of many are not.
#[test]
fn cancels_of_many_work_after_a_recovery() {
    let mut floor = Floor::new(&world());
    floor.says(0, buy(1, 1, 10));
    floor.from(Source::SEQUENCER, recovered(1, 1_000));
    assert_eq!(
        floor.says(0, switch(Scope::Session, 0, true)),
        [
            "s0 r2 canceled o0.1 1: KillSwitch",
            "f4 delete o0.1",
            "s0 r3 mass canceled 1 of request 5",
        ]
    );
}

#[test]
fn a_part_is_cancelled_and_the_place_kept() {
    let part = |qty| {
        Command::CancelOrder(CancelOrder {
            order_id: OrderId::NONE,
            client_order_id: ClientOrderId(1),
            qty: Qty(qty),
        })
    };
    let mut floor = Floor::new(&world());
    floor.says(0, buy(1, 9, 10));
    floor.says(1, sell(1, 2, 10));
    assert_eq!(
        floor.says(0, part(3)),
        [
            "s0 r3 amended o0.1 6@10 leaves 4 keeps Yes",
            "f4 reduce o0.1 to 4"
        ]
    );
    assert_eq!(floor.funds(0), [(10_002, 0), (9_940, 40)]);
    assert_eq!(
        floor.says(0, part(4)),
        ["s0 r4 canceled o0.1 4: Requested", "f5 delete o0.1"]
    );
}

#[test]
fn a_replaced_order_goes_by_its_new_name() {
    let replace = |client, qty, name| {
        Command::AmendOrder(AmendOrder {
            order_id: OrderId::NONE,
            client_order_id: ClientOrderId(client),
            price: Price(10),
            qty: Qty(qty),
            new_client_order_id: ClientOrderId(name),
        })
    };
    let mut floor = Floor::new(&world());
    floor.says(0, buy(1, 5, 10));
    floor.says(0, buy(2, 5, 10));
    assert_eq!(
        floor.says(0, replace(1, 5, 2)),
        ["s0 r3 rejected AmendOrder o0.0 c1: DuplicateClientOrderId"]
    );
    let source = Source::of_session(SessionId(0));
    let events = floor.pair.next(source, replace(1, 6, 3));
    assert!(
        matches!(events[..], [Event::Amended(e), Event::BookReplace(_)] if e.client_order_id.0 == 3),
        "{events:?}"
    );
    // The old name is free, the new one taken.
    assert!(floor.says(0, buy(3, 1, 10))[0].contains("DuplicateClientOrderId"));
    assert!(floor.says(0, buy(1, 1, 10))[0].contains("accepted"));
    // Its own name is no other's, and what ends ends by the name that it had.
    assert_eq!(floor.says(0, replace(3, 6, 3)).len(), 1);
    let events = floor.pair.next(source, replace(3, 0, 4));
    assert!(
        matches!(events[0], Event::Canceled(e)
            if (e.client_order_id.0, e.reason) == (3, Reason::AmendedToFilled)),
        "{events:?}"
    );
}
