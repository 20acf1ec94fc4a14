//! What a signal means before the tiles run.
//!
//! A start may take long: it replays, waits for a lock, is given memory. Whoever asks to stop meanwhile is heard by a
//! thread that does nothing else, and that knows how far the start is: it leaves no region that is not whole, and in
//! one that is what `sluice status` and `sluice stop` read of an orderly end.

use anyhow::{Context as _, Result};
use shm::layout::ProcessState;
use shm::{FastWriter, LogReader, Places, SlowView};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::boot::Regions;

/// Time between two looks at whether somebody asks.
const TURN: Duration = Duration::from_millis(5);

/// Until the tiles run, SIGTERM, SIGINT and SIGHUP end the process at once and in order: nobody was promised anything,
/// and what stands in the journal the next start finds.
#[derive(Debug)]
pub struct Booting {
    asked: Arc<AtomicBool>,
    begun: Begun,
    watch: JoinHandle<()>,
}

impl Booting {
    /// From now on. To be called first of all: before, these signals kill the process as if it had failed.
    ///
    /// # Errors
    /// If the system takes no handler or gives no thread.
    pub fn begin() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&asked)).context("install a handler")?;
        }
        let begun = Begun::default();
        let (its_asked, its_begun) = (Arc::clone(&asked), begun.clone());
        let watch = std::thread::Builder::new()
            .name("booting".into())
            .spawn(move || watch(&its_asked, &its_begun))
            .context("start a thread")?;
        Ok(Self {
            asked,
            begun,
            watch,
        })
    }

    pub(crate) fn begun(&self) -> &Begun {
        &self.begun
    }

    /// The tiles are about to run: from now on whoever has the flag that this gives listens.
    pub(crate) fn over(self) -> Arc<AtomicBool> {
        *self.begun.stage() = Stage::Over;
        self.watch.thread().unpark();
        // It does not come back if somebody has asked before.
        let ended = self.watch.join();
        debug_assert!(ended.is_ok(), "the thread that listens panicked");
        self.asked
    }
}

/// Ends the process if somebody asks, until booting is over.
fn watch(asked: &AtomicBool, begun: &Begun) {
    loop {
        std::thread::park_timeout(TURN);
        // Held to the end of the process: the start comes no further.
        let stage = begun.stage();
        // ORDER: the flag is set by a signal handler and is the whole message.
        let is_asked = asked.load(Ordering::Relaxed);
        match &*stage {
            Stage::Over => return,
            Stage::Nothing => {}
            Stage::Making(places, names) if is_asked => remove(places, names),
            Stage::Made { fast, log, slow } if is_asked => {
                fast.set_process_state(end_of(log, slow));
            }
            Stage::Making(..) | Stage::Made { .. } => {}
        }
        if is_asked {
            // At once, whatever the start's thread holds.
            signal_hook::low_level::exit(0);
        }
    }
}

fn remove(places: &Places, names: &[&'static str]) {
    for name in names {
        if let Ok(Some(path)) = places.find(name) {
            // Best effort: what stays holds no frame.
            std::fs::remove_file(path).ok();
        }
    }
}

/// How a process ends that takes no command any more: with nothing left undone, or with frames that nobody archived.
fn end_of(log: &LogReader, slow: &SlowView) -> ProcessState {
    let head = log.head();
    // Without a frame of its own the head is the archive's.
    if log.oldest() > head || slow.durable_seq() == head {
        ProcessState::Stopped
    } else {
        ProcessState::Unfinished
    }
}

/// How far a start is, for whoever ends it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begun(Arc<Mutex<Stage>>);

#[derive(Default)]
enum Stage {
    #[default]
    Nothing,
    /// Regions that were not there and may not be whole.
    Making(Places, Vec<&'static str>),
    /// All regions are there, and this process runs by what they say.
    Made {
        fast: FastWriter,
        log: LogReader,
        slow: SlowView,
    },
    /// The tiles run.
    Over,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Making(..) => "Making",
            Self::Made { .. } => "Made",
            Self::Over => "Over",
        })
    }
}

impl Begun {
    /// This process's own region `name` is about to be opened, or made if it is not there.
    pub(crate) fn region(&self, places: &Places, name: &'static str) {
        let mut stage = self.stage();
        if !matches!(places.find(name), Ok(None)) {
            return;
        }
        match &mut *stage {
            Stage::Making(_, names) => names.push(name),
            Stage::Nothing | Stage::Made { .. } | Stage::Over => {
                *stage = Stage::Making(places.clone(), vec![name]);
            }
        }
    }

    /// The regions are whole: they stay, and say from now on that this process runs.
    pub(crate) fn made(&self, regions: &Regions) -> Result<()> {
        let fast = FastWriter::new(regions.fast.clone())?;
        let log = LogReader::new(regions.journal.clone(), 1)?;
        let slow = SlowView::new(regions.slow.clone())?;
        let mut stage = self.stage();
        fast.set_process_state(ProcessState::Running);
        *stage = Stage::Made { fast, log, slow };
        Ok(())
    }

    /// The start is refused: what it has begun, whoever refused it has seen to.
    pub(crate) fn refused(&self) {
        let mut stage = self.stage();
        if let Stage::Made { fast, .. } = &*stage {
            fast.set_process_state(ProcessState::Failed);
        }
        *stage = Stage::Nothing;
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
