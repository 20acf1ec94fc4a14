//! Every short history of a small set of commands: no panic, all invariants, and every replay
//! gives the same.

use crate::exchange::*;
use domain::*;

/// What may happen next, for both sessions of two accounts with little money.
fn moves() -> Vec<(u32, Command)> {
    let mut moves = Vec::new();
    for (session, side, price) in [
        (0, Side::Buy, 101),
        (1, Side::Sell, 100),
        (1, Side::Sell, 101),
    ] {
        let order = limit(1, PLAIN, side, price, 3);
        moves.push((session, Command::NewOrder(order)));
        let other = NewOrder {
            client_order_id: ClientOrderId(2),
            qty: Qty(2),
            ..order
        };
        moves.push((session, Command::NewOrder(other)));
    }
    moves.push((0, Command::NewOrder(market(3, PLAIN, Side::Buy, 4))));
    moves.push((
        1,
        Command::NewOrder(fill_or_kill(limit(3, PLAIN, Side::Sell, 100, 4))),
    ));
    for session in [0, 1] {
        moves.push((
            session,
            Command::CancelOrder(CancelOrder {
                order_id: OrderId::NONE,
                client_order_id: ClientOrderId(1),
                qty: Qty::ZERO,
            }),
        ));
        for (price, qty) in [(101, 2), (100, 4)] {
            moves.push((
                session,
                Command::AmendOrder(AmendOrder {
                    order_id: OrderId::NONE,
                    client_order_id: ClientOrderId(1),
                    price: Price(price),
                    qty: Qty(qty),
                    new_client_order_id: ClientOrderId(0),
                }),
            ));
        }
    }
    moves
}

fn play(history: &[(u32, Command)]) -> (Vec<Event>, u64) {
    let genesis = Genesis {
        max_orders: 3,
        ..GENESIS
    };
    let mut x = Exchange::unfunded(genesis);
    x.fund(0, QUOTE, 520);
    x.fund(1, BASE, 6);
    let mut events = Vec::new();
    for &(session, command) in history {
        events.extend(x.send(session, command));
    }
    (events, x.engine.state_hash())
}

#[test]
fn every_history_of_four_commands_holds_the_invariants() {
    let moves = moves();
    let (mut traded, mut refused, mut histories) = (0, 0, 0);
    for &a in &moves {
        for &b in &moves {
            for &c in &moves {
                for &d in &moves {
                    let (events, _) = play(&[a, b, c, d]);
                    traded += trades(&events).len();
                    refused += events
                        .iter()
                        .filter(|event| matches!(event, Event::Rejected(_)))
                        .count();
                    histories += 1;
                }
            }
        }
    }
    assert_eq!(histories, moves.len().pow(4));
    assert!(
        traded > histories / 4 && refused > histories / 4,
        "{traded} {refused}"
    );
}

#[test]
fn a_history_replays_to_the_same_events_and_hash() {
    let moves = moves();
    for &a in &moves {
        for &b in &moves {
            let history = [a, b, moves[0], moves[2], a];
            assert_eq!(play(&history), play(&history));
        }
    }
}
