//! The rig: tiles over a network and regions in memory, and virtual clients that speak the wire.

use crate::assembly::Tiles;
use crate::boot::{self, Regions};
use crate::supervisor::block_of;
use domain::{AccountId, AssetId, ClientOrderId, MarketId, Nanos, Price, Qty, Reason, SessionId};
use engine::Engine;
use nic::inproc::{Faults, InprocRx, InprocTx, Network};
use nic::{Peer, Receive as _, Transmit as _};
use shm::{FastWriter, Identity, Memory, SlowWriter, fast_spec, journal_spec, slow_spec};
use tempfile::TempDir;
use tile::{Clock, Tile as _};
use topology::{Config, TileKind};
use wire::auth::{HostSecret, MacKeys, SessionSecret};
use wire::order_entry::{
    Block, Context, DatagramReader, DatagramWriter, Establish, Hello, Message, NewOrder,
};
use wire::{CONTROL_EPOCH, MAX_DATAGRAM};

/// The exchange's address.
pub(super) const EXCHANGE: Peer = Peer {
    ip: [10, 0, 0, 1],
    port: 7400,
};
/// The host secret: it makes the clients' keys and the exchange's.
const HOST: [u8; 32] = [7; 32];
const GENESIS: &str = include_str!("genesis.toml");
/// Words of journal memory, unless a test wants it small.
pub(super) const JOURNAL_WORDS: usize = 1 << 18;
const JOURNAL_FRAMES: usize = 1 << 14;

/// A seeded source of choices (SplitMix64).
pub(super) struct Seeded(pub(super) u64);

impl Seeded {
    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.word() % limit as u64).expect("below a usize")
    }
}

/// The tiles of one instance, polled by hand.
pub(super) struct Rig {
    pub(super) config: Config,
    pub(super) network: Network,
    pub(super) regions: Regions,
    pub(super) slow: SlowWriter,
    pub(super) tiles: Tiles<InprocRx, InprocTx>,
    _folder: TempDir,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(JOURNAL_WORDS, |_| {})
    }

    /// A rig with so many words of journal memory and a changed configuration.
    pub(super) fn with(journal_words: usize, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sluice.toml");
        std::fs::write(&file, "").unwrap();
        let mut config = Config::load(&file).unwrap();
        change(&mut config);
        std::fs::create_dir_all(config.state_dir()).unwrap();
        let hex: String = HOST.iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(config.secret_file(), hex).unwrap();
        restrict(&config.secret_file());
        std::fs::write(config.genesis_file(), GENESIS).unwrap();
        let genesis = config.load_genesis().unwrap();
        let identity = Identity {
            shard: config.instance.shard,
            boot_id: [1, 2],
            epoch: 0,
        };
        let map = |spec| Memory::anonymous(&spec, &identity).unwrap();
        let sessions = usize::try_from(genesis.capacity.max_sessions).unwrap();
        let mut regions = Regions {
            journal: map(journal_spec(JOURNAL_FRAMES, journal_words)),
            fast: map(fast_spec(sessions)),
            slow: map(slow_spec()),
            continues: false,
            identity,
        };
        let network = Network::new(1, Faults::NONE);
        let tiles = start(&config, &regions, &network, &Clock::now);
        regions.continues = true;
        Self {
            slow: SlowWriter::new(regions.slow.clone()).unwrap(),
            config,
            network,
            regions,
            tiles,
            _folder: folder,
        }
    }

    /// The process dies, and another takes over its memory. `before` sees the regions in between.
    pub(super) fn restart(self, before: impl FnOnce(&Regions)) -> Self {
        self.restart_under(&Clock::now, before)
    }

    /// The same, and the process that takes over starts under another clock.
    pub(super) fn restart_under(
        self,
        clock: &dyn Fn() -> u64,
        before: impl FnOnce(&Regions),
    ) -> Self {
        let Self { tiles, regions, .. } = self;
        drop(tiles);
        before(&regions);
        Self {
            tiles: start(&self.config, &regions, &self.network, clock),
            regions,
            config: self.config,
            network: self.network,
            slow: self.slow,
            _folder: self._folder,
        }
    }

    /// Polls each tile once, in the order of an order's way; how much they did.
    pub(super) fn turn(&mut self) -> usize {
        let taken = self.tiles.net.poll() + self.tiles.matching.poll();
        taken + self.tiles.out.poll() + self.tiles.out.post.port.pending()
    }

    /// What the supervisor's thread and the tiles do once a millisecond: new keys arrive.
    pub(super) fn housekeep(&mut self) {
        self.tiles.keys.turn();
        self.tiles.net.housekeep(0);
        self.tiles.out.housekeep(0);
    }

    /// Turns until nothing is left to do. One idle turn does not prove it: the out tile may have
    /// found the port full, made room, and left the rest of a frame for its next turn.
    pub(super) fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..10_000 {
            idle = if self.turn() == 0 { idle + 1 } else { 0 };
            if idle == 2 {
                return;
            }
        }
        panic!("the tiles find no end");
    }

    pub(super) fn engine(&self) -> &Engine {
        self.tiles.matching.sequencer.engine()
    }

    /// The last frame of the journal.
    pub(super) fn head(&self) -> u64 {
        self.tiles.matching.sequencer.log().head()
    }

    /// A counter, by the numbers of `topology::instruments`.
    pub(super) fn count(&self, tile: TileKind, counter: usize) -> u64 {
        let fast = FastWriter::new(self.regions.fast.clone()).unwrap();
        fast.view().tile(block_of(tile)).unwrap().counters[counter]
    }

    /// Funds, books and tables are as they must be.
    pub(super) fn check_engine(&self) {
        self.engine().check_invariants().unwrap();
    }

    /// What is available and what is held of an asset.
    pub(super) fn balance(&self, account: u32, asset: u32) -> (u64, u64) {
        let (available, held) = self
            .engine()
            .balance(AccountId(account), AssetId(asset))
            .unwrap();
        (available.0, held.0)
    }

    /// A client of a session, at an address of its own, not established.
    pub(super) fn stranger(&self, session: u32) -> Client {
        let session = SessionId(session);
        self.stranger_with(
            session,
            &HostSecret::from_bytes(HOST).session_secret(session),
        )
    }

    /// The exchange's half of a log-on.
    pub(super) fn host(&self) -> HostSecret {
        HostSecret::from_bytes(HOST)
    }

    /// The same with a secret of its own.
    pub(super) fn stranger_with(&self, session: SessionId, secret: &SessionSecret) -> Client {
        let local = Peer {
            ip: [10, 0, 0, 2],
            port: 0,
        };
        let epoch = self.tiles.matching.sequencer.epoch();
        Client {
            session,
            control: secret.keys(session, 0, CONTROL_EPOCH),
            keys: secret.keys(session, self.config.instance.shard, epoch),
            epoch,
            port: self.network.open(local).unwrap(),
            network: self.network.clone(),
        }
    }

    /// A client of a session, established.
    pub(super) fn client(&mut self, session: u32) -> Client {
        let client = self.stranger(session);
        self.establish(client)
    }

    /// A client, established.
    pub(super) fn establish(&mut self, mut client: Client) -> Client {
        client.hello(1);
        self.settle();
        let cookie = challenge(&client.receive());
        client.establish(1, cookie);
        self.settle();
        let answers = messages(&client.receive());
        assert!(
            matches!(answers[..], [Message::Established(_)]),
            "{answers:?}"
        );
        client
    }
}

/// Fewer than the reports of a sweep's frame may take, so that a frame can be half sent.
const SLOTS: usize = 12;

fn start(
    config: &Config,
    regions: &Regions,
    network: &Network,
    clock: &dyn Fn() -> u64,
) -> Tiles<InprocRx, InprocTx> {
    let recovered = boot::recover(config, regions, None, clock).unwrap();
    let (rx, tx) = network.open(EXCHANGE).unwrap();
    Tiles::assemble(config, regions, recovered, rx, tx.with_slots(SLOTS)).unwrap()
}

/// Nobody else may read a secret.
fn restrict(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// What came in one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) context: Context,
    pub(super) messages: Vec<Message>,
}

impl Received {
    /// The reports with their numbers and the bytes of their blocks.
    pub(super) fn reports(&self) -> impl Iterator<Item = (u64, Vec<u8>)> + '_ {
        let reports = self.messages.iter().filter(|m| m.takes_number());
        (self.context.next_seq_no..).zip(reports.map(|m| m.block().to_vec()))
    }
}

/// The messages of all datagrams.
pub(super) fn messages(received: &[Received]) -> Vec<Message> {
    received.iter().flat_map(|r| r.messages.clone()).collect()
}

/// The reports of all datagrams, with their numbers.
pub(super) fn reports(received: &[Received]) -> Vec<(u64, Vec<u8>)> {
    received.iter().flat_map(Received::reports).collect()
}

/// The cookie of the only answer.
pub(super) fn challenge(received: &[Received]) -> u64 {
    match messages(received)[..] {
        [Message::Challenge(challenge)] => challenge.cookie,
        ref others => panic!("no challenge: {others:?}"),
    }
}

/// The refusals in what came: reason, first number, count.
pub(super) fn refusals(received: &[Received]) -> Vec<(Reason, u64, u64)> {
    let refused = |message: &Message| {
        if let Message::Refused(refused) = message {
            let reason = Reason::try_from(refused.reason).unwrap();
            Some((reason, refused.from_no, refused.count))
        } else {
            None
        }
    };
    messages(received).iter().filter_map(refused).collect()
}

/// A limit order.
pub(super) fn order(id: u64, side: domain::Side, price: i64, quantity: u64) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId(id),
        price: Price(price),
        quantity: Qty(quantity),
        market_id: MarketId(0),
        side: side as u8,
        order_type: 0,
        time_in_force: 0,
        ..NewOrder::default()
    }
}

/// An order that rests, because nobody sells so low.
pub(super) fn resting(id: u64) -> NewOrder {
    order(id, domain::Side::Buy, 1, 1)
}

/// A virtual client: a session's keys and a port.
pub(super) struct Client {
    pub(super) session: SessionId,
    pub(super) control: MacKeys,
    pub(super) keys: MacKeys,
    pub(super) epoch: u32,
    network: Network,
    port: (InprocRx, InprocTx),
}

impl Client {
    pub(super) fn address(&self) -> Peer {
        self.port.0.local()
    }

    fn context(&self, epoch: u32, number: u64) -> Context {
        Context {
            session_id: self.session,
            epoch,
            next_seq_no: number,
            sending_time: Nanos(1),
            shard: 0,
            flags: 0,
            reserved: 0,
        }
    }

    /// A datagram of the current epoch with consecutive messages from `number` on.
    pub(super) fn datagram<B: Block>(&self, number: u64, blocks: &[B]) -> Vec<u8> {
        self.datagram_of(self.epoch, number, blocks)
    }

    /// A datagram of any epoch.
    pub(super) fn datagram_of<B: Block>(&self, epoch: u32, number: u64, blocks: &[B]) -> Vec<u8> {
        let mut buffer = [0; MAX_DATAGRAM];
        let mut writer = DatagramWriter::new(&mut buffer, self.context(epoch, number));
        for block in blocks {
            writer.push(block).unwrap();
        }
        let keys = if epoch == CONTROL_EPOCH {
            &self.control
        } else {
            &self.keys
        };
        let length = writer.finish(&keys.to_exchange);
        buffer[..length].to_vec()
    }

    /// Puts bytes on the network, from this client's address.
    pub(super) fn send_bytes(&self, bytes: &[u8]) {
        self.network.inject(self.address(), EXCHANGE, bytes);
    }

    pub(super) fn send<B: Block>(&self, number: u64, blocks: &[B]) {
        self.send_bytes(&self.datagram(number, blocks));
    }

    pub(super) fn heartbeat(&self) {
        self.send::<NewOrder>(1, &[]);
    }

    pub(super) fn hello(&self, nonce: u64) {
        self.send_bytes(&self.datagram_of(CONTROL_EPOCH, 0, &[Hello { nonce }]));
    }

    pub(super) fn establish(&self, nonce: u64, cookie: u64) {
        self.send_bytes(&self.datagram_of(CONTROL_EPOCH, 0, &[Establish { nonce, cookie }]));
    }

    /// Takes whatever has come to this address and looks at none of it; how much it was.
    pub(super) fn undelivered(&mut self) -> usize {
        let mut count = 0;
        while self.port.0.receive(32, &mut |_| count += 1) > 0 {}
        count
    }

    /// Everything that has come for this session, each with a right MAC.
    pub(super) fn receive(&mut self) -> Vec<Received> {
        let (control, keys) = (&self.control.to_client, &self.keys.to_client);
        let mut received = Vec::new();
        while self.port.0.receive(32, &mut |arrival| {
            let datagram = DatagramReader::parse(arrival.payload).unwrap();
            let context = datagram.context;
            if context.session_id != self.session {
                // An answer to what somebody sent in another session's name from this address.
                return;
            }
            let control_epoch = context.epoch == CONTROL_EPOCH;
            let key = if control_epoch { control } else { keys };
            assert!(DatagramReader::verify(arrival.payload, key), "wrong MAC");
            let messages = datagram.messages.map(|numbered| numbered.message).collect();
            received.push(Received { context, messages });
        }) > 0
        {}
        received
    }
}
