//! Commands and events as people and programs read them: a kind and named fields.

use domain::{Command, Event, MarketId};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use std::fmt;

/// A command or an event.
pub struct Record {
    kind: &'static str,
    fields: Vec<(&'static str, Value)>,
}

/// A field.
enum Value {
    /// At most 32 bits: a number in JSON too.
    Small(u32),
    /// More: a string of digits in JSON.
    Big(u64),
    /// More, and perhaps negative: a string of digits in JSON.
    Signed(i64),
    /// A name.
    Word(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small(number) => number.fmt(f),
            Self::Big(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Small(number) => serializer.serialize_u32(*number),
            Self::Big(_) | Self::Signed(_) | Self::Word(_) => serializer.collect_str(self),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        self.fields
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.fields.len()))?;
        map.serialize_entry("kind", self.kind)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Small(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Big(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Signed(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Signed(number.into())
    }
}

/// The name of a variant.
fn word(variant: impl fmt::Debug) -> Value {
    Value::Word(format!("{variant:?}"))
}

/// A market, where a command may mean all.
fn market(id: MarketId) -> Value {
    if id == MarketId::ANY {
        return Value::Word("any".to_owned());
    }
    Value::Small(id.0)
}

fn symbol(bytes: [u8; 16]) -> Value {
    let text = String::from_utf8_lossy(&bytes);
    Value::Word(text.trim_end_matches('\0').to_owned())
}

fn hexadecimal(bytes: &[u8]) -> Value {
    Value::Word(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

macro_rules! record {
    ($kind:literal $(, $name:ident = $value:expr)* $(,)?) => {
        Record { kind: $kind, fields: vec![$((stringify!($name), Value::from($value))),*] }
    };
}

/// A command, for people and programs.
#[must_use]
pub fn command(command: &Command) -> Record {
    match command {
        Command::NewOrder(_)
        | Command::CancelOrder(_)
        | Command::AmendOrder(_)
        | Command::MassCancel(_)
        | Command::KillSwitch(_)
        | Command::Quote(_)
        | Command::SetProtection(_)
        | Command::Attest(_) => entry(command),
        Command::Genesis(_)
        | Command::CreateAsset(_)
        | Command::CreateMarket(_)
        | Command::CreateAccount(_)
        | Command::OpenSession(_)
        | Command::Delegate(_) => creation(command),
        Command::SetTier(_)
        | Command::SetLimits(_)
        | Command::SetFees(_)
        | Command::CollectFees(_)
        | Command::SetMarketState(_)
        | Command::SetCollar(_)
        | Command::DelistMarket(_) => setting(command),
        Command::Deposit(c) => record!(
            "Deposit",
            account = c.account.0,
            asset = c.asset.0,
            amount = c.amount.0,
        ),
        Command::ConfirmAttestation(c) => {
            record!("ConfirmAttestation", session = c.session.0, level = c.level,)
        }
        Command::Continue(c) => record!("Continue", order_id = c.order_id.0),
        Command::Timer(c) => record!("Timer", deadline = c.deadline.0),
        Command::Checkpoint(c) => record!("Checkpoint", interval = c.interval),
        Command::Recovered(c) => record!("Recovered", epoch = c.epoch, grace = c.grace.0),
        Command::EngineVersion(c) => record!("EngineVersion", version = u32::from(c.version)),
    }
}

/// What makes something.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller's match names all the others"
)]
fn creation(command: &Command) -> Record {
    match command {
        Command::Genesis(c) => record!(
            "Genesis",
            max_assets = c.max_assets,
            max_markets = c.max_markets,
            max_accounts = c.max_accounts,
            max_sessions = c.max_sessions,
            max_orders = c.max_orders,
            max_levels = c.max_levels,
            max_pages = c.max_pages,
        ),
        Command::CreateAsset(c) => record!(
            "CreateAsset",
            asset = c.asset.0,
            symbol = symbol(c.symbol),
            decimals = u32::from(c.decimals),
        ),
        Command::CreateMarket(c) => record!(
            "CreateMarket",
            market = c.market.0,
            symbol = symbol(c.symbol),
            base = c.base.0,
            quote = c.quote.0,
            lot_size = c.lot_size,
            tick_value = c.tick_value,
            min_qty = c.min_qty.0,
            price_min = c.price_min.0,
            price_levels = c.price_levels,
            maker_fee_ppm = c.maker_fee_ppm,
            taker_fee_ppm = c.taker_fee_ppm,
            state = word(c.state),
        ),
        Command::CreateAccount(c) => {
            record!(
                "CreateAccount",
                account = c.account.0,
                firm = c.firm.0,
                owner = hexadecimal(&c.owner),
            )
        }
        Command::OpenSession(c) => record!(
            "OpenSession",
            session = c.session.0,
            account = c.account.0,
            gate = word(c.gate),
            public_key = hexadecimal(&c.delegation.public_key),
            exchange_key = hexadecimal(&c.delegation.exchange_key),
            expires = c.delegation.expires.0,
            max_order_notional = c.delegation.max_order_notional.0,
        ),
        Command::Delegate(c) => record!(
            "Delegate",
            session = c.session.0,
            public_key = hexadecimal(&c.delegation.public_key),
            exchange_key = hexadecimal(&c.delegation.exchange_key),
            expires = c.delegation.expires.0,
            max_order_notional = c.delegation.max_order_notional.0,
        ),
        other => unreachable!("{other:?} makes nothing"),
    }
}

/// What an operator changes.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller's match names all the others"
)]
fn setting(command: &Command) -> Record {
    match command {
        Command::SetTier(c) => record!("SetTier", account = c.account.0, tier = c.tier),
        Command::SetLimits(c) => record!(
            "SetLimits",
            target = c.target,
            of_account = word(c.of_account),
            as_tier = word(c.as_tier),
            max_order_qty = c.limits.max_order_qty.0,
            max_order_notional = c.limits.max_order_notional,
            max_position = c.limits.max_position,
            max_daily_volume = c.limits.max_daily_volume,
            max_unattested_notional = c.limits.max_unattested_notional,
            max_open_orders = c.limits.max_open_orders,
        ),
        Command::SetFees(c) => record!(
            "SetFees",
            tier = c.tier,
            market = market(c.market),
            maker_fee_ppm = c.maker_fee_ppm,
            taker_fee_ppm = c.taker_fee_ppm,
        ),
        Command::CollectFees(c) => record!(
            "CollectFees",
            account = c.account.0,
            asset = c.asset.0,
            amount = c.amount.0,
        ),
        Command::SetMarketState(c) => {
            record!("SetMarketState", market = c.market.0, state = word(c.state))
        }
        Command::SetCollar(c) => record!(
            "SetCollar",
            market = c.market.0,
            reference = word(c.reference),
            price = c.price.0,
            width_ppm = c.width_ppm,
            halts = word(c.halts),
        ),
        Command::DelistMarket(c) => record!("DelistMarket", market = c.market.0),
        other => unreachable!("{other:?} changes no setting"),
    }
}

/// A command of a session, or of an operator in its place.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller's match names all the others"
)]
fn entry(command: &Command) -> Record {
    match command {
        Command::NewOrder(c) => record!(
            "NewOrder",
            market = c.market.0,
            side = word(c.side),
            order_type = word(c.order_type),
            time_in_force = word(c.time_in_force),
            post_only = word(c.post_only),
            price = c.price.0,
            qty = c.qty.0,
            min_qty = c.min_qty.0,
            expires = c.expires.0,
            display_qty = c.display_qty.0,
            trigger_price = c.trigger_price.0,
            self_trade = word(c.self_trade),
            self_trade_scope = word(c.self_trade_scope),
            client_order_id = c.client_order_id.0,
        ),
        Command::CancelOrder(c) => record!(
            "CancelOrder",
            order_id = c.order_id.0,
            client_order_id = c.client_order_id.0,
            qty = c.qty.0,
        ),
        Command::AmendOrder(c) => record!(
            "AmendOrder",
            order_id = c.order_id.0,
            client_order_id = c.client_order_id.0,
            price = c.price.0,
            qty = c.qty.0,
            new_client_order_id = c.new_client_order_id.0,
        ),
        Command::MassCancel(c) => record!(
            "MassCancel",
            request = c.request,
            scope = word(c.scope),
            target = c.target,
            market = market(c.market),
            sides = word(c.sides),
            lowest = c.lowest.0,
            highest = c.highest.0,
        ),
        Command::KillSwitch(c) => record!(
            "KillSwitch",
            request = c.request,
            scope = word(c.scope),
            target = c.target,
            on = word(c.on),
        ),
        Command::Quote(_) | Command::SetProtection(_) => quoting(command),
        Command::Attest(c) => record!("Attest", signature = hexadecimal(&c.signature)),
        other => unreachable!("{other:?} is no command of a session"),
    }
}

/// What a market maker sends.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller's match names all the others"
)]
fn quoting(command: &Command) -> Record {
    match command {
        Command::Quote(c) => record!(
            "Quote",
            quote_id = c.quote_id.0,
            market = c.market.0,
            bid_price = c.bid_price.0,
            bid_qty = c.bid_qty.0,
            ask_price = c.ask_price.0,
            ask_qty = c.ask_qty.0,
            slide = word(c.slide),
        ),
        Command::SetProtection(c) => record!(
            "SetProtection",
            request = c.request,
            market = c.market.0,
            window = c.window,
            max_qty = c.max_qty.0,
            max_notional = c.max_notional.0,
            max_fills = c.max_fills,
        ),
        other => unreachable!("{other:?} quotes nothing"),
    }
}

/// An event, for people and programs.
#[must_use]
pub fn event(event: &Event) -> Record {
    match event {
        Event::Outcome(e) => {
            record!(
                "Outcome",
                command = word(e.command),
                reason = word(e.reason)
            )
        }
        Event::StateHash(e) => {
            record!("StateHash", hash = Value::Word(format!("{:016x}", e.hash)))
        }
        Event::BookAdd(_)
        | Event::BookReduce(_)
        | Event::BookDelete(_)
        | Event::BookReplace(_)
        | Event::Trade(_)
        | Event::PhaseChanged(_)
        | Event::MarketDefined(_)
        | Event::MarketStateChanged(_)
        | Event::Uncrossed(_) => publication(event),
        Event::Accepted(_)
        | Event::Rejected(_)
        | Event::Fill(_)
        | Event::Canceled(_)
        | Event::Amended(_)
        | Event::NotApplied(_)
        | Event::SelfTradePrevented(_)
        | Event::MassCanceled(_)
        | Event::Triggered(_)
        | Event::ProtectionSet(_)
        | Event::ProtectionReached(_)
        | Event::AttestationNoted(_) => report(event),
    }
}

/// An event for everybody.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller's match names all the others"
)]
fn publication(event: &Event) -> Record {
    match event {
        Event::BookAdd(_) | Event::BookReduce(_) | Event::BookDelete(_) | Event::BookReplace(_) => {
            book(event)
        }
        Event::Trade(e) => record!(
            "Trade",
            feed_no = e.feed_no,
            trade_id = e.trade_id,
            market = e.market.0,
            taker_side = word(e.taker_side),
            price = e.price.0,
            qty = e.qty.0,
            maker_order_id = e.maker_order_id.0,
            taker_order_id = e.taker_order_id.0,
            maker_leaves = e.maker_leaves.0,
        ),
        Event::MarketDefined(e) => record!(
            "MarketDefined",
            feed_no = e.feed_no,
            market = e.market.0,
            symbol = symbol(e.symbol),
            base = symbol(e.base_symbol),
            base_decimals = u32::from(e.base_decimals),
            quote = symbol(e.quote_symbol),
            quote_decimals = u32::from(e.quote_decimals),
            lot_size = e.lot_size,
            tick_value = e.tick_value,
            min_qty = e.min_qty.0,
            price_min = e.price_min.0,
            price_levels = e.price_levels,
            maker_fee_ppm = e.maker_fee_ppm,
            taker_fee_ppm = e.taker_fee_ppm,
            state = word(e.state),
        ),
        Event::MarketStateChanged(e) => record!(
            "MarketStateChanged",
            feed_no = e.feed_no,
            market = e.market.0,
            state = word(e.state),
        ),
        Event::Uncrossed(e) => record!(
            "Uncrossed",
            feed_no = e.feed_no,
            market = e.market.0,
            price = e.price.0,
            qty = e.qty.0,
        ),
        Event::PhaseChanged(e) => {
            record!("PhaseChanged", feed_no = e.feed_no, phase = word(e.phase))
        }
        other => unreachable!("{other:?} is not public"),
    }
}

/// A change of a book.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller's match names all the others"
)]
fn book(event: &Event) -> Record {
    match event {
        Event::BookAdd(e) => record!(
            "BookAdd",
            feed_no = e.feed_no,
            market = e.market.0,
            order_id = e.order_id.0,
            side = word(e.side),
            price = e.price.0,
            qty = e.qty.0,
        ),
        Event::BookReduce(e) => record!(
            "BookReduce",
            feed_no = e.feed_no,
            market = e.market.0,
            order_id = e.order_id.0,
            side = word(e.side),
            leaves = e.leaves.0,
        ),
        Event::BookDelete(e) => record!(
            "BookDelete",
            feed_no = e.feed_no,
            market = e.market.0,
            order_id = e.order_id.0,
            side = word(e.side),
        ),
        Event::BookReplace(e) => record!(
            "BookReplace",
            feed_no = e.feed_no,
            market = e.market.0,
            order_id = e.order_id.0,
            side = word(e.side),
            price = e.price.0,
            qty = e.qty.0,
        ),
        other => unreachable!("{other:?} changes no book"),
    }
}

/// An event for a session.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller's match names all the others"
)]
fn report(event: &Event) -> Record {
    match event {
        Event::Accepted(_) | Event::Triggered(_) => beginning(event),
        Event::Rejected(e) => record!(
            "Rejected",
            session = e.session.0,
            report_no = e.report_no,
            command = word(e.command),
            reason = word(e.reason),
            order_id = e.order_id.0,
            client_order_id = e.client_order_id.0,
        ),
        Event::Fill(_) | Event::SelfTradePrevented(_) => meeting(event),
        Event::Canceled(e) => record!(
            "Canceled",
            session = e.session.0,
            report_no = e.report_no,
            reason = word(e.reason),
            order_id = e.order_id.0,
            client_order_id = e.client_order_id.0,
            market = e.market.0,
            qty = e.qty.0,
        ),
        Event::Amended(e) => record!(
            "Amended",
            session = e.session.0,
            report_no = e.report_no,
            order_id = e.order_id.0,
            client_order_id = e.client_order_id.0,
            market = e.market.0,
            price = e.price.0,
            qty = e.qty.0,
            leaves = e.leaves.0,
            kept_priority = word(e.kept_priority),
        ),
        Event::NotApplied(e) => record!(
            "NotApplied",
            session = e.session.0,
            report_no = e.report_no,
            from = e.from,
            count = e.count,
        ),
        Event::MassCanceled(e) => record!(
            "MassCanceled",
            session = e.session.0,
            report_no = e.report_no,
            request = e.request,
            count = e.count,
        ),
        Event::ProtectionSet(_) | Event::ProtectionReached(_) => protection(event),
        Event::AttestationNoted(e) => record!(
            "AttestationNoted",
            session = e.session.0,
            report_no = e.report_no,
            level = e.level,
        ),
        other => unreachable!("{other:?} is for no session"),
    }
}

/// A session's quotes are protected, or were.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller's match names all the others"
)]
fn protection(event: &Event) -> Record {
    match event {
        Event::ProtectionSet(e) => record!(
            "ProtectionSet",
            session = e.session.0,
            report_no = e.report_no,
            request = e.request,
            market = e.market.0,
        ),
        Event::ProtectionReached(e) => record!(
            "ProtectionReached",
            session = e.session.0,
            report_no = e.report_no,
            market = e.market.0,
            qty = e.qty.0,
            notional = e.notional.0,
            fills = e.fills,
        ),
        other => unreachable!("{other:?} is of no protection"),
    }
}

/// An order was taken, or has waited and arrives.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller's match names all the others"
)]
fn beginning(event: &Event) -> Record {
    match event {
        Event::Accepted(e) => record!(
            "Accepted",
            session = e.session.0,
            report_no = e.report_no,
            order_id = e.order_id.0,
            client_order_id = e.client_order_id.0,
            market = e.market.0,
            side = word(e.side),
            order_type = word(e.order_type),
            time_in_force = word(e.time_in_force),
            post_only = word(e.post_only),
            price = e.price.0,
            qty = e.qty.0,
            expires = e.expires.0,
            display_qty = e.display_qty.0,
            trigger_price = e.trigger_price.0,
            self_trade = word(e.self_trade),
            self_trade_scope = word(e.self_trade_scope),
            quote = word(e.quote),
        ),
        Event::Triggered(e) => record!(
            "Triggered",
            session = e.session.0,
            report_no = e.report_no,
            order_id = e.order_id.0,
            client_order_id = e.client_order_id.0,
            market = e.market.0,
            side = word(e.side),
            price = e.price.0,
        ),
        other => unreachable!("{other:?} begins nothing"),
    }
}

/// Two orders met.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller's match names all the others"
)]
fn meeting(event: &Event) -> Record {
    match event {
        Event::Fill(e) => record!(
            "Fill",
            session = e.session.0,
            report_no = e.report_no,
            trade_id = e.trade_id,
            order_id = e.order_id.0,
            client_order_id = e.client_order_id.0,
            market = e.market.0,
            side = word(e.side),
            liquidity = word(e.liquidity),
            price = e.price.0,
            qty = e.qty.0,
            leaves = e.leaves.0,
            fee = e.fee.0,
            is_rebate = word(e.is_rebate),
        ),
        Event::SelfTradePrevented(e) => record!(
            "SelfTradePrevented",
            session = e.session.0,
            report_no = e.report_no,
            self_trade = word(e.self_trade),
            order_id = e.order_id.0,
            client_order_id = e.client_order_id.0,
            maker_order_id = e.maker_order_id.0,
            market = e.market.0,
            price = e.price.0,
            qty = e.qty.0,
            leaves = e.leaves.0,
        ),
        other => unreachable!("{other:?} is of one order"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{AssetId, CreateAsset, Nanos, OrderId, Recovered, Zero};

    #[test]
    fn text_and_json_say_the_same_and_json_keeps_every_digit() {
        let continued = Command::Continue(domain::Continue {
            order_id: OrderId(u64::MAX),
        });
        let record = command(&continued);
        assert_eq!(record.to_string(), "Continue order_id=18446744073709551615");
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            json,
            r#"{"kind":"Continue","order_id":"18446744073709551615"}"#
        );
    }

    #[test]
    fn a_rebate_is_below_zero_and_every_market_is_any() {
        let fees = command(&Command::SetFees(domain::SetFees {
            tier: 1,
            market: MarketId::ANY,
            maker_fee_ppm: -50,
            taker_fee_ppm: 300,
        }));
        assert_eq!(
            fees.to_string(),
            "SetFees tier=1 market=any maker_fee_ppm=-50 taker_fee_ppm=300"
        );
        let own = command(&Command::MassCancel(domain::MassCancel {
            market: MarketId(3),
            ..domain::MassCancel::OWN
        }));
        let json = serde_json::to_value(&own).unwrap();
        assert_eq!(
            (&json["market"], &json["scope"]),
            (&3.into(), &"Session".into())
        );
        assert_eq!(json["lowest"], "0");
    }

    #[test]
    fn names_are_text_and_ids_are_numbers() {
        let mut name = [0; 16];
        name[..3].copy_from_slice(b"SOL");
        let asset = command(&Command::CreateAsset(CreateAsset {
            asset: AssetId(3),
            decimals: 9,
            pad: [Zero::Zero; 3],
            symbol: name,
        }));
        let json = serde_json::to_string(&asset).unwrap();
        assert_eq!(
            json,
            r#"{"kind":"CreateAsset","asset":3,"symbol":"SOL","decimals":9}"#
        );
        let recovered = command(&Command::Recovered(Recovered {
            epoch: 2,
            pad: [Zero::Zero; 4],
            grace: Nanos(5),
        }));
        assert_eq!(recovered.to_string(), "Recovered epoch=2 grace=5");
    }
}
