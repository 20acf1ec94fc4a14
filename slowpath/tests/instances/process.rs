//! The slowpath process, against a fastpath that the test plays.

use crate::instance::{Fastpath, Instance, cut, wait};
use domain::Seq;
use gateway::{Live, Standing};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use shadow::Shadow;
use shm::LogReader;
use shm::layout::ShadowState;
use slowpath::attach::{self, OwnRegion, Region};
use slowpath::counters::SHADOW_TROUBLES;
use slowpath::follower::Follower;
use slowpath::rejects::Rejects;
use slowpath::serving::Ring;
use slowpath::shadowing::{CONSERVATION_INTERVAL, Ending, Shadowing};
use slowpath::signals::Signals;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use topology::Ack;

/// The shadow engine has published that it agrees with everything up to `seq`.
fn wait_checked(instance: &Instance, seq: u64) {
    wait("everything is checked", || {
        instance.slow().shadow_seq() >= seq
    });
}

/// Lets two paths change places, with no moment between.
fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

fn first_segment(instance: &Instance) -> PathBuf {
    let first = instance.config.archive_dir();
    let first = first.join("00000000000000000001.seg");
    assert_ne!(first, instance.last_segment());
    first
}

/// An instance whose memory has lost its first frames, with its first segment and no slowpath.
fn lapped() -> (Instance, Fastpath, PathBuf) {
    let instance = Instance::new("[archive]\nsegment_mib = 1\n");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    fastpath.trade_through(3000, &instance);
    instance.wait_archived(fastpath.head());
    slowpath.kill();
    let first = first_segment(&instance);
    (instance, fastpath, first)
}

/// A shadow engine of this process, before the first frame, and what its gateway has of it.
fn shadowing(instance: &Instance, own: &OwnRegion) -> (Shadowing, Live) {
    let places = attach::places(&instance.config);
    let open = |region| attach::open(&places, region).unwrap().unwrap().0;
    let (journal, fast) = (open(Region::Journal), open(Region::Fast));
    let journal = || LogReader::new(journal.clone(), 1).unwrap();
    let ring = Ring::new(
        shm::command_ring_producer(&own.memory, &fast).unwrap(),
        shm::FastView::new(fast.clone()).unwrap(),
        shm::SlowView::new(own.memory.clone()).unwrap(),
        journal(),
        Arc::default(),
    );
    let shadow = Shadow::new(instance.config.instance.shard, CONSERVATION_INTERVAL);
    let live = Live::new(shadow, Box::new(ring), false);
    let (config, rejects) = (&instance.config, Rejects::default());
    let shadowing = Shadowing::new(config, journal(), &own.writer, live.clone(), rejects);
    (shadowing, live)
}

#[test]
fn it_archives_and_checks_what_the_fastpath_journals_until_it_is_told_to_stop() {
    let instance = Instance::new("");
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("waiting for the fastpath");
    let mut fastpath = Fastpath::start(&instance);
    slowpath.wait_for("archiving from seq 1\n");
    fastpath.genesis();
    fastpath.trade(100);
    instance.wait_archived(fastpath.head());
    wait_checked(&instance, fastpath.head());
    let slow = instance.slow();
    assert_eq!(slow.shadow_state(), Some(ShadowState::Ok));
    assert_eq!(slow.shadow_hash(), fastpath.state_hash());
    assert_eq!(slow.archived_seq(), fastpath.head());
    assert_eq!(slow.pid(), u64::from(slowpath.pid()));

    fastpath.trade(7);
    let status = slowpath.stop();
    assert_eq!(status.code(), Some(0), "{}", slowpath.said());
    let said = slowpath.said();
    assert!(
        said.ends_with(&format!("to seq {}\n", fastpath.head())),
        "{said}"
    );
    assert_eq!(slow.durable_seq(), fastpath.head());
    assert_eq!(slow.shadow_hash(), fastpath.state_hash());
}

#[test]
fn killed_and_started_again_it_goes_on_where_it_was() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(50);
    instance.wait_archived(fastpath.head());
    slowpath.kill();
    let archived = instance.slow().durable_seq();
    fastpath.trade(50);

    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for(&format!("archiving from seq {}\n", archived + 1));
    instance.wait_archived(fastpath.head());
    wait_checked(&instance, fastpath.head());
    assert_eq!(instance.slow().shadow_hash(), fastpath.state_hash());
    assert_eq!(slowpath.stop().code(), Some(0));
}

/// The memory holds a thousand frames: what is older comes from the archive.
#[test]
fn what_memory_no_longer_has_is_checked_from_the_archive() {
    let (instance, fastpath, _) = lapped();
    assert!(fastpath.head() > 6000);

    let mut slowpath = instance.start_slowpath();
    wait_checked(&instance, fastpath.head());
    assert_eq!(instance.slow().shadow_hash(), fastpath.state_hash());
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
    let verified = instance.sluice(&["journal", "verify", "--archive-only"]);
    assert_eq!(verified.code, 0, "{verified:?}");

    // It was not archived yet when that was asked, and memory lost it before it was read.
    let log = attach::journal_reader(&instance.config).unwrap();
    let archive = Some(instance.config.archive_dir());
    let mut follower = Follower::new(archive, instance.config.instance.shard, log, Seq(1));
    let asked = Cell::new(0);
    let archived = || Seq(asked.replace(fastpath.head()));
    let frame = follower.next(archived).unwrap().unwrap();
    assert_eq!(frame.header.seq, Seq(1));
}

/// What cannot be read says nothing about whether the engines agree.
#[test]
fn a_frame_that_cannot_be_read_is_told_from_one_that_does_not_agree() {
    let (instance, fastpath, first) = lapped();
    let mut bytes = fs::read(&first).unwrap();
    bytes[200] ^= 1;
    fs::write(&first, &bytes).unwrap();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("alarm: the shadow engine stops: archive: 00000000000000000001.seg");
    wait("it shows", || {
        instance.slow().shadow_state() == Some(ShadowState::Unreadable)
    });
    let status = instance.sluice(&["status"]);
    assert_eq!(status.code, 1, "{status:?}");
    let says = "the shadow engine cannot read seq 2: put right what";
    assert!(status.out.contains(says), "{status:?}");
    assert!(!status.out.contains("does not agree"), "{status:?}");
    assert_eq!(slowpath.stop().code(), Some(1));
    let said = slowpath.said();
    assert!(said.contains("cannot read seq 2\n"), "{said}");
    let (whole, refers) = (
        "restore this segment from a copy",
        "what to do was said before",
    );
    let count = |part: &str| said.matches(part).count();
    // The store meets it too, and says so, if it comes before the shadow engine has said how far it is: until then what
    // the process before had checked counts as checked.
    let stopped = count("alarm: the store stops: archive: 00000000000000000001.seg");
    assert_eq!((count(whole), count(refers)), (1, stopped), "{said}");
    assert!(!said.contains("agree"), "{said}");
    bytes[200] ^= 1;
    fs::write(&first, &bytes).unwrap();
    let _slowpath = instance.start_slowpath();
    // How far it was before stands in the region until then.
    wait("it agrees", || {
        instance.slow().shadow_state() == Some(ShadowState::Ok)
    });
    wait_checked(&instance, fastpath.head());
}

/// As it may become while it runs: who opens an archive looks at all its segments.
#[test]
fn an_archive_that_the_shadow_engine_cannot_read_is_one_trouble_and_shows() {
    let (instance, fastpath, first) = lapped();
    let aside = first.with_extension("aside");
    fs::create_dir(&aside).unwrap();
    exchange(&first, &aside);
    let own = instance.own_region();
    let (shadowing, _) = shadowing(&instance, &own);
    let signals = Arc::new(Signals::default());
    signals.set_archive_open();
    let its_signals = Arc::clone(&signals);
    let thread = std::thread::spawn(move || shadowing.run(&its_signals));
    let slow = own.writer.view();
    let count = |number| slow.counter(number).unwrap();
    wait("it is in trouble", || SHADOW_TROUBLES.last(count));
    let status = instance.sluice(&["status"]);
    let says = "the shadow engine waits for an archive that it cannot read";
    assert!(status.out.contains(says), "{status:?}");
    // It tries again meanwhile, which is nothing new.
    std::thread::sleep(Duration::from_millis(1200));
    exchange(&first, &aside);
    wait("it goes on", || !SHADOW_TROUBLES.last(count));
    assert_eq!(count(SHADOW_TROUBLES.begun), 1);
    signals.finish_at(Seq(fastpath.head()));
    assert_eq!(thread.join().unwrap(), Ending::Agreed);
}

#[test]
fn an_archive_that_is_moved_away_is_noticed_and_nothing_more_counts_as_durable() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    instance.wait_archived(fastpath.head());
    let durable = fastpath.head();
    let directory = instance.config.archive_dir();
    let aside = directory.with_extension("aside");
    fs::rename(&directory, &aside).unwrap();
    fastpath.trade(5);
    slowpath.wait_for("trouble: the archive's storage fails");
    assert_eq!(instance.slow().durable_seq(), durable);
    fs::rename(&aside, &directory).unwrap();
    slowpath.wait_for("trouble over");
    instance.wait_archived(fastpath.head());
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}

/// The word is another process's: it must not make the archive look as if it had lost something.
#[test]
fn progress_beyond_the_journal_is_not_blamed_on_the_archive() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    instance.wait_archived(fastpath.head());
    assert_eq!(slowpath.stop().code(), Some(0));
    let own = instance.own_region();
    own.writer.set_durable_seq(fastpath.head() + 7);
    drop(own);
    let refused = instance.refused_slowpath();
    let says = format!(
        "{} says that seq {} is durable, but the journal",
        instance.config.region_dir().join("slow").display(),
        fastpath.head() + 7
    );
    assert!(refused.contains(&says), "{refused}");
}

#[test]
fn an_event_that_does_not_follow_raises_the_alarm_and_archiving_goes_on() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.trade(600);
    // Every other order rests.
    let wrong = fastpath.head() + 1;
    fastpath.falsify = Some(wrong);
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(20);
    slowpath.wait_for(&format!(
        "alarm: the shadow engine stops: seq {wrong}: event 1"
    ));
    let slow = instance.slow();
    wait("it shows", || {
        slow.shadow_state() == Some(ShadowState::Diverged)
    });
    assert_eq!(slow.diverged_seq(), wrong);
    fastpath.trade(20);
    instance.wait_archived(fastpath.head());

    let status = instance.sluice(&["status"]);
    assert_eq!(status.code, 1, "{status:?}");
    assert!(
        status
            .out
            .contains(&format!("does not agree with seq {wrong}")),
        "{status:?}"
    );
    let verified = instance.sluice(&["journal", "verify"]);
    assert_eq!(verified.code, 1);
    assert!(verified.out.contains(&format!(
        "NOT VALID: replay refuses the journal at seq {wrong}"
    )));

    assert_eq!(slowpath.stop().code(), Some(1));
    assert!(
        slowpath.said().contains("all is archived"),
        "{}",
        slowpath.said()
    );
}

#[test]
fn an_alarm_stands_until_a_later_shadow_engine_has_got_past_it() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.trade(600);
    let own = instance.own_region();
    let state_after = |doubted: u64| {
        own.writer.set_diverged(doubted);
        let (shadowing, _) = shadowing(&instance, &own);
        let signals = Signals::default();
        signals.set_archive_open();
        signals.finish_at(Seq(fastpath.head()));
        assert_eq!(shadowing.run(&signals), Ending::Agreed);
        own.writer.view().shadow_state()
    };
    let next = fastpath.head() + 1;
    assert_eq!(state_after(next), Some(ShadowState::Diverged));
    assert_eq!(state_after(next - 1), Some(ShadowState::Ok));
}

/// The archive is always a frame behind, as it is under steady traffic.
#[test]
fn with_durable_answers_the_gateway_is_live_while_the_journal_goes_on_ahead_of_the_archive() {
    let mut instance = Instance::new("");
    instance.config.instance.ack = Ack::Durable;
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.begin_epoch();
    let own = instance.own_region();
    let (shadowing, live) = shadowing(&instance, &own);
    let signals = Arc::new(Signals::default());
    signals.set_archive_open();
    let running = {
        let signals = Arc::clone(&signals);
        std::thread::spawn(move || shadowing.run(&signals))
    };
    let mut durable = 0;
    wait("the gateway is live", || {
        assert!(fastpath.head() < 1000, "memory holds no more");
        fastpath.trade_without_checkpoint(1);
        durable = fastpath.head() - 1;
        own.writer.set_durable_seq(durable);
        live.standing() == Standing::Live
    });
    signals.finish_at(Seq(durable));
    assert_eq!(running.join().unwrap(), Ending::Agreed);
}

/// Nothing of it is read live, and no command that waits for it is given up.
#[test]
fn with_durable_answers_what_is_journalled_does_not_count_before_it_is_durable() {
    let mut instance = Instance::new("");
    instance.config.instance.ack = Ack::Durable;
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.begin_epoch();
    fastpath.trade(4);
    let own = instance.own_region();
    let stands_at = |durable: u64| {
        own.writer.set_durable_seq(durable);
        let (shadowing, live) = shadowing(&instance, &own);
        let signals = Signals::default();
        signals.set_archive_open();
        signals.finish_at(Seq(durable));
        assert_eq!(shadowing.run(&signals), Ending::Agreed);
        (live.read(|_, seq| seq), live.standing())
    };
    let head = fastpath.head();
    let behind = (Seq(head - 1), Standing::CatchingUp);
    assert_eq!(stands_at(head - 1), behind);
    assert_eq!(stands_at(head), (Seq(head), Standing::Live));
}

#[test]
fn a_second_slowpath_is_refused_by_the_pid_of_the_first() {
    let instance = Instance::new("");
    let slowpath = instance.start_slowpath();
    slowpath.wait_for("waiting for the fastpath");
    // Also when the region is gone: of one that was made anew, others would take the second for the instance's.
    for is_gone in [false, true] {
        let region = instance.config.region_dir().join("slow");
        if is_gone {
            fs::remove_file(&region).unwrap();
        }
        let second = instance.refused_slowpath();
        assert!(
            second.contains(&format!("another archiver (pid {})", slowpath.pid())),
            "{second}"
        );
        assert_eq!(region.exists(), !is_gone);
    }
}

#[test]
fn who_waits_for_a_lock_ends_at_once_when_asked_and_goes_on_when_it_falls() {
    let instance = Instance::new("");
    fs::create_dir_all(instance.config.state_dir()).unwrap();
    let held = archive::FileStorage::open(&instance.config.archive_dir(), "").unwrap();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("waiting for at most 3 s: ");
    slowpath.ask_to_stop();
    assert_eq!(slowpath.end().code(), Some(0), "{}", slowpath.said());
    let said = slowpath.said();
    let says = "stopped: another process held the archive";
    assert!(said.contains(says), "{said}");

    // As that of one that was stopped just before.
    let slowpath = instance.start_slowpath();
    slowpath.wait_for("waiting for at most 3 s: ");
    drop(held);
    slowpath.wait_for("waiting for the fastpath");
    drop(slowpath);

    let own = instance.own_region();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("waiting for at most 3 s: ");
    slowpath.ask_to_stop();
    assert_eq!(slowpath.end().code(), Some(0), "{}", slowpath.said());
    drop(own);
}

#[test]
fn whoever_asks_to_stop_before_the_configuration_is_read_is_heard() {
    let instance = Instance::new("");
    let pipe = instance.hold_configuration();
    let mut slowpath = instance.start_slowpath();
    let reader = pipe.wait_for_reader();
    slowpath.ask_to_stop();
    pipe.write(reader);
    assert_eq!(slowpath.end().code(), Some(0), "{}", slowpath.said());
}

/// Under another name it would make a region that nobody needs, and then find the archive in use.
#[test]
fn a_state_folder_of_another_instance_is_refused_before_a_region_is_made() {
    let instance = Instance::new("");
    let lock = instance.config.lock_file();
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    fs::write(&lock, "instance other\nshard 0\npid          1\n").unwrap();
    let said = instance.refused_slowpath();
    assert!(
        said.contains("is that of instance other, shard 0, this is"),
        "{said}"
    );
    let places = attach::places(&instance.config);
    assert_eq!(places.find("slow").unwrap(), None);
}

/// Later a missing one may be a disk that is not mounted.
#[test]
fn the_archives_folders_are_made_at_the_first_start_alone() {
    let instance = Instance::new("[archive]\ndir = \"deep/a/b\"\n");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    instance.wait_archived(fastpath.head());
    assert_eq!(slowpath.stop().code(), Some(0));
    fs::create_dir_all(instance.config.state_dir()).unwrap();
    fs::write(instance.config.epoch_file(), "1\n").unwrap();
    let top = instance
        .config
        .archive_dir()
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned();
    fs::rename(&top, top.with_extension("aside")).unwrap();
    let said = instance.refused_slowpath();
    assert!(said.contains("No such file or directory"), "{said}");
    assert!(!top.exists());
}

#[test]
fn stopped_before_there_was_a_fastpath_it_has_left_nothing_undone() {
    let instance = Instance::new("");
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("waiting for the fastpath");
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}

#[test]
fn an_unfinished_write_is_cut_off_and_written_again_from_memory() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(10);
    instance.wait_archived(fastpath.head());
    slowpath.kill();
    // Nobody was told that these frames are durable.
    fs::remove_file(instance.config.region_dir().join("slow")).unwrap();
    cut(&instance.last_segment(), 5);
    let printed = instance.sluice(&["journal", "print"]);
    let verified = instance.sluice(&["journal", "verify", "--archive-only"]);
    assert_eq!(
        (printed.code, verified.code),
        (0, 0),
        "{printed:?} {verified:?}"
    );
    assert!(
        verified.out.contains("bytes of an unfinished write"),
        "{verified:?}"
    );
    let last = format!("\n{} ", fastpath.head());
    assert!(
        printed.out.contains(&last),
        "memory has the last frame: {printed:?}"
    );

    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("of an unfinished write off the archive");
    slowpath.wait_for(&format!("archiving from seq {}\n", fastpath.head()));
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
    let verified = instance.sluice(&["journal", "verify", "--archive-only"]);
    assert!(
        verified
            .out
            .contains(&format!("last seq      {}\n", fastpath.head())),
        "{verified:?}"
    );
}

#[test]
fn an_archive_that_lost_durable_frames_ends_the_process() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    instance.wait_archived(fastpath.head());
    slowpath.kill();
    cut(&instance.last_segment(), 5);
    let refused = instance.refused_slowpath();
    assert!(refused.contains("were durable"), "{refused}");
}

#[test]
fn storage_that_fails_is_told_and_waited_out() {
    let instance = Instance::new("[archive]\nsegment_mib = 1\n");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    instance.wait_archived(fastpath.head());
    // A directory stands where the segment was: what root may not do either.
    slowpath.kill();
    let directory = instance.config.archive_dir();
    let segment = instance.last_segment();
    let aside = directory.with_extension("aside");
    fs::create_dir(&aside).unwrap();
    exchange(&segment, &aside);
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("trouble: the archive's storage fails");
    let status = instance.sluice(&["status"]);
    assert_eq!(status.code, 1, "{status:?}");
    assert!(
        status.out.contains("the archive's storage fails"),
        "{status:?}"
    );
    exchange(&segment, &aside);
    slowpath.wait_for("trouble over");
    fastpath.trade(5);
    instance.wait_archived(fastpath.head());
    assert_eq!(slowpath.stop().code(), Some(0));
}

/// What is not archived stays in journal memory, and the exit code says that there is such.
#[test]
fn a_stop_that_leaves_something_undone_says_what() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    instance.wait_archived(fastpath.head());
    slowpath.kill();
    let archived = fastpath.head();
    fastpath.trade(5);
    let aside = instance.config.archive_dir().with_extension("aside");
    fs::create_dir(&aside).unwrap();
    exchange(&instance.last_segment(), &aside);
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("trouble:");
    assert_eq!(slowpath.stop().code(), Some(1));
    let undone = format!(
        "archived to seq {archived} only, the journal ends with seq {}",
        fastpath.head()
    );
    assert!(slowpath.said().contains(&undone), "{}", slowpath.said());
    let status = instance.sluice(&["status"]);
    assert!(
        status.out.contains("was stopped and left something undone"),
        "{status:?}"
    );
    // However often it is asked, also when the other one is dead.
    drop(fastpath);
    let stop = instance.sluice(&["stop"]);
    assert_eq!(stop.code, 1, "{stop:?}");
    assert!(
        stop.out
            .contains("stopped before and left something undone"),
        "{stop:?}"
    );
}

/// After a loss of power there is the archive, and a journal memory that has nothing yet.
#[test]
fn without_its_memory_the_journal_is_checked_from_the_archive() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(10);
    instance.wait_archived(fastpath.head());
    slowpath.kill();
    let (head, hash) = (fastpath.head(), fastpath.state_hash());
    drop(fastpath);
    fs::remove_dir_all(instance.config.region_dir()).unwrap();

    let printed = instance.sluice(&["journal", "print"]);
    assert!(printed.out.contains(&format!("\n{head} ")), "{printed:?}");
    let verified = instance.sluice(&["journal", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(
        verified.out.contains("later frames may be gone"),
        "{verified:?}"
    );

    let _fastpath = Fastpath::start(&instance);
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for(&format!("archiving from seq {}\n", head + 1));
    wait_checked(&instance, head);
    assert_eq!(instance.slow().shadow_hash(), hash);
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}

#[test]
fn regions_that_are_made_anew_end_the_process() {
    let instance = Instance::new("");
    let fastpath = Fastpath::start(&instance);
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    let folder = instance.config.region_dir();
    fs::rename(folder.join("fast"), folder.join("gone")).unwrap();
    slowpath.wait_for("alarm: ");
    fs::copy(folder.join("gone"), folder.join("fast")).unwrap();
    assert_eq!(slowpath.end().code(), Some(1));
    assert!(
        slowpath.said().contains("region fast was made anew"),
        "{}",
        slowpath.said()
    );
    drop(fastpath);
}
