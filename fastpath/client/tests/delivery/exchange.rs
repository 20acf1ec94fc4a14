//! A toy exchange: the protocol of docs/WIRE.md, and just enough of a book to have something to report.

use crate::random::Random;
use domain::{Amount, ClientOrderId, Nanos, OrderId, Price, Qty, Reason, Seq, SessionId};
use ed25519_dalek::{Signature, SigningKey};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use wire::CONTROL_EPOCH;
use wire::auth::{MacKeys, RunningHash, SessionSecret};
use wire::order_entry::{
    AmendOrder, Attest, AttestationNoted, Became, CancelOrder, Challenge, Context, DatagramReader,
    DatagramWriter, Established, MassCanceled, MassQuote, Message, NotApplied, OrderAccepted,
    OrderAmended, OrderCanceled, OrderFilled, OrderRejected, Outcome, ProtectionSet, Refused,
    Stamp, Template, Triggered,
};

pub(crate) const SESSION: SessionId = SessionId(3);
const SHARD: u16 = 2;

pub(crate) fn secret() -> SessionSecret {
    SessionSecret::from_bytes([9; 32])
}

/// The private half of the session's delegated key.
pub(crate) const DELEGATED_KEY: [u8; 32] = [8; 32];

/// A live order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) order_id: OrderId,
    pub(crate) price: Price,
    pub(crate) quantity: Qty,
    pub(crate) filled: u64,
    pub(crate) fees: u64,
    pub(crate) expires: Nanos,
    pub(crate) display: Qty,
    /// Of a stop that waits; else 0.
    pub(crate) trigger: Price,
    side: u8,
}

/// The request of a mass cancel for which its own frame had no room, as every other one here.
fn ends_later(message: &Message) -> Option<u64> {
    if let Message::MassCancel(cancel) = message {
        return Some(cancel.request).filter(|request| request % 2 == 1);
    }
    None
}

/// A command, the numbers that it skipped, and its reports.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) number: u64,
    pub(crate) command: Message,
    first_skipped: u64,
    reports: core::ops::Range<usize>,
}

/// What a journal would hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) last_no: u64,
    pub(crate) reports: Vec<Message>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) live: BTreeMap<ClientOrderId, Live>,
    /// What is quoted, by market and side.
    pub(crate) quotes: BTreeMap<(u32, u8), Live>,
    /// The last number whose attestation was right.
    pub(crate) attested_by: u64,
    /// How many attestations were wrong.
    pub(crate) wrong_attestations: u64,
    /// From this number on orders are refused until an attestation that comes later is right; 0: never.
    pub(crate) above_limit_from: u64,
    seq: u64,
}

impl State {
    /// Of all commands, as a checker of the journal has it.
    pub(crate) fn running_hash(&self) -> RunningHash {
        let mut hash = RunningHash::begin(SHARD, SESSION);
        for frame in &self.frames {
            hash.take(frame.number, &frame.command.command().unwrap());
        }
        hash
    }

    fn attest(&mut self, number: u64, attest: &Attest) {
        let key = SigningKey::from_bytes(&DELEGATED_KEY).verifying_key();
        let signature = Signature::from_bytes(&domain::Attest::from(attest).signature);
        let signed = self.running_hash().signed();
        if key.verify_strict(&signed, &signature).is_ok() {
            self.attested_by = number;
            self.above_limit_from = 0;
        } else {
            self.wrong_attestations += 1;
        }
    }
}

pub(crate) struct Exchange {
    pub(crate) state: State,
    pub(crate) epoch: u32,
    pub(crate) bound: bool,
    /// Of 1,000 messages, how many are answered with `Busy`.
    pub(crate) busy: u64,
    /// Until this number comes, higher ones are answered with `Busy` too.
    busy_from: Option<u64>,
    /// The first report that can still be sent again.
    pub(crate) oldest_report_no: u64,
    /// Where the others can be asked for, and outcomes of all messages.
    pub(crate) replay: Option<SocketAddrV4>,
    epoch_report_no: u64,
    history: Vec<State>,
    /// What every number said when it was first seen, by epoch.
    said: BTreeMap<(u32, u64), Message>,
    out: Vec<Vec<u8>>,
    random: Random,
}

impl Exchange {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: State::default(),
            epoch: 1,
            bound: false,
            busy: 0,
            busy_from: None,
            oldest_report_no: 1,
            replay: None,
            epoch_report_no: 1,
            history: vec![State::default()],
            said: BTreeMap::new(),
            out: Vec::new(),
            random: Random(seed),
        }
    }

    fn keys(epoch: u32) -> MacKeys {
        secret().keys(SESSION, SHARD, epoch)
    }

    pub(crate) fn next_report_no(&self) -> u64 {
        u64::try_from(self.state.reports.len()).unwrap() + 1
    }

    /// Takes a datagram in and returns the answers.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let context = DatagramReader::context(bytes).unwrap();
        assert_eq!(context.session_id, SESSION);
        let key = Self::keys(context.epoch).to_exchange;
        assert!(DatagramReader::verify(bytes, &key), "a client signs");
        let datagram = DatagramReader::parse(bytes).expect("a client sends well-formed messages");
        if context.epoch != CONTROL_EPOCH && context.epoch != self.epoch {
            return Vec::new();
        }
        let messages: Vec<_> = datagram.messages.collect();
        for numbered in &messages {
            match (numbered.message, numbered.number) {
                (Message::Hello(hello), _) => {
                    let nonce = hello.nonce;
                    let cookie = nonce ^ 0xC00C1E;
                    self.write(CONTROL_EPOCH, 0, &[Challenge { nonce, cookie }.into()]);
                }
                (Message::Establish(it), _) => self.establish(it.nonce, it.cookie),
                _ if !self.bound => self.refuse(Reason::NotEstablished, 0, 0, 0),
                (Message::ResendRequest(request), _) => {
                    self.resend(request.from_report_no, u64::from(request.count));
                }
                (Message::OutcomeQuery(query), _) => {
                    let template = Template::OutcomeQuery.number();
                    let from = query.seq_no.max(query.client_order_id.0);
                    self.refuse(Reason::NoLongerInMemory, template, from, 1);
                }
                (message, Some(number)) => {
                    let first = *self.said.entry((self.epoch, number)).or_insert(message);
                    assert_eq!(first, message, "number {number} changed its content");
                    if !self.command(number, message) {
                        let from = self.busy_from.unwrap_or(number);
                        let count = context.next_seq_no + messages.len() as u64 - from;
                        self.refuse(Reason::Busy, message.template_id(), from, count);
                        break;
                    }
                }
                (other, None) => panic!("a client does not send {other:?}"),
            }
        }
        core::mem::take(&mut self.out)
    }

    /// Takes a datagram of the replay port in and returns the answers.
    pub(crate) fn feed_replay(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let key = Self::keys(self.epoch).to_exchange;
        assert!(DatagramReader::verify(bytes, &key), "a client signs");
        let datagram = DatagramReader::parse(bytes).unwrap();
        for numbered in datagram.messages {
            if let Message::ResendRequest(request) = numbered.message {
                let start = usize::try_from(request.from_report_no - 1).unwrap();
                let count = request.count.min(64) as usize;
                let end = (start + count).min(self.state.reports.len());
                self.send_reports(start..end, Context::RETRANSMISSION);
            } else if let Message::OutcomeQuery(query) = numbered.message {
                let outcome = Outcome {
                    seq_no: query.seq_no,
                    client_order_id: query.client_order_id,
                    became: Became::Applied as u8,
                    ..Outcome::default()
                };
                self.write_at(self.epoch, 0, Context::RETRANSMISSION, &[outcome.into()]);
            } else {
                panic!("a client does not send {:?} there", numbered.message);
            }
        }
        core::mem::take(&mut self.out)
    }

    fn establish(&mut self, nonce: u64, cookie: u64) {
        if cookie != nonce ^ 0xC00C1E {
            return;
        }
        self.bound = true;
        self.busy_from = None;
        let established = Established {
            nonce,
            epoch: self.epoch,
            shard: SHARD,
            last_seq_no: self.state.last_no,
            next_report_no: self.next_report_no(),
            oldest_report_no: self.oldest_report_no,
            epoch_report_no: self.epoch_report_no,
            ..Established::default()
        };
        self.write(CONTROL_EPOCH, 0, &[established.into()]);
    }

    /// A datagram that only says which report comes next.
    pub(crate) fn heartbeat(&mut self) -> Vec<Vec<u8>> {
        if self.bound {
            let next = self.next_report_no();
            self.write_at(self.epoch, next, 0, &[]);
        }
        core::mem::take(&mut self.out)
    }

    fn refuse(&mut self, reason: Reason, template: u16, from_no: u64, count: u64) {
        let refused = Refused {
            from_no,
            count,
            reason: reason.into(),
            refused_template_id: template,
            ..Refused::default()
        };
        let replay = self.replay.filter(|_| reason == Reason::NoLongerInMemory);
        let refused = refused.with_replay(replay);
        self.write_at(self.epoch, 0, 0, &[refused.into()]);
    }

    fn resend(&mut self, from: u64, count: u64) {
        let next = self.next_report_no();
        let template = Template::ResendRequest.number();
        if from == 0 || from >= next {
            self.refuse(Reason::NotIssued, template, from, count);
        } else if from < self.oldest_report_no {
            let count = count.min(self.oldest_report_no - from);
            self.refuse(Reason::NoLongerInMemory, template, from, count);
        } else {
            let start = usize::try_from(from - 1).unwrap();
            let end = usize::try_from((from + count).min(next) - 1).unwrap();
            self.send_reports(start..end, Context::RETRANSMISSION);
        }
    }

    fn send_reports(&mut self, range: core::ops::Range<usize>, flags: u16) {
        let mut first = range.start;
        while first < range.end {
            let end = range.end.min(first + 10);
            let number = u64::try_from(first).unwrap() + 1;
            let reports = self.state.reports[first..end].to_vec();
            self.write_at(self.epoch, number, flags, &reports);
            first = end;
        }
    }

    /// False if it was too busy to take it.
    fn command(&mut self, number: u64, message: Message) -> bool {
        if number <= self.state.last_no {
            let frame = self.state.frames.iter();
            let frame = frame
                .clone()
                .find(|it| (it.first_skipped..=it.number).contains(&number));
            let frame = frame.unwrap();
            let (reports, ends_later) = (frame.reports.clone(), ends_later(&frame.command));
            self.send_reports(reports, Context::RETRANSMISSION);
            if ends_later.is_some() {
                self.write_at(self.epoch, self.next_report_no(), 0, &[]);
            }
            return true;
        }
        if self.busy_from.is_some_and(|from| number > from) {
            return false;
        }
        if self.random.chance(self.busy) {
            self.busy_from = Some(self.busy_from.map_or(number, |from| from.min(number)));
            return false;
        }
        self.busy_from.take_if(|from| *from == number);
        let first_report = self.state.reports.len();
        let first_skipped = self.state.last_no + 1;
        self.state.seq += 1;
        let stamp = Stamp {
            engine_seq: Seq(self.state.seq),
            client_seq_no: number,
            ..Stamp::default()
        };
        if first_skipped < number {
            self.report(NotApplied {
                stamp,
                from_seq_no: first_skipped,
                count: number - first_skipped,
            });
        }
        self.apply(stamp, &message);
        self.state.last_no = number;
        let reports = first_report..self.state.reports.len();
        self.send_reports(reports.clone(), 0);
        self.state.frames.push(Frame {
            number,
            command: message,
            first_skipped,
            reports,
        });
        if let Some(request) = ends_later(&message) {
            self.continue_mass_cancel(request);
        }
        self.history.push(self.state.clone());
        true
    }

    /// A frame of the exchange's own, behind that of the command.
    fn continue_mass_cancel(&mut self, request: u64) {
        let first = self.state.reports.len();
        self.state.seq += 1;
        let stamp = Stamp {
            engine_seq: Seq(self.state.seq),
            ..Stamp::default()
        };
        self.cancel_all(stamp, request);
        self.send_reports(first..self.state.reports.len(), 0);
    }

    fn cancel_all(&mut self, stamp: Stamp, request: u64) {
        let live = core::mem::take(&mut self.state.live);
        let count = u64::try_from(live.len()).unwrap();
        for (client_order_id, order) in live {
            self.report(OrderCanceled {
                stamp,
                order_id: order.order_id,
                client_order_id,
                quantity: Qty(order.quantity.0 - order.filled),
                reason: Reason::MassCancel.into(),
                ..OrderCanceled::default()
            });
        }
        self.report(MassCanceled {
            stamp,
            request,
            count,
        });
    }

    fn report(&mut self, report: impl Into<Message>) {
        self.state.reports.push(report.into());
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "everything else is refused, whatever it is"
    )]
    fn apply(&mut self, stamp: Stamp, message: &Message) {
        match message {
            Message::NewOrder(order) => {
                let id = order.client_order_id;
                let limit = self.state.above_limit_from;
                if limit > 0 && stamp.client_seq_no >= limit {
                    return self.reject(stamp, id, Reason::UnattestedAboveLimit);
                }
                if self.state.live.contains_key(&id) {
                    return self.reject(stamp, id, Reason::DuplicateClientOrderId);
                }
                let live = Live {
                    order_id: OrderId(self.state.seq),
                    price: order.price,
                    quantity: order.quantity,
                    filled: 0,
                    fees: 0,
                    expires: order.expires,
                    display: order.display_quantity,
                    trigger: order.trigger_price,
                    side: order.side,
                };
                self.state.live.insert(id, live);
                self.report(OrderAccepted {
                    stamp,
                    order_id: live.order_id,
                    client_order_id: id,
                    price: order.price,
                    quantity: order.quantity,
                    expires: order.expires,
                    display_quantity: order.display_quantity,
                    trigger_price: order.trigger_price,
                    market_id: order.market_id,
                    side: order.side,
                    ..OrderAccepted::default()
                });
                if order.price.0 % 3 == 0 && live.trigger == Price(0) {
                    let lots = 1 + order.price.0.unsigned_abs() % order.quantity.0;
                    self.fill(stamp, id, lots);
                }
            }
            Message::CancelOrder(cancel) => self.cancel(stamp, cancel),
            Message::AmendOrder(amend) => self.amend(stamp, amend),
            Message::MassCancel(cancel) if ends_later(message).is_none() => {
                self.cancel_all(stamp, cancel.request);
            }
            Message::MassCancel(_) => {}
            Message::MassQuote(quote) => self.quote(stamp, quote),
            Message::SetProtection(protection) => self.report(ProtectionSet {
                stamp,
                request: protection.request,
                market_id: protection.market_id,
                reserved: 0,
            }),
            Message::Attest(attest) => {
                self.state.attest(stamp.client_seq_no, attest);
                self.report(AttestationNoted { stamp, level: 0 });
            }
            other => panic!("a client does not send {other:?}"),
        }
    }

    fn cancel(&mut self, stamp: Stamp, cancel: &CancelOrder) {
        let id = cancel.client_order_id;
        let Some(&live) = self.state.live.get(&id) else {
            return self.reject(stamp, id, Reason::UnknownOrder);
        };
        let leaves = live.quantity.0 - live.filled;
        if (1..leaves).contains(&cancel.quantity.0) {
            let quantity = Qty(live.quantity.0 - cancel.quantity.0);
            return self.change(stamp, id, id, Live { quantity, ..live });
        }
        self.state.live.remove(&id);
        self.report(OrderCanceled {
            stamp,
            order_id: live.order_id,
            client_order_id: id,
            quantity: Qty(leaves),
            reason: Reason::Requested.into(),
            ..OrderCanceled::default()
        });
    }

    fn amend(&mut self, stamp: Stamp, amend: &AmendOrder) {
        let (id, other) = (amend.client_order_id, amend.new_client_order_id);
        let new = if other == ClientOrderId(0) { id } else { other };
        let live = self.state.live.get(&id).copied();
        let Some(live) = live.filter(|live| amend.quantity.0 > live.filled) else {
            return self.reject(stamp, id, Reason::InvalidQuantity);
        };
        if new != id && self.state.live.contains_key(&new) {
            return self.reject(stamp, id, Reason::DuplicateClientOrderId);
        }
        let amended = Live {
            price: amend.price,
            quantity: amend.quantity,
            ..live
        };
        self.change(stamp, id, new, amended);
    }

    /// An order is another from now on, under a new id perhaps.
    fn change(&mut self, stamp: Stamp, id: ClientOrderId, new: ClientOrderId, live: Live) {
        self.state.live.remove(&id);
        self.state.live.insert(new, live);
        self.report(OrderAmended {
            stamp,
            order_id: live.order_id,
            client_order_id: new,
            price: live.price,
            quantity: live.quantity,
            leaves_quantity: Qty(live.quantity.0 - live.filled),
            ..OrderAmended::default()
        });
    }

    fn quote(&mut self, stamp: Stamp, message: &MassQuote) {
        let quote = &message.quote;
        let bid = (quote.bid_price, quote.bid_quantity);
        let ask = (quote.ask_price, quote.ask_quantity);
        let before = self.state.reports.len();
        for (side, (price, open)) in [(0, bid), (1, ask)] {
            self.quote_side(stamp, message, side, price, open);
        }
        if self.state.reports.len() == before {
            self.reject(stamp, message.quote_id, Reason::UnknownOrder);
        }
    }

    fn quote_side(&mut self, stamp: Stamp, quote: &MassQuote, side: u8, price: Price, open: Qty) {
        let (client_order_id, market_id) = (quote.quote_id, quote.quote.market_id);
        let place = (market_id.0, side);
        let old = self.state.quotes.get(&place).copied();
        let live = old.unwrap_or(Live {
            // No other order's: two may be made in a frame.
            order_id: OrderId(self.state.seq + (u64::from(side + 1) << 32)),
            price,
            quantity: open,
            filled: 0,
            fees: 0,
            expires: Nanos(0),
            display: Qty(0),
            trigger: Price(0),
            side,
        });
        let order_id = live.order_id;
        if open == Qty(0) {
            if old.is_some() {
                self.state.quotes.remove(&place);
                self.report(OrderCanceled {
                    stamp,
                    order_id,
                    client_order_id,
                    quantity: live.quantity,
                    reason: Reason::Requested.into(),
                    ..OrderCanceled::default()
                });
            }
            return;
        }
        let quoted = Live {
            price,
            quantity: open,
            ..live
        };
        self.state.quotes.insert(place, quoted);
        if old.is_some() {
            self.report(OrderAmended {
                stamp,
                order_id,
                client_order_id,
                price,
                quantity: open,
                leaves_quantity: open,
                market_id,
                ..OrderAmended::default()
            });
        } else {
            self.report(OrderAccepted {
                stamp,
                order_id,
                client_order_id,
                price,
                quantity: open,
                market_id,
                side,
                quote: 1,
                ..OrderAccepted::default()
            });
        }
    }

    fn reject(&mut self, stamp: Stamp, client_order_id: ClientOrderId, reason: Reason) {
        self.report(OrderRejected {
            stamp,
            client_order_id,
            reason: reason.into(),
            ..OrderRejected::default()
        });
    }

    fn fill(&mut self, stamp: Stamp, id: ClientOrderId, lots: u64) {
        let live = self.state.live.get_mut(&id).unwrap();
        live.filled += lots;
        live.fees += 2;
        let live = *live;
        let leaves = live.quantity.0 - live.filled;
        if leaves == 0 {
            self.state.live.remove(&id);
        }
        self.report(OrderFilled {
            stamp,
            order_id: live.order_id,
            client_order_id: id,
            price: live.price,
            quantity: Qty(lots),
            leaves_quantity: Qty(leaves),
            fee: Amount(2),
            side: live.side,
            ..OrderFilled::default()
        });
    }

    fn arrive(&mut self, stamp: Stamp, id: ClientOrderId) {
        let live = self.state.live.get_mut(&id).unwrap();
        live.trigger = Price(0);
        let live = *live;
        self.report(Triggered {
            stamp,
            order_id: live.order_id,
            client_order_id: id,
            price: live.price,
            side: live.side,
            ..Triggered::default()
        });
    }

    /// Somebody else trades with one of the orders, or lets it arrive, if it is a stop.
    pub(crate) fn trade(&mut self) -> Vec<Vec<u8>> {
        let count = u64::try_from(self.state.live.len()).unwrap();
        if count > 0 {
            let at = usize::try_from(self.random.below(count)).unwrap();
            let id = *self.state.live.keys().nth(at).unwrap();
            let first = self.state.reports.len();
            self.state.seq += 1;
            let stamp = Stamp {
                engine_seq: Seq(self.state.seq),
                ..Stamp::default()
            };
            if self.state.live[&id].trigger == Price(0) {
                self.fill(stamp, id, 1);
            } else {
                self.arrive(stamp, id);
            }
            self.history.push(self.state.clone());
            if self.bound {
                self.send_reports(first..first + 1, 0);
            }
        }
        core::mem::take(&mut self.out)
    }

    /// Power was lost, and with it up to `frames` of the last frames.
    pub(crate) fn lose(&mut self, frames: u64) {
        let keep = self.history.len() - usize::try_from(frames).unwrap().min(self.history.len());
        self.history.truncate(keep.max(1));
        self.state = self.history.last().unwrap().clone();
        self.epoch += 1;
        self.epoch_report_no = self.next_report_no();
        self.bound = false;
    }

    fn write(&mut self, epoch: u32, flags: u16, messages: &[Message]) {
        self.write_at(epoch, 0, flags, messages);
    }

    fn write_at(&mut self, epoch: u32, next_seq_no: u64, flags: u16, messages: &[Message]) {
        let context = Context {
            session_id: SESSION,
            epoch,
            next_seq_no,
            sending_time: Nanos(1),
            shard: SHARD,
            flags,
            reserved: 0,
        };
        let mut bytes = vec![0; wire::MAX_DATAGRAM];
        let mut writer = DatagramWriter::new(&mut bytes, context);
        for message in messages {
            writer.push_message(message).unwrap();
        }
        let length = writer.finish(&Self::keys(epoch).to_client);
        bytes.truncate(length);
        self.out.push(bytes);
    }
}
