//! Events as lines: the one place that knows what an event is called and what its line says.

use crate::{
    form::Form,
    names::{Names, order_id_text},
    spelling::{
        FLAGS, LIQUIDITY, MARKET_STATES, ORDER_TYPES, OWN, POST_ONLY, SELF_TRADE, SIDES,
        TIMES_IN_FORCE, word,
    },
    words::Words,
};
use domain::{
    Accepted, Amended, AttestationNoted, Event, Fill, MarketDefined, MarketId, Outcome,
    ProtectionReached, ProtectionSet, Reason, Rejected, SelfTradePrevented, Triggered,
};

/// Events of one class are listed together: who lists one of them lists all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// What sessions are told, and what became of everyone else's commands.
    Answers,
    Trades,
    /// What the feed says of orders.
    Book,
    /// What the feed says of markets and phases.
    Notices,
}

/// A kind of event: its class, and the form of its line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) class: Class,
    pub(crate) form: Form,
}

const fn kind(class: Class, words: &'static str, options: &'static [&'static str]) -> Kind {
    let form = Form { words, options };
    Kind { class, form }
}

/// What [`describe`] makes. In a report the session comes first.
const KINDS: &[Kind] = &[
    kind(
        Class::Answers,
        "SESSION accepted ORDER",
        &[
            "side",
            "type",
            "tif",
            "qty",
            "price",
            "post-only",
            "quote",
            "self-trade",
            "own",
            "until",
            "show",
            "trigger",
            "id",
            "client",
            "report",
        ],
    ),
    kind(
        Class::Answers,
        "SESSION rejected ORDER REASON",
        &["command", "id", "client", "report"],
    ),
    kind(
        Class::Answers,
        "SESSION filled ORDER QTY @ PRICE maker|taker",
        &[
            "fee", "rebate", "leaves", "side", "trade", "client", "report",
        ],
    ),
    kind(
        Class::Answers,
        "SESSION canceled ORDER QTY REASON",
        &["client", "report"],
    ),
    kind(
        Class::Answers,
        "SESSION amended ORDER to QTY @ PRICE keeping|losing priority",
        &["leaves", "client", "report"],
    ),
    kind(
        Class::Answers,
        "SESSION not-applied NUMBER to NUMBER",
        &["report"],
    ),
    kind(
        Class::Answers,
        "SESSION prevented ORDER MAKER QTY @ PRICE",
        &["self-trade", "leaves", "client", "report"],
    ),
    kind(
        Class::Answers,
        "SESSION mass-canceled NUMBER",
        &["request", "report"],
    ),
    kind(
        Class::Answers,
        "SESSION triggered ORDER @ PRICE",
        &["side", "client", "report"],
    ),
    kind(
        Class::Answers,
        "SESSION protection-set",
        &["request", "market", "report"],
    ),
    kind(
        Class::Answers,
        "SESSION protection-reached",
        &["qty", "notional", "fills", "market", "report"],
    ),
    kind(
        Class::Answers,
        "SESSION attestation-noted",
        &["level", "report"],
    ),
    kind(Class::Answers, "done COMMAND", &[]),
    kind(Class::Answers, "refused COMMAND REASON", &[]),
    kind(Class::Answers, "hash", &["value"]),
    kind(Class::Answers, "not-admitted", &[]),
    kind(
        Class::Trades,
        "trade MAKER TAKER QTY @ PRICE",
        &["id", "leaves", "side", "feed"],
    ),
    kind(Class::Trades, "uncrossed QTY @ PRICE", &["market", "feed"]),
    kind(Class::Book, "add ORDER buy|sell QTY @ PRICE", &["feed"]),
    kind(Class::Book, "reduce ORDER to QTY", &["side", "feed"]),
    kind(Class::Book, "delete ORDER", &["side", "feed"]),
    kind(Class::Book, "replace ORDER buy|sell QTY @ PRICE", &["feed"]),
    kind(
        Class::Notices,
        "market-defined MARKET",
        &[
            "base",
            "quote",
            "maker",
            "taker",
            "levels",
            "price-min",
            "tick",
            "lot",
            "min",
            "state",
            "feed",
        ],
    ),
    kind(Class::Notices, "phase-changed Open|CancelOnly", &["feed"]),
    kind(Class::Notices, "state-changed STATE", &["market", "feed"]),
];

impl Kind {
    /// Whether a session is told of it.
    pub(crate) fn is_report(&self) -> bool {
        self.form.words.starts_with("SESSION ")
    }
}

pub(crate) fn kind_of(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.form.name() == name)
}

fn list(kinds: impl Iterator<Item = &'static Kind>) -> String {
    let names: Vec<&str> = kinds.map(|kind| kind.form.name()).collect();
    names.join(", ")
}

pub(crate) fn all_reports() -> String {
    list(KINDS.iter().filter(|kind| kind.is_report()))
}

pub(crate) fn all_of(class: Class) -> String {
    list(KINDS.iter().filter(|kind| kind.class == class))
}

pub(crate) fn all() -> String {
    list(KINDS.iter())
}

/// An event's name: the first of its words that is one.
fn name_of(words: &[String]) -> Option<&str> {
    let mut words = words.iter().take(2).map(String::as_str);
    words.find(|word| kind_of(word).is_some())
}

/// Something that is, in the words of the language: an event or a part of the state.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) words: Vec<String>,
    /// What a line may say as well.
    options: Vec<(&'static str, String)>,
}

impl Described {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            words: text.split_whitespace().map(str::to_owned).collect(),
            options: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.options.push((key, value.to_string()));
        self
    }

    /// Whether a line says this: all of the words, and of the options as many as it likes.
    pub(crate) fn is_said_by(&self, line: &Words) -> bool {
        self.has_words_of(line) && self.option_that_differs(line).is_none()
    }

    pub(crate) fn has_words_of(&self, line: &Words) -> bool {
        let (words, _) = line.clone().all();
        words == self.words
    }

    /// The first option of a line that is not so.
    pub(crate) fn option_that_differs(&self, line: &Words) -> Option<String> {
        let (_, options) = line.clone().all();
        let holds = |(key, value): &(String, String)| {
            let known = self.options.iter().find(|(known, _)| known == key);
            known.is_some_and(|(_, known)| known == value)
        };
        let differs = options.into_iter().find(|option| !holds(option));
        differs.map(|(key, _)| key)
    }

    /// What keeps this event from being what a line says: its kind, else a word, else an option.
    pub(crate) fn difference(&self, line: &Words) -> String {
        let (words, _) = line.clone().all();
        let kind = self.name().and_then(kind_of);
        let Some(kind) = kind.filter(|_| self.name() == name_of(&words)) else {
            return "another event".to_owned();
        };
        let mut places = kind.form.places().zip(self.words.iter().zip(&words));
        let word = places.find(|(_, (is, said))| is != said);
        let what = word.map(|(place, _)| place.to_owned());
        let what = what.or_else(|| self.option_that_differs(line));
        format!("{} differs", what.unwrap_or_default())
    }

    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name() == Some(name)
    }

    fn name(&self) -> Option<&str> {
        name_of(&self.words)
    }

    pub(crate) fn class(&self) -> Option<Class> {
        self.name().and_then(kind_of).map(|kind| kind.class)
    }

    pub(crate) fn is_refusal(&self) -> bool {
        ["rejected", "refused", "not-admitted"]
            .iter()
            .any(|name| self.is_called(name))
    }
}

impl std::fmt::Display for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words.join(" ").replace(" ,", ","))?;
        self.options
            .iter()
            .try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}

/// A number that a source used before, or a deposit's that is not the next.
pub(crate) fn not_admitted() -> Described {
    Described::new("not-admitted")
}

fn accepted(e: &Accepted, names: &Names) -> Described {
    let (session, order) = (names.session(e.session), names.order(e.order_id));
    Described::new(&format!("{session} accepted {order}"))
        .with("side", word(SIDES, e.side))
        .with("type", word(ORDER_TYPES, e.order_type))
        .with("tif", word(TIMES_IN_FORCE, e.time_in_force))
        .with("qty", e.qty)
        .with("price", e.price)
        .with("post-only", word(POST_ONLY, e.post_only))
        .with("quote", word(FLAGS, e.quote))
        .with("self-trade", word(SELF_TRADE, e.self_trade))
        .with("own", word(OWN, e.self_trade_scope))
        .with("until", e.expires)
        .with("show", e.display_qty)
        .with("trigger", e.trigger_price)
        .with("id", order_id_text(e.order_id))
        .with("client", e.client_order_id.0)
}

fn rejected(e: &Rejected, names: &Names) -> Described {
    let session = names.session(e.session);
    let named = names.named(e.order_id, e.client_order_id);
    Described::new(&format!("{session} rejected {named} {:?}", e.reason))
        .with("command", format!("{:?}", e.command))
        .with("id", order_id_text(e.order_id))
        .with("client", e.client_order_id.0)
}

fn filled(e: &Fill, names: &Names) -> Described {
    let (session, order) = (names.session(e.session), names.order(e.order_id));
    let liquidity = word(LIQUIDITY, e.liquidity);
    let (qty, price) = (e.qty, e.price);
    let text = format!("{session} filled {order} {qty} @ {price} {liquidity}");
    let fee = if e.is_rebate.is_yes() {
        "rebate"
    } else {
        "fee"
    };
    Described::new(&text)
        .with(fee, e.fee)
        .with("leaves", e.leaves)
        .with("side", word(SIDES, e.side))
        .with("trade", e.trade_id)
        .with("client", e.client_order_id.0)
}

fn amended(e: &Amended, names: &Names) -> Described {
    let (session, order) = (names.session(e.session), names.order(e.order_id));
    let keeps = if e.kept_priority.is_yes() {
        "keeping"
    } else {
        "losing"
    };
    let (qty, price) = (e.qty, e.price);
    let text = format!("{session} amended {order} to {qty} @ {price} {keeps} priority");
    Described::new(&text)
        .with("leaves", e.leaves)
        .with("client", e.client_order_id.0)
}

fn prevented(e: &SelfTradePrevented, names: &Names) -> Described {
    let (session, order) = (names.session(e.session), names.order(e.order_id));
    let (maker, qty, price) = (names.order(e.maker_order_id), e.qty, e.price);
    let text = format!("{session} prevented {order} {maker} {qty} @ {price}");
    Described::new(&text)
        .with("self-trade", word(SELF_TRADE, e.self_trade))
        .with("leaves", e.leaves)
        .with("client", e.client_order_id.0)
}

fn triggered(e: &Triggered, names: &Names) -> Described {
    let (session, order) = (names.session(e.session), names.order(e.order_id));
    Described::new(&format!("{session} triggered {order} @ {}", e.price))
        .with("side", word(SIDES, e.side))
        .with("client", e.client_order_id.0)
}

fn protection_set(e: &ProtectionSet, names: &Names) -> Described {
    Described::new(&format!("{} protection-set", names.session(e.session)))
        .with("request", e.request)
        .with("market", names.markets.name(e.market.0))
}

fn protection_reached(e: &ProtectionReached, names: &Names) -> Described {
    Described::new(&format!("{} protection-reached", names.session(e.session)))
        .with("qty", e.qty)
        .with("notional", e.notional)
        .with("fills", e.fills)
        .with("market", names.markets.name(e.market.0))
}

fn attestation_noted(e: &AttestationNoted, names: &Names) -> Described {
    Described::new(&format!("{} attestation-noted", names.session(e.session)))
        .with("level", e.level)
}

fn defined(e: &MarketDefined, names: &Names) -> Described {
    Described::new(&format!(
        "market-defined {}",
        names.markets.name(e.market.0)
    ))
    .with("base", names.assets.name(e.base.0))
    .with("quote", names.assets.name(e.quote.0))
    .with("maker", e.maker_fee_ppm)
    .with("taker", e.taker_fee_ppm)
    .with("levels", e.price_levels)
    .with("price-min", e.price_min)
    .with("tick", e.tick_value)
    .with("lot", e.lot_size)
    .with("min", e.min_qty)
    .with("state", word(MARKET_STATES, e.state))
}

fn outcome(e: &Outcome) -> Described {
    let (command, reason) = (e.command, e.reason);
    Described::new(&if reason == Reason::None {
        format!("done {command:?}")
    } else {
        format!("refused {command:?} {reason:?}")
    })
}

/// An event as a line. An order's name is learned before.
pub(crate) fn describe(event: &Event, names: &Names) -> Described {
    let of = |order| names.order(order);
    let to = |session| names.session(session);
    let in_market = |market: MarketId| names.markets.name(market.0);
    let text = |text: String| Described::new(&text);
    let described =
        match event {
            Event::Accepted(e) => accepted(e, names),
            Event::Rejected(e) => rejected(e, names),
            Event::Fill(e) => filled(e, names),
            Event::Canceled(e) => {
                let (session, order) = (to(e.session), of(e.order_id));
                text(format!(
                    "{session} canceled {order} {} {:?}",
                    e.qty, e.reason
                ))
                .with("client", e.client_order_id.0)
            }
            Event::Amended(e) => amended(e, names),
            Event::NotApplied(e) => {
                let last = u128::from(e.from) + u128::from(e.count) - 1;
                text(format!(
                    "{} not-applied {} to {last}",
                    to(e.session),
                    e.from
                ))
            }
            Event::SelfTradePrevented(e) => prevented(e, names),
            Event::MassCanceled(e) => text(format!("{} mass-canceled {}", to(e.session), e.count))
                .with("request", e.request),
            Event::Triggered(e) => triggered(e, names),
            Event::ProtectionSet(e) => protection_set(e, names),
            Event::ProtectionReached(e) => protection_reached(e, names),
            Event::AttestationNoted(e) => attestation_noted(e, names),
            Event::Trade(e) => {
                let (maker, taker) = (of(e.maker_order_id), of(e.taker_order_id));
                text(format!("trade {maker} {taker} {} @ {}", e.qty, e.price))
                    .with("id", e.trade_id)
                    .with("leaves", e.maker_leaves)
                    .with("side", word(SIDES, e.taker_side))
            }
            Event::BookAdd(e) => {
                let (order, side) = (of(e.order_id), word(SIDES, e.side));
                text(format!("add {order} {side} {} @ {}", e.qty, e.price))
            }
            Event::BookReduce(e) => text(format!("reduce {} to {}", of(e.order_id), e.leaves))
                .with("side", word(SIDES, e.side)),
            Event::BookDelete(e) => {
                text(format!("delete {}", of(e.order_id))).with("side", word(SIDES, e.side))
            }
            Event::BookReplace(e) => {
                let (order, side) = (of(e.order_id), word(SIDES, e.side));
                text(format!("replace {order} {side} {} @ {}", e.qty, e.price))
            }
            Event::PhaseChanged(e) => text(format!("phase-changed {:?}", e.phase)),
            Event::MarketDefined(e) => defined(e, names),
            Event::MarketStateChanged(e) => {
                let state = word(MARKET_STATES, e.state);
                text(format!("state-changed {state}")).with("market", in_market(e.market))
            }
            Event::Uncrossed(e) => text(format!("uncrossed {} @ {}", e.qty, e.price))
                .with("market", in_market(e.market)),
            Event::Outcome(e) => outcome(e),
            Event::StateHash(e) => text("hash".to_owned()).with("value", e.hash),
        };
    match (event.report(), event.feed_no()) {
        (Some((_, number)), _) => described.with("report", number),
        (None, Some(number)) => described.with("feed", number),
        (None, None) => described,
    }
}
