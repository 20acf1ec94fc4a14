//! Many sessions over one socket, straight on the wire: load for the tests of whole processes.
//!
//! It does not keep orders in mind like the client library; it establishes every session, numbers
//! its messages, and counts what comes back.

use anyhow::{Result, ensure};
use domain::{ClientOrderId, MarketId, Nanos, OrderId, Price, Qty, SessionId};
use std::net::{SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};
use wire::auth::{MacKeys, SessionSecret};
use wire::order_entry::{
    CancelOrder, Context, DatagramReader, DatagramWriter, Establish, Hello, MassQuote, Message,
    NewOrder, QuoteEntry, SetProtection,
};
use wire::{CONTROL_EPOCH, MAX_DATAGRAM};

struct Member {
    secret: SessionSecret,
    keys: MacKeys,
    control: MacKeys,
    epoch: u32,
    next_no: u64,
    next_client_id: u64,
    last_datagram: Vec<u8>,
}

/// What came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Orders accepted.
    pub accepted: u64,
    /// Rejections.
    pub rejected: u64,
    /// Fills.
    pub fills: u64,
    /// Orders cancelled.
    pub canceled: u64,
    /// Protections of quotes reached.
    pub protected: u64,
    /// Skipped numbers reported.
    pub not_applied: u64,
    /// Refusals outside the sequence.
    pub refused: u64,
    /// Reports sent again.
    pub repeated: u64,
}

/// The sessions, their socket and what came back.
pub struct Swarm {
    socket: UdpSocket,
    exchange: SocketAddrV4,
    members: Vec<Member>,
    /// What came back so far.
    pub tally: Tally,
}

impl Swarm {
    /// Sessions 1 to `secrets.len()`, none established yet.
    pub fn new(exchange: SocketAddrV4, secrets: Vec<SessionSecret>) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let member = |(place, secret): (usize, SessionSecret)| {
            let control = secret.keys(session_at(place), 0, CONTROL_EPOCH);
            Member {
                keys: control.clone(),
                control,
                secret,
                epoch: CONTROL_EPOCH,
                next_no: 1,
                next_client_id: 1,
                last_datagram: Vec::new(),
            }
        };
        let members = secrets.into_iter().enumerate().map(member).collect();
        Ok(Self {
            socket,
            exchange,
            members,
            tally: Tally::default(),
        })
    }

    /// How many sessions.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.members.len()
    }

    /// The epoch in which the session in `place` is established; 0 before.
    #[must_use]
    pub fn epoch(&self, place: usize) -> u32 {
        self.members[place].epoch
    }

    /// Establishes every session.
    pub fn establish(&mut self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        while let Some(waiting) = self.members.iter().position(|m| m.epoch == CONTROL_EPOCH) {
            ensure!(
                start.elapsed() < limit,
                "session {} is not answered",
                waiting + 1
            );
            let pending = self
                .members
                .iter()
                .enumerate()
                .filter(|(_, m)| m.epoch == CONTROL_EPOCH);
            let some: Vec<usize> = pending.map(|(place, _)| place).take(64).collect();
            for place in some {
                self.control(
                    place,
                    &Message::Hello(Hello {
                        nonce: place as u64 + 1,
                    }),
                )?;
            }
            let turn = Instant::now();
            while turn.elapsed() < Duration::from_millis(20) {
                self.receive()?;
            }
        }
        Ok(())
    }

    /// A limit order of the session in `place`.
    pub fn order(&mut self, place: usize, side: u8, price: i64, qty: u64) -> Result<()> {
        let member = &mut self.members[place];
        let client_order_id = ClientOrderId(member.next_client_id);
        member.next_client_id += 1;
        self.application(
            place,
            &Message::NewOrder(NewOrder {
                client_order_id,
                price: Price(price),
                quantity: Qty(qty),
                market_id: MarketId(0),
                side,
                order_type: 0,
                time_in_force: 0,
                ..NewOrder::default()
            }),
        )
    }

    /// A mass quote of the session in `place`: `count` quotes one after another in the same market, ever closer to these
    /// prices.
    pub fn mass_quote(&mut self, place: usize, bid: i64, ask: i64, count: u64) -> Result<()> {
        let quote = |at: u64| {
            let wider = (count - 1 - at).cast_signed();
            MassQuote {
                quote_id: ClientOrderId(1),
                slide: 1,
                quotes: QuoteEntry::ALONE,
                quote: QuoteEntry {
                    bid_price: Price(bid - wider),
                    bid_quantity: Qty(2),
                    ask_price: Price(ask + wider),
                    ask_quantity: Qty(2),
                    market_id: MarketId(0),
                    reserved: 0,
                },
                ..MassQuote::default()
            }
        };
        let quotes: Vec<Message> = (0..count).map(|at| quote(at).into()).collect();
        self.applications(place, &quotes)
    }

    /// A protection of the quotes of the session in `place`: so many trades in a second.
    pub fn protect(&mut self, place: usize, fills: u32) -> Result<()> {
        let protection = SetProtection {
            window: 1_000_000_000,
            max_fills: fills,
            market_id: MarketId(0),
            ..SetProtection::default()
        };
        self.applications(place, &[protection.into()])
    }

    /// Cancels an order that the session in `place` entered `back` orders ago.
    pub fn cancel(&mut self, place: usize, back: u64) -> Result<()> {
        let newest = self.members[place].next_client_id;
        let client_order_id = ClientOrderId(newest.saturating_sub(back).max(1));
        let cancel = CancelOrder {
            order_id: OrderId::NONE,
            client_order_id,
            quantity: Qty::ZERO,
        };
        self.application(place, &Message::CancelOrder(cancel))
    }

    /// Sends the session's last datagram once more.
    pub fn repeat(&self, place: usize) -> Result<()> {
        self.raw(&self.members[place].last_datagram)
    }

    /// Skips a number of the session: the exchange will say that it never applies.
    pub fn skip(&mut self, place: usize) {
        self.members[place].next_no += 1;
    }

    /// Any bytes.
    pub fn raw(&self, bytes: &[u8]) -> Result<()> {
        match self.socket.send_to(bytes, self.exchange) {
            Ok(_) => Ok(()),
            // A full buffer loses the datagram, as a network would.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            // The exchange is being restarted.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A genuine datagram of the session in `place`, altered by `spoil`, signed again if asked.
    pub fn spoiled(
        &self,
        place: usize,
        spoil: impl FnOnce(&mut Vec<u8>),
        sign: bool,
    ) -> Result<()> {
        let member = &self.members[place];
        let mut bytes = member.last_datagram.clone();
        spoil(&mut bytes);
        if let Some(content) = bytes.len().checked_sub(8).filter(|_| sign) {
            let mac = wire::auth::Mac::sign(&member.keys.to_exchange, &bytes[..content]);
            bytes[content..].copy_from_slice(&mac);
        }
        self.raw(&bytes)
    }

    fn application(&mut self, place: usize, message: &Message) -> Result<()> {
        self.applications(place, core::slice::from_ref(message))
    }

    fn applications(&mut self, place: usize, messages: &[Message]) -> Result<()> {
        let member = &mut self.members[place];
        let context = context(place, member.epoch, member.next_no);
        member.next_no += messages.len() as u64;
        let mut buffer = [0; MAX_DATAGRAM];
        let length = write(&mut buffer, context, messages, &member.keys);
        member.last_datagram = buffer[..length].to_vec();
        self.raw(&buffer[..length])
    }

    fn control(&self, place: usize, message: &Message) -> Result<()> {
        let mut buffer = [0; MAX_DATAGRAM];
        let context = context(place, CONTROL_EPOCH, 1);
        let messages = core::slice::from_ref(message);
        let length = write(&mut buffer, context, messages, &self.members[place].control);
        self.raw(&buffer[..length])
    }

    /// Takes everything that has arrived; returns how many datagrams.
    pub fn receive(&mut self) -> Result<usize> {
        let mut buffer = [0; 2048];
        let mut datagrams = 0;
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            datagrams += 1;
            self.take(&buffer[..length])?;
        }
        Ok(datagrams)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let context = DatagramReader::context(bytes)?;
        let place = (context.session_id.0 - 1) as usize;
        let member = &self.members[place];
        let keys = if context.epoch == CONTROL_EPOCH {
            &member.control
        } else {
            &member.keys
        };
        ensure!(
            DatagramReader::verify(bytes, &keys.to_client),
            "a report with a wrong MAC"
        );
        let retransmission = context.is_retransmission();
        for numbered in DatagramReader::parse(bytes)?.messages {
            self.message(place, &numbered.message, retransmission)?;
        }
        Ok(())
    }

    fn message(&mut self, place: usize, message: &Message, retransmission: bool) -> Result<()> {
        let tally = &mut self.tally;
        match message {
            Message::Challenge(challenge) => {
                let establish = Establish {
                    nonce: challenge.nonce,
                    cookie: challenge.cookie,
                };
                self.control(place, &Message::Establish(establish))?;
            }
            Message::Established(established) => {
                let member = &mut self.members[place];
                member.epoch = established.epoch;
                let session = session_at(place);
                member.keys = member
                    .secret
                    .keys(session, established.shard, established.epoch);
                member.next_no = member.next_no.max(established.last_seq_no + 1);
            }
            _ if retransmission => tally.repeated += 1,
            Message::OrderAccepted(_) => tally.accepted += 1,
            Message::OrderRejected(_) => tally.rejected += 1,
            Message::OrderFilled(_) => tally.fills += 1,
            Message::OrderCanceled(_) => tally.canceled += 1,
            Message::ProtectionReached(_) => tally.protected += 1,
            Message::NotApplied(_) => tally.not_applied += 1,
            Message::Refused(_) => tally.refused += 1,
            _ => {}
        }
        Ok(())
    }
}

fn session_at(place: usize) -> SessionId {
    SessionId(u32::try_from(place + 1).expect("a swarm is small"))
}

fn context(place: usize, epoch: u32, next_seq_no: u64) -> Context {
    Context {
        session_id: session_at(place),
        epoch,
        next_seq_no,
        sending_time: Nanos(0),
        shard: 0,
        flags: 0,
        reserved: 0,
    }
}

fn write(buffer: &mut [u8], context: Context, messages: &[Message], keys: &MacKeys) -> usize {
    let mut writer = DatagramWriter::new(buffer, context);
    for message in messages {
        writer.push_message(message).expect("a datagram's worth");
    }
    writer.finish(&keys.to_exchange)
}
