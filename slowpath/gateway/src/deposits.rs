//! Deposits, which are made once however often they are asked for.
//!
//! A deposit's request id is in the store, with its number and all that it says, before the command enters the ring.
//! The engine takes deposits one after another by their numbers, so that what came of one is what the journal has
//! under its number. Invariants: what may be under way is not sent again; a number is given to another deposit
//! only if the one before never came, and takes its request id with it.

use crate::administration::send;
use crate::api::users::ensure_done;
use crate::desk::PATIENCE;
use crate::problem::Problem;
use crate::state::App;
use crate::view::wallet;
use domain::{Command, Deposit, Reason, Seq, Source};
use std::time::Duration;
use store::Asked;
use tokio::time::Instant;

/// Time between two looks whether a deposit that is under way has come.
const LOOK: Duration = Duration::from_millis(20);
const UNKNOWN: &str = "the deposit was sent and may still be taken: ask again with the same request_id, which makes it once";
const UNKNOWN_WITHOUT_ID: &str = "the deposit was sent and may still be taken, and has no request_id by which it could be repeated: read \
                                  your balances before you ask for another";

/// A name for a deposit, as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// Of an operator: all of them together give a name once, so that one can go on where another left.
    pub(crate) fn of_operators(id: &str) -> Result<Self, Problem> {
        Self::new("operators", id)
    }

    /// Of a user of the faucet.
    pub(crate) fn of_user(user: [u8; 32], id: &str) -> Result<Self, Problem> {
        Self::new(&wallet(user), id)
    }

    fn new(owner: &str, id: &str) -> Result<Self, Problem> {
        let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || b"._-".contains(&sign);
        if (1..=64).contains(&id.len()) && id.bytes().all(is_sign) {
            return Ok(Self(format!("{owner}/{id}")));
        }
        Err(Problem::invalid(
            "request_id: write 1 to 64 letters, digits, dots, hyphens or underscores",
        ))
    }
}

/// Makes a deposit for which the wallet `by` asked, unless one was made under this request id; answers with its
/// frame. What is made now `allow` is asked for first.
pub(crate) async fn make(
    app: &App,
    by: [u8; 32],
    deposit: Deposit,
    request: Option<RequestId>,
    allow: impl FnOnce() -> Result<(), Problem> + Send,
) -> Result<Seq, Problem> {
    app.live.ensure_live()?;
    let command = Command::Deposit(deposit);
    let unknown = if request.is_some() {
        UNKNOWN
    } else {
        UNKNOWN_WITHOUT_ID
    };
    let answer = {
        let _one_at_a_time = app.live.asking().lock().await;
        let asked = match &request {
            Some(request) => earlier(app, request).await?,
            None => None,
        };
        match asked {
            Some(asked) if asked.payload != command.body() => return Err(another()),
            Some(asked) => Err(asked),
            None => {
                allow()?;
                let name = request.map(|request| request.0);
                Ok(send(app, by, Source::DEPOSITS, command, name).await?)
            }
        }
    };
    match answer {
        Ok(answer) => {
            let done = app.live.answered(answer, unknown).await?;
            ensure_done(&done.events)?;
            Ok(done.seq)
        }
        Err(asked) => Ok(outcome(app, &asked).await?.seq),
    }
}

/// The deposit that was made, or refused, under a request id.
pub(crate) async fn find(
    app: &App,
    request: &RequestId,
) -> Result<Option<(Asked, store::Deposit)>, Problem> {
    app.live.ensure_live()?;
    let asked = {
        let _one_at_a_time = app.live.asking().lock().await;
        earlier(app, request).await?
    };
    match asked {
        Some(asked) => {
            let deposit = outcome(app, &asked).await?;
            Ok(Some((asked, deposit)))
        }
        None => Ok(None),
    }
}

/// What was asked for under a request id, if it is journalled or may still be: its number is not to be given then.
async fn earlier(app: &App, request: &RequestId) -> Result<Option<Asked>, Problem> {
    let asked = app.store.asked_as(&request.0).await?;
    let next = app.live.next_number(Source::DEPOSITS);
    Ok(asked.filter(|asked| asked.number < next))
}

/// Waits for what became of a deposit that was sent.
async fn outcome(app: &App, asked: &Asked) -> Result<store::Deposit, Problem> {
    let begin = Instant::now();
    let seq = loop {
        let (last, seq) = app
            .live
            .read(|engine, seq| (engine.last_number(Source::DEPOSITS), seq));
        if last >= asked.number {
            break seq;
        }
        if app.live.next_number(Source::DEPOSITS) <= asked.number {
            return Err(Problem::busy());
        }
        if begin.elapsed() > PATIENCE {
            return Err(Problem::unknown_outcome(UNKNOWN));
        }
        tokio::time::sleep(LOOK).await;
    };
    loop {
        let found = app.store.deposit(Source::DEPOSITS, asked.number).await?;
        if let Some(deposit) = found.value {
            return came(asked, deposit);
        }
        if found.seq >= seq || begin.elapsed() > PATIENCE {
            return Err(Problem::unavailable(
                "the history does not have this deposit yet: ask again",
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The deposit that came, unless the engine refused it.
fn came(asked: &Asked, deposit: store::Deposit) -> Result<store::Deposit, Problem> {
    let command = Command::Deposit(Deposit {
        account: deposit.account,
        asset: deposit.asset,
        amount: deposit.amount,
    });
    if asked.payload != command.body() {
        return Err(Problem::unavailable(
            "the journal has another deposit under this one's number: the store is not of this journal; see \
             /api/v1/admin/audit",
        ));
    }
    if deposit.reason != Reason::None {
        return Err(Problem::refused(deposit.reason));
    }
    Ok(deposit)
}

fn another() -> Problem {
    Problem::conflict(
        "request-used",
        "The request id is another deposit's",
        "another account, asset or amount was asked for under this request_id: give each deposit its own",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_operators_and_users_are_never_the_same() {
        let operators = RequestId::of_operators("a-1_B.c").unwrap();
        assert_ne!(operators, RequestId::of_user([1; 32], "a-1_B.c").unwrap());
        let longest = "x".repeat(64);
        assert!(RequestId::of_operators(&longest).is_ok());
        for refused in ["", "a/b", "a b", "ä", "operators/x", &(longest + "x")] {
            assert!(RequestId::of_operators(refused).is_err(), "{refused}");
        }
    }
}
