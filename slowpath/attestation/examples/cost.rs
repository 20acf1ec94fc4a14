//! What attesting costs whoever attests and whoever checks, by this machine's clock:
//!
//! ```text
//! cargo run --release -p attestation --example cost
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to the terminal")]

#[path = "../../store/tests/exchange/mod.rs"]
#[expect(dead_code, reason = "made for the store, and this needs less of it")]
mod exchange;

use attestation::Checker;
use domain::{
    Attest, ClientOrderId, Command, Delegate, Delegation, MarketId, NewOrder, Price, Qty,
    SessionId, Source, Zero,
};
use ed25519_dalek::{Signer as _, SigningKey};
use exchange::{Exchange, SHARD};
use journal::Frame;
use std::hint::black_box;
use std::time::Instant;
use wire::auth::RunningHash;

const COMMANDS: u64 = 50_000;
const SIGNATURES: u64 = 5_000;
const SESSION: SessionId = SessionId(1);

fn main() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let mut exchange = Exchange::with_traders(1 << 40, 1_000);
    let delegate = Command::Delegate(Delegate {
        session: SESSION,
        pad: [Zero::Zero; 4],
        delegation: Delegation::unlimited(key.verifying_key().to_bytes()),
    });
    exchange.apply(Source::ADMINISTRATION, delegate);
    let setup = exchange.frames.len();
    let orders: Vec<Command> = (1..=COMMANDS).map(order).collect();
    for order in &orders {
        exchange.apply(Source::of_session(SESSION), *order);
    }

    let mut hash = RunningHash::begin(SHARD, SESSION);
    let begin = Instant::now();
    for (number, order) in (1..).zip(&orders) {
        hash.take(number, order);
    }
    tell("client: the hash of a command", begin, COMMANDS);

    let begin = Instant::now();
    for _ in 0..SIGNATURES {
        black_box(key.sign(black_box(&hash.signed())));
    }
    tell("client: a signature", begin, SIGNATURES);

    let mut checker = Checker::new(SHARD);
    for frame in exchange.frames_of(1, setup) {
        checker.take(&frame);
    }
    let frames: Vec<Frame<'_>> = exchange
        .frames_of(setup + 1, exchange.frames.len())
        .collect();
    let begin = Instant::now();
    for frame in &frames {
        checker.take(frame);
    }
    tell("checker: a command's frame", begin, COMMANDS);

    let signature = key.sign(&hash.signed()).to_bytes();
    drop(frames);
    exchange.apply(
        Source::of_session(SESSION),
        Command::Attest(Attest { signature }),
    );
    for frame in exchange.frames_of(exchange.frames.len(), exchange.frames.len()) {
        checker.take(&frame);
    }
    let noted = checker.take_noted();
    let begin = Instant::now();
    for _ in 0..SIGNATURES {
        assert!(black_box(&noted[0]).is_right(), "it was signed so");
    }
    tell("checker: an attestation", begin, SIGNATURES);
}

fn order(id: u64) -> Command {
    Command::NewOrder(NewOrder {
        client_order_id: ClientOrderId(id),
        price: Price(100),
        qty: Qty(1),
        market: MarketId(0),
        time_in_force: domain::TimeInForce::ImmediateOrCancel,
        ..NewOrder::PLAIN
    })
}

fn tell(what: &str, begin: Instant, times: u64) {
    let nanos = begin.elapsed().as_nanos() / u128::from(times);
    println!("{what}: {nanos} ns");
}
