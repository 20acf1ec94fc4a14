//! The one place that hands out connections for questions and for the gateway's own rows.
//!
//! Data: connections that nobody uses. Owner: the pool. Invariants: each has ended its last transaction without an
//! error, because only [`Transaction::commit`] gives one back; whatever else happens to a transaction (an error, a
//! waiter that gives up) closes its connection, and the database takes back what was not committed. And each is to
//! the file that stands under the database's name, which is looked at when one is handed out and after every commit.
//!
//! sqlx's own pool and transactions are not used for it: they take a connection back after an error, and one that
//! SQLite has rolled back by itself (a full disk) then counts as inside a transaction for ever, so that later
//! commits end a savepoint and nothing is ever on disk.

use crate::database::{Database, Purpose, begin_reading};
use crate::error::StoreError;
use sqlx::{AnyConnection, Connection as _, Executor as _};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects when it is first used. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    database: Database,
    purpose: Purpose,
    connections: u32,
    /// One for each connection that there may be.
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connected>>,
}

struct Connected {
    connection: AnyConnection,
    /// Device and inode of its file, if it has one.
    file: Option<(u64, u64)>,
}

impl Pool {
    pub(crate) fn new(database: &Database, purpose: Purpose, connections: u32) -> Self {
        Self(Arc::new(Inner {
            database: database.clone(),
            purpose,
            connections,
            turns: Arc::new(Semaphore::new(connections as usize)),
            idle: Mutex::default(),
        }))
    }

    /// Begins a transaction. One that reads sees everything as it is at one moment.
    ///
    /// # Errors
    /// [`StoreError`]: no connection is to be had, or [`StoreError::Gone`].
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        let begun = tokio::time::timeout(PATIENCE, self.begin_in_time()).await;
        begun.unwrap_or(Err(StoreError::Silent(PATIENCE.as_secs())))
    }

    async fn begin_in_time(&self) -> Result<Transaction, StoreError> {
        let turn = Arc::clone(&self.0.turns).acquire_owned().await;
        let turn = turn.map_err(|_| sqlx::Error::PoolClosed)?;
        // The server of one that was idle may have ended meanwhile.
        while let Some(mut connected) = self.0.take_idle()? {
            if self.0.begin_on(&mut connected).await.is_ok() {
                return Ok(self.0.handed_out(connected, turn));
            }
        }
        let mut connected = self.0.connect().await?;
        self.0.begin_on(&mut connected).await?;
        Ok(self.0.handed_out(connected, turn))
    }

    /// Waits for all transactions and closes all connections. None is handed out any more.
    pub(crate) async fn close(&self) {
        let Inner {
            turns, connections, ..
        } = &*self.0;
        // It fails if it was closed before.
        let _all = turns.acquire_many(*connections).await;
        turns.close();
        let idle = std::mem::take(&mut *self.0.lock());
        for connected in idle {
            // Everything in it is committed.
            let _closed = connected.connection.close().await;
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({}, {:?})", self.0.database.name(), self.0.purpose)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Vec<Connected>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Connected, StoreError> {
        let before = self.database.file_id();
        let connection = self.database.connect(self.purpose).await?;
        let file = self.database.file_id();
        // Replaced meanwhile: which of both it has, nobody knows.
        if before.is_some() && before != file {
            return Err(StoreError::Gone(self.database.name()));
        }
        Ok(Connected { connection, file })
    }

    fn take_idle(&self) -> Result<Option<Connected>, StoreError> {
        let mut idle = self.lock();
        let Some(connected) = idle.pop() else {
            return Ok(None);
        };
        let checked = self.ensure_there(&connected);
        if checked.is_err() {
            // The others are of the same file, or of one before.
            idle.clear();
        }
        checked.map(|()| Some(connected))
    }

    /// A connection goes on with a file that was deleted or replaced, and what it commits there is lost.
    fn ensure_there(&self, connected: &Connected) -> Result<(), StoreError> {
        if connected.file == self.database.file_id() {
            return Ok(());
        }
        Err(StoreError::Gone(self.database.name()))
    }

    async fn begin_on(&self, connected: &mut Connected) -> Result<(), StoreError> {
        let begin = match self.purpose {
            Purpose::Read => begin_reading(self.database.kind()),
            Purpose::Own | Purpose::Projection => "BEGIN",
        };
        connected.connection.execute(begin).await?;
        Ok(())
    }

    fn handed_out(
        self: &Arc<Self>,
        connected: Connected,
        turn: OwnedSemaphorePermit,
    ) -> Transaction {
        Transaction {
            begun: Some(Begun { connected, turn }),
            pool: Arc::clone(self),
        }
    }
}

/// A connection with a transaction, which [`Transaction::commit`] ends. If it is dropped, nothing was written, and the
/// connection is closed; its turn comes back when the database has taken back what was not committed, so that no two
/// transactions of one turn overlap.
pub(crate) struct Transaction {
    /// None once it has ended.
    begun: Option<Begun>,
    pool: Arc<Inner>,
}

struct Begun {
    connected: Connected,
    turn: OwnedSemaphorePermit,
}

/// Why a transaction has a connection.
const BEGUN: &str = "only its end takes the connection";

impl Transaction {
    /// Ends it. After an error of one of its statements, drop it instead.
    ///
    /// # Errors
    /// What the database says, or [`StoreError::Gone`]: then it may or may not have been written.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        // It stays here until then: whoever gives up waiting lets it drop.
        self.execute("COMMIT").await?;
        let Begun { connected, turn } = self.begun.take().expect(BEGUN);
        self.pool.ensure_there(&connected)?;
        self.pool.lock().push(connected);
        // Whoever has the next turn finds it.
        drop(turn);
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(Begun { connected, turn }) = self.begun.take() else {
            return;
        };
        // Without a runtime the process ends.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let mut connection = connected.connection;
            let end = async {
                // It waits for what is still under way. That it fails is nothing new.
                let _rolled_back = connection.execute("ROLLBACK").await;
                let _closed = connection.close().await;
            };
            let _too_long = tokio::time::timeout(PATIENCE, end).await;
            drop(turn);
        });
    }
}

impl Deref for Transaction {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.begun.as_ref().expect(BEGUN).connected.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.begun.as_mut().expect(BEGUN).connected.connection
    }
}
