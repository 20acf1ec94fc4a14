//! What can be chosen of orders, markets and whose they are, as the API calls it.

use crate::view::ApiOrderType;
use domain::{MarketState, Reference, Scope, SelfTrade, SelfTradeScope, TimeInForce};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An enumeration of the domain by other names, or the same ones.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident of $domain:ident {
        $($(#[$choice_doc:meta])* $choice:ident = $meant:ident),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub(crate) enum $name {
            $($(#[$choice_doc])* $choice),*
        }

        impl From<$domain> for $name {
            fn from(meant: $domain) -> Self {
                match meant {
                    $($domain::$meant => Self::$choice),*
                }
            }
        }

        impl From<$name> for $domain {
            fn from(choice: $name) -> Self {
                match choice {
                    $($name::$choice => Self::$meant),*
                }
            }
        }
    };
}

choices! {
    /// How long an order stays.
    ApiTimeInForce of TimeInForce {
        /// Until it is filled or cancelled.
        GoodTillCancelled = GoodTillCancel,
        /// What does not trade at once is cancelled.
        ImmediateOrCancel = ImmediateOrCancel,
        /// All of it at once, or nothing.
        FillOrKill = FillOrKill,
        /// Until it is filled or cancelled, or `expires_at` has come.
        GoodTillTime = GoodTillTime,
        /// Until it is filled or cancelled, or its market closes.
        GoodTillClose = GoodTillClose,
    }
}

impl ApiTimeInForce {
    /// Of an order that does not say it.
    pub(crate) fn of(order_type: ApiOrderType) -> Self {
        match order_type {
            ApiOrderType::Market => Self::ImmediateOrCancel,
            ApiOrderType::Limit
            | ApiOrderType::PostOnly
            | ApiOrderType::PostOnlySlide
            | ApiOrderType::Stop
            | ApiOrderType::StopLimit => Self::GoodTillCancelled,
        }
    }
}

choices! {
    /// What happens when an arriving order meets one of its own. The arriving order's word decides.
    ApiSelfTrade of SelfTrade {
        /// They trade.
        None = Allow,
        /// The rest of the arriving order is cancelled.
        CancelNewest = CancelNewest,
        /// The resting order is cancelled. `CancelProvide` is understood as well.
        #[serde(alias = "CancelProvide")]
        CancelOldest = CancelOldest,
        /// The resting order and the rest of the arriving one are cancelled.
        CancelBoth = CancelBoth,
        /// The smaller is cancelled, and the larger becomes smaller by as much.
        DecrementAndCancel = DecrementAndCancel,
        /// The arriving order is refused before anything of it happens.
        Abort = Abort,
    }
}

choices! {
    /// Which orders are one's own.
    ApiSelfTradeScope of SelfTradeScope {
        /// Those of the same account.
        Account = Account,
        /// Those of all accounts of the same firm.
        Firm = Firm,
    }
}

choices! {
    /// What may happen in a market.
    ApiMarketState of MarketState {
        /// Orders trade as they arrive.
        Continuous = Continuous,
        /// Orders are collected, and nothing trades.
        PreOpen = PreOpen,
        /// As before the opening; leaving it is the opening auction.
        OpeningAuction = OpeningAuction,
        /// Only cancels are taken. The book stays as it is.
        Halted = Halted,
        /// Only cancels are taken, because the market is about to end or to rest.
        CancelOnly = CancelOnly,
        /// Orders are taken that do not trade on arrival.
        PostOnly = PostOnly,
        /// Orders are collected, and nothing trades; leaving it is the closing auction.
        ClosingAuction = ClosingAuction,
        /// Only cancels are taken until it opens again.
        Closed = Closed,
        /// It has ended for ever.
        Delisted = Delisted,
    }
}

choices! {
    /// From which price a collar is measured.
    ApiReference of Reference {
        /// There is no collar.
        None = None,
        /// The last trade's.
        LastTrade = LastTrade,
        /// The middle between the best bid and the best ask.
        Middle = Middle,
        /// The one that is given.
        Set = Set,
    }
}

choices! {
    /// Whose orders are meant.
    ApiScope of Scope {
        /// A session's.
        Session = Session,
        /// Those of all sessions of an account.
        Account = Account,
        /// Those of all accounts of a firm.
        Firm = Firm,
        /// Everybody's.
        Everyone = Everyone,
    }
}

/// Whose orders a user can mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum OwnScope {
    /// Those that were entered here.
    #[default]
    Session,
    /// Those of the account's sessions of the binary port too.
    Account,
}

impl From<OwnScope> for Scope {
    fn from(own: OwnScope) -> Self {
        match own {
            OwnScope::Session => Self::Session,
            OwnScope::Account => Self::Account,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancel_provide_is_cancel_oldest() {
        for text in [r#""CancelProvide""#, r#""CancelOldest""#] {
            let read: ApiSelfTrade = serde_json::from_str(text).unwrap();
            assert_eq!(SelfTrade::from(read), SelfTrade::CancelOldest);
        }
        assert!(serde_json::from_str::<ApiSelfTrade>(r#""Allow""#).is_err());
        let said = serde_json::to_string(&ApiSelfTrade::from(SelfTrade::Allow));
        assert_eq!(said.unwrap(), r#""None""#);
    }
}
