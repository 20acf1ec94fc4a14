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
    /// Pages of prices are counted from price 0, not from the market's lowest.
    PagesBeginAtZero,
    /// An amendment may come to rest without a page.
    AmendNeedsNoPage,
    /// A quote of two sides needs one page.
    QuotesNeedOnePage,
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
    /// A post-only order slides two ticks away from the other side.
    SlideTwoTicks,
    /// It slides to a price that the market does not have.
    SlideOutOfRange,
    /// An amendment does not slide.
    AmendDoesNotSlide,
    /// An order is taken though less than its minimum quantity can trade.
    MinimumIsNotLookedAt,
    /// A market order trades at any price.
    WorstPriceForgotten,
    /// An order that becomes smaller is reported without what it has filled.
    PartialCancelForgetsFilled,
    /// A replaced order may take the client order id of another.
    RenameToTakenId,
    /// An order trades with those of other accounts of its firm.
    FirmIsNotLookedAt,
    /// Accounts without a firm are taken for one firm.
    FirmZeroIsAFirm,
    /// An order that cancels one of its own goes no further.
    CancelOldestEndsSweep,
    /// Of two that are to be cancelled the resting one stays.
    CancelBothSparesMaker,
    /// Only the resting order becomes smaller.
    DecrementSparesTaker,
    /// What a self trade leaves of an order rests.
    RestOfSelfTradeStays,
    /// Prevented trades do not count for the length of a frame.
    PreventedAreNotCounted,
    /// A look ahead forgets that an order becomes smaller by those of its own.
    LookAheadForgetsDecrement,
    /// A look ahead looks at one order more than it may.
    LooksOneFurther,
    /// A kill switch does not stop amendments.
    KilledMayAmend,
    /// A kill switch of a firm is not looked at.
    FirmIsNotKilled,
    /// Turning one kill switch off turns off all.
    SwitchOffIsForAll,
    /// A mass cancel cancels one order more in a frame than it may.
    MassCancelOneTooMany,
    /// A mass cancel looks at one order more in a frame than it may.
    MassCancelLooksOneFurther,
    /// A mass cancel leaves the highest price that is meant.
    MassCancelSparesHighestPrice,
    /// An order that loses its place becomes the newest of its session.
    AmendedIsNewest,
    /// An order that an amendment ends is reported by the client order id that it was to have.
    EndsByItsNewName,
    /// A part is cancelled only if an order of the smallest quantity is left.
    PartialCancelKeepsMinimum,
    /// A market buy with a minimum is checked for its whole quantity.
    MarketBuyPaysForAll,
    /// A market buy without funds ends where it would have met an order of its own.
    FundsBeforePrevention,
    /// An account with limits of its own has those of its tier.
    OwnLimitsForgotten,
    /// An account that is to have its tier's limits again keeps its own.
    OwnLimitsForEver,
    /// Limits count base units.
    LimitsInBaseUnits,
    /// An account may have one live order more than its limit.
    OneOpenOrderTooMany,
    /// An amendment counts as another open order.
    AmendmentIsOneOrderMore,
    /// What an account holds does not count for its position.
    HeldIsNoPosition,
    /// How large a market order is nobody knows, for limits.
    MarketOrdersWithoutNotional,
    /// Limits do not bind amendments.
    AmendBeyondLimits,
    /// The volume of a day stays when the day ends.
    DayWithoutEnd,
    /// A trade counts for the maker's volume only.
    OnlyMakersHaveVolume,
    /// Every account pays what those of tier 0 pay.
    FeesOfTierZero,
    /// A tier may pay more than the list fees.
    FeesAboveList,
    /// A rebate that the exchange cannot pay whole is not paid at all.
    RebateAllOrNothing,
    /// The maker's rebate is paid before the taker's fee is there.
    RebateBeforeFee,
    /// A market that takes only cancels takes amendments.
    AmendInAnyState,
    /// A call takes orders with a minimum quantity.
    CallTakesMinimumQuantity,
    /// A market in the state PostOnly lets orders trade.
    PostOnlyMarketTrades,
    /// A call that ends with Closed ends without its auction.
    ClosedWithoutAuction,
    /// An auction does not look at what is left over.
    AuctionIgnoresSurplus,
    /// An auction does not look at the last trade.
    AuctionForgetsLastTrade,
    /// An auction does not look at the price of a collar.
    AuctionForgetsCollar,
    /// Of two prices of an auction that are alike the higher one counts.
    AuctionTiesGoHigher,
    /// Of an auction's trade the maker is who came later.
    AuctionLaterMakes,
    /// An auction has one trade more in a frame than it may.
    AuctionOneTradeTooLong,
    /// The middle between bid and ask is a price.
    MiddleRoundedDown,
    /// The collar of sells is rounded away from the reference.
    CollarOfSellsRoundedDown,
    /// Market orders go as far as they like.
    MarketOrdersWithoutCollar,
    /// The collar does not bind amendments.
    AmendBeyondCollar,
    /// An order that is beyond the collar never halts the market.
    CollarNeverHalts,
    /// An order ends one nanosecond late.
    OrdersEndLate,
    /// Orders whose time has come end by their ids.
    OrdersEndById,
    /// One order more ends in a frame than may.
    OneMoreEndsInAFrame,
    /// An order may end before it begins.
    ExpiredOrdersAreTaken,
    /// A market closes and no order ends by that.
    CloseSparesAll,
    /// A market closes and all its orders end.
    CloseEndsAll,
    /// The book shows all of an order.
    IcebergsShowAll,
    /// What is shown anew is where it was.
    IcebergsKeepTheirPlace,
    /// A frame has room for whatever is shown anew.
    SlicesAreNotCounted,
    /// A smaller iceberg shows less before it hides less.
    ShownLotsGoFirst,
    /// Who looks ahead does not see hidden lots.
    HiddenLotsAreNotLookedAt,
    /// A stop may be triggered when it comes.
    StopsNeedNotWait,
    /// A trade at the trigger price is not enough.
    StopsWaitForMore,
    /// Of a sweep only the last price triggers.
    StopsSeeTheLastPrice,
    /// Stops arrive as they were entered.
    NearestStopIsNotFirst,
    /// Of both sides the buys arrive first.
    BuyStopsComeFirst,
    /// Stops arrive in a market that does not trade.
    StopsArriveInAnyState,
    /// A stop reaches as far as it wants.
    StopsHaveNoCollar,
    /// An order may be shown in one part more.
    OneSliceTooMany,
    /// A revoked key may stop its account.
    RevokedMayKill,
    /// An order beyond the collar is refused for that, whatever else is wrong with it.
    CollarIsNotLast,
    /// An amendment is held to the collar though it keeps its place, and before all else.
    AmendCollarIsNotLast,
    /// What is there is looked at before funds are.
    LooksAheadBeforeFunds,
    /// A market buy that cannot be filled is told so, whatever it can pay.
    FillsBeforeFunds,
    /// Limits reckon with the price that a market order named, as if there were no collar.
    LimitsForgetTheCollar,
    /// A market buy that waits sets nothing aside.
    StopsHoldNothing,
    /// It sets aside what it would pay at its trigger, though it named a worse price.
    StopsHoldForTheirTrigger,
    /// A mass cancel of an account begins with the session of the lowest id.
    AccountsAreWalkedById,
    /// Kill switches of sessions need the room that those of firms do.
    SessionsFillTheTable,
    /// Where no market is, a tier may pay whatever is said.
    FeesWithoutMarketsAreAny,
    /// A quote is found by its id among those that its session gave to orders.
    QuotesHaveNames,
    /// An order cannot have the id of a quote.
    QuoteIdsAreTaken,
    /// A quote is amended as any order.
    QuotesCanBeAmended,
    /// Nothing is pulled when nothing may be quoted.
    PullsAreQuotes,
    /// A kill switch does not stop quotes.
    KilledMayQuote,
    /// A bid may be as high as the ask.
    QuotesMayLock,
    /// A quote may be smaller than the market's smallest order.
    QuotesBelowMinimum,
    /// A protection that was reached stops no quotes.
    ProtectedMayQuote,
    /// A side of a quote keeps away from what the other side was before.
    QuotesMeetThemselves,
    /// A quote may trade with its session's other orders.
    QuotesSpareTheirOwn,
    /// A collar does not bind quotes.
    QuotesHaveNoCollar,
    /// A quote may be larger than its delegation allows.
    QuotesBeyondDelegation,
    /// Limits do not bind quotes.
    QuotesBeyondLimits,
    /// Both sides of a quote are one order for the limit of open orders.
    QuotesAreOneOrder,
    /// A quote of two sides is taken when there is room for one order.
    QuotesNeedOneSlot,
    /// One market more may be quoted than there is room for.
    OneQuoteEntryMore,
    /// What a quote held before does not pay for what it is to hold.
    QuotesForgetOldHold,
    /// The bid of a quote is always set first.
    BidsAreSetFirst,
    /// What a quote has filled counts against what it is to have open.
    QuotesAreTotals,
    /// A quote keeps the id with which it was entered.
    QuotesKeepTheirFirstId,
    /// A smaller quote loses its place.
    SmallerQuotesLosePriority,
    /// A larger quote keeps its place.
    LargerQuotesKeepPriority,
    /// The hash does not say what is a quote.
    HashForgetsQuotes,
    /// A revoked key may set a protection.
    RevokedMayProtect,
    /// A protection may have limits and no window, or a window and no limits.
    ProtectionNeedsNoWindow,
    /// A protection that is set anew has counted already.
    CountersAreKept,
    /// A protection that was reached stays so.
    ReachedForEver,
    /// A protection counts what trades of its session's orders.
    ProtectionCountsOrders,
    /// A protection counts what trades in auctions.
    ProtectionCountsAuctions,
    /// A window ends one nanosecond late.
    WindowsEndLate,
    /// A window has no end.
    WindowsNeverEnd,
    /// A protection is reached only beyond its limit.
    ProtectionWaitsForMore,
    /// A protection does not look at what trades were worth.
    ProtectionForgetsNotional,
    /// Only the side that has traded is protected.
    ProtectionSparesOtherSide,
    /// A protection ends what its session quotes elsewhere, too.
    ProtectionIsForAllMarkets,
    /// A frame has room for however many protections.
    ProtectionTakesNoRoom,
    /// Nothing that an amendment or a quote asks for has to be attested.
    AmendmentsNeedNoAttestation,
    /// What keeps its place has to be attested anew.
    KeptPlacesEnterAgain,
    /// Each side of a quote has the limit of what is not attested for itself.
    SidesAreAttestedApart,
    /// Without a limit it is counted all the same what is not attested.
    CountsWithoutALimit,
    /// An attestation counts before it is checked.
    AttestationsNeedNoCheck,
    /// An attestation that covers less than an earlier one takes the difference back.
    OldAttestationsCount,
    /// A revoked key cannot attest what it has done.
    RevokedMayNotAttest,
    /// A market buy looks for its own behind what it can pay.
    LooksBehindFunds,
    /// A side of a quote that stays as it is may not be beyond the collar.
    QuotesThatStayMeetTheCollar,
    /// Who is stopped by a kill switch may set a protection.
    KilledMayProtect,
    /// The operator's kill switch leaves protections.
    KillingSparesProtections,
    /// Protections outlive their market.
    DelistingSparesProtections,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 166] = [
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
        Self::PagesBeginAtZero,
        Self::AmendNeedsNoPage,
        Self::QuotesNeedOnePage,
        Self::SupplyLimitTooLow,
        Self::HashForgetsPriority,
        Self::DelegationEndsLate,
        Self::AmendBeyondDelegation,
        Self::RequeueWithoutReplace,
        Self::EpochKeepsFirstReports,
        Self::SlideTwoTicks,
        Self::SlideOutOfRange,
        Self::AmendDoesNotSlide,
        Self::MinimumIsNotLookedAt,
        Self::WorstPriceForgotten,
        Self::PartialCancelForgetsFilled,
        Self::RenameToTakenId,
        Self::FirmIsNotLookedAt,
        Self::FirmZeroIsAFirm,
        Self::CancelOldestEndsSweep,
        Self::CancelBothSparesMaker,
        Self::DecrementSparesTaker,
        Self::RestOfSelfTradeStays,
        Self::PreventedAreNotCounted,
        Self::LookAheadForgetsDecrement,
        Self::LooksOneFurther,
        Self::KilledMayAmend,
        Self::FirmIsNotKilled,
        Self::SwitchOffIsForAll,
        Self::MassCancelOneTooMany,
        Self::MassCancelLooksOneFurther,
        Self::MassCancelSparesHighestPrice,
        Self::AmendedIsNewest,
        Self::EndsByItsNewName,
        Self::PartialCancelKeepsMinimum,
        Self::MarketBuyPaysForAll,
        Self::FundsBeforePrevention,
        Self::OwnLimitsForgotten,
        Self::OwnLimitsForEver,
        Self::LimitsInBaseUnits,
        Self::OneOpenOrderTooMany,
        Self::AmendmentIsOneOrderMore,
        Self::HeldIsNoPosition,
        Self::MarketOrdersWithoutNotional,
        Self::AmendBeyondLimits,
        Self::DayWithoutEnd,
        Self::OnlyMakersHaveVolume,
        Self::FeesOfTierZero,
        Self::FeesAboveList,
        Self::RebateAllOrNothing,
        Self::RebateBeforeFee,
        Self::AmendInAnyState,
        Self::CallTakesMinimumQuantity,
        Self::PostOnlyMarketTrades,
        Self::ClosedWithoutAuction,
        Self::AuctionIgnoresSurplus,
        Self::AuctionForgetsLastTrade,
        Self::AuctionForgetsCollar,
        Self::AuctionTiesGoHigher,
        Self::AuctionLaterMakes,
        Self::AuctionOneTradeTooLong,
        Self::MiddleRoundedDown,
        Self::CollarOfSellsRoundedDown,
        Self::MarketOrdersWithoutCollar,
        Self::AmendBeyondCollar,
        Self::CollarNeverHalts,
        Self::OrdersEndLate,
        Self::OrdersEndById,
        Self::OneMoreEndsInAFrame,
        Self::ExpiredOrdersAreTaken,
        Self::CloseSparesAll,
        Self::CloseEndsAll,
        Self::IcebergsShowAll,
        Self::IcebergsKeepTheirPlace,
        Self::SlicesAreNotCounted,
        Self::ShownLotsGoFirst,
        Self::HiddenLotsAreNotLookedAt,
        Self::StopsNeedNotWait,
        Self::StopsWaitForMore,
        Self::StopsSeeTheLastPrice,
        Self::NearestStopIsNotFirst,
        Self::BuyStopsComeFirst,
        Self::StopsArriveInAnyState,
        Self::StopsHaveNoCollar,
        Self::OneSliceTooMany,
        Self::RevokedMayKill,
        Self::CollarIsNotLast,
        Self::AmendCollarIsNotLast,
        Self::LooksAheadBeforeFunds,
        Self::FillsBeforeFunds,
        Self::LimitsForgetTheCollar,
        Self::StopsHoldNothing,
        Self::StopsHoldForTheirTrigger,
        Self::AccountsAreWalkedById,
        Self::SessionsFillTheTable,
        Self::FeesWithoutMarketsAreAny,
        Self::QuotesHaveNames,
        Self::QuoteIdsAreTaken,
        Self::QuotesCanBeAmended,
        Self::PullsAreQuotes,
        Self::KilledMayQuote,
        Self::QuotesMayLock,
        Self::QuotesBelowMinimum,
        Self::ProtectedMayQuote,
        Self::QuotesMeetThemselves,
        Self::QuotesSpareTheirOwn,
        Self::QuotesHaveNoCollar,
        Self::QuotesBeyondDelegation,
        Self::QuotesBeyondLimits,
        Self::QuotesAreOneOrder,
        Self::QuotesNeedOneSlot,
        Self::OneQuoteEntryMore,
        Self::QuotesForgetOldHold,
        Self::BidsAreSetFirst,
        Self::QuotesAreTotals,
        Self::QuotesKeepTheirFirstId,
        Self::SmallerQuotesLosePriority,
        Self::LargerQuotesKeepPriority,
        Self::HashForgetsQuotes,
        Self::RevokedMayProtect,
        Self::ProtectionNeedsNoWindow,
        Self::CountersAreKept,
        Self::ReachedForEver,
        Self::ProtectionCountsOrders,
        Self::ProtectionCountsAuctions,
        Self::WindowsEndLate,
        Self::WindowsNeverEnd,
        Self::ProtectionWaitsForMore,
        Self::ProtectionForgetsNotional,
        Self::ProtectionSparesOtherSide,
        Self::ProtectionIsForAllMarkets,
        Self::ProtectionTakesNoRoom,
        Self::AmendmentsNeedNoAttestation,
        Self::KeptPlacesEnterAgain,
        Self::SidesAreAttestedApart,
        Self::CountsWithoutALimit,
        Self::AttestationsNeedNoCheck,
        Self::OldAttestationsCount,
        Self::RevokedMayNotAttest,
        Self::LooksBehindFunds,
        Self::QuotesThatStayMeetTheCollar,
        Self::KilledMayProtect,
        Self::KillingSparesProtections,
        Self::DelistingSparesProtections,
    ];
}
