//! Sessions that may enter only so much unattested: one attests and trades on and on, whatever is killed meanwhile; one
//! does not, and one attests by a key that is not its own: both are stopped at the limit.

use anyhow::{Result, ensure};
use bench::instance::{Instance, Plan, Role};
use client::{Attesting, Config, Connection, Event};
use domain::{
    ClientOrderId, MarketId, MassCancel, NewOrder, OrderType, Price, Qty, Reason, SessionId, Side,
    TimeInForce,
};
use ed25519_dalek::SigningKey;
use std::time::{Duration, Instant};
use wire::order_entry::Message;

use super::{PLAN, READY};

/// What a session may have entered and not attested, in whole units of the quote asset, and what an order enters.
const LIMIT: u64 = 1_000;
const ORDER: u64 = 100;
/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than it takes to attest, to check and to confirm.
const LONG_ENOUGH: Duration = Duration::from_millis(600);

pub(super) fn attestation() -> Result<String> {
    let mut instance = Instance::create(&Plan {
        sessions: 3,
        ..PLAN
    })?;
    set_terms(&instance)?;
    for role in Role::BOTH {
        instance.start(role)?;
    }
    instance.wait_ready(READY)?;
    let mut maker = Maker::open(&instance, 1, Some(key(1)))?;
    maker.enter(30)?;
    let refused_at = [None, Some(key(9))].map(|key| -> Result<u64> {
        let session = if key.is_none() { 2 } else { 3 };
        Maker::open(&instance, session, key)?.stopped()
    });
    let [without, with_another] = refused_at;
    ensure!(without? == LIMIT && with_another? == LIMIT);
    let wrong = format!("attestation of session {} in seq", 3);
    let told = std::fs::read_to_string(instance.log(Role::Slowpath))?;
    ensure!(told.contains(&wrong), "the operator was not told: {told}");
    // What was attested is known again, whoever dies.
    for role in Role::BOTH {
        instance.kill(role)?;
        instance.start(role)?;
        instance.wait_ready(READY)?;
        maker.enter(30)?;
    }
    ensure!(!maker.lost, "it lost its hash");
    let entered = maker.entered;
    drop(maker);
    instance.stop()?;
    instance.sluice(&["journal", "verify"])?;
    Ok(format!(
        "who attests entered {entered} of {LIMIT}, over two kills; who does not, or by another key, {LIMIT}"
    ))
}

fn key(of: u8) -> [u8; 32] {
    [of; 32]
}

/// A limit for all, and the keys of the sessions, into the genesis file.
fn set_terms(instance: &Instance) -> Result<()> {
    let path = instance.folder().join("genesis.toml");
    let mut text = std::fs::read_to_string(&path)?;
    text = text.replacen(
        "max_open_orders = 0\n",
        &format!("max_open_orders = 0\nmax_unattested_notional = {LIMIT}\n"),
        1,
    );
    for session in 1..=3 {
        let public = SigningKey::from_bytes(&key(session)).verifying_key();
        let hex = public.as_bytes().map(|byte| format!("{byte:02x}")).concat();
        text = text.replace(
            &format!("public_key = \"{session:064x}\""),
            &format!("public_key = \"{hex}\""),
        );
    }
    Ok(std::fs::write(path, text)?)
}

/// A client that enters orders which nobody meets: what of them is taken was entered.
struct Maker {
    connection: Connection,
    next_id: u64,
    /// Whole units of the quote asset.
    entered: u64,
    lost: bool,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Taken,
    Refused(u16),
}

impl Maker {
    fn open(instance: &Instance, session: u32, key: Option<[u8; 32]>) -> Result<Self> {
        let session = SessionId(session);
        let config = Config {
            attesting: key.map(|key| Attesting::with_key(&key)),
            ..Config::new(session, instance.session_secret(session)?)
        };
        let mut maker = Self {
            connection: Connection::open(instance.port.into(), config)?,
            next_id: 1,
            entered: 0,
            lost: false,
        };
        let start = Instant::now();
        while !maker.connection.session().is_established() {
            ensure!(start.elapsed() < PATIENCE, "no answer");
            maker.hear(Duration::from_millis(5))?;
        }
        Ok(maker)
    }

    /// Enters so many orders, each again until it is taken.
    fn enter(&mut self, orders: u64) -> Result<()> {
        let start = Instant::now();
        for _ in 0..orders {
            loop {
                match self.order()? {
                    Told::Taken => break,
                    Told::Refused(reason) => ensure!(
                        reason == u16::from(Reason::UnattestedAboveLimit),
                        "refused with {reason}"
                    ),
                }
                ensure!(
                    start.elapsed() < PATIENCE,
                    "stopped behind {} units entered",
                    self.entered
                );
                self.hear(Duration::from_millis(5))?;
            }
        }
        Ok(())
    }

    /// Enters orders until one is refused, and is refused later too, but may cancel; what was entered.
    fn stopped(mut self) -> Result<u64> {
        let refused = Told::Refused(Reason::UnattestedAboveLimit.into());
        while self.order()? == Told::Taken {
            ensure!(self.entered <= LIMIT, "it goes on behind the limit");
        }
        let end = Instant::now() + LONG_ENOUGH;
        while Instant::now() < end {
            self.hear(Duration::from_millis(20))?;
            ensure!(self.order()? == refused, "another answer at the limit");
        }
        let number = self
            .connection
            .session_mut()
            .mass_cancel(&MassCancel::OWN)?;
        self.answer(|message| {
            let is_done = matches!(message, Message::MassCanceled(done) if done.request == number);
            is_done.then_some(())
        })?;
        Ok(self.entered)
    }

    /// Sends an order and waits for what becomes of it.
    fn order(&mut self) -> Result<Told> {
        let id = ClientOrderId(self.next_id);
        self.next_id += 1;
        let order = NewOrder {
            client_order_id: id,
            price: Price(10_000),
            // A lot is worth a tenth of a unit.
            qty: Qty(10 * ORDER),
            market: MarketId(0),
            side: Side::Sell,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::ImmediateOrCancel,
            ..NewOrder::PLAIN
        };
        self.connection.session_mut().new_order(&order)?;
        let told = self.answer(|message| {
            if let Message::OrderAccepted(taken) = message {
                (taken.client_order_id == id).then_some(Told::Taken)
            } else if let Message::OrderRejected(refused) = message {
                (refused.client_order_id == id).then_some(Told::Refused(refused.reason))
            } else {
                None
            }
        })?;
        if told == Told::Taken {
            self.entered += ORDER;
        }
        Ok(told)
    }

    fn answer<T>(&mut self, is_it: impl Fn(&Message) -> Option<T>) -> Result<T> {
        let start = Instant::now();
        loop {
            ensure!(start.elapsed() < PATIENCE, "no answer");
            if let Some(message) = self.hear(Duration::from_millis(50))?
                && let Some(answer) = is_it(&message)
            {
                return Ok(answer);
            }
        }
    }

    /// The next report, if one comes in time.
    fn hear(&mut self, wait: Duration) -> Result<Option<Message>> {
        let event = self.connection.poll(wait)?;
        self.lost |= event == Some(Event::AttestationLost);
        Ok(match event {
            Some(Event::Report { message, .. }) => Some(message),
            Some(_) | None => None,
        })
    }
}
