//! Deliberate mistakes, each a change of one rule, to show that the tests would find them.

/// A rule that the twin gets wrong on purpose. See [`crate::NaiveEngine::with_mutant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A fee is rounded up instead of down.
    FeeRoundedUp,
    /// The maker pays the taker's rate.
    MakerPaysTakerFee,
    /// A hold covers the taker's fee only, though the maker's may be higher.
    HoldForTakerFeeOnly,
    /// A trade happens at the price of the order that arrives.
    TradeAtTakerPrice,
    /// Within a price the last order comes first.
    LastInFirstOut,
    /// A sweep goes on to one maker more in a frame than it may.
    SweepOneMakerTooLong,
    /// A market buy that cannot pay for all of a maker takes nothing of it.
    NoPartialAfford,
    /// A market buy that funds have reduced goes on with the next maker.
    SweepAfterReduction,
    /// Fill-or-kill takes what it can get.
    FillOrKillTakesPart,
    /// A market fill-or-kill buy is not checked for the fee.
    FillOrKillForgetsFee,
    /// Post-only may rest at the price of the best opposite order.
    PostOnlyMayLock,
    /// The highest price of a market is refused.
    PriceRangeTooShort,
    /// The smallest quantity is not looked at when an order is amended.
    AmendBelowMinimum,
    /// An amended order counts its filled part as quantity that can still trade.
    AmendForgetsFilled,
    /// A smaller quantity costs the place in the queue.
    AmendDownLosesPriority,
    /// An order may be cancelled by another session.
    CancelAnyonesOrder,
    /// A client order id may be used twice.
    DuplicateClientOrderId,
    /// The slot that was given back first is used first.
    SlotsFirstInFirstOut,
    /// A refused deposit gives its number back.
    RefusedDepositKeepsNumber,
    /// Skipped numbers are counted with the one that arrived.
    NotAppliedCountsOneMore,
    /// Engine time follows a stamp that lies in the past.
    TimeGoesBack,
    /// The cancel-only phase ends one nanosecond late.
    GraceEndsLate,
    /// A market's price levels are not counted against the capacity.
    LevelsWithoutLimit,
    /// Half of what can be counted is the most of an asset.
    SupplyLimitTooLow,
    /// The hash leaves out an order's place in the queue.
    HashForgetsPriority,
    /// A delegation lasts one nanosecond too long.
    DelegationEndsLate,
    /// An amendment may make an order larger than its delegation allows.
    AmendBeyondDelegation,
    /// An order that moves without trading is published as gone and new.
    RequeueWithoutReplace,
    /// A new epoch's reports begin where the last epoch's did.
    EpochKeepsFirstReports,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::FeeRoundedUp,
        Self::MakerPaysTakerFee,
        Self::HoldForTakerFeeOnly,
        Self::TradeAtTakerPrice,
        Self::LastInFirstOut,
        Self::SweepOneMakerTooLong,
        Self::NoPartialAfford,
        Self::SweepAfterReduction,
        Self::FillOrKillTakesPart,
        Self::FillOrKillForgetsFee,
        Self::PostOnlyMayLock,
        Self::PriceRangeTooShort,
        Self::AmendBelowMinimum,
        Self::AmendForgetsFilled,
        Self::AmendDownLosesPriority,
        Self::CancelAnyonesOrder,
        Self::DuplicateClientOrderId,
        Self::SlotsFirstInFirstOut,
        Self::RefusedDepositKeepsNumber,
        Self::NotAppliedCountsOneMore,
        Self::TimeGoesBack,
        Self::GraceEndsLate,
        Self::LevelsWithoutLimit,
        Self::SupplyLimitTooLow,
        Self::HashForgetsPriority,
        Self::DelegationEndsLate,
        Self::AmendBeyondDelegation,
        Self::RequeueWithoutReplace,
        Self::EpochKeepsFirstReports,
    ];
}
