//! An exchange whose journal the test can hide in parts: from journal memory, from the archive, from what was told.

use domain::{
    AccountId, Amount, AssetId, CancelOrder, ClientOrderId, Command, CreateAccount, CreateAsset,
    CreateMarket, Delegate, Delegation, Deposit, Effects, Event, FirmId, Gate, Genesis, MarketId,
    MarketState, Nanos, NewOrder, OpenSession, OrderId, Price, Qty, Recovered, Request, Seq,
    SessionId, Side, Source, Stamp, Zero,
};
use engine::Engine;
use journal::{
    Chain, Frame, FrameBuffer, FrameHeader, MAX_FRAME_WORDS, MemoryRead, SegmentHeader,
    SegmentName, Segments, encode,
};
use replay::{History, Progress, Sources};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use wire::market_data::{self, Message, SessionName};
use wire::order_entry::{self, FrameStamp, Outcome};
use zerocopy::IntoBytes;

pub(crate) const SHARD: u16 = 3;
pub(crate) const SESSIONS: [SessionId; 2] = [SessionId(0), SessionId(1)];

/// What can be seen of the journal.
#[derive(Default)]
pub(crate) struct Shown {
    frames: Vec<Vec<u64>>,
    /// The first seq that journal memory has, and the last that it shows.
    pub(crate) oldest: u64,
    pub(crate) head: u64,
    pub(crate) segments: BTreeMap<Seq, Vec<u8>>,
    /// The archive's disk fails.
    pub(crate) fails: bool,
    pub(crate) memory_reads: usize,
    pub(crate) bytes_read: usize,
}

/// The journal as a server sees it.
#[derive(Clone)]
pub(crate) struct Eyes(pub(crate) Rc<RefCell<Shown>>);

impl Sources for Eyes {
    type Archive = Self;

    fn open_archive(&mut self) -> io::Result<Self> {
        Ok(self.clone())
    }

    fn memory(&mut self, seq: Seq, into: &mut FrameBuffer) -> MemoryRead {
        let mut shown = self.0.borrow_mut();
        shown.memory_reads += 1;
        if seq.0 > shown.head {
            return MemoryRead::End;
        }
        if seq.0 < shown.oldest {
            let oldest = Seq(shown.oldest);
            return MemoryRead::Gone { oldest };
        }
        let words = &shown.frames[usize::try_from(seq.0 - 1).unwrap()];
        into[..words.len()].copy_from_slice(words);
        MemoryRead::Frame(words.len())
    }
}

impl Segments for Eyes {
    fn names(&mut self) -> io::Result<Vec<String>> {
        let shown = self.0.borrow();
        let names = shown.segments.keys();
        Ok(names.map(|first| SegmentName(*first).to_string()).collect())
    }

    fn read(&mut self, first: Seq, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut shown = self.0.borrow_mut();
        if shown.fails {
            return Err(io::Error::other("the disk fails"));
        }
        let bytes = &shown.segments[&first];
        let rest = bytes
            .get(usize::try_from(offset).unwrap()..)
            .unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        shown.bytes_read += count;
        Ok(count)
    }
}

pub(crate) struct Exchange {
    engine: Engine,
    effects: Effects,
    chain: Chain,
    epoch: u32,
    draw: u64,
    pub(crate) shown: Rc<RefCell<Shown>>,
    /// Every public message, by number from 1 on.
    pub(crate) messages: Vec<Message>,
}

impl Exchange {
    /// With two sessions and a market, of which all is in journal memory.
    pub(crate) fn new() -> Self {
        let shown = Shown {
            oldest: 1,
            ..Shown::default()
        };
        let mut exchange = Self {
            engine: Engine::new(),
            effects: Effects::new(),
            chain: Chain::new(SHARD),
            epoch: 1,
            draw: 1,
            shown: Rc::new(RefCell::new(shown)),
            messages: Vec::new(),
        };
        for command in genesis() {
            let source = if matches!(command, Command::Deposit(_)) {
                Source::DEPOSITS
            } else {
                Source::ADMINISTRATION
            };
            exchange.apply(source, command);
        }
        exchange.begin_epoch(1);
        exchange
    }

    pub(crate) fn begin_epoch(&mut self, epoch: u32) {
        self.epoch = epoch;
        let recovered = Recovered {
            epoch,
            pad: [Zero::Zero; 4],
            grace: Nanos(0),
        };
        self.apply(Source::SEQUENCER, Command::Recovered(recovered));
    }

    pub(crate) fn head(&self) -> u64 {
        self.chain.last_seq().0
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.draw ^= self.draw << 13;
        self.draw ^= self.draw >> 7;
        self.draw ^= self.draw << 17;
        self.draw % below
    }

    /// So many commands of sessions, of which a part is refused or trades.
    pub(crate) fn trade(&mut self, commands: u64) {
        for _ in 0..commands {
            let session = SESSIONS[usize::try_from(self.random(2)).unwrap()];
            let client = self.random(60) + 1;
            let command = if self.random(5) == 0 {
                Command::CancelOrder(CancelOrder {
                    order_id: OrderId::NONE,
                    client_order_id: ClientOrderId(client),
                    qty: Qty(0),
                })
            } else {
                Command::NewOrder(NewOrder {
                    client_order_id: ClientOrderId(client),
                    price: Price(i64::try_from(95 + self.random(10)).unwrap()),
                    qty: Qty(self.random(9) + 1),
                    side: [Side::Buy, Side::Sell][usize::try_from(self.random(2)).unwrap()],
                    ..NewOrder::PLAIN
                })
            };
            self.apply(Source::of_session(session), command);
        }
    }

    /// So many commands that nobody else hears of.
    pub(crate) fn refuse(&mut self, commands: u64) {
        for _ in 0..commands {
            let nothing = Command::NewOrder(NewOrder::PLAIN);
            self.apply(Source::of_session(SESSIONS[0]), nothing);
        }
    }

    pub(crate) fn apply(&mut self, source: Source, command: Command) {
        let number = self.engine.last_number(source) + 1;
        self.apply_number(source, number, command);
    }

    pub(crate) fn apply_number(&mut self, source: Source, number: u64, command: Command) {
        let seq = self.chain.next_seq;
        let time = Nanos(1_000 + seq.0);
        let request = Request {
            source,
            source_seq: number,
            receive_time: Nanos(seq.0),
            command,
        };
        self.engine
            .apply(Stamp { seq, time }, &request, &mut self.effects);
        let header = FrameHeader {
            engine_version: self.engine.version(),
            seq,
            epoch: self.epoch,
            shard: SHARD,
            source,
            source_seq: number,
            receive_time: request.receive_time,
            engine_time: time,
            prev_crc: self.chain.last_crc,
        };
        let mut buffer = [0; MAX_FRAME_WORDS];
        let (words, _) = encode(&header, &command, &self.effects, &mut buffer);
        self.chain
            .check(&Frame::parse(&buffer[..words]).unwrap())
            .unwrap();
        let stamp = market_data::Stamp {
            engine_seq: seq,
            engine_time: time,
        };
        for event in self.effects.events().flatten() {
            if let Some(message) = Message::public(stamp, &event) {
                self.messages.push(message);
                assert_eq!(event.feed_no(), Some(self.messages.len() as u64));
            }
        }
        let mut shown = self.shown.borrow_mut();
        shown.frames.push(buffer[..words].to_vec());
        shown.head = seq.0;
        drop(shown);
        assert!(self.engine.pending_work().is_none(), "orders are small");
    }

    /// Archives what is not yet, in segments of so many frames.
    pub(crate) fn archive(&self, frames_a_segment: usize) {
        let mut shown = self.shown.borrow_mut();
        let archived = shown.segments.values().flat_map(|bytes| frames_of(bytes));
        let archived = archived.count();
        let rest: Vec<Vec<u64>> = shown.frames[archived..].to_vec();
        for words in rest.chunks(frames_a_segment) {
            let first = Frame::parse(&words[0]).unwrap().header;
            let header = SegmentHeader {
                shard: SHARD,
                epoch: first.epoch,
                first_seq: first.seq,
                prev_crc: first.prev_crc,
            };
            let mut bytes = header.encode().to_vec();
            for words in words {
                bytes.extend_from_slice(words.as_bytes());
            }
            shown.segments.insert(first.seq, bytes);
        }
    }

    /// Journal memory has nothing before this frame any more.
    pub(crate) fn lap(&self, oldest: u64) {
        self.shown.borrow_mut().oldest = oldest;
    }

    pub(crate) fn last_number(&self, source: Source) -> u64 {
        self.engine.last_number(source)
    }

    /// The session's owner agrees on another key.
    pub(crate) fn delegate(&mut self, session: SessionId, client_key: [u8; 32]) {
        let delegation = Delegation {
            exchange_key: client_key,
            ..Delegation::unlimited([5; 32])
        };
        let delegate = Delegate {
            session,
            pad: [Zero::Zero; 4],
            delegation,
        };
        self.apply(Source::ADMINISTRATION, Command::Delegate(delegate));
    }

    /// Every frame, with its stamp.
    fn every_frame(&self) -> Vec<(FrameStamp, Vec<Event>)> {
        let shown = self.shown.borrow();
        let frames = shown.frames.iter().map(|words| {
            let frame = Frame::parse(words).unwrap();
            let header = frame.header;
            let stamp = FrameStamp {
                seq: header.seq,
                engine_time: header.engine_time,
                receive_time: header.receive_time,
                source: header.source,
                source_seq: header.source_seq,
            };
            (stamp, frame.events().flatten().collect())
        });
        frames.collect()
    }

    /// The session's reports: where each stands, its number, what it says.
    pub(crate) fn reports(
        &self,
        session: SessionId,
    ) -> impl Iterator<Item = (Seq, u64, order_entry::Message)> + use<> {
        let frames = self.every_frame().into_iter();
        frames.flat_map(move |(stamp, events)| {
            let reports = events.into_iter().filter_map(move |event| {
                let (whose, number) = event.report()?;
                let report = order_entry::Message::report(&stamp, &event)?;
                (whose == session).then_some((stamp.seq, number, report))
            });
            reports.collect::<Vec<_>>()
        })
    }

    /// What became of a number, looked for in every frame.
    pub(crate) fn outcome(&self, session: SessionId, number: u64) -> Option<Outcome> {
        let frames = self.every_frame().into_iter();
        let mut found = frames
            .filter_map(|(stamp, events)| Outcome::of(&stamp, events.into_iter(), session, number));
        let outcome = found.next();
        assert!(found.next().is_none(), "a number has one outcome");
        outcome
    }

    pub(crate) fn history(&self) -> History<Eyes> {
        History::new(SHARD, Eyes(Rc::clone(&self.shown)))
    }

    /// Everything was told, and all that there is of an archive is durable.
    pub(crate) fn progress(&self) -> Progress {
        let shown = self.shown.borrow();
        let last = shown.segments.last_key_value();
        let durable = last.map_or(0, |(first, bytes)| {
            first.0 + frames_of(bytes).count() as u64 - 1
        });
        Progress {
            told: Seq(self.head()),
            durable: Seq(durable),
        }
    }

    pub(crate) fn session(&self) -> SessionName {
        SessionName::new(SHARD, self.epoch)
    }
}

/// The lengths of a segment's frames.
fn frames_of(segment: &[u8]) -> impl Iterator<Item = usize> {
    let mut rest = &segment[journal::SEGMENT_HEADER_BYTES..];
    std::iter::from_fn(move || {
        let length = rest.get(4..8)?;
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        rest = &rest[length..];
        Some(length)
    })
}

fn genesis() -> Vec<Command> {
    let mut commands = vec![Command::Genesis(Genesis {
        max_assets: 2,
        max_markets: 1,
        max_accounts: 2,
        max_sessions: 2,
        max_orders: 4096,
        max_levels: 400,
        max_pages: 16,
        pad: [Zero::Zero; 4],
    })];
    for id in 0..2 {
        commands.push(Command::CreateAsset(CreateAsset {
            asset: AssetId(id),
            decimals: 8,
            pad: [Zero::Zero; 3],
            symbol: *b"ASSET\0\0\0\0\0\0\0\0\0\0\0",
        }));
    }
    commands.push(Command::CreateMarket(CreateMarket {
        market: MarketId(0),
        base: AssetId(0),
        quote: AssetId(1),
        maker_fee_ppm: 100,
        taker_fee_ppm: 200,
        price_levels: 200,
        tick_value: 1,
        lot_size: 1,
        min_qty: Qty(1),
        price_min: Price(1),
        symbol: *b"BASE-QUOTE\0\0\0\0\0\0",
        state: MarketState::Continuous,
        pad: [Zero::Zero; 7],
    }));
    for id in 0..2 {
        commands.push(Command::CreateAccount(CreateAccount {
            account: AccountId(id),
            firm: FirmId(7),
            owner: [3; 32],
        }));
        commands.push(Command::OpenSession(OpenSession {
            session: SessionId(id),
            account: AccountId(id),
            delegation: Delegation::unlimited([5; 32]),
            gate: Gate::Port,
            pad: [Zero::Zero; 7],
        }));
        for asset in 0..2 {
            commands.push(Command::Deposit(Deposit {
                account: AccountId(id),
                asset: AssetId(asset),
                amount: Amount(1 << 40),
            }));
        }
    }
    commands
}
