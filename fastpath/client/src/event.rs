//! What a session tells its owner.

use core::net::SocketAddrV4;
use wire::order_entry::{Message, Outcome, OutcomeQuery, Refused};

/// Something that happened, in the order in which it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The exchange knows this address. Comes again whenever the session was established anew.
    Established {
        /// The exchange's epoch.
        epoch: u32,
        /// The exchange's shard.
        shard: u16,
        /// The last of our numbers that the exchange accepted.
        last_seq_no: u64,
        /// The number of the next report that the exchange will issue.
        next_report_no: u64,
    },
    /// Nothing was heard for a while; the session is being established again. Commands may still be
    /// given, and are sent.
    Silent,
    /// The exchange recovered without the end of its journal. Comes before `Established`.
    RolledBack {
        /// The new epoch.
        epoch: u32,
        /// Our last number that survived. Higher ones never happened, whatever was reported, and
        /// are given out again from here.
        last_seq_no: u64,
        /// The next report to be delivered: what was delivered under this number or a higher one
        /// is void. (If the epoch rose by more than one, lower ones may be void too.)
        next_report_no: u64,
    },
    /// The next report. Numbers follow each other but for what `Missed` names.
    Report {
        /// Its number.
        number: u64,
        /// What it says: `OrderAccepted`, `OrderRejected`, `OrderFilled`, `OrderCanceled`,
        /// `OrderAmended`, `NotApplied`, `SelfTradePrevented`, `MassCanceled`, `Triggered`, `ProtectionSet`,
        /// `ProtectionReached`, `AttestationNoted`, or a message of a newer version.
        message: Message,
    },
    /// The exchange can no longer send these reports, and its replay port has not, if it has one.
    Missed {
        /// The first.
        from: u64,
        /// How many.
        count: u64,
        /// Where they can be asked for, if anywhere.
        replay: Option<SocketAddrV4>,
    },
    /// What became of this number can no longer be learnt here: its reports are among those missed.
    OutcomeUnknown {
        /// Our number.
        seq_no: u64,
    },
    /// It is no longer known what stands in the journal of what the session sent (an earlier process sent it, or the
    /// report that says so was missed, or a recovery took back more than is kept), so nothing more is attested: the session ends
    /// at its limit, if it has one. It goes on with [`Session::attest_behind`](crate::Session::attest_behind).
    AttestationLost,
    /// What became of a message that was asked about.
    Outcome(Outcome),
    /// Nobody has said what became of what was asked about: the exchange has it no more, and has no replay port, or that
    /// was silent.
    QueryUnanswered(OutcomeQuery),
    /// The exchange refused what it should not have: versions differ. The numbers are given up.
    Refused(Refused),
}
