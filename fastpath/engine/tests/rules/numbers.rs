//! The numbers of sources, reports, feed and trades; engine time.

use crate::exchange::*;
use domain::*;

const SESSION: Source = Source(1 << 31);

#[test]
fn numbers_only_rise_and_deposits_leave_no_gap() {
    let mut x = Exchange::new();
    for source in [
        Source::SEQUENCER,
        Source::ADMINISTRATION,
        Source::GATEWAY,
        SESSION,
    ] {
        let last = x.engine.last_number(source);
        assert!(!x.engine.admits(source, last), "{source}");
        assert!(x.engine.admits(source, last + 1));
        assert!(x.engine.admits(source, u64::MAX));
    }
    let last = x.engine.last_number(Source::DEPOSITS);
    assert_eq!(last, 4);
    assert!(!x.engine.admits(Source::DEPOSITS, last));
    assert!(x.engine.admits(Source::DEPOSITS, last + 1));
    assert!(!x.engine.admits(Source::DEPOSITS, last + 2));
    for unknown in [
        Source(4),
        Source((1 << 31) - 1),
        Source((1 << 31) + 3),
        Source(u32::MAX),
    ] {
        assert!(!x.engine.admits(unknown, 1), "{unknown}");
        assert_eq!(x.engine.last_number(unknown), 0);
    }
    assert!(!Exchange::blank().engine.admits(SESSION, 1));
    x.apply_numbered(
        SESSION,
        u64::MAX,
        Command::NewOrder(limit(1, PLAIN, Side::Buy, 1, 1)),
    );
    assert!(!x.engine.admits(SESSION, u64::MAX));
}

#[test]
fn skipped_numbers_of_a_session_are_reported_first() {
    let mut x = Exchange::new();
    let order = Command::NewOrder(limit(1, PLAIN, Side::Buy, 1, 1));
    let events = x.apply_numbered(SESSION, 5, order);
    assert_eq!(
        events[0],
        Event::NotApplied(NotApplied {
            kind: EventKind::NotApplied,
            pad: [Zero::Zero; 3],
            session: SessionId(0),
            report_no: 1,
            from: 1,
            count: 4,
        })
    );
    assert!(matches!(events[1], Event::Accepted(accepted) if accepted.report_no == 2));
    let next = x.apply_numbered(
        SESSION,
        6,
        Command::NewOrder(limit(2, PLAIN, Side::Buy, 1, 1)),
    );
    assert!(matches!(next[0], Event::Accepted(accepted) if accepted.report_no == 3));
    let skipped = x.apply_numbered(Source::GATEWAY, 9, asset(2));
    assert_eq!(outcome(&skipped, CommandKind::CreateAsset), Reason::None);
}

#[test]
fn a_refused_command_uses_its_number() {
    let mut x = Exchange::new();
    assert_eq!(x.admin(deposit(9, BASE, 1)), Reason::UnknownReference);
    assert_eq!(x.engine.last_number(Source::DEPOSITS), 5);
    x.rejection(0, limit(0, PLAIN, Side::Buy, 1, 1));
    assert_eq!(x.engine.last_number(SESSION), 1);
}

#[test]
fn reports_count_per_session_and_the_feed_over_all_markets() {
    let mut x = Exchange::new();
    let mut reports = [0_u64; 3];
    // The feed has announced two markets.
    let (mut feed, mut trade_id) = (2, 0);
    let orders = (1..40).map(|client| {
        let (market, side) = (
            MarketId(client % 2),
            [Side::Buy, Side::Sell][(client / 2 % 2) as usize],
        );
        (
            client % 3,
            limit(
                u64::from(client),
                market,
                side,
                100,
                2 + u64::from(client % 5),
            ),
        )
    });
    for (session, order) in orders {
        for event in x.enter(session, order) {
            if let Some((session, no)) = event.report() {
                reports[session.0 as usize] += 1;
                assert_eq!(no, reports[session.0 as usize]);
            }
            if let Some(no) = event.feed_no() {
                feed += 1;
                assert_eq!(no, feed);
            }
            if let Event::Trade(trade) = event {
                trade_id += 1;
                assert_eq!(trade.trade_id, trade_id);
            }
        }
    }
    assert!(trade_id > 5);
    let view = x.engine.session(SessionId(2)).expect("exists");
    assert_eq!(view.next_report_no, reports[2] + 1);
    assert_eq!(
        (view.account, view.delegation.public_key, view.last_number),
        (AccountId(1), [2; 32], 13)
    );
}

#[test]
fn engine_time_never_goes_back() {
    let mut x = Exchange::new();
    let mut apply = |number, time| {
        let request = Request {
            source: Source::GATEWAY,
            source_seq: number,
            receive_time: Nanos(7),
            command: Command::Timer(Timer { deadline: Nanos(0) }),
        };
        let stamp = Stamp {
            seq: Seq(99),
            time: Nanos(time),
        };
        x.engine.apply(stamp, &request, &mut x.out);
        x.engine.now()
    };
    assert_eq!(apply(1, 500), Nanos(500));
    assert_eq!(apply(2, 400), Nanos(500));
    assert_eq!(apply(3, 501), Nanos(501));
}
