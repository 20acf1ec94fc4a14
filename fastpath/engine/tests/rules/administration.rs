//! Genesis, assets, markets, accounts, sessions, deposits; recovery, timers, versions.

use crate::exchange::*;
use domain::*;

#[test]
fn before_genesis_nothing_can_be_made() {
    let mut x = Exchange::blank();
    for command in [
        asset(0),
        Command::CreateMarket(fee_market()),
        account(0),
        session(0, 0),
        deposit(0, BASE, 1),
    ] {
        assert_eq!(x.admin(command), Reason::NotInitialised);
    }
    let order = Command::NewOrder(limit(1, PLAIN, Side::Buy, 1, 1));
    let events = x.apply(Source::GATEWAY, order);
    assert_eq!(
        outcome(&events, CommandKind::NewOrder),
        Reason::UnknownSession
    );
    let recovered = Recovered {
        epoch: 3,
        pad: [Zero::Zero; 4],
        grace: Nanos(0),
    };
    assert_eq!(x.admin(Command::Recovered(recovered)), Reason::None);
    assert_eq!(x.engine.epoch(), 3);
    assert!(matches!(
        x.sequencer(checkpoint())[..],
        [Event::StateHash(_)]
    ));
    assert_eq!(x.admin(Command::Genesis(GENESIS)), Reason::None);
}

fn checkpoint() -> Command {
    Command::Checkpoint(Checkpoint { interval: 1 })
}

#[test]
fn there_is_one_genesis_and_its_capacities_are_within_limits() {
    let mut x = Exchange::blank();
    for bad in [
        Genesis {
            max_assets: 0,
            ..GENESIS
        },
        Genesis {
            max_levels: 0,
            ..GENESIS
        },
        Genesis {
            max_pages: 0,
            ..GENESIS
        },
        Genesis {
            max_orders: OrderId::MAX_SLOTS + 1,
            ..GENESIS
        },
        Genesis {
            max_accounts: u32::MAX,
            max_assets: u32::MAX,
            ..GENESIS
        },
    ] {
        assert_eq!(x.admin(Command::Genesis(bad)), Reason::InvalidParameter);
    }
    assert_eq!(x.admin(Command::Genesis(GENESIS)), Reason::None);
    assert_eq!(
        x.admin(Command::Genesis(GENESIS)),
        Reason::AlreadyInitialised
    );
    let bad = Genesis {
        max_orders: 0,
        ..GENESIS
    };
    assert_eq!(x.admin(Command::Genesis(bad)), Reason::AlreadyInitialised);
}

#[test]
fn ids_are_used_once_and_below_the_capacity() {
    let mut x = Exchange::new();
    for command in [
        asset(1),
        asset(3),
        asset(u32::MAX),
        account(1),
        account(3),
        session(2, 0),
        session(4, 0),
        Command::CreateMarket(fee_market()),
        Command::CreateMarket(CreateMarket {
            market: MarketId(3),
            ..fee_market()
        }),
    ] {
        assert_eq!(x.admin(command), Reason::InvalidId, "{command:?}");
    }
    assert_eq!(x.admin(session(3, 2)), Reason::UnknownReference);
    assert_eq!(x.admin(session(3, u32::MAX)), Reason::UnknownReference);
    for command in [asset(2), account(2), session(3, 2)] {
        assert_eq!(x.admin(command), Reason::None);
    }
    assert_eq!(
        x.engine.session_ids().map(|id| id.0).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert_eq!(x.engine.session_count(), 4);
    assert_eq!(x.engine.market_ids().collect::<Vec<_>>(), [FEES, PLAIN]);
    assert_eq!(
        x.engine.balance(AccountId(2), AssetId(2)),
        Some((Amount(0), Amount(0)))
    );
    assert_eq!(x.engine.balance(AccountId(3), AssetId(2)), None);
    assert_eq!(x.engine.balance(AccountId(2), AssetId(3)), None);
    assert_eq!(x.engine.session(SessionId(4)), None);
}

#[test]
fn decimals_are_at_most_18() {
    let mut x = Exchange::new();
    let Command::CreateAsset(terms) = asset(2) else {
        unreachable!()
    };
    let too_many = CreateAsset {
        decimals: 19,
        ..terms
    };
    assert_eq!(
        x.admin(Command::CreateAsset(too_many)),
        Reason::InvalidParameter
    );
    let most = CreateAsset {
        decimals: 18,
        ..terms
    };
    assert_eq!(x.admin(Command::CreateAsset(most)), Reason::None);
}

/// Ten levels are left for it.
fn third_market() -> CreateMarket {
    with(fee_market(), |terms| {
        terms.market = MarketId(2);
        terms.price_levels = 10;
    })
}

fn refused_market(reason: Reason, change: fn(&mut CreateMarket)) {
    let terms = with(third_market(), change);
    let mut x = Exchange::new();
    assert_eq!(x.admin(Command::CreateMarket(terms)), reason, "{terms:?}");
}

#[test]
fn a_markets_parameters_are_checked_in_order() {
    let reason = Reason::UnknownReference;
    refused_market(reason, |terms| terms.quote = AssetId(u32::MAX));
    refused_market(reason, |terms| {
        terms.base = AssetId(2);
        terms.price_levels = 0;
    });
    let reason = Reason::InvalidParameter;
    refused_market(reason, |terms| terms.base = QUOTE);
    refused_market(reason, |terms| terms.maker_fee_ppm = 1_000_001);
    refused_market(reason, |terms| terms.taker_fee_ppm = u32::MAX);
    refused_market(reason, |terms| terms.price_levels = 0);
    refused_market(reason, |terms| terms.tick_value = 0);
    refused_market(reason, |terms| terms.lot_size = 0);
    refused_market(reason, |terms| terms.min_qty = Qty(0));
    refused_market(reason, |terms| terms.price_min = Price(0));
    refused_market(reason, |terms| terms.price_min = Price(i64::MIN));
    refused_market(reason, |terms| terms.price_min = Price(i64::MAX - 9));
    refused_market(reason, |terms| {
        terms.tick_value = 0;
        terms.price_levels = 11;
    });
    let reason = Reason::LevelTableFull;
    refused_market(reason, |terms| terms.price_levels = 11);
    refused_market(reason, |terms| terms.price_levels = u32::MAX);
    refused_market(Reason::None, |terms| terms.maker_fee_ppm = 1_000_000);
}

#[test]
fn the_highest_price_of_all_is_a_price() {
    let mut x = Exchange::new();
    let terms = with(third_market(), |terms| {
        terms.price_min = Price(i64::MAX - 10);
        terms.maker_fee_ppm = 0;
        terms.taker_fee_ppm = 0;
        terms.tick_value = 1;
        terms.lot_size = u64::MAX;
        terms.min_qty = Qty(1);
    });
    assert_eq!(x.admin(Command::CreateMarket(terms)), Reason::None);
    assert_eq!(x.engine.market_terms(MarketId(2)), Some(&terms));
    x.fund(0, QUOTE, u64::MAX - 2 * START);
    x.rest(0, limit(1, MarketId(2), Side::Buy, i64::MAX - 1, 1));
    assert_eq!(x.engine.best_bid(MarketId(2)), Some(Price(i64::MAX - 1)));
    let events = x.enter(0, market(2, MarketId(2), Side::Buy, 1));
    assert_eq!(canceled(&events), Some((Reason::Unfilled, 1)));
}

#[test]
fn deposits_are_credited_within_the_supply() {
    let mut x = Exchange::new();
    assert_eq!(x.balance(0, BASE), (START, 0));
    for (command, reason) in [
        (deposit(2, BASE, 1), Reason::UnknownReference),
        (deposit(u32::MAX, BASE, 1), Reason::UnknownReference),
        (deposit(0, AssetId(2), 1), Reason::UnknownReference),
        (deposit(0, AssetId(3), 0), Reason::UnknownReference),
        (deposit(0, BASE, 0), Reason::InvalidParameter),
        (
            deposit(0, BASE, u64::MAX - 2 * START + 1),
            Reason::SupplyTooLarge,
        ),
        (deposit(0, BASE, u64::MAX - 2 * START), Reason::None),
        (deposit(0, BASE, 1), Reason::SupplyTooLarge),
    ] {
        assert_eq!(x.admin(command), reason, "{command:?}");
    }
    assert_eq!(x.engine.asset(BASE), Some((Amount(u64::MAX), Amount(0))));
    assert_eq!(x.balance(0, BASE), (u64::MAX - START, 0));
}

fn phases(events: &[Event]) -> Vec<Phase> {
    let phase = |event: &Event| match event {
        Event::PhaseChanged(changed) => Some(changed.phase),
        _ => None,
    };
    events.iter().filter_map(phase).collect()
}

fn recover(x: &mut Exchange, epoch: u32, grace: u64) -> (Vec<Phase>, Reason) {
    let events = x.sequencer(Command::Recovered(Recovered {
        epoch,
        pad: [Zero::Zero; 4],
        grace: Nanos(grace),
    }));
    let Some(Event::Outcome(outcome)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(events.len(), phases(&events).len() + 1);
    (phases(&events), outcome.reason)
}

fn timer(x: &mut Exchange) -> Vec<Phase> {
    let events = x.sequencer(Command::Timer(Timer {
        deadline: Nanos(u64::MAX),
    }));
    assert!(
        matches!(events.last(), Some(Event::Outcome(outcome)) if outcome.reason == Reason::None)
    );
    phases(&events)
}

#[test]
fn a_recovery_opens_cancel_only_until_its_grace_ends() {
    let mut x = Exchange::new();
    assert_eq!(x.engine.next_deadline(), None);
    assert_eq!(
        recover(&mut x, 1, 3),
        (vec![Phase::CancelOnly], Reason::None)
    );
    let until = Nanos(x.seq + 3);
    assert_eq!((x.engine.epoch(), x.engine.phase()), (1, Phase::CancelOnly));
    assert_eq!(x.engine.next_deadline(), Some(until));
    assert!(timer(&mut x).is_empty());
    assert!(timer(&mut x).is_empty());
    assert_eq!(timer(&mut x), [Phase::Open]);
    assert_eq!(x.engine.now(), until);
    assert_eq!(x.engine.next_deadline(), None);
    assert!(timer(&mut x).is_empty());
}

#[test]
fn a_later_recovery_replaces_the_grace_or_ends_it() {
    let mut x = Exchange::new();
    assert_eq!(recover(&mut x, 0, 0), (vec![], Reason::None));
    assert_eq!(
        recover(&mut x, 5, u64::MAX),
        (vec![Phase::CancelOnly], Reason::None)
    );
    assert_eq!(x.engine.next_deadline(), Some(Nanos(u64::MAX)));
    assert_eq!(
        recover(&mut x, 5, 10),
        (vec![Phase::CancelOnly], Reason::None)
    );
    assert_eq!(x.engine.next_deadline(), Some(Nanos(x.seq + 10)));
    assert_eq!(recover(&mut x, 4, 0), (vec![], Reason::InvalidParameter));
    assert_eq!((x.engine.epoch(), x.engine.phase()), (5, Phase::CancelOnly));
    assert_eq!(recover(&mut x, 6, 0), (vec![Phase::Open], Reason::None));
    assert_eq!(x.engine.next_deadline(), None);
}

#[test]
fn only_version_1_is_known() {
    let mut x = Exchange::new();
    for (version, reason) in [
        (0, Reason::UnsupportedEngineVersion),
        (1, Reason::None),
        (2, Reason::UnsupportedEngineVersion),
    ] {
        let command = EngineVersion {
            version,
            pad: [Zero::Zero; 6],
        };
        assert_eq!(x.admin(Command::EngineVersion(command)), reason);
        assert_eq!(x.engine.version(), 1);
    }
}

#[test]
fn sessions_trade_and_nothing_else_and_nobody_else_does() {
    let mut x = Exchange::new();
    for command in [
        asset(2),
        account(2),
        deposit(0, BASE, 1),
        checkpoint(),
        Command::Genesis(GENESIS),
    ] {
        let events = x.send(0, command);
        let [Event::Rejected(rejected)] = events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(
            (rejected.reason, rejected.command),
            (Reason::UnknownSession, command.kind())
        );
        assert_eq!(
            (rejected.order_id, rejected.client_order_id),
            (OrderId::NONE, ClientOrderId(0))
        );
    }
    assert_eq!(x.admin(asset(2)), Reason::None);
    let named = CancelOrder {
        order_id: OrderId(1),
        client_order_id: ClientOrderId(1),
        qty: Qty::ZERO,
    };
    assert_eq!(x.admin(Command::CancelOrder(named)), Reason::UnknownSession);
    assert_eq!(x.live_after_admin_order(), 0);
}

impl Exchange {
    fn live_after_admin_order(&mut self) -> usize {
        let order = Command::NewOrder(limit(1, PLAIN, Side::Buy, 1, 1));
        assert_eq!(self.admin(order), Reason::UnknownSession);
        self.engine.live_orders()
    }
}
