//! Operators who ask at the same time, or go away: each account is made whole, and its answer names its frame.

use super::exchange::Exchange;
use super::lagging_history::gateway;
use crate::CommandRing;
use crate::api::admin::create_account;
use crate::auth::{Caller, Operator};
use crate::problem::Problem;
use crate::state::{App, Body};
use crate::view::wallet as base58;
use axum::extract::State;
use domain::{AccountId, Command, Genesis, REQUEST_WORDS, Request, Seq, Source, Zero};
use ed25519_dalek::SigningKey;
use journal::Frame;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::Role;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A command ring whose requests the test takes.
struct Sent(UnboundedSender<Request>);

impl CommandRing for Sent {
    fn push(&mut self, slot: &[u64; REQUEST_WORDS]) -> bool {
        self.0.send(Request::decode(slot).unwrap()).is_ok()
    }
    fn waiting(&self) -> u64 {
        0
    }
    fn is_served(&self) -> bool {
        true
    }
    fn blockage(&mut self) -> Option<String> {
        None
    }
    fn journalled(&self) -> Seq {
        Seq(0)
    }
}

/// A gateway, and in the place of a fastpath this.
pub(super) struct Office {
    pub(super) app: App,
    pub(super) exchange: Exchange,
    sent: UnboundedReceiver<Request>,
    told: usize,
    _folder: TempDir,
}

impl Office {
    async fn open() -> Self {
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
        exchange.apply(Source::ADMINISTRATION, Command::Genesis(genesis));
        Self::over(exchange).await
    }

    /// Of an exchange of which the gateway has been told everything.
    pub(super) async fn over(exchange: Exchange) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        let (ring, sent) = unbounded_channel();
        let all = exchange.frames.len();
        Self {
            app: gateway(&exchange, &url, all, Sent(ring)).await,
            told: all,
            exchange,
            sent,
            _folder: folder,
        }
    }

    /// The next request that the gateway sends.
    pub(super) async fn request(&mut self) -> Request {
        self.sent.recv().await.unwrap()
    }

    pub(super) fn sequence(&mut self, request: &Request) {
        let Request {
            source,
            source_seq,
            command,
            ..
        } = *request;
        self.exchange.apply_as(source, source_seq, command);
    }

    /// Tells the gateway all frames that it has not been told, at once.
    pub(super) fn tell(&mut self) {
        self.tell_to(self.exchange.frames.len());
    }

    /// Tells it those up to this one.
    pub(super) fn tell_to(&mut self, end: usize) {
        let frames = &self.exchange.frames[self.told..end];
        self.app.live.batch(|batch| {
            for words in frames {
                let frame = Frame::parse(words).unwrap();
                batch.shadow().step(&frame).unwrap();
                batch.told(&frame);
            }
        });
        self.told = end;
    }
}

fn wallet(seed: u8) -> [u8; 32] {
    SigningKey::from_bytes(&[seed; 32])
        .verifying_key()
        .to_bytes()
}

/// An operator asks for an account of a wallet; what is answered.
async fn asked(app: App, wallet: [u8; 32]) -> Result<Value, Problem> {
    let operator = Operator(Caller {
        wallet: [1; 32],
        role: Role::Operator,
        family: 1,
        until: Instant::now() + Duration::from_secs(60),
    });
    let new = serde_json::from_value(json!({ "wallet": base58(wallet) })).unwrap();
    let (_, made) = create_account(State(app), operator, Body(new)).await?;
    Ok(json!(made.0))
}

/// The account that a request makes.
fn account(request: &Request) -> AccountId {
    match request.command {
        Command::CreateAccount(create) => create.account,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_answer_names_the_frame_of_the_account_and_not_the_last() {
    let mut office = Office::open().await;
    let answer = tokio::spawn(asked(office.app.clone(), wallet(1)));
    let request = office.request().await;
    office.sequence(&request);
    let made = office.exchange.frames.len();
    // Refused, and journalled all the same.
    office.exchange.deposit(7, 0, 1);
    office.tell();
    let expected = json!({ "id": account(&request).0, "sequence": made.to_string() });
    assert_eq!(answer.await.unwrap().unwrap(), expected);
}

#[tokio::test]
async fn an_account_is_made_whole_though_who_asked_for_it_has_gone() {
    let mut office = Office::open().await;
    let app = office.app.clone();
    let first = {
        let mut gone = Box::pin(asked(app.clone(), wallet(1)));
        tokio::select! {
            answer = &mut gone => panic!("{answer:?}"),
            request = office.request() => request,
        }
    };
    // Whoever comes now would choose the same number.
    assert!(app.registering.try_lock().is_err(), "its turn lasts on");
    let answer = tokio::spawn(asked(app.clone(), wallet(2)));
    office.sequence(&first);
    office.tell();
    let second = office.request().await;
    office.sequence(&second);
    office.tell();
    assert_eq!(answer.await.unwrap().unwrap()["id"], account(&second).0);
    let owners = [1, 2].map(|seed| app.live.hub().account_of(&wallet(seed)));
    assert_eq!(owners, [Some(account(&first)), Some(account(&second))]);
    assert_ne!(owners[0], owners[1]);
}
