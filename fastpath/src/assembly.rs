//! Assembling: the three tiles from regions, a sequencer and the two halves of a port.
//!
//! Everything that the tiles need is allocated here. Any port will do, so that the tests run the
//! same tiles over one in memory.

use anyhow::{Context as _, Result};
use domain::{SessionId, SessionView};
use journal::Frame;
use nic::{Peer, Receive, Transmit};
use shm::{
    FastWriter, Heap, LogReader, MAX_FRAME_WORDS, Read, RingConsumer, RingProducer, SlowView,
    TileBlock, TileState, command_ring_consumer,
};
use topology::instruments::{matching, net, out, stage, tile_kind};
use topology::{Config, TileKind};
use wire::auth::{HostSecret, MacKey};

use crate::boot::{Recovered, Regions};
use crate::counters::Counters;
use crate::feed::Publisher;
use crate::keys::{self, Delegated, KeyMaker, NewKeys, Place, SessionKeys};
use crate::lane::Lane;
use crate::match_tile::{MatchTile, NET_BURST, SlowRing};
use crate::net::{Entry, NetSession, NetTile};
use crate::out::{Ack, OutTile, note};
use crate::post::Post;
use crate::recovery::Told;
use crate::sequencer::Sequencer;
use crate::supervisor::block_of;
use crate::watermark::Watermark;
use crate::window::Windows;

/// The tiles, ready to be polled.
pub(crate) struct Tiles<R, T> {
    pub(crate) net: NetTile<R>,
    pub(crate) matching: MatchTile,
    pub(crate) out: OutTile<T>,
    /// For the supervisor's thread.
    pub(crate) keys: KeyMaker,
}

impl<R: Receive + Send, T: Transmit + Send> Tiles<R, T> {
    /// Joins the tiles by their rings, and net and out to the halves of the port.
    pub(crate) fn assemble(
        config: &Config,
        regions: &Regions,
        recovered: Recovered,
        rx: R,
        tx: T,
    ) -> Result<Self> {
        let Recovered { sequencer, told } = recovered;
        let secret = topology::secret::load_or_create(&config.secret_file())?;
        let host = HostSecret::from_bytes(secret);
        let place = Place {
            shard: config.instance.shard,
            epoch: sequencer.epoch(),
        };
        let parts = Parts::new(regions, &sequencer, &host, place)?;
        let (keys, ends) = KeyMaker::new(host, place);
        let ring = || shm::ring::heap(config.limits.net_ring);
        let (requests_in, requests_out) = ring();
        let ((handshakes_in, handshakes_out), (replies_in, replies_out)) = (ring(), ring());
        let net = NetTile {
            burst: config.port.burst,
            entry: parts.entry(config, requests_in, [handshakes_in, replies_in])?,
            port: rx,
            new_keys: ends.net,
            stopping: false,
        };
        let replies = [handshakes_out, replies_out];
        let out = parts.out(config, &sequencer, &told, (tx, replies, ends.out))?;
        let matching = parts.matching(config, sequencer, requests_out, ends.delegated)?;
        Ok(Self {
            net,
            matching,
            out,
            keys,
        })
    }
}

/// The block in slot `slot` of the `fast` region, taken by a tile of this kind.
pub(crate) fn block(fast: &FastWriter, slot: usize, kind: u64) -> TileBlock {
    let block = fast.tile(slot);
    block.set_kind(kind);
    block.set_state(TileState::Boot);
    block
}

/// What the tiles are made from.
struct Parts<'a> {
    regions: &'a Regions,
    fast: FastWriter,
    slow: SlowView,
    sessions: Vec<Option<SessionView>>,
    /// Of the sessions of the port.
    keys: Vec<Option<SessionKeys>>,
    shard: u16,
    epoch: u32,
}

impl<'a> Parts<'a> {
    fn new(
        regions: &'a Regions,
        sequencer: &Sequencer,
        host: &HostSecret,
        place: Place,
    ) -> Result<Self> {
        let engine = sequencer.engine();
        let fast = FastWriter::new(regions.fast.clone())?;
        let capacity = u32::try_from(fast.view().max_sessions()).context("max_sessions")?;
        let sessions: Vec<_> = (0..capacity)
            .map(|id| engine.session(SessionId(id)))
            .collect();
        let of_session = |(view, id): (&Option<SessionView>, u32)| {
            let view = view.as_ref()?;
            let client_key = &view.delegation.exchange_key;
            keys::derive(host, place, SessionId(id), view.gate, client_key)
        };
        Ok(Self {
            regions,
            fast,
            slow: SlowView::new(regions.slow.clone())?,
            keys: sessions.iter().zip(0..).map(of_session).collect(),
            sessions,
            shard: place.shard,
            epoch: place.epoch,
        })
    }

    fn block(&self, tile: TileKind, kind: u64) -> TileBlock {
        block(&self.fast, block_of(tile), kind)
    }

    /// By session id: the number of its first report of this epoch.
    fn epoch_reports(&self) -> Vec<u64> {
        let first = |view: &Option<SessionView>| view.map_or(1, |view| view.epoch_report_no);
        self.sessions.iter().map(first).collect()
    }

    fn entry(
        &self,
        config: &Config,
        requests: RingProducer<Heap>,
        replies: [RingProducer<Heap>; 2],
    ) -> Result<Entry> {
        let mut cookie_key = [0; 16];
        getrandom::fill(&mut cookie_key).context("draw the key of this boot's challenges")?;
        // The gateway's sessions do not exist here: their numbers are the slowpath's to give.
        let session = |view: &SessionView, keys: &SessionKeys| {
            NetSession::new(keys.to_exchange(), view.last_number)
        };
        let known = self.sessions.iter().zip(&self.keys);
        let sessions = known
            .map(|(view, keys)| Some(session(view.as_ref()?, keys.as_ref()?)))
            .collect();
        let [handshakes, replies] = replies.map(|ring| Lane::new(ring, self.sessions.len()));
        Ok(Entry {
            sessions,
            epoch: self.epoch,
            session_burst: config.limits.session_burst,
            cookie_key: MacKey::from_bytes(cookie_key),
            requests,
            handshakes,
            replies,
            fast: self.fast.clone(),
            counters: Counters::new(&self.block(TileKind::Net, tile_kind::NET), net::NAMES),
            turn: 0,
            repeated: 0..0,
            received: None,
        })
    }

    fn matching(
        &self,
        config: &Config,
        sequencer: Sequencer,
        from_net: RingConsumer<Heap>,
        delegated: Delegated,
    ) -> Result<MatchTile> {
        let block = self.block(TileKind::Match, tile_kind::MATCH);
        let counters = Counters::new(&block, matching::NAMES);
        // Of a slowpath that is long gone nobody needs to be warned.
        for faults in [matching::gate_faults, matching::ring_faults] {
            counters.set(faults, 0);
        }
        Ok(MatchTile {
            sequencer,
            from_net,
            from_slow: command_ring_consumer(&self.regions.slow, &self.regions.fast)?,
            delegated,
            slow_share: config.limits.command_ring_share,
            fast: self.fast.clone(),
            slow: self.slow.clone(),
            counters,
            receive_to_commit: self.fast.histogram(stage::receive_to_commit),
            durable: Watermark::default(),
            burst: Vec::with_capacity(NET_BURST),
            received: [0; NET_BURST],
            slow_ring: SlowRing::Awaited,
            stopping: None,
        })
    }

    fn out<T: Transmit + Send>(
        &self,
        config: &Config,
        sequencer: &Sequencer,
        told: &Told,
        (port, [handshakes, replies], new_keys): (T, [RingConsumer<Heap>; 2], NewKeys),
    ) -> Result<OutTile<T>> {
        let sent = self.fast.view().out_seq();
        // As of what was sent: what is journalled above that has not been told to anybody.
        let state = |place: usize| told.sessions.get(place).copied().unwrap_or((1, 0));
        let mut windows = Windows::new(
            config.limits.duplicate_window,
            (0..self.sessions.len()).map(state),
        );
        self.fill_windows(&mut windows, sent)?;
        let half = |keys: &Option<SessionKeys>| keys.as_ref().map(SessionKeys::to_client);
        let keys = self.keys.iter().map(half).collect();
        let block = self.block(TileKind::Out, tile_kind::OUT);
        Ok(OutTile {
            post: Post {
                port,
                keys,
                fast: self.fast.view().clone(),
                shard: self.shard,
                epoch: self.epoch,
                replay: config.slowpath.replay,
                time: None,
            },
            new_keys,
            feed: config.feed.destination.map(|to| {
                Publisher::new(Peer::from(to), self.shard, self.epoch, told.next_feed_no)
            }),
            reader: LogReader::new(self.regions.journal.clone(), sent + 1)?,
            windows,
            epoch_reports: self.epoch_reports(),
            handshakes,
            replies,
            ack: match config.instance.ack {
                topology::Ack::Sequenced => Ack::Sequenced,
                topology::Ack::Durable => Ack::Durable,
            },
            fast: self.fast.clone(),
            slow: self.slow.clone(),
            counters: Counters::new(&block, out::NAMES),
            block,
            failed: false,
            receive_to_send: self.fast.histogram(stage::receive_to_send),
            frame: Box::new([0; MAX_FRAME_WORDS]),
            events: Vec::with_capacity(domain::MAX_EVENTS),
            current: None,
            sent,
            noted: sent,
            told: sent,
            durable: Watermark::default(),
            resend_budget: 0,
            stopping: None,
            engine_time: sequencer.engine().now().0,
            again: Box::new([0; MAX_FRAME_WORDS]),
        })
    }

    /// Takes note of the frames that were sent before the restart and are still in memory.
    fn fill_windows(&self, windows: &mut Windows, sent: u64) -> Result<()> {
        let mut reader = LogReader::new(self.regions.journal.clone(), 1)?;
        let oldest = reader.oldest();
        if oldest > sent || reader.seek(oldest).is_err() {
            return Ok(());
        }
        let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
        let mut events = Vec::with_capacity(domain::MAX_EVENTS);
        while reader.next_seq() <= sent {
            let Read::Frame(words) = reader.poll(&mut buffer) else {
                break;
            };
            events.clear();
            let frame = Frame::parse_each(&buffer[..words], |event| events.push(event))?;
            note(windows, &frame.header, &events);
        }
        Ok(())
    }
}
