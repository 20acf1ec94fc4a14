//! Events in a line each, for those who write and read tests.

use domain::{Event, OrderId};

fn id(order: OrderId) -> String {
    format!("o{}.{}", order.slot(), order.0 >> OrderId::SLOT_BITS)
}

/// An event in a line: `s` session and `r` report number, or `f` feed number, then what matters.
/// An order is its slot and generation.
pub(crate) fn line(event: &Event) -> String {
    let text = match event {
        Event::Accepted(e) => format!("accepted {} c{}", id(e.order_id), e.client_order_id.0),
        Event::Rejected(e) => format!(
            "rejected {:?} {} c{}: {:?}",
            e.command,
            id(e.order_id),
            e.client_order_id.0,
            e.reason
        ),
        Event::Fill(e) => format!(
            "{:?} {:?} {} {}@{} fee {} leaves {}",
            e.liquidity,
            e.side,
            id(e.order_id),
            e.qty,
            e.price,
            e.fee,
            e.leaves
        ),
        Event::Canceled(e) => format!("canceled {} {}: {:?}", id(e.order_id), e.qty, e.reason),
        Event::Amended(e) => format!(
            "amended {} {}@{} leaves {} keeps {:?}",
            id(e.order_id),
            e.qty,
            e.price,
            e.leaves,
            e.kept_priority
        ),
        Event::NotApplied(e) => format!("not applied {} from {}", e.count, e.from),
        Event::SelfTradePrevented(e) => format!(
            "prevented {} with {} {}@{} leaves {}",
            id(e.order_id),
            id(e.maker_order_id),
            e.qty,
            e.price,
            e.leaves
        ),
        Event::MassCanceled(e) => format!("mass canceled {} of request {}", e.count, e.request),
        Event::Triggered(e) => format!("triggered {} @{}", id(e.order_id), e.price),
        Event::ProtectionSet(e) => format!("protection set by {}", e.request),
        Event::ProtectionReached(e) => {
            format!("protection reached {} {} {}", e.qty, e.notional, e.fills)
        }
        Event::AttestationNoted(e) => format!("attested to {}", e.level),
        Event::BookAdd(e) => format!("add {:?} {} {}@{}", e.side, id(e.order_id), e.qty, e.price),
        Event::BookReduce(e) => format!("reduce {} to {}", id(e.order_id), e.leaves),
        Event::BookDelete(e) => format!("delete {}", id(e.order_id)),
        Event::Trade(e) => format!(
            "trade {} {} with {} {}@{} leaves {}",
            e.trade_id,
            id(e.maker_order_id),
            id(e.taker_order_id),
            e.qty,
            e.price,
            e.maker_leaves
        ),
        Event::PhaseChanged(e) => format!("{:?}", e.phase),
        Event::MarketDefined(e) => format!("defined {}", e.market.0),
        Event::BookReplace(e) => format!("replace {} {}@{}", id(e.order_id), e.qty, e.price),
        Event::MarketStateChanged(e) => format!("market {} {:?}", e.market.0, e.state),
        Event::Uncrossed(e) => format!("uncrossed {} {}@{}", e.market.0, e.qty, e.price),
        Event::Outcome(e) => format!("{:?}: {:?}", e.command, e.reason),
        Event::StateHash(_) => "hash".to_owned(),
    };
    match (event.report(), event.feed_no()) {
        (Some((session, number)), _) => format!("s{} r{number} {text}", session.0),
        (None, Some(number)) => format!("f{number} {text}"),
        (None, None) => text,
    }
}
