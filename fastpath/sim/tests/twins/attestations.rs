//! What sessions attest, and what is confirmed of that.

use crate::{
    generate::{numbers, sessions},
    stream::Step,
};
use domain::{Attest, Command, ConfirmAttestation, SessionId, Source, Zero};
use engine::Engine;
use proptest::prelude::*;

/// A level so far behind what the session has entered; behind 0 if there is no such session.
pub(crate) fn confirm(engine: &Engine, session: u32, behind: u64) -> Command {
    let session = SessionId(session);
    let entered = engine.session(session).map_or(0, |view| view.entered);
    Command::ConfirmAttestation(ConfirmAttestation {
        session,
        pad: [Zero::Zero; 4],
        level: entered.wrapping_sub(behind),
    })
}

fn attest(byte: u8) -> Command {
    Command::Attest(Attest {
        signature: [byte; 64],
    })
}

/// Mostly all that there is, or nearly; seldom more than that.
pub(crate) fn steps() -> BoxedStrategy<Step> {
    let attests = (sessions(), numbers(), any::<u8>()).prop_map(|(session, number, byte)| {
        let source = Source::of_session(SessionId(session));
        let command = attest(byte);
        Step::Other {
            source,
            number,
            command,
        }
    });
    let behind = prop_oneof![
        4 => Just(0_u64),
        4 => 1..60_000_000_u64,
        1 => Just(u64::MAX),
        1 => any::<u64>(),
    ];
    let confirms =
        (sessions(), behind).prop_map(|(session, behind)| Step::Confirm { session, behind });
    prop_oneof![1 => attests, 1 => confirms].boxed()
}

pub(crate) fn misplaced() -> impl Strategy<Value = Command> {
    let confirm = ConfirmAttestation {
        session: SessionId(0),
        pad: [Zero::Zero; 4],
        level: 0,
    };
    prop_oneof![Just(attest(0)), Just(Command::ConfirmAttestation(confirm)),]
}
