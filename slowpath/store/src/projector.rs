//! Joins projection and writer: from which frame on, what to do after an error, when to start again.
//!
//! The caller brings frames and decides how far they may go; there is no thread, clock or journal here.

use crate::batch::Batch;
use crate::carried::Carried;
use crate::database::Database;
use crate::error::StoreError;
use crate::projection::Projection;
use crate::schema::Resume;
use crate::snapshots::SnapshotFolder;
use crate::writer::Writer;
use domain::{Nanos, Seq};
use engine::Engine;
use journal::{Chain, Frame};
use std::time::Duration;

/// Rows after which a batch takes no more frames: it holds SQLite's one write lock while it is written,
/// and the gateway waits for that.
pub const BATCH_ROWS: usize = 16_384;
/// How long the database may take for a batch, or to connect.
const PATIENCE: Duration = Duration::from_secs(30);

/// Brings a database up to the journal.
pub struct Projector {
    database: Database,
    shard: u16,
    /// None after an error.
    writer: Option<Connected>,
    projection: Projection,
    /// What the database had when this one began: frames up to there are replayed, not written.
    resume: Resume,
    /// The rows from which it goes on behind those.
    carried: Carried,
    batch: Batch,
}

struct Connected {
    writer: Writer,
    /// Device and inode of the file, if it is one.
    file: Option<(u64, u64)>,
}

/// What [`Projector::write`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// So many rows are in the database.
    Rows(usize),
    /// The database is not at the frame at which this projector left it: it lost its last commits, or is
    /// another one. Open a new projector.
    StartAgain,
}

impl Projector {
    /// Connects, makes the tables if they are missing, and finds out where to go on.
    ///
    /// # Errors
    /// [`StoreError`]; try again if it [`StoreError::can_pass`].
    pub async fn open(database: &Database, shard: u16) -> Result<Self, StoreError> {
        let (mut connected, _) = connect(database, shard).await?;
        let (resume, carried) = within(connected.writer.carried()).await?;
        Ok(Self {
            database: database.clone(),
            shard,
            writer: Some(connected),
            projection: Projection::new(shard),
            resume,
            carried,
            batch: Batch::default(),
        })
    }

    /// Begins behind the last frame of a chain, with the state to which it led, instead of before the first
    /// frame. The state has to be right: only what is replayed from there on is checked.
    ///
    /// # Errors
    /// [`StoreError::History`] or [`StoreError::Orders`], if that is the frame up to which the database is and
    /// they do not fit each other.
    ///
    /// # Panics
    /// If the database is not that far, or frames were taken already.
    pub fn begin_behind(&mut self, engine: Engine, chain: Chain) -> Result<(), StoreError> {
        assert!(
            self.last_seq() == Seq(0) && chain.last_seq() <= self.resume.last_seq,
            "a projector begins once, and leaves nothing out"
        );
        self.projection = Projection::behind(engine, chain);
        if self.last_seq() == self.resume.last_seq {
            self.carry_on(chain.last_crc)?;
        }
        Ok(())
    }

    /// What was in the database when it was opened.
    #[must_use]
    pub fn resume(&self) -> Resume {
        self.resume
    }

    /// The last frame that it was brought.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.projection.last_seq()
    }

    /// The engine after that frame.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.projection.engine()
    }

    /// Whether the batch takes another frame.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.batch.rows() < BATCH_ROWS
    }

    /// Whether there is something to write.
    #[must_use]
    pub fn has_rows_to_write(&self) -> bool {
        self.batch.last_seq().is_some()
    }

    /// Takes the next frame. Those that the database has already only lead the engine to where it stood.
    ///
    /// # Errors
    /// [`StoreError::History`] if the database was made from another journal, [`StoreError::Orders`],
    /// [`StoreError::Divergence`]. None of them passes.
    pub fn take(&mut self, frame: &Frame<'_>) -> Result<(), StoreError> {
        if frame.header.seq > self.resume.last_seq {
            self.projection.step(frame, &mut self.batch)?;
            return Ok(());
        }
        self.projection.replay(frame)?;
        if frame.header.seq == self.resume.last_seq {
            self.carry_on(frame.crc)?;
        }
        Ok(())
    }

    /// It stands where the database does; `crc` is that frame's.
    fn carry_on(&mut self, crc: u32) -> Result<(), StoreError> {
        if crc != self.resume.last_crc {
            return Err(StoreError::History {
                seq: self.resume.last_seq,
                stored: self.resume.last_crc,
                journal: format!("the journal has CRC {crc:08x} there"),
            });
        }
        self.projection.carry_on(std::mem::take(&mut self.carried))
    }

    /// Writes what was taken. After an error it connects anew at the next call and looks what the
    /// database has: a batch whose commit was not answered is there or is not, and is never written twice.
    ///
    /// # Errors
    /// [`StoreError`]; call again if it [`StoreError::can_pass`].
    pub async fn write(&mut self) -> Result<Written, StoreError> {
        let Some(mut connected) = self.connected().await? else {
            return Ok(Written::StartAgain);
        };
        match within(connected.writer.write(&self.batch)).await {
            // Emptied or restored under a connection that stayed; or a commit that was given up came
            // through after all.
            Err(StoreError::NotNext { .. }) => return Ok(Written::StartAgain),
            written => written?,
        }
        self.writer = Some(connected);
        let rows = self.batch.rows();
        self.batch.clear();
        Ok(Written::Rows(rows))
    }

    /// Closes the connection in order: what was written is then in the database's file itself. What was taken
    /// and not written is forgotten.
    ///
    /// # Errors
    /// What the database says.
    pub async fn close(self) -> Result<(), StoreError> {
        match self.writer {
            Some(connected) => within(connected.writer.close()).await,
            None => Ok(()),
        }
    }

    /// Brings the index of snapshots in step with their folder, as it is at `now` (UTC ns).
    ///
    /// # Errors
    /// As [`Projector::write`].
    pub async fn index_snapshots(
        &mut self,
        folder: &SnapshotFolder,
        now: Nanos,
    ) -> Result<Written, StoreError> {
        let Some(mut connected) = self.connected().await? else {
            return Ok(Written::StartAgain);
        };
        within(connected.writer.index_snapshots(folder, now)).await?;
        self.writer = Some(connected);
        Ok(Written::Rows(folder.whole.len()))
    }

    /// The connection, taken out: whoever has used it without an error puts it back. None if the database is
    /// not where this projector can go on.
    async fn connected(&mut self) -> Result<Option<Connected>, StoreError> {
        let connected = match self.writer.take() {
            Some(connected) => connected,
            None => match self.reconnect().await? {
                Some(connected) => connected,
                None => return Ok(None),
            },
        };
        if connected.file != self.database.file_id() {
            return Err(StoreError::Gone(self.database.name()));
        }
        Ok(Some(connected))
    }

    /// A new connection; none if the database is not where this projector can go on.
    async fn reconnect(&mut self) -> Result<Option<Connected>, StoreError> {
        let (connected, resume) = connect(&self.database, self.shard).await?;
        let Some(span) = self.batch.span else {
            let is_same = resume.last_seq == self.last_seq().max(self.resume.last_seq);
            return Ok(is_same.then_some(connected));
        };
        if (resume.last_seq, resume.last_crc) == (span.last, span.last_crc) {
            // The commit had succeeded.
            self.batch.clear();
        } else if resume.last_seq.next() != span.first {
            return Ok(None);
        }
        Ok(Some(connected))
    }
}

async fn connect(database: &Database, shard: u16) -> Result<(Connected, Resume), StoreError> {
    let before = database.file_id();
    let (writer, prepared) = within(Writer::open(database, shard)).await?;
    let file = database.file_id();
    if before.is_some() && before != file {
        return Err(StoreError::Gone(database.name()));
    }
    Ok((Connected { writer, file }, prepared.resume))
}

async fn within<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or(Err(StoreError::Silent(PATIENCE.as_secs())))
}
