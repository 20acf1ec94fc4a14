//! What a scenario calls things, and their ids.

use domain::{ClientOrderId, Command, Event, OrderId, Reason, SessionId, Side};
use std::collections::BTreeMap;

/// Things of one kind: names and ids, oldest first. `#7` is the id 7, whether it has a name or not.
#[derive(Default)]
pub(crate) struct Register {
    entries: Vec<(String, u32)>,
}

impl Register {
    pub(crate) fn id(&self, name: &str) -> Option<u32> {
        let mut newest_first = self.entries.iter().rev();
        let known = newest_first.find(|(known, _)| known == name);
        let literal = || name.strip_prefix('#')?.parse().ok();
        known.map(|(_, id)| *id).or_else(literal)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(known, _)| known == name)
    }

    pub(crate) fn name(&self, id: u32) -> String {
        let known = self.entries.iter().find(|(_, known)| *known == id);
        known.map_or_else(|| format!("#{id}"), |(name, _)| name.clone())
    }

    /// The lowest id without a name.
    pub(crate) fn next(&self) -> u32 {
        let used = |id: &u32| self.entries.iter().any(|(_, known)| known == id);
        (0..).find(|id| !used(id)).expect("ids are never used up")
    }

    pub(crate) fn insert(&mut self, name: &str, id: u32) {
        self.entries.push((name.to_owned(), id));
    }

    /// The newest of this id was not made after all.
    fn forget(&mut self, id: u32) {
        let newest = self.entries.iter().rposition(|(_, known)| *known == id);
        newest.map(|at| self.entries.remove(at));
    }

    /// The one with the lowest id.
    pub(crate) fn first(&self) -> Option<u32> {
        self.entries.iter().map(|(_, id)| *id).min()
    }

    pub(crate) fn all(&self) -> String {
        let names: Vec<&str> = self.entries.iter().map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    }
}

/// Everything that has a name in a scenario.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) assets: Register,
    pub(crate) markets: Register,
    pub(crate) accounts: Register,
    pub(crate) sessions: Register,
    /// Client order ids, from [`FIRST_CLIENT_ID`] up, by first appearance.
    clients: Vec<String>,
    /// What orders were called when they were accepted, or replaced.
    orders: BTreeMap<OrderId, String>,
    /// The newest order of each name.
    newest: BTreeMap<String, OrderId>,
}

/// What the names of a quote's bid and of its ask end with.
const SIDES_OF_A_QUOTE: [&str; 2] = [".bid", ".ask"];

fn side_of_a_quote(side: Side) -> &'static str {
    let [bid, ask] = SIDES_OF_A_QUOTE;
    match side {
        Side::Buy => bid,
        Side::Sell => ask,
    }
}

/// Below it, `#7` and its like are free for who wants a certain id.
const FIRST_CLIENT_ID: u64 = 1_001;

impl Names {
    /// The client order id that a name stands for: the same in every session.
    pub(crate) fn client_order_id(&mut self, name: &str) -> ClientOrderId {
        if let Some(id) = name.strip_prefix('#').and_then(|id| id.parse().ok()) {
            return ClientOrderId(id);
        }
        let known = self.clients.iter().position(|known| known == name);
        let at = known.unwrap_or_else(|| {
            self.clients.push(name.to_owned());
            self.clients.len() - 1
        });
        ClientOrderId(FIRST_CLIENT_ID + at as u64)
    }

    /// Whether a line called an order this before, or the quote of which it is a side.
    pub(crate) fn is_used(&self, name: &str) -> bool {
        let mut sides = SIDES_OF_A_QUOTE.iter();
        let quote = sides.find_map(|side| name.strip_suffix(side));
        let is_known = |name: &str| {
            let literal = || name.strip_prefix('#')?.parse::<u64>().ok();
            self.clients.iter().any(|known| known == name) || literal().is_some()
        };
        is_known(name) || quote.is_some_and(is_known)
    }

    /// The names of orders that lines used, the first few of them.
    pub(crate) fn all_orders(&self) -> String {
        const SHOWN: usize = 12;
        let mut names: Vec<&str> = self.clients.iter().map(String::as_str).collect();
        match names.len() {
            0 => return "none".to_owned(),
            1..=SHOWN => {}
            _ => {
                names.truncate(SHOWN);
                names.push("...");
            }
        }
        names.join(", ")
    }

    fn client_name(&self, id: ClientOrderId) -> String {
        let at = id.0.checked_sub(FIRST_CLIENT_ID);
        let at = at.and_then(|at| usize::try_from(at).ok());
        let name = at.and_then(|at| self.clients.get(at));
        name.map_or_else(|| format!("#{}", id.0), Clone::clone)
    }

    /// Remembers orders by the names of their client order ids, and forgets what was not made.
    pub(crate) fn learn(&mut self, command: &Command, event: &Event) {
        if let Event::Accepted(e) = event {
            let mut name = self.client_name(e.client_order_id);
            if e.quote.is_yes() {
                name += side_of_a_quote(e.side);
            }
            self.call(e.order_id, name);
        }
        if let (Command::Quote(quote), Event::Amended(e)) = (command, event) {
            self.call_anew(e.order_id, self.client_name(quote.quote_id));
        }
        // Replaced in one step, it has another name from then on, and its old one is free.
        if let (Command::AmendOrder(asked), Event::Amended(e)) = (command, event)
            && asked.new_client_order_id == e.client_order_id
        {
            self.call_anew(e.order_id, self.client_name(e.client_order_id));
        }
        if let Event::Outcome(outcome) = event
            && outcome.reason != Reason::None
        {
            self.forget(command);
        }
    }

    /// A side of a quote is called by what the quote is called.
    fn call_anew(&mut self, id: OrderId, mut name: String) {
        let before = self.order(id);
        let mut sides = SIDES_OF_A_QUOTE.iter();
        if let Some(side) = sides.find(|side| before.ends_with(*side)) {
            name += side;
        }
        if before != name {
            self.newest.remove(&before);
            self.call(id, name);
        }
    }

    fn call(&mut self, id: OrderId, name: String) {
        self.newest.insert(name.clone(), id);
        self.orders.insert(id, name);
    }

    fn forget(&mut self, command: &Command) {
        if let Command::CreateAsset(refused) = command {
            self.assets.forget(refused.asset.0);
        }
        if let Command::CreateMarket(refused) = command {
            self.markets.forget(refused.market.0);
        }
        if let Command::CreateAccount(refused) = command {
            self.accounts.forget(refused.account.0);
        }
        if let Command::OpenSession(refused) = command {
            self.sessions.forget(refused.session.0);
        }
    }

    /// The newest order of this name, live or not.
    pub(crate) fn order_id(&self, name: &str) -> Option<OrderId> {
        self.newest.get(name).copied()
    }

    pub(crate) fn order(&self, id: OrderId) -> String {
        let name = self.orders.get(&id);
        name.map_or_else(|| order_id_text(id), Clone::clone)
    }

    /// What a command named: by the owner's id if it has one, else by the engine's.
    pub(crate) fn named(&self, id: OrderId, client: ClientOrderId) -> String {
        match (id, client) {
            (OrderId::NONE, ClientOrderId(0)) => "none".to_owned(),
            (id, ClientOrderId(0)) => self.order(id),
            (_, client) => self.client_name(client),
        }
    }

    pub(crate) fn session(&self, id: SessionId) -> String {
        self.sessions.name(id.0)
    }
}

/// An order id as slot and generation: `0.1` is the first of slot 0.
pub(crate) fn order_id_text(id: OrderId) -> String {
    format!("{}.{}", id.slot(), id.0 >> OrderId::SLOT_BITS)
}

pub(crate) fn order_id_from(text: &str) -> Option<OrderId> {
    let (slot, generation) = text.split_once('.')?;
    let slot: u64 = slot.parse().ok()?;
    let generation: u64 = generation.parse().ok()?;
    let fits = slot < u64::from(OrderId::MAX_SLOTS) && generation < 1 << (64 - OrderId::SLOT_BITS);
    fits.then_some(OrderId(generation << OrderId::SLOT_BITS | slot))
}
