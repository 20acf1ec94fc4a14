//! A shadow engine follows a journal that an engine wrote, and sees a single changed event, hash,
//! command or header in it, although the frames are whole and chained.

use core::num::NonZeroU64;
use domain::{
    AccountId, Amount, AssetId, Checkpoint, ClientOrderId, Command, CreateAccount, CreateAsset,
    CreateMarket, Deposit, Effects, Event, FirmId, Genesis, MarketId, MarketState, Nanos, NewOrder,
    OpenSession, OrderType, Price, Qty, Request, SessionId, Side, Source, Stamp, TimeInForce,
    Timer, Zero,
};
use engine::Engine;
use journal::{Chain, Frame, FrameHeader, MAX_FRAME_WORDS, encode};
use shadow::{Divergence, Found, Shadow};

const SHARD: u16 = 1;

fn shadow() -> Shadow {
    Shadow::new(SHARD, NonZeroU64::new(3).expect("not zero"))
}

fn new_order(client_order_id: u64, side: Side, qty: u64) -> Command {
    Command::NewOrder(NewOrder {
        client_order_id: ClientOrderId(client_order_id),
        price: Price(100),
        qty: Qty(qty),
        market: MarketId(0),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancel,
        ..NewOrder::PLAIN
    })
}

fn deposit(account: u32, asset: u32) -> Command {
    Command::Deposit(Deposit {
        account: AccountId(account),
        asset: AssetId(asset),
        amount: Amount(1_000_000),
    })
}

/// A small market: forty makers and one taker whose sweep needs more than a frame.
fn commands() -> Vec<(Source, Command)> {
    let mut commands = vec![(
        Source::ADMINISTRATION,
        Command::Genesis(Genesis {
            max_assets: 2,
            max_markets: 1,
            max_accounts: 2,
            max_sessions: 2,
            max_orders: 64,
            max_levels: 1000,
            max_pages: 66,
            pad: [Zero::Zero; 4],
        }),
    )];
    for asset in 0..2 {
        let create = CreateAsset {
            asset: AssetId(asset),
            decimals: 6,
            pad: [Zero::Zero; 3],
            symbol: [0; 16],
        };
        commands.push((Source::ADMINISTRATION, Command::CreateAsset(create)));
    }
    let market = CreateMarket {
        market: MarketId(0),
        base: AssetId(0),
        quote: AssetId(1),
        maker_fee_ppm: 1_000,
        taker_fee_ppm: 20_000,
        price_levels: 1000,
        tick_value: 1,
        lot_size: 10,
        min_qty: Qty(1),
        price_min: Price(1),
        symbol: [0; 16],
        state: MarketState::Continuous,
        pad: [Zero::Zero; 7],
    };
    commands.push((Source::ADMINISTRATION, Command::CreateMarket(market)));
    for id in 0..2 {
        let account = CreateAccount {
            account: AccountId(id),
            firm: FirmId(id),
            owner: [3; 32],
        };
        let session = OpenSession {
            session: SessionId(id),
            account: AccountId(id),
            delegation: domain::Delegation::unlimited([7; 32]),
            gate: domain::Gate::Port,
            pad: [Zero::Zero; 7],
        };
        commands.push((Source::ADMINISTRATION, Command::CreateAccount(account)));
        commands.push((Source::ADMINISTRATION, Command::OpenSession(session)));
        commands.push((Source::DEPOSITS, deposit(id, id)));
    }
    for id in 1..=40 {
        commands.push((
            Source::of_session(SessionId(0)),
            new_order(id, Side::Sell, 3),
        ));
    }
    commands.push((
        Source::of_session(SessionId(1)),
        new_order(1, Side::Buy, 119),
    ));
    commands.push((
        Source::SEQUENCER,
        Command::Checkpoint(Checkpoint { interval: 50 }),
    ));
    commands
}

/// Writes a journal as a sequencer does: a pending sweep goes on at once. `change` may alter what is
/// written of each frame, but not what the engine does.
fn journal(change: impl Fn(&mut FrameHeader, &mut Command, &mut Effects)) -> Vec<Vec<u64>> {
    let (mut engine, mut effects) = (Engine::new(), Effects::new());
    let mut chain = Chain::new(SHARD);
    let mut frames = Vec::new();
    let mut commands = commands().into_iter();
    loop {
        let (source, command) = match engine.pending_work() {
            Some(order_id) => (
                Source::SEQUENCER,
                Command::Continue(domain::Continue { order_id }),
            ),
            None => match commands.next() {
                Some(next) => next,
                None => return frames,
            },
        };
        let stamp = Stamp {
            seq: chain.next_seq,
            time: Nanos(chain.next_seq.0),
        };
        let request = Request {
            source,
            source_seq: engine.last_number(source) + 1,
            receive_time: Nanos(0),
            command,
        };
        engine.apply(stamp, &request, &mut effects);
        let mut header = FrameHeader {
            engine_version: engine.version(),
            seq: stamp.seq,
            epoch: 0,
            shard: SHARD,
            source,
            source_seq: request.source_seq,
            receive_time: request.receive_time,
            engine_time: stamp.time,
            prev_crc: chain.last_crc,
        };
        let mut written = request.command;
        change(&mut header, &mut written, &mut effects);
        let mut buffer = [0; MAX_FRAME_WORDS];
        let (words, _) = encode(&header, &written, &effects, &mut buffer);
        let frame = Frame::parse(&buffer[..words]).expect("a whole frame");
        chain.check(&frame).expect("a chain");
        frames.push(buffer[..words].to_vec());
    }
}

/// Follows the journal to its end or to a divergence; checks that it then stays there.
fn follow(frames: &[Vec<u64>]) -> (Shadow, Option<Divergence>) {
    let mut shadow = shadow();
    for (index, words) in frames.iter().enumerate() {
        let frame = Frame::parse(words).expect("a whole frame");
        if let Err(divergence) = shadow.step(&frame) {
            let next = frames.get(index + 1).unwrap_or(words);
            let next = Frame::parse(next).expect("a whole frame");
            assert_eq!(
                shadow.step(&next),
                Err(divergence.clone()),
                "it stays stopped"
            );
            assert!(shadow.checked_seq() < divergence.seq, "it is not counted");
            return (shadow, Some(divergence));
        }
    }
    (shadow, None)
}

/// Seq of the first frame with a command of this kind.
fn seq_of(frames: &[Vec<u64>], kind: domain::CommandKind) -> u64 {
    let at = frames
        .iter()
        .position(|words| Frame::parse(words).expect("whole").command.kind() == kind);
    at.expect("it is in the journal") as u64 + 1
}

fn rewrite(effects: &mut Effects, change: impl Fn(&mut Event)) {
    let mut events: Vec<_> = effects
        .events()
        .map(|event| event.expect("valid"))
        .collect();
    effects.clear();
    for event in &mut events {
        change(event);
        match event {
            Event::Trade(event) => effects.push(event),
            Event::Fill(event) => effects.push(event),
            Event::Accepted(event) => effects.push(event),
            Event::StateHash(event) => effects.push(event),
            Event::Rejected(_)
            | Event::Canceled(_)
            | Event::Amended(_)
            | Event::NotApplied(_)
            | Event::SelfTradePrevented(_)
            | Event::MassCanceled(_)
            | Event::Triggered(_)
            | Event::ProtectionSet(_)
            | Event::ProtectionReached(_)
            | Event::AttestationNoted(_)
            | Event::BookAdd(_)
            | Event::BookReduce(_)
            | Event::BookDelete(_)
            | Event::PhaseChanged(_)
            | Event::MarketDefined(_)
            | Event::BookReplace(_)
            | Event::MarketStateChanged(_)
            | Event::Uncrossed(_)
            | Event::Outcome(_) => panic!("not in these frames: {event:?}"),
        }
    }
}

#[test]
fn a_true_journal_is_followed_to_its_end() {
    let frames = journal(|_, _, _| {});
    let (shadow, divergence) = follow(&frames);
    assert_eq!(divergence, None);
    assert_eq!(shadow.checked_seq().0, frames.len() as u64);
    assert_eq!(shadow.engine().live_orders(), 1);
    assert!(
        seq_of(&frames, domain::CommandKind::Continue) > 1,
        "the sweep took more than a frame"
    );
}

#[test]
fn one_changed_field_of_one_event_is_seen() {
    let seq = seq_of(&journal(|_, _, _| {}), domain::CommandKind::Continue);
    let frames = journal(|header, _, effects| {
        if header.seq.0 == seq {
            rewrite(effects, |event| {
                if let Event::Fill(fill) = event
                    && fill.liquidity == domain::Liquidity::Taker
                {
                    fill.fee.0 += 1;
                }
            });
        }
    });
    let (_, divergence) = follow(&frames);
    let divergence = divergence.expect("it is seen");
    assert_eq!(divergence.seq.0, seq);
    let Found::Event {
        index: 2,
        journal: Some(journal),
        shadow: Some(shadow),
    } = divergence.found
    else {
        panic!("{divergence}");
    };
    let (Event::Fill(journal), Event::Fill(shadow)) = (*journal, *shadow) else {
        panic!("both are fills");
    };
    assert_eq!(journal.fee.0, shadow.fee.0 + 1);
}

#[test]
fn a_missing_event_is_seen() {
    let seq = seq_of(&journal(|_, _, _| {}), domain::CommandKind::NewOrder);
    let frames = journal(|header, _, effects| {
        if header.seq.0 == seq {
            effects.clear();
        }
    });
    let (_, divergence) = follow(&frames);
    let divergence = divergence.expect("it is seen");
    assert_eq!(divergence.seq.0, seq);
    assert!(
        matches!(
            divergence.found,
            Found::Event {
                index: 0,
                journal: None,
                shadow: Some(_)
            }
        ),
        "{divergence}"
    );
}

#[test]
fn a_changed_checkpoint_hash_is_seen() {
    let seq = seq_of(&journal(|_, _, _| {}), domain::CommandKind::Checkpoint);
    let frames = journal(|header, _, effects| {
        if header.seq.0 == seq {
            rewrite(effects, |event| {
                if let Event::StateHash(hash) = event {
                    hash.hash ^= 1;
                }
            });
        }
    });
    let (_, divergence) = follow(&frames);
    let divergence = divergence.expect("it is seen");
    assert_eq!(divergence.seq.0, seq);
    assert!(
        matches!(divergence.found, Found::StateHash { journal, shadow } if journal == shadow ^ 1),
        "{divergence}"
    );
}

#[test]
fn a_changed_command_is_seen_at_once_or_at_the_checkpoint() {
    let frames = journal(|_, command, _| {
        if let Command::OpenSession(open) = command {
            // It causes the same event, but another state.
            open.delegation.public_key[31] ^= 1;
        }
    });
    let (_, divergence) = follow(&frames);
    let divergence = divergence.expect("it is seen");
    assert!(
        matches!(divergence.found, Found::StateHash { .. }),
        "{divergence}"
    );
}

#[test]
fn what_no_sequencer_writes_stops_the_shadow_without_a_panic() {
    let replayed = journal(|header, _, _| {
        if header.seq.0 == 9 {
            header.source_seq = 1;
            header.source = Source::ADMINISTRATION;
        }
    });
    let (_, divergence) = follow(&replayed);
    assert!(matches!(
        divergence.expect("it is seen").found,
        Found::NotAdmitted { number: 1, .. }
    ));

    let continued = journal(|_, command, _| {
        if let Command::Continue(_) = command {
            *command = Command::Timer(Timer { deadline: Nanos(0) });
        }
    });
    let (_, divergence) = follow(&continued);
    assert_eq!(divergence.expect("it is seen").found, Found::OutOfTurn);

    let foreign = journal(|header, _, _| header.engine_version = 9);
    let (_, divergence) = follow(&foreign);
    assert_eq!(
        divergence.expect("it is seen").found,
        Found::EngineVersion {
            journal: 9,
            shadow: 1
        }
    );

    let mut gap = journal(|_, _, _| {});
    gap.remove(4);
    let (_, divergence) = follow(&gap);
    assert!(matches!(
        divergence.expect("it is seen").found,
        Found::Chain(_)
    ));
}
