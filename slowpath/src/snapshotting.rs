//! Snapshots: the shadow engine's state at a checkpoint with which it agreed, written by a thread of
//! its own, and read again at the next start.
//!
//! The shadow engine's thread only copies the state into a buffer. There is one buffer: while it is
//! with the writer, no other snapshot is taken. The writer waits until the checkpoint is durable in
//! the archive, because a snapshot of a frame that may be lost is of no use to anybody.

use crate::console::say;
use crate::counters::SNAPSHOT_TROUBLES;
use crate::snapshot_folder::SnapshotFolder;
use crate::trouble::Trouble;
use domain::{Genesis, Seq};
use engine::Engine;
use journal::{
    ArchiveReader, SnapshotDirectory, SnapshotError, SnapshotHeader, SnapshotName, newest_snapshot,
};
use shadow::{Shadow, store_snapshot};
use shm::{SlowView, SlowWriter, Word};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use topology::Config;

/// Time between two looks at whether a frame is durable, or whether the process ends.
const LOOK: Duration = Duration::from_millis(5);
/// Wait before a snapshot that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How long the end of the process waits for a checkpoint to become durable.
const PATIENCE: Duration = Duration::from_secs(2);

/// A state that is to be written.
struct Offer {
    header: SnapshotHeader,
    body: Vec<u8>,
    saved_in: Duration,
}

/// Takes snapshots for the shadow engine.
pub struct Snapshotting {
    every_frames: u64,
    /// Of the snapshot taken last.
    last: Seq,
    buffers: Receiver<Vec<u8>>,
    offers: Option<Sender<Offer>>,
    /// 1: the process ends.
    ending: Arc<Word>,
    thread: Option<JoinHandle<()>>,
}

impl Snapshotting {
    /// Starts the writer. `newest` is the seq of the snapshot that the shadow engine began with.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(config: &Config, slow: &SlowWriter, newest: Seq) -> io::Result<Self> {
        let (offers, offered) = channel();
        let (returned, buffers) = channel();
        // The one buffer: it grows to the size of the state, and stays so.
        let _ignored = returned.send(Vec::new());
        let ending = Arc::new(Word::new(0));
        let writer = Writer {
            folder: SnapshotFolder::new(&config.snapshot_dir()),
            keep: config.snapshots.keep,
            slow: slow.view().clone(),
            offered,
            returned,
            ending: Arc::clone(&ending),
            trouble: Trouble::new(slow, SNAPSHOT_TROUBLES, "snapshots are written again"),
        };
        let thread = std::thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self {
            every_frames: config.snapshots.every_frames,
            last: newest,
            buffers,
            offers: Some(offers),
            ending,
            thread: Some(thread),
        })
    }

    /// Takes a snapshot of the state behind a checkpoint that journalled `state_hash`, with which the
    /// shadow engine has just agreed, if one is due and the writer is not busy with another.
    pub fn offer(&mut self, shadow: &Shadow, state_hash: u64) {
        let chain = shadow.chain();
        if chain.last_seq().0.saturating_sub(self.last.0) < self.every_frames {
            return;
        }
        let (Ok(mut body), Some(offers)) = (self.buffers.try_recv(), &self.offers) else {
            return;
        };
        let begin = Instant::now();
        body.clear();
        shadow.engine().save(&mut body);
        let header = SnapshotHeader::of(&chain, shadow.engine().version(), state_hash, &body);
        self.last = header.seq;
        let offer = Offer {
            header,
            body,
            saved_in: begin.elapsed(),
        };
        // A writer that has ended has said why.
        let _ignored = offers.send(offer);
    }
}

impl Drop for Snapshotting {
    fn drop(&mut self) {
        self.ending.release(1);
        self.offers = None;
        if let Some(thread) = self.thread.take() {
            // A panic has ended the process.
            let _ended = thread.join();
        }
    }
}

/// Writes what is offered.
struct Writer {
    folder: SnapshotFolder,
    keep: usize,
    slow: SlowView,
    offered: Receiver<Offer>,
    returned: Sender<Vec<u8>>,
    ending: Arc<Word>,
    trouble: Trouble,
}

impl Writer {
    fn run(mut self) {
        // Ends when the shadow engine no longer offers.
        while let Ok(offer) = self.offered.recv() {
            let written = if self.is_durable(offer.header.seq) {
                self.write(&offer)
            } else {
                None
            };
            // Before it is told, so that whoever is told may count on the next. A shadow engine that
            // has ended takes no buffer.
            let _ignored = self.returned.send(offer.body);
            if let Some(written) = written {
                say(format_args!("{written}"));
            }
        }
    }

    fn is_ending(&self) -> bool {
        self.ending.acquire() == 1
    }

    /// Waits until a frame is durable; false if the process ends before.
    fn is_durable(&self, seq: Seq) -> bool {
        let mut ending_since = None::<Instant>;
        while self.slow.durable_seq() < seq.0 {
            if self.is_ending() {
                let since = ending_since.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    return false;
                }
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Writes until it is written, and gives what is to be told of it, or until the process ends.
    fn write(&mut self, offer: &Offer) -> Option<String> {
        let (header, body) = (&offer.header, &offer.body);
        loop {
            let begin = Instant::now();
            match store_snapshot(&mut self.folder, header, body, self.keep) {
                Ok(()) => {
                    self.trouble.end();
                    return Some(format!(
                        "snapshot of seq {}: {} bytes, taken in {} ms, written in {} ms",
                        header.seq,
                        body.len(),
                        offer.saved_in.as_millis(),
                        begin.elapsed().as_millis()
                    ));
                }
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                    return Some(format!(
                        "trouble: there is no snapshot of seq {}, because a folder has its name: {error}; the next one is tried",
                        header.seq
                    ));
                }
                Err(error) => self.trouble.begin(
                    "folder",
                    format_args!(
                        "the snapshot of seq {} cannot be written: {error}; it is tried again every {} s",
                        header.seq,
                        RETRY.as_secs()
                    ),
                ),
            }
            if !self.rest() {
                return None;
            }
        }
    }

    /// Waits for the next attempt; false if the process ends.
    fn rest(&self) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < RETRY {
            if self.is_ending() {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}

/// Makes an engine of a snapshot's body.
///
/// # Errors
/// Why it is none.
pub fn engine_of(body: &[u8], genesis: &Genesis) -> Result<(Engine, u64), String> {
    let engine = Engine::load(body, Some(genesis), 0).map_err(|error| error.to_string())?;
    let hash = engine.state_hash_anew();
    Ok((engine, hash))
}

/// The newest snapshot of an instance that holds against its archive, of those up to a seq, if it uses any.
/// `refused` is told of each newer one, and why it is not used.
///
/// # Errors
/// If the archive cannot be opened, or the folder of snapshots not listed.
pub fn newest_of(
    config: &Config,
    up_to: Seq,
    refused: impl FnMut(SnapshotName, &SnapshotError),
) -> anyhow::Result<Option<(SnapshotHeader, Engine)>> {
    if !config.snapshots.enabled {
        return Ok(None);
    }
    let mut archive = ArchiveReader::open(&config.archive_dir(), config.instance.shard)?;
    Ok(newest(config, &mut archive, up_to, refused)?)
}

/// The newest snapshot of an instance that holds, of those up to a seq. `refused` is told of each newer
/// one, and why it is not used.
///
/// # Errors
/// If the folder cannot be listed.
pub fn newest(
    config: &Config,
    archive: &mut ArchiveReader,
    up_to: Seq,
    refused: impl FnMut(SnapshotName, &SnapshotError),
) -> io::Result<Option<(SnapshotHeader, Engine)>> {
    let files = SnapshotDirectory::new(&config.snapshot_dir());
    let shard = config.instance.shard;
    newest_snapshot(&files, shard, archive, up_to, engine_of, refused)
}
