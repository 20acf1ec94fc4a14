//! A mass cancel that one frame has no room for is answered by its last frame, with all that it did.

use super::administration::Office;
use super::exchange::Exchange;
use super::lagging_history::{MEMBER, buy};
use crate::desk::Done;
use domain::{Command, Event, MAX_CANCELS, MassCancel, Reason, SessionId, Source};
use std::collections::BTreeSet;

fn canceled(done: &Done) -> usize {
    let gone =
        |event: &&Event| matches!(event, Event::Canceled(e) if e.reason == Reason::MassCancel);
    done.events.iter().filter(gone).count()
}

#[tokio::test]
async fn it_is_answered_when_the_last_order_is_gone() {
    let mut exchange = Exchange::with_traders(1 << 40, 256);
    let orders = 2 * MAX_CANCELS + 1;
    for id in 1..=orders {
        exchange.order(1, buy(id as u64, 1));
    }
    let mut office = Office::over(exchange).await;
    let (live, source) = (office.app.live.clone(), MEMBER.source());
    let answer = tokio::spawn(async move {
        let command = Command::MassCancel(MassCancel::OWN);
        live.command(source, command).await
    });
    let request = office.request().await;
    let first = office.exchange.frames.len() + 1;
    office.sequence(&request);
    let last = office.exchange.frames.len();
    assert_eq!(last - first, 2, "it goes on in two frames");
    for frame in first..last {
        office.tell_to(frame);
        tokio::task::yield_now().await;
        assert!(!answer.is_finished(), "frame {frame} is not the last");
    }
    office.tell();
    let done = answer.await.unwrap().unwrap();
    assert_eq!((done.seq.0, canceled(&done)), (last as u64, orders));
    // What it did is told whole, also what nobody remembers any more.
    let ids: BTreeSet<u64> = done
        .cancelled
        .iter()
        .map(|order| order.client_order_id.0)
        .collect();
    assert_eq!(ids, (1..=orders as u64).collect());
}

#[tokio::test]
async fn what_others_do_is_not_taken_for_its_end() {
    let mut exchange = Exchange::with_traders(1 << 40, 256);
    exchange.order(1, buy(1, 1));
    let mut office = Office::over(exchange).await;
    let (live, source) = (office.app.live.clone(), MEMBER.source());
    let answer = tokio::spawn(async move {
        let command = Command::MassCancel(MassCancel::OWN);
        live.command(source, command).await
    });
    let request = office.request().await;
    // Another session's comes first.
    let other = Source::of_session(SessionId(2));
    let command = Command::MassCancel(MassCancel::OWN);
    office.exchange.apply(other, command);
    office.tell();
    tokio::task::yield_now().await;
    assert!(!answer.is_finished());
    office.sequence(&request);
    office.tell();
    let done = answer.await.unwrap().unwrap();
    assert_eq!(canceled(&done), 1);
}
