//! Who asked for commands of administration and for deposits: the journal has their numbers, this has the names.
//!
//! The gateway writes a row before the command enters the ring. Numbers go on only behind what the journal has,
//! so of two rows with one number only the later one's command can be there: it takes the place of the other.

use crate::column::Values;
use crate::error::StoreError;
use crate::record::{all, record};
use crate::rows::{AuditEntry, Deposit};
use crate::store::{At, Question, Store, at_most, bound};
use crate::users::{run, values_of};
use domain::{Command, CommandKind, Nanos, Seq, Source};
use std::collections::BTreeMap;

record! {
    /// A command for which somebody asked.
    pub Asked in "asked", key [], changing [] {
        /// Whose numbers: administration's, or deposits'.
        source: Source,
        /// The command's number.
        number: u64,
        /// What was asked.
        command: CommandKind,
        /// The command's body as it would be journalled.
        payload: Vec<u8>,
        /// Wallet of whoever asked.
        wallet: [u8; 32],
        /// When, UTC ns.
        time: Nanos,
        /// Under which name, if it had one; no two commands have the same.
        request: Option<String>,
    }
}

/// A journalled command of administration or a deposit, and who asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Frame.
    pub seq: Seq,
    /// When, UTC ns.
    pub time: Nanos,
    /// Administration or deposits.
    pub source: Source,
    /// Its number among that source's commands.
    pub number: u64,
    /// The command.
    pub command: CommandKind,
    /// Its body as in the journal.
    pub payload: Vec<u8>,
    /// Why it was refused, or none.
    pub reason: domain::Reason,
    /// Wallet of whoever asked the gateway; none: it came another way, or the row is lost.
    pub asked_by: Option<[u8; 32]>,
}

impl From<AuditEntry> for Audited {
    fn from(entry: AuditEntry) -> Self {
        Self {
            seq: entry.seq,
            time: entry.time,
            source: Source::ADMINISTRATION,
            number: entry.number,
            command: entry.command,
            payload: entry.payload,
            reason: entry.reason,
            asked_by: None,
        }
    }
}

impl From<Deposit> for Audited {
    fn from(deposit: Deposit) -> Self {
        let command = Command::Deposit(domain::Deposit {
            account: deposit.account,
            asset: deposit.asset,
            amount: deposit.amount,
        });
        Self {
            seq: deposit.seq,
            time: deposit.time,
            source: deposit.source,
            number: deposit.number,
            command: command.kind(),
            payload: command.body().to_vec(),
            reason: deposit.reason,
            asked_by: None,
        }
    }
}

impl Store {
    /// Keeps who asks for a command; durable when this returns. It takes the place of what was asked under this
    /// number or this name before, which must never have come.
    ///
    /// # Errors
    /// As [`Store::role`]; the command must not be sent then.
    pub async fn add_asked(&self, asked: &Asked) -> Result<(), StoreError> {
        let mut transaction = self.own.begin().await?;
        if let Some(request) = &asked.request {
            let values = Values::default().with(request);
            let delete = "DELETE FROM asked WHERE request = $1";
            run(&mut transaction, delete, values).await?;
        }
        let insert = "INSERT INTO asked (source, number, command, payload, wallet, time, request) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (source, number) DO UPDATE SET \
                      command = excluded.command, payload = excluded.payload, \
                      wallet = excluded.wallet, time = excluded.time, request = excluded.request";
        run(&mut transaction, insert, values_of(asked)).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What was asked under a name.
    ///
    /// # Errors
    /// As [`Store::role`].
    pub async fn asked_as(&self, request: &str) -> Result<Option<Asked>, StoreError> {
        let mut transaction = self.own.begin().await?;
        let values = Values::default().with(&request.to_owned());
        let asked: Vec<Asked> = all(&mut transaction, "WHERE request = $1", values).await?;
        transaction.commit().await?;
        Ok(asked.into_iter().next())
    }

    /// The deposit that was journalled under a number of a source.
    ///
    /// # Errors
    /// As [`Store::role`].
    pub async fn deposit(
        &self,
        source: Source,
        number: u64,
    ) -> Result<At<Option<Deposit>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default().with(&source).with(&bound(number));
        let found = question
            .first("WHERE source = $1 AND number = $2", values)
            .await?;
        question.answer(found).await
    }

    /// Commands of administration and deposits below a seq and who asked for them, the newest first, at most
    /// `limit` (500).
    ///
    /// # Errors
    /// As [`Store::role`].
    pub async fn audited(
        &self,
        below: Option<Seq>,
        limit: u32,
    ) -> Result<At<Vec<Audited>>, StoreError> {
        let mut question = self.ask().await?;
        let below = bound(below.map_or(u64::MAX, |seq| seq.0));
        let values = || Values::default().with(&below).with(&at_most(limit));
        let newest = "WHERE seq < $1 ORDER BY seq DESC LIMIT $2";
        let commands: Vec<AuditEntry> = question.all(newest, values()).await?;
        // Deposits of administration are among its commands.
        let own = Values::default()
            .with(&below)
            .with(&Source::DEPOSITS)
            .with(&at_most(limit));
        let newest = "WHERE seq < $1 AND source = $2 ORDER BY seq DESC LIMIT $3";
        let deposits: Vec<Deposit> = question.all(newest, own).await?;
        let commands = commands.into_iter().map(Audited::from);
        let mut audited: Vec<Audited> = commands
            .chain(deposits.into_iter().map(Audited::from))
            .collect();
        audited.sort_unstable_by_key(|one| std::cmp::Reverse(one.seq));
        audited.truncate(usize::try_from(at_most(limit)).unwrap_or(0));
        for source in [Source::ADMINISTRATION, Source::DEPOSITS] {
            name(&mut question, source, &mut audited).await?;
        }
        question.answer(audited).await
    }
}

/// Says of a source's commands who asked for them.
async fn name(
    question: &mut Question,
    source: Source,
    audited: &mut [Audited],
) -> Result<(), StoreError> {
    let numbers = audited
        .iter()
        .filter(|one| one.source == source)
        .map(|one| one.number);
    let (Some(first), Some(last)) = (numbers.clone().min(), numbers.max()) else {
        return Ok(());
    };
    let values = Values::default()
        .with(&source)
        .with(&bound(first))
        .with(&bound(last));
    let between = "WHERE source = $1 AND number >= $2 AND number <= $3";
    let asked: Vec<Asked> = question.all(between, values).await?;
    let asked: BTreeMap<u64, Asked> = asked.into_iter().map(|one| (one.number, one)).collect();
    for one in audited.iter_mut().filter(|one| one.source == source) {
        let asked = asked.get(&one.number);
        // Another command under this number was not the one that was asked for.
        let asked =
            asked.filter(|asked| (asked.command, &asked.payload) == (one.command, &one.payload));
        one.asked_by = asked.map(|asked| asked.wallet);
    }
    Ok(())
}
