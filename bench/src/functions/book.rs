//! A warm book: an engine with 10,000 orders of four sessions, and the numbers to go on with.

use domain::{
    ClientOrderId, Command, Effects, Genesis, MarketId, Nanos, NewOrder, OrderType, Price, Qty,
    Request, Seq, SessionId, Side, Source, Stamp, TimeInForce, Zero,
};
use engine::Engine;

use crate::load::flow::{Flow, Place};
use crate::stage;

/// Orders that rest.
pub(super) const RESTING: usize = 10_000;
/// The price around which they do.
pub(super) const MIDDLE: i64 = 30_000;
const SESSIONS: u32 = 4;
const FUNDS: u64 = 1 << 56;
const PLACE: Place = Place {
    market: MarketId(0),
    middle: MIDDLE,
};

pub(super) struct Book {
    pub(super) engine: Engine,
    pub(super) effects: Effects,
    seq: u64,
    next_client_id: u64,
    turn: u32,
}

impl Book {
    /// With its orders.
    pub(super) fn filled() -> Self {
        let mut book = Self::empty();
        let mut flow = Flow::new(PLACE, RESTING, 1, 1);
        while let Some(order) = flow.prefill() {
            book.turn = (book.turn + 1) % SESSIONS;
            let request = book.request(Command::NewOrder(order));
            book.apply(&request);
        }
        book.next_client_id = RESTING as u64 + 1;
        assert_eq!(book.engine.live_orders(), RESTING, "every order rests");
        book
    }

    fn empty() -> Self {
        let mut book = Self {
            engine: Engine::new(),
            effects: Effects::new(),
            seq: 0,
            next_client_id: 1,
            turn: 0,
        };
        for (source, command) in commands() {
            let request = book.request_of(source, command);
            book.apply(&request);
        }
        book
    }

    /// The next request of the session whose turn it is.
    pub(super) fn request(&self, command: Command) -> Request {
        self.request_of(Source::of_session(self.session()), command)
    }

    /// So many requests of the sessions in turn, as `make` makes them.
    pub(super) fn requests(
        &mut self,
        count: u64,
        make: impl FnMut(&mut Self) -> Command,
    ) -> Vec<Request> {
        let first = self.turn;
        let owners = (1..=count)
            .map(|n| 1 + u32::try_from((u64::from(first) + n) % u64::from(SESSIONS)).unwrap_or(0));
        self.requests_of(owners, make)
    }

    /// Requests of these sessions, with consecutive numbers of each.
    pub(super) fn requests_of(
        &mut self,
        owners: impl Iterator<Item = u32>,
        mut make: impl FnMut(&mut Self) -> Command,
    ) -> Vec<Request> {
        let mut numbers = [0; SESSIONS as usize];
        let mut requests = Vec::new();
        for owner in owners {
            self.turn = owner - 1;
            let turn = self.turn as usize;
            let command = make(self);
            let mut request = self.request(command);
            request.source_seq += numbers[turn];
            numbers[turn] += 1;
            requests.push(request);
        }
        requests
    }

    /// So many times what the sequencer sends, with consecutive numbers.
    pub(super) fn checkpoints(&self, count: u64, command: Command) -> Vec<Request> {
        let first = self.request_of(Source::SEQUENCER, command);
        let numbers = (0..count).map(|n| first.source_seq + n);
        numbers
            .map(|source_seq| Request {
                source_seq,
                ..first
            })
            .collect()
    }

    fn request_of(&self, source: Source, command: Command) -> Request {
        Request {
            source,
            source_seq: self.engine.last_number(source) + 1,
            receive_time: Nanos(self.seq),
            command,
        }
    }

    /// The session whose turn it is.
    pub(super) fn session(&self) -> SessionId {
        SessionId(1 + self.turn)
    }

    /// A client order id that nobody has used.
    pub(super) fn client_id(&mut self) -> ClientOrderId {
        self.next_client_id += 1;
        ClientOrderId(self.next_client_id)
    }

    /// Applies a request; gives the words of what it caused.
    #[inline]
    pub(super) fn apply(&mut self, request: &Request) -> u64 {
        self.seq += 1;
        let stamp = Stamp {
            seq: Seq(self.seq),
            time: Nanos(self.seq),
        };
        self.engine.apply(stamp, request, &mut self.effects);
        self.effects.words().len() as u64
    }

    /// A limit order.
    pub(super) fn order(&mut self, side: Side, price: i64, time_in_force: TimeInForce) -> NewOrder {
        NewOrder {
            client_order_id: self.client_id(),
            price: Price(price),
            qty: Qty(1),
            market: PLACE.market,
            side,
            order_type: OrderType::Limit,
            time_in_force,
            ..NewOrder::PLAIN
        }
    }
}

fn commands() -> impl Iterator<Item = (Source, Command)> {
    let genesis = Command::Genesis(Genesis {
        max_assets: 2,
        max_markets: 1,
        max_accounts: SESSIONS + 1,
        max_sessions: SESSIONS + 1,
        max_orders: 1 << 17,
        max_levels: 65_536,
        max_pages: Genesis::enough_pages(1 << 17, 1, 65_536),
        pad: [Zero::Zero; 4],
    });
    let market = stage::market(PLACE.market, 65_536, 10, 1_000_000);
    let accounts = (1..=SESSIONS).flat_map(|id| {
        [stage::account(id), stage::session(id)].map(|command| (Source::ADMINISTRATION, command))
    });
    let deposits = (0..2 * SESSIONS).map(|number| {
        let deposit = stage::deposit(1 + number / 2, number % 2, FUNDS);
        (Source::DEPOSITS, deposit)
    });
    let recovered = stage::recovered();
    [genesis, stage::asset(0), stage::asset(1), market]
        .into_iter()
        .map(|command| (Source::ADMINISTRATION, command))
        .chain(accounts)
        .chain(deposits)
        .chain([(Source::SEQUENCER, recovered)])
}
