//! Quotes and what protects them: strategies, what can be known of them, and by example what a stream hardly comes to.

use crate::{
    observer::ensure,
    pair::{Difference, Pair},
    stream::{Number, Step, Ticks},
    world::{Terms, World},
};
use domain::{
    Amount, ClientOrderId, Command, Event, Flag, MAX_QUOTED_OF_ACCOUNT, MarketId, MarketState,
    OrderId, Price, Qty, Quote, Reason, Request, SessionId, SetProtection, Side, Source,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Few, so that quotes meet each other and those who take them.
fn sessions() -> impl Strategy<Value = u32> {
    prop_oneof![12 => 0..2_u32, 3 => 2..6_u32]
}

fn markets() -> impl Strategy<Value = u32> {
    prop_oneof![12 => Just(0_u32), 6 => Just(1), 1 => 2..5_u32]
}

fn numbers() -> impl Strategy<Value = Number> {
    prop_oneof![200 => Just(Number::Next), 5 => Just(Number::Skip(2)), 1 => Just(Number::Again)]
}

/// Bid and ask, mostly apart from each other.
fn prices() -> impl Strategy<Value = [Ticks; 2]> {
    let near = (0..5_i64, 1..4_i64).prop_map(|(bid, wide)| [bid, bid + wide].map(Ticks::Above));
    let wide = (0..500_i64, 500..=1_000_i64).prop_map(|(bid, ask)| [bid, ask].map(Ticks::Within));
    let any = || {
        prop_oneof![
            6 => (0..8_i64).prop_map(Ticks::Above),
            1 => (-2..24_i64).prop_map(Ticks::Above),
            1 => prop_oneof![Just(0), Just(i64::MIN), Just(i64::MAX)].prop_map(Ticks::Exactly),
        ]
    };
    prop_oneof![16 => near, 3 => wide, 2 => [any(), any()]]
}

fn quantities() -> impl Strategy<Value = u64> {
    prop_oneof![
        24 => 1..12_u64,
        4 => 20..80_u64,
        5 => Just(0),
        1 => prop_oneof![Just(u64::MAX), Just(u64::MAX / 2), Just(1 << 40)],
    ]
}

pub(crate) fn quotes() -> impl Strategy<Value = Step> {
    let slides = prop_oneof![1 => Just(Flag::No), 1 => Just(Flag::Yes)];
    let ids = prop_oneof![30 => 1..30_u64, 1 => Just(0)];
    let lots = prop_oneof![12 => (quantities(), quantities()), 1 => Just((0, 0))];
    let place = (sessions(), numbers(), markets());
    (place, ids, slides, prices(), lots).prop_map(
        |((session, number, market), id, slide, prices, (bid, ask))| Step::Quote {
            session,
            number,
            command: Quote {
                quote_id: ClientOrderId(id),
                bid_qty: Qty(bid),
                ask_qty: Qty(ask),
                market: MarketId(market),
                slide,
                ..Quote::PULL
            },
            prices,
        },
    )
}

/// Mostly reached by what a few orders take.
pub(crate) fn protections() -> impl Strategy<Value = Step> {
    // Most are so short that trades come in the very nanosecond in which one ends.
    let windows = prop_oneof![
        1 => Just(0_u64), 8 => 1..7_u64, 4 => 7..40_u64, 2 => 40..400_u64, 2 => Just(u64::MAX),
    ];
    let lots = prop_oneof![3 => Just(0_u64), 3 => 1..20_u64];
    let notionals = prop_oneof![4 => Just(0_u64), 2 => 1..2_000_u64, 1 => (1 << 40)..(1_u64 << 50)];
    let fills = prop_oneof![3 => Just(0_u32), 4 => 1..5_u32];
    let limits = (windows, lots, notionals, fills);
    let limits = prop_oneof![9 => limits, 1 => Just((0, 0, 0, 0))];
    (sessions(), numbers(), markets(), limits, 0..9_u64).prop_map(
        |(session, number, market, (window, lots, notional, fills), request)| Step::Other {
            source: Source::of_session(SessionId(session)),
            number,
            command: Command::SetProtection(SetProtection {
                request,
                window,
                max_qty: Qty(lots),
                max_notional: Amount(notional),
                max_fills: fills,
                market: MarketId(market),
            }),
        },
    )
}

/// Commands of a session that no other source may send.
pub(crate) fn misplaced() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Quote(Quote::PULL)),
        Just(Command::SetProtection(SetProtection::OFF)),
    ]
}

/// What can be known of quotes from commands and events.
#[derive(Default)]
pub(crate) struct Quoted {
    /// The live sides of quotes.
    live: BTreeMap<OrderId, (SessionId, MarketId, Side)>,
    /// Whose protection was reached last in the frame, and where.
    protected: Option<(SessionId, MarketId)>,
}

impl Quoted {
    pub(crate) fn observe(
        &mut self,
        request: &Request,
        events: &[Event],
    ) -> Result<(), Difference> {
        self.protected = None;
        for event in events {
            self.follow(event)?;
        }
        self.check_nothing_is_left()?;
        let trades = events.iter().any(|e| matches!(e, Event::Trade(_)));
        let is_quote = matches!(request.command, Command::Quote(_));
        ensure(!is_quote || !trades && events.len() <= 5, || {
            format!("of a quote: {events:?}")
        })
    }

    /// A session has one bid and one ask in a market, and none that its protection has ended.
    fn follow(&mut self, event: &Event) -> Result<(), Difference> {
        match event {
            Event::Accepted(e) if e.quote.is_yes() => {
                let quote = (e.session, e.market, e.side);
                let before = self.live.values().any(|other| *other == quote);
                ensure(!before, || format!("quoted twice: {event:?}"))?;
                self.live.insert(e.order_id, quote);
            }
            Event::ProtectionReached(e) => self.protected = Some((e.session, e.market)),
            Event::Canceled(e) => {
                let gone = self.live.remove(&e.order_id);
                let whose = gone.map(|(session, market, _)| (session, market));
                let fits =
                    e.reason != Reason::Protection || whose.is_some() && whose == self.protected;
                ensure(fits, || format!("{:?} ended: {event:?}", self.protected))?;
            }
            Event::Fill(e) if e.leaves == Qty::ZERO => {
                self.live.remove(&e.order_id);
            }
            Event::Trade(_) => self.check_nothing_is_left()?,
            Event::Rejected(_)
            | Event::Accepted(_)
            | Event::Fill(_)
            | Event::Amended(_)
            | Event::NotApplied(_)
            | Event::SelfTradePrevented(_)
            | Event::MassCanceled(_)
            | Event::Triggered(_)
            | Event::ProtectionSet(_)
            | Event::AttestationNoted(_)
            | Event::BookAdd(_)
            | Event::BookReduce(_)
            | Event::BookDelete(_)
            | Event::BookReplace(_)
            | Event::PhaseChanged(_)
            | Event::MarketDefined(_)
            | Event::MarketStateChanged(_)
            | Event::Uncrossed(_)
            | Event::Outcome(_)
            | Event::StateHash(_) => {}
        }
        Ok(())
    }

    fn check_nothing_is_left(&self) -> Result<(), Difference> {
        let is_left = |(session, market, _): &(SessionId, MarketId, Side)| {
            self.protected == Some((*session, *market))
        };
        let left = self.live.values().any(is_left);
        ensure(!left, || format!("still quoted: {:?}", self.protected))
    }
}

/// As many markets as an account may quote, and one more; sessions 0 and 2 are of one account.
fn wide_world() -> World {
    let plain = World::plain(10_000);
    let terms = Terms {
        price_levels: 2,
        state: MarketState::Continuous,
        ..plain.markets[0]
    };
    let markets = MAX_QUOTED_OF_ACCOUNT + 1;
    World {
        genesis: domain::Genesis {
            max_markets: markets,
            max_levels: 2 * markets,
            max_pages: 2 * markets,
            max_orders: 1_000,
            ..plain.genesis
        },
        markets: vec![terms; markets as usize],
        sessions: vec![0, 1, 0],
        ..plain
    }
}

fn bid(market: u32) -> Command {
    Command::Quote(Quote {
        quote_id: ClientOrderId(1),
        bid_price: Price(1),
        bid_qty: Qty(1),
        market: MarketId(market),
        ..Quote::PULL
    })
}

fn protection(market: u32) -> Command {
    Command::SetProtection(SetProtection {
        window: 1,
        max_fills: 1,
        market: MarketId(market),
        ..SetProtection::OFF
    })
}

#[test]
fn an_account_quotes_so_many_markets_and_others_as_many() {
    let mut pair = Pair::new();
    wide_world().set_up(&mut pair).expect("the twins agree");
    let mut says = |session: u32, command| {
        let source = Source::of_session(SessionId(session));
        match pair.next(source, command)[..] {
            [Event::Rejected(rejected)] => Some(rejected.reason),
            _ => None,
        }
    };
    let last = MAX_QUOTED_OF_ACCOUNT;
    for market in 0..last {
        let command = if market.is_multiple_of(3) {
            protection(market)
        } else {
            bid(market)
        };
        let session = 2 * (market % 2);
        assert_eq!(says(session, command), None, "market {market}");
    }
    let full = Some(Reason::QuoteTableFull);
    assert_eq!(says(0, bid(last)), full);
    assert_eq!(says(0, protection(last)), full);
    assert_eq!(says(2, bid(0)), full, "of the other session");
    assert_eq!(says(0, bid(0)), None, "it has an entry");
    assert_eq!(says(1, bid(last)), None, "another account has room");
    let pull = Command::Quote(Quote {
        market: MarketId(1),
        ..Quote::PULL
    });
    assert_eq!(says(2, pull), None);
    assert_eq!(says(0, bid(last)), None, "there is room again");
}
