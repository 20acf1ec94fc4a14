//! An instance in a folder of its own, whose fastpath is the test: it journals what it is told to,
//! as a sequencer does, and holds the regions' locks as long as it lives.

use domain::{
    Attest, Checkpoint, ClientOrderId, Command as Order, Continue, Effects, Flag, Limits, MarketId,
    Nanos, NewOrder, OrderType, Price, Qty, Recovered, Request, Seq, SessionId, SetLimits, Side,
    Source, Stamp, TimeInForce, Zero,
};
use ed25519_dalek::{Signer as _, SigningKey};
use engine::Engine;
use journal::{Chain, Frame, FrameHeader, MAX_FRAME_WORDS, encode};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use shm::{
    FastWriter, Identity, LogReader, LogWriter, Memory, SlowView, TileState, WriterLock,
    command_ring_consumer, fast_spec, journal_spec, since_boot,
};
use slowpath::asked::Asked;
use slowpath::attach::{self, OwnRegion, Region};
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use topology::Config;
use topology::instruments::tile_kind;
use wire::auth::RunningHash;

/// More than any of the waits takes; reached only by a test that fails.
const LONG: Duration = Duration::from_secs(30);

/// A user and a group that own nothing.
const NOBODY: u32 = 65_534;

pub(crate) struct Instance {
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
}

impl Instance {
    /// With `more` lines at the end of its configuration.
    pub(crate) fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("shm")).unwrap();
        write_config(folder.path(), more);
        fs::write(
            folder.path().join("genesis.toml"),
            topology::DEFAULT_GENESIS,
        )
        .unwrap();
        let config = Config::load(&folder.path().join("sluice.toml")).unwrap();
        Self { folder, config }
    }

    /// Has `more` lines from now on, for processes that are started.
    pub(crate) fn configure(&self, more: &str) {
        write_config(self.folder.path(), more);
    }

    pub(crate) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).arg("--config");
        command
            .arg(self.folder.path().join("sluice.toml"))
            .stdin(Stdio::null());
        command
    }

    /// Runs the operator's command to its end.
    pub(crate) fn sluice(&self, args: &[&str]) -> Said {
        let output = self
            .command(env!("CARGO_BIN_EXE_sluice"), args)
            .output()
            .unwrap();
        Said::from(output)
    }

    /// Runs the operator's command to its end while nobody reads what it says; its exit code.
    pub(crate) fn sluice_unread(&self, args: &[&str]) -> Option<i32> {
        let mut command = self.command(env!("CARGO_BIN_EXE_sluice"), args);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        command.status().unwrap().code()
    }

    /// Runs the operator's command to its end as a user who is not permitted to use `path`.
    pub(crate) fn sluice_without(&self, path: &Path, args: &[&str]) -> Said {
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        let mut command = self.command(env!("CARGO_BIN_EXE_sluice"), args);
        if rustix::process::geteuid().is_root() {
            // Root is permitted everything, and nobody else may have its programs' folder.
            let program = self.folder.path().join("sluice");
            // By a process of its own: none that another test forks meanwhile has it open for writing.
            let mut copy = Command::new("cp");
            copy.arg(env!("CARGO_BIN_EXE_sluice")).arg(&program);
            assert!(copy.status().unwrap().success());
            mode(self.folder.path(), 0o755);
            command = self.command(program.to_str().unwrap(), args);
            command.uid(NOBODY).gid(NOBODY);
        }
        let before = fs::metadata(path).unwrap().permissions().mode();
        mode(path, 0);
        let output = command.output();
        mode(path, before);
        Said::from(output.unwrap())
    }

    /// Lets the configuration be a pipe from now on: who reads it waits until it is written.
    pub(crate) fn hold_configuration(&self) -> Pipe {
        let path = self.folder.path().join("sluice.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        Pipe { path, text }
    }

    /// Runs a slowpath that is expected to refuse; gives what it said.
    #[track_caller]
    pub(crate) fn refused_slowpath(&self) -> String {
        let mut slowpath = self.start_slowpath();
        assert_eq!(slowpath.end().code(), Some(1));
        slowpath.said()
    }

    pub(crate) fn start_slowpath(&self) -> Slowpath {
        self.start_slowpath_in(&[])
    }

    /// In an environment with these variables.
    pub(crate) fn start_slowpath_in(&self, environment: &[(&str, &str)]) -> Slowpath {
        let log = tempfile::Builder::new()
            .prefix("log-")
            .tempfile_in(self.folder.path());
        let (file, path) = log.unwrap().keep().unwrap();
        let mut command = self.command(env!("CARGO_BIN_EXE_slowpath"), &[]);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        command.envs(environment.iter().copied());
        let child = command.spawn().unwrap();
        Slowpath {
            child: Some(child),
            log: path,
        }
    }

    /// What the slowpath shows, which may have to make its region first.
    #[track_caller]
    pub(crate) fn slow(&self) -> SlowView {
        let mut slow = None;
        wait("the slowpath has made its region", || {
            slow = attach::open(&attach::places(&self.config), Region::Slow).unwrap();
            slow.is_some()
        });
        SlowView::new(slow.unwrap().0).unwrap()
    }

    /// The region `slow`, of which this process has the lock.
    pub(crate) fn own_region(&self) -> OwnRegion {
        let places = attach::places(&self.config);
        let (shard, boot_id) = (self.config.instance.shard, shm::boot_id().unwrap());
        let own = OwnRegion::open(&places, shard, boot_id, &Asked::default());
        own.unwrap().unwrap()
    }

    #[track_caller]
    pub(crate) fn wait_archived(&self, seq: u64) {
        wait("everything is archived", || {
            self.slow().durable_seq() >= seq
        });
    }

    /// The archive's last segment.
    pub(crate) fn last_segment(&self) -> PathBuf {
        let files = fs::read_dir(self.config.archive_dir()).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        paths
            .filter(|path| path.extension().is_some())
            .max()
            .unwrap()
    }
}

fn write_config(folder: &Path, more: &str) {
    // Its port may be taken, and few tests ask.
    let gateway = if more.contains("[gateway]") {
        ""
    } else {
        "[gateway]\nenabled = false\n"
    };
    // So may the usual one of orders, which `validate-config` looks at.
    let port = if more.contains("[port]") {
        ""
    } else {
        "[port]\nbind = \"127.0.0.1:0\"\n"
    };
    let metrics = if more.contains("[metrics]") {
        ""
    } else {
        "[metrics]\nenabled = false\n"
    };
    let text = format!(
        "[instance]\nname = \"test\"\nshard = 3\n\
         [memory]\njournal_mib = 1\njournal_frames = 1024\nshm_dir = \"{}\"\n{gateway}{port}{metrics}{more}",
        folder.join("shm").display()
    );
    fs::write(folder.join("sluice.toml"), text).unwrap();
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A configuration for whoever waits for it.
pub(crate) struct Pipe {
    path: PathBuf,
    text: String,
}

impl Pipe {
    /// Waits until somebody reads it, who then waits for what is written.
    pub(crate) fn wait_for_reader(&self) -> File {
        let mut options = File::options();
        options
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let mut file = None;
        wait("the configuration is read", || {
            file = options.open(&self.path).ok();
            file.is_some()
        });
        file.unwrap()
    }

    /// Gives it the text.
    pub(crate) fn write(&self, mut to: File) {
        to.write_all(self.text.as_bytes()).unwrap();
    }
}

/// What a program that has ended had to say.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it was not killed"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A slowpath that runs; killed when dropped.
pub(crate) struct Slowpath {
    child: Option<Child>,
    log: PathBuf,
}

impl Slowpath {
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let start = Instant::now();
        while !self.said().contains(text) {
            let said = self.said();
            assert!(
                start.elapsed() < LONG,
                "waited in vain until it says {text:?}; it said:\n{said}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        // The system may not have begun it before.
        self.wait_for("region slow");
        self.ask_to_stop();
        self.end()
    }

    /// Sends SIGTERM.
    pub(crate) fn ask_to_stop(&self) {
        let pid = i32::try_from(self.pid()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let mut status = None;
        wait("the slowpath ends", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Kills it, and leaves it as a zombie until it is dropped.
    pub(crate) fn kill_unnoticed(&mut self) {
        self.child.as_mut().unwrap().kill().unwrap();
        let pid = rustix::process::Pid::from_child(self.child.as_ref().unwrap());
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), ended).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Slowpath {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// The test as the instance's fastpath.
pub(crate) struct Fastpath {
    engine: Engine,
    effects: Effects,
    chain: Chain,
    log: LogWriter,
    pub(crate) fast: FastWriter,
    memory: Memory,
    genesis: Vec<(Source, Order)>,
    numbers: [u64; 2],
    /// Of sessions 1 and 2, as their clients have them.
    hashes: [RunningHash; 2],
    orders: u64,
    /// Changes the events of this frame before it is journalled.
    pub(crate) falsify: Option<u64>,
    _locks: [WriterLock; 2],
}

impl Fastpath {
    /// Makes or finds the regions. What they hold is replayed.
    pub(crate) fn start(instance: &Instance) -> Self {
        let config = &instance.config;
        let places = attach::places(config);
        let identity = Identity {
            shard: config.instance.shard,
            boot_id: shm::boot_id().unwrap(),
            epoch: 1,
        };
        let open = |name, spec| Memory::create_or_open(&places, name, spec, identity).unwrap();
        let (journal, journal_lock, _) = open("journal", journal_spec(1024, 1 << 17));
        let (fast, fast_lock, _) = open("fast", fast_spec(4));
        let memory = fast.clone();
        let fast = FastWriter::new(fast).unwrap();
        for (slot, kind) in [tile_kind::NET, tile_kind::MATCH, tile_kind::OUT]
            .into_iter()
            .enumerate()
        {
            fast.tile(slot).set_kind(kind);
            fast.tile(slot).set_state(TileState::Run);
            fast.tile(slot).set_polls(1000, 250);
        }
        let fastpath = Self {
            engine: Engine::new(),
            effects: Effects::new(),
            chain: Chain::new(config.instance.shard),
            log: LogWriter::attach(journal.clone()).unwrap(),
            fast,
            memory,
            genesis: config.load_genesis().unwrap().commands(),
            numbers: [0; 2],
            hashes: [1, 2].map(|id| RunningHash::begin(config.instance.shard, SessionId(id))),
            orders: 0,
            falsify: None,
            _locks: [journal_lock, fast_lock],
        };
        fastpath.beat();
        assert_eq!(
            LogReader::new(journal, 1).unwrap().head(),
            0,
            "the test begins a journal"
        );
        fastpath
    }

    /// All tiles are alive, and remain so for the rest of the test.
    pub(crate) fn beat(&self) {
        const HOUR: u64 = 3_600_000_000_000;
        (0..3).for_each(|slot| self.fast.tile(slot).beat(since_boot() + HOUR));
    }

    pub(crate) fn head(&self) -> u64 {
        self.log.head()
    }

    pub(crate) fn state_hash(&self) -> u64 {
        self.engine.state_hash()
    }

    /// Journals the genesis file.
    pub(crate) fn genesis(&mut self) {
        self.genesis_but(0);
    }

    /// Journals what is left of the genesis file, but for its last commands.
    pub(crate) fn genesis_but(&mut self, last: usize) {
        let rest = self.genesis.split_off(self.genesis.len() - last);
        for (source, command) in std::mem::replace(&mut self.genesis, rest) {
            let number = self.engine.last_number(source) + 1;
            self.sequence(source, number, command);
        }
    }

    /// Begins the first epoch, as a fastpath does behind its genesis.
    pub(crate) fn begin_epoch(&mut self) {
        self.own(Order::Recovered(Recovered {
            epoch: 1,
            pad: [Zero::Zero; 4],
            grace: Nanos(0),
        }));
    }

    /// The first request in the command ring, which stays there.
    pub(crate) fn asked(&self, instance: &Instance) -> Option<Request> {
        let slow = attach::open(&attach::places(&instance.config), Region::Slow).unwrap();
        let mut ring = command_ring_consumer(&slow.unwrap().0, &self.memory).unwrap();
        let slot = ring.peek().unwrap();
        slot.map(|slot| Request::decode(&slot).unwrap())
    }

    pub(crate) fn last_number(&self, source: Source) -> u64 {
        self.engine.last_number(source)
    }

    /// Journals so many orders, half of which trade, and a checkpoint behind them.
    pub(crate) fn trade(&mut self, orders: u64) {
        self.trade_without_checkpoint(orders);
        self.own(Order::Checkpoint(Checkpoint { interval: 1000 }));
    }

    /// Journals so many orders, half of which trade.
    pub(crate) fn trade_without_checkpoint(&mut self, orders: u64) {
        for _ in 0..orders {
            let (session, side) = if self.orders.is_multiple_of(2) {
                (1, Side::Sell)
            } else {
                (2, Side::Buy)
            };
            self.orders += 1;
            self.numbers[session as usize - 1] += 1;
            let number = self.numbers[session as usize - 1];
            let order = NewOrder {
                client_order_id: ClientOrderId(number),
                price: Price(100),
                qty: Qty(1),
                market: MarketId(0),
                side,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::GoodTillCancel,
                ..NewOrder::PLAIN
            };
            let source = Source::of_session(SessionId(session));
            self.sequence(source, number, Order::NewOrder(order));
        }
    }

    /// As [`Self::trade`], more than the memory holds: waits for the archiver.
    pub(crate) fn trade_through(&mut self, orders: u64, instance: &Instance) {
        let slow = instance.slow();
        for _ in 0..orders {
            wait("there is room", || {
                let durable = slow.durable_seq();
                self.log.gate(durable).expect("progress is possible");
                self.log.has_room(MAX_FRAME_WORDS) && self.head() - durable < 1000
            });
            self.trade(1);
        }
    }

    /// Journals an order of nothing, which is refused.
    pub(crate) fn refused_order(&mut self) {
        self.numbers[0] += 1;
        let order = NewOrder {
            client_order_id: ClientOrderId(1 << 40),
            price: Price(100),
            qty: Qty(0),
            market: MarketId(0),
            side: Side::Sell,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            ..NewOrder::PLAIN
        };
        let source = Source::of_session(SessionId(1));
        self.sequence(source, self.numbers[0], Order::NewOrder(order));
    }

    /// Journals what the sessions may enter and not attest, in whole units of the quote asset.
    pub(crate) fn limit_unattested(&mut self, units: u64) {
        let number = self.engine.last_number(Source::ADMINISTRATION) + 1;
        let limits = SetLimits {
            target: 0,
            of_account: Flag::No,
            as_tier: Flag::No,
            pad: [Zero::Zero; 2],
            limits: Limits {
                max_unattested_notional: units,
                ..Limits::default()
            },
        };
        self.sequence(Source::ADMINISTRATION, number, Order::SetLimits(limits));
    }

    /// Journals an attestation of session 1 or 2 by a key; what the session has entered by then.
    pub(crate) fn attest(&mut self, session: u32, key: [u8; 32]) -> u64 {
        let at = session as usize - 1;
        let signature = SigningKey::from_bytes(&key).sign(&self.hashes[at].signed());
        self.numbers[at] += 1;
        let attest = Attest {
            signature: signature.to_bytes(),
        };
        let source = Source::of_session(SessionId(session));
        self.sequence(source, self.numbers[at], Order::Attest(attest));
        self.engine.session(SessionId(session)).unwrap().entered
    }

    fn own(&mut self, command: Order) {
        let number = self.engine.last_number(Source::SEQUENCER) + 1;
        self.sequence(Source::SEQUENCER, number, command);
    }

    fn sequence(&mut self, source: Source, number: u64, command: Order) {
        let seq = self.chain.next_seq;
        let request = Request {
            source,
            source_seq: number,
            receive_time: Nanos(seq.0),
            command,
        };
        let time = Nanos(1_000_000_000 + seq.0);
        self.engine
            .apply(Stamp { seq, time }, &request, &mut self.effects);
        if self.falsify == Some(seq.0) {
            self.falsify_events();
        }
        if let Some(session) = source.session() {
            self.hashes[session.0 as usize - 1].take(number, &command);
        }
        self.append(seq, time, &request);
        if let Some(order_id) = self.engine.pending_work() {
            self.own(Order::Continue(Continue { order_id }));
        }
    }

    /// Another quantity in the last event: whole, chained, and wrong.
    fn falsify_events(&mut self) {
        let mut events: Vec<_> = self.effects.events().map(Result::unwrap).collect();
        let Some(domain::Event::BookAdd(add)) = events.pop() else {
            panic!("only orders that rest are falsified")
        };
        let Some(domain::Event::Accepted(accepted)) = events.pop() else {
            panic!("an order that rests was accepted")
        };
        self.effects.clear();
        self.effects.push(&accepted);
        self.effects.push(&domain::BookAdd {
            qty: Qty(add.qty.0 + 1),
            ..add
        });
    }

    fn append(&mut self, seq: Seq, time: Nanos, request: &Request) {
        let header = FrameHeader {
            engine_version: self.engine.version(),
            seq,
            epoch: 1,
            shard: self.chain.shard,
            source: request.source,
            source_seq: request.source_seq,
            receive_time: request.receive_time,
            engine_time: time,
            prev_crc: self.chain.last_crc,
        };
        let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
        let (words, _) = encode(&header, &request.command, &self.effects, &mut buffer);
        self.chain
            .check(&Frame::parse(&buffer[..words]).unwrap())
            .unwrap();
        self.log.append(&buffer[..words]);
        self.fast.set_out_seq(seq.0);
    }
}

/// Cuts the last `bytes` off a file.
pub(crate) fn cut(path: &Path, bytes: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes)
        .unwrap();
}
