//! What the gateway does with what sessions attest: levels go to the engine in administration's order, and a session's
//! owner is told what is missing.

use super::administration::Office;
use super::exchange::{Exchange, create_asset, create_market};
use crate::Standing;
use crate::administration::administer;
use crate::api::sessions::list;
use crate::auth::Caller;
use axum::extract::State;
use domain::{
    AccountId, ClientOrderId, Command, ConfirmAttestation, CreateAccount, Delegation, FirmId, Flag,
    Gate, Genesis, Limits, MarketId, NewOrder, OpenSession, Price, Qty, SessionId, SetLimits, Side,
    Source, Zero,
};
use ed25519_dalek::SigningKey;
use journal::Frame;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::Role;

const ADMIN: Source = Source::ADMINISTRATION;

fn limits(units: u64) -> Command {
    Command::SetLimits(SetLimits {
        target: 0,
        of_account: Flag::No,
        as_tier: Flag::No,
        pad: [Zero::Zero; 2],
        limits: Limits {
            max_unattested_notional: units,
            ..Limits::default()
        },
    })
}

#[tokio::test]
async fn a_level_takes_no_number_that_somebody_is_about_to_give() {
    let exchange = Exchange::with_traders(1 << 40, 64);
    let mut office = Office::over(exchange).await;
    let live = office.app.live.clone();
    let held = live.asking().lock().await;
    assert!(!live.confirm_attestation(SessionId(1), 7));
    drop(held);
    let last = office.exchange.engine.last_number(ADMIN);
    assert!(live.confirm_attestation(SessionId(1), 7));
    let sent = office.request().await;
    let confirm = ConfirmAttestation {
        session: SessionId(1),
        pad: [Zero::Zero; 4],
        level: 7,
    };
    assert_eq!(sent.command, Command::ConfirmAttestation(confirm));
    assert_eq!((sent.source, sent.source_seq), (ADMIN, last + 1));
    // Who comes next has the next number, and is answered.
    let app = office.app.clone();
    let asked = tokio::spawn(async move {
        let done = administer(&app, [1; 32], ADMIN, limits(5)).await;
        done.map(|done| done.seq).map_err(|problem| json!(problem))
    });
    let next = office.request().await;
    assert_eq!(next.source_seq, last + 2);
    office.sequence(&sent);
    office.sequence(&next);
    office.tell();
    let frames = u64::try_from(office.exchange.frames.len()).unwrap();
    assert_eq!(asked.await.unwrap().unwrap().0, frames);
    live.stand(Standing::Diverged);
    assert!(!live.confirm_attestation(SessionId(1), 8));
}

/// An exchange with one account that a wallet owns, its session of the gateway and one of the port.
fn owned(owner: [u8; 32]) -> Exchange {
    let mut exchange = Exchange::new();
    let genesis = Genesis {
        max_assets: 2,
        max_markets: 2,
        max_accounts: 8,
        max_sessions: 8,
        max_orders: 64,
        max_levels: 4_000,
        max_pages: 66,
        pad: [Zero::Zero; 4],
    };
    exchange.apply(ADMIN, Command::Genesis(genesis));
    for asset in 0..2 {
        exchange.apply(ADMIN, create_asset(asset));
    }
    exchange.apply(ADMIN, create_market(0));
    let account = AccountId(1);
    let create = CreateAccount {
        account,
        firm: FirmId(1),
        owner,
    };
    exchange.apply(ADMIN, Command::CreateAccount(create));
    for (id, gate) in [(1, Gate::Gateway), (2, Gate::Port)] {
        let open = OpenSession {
            session: SessionId(id),
            account,
            delegation: Delegation::unlimited([u8::try_from(id).unwrap(); 32]),
            gate,
            pad: [Zero::Zero; 7],
        };
        exchange.apply(ADMIN, Command::OpenSession(open));
    }
    exchange.deposit(1, 1, 1 << 40);
    exchange.apply(ADMIN, limits(5));
    exchange
}

async fn sessions(office: &Office, wallet: [u8; 32]) -> Value {
    let caller = Caller {
        wallet,
        role: Role::User,
        family: 1,
        until: Instant::now() + Duration::from_secs(60),
    };
    json!(list(State(office.app.clone()), caller).await.unwrap().0)["sessions"].clone()
}

#[tokio::test]
async fn a_session_says_what_it_has_not_attested_and_what_it_would_sign() {
    let owner = SigningKey::from_bytes(&[5; 32]).verifying_key().to_bytes();
    let mut office = Office::over(owned(owner)).await;
    let order = NewOrder {
        client_order_id: ClientOrderId(1),
        price: Price(100),
        qty: Qty(10),
        market: MarketId(0),
        side: Side::Buy,
        ..NewOrder::PLAIN
    };
    office
        .exchange
        .apply(Source::of_session(SessionId(2)), Command::NewOrder(order));
    office.tell();
    for words in &office.exchange.frames {
        let frame = Frame::parse(words).unwrap();
        office.app.live.checker().take(&frame);
    }
    let told = sessions(&office, owner).await;
    let unattested = [&told[0]["unattested"], &told[1]["unattested"]];
    assert_eq!(unattested, [&json!("0"), &json!("1000")]);
    assert_eq!(told[0].get("attestation"), None, "it comes in by the API");
    let standing = office.app.live.checker().standing(SessionId(2)).unwrap();
    let hash = standing.hash.to_bytes().map(|byte| format!("{byte:02x}"));
    let expected = json!({ "number": "1", "running_hash": hash.concat() });
    assert_eq!(told[1]["attestation"], expected);
}
