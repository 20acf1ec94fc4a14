//! A journal that leads to a large state, as the segments of an archive.

use anyhow::{Context as _, Result, ensure};
use domain::{
    Checkpoint, ClientOrderId, Command, Effects, Genesis, MarketId, Nanos, NewOrder, OrderType,
    Price, Qty, Request, Seq, SessionId, Side, Source, Stamp, TimeInForce, Zero,
};
use engine::Engine;
use journal::{FrameHeader, MAX_FRAME_WORDS, SegmentHeader, SegmentName};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use zerocopy::IntoBytes as _;

use crate::stage;

/// Where a segment ends.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Half of them for bids, the other half for asks.
const LEVELS: u32 = 20_000;
const FUNDS: u64 = 1 << 40;

/// How large the state is.
pub(super) struct Size {
    pub(super) orders: u32,
    pub(super) accounts: u32,
    pub(super) sessions: u32,
}

/// What was written.
pub(super) struct Written {
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

impl Size {
    fn genesis(&self) -> Genesis {
        Genesis {
            max_assets: 2,
            max_markets: 1,
            max_accounts: self.accounts,
            max_sessions: self.sessions,
            max_orders: self.orders + 1,
            max_levels: LEVELS,
            max_pages: Genesis::enough_pages(self.orders + 1, 1, LEVELS),
            pad: [Zero::Zero; 4],
        }
    }

    /// A genesis file with these capacities; its commands are in the archive.
    pub(super) fn genesis_text(&self) -> String {
        let genesis = self.genesis();
        format!(
            "[capacity]\nmax_assets = {}\nmax_markets = {}\nmax_accounts = {}\nmax_sessions = {}\nmax_orders = {}\nmax_levels = {}\nmax_pages = {}\n",
            genesis.max_assets,
            genesis.max_markets,
            genesis.max_accounts,
            genesis.max_sessions,
            genesis.max_orders,
            genesis.max_levels,
            genesis.max_pages
        )
    }

    fn stage(&self) -> impl Iterator<Item = (Source, Command)> {
        let market = stage::market(MarketId(0), LEVELS, 1, 1);
        let accounts = (0..self.accounts).map(stage::account);
        let sessions = (0..self.sessions).map(stage::session);
        let deposits = (0..2 * self.accounts)
            .map(|number| stage::deposit(number / 2, number % 2, FUNDS / 1_000));
        let genesis = Command::Genesis(self.genesis());
        [genesis, stage::asset(0), stage::asset(1), market]
            .into_iter()
            .chain(accounts)
            .chain(sessions)
            .map(|command| (Source::ADMINISTRATION, command))
            .chain(deposits.map(|command| (Source::DEPOSITS, command)))
    }

    /// Orders that rest: spread over all prices in an order that looks like chance.
    fn orders(&self) -> impl Iterator<Item = (Source, Command)> {
        let sessions = self.sessions;
        (0..self.orders).map(move |number| {
            let mixed = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            let half = u64::from(LEVELS / 2);
            let (side, base) = if number % 2 == 0 {
                (Side::Buy, 1)
            } else {
                (Side::Sell, 1 + half)
            };
            let price = i64::try_from(base + mixed % half).expect("there are few levels");
            let command = Command::NewOrder(NewOrder {
                client_order_id: ClientOrderId(u64::from(number) + 1),
                price: Price(price),
                qty: Qty(1 + mixed % 10),
                market: MarketId(0),
                side,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::GoodTillCancel,
                ..NewOrder::PLAIN
            });
            let session = SessionId(number / 2 % sessions);
            (Source::of_session(session), command)
        })
    }
}

/// Writes it; the last frame is a checkpoint.
pub(super) fn write_archive(size: &Size, folder: &Path) -> Result<Written> {
    std::fs::create_dir_all(folder)?;
    let mut writer = Writer::new(folder)?;
    for (source, command) in size.stage() {
        writer.sequence(source, command)?;
    }
    writer.sequence(Source::SEQUENCER, stage::recovered())?;
    for (source, command) in size.orders() {
        writer.sequence(source, command)?;
    }
    let interval = 1;
    writer.sequence(
        Source::SEQUENCER,
        Command::Checkpoint(Checkpoint { interval }),
    )?;
    let resting = writer.engine.live_orders();
    ensure!(
        resting == size.orders as usize,
        "{resting} orders rest, {} were meant to",
        size.orders
    );
    writer.file.flush()?;
    Ok(Written {
        frames: writer.seq,
        bytes: writer.total,
    })
}

/// Sequences as the fastpath does, into segments.
struct Writer<'a> {
    folder: &'a Path,
    engine: Engine,
    effects: Effects,
    buffer: Box<[u64; MAX_FRAME_WORDS]>,
    file: BufWriter<File>,
    bytes: u64,
    total: u64,
    seq: u64,
    last_crc: u32,
}

impl<'a> Writer<'a> {
    fn new(folder: &'a Path) -> Result<Self> {
        Ok(Self {
            folder,
            engine: Engine::new(),
            effects: Effects::new(),
            buffer: Box::new([0; MAX_FRAME_WORDS]),
            file: segment(folder, Seq(1), 0)?,
            bytes: 0,
            total: 0,
            seq: 0,
            last_crc: 0,
        })
    }

    fn sequence(&mut self, source: Source, command: Command) -> Result<()> {
        self.seq += 1;
        if self.bytes > SEGMENT_BYTES {
            self.file.flush()?;
            self.file = segment(self.folder, Seq(self.seq), self.last_crc)?;
            self.bytes = 0;
        }
        let (seq, time) = (Seq(self.seq), Nanos(self.seq));
        let request = Request {
            source,
            source_seq: self.engine.last_number(source) + 1,
            receive_time: time,
            command,
        };
        self.engine
            .apply(Stamp { seq, time }, &request, &mut self.effects);
        let header = FrameHeader {
            engine_version: self.engine.version(),
            seq,
            epoch: 1,
            shard: 0,
            source,
            source_seq: request.source_seq,
            receive_time: time,
            engine_time: time,
            prev_crc: self.last_crc,
        };
        let (words, crc) =
            journal::encode(&header, &request.command, &self.effects, &mut self.buffer);
        self.last_crc = crc;
        let bytes = self.buffer[..words].as_bytes();
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        self.total += bytes.len() as u64;
        Ok(())
    }
}

fn segment(folder: &Path, first_seq: Seq, prev_crc: u32) -> Result<BufWriter<File>> {
    let path = folder.join(SegmentName(first_seq).to_string());
    let file = File::create(&path).with_context(|| format!("make {}", path.display()))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let header = SegmentHeader {
        shard: 0,
        epoch: 1,
        first_seq,
        prev_crc,
    };
    file.write_all(&header.encode())?;
    Ok(file)
}
