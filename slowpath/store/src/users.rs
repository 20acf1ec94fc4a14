//! What the gateway keeps here and the journal does not know: users, their roles, refresh tokens. The clock is
//! the caller's.

use crate::column::{Column, Fields, Values, numbered};
use crate::error::StoreError;
use crate::record::{Record, all, record, select};
use crate::store::{At, MAX_ROWS, Store, at_most, bound};
use domain::Nanos;
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _};
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// What a user may do. Stable numbers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, TryFromBytes, Immutable, KnownLayout,
)]
#[repr(u8)]
pub enum Role {
    /// Trades.
    User = 0,
    /// As a user: a label that gives nothing yet.
    Maker = 1,
    /// Gives commands of administration.
    Operator = 2,
    /// Reads everything.
    Auditor = 3,
}
numbered!(Role as u8);

record! {
    /// A user.
    pub User in "users", key [wallet], changing [role] {
        /// Public key of the wallet.
        wallet: [u8; 32],
        /// What they may do.
        role: Role,
        /// First log-on, UTC ns.
        created: Nanos,
    }
}

record! {
    /// A role that somebody gave.
    pub RoleGiven in "roles_given", key [], changing [] {
        /// When, UTC ns.
        time: Nanos,
        /// To whom.
        wallet: [u8; 32],
        /// Which.
        role: Role,
        /// By whom.
        giver: [u8; 32],
    }
}

record! {
    /// A refresh token, known by its hash. Those that came from one log-on are a family.
    pub RefreshToken in "refresh_tokens", key [], changing [] {
        /// Hash of the token.
        hash: [u8; 32],
        /// The log-on that it goes back to: a random number.
        family: u64,
        /// Whose.
        wallet: [u8; 32],
        /// When, UTC ns.
        issued: Nanos,
        /// Until when, UTC ns.
        expires: Nanos,
        /// When it was exchanged for the next one, UTC ns.
        used: Option<u64>,
        /// When its family was revoked, UTC ns.
        revoked: Option<u64>,
    }
}

/// How long after its exchange a token may be exchanged for the same one again, ns: for whom the answer was lost.
pub const ROTATION_REPEAT: u64 = 10_000_000_000;

/// What came of exchanging a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The new token is valid, the old one no more.
    Rotated(RefreshToken),
    /// There is no such token.
    Unknown,
    /// It has expired, or its family was revoked.
    Ended,
    /// It had been exchanged before, and not just now for the same: somebody has a copy. Its family, which is revoked
    /// now.
    Reused(u64),
}

impl Store {
    /// The user of a wallet, made with this role if there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`] if the database does not answer, as for everything here.
    pub async fn user_or_new(
        &self,
        wallet: [u8; 32],
        role: Role,
        now: Nanos,
    ) -> Result<User, StoreError> {
        let mut transaction = self.own.begin().await?;
        let insert = "INSERT INTO users (wallet, role, created) VALUES ($1, $2, $3) \
                      ON CONFLICT (wallet) DO NOTHING";
        let new = User {
            wallet,
            role,
            created: now,
        };
        run(&mut transaction, insert, values_of(&new)).await?;
        let user = user(&mut transaction, wallet).await?;
        transaction.commit().await?;
        Ok(user.unwrap_or(new))
    }

    /// The role that a wallet has here: what an operator gave it, a user's otherwise.
    ///
    /// Operators of whom nothing says who made them so are users: an earlier version kept those that its
    /// configuration named. [`Store::stray_operators`] lists them.
    ///
    /// # Errors
    /// As [`Store::user_or_new`].
    pub async fn role(&self, wallet: [u8; 32]) -> Result<Role, StoreError> {
        let mut transaction = self.read.begin().await?;
        let role = user(&mut transaction, wallet).await?.map(|user| user.role);
        let values = Values::default().with(&wallet).with(&Role::Operator);
        let given = "WHERE wallet = $1 AND role = $2 ORDER BY time DESC LIMIT 1";
        let given: Vec<RoleGiven> = all(&mut transaction, given, values).await?;
        transaction.commit().await?;
        Ok(match role {
            Some(Role::Operator) if given.is_empty() => Role::User,
            role => role.unwrap_or(Role::User),
        })
    }

    /// Those who are kept as operators, and of whom nothing says who made them so; at most 500.
    ///
    /// # Errors
    /// As [`Store::role`].
    pub async fn stray_operators(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        let mut transaction = self.read.begin().await?;
        let values = Values::default()
            .with(&Role::Operator)
            .with(&Role::Operator)
            .with(&at_most(MAX_ROWS));
        let stray = "WHERE role = $1 AND wallet NOT IN \
                     (SELECT wallet FROM roles_given WHERE role = $2) ORDER BY wallet LIMIT $3";
        let stray: Vec<User> = all(&mut transaction, stray, values).await?;
        transaction.commit().await?;
        Ok(stray.into_iter().map(|user| user.wallet).collect())
    }

    /// Gives a user, made if there is none, a role, and keeps who gave it.
    ///
    /// # Errors
    /// As [`Store::role`]; then nothing was given.
    pub async fn give_role(&self, given: &RoleGiven) -> Result<(), StoreError> {
        let mut transaction = self.own.begin().await?;
        let user = User {
            wallet: given.wallet,
            role: given.role,
            created: given.time,
        };
        let give = "INSERT INTO users (wallet, role, created) VALUES ($1, $2, $3) \
                    ON CONFLICT (wallet) DO UPDATE SET role = excluded.role";
        run(&mut transaction, give, values_of(&user)).await?;
        let keep = "INSERT INTO roles_given (time, wallet, role, giver) VALUES ($1, $2, $3, $4)";
        run(&mut transaction, keep, values_of(given)).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Roles that were given before a moment, the newest first, at most `limit` (500).
    ///
    /// # Errors
    /// As [`Store::role`].
    pub async fn roles_given(
        &self,
        before: Option<Nanos>,
        limit: u32,
    ) -> Result<At<Vec<RoleGiven>>, StoreError> {
        let mut question = self.ask().await?;
        let values = Values::default()
            .with(&bound(before.map_or(u64::MAX, |time| time.0)))
            .with(&at_most(limit));
        let given = question
            .all("WHERE time < $1 ORDER BY time DESC LIMIT $2", values)
            .await?;
        question.answer(given).await
    }

    /// Keeps the first token of a family. What of this wallet has expired is forgotten, and so are all families but
    /// its newest `most`, this one among them; answers with those that were.
    ///
    /// # Errors
    /// As [`Store::role`]; also if there is a token with this hash. Then nothing was changed.
    pub async fn add_token(&self, token: &RefreshToken, most: u32) -> Result<Vec<u64>, StoreError> {
        let mut transaction = self.own.begin().await?;
        let values = Values::default()
            .with(&token.wallet)
            .with(&bound(token.issued.0));
        let expired = "DELETE FROM refresh_tokens WHERE wallet = $1 AND expires < $2";
        run(&mut transaction, expired, values).await?;
        // The new one counts as the newest, whatever the clock says.
        let values = Values::default()
            .with(&token.wallet)
            .with(&token.family)
            .with(&at_most(MAX_ROWS))
            .with(&i64::from(most.saturating_sub(1)));
        let oldest = "SELECT family FROM refresh_tokens WHERE wallet = $1 AND family <> $2 AND revoked IS NULL \
                      GROUP BY family ORDER BY MAX(issued) DESC, family LIMIT $3 OFFSET $4";
        let query = sqlx::query_with(oldest, values.into_arguments());
        let rows = transaction.fetch_all(query).await?;
        let ended: Vec<u64> = rows
            .iter()
            .map(|row| Fields::new(row).get())
            .collect::<Result<_, _>>()?;
        for family in &ended {
            let delete = "DELETE FROM refresh_tokens WHERE family = $1";
            run(&mut transaction, delete, Values::default().with(family)).await?;
        }
        add_token(&mut transaction, token).await?;
        transaction.commit().await?;
        Ok(ended)
    }

    /// A refresh token by its hash.
    ///
    /// # Errors
    /// As [`Store::role`].
    pub async fn refresh_token(&self, hash: [u8; 32]) -> Result<Option<RefreshToken>, StoreError> {
        let mut transaction = self.read.begin().await?;
        let token = token(&mut transaction, hash).await?;
        transaction.commit().await?;
        Ok(token)
    }

    /// Exchanges a token for another, which gets family and owner of the old one. Within [`ROTATION_REPEAT`] the same exchange
    /// may be asked for again, as long as the new token was not used: it is answered as the first time. Any other
    /// second use of a token revokes its family.
    ///
    /// # Errors
    /// As [`Store::role`]; then nothing was exchanged.
    pub async fn rotate_token(
        &self,
        old: [u8; 32],
        new: [u8; 32],
        now: Nanos,
        expires: Nanos,
    ) -> Result<Rotation, StoreError> {
        let mut transaction = self.own.begin().await?;
        let values = Values::default()
            .with(&bound(now.0))
            .with(&old)
            .with(&bound(now.0));
        let take = "UPDATE refresh_tokens SET used = $1 \
                    WHERE hash = $2 AND used IS NULL AND revoked IS NULL AND expires > $3";
        let taken = run(&mut transaction, take, values).await? == 1;
        let rotation = match token(&mut transaction, old).await? {
            None => Rotation::Unknown,
            Some(old) if taken => {
                let token = RefreshToken {
                    hash: new,
                    issued: now,
                    expires,
                    used: None,
                    ..old
                };
                add_token(&mut transaction, &token).await?;
                Rotation::Rotated(token)
            }
            Some(old) => match old.used {
                Some(used) => repeated(&mut transaction, &old, used, new, now).await?,
                None => Rotation::Ended,
            },
        };
        transaction.commit().await?;
        Ok(rotation)
    }

    /// Revokes all tokens of a family; says how many were valid.
    ///
    /// # Errors
    /// As [`Store::role`].
    pub async fn revoke_family(&self, family: u64, now: Nanos) -> Result<u64, StoreError> {
        let mut transaction = self.own.begin().await?;
        let revoked = revoke(&mut transaction, family, now).await?;
        transaction.commit().await?;
        Ok(revoked)
    }

    /// Forgets tokens that expired before a moment; says how many.
    ///
    /// # Errors
    /// As [`Store::role`].
    pub async fn forget_tokens(&self, expired_before: Nanos) -> Result<u64, StoreError> {
        let mut transaction = self.own.begin().await?;
        let values = Values::default().with(&bound(expired_before.0));
        let delete = "DELETE FROM refresh_tokens WHERE expires < $1";
        let forgotten = run(&mut transaction, delete, values).await?;
        transaction.commit().await?;
        Ok(forgotten)
    }
}

pub(crate) fn values_of(record: &impl Record) -> Values {
    let mut values = Values::default();
    record.put(&mut values);
    values
}

/// Executes a statement; says how many rows it changed.
pub(crate) async fn run(
    connection: &mut AnyConnection,
    statement: &'static str,
    values: Values,
) -> Result<u64, StoreError> {
    let query = sqlx::query_with(statement, values.into_arguments());
    Ok(connection.execute(query).await?.rows_affected())
}

async fn find<R: Record>(
    connection: &mut AnyConnection,
    column: &str,
    key: [u8; 32],
) -> Result<Option<R>, StoreError> {
    let text = format!("{} WHERE {column} = $1", select::<R>());
    let values = Values::default().with(&key);
    let query = sqlx::query_with(AssertSqlSafe(text), values.into_arguments());
    let row = connection.fetch_optional(query).await?;
    row.map(|row| R::take(&mut Fields::new(&row))).transpose()
}

async fn user(
    connection: &mut AnyConnection,
    wallet: [u8; 32],
) -> Result<Option<User>, StoreError> {
    find(connection, "wallet", wallet).await
}

async fn token(
    connection: &mut AnyConnection,
    hash: [u8; 32],
) -> Result<Option<RefreshToken>, StoreError> {
    find(connection, "hash", hash).await
}

async fn add_token(connection: &mut AnyConnection, token: &RefreshToken) -> Result<(), StoreError> {
    let insert = "INSERT INTO refresh_tokens (hash, family, wallet, issued, expires, used, revoked) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7)";
    run(connection, insert, values_of(token)).await?;
    Ok(())
}

/// What comes of exchanging a token that was exchanged at the time `used`.
async fn repeated(
    connection: &mut AnyConnection,
    old: &RefreshToken,
    used: u64,
    new: [u8; 32],
    now: Nanos,
) -> Result<Rotation, StoreError> {
    if now.0 < used.saturating_add(ROTATION_REPEAT)
        && let Some(next) = token(connection, new).await?
        && (next.family, next.used, next.revoked) == (old.family, None, None)
    {
        return Ok(Rotation::Rotated(next));
    }
    revoke(connection, old.family, now).await?;
    Ok(Rotation::Reused(old.family))
}

async fn revoke(
    connection: &mut AnyConnection,
    family: u64,
    now: Nanos,
) -> Result<u64, StoreError> {
    let values = Values::default().with(&bound(now.0)).with(&family);
    let update = "UPDATE refresh_tokens SET revoked = $1 WHERE family = $2 AND revoked IS NULL";
    run(connection, update, values).await
}
