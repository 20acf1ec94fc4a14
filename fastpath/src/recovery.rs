//! Recovery: the archive's frames, then journal memory's, replayed through a new engine.
//!
//! Every frame must follow its predecessor in seq and CRC, and the engine must cause the very
//! events that stand in it, checkpoint hashes included; the first frame for which this does not
//! hold is refused by name. docs/JOURNAL.md lists what can be found and what follows.

use anyhow::{Context as _, Result, ensure};
use domain::{Effects, Seq, Stamp};
use engine::Engine;
use journal::{ArchiveReader, Chain, Frame, MemoryRead, Recovery};
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
    /// By session id: its next report number when the last epoch began.
    pub(crate) epoch_reports: Vec<u64>,
    pub(crate) told: Told,
}

/// What was told by the frame that was sent last.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// By session id: its next report number and last number.
    pub(crate) sessions: Vec<(u64, u64)>,
    /// The next feed number.
    pub(crate) next_feed_no: u64,
}

/// Replays everything. `sent` is the last frame whose reports were sent, `memory` is a reader of journal memory of this boot, if there is one.
pub(crate) fn replay(
    archive: &Path,
    shard: u16,
    memory: Option<&LogReader>,
    sent: u64,
) -> Result<Replayed> {
    let reader = ArchiveReader::open(archive, shard)?;
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
    // Clients choose their order ids: with a key of this process nobody can aim at one table slot.
    let probe_key = getrandom::u64().context("draw the key of the client order id table")?;
    let mut engine = Engine::with_probe_key(probe_key);
    let mut effects = Effects::new();
    let mut progress = Progress::new();
    let mut epoch_reports = Vec::new();
    let mut told = None;
    while let Some(frame) = recovery.next()? {
        let epoch = engine.epoch();
        apply(&mut engine, &frame, &mut effects)?;
        if engine.epoch() != epoch {
            epoch_reports = next_reports(&engine);
        }
        if frame.header.seq.0 == sent {
            told = Some(Told::by(&engine));
        }
        progress.frame(frame.header.seq);
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
        epoch_reports,
        told,
    })
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

/// Each session's next report number, by session id up to the highest that exists.
pub(crate) fn next_reports(engine: &Engine) -> Vec<u64> {
    let mut reports = Vec::new();
    for id in engine.session_ids() {
        let place = usize::try_from(id.0).expect("a session id indexes a table");
        reports.resize(reports.len().max(place + 1), 1);
        reports[place] = engine
            .session(id)
            .map_or(1, |session| session.next_report_no);
    }
    reports
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
