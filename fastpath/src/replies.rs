//! What the net tile asks the out tile to send: answers outside the sequence, and resends.
//!
//! Only `out` transmits. The two tiles are joined by two rings of fixed-size slots, in process: one for
//! the answers to `Hello` and `Establish`, so that no traffic keeps a session from logging on, and
//! one for the rest.

use domain::{Reason, SessionId};
use nic::Peer;

/// Words of a slot of the ring between the two tiles.
pub(crate) const REPLY_WORDS: usize = 16;

/// Most replies of the second ring that out answers in one turn.
pub(crate) const REPLY_BURST: usize = 64;
/// Most of the first.
pub(crate) const HANDSHAKE_BURST: usize = 16;

/// One request to the out tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Prove that you are reached at this address.
    Challenge {
        session: SessionId,
        to: Peer,
        nonce: u64,
        cookie: u64,
    },
    /// The session's reports now go to this address.
    Established {
        session: SessionId,
        to: Peer,
        nonce: u64,
        /// The highest number that was accepted, whether or not it is journalled yet.
        accepted: u64,
    },
    /// Not taken, and why; `from` and `count` say which numbers. Without `to` it goes to where the
    /// session's reports go.
    Refused {
        session: SessionId,
        to: Option<Peer>,
        refusal: Refusal,
    },
    /// The client is there: so are we, and so many reports have been issued.
    Heartbeat { session: SessionId },
    /// Send again what became of these messages of the session, which stood in one datagram.
    Outcomes {
        session: SessionId,
        from: u64,
        count: u64,
    },
    /// Send these reports again.
    Resend {
        session: SessionId,
        from: u64,
        count: u32,
    },
    /// Say what became of the message with this number; 0: of the last new order with this id.
    Query {
        session: SessionId,
        number: u64,
        client_order_id: u64,
    },
}

/// The fields of a `Refused` message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) template: u16,
    pub(crate) from: u64,
    pub(crate) count: u64,
}

const CHALLENGE: u64 = 1;
const ESTABLISHED: u64 = 2;
const REFUSED: u64 = 3;
const OUTCOMES: u64 = 4;
const RESEND: u64 = 5;
const HEARTBEAT: u64 = 6;
const QUERY: u64 = 7;

impl Reply {
    /// Whose it is.
    pub(crate) fn session(&self) -> SessionId {
        match *self {
            Self::Challenge { session, .. }
            | Self::Established { session, .. }
            | Self::Refused { session, .. }
            | Self::Heartbeat { session }
            | Self::Outcomes { session, .. }
            | Self::Resend { session, .. }
            | Self::Query { session, .. } => session,
        }
    }

    /// Whether it answers a log-on.
    pub(crate) fn is_handshake(&self) -> bool {
        matches!(self, Self::Challenge { .. } | Self::Established { .. })
    }

    pub(crate) fn encode(&self) -> [u64; REPLY_WORDS] {
        let mut slot = [0; REPLY_WORDS];
        let about = |kind, session: SessionId, a, b| [kind, u64::from(session.0), a, b, 0, 0, 0];
        let fields = match *self {
            Self::Challenge {
                session,
                to,
                nonce,
                cookie,
            } => [
                CHALLENGE,
                u64::from(session.0),
                to.to_word(),
                nonce,
                cookie,
                0,
                0,
            ],
            Self::Established {
                session,
                to,
                nonce,
                accepted,
            } => [
                ESTABLISHED,
                u64::from(session.0),
                to.to_word(),
                nonce,
                accepted,
                0,
                0,
            ],
            Self::Refused {
                session,
                to,
                refusal: r,
            } => {
                let what = u64::from(u16::from(r.reason)) | u64::from(r.template) << 16;
                [
                    REFUSED,
                    u64::from(session.0),
                    to.map_or(0, Peer::to_word),
                    what,
                    r.from,
                    r.count,
                    0,
                ]
            }
            Self::Heartbeat { session } => about(HEARTBEAT, session, 0, 0),
            Self::Outcomes {
                session,
                from,
                count,
            } => about(OUTCOMES, session, from, count),
            Self::Resend {
                session,
                from,
                count,
            } => about(RESEND, session, from, count.into()),
            Self::Query {
                session,
                number,
                client_order_id,
            } => about(QUERY, session, number, client_order_id),
        };
        slot[..fields.len()].copy_from_slice(&fields);
        slot
    }

    /// Reads a slot; `None` if no reply has these words, which cannot happen in one process.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the halves of a word are taken apart"
    )]
    pub(crate) fn decode(slot: &[u64; REPLY_WORDS]) -> Option<Self> {
        let session = SessionId(slot[1] as u32);
        Some(match slot[0] {
            CHALLENGE => Self::Challenge {
                session,
                to: Peer::from_word(slot[2]),
                nonce: slot[3],
                cookie: slot[4],
            },
            ESTABLISHED => Self::Established {
                session,
                to: Peer::from_word(slot[2]),
                nonce: slot[3],
                accepted: slot[4],
            },
            REFUSED => Self::Refused {
                session,
                to: (slot[2] != 0).then(|| Peer::from_word(slot[2])),
                refusal: Refusal {
                    reason: Reason::try_from(slot[3] as u16).ok()?,
                    template: (slot[3] >> 16) as u16,
                    from: slot[4],
                    count: slot[5],
                },
            },
            OUTCOMES => Self::Outcomes {
                session,
                from: slot[2],
                count: slot[3],
            },
            HEARTBEAT => Self::Heartbeat { session },
            RESEND => Self::Resend {
                session,
                from: slot[2],
                count: slot[3] as u32,
            },
            QUERY => Self::Query {
                session,
                number: slot[2],
                client_order_id: slot[3],
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_round_trip() {
        let to = Peer {
            ip: [127, 0, 0, 1],
            port: 7400,
        };
        let session = SessionId(9);
        let refusal = Refusal {
            reason: Reason::Busy,
            template: 16,
            from: 5,
            count: 2,
        };
        for reply in [
            Reply::Challenge {
                session,
                to,
                nonce: 1,
                cookie: u64::MAX,
            },
            Reply::Established {
                session,
                to,
                nonce: 2,
                accepted: 3,
            },
            Reply::Refused {
                session,
                to: Some(to),
                refusal,
            },
            Reply::Refused {
                session,
                to: None,
                refusal,
            },
            Reply::Heartbeat { session },
            Reply::Outcomes {
                session,
                from: 7,
                count: 32,
            },
            Reply::Resend {
                session,
                from: 1,
                count: u32::MAX,
            },
            Reply::Query {
                session,
                number: 3,
                client_order_id: u64::MAX,
            },
        ] {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
        assert_eq!(Reply::decode(&[0; REPLY_WORDS]), None);
    }
}
