//! Whole streams of commands at random.
//!
//! `CASES` sets how many; streams that once failed are kept in `regressions.txt` and run
//! first.

use crate::{
    generate,
    pair::{Frame, Pair},
};
use domain::{Command, CommandKind, Event, Phase, Reason};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestRng, TestRunner},
};
use std::collections::BTreeSet;

const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/twins/regressions.txt");

fn cases() -> u32 {
    let cases = std::env::var("CASES").ok();
    cases.map_or(1_000, |cases| {
        cases.parse().expect("CASES is a number of streams")
    })
}

fn config() -> Config {
    Config {
        cases: cases(),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        max_shrink_iters: 20_000,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn both_engines_say_the_same_about_any_stream(stream in generate::streams()) {
        stream.run(&mut Pair::new()).map_err(TestCaseError::fail)?;
    }
}

/// What a frame shows of the rules.
fn outcomes(
    frame: &Frame,
    seen: &mut BTreeSet<(CommandKind, Reason)>,
    kinds: &mut BTreeSet<String>,
) {
    let command = frame.request.command;
    if matches!(command, Command::Continue(_)) {
        seen.insert((CommandKind::Continue, Reason::None));
    }
    for event in &frame.events {
        let name = format!("{event:?}");
        kinds.extend(name.split('(').next().map(str::to_owned));
        match event {
            Event::Rejected(e) => seen.extend([(e.command, e.reason)]),
            Event::Outcome(e) => seen.extend([(e.command, e.reason)]),
            Event::Canceled(e) => seen.extend([(command.kind(), e.reason)]),
            Event::PhaseChanged(e) => {
                kinds.insert(match e.phase {
                    Phase::Open => "Open".into(),
                    Phase::CancelOnly => "CancelOnly".into(),
                });
            }
            Event::Accepted(_)
            | Event::Fill(_)
            | Event::Amended(_)
            | Event::NotApplied(_)
            | Event::SelfTradePrevented(_)
            | Event::MassCanceled(_)
            | Event::Triggered(_)
            | Event::ProtectionSet(_)
            | Event::ProtectionReached(_)
            | Event::AttestationNoted(_)
            | Event::MarketStateChanged(_)
            | Event::Uncrossed(_)
            | Event::BookAdd(_)
            | Event::BookReduce(_)
            | Event::BookDelete(_)
            | Event::BookReplace(_)
            | Event::MarketDefined(_)
            | Event::Trade(_)
            | Event::StateHash(_) => {}
        }
    }
}

/// Every answer that docs/ENGINE.md names, but for those that stand in examples alone because hardly a stream comes to them:
/// an amendment beyond a limit of position.
const ANSWERS: &[(CommandKind, &[Reason])] = {
    use CommandKind as C;
    use Reason as R;
    &[
        (
            C::NewOrder,
            &[
                R::CancelOnly,
                R::DelegationExpired,
                R::BeyondDelegation,
                R::UnknownMarket,
                R::InvalidClientOrderId,
                R::InvalidCombination,
                R::InvalidPrice,
                R::PriceOutOfRange,
                R::InvalidQuantity,
                R::QuantityBelowMinimum,
                R::NotionalTooLarge,
                R::DuplicateClientOrderId,
                R::OrderTableFull,
                R::LevelTableFull,
                R::WouldTrade,
                R::CannotFill,
                R::InsufficientFunds,
                R::QuantityAboveLimit,
                R::NotionalAboveLimit,
                R::TooManyOpenOrders,
                R::PositionAboveLimit,
                R::VolumeAboveLimit,
                R::UnattestedAboveLimit,
                R::MarketHalted,
                R::MarketCancelOnly,
                R::MarketClosed,
                R::MarketDelisted,
                R::OnlyRestingOrders,
                R::PriceBeyondCollar,
                R::AlreadyExpired,
                R::InvalidTrigger,
                R::WouldTrigger,
                R::Unfilled,
                R::FundsExhausted,
                R::WouldSelfTrade,
                R::Protection,
                R::LookAheadTooLong,
                R::Killed,
                R::SelfTrade,
            ],
        ),
        (
            C::CancelOrder,
            &[R::UnknownOrder, R::Requested, R::UnknownSession],
        ),
        (
            C::AmendOrder,
            &[
                R::LevelTableFull,
                R::CancelOnly,
                R::DelegationExpired,
                R::BeyondDelegation,
                R::UnknownOrder,
                R::AmendedToFilled,
                R::PriceOutOfRange,
                R::QuantityBelowMinimum,
                R::NotionalTooLarge,
                R::WouldTrade,
                R::InsufficientFunds,
                R::QuantityAboveLimit,
                R::NotionalAboveLimit,
                R::VolumeAboveLimit,
                R::UnattestedAboveLimit,
                R::MarketHalted,
                R::MarketCancelOnly,
                R::MarketClosed,
                R::PriceBeyondCollar,
                R::UnknownSession,
                R::DuplicateClientOrderId,
                R::WouldSelfTrade,
                R::Killed,
                R::SelfTrade,
            ],
        ),
        (
            C::Quote,
            &[
                R::CancelOnly,
                R::DelegationExpired,
                R::Killed,
                R::UnknownMarket,
                R::MarketHalted,
                R::MarketCancelOnly,
                R::MarketClosed,
                R::MarketDelisted,
                R::InvalidClientOrderId,
                R::QuoteCrossed,
                R::PriceOutOfRange,
                R::QuantityBelowMinimum,
                R::Protected,
                R::WouldTrade,
                R::PriceBeyondCollar,
                R::NotionalTooLarge,
                R::BeyondDelegation,
                R::QuantityAboveLimit,
                R::NotionalAboveLimit,
                R::TooManyOpenOrders,
                R::PositionAboveLimit,
                R::VolumeAboveLimit,
                R::UnattestedAboveLimit,
                R::OrderTableFull,
                R::LevelTableFull,
                R::QuoteTableFull,
                R::InsufficientFunds,
                R::UnknownOrder,
                R::Requested,
                R::UnknownSession,
            ],
        ),
        (
            C::SetProtection,
            &[
                R::DelegationExpired,
                R::UnknownMarket,
                R::InvalidProtection,
                R::QuoteTableFull,
                R::UnknownSession,
            ],
        ),
        (
            C::MassCancel,
            &[
                R::None,
                R::NotInitialised,
                R::UnknownReference,
                R::InvalidParameter,
                R::UnknownMarket,
                R::NotPermitted,
                R::MassCancel,
            ],
        ),
        (
            C::KillSwitch,
            &[
                R::None,
                R::NotInitialised,
                R::UnknownReference,
                R::InvalidParameter,
                R::NotPermitted,
                R::KillSwitchTableFull,
                R::KillSwitch,
            ],
        ),
        (C::Attest, &[R::UnknownSession]),
        (
            C::ConfirmAttestation,
            &[
                R::None,
                R::NotInitialised,
                R::UnknownReference,
                R::UnknownSession,
            ],
        ),
        (
            C::Continue,
            &[
                R::None,
                R::Unfilled,
                R::SelfTrade,
                R::MassCancel,
                R::KillSwitch,
                R::Delisted,
                R::Expired,
                R::MarketClose,
            ],
        ),
        (
            C::SetTier,
            &[R::None, R::UnknownReference, R::InvalidParameter],
        ),
        (
            C::SetLimits,
            &[R::None, R::UnknownReference, R::InvalidParameter],
        ),
        (
            C::SetFees,
            &[R::None, R::UnknownReference, R::InvalidParameter],
        ),
        (
            C::CollectFees,
            &[
                R::None,
                R::UnknownReference,
                R::InvalidParameter,
                R::InsufficientFunds,
            ],
        ),
        (
            C::SetMarketState,
            &[
                R::None,
                R::UnknownReference,
                R::InvalidParameter,
                R::UnknownSession,
                R::MarketClose,
            ],
        ),
        (
            C::SetCollar,
            &[R::None, R::UnknownReference, R::InvalidParameter],
        ),
        (
            C::DelistMarket,
            &[
                R::None,
                R::UnknownReference,
                R::InvalidParameter,
                R::Delisted,
            ],
        ),
        (C::Timer, &[R::None, R::UnknownSession, R::Expired]),
        (C::Recovered, &[R::None, R::InvalidParameter]),
        (C::EngineVersion, &[R::None, R::UnsupportedEngineVersion]),
        (
            C::Genesis,
            &[R::None, R::AlreadyInitialised, R::InvalidParameter],
        ),
        (
            C::CreateAsset,
            &[
                R::None,
                R::NotInitialised,
                R::InvalidId,
                R::InvalidParameter,
            ],
        ),
        (
            C::CreateMarket,
            &[
                R::None,
                R::NotInitialised,
                R::InvalidId,
                R::UnknownReference,
                R::InvalidParameter,
                R::LevelTableFull,
            ],
        ),
        (
            C::CreateAccount,
            &[R::None, R::NotInitialised, R::InvalidId],
        ),
        (
            C::OpenSession,
            &[
                R::None,
                R::NotInitialised,
                R::InvalidId,
                R::UnknownReference,
            ],
        ),
        (
            C::Delegate,
            &[R::None, R::NotInitialised, R::UnknownReference],
        ),
        (
            C::Deposit,
            &[
                R::None,
                R::NotInitialised,
                R::UnknownReference,
                R::InvalidParameter,
                R::SupplyTooLarge,
            ],
        ),
    ]
};

const EVENTS: &[&str] = &[
    "Accepted",
    "Rejected",
    "Fill",
    "Canceled",
    "Amended",
    "NotApplied",
    "SelfTradePrevented",
    "MassCanceled",
    "Triggered",
    "ProtectionSet",
    "ProtectionReached",
    "AttestationNoted",
    "BookAdd",
    "BookReduce",
    "BookDelete",
    "BookReplace",
    "MarketDefined",
    "MarketStateChanged",
    "Uncrossed",
    "Trade",
    "PhaseChanged",
    "Outcome",
    "StateHash",
    "Open",
    "CancelOnly",
];

#[test]
fn streams_reach_every_answer_of_the_rules() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut seen, mut kinds, mut commands) = (BTreeSet::new(), BTreeSet::new(), 0);
    let wanted = || {
        let rows = ANSWERS.iter();
        rows.flat_map(|(kind, reasons)| reasons.iter().map(|reason| (*kind, *reason)))
    };
    // Always the same streams: as many as are needed.
    for played in 0..2_400 {
        if played >= 600 && wanted().all(|answer| seen.contains(&answer)) {
            break;
        }
        let tree = generate::streams().new_tree(&mut runner);
        let stream = tree.expect("streams are never filtered").current();
        let frames = stream.run(&mut Pair::new()).expect("the twins agree");
        commands += frames.len();
        for frame in &frames {
            outcomes(frame, &mut seen, &mut kinds);
        }
    }
    let missing: Vec<_> = wanted().filter(|answer| !seen.contains(answer)).collect();
    assert_eq!(missing, [], "answers that no stream provokes");
    let missing: Vec<_> = EVENTS
        .iter()
        .filter(|kind| !kinds.contains(**kind))
        .collect();
    assert!(
        missing.is_empty(),
        "events that no stream provokes: {missing:?}"
    );
    assert!(commands > 600 * 100, "{commands} commands are too few");
}
