//! Recovery: the archive's frames, then journal memory's, replayed through a new engine.
//!
//! Every frame must follow its predecessor in seq and CRC, and the engine must cause the very
//! events that stand in it, checkpoint hashes included; the first frame for which this does not
//! hold is refused by name. docs/JOURNAL.md lists what can be found and what follows. The replay
//! begins behind the newest snapshot that holds (docs/SNAPSHOTS.md), else at the first frame.

use anyhow::{Context as _, Result, ensure};
use domain::{Effects, Genesis, Request, Seq, Stamp};
use engine::Engine;
use journal::{
    ArchiveReader, Chain, Frame, MemoryRead, Recovery, SnapshotDirectory, newest_snapshot,
};
use shm::{LogReader, Read};
use std::path::Path;
use std::time::Instant;

use crate::console::say;

/// Engine versions that this build replays.
const ENGINE_VERSIONS: std::ops::RangeInclusive<u16> = 1..=1;

/// What was found and replayed.
pub(crate) struct Replayed {
    pub(crate) engine: Engine,
    pub(crate) chain: Chain,
    pub(crate) told: Told,
    /// What was journalled of the genesis, in order, if it has no end yet; else nothing.
    pub(crate) genesis: Vec<Request>,
}

/// What was told by the frame that was sent last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// By session id: its next report number and last number.
    pub(crate) sessions: Vec<(u64, u64)>,
    /// The next feed number.
    pub(crate) next_feed_no: u64,
}

/// Where the journal of an instance lies.
pub(crate) struct Sources<'a> {
    pub(crate) archive: &'a Path,
    /// None: every replay begins at the first frame.
    pub(crate) snapshots: Option<&'a Path>,
    pub(crate) shard: u16,
    /// A reader of journal memory of this boot, if there is one.
    pub(crate) memory: Option<&'a LogReader>,
}

/// The state behind a snapshot, or that before the first frame.
struct Start {
    engine: Engine,
    seq: Seq,
}

/// Replays what a snapshot does not cover. `sent` is the last frame whose reports were sent.
pub(crate) fn replay(sources: &Sources<'_>, sent: u64) -> Result<Replayed> {
    let memory = sources.memory;
    let mut reader = ArchiveReader::open(sources.archive, sources.shard)?;
    // What was told to clients is known as of the frame that was sent last, so that frame must be
    // replayed. Without memory nothing is left to be sent.
    let needed = memory.map_or(Seq(u64::MAX), |_| Seq(sent));
    let start = find_start(sources, &mut reader, needed)?;
    let from_memory = |seq: Seq, buffer: &mut journal::FrameBuffer| match memory {
        None => MemoryRead::End,
        Some(log) => match log.read_at(seq.0, buffer) {
            Read::Frame(words) => MemoryRead::Frame(words),
            Read::Empty => MemoryRead::End,
            Read::Lapped => MemoryRead::Gone {
                oldest: Seq(log.oldest()),
            },
            Read::Corrupt => MemoryRead::Corrupt,
        },
    };
    let mut recovery = Recovery::with_memory(reader, from_memory, ENGINE_VERSIONS);
    let Start { mut engine, seq } = start;
    let mut effects = Effects::new();
    let mut progress = Progress::new();
    let (mut told, mut genesis) = (None, Vec::new());
    while let Some(frame) = recovery.next()? {
        // The frame behind which a snapshot was taken is only compared with the memory's.
        if frame.header.seq > seq {
            apply(&mut engine, &frame, &mut effects)?;
            if engine.epoch() == 0 {
                genesis.push(frame.request());
            } else {
                genesis = Vec::new();
            }
            progress.frame(frame.header.seq);
        }
        if frame.header.seq.0 == sent {
            told = Some(Told::by(&engine));
        }
    }
    let found = recovery.finish();
    // Without memory, or at the very first start, nothing is left to be sent.
    let all = found.chain.last_seq().0 <= sent || memory.is_none();
    let told = told.unwrap_or_else(|| {
        if all {
            Told::by(&engine)
        } else {
            Told::NOTHING
        }
    });
    progress.end(found.chain.last_seq());
    Ok(Replayed {
        engine,
        chain: found.chain,
        told,
        genesis,
    })
}

/// Loads the newest snapshot up to the frame `needed`; the reader then stands before its frame. If there
/// is none that holds, the reader stands at the first frame.
fn find_start(sources: &Sources<'_>, reader: &mut ArchiveReader, needed: Seq) -> Result<Start> {
    // Clients choose their order ids: with a key of this process nobody can aim at one table slot.
    let probe_key = getrandom::u64().context("draw the key of the client order id table")?;
    let load = |body: &[u8], genesis: &Genesis| {
        let engine = Engine::load(body, Some(genesis), probe_key);
        let engine = engine.map_err(|error| error.to_string())?;
        let hash = engine.state_hash_anew();
        Ok((engine, hash))
    };
    let start = Instant::now();
    let found = match sources.snapshots {
        None => None,
        Some(folder) => newest_snapshot(
            &SnapshotDirectory::new(folder),
            sources.shard,
            reader,
            needed,
            load,
            |name, error| say(format_args!("snapshot {name} is not used: {error}")),
        )
        .unwrap_or_else(|error| {
            crate::console::warn(format_args!(
                "no snapshot is used: cannot list {}: {error}",
                folder.display()
            ));
            None
        }),
    };
    let (engine, seq) = match found {
        Some((header, engine)) => {
            let ms = start.elapsed().as_millis();
            say(format_args!(
                "snapshot of seq {} loaded in {ms} ms",
                header.seq
            ));
            (engine, header.seq)
        }
        None => (Engine::with_probe_key(probe_key), Seq(0)),
    };
    reader.seek(Seq(seq.0.max(1)))?;
    Ok(Start { engine, seq })
}

impl Told {
    const NOTHING: Self = Self {
        sessions: Vec::new(),
        next_feed_no: 1,
    };

    /// All that the engine has caused.
    pub(crate) fn by(engine: &Engine) -> Self {
        let mut sessions = Vec::new();
        for id in engine.session_ids() {
            let place = usize::try_from(id.0).expect("a session id indexes a table");
            sessions.resize(sessions.len().max(place + 1), (1, 0));
            sessions[place] = engine.session(id).map_or((1, 0), |session| {
                (session.next_report_no, session.last_number)
            });
        }
        Self {
            sessions,
            next_feed_no: engine.next_feed_no(),
        }
    }
}

/// Applies a journalled command and compares what it caused with what is written.
fn apply(engine: &mut Engine, frame: &Frame<'_>, effects: &mut Effects) -> Result<()> {
    let seq = frame.header.seq;
    let remedy = "the journal was written by other rules or was altered: \
                  run the version that wrote it, or restore the archive";
    ensure!(
        engine.admits(frame.header.source, frame.header.source_seq),
        "seq {seq}: {} number {} comes again or out of order; {remedy}",
        frame.header.source,
        frame.header.source_seq
    );
    ensure!(
        engine.fits(&frame.command) && engine.version() == frame.header.engine_version,
        "seq {seq}: {:?} is not what must come here; {remedy}",
        frame.command.kind()
    );
    let stamp = Stamp {
        seq,
        time: frame.header.engine_time,
    };
    engine.apply(stamp, &frame.request(), effects);
    if effects.words() != frame.event_words {
        let differs = effects
            .events()
            .zip(frame.events())
            .find(|(ours, theirs)| ours != theirs);
        return Err(anyhow::anyhow!("replayed (ours, journal's): {differs:?}"))
            .with_context(|| format!("seq {seq}: replay differs from the journal; {remedy}"));
    }
    Ok(())
}

/// Says how far a long replay is.
struct Progress {
    start: Instant,
    said: Instant,
    frames: u64,
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            said: now,
            frames: 0,
        }
    }

    fn frame(&mut self, seq: Seq) {
        self.frames += 1;
        if self.frames.is_multiple_of(65_536) && self.said.elapsed().as_secs() >= 2 {
            self.said = Instant::now();
            say(format_args!(
                "recovering: seq {seq}, {} frames/s",
                self.rate()
            ));
        }
    }

    fn end(&self, last: Seq) {
        if self.frames > 0 {
            let ms = self.start.elapsed().as_millis();
            say(format_args!(
                "recovered: seq {last}, {} frames in {ms} ms",
                self.frames
            ));
        }
    }

    fn rate(&self) -> u128 {
        u128::from(self.frames) * 1_000 / self.start.elapsed().as_millis().max(1)
    }
}
