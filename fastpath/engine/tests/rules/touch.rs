//! Reading ahead: whatever requests say, it takes them all, below and above the size from which it reads.

use crate::exchange::*;
use domain::*;

/// More than [`Engine::touch`](engine::Engine::touch) leaves alone.
const MANY: u64 = 33_000;

fn from(source: Source, command: Command) -> Request {
    Request {
        source,
        source_seq: 0,
        receive_time: Nanos(0),
        command,
    }
}

/// Of every source, with every market, price and order that there is or is not.
fn requests() -> Vec<Request> {
    let sources = [0, 1, 3, 9, (1 << 31) - 1].map(|n| Source::of_session(SessionId(n)));
    let sources = sources.into_iter().chain([Source::GATEWAY, Source(7)]);
    let mut commands = Vec::new();
    for market in [PLAIN, FEES, MarketId(2), MarketId::ANY] {
        for price in [i64::MIN, -1, 0, 1, 100, 200, 201, i64::MAX] {
            let order = |side| Command::NewOrder(limit(u64::MAX, market, side, price, 1));
            commands.extend([order(Side::Buy), order(Side::Sell)]);
        }
    }
    let first = OrderId::first(0);
    let ids = [
        first,
        OrderId::first(1),
        OrderId::first(OrderId::MAX_SLOTS - 1),
    ];
    let others = [
        OrderId::NONE,
        OrderId(1),
        OrderId(u64::MAX),
        OrderId(first.0 << 1),
    ];
    for order_id in ids.into_iter().chain(others) {
        commands.push(Command::CancelOrder(CancelOrder {
            order_id,
            client_order_id: ClientOrderId(1),
            qty: Qty(0),
        }));
        commands.push(Command::AmendOrder(AmendOrder {
            order_id,
            client_order_id: ClientOrderId(1),
            price: Price(i64::MAX),
            qty: Qty(u64::MAX),
            new_client_order_id: ClientOrderId(0),
        }));
    }
    commands.push(Command::MassCancel(MassCancel::OWN));
    sources
        .flat_map(|source| commands.iter().map(move |&command| from(source, command)))
        .collect()
}

#[test]
fn any_requests_can_be_read_ahead() {
    let genesis = with(GENESIS, |genesis| genesis.max_orders = 40_000);
    let mut exchange = Exchange::unfunded(genesis);
    exchange.engine.touch(&requests());
    exchange.fund(0, QUOTE, 1 << 40);
    for number in 1..=MANY {
        let price = 1 + i64::try_from(number % 50).unwrap();
        let order = limit(number, PLAIN, Side::Buy, price, 1);
        let request = Request {
            source_seq: number,
            ..from(Source::of_session(SessionId(0)), Command::NewOrder(order))
        };
        let stamp = Stamp {
            seq: Seq(100 + number),
            time: Nanos(100 + number),
        };
        exchange.engine.apply(stamp, &request, &mut exchange.out);
    }
    assert_eq!(
        exchange.engine.live_orders(),
        usize::try_from(MANY).unwrap()
    );
    let before = exchange.engine.state_hash();
    exchange.engine.touch(&requests());
    exchange.engine.touch(&[]);
    assert_eq!(exchange.engine.state_hash(), before);
    exchange.engine.check_invariants().unwrap();
}
