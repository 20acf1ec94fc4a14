//! A journal that leads to a large state, as the segments of an archive.

use anyhow::{Context as _, Result, ensure};
use domain::{
    AssetId, Checkpoint, ClientOrderId, Command, Effects, Genesis, MarketId, Nanos, NewOrder,
    OrderType, Price, Qty, Request, Seq, SessionId, Side, Source, Stamp, TimeInForce, Zero,
};
use engine::Engine;
use journal::{FrameHeader, MAX_FRAME_WORDS, SegmentHeader, SegmentName};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use zerocopy::IntoBytes as _;

use crate::random::Random;
use crate::stage;

/// Where a segment ends.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Of each market. The lower half is for bids, the upper for asks.
const LEVELS: u32 = 20_000;
/// Where they meet.
const MIDDLE: u32 = LEVELS / 2;
/// How far from there the farthest orders are.
const FARTHEST: u32 = 2_048;
/// Of each account that has orders, in each asset.
const FUNDS: u64 = 1 << 50;

/// How large the state is.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) orders: u32,
    pub(super) accounts: u32,
    pub(super) sessions: u32,
    pub(super) markets: u32,
}

/// What was written.
pub(super) struct Written {
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

impl Size {
    /// As few as have a pair for each market.
    fn assets(&self) -> u32 {
        let has_pairs = |&assets: &u32| assets * (assets - 1) >= self.markets;
        (2..=u32::from(u16::MAX)).find(has_pairs).unwrap_or(2)
    }

    /// Base and quote of a market: no two have the same.
    fn pair(&self, market: u32) -> (AssetId, AssetId) {
        let others = self.assets() - 1;
        let (base, other) = (market / others, market % others);
        (AssetId(base), AssetId(other + u32::from(other >= base)))
    }

    /// Enough for all prices that are drawn: as a genesis that over-commits.
    fn pages(&self) -> u32 {
        let enough = Genesis::enough_pages(self.orders + 1, self.markets, self.markets * LEVELS);
        enough.min(2 * self.markets * (FARTHEST / 64 + 2))
    }

    fn genesis(&self) -> Genesis {
        Genesis {
            max_assets: self.assets(),
            max_markets: self.markets,
            max_accounts: self.accounts,
            max_sessions: self.sessions,
            max_orders: self.orders + 1,
            max_levels: self.markets * LEVELS,
            max_pages: self.pages(),
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

    /// Accounts with orders have funds of every asset, the others of two.
    fn stage(&self) -> impl Iterator<Item = (Source, Command)> {
        let size = *self;
        let assets = (0..size.assets()).map(stage::asset);
        let markets = (0..size.markets).map(move |number| {
            stage::market_of(MarketId(number), size.pair(number), LEVELS, (1, 1))
        });
        let accounts = (0..size.accounts).map(stage::account);
        let sessions = (0..size.sessions).map(stage::session);
        let deposits = (0..size.accounts).flat_map(move |account| {
            let assets = if account < size.sessions {
                size.assets()
            } else {
                2
            };
            let funds = FUNDS / u64::from(size.sessions);
            (0..assets).map(move |asset| stage::deposit(account, asset, funds))
        });
        core::iter::once(Command::Genesis(size.genesis()))
            .chain(assets)
            .chain(markets)
            .chain(accounts)
            .chain(sessions)
            .map(|command| (Source::ADMINISTRATION, command))
            .chain(deposits.map(|command| (Source::DEPOSITS, command)))
    }

    /// Orders that rest, of all sessions and markets in turn, at distances as in the workload of `bench book`.
    fn orders(&self) -> impl Iterator<Item = (Source, Command)> {
        let (sessions, markets) = (self.sessions, self.markets);
        let mut random = Random(1);
        (0..self.orders).map(move |number| {
            let side = if random.percent(50) {
                Side::Buy
            } else {
                Side::Sell
            };
            let away = distance(&mut random);
            let price = match side {
                Side::Buy => MIDDLE - away,
                Side::Sell => MIDDLE + 1 + away,
            };
            let command = Command::NewOrder(NewOrder {
                client_order_id: ClientOrderId(u64::from(number) + 1),
                price: Price(price.into()),
                qty: Qty(1 + random.below(10)),
                market: MarketId(number % markets),
                side,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::GoodTillCancel,
                ..NewOrder::PLAIN
            });
            let session = SessionId(number % sessions);
            (Source::of_session(session), command)
        })
    }
}

/// How far from the middle an order is, in ticks: three of four are near (geometric, 6 in the mean), the others as
/// likely in each octave up to 2,048.
fn distance(random: &mut Random) -> u32 {
    let ticks = if random.percent(75) {
        (0..FARTHEST).find(|_| random.below(7) == 0)
    } else {
        let octave = 1 << random.below(FARTHEST.ilog2().into());
        u32::try_from(octave + random.below(octave)).ok()
    };
    ticks.unwrap_or(FARTHEST)
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
