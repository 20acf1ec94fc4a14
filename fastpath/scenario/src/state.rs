//! What a `then` can say of the state: the first word of its line, and what it should go on with.

use crate::{
    Rules,
    command::{find, market, source},
    event::{self, Described},
    form::{Form, understand},
    names::{Names, order_id_text},
    spelling::{FLAGS, MARKET_STATES, OWN, POST_ONLY, SELF_TRADE, SIDES, word},
    words::{Fault, Words},
};
use domain::{AccountId, AssetId, Flag, MarketId, OrderId, OrderView, SessionId, Side};

const STATE: &str = "NAME has, book, order, orders, state, account, fees, deposited, phase, pending, deadline, epoch, \
    version, time, last, session, protection";

const fn form(words: &'static str, options: &'static [&'static str]) -> Form {
    Form { words, options }
}

/// What [`describe`] makes.
const FORMS: &[Form] = &[
    form("NAME has AMOUNT ASSET", &[]),
    form("NAME has AMOUNT ASSET and AMOUNT held", &[]),
    form("book bids ORDERS asks ORDERS", &["market"]),
    form("order ORDER gone", &[]),
    form(
        "order ORDER buy|sell QTY @ PRICE",
        &[
            "filled",
            "post-only",
            "quote",
            "self-trade",
            "own",
            "until",
            "show",
            "hidden",
            "trigger",
            "session",
            "market",
            "id",
            "priority",
        ],
    ),
    form("orders NUMBER", &[]),
    form("state STATE", &["last", "market"]),
    form(
        "account ACCOUNT",
        &[
            "firm",
            "tier",
            "orders",
            "volume",
            "day",
            "limits",
            "qty",
            "notional",
            "position",
            "most-volume",
            "most-unattested",
            "most-orders",
        ],
    ),
    form("fees ASSET AMOUNT", &[]),
    form("deposited ASSET AMOUNT", &[]),
    form("phase Open|CancelOnly", &[]),
    form("pending ORDER|work|none", &[]),
    form("deadline NUMBER|none", &[]),
    form("epoch NUMBER", &[]),
    form("version NUMBER", &[]),
    form("time NUMBER", &[]),
    form("last SOURCE NUMBER", &[]),
    form(
        "session SESSION",
        &[
            "account",
            "expires",
            "max",
            "next-report",
            "epoch-report",
            "last",
            "entered",
            "unattested",
        ],
    ),
    form(
        "protection SESSION",
        &[
            "window",
            "max-qty",
            "max-notional",
            "max-fills",
            "begun",
            "qty",
            "notional",
            "fills",
            "reached",
            "market",
        ],
    ),
    form("protection SESSION none", &["market"]),
];

/// Whether a line that begins with this word tells of the state.
pub(crate) fn begins(word: &str) -> bool {
    let begins = |form: &&Form| form.words.starts_with(form.name());
    FORMS.iter().filter(begins).any(|form| form.name() == word)
}

/// What the line should say.
pub(crate) fn describe(
    line: &Words,
    names: &Names,
    rules: &impl Rules,
) -> Result<Described, Fault> {
    let mut words = line.clone();
    let words = &mut words;
    let first = words.next(STATE)?;
    let name = if begins(&first) { &first } else { "has" };
    if begins(&first) || words.peek(0) == Some(name) {
        understand(line, FORMS.iter().filter(|form| form.name() == name))?;
    }
    let none = || "none".to_owned();
    Ok(match first.as_str() {
        "book" => return book(words, names, rules),
        "order" => return order(words, names, rules),
        "session" => return session(words, names, rules),
        "protection" => return protection(words, names, rules),
        "account" => return account(words, names, rules),
        "state" => return market_state(words, names, rules),
        "fees" | "deposited" => return asset(&first, words, names, rules),
        "last" => {
            let name = words.next("a source")?;
            let last = rules.last_number(source(words, &name, names)?);
            Described::new(&format!("last {name} {last}"))
        }
        "orders" => Described::new(&format!("orders {}", rules.orders().len())),
        "phase" => Described::new(&format!("phase {:?}", rules.phase())),
        "pending" => {
            let work = rules.pending_work().map(|id| match id {
                OrderId::NONE => "work".to_owned(),
                sweeps => names.order(sweeps),
            });
            Described::new(&format!("pending {}", work.unwrap_or_else(none)))
        }
        "deadline" => {
            let deadline = rules.next_deadline().map(|deadline| deadline.to_string());
            Described::new(&format!("deadline {}", deadline.unwrap_or_else(none)))
        }
        "epoch" => Described::new(&format!("epoch {}", rules.epoch())),
        "version" => Described::new(&format!("version {}", rules.version())),
        "time" => Described::new(&format!("time {}", rules.now())),
        name if words.peek(0) == Some("has") => return balance(name, words, names, rules),
        other => {
            let events = event::all();
            let message = format!("expected {STATE}, or an event ({events}), found `{other}`");
            return Err(line.fault(message));
        }
    })
}

/// `NAME has AVAILABLE ASSET`, and `and HELD held` if something is.
fn balance(
    name: &str,
    words: &mut Words,
    names: &Names,
    rules: &impl Rules,
) -> Result<Described, Fault> {
    words.word("has")?;
    words.number::<u64>("an amount in base units")?;
    let asset = words.next("an asset")?;
    let account = AccountId(find(words, &names.accounts, "account", name)?);
    let id = AssetId(find(words, &names.assets, "asset", &asset)?);
    let balance = rules.balance(account, id);
    let (available, held) = balance.ok_or_else(|| words.fault("expected both to exist"))?;
    let held = match held.0 {
        0 => String::new(),
        held => format!("and {held} held"),
    };
    Ok(Described::new(&format!(
        "{name} has {available} {asset} {held}"
    )))
}

fn asset(
    what: &str,
    words: &mut Words,
    names: &Names,
    rules: &impl Rules,
) -> Result<Described, Fault> {
    let name = words.next("an asset")?;
    let id = AssetId(find(words, &names.assets, "asset", &name)?);
    let totals = rules.asset(id);
    let (deposited, fees) = totals.ok_or_else(|| words.fault("expected an asset that exists"))?;
    let amount = if what == "fees" { fees } else { deposited };
    Ok(Described::new(&format!("{what} {name} {amount}")))
}

/// `book bids QTY @ PRICE NAME, ... asks ...`: what both sides show, best price first, then first come first.
fn book(words: &mut Words, names: &Names, rules: &impl Rules) -> Result<Described, Fault> {
    let market = MarketId(market(words, names)?);
    words.word("bids")?;
    let entry = |order: &OrderView| {
        let (qty, price) = (order.shown(), order.price);
        format!("{qty} @ {price} {}", names.order(order.order_id))
    };
    let side = |side| {
        let orders: Vec<String> = rules.book(market, side).iter().map(entry).collect();
        if orders.is_empty() {
            "none".to_owned()
        } else {
            orders.join(" , ")
        }
    };
    let (bids, asks) = (side(Side::Buy), side(Side::Sell));
    let described = Described::new(&format!("book bids {bids} asks {asks}"));
    Ok(described.with("market", names.markets.name(market.0)))
}

/// `order NAME SIDE LEAVES @ PRICE`, or `order NAME gone`.
fn order(words: &mut Words, names: &Names, rules: &impl Rules) -> Result<Described, Fault> {
    let name = words.next("an order's name")?;
    if !names.is_used(&name) {
        let all = names.all_orders();
        return Err(words.fault(format!("expected a known order ({all}), found `{name}`")));
    }
    let id = names.order_id(&name);
    let orders = rules.orders();
    let Some(order) = orders.iter().find(|order| Some(order.order_id) == id) else {
        return Ok(Described::new(&format!("order {name} gone")));
    };
    let (side, leaves, price) = (word(SIDES, order.side), order.leaves, order.price);
    Ok(
        Described::new(&format!("order {name} {side} {leaves} @ {price}"))
            .with("filled", order.filled)
            .with("post-only", word(POST_ONLY, order.post_only))
            .with("quote", word(FLAGS, Flag::from(order.quote)))
            .with("self-trade", word(SELF_TRADE, order.self_trade))
            .with("own", word(OWN, order.self_trade_scope))
            .with("until", until(order))
            .with("show", order.display_qty)
            .with("hidden", order.hidden)
            .with("trigger", order.trigger_price)
            .with("session", names.session(order.session))
            .with("market", names.markets.name(order.market.0))
            .with("id", order_id_text(order.order_id))
            .with("priority", order.priority),
    )
}

/// When an order ends: a time, or 0 if none is set, or `close`.
fn until(order: &OrderView) -> String {
    if order.until_close {
        "close".to_owned()
    } else {
        order.expires.to_string()
    }
}

fn session(words: &mut Words, names: &Names, rules: &impl Rules) -> Result<Described, Fault> {
    let name = words.next("a session")?;
    let id = SessionId(find(words, &names.sessions, "session", &name)?);
    let view = rules.session(id);
    let view = view.ok_or_else(|| words.fault("expected a session that exists"))?;
    Ok(Described::new(&format!("session {name}"))
        .with("account", names.accounts.name(view.account.0))
        .with("expires", view.delegation.expires)
        .with("max", view.delegation.max_order_notional)
        .with("next-report", view.next_report_no)
        .with("epoch-report", view.epoch_report_no)
        .with("last", view.last_number)
        .with("entered", view.entered)
        .with("unattested", view.unattested))
}

/// `protection SESSION`, or `protection SESSION none`.
fn protection(words: &mut Words, names: &Names, rules: &impl Rules) -> Result<Described, Fault> {
    let name = words.next("a session")?;
    let session = SessionId(find(words, &names.sessions, "session", &name)?);
    let market = MarketId(market(words, names)?);
    let described = match rules.protection(session, market) {
        None => Described::new(&format!("protection {name} none")),
        Some(view) => Described::new(&format!("protection {name}"))
            .with("window", view.window)
            .with("max-qty", view.max_qty)
            .with("max-notional", view.max_notional)
            .with("max-fills", view.max_fills)
            .with("begun", view.begun)
            .with("qty", view.qty)
            .with("notional", view.notional)
            .with("fills", view.fills)
            .with("reached", word(FLAGS, Flag::from(view.reached))),
    };
    Ok(described.with("market", names.markets.name(market.0)))
}

/// `account NAME`: what it may do only if its limits are its own.
fn account(words: &mut Words, names: &Names, rules: &impl Rules) -> Result<Described, Fault> {
    let name = words.next("an account")?;
    let id = AccountId(find(words, &names.accounts, "account", &name)?);
    let view = rules.account(id);
    let view = view.ok_or_else(|| words.fault("expected an account that exists"))?;
    let described = Described::new(&format!("account {name}"))
        .with("firm", view.firm.0)
        .with("tier", view.tier)
        .with("orders", view.open_orders)
        .with("volume", view.volume)
        .with("day", view.volume_day);
    Ok(match view.own_limits {
        None => described.with("limits", "tier"),
        Some(own) => described
            .with("limits", "own")
            .with("qty", own.max_order_qty)
            .with("notional", own.max_order_notional)
            .with("position", own.max_position)
            .with("most-volume", own.max_daily_volume)
            .with("most-unattested", own.max_unattested_notional)
            .with("most-orders", own.max_open_orders),
    })
}

/// `state STATE`.
fn market_state(words: &mut Words, names: &Names, rules: &impl Rules) -> Result<Described, Fault> {
    let id = market(words, names)?;
    let state = rules.market_state(MarketId(id));
    let (state, last) = state.ok_or_else(|| words.fault("expected a market that exists"))?;
    Ok(
        Described::new(&format!("state {}", word(MARKET_STATES, state)))
            .with("last", last)
            .with("market", names.markets.name(id)),
    )
}
