//! Starts the slowpath's threads, shows that it lives, and stops them in order.

use crate::archiving::archiving;
use crate::asked::Asked;
use crate::attach::{self, Fate, OwnRegion, Region, RegionFile};
use crate::attesting::Attesting;
use crate::console::say;
use crate::counters::STORE_SEQ;
use crate::descriptors;
use crate::host_cpus;
use crate::logging::Levels;
use crate::metrics;
use crate::patience;
use crate::rejects::Rejects;
use crate::replaying::Replaying;
use crate::serving::{self, Door, Ring};
use crate::shadowing::{Ending, Shadowing, newest_shadow};
use crate::signals::Signals;
use crate::state_folder;
use crate::storing::Storing;
use anyhow::{Context as _, Result, bail};
use archive::{FileStorage, Refusal, StorageError};
use domain::Seq;
use gateway::{Live, Measures};
use rustix::thread::{CpuSet, sched_setaffinity};
use shm::layout::ProcessState;
use shm::{
    FastView, LogReader, Memory, Places, RegionError, SlowView, command_ring_producer, since_boot,
};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use topology::{Config, state_lock};

/// Time between two heartbeats.
const BEAT: Duration = Duration::from_millis(10);
/// Time between two looks at the region files.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two lines about what is waited for.
const REMIND: Duration = Duration::from_secs(5);
/// How long each thread has for what is left when the process is asked to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// The fastpath's regions, for reading.
struct Attached {
    journal: Memory,
    fast: Memory,
    files: [RegionFile; 2],
}

/// What the process works with as long as it lives.
struct Process<'a> {
    config: &'a Config,
    own: &'a OwnRegion,
    asked: &'a Asked,
    levels: &'a Levels,
    measures: &'a Measures,
    rejects: &'a Rejects,
}

struct Threads {
    archiver: JoinHandle<Result<(), Refusal>>,
    shadow: JoinHandle<Ending>,
    attestations: JoinHandle<()>,
    /// None if there is no store.
    store: Option<JoinHandle<()>>,
    /// None if there is no gateway.
    gateway: Option<JoinHandle<()>>,
    /// None if nothing is told again.
    replay: Option<JoinHandle<()>>,
    signals: Arc<Signals>,
}

/// Runs the slowpath of an instance until it is asked to stop.
///
/// # Errors
/// What keeps it from going on, or what was left undone when it was asked to stop.
pub fn run(config: &Config, levels: &Levels, asked: &Asked) -> Result<()> {
    descriptors::raise_limit();
    keep_to_cpus(config)?;
    // Before it makes a region.
    state_lock::check(config)?;
    let places = attach::places(config);
    let boot_id = shm::boot_id().context("read the boot id")?;
    // The archive first: whoever is refused it has made no region, which others would take for the instance's.
    let Some(storage) = open_storage(config, asked)? else {
        return stopped_early("the archive");
    };
    let Some(own) = OwnRegion::open(&places, config.instance.shard, boot_id, asked)? else {
        return stopped_early("region slow");
    };
    say(format_args!(
        "region slow: {}, {}, pid {}",
        own.memory.kind(),
        own.memory.path().display(),
        std::process::id()
    ));
    let measures = Measures::new()?;
    let rejects = Rejects::default();
    let door = Door::new(&own.writer);
    metrics::start(config, &own, &measures, &rejects)?;
    let process = Process {
        config,
        own: &own,
        asked,
        levels,
        measures: &measures,
        rejects: &rejects,
    };
    let ended = serve(&process, &places, boot_id, storage, door);
    own.writer.set_process_state(match &ended {
        Ok(()) => ProcessState::Stopped,
        Err(_) if asked.is_set() => ProcessState::Unfinished,
        Err(_) => ProcessState::Failed,
    });
    ended
}

/// Archives and checks, with its own region open, until it is asked to stop.
fn serve(
    process: &Process<'_>,
    places: &Places,
    boot_id: [u64; 2],
    storage: FileStorage,
    door: Door,
) -> Result<()> {
    let &Process { config, own, .. } = process;
    say(format_args!("archive: {}", config.archive_dir().display()));
    let Some(attached) = wait_for_fastpath(process, places, boot_id)? else {
        say(format_args!("stopped: there was nothing to archive"));
        return Ok(());
    };
    check_published(own, &attached)?;
    let mut threads = start(process, &attached, storage, door)?;
    watch(process, &attached, &mut threads)?;
    stop(own, &attached, threads)
}

/// Keeps this thread, and those that it starts, to the configured CPUs.
fn keep_to_cpus(config: &Config) -> Result<()> {
    let cpus = &config.slowpath.cpus;
    if cpus.is_empty() {
        return Ok(());
    }
    let absent = host_cpus::absent(config);
    // The system takes what there is of a set, and says nothing of the rest.
    if let Some(absent) = absent
        .iter()
        .find(|absent| absent.starts_with("slowpath.cpus"))
    {
        bail!("{absent}");
    }
    anyhow::ensure!(
        cpus.iter().all(|cpu| *cpu < CpuSet::MAX_CPU),
        "slowpath.cpus: {cpus:?} are more than {} CPUs: name others",
        CpuSet::MAX_CPU
    );
    let mut set = CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    sched_setaffinity(None, &set)
        .with_context(|| format!("slowpath.cpus: keep to the CPUs {cpus:?}; name CPUs that exist"))
}

/// Locks the archive; none if somebody asked to stop while another process held it. Its default place is made whole,
/// and at the first start every place is, as the fastpath does; of a configured one later only the last folder is,
/// because a path that is missing may be a disk that is not mounted.
fn open_storage(config: &Config, asked: &Asked) -> Result<Option<FileStorage>> {
    let directory = config.archive_dir();
    if config.archive.dir.is_none() {
        state_folder::make(config)?;
    } else if !config.epoch_file().exists() {
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("make the archive's folder {}", directory.display()))?;
    }
    let owner = state_lock::text(config);
    let open = || FileStorage::open(&directory, &owner);
    let is_held = |error: &StorageError| matches!(error, StorageError::Locked { .. });
    Ok(patience::wait_out(asked, open, is_held).transpose()?)
}

/// It has begun nothing yet.
#[expect(clippy::unnecessary_wraps, reason = "it is how the process ends")]
fn stopped_early(held: &str) -> Result<()> {
    say(format_args!(
        "stopped: another process held {held}, and nothing was begun"
    ));
    Ok(())
}

/// Waits until the fastpath has made its regions, or until it is asked to stop.
fn wait_for_fastpath(
    process: &Process<'_>,
    places: &Places,
    boot_id: [u64; 2],
) -> Result<Option<Attached>> {
    let mut reminded = None::<Instant>;
    loop {
        // Another user's fastpath may yet let us in, and one of ours come in another place.
        let why = match look_for_fastpath(places, boot_id) {
            Ok(Some(attached)) => return Ok(Some(attached)),
            Ok(None) => "is it running?".to_owned(),
            Err(forbidden @ RegionError::Forbidden { .. }) => forbidden.to_string(),
            Err(error) => return Err(error.into()),
        };
        if process.asked.is_set() {
            return Ok(None);
        }
        if reminded.is_none_or(|when| when.elapsed() >= REMIND) {
            reminded = Some(Instant::now());
            say(format_args!(
                "waiting for the fastpath of instance {} to make its regions ({why})",
                places.instance
            ));
        }
        process.own.writer.heartbeat().beat(since_boot());
        process.levels.look();
        std::thread::sleep(BEAT);
    }
}

/// The fastpath's regions, if both are there.
fn look_for_fastpath(places: &Places, boot_id: [u64; 2]) -> Result<Option<Attached>, RegionError> {
    let journal = attach::open_journal(places, boot_id)?;
    let fast = attach::open(places, Region::Fast)?;
    let (Some((journal, journal_file)), Some((fast, fast_file))) = (journal, fast) else {
        return Ok(None);
    };
    for memory in [&journal, &fast] {
        say(format_args!(
            "attached to {}, {}",
            memory.path().display(),
            memory.kind()
        ));
    }
    Ok(Some(Attached {
        journal,
        fast,
        files: [journal_file, fast_file],
    }))
}

/// What an archiver of this boot published is in the journal: nothing else counts as durable, and the
/// archive must not be blamed for lacking it. A head of 0 is that of a fastpath that recovers.
fn check_published(own: &OwnRegion, attached: &Attached) -> Result<()> {
    let head = LogReader::new(attached.journal.clone(), 1)?.head();
    let published = own.published.unwrap_or(Seq(0));
    anyhow::ensure!(
        head == 0 || published.0 <= head,
        "{} says that seq {published} is durable, but the journal {} ends with seq {head}: it is damaged, or \
         not of this journal; if `sluice journal verify` finds nothing missing, stop the fastpath, remove the \
         file, and start both again",
        own.file.path().display(),
        attached.journal.path().display()
    );
    Ok(())
}

fn start(
    process: &Process<'_>,
    attached: &Attached,
    storage: FileStorage,
    door: Door,
) -> Result<Threads> {
    let &Process { config, own, .. } = process;
    let (journal, slow) = (&attached.journal, &own.writer);
    let signals = Arc::new(Signals::default());
    let archiving = archiving(config, journal, storage, slow, own.published)?;
    let ring = Ring::new(
        command_ring_producer(&own.memory, &attached.fast)?,
        FastView::new(attached.fast.clone())?,
        SlowView::new(own.memory.clone())?,
        LogReader::new(journal.clone(), 1)?,
        Arc::clone(&signals),
    );
    let memory = LogReader::new(journal.clone(), 1)?;
    process.rejects.begin_behind(Seq(memory.head()));
    let storing = Storing::new(config, journal, slow)?;
    let replaying = Replaying::new(config, journal, &attached.fast, slow)?;
    // First, because the fastpath's memory fills up meanwhile.
    let for_archiver = Arc::clone(&signals);
    let archiver = spawn("archiver", move || archiving.run(&for_archiver))?;
    let (has_live, live) = channel();
    let (has_engine, engine) = channel();
    let (for_shadow, slow, rejects) = (Arc::clone(&signals), slow.clone(), process.rejects.clone());
    let its_config = config.clone();
    let shadow = spawn("shadow", move || {
        let config = its_config;
        let shadow = newest_shadow(&config, &slow);
        let live = Live::new(shadow, Box::new(ring), !config.gateway.enabled);
        // Without a gateway nobody takes it.
        let _nobody = has_live.send(live.clone());
        let _nobody = has_engine.send(live.clone());
        Shadowing::new(&config, memory, &slow, live, rejects).run(&for_shadow)
    })?;
    let (for_attestations, its_config) = (Arc::clone(&signals), config.clone());
    let (memory, slow) = (LogReader::new(journal.clone(), 1)?, own.writer.clone());
    let attestations = spawn("attestations", move || {
        // A shadow engine that does not come to its beginning has ended.
        if let Ok(live) = engine.recv() {
            Attesting::new(&its_config, memory, &slow, live).run(&for_attestations);
        }
    })?;
    let for_store = Arc::clone(&signals);
    let store = storing
        .map(|storing| spawn("store", move || storing.run(&for_store)))
        .transpose()?;
    let for_replay = Arc::clone(&signals);
    let replay = replaying
        .map(|replaying| spawn("replay", move || replaying.run(&for_replay)))
        .transpose()?;
    let (for_gateway, for_config) = (Arc::clone(&signals), config.clone());
    let measures = process.measures.clone();
    let serve = move || serving::run(&for_config, &live, &measures, &for_gateway, door);
    let gateway = config.gateway.enabled.then(|| spawn("gateway", serve));
    Ok(Threads {
        archiver,
        shadow,
        attestations,
        store,
        gateway: gateway.transpose()?,
        replay,
        signals,
    })
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .with_context(|| format!("start the thread {name}"))
}

/// Shows that the process lives until it is asked to stop, or cannot go on.
fn watch(process: &Process<'_>, attached: &Attached, threads: &mut Threads) -> Result<()> {
    let &Process { own, asked, .. } = process;
    let mut looked = Instant::now();
    let mut gone_said = false;
    while !asked.is_set() && !threads.archiver.is_finished() {
        own.writer.heartbeat().beat(since_boot());
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            process.levels.look();
            look_at_files(own, attached, &mut gone_said)?;
        }
        std::thread::sleep(BEAT);
    }
    Ok(())
}

/// Refuses to go on with memory that others no longer use.
fn look_at_files(own: &OwnRegion, attached: &Attached, gone_said: &mut bool) -> Result<()> {
    for file in attached.files.iter().chain([&own.file]) {
        let (name, path) = (file.region().name(), file.path().display());
        match file.fate() {
            Fate::Same => {}
            Fate::Replaced => bail!(
                "{path} is another file than the one that is mapped: region {name} was made anew; start the slowpath again"
            ),
            Fate::Gone if *gone_said => {}
            Fate::Gone => {
                *gone_said = true;
                say(format_args!(
                    "alarm: {path} is gone: no process that starts now finds region {name}; stop the fastpath, then the slowpath, so that everything is archived"
                ));
            }
        }
    }
    Ok(())
}

/// Lets the gateway answer what it was asked, and then the threads finish what the journal holds.
fn stop(own: &OwnRegion, attached: &Attached, threads: Threads) -> Result<()> {
    threads.signals.close();
    for thread in threads.gateway.into_iter().chain(threads.replay) {
        // One that does not end has no more to say.
        let _ended = wait(own, thread);
    }
    let head = Seq(LogReader::new(attached.journal.clone(), 1)?.head());
    threads.signals.finish_at(head);
    let archived = wait(own, threads.archiver);
    let view = own.writer.view();
    match archived {
        Some(Ok(())) => {}
        Some(Err(refusal)) => return Err(refusal.into()),
        None => bail!(
            "archived to seq {} only, the journal ends with seq {head}: the rest stays in journal memory until a slowpath archives it",
            view.durable_seq()
        ),
    }
    match wait(own, threads.shadow) {
        Some(Ending::Agreed) => {}
        Some(Ending::Diverged(seq)) => {
            bail!(
                "all is archived to seq {head}, but the shadow engine does not agree with seq {seq}"
            )
        }
        Some(Ending::Unreadable(seq)) => {
            bail!("all is archived to seq {head}, but the shadow engine cannot read seq {seq}")
        }
        None => bail!(
            "all is archived to seq {head}, but the shadow engine has checked it to seq {} only",
            view.shadow_seq()
        ),
    }
    // What it has not kept it reads again.
    let _ended = wait(own, threads.attestations);
    if let Some(store) = threads.store {
        stop_store(own, store, head);
    }
    say(format_args!(
        "stopped: all is archived and checked to seq {head}"
    ));
    Ok(())
}

/// A store that is behind is nothing undone: it goes on at the next start.
fn stop_store(own: &OwnRegion, store: JoinHandle<()>, head: Seq) {
    let _ended = wait(own, store);
    let seq = own.writer.view().counter(STORE_SEQ).unwrap_or(0);
    if seq < head.0 {
        say(format_args!(
            "the store is at seq {seq} and goes on there at the next start"
        ));
    }
}

/// Waits for a thread to end, alive all the while; none if it takes too long.
fn wait<T>(own: &OwnRegion, thread: JoinHandle<T>) -> Option<T> {
    let start = Instant::now();
    while !thread.is_finished() {
        if start.elapsed() > PATIENCE {
            return None;
        }
        own.writer.heartbeat().beat(since_boot());
        std::thread::sleep(Duration::from_millis(1));
    }
    // A panic has ended the process.
    thread.join().ok()
}
