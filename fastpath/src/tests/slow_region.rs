//! The slowpath is not trusted: whatever stands in its region, the fastpath goes on.

use super::rig::{Rig, Seeded, order, reports, resting};
use domain::{
    AccountId, Amount, AssetId, Checkpoint, CollectFees, Command, Continue, CreateAccount,
    Delegate, Delegation, DelistMarket, Deposit, EngineVersion, FirmId, Flag, Gate, KillSwitch,
    Limits, MarketId, MarketState, MassCancel, Nanos, OpenSession, OrderId, Price, REQUEST_WORDS,
    Recovered, Reference, Request, Scope, SessionId, SetCollar, SetFees, SetLimits, SetMarketState,
    SetTier, Side, Source, Timer, Zero,
};
use journal::Frame;
use shm::{LogReader, MAX_FRAME_WORDS, Read, RingProducer, command_ring_producer};
use tile::Tile as _;
use topology::instruments::{matching as counter, net};
use topology::{Ack, TileKind};
use wire::order_entry::Message;

const SEEDS: u64 = 48;
const STEPS: usize = 120;
/// Words of the region that are not the ring's slots, and a few that are.
const FRONT: usize = 256;

pub(super) fn ring(rig: &Rig) -> RingProducer {
    command_ring_producer(&rig.regions.slow, &rig.regions.fast).unwrap()
}

/// False if the ring is full.
pub(super) fn push(
    ring: &mut RingProducer,
    source: Source,
    source_seq: u64,
    command: Command,
) -> bool {
    let request = Request {
        source,
        source_seq,
        receive_time: Nanos(1),
        command,
    };
    let mut slot = [0; REQUEST_WORDS];
    request.encode(&mut slot);
    let pushed = ring.push(&slot).is_ok();
    ring.publish();
    pushed
}

fn deposit(amount: u64) -> Command {
    Command::Deposit(Deposit {
        account: AccountId(1),
        asset: AssetId(0),
        amount: Amount(amount),
    })
}

/// A request whose sender has given it up is not taken, and its number is free; one that has time is.
#[test]
fn what_is_late_is_not_taken() {
    let mut rig = Rig::new();
    let before = rig.balance(1, 0);
    let source = Source::DEPOSITS;
    let number = rig.engine().last_number(source) + 1;
    let request = Request {
        source,
        source_seq: number,
        receive_time: Nanos(1),
        command: deposit(5),
    };
    let mut producer = ring(&rig);
    let late = tile::Clock::since_boot() - 1;
    for (deadline, taken) in [(late, 0), (late, 0), (late + 60_000_000_000, 5)] {
        let mut slot = [0; REQUEST_WORDS];
        request.encode_until(&mut slot, deadline);
        producer.push(&slot).unwrap();
        producer.publish();
        rig.settle();
        assert_eq!(rig.balance(1, 0).0, before.0 + taken);
    }
    assert_eq!(rig.count(TileKind::Match, counter::slow_late), 2);
}

/// A session of the gateway.
fn open_session(id: u32, account: u32) -> Command {
    Command::OpenSession(OpenSession {
        session: SessionId(id),
        account: AccountId(account),
        delegation: Delegation::unlimited([0; 32]),
        gate: Gate::Gateway,
        pad: [Zero::Zero; 7],
    })
}

fn delegate(session: u32) -> Command {
    Command::Delegate(Delegate {
        session: SessionId(session),
        pad: [Zero::Zero; 4],
        delegation: Delegation::unlimited([1; 32]),
    })
}

fn account(id: u32) -> Command {
    Command::CreateAccount(CreateAccount {
        account: AccountId(id),
        firm: FirmId(1),
        owner: [0; 32],
    })
}

/// An account that a wallet may log on for.
fn owned_account(id: u32) -> Command {
    Command::CreateAccount(CreateAccount {
        account: AccountId(id),
        firm: FirmId(1),
        owner: [7; 32],
    })
}

/// The slowpath administers, and the tiles have done it; the last of the commands' numbers.
pub(super) fn administer(rig: &mut Rig, commands: &[Command]) -> u64 {
    let source = Source::ADMINISTRATION;
    for command in commands {
        let number = rig.engine().last_number(source) + 1;
        assert!(push(&mut ring(rig), source, number, *command));
        rig.settle();
    }
    rig.engine().last_number(source)
}

/// Where the ring's producer position stands in the region.
fn head_word(rig: &Rig) -> usize {
    let words = rig.regions.slow.words();
    let before: Vec<u64> = words[..FRONT].iter().map(shm::Word::get).collect();
    push(&mut ring(rig), Source::DEPOSITS, 0, deposit(1));
    let changed = |at: &usize| words[*at].get() == before[*at] + 1;
    (0..FRONT).find(changed).unwrap()
}

fn switch_session(id: u32, on: Flag) -> Command {
    Command::KillSwitch(KillSwitch {
        request: 0,
        target: id,
        scope: Scope::Session,
        on,
        pad: [Zero::Zero; 2],
    })
}

fn set_state(state: MarketState) -> Command {
    Command::SetMarketState(SetMarketState {
        market: MarketId(0),
        state,
        pad: [Zero::Zero; 3],
    })
}

/// All that the operator may do to markets, accounts and orders.
fn rules() -> Vec<Command> {
    let (account, market) = (AccountId(1), MarketId(0));
    let everyone = MassCancel {
        scope: Scope::Everyone,
        ..MassCancel::OWN
    };
    vec![
        Command::SetTier(SetTier { account, tier: 1 }),
        Command::SetLimits(SetLimits {
            target: 1,
            of_account: Flag::No,
            as_tier: Flag::No,
            pad: [Zero::Zero; 2],
            limits: Limits {
                max_open_orders: 1,
                ..Limits::default()
            },
        }),
        Command::SetFees(SetFees {
            tier: 1,
            market,
            maker_fee_ppm: -50,
            taker_fee_ppm: 200,
        }),
        Command::SetCollar(SetCollar {
            price: Price(100),
            market,
            width_ppm: 10_000,
            reference: Reference::Set,
            halts: Flag::No,
            pad: [Zero::Zero; 6],
        }),
        set_state(MarketState::PostOnly),
        Command::MassCancel(everyone),
        switch_session(2, Flag::Yes),
        switch_session(2, Flag::No),
        Command::CollectFees(CollectFees {
            account,
            asset: AssetId(1),
            amount: Amount(1),
        }),
        Command::DelistMarket(DelistMarket {
            market,
            pad: [Zero::Zero; 4],
        }),
    ]
}

#[test]
fn the_operator_sets_the_rules_by_the_slowpath() {
    let mut rig = Rig::new();
    let (maker, taker) = (rig.client(1), rig.client(2));
    // A trade, so that there are fees to collect.
    maker.send(1, &[order(1, Side::Sell, 100, 500)]);
    taker.send(1, &[order(1, Side::Buy, 100, 400)]);
    rig.settle();
    let fees = rig.engine().asset(AssetId(1)).unwrap().1;
    let (before, rules) = (rig.engine().last_number(Source::ADMINISTRATION), rules());
    let last = administer(&mut rig, &rules);
    assert_eq!(last, before + rules.len() as u64);
    assert_eq!(rig.count(TileKind::Match, counter::slow_refused), 0);
    let refused = rig.count(TileKind::Match, counter::from_slow);
    assert_eq!(refused, rules.len() as u64);
    let engine = rig.engine();
    assert_eq!(engine.account(AccountId(1)).unwrap().tier, 1);
    assert_eq!(engine.tier_limits(1).unwrap().max_open_orders, 1);
    assert_eq!(engine.rates(MarketId(0), 1), Some((-50, 200)));
    assert_eq!(engine.asset(AssetId(1)).unwrap().1.0, fees.0 - 1);
    assert_eq!(engine.live_orders(), 0, "cancelled");
    assert_eq!(engine.kill_switches().count(), 0);
    let (state, last_price) = engine.market_state(MarketId(0)).unwrap();
    assert_eq!((state, last_price), (MarketState::Delisted, Price(100)));
    rig.check_engine();
}

#[test]
fn a_session_of_the_gateway_cancels_its_own_and_switches_itself_off() {
    let mut rig = Rig::new();
    administer(&mut rig, &[owned_account(5), open_session(4, 5)]);
    let gateway = Source::of_session(SessionId(4));
    let cancel = Command::MassCancel(MassCancel::OWN);
    let kill = switch_session(0, Flag::Yes);
    let head = rig.head();
    for (number, command) in [(1, cancel), (2, kill), (3, cancel)] {
        assert!(push(&mut ring(&rig), gateway, number, command));
        rig.settle();
    }
    assert_eq!(rig.head(), head + 3);
    let on: Vec<_> = rig.engine().kill_switches().collect();
    assert_eq!(on, [(Scope::Session, 4)]);
}

/// What the slowpath may not ask for.
fn foreign() -> Vec<(Source, Command)> {
    let session = Source::of_session(SessionId(1));
    let order = Message::NewOrder(resting(1)).command().unwrap();
    let order_id = OrderId::NONE;
    vec![
        (session, order),
        (Source::GATEWAY, order),
        (session, deposit(5)),
        (Source::ADMINISTRATION, deposit(5)),
        (Source::GATEWAY, deposit(5)),
        (Source::DEPOSITS, account(5)),
        (Source::SEQUENCER, account(5)),
        (Source::SEQUENCER, Command::Continue(Continue { order_id })),
        (
            Source::SEQUENCER,
            Command::Timer(Timer { deadline: Nanos(1) }),
        ),
        (
            Source::SEQUENCER,
            Command::Checkpoint(Checkpoint { interval: 1 }),
        ),
        (
            Source::SEQUENCER,
            Command::Recovered(Recovered {
                epoch: 9,
                pad: [Zero::Zero; 4],
                grace: Nanos(0),
            }),
        ),
        (
            Source::ADMINISTRATION,
            Command::EngineVersion(EngineVersion {
                version: 1,
                pad: [Zero::Zero; 6],
            }),
        ),
        (session, Command::MassCancel(MassCancel::OWN)),
        (Source::GATEWAY, Command::MassCancel(MassCancel::OWN)),
        (session, switch_session(1, Flag::Yes)),
        (Source::GATEWAY, switch_session(1, Flag::No)),
        (session, set_state(MarketState::Halted)),
        (Source::GATEWAY, set_state(MarketState::Halted)),
        (Source::GATEWAY, open_session(4, 1)),
        (session, open_session(4, 1)),
        (session, delegate(1)),
        // Nobody can log on for these accounts: all that they have is the keys of their sessions.
        (Source::ADMINISTRATION, open_session(4, 1)),
        (Source::ADMINISTRATION, open_session(4, 7)),
        (Source::ADMINISTRATION, delegate(1)),
        (Source::ADMINISTRATION, delegate(4)),
    ]
}

#[test]
fn the_slowpath_may_deposit_and_administer_and_nothing_else() {
    let mut rig = Rig::new();
    let number = rig.engine().last_number(Source::DEPOSITS) + 1;
    let administration = rig.engine().last_number(Source::ADMINISTRATION) + 1;
    let (before, head) = (rig.balance(1, 0), rig.head());
    let foreign = foreign();
    for (source, command) in &foreign {
        assert!(push(&mut ring(&rig), *source, 1_000, *command));
        rig.settle();
        assert_eq!(rig.head(), head, "{source} {:?}", command.kind());
    }
    let refused = rig.count(TileKind::Match, counter::slow_refused);
    assert_eq!(refused, foreign.len() as u64);
    push(&mut ring(&rig), Source::DEPOSITS, number + 1, deposit(5));
    push(&mut ring(&rig), Source::DEPOSITS, number - 1, deposit(5));
    rig.settle();
    assert_eq!(
        rig.count(TileKind::Match, counter::stale),
        2,
        "exactly the next"
    );
    for _ in 0..2 {
        push(&mut ring(&rig), Source::DEPOSITS, number, deposit(5));
        push(
            &mut ring(&rig),
            Source::ADMINISTRATION,
            administration,
            account(5),
        );
        rig.settle();
    }
    assert_eq!(rig.count(TileKind::Match, counter::stale), 4, "once each");
    assert_eq!(rig.count(TileKind::Match, counter::from_slow), 2);
    assert_eq!(rig.head(), head + 2);
    assert_eq!(rig.balance(1, 0).0, before.0 + 5);
    rig.check_engine();
}

#[test]
fn the_slowpath_speaks_for_sessions_of_the_gateway_and_the_port_for_its_own() {
    let mut rig = Rig::new();
    let (gateway, head) = (Source::of_session(SessionId(4)), rig.head());
    let order = Message::NewOrder(resting(1)).command().unwrap();
    administer(&mut rig, &[owned_account(5), open_session(4, 5)]);
    push(&mut ring(&rig), gateway, 1, order);
    rig.settle();
    assert_eq!(rig.head(), head + 3, "opened, and its order taken");
    push(&mut ring(&rig), gateway, 1, order);
    rig.settle();
    assert_eq!(rig.count(TileKind::Match, counter::stale), 1, "once");
    // The port does not know the session, not even once it is started again.
    let mut rig = rig.restart(|_| {});
    for unknown in 1..=2 {
        let mut client = rig.stranger(4);
        client.hello(unknown);
        client.send(2, &[resting(2)]);
        rig.settle();
        assert_eq!(client.receive(), []);
        assert_eq!(rig.count(TileKind::Net, net::unknown_session), 2 * unknown);
    }
    assert_eq!(rig.engine().session(SessionId(4)).unwrap().last_number, 1);
    rig.check_engine();
}

#[test]
fn the_slowpath_opens_and_delegates_sessions_of_accounts_with_an_owner() {
    let mut rig = Rig::new();
    let before = rig.engine().last_number(Source::ADMINISTRATION);
    let last = administer(
        &mut rig,
        &[owned_account(5), open_session(4, 5), delegate(4)],
    );
    assert_eq!(last, before + 3);
    assert_eq!(rig.count(TileKind::Match, counter::slow_refused), 0);
    let session = rig.engine().session(SessionId(4)).unwrap();
    assert_eq!(session.account, AccountId(5));
    assert_eq!(session.delegation.public_key, [1; 32]);
}

#[test]
fn an_impossible_ring_is_left_alone_and_sessions_go_on() {
    for impossible in [u64::MAX, 1 << 32, 5_000] {
        let mut rig = Rig::new();
        let mut client = rig.client(1);
        let head = head_word(&rig);
        rig.settle();
        rig.regions.slow.words()[head].set(impossible);
        client.send(1, &[resting(1)]);
        rig.settle();
        assert_eq!(rig.count(TileKind::Match, counter::ring_faults), 1);
        assert_eq!(reports(&client.receive()).len(), 1);
        // Even if it looks well again: nobody knows what is in it.
        rig.regions.slow.words()[head].set(1);
        let number = rig.engine().last_number(Source::DEPOSITS) + 1;
        push(&mut ring(&rig), Source::DEPOSITS, number, deposit(5));
        rig.settle();
        assert_eq!(rig.engine().last_number(Source::DEPOSITS), number - 1);
        assert_eq!(rig.count(TileKind::Match, counter::ring_faults), 1);
    }
}

/// Deposits `count` times 5; the ring has room for all of them at once or is emptied between.
fn deposit_often(rig: &mut Rig, count: u64) {
    let mut producer = ring(rig);
    for step in 1..=count {
        let number = rig.engine().last_number(Source::DEPOSITS) + 1;
        assert!(push(&mut producer, Source::DEPOSITS, number, deposit(5)));
        while rig.tiles.matching.poll() > 0 {}
        assert_eq!(rig.engine().last_number(Source::DEPOSITS), number, "{step}");
    }
    rig.settle();
}

/// The tiles find the positions of one new region and one that is not before a slowpath has resumed the
/// ring: with `slow` anew the producer seems to have gone back, with `fast` anew to be far ahead.
#[test]
fn a_ring_of_which_one_region_is_new_is_waited_for() {
    for slow_is_new in [true, false] {
        let mut rig = Rig::new();
        deposit_often(&mut rig, 4_200);
        let number = rig.engine().last_number(Source::DEPOSITS) + 1;
        let mut rig = rig.restart(|regions| {
            let new = if slow_is_new {
                &regions.slow
            } else {
                &regions.fast
            };
            new.wipe().unwrap();
        });
        rig.settle();
        assert_eq!(rig.count(TileKind::Match, counter::ring_faults), 0);
        push(&mut ring(&rig), Source::DEPOSITS, number, deposit(5));
        rig.settle();
        assert_eq!(rig.engine().last_number(Source::DEPOSITS), number);
        // From now on what cannot be is not waited for.
        let head = head_word(&rig);
        rig.settle();
        rig.regions.slow.words()[head].set(1 << 32);
        rig.settle();
        assert_eq!(rig.count(TileKind::Match, counter::ring_faults), 1);
    }
}

/// A slowpath that attached before a new epoch's start set the region `fast` back counts from where it was.
#[test]
fn the_rings_position_outlives_its_journal_memory() {
    let mut rig = Rig::new();
    let genesis = rig.engine().last_number(Source::DEPOSITS);
    deposit_often(&mut rig, 3);
    let mut producer = ring(&rig);
    std::fs::remove_file(rig.config.epoch_file()).unwrap();
    rig.regions.continues = false;
    let mut rig = rig.restart(|regions| regions.journal.wipe().unwrap());
    rig.settle();
    let now = rig.engine().last_number(Source::DEPOSITS);
    assert_eq!(now, genesis, "what was taken before is not read again");
    push(&mut producer, Source::DEPOSITS, genesis + 1, deposit(5));
    rig.settle();
    assert_eq!(rig.engine().last_number(Source::DEPOSITS), genesis + 1);
}

fn scribble(random: &mut Seeded, rig: &Rig) {
    let words = rig.regions.slow.words();
    for _ in 0..=random.below(20) {
        let limit = [FRONT, words.len()][random.below(2)];
        let near = rig
            .head()
            .wrapping_add(random.below(9) as u64)
            .wrapping_sub(4);
        let value = [random.word(), 0, u64::MAX, near, 1 << 63][random.below(5)];
        words[random.below(limit)].set(value);
    }
}

/// What may stand in the journal; gives how many frames are of sessions, and what was deposited.
fn check_journal(rig: &Rig, genesis: u64) -> (u64, u64) {
    let mut reader = LogReader::new(rig.regions.journal.clone(), 1).unwrap();
    let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
    let (mut of_sessions, mut deposited) = (0, 0);
    while let Read::Frame(words) = reader.poll(&mut buffer) {
        let frame = Frame::parse(&buffer[..words]).unwrap();
        let (seq, source) = (frame.header.seq.0, frame.header.source);
        of_sessions += u64::from(source.session().is_some());
        match frame.command {
            Command::Deposit(deposit) => {
                assert_eq!(source, Source::DEPOSITS);
                deposited += u64::from(deposit.asset == AssetId(0)) * deposit.amount.0;
            }
            Command::CreateAsset(_)
            | Command::CreateMarket(_)
            | Command::CreateAccount(_)
            | Command::OpenSession(_)
            | Command::Delegate(_)
            | Command::SetTier(_)
            | Command::SetLimits(_)
            | Command::SetFees(_)
            | Command::CollectFees(_)
            | Command::SetMarketState(_)
            | Command::SetCollar(_)
            | Command::DelistMarket(_)
            | Command::ConfirmAttestation(_) => {
                assert_eq!(source, Source::ADMINISTRATION);
            }
            Command::NewOrder(_)
            | Command::CancelOrder(_)
            | Command::AmendOrder(_)
            | Command::Quote(_)
            | Command::SetProtection(_)
            | Command::Attest(_) => {
                assert!(source.session().is_some());
            }
            Command::MassCancel(_) | Command::KillSwitch(_) => {
                assert!(source == Source::ADMINISTRATION || source.session().is_some());
            }
            Command::Continue(_) | Command::Timer(_) | Command::Checkpoint(_) => {
                assert_eq!(source, Source::SEQUENCER);
            }
            Command::Recovered(_) | Command::EngineVersion(_) | Command::Genesis(_) => {
                assert!(seq <= genesis, "frame {seq}");
            }
        }
    }
    assert_eq!(reader.next_seq(), rig.head() + 1);
    (of_sessions, deposited)
}

/// Polls and scribbles; gives the faults that were counted.
fn storm(seed: u64) -> u64 {
    let mut random = Seeded(seed);
    let ack = [Ack::Sequenced, Ack::Durable][random.below(2)];
    let mut rig = Rig::with(1 << 18, |config| config.instance.ack = ack);
    let (genesis, mut ring) = (rig.head(), ring(&rig));
    let clients = [rig.client(1), rig.client(2)];
    let mut numbers = [0_u64; 2];
    let mut gate = 0;
    for step in 0..STEPS {
        let which = random.below(2);
        numbers[which] += 1;
        let side = [Side::Buy, Side::Sell][random.below(2)];
        let price = 95 + i64::try_from(random.below(10)).unwrap();
        let id = numbers[which];
        clients[which].send(id, &[order(id, side, price, 1 + random.below(5) as u64)]);
        rig.tiles.net.poll();
        scribble(&mut random, &rig);
        // At times a request of the right form: foreign, old, or even allowed.
        if random.below(4) == 0 {
            let source = [
                Source::DEPOSITS,
                Source::ADMINISTRATION,
                Source::SEQUENCER,
                Source::of_session(SessionId(1)),
            ][random.below(4)];
            let next = rig.engine().last_number(source).wrapping_add(1);
            let number = [next, next, 0, u64::MAX][random.below(4)];
            let command = [deposit(7), account(6), deposit(0), account(u32::MAX)];
            push(&mut ring, source, number, command[random.below(4)]);
        }
        rig.tiles.matching.poll();
        scribble(&mut random, &rig);
        rig.tiles.out.poll();
        let log = rig.tiles.matching.sequencer.log();
        let now = log.gate_seq();
        assert!(gate <= now && now <= log.head(), "seed {seed} step {step}");
        gate = now;
        if step % 20 == 0 {
            rig.check_engine();
        }
    }
    // Whatever happened, every order was applied once.
    while rig.tiles.matching.poll() > 0 {}
    rig.check_engine();
    let (of_sessions, deposited) = check_journal(&rig, genesis);
    assert_eq!(of_sessions, STEPS as u64, "seed {seed}");
    let known = rig.engine().asset(AssetId(0)).unwrap().0.0;
    assert_eq!(known, deposited, "seed {seed}: funds");
    rig.count(TileKind::Match, counter::gate_faults)
        + rig.count(TileKind::Match, counter::ring_faults)
        + rig.count(TileKind::Match, counter::slow_refused)
}

#[test]
fn no_scribbling_over_the_slow_region_harms_the_fastpath() {
    let faults: Vec<u64> = (0..SEEDS).map(storm).collect();
    assert!(faults.iter().all(|faults| *faults > 0), "{faults:?}");
}
