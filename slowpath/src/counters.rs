//! The slowpath's counters in the region `slow`, by number. A new one goes to the end.

use shm::SlowView;
use std::net::SocketAddr;

/// How often something began to fail and how often it worked again: if that is less, it fails at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Troubles {
    /// The counter of its beginnings.
    pub begun: usize,
    /// The counter of its ends.
    pub ended: usize,
}

impl Troubles {
    /// Whether it lasts, as the counters say.
    #[must_use]
    pub fn last(self, count: impl Fn(usize) -> u64) -> bool {
        count(self.begun) != count(self.ended)
    }
}

/// Groups of frames that were written and synced.
pub const GROUPS: usize = 0;
/// The archive's storage.
pub const ARCHIVE_TROUBLES: Troubles = Troubles { begun: 1, ended: 2 };
/// How often the shadow engine went back to the archive because it was lapped in journal memory.
pub const SHADOW_LAPPED: usize = 3;
/// The last frame that is in the store: a level, no count.
pub const STORE_SEQ: usize = 4;
/// Rows that were written to the store.
pub const STORE_ROWS: usize = 5;
/// The store's database.
pub const STORE_TROUBLES: Troubles = Troubles { begun: 6, ended: 7 };
/// The archive, as the shadow engine reads it.
pub const SHADOW_TROUBLES: Troubles = Troubles { begun: 8, ended: 9 };
/// The folder of snapshots.
pub const SNAPSHOT_TROUBLES: Troubles = Troubles {
    begun: 10,
    ended: 11,
};

/// The TCP port at which the figures are served; 0: they are not.
pub const METRICS_PORT: usize = 12;
/// The TCP port at which the gateway listens; 0: it does not.
pub const GATEWAY_PORT: usize = 13;
/// The gateway's address, or what else keeps it from listening.
pub const GATEWAY_TROUBLES: Troubles = Troubles {
    begun: 14,
    ended: 15,
};

/// The last frame that the checker of attestations has taken: a level, no count.
pub const ATTESTATION_SEQ: usize = 16;
/// Attestations whose signatures were found right.
pub const ATTESTATIONS_RIGHT: usize = 17;
/// Attestations whose signatures were found wrong.
pub const ATTESTATIONS_WRONG: usize = 18;
/// Levels that were sent to be confirmed.
pub const ATTESTATIONS_CONFIRMED: usize = 19;
/// The archive and the file of the checker of attestations.
pub const ATTESTATION_TROUBLES: Troubles = Troubles {
    begun: 20,
    ended: 21,
};

/// The last frame that can be told again from the archive: a level.
pub const REPLAY_SEQ: usize = 22;
/// The ports at which is told again what was told, and the archive, as they read it.
pub const REPLAY_TROUBLES: Troubles = Troubles {
    begun: 23,
    ended: 24,
};
/// Requests of the feed that were taken.
pub const FEED_REQUESTS: usize = 25;
/// Datagrams that were no request of the feed.
pub const FEED_REQUESTS_MALFORMED: usize = 26;
/// Requests of the feed for what is not known: of another session, not issued, not indexed yet.
pub const FEED_REQUESTS_UNKNOWN: usize = 27;
/// Requests of the feed that were dropped because too many waited.
pub const FEED_REQUESTS_THROTTLED: usize = 28;
/// Messages of the feed that were sent again.
pub const FEED_REPEATED: usize = 29;

/// Requests and queries of sessions that were taken at the replay port.
pub const REPLAY_REQUESTS: usize = 30;
/// Datagrams at the replay port that count for nothing.
pub const REPLAY_REFUSED: usize = 31;
/// Requests of sessions for what is not issued or not archived yet.
pub const REPLAY_UNKNOWN: usize = 32;
/// Requests of sessions that were dropped because too many waited.
pub const REPLAY_THROTTLED: usize = 33;
/// Reports that were sent again.
pub const REPLAY_REPORTS: usize = 34;
/// Outcomes that were told.
pub const REPLAY_OUTCOMES: usize = 35;

/// `bind` with the port that one of these levels says; none if it says none.
#[must_use]
pub fn address(slow: &SlowView, port: usize, bind: SocketAddr) -> Option<SocketAddr> {
    let port = u16::try_from(slow.counter(port)?).ok();
    let port = port.filter(|port| *port != 0)?;
    Some(SocketAddr::new(bind.ip(), port))
}

/// The names, by number.
pub const NAMES: [&str; 36] = [
    "groups",
    "troubles_begun",
    "troubles_ended",
    "shadow_lapped",
    "store_seq",
    "store_rows",
    "store_troubles_begun",
    "store_troubles_ended",
    "shadow_troubles_begun",
    "shadow_troubles_ended",
    "snapshot_troubles_begun",
    "snapshot_troubles_ended",
    "metrics_port",
    "gateway_port",
    "gateway_troubles_begun",
    "gateway_troubles_ended",
    "attestation_seq",
    "attestations_right",
    "attestations_wrong",
    "attestations_confirmed",
    "attestation_troubles_begun",
    "attestation_troubles_ended",
    "replay_seq",
    "replay_troubles_begun",
    "replay_troubles_ended",
    "feed_requests",
    "feed_requests_malformed",
    "feed_requests_unknown",
    "feed_requests_throttled",
    "feed_repeated",
    "replay_requests",
    "replay_refused",
    "replay_unknown",
    "replay_throttled",
    "replay_reports",
    "replay_outcomes",
];
